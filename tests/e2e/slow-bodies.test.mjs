// Clients that send their request's body slowly, or not at all: the web server waits for them, and no worker.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { callTool } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite({ config: { WORKERS_MIN: '2', WORKERS_MAX: '2' } }); });
after(() => site?.close());

// A request whose head is there, and of whose body only `sent` bytes come.
async function begin(path, { length = 900000, sent = 700000 } = {}) {
  const socket = net.connect(site.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
    `Content-Length: ${length}\r\n\r\n${'x'.repeat(sent)}`);
  return socket;
}

test('clients that do not finish their bodies hold no worker', { timeout: 60000 }, async () => {
  const { access_token: token } = await tokens(site);
  const slow = [];
  for (const path of ['/token', '/mcp', '/register', '/authorize', '/revoke']) {
    slow.push(await begin(path), await begin(path, { sent: 0 }), await begin(path, { sent: 1, length: 2 }));
  }
  try {
    const started = Date.now();
    for (let i = 0; i < 10; i += 1) await callTool(site, token, 'whoami');
    assert.ok(Date.now() - started < 5000, `10 calls took ${Date.now() - started} ms beside ${slow.length} slow clients`);
  } finally {
    for (const socket of slow) socket.destroy();
  }
});
