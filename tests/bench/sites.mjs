// make bench-sites: what many sites cost, and what noisy ones cost a quiet one.
//   1. 1,000 sites, and a few: memory before and after 50 of them are called, CPU time of the start and of a reload, with one changed site too.
//   2. Instructions of a call (callgrind: counted, so a busy machine does not matter), with fewer sites, since Valgrind starts slowly.
//   3. Two sites at their limits (calls, logins, slow documents, slow tools, a full store) beside a quiet one, turn by turn with the two at rest.
//   make bench-sites          SITES=1000 USED=50 ROUNDS=5 PARTS='memory instructions noise'

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Browser } from '../parts/browser.mjs';
import { childrenOf, workersOf, writeConfig } from '../parts/daemon.mjs';
import { makeFullDisk } from '../parts/full-disk.mjs';
import { callOnce, givePriority, measureCalls, median, writeWrkScript } from '../parts/load-calls.mjs';
import { META, MODERN } from '../parts/mcp.mjs';
import { authorizeUrl, pkce, tokens } from '../parts/oauth.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';
import { reload, startSites } from '../parts/sites.mjs';
import { toolFolder } from '../parts/tasks.mjs';
import { freePort, until } from '../parts/util.mjs';
import { callgrind } from './callgrind.mjs';
import { daemonCpu } from './fair.mjs';
import { exitStatus, figure } from './figures.mjs';

const SITES = Number(process.env.SITES ?? 1000);
const USED = Number(process.env.USED ?? 50);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const FEW = 2; // sites beside that of mcp-authd.conf: a daemon with that one alone opens it at the start
const COUNTED_FEW = 40; // Valgrind starts all of them slowly
const WARM_UP = 20, COUNTED_CALLS = 200;
const QUIET_SECONDS = 2, QUIET_LOGINS = 3; // of a round
const GOALS = { siteKB: 10, reloadMs: 100, instructions: 1.03, p99: 1.5 };

function report(what, text, met = true, goal = '') {
  figure('Many sites', what, text, { goal: String(goal), met });
}

const processesOf = (daemon) => [daemon.pid, ...childrenOf(daemon).map(({ pid }) => pid)];
const pss = (pids) => pids.reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]), 0);
const dir = fs.mkdtempSync('/tmp/mcp-bench-sites-');
const noTools = path.join(dir, 'tools.d');
fs.mkdirSync(noTools);

// mcp-authd.conf's own site, and so many others: those that are used at paths of its host name, the rest with a host name each.
const issuerOf = (site, i) => `http://127.0.0.1:${site.port}/s${i}`;
const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const keysOf = (site, i) => (i < FEW + USED ? { MCP_SERVER_URI: `${issuerOf(site, i)}/mcp`, AUTH_PROXY_URI: issuerOf(site, i) }
  : { MCP_SERVER_URI: `https://s${i}.example/mcp` });
async function withSites(count, options = {}) {
  const port = await freePort();
  return startSite({ port, logFile: 'daemon.log', ...options,
    sites: (site) => Object.fromEntries(numbers(count).map((i) => [`s${i}`, keysOf(site, i)])),
    cognito: { callback: [`http://127.0.0.1:${port}`, ...numbers(FEW + USED).map((i) => issuerOf({ port }, i))].map((issuer) => `${issuer}/callback`) },
    config: { WORKERS_MIN: '2', WORKERS_MAX: '16', WORKER_MAX_REQUESTS: '1000000', TOOLS_DIR: noTools, RESOURCES_DIR: '', PROMPTS_DIR: '', ...options.config } });
}

// A login at each of the sites that are used, and calls with its token.
async function use(site) {
  for (let i = FEW; i < FEW + USED; i += 1) {
    const its = { ...site, issuer: issuerOf(site, i), mcpUrl: `${issuerOf(site, i)}/mcp` };
    const { access_token: token } = await tokens(its, { browser: new Browser() });
    for (let n = 0; n < 4; n += 1) assert.equal((await callOnce(its, token)).status, 200, its.mcpUrl);
  }
}

