// How programs are compared: in turn in one run, as many seconds each, in the opposite order each other round, by the medians of the
// rounds. What a program costs is the time that its own processes had a CPU (/proc/PID/task/TID/schedstat, in ns), not that of the web
// server or of the load generator. All log to a file.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { childrenOf, findTrouble, workersOf } from '../parts/daemon.mjs';
import { childrenMs, measureCalls, median } from '../parts/load-calls.mjs';
import { start } from '../parts/process.mjs';
import { accepts, ROOT, until } from '../parts/util.mjs';

const built = (name) => path.join(process.env.BUILD ?? path.join(ROOT, 'build'), 'bench', name);

// CPU time of processes with all their threads, in ms.
export function cpuOf(pids) {
  let ns = 0;
  for (const pid of pids) {
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) ns += Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1e6;
}

// That of the children of mcp-authd that `pidsOf` names, with those that have ended: for them the master has waited, such as for workers that
// were replaced after WORKER_MAX_REQUESTS. One that ends while we look makes us look again.
function cpuOfChildren(daemon, pidsOf) {
  for (;;) {
    try {
      const ended = childrenMs(daemon.pid);
      const running = cpuOf(pidsOf());
      if (childrenMs(daemon.pid) === ended) return ended + running;
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
    }
  }
}

// Not the master, the stream holder and the runner.
export const workersCpu = (daemon) => cpuOfChildren(daemon, () => workersOf(daemon));
// A process with its children.
export const daemonCpu = (daemon) => cpuOfChildren(daemon, () => [daemon.pid, ...childrenOf(daemon).map(({ pid }) => pid)]);

// A log file between two rounds: nothing of it is wrong, and it does not grow for ever.
function emptyLog(file) {
  assert.deepEqual(findTrouble(fs.readFileSync(file, 'utf8')), []);
  fs.truncateSync(file);
}

// `programs`: { name, port, script of wrk, cpu(): of the processes that serve, in ms, webCpu(): of the web server, log file }. Gives an array of
// rounds for each, { perSecond, cpuUs and webUs a call, p50, p99 }, and prints them.
export async function compare(programs, { rounds, seconds, connections = 16 }) {
  const results = new Map(programs.map((program) => [program, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const program of round % 2 ? programs : programs.toReversed()) {
      const spent = () => [program.cpu(), program.webCpu?.() ?? 0];
      const before = spent();
      const calls = await measureCalls(program.script, program.port, { connections, seconds });
      const [cpuUs, webUs] = spent().map((ms, i) => ((ms - before[i]) * 1000) / calls.count);
      if (program.log) emptyLog(program.log);
      if (round > 0) results.get(program).push({ ...calls, cpuUs, webUs });          // the first is the warm-up
    }
    if (round > 0) {
      console.log(`  round ${round}: ${programs.map((program) => {
        const { perSecond, cpuUs, p50, p99 } = results.get(program).at(-1);
        return `${program.name} ${perSecond.toFixed(0)}/s, ${cpuUs.toFixed(1)} µs (p50 ${p50}, p99 ${p99})`;
      }).join(programs.length > 2 ? '\n           ' : '   ')}`);
    }
  }
  return programs.map((program) => results.get(program));
}

// The median of the rounds' ratios: what disturbs a round disturbs both programs of it.
export function ratio(ours, theirs, field) {
  const all = ours.map((round, i) => round[field] / theirs[i][field]);
  return { median: median(all), text: `${median(all).toFixed(2)} (${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)})` };
}

// One of the empty programs, by its socket and number of processes and what else it is given.
async function startPool(program, args, { dir, processes, under = [], env = {} }) {
  const socket = path.join(dir, 'fixed.sock');
  const log = path.join(dir, 'fixed.log');
  const [command, ...rest] = [...under, built(program), socket, String(processes), ...args];
  const child = start(command, rest, { outputFile: log, env: { ...process.env, ...env } });
  await child.ready('listening', () => accepts({ path: socket }), under.length > 0 ? { deadlineMs: 60000 } : {});
  fs.chmodSync(socket, 0o660);
  const pids = await until('its processes', () => {
    const all = childrenOf(child).map(({ pid }) => pid);
    return all.length === processes && all;
  });
  return { socket, log, pids, cpu: () => cpuOf(pids), stop: () => child.stop() };
}

// fixed.c, which answers with the status, header fields and body of `answer` (of fetch; what a web server adds is left out) and logs `line`.
const OF_WEB_SERVER = new Set(['connection', 'date', 'keep-alive', 'server', 'transfer-encoding']);
export async function startFixed({ answer, line, ...pool }) {
  const at = (name) => path.join(pool.dir, name);
  fs.mkdirSync(pool.dir);
  const fields = [...answer.headers].filter(([name]) => !OF_WEB_SERVER.has(name)).map(([name, value]) => `${name}: ${value}\r\n`);
  fs.writeFileSync(at('reply'), `Status: ${answer.status}\r\n${fields.join('')}\r\n${answer.text}`);
  fs.writeFileSync(at('line'), `${line}\n`);
  return startPool('fixed', [at('reply'), at('line')], pool);
}

// fixed_login.c, which stores in the folder and asks the URL.
export async function startFixedLogin({ url, ...pool }) {
  fs.mkdirSync(pool.dir);
  return startPool('fixed_login', [pool.dir, url], pool);
}
