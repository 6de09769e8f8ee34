// MCP servers that are an address ("url" in servers.d) behind the login: those of the official SDK on Streamable HTTP of each revision and
// on HTTP+SSE of 2024-11-05, and one that does wrong what it is told.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitationCompleteNotificationSchema, ElicitRequestSchema, ListRootsRequestSchema, McpError,
  UrlElicitationRequiredError } from '@modelcontextprotocol/sdk/types.js';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { z } from 'zod';
import { logged } from '../parts/daemon.mjs';
import { assertToolError, callTool, META, modern, structuredContentOf } from '../parts/mcp.mjs';
import { listen } from '../parts/listen.mjs';
import { startMcpHttpServer } from '../parts/mcp-http-server.mjs';
import { startSdkV2Server } from '../parts/mcp-sdk-v2-server.mjs';
import { startSite } from '../parts/site.mjs';
import { toolFolder } from '../parts/tasks.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { until } from '../parts/util.mjs';

const SECRET = 'c0ffee-of-an-address';

// A server of the SDK: one session for each that initializes.
function sdkServer() {
  const server = new McpServer({ name: 'sdk', version: '1' });
  server.registerTool('add', { inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => ({ content: [{ type: 'text', text: `${a + b}` }] }));
  server.registerTool('steps', { inputSchema: {} }, async (args, { sendNotification, _meta }) => {
    for (const progress of [1, 2]) await sendNotification({ method: 'notifications/progress', params: { progressToken: _meta.progressToken, progress } });
    return { content: [{ type: 'text', text: 'done' }] };
  });
  server.registerTool('grow', { inputSchema: {} }, () => {
    server.registerTool('grown', { inputSchema: {} }, () => ({ content: [] }));
    return { content: [] };
  });
  return server;
}
async function listening(handler) {
  const server = http.createServer((req, res) => handler(req, res).catch((error) => res.writeHead(500).end(String(error)))).listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.once('listening', resolve); });
  return server;
}
const streamable = (sessions) => async (req, res) => {
  let transport = sessions.get(req.headers['mcp-session-id']);
  if (!transport) {
    const server = sdkServer();
    transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => { sessions.set(id, transport); sdk.servers.push(server); } });
    await server.connect(transport);
  }
  await transport.handleRequest(req, res);
};
const sse = (sessions) => async (req, res) => {
  const url = new URL(req.url, 'http://localhost');
  if (req.method === 'GET' && url.pathname === '/sse') {
    const transport = new SSEServerTransport('/messages', res);
    sessions.set(transport.sessionId, transport);
    await sdkServer().connect(transport);
  } else if (url.pathname === '/messages') {
    await sessions.get(url.searchParams.get('sessionId')).handlePostMessage(req, res);
  } else res.writeHead(405).end();
};
const at = (server, path) => `http://127.0.0.1:${server.address().port}${path}`;