async function many(count) {
  const site = await withSites(count);
  const { daemon } = site;
  await until('the workers', () => workersOf(daemon).length === 2 && /event=ready/.test(daemon.log));
  const figures = { startMs: daemonCpu(daemon), master: pss([daemon.pid]), all: pss(processesOf(daemon)) };
  const spent = async (change) => {
    await change();
    const before = daemonCpu(daemon);
    await reload(daemon);
    return daemonCpu(daemon) - before;
  };
  figures.reloadMs = [];
  figures.reloadOneMs = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    figures.reloadMs.push(await spent(() => {}));
    figures.reloadOneMs.push(await spent(() => writeConfig(path.join(site.dir, 'sites.d/s1.conf'), { ...keysOf(site, 1), SERVER_TITLE: `round ${round}` })));
  }
  figures.unused = pss(workersOf(daemon));
  if (count >= FEW + USED) {
    for (let i = FEW; i < FEW + USED; i += 1)
      for (let n = 0; n < 2; n += 1)
        assert.equal((await rawRequest({ port: site.port, method: 'POST', path: `/s${i}/mcp`, body: '{}' })).status, 401, `s${i}`);
    figures.used = pss(workersOf(daemon));
    await use(site);
    figures.loggedIn = pss(workersOf(daemon));
  }
  await site.close();
  return figures;
}

async function memoryAndReload() {
  const [few, all] = [await many(FEW), await many(SITES)];
  const kb = (all.all - few.all) / (SITES - FEW);
  report(`memory of a site that nobody calls (all processes, PSS)`, `${kb.toFixed(2)} KB`, kb < GOALS.siteKB, GOALS.siteKB);
  report(`the master: ${FEW + 1} sites, ${SITES + 1} sites`, `${(few.master / 1024).toFixed(1)} MiB, ${(all.master / 1024).toFixed(1)} MiB`);
  report(`two workers: ${FEW + 1} sites; ${SITES + 1} sites, ${USED} of them used`,
    `${(few.unused / 1024).toFixed(1)} MiB; ${(all.unused / 1024).toFixed(1)} MiB, ${(all.used / 1024).toFixed(1)} MiB`);
  report(`the same after a login and calls at each of the ${USED}`, `${(all.loggedIn / 1024).toFixed(1)} MiB`);
  report(`CPU time of the start: ${FEW + 1} sites, ${SITES + 1} sites`, `${few.startMs.toFixed(0)} ms, ${all.startMs.toFixed(0)} ms`);
  const reloadMs = median(all.reloadOneMs);
  report(`of a reload without a change: ${FEW + 1} sites, ${SITES + 1} sites`, `${median(few.reloadMs).toFixed(0)} ms, ${median(all.reloadMs).toFixed(0)} ms`);
  report(`of a reload with one changed site of ${SITES}`, `${reloadMs.toFixed(0)} ms`, reloadMs < GOALS.reloadMs, GOALS.reloadMs);
}

async function instructions(count) {
  const counted = callgrind(path.join(dir, `callgrind.${count}`), 'app_handle');
  const site = await withSites(count, { under: counted.under, logFile: 'daemon.log', config: { WORKERS_MIN: '1', WORKERS_MAX: '1' },
    mustFail: ['event=worker_start_failed', 'signal=SIGKILL'] });
  let pid;
  try {
    const token = await site.cognito.accessToken({ aud: site.mcpUrl });
    for (let i = 0; i < WARM_UP + COUNTED_CALLS; i += 1) assert.equal((await callOnce(site, token)).status, 200);
    [pid] = workersOf(site.daemon);
  } finally {
    await site.close();
  }
  return counted.median(pid, WARM_UP + 1, COUNTED_CALLS - 1).total;
}

async function instructionsOfSites() {
  const [one, few, all] = [await instructions(0), await instructions(COUNTED_FEW), await instructions(SITES)];
  for (const [sites, count] of [[COUNTED_FEW, few], [SITES, all]])
    report(`instructions of a call with ${sites} other sites, of those with one site`, `${one} → ${count}: ${(count / one).toFixed(3)}`,
      count / one <= GOALS.instructions, GOALS.instructions);
}

// ---- two noisy sites

const tools = toolFolder('mcp-bench-sites-');
tools.tool('sleep', 'exec sleep 60', { task: undefined, timeout_ms: 60000 });

