// Resources, prompts and completion from files; answers as streams; input that a program needs from the client.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { mostMemoryOfWorkers } from '../parts/daemon.mjs';
import { assertRpcError, legacy, META, modern, post } from '../parts/mcp.mjs';
import { startSite, WEB_SERVER } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const ELICITATION = { ...META, [CAPABILITIES]: { elicitation: {} } };
const form = { method: 'elicitation/create', params: { message: 'Name?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } } };

let site;
let token;
let dir;

const write = (file, content, mode = 0o644) => fs.writeFileSync(path.join(dir, file), typeof content === 'string' ? content : JSON.stringify(content), { mode });
function program(kind, name, script, manifest, run = {}) {
  write(`${kind}/${name}.sh`, `#!/bin/sh\n${script}\n`, 0o755);
  write(`${kind}/${name}.json`, { name, description: name, ...manifest, run: { command: [`./${name}.sh`], ...run } });
}
const tool = (name, script, run) => program('tools.d', name, script, { inputSchema: { type: 'object' } }, run);

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-content-'));
  for (const kind of ['tools.d', 'resources.d', 'prompts.d']) fs.mkdirSync(path.join(dir, kind));

  write('resources.d/note.txt', 'a note\n');
  write('resources.d/note.json', { uri: 'doc://note', name: 'note', mimeType: 'text/plain', run: { file: 'note.txt', ttl_ms: 1234 } });
  write('resources.d/dot.png', Buffer.from('89504e470d0a1a0a', 'hex').toString('latin1'));
  fs.writeFileSync(path.join(dir, 'resources.d/dot.png'), Buffer.from('89504e470d0a1a0a00ff', 'hex'));
  write('resources.d/dot.json', { uri: 'doc://dot', name: 'dot', mimeType: 'image/png', run: { file: 'dot.png' } });
  write('resources.d/user.json', { uriTemplate: 'doc://users/{id}/card', name: 'user', mimeType: 'application/json',
    run: { json: { id: '{{id}}', again: ['{{id}}'] }, complete: { id: ['alice', 'bob', 'Albert'] } } });
  program('resources.d', 'files', 'cat', { uriTemplate: 'file:///srv/{+path}', mimeType: 'application/json' });
  program('resources.d', 'secret', 'echo secret', { uri: 'doc://secret' }, { scopes: ['mcp-server/admin'] });
  program('resources.d', 'broken', 'echo diagnostics >&2; exit 3', { uri: 'doc://broken' });
  write('resources.d/wrong.json', { uri: 'doc://wrong', name: 'wrong', run: { text: 'x', file: 'note.txt' } });

  write('prompts.d/letter.json', { name: 'letter', description: 'Writes a letter', arguments: [{ name: 'to', required: true }, { name: 'from' }],
    run: { messages: [{ role: 'user', content: { type: 'text', text: 'Dear {{to}}, yours {{from}}' } }],
      complete: { to: { command: ['./names.sh'] } } } });
  write('prompts.d/names.sh', '#!/bin/sh\nprintf "Ada\\nGrace\\n"\n', 0o755);
  program('prompts.d', 'weather', 'echo "It rains."', {});

  tool('stream', `echo '{"progress": {"progress": 1, "total": 2}}'
echo '{"log": {"level": "debug", "data": "fine"}}'
echo '{"log": {"level": "warning", "data": {"disk": "full"}, "logger": "df"}}'
echo '{"result": {"content": [{"type": "text", "text": "done"}]}}'`, { output: 'stream' });
  tool('separators', `s=$(printf 'a\\342\\200\\250b\\342\\200\\251c\\302\\205d')
echo "{\\"progress\\": {\\"progress\\": 1, \\"message\\": \\"$s\\"}, \\"log\\": {\\"level\\": \\"error\\", \\"data\\": {\\"$s\\": \\"$s\\"}}}"
echo "{\\"result\\": {\\"content\\": [{\\"type\\": \\"text\\", \\"text\\": \\"$s\\"}]}}"`, { output: 'stream' });
  tool('endless', `echo $$ >${dir}/endless.pid
i=0; while :; do i=$((i + 1)); echo "{\\"progress\\": {\\"progress\\": $i}}"; sleep 0.05; done`, { output: 'stream', timeout_ms: 60000 });
  tool('steps', `for p in 1 1 0.5 '"x"' 1e999 2 3; do printf '{"progress": {"progress": %s, "total": "many", "message": 5}}\\n' "$p"; done
echo '{"progress": {"progress": 4, "total": 4, "message": "all"}}'
echo '{"result": "done"}'`, { output: 'stream' });
  const long = 'x'.repeat(200);
  tool('flood', `yes '{"log": {"level": "info", "data": "${long}"}}
{"result": "${long}"}' | head -n 60000`, { output: 'stream', timeout_ms: 60000 });
  tool('nothing', "echo '{\"progress\": {\"progress\": 1}}'", { output: 'stream' });
  tool('hello', `input=$(cat)
case $input in
*'"inputResponses"'*) printf '%s' "$input" | sed -E 's/.*"inputResponses":(.*),"requestState":("[^"]*").*/{"state":\\2,"got":\\1}/' ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: { who: form }, requestState: 'remembered' } })}' ;;
esac`, { output: 'json' });
  tool('malformed', "echo '{\"inputRequired\": {\"inputRequests\": {\"x\": {\"method\": \"tools/call\"}}}}'", { output: 'json' });
  tool('trace', 'echo "$TRACEPARENT"');

  site = await startSite({ config: { TOOLS_DIR: path.join(dir, 'tools.d'), RESOURCES_DIR: path.join(dir, 'resources.d'),
    PROMPTS_DIR: path.join(dir, 'prompts.d') },
  // AddressSanitizer holds freed memory back, by default so much that nobody could see what is never freed.
  env: { ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'quarantine_size_mb=4'].filter(Boolean).join(':') } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

// The messages of an event stream; the last one may not have come whole.
const events = (text) => text.split('\n\n').slice(0, -1).filter((event) => /^data: ?\S/m.test(event))
  .map((event) => JSON.parse(/^data: ?(.*)$/m.exec(event)[1]));

const read = (uri, options = {}) => modern(site, token, 'resources/read', { uri }, { headers: { 'mcp-name': uri }, ...options });
const call = (name, params = {}, options = {}) => modern(site, token, 'tools/call', { name, arguments: {}, ...params }, options);

// --- resources

test('resources and templates are listed, without how they are served', async () => {
  const { result } = (await modern(site, token, 'resources/list')).body;
  assert.deepEqual(result.resources.map((each) => each.uri), ['doc://broken', 'doc://dot', 'doc://note', 'doc://secret']);
  assert.ok(result.resources.every((each) => !('run' in each)));
  assert.equal(typeof result.ttlMs, 'number');
  assert.equal(result.cacheScope, 'private');
  const templates = (await modern(site, token, 'resources/templates/list')).body.result.resourceTemplates;
  assert.deepEqual(templates.map((each) => each.uriTemplate), ['doc://users/{id}/card', 'file:///srv/{+path}']);
});

test('a file is read as it is now: text as text, the rest as a blob', async () => {
  const note = (await read('doc://note')).body.result;
  assert.deepEqual(note.contents, [{ uri: 'doc://note', mimeType: 'text/plain', text: 'a note\n' }]);
  assert.equal(note.ttlMs, 1234);
  const again = await modern(site, token, 'resources/read', { uri: 'doc://note', inputResponses: {} }, { headers: { 'mcp-name': 'doc://note' } });
  assert.equal(again.body.result.ttlMs, 0, 'what depends on input is not for a cache');
  write('resources.d/note.txt', 'another note\n');
  assert.equal((await read('doc://note')).body.result.contents[0].text, 'another note\n');
  const dot = (await read('doc://dot')).body.result;
  assert.equal(Buffer.from(dot.contents[0].blob, 'base64').toString('hex'), '89504e470d0a1a0a00ff');
});

test('the variables of a template are filled in, and cannot break out of it', async () => {
  const card = (await read('doc://users/4%222/card')).body.result.contents[0];
  assert.deepEqual(JSON.parse(card.text), { id: '4"2', again: ['4"2'] });
  for (const uri of ['doc://users/a/b/card', 'doc://users/a%2Fb/card', 'doc://users//card', 'doc://users/a/cards']) {
    assertRpcError(await read(uri), 200, -32602);
  }
  const input = JSON.parse((await read('file:///srv/a/b%20c.txt')).body.result.contents[0].text);
  assert.equal(input.uri, 'file:///srv/a/b%20c.txt');
  assert.deepEqual(input.variables, { path: 'a/b c.txt' });
  assert.equal(input.caller.username, 'alice');
  assert.deepEqual(input.caller.groups, ['staff', 'eu-central']);
});

test('no variable leads out of its directory, or is no text', async () => {
  for (const path of ['../etc/passwd', 'a/../../etc/passwd', 'a/..', '..', '.', './a', 'a/./b', '/etc/passwd', '%2e%2e/etc', 'a%2f..%2fb',
    '%2E%2E%2Fetc', '%2Fetc/passwd', 'a%FF', '%ED%A0%80', 'a%00b', '%zz', '']) {
    assertRpcError(await read(`file:///srv/${path}`), 200, -32602);
  }
  for (const id of ['..', '.', '%2e%2e', '%FF']) assertRpcError(await read(`doc://users/${id}/card`), 200, -32602);
  for (const [path, value] of [['a..b', 'a..b'], ['...', '...'], ['a/.b', 'a/.b'], ['a//b', 'a//b'], ['%C3%BC', 'ü']]) {
    const { text } = (await read(`file:///srv/${path}`)).body.result.contents[0];
    assert.deepEqual(JSON.parse(text).variables, { path: value });
  }
});

test('a resource that is not there has the code of its revision', async () => {
  const answer = await read('doc://none');
  assertRpcError(answer, 200, -32602);
  assert.deepEqual(answer.body.error.data, { uri: 'doc://none' });
  assertRpcError(await legacy(site, token, '2025-11-25', 'resources/read', { uri: 'doc://none' }), 200, -32002);
});

test('a resource may need a scope, and a program may fail', async () => {
  const denied = await read('doc://secret');
  assert.equal(denied.status, 403);
  assert.match(denied.headers.get('www-authenticate'), /scope="[^"]*mcp-server\/admin/);
  const broken = await read('doc://broken');
  assertRpcError(broken, 200, -32603);
  assert.doesNotMatch(broken.text, /diagnostics/);
});

test('a wrong manifest is reported and left out', () => {
  assert.match(site.daemon.log, /event=resource_invalid problem="[^"]*wrong\.json: run must have one of/);
});

// --- prompts and completion

test('a prompt is filled in with its arguments', async () => {
  const get = (params) => modern(site, token, 'prompts/get', { name: 'letter', ...params });
  const { result } = (await get({ arguments: { to: '{{from}}', from: 'me' } })).body;
  assert.equal(result.messages[0].content.text, 'Dear {{from}}, yours me', 'what an argument holds is not filled in again');
  assert.equal(result.description, 'Writes a letter');
  assert.equal((await get({ arguments: { to: 'you' } })).body.result.messages[0].content.text, 'Dear you, yours ');
  assertRpcError(await get({}), 200, -32602);
  assertRpcError(await get({ arguments: { to: 1 } }), 200, -32602);
  const weather = (await modern(site, token, 'prompts/get', { name: 'weather' })).body.result;
  assert.deepEqual(weather.messages, [{ role: 'user', content: { type: 'text', text: 'It rains.\n' } }]);
  assertRpcError(await modern(site, token, 'prompts/get', { name: 'none' }), 200, -32602);
});

test('values are completed from a list and by a program', async () => {
  const complete = async (ref, name, value) => (await modern(site, token, 'completion/complete', { ref, argument: { name, value } })).body;
  const ids = await complete({ type: 'ref/resource', uri: 'doc://users/{id}/card' }, 'id', 'al');
  assert.deepEqual(ids.result.completion, { values: ['alice', 'Albert'], total: 2, hasMore: false });
  const names = await complete({ type: 'ref/prompt', name: 'letter' }, 'to', '');
  assert.deepEqual(names.result.completion.values, ['Ada', 'Grace']);
  assert.deepEqual((await complete({ type: 'ref/prompt', name: 'letter' }, 'from', '')).result.completion.values, []);
  assert.equal((await complete({ type: 'ref/prompt', name: 'none' }, 'to', '')).error.code, -32602);
});

// --- streams

test('a stream carries what the client asked for, and ends with the response', async () => {
  const meta = { ...META, progressToken: 'p1', 'io.modelcontextprotocol/logLevel': 'info' };
  const answer = await call('stream', {}, { meta });
  assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
  assert.equal(answer.headers.get('x-accel-buffering'), WEB_SERVER === 'nginx' ? null : 'no'); // nginx keeps it to itself
  const messages = events(answer.text);
  assert.deepEqual(messages.slice(0, 2), [
    { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'p1', progress: 1, total: 2 } },
    { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'warning', logger: 'df', data: { disk: 'full' } } },
  ]);
  assert.equal(messages.length, 3);
  assert.equal(messages[2].id, 1);
  assert.equal(messages[2].result.content[0].text, 'done');
});