let site;
let tools;
let token;
let own;
let secure;
let old;
let v2;
let both;
let tasks;
let quiet;
let news;
let ender;
let paged;
let endless;
let rest;
const sdk = { servers: [] };
// The streams of changes of a server that nobody calls.
const held = [];
const hold = (req, res) => { res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(); held.push(res); };
const change = { method: 'notifications/tools/list_changed' };
const listensAgain = (what, count) => until(what, () => held.length === count);
const add = (name, manifest) => fs.writeFileSync(tools.file(`servers.d/${name}.json`), JSON.stringify({ timeout_ms: 20000, ...manifest }));
before(async () => {
  tools = toolFolder('mcp-url-');
  fs.mkdirSync(tools.file('servers.d'));
  fs.writeFileSync(tools.file('key'), `${SECRET}\n`, { mode: 0o600 });
  const { ca, cert, key } = makeCertificates(tools.file('tls'));
  sdk.streams = new Map();
  sdk.streamable = await listening(streamable(sdk.streams));
  sdk.sse = await listening(sse(new Map()));
  own = await startMcpHttpServer();
  old = await startMcpHttpServer({ version: '2025-03-26' });
  secure = await startMcpHttpServer({ tls: { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } });
  v2 = await startSdkV2Server();
  tasks = await startMcpHttpServer();
  tasks.tools = tasks.tools.map((tool) => ({ ...tool, execution: { taskSupport: 'required' } }));
  both = await startSdkV2Server({ legacy: 'stateless' });
  quiet = await startMcpHttpServer();
  quiet.stream = hold;
  news = await startMcpHttpServer({ resource: 'news://today' });
  news.stream = (req, res) => { res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(); news.listener = res; };
  paged = Object.assign(await startMcpHttpServer(), { pages: 100 });
  endless = Object.assign(await startMcpHttpServer(), { pages: 101 });
  ender = await startMcpHttpServer();
  ender.stream = (req, res) => { res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(); setTimeout(() => res.end(), 50); };
  add('v2', { url: v2.url });
  add('v2-slow', { url: v2.url, timeout_ms: 3000 });
  add('both', { url: both.url });
  add('both-old', { url: both.url, revision: '2025-11-25' });
  add('never', { url: at(sdk.streamable, '/mcp'), revision: '2026-07-28' });
  add('stream', { url: at(sdk.streamable, '/mcp') });
  add('sse', { url: at(sdk.sse, '/sse') });
  add('own', { url: own.url, headers: { authorization: 'Bearer ${KEY}', 'x-tenant': 'one' }, secrets: { KEY: tools.file('key') } });
  add('told', { url: own.url, caller: true, claims: ['tenant'], headers: { 'x-user': '${caller.username}', 'x-groups': '${caller.groups}',
    'x-tenant': 'of ${caller.claims.tenant}' } });
  add('signed', { url: own.url, identity: 'jwt', claims: ['tenant'], prefix: 's.' });
  add('audience', { url: v2.url, identity: 'jwt', audience: 'urn:stock', prefix: 'a.' });
  add('long', { url: own.url, identity: 'jwt', prefix: 'l.', timeout_ms: 60000 });
  add('paged', { url: paged.url });
  add('endless', { url: endless.url });
  add('quiet', { url: quiet.url, identity: 'jwt', prefix: 'q.' });
  add('news', { url: news.url, prefix: 'n.' });
  add('ender', { url: ender.url, identity: 'jwt', prefix: 'e.' });
  add('tasks', { url: tasks.url, identity: 'jwt', prefix: 't.' });
  add('slow', { url: own.url, timeout_ms: 3000 });
  add('old', { url: old.url });
  add('secure', { url: secure.url, ca_file: ca });
  add('stranger', { url: secure.url });
  add('away', { url: 'http://127.0.0.1:1/mcp' });
  add('nothing', { url: at(sdk.sse, '/none') });
  for (const [name, manifest] of Object.entries({ plain: { url: 'http://mcp.example.com/mcp' }, program: { url: own.url, env: {} },
    reserved: { url: own.url, headers: { 'Mcp-Session-Id': 'x' } }, revision: { url: own.url, revision: '2026' },
    twice: { url: own.url, identity: 'jwt', headers: { authorization: 'x' } }, identity: { url: own.url, identity: 'jws' },
    unknown: { url: own.url, headers: { 'x-key': '${KEY}' } } })) add(name, manifest);
  site = await startSite({ config: { TOOLS_DIR: '', SERVERS_DIR: tools.file('servers.d'), CALLS_PER_USER: '64', CALLS_MAX: '64' },
    mustFail: ['event=server_ended', 'event=server_lists_failed', 'event=tool_invalid', 'event=server_not_started'] });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  for (const server of [sdk.streamable, sdk.sse]) {
    server?.closeAllConnections();
    server?.close();
  }
  for (const server of [own, old, secure, v2, both, tasks, quiet, news, ender, paged, endless]) await server?.close();
  tools.remove();
});

const names = async () => (await modern(site, token, 'tools/list')).body.result.tools.map((tool) => tool.name);
const call = (name, args = {}) => callTool(site, token, name, args);
const work = async (name, args = {}) => structuredContentOf(await call(name, args));
const fails = async (name, args, message) => assertToolError(await call(name, args), message);

test('what nobody has listed yet can be called, read and completed', async () => {
  assert.equal((await call('stream_add', { a: 1, b: 2 })).content[0].text, '3');
});

// What takes long is begun here, and looked at later.
test('a call of a server whose stream of changes ends at once, and one whose answer breaks off for a while, are begun', async () => {
  await work('e.work');
  rest = work('l.work', { do: 'cut', said: 'late', retry: 25000 });
  rest.catch(() => {});
});

