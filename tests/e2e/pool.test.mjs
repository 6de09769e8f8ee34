// The worker pool through the web server, under load. (tests/pool tests the pool alone.)

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { logged, workersOf } from '../parts/daemon.mjs';
import { CALLERS, startLoad } from '../parts/load.mjs';
import { callTool } from '../parts/mcp.mjs';
import { startSite, WEB_SERVER } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

let site;
let token;

before(async () => {
  // What the daemon inherits allows core files.
  const [, hard] = fs.readFileSync('/proc/self/limits', 'utf8').match(/^Max core file size +\S+ +(\S+)/m);
  execFileSync('prlimit', ['--pid', String(process.pid), `--core=${hard}:${hard}`]);
  site = await startSite({ config: { WORKERS_MIN: '4', WORKERS_MAX: '4' }, mustFail: ['signal=SIGKILL'] });
  token = await site.cognito.accessToken();
  await callTool(site, token, 'whoami');
});
after(() => site.close());

test('no process of the daemon writes its memory to a file when it crashes', async () => {
  for (const pid of [site.daemon.pid, ...workersOf(site.daemon)]) {
    assert.match(fs.readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 /m);
  }
});

test('kill -9 of a worker under load costs at most the request that it served, and it comes back', async () => {
  let killed = 0;
  const statuses = await startLoad(site, token, async ({ answered }) => {
    for (; killed < 3; killed++) {
      const [victim] = workersOf(site.daemon);
      const seen = answered();
      process.kill(victim, 'SIGKILL');
      await until('the worker is replaced', () => {
        const now = workersOf(site.daemon);
        return now.length === 4 && !now.includes(victim);
      });
      await until('calls go on', () => answered() > seen + CALLERS * 2);
    }
  });
  const failed = [...statuses].filter(([status]) => status !== 200).reduce((sum, [, count]) => sum + count, 0);
  assert.ok(failed <= killed, `${failed} of ${JSON.stringify([...statuses])} failed, ${killed} workers were killed`);
});

test('HUP with a broken configuration keeps the old one, and the log says why', async () => {
  const file = site.daemon.configFile;
  const good = fs.readFileSync(file, 'utf8');
  const workers = workersOf(site.daemon);
  fs.writeFileSync(file, `${good}WORKERS_MIN=lots\nNO_SUCH_KEY=1\n`);
  const statuses = await startLoad(site, token, async ({ answered }) => {
    const seen = answered();
    site.daemon.signal('SIGHUP');
    await until('the reload is refused', () => /event=reload_failed/.test(site.daemon.log));
    await until('calls go on', () => answered() > seen + CALLERS * 2);
  });
  const shown = await until('status counts it, whatever is wrong with the configuration', () => {
    const { status, stdout, stderr } = spawnSync(process.env.MCP_AUTHD, ['status', '-c', file], { encoding: 'utf8', env: { PATH: process.env.PATH } });
    assert.equal(status, 0, stderr);
    return /^reloads +0 done, 1 refused$/m.test(stdout) && stderr;
  });
  assert.match(shown, /NO_SUCH_KEY is not a key/);
  fs.writeFileSync(file, good);
  assert.deepEqual([...statuses.keys()], [200]);
  await logged(site.daemon, 0, /NO_SUCH_KEY is not a key/);
  assert.deepEqual(workersOf(site.daemon), workers, 'the same workers');
});

test('HUP with a good configuration loses no request', async () => {
  const old = workersOf(site.daemon);
  site.configure({ SUPPORTED_SCOPES: 'openid mcp-server/tools' });
  const statuses = await startLoad(site, token, async () => {
    site.daemon.signal('SIGHUP');
    await until('all workers are new', () => {
      const now = workersOf(site.daemon);
      return now.length === 4 && !now.some((pid) => old.includes(pid));
    });
  });
  assert.deepEqual([...statuses.keys()], [200]);
  const prm = await (await fetch(`${site.issuer}/.well-known/oauth-protected-resource`)).json();
  assert.deepEqual(prm.scopes_supported, ['openid', 'mcp-server/tools']);
});

// Last: it ends the daemon.
test('TERM under load answers every accepted request in full', async () => {
  const statuses = await startLoad(site, token, async ({ answered }) => {
    const seen = answered();
    site.daemon.signal('SIGTERM');
    const outcome = await site.daemon.ended;
    assert.deepEqual(outcome, { code: 0, signal: null });
    await until('the end is seen', () => answered() > seen + CALLERS);
  });
  // What came before is whole (load checks that); what comes after, the web server refuses itself.
  assert.ok(statuses.get(200) > 0);
  assert.deepEqual([...statuses.keys()].filter((status) => ![200, 'nginx caddy'.includes(WEB_SERVER) ? 502 : 503].includes(status)), []);
});
