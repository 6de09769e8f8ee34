// Input that programs ask for: what they may ask of which client, and that only valid answers to their requests reach
// them.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { assertRpcError, META, modern, post } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';

const form = (properties, required = Object.keys(properties)) => ({ method: 'elicitation/create',
  params: { message: '?', requestedSchema: { type: 'object', properties, required } } });
const NAME = form({ name: { type: 'string', maxLength: 5 } });
const COLOR = form({ color: { type: 'string', enum: ['red', 'green'] } });
const URL_MODE = { method: 'elicitation/create', params: { mode: 'url', message: '?', url: 'https://example.com/pay' } };
const SAMPLE = { method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }], maxTokens: 5 } };
const ROOTS = { method: 'roots/list' };
const accept = (content) => ({ action: 'accept', content });

let site;
let token;
let dir;
before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-input-');
  // Asks for what its argument says, round by round, and gives back what came.
  fs.writeFileSync(path.join(dir, 'ask.mjs'), `#!/usr/bin/env node
import fs from 'node:fs';
const { arguments: { rounds }, inputResponses, requestState = { got: [] } } = JSON.parse(fs.readFileSync(0, 'utf8'));
const got = requestState.got.concat(inputResponses ? [inputResponses] : []);
const last = got.length === rounds.length;
console.log(JSON.stringify(last ? { got } : { inputRequired: { inputRequests: rounds[got.length], requestState: { got } } }));
`, { mode: 0o755 });
  fs.writeFileSync(path.join(dir, 'ask.json'), JSON.stringify({ name: 'ask', inputSchema: { type: 'object' },
    run: { command: [process.execPath, 'ask.mjs'], output: 'json' } }));
  site = await startSite({ config: { TOOLS_DIR: dir } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const ALL = { elicitation: { form: {}, url: {} }, sampling: { tools: {}, context: {} }, roots: {} };
const meta = (capabilities) => ({ ...META, 'io.modelcontextprotocol/clientCapabilities': capabilities });
const call = (rounds, more = {}, capabilities = ALL) => modern(site, token, 'tools/call',
  { name: 'ask', arguments: { rounds }, ...more }, { meta: meta(capabilities) });

// --- 2026-07-28

test('an answer has to be what was asked for', async () => {
  const rounds = [{ who: NAME }];
  const asked = (await call(rounds)).body.result;
  assert.equal(asked.resultType, 'input_required');
  const again = (who) => call(rounds, { requestState: asked.requestState, inputResponses: { who } });
  for (const answer of [accept({ name: 'Ada' }), { action: 'decline' }, { action: 'cancel' }, { action: 'decline', content: {} }]) {
    assert.deepEqual((await again(answer)).body.result.structuredContent, { got: [{ who: answer }] });
  }
  for (const [answer, why] of [
    [accept({ name: 'Augusta' }), /inputResponses\.who has wrong content: \/name/], [accept({ name: 1 }), /\/name/],
    [accept({}), /name/], [accept(), /no content/], [accept([]), /no content/], [{ action: 'yes' }, /accept, decline, cancel/], [{}, /action/],
    [{ action: 1 }, /action/], [[], /not an object/], [null, /not an object/], ['Ada', /not an object/],
  ]) {
    const wrong = await again(answer);
    assertRpcError(wrong, 200, -32602);
    assert.match(wrong.body.error.message, why, JSON.stringify(answer));
  }
});

test('answers of each kind are looked at', async () => {
  const rounds = [{ model: SAMPLE, folders: ROOTS, paid: URL_MODE }];
  const { requestState } = (await call(rounds)).body.result;
  const right = { model: { role: 'assistant', content: { type: 'text', text: 'x' }, model: 'm' }, folders: { roots: [{ uri: 'file:///srv' }] },
    paid: { action: 'accept' } };
  assert.deepEqual((await call(rounds, { requestState, inputResponses: right })).body.result.structuredContent, { got: [right] });
  for (const wrong of [{ model: {} }, { model: { role: 'system', content: {} } }, { folders: {} }, { folders: { roots: [{}] } }, { paid: {} }]) {
    assertRpcError(await call(rounds, { requestState, inputResponses: { ...right, ...wrong } }), 200, -32602);
  }
});

test('what was not asked for does not reach the program', async () => {
  const rounds = [{ who: NAME }, { color: COLOR }];
  const first = (await call(rounds)).body.result;
  const who = accept({ name: 'Ada' });
  const color = accept({ color: 'red' });
  const second = (await call(rounds, { requestState: first.requestState,
    inputResponses: { who, color: accept({ color: 'blue' }), other: { x: 1 } } })).body.result;
  assert.deepEqual(Object.keys(second.inputRequests), ['color']);
  const done = await call(rounds, { requestState: second.requestState, inputResponses: { color, other: {} } });
  assert.deepEqual(done.body.result.structuredContent, { got: [{ who }, { color }] });
  // An earlier answer may come again, and is looked at again.
  const both = await call(rounds, { requestState: second.requestState, inputResponses: { who, color } });
  assert.deepEqual(both.body.result.structuredContent, { got: [{ who }, { who, color }] });
  assertRpcError(await call(rounds, { requestState: second.requestState, inputResponses: { who: accept({ name: 1 }), color } }), 200, -32602);
  // Nothing that was asked for: asked again.
  const none = await call(rounds, { requestState: first.requestState, inputResponses: { other: {} } });
  assert.equal(none.body.result.resultType, 'input_required');
  assert.deepEqual(Object.keys(none.body.result.inputRequests), ['who']);
});

test('a client that answers before it is asked is asked only for what is missing or wrong', async () => {
  const rounds = [{ who: NAME }];
  const early = (inputResponses) => call(rounds, { inputResponses });
  const who = accept({ name: 'Ada' });
  assert.deepEqual((await early({ who, more: {} })).body.result.structuredContent, { got: [{ who }] });
  assert.deepEqual(Object.keys((await early({ other: who })).body.result.inputRequests), ['who']);
  assertRpcError(await early({ who: accept({ name: 'Augusta' }) }), 200, -32602);
  const without = await call(rounds, { inputResponses: { who } }, {});
  assertRpcError(without, 400, -32021);
});

test('a client is asked only for what it has declared', async () => {
  const lacks = async (request, capabilities, required) => {
    const answer = await call([{ x: request }], {}, capabilities);
    assertRpcError(answer, 400, -32021);
    assert.deepEqual(answer.body.error.data, { requiredCapabilities: required });
  };
  const asks = async (request, capabilities) => assert.deepEqual((await call([{ x: request }], {}, capabilities)).body.result.inputRequests,
    { x: request });
  await asks(NAME, { elicitation: {} });
  await asks(NAME, { elicitation: { form: {} } });
  await lacks(NAME, { elicitation: { url: {} } }, { elicitation: { form: {} } });
  await lacks(NAME, { sampling: {} }, { elicitation: {} });
  await lacks(URL_MODE, { elicitation: {} }, { elicitation: { url: {} } });
  await lacks(URL_MODE, { elicitation: { form: {} } }, { elicitation: { url: {} } });
  await asks(URL_MODE, { elicitation: { url: {} } });
  const tools = { ...SAMPLE, params: { ...SAMPLE.params, tools: [] } };
  await lacks(tools, { sampling: {} }, { sampling: { tools: {} } });
  const context = (includeContext) => ({ ...SAMPLE, params: { ...SAMPLE.params, includeContext } });
  await lacks(context('allServers'), { sampling: {} }, { sampling: { context: {} } });
  await asks(context('none'), { sampling: {} });
  await lacks(ROOTS, {}, { roots: {} });
});

test('a program that asks in a wrong way is told to the admin, not to the client', async () => {
  const params = (changes) => ({ ...NAME, params: { ...NAME.params, ...changes } });
  const wrong = [params({ message: undefined }), params({ mode: 'x' }), params({ requestedSchema: undefined }),
    params({ requestedSchema: { type: 'object' } }), params({ requestedSchema: { type: 'array' } }),
    form({ a: { type: 'object' } }), form({ a: {} }), form({ a: { type: 'string', pattern: '(' } }),
    { ...URL_MODE, params: { ...URL_MODE.params, url: 'pay' } }, { ...SAMPLE, params: {} }, { method: 'tools/call' }, 1];
  for (const request of wrong) assertRpcError(await call([{ x: request }]), 200, -32603);
  const said = site.daemon.log.match(/event=input_request_malformed .*why=/g);
  assert.ok(said.length >= wrong.length, site.daemon.log);
  assertRpcError(await call([Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ROOTS]))]), 200, -32603);
});

