// Memory of a request: at most 16 times the longest body, whatever the body contains, and given back afterwards.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { memoryOf, mostMemoryOfWorkers, workersOf } from '../parts/daemon.mjs';
import { callTool, META, modern, MODERN, post } from '../parts/mcp.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';
import { isRunning } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

const BODY = 1 << 20;                 // MAX_BODY_BYTES as it is shipped
const TIMES = 16;
// A sanitizer keeps a shadow of all memory and holds back what is freed: there only crashes are looked for.
const MEASURED = !process.env.MCP_AUTHD?.includes('asan');

let site;
let dir;
let token;
let worker;
let atRest;

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-memory-'));
  for (const sub of ['tools.d', 'resources.d', 'prompts.d']) fs.mkdirSync(path.join(dir, sub));
  const write = (file, text, mode) => fs.writeFileSync(path.join(dir, file), typeof text === 'string' ? text : JSON.stringify(text), { mode });
  write('tools.d/count.sh', '#!/bin/sh\nwc -c\n', 0o755);
  write('tools.d/count.json', { name: 'count', description: 'Counts its input.', inputSchema: { type: 'object' }, run: { command: ['./count.sh'] } });
  write('prompts.d/again.json', { name: 'again', arguments: [{ name: 'a' }],
    run: { messages: [{ role: 'user', content: { type: 'text', text: '{{a}} {{a}} {{a}} {{a}} {{a}} {{a}} {{a}} {{a}}' } }] } });
  write('resources.d/any.json', { uriTemplate: 'any:{+path}/{name}', name: 'any', run: { json: { path: '{{path}}', name: '{{name}}' } } });
  site = await startSite({ config: { MAX_BODY_BYTES: String(BODY), WORKERS_MIN: '1', WORKERS_MAX: '1', TOOLS_DIR: path.join(dir, 'tools.d'),
    RESOURCES_DIR: path.join(dir, 'resources.d'), PROMPTS_DIR: path.join(dir, 'prompts.d'), DYNAMIC_REGISTRATION: 'yes' } });
  token = await site.cognito.accessToken();
  for (let i = 0; i < 20; i++) await callTool(site, token, 'echo', { text: 'warm' });
  await callTool(site, token, 'count');
  [worker] = workersOf(site.daemon);
  atRest = memoryOf(worker, 'VmRSS') * 1024;
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const most = (what) => mostMemoryOfWorkers(site.daemon, what) * 1024;

// Sends it, and says what the worker that serves it took for it at most: the only one, or one that was started while it ran a program.
async function cost(send) {
  // VmHWM starts anew. A worker is not dumpable, so that these files are root's. One that is no longer needed may end meanwhile.
  for (const pid of workersOf(site.daemon)) {
    try {
      if (process.getuid() === 0) fs.writeFileSync(`/proc/${pid}/clear_refs`, '5');
      else execFileSync('sudo', ['sh', '-c', `echo 5 >/proc/${pid}/clear_refs`]);
    } catch (error) {
      if (isRunning(pid)) throw error;
    }
  }
  const answer = await send();
  const peak = most('VmHWM') - atRest;
  if (MEASURED) {
    await until(() => `memory is given back: ${atRest} at rest, ${most('VmRSS')} now`, () => most('VmRSS') <= atRest * 1.1, { deadlineMs: 5000 });
  }
  assert.ok(workersOf(site.daemon).includes(worker), 'no worker was ended');
  return { peak, answer };
}

const size = (text) => Buffer.byteLength(text);
// A text of MAX_BODY_BYTES: `start`, as often as it fits what `part` is, at most `most` times, spaces, and `end`.
function filled(start, part, end, most = Infinity) {
  const parts = part.repeat(Math.min(most, Math.floor((BODY - size(start) - size(end)) / size(part))));
  return start + parts + (most < Infinity ? ' '.repeat(BODY - size(start) - size(parts) - size(end)) : '') + end;
}