test('tools of all addresses are listed; what cannot be reached, trusted or understood is left out and logged', async () => {
  const listed = await names();
  for (const name of ['stream_add', 'sse_add', 'own_work', 'old_work', 'secure_work', 'v2_add', 'both_add', 'both-old_add', 'paged_work'])
    assert.ok(listed.includes(name), `${name} of ${listed}`);
  for (const [name, why] of [['stranger', /certificate/i], ['away', /connect/i], ['nothing', /neither Streamable HTTP nor HTTP\+SSE/],
    ['endless', /its list has too many pages/], ['never', /does not speak revision 2026-07-28/]]) {
    assert.ok(!listed.some((tool) => tool.startsWith(`${name}_`)));
    await logged(site.daemon, 0, new RegExp(`event=server_lists_failed (site=\\S+ )?server=${name} .*${why.source}`, why.flags));
  }
  for (const line of ['plain.json: url must begin with https', 'program.json: unknown member', 'reserved.json: headers.Mcp-Session-Id is set by the transport',
    'revision.json: revision must be .*2025-11-25', 'twice.json: headers.Authorization is set by .*identity', 'identity.json: identity must be',
    'unknown.json: headers.x-key has a \\$\\{NAME\\} that is not in']) await logged(site.daemon, 0, new RegExp(`event=tool_invalid problem=".*${line}`));
});

test('a call reaches a server of the SDK on Streamable HTTP, and on HTTP+SSE', async () => {
  for (const name of ['stream', 'sse']) {
    assert.deepEqual((await call(`${name}_add`, { a: 2, b: 40 })).content, [{ type: 'text', text: '42' }]);
    const answer = await modern(site, token, 'tools/call', { name: `${name}_steps`, arguments: {} }, { meta: { ...META, progressToken: 'mine' } });
    assert.equal([...answer.text.matchAll(/"progressToken":"mine","progress":(\d)/g)].length, 2, answer.text);
  }
});

test('a change of the list comes on the stream that only listens', async () => {
  await call('stream_grow');
  await until('the new tool', async () => {
    await call('stream_add', { a: 1, b: 1 });
    return (await names()).includes('stream_grown');
  });
});

test('the headers of the manifest, with their secrets, and those of the session are sent; the access token is not', async () => {
  const { headers } = await work('own_work', { said: 'a' });
  assert.equal(headers.authorization, `Bearer ${SECRET}`);
  assert.equal(headers['x-tenant'], 'one');
  assert.match(headers['mcp-session-id'], /^session-\d+$/);
  assert.equal(headers['mcp-protocol-version'], '2025-11-25');
  assert.ok(!JSON.stringify(headers).includes(token));
  assert.ok(!site.daemon.log.includes(SECRET));
  assert.equal((await work('old_work')).headers['mcp-protocol-version'], '2025-03-26');
  assert.ok(own.listened > 0, 'it was asked for a stream, and has none');
});

test('a server is told who calls if it wants: in _meta, and in headers that the manifest names; a client cannot say it', async () => {
  const alice = await site.cognito.accessToken({ sub: 'a-1', username: 'alice smith', 'cognito:groups': ['staff', 'a,b'], tenant: 'grün' });
  const answer = await modern(site, alice, 'tools/call', { name: 'told_work', arguments: {} }, { meta: { ...META, 'mcp-authd/caller': { sub: 'other' } } });
  const { headers, meta } = answer.body.result.structuredContent;
  assert.deepEqual({ ...meta['mcp-authd/caller'], client_id: '', scopes: [] },
    { sub: 'a-1', username: 'alice smith', client_id: '', scopes: [], groups: ['staff', 'a,b'], claims: { tenant: 'grün' } });
  assert.deepEqual([headers['x-user'], headers['x-groups'], headers['x-tenant']], ['alice%20smith', 'staff,a%2Cb', 'of gr%C3%BCn']);
  const other = await work('told_work', {});
  assert.equal(other.headers['x-tenant'], undefined, 'a header whose claim the token has not is left out');
  assert.ok(!('mcp-authd/caller' in ((await work('own_work', {})).meta ?? {})));
});

