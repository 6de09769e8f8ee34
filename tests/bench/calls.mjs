// What calls that run long cost the others: 64 calls of a tool that sleeps, by one user, and 64 questions that nobody answers, with
// WORKERS_MAX=4; beside them another user's requests one after the other, turn by turn with a quiet host. Then what memory a call takes.
//
//   make bench-calls          CALLS=1000 calls and as many questions in the second part

import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Browser } from '../parts/browser.mjs';
import { supervisorsOf } from '../parts/daemon.mjs';
import { measureCalls, median, writeWrkScript } from '../parts/load-calls.mjs';
import { callTool, META } from '../parts/mcp.mjs';
import { refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { question, toolFolder } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';
import { exitStatus, figure } from './figures.mjs';

const LOADED = 64;
const CALLS = Number(process.env.CALLS ?? 1000);
const ROUNDS = 5;
const REQUESTS = { metadata: 200, whoami: 200, refresh: 60, login: 20 };
const P99_MAX = 1.5;                                                // times that of a quiet host
const RATE_MIN = 0.95;
const KIB_MAX = { 'a sleeping tool': 1024, 'an open question': 64 };
const TABLE = 'Calls that run long';
const LIMIT = String(Math.max(CALLS, 2 * LOADED));

const tools = toolFolder('mcp-bench-');
tools.tool('sleep', 'exec sleep 120', { task: undefined, timeout_ms: 120000 });
tools.tool('ask', `echo '${JSON.stringify({ inputRequired: { inputRequests: question('a') } })}'`, { task: undefined, output: 'json' });
const site = await startSite({ logFile: 'daemon.log', config: { WORKERS_MIN: '4', WORKERS_MAX: '4', CALLS_MAX: LIMIT, CALLS_PER_USER: LIMIT,
  RATE_LIMIT_USER: '0', RATE_LIMIT_ADDRESS: '0', RATE_LIMIT_CLIENT: '0', TOOLS_DIR: tools.dir } });
const alice = await site.cognito.accessToken({ sub: 'alice', username: 'alice' });
const bob = await site.cognito.accessToken({ sub: 'bob', username: 'bob' });
const script = path.join(site.dir, 'echo.lua');
writeWrkScript(script, bob);
const status = () => JSON.parse(fs.readFileSync(`${site.keys.STATE_DIR}/status.json`, 'utf8'));

const PARKED_EACH = 250; // a user may have 256 open questions
const askers = await Promise.all(Array.from({ length: Math.ceil(CALLS / PARKED_EACH) },
  (_, i) => site.cognito.accessToken({ sub: `asker-${i}`, username: `asker-${i}` })));

const send = (signal, headers, message, token = alice) => fetch(site.mcpUrl, { method: 'POST', signal, body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`, ...headers } });

function sleepingCall(signal) {
  return send(signal, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'sleep' },
    { method: 'tools/call', params: { name: 'sleep', arguments: {}, _meta: META } }).then((answer) => answer.text());
}

// Resolves when the question has come; nobody answers it.
async function openQuestion(signal, i) {
  const token = askers[Math.floor(i / PARKED_EACH)];
  const version = '2025-06-18';
  const started = await send(signal, {}, { method: 'initialize',
    params: { protocolVersion: version, capabilities: { elicitation: {} }, clientInfo: { name: 'bench', version: '1' } } }, token);
  await started.text();
  const answer = await send(signal, { 'mcp-protocol-version': version, 'mcp-session-id': started.headers.get('mcp-session-id') },
    { method: 'tools/call', params: { name: 'ask', arguments: {} } }, token);
  const reader = answer.body.getReader();
  for (let text = ''; !text.includes('elicitation/create');) {
    const { value, done } = await reader.read();
    assert.ok(!done, text);
    text += Buffer.from(value).toString();
  }
  reader.read().catch(() => {});
}

// Holds so many of each until `during` has ended.
async function hold(sleeping, questions, during) {
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  const calls = Array.from({ length: sleeping }, () => sleepingCall(end.signal).catch((error) => error));
  for (let i = 0; i < questions; i += 1) await openQuestion(end.signal, i);
  await until('the calls to run', () => status().workers.in_call >= sleeping && status().parked_calls === questions, { deadlineMs: 60000 });
  const result = await during();
  end.abort();
  for (const error of await Promise.all(calls)) assert.equal(error.name, 'AbortError', String(error));
  await until('the calls to end', () => status().workers.in_call + status().parked_calls === 0, { deadlineMs: 180000 });
  return result;
}

async function timeOf(ask, into) {
  const began = performance.now();
  await ask();
  into.push(performance.now() - began);
}

let refreshToken = (await tokens(site)).refresh_token;
const kinds = {
  metadata: async () => (await fetch(`${site.issuer}/.well-known/oauth-protected-resource`)).text(),
  whoami: () => callTool(site, bob, 'whoami'),
  refresh: async () => { refreshToken = (await refresh(site, refreshToken)).body.refresh_token ?? refreshToken; },
  login: () => tokens(site, { browser: new Browser() }),
};

async function measure(times) {
  for (const [kind, ask] of Object.entries(kinds)) for (let i = 0; i < REQUESTS[kind]; i += 1) await timeOf(ask, (times[kind] ??= []));
  (times.rate ??= []).push((await measureCalls(script, site.port, { connections: 4, seconds: 2 })).perSecond);
}

const percentile = (values, p) => values.toSorted((a, b) => a - b)[Math.floor(((values.length - 1) * p) / 100)];

// KiB that the daemon's processes take, each shared page counted once.
function memory() {
  const program = fs.realpathSync(process.env.MCP_AUTHD);
  let sum = 0;
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (fs.readlinkSync(`/proc/${pid}/exe`) !== program) continue;
      sum += Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
    } catch { /* it has ended */ }
  }
  return sum;
}

try {
  const quiet = {};
  const loaded = {};
  for (let round = 0; round <= ROUNDS; round += 1) {
    await measure(round ? quiet : {}); // the first round is a warm-up
    await hold(LOADED, LOADED, () => measure(round ? loaded : {}));
  }
  const beside = `beside ${LOADED} calls and ${LOADED} questions, times that of a quiet host`;
  for (const kind of Object.keys(kinds)) {
    const p99 = percentile(loaded[kind], 99) / percentile(quiet[kind], 99);
    figure(TABLE, `${kind}: p99 ${beside}`, p99.toFixed(2), { goal: `at most ${P99_MAX}`, met: p99 <= P99_MAX });
  }
  const rate = median(loaded.rate.map((value, i) => value / quiet.rate[i]));
  figure(TABLE, `calls of echo a second ${beside}`, rate.toFixed(2), { goal: `at least ${RATE_MIN}`, met: rate >= RATE_MIN });
  for (const [what, sleeping, questions] of [['a sleeping tool', CALLS, 0], ['an open question', 0, CALLS]]) {
    await until('workers and supervisors to leave', () => status().workers.alive <= 4 && supervisorsOf(site.daemon).length <= 1, { deadlineMs: 120000 });
    const before = memory();
    const during = await hold(sleeping, questions, async () => memory());
    const kib = (during - before) / CALLS;
    figure(TABLE, `${what}, ${CALLS} at the same time: memory of each`, `${kib.toFixed(0)} KiB`, { goal: `at most ${KIB_MAX[what]} KiB`, met: kib <= KIB_MAX[what] });
  }
} finally {
  await site.close();
  tools.remove();
}
process.exit(exitStatus());
