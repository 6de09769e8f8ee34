// Calls of a tool as fast as they go, by wrk, and what they cost.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { workersOf } from './daemon.mjs';
import { META, MODERN } from './mcp.mjs';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export function writeWrkScript(file, token, name = 'echo', args = { text: 'hello' }) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args, _meta: META } });
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
    Authorization: `Bearer ${token}`, 'MCP-Protocol-Version': MODERN, 'Mcp-Method': 'tools/call', 'Mcp-Name': name };
  fs.writeFileSync(file, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n`
    + Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`).join(''));
}

export async function measureCalls(script, port, { connections = 16, seconds = 3 } = {}) {
  const { stdout } = await promisify(execFile)('wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/mcp`]);
  assert.doesNotMatch(stdout, /Non-2xx|Socket errors/, stdout);
  return { count: Number(/(\d+) requests in/.exec(stdout)[1]), perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]),
    p50: /^\s+50%\s+(\S+)$/m.exec(stdout)[1], p99: /^\s+99%\s+(\S+)$/m.exec(stdout)[1] };
}

// User and system time of master and workers in ms (proc(5), fields 14 to 17), with the programs that workers have waited for.
export function cpuMs(daemon) {
  let ticks = 0;
  for (const pid of [daemon.pid, ...workersOf(daemon)]) {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 15).map(Number);
    ticks += fields[0] + fields[1] + (pid === daemon.pid ? 0 : fields[2] + fields[3]);
  }
  return (ticks * 1000) / TICKS;
}

// KiB of memory that a process shares with no other.
export function privateKib(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
