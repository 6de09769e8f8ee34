// make bench-instructions: what a worker does for an authenticated tools/call of `echo`, beside fixed.c: instructions in user space (callgrind),
// allocations (count_allocations.c), system calls (strace). Counted, so a busy machine does not matter. Then the instructions again with tokens
// that no worker has seen, with more tools and with more stored sessions, on which they must not depend, and the CPU time of the whole daemon for
// one changed manifest.
// Valgrind's processor has no SHA instructions, so what hashes looks dearer than it is.
//   make bench-instructions          CALLS=500 TOOLS='10 10000' SESSIONS='0 100000' ROUNDS=21 KEEP=FOLDER (callgrind's, for callgrind_annotate)

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { workersOf } from '../parts/daemon.mjs';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { callOnce, median } from '../parts/load-calls.mjs';
import { modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, ROOT, until } from '../parts/util.mjs';
import { callgrind, inclusive } from './callgrind.mjs';
import { cpuOf, daemonCpu, startFixed } from './fair.mjs';
import { exitStatus, figure } from './figures.mjs';

const TABLE = 'A call, counted';

const GROWTH_MAX = 1.02;
const CHANGE_MAX_MS = 5;
const UNSEEN = 30;
const UNSEEN_MAX = 1.15;
const WORKERS = 4; // of the daemon whose manifest changes
const WARM_UP = 50;
const calls = Number(process.env.CALLS ?? 500);
const rounds = Number(process.env.ROUNDS ?? 21);
const list = (name, otherwise) => (process.env[name] ?? otherwise).split(' ').map(Number);
const built = (name) => path.join(process.env.BUILD ?? path.join(ROOT, 'build'), 'bench', name);
const dir = process.env.KEEP ?? fs.mkdtempSync('/tmp/mcp-bench-');
fs.mkdirSync(dir, { recursive: true });

// One worker of mcp-authd or of fixed.c, run by `under` (a command and its arguments). `use(call, pid)` gets a function that makes so many calls,
// and one that gives the worker's process id. Gives what `use` gave; the worker has ended then. (Valgrind cannot run the runner, which execs
// itself; nothing here needs it. With many tools and on a busy machine the first worker may be too slow to start.)
async function withOurs({ under, env, config }, use) {
  const site = await startSite({ under, env, logFile: 'daemon.log', mustFail: ['event=worker_start_failed', 'signal=SIGKILL'],
    config: { WORKERS_MIN: '1', WORKERS_MAX: '1', WORKER_MAX_REQUESTS: '1000000', ...config } });
  try {
    const token = await site.cognito.accessToken();
    return await use((count) => callMany(site, token, count), () => workersOf(site.daemon)[0], site);
  } finally {
    await site.close();
  }
}

