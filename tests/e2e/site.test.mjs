// The tests' own site: a crash of the daemon makes a test fail.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callTool } from '../parts/mcp.mjs';
import { workersOf } from '../parts/daemon.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

test('a worker that crashes is replaced, and the end of the test reports it', async () => {
  const site = await startSite();
  try {
    const token = await site.cognito.accessToken();
    await callTool(site, token, 'whoami');
    const crashed = await until('WORKERS_MIN of them', () => {
      const workers = workersOf(site.daemon);
      return workers.length === 2 && workers;
    });
    for (const pid of crashed) process.kill(pid, 'SIGABRT');
    await until('two new workers', () => workersOf(site.daemon).filter((pid) => !crashed.includes(pid)).length >= 2);
    assert.equal((await callTool(site, token, 'echo', { text: 'still here' })).content[0].text, 'still here');
  } finally {
    await assert.rejects(site.close(), /SIGABRT/);
  }
});
