// make bench: requests per second of an authenticated tools/call of `echo`, beside a FastCGI program that answers a fixed
// body (fixed.c): same web server, same routes file, same number of workers, turn by turn in one run. The ratio is what
// counts; the absolute numbers are those of the machine.
//   tests/node tests/bench/bench.mjs [ROUNDS] [SECONDS]

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { callTool, META, MODERN } from '../parts/mcp.mjs';
import { start } from '../parts/process.mjs';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { startSite } from '../parts/site.mjs';
import { accepts, freePort, ROOT } from '../parts/util.mjs';

const WORKERS = 2;
const CONNECTIONS = 16;
const PRIVATE_KIB_MAX = 8192;
const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 3);
const run = promisify(execFile);

function wrkScript(token) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'hello' }, _meta: META } });
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
    Authorization: `Bearer ${token}`, 'MCP-Protocol-Version': MODERN, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'echo' };
  return `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n`
    + Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`).join('');
}

async function measure(script, port) {
  const { stdout } = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/mcp`]);
  assert.doesNotMatch(stdout, /Non-2xx|Socket errors/, stdout);
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]), p50: /^\s+50%\s+(\S+)$/m.exec(stdout)[1], p99: /^\s+99%\s+(\S+)$/m.exec(stdout)[1] };
}

function workersOf(pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

function privateKib(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const site = await startSite({ config: { WORKERS_MIN: String(WORKERS), WORKERS_MAX: String(WORKERS) } });
const closers = [];
let failed = false;
try {
  const socket = path.join(site.dir, 'fixed.sock');
  const fixed = start(path.join(process.env.BUILD ?? path.join(ROOT, 'build'), 'bench/fixed'), [socket, String(WORKERS)]);
  closers.push(() => fixed.stop('SIGKILL').catch(() => {}));
  await fixed.ready('listening', () => accepts({ path: socket }));
  const dir = path.join(site.dir, 'fixed');
  fs.mkdirSync(dir);
  const web = await startLighttpd({ dir, port: await freePort(), socket });
  closers.push(() => web.stop());

  const token = await site.cognito.accessToken();
  assert.deepEqual((await callTool(site, token, 'echo', { text: 'hello' })).content, [{ type: 'text', text: 'hello' }]);
  const script = path.join(site.dir, 'wrk.lua');
  fs.writeFileSync(script, wrkScript(token));

  const ratios = [];
  for (let round = 0; round <= rounds; round++) {
    const ours = await measure(script, site.port);
    const theirs = await measure(script, web.port);
    if (round === 0) continue; // warm-up
    ratios.push(ours.perSecond / theirs.perSecond);
    console.log(`round ${round}: mcp-authd ${ours.perSecond.toFixed(0)}/s (p50 ${ours.p50}, p99 ${ours.p99})`
      + `   fixed body ${theirs.perSecond.toFixed(0)}/s (p50 ${theirs.p50}, p99 ${theirs.p99})   ratio ${ratios.at(-1).toFixed(2)}`);
  }
  const memory = workersOf(site.daemon.pid).map(privateKib);
  console.log(`ratio of authenticated tools/call echo to a fixed body: ${median(ratios).toFixed(2)}`
    + ` (median of ${rounds}; ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`);
  console.log(`private memory of the workers: ${memory.map((kib) => `${(kib / 1024).toFixed(1)} MiB`).join(', ')}`
    + ` (limit ${PRIVATE_KIB_MAX / 1024} MiB)`);
  failed = memory.some((kib) => kib > PRIVATE_KIB_MAX);
} finally {
  for (const close of closers.reverse()) await close();
  await site.close();
}
process.exit(failed ? 1 : 0);