// Until it is stopped: documents that come after two seconds, tools up to the limit, logins up to the rate limit and such as the full store refuses,
// and calls one after the other.
function noise({ main }, site, user) {
  const end = new AbortController();
  const repeat = async (request) => { while (!end.signal.aborted) await request().catch(() => {}); };
  const slow = (i) => main.documents.setClient(`/slow-${site.name}-${i}.json`, { redirect_uris: ['http://127.0.0.1/callback'] }, { delayMs: 2000 });
  const read = async (answer) => (await answer).text();
  const call = (name) => read(fetch(site.mcpUrl, { method: 'POST', signal: end.signal, headers: { authorization: `Bearer ${user}`,
    'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call',
    'mcp-name': name }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta: META } }) }));
  const pause = (ms = 50) => new Promise((resolve) => { setTimeout(resolve, ms); });
  let documents = 0, refusedByStore = 0;
  const loops = [
    ...Array.from({ length: 8 }, () => repeat(async () => {
      documents += 1;
      await read(fetch(authorizeUrl(site, { client_id: slow(documents), code_challenge: pkce().challenge }), { signal: end.signal, redirect: 'manual' }));
      await pause();
    })),
    ...Array.from({ length: 6 }, () => repeat(async () => { await call('sleep'); await pause(); })),
    repeat(async () => { await read(fetch(authorizeUrl(site, { code_challenge: pkce().challenge }), { signal: end.signal })); await pause(); }),
    repeat(async () => { await call('whoami'); await pause(); }),
    repeat(async () => {
      const browser = new Browser();
      const { status } = await browser.submit(await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge })), { decision: 'approve' });
      refusedByStore += status === 503;
      await pause(500);
    }),
  ];
  return { isRefused: () => refusedByStore > 0, stop: async () => { end.abort(); await Promise.all(loops); } };
}

const milliseconds = (text) => parseFloat(text) * { us: 0.001, ms: 1, s: 1000 }[/[a-z]+$/.exec(text)[0]];

// Calls one after the other, by wrk, and then logins by this process.
async function quietOnes(site, script) {
  const { p50, p99 } = await measureCalls(script, site.port, { connections: 1, seconds: QUIET_SECONDS, first: true });
  let lost = 0;
  for (let i = 0; i < QUIET_LOGINS; i += 1) await tokens(site, { browser: new Browser() }).catch(() => { lost += 1; });
  return { p50: milliseconds(p50), p99: milliseconds(p99), lost };
}

async function noisyNeighbours() {
  const disk = makeFullDisk();
  const sites = await startSites({ env: disk.env, logFile: 'daemon.log',
    config: { TOOLS_DIR: tools.dir, WORKERS_MIN: '8', WORKERS_MAX: '16', CALLS_MAX: '12', CALLS_PER_USER: '12' } });
  const { main, a, b } = sites, loud = [a, b];
  const tokenOf = (site) => site.cognito.accessToken({ aud: site.mcpUrl });
  const [quiet, ...users] = [await tokenOf(main), await tokenOf(a), await tokenOf(b)];
  const rowOf = (name) => JSON.parse(fs.readFileSync(`${main.keys.STATE_DIR}/status.json.sites`, 'utf8')).sites.find((each) => each.site === name);
  const refusedOf = (name) => rowOf(name)?.refused ?? 0, runningOf = (name) => rowOf(name)?.calls ?? 0;
  const script = path.join(dir, 'quiet.lua');
  writeWrkScript(script, quiet, { name: 'whoami', args: {} });
  // Without it, what this process does as the noisy clients, Cognito and the documents' host is measured too.
  givePriority([...processesOf(main.daemon), main.web.pid]);
  const idle = [], noisy = [];
  await quietOnes(main, script);
  for (let round = 0; round < ROUNDS; round += 1) {
    idle.push(await quietOnes(main, script));
    const before = Object.fromEntries(loud.map(({ name }) => [name, refusedOf(name)]));
    disk.fill('/sites/');
    const noises = loud.map((site, i) => noise(sites, site, users[i]));
    await until('both at their limits', () => loud.every(({ name }) => refusedOf(name) > before[name] && runningOf(name) >= 4)
      && noises.every((each) => each.isRefused()));
    noisy.push(await quietOnes(main, script));
    for (const each of noises) await each.stop();
    disk.empty();
  }
  await sites.close();
  disk.remove();
  const ratio = (part) => median(noisy.map((each) => each[part])) / median(idle.map((each) => each[part]));
  report('a quiet site beside two at their limits: p99 of its calls', `${ratio('p99').toFixed(2)} times that at rest`, ratio('p99') <= GOALS.p99, GOALS.p99);
  report('the same, p50', `${ratio('p50').toFixed(2)} times`);
  const lost = noisy.reduce((sum, each) => sum + each.lost, 0);
  report('its lost logins', `${lost} of ${ROUNDS * QUIET_LOGINS}`, !lost, 0);
}

const parts = { memory: memoryAndReload, instructions: instructionsOfSites, noise: noisyNeighbours };
try {
  for (const part of (process.env.PARTS ?? Object.keys(parts).join(' ')).split(' ')) await parts[part]();
} finally {
  fs.rmSync(dir, { recursive: true, force: true });
  tools.remove();
}
process.exit(exitStatus());
