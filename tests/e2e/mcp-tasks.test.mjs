// The Tasks extension: long calls become tasks, and any worker answers for them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { taskProcessOf } from '../parts/daemon.mjs';
import { assertRpcError, META, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { hasEnded, patiently } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

const TASKS = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } } };
const ask = (key) => ({ [key]: { method: 'elicitation/create', params: { message: key, requestedSchema: { type: 'object', properties: {} } } } });
const yes = { action: 'accept', content: {} };
const KEYS = Array.from({ length: 16 }, (_, i) => `key-${i}`);
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
  tool('family', `setsid sh -c 'echo $$; exec sleep 600' >>${dir}/family.new & until [ -s ${dir}/family.new ]; do sleep 0.05; done
(echo $$; cat ${dir}/family.new) >${dir}/family.pids; wait`, { task: 'optional', timeout_ms: 900000 });
  tool('crash', 'kill -SEGV $$', { task: 'optional' });
  tool('late', 'sleep 60', { task: 'optional', timeout_ms: 100 });
  tool('asks', `case $(cat) in
*inputResponses*) echo '"thanks"' ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: { ...ask('a'), ...ask('b') }, requestState: 1 } })}' ;;
esac`, { task: 'optional', output: 'json' });
  tool('gate', `until [ -e ${dir}/open ]; do sleep 0.05; done; echo through`, { task: 'optional' });
  tool('answers', `in=$(cat); case $in in
*inputResponses*) printf %s "$in" ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: Object.assign({}, ...KEYS.map(ask)) } })}' ;;
esac`, { task: 'optional', output: 'json' });
  tool('again', `in=$(cat); case $in in
*'"requestState":2'*) printf %s "$in" ;;
*'"requestState":1'*) echo '${JSON.stringify({ inputRequired: { inputRequests: ask('a'), requestState: 2 } })}' ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: ask('a'), requestState: 1 } })}' ;;
esac`, { task: 'optional', output: 'json' });
  tool('big', 'head -c 250000 /dev/zero | tr "\\0" x', { task: 'optional', max_output_bytes: 300000 });
  tool('bigger', 'head -c 270000 /dev/zero | tr "\\0" x', { task: 'optional', max_output_bytes: 300000 });
  tool('asks-admin', `case $(cat) in
*inputResponses*) echo '"thanks"' ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: ask('a') } })}' ;;
esac`, { task: 'optional', output: 'json', scopes: ['profile'] });
  site = await startSite({ config: { TOOLS_DIR: dir, WORKERS_MIN: '2', WORKERS_MAX: '4' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

// The answer of one that had to wait for a worker comes as an event.
async function call(name, meta = TASKS, args = { x: 1 }, as = token) {
  const answer = await modern(site, as, 'tools/call', { name, arguments: args }, { meta });
  return { ...answer, body: answer.body ?? JSON.parse(/^data: (\{.*)$/m.exec(answer.text)[1]) };
}
const tasks = (method, taskId, { as = token, meta = TASKS, more = {}, name = taskId } = {}) =>
  patiently(() => modern(site, as, `tasks/${method}`, { taskId, ...more }, { meta, headers: { 'mcp-name': name } }));
const begin = async (name, args = { x: 1 }, as = token) => {
  const { status, body, text } = await patiently(() => call(name, TASKS, args, as));
  assert.equal(status, 200, text);
  return body.result;
};
const start = async (...what) => (await begin(...what)).taskId;
const reaches = (id, status, options) => until(`${status} of ${id}`, async () => {
  const { result } = (await tasks('get', id, options)).body;
  return result.status === status && result;
});

test('a task whose process is killed has failed at once, and all that its program had started is gone', async () => {
  const id = await start('family');
  const pids = await until('the program and its child', () => {
    const text = fs.existsSync(path.join(dir, 'family.pids')) ? fs.readFileSync(path.join(dir, 'family.pids'), 'utf8') : '';
    return /^\d+\n\d+\n$/.test(text) && text.trim().split('\n').map(Number);
  });
  const process_ = taskProcessOf(site.daemon);
  assert.equal((await tasks('get', id)).body.result.status, 'working');
  process.kill(process_, 'SIGKILL');
  await hasEnded(process_);
  const failed = (await tasks('get', id)).body.result;
  assert.equal(failed.status, 'failed');
  assert.match(failed.error.message, /process that ran the task was ended/);
  for (const pid of pids) await hasEnded(pid);
});

test('a call becomes a task, and its result is there later', async () => {
  const created = await begin('quick');
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
  const crashed = await reaches(await start('crash'), 'failed');
  assert.match(crashed.error.message, /SIGSEGV/);
  assert.equal(crashed.statusMessage, crashed.error.message);
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
  await hasEnded(pid);
  assert.equal((await reaches(id, 'cancelled')).status, 'cancelled');
  assert.equal((await tasks('cancel', id)).status, 200, 'again');
});

test('a task asks for input, takes it in parts, and goes on', async () => {
  const id = await start('asks');
  assert.deepEqual((await reaches(id, 'input_required')).inputRequests, { ...ask('a'), ...ask('b') });
  const update = (inputResponses) => tasks('update', id, { more: { inputResponses } });
  assertRpcError(await update(7), 200, -32602);
  assertRpcError(await update({ a: 1 }), 200, -32602);
  const wrong = await update({ a: { action: 'perhaps' } });
  assertRpcError(wrong, 200, -32602);
  assert.match(wrong.body.error.message, /inputResponses\.a /);
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

test('of partial answers that come at once none is lost, and the program goes on once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const id = await start('answers');
    await reaches(id, 'input_required');
    const answer = (n) => ({ action: 'accept', content: { n } });
    // Each twice: the second one is passed over, whichever comes first.
    const sent = await Promise.all([...KEYS, ...KEYS].map((key, i) =>
      tasks('update', id, { more: { inputResponses: { [key]: answer(i % KEYS.length) } } })));
    assert.deepEqual([...new Set(sent.map((each) => each.status))], [200]);
    const { structuredContent: input } = (await reaches(id, 'completed')).result;
    assert.deepEqual(input.inputResponses, Object.fromEntries(KEYS.map((key, i) => [key, answer(i)])));
    const runs = () => site.daemon.log.split('\n').filter((line) => line.includes('event=task_run') && line.includes(`task=${id}`));
    await until('the lines of both runs', () => runs().length >= 2);
    assert.equal(runs().length, 2, runs().join('\n'));
  }
});

test('nor of a record that is as long as can be', async () => {
  const id = await start('answers', { x: 'x'.repeat(250000) });
  await reaches(id, 'input_required');
  const sent = await Promise.all([...KEYS, ...KEYS, ...KEYS].map((key) => tasks('update', id, { more: { inputResponses: { [key]: yes } } })));
  assert.deepEqual([...new Set(sent.map((each) => each.status))], [200]);
  assert.match((await reaches(id, 'failed')).error.message, /more than 65536 bytes/);       // it gives all of it back
});

test('a key that the program asks for again is shown under another name, and answered under its own', async () => {
  const id = await start('again');
  assert.deepEqual((await reaches(id, 'input_required')).inputRequests, ask('a'));
  await tasks('update', id, { more: { inputResponses: { a: yes } } });
  const second = await until('the second question', async () => (await tasks('get', id)).body.result.inputRequests?.['a#2'] && (await tasks('get', id)).body.result);
  assert.deepEqual(Object.keys(second.inputRequests), ['a#2']);
  await tasks('update', id, { more: { inputResponses: { a: { action: 'decline' } } } });     // answered already
  await tasks('update', id, { more: { inputResponses: { 'a#2': yes } } });
  assert.deepEqual((await reaches(id, 'completed')).result.structuredContent.inputResponses, { a: yes });
});

test('a knock at its mailbox does not end a task', async () => {
  const boxes = () => new Set(fs.readFileSync('/proc/net/unix', 'utf8').match(/@mcp-authd\/\S+/g) ?? []);
  const before_ = boxes();
  const id = await start('gate');
  const box = await until('the mailbox', () => [...boxes()].find((name) => !before_.has(name)));
  for (const letter of ['', 'nobody knows what']) {
    const knock = net.connect(`\0${box.slice(1)}`);
    await once(knock, 'connect');
    knock.end(letter);
    knock.resume();
    await once(knock, 'close');       // it was looked at
  }
  assert.equal((await tasks('get', id)).body.result.status, 'working');
  fs.writeFileSync(path.join(dir, 'open'), '');
  assert.equal((await reaches(id, 'completed')).result.content[0].text, 'through\n');
});

test('arguments and results that are too long for a record are told so', async () => {
  assert.equal((await reaches(await start('big'), 'completed')).result.content[0].text.length, 250000);
  assert.match((await reaches(await start('bigger'), 'failed')).error.message, /too long: .* 262144 bytes/);
  const refused = await modern(site, token, 'tools/call', { name: 'quick', arguments: { x: 'x'.repeat(270000) } }, { meta: TASKS });
  assertRpcError(refused, 200, -32602);
  assert.match(refused.body.error.message, /too long for a task/);
  const id = await start('asks');
  await reaches(id, 'input_required');
  const long = { action: 'accept', content: { text: 'x'.repeat(270000) } };
  assertRpcError(await tasks('update', id, { more: { inputResponses: { a: long } } }), 200, -32602);
  assert.deepEqual(Object.keys((await reaches(id, 'input_required')).inputRequests), ['a', 'b'], 'nothing was taken');
});

test('a program goes on only for a token with its scopes', async () => {
  const able = await site.cognito.accessToken({ scope: 'mcp-server/tools profile' });
  const few = await site.cognito.accessToken({ scope: 'mcp-server/tools' });
  const taskId = await start('asks-admin', {}, able);
  await reaches(taskId, 'input_required', { as: able });
  const refused = await tasks('update', taskId, { as: few, more: { inputResponses: { a: yes } } });
  assert.equal(refused.status, 403);
  assert.match(refused.headers.get('www-authenticate'), /insufficient_scope.*profile/);
  assert.deepEqual(Object.keys((await tasks('get', taskId, { as: few })).body.result.inputRequests), ['a']);
  await tasks('update', taskId, { as: able, more: { inputResponses: { a: yes } } });
  await reaches(taskId, 'completed', { as: able });
});
