// Wrong MCP messages, and tools that fail. Every answer is a clear JSON-RPC or tool error, and the daemon goes on.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertRpcError, callTool, legacy, META, MODERN, modern, post } from '../parts/mcp.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';
import { isRunning } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

const FOREIGN_SECRET = 'must-not-reach-a-tool';
let site;
let token;
before(async () => {
  site = await startSite({ config: { ALLOWED_ORIGINS: 'https://inspector.example' },
    env: { AWS_SECRET_ACCESS_KEY: FOREIGN_SECRET, SOMETHING_ELSE: FOREIGN_SECRET } });
  token = await site.cognito.accessToken();
});
after(() => site?.close());

// --- messages

// CGI makes one name of both. Apache passes on only the one without underscores, lighttpd both.
test('a header that comes again with an underscore in its name is 400, whichever comes first', async () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'x' }, _meta: META } });
  const headers = [['Content-Type', 'application/json'], ['Accept', 'application/json'], ['Authorization', `Bearer ${token}`],
    ['Mcp-Protocol-Version', MODERN], ['Mcp-Name', 'echo']];
  const send = (...more) => rawRequest({ port: site.port, method: 'POST', path: '/mcp', body, headers: [...headers, ...more] });
  const seen = ['Mcp-Method', 'tools/list'];
  const meant = ['Mcp_Method', 'tools/call'];
  assert.equal((await send(seen, meant)).status, 400);
  assert.equal((await send(meant, seen)).status, 400);
  assert.equal((await send(['Mcp-Method', 'tools/call'], meant)).status, 200);
});

test('a body over the limit is 413, and one just below is not', async () => {
  const limit = 1048576;
  const body = (size) => {
    const frame = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: '' } } };
    frame.params.arguments.text = 'x'.repeat(size - JSON.stringify(frame).length);
    return JSON.stringify(frame);
  };
  const version = { 'mcp-protocol-version': '2025-11-25' };
  assert.equal((await post(site, token, body(limit + 1), version)).status, 413);
  assert.equal((await post(site, token, body(3 * limit), version)).status, 413);
  const fits = await post(site, token, body(limit), version);
  assert.equal(fits.status, 200);
  assert.equal(fits.body.result.content[0].text.length, limit - JSON.stringify({ jsonrpc: '2.0', id: 1,
    method: 'tools/call', params: { name: 'echo', arguments: { text: '' } } }).length);
});

test('malformed JSON is -32700', async () => {
  const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/list' };
  for (const body of ['', '{', '{"jsonrpc":"2.0","id":1,"method":"ping"} trailing', '{"jsonrpc":"2.0",}', '\u0000', "{'a':1}",
    '['.repeat(50000)]) {
    assertRpcError(await post(site, token, body, headers), 400, -32700, null);
    assertRpcError(await post(site, token, body, { 'mcp-protocol-version': '2025-11-25' }), 400, -32700, null);
  }
});

test('JSON that is no JSON-RPC request is -32600', async () => {
  const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/list' };
  for (const body of ['1', '"text"', 'null', 'true', '{}', '[]', '{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    '{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","id":1,"method":7}', '{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
    '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]']) {
    const answer = await post(site, token, body, headers);
    assert.equal(answer.status, 400, `${body}: ${answer.text}`);
    assert.equal(answer.body.error.code, -32600, `${body}: ${answer.text}`);
  }
});

test('the wrong media type is refused', async () => {
  const answer = await post(site, token, '{"jsonrpc":"2.0","id":1,"method":"ping"}', { 'content-type': 'text/plain' });
  assert.equal(answer.status, 415, answer.text);
});

test('an encoded body is 415 at each endpoint that takes one, and the answer says what would do', async () => {
  const encoded = (url, type, more = {}) => fetch(url, { method: 'POST', body: gzipSync('grant_type=x'),
    headers: { 'content-type': type, 'content-encoding': 'gzip', accept: 'application/json, text/event-stream', ...more } });
  const answers = [
    await encoded(site.mcpUrl, 'application/json', { authorization: `Bearer ${token}` }),
    await encoded(`${site.issuer}/token`, 'application/x-www-form-urlencoded'),
    await encoded(`${site.issuer}/authorize`, 'application/x-www-form-urlencoded'),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 415, `${answer.url}: ${await answer.text()}`);
    assert.equal(answer.headers.get('accept-encoding'), 'identity', answer.url);
  }
  assert.equal((await encoded(site.mcpUrl, 'application/json')).status, 401, 'who has no token is told so first');
});

test('an unknown method is -32601: HTTP 404 in 2026-07-28, 200 in the handshake revisions', async () => {
  assertRpcError(await modern(site, token, 'no/such'), 404, -32601);
  for (const removed of ['initialize', 'ping', 'logging/setLevel']) {
    assertRpcError(await modern(site, token, removed), 404, -32601);
  }
  assertRpcError(await legacy(site, token, '2025-11-25', 'no/such'), 200, -32601);
  assertRpcError(await legacy(site, token, '2025-11-25', 'server/discover'), 200, -32601);
});

