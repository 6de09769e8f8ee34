// scripts/outputs-to-conf makes a valid configuration from the outputs of the AWS stack.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BINARY } from '../parts/daemon.mjs';

const root = new URL('../..', import.meta.url).pathname;
const sample = (name) => join(root, 'tests/aws', name);
const folder = mkdtempSync(join(tmpdir(), 'mcp-authd-outputs-'));
after(() => rmSync(folder, { recursive: true }));

function convert(args, input) {
  return spawnSync(join(root, 'scripts/outputs-to-conf'), args, { encoding: 'utf8', input });
}

function keys(text) {
  const lines = text.split('\n').filter((l) => l && !l.startsWith('#'));
  return Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]));
}

/** What the program makes of it: its own -t, with nothing from our environment, and credentials as a host has them. */
function check(conf) {
  const file = join(folder, 'mcp-authd.conf');
  writeFileSync(file, conf);
  return spawnSync(BINARY, ['-c', file, '-t'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, STATE_DIR: folder, TOOLS_DIR: folder, RESOURCES_DIR: folder, PROMPTS_DIR: folder, CLIENTS_DIR: folder,
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' },
  });
}

test('outputs of cdk deploy become a configuration', () => {
  const { status, stdout } = convert([sample('outputs-dev.json')]);
  assert.equal(status, 0);
  assert.deepEqual(keys(stdout), {
    MCP_SERVER_URI: 'http://localhost:8080/mcp',
    AUTH_PROXY_URI: 'http://localhost:8080',
    COGNITO_REGION: 'ap-northeast-1',
    COGNITO_USER_POOL_ID: 'ap-northeast-1_AbCdEfGhI',
    COGNITO_CLIENT_ID: '1h57kf5cpq17m0eml12EXAMPLE',
    COGNITO_DOMAIN: 'mcp-auth-111122223333',
    SESSION_STORE: 'dynamodb',
    SESSION_TABLE_NAME: 'mcp-auth-sessions',
    ALLOWED_ORIGINS: '*',
  });
});

test('the origins are the stage’s, unless others are named: all in dev, none but the service’s own in prod', () => {
  assert.equal(keys(convert(['-o', 'https://app.example.com', sample('outputs-dev.json')]).stdout).ALLOWED_ORIGINS, 'https://app.example.com');
  assert.equal(keys(convert([sample('outputs-prod.json')]).stdout).ALLOWED_ORIGINS, undefined);
  const outputs = JSON.parse(readFileSync(sample('outputs-dev.json'), 'utf8'));
  outputs.AuthenticatedMcpStack.AllowedOrigins = '*\nTOOLS_DIR=/tmp';
  assert.match(convert([], JSON.stringify(outputs)).stderr, /AllowedOrigins has a character/);
});

test('describe-stacks gives the same, from a pipe', () => {
  const expected = convert([sample('outputs-dev.json')]).stdout;
  assert.equal(convert([], readFileSync(sample('describe-stacks.json'), 'utf8')).stdout, expected);
});

for (const [name, store] of ['outputs-dev.json', 'outputs-prod.json', 'describe-stacks.json'].flatMap((each) => [[each, 'lmdb'], [each, 'dynamodb']]))
  test(`mcp-authd -t takes what is made of ${name}, with ${store}`, () => {
    const { stdout } = convert(['-s', store, '-o', 'https://app.example.com', sample(name)]);
    const { status, stdout: dump, stderr } = check(stdout);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /configuration is good/);
    for (const [key, value] of Object.entries(keys(stdout))) assert.ok(dump.includes(`${key}=${value}\n`), key);
  });

test('a table of tasks goes along, if the stack has one', () => {
  const outputs = JSON.parse(readFileSync(sample('outputs-dev.json'), 'utf8'));
  outputs.AuthenticatedMcpStack.TaskTableName = 'mcp-auth-tasks';
  const { stdout } = convert([], JSON.stringify(outputs));
  assert.equal(keys(stdout).TASK_TABLE_NAME, 'mcp-auth-tasks');
  assert.equal(check(stdout).status, 0);
  assert.equal(keys(convert(['-s', 'lmdb'], JSON.stringify(outputs)).stdout).TASK_TABLE_NAME, undefined);
  outputs.AuthenticatedMcpStack.TaskTableName = 'a b';
  assert.match(convert([], JSON.stringify(outputs)).stderr, /TaskTableName has a character/);
});

