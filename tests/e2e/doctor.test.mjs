// `mcp-authd doctor`: its findings, its advice, and its exit status.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { BINARY, writeConfig } from '../parts/daemon.mjs';
import { assertFails, letWebServerIn, runDoctor } from '../parts/doctor.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { KEY, startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort } from '../parts/util.mjs';

process.env.TMPDIR = '/var/tmp'; // programs may write to /tmp
const AUTHORIZER = { accessKeyId: 'AKIAAUTHORIZE0000001', secretAccessKey: 'authorize', actions: ['PutItem', 'UpdateItem'] };
let dynamodb, proxy, site;
before(async () => {
  dynamodb = await startDynamoDb();
  await dynamodb.createTable('good');
  await dynamodb.createTable('no-ttl', { ttl: null });
  await dynamodb.createTable('other-ttl', { ttl: 'expires' });
  await dynamodb.createTable('other-key', { key: 'id' });
  await dynamodb.createTable('number-key', { type: 'N' });
  await dynamodb.createTable('tasks', { key: 'taskId' });
  await dynamodb.createTable('tasks-no-ttl', { key: 'taskId', ttl: null });
  proxy = await startDynamoDbProxy({ dynamodb, keys: [KEY, AUTHORIZER] });
  site = await startSite();
  letWebServerIn(site);
  await fetch(`${site.issuer}/.well-known/oauth-authorization-server`);      // one of several sites makes its key with the first request
});
after(async () => {
  await site?.close();
  await proxy?.close();
  await dynamodb?.close();
});

const doctor = ({ config = {}, env = proxy.env() } = {}) =>
  runDoctor(site, { config: { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: 'good', ...config }, env, secret: KEY.secretAccessKey });

test('all is good', async () => {
  const from = proxy.calls.length;
  const report = await doctor();
  assert.equal(report.code, 0, report.output);
  for (const check of ['configuration', 'state directory', 'key file', 'pinned clients', 'scopes', 'tools', 'resources', 'prompts', 'socket', 'programs', 'key set', 'clock',
    'authorize address', 'token address', 'credentials', 'table', 'time to live', 'PutItem', 'UpdateItem', 'GetItem', 'DeleteItem',
    'certificate', 'resource metadata', 'server metadata', 'Authorization', 'long tokens', 'issuer']) {
    assert.equal(report.of(check)?.status, 'ok', `${check}: ${report.output}`);
  }
  assert.match(report.of('credentials').text, /environment/);
  assert.deepEqual(await dynamodb.items('good'), [], 'nothing was written');
  const conditions = proxy.calls.slice(from).filter(({ type }) => type);
  assert.ok(conditions.every(({ type }) => type === 'ConditionalCheckFailedException'));
});

test('programs of the same user can read what is in /tmp', async () => {
  const dir = fs.mkdtempSync('/tmp/mcp-authd-doctor-');
  const report = await doctor({ config: { STATE_DIR: dir } });
  assert.equal(report.of('programs').status, 'warn', report.output);
  assert.ok(report.of('programs').text.includes(`can read ${dir}`), report.output);
  fs.rmSync(dir, { recursive: true });
});

test('with the embedded store AWS is not asked', async () => {
  const from = proxy.calls.length;
  const report = await doctor({ config: { SESSION_STORE: 'lmdb' }, env: {} });
  assert.equal(report.code, 0, report.output);
  assert.equal(report.of('credentials'), undefined);
  assert.equal(proxy.calls.length, from);
});

test('only what ENDPOINTS uses is looked at', async () => {
  const token = await doctor({ config: { ENDPOINTS: 'token' } });
  assert.equal(token.code, 0, token.output);
  for (const check of ['PutItem', 'UpdateItem', 'authorize address', 'key set', 'tools', 'resources', 'prompts', 'pinned clients', 'certificate',
    'resource metadata', 'server metadata', 'Authorization']) assert.equal(token.of(check), undefined);
  assert.ok(token.of('GetItem') && token.of('DeleteItem') && token.of('token address'));
  const metadata = await doctor({ config: { ENDPOINTS: 'metadata' }, env: {} });
  assert.deepEqual(metadata.checks.map(({ check }) => check),
    ['configuration', 'socket', 'certificate', 'resource metadata', 'server metadata', 'output files']);
});

