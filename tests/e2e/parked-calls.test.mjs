// Calls that wait for a person: no worker serves them, and each goes on when its answer comes, in whichever worker.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { reload } from '../parts/audit.mjs';
import { BINARY, startDaemon, streamHolderOf, workersOf } from '../parts/daemon.mjs';
import { callTool, post } from '../parts/mcp.mjs';
import * as parked from '../parts/parked.mjs';
import { startSite, WEB_SERVER } from '../parts/site.mjs';
import { toolFolder, yes } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

let site;
let tools;
let token;
let next; // the daemon after a restart
before(async () => {
  tools = toolFolder('mcp-parked-');
  tools.asker('ask', ['a']);
  tools.asker('both', ['a', 'b']);
  const sample = { method: 'sampling/createMessage', params: { messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }], maxTokens: 5 } };
  tools.tool('sample', `in=$(cat); case $in in *inputResponses*) printf %s "$in" ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: { s: sample } } })}' ;; esac`, { task: undefined, output: 'json' });
  for (const [kind, manifest, result] of [['prompts', {}, { messages: [{ role: 'user', content: { type: 'text', text: 'done' } }] }],
    ['resources', { uri: 'ask://it' }, { contents: [{ uri: 'ask://it', text: 'done' }] }]]) {
    fs.mkdirSync(tools.file(kind));
    fs.writeFileSync(tools.file(`${kind}/ask.sh`),
      fs.readFileSync(tools.file('ask.sh'), 'utf8').replace('printf %s "$in"', `echo '${JSON.stringify(result)}'`), { mode: 0o755 });
    fs.writeFileSync(tools.file(`${kind}/ask.json`), JSON.stringify({ name: 'ask', ...manifest, run: { command: ['./ask.sh'], output: 'json' } }));
  }
  site = await startSite({ config: { TOOLS_DIR: tools.dir, PROMPTS_DIR: tools.file('prompts'), RESOURCES_DIR: tools.file('resources'),
    WORKERS_MIN: '2', WORKERS_MAX: '2', CALLS_MAX: '4', CALLS_PER_USER: '4' } });
  token = await site.cognito.accessToken({ sub: 'alice', username: 'alice' });
});
after(async () => {
  await next?.stop();
  await site?.close();
  tools.remove();
});

const status = () => JSON.parse(execFileSync(BINARY, ['-c', site.daemon.configFile, 'status', '--json'], { encoding: 'utf8' }));
const areParked = (n) => until(`${n} parked calls`, () => status().parked_calls === n, { deadlineMs: 30000 });
beforeEach(() => areParked(0));

const newSession = (as = token, version = undefined) => parked.newSession(site, as, version);
const open = (session, { as = token, ...what } = {}) => parked.open(site, as, session, what);
const answer = (call, n = 0, result = yes, as = token) => parked.answer(site, as, call, n, result);
async function assertDone(call, keys = ['a']) {
  const last = (await call.end).at(-1);
  assert.equal(last.id, call.id);
  assert.deepEqual(Object.keys(last.result?.structuredContent.inputResponses ?? {}), keys, JSON.stringify(last));
}

test('open questions hold no worker and none of the calls that may run; all are answered at once', async () => {
  const sessions = await Promise.all([newSession(), newSession()]);
  const calls = [];
  for (let i = 0; i < 200; i += 1) calls.push(await open(sessions[i % 2]));
  await areParked(200);
  await until('the workers to leave', () => workersOf(site.daemon).length <= 3, { deadlineMs: 30000 });
  await until('no worker in a call', () => status().workers.in_call === 0);
  assert.equal((await callTool(site, token, 'whoami')).structuredContent.sub, 'alice');
  assert.match(execFileSync(BINARY, ['-c', site.daemon.configFile, 'status'], { encoding: 'utf8' }), /; 200 calls wait for a person/);

  const from = site.daemon.log.length;
  for (const { status: code } of await Promise.all(calls.map((call) => answer(call)))) assert.equal(code, 202);
  for (const call of calls) await assertDone(call);
  await until('the audit lines', () => (site.daemon.log.slice(from).match(/event=tool_call .*tool=ask sub=alice .*outcome=ok/g) ?? []).length === 200);
  assert.doesNotMatch(site.daemon.log.slice(from), /outcome=(limited|error)/);
});

test('prompts and resources whose programs ask wait as tools do', async () => {
  const session = await newSession();
  const kinds = [{ method: 'prompts/get', params: { name: 'ask' } }, { method: 'resources/read', params: { uri: 'ask://it' } }];
  const calls = [];
  for (const kind of [...kinds, ...kinds]) calls.push(await open(session, kind));
  await areParked(4);
  await until('no worker in a call', () => status().workers.in_call === 0);
  for (const call of calls.slice(0, 2)) {
    assert.equal((await answer(call)).status, 202);
    const { id, result } = (await call.end).at(-1);
    assert.equal(id, call.id);
    assert.equal((result.messages?.[0].content ?? result.contents[0]).text, 'done');
  }
  await areParked(2);
  for (const call of calls.slice(2)) {
    await post(site, token, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: call.id } }, session);
    assert.match((await call.end).at(-1).error.message, /cancelled/);
  }
});

