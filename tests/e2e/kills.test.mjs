// kill -9 of each kind of process while it is busy: only what that process had is lost, with an error that the client can read, the rest goes on,
// and no program survives.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { BINARY, runnerOf, streamHolderOf, workersOf } from '../parts/daemon.mjs';
import { CALLERS, startLoad } from '../parts/load.mjs';
import { modern } from '../parts/mcp.mjs';
import { paceMs } from '../parts/pace.mjs';
import * as parked from '../parts/parked.mjs';
import { start } from '../parts/process.mjs';
import { startSite } from '../parts/site.mjs';
import { isRunning, toolFolder, yes } from '../parts/tasks.mjs';
import { sleep, until } from '../parts/util.mjs';

const HELD = 4;
// A second, and what a busy machine needs beside the load.
const BACK_MS = 3000;

let site;
let tools;
let alice;
let bob;
before(async () => {
  tools = toolFolder('mcp-kills-');
  // With one that has left its session.
  tools.tool('hold', `setsid sh -c 'echo $$ >>${tools.dir}/others; exec sleep 600' & echo $$ >>${tools.dir}/running
while [ ! -e ${tools.dir}/go ]; do sleep 0.05; done; echo done`, { task: undefined, timeout_ms: 60000 });
  tools.tool('quick', 'echo quick', { task: undefined });
  tools.asker('ask', ['a']);
  site = await startSite({ activated: true, mustFail: ['signal=SIGKILL'],
    config: { TOOLS_DIR: tools.dir, WORKERS_MIN: '3', WORKERS_MAX: '3', CALLS_MAX: '8', CALLS_PER_USER: String(HELD) } });
  alice = await site.cognito.accessToken({ sub: 'alice', username: 'alice' });
  bob = await site.cognito.accessToken({ sub: 'bob', username: 'bob' });
});
after(async () => {
  await site?.close();
  tools.remove();
});
beforeEach(() => {
  for (const name of ['running', 'others', 'go']) fs.rmSync(tools.file(name), { force: true });
});

const pidsOf = (file) => (fs.existsSync(tools.file(file)) ? fs.readFileSync(tools.file(file), 'utf8').trim().split('\n').map(Number) : []);
const programs = () => pidsOf('running');
const hold = () => modern(site, alice, 'tools/call', { name: 'hold', arguments: {} });
const status = () => JSON.parse(execFileSync(BINARY, ['-c', site.daemon.configFile, 'status', '--json'], { encoding: 'utf8' }));

// The worker of a call has the other end of its program's output. Only root sees that.
function linkOf(file) {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined;       // closed meanwhile
  }
}
function linksOf(pid) {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];              // it has ended meanwhile
  }
}
// The running programs whose output each worker has.
const workers = () => workersOf(site.daemon).map((pid) => ({ pid, links: linksOf(pid) })).filter(({ links }) => links.length > 0)
  .map(({ pid, links }) => ({ pid, serves: programs().filter((program) => links.includes(linkOf(`/proc/${program}/fd/1`))) }));
