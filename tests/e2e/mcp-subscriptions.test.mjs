// Notifications: subscriptions/listen, the GET stream and resources/subscribe; idle streams occupy no worker.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { reload } from '../parts/audit.mjs';
import { BINARY, childrenOf, logged, streamHolderOf } from '../parts/daemon.mjs';
import { callTool, META, MODERN, modern, post } from '../parts/mcp.mjs';
import { paceMs } from '../parts/pace.mjs';
import { startSite } from '../parts/site.mjs';
import { sleep, until } from '../parts/util.mjs';

const ID = 'io.modelcontextprotocol/subscriptionId';
let site;
let token;
let dir;
const write = (file, content) => fs.writeFileSync(path.join(dir, file), content);
const manifest = (name) => JSON.stringify({ name, description: name, inputSchema: { type: 'object' }, run: { command: ['/bin/true'] } });

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-listen-'));
  for (const kind of ['tools.d', 'resources.d', 'prompts.d']) fs.mkdirSync(path.join(dir, kind));
  write('resources.d/note.txt', 'one');
  write('resources.d/note.json', JSON.stringify({ uri: 'doc://note', name: 'note', run: { file: 'note.txt' } }));
  write('resources.d/same.json', JSON.stringify({ uri: 'doc://same', name: 'same', run: { file: 'note.txt' } }));
  write('resources.d/text.json', JSON.stringify({ uri: 'doc://text', name: 'text', run: { text: 'fixed' } }));
  site = await startSite({ config: { TOOLS_DIR: path.join(dir, 'tools.d'), RESOURCES_DIR: path.join(dir, 'resources.d'),
    PROMPTS_DIR: path.join(dir, 'prompts.d'), WORKERS_MIN: '1', WORKERS_MAX: '2' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

// Opens a stream; `messages` grows as they arrive.
async function open(init) {
  const gone = new AbortController();
  const response = await fetch(site.mcpUrl, { signal: gone.signal, ...init });
  const stream = { status: response.status, headers: response.headers, messages: [], ids: [], ended: false, close: () => gone.abort() };
  stream.done = (async () => {
    let text = '';
    try {
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        const events = text.split('\n\n').slice(0, -1).map((event) => ({ id: /^id: (.+)$/m.exec(event)?.[1], data: /^data: (\{.*)$/m.exec(event)?.[1] }));
        stream.ids = events.map(({ id }) => id).filter(Boolean);
        stream.messages = events.filter(({ data }) => data).map(({ data }) => JSON.parse(data));
      }
    } catch { /* closed by us */ }
    stream.ended = true;
  })();
  return stream;
}

function listen(notifications, { id = 7, as = token } = {}) {
  return open({ method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream',
    authorization: `Bearer ${as}`, 'mcp-protocol-version': MODERN, 'mcp-method': 'subscriptions/listen' },
  body: JSON.stringify({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params: { notifications, _meta: META } }) });
}

const arrives = (stream, method) => until(`${method}, got ${JSON.stringify(stream.messages)}`,
  () => stream.messages.find((each) => each.method === method));

const status = (...more) => execFileSync(BINARY, ['status', '-c', site.daemon.configFile, ...more],
  { encoding: 'utf8', env: { ...process.env, STATE_DIR: site.stateOf('mcp') } });

// First: a web server tells of a client that has gone only when something is sent to it, so streams of other tests would count.
test('mcp-authd status counts the open streams', async () => {
  const counted = (count) => until(() => `${count} streams in ${status()}`, () => JSON.parse(status('--json')).streams === count);
  const opened = async (count) => {
    const streams = await Promise.all(Array.from({ length: count }, () => listen({ toolsListChanged: true })));
    await counted(count);
    return streams;
  };
  const streams = await opened(3);
  assert.match(status(), /^streams +3 open/m);
  await reload(site);                       // ends the streams
  await Promise.all(streams.map((stream) => stream.done));
  await counted(0);
  streams.push(...await opened(2));
  process.kill(streamHolderOf(site.daemon), 'SIGKILL');
  await counted(0);
  for (const stream of streams) stream.close();     // Apache ends what was cut off a minute later
});

test('a stream holder that hangs is seen in the status and replaced, and manifests that changed meanwhile are read', async () => {
  const holder = await until('the stream holder', () => streamHolderOf(site.daemon));
  const stream = await listen({ toolsListChanged: true });
  await arrives(stream, 'notifications/subscriptions/acknowledged');
  process.kill(holder, 'SIGSTOP');
  write('tools.d/meanwhile.json', manifest('meanwhile'));
  // Both in one look: soon it is replaced.
  await until('the status to say so', () => JSON.parse(status('--json')).stream_holder.silent_s >= 2
    && /^streams .*process that holds them \(\d+\) has hung for \d+ s/m.test(status()));
  await until('another one', () => ![undefined, holder].includes(streamHolderOf(site.daemon)));
  await logged(site.daemon, 0, new RegExp(`event=process_stuck process=${holder}`));
  await stream.done;
  await until('the new tool', async () => (await modern(site, token, 'tools/list')).body.result.tools.some(({ name }) => name === 'meanwhile'));
  fs.rmSync(path.join(dir, 'tools.d/meanwhile.json'));
  await until('the status to be well', () => JSON.parse(status('--json')).stream_holder.silent_s === 0);
});

test('the acknowledgement comes first and says what is agreed to', async () => {
  const stream = await listen({ toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: ['doc://note', 'doc://text', 'doc://none'] });
  const first = await arrives(stream, 'notifications/subscriptions/acknowledged');
  assert.equal(stream.messages[0], first);
  assert.deepEqual(first.params, { _meta: { [ID]: 7 }, notifications: { toolsListChanged: true, resourceSubscriptions: ['doc://note'] } });
  stream.close();
});

test('what is acknowledged is watched: until then the client hears nothing, and then of every change', async () => {
  const holder = streamHolderOf(site.daemon);
  const before = site.daemon.log.length;
  process.kill(holder, 'SIGSTOP');
  let opening, heard = false;
  try {
    opening = listen({ toolsListChanged: true }).finally(() => { heard = true; });
    await until('the worker to be done', () => site.daemon.log.slice(before).includes('event=listen '));
    await callTool(site, token, 'echo', { text: 'the worker is free' });
    await sleep(200);       // an answer that should not come would be here
    assert.ok(!heard, 'the answer came before the stream holder could know of the stream');
  } finally {
    process.kill(holder, 'SIGCONT');
  }
  const stream = await opening;
  await arrives(stream, 'notifications/subscriptions/acknowledged');
  write('tools.d/at-once.json', manifest('at-once'));
  await arrives(stream, 'notifications/tools/list_changed');
  fs.rmSync(path.join(dir, 'tools.d/at-once.json'));
  await until('the second change', () => stream.messages.length === 3);
  stream.close();
});

test('a new manifest is told to who asked for it, and is there at once', async () => {
  const tools = await listen({ toolsListChanged: true }, { id: 'a' });
  const prompts = await listen({ promptsListChanged: true });
  await arrives(tools, 'notifications/subscriptions/acknowledged');
  await arrives(prompts, 'notifications/subscriptions/acknowledged');
  write('tools.d/fresh.json', manifest('fresh'));
  const told = await arrives(tools, 'notifications/tools/list_changed');
  assert.deepEqual(told.params, { _meta: { [ID]: 'a' } });
  const names = async () => (await modern(site, token, 'tools/list')).body.result.tools.map((each) => each.name);
  assert.ok((await names()).includes('fresh'));
  assert.ok(!(await callTool(site, token, 'fresh')).isError);
  write('prompts.d/p.json', JSON.stringify({ name: 'p', run: { messages: [{ role: 'user', content: { type: 'text', text: 'x' } }] } }));
  await arrives(prompts, 'notifications/prompts/list_changed');
  assert.equal(prompts.messages.length, 2, 'nothing about tools');
  fs.rmSync(path.join(dir, 'tools.d/fresh.json'));
  await until('a second message', () => tools.messages.length === 3);
  assert.ok(!(await names()).includes('fresh'));
  tools.close();
  prompts.close();
});

test('a resource that changes is told, by writing and by renaming', async () => {
  const stream = await listen({ resourceSubscriptions: ['doc://note'] });
  await arrives(stream, 'notifications/subscriptions/acknowledged');
  write('resources.d/note.txt', 'two');
  const told = await arrives(stream, 'notifications/resources/updated');
  assert.deepEqual(told.params, { _meta: { [ID]: 7 }, uri: 'doc://note' });
  write('resources.d/note.new', 'three');
  fs.renameSync(path.join(dir, 'resources.d/note.new'), path.join(dir, 'resources.d/note.txt'));
  await until('the second message', () => stream.messages.length === 3);
  stream.close();

  const both = await listen({ resourceSubscriptions: ['doc://note', 'doc://same', 'doc://note'] });
  await arrives(both, 'notifications/subscriptions/acknowledged');
  assert.deepEqual(both.messages[0].params.notifications.resourceSubscriptions, ['doc://note', 'doc://same'], 'each once');
  write('resources.d/note.txt', 'two');
  await until('both to be told of their file', () => ['doc://note', 'doc://same'].every((uri) => both.messages.some(({ params }) => params.uri === uri)));
  both.close();
});

test('many idle streams hold no worker', async () => {
  const streams = await Promise.all(Array.from({ length: 100 }, () => listen({ toolsListChanged: true })));
  await Promise.all(streams.map((stream) => arrives(stream, 'notifications/subscriptions/acknowledged')));
  const texts = await Promise.all(Array.from({ length: 20 }, (_, i) => callTool(site, token, 'echo', { text: `${i}` })));
  assert.equal(texts.length, 20);
  write('tools.d/again.json', manifest('again'));
  await Promise.all(streams.map((stream) => arrives(stream, 'notifications/tools/list_changed')));
  for (const stream of streams) stream.close();
});

test('before 2026-07-28: GET, and subscriptions that change while it is open', async () => {
  const started = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } });
  const session = { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': '2025-11-25' };
  const ask = (method, uri) => post(site, token, { jsonrpc: '2.0', id: 1, method, params: { uri } }, session);
  const get = (headers) => open({ headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...session, ...headers } });
  const since = paceMs();
  const stream = await get({});
  assert.equal(stream.status, 200);
  assert.ok(paceMs() - since < 4000, 'it opens before there is anything to tell');
  write('tools.d/old.json', manifest('old'));
  await arrives(stream, 'notifications/tools/list_changed');
  assert.equal((await ask('resources/subscribe', 'doc://note')).status, 200);
  write('resources.d/note.txt', 'four');
  assert.deepEqual((await arrives(stream, 'notifications/resources/updated')).params, { uri: 'doc://note' });
  assert.equal((await ask('resources/unsubscribe', 'doc://note')).status, 200);
  write('resources.d/note.txt', 'five');
  write('tools.d/older.json', manifest('older'));
  await until('the change of the list', () => stream.messages.filter((each) => each.method.includes('tools')).length === 2);
  assert.equal(stream.messages.filter((each) => each.method.includes('updated')).length, 1);

  write('resources.d/gone.json', JSON.stringify({ uri: 'doc://gone', name: 'gone', run: { file: 'note.txt' } }));
  await until('the resource', async () => (await ask('resources/subscribe', 'doc://gone')).body.result);
  fs.rmSync(path.join(dir, 'resources.d/gone.json'));
  await until('its end', async () => (await ask('resources/read', 'doc://gone')).body.error?.code === -32002);
  assert.deepEqual((await ask('resources/unsubscribe', 'doc://gone')).body.result, {}, 'also from one that is gone');
  stream.close();

  assert.equal((await get({ accept: 'application/json' })).status, 406);
  assert.equal((await get({ 'mcp-session-id': 'unknown' })).status, 404);
  assert.equal((await get({ 'mcp-protocol-version': MODERN })).status, 405);
  assert.equal((await get({ authorization: '' })).status, 401);
});