let sample; // what mcp-authd answers and logs
async function withFixed({ under, env }, use) {
  const folder = fs.mkdtempSync('/tmp/mcp-bench-');
  const fixed = await startFixed({ dir: path.join(folder, 'fixed'), processes: 1, under, env, ...sample });
  const port = await freePort();
  const web = await startLighttpd({ dir: folder, port, socket: fixed.socket });
  try {
    return await use((count) => callMany({ mcpUrl: `http://127.0.0.1:${port}/mcp` }, sample.token, count), () => fixed.pids[0]);
  } finally {
    await web.stop();
    await fixed.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function callMany(site, token, count) {
  let answer;
  for (let i = 0; i < count; i += 1) {
    answer = await callOnce(site, token);
    assert.equal(answer.status, 200, answer.text);
  }
  return { answer, token };
}

// What the median call with a token that no worker has seen costs more than one with a known token, of what GnuTLS alone needs to verify its signature.
async function unseenToken(known) {
  const counted = callgrind(path.join(dir, 'callgrind.unseen'), ONCE_A_CALL.get(withOurs));
  const pid = await withOurs({ under: counted.under }, async (call, pidNow, site) => {
    await call(WARM_UP);
    for (let i = 0; i < UNSEEN; i += 1) assert.equal((await callOnce(site, await site.cognito.accessToken({ jti: `unseen-${i}` }))).status, 200);
    return pidNow();
  });
  const { file, total } = counted.median(pid, WARM_UP + 1, UNSEEN - 1);
  const verify = inclusive(file, 'gnutls_pubkey_verify_data2');
  const times = (total - known) / verify;
  figure(TABLE, "an unseen token, times GnuTLS's verification", `${times.toFixed(3)} (${total - known} of ${verify} instructions)`,
    { goal: `at most ${UNSEEN_MAX}`, met: times <= UNSEEN_MAX });
}

// Of the median call. What a worker does now and then between calls is thus in few of them.
const ONCE_A_CALL = new Map([[withOurs, 'app_handle'], [withFixed, 'FCGX_Accept_r']]);
async function instructions(withProgram, name, config) {
  const counted = callgrind(path.join(dir, `callgrind.${name}`), ONCE_A_CALL.get(withProgram));
  const pid = await withProgram({ under: counted.under, config }, async (call, pidNow) => {
    await call(WARM_UP + calls);
    return pidNow();
  });
  return counted.median(pid, WARM_UP + 1, calls - 1).total;
}

async function allocations(withProgram) {
  const file = path.join(dir, 'allocations');
  fs.writeFileSync(file, Buffer.alloc(8));
  const read = () => Number(fs.readFileSync(file).readBigUInt64LE());
  return withProgram({ env: { LD_PRELOAD: built('count_allocations.so'), ALLOCATIONS: file } }, async (call) => {
    await call(WARM_UP);
    const before = read();
    assert.ok(before > 0, 'nothing was counted');
    await call(calls);
    return (read() - before) / calls;
  });
}

// The system calls from one accepted connection to the next, of the call that had the median number of them.
async function systemCalls(withProgram) {
  const out = path.join(dir, 'strace');
  const pid = await withProgram({ under: ['strace', '-D', '-ff', '-qq', '-o', out] }, async (call, pidNow) => {
    await call(WARM_UP);
    return pidNow();
  });
  const each = fs.readFileSync(`${out}.${pid}`, 'utf8').split(/^(?=accept4?\(.*= \d+$)/m).slice(5, -1)
    .map((text) => text.split('\n').map((line) => /^(\w+)\(/.exec(line)?.[1]).filter(Boolean));
  for (const file of fs.readdirSync(dir)) if (file.startsWith('strace.')) fs.rmSync(path.join(dir, file));
  return each.toSorted((a, b) => a.length - b.length)[Math.floor(each.length / 2)];
}

function writeManifest(folder, i, name) {
  fs.writeFileSync(path.join(folder, `new-${i}`), JSON.stringify({ name, description: `Tool ${i}`,
    inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }, run: { command: ['/bin/true'] } }));
  fs.renameSync(path.join(folder, `new-${i}`), path.join(folder, `tool-${i}.json`));
}

function manifests(count) {
  const folder = fs.mkdtempSync(path.join(dir, 'tools-'));
  for (let i = 0; i < count; i += 1) writeManifest(folder, i, `tool-${i}`);
  return folder;
}

function stateWith(sessions) {
  const folder = fs.mkdtempSync(path.join(dir, 'state-'));
  if (sessions > 0) execFileSync(built('fill_sessions'), [folder, String(sessions)], { stdio: 'inherit' });
  return folder;
}

// What all processes of the daemon need for one changed manifest: the tool gets another name, and calls of that name go on until each worker has
// answered and so has read it; less the same number of calls with nothing changed. (Without `text` no call starts a program.)
async function changedManifest(count) {
  const folder = manifests(count);
  return withOurs({ config: { TOOLS_DIR: folder, WORKERS_MIN: String(WORKERS), WORKERS_MAX: String(WORKERS) } }, async (call, pidNow, site) => {
    const { token } = await call(WARM_UP);
    const workers = await until('the workers', () => workersOf(site.daemon).length === WORKERS && workersOf(site.daemon));
    const ask = (name) => modern(site, token, 'tools/call', { name, arguments: {} });
    const isKnown = ({ body }) => body?.result?.isError === true;
    const knows = async (name) => isKnown(await ask(name));
    const burst = (name) => Promise.all(Array.from({ length: 4 * WORKERS }, () => ask(name)));
    const spent = [];
    for (let round = 0; round < rounds; round += 1) {
      const name = `changed-${round}`;
      assert.ok(!await knows(name));
      const before = daemonCpu(site.daemon);
      writeManifest(folder, Math.floor(count / 2), name);
      await until('the change', () => knows(name), { everyMs: 1 });
      const of = workers.map((pid) => cpuOf([pid]));
      let bursts = 0;
      do {
        for (const answer of await burst(name)) assert.ok(isKnown(answer), `a worker that does not know ${name}: ${answer.status} ${answer.text}`);
        bursts += 1;
      } while (bursts < WORKERS || workers.some((pid, i) => cpuOf([pid]) === of[i]));
      const changed = daemonCpu(site.daemon);
      await knows(name);
      for (let i = 0; i < bursts; i += 1) await burst(name);
      spent.push(changed - before - (daemonCpu(site.daemon) - changed));
    }
    assert.deepEqual(workersOf(site.daemon), workers);
    figure(TABLE, `a changed manifest of ${count}, CPU time of all processes with ${WORKERS} workers`,
      `${median(spent).toFixed(2)} ms (${Math.min(...spent).toFixed(2)} to ${Math.max(...spent).toFixed(2)})`,
      { goal: `${CHANGE_MAX_MS} ms`, met: median(spent) <= CHANGE_MAX_MS });
  });
}

async function growth(what, sizes, configOf) {
  const each = [];
  for (const size of sizes) each.push(await instructions(withOurs, `${what}-${size}`, configOf(size)));
  const most = Math.max(...each) / Math.min(...each);
  figure(TABLE, `instructions, ${sizes.join(' to ')} ${what}`, `${most.toFixed(4)} times (${each.map((count) => count.toFixed(0)).join(', ')})`,
    { goal: `at most ${GROWTH_MAX} times`, met: most <= GROWTH_MAX });
}

try {
  await withOurs({}, async (call, pidNow, site) => {
    await call(1);
    sample = { ...await call(1), line: site.daemon.log.trim().split('\n').at(-1) };
  });
  const rows = [];
  for (const [name, withProgram] of [['mcp-authd', withOurs], ['fixed', withFixed]]) {
    rows.push({ name, instructions: await instructions(withProgram, name), allocations: await allocations(withProgram), system: await systemCalls(withProgram) });
  }
  const [ours, fixed] = rows;
  figure(TABLE, "instructions (the fixed answer's)", `${ours.instructions} (${fixed.instructions})`);
  figure(TABLE, "memory allocations (the fixed answer's)", `${ours.allocations.toFixed(2)} (${fixed.allocations.toFixed(2)})`, { goal: '0', met: ours.allocations === 0 });
  figure(TABLE, "system calls (the fixed answer's)", `${ours.system.length} (${fixed.system.length}): ${ours.system.join(' ')}`);
  await unseenToken(ours.instructions);
  await growth('tools', list('TOOLS', '10 10000'), (size) => ({ TOOLS_DIR: manifests(size) }));
  await growth('sessions', list('SESSIONS', '0 100000'), (size) => ({ STATE_DIR: stateWith(size) }));
  await changedManifest(Math.max(...list('TOOLS', '10 10000')));
} finally {
  if (!process.env.KEEP) fs.rmSync(dir, { recursive: true, force: true });
}
process.exit(exitStatus());