test('a server that wants it gets a short JWT of ours that names user and audience, which our key set verifies', async () => {
  const keys = createRemoteJWKSet(new URL(`${site.issuer}/jwks`));
  const alice = await site.cognito.accessToken({ sub: 'a-1', username: 'alice', 'cognito:groups': ['staff'], tenant: 'acme' });
  const verify = async (authorization, audience) => {
    assert.match(authorization, /^Bearer /);
    assert.ok(!authorization.includes(alice));
    const { payload } = await jwtVerify(authorization.slice(7), keys, { issuer: site.issuer, audience, algorithms: ['ES256'], requiredClaims: ['exp', 'iat', 'jti'] });
    return payload;
  };
  const headersOf = async () => (await modern(site, alice, 'tools/call', { name: 's.work', arguments: {} })).body.result.structuredContent.headers;
  const [first, second] = [await verify((await headersOf()).authorization, own.url), await verify((await headersOf()).authorization, own.url)];
  assert.deepEqual([first.sub, first.username, first.groups, first.claims, first.exp - first.iat], ['a-1', 'alice', ['staff'], { tenant: 'acme' }, 60]);
  assert.equal(typeof first.scope, 'string');
  assert.notEqual(first.jti, second.jti);
  await modern(site, alice, 'tools/call', { name: 'a.add', arguments: { a: 1, b: 1 } });
  const sent = (method, audience) => v2.requests.filter(({ message, headers }) => message?.method === method && headers.authorization)
    .map(({ headers }) => verify(headers.authorization, audience));
  assert.equal((await sent('tools/call', 'urn:stock').at(-1)).sub, 'a-1');
  for (const method of ['server/discover', 'tools/list', 'subscriptions/listen']) {
    await until(method, () => sent(method, 'urn:stock').length > 0);
    const service = await sent(method, 'urn:stock').at(-1);
    assert.deepEqual([service.sub, service.username, service.exp - service.iat], [site.issuer, undefined, 300], method);
  }
  await assert.rejects(verify((await headersOf()).authorization, 'urn:stock'), /aud/);
  assert.equal((await work('own_work')).headers.authorization, `Bearer ${SECRET}`, 'others get none');
});

test('the task of a call is asked for in the name of its user', async () => {
  const { authorization } = (await work('t.work')).headers;
  assert.equal(decodeJwt(authorization.slice(7)).username, decodeJwt(token).username);
});

test('a call whose headers are too long for the bridge fails: it does not become one of our own', async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const answer = await client.callTool({ name: 's.work', arguments: { do: 'spell', note: 'é'.repeat(400000) } }); // as Base64 over 1 MiB
  assertToolError(answer, /what headers have to repeat of the call is too long/);
  assert.ok(!own.executed.includes('spell'));
  await client.close();
});

test('many calls are on their way at the same time, and each gets its own answer', async () => {
  const answers = await Promise.all(Array.from({ length: 48 }, (_, i) => work('own_work', { said: `${i}` })));
  assert.deepEqual(answers.map(({ said }) => said), answers.map((_, i) => `${i}`));
});

test('an answer that is cut off is asked for again', async () => {
  assert.equal((await work('own_work', { do: 'cut', said: 'rest' })).said, 'rest');
});

test('what a server does wrong fails the call that it was for, and no other', async () => {
  const running = own.initialized;
  for (const [what, why] of [['status', /HTTP status 503/], ['error', /HTTP status 400: not like this/], ['word', /HTTP status 400: no expression/],
    ['answer', /HTTP status 400: no session in the book/], ['gone', /HTTP status 404/], ['garbage', /neither JSON nor a stream of events/],
    ['redirect', /HTTP status 307/], ['close', /has answered with an error/], ['short', /has sent no answer/], ['accepted', /has sent no answer/],
    ['long', /more than 8388608 bytes/]]) {
    const [, other] = await Promise.all([fails('own_work', { do: what }, why), work('own_work', { said: what })]);
    assert.equal(other.said, what);
  }
  assert.equal(own.initialized, running, 'it is the same session');
  assert.equal(own.executed.filter((what) => what === 'gone').length, 1, 'a call whose answer had begun is not sent again');
});

test('the page of an error is read up to 64 KiB', async () => {
  await fails('own_work', { do: 'page', size: 65536 }, /HTTP status 400: of a page/);
  await fails('own_work', { do: 'page', size: 65537 }, /HTTP status 400\.?$/);
});