test('no event has a character that ends a line for some clients', async () => {
  const meta = { ...META, progressToken: 'p1', 'io.modelcontextprotocol/logLevel': 'info' };
  const { text } = await call('separators', {}, { meta });
  const asPythonSplits = text.split(/\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/).filter((line) => line.startsWith('data:'));
  const [progress, log, answer] = asPythonSplits.map((line) => JSON.parse(line.slice(5)));
  const said = 'a\u2028b\u2029c\u0085d';
  assert.equal(progress.params.message, said);
  assert.deepEqual(log.params.data, { [said]: said });
  assert.equal(answer.result.content[0].text, said);
});

test('progress only increases, and is what it should be', async () => {
  const meta = { ...META, progressToken: 7 };
  const messages = events((await call('steps', {}, { meta })).text);
  assert.deepEqual(messages.slice(0, -1).map(({ params }) => params), [{ progressToken: 7, progress: 1 }, { progressToken: 7, progress: 2 },
    { progressToken: 7, progress: 3 }, { progressToken: 7, progress: 4, total: 4, message: 'all' }]);
  assert.equal(messages.at(-1).result.structuredContent, 'done');
  for (const progressToken of [1.5, true, null, {}]) {
    assert.ok((await call('steps', {}, { meta: { ...META, progressToken } })).body.result, 'no token, no stream');
  }
});