test('2025-11-25: a GET stream can be taken up again, and tells what was missed', async () => {
  const started = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } });
  const session = { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': '2025-11-25' };
  const get = (headers) => open({ headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...session, ...headers } });
  const first = await get();
  await until('an id before there is anything to tell', () => first.ids.length === 1);
  write('tools.d/missed.json', manifest('missed'));
  await arrives(first, 'notifications/tools/list_changed');
  await post(site, token, { jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri: 'doc://note' } }, session);
  write('resources.d/note.txt', 'seven');
  await arrives(first, 'notifications/resources/updated');
  assert.equal(first.ids.length, 3);
  assert.equal(new Set(first.ids).size, 3, 'an id of its own for each event');
  first.close();

  // As if the last event had come an hour ago, or would come in an hour.
  const [, ms] = first.ids[2].split('.');
  const at = (change) => `get.${(Number.parseInt(ms, 16) + change).toString(16)}.0`;
  const again = await get({ 'last-event-id': at(-3600000) });
  await arrives(again, 'notifications/tools/list_changed');
  await arrives(again, 'notifications/resources/updated');
  assert.ok(!first.ids.includes(again.ids[0]));
  const nothing = await get({ 'last-event-id': at(3600000) });
  await until('its first id', () => nothing.ids.length === 1);
  write('prompts.d/none.json', '{}');
  await arrives(nothing, 'notifications/prompts/list_changed');
  assert.deepEqual(nothing.messages.map(({ method }) => method), ['notifications/prompts/list_changed']);
  const last = await get({ 'last-event-id': nothing.ids.at(-1) });
  await until('its first id', () => last.ids.length > 0);
  for (const wrong of ['get.', 'get.x.0', 'get.-1.0', 'get.1', 'get.1111111111111.0']) {
    assert.equal((await get({ 'last-event-id': wrong })).status, 400, wrong);
  }
  const older = await get({ 'mcp-protocol-version': '2025-06-18' });
  write('tools.d/missed-too.json', manifest('missed-too'));
  await arrives(older, 'notifications/tools/list_changed');
  assert.deepEqual(older.ids, []);
  for (const each of [again, nothing, last, older]) each.close();
});

