// Documented size limits: the longest allowed value is served, and one byte more gets an error. No worker dies of
// either.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BINARY, findTrouble, writeConfig } from '../parts/daemon.mjs';
import { assertRpcError, META, modern, MODERN, post } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const BODY = 16 << 20;                // the largest MAX_BODY_BYTES
const RESOURCE = 16 << 20;            // the largest max_output_bytes of a resource
const OUTPUT = 1 << 20;               // and of a program

const FORM = { method: 'elicitation/create', params: { message: 'Name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } } };
const ASKED = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } };

let site;
let dir;
let token;

const write = (file, text, mode) => fs.writeFileSync(path.join(dir, file), typeof text === 'object' && !Buffer.isBuffer(text) ? JSON.stringify(text) : text, { mode });
const tool = (name, script, run) => {
  write(`tools.d/${name}.sh`, `#!/bin/sh\n${script}\n`, 0o755);
  write(`tools.d/${name}.json`, { name, description: name, inputSchema: { type: 'object', properties: { more: { type: 'integer' } } },
    run: { command: [`./${name}.sh`], max_output_bytes: OUTPUT, timeout_ms: 60000, ...run } });
};

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-sizes-'));
  for (const sub of ['tools.d', 'resources.d']) fs.mkdirSync(path.join(dir, sub));
  write('resources.d/blob.png', Buffer.alloc(RESOURCE, 0xff));
  write('resources.d/blob.json', { uri: 'doc://blob', name: 'blob', mimeType: 'image/png', run: { file: 'blob.png', max_output_bytes: RESOURCE } });
  write('resources.d/controls.txt', '\x01'.repeat(RESOURCE));
  write('resources.d/controls.json', { uri: 'doc://controls', name: 'controls', mimeType: 'text/plain', run: { file: 'controls.txt', max_output_bytes: RESOURCE } });
  write('resources.d/over.txt', 'x'.repeat(RESOURCE + 1));
  write('resources.d/over.json', { uri: 'doc://over', name: 'over', run: { file: 'over.txt', max_output_bytes: RESOURCE } });
  // A string of `more` bytes beyond what is allowed, in JSON with its quotes.
  const bytes = (byte, count) => `more=$(sed -E 's/.*"more":([0-9]+).*/\\1/'); head -c $((${count} + more)) /dev/zero | tr '\\000' '${byte}'`;
  tool('text', bytes('x', OUTPUT));
  tool('controls', bytes('\\001', OUTPUT));
  tool('json', `printf '"'; ${bytes('x', OUTPUT - 2)}; printf '"'`, { output: 'json' });
  tool('state', `more=$(sed -E 's/.*"more":([0-9]+).*/\\1/'); printf '{"inputRequired":{"inputRequests":{"who":${JSON.stringify(FORM)}},"requestState":"'
head -c $((16382 + more)) /dev/zero | tr '\\000' x; printf '"}}'`, { output: 'json' });
  tool('talk', `more=$(sed -E 's/.*"more":([0-9]+).*/\\1/'); x=$(head -c 1000000 /dev/zero | tr '\\000' x)
while [ "$more" -gt 0 ]; do echo "{\\"log\\":{\\"level\\":\\"info\\",\\"data\\":\\"$x\\"}}"; more=$((more - 1)); done
echo '{"result":"done"}'`, { output: 'stream' });
  tool('baggage', 'printf %s "$BAGGAGE" | wc -c');
  tool('stream', `printf '{"result":"'; ${bytes('x', OUTPUT - 13)}; printf '"}\\n'`, { output: 'stream' });
  site = await startSite({ config: { MAX_BODY_BYTES: String(BODY), WORKERS_MIN: '2', WORKERS_MAX: '2', TOOLS_DIR: path.join(dir, 'tools.d'),
    RESOURCES_DIR: path.join(dir, 'resources.d') } });
  token = await site.cognito.accessToken();
  await modern(site, token, 'tools/list');
});
after(async () => {
  await site?.close();                  // a worker that ended by a fault fails it
  fs.rmSync(dir, { recursive: true, force: true });
});

const STREAM = { accept: 'text/event-stream, application/json;q=0.5' };
const read = (uri, headers = {}) => modern(site, token, 'resources/read', { uri }, { headers: { 'mcp-name': uri, ...headers } });
const event = (text) => JSON.parse(/^data: (.*)$/m.exec(text)[1]);
// Workers that were started while calls ran leave again, those or others.
const served = () => assert.deepEqual(findTrouble(site.daemon.log), [], 'no process has ended by a fault');

test('a resource as long as it may be is read, as JSON and as an event, and one byte more is an error', async () => {
  assert.equal((await read('doc://blob')).body.result.contents[0].blob, Buffer.alloc(RESOURCE, 0xff).toString('base64'));
  // Each byte is six in JSON.
  assert.equal(event((await read('doc://controls', STREAM)).text).result.contents[0].text, '\x01'.repeat(RESOURCE));
  assertRpcError(await read('doc://over'), 200, -32603);
  served();
});

