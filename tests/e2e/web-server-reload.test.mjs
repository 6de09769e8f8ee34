// The web server reloads its configuration while a client has an open stream and others ask: all requests are answered.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { listen } from '../parts/listen.mjs';
import { paceMs } from '../parts/pace.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite, WEB_SERVER } from '../parts/site.mjs';
import { ROOT, until } from '../parts/util.mjs';

const SHIPPED = fs.readFileSync(path.join(ROOT, 'conf/lighttpd/50-mcp-authd.conf'), 'utf8');
const RELOAD = SHIPPED.split('\n').filter((line) => /^server\.(?:feature-flags|systemd-socket-activation)/.test(line));
const shutdown = (seconds) => `server.feature-flags += ( "server.graceful-shutdown-timeout" => ${seconds} )`;
const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
const hasNewChildren = (web) => {
  const before = childrenOf(web.pid);
  return () => childrenOf(web.pid).some((pid) => !before.includes(pid));
};

// What asks each for a reload, how it shows, and whether streams that are open outlive it.
const SERVERS = {
  lighttpd: { signal: 'SIGUSR1', shows: (web) => () => /graceful/i.test(web.log), streamsStay: false },
  apache: { signal: 'SIGUSR1', shows: hasNewChildren, streamsStay: true },
  nginx: { signal: 'SIGHUP', shows: hasNewChildren, streamsStay: true },
};
const server = SERVERS[WEB_SERVER];

// On a connection of its own: one that was kept ends with the process that has it. So does one that was just made and says nothing
// yet, which a client makes again.
const answers = ({ port }) => until('an answer', async () => {
  const answer = await rawRequest({ port, path: '/.well-known/oauth-authorization-server' }).catch(({ code }) => ({ code }));
  if (answer.code) assert.ok(['ECONNRESET', 'EPIPE'].includes(answer.code), answer.code);
  return answer.status === 200;
});

async function reloaded(seconds, body) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-reload-'));
  const site = await startSite({ config: { TOOLS_DIR: dir }, ...(WEB_SERVER === 'lighttpd' && { lighttpd: [shutdown(seconds), ...RELOAD].join('\n') }) });
  let asking = true;
  try {
    const token = await site.cognito.accessToken();
    const stream = await listen(site, token, { toolsListChanged: true });
    await stream.next('the beginning', (message) => message.method === 'notifications/subscriptions/acknowledged');
    let answered = 0;
    const load = Array.from({ length: 8 }, async () => { for (; asking; answered += 1) await answers(site); });
    await until('load', () => answered > 50);
    const shown = server.shows(site.web);
    const began = paceMs();
    process.kill(site.web.pid, server.signal);
    await until('the reload', shown);
    await answers(site);
    const took = paceMs() - began;
    const enough = answered + 50;
    await until('load after it', () => answered > enough);
    asking = false;
    await Promise.all(load);
    if (server.streamsStay) {
      fs.writeFileSync(path.join(dir, 'new.json'), JSON.stringify({ name: 'new', description: 'new', inputSchema: { type: 'object' }, run: { command: ['/bin/true'] } }));
      await stream.next('the change', (message) => message.method === 'notifications/tools/list_changed');
    }
    await body({ took });
    await stream.close();
    await answers(site);
  } finally {
    asking = false;
    await site.close();
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

// Debian's number for lighttpd is 5: the whole site is silent for so long without the shipped lines.
test('the web server is reloaded with an open stream and under load: the site goes on at once', { timeout: 60000, skip: !server }, () => reloaded(4, ({ took }) => {
  assert.ok(took < 3000, `the site was silent for ${took} ms`);
}));