// --- before

async function session(capabilities, version = '2025-11-25') {
  const answer = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: version, capabilities, clientInfo: { name: 't', version: '1' } } });
  return { 'mcp-session-id': answer.headers.get('mcp-session-id'), 'mcp-protocol-version': version };
}

// Calls, and gives each message of the stream to `reply`.
async function follow(headers, rounds, reply) {
  const response = await fetch(site.mcpUrl, { method: 'POST', headers: { ...headers, 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', authorization: `Bearer ${token}` },
  body: JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'ask', arguments: { rounds } } }) });
  const messages = [];
  let text = '';
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const events = text.split('\n\n');
    text = events.pop();
    for (const data of events.map((event) => /^data: (.+)$/m.exec(event)?.[1]).filter(Boolean)) {
      messages.push(JSON.parse(data));
      await reply(messages.at(-1));
    }
  }
  return messages;
}

test('before 2026-07-28 an answer has to be what was asked for, too', async () => {
  const headers = await session({ elicitation: {} });
  const answered = (result) => follow(headers, [{ who: NAME }], ({ id, method }) => method && id
    && post(site, token, { jsonrpc: '2.0', id, result }, headers));
  assert.deepEqual((await answered(accept({ name: 'Ada' }))).at(-1).result.structuredContent, { got: [{ who: accept({ name: 'Ada' }) }] });
  for (const wrong of [accept({ name: 'Augusta' }), {}, [], { action: 'yes' }]) {
    const last = (await answered(wrong)).at(-1);
    assert.equal(last.error?.code, -32603, JSON.stringify(last));
    assert.match(last.error.message, /elicitation\/create/);
  }
});