test('a table that is missing or made otherwise', async () => {
  assertFails(await doctor({ config: { SESSION_TABLE_NAME: 'missing' } }), 'table', /no table missing/, /create it/);
  assertFails(await doctor({ config: { SESSION_TABLE_NAME: 'other-key' } }), 'table', /sessionId/, /create it/);
  assertFails(await doctor({ config: { SESSION_TABLE_NAME: 'number-key' } }), 'table', /sessionId/, /create it/);
});

test('time to live that is off or on another attribute', async () => {
  assertFails(await doctor({ config: { SESSION_TABLE_NAME: 'no-ttl' } }), 'time to live', /DISABLED/, /attribute ttl/);
  assertFails(await doctor({ config: { SESSION_TABLE_NAME: 'other-ttl' } }), 'time to live', /expires/, /attribute ttl/);
});

describe('the table of tasks', () => {
  const CHECKS = ['task table', 'task time to live', 'task PutItem', 'task GetItem', 'task UpdateItem'];

  test('is looked at where calls are answered', async () => {
    const both = await doctor({ config: { TASK_TABLE_NAME: 'tasks' } });
    assert.equal(both.code, 0, both.output);
    for (const check of [...CHECKS, 'table', 'PutItem']) assert.equal(both.of(check)?.status, 'ok', `${check}: ${both.output}`);
    assert.equal(both.checks.filter(({ check }) => check === 'credentials').length, 1);
    const alone = await doctor({ config: { TASK_TABLE_NAME: 'tasks', SESSION_STORE: 'lmdb' } });
    assert.equal(alone.code, 0, alone.output);
    for (const check of [...CHECKS, 'credentials', 'clock']) assert.equal(alone.of(check)?.status, 'ok', `${check}: ${alone.output}`);
    assert.equal(alone.of('table'), undefined);
    const elsewhere = await doctor({ config: { TASK_TABLE_NAME: 'tasks', ENDPOINTS: 'token' } });
    assert.equal(elsewhere.of('task table'), undefined);
    assert.deepEqual(await dynamodb.items('tasks'), [], 'nothing was written');
  });

  test('missing, made otherwise, or not allowed', async () => {
    assertFails(await doctor({ config: { TASK_TABLE_NAME: 'missing' } }), 'task table', /no table missing/, /TASK_TABLE_NAME/);
    assertFails(await doctor({ config: { TASK_TABLE_NAME: 'good' } }), 'task table', /taskId/, /create it/);
    assertFails(await doctor({ config: { TASK_TABLE_NAME: 'tasks-no-ttl' } }), 'task time to live', /DISABLED/, /attribute ttl/);
    const report = await doctor({ config: { TASK_TABLE_NAME: 'tasks', ENDPOINTS: 'mcp' }, env: proxy.env(AUTHORIZER) });
    assertFails(report, 'task GetItem', /not authorized to perform: dynamodb:GetItem/, /policy/);
    assert.equal(report.of('task PutItem').status, 'ok');
    assert.equal(report.of('task DeleteItem'), undefined);
  });
});

test('permissions that are missing, and those that only doctor would like', async () => {
  const report = await doctor({ env: proxy.env(AUTHORIZER) });
  assertFails(report, 'GetItem', /not authorized to perform: dynamodb:GetItem/, /policy/);
  assertFails(report, 'DeleteItem', /not authorized/, /policy/);
  assert.equal(report.of('PutItem').status, 'ok');
  assert.equal(report.of('table').status, 'warn');
  const enough = await doctor({ config: { ENDPOINTS: 'authorize' }, env: proxy.env(AUTHORIZER) });
  assert.equal(enough.code, 1, enough.output);
  assert.deepEqual(enough.checks.filter(({ status }) => status !== 'ok').map(({ check }) => check), ['table', 'time to live']);
});

test('credentials that are wrong or not there', async () => {
  assertFails(await doctor({ env: proxy.env({ ...KEY, secretAccessKey: 'wrong' }) }), 'credentials', /refuses the signature/, /secret access key/);
  assertFails(await doctor({ env: proxy.env({ ...KEY, accessKeyId: 'AKIAUNKNOWN000000001' }) }), 'credentials', /does not know/, /replace/);
  assertFails(await doctor({ env: proxy.env(null) }), 'credentials', /./, /docs\/dynamodb\.md/);
});