test('what an address asks and logs on the stream of a call is for its user, while others call', async () => {
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((sub) => site.cognito.accessToken({ sub })));
  const meta = { ...META, 'io.modelcontextprotocol/clientCapabilities': { roots: {} }, 'io.modelcontextprotocol/logLevel': 'error' };
  const ask = (more) => modern(site, alice, 'tools/call', { name: 'own_work', arguments: { do: 'ask' }, ...more }, { meta });
  const others = modern(site, bob, 'tools/call', { name: 'own_work', arguments: { do: 'hold' } }, { meta });
  await until('the call of another user', () => own.held.length === 1);
  const asked = await ask({});
  assert.equal(asked.body.result.resultType, 'input_required', asked.text);
  assert.match(asked.text, /"data":"of this call"/);
  const { requestState } = asked.body.result;
  const roots = [{ uri: 'file:///a' }];
  assert.deepEqual((await ask({ requestState, inputResponses: { question: { roots } } })).body.result.structuredContent, { roots });
  own.held.pop()();
  assert.doesNotMatch((await others).text, /of this call/);
});

test('what a client of the handshake answers to a question reaches the server as it is: also an error, and a form that does not fit', async () => {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { roots: {}, elicitation: {}, sampling: {} } });
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({ role: 'assistant', model: 'm', content: { type: 'text', text: `${params.includeContext}` } }));
  client.setRequestHandler(ListRootsRequestSchema, () => { throw new McpError(-32001, 'none today'); });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { other: 'x' } }));
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const answer = async (question) => (await client.callTool({ name: 'own_work', arguments: { do: 'ask', question } })).structuredContent;
  const form = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
  assert.equal((await answer()).code, -32001);
  assert.deepEqual(await answer({ method: 'elicitation/create', params: { message: 'Who?', requestedSchema: form } }), { action: 'accept', content: { other: 'x' } });
  const messages = [{ role: 'user', content: { type: 'text', text: 'hi' } }];
  const sampled = await answer({ method: 'sampling/createMessage', params: { messages, maxTokens: 5, includeContext: 'thisServer' } });
  assert.equal(sampled.content?.text, 'undefined', 'context, which this client has not declared, is not asked for');
  await client.close();
});

test('that a page is done is told to the client that was asked to open it', async () => {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { url: {} } } });
  const done = [];
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' }));
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => { done.push(params.elicitationId); });
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const question = { method: 'elicitation/create', params: { mode: 'url', elicitationId: 'e2', url: 'https://example.com/page', message: 'Please' } };
  await client.callTool({ name: 'own_work', arguments: { do: 'ask', question } });
  assert.deepEqual(done, ['e2']);
  await client.close();
});

test('a server that sends the user to a page first (-32042): clients that can open it are asked to, others are told', async () => {
  const args = { name: 'own_work', arguments: { do: 'visit' } };
  const of2025 = async (capabilities) => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities });
    await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
    return client.callTool(args).finally(() => client.close());
  };
  await assert.rejects(of2025({ elicitation: { url: {} } }), (error) => error instanceof UrlElicitationRequiredError
    && error.elicitations[0].elicitationId === 'e1' && error.elicitations[0].url === 'https://example.com/page');
  assertToolError(await of2025({ elicitation: {} }), /a page first/);

  const send = (more) => modern(site, token, 'tools/call', { ...args, ...more },
    { meta: { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: { url: {} } } } });
  const first = await send({});
  assert.ok(first.body.result, first.text);
  const { inputRequests, requestState, resultType } = first.body.result;
  assert.deepEqual([resultType, inputRequests.page1.params.url], ['input_required', 'https://example.com/page']);
  own.visited = true;
  const again = await send({ requestState, inputResponses: { page1: { action: 'accept' } } });
  assert.equal(again.body.result.content[0].text, 'visited', again.text);
  assert.equal(own.seen.at(-1).message.params.inputResponses, undefined, 'which 2025-11-25 does not know');
  own.visited = false;
  assertToolError(await call('own_work', { do: 'visit' }), /a page first/);
});

test('a stream that stays open after the answer is ended', async () => {
  assert.equal((await work('own_work', { do: 'open', said: 'now' })).said, 'now');
  await until('its end', () => own.closed === 1);
});

test('a call that takes too long is cancelled at the server', async () => {
  const before = own.cancelled.length;
  await fails('slow_work', { do: 'hang' }, /did not answer within 3000 ms/);
  await until('the cancellation', () => own.cancelled.length > before);
  assert.equal((await work('slow_work', { said: 'on' })).said, 'on');
});