test('before 2026-07-28 a client that declares only URLs is asked for no form', async () => {
  const headers = await session({ elicitation: { url: {} } });
  const params = (rounds) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ask', arguments: { rounds } } });
  assertRpcError(await post(site, token, params([{ who: NAME }]), headers), 200, -32600);
  const asked = await follow(headers, [{ paid: URL_MODE }], ({ id, method }) => method && id
    && post(site, token, { jsonrpc: '2.0', id, result: { action: 'accept' } }, headers));
  assert.equal(asked[0].params.url, URL_MODE.params.url);
  assert.ok(asked[0].params.elicitationId.length > 10, '2025-11-25 requires an id');
  assert.deepEqual(asked.at(-1).result.structuredContent, { got: [{ paid: { action: 'accept' } }] });
});

test('before 2025-11-25 context has no capability of its own', async () => {
  const headers = await session({ sampling: {} }, '2025-06-18');
  const sampled = { role: 'assistant', model: 'm', content: { type: 'text', text: 'hello' } };
  const asked = await follow(headers, [{ x: { ...SAMPLE, params: { ...SAMPLE.params, includeContext: 'thisServer' } } }], ({ id, method }) => method && id
    && post(site, token, { jsonrpc: '2.0', id, result: sampled }, headers));
  assert.equal(asked[0].params?.includeContext, 'thisServer', JSON.stringify(asked[0]));
  assert.deepEqual(asked.at(-1).result.structuredContent, { got: [{ x: sampled }] });
});

test('a question that nobody waits for any more is taken back', async () => {
  const headers = await session({ elicitation: {} });
  const messages = await follow(headers, [{ who: NAME, color: COLOR }], ({ id, method, params }) => {
    if (method !== 'elicitation/create') return undefined;
    return params.requestedSchema.properties.name ? post(site, token, { jsonrpc: '2.0', id, result: accept({ name: 'Ada' }) }, headers)
      : post(site, token, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5, reason: 'enough' } }, headers);
  });
  const open = messages.find(({ params }) => params?.requestedSchema?.properties.color).id;
  const back = messages.filter(({ method }) => method === 'notifications/cancelled');
  assert.deepEqual(back.map(({ params }) => params.requestId), [open]);
  assert.equal(messages.at(-1).id, 5);
});