const head = (params) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":${JSON.stringify(META)},${params}`;
const toTool = (name, part, last, most) => () => post(site, token,
  filled(head(`"name":"${name}","arguments":{"x":[`), part, `${last}]}}}`, most),
  { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': name });
const toEcho = (part) => () => post(site, token, filled(head('"name":"echo","arguments":{"text":"'), part, '"}}}'),
  { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'echo' });
const form = (part) => () => rawRequest({ port: site.port, method: 'POST', path: '/token', body: filled('grant_type=authorization_code', part, ''),
  headers: [['Content-Type', 'application/x-www-form-urlencoded']] });
const jsonTo = (url, start, part, end) => () => rawRequest({ port: site.port, method: 'POST', path: url, body: filled(start, part, end),
  headers: [['Content-Type', 'application/json']] });

const CASES = {
  'objects': toTool('count', '{},', '{}'),
  'arrays': toTool('count', '[],', '[]'),
  'nested arrays': toTool('count', '[[[[[[[[]]]]]]]],', '[]'),
  'numbers': toTool('count', '1,', '1'),
  'long numbers': toTool('count', '123456789012345678901234567890,', '1'),
  'empty strings': toTool('count', '"",', '""'),
  'rows': toTool('count', '{"id":1,"name":"x"},', '{}'),
  // As many as are let in.
  '12,700 objects': toTool('count', '{},', '{}', 12700),
  '7,800 rows': toTool('count', '{"id":1,"n":"x"},', '{}', 7800),
  '118,000 numbers': toTool('count', '1,', '1', 118000),
  '40,000 names': toTool('count', '{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0},', '{}', 2500),
  'null': toTool('count', 'null,', 'null'),
  'no JSON': toTool('count', '{', '{'),
  'plain text': toEcho('x'),
  'quotes': toEcho('\\"'),
  'control characters': toEcho('\\u0001'),
  'U+0085': toEcho('\u0085'),
  'U+2028': toEcho('\u2028'),
  'a template': () => modern(site, token, 'prompts/get', { name: 'again', arguments: { a: 'x'.repeat(BODY - 1000) } }),
  'a template with quotes': () => modern(site, token, 'prompts/get', { name: 'again', arguments: { a: '"'.repeat(BODY / 2 - 500) } }),
  'what a template may become': () => modern(site, token, 'prompts/get', { name: 'again', arguments: { a: '"'.repeat((1 << 16) - 100) } }),
  'what a template may become, in control characters': () => modern(site, token, 'prompts/get',
    { name: 'again', arguments: { a: '\x01'.repeat(21800) } }),
  'a batch of templates': () => post(site, token, JSON.stringify(Array.from({ length: 8 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'prompts/get',
    params: { name: 'again', arguments: { a: '"'.repeat((1 << 16) - 6000) } } })))),
  'a URI': () => modern(site, token, 'resources/read', { uri: `any:${'/x'.repeat(BODY / 2 - 1000)}` }, { meta: null, headers: { 'mcp-protocol-version': '2025-11-25' } }),
  'a URI with escapes': () => modern(site, token, 'resources/read', { uri: `any:${'%22'.repeat(BODY / 3 - 1000)}/x` },
    { meta: null, headers: { 'mcp-protocol-version': '2025-11-25' } }),
  'a method': () => modern(site, token, 'x'.repeat(BODY - 1000), {}, { meta: null, headers: { 'mcp-protocol-version': '2025-11-25', 'mcp-method': undefined } }),
  'fields of a form': form('&a=1'),
  'one field': form('x'),
  'a batch': () => post(site, token, filled('[', '{"jsonrpc":"2.0","id":1,"method":"ping"},', '{}]')),
  'redirect URIs': jsonTo('/register', '{"redirect_uris":[', '"http://127.0.0.1/",', '"http://127.0.0.1/"]}'),
};

for (const [what, send] of Object.entries(CASES)) {
  test(`a body of ${what} costs at most ${TIMES} times itself, and nothing when it is over`, async () => {
    const { peak, answer } = await cost(send);
    assert.ok(answer.status < 500, answer.text.slice(0, 200));
    if (MEASURED) assert.ok(peak <= TIMES * BODY, `${peak} bytes, ${(peak / BODY).toFixed(1)} times`);
  });
}
