// make bench-streams: idle subscriptions/listen streams through lighttpd, beside calls. They must slow the calls down by little, all stay
// open, take little memory each, and all hear of a change soon. lighttpd has the limits that docs/lighttpd.md names for so many.
//   make bench-streams          STREAMS='10000 16000' SECONDS=3

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { streamHolderOf, workersOf } from '../parts/daemon.mjs';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { measureCalls, median, privateKib, writeWrkScript } from '../parts/load-calls.mjs';
import { META, MODERN } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, ROOT } from '../parts/util.mjs';
import { cpuOf } from './fair.mjs';
import { exitStatus, figure } from './figures.mjs';

const CLIENT = path.join(process.env.BUILD ?? path.join(ROOT, 'build'), 'bench/streams_client');
const WORKERS = 8;
const ROUNDS = 3;
const CHANGES = 5;            // of which they are told, one after another
const CHANGES_APART_MS = 500; // after which no more is sent for the one before
const OF_A_USER = 50;         // one user may have 256
const SLOWDOWN_MIN = 0.8;     // calls per second with streams, of those without
const STREAM_BYTES_MAX = 640;
const TOLD_MS_MAX = 150;
const TOLD_DEADLINE_MS = 10000;
const seconds = Number(process.env.SECONDS ?? 3);

// What docs/lighttpd.md says: lighttpd accepts no more when 90 % of its descriptors are open, and a stream takes two.
const SPARE = 512;            // connections for calls
const limitsFor = (streams) => ({ connections: streams + SPARE, descriptors: Math.ceil(2.3 * (streams + SPARE)) });

// lighttpd's hard limit of open files, which only a privileged process can raise: with a low one, several share the streams.
const most = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).replace('unlimited', 'Infinity'));
const serversFor = (streams) => {
  let servers = 1;
  while (limitsFor(Math.ceil(streams / servers)).descriptors > most) servers += 1;
  return servers;
};

function requestText(port, token) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: META } });
  const fields = { host: `127.0.0.1:${port}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`,
    'mcp-protocol-version': MODERN, 'mcp-method': 'subscriptions/listen', 'content-length': Buffer.byteLength(body) };
  return `POST /mcp HTTP/1.1\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}\0`;
}

// The client's process: `next` gives the number of its next line, and fails with what it said if it ends or is late.
async function startClient({ dir, ports, cognito, count }) {
  const requests = path.join(dir, 'requests');
  const tokens = await Promise.all(Array.from({ length: Math.ceil(count / OF_A_USER) }, (_, i) => cognito.accessToken({ sub: `user-${i}` })));
  fs.writeFileSync(requests, tokens.map((token) => requestText(ports[0], token)).join(''));
  const child = spawn(CLIENT, [ports.join(','), String(count), requests], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part) => { said += part; });
  const ended = once(child, 'close').then(() => { throw new Error(said || 'the client of the streams ended'); });
  ended.catch(() => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    said: () => said,
    async next(word, deadlineMs) {
      const late = deadlineMs && new Promise((resolve, reject) => { setTimeout(() => reject(new Error(`not ${word} within ${deadlineMs} ms`)), deadlineMs).unref(); });
      const { value = '' } = await Promise.race([lines.next(), ended, ...(late ? [late] : [])]);
      if (!value.startsWith(`${word} `)) await ended;
      return Number(value.split(' ')[1]);
    },
    awaitChange: () => child.stdin.write('\n'),
    stop: () => {
      child.stdin.end();
      return ended.catch(() => {});
    },
  };
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

// Milliseconds from the change of a tool until the first and until all have heard of it, and CPU time meanwhile.
async function tellOfChange({ file, client, pids, i }) {
  await sleep(CHANGES_APART_MS);
  client.awaitChange();
  await sleep(CHANGES_APART_MS);
  const spent = pids.map(cpuOf);
  const changed = Date.now();
  fs.writeFileSync(file, JSON.stringify({ name: 'new', description: `the ${i}th`, inputSchema: { type: 'object' }, run: { command: ['/bin/true'] } }));
  const first = (await client.next('first', TOLD_DEADLINE_MS)) - changed;
  const all = (await client.next('told', TOLD_DEADLINE_MS)) - changed;
  assert.equal(client.said(), '', 'every stream is still open');
  const [holder, web] = pids.map((each, n) => cpuOf(each) - spent[n]);
  return { first, all, holder, web };
}