test('a program that tells too much is heard in part, and costs no memory', async () => {
  const meta = { ...META, 'io.modelcontextprotocol/logLevel': 'info' };
  const peak = () => mostMemoryOfWorkers(site.daemon, 'VmHWM');
  const before = peak();
  const messages = events((await call('flood', {}, { meta })).text);
  assert.equal(messages.at(-1).result.structuredContent.length, 200);
  assert.ok(messages.length > 100, 'some of it');
  assert.ok(messages.length < 3000, `${messages.length} messages`);
  await until('what was left out to be logged', () => /event=notifications_dropped .*tool=flood messages=\d{5,}/.test(site.daemon.log));
  assert.ok(peak() - before < 30000, `${peak() - before} KiB more`);
});

test('without anything to tell, and for a client that takes no stream, the answer is plain JSON', async () => {
  assert.equal((await call('stream')).body.result.content[0].text, 'done');
  const meta = { ...META, progressToken: 1 };
  const plain = await call('stream', {}, { meta, headers: { accept: 'application/json' } });
  assert.equal(plain.body.result.content[0].text, 'done');
  assert.equal((await call('nothing')).body.result.isError, true);
});

test('a client that would rather have a stream gets its answer as an event', async () => {
  const streams = [{ accept: 'text/event-stream, application/json' }, { accept: 'application/json;q=0.5, text/event-stream' }];
  for (const headers of streams) {
    for (const answer of [await modern(site, token, 'tools/list', {}, { headers }),
      await post(site, token, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { 'mcp-protocol-version': '2025-11-25', ...headers })]) {
      assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
      const messages = events(answer.text);
      assert.equal(messages.length, 1);
      assert.equal(messages[0].id, 1);
      assert.ok(messages[0].result.tools.length > 0);
    }
    // An error that has a status of its own stays what it is.
    const wrong = await modern(site, token, 'no/such', {}, { headers });
    assert.equal(wrong.status, 404);
    assert.equal(wrong.body.error.code, -32601);
  }
  for (const accept of ['application/json, text/event-stream', 'text/event-stream;q=0.5, application/json', '*/*', undefined]) {
    assert.ok((await modern(site, token, 'tools/list', {}, { headers: { accept } })).body.result.tools, accept);
  }
  const none = await modern(site, token, 'tools/list', {}, { headers: { accept: 'application/json;q=0, text/html' } });
  assert.equal(none.status, 406);
});