test('a session that the server has lost is begun again, and no call fails; its list is read again', async () => {
  for (const what of ['lose', 'lose400']) {
    const { headers } = await work('own_work', { do: what });
    const answers = await Promise.all([1, 2, 3].map((n) => work('own_work', { said: n })));
    for (const [i, answer] of answers.entries()) {
      assert.equal(answer.said, i + 1);
      assert.notEqual(answer.headers['mcp-session-id'], headers['mcp-session-id']);
    }
  }
  await work('own_work', { do: 'more' });
  await work('own_work', { do: 'lose' });
  await until('the new tool', async () => (await work('own_work')) && (await names()).includes('own_more'));
});

test('who has subscribed to a resource is told of it after a break of the stream of changes, and in another session', async () => {
  await modern(site, token, 'resources/list');
  const stream = await listen(site, token, { resourceSubscriptions: ['news://today'] });
  const told = (what, count) => until(what, () => stream.messages.filter(({ method }) => method === 'notifications/resources/updated').length >= count);
  await until('the subscription and the stream', () => news.subscribed.length === 1 && news.listener);
  news.listener.write(news.event({ method: 'notifications/resources/updated', params: { uri: 'news://today' } }));
  await told('a change', 1);
  news.listener.end();
  await told('what may have been missed', 2);
  await work('n.work', { do: 'lose' });
  await work('n.work');
  await until('a subscription in the new session', () => news.subscribed.at(-1)[0] === 'session-2');
  await stream.close();
});

test('an address that refuses another session is begun with anew', async () => {
  await work('own_work', { do: 'refuse' });
  // Its list may be read meanwhile, and then that is what has been refused.
  await fails('own_work', {}, /refused to begin another session|has ended before it answered|has ended, and is started again in \d+ s/);
  await until('another one', async () => !(await call('own_work')).isError);
});

test('a server of 2026-07-28 is called without a handshake, with the headers that repeat what the message says', async () => {
  assert.deepEqual((await call('v2_add', { a: 2, b: 40 })).content, [{ type: 'text', text: '42' }]);
  const { headers, message } = v2.requests.findLast(({ message: sent }) => sent?.method === 'tools/call');
  assert.deepEqual([headers['mcp-protocol-version'], headers['mcp-method'], headers['mcp-name'], headers['mcp-session-id']],
    ['2026-07-28', 'tools/call', 'add', undefined]);
  assert.equal(message.params._meta['io.modelcontextprotocol/protocolVersion'], '2026-07-28');
  assert.ok(!v2.requests.some(({ method, message: sent }) => method !== 'POST' || sent.method === 'initialize'), 'it is asked for nothing older');
  assert.equal((await call('both_add', { a: 1, b: 1 })).content[0].text, '2');
  assert.equal((await call('both-old_add', { a: 1, b: 2 })).content[0].text, '3');
  assert.deepEqual([...new Set(both.requests.map(({ headers: sent }) => sent['mcp-protocol-version']))].filter(Boolean).sort(), ['2025-11-25', '2026-07-28']);
});

test('a server of 2026-07-28 is told what the client of each call can do, and what it refuses for that is refused', async () => {
  const capabilities = { elicitation: { form: {} }, other: {} };
  await modern(site, token, 'tools/call', { name: 'v2_add', arguments: {} }, { meta: { ...META, 'io.modelcontextprotocol/clientCapabilities': capabilities } });
  const told = () => v2.requests.findLast(({ message: sent }) => sent?.method === 'tools/call').message.params._meta['io.modelcontextprotocol/clientCapabilities'];
  assert.deepEqual(told(), { elicitation: { form: {} } });
  await call('v2_add', { a: 1, b: 1 });
  assert.deepEqual(told(), {});
  const refused = await modern(site, token, 'tools/call', { name: 'own_work', arguments: { do: 'capability' } });
  assert.deepEqual([refused.status, refused.body.error.code, refused.body.error.data], [400, -32021, { requiredCapabilities: { sampling: {} } }]);
});

