// One service per group of endpoints by the template units, as docs/fleet.md has it: a user, a socket and credentials each, which
// systemd loads as root (LoadCredential).
//   tests/node tests/deb/groups.mjs apache|lighttpd      (as root, under systemd, on a machine that may be changed)

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { closing, documented, run, setUp, webServers } from './admin.mjs';
import { startDynamoDb, TABLE } from '../parts/dynamodb.mjs';
import { startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { callTool } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { accepts, until } from '../parts/util.mjs';

const GROUPS = ['authorize', 'token', 'metadata', 'mcp'];
const KEYS = {
  authorize: { accessKeyId: 'AKIAAUTHORIZE0000001', secretAccessKey: 'of+the+authorize+group', actions: ['PutItem', 'UpdateItem'] },
  token: { accessKeyId: 'AKIATOKEN00000000001', secretAccessKey: 'of+the+token+group', actions: ['GetItem', 'DeleteItem'] },
};
const FILES = ['/etc/mcp-authd/secret.key', '/etc/mcp-authd/aws/authorize', '/etc/mcp-authd/aws/token'];
const kind = process.argv[2];
const socketOf = (group) => `/run/mcp-authd/${group}.sock`;
const asUser = (user, ...command) => run('setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', ...command);

// Where DynamoDB is: on a host of AWS's nothing of this is needed.
function pointToDynamoDb({ endpoint }) {
  fs.mkdirSync('/etc/systemd/system/mcp-authd@.service.d', { recursive: true });
  fs.writeFileSync('/etc/systemd/system/mcp-authd@.service.d/dynamodb.conf',
    `[Service]\nEnvironment=AWS_ENDPOINT_URL_DYNAMODB=${endpoint} AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true\n`);
}

function writeCredentials() {
  for (const [group, key] of Object.entries(KEYS)) {
    fs.writeFileSync(`/etc/mcp-authd/aws/${group}`,
      `[default]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`, { mode: 0o600 });
  }
}

function takeAway() {
  for (const group of GROUPS) run('systemctl', 'disable', '--now', `mcp-authd@${group}.service`, `mcp-authd@${group}.socket`);
  for (const name of fs.readdirSync('/etc/systemd/system')) {
    if (/^mcp-authd(-runner|@.*)\.(service|socket)\.d$/.test(name)) fs.rmSync(`/etc/systemd/system/${name}`, { recursive: true });
  }
  for (const dir of ['/etc/apache2', '/etc/lighttpd']) {
    for (const sub of ['conf-enabled', 'conf-available']) {
      for (const name of fs.readdirSync(`${dir}/${sub}`)) if (/mcp-authd-groups/.test(name)) fs.rmSync(`${dir}/${sub}/${name}`);
    }
  }
  fs.rmSync('/etc/mcp-authd/aws', { recursive: true });
  fs.rmSync('/etc/mcp-authd/secret.key');
  for (const group of GROUPS) {
    run('deluser', '--quiet', '--system', `mcp-authd-${group}`);
    fs.rmSync(`/var/lib/mcp-authd-${group}`, { recursive: true, force: true });
  }
  run('systemctl', 'daemon-reload');
}

await closing(async (closers) => {
  const dynamodb = await startDynamoDb();
  closers.push(() => dynamodb.close());
  await dynamodb.createTable();
  const proxy = await startDynamoDbProxy({ dynamodb, keys: Object.values(KEYS) });
  closers.push(() => proxy.close());
  const site = await setUp(closers, { AUDIT_LOG: '', SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: TABLE });

  documented('fleet.md', 'groups');
  writeCredentials();
  pointToDynamoDb(proxy);
  closers.push(async () => takeAway());
  documented('fleet.md', 'groups-enable');
  for (const group of GROUPS) {
    await until(`${group} listens`, () => accepts({ path: socketOf(group) }));
    assert.equal(run('stat', '-c', '%G %a', socketOf(group)).trim(), 'www-data 660');
    assert.equal(run('systemctl', 'is-active', `mcp-authd@${group}.service`).trim(), 'active');
    assert.equal(run('systemctl', 'show', '--value', '-p', 'User', `mcp-authd@${group}.service`).trim(), `mcp-authd-${group}`);
    for (const file of FILES) assert.throws(() => asUser(`mcp-authd-${group}`, 'cat', file), /Permission denied/);
  }

  const web = await webServers[kind](site.port, () => documented('fleet.md', `groups-${kind}`));
  closers.push(() => web.stop());
  await web.ready(`accepting on ${site.port}`, () => accepts({ port: site.port, host: '127.0.0.1' }));

  const logIn = async () => {
    const granted = await tokens(site);
    assert.equal((await callTool(site, granted.access_token, 'whoami')).structuredContent.username, 'alice');
    assert.equal((await fetch(`${site.issuer}/.well-known/oauth-protected-resource/mcp`)).status, 200);
  };
  await logIn();
  // A program of the group mcp: by the runner, whose socket is that group's user's.
  assert.equal(run('stat', '-c', '%U %a', '/run/mcp-authd-runner/runner.sock').trim(), 'mcp-authd-mcp 600');
  const manifest = '/etc/mcp-authd/tools.d/greeting.json';
  fs.writeFileSync(manifest, JSON.stringify({ name: 'greeting', description: 'Says who it is.', inputSchema: { type: 'object' }, run: { command: ['/usr/bin/id', '-un'] } }));
  closers.push(async () => fs.rmSync(manifest));
  assert.equal((await callTool(site, (await tokens(site)).access_token, 'greeting')).content[0].text.trim(), 'mcp-authd-run');
  const used = () => Object.fromEntries(Object.entries(KEYS).map(([group, { accessKeyId }]) =>
    [group, [...new Set(proxy.calls.filter((call) => call.accessKeyId === accessKeyId).map(({ action }) => action))].toSorted()]));
  assert.deepEqual(used(), { authorize: ['PutItem', 'UpdateItem'], token: ['DeleteItem', 'GetItem'] }, 'each group with its own key');

  // A restart reads the credentials again.
  const old = KEYS.token.accessKeyId;
  KEYS.token.accessKeyId = 'AKIATOKEN00000000002';
  writeCredentials();
  run('systemctl', 'restart', ...GROUPS.map((group) => `mcp-authd@${group}.service`));
  await logIn();
  assert.notEqual(old, KEYS.token.accessKeyId);
  assert.deepEqual(used().token, ['DeleteItem', 'GetItem'], 'with the new key');
  for (const group of GROUPS) {
    const status = () => JSON.parse(run('env', `STATE_DIR=/var/lib/mcp-authd-${group}`, 'mcp-authd', 'status', '--json'));
    await until(`${group} shows what it did`, () => status().state === 'ready' && status().requests > 0);
    assert.equal(status().errors, 0, group);
  }
  console.log(`${kind}: logged in twice through four services, each with its own user, socket and credentials`);
});