test('an unknown tool is -32602', async () => {
  const answer = await modern(site, token, 'tools/call', { name: 'no_such_tool', arguments: {} });
  assert.ok([200, 400].includes(answer.status));
  assertRpcError(answer, answer.status, -32602);
  assert.match(answer.body.error.message, /no_such_tool/);
  assertRpcError(await legacy(site, token, '2025-11-25', 'tools/call', { name: 'no_such_tool' }), 200, -32602);
  for (const params of [{}, { name: 7 }, { name: 'echo', arguments: 'text' }]) {
    assertRpcError(await legacy(site, token, '2025-11-25', 'tools/call', params), 200, -32602);
  }
});

test('arguments that do not fit the schema are no success', async () => {
  for (const args of [{}, { text: 7 }]) {
    const answer = await modern(site, token, 'tools/call', { name: 'echo', arguments: args });
    assert.ok(answer.body.error?.code === -32602 || answer.body.result?.isError === true, answer.text);
  }
});

test('headers that contradict the body are -32020', async () => {
  const call = { name: 'echo', arguments: { text: 'x' } };
  const mismatches = [
    ['tools/list', {}, { 'mcp-method': 'tools/call' }],
    ['tools/list', {}, { 'mcp-method': undefined }],
    ['tools/list', {}, { 'mcp-method': 'TOOLS/LIST' }],
    ['tools/list', {}, { 'mcp-protocol-version': undefined }],
    ['tools/list', {}, { 'mcp-protocol-version': '2025-11-25' }],
    ['tools/call', call, { 'mcp-name': 'whoami' }],
    ['tools/call', call, { 'mcp-name': undefined }],
    ['tools/call', call, { 'mcp-name': '=?base64?!!!?=' }],
    ['tools/call', call, { 'mcp-name': '=?BASE64?ZWNobw==?=' }],
  ];
  for (const [method, params, headers] of mismatches) {
    const answer = await modern(site, token, method, params, { headers });
    assert.equal(answer.body?.error?.code, -32020, `${JSON.stringify(headers)}: ${answer.text}`);
    assertRpcError(answer, 400, -32020);
  }
  const encoded = await modern(site, token, 'tools/call', call, { headers: { 'mcp-name': '=?base64?ZWNobw==?=' } });
  assert.equal(encoded.body.result?.content[0].text, 'x', encoded.text);
});

test('missing metadata is -32602', async () => {
  const without = (key) => Object.fromEntries(Object.entries(META).filter(([name]) => name !== `io.modelcontextprotocol/${key}`));
  for (const meta of [null, {}, without('clientCapabilities'), without('protocolVersion'),
    { ...META, 'io.modelcontextprotocol/clientCapabilities': 'none' }, { ...META, 'io.modelcontextprotocol/protocolVersion': 7 }]) {
    const answer = await modern(site, token, 'tools/list', {}, { meta });
    assert.equal(answer.body?.error?.code, -32602, `${JSON.stringify(meta)}: ${answer.text}`);
    assertRpcError(answer, 400, -32602);
  }
  const optional = await modern(site, token, 'tools/list', {}, { meta: without('clientInfo') });
  assert.equal(optional.status, 200, optional.text);
});

test('an unsupported revision is -32022 and says what is supported', async () => {
  const meta = { ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' };
  const answer = await modern(site, token, 'tools/list', {}, { meta, headers: { 'mcp-protocol-version': '2099-01-01' } });
  assertRpcError(answer, 400, -32022);
  assert.ok(answer.body.error.data.supported.includes(MODERN), answer.text);
  assert.equal(answer.body.error.data.requested, '2099-01-01');
  // Handshake revisions: a header that names an unknown revision is 400 (2025-06-18, "Protocol Version Header").
  assert.equal((await legacy(site, token, '1999-01-01', 'tools/list')).status, 400);
});

test('a notification is 202 without a body', async () => {
  for (const headers of [{ 'mcp-protocol-version': MODERN, 'mcp-method': 'notifications/cancelled' },
    { 'mcp-protocol-version': '2025-11-25' }]) {
    const answer = await post(site, token, { jsonrpc: '2.0', method: 'notifications/cancelled',
      params: { requestId: 1, ...(headers['mcp-method'] && { _meta: META }) } }, headers);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.text, '');
  }
});