test('arguments that the schema wants in headers are there, encoded if need be', async () => {
  for (const place of ['Oslo', 'Köln am Rhein', ' =?base64?']) {
    const encoded = place === 'Oslo' ? place : `=?base64?${Buffer.from(place).toString('base64')}?=`;
    const answer = await modern(site, token, 'tools/call', { name: 'v2_near', arguments: { place, count: 3 } },
      { headers: { 'mcp-param-place-name': encoded, 'mcp-param-count': '3' } });
    assert.equal(answer.body.result.content[0].text, `3 near ${place}`, answer.text);
    const { headers, message } = v2.requests.findLast(({ message: sent }) => sent?.method === 'tools/call');
    assert.deepEqual([headers['mcp-param-place-name'], headers['mcp-param-count']], [encoded, '3']);
    assert.ok(!JSON.stringify(message).includes('mcp-authd/'));
  }
});

test('resources, prompts, progress, errors and input of a server of 2026-07-28 are passed on', async () => {
  const read = (uri) => modern(site, token, 'resources/read', { uri }, { headers: { 'mcp-name': uri } });
  assert.equal((await read('test://clock')).body.result.contents[0].text, 'tick');
  assert.equal((await modern(site, token, 'prompts/get', { name: 'v2_greet' })).body.result.messages[0].content.text, 'hi');
  const steps = await modern(site, token, 'tools/call', { name: 'v2_steps', arguments: {} }, { meta: { ...META, progressToken: 'mine' } });
  assert.equal([...steps.text.matchAll(/"progressToken":"mine","progress":(\d)/g)].length, 2, steps.text);
  const meta = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } };
  const ask = (more) => modern(site, token, 'tools/call', { name: 'v2_ask', arguments: {}, ...more }, { meta });
  const { result } = (await ask({})).body;
  assert.equal(result.resultType, 'input_required');
  const answer = await ask({ requestState: result.requestState, inputResponses: { name: { action: 'accept', content: { name: 'Ada' } } } });
  assert.equal(answer.body.result.content[0].text, 'Hello Ada', answer.text);
});

test('a call of a server of 2026-07-28 that takes too long is ended there, too', async () => {
  await fails('v2-slow_hang', {}, /did not answer within 3000 ms/);
  await until('its end', () => v2.aborted === 1);
});

test('a list that changes while nobody calls: clients that wait are told, and get the new one', async () => {
  for (const [server, change] of [['v2', () => { v2.tools.push('quiet'); v2.notify.toolsChanged(); }],
    ['stream', () => sdk.servers.at(-1).registerTool('quiet', { inputSchema: {} }, () => ({ content: [] }))]]) {
    await call(`${server}_add`, { a: 1, b: 1 });
    await names();
    const stream = await listen(site, token, { toolsListChanged: true });
    await stream.next('the beginning', ({ method }) => method === 'notifications/subscriptions/acknowledged');
    const before = stream.messages.length;
    change();
    await stream.next('the change', ({ method }) => method === 'notifications/tools/list_changed', before);
    await until('the new tool', async () => (await names()).includes(`${server}_quiet`));
    await stream.close();
  }
});

test('a server of 2026-07-28 tells of a changed list on the stream that stays open, which is asked for again when it breaks', async () => {
  await call('v2_add', { a: 1, b: 1 });
  // The server may be told of it before it has taken in that somebody listens.
  const grows = (name) => {
    v2.tools.push(name);
    return until(name, async () => {
      v2.notify.toolsChanged();
      return (await call('v2_add', { a: 1, b: 1 })) && (await names()).includes(`v2_${name}`);
    });
  };
  await grows('grown');
  const before = v2.listens;
  v2.dropStreams();
  await until('another stream', () => v2.listens > before);
  await grows('regrown');
});