test('a clock that is wrong', async () => {
  proxy.setClock(20 * 60000);
  try {
    const report = await doctor();
    const clocks = report.checks.filter(({ check }) => check === 'clock');
    assert.equal(report.code, 2);
    assert.deepEqual(clocks.map(({ status }) => status), ['ok', 'fail']);
    assert.match(clocks[1].text, /1(19[5-9]|20[0-5]) s behind DynamoDB/);
    assert.equal(report.of('PutItem').status, 'ok', 'the rest is looked at with the right time');
  } finally {
    proxy.setClock(0);
  }
});

test('DynamoDB and Cognito that are not there', async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  assertFails(await doctor({ env: { ...proxy.env(), AWS_ENDPOINT_URL_DYNAMODB: nowhere } }), 'DynamoDB', /no answer/, /firewall/);
  const report = await doctor({ config: { COGNITO_JWKS_URL: `${nowhere}/jwks.json`, COGNITO_TOKEN_URL: `${nowhere}/token`,
    COGNITO_AUTHORIZE_URL: `${nowhere}/authorize` } });
  for (const check of ['key set', 'authorize address', 'token address']) assertFails(report, check, /127\.0\.0\.1/, /address/);
});

test('Cognito that does not know us, or is not Cognito', async () => {
  const wrongClient = await doctor({ config: { COGNITO_CLIENT_ID: 'unknown' } });
  assertFails(wrongClient, 'authorize address', /refuses app client unknown/, /callback URL/);
  assertFails(wrongClient, 'token address', /refuses app client unknown/, /public/);
  assertFails(await doctor({ config: { AUTH_PROXY_URI: 'https://localhost:1' } }), 'authorize address', /refuses/, /https:\/\/localhost:1\/callback/);
  assertFails(await doctor({ config: { SUPPORTED_SCOPES: 'openid mcp-server/tools other/scope' } }), 'authorize address', /other\/scope/, /SUPPORTED_SCOPES/);
  assertFails(await doctor({ config: { COGNITO_JWKS_URL: `${site.cognito.origin}/nothing` } }), 'key set', /HTTP 404/, /COGNITO_/);
  assertFails(await doctor({ config: { COGNITO_JWKS_URL: `${site.cognito.issuer}/.well-known/openid-configuration` } }), 'key set', /./, /COGNITO_JWKS_URL/);
});

test('a provider that calls itself otherwise, or has its keys elsewhere', async () => {
  const other = await doctor({ config: { COGNITO_ISSUER: site.cognito.issuer.replace('127.0.0.1', 'localhost') } });
  assertFails(other, 'issuer', /it calls itself http:\/\/127/, /COGNITO_ISSUER=http/);
  const keys = await doctor({ config: { COGNITO_JWKS_URL: `${site.cognito.origin}/keys.json` } });
  assert.equal(keys.of('issuer').status, 'warn', keys.output);
  assert.match(keys.of('issuer').advice, /COGNITO_JWKS_URL=/);
  const silent = await doctor({ config: { COGNITO_ISSUER: `${site.cognito.origin}/nothing`, COGNITO_JWKS_URL: site.cognito.jwksUrl } });
  assert.equal(silent.of('issuer').status, 'ok', silent.output);
});