test('events arrive while the program runs, and closing the stream ends it', async () => {
  const gone = new AbortController();
  const response = await fetch(site.mcpUrl, { method: 'POST', signal: gone.signal, headers: {
    'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`,
    'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'endless',
  }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call',
    params: { name: 'endless', arguments: {}, _meta: { ...META, progressToken: 1 } } }) });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('notifications/progress')) {
    const { value, done } = await reader.read();
    assert.ok(!done, text);
    text += value;
  }
  const pid = Number(fs.readFileSync(path.join(dir, 'endless.pid'), 'utf8'));
  gone.abort();
  await until('the program to be gone', () => !fs.existsSync(`/proc/${pid}`));
  await until('the call to be logged', () => /tool=endless .*outcome=cancelled/.test(site.daemon.log));
});

test('a program gets the trace context of the request', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const answer = await call('trace', {}, { meta: { ...META, traceparent } });
  assert.equal(answer.body.result.content[0].text.trim(), traceparent);
});

// --- input of the client

const who = { who: { action: 'accept', content: { name: 'Ada' } } };

test('a state comes back only to the same user, tool and arguments', async () => {
  const first = (await call('hello', {}, { meta: ELICITATION })).body.result;
  assert.equal(first.resultType, 'input_required');
  assert.deepEqual(first.inputRequests, { who: form });
  assert.doesNotMatch(first.requestState, /remembered/);
  const again = (params) => call('hello', { inputResponses: who, requestState: first.requestState, ...params }, { meta: ELICITATION });
  assert.deepEqual((await again({})).body.result.structuredContent, { state: 'remembered', got: who });

  const changed = first.requestState.slice(0, -4) + (first.requestState.endsWith('AAAA') ? 'BBBB' : 'AAAA');
  assertRpcError(await again({ requestState: changed }), 200, -32602);
  assertRpcError(await again({ requestState: 'text' }), 200, -32602);
  assertRpcError(await again({ requestState: 7 }), 200, -32602);
  assertRpcError(await again({ arguments: { other: 1 } }), 200, -32602);
  assertRpcError(await again({ inputResponses: { who: 1 } }), 200, -32602);
  assert.equal((await again({ inputResponses: null })).body.result.resultType, 'input_required', 'as without');
  const bob = await site.cognito.accessToken({ sub: 'another-user', username: 'bob' });
  assertRpcError(await modern(site, bob, 'tools/call', { name: 'hello', arguments: {}, inputResponses: who,
    requestState: first.requestState }, { meta: ELICITATION }), 200, -32602);
});