test('the official SDK answers elicitation and sampling', async () => {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {}, sampling: {} } });
  client.setRequestHandler(ElicitRequestSchema, () => yes);
  client.setRequestHandler(CreateMessageRequestSchema, () => ({ role: 'assistant', content: { type: 'text', text: 'ho' }, model: 'm' }));
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  for (let i = 0; i < 5; i += 1) {
    assert.deepEqual((await client.callTool({ name: 'both', arguments: {} })).structuredContent.inputResponses, { a: yes, b: yes });
    assert.equal((await client.callTool({ name: 'sample', arguments: {} })).structuredContent.inputResponses.s.content.text, 'ho');
  }
  await client.close();
});

test('one answer of two: it goes on waiting for the other; wrong ones end it', async () => {
  const call = await open(await newSession(), { name: 'both', count: 2 });
  await areParked(1);
  await answer(call, 1);
  await answer(call, 1);
  await areParked(1);
  assert.equal(call.messages.length, 2);
  await answer(call, 0);
  await assertDone(call, ['a', 'b']);

  const wrong = await open(call.session);
  await answer(wrong, 0, { action: 'perhaps' });
  const [question, last] = await wrong.end;
  assert.equal(question.method, 'elicitation/create');
  assert.match(last.error.message, /answer to elicitation\/create/);
});

test('a parked call can be cancelled, by its own session alone', async () => {
  const call = await open(await newSession());
  await areParked(1);
  const cancel = (session) => post(site, token, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: call.id } }, session);
  await cancel(await newSession());
  await answer(call, 0, yes, await site.cognito.accessToken({ sub: 'bob' }));
  await areParked(1);
  await cancel(call.session);
  const messages = await call.end;
  assert.equal(messages.at(-2).method, 'notifications/cancelled');
  assert.match(messages.at(-1).error.message, /cancelled/);
});

test('a client that disconnects: an older one loses its call, one of 2025-11-25 resumes the stream and answers', async () => {
  const from = site.daemon.log.length;
  const older = new AbortController();
  await open(await newSession(), { signal: older.signal });
  await areParked(1);
  older.abort();
  await areParked(0);
  await until('its end', () => /event=rpc_error .*text="The client has disconnected"/.test(site.daemon.log.slice(from)));

  const session = await newSession(token, '2025-11-25');
  const gone = new AbortController();
  const call = await open(session, { signal: gone.signal });
  await areParked(1);
  const resumed = post.bind(null, site, token);
  gone.abort();
  const rest = fetch(site.mcpUrl, { headers: { ...session, accept: 'text/event-stream', authorization: `Bearer ${token}`, 'last-event-id': call.events[0] } })
    .then((response) => response.text());
  await areParked(1);
  await resumed({ jsonrpc: '2.0', id: call.questions[0].id, result: yes }, session);
  const messages = [...(await rest).matchAll(/^data: (\{.+)$/gm)].map(([, data]) => JSON.parse(data));
  assert.deepEqual(messages.map(({ method }) => method), ['elicitation/create', undefined]);
  assert.deepEqual(messages[1].result.structuredContent.inputResponses, { a: yes });
});

test('a user who is denied meanwhile loses the call, and nobody else does', async () => {
  const carol = await site.cognito.accessToken({ sub: 'carol', username: 'carol' });
  const denied = await open(await newSession(carol), { as: carol });
  const other = await open(await newSession());
  await areParked(2);
  fs.writeFileSync(site.keys.DENY_FILE, 'subject carol\n');
  let ended = false;
  denied.end.then(() => { ended = true; });
  // A worker from before the reload may have looked at it first.
  for (let i = 0; i < 5 && !ended; i += 1) {
    await reload(site);
    await until('its end', () => ended, { deadlineMs: 3000 }).catch(() => {});
  }
  assert.match((await denied.end).at(-1).error.message, /revoked/);
  assert.equal((await answer(denied, 0, yes, carol)).status, 401);
  fs.rmSync(site.keys.DENY_FILE);
  await reload(site);
  await areParked(1);
  await answer(other);
  await assertDone(other);
});

// Last: another daemon serves afterwards.
test('a reload and a restart cut nothing', async () => {
  const session = await newSession();
  const calls = [];
  for (let i = 0; i < 20; i += 1) calls.push(await open(session));
  await areParked(20);
  const holder = streamHolderOf(site.daemon);
  site.daemon.signal('SIGHUP');
  await until('the next stream holder', () => ![holder, undefined].includes(streamHolderOf(site.daemon)));
  await areParked(20);
  for (const call of calls.slice(0, 10)) await answer(call);
  for (const call of calls.slice(0, 10)) await assertDone(call);

  // The old daemon waits for the answers, which only the next one can receive.
  site.daemon.signal('SIGTERM');
  await until('the old daemon to close its socket', () => !fs.existsSync(site.keys.LISTEN));
  next = await startDaemon({ dir: site.dir, config: site.hostKeys });
  // As the unit's Group= does it: Apache's user may connect to this socket, too.
  if (WEB_SERVER !== 'lighttpd' && process.getuid() === 0) execFileSync('chgrp', ['www-data', site.keys.LISTEN]);
  await Promise.all(calls.slice(10).map((call) => answer(call)));
  for (const call of calls.slice(10)) await assertDone(call);
  assert.equal((await site.daemon.ended).code, 0, site.daemon.log);
  assert.match(site.daemon.log, /event=stopped status=0/);
  assert.doesNotMatch(site.daemon.log, /workers_killed/);
});