test('a session hears of a change once, on the newest of its streams', async () => {
  const started = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } });
  const id = started.headers.get('mcp-session-id');
  const get = (session) => open({ headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`,
    'mcp-protocol-version': '2025-11-25', ...(session && { 'mcp-session-id': session }) } });
  const alone = await get();
  const streams = [await get(id), await get(id), await get(id)];
  const other = await get();
  const counts = () => [alone, ...streams, other].map(({ messages }) => messages.length);
  write('tools.d/once.json', manifest('once'));
  await Promise.all([alone, streams[2], other].map((each) => arrives(each, 'notifications/tools/list_changed')));
  assert.deepEqual(counts(), [1, 0, 0, 1, 1]);

  // When it goes away, the next newest is told. What was sent before that was noticed is lost.
  streams[2].close();
  streams[0].close();
  let n = 0;
  await until('the next stream to be told', () => {
    write(`tools.d/once-${n += 1}.json`, manifest(`once-${n}`));
    return streams[1].messages.length > 0;
  }, { everyMs: 200 });
  assert.equal(streams[0].messages.length, 0);

  const end = { method: 'DELETE', headers: { authorization: `Bearer ${token}`, 'mcp-session-id': id } };
  assert.equal((await fetch(site.mcpUrl, end)).status, 204);
  await until('the end of its stream with the session', () => streams[1].ended);
  assert.deepEqual([alone.ended, other.ended], [false, false]);
  for (const each of [alone, other]) each.close();
});

test('byte for byte: how each stream begins, goes on and ends', async () => {
  const started = async (version) => ({ 'mcp-protocol-version': version, 'mcp-session-id': (await post(site, token, { jsonrpc: '2.0', id: 0,
    method: 'initialize', params: { protocolVersion: version, capabilities: {}, clientInfo: { name: 't', version: '1' } } }))
    .headers.get('mcp-session-id') });
  const body = { jsonrpc: '2.0', id: 7, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: META } };
  const event = (message) => `data: ${JSON.stringify(message)}\n\n`;
  const changed = event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} });
  const serverInfo = (await modern(site, token, 'server/discover')).body.result._meta['io.modelcontextprotocol/serverInfo'];
  const id = '<id>\n';
  const first = `${id}retry: 1000\ndata: \n\n`;
  const ways = [
    { headers: {}, begins: ':\n\n', told: changed },
    { headers: await started('2025-06-18'), begins: ':\n\n', told: changed },
    { headers: await started('2025-11-25'), begins: first, told: `${id}${changed}` },
    { headers: { ...await started('2025-11-25'), 'last-event-id': `get.${(Date.now() + 3600000).toString(16)}.0` }, begins: first,
      told: `${id}${changed}` },
    { method: 'POST', headers: { 'content-type': 'application/json', 'mcp-protocol-version': MODERN, 'mcp-method': body.method },
      body: JSON.stringify(body),
      begins: event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged',
        params: { _meta: { [ID]: 7 }, notifications: { toolsListChanged: true } } }),
      told: event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { [ID]: 7 } } }),
      ends: event({ jsonrpc: '2.0', id: 7, result: { _meta: { [ID]: 7, 'io.modelcontextprotocol/serverInfo': serverInfo },
        resultType: 'complete' } }) },
  ];
  const settled = await listen({ resourceSubscriptions: ['doc://note'] });
  await arrives(settled, 'notifications/subscriptions/acknowledged');
  write('resources.d/note.txt', 'settled');
  await arrives(settled, 'notifications/resources/updated');  // and with it every change that other tests have made
  settled.close();
  for (const way of ways) {
    const { headers, begins, told, ends, ...init } = way;
    const response = await fetch(site.mcpUrl, { ...init,
      headers: { accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`, ...headers } });
    assert.equal(response.status, 200);
    way.text = '';
    way.done = (async () => {
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) way.text += part;
    })();
    // The comments that keep a stream alive may come in between on a machine that paused.
    way.heard = () => way.text.replace(/(?<=\n):\n\n/g, '').replace(/^id: get\.[0-9a-f]+\.[p0-9]+$/gm, '<id>');
    await until(() => `the beginning, got ${JSON.stringify(way.text)}`, () => way.heard() === begins);
  }
  write('tools.d/bytes.json', manifest('bytes'));
  for (const { heard, begins, told } of ways) {
    await until(() => `the change, got ${JSON.stringify(heard())}`, () => heard() === begins + told);
  }
  await reload(site);
  for (const { done, heard, begins, told, ends = '' } of ways) {
    await done;
    assert.equal(heard(), begins + told + ends);
  }
});

