// make bench: requests per second of an authenticated tools/call of `echo`, beside a FastCGI program that answers a fixed
// body (fixed.c): same web server, same routes file, same number of workers, turn by turn in one run. The ratio is what
// counts; the absolute numbers are those of the machine.
//   tests/node tests/bench/bench.mjs [ROUNDS] [SECONDS]

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { measureCalls, median, privateKib, writeWrkScript } from '../parts/load-calls.mjs';
import { callTool } from '../parts/mcp.mjs';
import { start } from '../parts/process.mjs';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { startSite } from '../parts/site.mjs';
import { accepts, freePort, ROOT } from '../parts/util.mjs';

const WORKERS = 2;
const CONNECTIONS = 16;
const PRIVATE_KIB_MAX = 8192;
const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 3);

function workersOf(pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

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
  writeWrkScript(script, token);

  const ratios = [];
  for (let round = 0; round <= rounds; round++) {
    const ours = await measureCalls(script, site.port, { connections: CONNECTIONS, seconds });
    const theirs = await measureCalls(script, web.port, { connections: CONNECTIONS, seconds });
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
