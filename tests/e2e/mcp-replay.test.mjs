// Resumable streams of protocol version 2025-11-25: a client whose connection broke gets the rest from any worker.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { post } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const VERSION = '2025-11-25';
let site;
let token;
before(async () => {
  site = await startSite();
  token = await site.cognito.accessToken();
});
after(() => site?.close());

async function newSession(as = token) {
  const started = await post(site, as, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: VERSION, capabilities: { elicitation: {} }, clientInfo: { name: 't', version: '1' } } });
  return { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': VERSION };
}

// Events as { id, retry, data }, data as JSON, without the comments that keep a stream alive.
function parse(text) {
  return text.split('\n\n').slice(0, -1).filter((event) => event !== ':').map((event) => {
    const fields = Object.fromEntries(event.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
    return { ...fields, data: fields.data === '' ? '' : JSON.parse(fields.data) };
  });
}

const call = (session, args = {}, name = 'reconnect') => post(site, token,
  { jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name, arguments: args } }, session);

async function resume(session, id, as = token) {
  const response = await fetch(site.mcpUrl, { headers: { accept: 'text/event-stream', authorization: `Bearer ${as}`, ...session, 'last-event-id': id },
    signal: AbortSignal.timeout(20000) });
  const text = await response.text();
  return { status: response.status, text, events: response.status === 200 ? parse(text) : [] };
}

const logs = (events) => events.filter(({ data }) => data.method === 'notifications/message').map(({ data }) => data.params.data);

test('what came after an event is sent again, from that event on and no other', async () => {
  const session = await newSession();
  const first = parse((await call(session)).text);
  assert.deepEqual(first.map(({ data }) => data && data.method), ['', 'notifications/message'], 'the stream is closed before there is a result');
  assert.ok(first[0].id && Number(first[0].retry) > 0 && first[1].id !== first[0].id, JSON.stringify(first));
  assert.deepEqual(logs(first), ['before']);

  const rest = await resume(session, first[1].id);
  assert.equal(rest.events[0].data, '', 'an id at once');
  assert.equal(rest.events[0].id, first[1].id);
  assert.deepEqual(logs(rest.events), ['after']);
  assert.equal(rest.events.at(-1).data.id, 5);
  assert.equal(rest.events.at(-1).data.result.content[0].text, 'done');

  // All of it, what is behind the first event that came late, and nothing behind the last.
  assert.deepEqual(logs((await resume(session, first[0].id)).events), ['before', 'after']);
  const late = await resume(session, rest.events[1].id);
  assert.deepEqual([logs(late.events), late.events.length], [[], 2]);
  assert.equal((await resume(session, rest.events.at(-1).id)).events.length, 1);
});

test('a stream is its session\'s alone', async () => {
  const session = await newSession();
  const [{ id }] = parse((await call(session)).text);
  assert.equal((await resume(await newSession(), id)).status, 400, 'another session of the same user');
  const other = await site.cognito.accessToken({ sub: 'somebody-else' });
  assert.equal((await resume(await newSession(other), id, other)).status, 400, 'another user');
  assert.equal((await resume(session, id, other)).status, 404, 'another user with the session\'s id');
  for (const wrong of ['0', `${id}0`, id.replace(/.$/, 'X'), `../${id}`, `x${id}`, id.replace('.', '/'), '.00000000']) {
    assert.equal((await resume(session, wrong)).status, 400, wrong);
  }
  assert.equal((await resume(session, id)).status, 200);
  await fetch(site.mcpUrl, { method: 'DELETE', headers: { authorization: `Bearer ${token}`, ...session } });
  assert.equal((await resume(session, id)).status, 404, 'the session has ended');
});

test('a connection that breaks ends nothing', async () => {
  const session = await newSession();
  const gone = new AbortController();
  const response = await fetch(site.mcpUrl, { method: 'POST', signal: gone.signal,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`, ...session },
    body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'slow_report', arguments: {}, _meta: { progressToken: 1 } } }) });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('progress"')) text += (await reader.read()).value;
  const [{ id }] = parse(text);
  gone.abort();
  const rest = await resume(session, id);
  assert.deepEqual(rest.events.slice(1).map(({ data }) => data.params?.progress ?? data.result.content[0].text), [1, 2, 3, 'all three']);
});

test('older revisions have no event ids', async () => {
  const session = { ...await newSession(), 'mcp-protocol-version': '2025-06-18' };
  const events = parse((await call(session)).text);
  assert.deepEqual(logs(events), ['before', 'after']);
  assert.ok(events.every(({ id }) => id === undefined));
  assert.equal(events.at(-1).data.result.content[0].text, 'done');
});

test('the official SDK gets its result, and answers what it was asked on the resumed stream', async () => {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
  const asked = [];
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    return { action: 'accept', content: {} };
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  assert.deepEqual((await client.callTool({ name: 'reconnect', arguments: {} })).content, [{ type: 'text', text: 'done' }]);
  assert.deepEqual((await client.callTool({ name: 'reconnect', arguments: { ask: true } })).content, [{ type: 'text', text: 'answered' }]);
  assert.deepEqual(asked, ['Go on?']);
  await client.close();
});

test('what is kept is for the service alone, and not for long', async () => {
  const session = await newSession();
  const [{ id }] = parse((await call(session)).text);
  await resume(session, id);
  const dir = path.join(site.stateOf('mcp'), 'streams');
  assert.equal(fs.statSync(dir).mode & 0o777, 0o700);
  const files = fs.readdirSync(dir).map((name) => path.join(dir, name));
  for (const file of files) {
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    fs.utimesSync(file, 1e9, 1e9);
  }
  await call(session); // the next stream makes room
  await until('the old ones are gone', () => files.every((file) => !fs.existsSync(file)));
  assert.equal((await resume(session, id)).status, 400);
});