test('if there is no descriptor left for a stream, the log says so', async () => {
  const from = site.daemon.log.length;
  const holders = () => childrenOf(site.daemon).filter(({ name }) => name === 'mcp-streams');
  const pid = await until('the only stream holder, after a reload', () => holders().length === 1 && String(holders()[0].pid));
  const limit = execFileSync('prlimit', ['--pid', pid, '--nofile', '--raw', '--noheadings', '--output', 'SOFT'], { encoding: 'utf8' }).trim();
  execFileSync('prlimit', ['--pid', pid, '--nofile=3:']);
  const refused = await listen({ toolsListChanged: true });
  await logged(site.daemon, from, /event=stream_not_held why="Too many open files"/);
  execFileSync('prlimit', ['--pid', pid, `--nofile=${limit}:`]);
  assert.ok(refused.status >= 500, `${refused.status}`); // of the web server
  const next = await listen({ toolsListChanged: true });
  await arrives(next, 'notifications/subscriptions/acknowledged');
  next.close();
});

test('a reload ends the streams in good order', async () => {
  const stream = await listen({ toolsListChanged: true });
  await arrives(stream, 'notifications/subscriptions/acknowledged');
  await reload(site);
  await until('the end of the stream', () => stream.ended);
  assert.deepEqual(stream.messages.at(-1), { jsonrpc: '2.0', id: 7, result: { resultType: 'complete',
    _meta: { [ID]: 7, 'io.modelcontextprotocol/serverInfo': stream.messages.at(-1).result._meta['io.modelcontextprotocol/serverInfo'] } } });
  assert.equal(stream.messages.at(-1).result._meta['io.modelcontextprotocol/serverInfo'].name, 'mcp-authd');
  const next = await listen({ toolsListChanged: true });
  await arrives(next, 'notifications/subscriptions/acknowledged');
  next.close();
});
