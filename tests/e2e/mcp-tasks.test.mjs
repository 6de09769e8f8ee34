// The Tasks extension: long calls are tasks that any worker can answer for.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { assertRpcError, META, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const TASKS = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } } };
const ask = (key) => ({ [key]: { method: 'elicitation/create', params: { message: key, requestedSchema: { type: 'object', properties: {} } } } });
const yes = { action: 'accept', content: {} };
let site;
let token;
let dir;

function tool(name, script, run) {
  fs.writeFileSync(path.join(dir, `${name}.sh`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  fs.writeFileSync(path.join(dir, `${name}.json`), JSON.stringify({ name, description: name, inputSchema: { type: 'object' },
    run: { command: [`./${name}.sh`], ...run } }));
}

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-tasks-'));
  tool('quick', 'cat', { task: 'optional' });
  tool('must', 'echo ran; exit 2', { task: 'required' });
  tool('long', `echo $$ >${dir}/long.pid; exec sleep 600`, { task: 'optional', timeout_ms: 900000 });
  tool('crash', 'kill -SEGV $$', { task: 'optional' });
  tool('late', 'sleep 60', { task: 'optional', timeout_ms: 100 });
  tool('asks', `case $(cat) in
*inputResponses*) echo '"thanks"' ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: { ...ask('a'), ...ask('b') }, requestState: 1 } })}' ;;
esac`, { task: 'optional', output: 'json' });
  site = await startSite({ config: { TOOLS_DIR: dir, WORKERS_MIN: '2', WORKERS_MAX: '4' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const call = async (name, meta = TASKS) => (await modern(site, token, 'tools/call', { name, arguments: { x: 1 } }, { meta }));
const tasks = (method, taskId, { as = token, meta = TASKS, more = {}, name = taskId } = {}) =>
  modern(site, as, `tasks/${method}`, { taskId, ...more }, { meta, headers: { 'mcp-name': name } });
const start = async (name) => (await call(name)).body.result.taskId;
const reaches = (id, status) => until(`${status} of ${id}`, async () => {
  const { result } = (await tasks('get', id)).body;
  return result.status === status && result;
});

test('a call becomes a task, and its result is there later', async () => {
  const created = (await call('quick')).body.result;
  assert.equal(created.resultType, 'task');
  assert.ok(Number.isInteger(created.ttlMs) && Number.isInteger(created.pollIntervalMs));
  const done = await reaches(created.taskId, 'completed');
  assert.equal(done.resultType, 'complete');
  const input = JSON.parse(done.result.content[0].text);
  assert.deepEqual(input.arguments, { x: 1 });
  assert.equal(input.caller.username, 'alice');
});

test('an error of the tool is a result; what gave none is a failure', async () => {
  assert.equal((await reaches(await start('must'), 'completed')).result.isError, true);
  assert.match((await reaches(await start('crash'), 'failed')).error.message, /SIGSEGV/);
  assert.match((await reaches(await start('late'), 'failed')).error.message, /100 ms/);
});

test('a client without the extension gets the result at once, or is told what it lacks', async () => {
  assert.equal((await call('quick', META)).body.result.resultType, 'complete');
  const refused = await call('must', META);
  assertRpcError(refused, 400, -32021);
  assert.deepEqual(refused.body.error.data, { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } });
  assertRpcError(await tasks('get', 'x', { meta: META }), 400, -32021);
});

test('a task holds no worker, and cancelling it ends its program', async () => {
  const ids = await Promise.all(Array.from({ length: 8 }, () => start('long')));      // more than there are workers
  const last = ids.pop();
  await Promise.all(ids.map((id) => tasks('cancel', id)));
  fs.rmSync(path.join(dir, 'long.pid'), { force: true });
  await tasks('cancel', last);
  const id = await start('long');
  const file = path.join(dir, 'long.pid');
  await until('the program', () => fs.existsSync(file) && /\d/.test(fs.readFileSync(file, 'utf8')));
  const pid = Number(fs.readFileSync(file, 'utf8'));
  const ack = (await tasks('cancel', id)).body.result;
  assert.equal(ack.resultType, 'complete');
  assert.ok(!('taskId' in ack));
  await until('the end of the program', () => !fs.existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8')));
  assert.equal((await reaches(id, 'cancelled')).status, 'cancelled');
  assert.equal((await tasks('cancel', id)).status, 200, 'again');
});

test('a task asks for input, takes it in parts, and goes on', async () => {
  const id = await start('asks');
  assert.deepEqual((await reaches(id, 'input_required')).inputRequests, { ...ask('a'), ...ask('b') });
  const update = (inputResponses) => tasks('update', id, { more: { inputResponses } });
  assertRpcError(await update(7), 200, -32602);
  assertRpcError(await update({ a: 1 }), 200, -32602);
  assert.equal((await update({ a: yes, other: yes })).body.result.resultType, 'complete');
  assert.deepEqual((await reaches(id, 'input_required')).inputRequests, ask('b'));
  await update({ b: yes });
  assert.equal((await reaches(id, 'completed')).result.structuredContent, 'thanks');
});

test('a task belongs to its user, and its header must agree', async () => {
  const id = await start('quick');
  const bob = await site.cognito.accessToken({ sub: 'another-user', username: 'bob' });
  for (const method of ['get', 'cancel']) assertRpcError(await tasks(method, id, { as: bob }), 200, -32602);
  assertRpcError(await tasks('get', 'unknown'), 200, -32602);
  assertRpcError(await tasks('get', id, { name: 'other' }), 400, -32020);
});