test('the configuration and the files of the host', async () => {
  const broken = await doctor({ config: { WORKERS_MIN: 'many', MCP_SERVER_URI: undefined } });
  assert.equal(broken.code, 2);
  assert.equal(broken.checks.length, 2, broken.output);
  const clients = path.join(site.dir, 'bad-clients.d');
  const key = path.join(site.dir, 'open.key');
  fs.mkdirSync(clients);
  fs.writeFileSync(path.join(clients, 'broken.json'), '{');
  fs.writeFileSync(key, 'x\n', { mode: 0o644 });
  const manifests = path.join(site.dir, 'bad.d');
  fs.mkdirSync(manifests);
  fs.writeFileSync(path.join(manifests, 'broken.json'), '{"name": 1}');
  const report = await doctor({ config: { CLIENTS_DIR: clients, TOOLS_DIR: '/nonexistent', RESOURCES_DIR: manifests,
    PROMPTS_DIR: manifests, SECRET_KEY_FILE: key, REQUIRED_SCOPES: '' } });
  assertFails(report, 'key file', /other users/, /600/);
  assert.equal(report.of('pinned clients').status, 'warn');
  assert.match(report.of('pinned clients').text, /broken\.json/);
  assert.equal(report.of('tools').status, 'warn');
  for (const check of ['resources', 'prompts']) {
    assert.equal(report.of(check).status, 'warn');
    assert.match(report.of(check).text, /broken\.json/);
    assert.match(report.of(check).advice, /correct it/);
  }
  assert.match((await doctor({ config: { TOOLS_DIR: manifests } })).of('tools').text, /broken\.json/);
  assert.equal((await doctor({ config: { RESOURCES_DIR: '' } })).of('resources'), undefined, 'switched off');
  assertFails(await doctor({ config: { STATE_DIR: '/nonexistent' } }), 'state directory', /no directory/, /make it/);
  const elsewhere = await doctor({ config: { COGNITO_USER_POOL_ID: 'eu-west-1_abc' } });
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.of('configuration').text, /:\d+: COGNITO_REGION=us-east-1: .*COGNITO_REGION=eu-west-1/);
});

test('a state directory of the service\'s user, in which root has once started the daemon', { skip: process.getuid() !== 0 }, (t) => {
  const dir = fs.mkdtempSync('/var/tmp/mcp-authd-state-');
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const state = path.join(dir, 'state');
  fs.chmodSync(dir, 0o755);
  fs.mkdirSync(state);
  fs.chownSync(state, 65534, 65534);
  fs.writeFileSync(path.join(state, 'lock'), '', { mode: 0o600 });
  fs.copyFileSync(BINARY, path.join(dir, 'mcp-authd'));
  writeConfig(path.join(dir, 'conf'), { ...site.keys, STATE_DIR: state, LISTEN: path.join(state, 'socket') });
  const asNobody = (...args) => spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', path.join(dir, 'mcp-authd'), '-c',
    path.join(dir, 'conf'), ...args], { encoding: 'utf8', env: { PATH: process.env.PATH }, timeout: 60000 });
  assert.match(asNobody('doctor').stdout, /^fail +state directory +\S+state\/lock cannot be written by this user .*chown -R/m);
  assert.match(asNobody().stderr, /event=start_failed why="\S+state\/lock cannot be written: Permission denied\. STATE_DIR must be a folder that/);
});

test('a key file: only the standing one is made, a name that leads to none is a mistake', async () => {
  const named = path.join(site.keys.STATE_DIR, 'secrets.key');
  assertFails(await doctor({ config: { SECRET_KEY_FILE: named } }), 'key file', /secrets\.key: there is no such file/, /base64url/);
  const before = fs.mkdtempSync(path.join(site.dir, 'state-'));
  assert.equal((await doctor({ config: { STATE_DIR: before } })).of('key file').status, 'warn', 'hosts that share a table share the key');
  assert.equal((await doctor({ config: { STATE_DIR: before, SESSION_STORE: 'lmdb' }, env: {} })).of('key file').status, 'ok');
  const file = path.join(site.dir, 'named.conf');
  for (const [key, status] of [[named, 2], [path.join(before, 'secret.key'), 0]]) {
    writeConfig(file, { ...site.keys, STATE_DIR: before, SECRET_KEY_FILE: key });
    const run = spawnSync(BINARY, ['-t', '-c', file], { encoding: 'utf8', env: { PATH: process.env.PATH } });
    assert.equal(run.status, status, run.stderr);
    if (status) assert.match(run.stderr, /^SECRET_KEY_FILE: .*secrets\.key: there is no such file; mcp-authd make-key FILE makes one$/m);
  }
  writeConfig(file, { ...site.keys, STATE_DIR: before, SECRET_KEY_FILE: named, LISTEN: path.join(before, 'socket') });
  const run = spawnSync(BINARY, ['-c', file], { encoding: 'utf8', env: { PATH: process.env.PATH }, timeout: 60000 });
  assert.notEqual(run.status, 0, 'it does not start with a new key');
  assert.match(run.stderr, /there is no such file/);
  assert.ok(!fs.existsSync(named));
});
