// mcp-authd itself: writes a configuration file, starts the program, waits for its socket, keeps its log.

import fs from 'node:fs';
import path from 'node:path';
import { accepts, ROOT, until } from './util.mjs';
import { start } from './process.mjs';

export const BINARY = process.env.MCP_AUTHD ?? path.join(ROOT, 'build/mcp-authd');

// The daemon reads its keys from the environment too, so it gets only what a service would have, and what the
// sanitizers need.
function plainEnvironment() {
  const kept = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS', 'ASAN_SYMBOLIZER_PATH'];
  return Object.fromEntries(kept.filter((name) => name in process.env).map((name) => [name, process.env[name]]));
}

export function writeConfig(file, keys) {
  const lines = Object.entries(keys).filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${value}\n`);
  fs.writeFileSync(file, `# written by tests/parts/daemon.mjs\n${lines.join('')}`);
}

// What holds the socket in systemd's place while the daemon restarts (`activated` below).
const ACTIVATE = process.env.ACTIVATE ?? path.join(ROOT, 'build/activate');

// `activated`: the listening socket comes from a launcher, as from systemd, and stays over a restart (launcher: HUP to
// restart; the daemon's own signals go to daemonPid()). `follow`: gets what is printed, from the start. `logFile`: what is
// printed goes into it instead. `under`: a command, with its arguments, that becomes the daemon or traces it.
export async function startDaemon({ dir, config, env = {}, activated = false, follow, logFile, under = [] }) {
  if (!fs.existsSync(BINARY)) throw new Error(`${BINARY} does not exist: run make first`);
  const file = path.join(dir, 'mcp-authd.conf');
  writeConfig(file, config);
  const command = [...under, BINARY, '-c', file];
  if (activated) command.unshift(ACTIVATE, config.LISTEN);
  const child = start(command[0], command.slice(1), { env: { ...plainEnvironment(), ...env }, outputFile: logFile });
  if (follow) child.follow(follow);
  await child.ready('listening', () => accepts({ path: env.LISTEN ?? config.LISTEN }), under.length > 0 ? { deadlineMs: 60000 } : {}); // valgrind is slow to start it
  return {
    configFile: file,
    get pid() { return activated ? Number(child.output.match(/.*^activate: started (\d+)$/ms)[1]) : child.pid; },
    // The launcher ends this daemon and starts the next one.
    restart: () => child.signal('SIGHUP'),
    get log() { return child.output; },
    get result() { return child.result; },
    ended: child.ended,
    signal(name) { return activated ? process.kill(this.pid, name) : child.signal(name); },
    follow: (listener) => child.follow(listener),
    stop: (how) => child.stop(how),
  };
}

// Waits for a line of the log, from a place in it on, and gives back the match.
export const logged = (daemon, from, pattern) => until(`${pattern} in the log`, () => pattern.exec(daemon.log.slice(from)));

// The process ids of the master's children (of all masters, if they are several), with their names.
export function childrenOf(daemon) {
  const masters = daemon.pids ?? [daemon.pid];
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
      return masters.includes(Number(/^PPid:\s+(\d+)$/m.exec(status)[1])) ? [{ pid: Number(pid), name: status.match(/^Name:\s+(.*)$/m)[1] }] : [];
    } catch {
      return [];          // it ended while we looked
    }
  });
}

// The stream holder, the workers, and the metrics server. One that has just been forked has no name yet.
export const streamHolderOf = (daemon) => childrenOf(daemon).find(({ name }) => name === 'mcp-streams')?.pid;
export const metricsServerOf = (daemon) => childrenOf(daemon).find(({ name }) => name === 'mcp-metrics')?.pid;
// The runner, and its processes that look after one program each.
export const runnerOf = (daemon) => childrenOf(daemon).find(({ name }) => name === 'mcp-runner')?.pid;
export const supervisorsOf = (daemon) => childrenOf({ pid: runnerOf(daemon) }).filter(({ name }) => name === 'mcp-supervisor').map(({ pid }) => pid);
// The process of the task that was started last.
export const taskProcessOf = (daemon) => childrenOf(daemon).filter(({ name }) => name === 'mcp-task').map(({ pid }) => pid).sort((a, b) => a - b).at(-1);
export const workersOf = (daemon) => childrenOf(daemon).filter(({ name }) => name === 'mcp-worker').map(({ pid }) => pid);
// One that was not needed for ten seconds may have ended since it was looked up.
export function killWorkers(daemon) {
  for (const pid of workersOf(daemon)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

// What /proc/PID/status says of its memory, such as VmHWM, in KiB; 0 of a process that has ended.
export function memoryOf(pid, what) {
  try {
    return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
export const mostMemoryOfWorkers = (daemon, what) => Math.max(...workersOf(daemon).map((pid) => memoryOf(pid, what)));

// What a log must not contain: reports of the sanitizers, and workers that ended or hung by a fault of their own.
const TROUBLE = [
  /ERROR: \w+Sanitizer|SUMMARY: \w+Sanitizer|runtime error:/,
  /event=worker_exited\b(?!.* status=0\b)/,
  /event=(worker_stuck|worker_killed|workers_killed|worker_start_failed|fork_failed|no_worker_started|out_of_memory)\b/,
];

export function findTrouble(log) {
  return log.split('\n').filter((line) => TROUBLE.some((pattern) => pattern.test(line)));
}
