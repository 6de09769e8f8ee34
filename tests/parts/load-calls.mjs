// Calls of the tool `echo` as fast as they go, by wrk.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { META, MODERN } from './mcp.mjs';

export function writeWrkScript(file, token) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'hello' }, _meta: META } });
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
    Authorization: `Bearer ${token}`, 'MCP-Protocol-Version': MODERN, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'echo' };
  fs.writeFileSync(file, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n`
    + Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`).join(''));
}

export async function measureCalls(script, port, { connections = 16, seconds = 3 } = {}) {
  const { stdout } = await promisify(execFile)('wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/mcp`]);
  assert.doesNotMatch(stdout, /Non-2xx|Socket errors/, stdout);
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)[1]), p50: /^\s+50%\s+(\S+)$/m.exec(stdout)[1], p99: /^\s+99%\s+(\S+)$/m.exec(stdout)[1] };
}

// KiB of memory that a process shares with no other.
export function privateKib(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
