// make bench-streams: idle subscriptions/listen streams beside calls. They must slow the calls down by little, all stay
// open, and all hear of a change.
//   tests/node tests/bench/streams.mjs [STREAMS] [SECONDS]

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { streamHolderOf, workersOf } from '../parts/daemon.mjs';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { measureCalls, median, privateKib, writeWrkScript } from '../parts/load-calls.mjs';
import { META, MODERN } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, until } from '../parts/util.mjs';

const WORKERS = 8;
const ROUNDS = 3;
const AT_ONCE = 50;           // streams being opened
const SLOWDOWN_MIN = 0.8;     // calls per second with streams, of those without
const HOLDER_KIB_MAX = 16384;
const STREAM_BYTES_MAX = 8192;
const count = Number(process.argv[2] ?? 2000);
const seconds = Number(process.argv[3] ?? 3);

function openStream(port, token) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: META } });
  const stream = { text: '', open: true };
  stream.request = http.request({ port, path: '/mcp', method: 'POST', agent: false, headers: { 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`, 'mcp-protocol-version': MODERN, 'mcp-method': 'subscriptions/listen' } });
  return new Promise((resolve, reject) => {
    stream.request.on('error', (error) => { stream.open = false; reject(error); });
    stream.request.on('response', (response) => {
      response.setEncoding('utf8').on('data', (part) => {
        stream.text += part;
        if (stream.text.includes('subscriptions/acknowledged')) resolve(stream);
      }).on('close', () => { stream.open = false; reject(new Error(`a stream ended with ${response.statusCode}: ${stream.text}`)); });
    });
    stream.request.end(body);
  });
}

// Each AT_ONCE of a user of their own: one user has no more than 256.
async function openAll(port, cognito) {
  const streams = [];
  while (streams.length < count) {
    const token = await cognito.accessToken({ sub: `user-${streams.length}` });
    streams.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - streams.length) }, () => openStream(port, token))));
  }
  return streams;
}

async function calls(label, script, port) {
  const rounds = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const round = await measureCalls(script, port, { seconds });
    if (i > 0) rounds.push(round); // the first is the warm-up
  }
  console.log(`${label}: ${rounds.map(({ perSecond, p99 }) => `${perSecond.toFixed(0)}/s (p99 ${p99})`).join(', ')}`);
  return median(rounds.map(({ perSecond }) => perSecond));
}

const mib = (kib) => `${(kib / 1024).toFixed(1)} MiB`;
const tools = fs.mkdtempSync('/tmp/mcp-bench-');
let site;
let web;
let streams = [];
try {
  site = await startSite({ config: { TOOLS_DIR: tools, WORKERS_MIN: String(WORKERS), WORKERS_MAX: String(WORKERS) } });
  const dir = path.join(site.dir, 'many');
  fs.mkdirSync(dir);
  // A stream is a connection of a client and one to us.
  web = await startLighttpd({ dir, port: await freePort(), socket: site.keys.LISTEN,
    more: `server.max-fds = ${2 * count + 1024}\nserver.max-connections = ${count + 512}\n` });
  const token = await site.cognito.accessToken();
  const script = path.join(site.dir, 'wrk.lua');
  writeWrkScript(script, token);

  const before = await calls('no stream', script, web.port);
  const empty = privateKib(streamHolderOf(site.daemon));
  const began = Date.now();
  streams = await openAll(web.port, site.cognito);
  console.log(`${count} streams opened in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  const during = await calls(`${count} idle streams`, script, web.port);
  const full = privateKib(streamHolderOf(site.daemon));

  assert.ok(streams.every((stream) => stream.open), 'every stream is still open');
  fs.writeFileSync(path.join(tools, 'new.json'), JSON.stringify({ name: 'new', inputSchema: { type: 'object' }, run: { command: ['/bin/true'] } }));
  const told = Date.now();
  await until('every stream hears of the new tool', () => streams.every(({ text }) => text.includes('tools/list_changed')));
  const each = ((full - empty) * 1024) / count;
  console.log(`all of them heard of a new tool within ${Date.now() - told} ms`);
  console.log(`calls per second beside ${count} idle streams, of those without: ${(during / before).toFixed(2)}`);
  console.log(`private memory: stream holder ${mib(full)} (${each.toFixed(0)} bytes a stream), `
    + `workers ${workersOf(site.daemon).map((pid) => mib(privateKib(pid))).join(', ')}, lighttpd ${mib(privateKib(web.pid))}`);
  assert.equal(workersOf(site.daemon).length, WORKERS);
  assert.ok(full < HOLDER_KIB_MAX && each < STREAM_BYTES_MAX, 'the stream holder needs more memory than it may');
  assert.ok(during / before >= SLOWDOWN_MIN, 'idle streams slow calls down');
} finally {
  for (const stream of streams) stream.request.removeAllListeners('error').on('error', () => {}).destroy();
  await web?.stop();
  await site?.close();
  fs.rmSync(tools, { recursive: true, force: true });
}