test('server/discover tells revisions, capabilities and identity', async () => {
  const answer = await modern(site, token, 'server/discover');
  assert.equal(answer.status, 200, answer.text);
  const { result } = answer.body;
  assert.equal(result.resultType, 'complete');
  assert.ok(result.supportedVersions.includes(MODERN));
  assert.ok(result.capabilities.tools);
  assert.equal(result._meta['io.modelcontextprotocol/serverInfo'].name, 'mcp-authd');
  assert.equal(typeof result.ttlMs, 'number');
  assert.ok(['public', 'private'].includes(result.cacheScope));
});

test('tools/list gives the same order every time, and nothing about programs', async () => {
  const list = async () => (await modern(site, token, 'tools/list')).body.result;
  const first = await list();
  assert.equal(first.resultType, 'complete');
  assert.equal(typeof first.ttlMs, 'number');
  assert.deepEqual((await list()).tools, first.tools);
  for (const tool of first.tools) {
    assert.equal(typeof tool.inputSchema, 'object', tool.name);
    assert.equal(tool.run, undefined, tool.name);
  }
  assert.doesNotMatch(JSON.stringify(first), /\.sh\b/);
});

test('PUT and PATCH are 405 with Allow: POST', async () => {
  for (const method of ['PUT', 'PATCH']) {
    const answer = await fetch(site.mcpUrl, { method, headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' } });
    assert.equal(answer.status, 405, method);
    assert.match(answer.headers.get('allow'), /\bPOST\b/);
    await answer.text();
  }
});

test('a foreign Origin is 403, an allowed one and our own are not', async () => {
  for (const origin of ['https://evil.example', 'http://inspector.example', 'https://inspector.example.evil.example', 'null']) {
    const answer = await modern(site, token, 'tools/list', {}, { headers: { origin } });
    assert.equal(answer.status, 403, `${origin}: ${answer.text}`);
    assert.equal((await modern(site, undefined, 'tools/list', {}, { headers: { origin } })).status, 403, 'before the token');
  }
  for (const origin of ['https://inspector.example', site.issuer]) {
    assert.equal((await modern(site, token, 'tools/list', {}, { headers: { origin } })).status, 200, origin);
  }
});

test('a page of an allowed origin may read streams as well as answers', async () => {
  const origin = 'https://inspector.example';
  const listen = await fetch(site.mcpUrl, { method: 'GET', headers: { origin, authorization: `Bearer ${token}`, accept: 'text/event-stream' } });
  const streamed = await modern(site, token, 'tools/call', { name: 'chatter', arguments: {} },
    { headers: { origin, accept: 'text/event-stream, application/json' } });
  const plain = await modern(site, token, 'tools/list', {}, { headers: { origin } });
  const refused = await modern(site, token, 'no/such', {}, { headers: { origin } });
  await listen.body.cancel();
  assert.match(listen.headers.get('content-type'), /^text\/event-stream/);
  assert.match(streamed.headers.get('content-type'), /^text\/event-stream/);
  for (const { headers } of [listen, streamed, plain, refused]) {
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.match(headers.get('access-control-expose-headers'), /Mcp-Session-Id/);
    assert.equal(headers.get('vary'), 'Origin');
  }
});

test('ids come back as they were sent', async () => {
  for (const id of [0, -5, 'text', '', 9007199254740991, 'ü"\\']) {
    const answer = await modern(site, token, 'tools/list', {}, { id });
    assert.equal(answer.body.id, id);
  }
});

// --- tools

const pidFile = (name) => path.join(site.dir, `${name}.pid`);

// The file is there, and its line is whole.
function isWritten(file) {
  try {
    return fs.readFileSync(file, 'utf8').endsWith('\n');
  } catch {
    return false;
  }
}

async function assertGone(file) {
  const pids = fs.readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
  assert.ok(pids.length > 0 && pids.every((pid) => pid > 1), `process ids in ${file}`);
  for (const pid of pids) {
    await until(`process ${pid} to be gone`, () => !isRunning(pid), { deadlineMs: 5000 });
  }
}

async function assertToolError(name, args, pattern, withinMs) {
  const start = Date.now();
  const result = await callTool(site, token, name, args);
  const took = Date.now() - start;
  assert.equal(result.isError, true, JSON.stringify(result).slice(0, 500));
  // What the tool printed may come first; then why it is not a result.
  assert.ok(result.content.every((each) => each.type === 'text'));
  assert.match(result.content.at(-1).text, pattern);
  if (withinMs) assert.ok(took < withinMs, `took ${took} ms`);
  return result;
}

// On a busy machine the tool may be ended before it has told its process ids: then it is called again.
async function assertEndedInTime(name) {
  const file = pidFile(name);
  for (let tries = 0; tries < 3 && !isWritten(file); tries++) {
    await assertToolError(name, { pid_file: file }, /time|500 ms/i, 10000);
  }
  await assertGone(file);
}

test('a tool that hangs is ended at its time limit, with the process it started', () => assertEndedInTime('hang'));

test('a tool that ignores TERM is ended too', () => assertEndedInTime('stubborn'));

test('a tool that leaves a process behind does not hold the answer up', async () => {
  const file = pidFile('linger');
  let result;
  // It has 1500 ms, and would be ended then if that process counted.
  for (let tries = 0; tries < 3 && (!result || result.isError); tries++) {
    result = await callTool(site, token, 'linger', { pid_file: file });
  }
  assert.ok(!result.isError, JSON.stringify(result));
  assert.match(result.content[0].text, /^done\n?$/);
  await assertGone(file);
});

test('a tool that prints too much is ended', async () => {
  const result = await assertToolError('flood', { pid_file: pidFile('flood') }, /output|4096|too (much|large|long)/i, 9000);
  assert.ok(JSON.stringify(result).length < 10000);
  await assertGone(pidFile('flood'));
});

test('a tool that crashes, fails or breaks its promise is reported in words', async () => {
  await assertToolError('crash', {}, /signal|crash/i);
  const failed = await assertToolError('fail', {}, /status 3/i);
  assert.doesNotMatch(JSON.stringify(failed), /on fire/, 'diagnostics are for the log');
  await assertToolError('broken_json', {}, /JSON/);
});

test('a tool with much to say on its error output still gives its result', async () => {
  const result = await callTool(site, token, 'chatter');
  assert.ok(!result.isError, JSON.stringify(result));
  assert.match(result.content[0].text, /^short result\n?$/);
});

test('a tool that does not read its input still gives its result', async () => {
  const result = await callTool(site, token, 'deaf', { text: 'x'.repeat(500000) });
  assert.match(result.content[0].text, /^did not listen\n?$/);
});

test('a tool gets all of a large input', async () => {
  const result = await callTool(site, token, 'count_input', { text: 'x'.repeat(500000) });
  assert.ok(Number(result.content[0].text) > 500000, result.content[0].text);
});

test('a tool with JSON output gives structured content and its text', async () => {
  const result = await callTool(site, token, 'report');
  const report = { total: 3, items: ['a', 'b', 'c'] };
  assert.deepEqual(result.structuredContent, report);
  assert.equal(result.content.length, 1);
  assert.deepEqual(JSON.parse(result.content[0].text), report);
  assert.ok(!result.isError);

  const full = await callTool(site, token, 'full_result');
  assert.deepEqual(full.content.map((each) => each.text), ['one', 'two']);
  assert.equal(full.isError, true);
});

test("a tool's environment holds nothing of the daemon, the request or the web server", async () => {
  const lines = (await callTool(site, token, 'environment')).content[0].text.trim().split('\n');
  assert.equal(lines[0], 'argument=first argument');
  const variables = lines.filter((line) => line.startsWith('env ')).map((line) => line.slice(4).split('=')[0]);
  assert.ok(variables.includes('PATH'));
  // What the shell itself adds: PWD, SHLVL, OLDPWD, _.
  const known = new Set(['PATH', 'LANG', 'LC_ALL', 'HOME', 'TZ', 'TMPDIR', 'PWD', 'SHLVL', 'OLDPWD', '_']);
  assert.deepEqual(variables.filter((name) => !known.has(name) && !/^MCP_/.test(name)), []);
  assert.ok(!lines.join('\n').includes(FOREIGN_SECRET));
  assert.doesNotMatch(lines.join('\n'), /Bearer|eyJ/);

  // Descriptors: its three, and none of the listening socket, the store or the connection to Cognito.
  const files = lines.filter((line) => line.startsWith('fd '));
  assert.ok(files.length >= 3);
  for (const line of files) assert.match(line, /^fd \d+ (pipe:|\/dev\/null|\/proc\/)/, files.join('\n'));
});

test('other calls go on while a tool hangs', async () => {
  let overtaken = 0;
  for (let tries = 0; tries < 3 && !overtaken; tries++) {
    const file = pidFile(`hang-beside-${tries}`);
    let hangs = true;
    const hanging = callTool(site, token, 'hang', { pid_file: file }).finally(() => { hangs = false; });
    await until('the tool to hang, or to be ended before', () => isWritten(file) || !hangs, { everyMs: 5 });
    const answers = await Promise.all(Array.from({ length: 5 }, (_, i) => callTool(site, token, 'echo', { text: `${i}` })));
    assert.deepEqual(answers.map((answer) => answer.content[0].text), ['0', '1', '2', '3', '4']);
    if (hangs) overtaken++;
    assert.equal((await hanging).isError, true);
  }
  assert.ok(overtaken, 'five calls were over before the tool was ended');
});

test('HEAD and OPTIONS do not crash anything', async () => {
  for (const method of ['HEAD', 'OPTIONS', 'PATCH']) {
    const answer = await rawRequest({ port: site.port, method, path: '/mcp' });
    assert.ok(answer.status >= 200 && answer.status < 500, `${method}: ${answer.status}`);
  }
});
