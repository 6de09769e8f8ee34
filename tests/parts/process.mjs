// A child process whose output is kept, ended by its own id and never by a name.

import fs from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { sleep } from './util.mjs';

// So long one waits for the end of the output: far from what a busy machine needs to read what is in the pipes already.
const DRAIN_MS = 5000;

// No child outlives us, also if a test run is cut off.
const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

// `outputFile`: the output goes into it, not through a pipe that this process has to read.
export function start(command, args, { env = process.env, cwd, outputFile } = {}) {
  const file = outputFile && fs.openSync(outputFile, 'a', 0o600);
  const child = spawn(command, args, { env, cwd, stdio: ['ignore', file ?? 'pipe', file ?? 'pipe'] });
  if (file) fs.closeSync(file);
  let output = '';
  let follower = () => {};
  const keep = (part) => {
    output += part;
    follower(part);
  };
  running.add(child);
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);
  const printed = () => (outputFile ? fs.readFileSync(outputFile, 'utf8') : output);
  const exited = new Promise((resolve) => {
    child.on('error', (error) => {
      running.delete(child);
      resolve({ error });
    });
    // 'close' comes after the pipes are drained, but a grandchild may hold them open: 'exit' decides.
    child.on('exit', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const drained = once(child, 'close').catch(() => {});     // it did not start
  let result;
  exited.then((value) => { result = value; });
  // Whoever reads the output after the end wants all of it.
  const ended = exited.then(async (value) => {
    await Promise.race([drained, late(DRAIN_MS)]);
    return value;
  });

  return {
    get pid() { return child.pid; },
    get output() { return printed(); },
    get result() { return result; },
    ended,
    signal: (name) => child.kill(name),
    // From now on, what the process prints goes to this function too.
    follow: (listener) => { follower = listener; },
    // Waits for readiness, and fails at once with the output if the process ends first.
    async ready(what, check, { deadlineMs = 15000 } = {}) {
      const end = Date.now() + deadlineMs;
      for (;;) {
        const is = await check();
        if (result) throw new Error(`${command} ended (${describe(result)}) before ${what}:\n${printed()}`);
        if (is) return;
        if (Date.now() > end) throw new Error(`${command}: not ${what} after ${deadlineMs} ms:\n${printed()}`);
        await sleep(20);
      }
    },
    // TERM, then KILL after the deadline; the latter is an error, because a clean end was asked for.
    async stop({ deadlineMs = 15000 } = {}) {
      if (!result) child.kill('SIGTERM');
      const outcome = await Promise.race([exited, late(deadlineMs)]);
      if (outcome === 'late') {
        child.kill('SIGKILL');
        await ended;
        throw new Error(`${command} did not end within ${deadlineMs} ms of TERM:\n${printed()}`);
      }
      return ended;
    },
  };
}

// Gives 'late' after a time, and does not keep the program running for that.
function late(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms, 'late').unref(); });
}

export function describe({ code, signal, error }) {
  if (error) return error.message;
  return signal ? `signal ${signal}` : `status ${code}`;
}