test('a client that cannot give the input is told what it lacks', async () => {
  const answer = await call('hello');
  assertRpcError(answer, 400, -32021);
  assert.deepEqual(answer.body.error.data, { requiredCapabilities: { elicitation: {} } });
  assertRpcError(await call('malformed', {}, { meta: ELICITATION }), 200, -32603);
});

// A session of a handshake revision; the server's requests arrive on the stream of the call.
async function openSession(capabilities, as = token) {
  const answer = await post(site, as, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 't', version: '1' } } });
  return { 'mcp-session-id': answer.headers.get('mcp-session-id'), 'mcp-protocol-version': '2025-11-25' };
}

async function callAndAnswer(session, reply) {
  const response = await fetch(site.mcpUrl, { method: 'POST', headers: { ...session, 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', authorization: `Bearer ${token}` },
  body: JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'hello', arguments: {} } }) });
  let text = '';
  let answered = false;
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const [request] = events(text);
    if (request?.method && !answered) {
      answered = true;
      await reply(request);
    }
  }
  return events(text);
}

test('before 2026-07-28 the same program is asked for on the stream, and any worker takes the answer', async () => {
  const session = await openSession({ elicitation: {} });
  const statuses = [];
  const messages = await callAndAnswer(session, async (request) => {
    assert.equal(request.method, 'elicitation/create');
    assert.deepEqual(request.params, form.params);
    const answer = { jsonrpc: '2.0', id: request.id, result: who.who };
    const bob = await site.cognito.accessToken({ sub: 'another-user', username: 'bob' });
    // Another user's answer, and one to nothing, change nothing.
    statuses.push((await post(site, bob, { ...answer, result: { action: 'decline' } }, { 'mcp-protocol-version': '2025-11-25' })).status);
    statuses.push((await post(site, token, { ...answer, id: 'nobody.0' }, session)).status);
    statuses.push((await post(site, token, answer, session)).status);
  });
  assert.deepEqual(statuses, [202, 202, 202]);
  assert.equal(messages.length, 2);
  assert.equal(messages[1].id, 5);
  assert.deepEqual(messages[1].result.structuredContent, { state: 'remembered', got: who });
});

