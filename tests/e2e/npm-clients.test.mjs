// Clients from npm log users in by themselves: they find the server, open a browser at /authorize, and listen for the
// answer. With the documents of share/clients.d, and with registration.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Browser, wordsOf } from '../parts/browser.mjs';
import { BINARY, writeConfig } from '../parts/daemon.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, ROOT, until } from '../parts/util.mjs';

const MODULES = path.join(ROOT, 'tests/node_modules');
const INSPECTOR = path.join(MODULES, '@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const MCPORTER = path.join(MODULES, 'mcporter/dist/cli.js');
const MCP_REMOTE = path.join(MODULES, 'mcp-remote/dist/proxy.js');

let site;
before(async () => { site = await startSite({ config: { DYNAMIC_REGISTRATION: 'yes', CLIENTS_DIR: path.join(ROOT, 'share/clients.d') } }); });
after(() => site?.close());

test('the documents are installed, and all are good', () => {
  const installed = path.join(site.dir, 'installed');
  execFileSync('make', ['-s', 'install-files', `DESTDIR=${installed}`, `BUILD=${path.dirname(BINARY)}`], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  const clientsDir = path.join(installed, 'usr/share/mcp-authd/clients.d');
  assert.deepEqual(fs.readdirSync(clientsDir), fs.readdirSync(path.join(ROOT, 'share/clients.d')));
  const file = path.join(site.dir, 'installed.conf');
  writeConfig(file, { ...site.keys, CLIENTS_DIR: clientsDir });
  const { status, stderr } = spawnSync(BINARY, ['-t', '-c', file], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /clients\.d/);
});

// A home of its own, and a browser: a command that writes down where it was sent.
function makeHome(name) {
  const home = path.join(site.dir, name);
  const asked = path.join(home, 'asked');
  const bin = path.join(home, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  fs.writeFileSync(path.join(bin, 'xdg-open'), `#!/bin/sh\nprintf '%s' "$1" >'${asked}.new' && mv '${asked}.new' '${asked}'\n`, { mode: 0o755 });
  return { home, asked, env: { HOME: home, BROWSER: path.join(bin, 'xdg-open'), PATH: `${bin}:${process.env.PATH}`,
    MCP_AUTO_OPEN_ENABLED: 'true', MCP_INSPECTOR_SECRET_STORE: 'file' } };
}

// The user: goes where the client sends the browser, agrees, logs in, and comes back to the client. Gives back its client_id.
async function userOf({ asked }, isOver) {
  await until('the client to open a browser', () => fs.existsSync(asked) || isOver(), { deadlineMs: 60000 });
  if (!fs.existsSync(asked)) return undefined;
  const url = new URL(fs.readFileSync(asked, 'utf8'));
  fs.rmSync(asked);
  assert.equal(`${url.origin}${url.pathname}`, `${site.issuer}/authorize`);
  const back = await new Browser().login(url.href, url.searchParams.get('redirect_uri'));
  const page = await fetch(back);
  assert.equal(page.status, 200, wordsOf(await page.text()));
  return url.searchParams.get('client_id');
}

// Runs it to its end, with a user at the browser.
async function run(client, script, args) {
  const child = spawn(process.execPath, [script, ...args], { cwd: client.home, env: client.env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  const out = { stdout: '', stderr: '' };
  for (const name of Object.keys(out)) child[name].on('data', (data) => { out[name] += data; });
  let isOver = false;
  child.once('close', () => { isOver = true; });
  try {
    const clientId = await userOf(client, () => isOver);
    const [code] = await ended;
    assert.equal(code, 0, `${out.stdout}\n${out.stderr}`);
    return { ...out, clientId };
  } finally {
    if (!isOver) child.kill();
  }
}

for (const pinned of [true, false]) {
  const assertId = (name, id) => (pinned ? assert.equal(id, name) : assert.match(id, /^dyn\./));
  const how = pinned ? 'pinned' : 'registered by itself';

  test(`MCP Inspector's command line: ${how}`, async () => {
    const client = makeHome(`inspector-${pinned}`);
    const call = ['--cli', site.mcpUrl, '--transport', 'http', ...(pinned ? ['--client-id', 'inspector'] : []), '--callback-url',
      `http://127.0.0.1:${await freePort()}/oauth/callback`, '--method', 'tools/call', '--tool-name', 'greet', '--tool-arg', 'name=Ada'];
    const first = await run(client, INSPECTOR, call);
    assertId('inspector', first.clientId);
    assert.match(first.stdout, /Hello Ada, says alice/);
  });

  test(`mcporter: ${how}`, async () => {
    const client = makeHome(`mcporter-${pinned}`);
    const config = path.join(client.home, 'mcporter.json');
    fs.writeFileSync(config, JSON.stringify({ imports: [], mcpServers: { mine: { baseUrl: site.mcpUrl, auth: 'oauth', ...(pinned && { oauthClientId: 'mcporter' }) } } }));
    const { clientId } = await run(client, MCPORTER, ['--config', config, 'auth', 'mine']);
    assertId('mcporter', clientId);
    const { stdout, clientId: again } = await run(client, MCPORTER, ['--config', config, 'call', 'mine.greet', 'name=Ada']);
    assert.match(stdout, /Hello Ada, says alice/);
    assert.equal(again, undefined, 'no second login');
  });

  test(`mcp-remote: ${how}`, async () => {
    const remote = makeHome(`mcp-remote-${pinned}`);
    const port = String(await freePort());
    const start = () => new StdioClientTransport({ command: process.execPath, cwd: remote.home, stderr: 'ignore', env: { ...remote.env, MCP_REMOTE_CONFIG_DIR: remote.home },
      args: [MCP_REMOTE, site.mcpUrl, port, ...(pinned ? ['--static-oauth-client-info', '{"client_id":"mcp-remote"}'] : [])] });
    for (const hasLogin of [false, true]) {
      const client = new Client({ name: 'test', version: '1' });
      let connected = false;
      const connecting = client.connect(start()).then(() => { connected = true; });
      try {
        const clientId = await userOf(remote, () => connected);
        if (hasLogin) assert.equal(clientId, undefined, 'no second login');
        else assertId('mcp-remote', clientId);
        await connecting;
        assert.equal((await client.callTool({ name: 'greet', arguments: { name: 'Ada' } })).content[0].text, 'Hello Ada, says alice');
      } finally {
        await client.close();
      }
    }
  });
}
