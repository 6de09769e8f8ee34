// Restart and reload of a daemon with an inherited socket under load: a launcher holds the socket as systemd does, so
// no request is refused, and no accepted one is cut.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { BINARY, workersOf } from '../parts/daemon.mjs';
import { CALLERS, startLoad } from '../parts/load.mjs';
import { callTool } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

let site;
let token;

before(async () => {
  site = await startSite({ activated: true, config: { WORKERS_MIN: '4', WORKERS_MAX: '4' } });
  token = await site.cognito.accessToken();
  await callTool(site, token, 'whoami');
});
after(() => site.close());

test('three restarts under load: every request is answered in full', async () => {
  const ended = () => site.daemon.log.match(/event=stopped status=0/g)?.length ?? 0;
  const statuses = await startLoad(site, token, async ({ answered }) => {
    for (let i = 1; i <= 3; i++) {
      const old = site.daemon.pid;
      site.daemon.restart();
      await until('the next daemon', () => ended() === i && site.daemon.pid !== old);
      const seen = answered();
      await until('calls go on', () => answered() > seen + CALLERS * 2);
    }
  });
  assert.deepEqual([...statuses.keys()], [200]);
});

test('restart, reload and restart in quick succession under load', async () => {
  const statuses = await startLoad(site, token, async ({ answered }) => {
    for (const step of ['restart', 'reload', 'restart']) {
      const old = workersOf(site.daemon);
      if (step === 'restart') site.daemon.restart();
      else site.daemon.signal('SIGHUP');
      await until(`${step}: all workers are new`, () => {
        const now = workersOf(site.daemon);
        return now.length === 4 && !now.some((pid) => old.includes(pid));
      });
    }
    const seen = answered();
    await until('calls go on', () => answered() > seen + CALLERS * 2);
  });
  assert.deepEqual([...statuses.keys()], [200]);
});

test('kill -9 of the master under load: what its workers have is answered, and so is what waits', async () => {
  const statuses = await startLoad(site, token, async ({ answered }) => {
    for (let i = 0; i < 3; i++) {
      const old = [site.daemon.pid, ...workersOf(site.daemon)];
      site.daemon.signal('SIGKILL');
      await until('another daemon', () => site.daemon.pid !== old[0] && workersOf(site.daemon).length === 4);
      await until('the end of the old processes', () => !old.some((pid) => fs.existsSync(`/proc/${pid}`)));
      const seen = answered();
      await until('calls go on', () => answered() > seen + CALLERS * 2);
    }
  });
  assert.deepEqual([...statuses.keys()], [200]);
});

const status = (...more) => execFileSync(BINARY, ['status', '-c', site.daemon.configFile, ...more], { encoding: 'utf8' });

// It is written every second, if there is news: one that stays for longer has all that was answered.
async function settledStatus() {
  let text, since;
  return until('a status that stays', () => {
    const now = status('--json');
    if (now !== text) [text, since] = [now, Date.now()];
    return Date.now() - since > 2500 && JSON.parse(now);
  });
}

test('mcp-authd status shows the daemon, for people and as JSON', async () => {
  const first = await until('idle workers', async () => {
    const now = await settledStatus();
    return now.workers.idle === 4 && now.requests > 0 && now.streams === 0 && now;
  });
  assert.equal(first.pid, site.daemon.pid);
  assert.equal(first.state, 'ready');
  assert.equal(first.errors, 0);
  await callTool(site, token, 'echo', { text: 'counted' });
  const second = await settledStatus();
  assert.equal(second.requests, first.requests + 1);
  const lookups = ({ hits, misses }) => hits + misses;
  assert.equal(lookups(second.token_cache), lookups(first.token_cache) + 1);
  // One that no worker knows, then again: the second call of the same worker is a hit.
  const other = await site.cognito.accessToken();
  for (let i = 0; i < 5; i++) await callTool(site, other, 'whoami');     // more than there are workers
  const third = await settledStatus();
  assert.equal(third.requests, second.requests + 5);
  assert.equal(lookups(third.token_cache), lookups(second.token_cache) + 5);
  assert.ok(third.token_cache.misses > second.token_cache.misses, 'unknown at first');
  assert.ok(third.token_cache.hits > second.token_cache.hits, 'and then known');
  assert.match(status(), /^mcp-authd \S+ is ready \(process \d+, started [\d :-]+\)\nworkers +4: 4 idle, 0 busy/);
  assert.match(status(), new RegExp(`^tokens +${lookups(third.token_cache)} looked up: ${third.token_cache.hits} known`, 'm'));
});

test('mcp-authd try-client says what a login would', async () => {
  // Not the Sync kind: the documents' host is in this process.
  const tryClient = async (url) => (await promisify(execFile)(BINARY, ['try-client', '-c', site.daemon.configFile, url])).stdout;
  assert.match(await tryClient(site.clientId), /may log users in[^]*Test client[^]*http:\/\/127\.0\.0\.1\/callback/);
  site.documents.set('/moved.json', { status: 302, headers: { location: site.clientId } });
  await assert.rejects(tryClient(site.documents.url('/moved.json')), (error) => error.code === 1 && /would be refused: .*status 302/.test(error.stdout));
  await assert.rejects(tryClient('nobody'), (error) => error.code === 1 && /would be refused/.test(error.stdout));
});

// Last: it ends the daemon.
test('mcp-authd status without a daemon ends with status 3', async () => {
  site.daemon.signal('SIGTERM');
  await site.daemon.ended;
  assert.throws(() => status(), (error) => error.status === 3);
});