const supervisorOf = (program) => Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${program}/status`, 'utf8'))[1]);

// What may be lost: requests of the load at most, calls whose programs run, and calls that wait for a person, which are the stream holder's.
// `isTold`: by the daemon itself.
const VICTIMS = {
  'a front worker': { requests: 1, forRoot: true, find: () => workers().find(({ serves }) => serves.length === 0).pid },
  'a call worker': { held: 1, forRoot: true, find: () => workers().find(({ serves }) => serves.includes(programs()[0])).pid },
  'a supervisor': { held: 1, isTold: true, find: () => supervisorOf(programs()[0]) },
  'the runner': { held: HELD, isTold: true, find: () => runnerOf(site.daemon) },
  'the stream holder': { parked: 1, find: () => streamHolderOf(site.daemon) },
  'the master': { parked: 1, find: () => site.daemon.pid },
};

const runsPrograms = () => modern(site, bob, 'tools/call', { name: 'quick', arguments: {} })
  .then(({ body }) => body?.result?.content[0].text === 'quick\n', () => false);

async function assertHeld(calls, { held = 0, isTold = false }) {
  const answers = await Promise.all(calls);
  const lost = answers.filter(({ body }) => body?.result?.content[0].text !== 'done\n');
  assert.equal(lost.length, held, JSON.stringify(answers.map(({ text }) => text)));
  for (const { status: code, body, text } of lost) {
    if (isTold) assert.match(body.result.content[0].text, /was stopped, since the process that looks after it has ended/);
    else assert.ok(code >= 500, `${code} ${text}`);
  }
}

async function assertParked(call, isLost) {
  if (isLost) {
    const [question, { id, error }, ...more] = await call.end;
    assert.deepEqual([question.method, id, error.code, more], ['elicitation/create', call.id, -32603, []]);
    assert.match(error.message, /^The call was lost while it waited for an answer/);
  } else {
    await parked.answer(site, bob, call);
    assert.deepEqual((await call.end).at(-1).result?.structuredContent.inputResponses, { a: yes });
  }
}

for (const [name, victim] of Object.entries(VICTIMS)) {
  test(`kill -9 of ${name}`, async (t) => {
    if (victim.forRoot && process.geteuid() !== 0) return t.skip('only root sees whose pipes these are');
    const asks = await parked.open(site, bob, await parked.newSession(site, bob));
    await until('it waits for its answer', () => status().parked_calls === 1);
    const calls = Array.from({ length: HELD }, hold);
    await until('the programs', () => programs().length === HELD && pidsOf('others').length === HELD);
    const all = [...programs(), ...pidsOf('others')];
    const statuses = await startLoad(site, bob, async ({ answered }) => {
      const pid = victim.find();
      process.kill(pid, 'SIGKILL');
      const killed = paceMs();
      const seen = answered();
      await until('programs run', runsPrograms);
      await until('requests are answered', () => answered() > seen + CALLERS);
      const ms = paceMs() - killed;
      assert.ok(ms < BACK_MS, `it took ${ms} ms`);
    });
    const failed = [...statuses].filter(([code]) => code !== 200).reduce((sum, [, count]) => sum + count, 0);
    assert.ok(failed <= (victim.requests ?? 0), JSON.stringify([...statuses]));

    // What was lost is free again.
    const again = Array.from({ length: victim.held ?? 0 }, hold);
    await until('her programs to run', () => programs().length === HELD + again.length);
    fs.writeFileSync(tools.file('go'), '');
    await assertHeld(calls, victim);
    await assertHeld(again, {});
    await assertParked(asks, victim.parked);
    await until('no program', () => ![...all, ...programs(), ...pidsOf('others')].some(isRunning));
  });
}

// The kernel wakes one worker for a connection: here the one that has waited longest, which cannot take it any more. There are more workers than
// are kept, so nobody is started in its place.
async function killWoken() {
  const victim = Math.min(...workersOf(site.daemon));
  execFileSync('taskset', ['-cp', '0', String(victim)]);
  execFileSync('chrt', ['-i', '-p', '0', String(victim)]);      // it does not run before it is killed
  const connection = net.connect(site.keys.LISTEN);
  process.kill(victim, 'SIGKILL');
  connection.on('error', () => {}).resume().end('not FastCGI');   // which may be reset
  const ended = await Promise.race([new Promise((resolve) => { connection.once('close', () => resolve(true)); }), sleep(BACK_MS)]);
  connection.destroy();
  assert.ok(ended, 'nobody has accepted it');
  await until('its end', () => !fs.existsSync(`/proc/${victim}`));
}

test('kill -9 of a worker that has just been woken: another one takes the connection', async () => {
  const busy = start('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done']);
  try {
    const calls = Array.from({ length: HELD }, hold);
    await until('the workers', () => workersOf(site.daemon).length > HELD + 2);
    fs.writeFileSync(tools.file('go'), '');
    await assertHeld(calls, {});
    await until('all to wait', () => status().workers.idle > HELD + 2);
    for (let i = 0; i < HELD; i += 1) await killWoken();
  } finally {
    await busy.stop();
  }
});
