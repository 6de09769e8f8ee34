// A real server with a browser, @playwright/mcp with Debian's chromium, behind the login: each of two users has a browser of their own, which
// keeps what its user has done between calls.
//
//   make browser-server

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { callTool, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';

const modules = path.resolve(process.argv[2]);
const CLI = path.join(modules, '@playwright/mcp/cli.js');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-browser-'));
const page = http.createServer((req, res) => {
  const user = /user=(\w+)/.exec(req.headers.cookie ?? '')?.[1] ?? new URL(req.url, 'http://x').searchParams.get('user');
  res.writeHead(200, { 'content-type': 'text/html', 'set-cookie': `user=${user}` }).end(`<title>page</title><h1>Page of ${user}</h1>`);
}).listen(0, '127.0.0.1');
await new Promise((resolve) => { page.once('listening', resolve); });
const url = `http://127.0.0.1:${page.address().port}`;
let site;
try {
  fs.writeFileSync(path.join(dir, 'browser.json'), JSON.stringify({
    // It writes into the current directory; only its private one is its own.
    command: ['/bin/sh', '-c', 'cd "$HOME" && exec "$@"', 'sh',
      process.execPath, CLI, '--headless', '--isolated', '--no-sandbox', '--executable-path', '/usr/bin/chromium'],
    instances: 'user', home: true, timeout_ms: 60000, start_timeout_s: 60, read: [modules, process.execPath], write: ['/dev/shm'] }));
  site = await startSite({ config: { TOOLS_DIR: '', SERVERS_DIR: dir } });
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((sub) => site.cognito.accessToken({ sub })));
  const { tools } = (await modern(site, alice, 'tools/list')).body.result;
  assert.ok(tools.some(({ name }) => name === 'browser_browser_navigate'), JSON.stringify(tools.map(({ name }) => name)));
  const ask = async (token, name, args = {}) => {
    const result = await callTool(site, token, `browser_browser_${name}`, args);
    assert.ok(!result.isError, JSON.stringify(result));
    return result.content.map(({ text }) => text).join('\n');
  };
  await Promise.all([[alice, 'alice'], [bob, 'bob']].map(([token, user]) => ask(token, 'navigate', { url: `${url}/?user=${user}` })));
  for (const [token, user] of [[alice, 'alice'], [bob, 'bob']]) {
    await ask(token, 'navigate', { url });
    assert.match(await ask(token, 'snapshot'), new RegExp(`Page of ${user}`));
  }
  console.log(`${tools.length} tools are listed; each of two users has a browser of their own`);
  if (process.env.VERBOSE) console.log(site.daemon.log);
} catch (error) {
  console.log(site?.daemon.log.split('\n').slice(-40).join('\n'));
  throw error;
} finally {
  await site?.close();
  page.closeAllConnections();
  page.close();
  fs.rmSync(dir, { recursive: true, force: true });
}
