// "instances" of servers.d: a server that remembers what it was told, for all users, for each user and for each call.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { logged } from '../parts/daemon.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { hasEnded, isRunning, toolFolder } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

// It answers with what it was told the last time, and its process id. A shell, so that hundreds are small.
const SERVER = `#!/bin/sh
told=nothing
while read -r line; do
  id=\${line#*\\"id\\":}; id=\${id%%[,\\}]*}
  case $line in
  *'"method":"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
  *'"method":"tools/list"'*) result='{"tools":[{"name":"tell","inputSchema":{"type":"object"}}]}' ;;
  *'"method":"ping"'*) result='{}' ;;
  *'"method":"tools/call"'*)
    said=\${line#*\\"said\\":\\"}; said=\${said%%\\"*}
    result='{"content":[],"structuredContent":{"told":"'$told'","pid":'$$'}}'
    told=$said ;;
  *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$id" "$result"
done
`;
const USERS = 200;

let site;
let tools;
const tokens = new Map();
async function tell(tool, user, said) {
  if (!tokens.has(user)) tokens.set(user, await site.cognito.accessToken({ sub: user, username: user }));
  const result = await callTool(site, tokens.get(user), tool, { said });
  assert.ok(result.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}
// So many at a time.
async function each(items, width, work) {
  const queue = [...items.entries()];
  const results = [];
  await Promise.all(Array.from({ length: width }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await work(next[1], next[0]);
  }));
  return results;
}
// Of a process: '' if it has ended.
function procFile(pid, name) {
  try {
    return fs.readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
// What belongs to one server: proportional set size, so that shared pages count once.
const memoryOf = (pids) => pids.reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(procFile(pid, 'smaps_rollup'))?.[1] ?? 0), 0);

before(async () => {
  tools = toolFolder('mcp-instances-');
  fs.mkdirSync(tools.file('servers.d'));
  fs.writeFileSync(tools.file('servers.d/server.sh'), SERVER, { mode: 0o755 });
  const add = (name, manifest) => fs.writeFileSync(tools.file(`servers.d/${name}.json`), JSON.stringify({ command: ['./server.sh'], ...manifest }));
  add('shared', {});
  add('user', { instances: 'user', max_instances: 1000 });
  add('short', { instances: 'user', idle_s: 1 });
  add('few', { instances: 'user', max_instances: 2 });
  add('call', { instances: 'call' });
  add('wrong', { instances: 'session' });
  add('idle', { instances: 'call', idle_s: 5 });
  site = await startSite({ config: { TOOLS_DIR: '', SERVERS_DIR: tools.file('servers.d'), CALLS_PER_USER: '64', CALLS_MAX: '64' },
    mustFail: ['event=tool_invalid', 'event=limit_reached'] });
  await modern(site, await site.cognito.accessToken(), 'tools/list');
});
after(async () => {
  await site?.close();
  tools.remove();
});

test('the word of "instances" is checked', async () => {
  await logged(site.daemon, 0, /wrong.json: instances must be \\"shared\\", \\"user\\" or \\"call\\"/);
  await logged(site.daemon, 0, /idle.json: idle_s is not valid with/);
});

test('a shared server has one state for all, one for a call has none', async () => {
  await tell('shared_tell', 'alice', 'a');
  assert.equal((await tell('shared_tell', 'bob', 'b')).told, 'a');
  const [one, two] = [await tell('call_tell', 'alice', 'a'), await tell('call_tell', 'alice', 'b')];
  assert.deepEqual([one.told, two.told], ['nothing', 'nothing']);
  assert.notEqual(one.pid, two.pid);
  await hasEnded(one.pid);
});

test('a user meets nothing of another, also if an instance is ended for want of room', async () => {
  const names = ['alice', 'bob', 'carol'];
  const first = await each(names, 1, (name) => tell('few_tell', name, name));
  assert.deepEqual(first.map(({ told }) => told), ['nothing', 'nothing', 'nothing']);
  await hasEnded(first[0].pid);
  assert.equal((await tell('few_tell', 'carol', 'again')).told, 'carol');
  assert.equal((await tell('few_tell', 'alice', 'alice')).told, 'nothing', 'it was the one that was called least recently');
  await logged(site.daemon, 0, /event=limit_reached .*what=server_instances server=few limit=2/);
});

test('an instance that its user does not need ends', async () => {
  const { pid } = await tell('short_tell', 'alice', 'x');
  await hasEnded(pid);
  assert.equal((await tell('short_tell', 'alice', 'y')).told, 'nothing');
});

test(`${USERS} users have a process each, and each its own state; none is left after a stop`, { timeout: 120000 }, async () => {
  const users = Array.from({ length: USERS }, (_, i) => `user-${i}`);
  const first = await each(users, 16, (user) => tell('user_tell', user, user));
  assert.ok(first.every(({ told }) => told === 'nothing'));
  assert.equal(new Set(first.map(({ pid }) => pid)).size, USERS);
  const second = await each(users.toReversed(), 16, (user) => tell('user_tell', user, 'x'));
  assert.deepEqual(second.map(({ told }) => told), users.toReversed());
  const pids = first.map(({ pid }) => pid);
  assert.ok(pids.every(isRunning));
  const each1 = memoryOf(pids) / USERS;
  assert.ok(each1 < 2048, `the server itself: ${each1} KiB each`);
  const ours = fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && /^mcp-(relay|supervisor)$/.test(procFile(pid, 'comm').trim())
    && isOurs(Number(pid)));
  assert.ok(ours.length >= 2 * USERS);
  const perUser = memoryOf(ours) / USERS;
  assert.ok(perUser < 4096, `what we need for it: ${perUser} KiB each`);
  await site.close();
  site = undefined;
  await until('all to end', () => !pids.some(isRunning));
});

// Is it below the daemon of this test?
function isOurs(pid) {
  for (let at = pid; at > 1;) {
    if (at === site.daemon.pid) return true;
    at = Number(/^PPid:\s+(\d+)/m.exec(procFile(at, 'status'))?.[1]);
  }
  return false;
}