test('a file for each site of the stack', () => {
  const outputs = JSON.parse(readFileSync(sample('outputs-dev.json'), 'utf8'));
  Object.assign(outputs.AuthenticatedMcpStack, { Sitesacme1A2B3C4D: 'acme 2h57kf5cpq17m0eml12EXAMPLE', Sitesa15F6A7B8C: 'a-1 3h57kf5cpq17m0eml12EXAMPLE' });
  const dir = join(folder, 'sites.d');
  mkdirSync(dir);
  const main = convert(['-s', 'lmdb', '-d', dir], JSON.stringify(outputs));
  assert.equal(main.status, 0, main.stderr);
  assert.deepEqual(readdirSync(dir).sort(), ['a-1.conf', 'acme.conf']);
  assert.deepEqual(keys(readFileSync(join(dir, 'acme.conf'), 'utf8')), {
    MCP_SERVER_URI: 'http://localhost:8080/acme/mcp',
    AUTH_PROXY_URI: 'http://localhost:8080/acme',
    COGNITO_CLIENT_ID: '2h57kf5cpq17m0eml12EXAMPLE',
    SUPPORTED_SCOPES: 'openid email profile acme/tools',
    REQUIRED_SCOPES: 'acme/tools',
  });
  const { status, stdout, stderr } = check(main.stdout);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^REQUIRED_SCOPES=a-1\/tools$/m);
  assert.match(convert([], JSON.stringify(outputs)).stderr, /-d DIR writes their files/);
  outputs.AuthenticatedMcpStack.Sitesacme1A2B3C4D = '../x 2h57';
  assert.match(convert(['-d', dir], JSON.stringify(outputs)).stderr, /not its name and its app client/);
  assert.match(convert(['-d', join(folder, 'none')], JSON.stringify(outputs)).stderr, /is no folder/);
  rmSync(dir, { recursive: true });
});

test('the sample has what the stack gives', () => {
  const source = readFileSync(join(root, 'infra/lib/outputs.ts'), 'utf8');
  const given = [...source.matchAll(/out\('(\w+)'/g)].map((m) => m[1]).sort();
  assert.deepEqual(Object.keys(JSON.parse(readFileSync(sample('outputs-dev.json'))).AuthenticatedMcpStack).sort(), given);
});

test('a missing output is named', () => {
  const outputs = JSON.parse(readFileSync(sample('outputs-dev.json'), 'utf8'));
  delete outputs.AuthenticatedMcpStack.UserPoolClientId;
  const { status, stderr } = convert([], JSON.stringify(outputs));
  assert.equal(status, 1);
  assert.match(stderr, /no output UserPoolClientId/);
});

test('two stacks that differ are not mixed', () => {
  const two = { A: JSON.parse(readFileSync(sample('outputs-dev.json'))).AuthenticatedMcpStack, B: { UserPoolId: 'eu-west-1_x' } };
  const { status, stderr } = convert([], JSON.stringify(two));
  assert.equal(status, 1);
  assert.match(stderr, /more than one stack/);
});

test('a value cannot bring a line of its own', () => {
  const outputs = JSON.parse(readFileSync(sample('outputs-dev.json'), 'utf8'));
  outputs.AuthenticatedMcpStack.UserPoolDomain = 'x\nSTATE_DIR=/tmp';
  const { status, stderr } = convert([], JSON.stringify(outputs));
  assert.equal(status, 1);
  assert.match(stderr, /UserPoolDomain has a character/);
});

test('what is not JSON, or not there, is refused', () => {
  assert.match(convert([], '{"UserPoolId": "eu').stderr, /not JSON/);
  assert.match(convert([], '').stderr, /no output UserPoolId/);
  assert.match(convert([join(folder, 'missing')]).stderr, /cannot read/);
});

test('the sealing key that hosts make of the stack’s secret is one that the program reads', () => {
  const line = `${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0uV'}A\n`;
  assert.equal(line.length, 44);
  writeFileSync(join(folder, 'secret.key'), line, { mode: 0o600 });
  const { status, stderr } = check(convert(['-s', 'lmdb', sample('outputs-dev.json')]).stdout);
  assert.equal(status, 0, stderr);
  writeFileSync(join(folder, 'secret.key'), line.slice(1), { mode: 0o600 });
  assert.equal(check(convert(['-s', 'lmdb', sample('outputs-dev.json')]).stdout).status, 2);
  rmSync(join(folder, 'secret.key'));
});