test('a client that refuses gets an error, and one that cannot be asked too', async () => {
  const session = await openSession({ elicitation: {} });
  const messages = await callAndAnswer(session, (request) => post(site, token,
    { jsonrpc: '2.0', id: request.id, error: { code: -1, message: 'no' } }, session));
  assert.equal(messages.at(-1).error.code, -32603);
  const without = await openSession({});
  const answer = await post(site, token, { jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'hello', arguments: {} } }, without);
  assertRpcError(answer, 200, -32600, 5);
});

// --- sessions

test('a session keeps the log level, belongs to its user, and ends', async () => {
  const session = await openSession({});
  const ask = (method, params, as = token) => post(site, as, { jsonrpc: '2.0', id: 1, method, params }, session);
  const levels = async () => events((await ask('tools/call', { name: 'stream', arguments: {} })).text)
    .filter((each) => each.method).map((each) => each.params.level);
  assert.deepEqual(await levels(), ['warning']);
  assert.equal((await ask('logging/setLevel', { level: 'debug' })).status, 200);
  assert.deepEqual(await levels(), ['debug', 'warning']);
  assertRpcError(await ask('logging/setLevel', { level: 'loud' }), 200, -32602);

  const bob = await site.cognito.accessToken({ sub: 'another-user', username: 'bob' });
  assert.equal((await ask('ping', {}, bob)).status, 404);
  assert.equal((await post(site, token, { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': 'made-up' })).status, 404);

  const end = (more) => fetch(site.mcpUrl, { method: 'DELETE', headers: { authorization: `Bearer ${token}`, ...session, ...more } });
  const modernEnd = await end({ 'mcp-protocol-version': '2026-07-28' });
  assert.equal(modernEnd.status, 405);
  assert.equal(modernEnd.headers.get('allow'), 'POST');
  assert.equal((await end()).status, 204);
  assert.equal((await ask('ping', {})).status, 404);
  assert.equal((await end()).status, 404);
});
