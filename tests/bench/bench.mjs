// make bench: an authenticated tools/call of `echo` beside fixed.c, a FastCGI program that reads each request, answers with the same header
// fields and body, and writes the same log line: same web server and routes, as many workers, both log to a file, turn by turn in one run.
// Through lighttpd and through Apache. The ratios are what counts; the absolute numbers are those of the machine.
//   make bench          ROUNDS=10 SECONDS=2 CONNECTIONS=16 SERVERS='lighttpd apache'

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { workersOf } from '../parts/daemon.mjs';
import { callOnce, privateKib, writeWrkScript } from '../parts/load-calls.mjs';
import { startSite, webServers } from '../parts/site.mjs';
import { freePort } from '../parts/util.mjs';
import { compare, ratio, startFixed, workersCpu } from './fair.mjs';
import { exitStatus, figure } from './figures.mjs';

const WORKERS = 2;
const PRIVATE_KIB_MAX = 8192;
const CPU_MAX = 1.5;
const RATE_MIN = { lighttpd: 0.95, apache: 1 };
const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const settings = { rounds: number('ROUNDS', 10), seconds: number('SECONDS', 2), connections: number('CONNECTIONS', 16) };
const servers = (process.env.SERVERS ?? 'lighttpd apache').split(' ');

const site = await startSite({ logFile: 'daemon.log', config: { WORKERS_MIN: String(WORKERS), WORKERS_MAX: String(WORKERS) } });
const closers = [];

function judge(what, { median: value, text }, goal, met) {
  figure('A call', what, text, { goal, met: met(value) });
}

try {
  const token = await site.cognito.accessToken();
  const script = path.join(site.dir, 'wrk.lua');
  writeWrkScript(script, token);
  await callOnce(site, token);                        // fetches the key set
  const answer = await callOnce(site, token);
  assert.deepEqual(JSON.parse(answer.text).result.content, [{ type: 'text', text: 'hello' }]);
  const line = site.daemon.log.trim().split('\n').at(-1);
  assert.match(line, /event=tool_call .*outcome=ok/);
  const fixed = await startFixed({ dir: path.join(site.dir, 'fixed'), processes: WORKERS, answer, line });
  closers.push(() => fixed.stop());
  fs.chmodSync(site.dir, 0o711);                      // Apache's user reaches both sockets

  for (const server of servers) {
    const startServer = async (name, socket) => {
      const dir = path.join(site.dir, `${server}-${name}`);
      fs.mkdirSync(dir);
      const web = await webServers[server]({ dir, port: await freePort(), socket });
      closers.push(() => web.stop());
      return web.port;
    };
    console.log(`${server}, ${WORKERS} workers, ${settings.connections} connections, ${settings.rounds} rounds of ${settings.seconds} s each`);
    const [ours, theirs] = await compare([
      { name: 'mcp-authd', port: await startServer('mcp-authd', site.keys.LISTEN), script,
        cpu: () => workersCpu(site.daemon), log: path.join(site.dir, 'daemon.log') },
      { name: 'fixed answer', port: await startServer('fixed', fixed.socket), script, cpu: fixed.cpu, log: fixed.log },
    ], settings);
    judge(`CPU of a call through ${server}, times the fixed answer's`, ratio(ours, theirs, 'cpuUs'), `at most ${CPU_MAX}`, (value) => value <= CPU_MAX);
    judge(`calls per second through ${server}, of the fixed answer's`, ratio(ours, theirs, 'perSecond'), `at least ${RATE_MIN[server]}`,
      (value) => value >= RATE_MIN[server]);
  }
  const workers = workersOf(site.daemon);
  assert.equal(workers.length, WORKERS);
  const memory = Math.max(...workers.map(privateKib));
  judge('private memory of a worker', { median: memory, text: `${(memory / 1024).toFixed(1)} MiB` }, `at most ${PRIVATE_KIB_MAX / 1024} MiB`,
    (value) => value <= PRIVATE_KIB_MAX);
} finally {
  for (const close of closers.reverse()) await close();
  await site.close();
}
process.exit(exitStatus());
