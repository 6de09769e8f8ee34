// Calls of a tool as fast as they go, by wrk, and what they cost.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { runnerOf, supervisorsOf, workersOf } from './daemon.mjs';
import { META, MODERN } from './mcp.mjs';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

function callOf(token, name, args, version = MODERN) {
  const modern = version === MODERN;
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args, ...(modern && { _meta: META }) } });
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream',
    Authorization: `Bearer ${token}`, 'MCP-Protocol-Version': version, ...(modern && { 'Mcp-Method': 'tools/call', 'Mcp-Name': name }) };
  return { body, headers };
}

// The same call once: { status, headers, text }.
export async function callOnce(site, token, { name = 'echo', args = { text: 'hello' }, version } = {}) {
  const response = await fetch(site.mcpUrl, { method: 'POST', ...callOf(token, name, args, version) });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

export function writeWrkScript(file, token, { name = 'echo', args = { text: 'hello' }, version } = {}) {
  const { body, headers } = callOf(token, name, args, version);
  fs.writeFileSync(file, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body)}\n`
    + Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`).join(''));
}

// What is measured gets a processor before all else on the machine, such as the processes of the bench itself: in use they are other machines.
const PRIORITY = ['--rr'];
export const givePriority = (pids) => pids.forEach((pid) => execFileSync('chrt', [...PRIORITY, '--all-tasks', '--pid', '1', String(pid)]));

// `first`: with priority, as givePriority gives it.
export async function measureCalls(script, port, { connections = 16, seconds = 3, first = false } = {}) {
  const [command, ...args] = [...(first ? ['chrt', ...PRIORITY, '1'] : []), 'wrk'];
  const { stdout } = await promisify(execFile)(command,
    [...args, '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script, `http://127.0.0.1:${port}/mcp`]);
  assert.doesNotMatch(stdout, /Non-2xx|Socket errors/, stdout);
  const field = (pattern) => {
    const match = pattern.exec(stdout);
    assert.ok(match, `wrk did not say what was expected: ${stdout}`);
    return match[1];
  };
  return { count: Number(field(/(\d+) requests in/)), perSecond: Number(field(/Requests\/sec:\s+([\d.]+)/)), p50: field(/^\s+50%\s+(\S+)$/m), p99: field(/^\s+99%\s+(\S+)$/m) };
}

// User and system time of a process, and of the children that it has waited for, in ms (proc(5), fields 14 to 17).
function statMs(pid) {
  const [user, system, ofChildren, systemOfChildren] = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 15).map(Number);
  return { own: ((user + system) * 1000) / TICKS, children: ((ofChildren + systemOfChildren) * 1000) / TICKS };
}
export const childrenMs = (pid) => statMs(pid).children;

// That of master, workers and runner, with the programs that they have waited for.
export function cpuMs(daemon) {
  const runner = runnerOf(daemon);
  const others = [...workersOf(daemon), ...(runner ? [runner, ...supervisorsOf(daemon)] : [])].map(statMs);
  return statMs(daemon.pid).own + others.reduce((sum, { own, children }) => sum + own + children, 0);
}

// KiB of memory that a process shares with no other.
export function privateKib(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