const mib = (kib) => `${(kib / 1024).toFixed(1)} MiB`;

async function measure(count) {
  const tools = fs.mkdtempSync('/tmp/mcp-bench-');
  const closers = [() => fs.rmSync(tools, { recursive: true, force: true })];
  try {
    const site = await startSite({ logFile: 'daemon.log', config: { TOOLS_DIR: tools, WORKERS_MIN: String(WORKERS), WORKERS_MAX: String(WORKERS) } });
    closers.push(() => site.close());
    const servers = serversFor(count);
    const { connections, descriptors } = limitsFor(Math.ceil(count / servers));
    const ports = [];
    const webPids = [];
    for (let i = 0; i < servers; i += 1) {
      const dir = path.join(site.dir, `lighttpd-${i}`);
      fs.mkdirSync(dir);
      ports.push(await freePort());
      const web = await startLighttpd({ dir, port: ports[i], socket: site.keys.LISTEN,
        more: `server.max-connections = ${connections}\nserver.max-fds = ${descriptors}\n` });
      closers.push(() => web.stop());
      webPids.push(web.pid);
      const has = Number(/^Max open files\s+(\d+)/m.exec(fs.readFileSync(`/proc/${web.pid}/limits`, 'utf8'))[1]);
      assert.ok(has >= descriptors, `lighttpd has ${has} descriptors and needs ${descriptors}`);
    }
    const script = path.join(site.dir, 'wrk.lua');
    writeWrkScript(script, await site.cognito.accessToken());

    const divided = servers > 1 ? ` through ${servers} processes of lighttpd, since ulimit -Hn is ${most}` : '';
    console.log(`${count} streams${divided}: server.max-connections = ${connections}, server.max-fds = ${descriptors}`);
    const before = await calls('  calls, no stream', script, ports[0]);
    const empty = privateKib(streamHolderOf(site.daemon));
    const client = await startClient({ dir: site.dir, ports, cognito: site.cognito, count });
    closers.push(() => client.stop());
    console.log(`  all are open after ${((await client.next('open')) / 1000).toFixed(1)} s`);
    const during = await calls('  calls beside them', script, ports[0]);
    const full = privateKib(streamHolderOf(site.daemon));

    const told = [];
    const pids = [[streamHolderOf(site.daemon)], webPids];
    for (let i = 0; i < CHANGES; i += 1) told.push(await tellOfChange({ file: path.join(tools, 'new.json'), client, pids, i }));
    const of = (what) => Math.round(median(told.map((each) => each[what])));
    const show = (what, value, goal, met) => figure('Streams', `${count}: ${what}`, value, { goal, met });
    show('all told of a change of tools after (the first)', `${of('all')} ms (${of('first')} ms)`, `${TOLD_MS_MAX} ms`, of('all') <= TOLD_MS_MAX);
    show('CPU time of telling them: stream holder, lighttpd', `${of('holder')}, ${of('web')} ms`);
    console.log(`  each of ${CHANGES} changes: ${told.map(({ all }) => `${all} ms`).join(', ')}`);
    const each = ((full - empty) * 1024) / count;
    show('memory of each in the stream holder', `${each.toFixed(0)} bytes`, `at most ${STREAM_BYTES_MAX} bytes`, each <= STREAM_BYTES_MAX);
    show('calls a second beside them, of those without', (during / before).toFixed(2), `at least ${SLOWDOWN_MIN}`, during / before >= SLOWDOWN_MIN);
    console.log(`  private memory: stream holder ${mib(full)}, workers ${workersOf(site.daemon).map((pid) => mib(privateKib(pid))).join(', ')}`);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

for (const count of (process.env.STREAMS ?? '10000 16000').split(' ').map(Number)) await measure(count);
process.exit(exitStatus());