// One string, so that the message has the length.
const echo = (length, part) => {
  const start = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":${JSON.stringify(META)},"name":"echo","arguments":{"text":"`;
  const room = length - start.length - '"}}}'.length;
  const size = Buffer.byteLength(part);
  return post(site, token, `${start}${part.repeat(Math.floor(room / size))}${'x'.repeat(room % size)}"}}}`,
    { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' });
};

test('a body as long as it may be is served, and one byte more is 413', async () => {
  for (const [part, value] of [['x', 'x'], ['\\"', '"'], ['\u0085', '\u0085'], ['\\u0001', '\x01']]) {
    const { status, body, text } = await echo(BODY, part);
    assert.equal(status, 200, text.slice(0, 200));
    assert.match(body.result.content[0].text.slice(0, -8), new RegExp(`^${value}{100}`));
  }
  assert.equal((await echo(BODY + 1, 'x')).status, 413);
  served();
});

test('output as long as it may be is passed on, and one byte more is an error that says so', async () => {
  const call = async (name, more) => (await modern(site, token, 'tools/call', { name, arguments: { more } })).body.result;
  for (const [name, expected] of [['text', 'x'.repeat(OUTPUT)], ['controls', '\x01'.repeat(OUTPUT)],
    ['json', `"${'x'.repeat(OUTPUT - 2)}"`], ['stream', `"${'x'.repeat(OUTPUT - 13)}"`]]) {
    const result = await call(name, 0);
    assert.ok(!result.isError && result.content[0].text === expected, `${name}: ${JSON.stringify(result).slice(0, 200)}`);
    const over = await call(name, 1);
    assert.equal(over.isError, true, name);
    assert.match(over.content[0].text, /more than 1048576 bytes/);
  }
  served();
});

test('a state of 16 KiB is kept, and one byte more is an error; baggage of 8192 bytes is passed on, and none that is longer', async () => {
  const ask = (more) => modern(site, token, 'tools/call', { name: 'state', arguments: { more } }, { meta: ASKED });
  const asked = await ask(0);
  assert.equal(asked.body.result?.resultType, 'input_required', asked.text.slice(0, 300));
  const again = await modern(site, token, 'tools/call', { name: 'state', arguments: { more: 0 }, requestState: asked.body.result.requestState,
    inputResponses: { who: { action: 'accept', content: { name: 'x' } } } }, { meta: ASKED });
  assert.equal(again.body.result?.resultType, 'input_required', again.text.slice(0, 300));       // it asks again, whatever it is told
  assertRpcError(await ask(1), 200, -32603);
  const passed = async (length) => (await modern(site, token, 'tools/call', { name: 'baggage', arguments: {} },
    { meta: { ...META, baggage: `a=${'x'.repeat(length - 2)}` } })).body.result.content[0].text.trim();
  assert.equal(await passed(8192), '8192');
  assert.equal(await passed(8193), '0');
  served();
});

test('a stream of 4 MB can be asked for again, a longer one arrives once', async () => {
  const started = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } });
  const session = { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': '2025-11-25' };
  const lengths = (text) => [...text.matchAll(/^data: (\{.*)$/mg)].map(([, data]) => JSON.parse(data)).map(({ params, result }) =>
    params?.data.length ?? result.structuredContent ?? result.content[0].text);
  const talk = (more) => post(site, token, { jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'talk', arguments: { more } } }, session);
  const MB = 1000000;
  const short = (await talk(3)).text;
  assert.deepEqual(lengths(short), [MB, MB, MB, '"done"']);
  const again = await fetch(site.mcpUrl, { headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...session,
    'last-event-id': /^id: (.*)$/m.exec(short)[1] } });
  assert.deepEqual(lengths(await again.text()), [MB, MB, MB, '"done"']);
  assert.deepEqual(lengths((await talk(5)).text), [MB, MB, MB, MB, MB, '"done"']);
  await until('the log says so', () => /event=replay_log_failed/.test(site.daemon.log));
  served();
});

// The checks of -t load what a worker loads.
test('10,000 resources and prompts are taken, and one more is left out', () => {
  const check = (key, folder, manifest, limit, what) => {
    fs.mkdirSync(path.join(dir, folder));
    const config = path.join(dir, `${folder}.conf`);
    writeConfig(config, { ...site.keys, TOOLS_DIR: '', RESOURCES_DIR: '', PROMPTS_DIR: '', [key]: path.join(dir, folder) });
    const run = () => spawnSync(BINARY, ['-t', '-c', config], { encoding: 'utf8', env: { PATH: process.env.PATH } });
    for (let i = 0; i < limit; i++) write(`${folder}/m${i}.json`, manifest(i));
    write(`${folder}/zz.json`, manifest(limit));
    const { status, stderr } = run();
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`zz\\.json: .*there are more than ${limit} ${what}`));
    assert.equal(stderr.match(/\.json: /g).length, 1, 'the others are taken');
  };
  check('RESOURCES_DIR', 'many-resources', (i) => ({ uri: `doc://${i}`, name: `n${i}`, run: { text: 'x' } }), 10000, 'resources');
  check('PROMPTS_DIR', 'many-prompts', (i) => ({ name: `n${i}`, run: { messages: [{ role: 'user', content: { type: 'text', text: 'x' } }] } }), 10000, 'prompts');
});

test('a tool of 64 KiB is taken, one that is longer is left out, and so is one more than 10,000', () => {
  const many = path.join(dir, 'many');
  fs.mkdirSync(many);
  const put = (name, length) => {
    const manifest = { name, description: '', inputSchema: { type: 'object', properties: {} }, run: { command: ['/bin/true'] } };
    manifest.description = 'x'.repeat(length - JSON.stringify(manifest).length);
    write(`many/${name}.json`, manifest);
  };
  const config = path.join(dir, 'many.conf');
  writeConfig(config, { ...site.keys, TOOLS_DIR: many, RESOURCES_DIR: '' });
  const check = () => spawnSync(BINARY, ['-t', '-c', config], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  for (let i = 0; i < 10000 - 2; i++) put(`tool${i}`, i < 500 ? 65536 : 200);        // two are built in
  put('zz', 65536);
  put('longer', 65537);
  const { stderr } = check();
  assert.match(stderr, /zz\.json: there are more than 10000 tools/);
  assert.match(stderr, /longer\.json: is longer than 65536 bytes/);
  assert.equal(stderr.match(/\.json: /g).length, 2, 'the others are taken');
});
