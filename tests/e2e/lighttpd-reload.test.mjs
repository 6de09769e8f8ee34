// lighttpd reloads its configuration while a client has an open stream: requests are served meanwhile.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { listen } from '../parts/listen.mjs';
import { paceMs } from '../parts/pace.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT, until } from '../parts/util.mjs';

const skip = process.env.WEB_SERVER === 'apache';
const SHIPPED = fs.readFileSync(path.join(ROOT, 'conf/lighttpd/50-mcp-authd.conf'), 'utf8');
const RELOAD = SHIPPED.split('\n').filter((line) => /^server\.(?:feature-flags|systemd-socket-activation)/.test(line));
const shutdown = (seconds) => `server.feature-flags += ( "server.graceful-shutdown-timeout" => ${seconds} )`;

// On a connection of its own: one that was kept ends with the process that has it. So does one that was just made and says nothing
// yet, which a client makes again.
const answers = ({ port }) => until('an answer', async () => {
  const answer = await rawRequest({ port, path: '/.well-known/oauth-authorization-server' }).catch(({ code }) => ({ code }));
  if (answer.code) assert.equal(answer.code, 'ECONNRESET');
  return answer.status === 200;
});

async function reloaded(seconds, body) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-reload-'));
  const site = await startSite({ config: { TOOLS_DIR: dir }, lighttpd: [shutdown(seconds), ...RELOAD].join('\n') });
  try {
    const token = await site.cognito.accessToken();
    const stream = await listen(site, token, { toolsListChanged: true });
    await stream.next('the beginning', (message) => message.method === 'notifications/subscriptions/acknowledged');
    const began = paceMs();
    process.kill(site.web.pid, 'SIGUSR1');
    await until('the reload', () => /graceful/i.test(site.web.log));
    await answers(site);
    await body({ took: paceMs() - began });
    await stream.close();
    await answers(site);
  } finally {
    await site.close();
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

// Debian's number is 5: the whole site is silent for so long without the shipped lines.
test('lighttpd is reloaded with an open stream: the site goes on at once', { timeout: 60000, skip }, () => reloaded(4, ({ took }) => {
  assert.ok(took < 3000, `the site was silent for ${took} ms`);
}));