test('a user\'s answer to a question of the server, and what a client says that cannot be asked, come with the JWT of that user', async () => {
  const meta = { ...META, 'io.modelcontextprotocol/clientCapabilities': { roots: {} } };
  const answered = () => decodeJwt(own.seen.findLast(({ message }) => message?.id === 'q').headers.authorization.slice(7));
  for (const sub of ['alice', 'bob', 'alice', 'carol']) {
    const user = await site.cognito.accessToken({ sub });
    const ask = (more) => modern(site, user, 'tools/call', { name: 's.work', arguments: { do: 'ask' }, ...more }, { meta });
    const { requestState } = (await ask({})).body.result;
    await ask({ requestState, inputResponses: { question: { roots: [] } } });
    assert.deepEqual([answered().sub, answered().exp - answered().iat], [sub, 60]);
  }
  const dave = await site.cognito.accessToken({ sub: 'dave' });
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { roots: {} } });
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [] }));
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${dave}` } } }));
  await client.callTool({ name: 's.work', arguments: { do: 'ask' } });
  assert.equal(answered().sub, 'dave');
  await client.close();
  const erin = await site.cognito.accessToken({ sub: 'erin' });
  await modern(site, erin, 'tools/call', { name: 's.work', arguments: { do: 'ask' } });
  assert.equal(answered().sub, 'erin');
  for (const { message } of own.seen) assert.ok(!JSON.stringify(message ?? {}).includes('mcp-authd/user'));
});

test('the rest of an answer is asked for with a newer JWT of the same user', async () => {
  assert.equal((await rest).said, 'late');
  const call = own.seen.find(({ message }) => message?.params?.arguments?.said === 'late');
  const asked = own.seen.findLast(({ method, headers }) => method === 'GET' && headers['last-event-id'] === `rest-${call.message.id}`);
  const [before, now] = [call, asked].map(({ headers }) => decodeJwt(headers.authorization.slice(7)));
  assert.deepEqual([now.sub, now.username], [before.sub, before.username]);
  assert.ok(now.iat >= before.iat + 15, `${before.iat} ${now.iat}`);
});

test('a list that changes while nobody listens to a quiet server: clients that wait are told once it is listened to again', async () => {
  const stream = await listen(site, token, { toolsListChanged: true });
  await stream.next('the beginning', ({ method }) => method === 'notifications/subscriptions/acknowledged');
  await names();
  await listensAgain('the first stream', 1);
  const before = stream.messages.length;
  held.at(-1).end();
  quiet.tools.push({ ...quiet.tools[0], name: 'missed' });
  await stream.next('the change', ({ method }) => method === change.method, before);
  await until('the new tool', async () => (await names()).includes('q.missed'));
  await stream.close();
  await listensAgain('another stream', 2);
});

test('a quiet server that refuses to be listened to for a while, and one that has lost the session, are listened to again without a call', async () => {
  const { length } = quiet.executed;
  let refused = 0;
  held.at(-1).write(quiet.event(change));
  quiet.stream = (req, res) => { if ((refused += 1) === 2) quiet.stream = hold; res.writeHead(401).end(); };
  held.at(-1).end();
  await listensAgain('a stream after it was refused', 3);
  held.at(-1).write(quiet.event(change));
  for (const [what, count, refuse] of [['404', 4, (res) => res.writeHead(404).end()],
    ['400', 5, (res) => res.writeHead(400).end('{"error":{"message":"no such session"}}')]]) {
    const { initialized } = quiet;
    quiet.sessions.clear();
    quiet.stream = (req, res) => (quiet.sessions.has(req.headers['mcp-session-id']) ? hold(req, res) : refuse(res));
    held.at(-1).end();
    await listensAgain(`a stream of another session after ${what}`, count);
    assert.equal(quiet.initialized, initialized + 1);
    held.at(-1).write(quiet.event(change));
  }
  assert.equal(quiet.executed.length, length, 'nobody has called it');
});

test('a server that ends its stream of changes again and again is asked for it with longer and longer waits, and with newer JWTs, without a call', async () => {
  const gets = () => ender.seen.filter(({ method }) => method === 'GET');
  await until('many', () => gets().length >= 6);
  const waits = gets().slice(1).map(({ at: then }, i) => then - gets()[i].at);
  for (const [i, wait] of waits.entries()) assert.ok(wait >= Math.min(1000 * 2 ** i, 30000) - 50, `${waits}`);
  assert.equal(ender.executed.length, 1);
  const issued = () => gets().map(({ headers }) => decodeJwt(headers.authorization.slice(7))).map(({ sub, iat }) => { assert.equal(sub, site.issuer); return iat; });
  await until('a newer JWT of our own', () => issued().at(-1) > issued()[0] + 60, { deadlineMs: 150000 });
});

test('a stop of the daemon ends the sessions', async () => {
  const before = own.deleted.length;
  await site.close();
  site = undefined;
  // All end at the same time, and each has 300 ms for that: a busy machine may keep some from it.
  assert.ok(own.deleted.length > before, `${own.deleted}`);
});
