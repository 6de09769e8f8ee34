// What one site may use of a daemon with several: noisy sites leave workers and calls to a quiet one.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../parts/browser.mjs';
import { BINARY, writeConfig } from '../parts/daemon.mjs';
import { makeFullDisk } from '../parts/full-disk.mjs';
import { callTool, META, MODERN, modern } from '../parts/mcp.mjs';
import { authorizeUrl, pkce, tokens } from '../parts/oauth.mjs';
import { reload, startSites } from '../parts/sites.mjs';
import { hasEnded, toolFolder } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

const tools = toolFolder('mcp-shares-');
tools.sleeper('long');
const disk = makeFullDisk();
after(() => {
  tools.remove();
  disk.remove();
});

let sites;
before(async () => {
  sites = await startSites({ env: disk.env, config: { TOOLS_DIR: tools.dir, WORKERS_MAX: '8', CALLS_MAX: '6', CALLS_PER_USER: '6' } });
});
after(() => sites?.close());

// It is written every second, if there is news.
const rowOf = (name) => JSON.parse(fs.readFileSync(path.join(sites.main.keys.STATE_DIR, 'status.json.sites'), 'utf8')).sites.find((row) => row.site === name);

test('a burst of requests that end at once is served, whatever the share: they wait for a worker, as with one site', async () => {
  const { a, main } = sites, token = await a.cognito.accessToken({ aud: a.mcpUrl });
  const statusOf = async () => (await modern(a, token, 'tools/call', { name: 'whoami', arguments: {} })).status;
  assert.equal(await statusOf(), 200);      // the keys are there
  const statuses = await Promise.all(Array.from({ length: 200 }, statusOf));
  assert.deepEqual(statuses.filter((status) => status !== 200), [], main.daemon.log.slice(-2000));
});

test('two sites whose clients\' documents are slow take no more than three quarters of the workers; a third one logs in', async () => {
  const { main, a, b } = sites, before503 = [];
  const noise = [a, b].flatMap((site) => Array.from({ length: 12 }, async (_, i) => {
    const id = main.documents.setClient(`/slow-${site.name}-${i}.json`, { redirect_uris: ['http://127.0.0.1/callback'] }, { delayMs: 2500 });
    const answer = await fetch(authorizeUrl(site, { client_id: id, code_challenge: pkce().challenge }), { redirect: 'manual' });
    await answer.text();
    if (answer.status === 503) before503.push(answer.headers.get('retry-after'));
    return answer.status;
  }));
  await until('a full share', () => before503.length > 0);
  for (let i = 0; i < 3; i += 1) {
    const browser = new Browser();
    await tokens(main, { browser });
    assert.ok(browser.slowestMs < 2000, `an answer took ${browser.slowestMs} ms`);
  }
  const statuses = await Promise.all(noise);
  assert.ok(before503.every((seconds) => Number(seconds) > 0), 'each with Retry-After');
  assert.ok(statuses.every((status) => [200, 503].includes(status)), statuses.join(' '));
  assert.equal((await fetch(authorizeUrl(a, { code_challenge: pkce().challenge }))).status, 200, 'afterwards it is served');
});

test('a site has a third of the calls, whichever of its users make them; another site has its own', async () => {
  const { main, a } = sites, [alice, bob] = main.cognito.users;
  const tokenOf = (site, user) => site.cognito.accessToken({ sub: user.sub, username: user.username, aud: site.mcpUrl });
  const running = [], controllers = [], pids = [];
  const start = async (site, user) => {
    const controller = new AbortController();
    controllers.push(controller);
    const token = await tokenOf(site, user);
    running.push(fetch(site.mcpUrl, { method: 'POST', signal: controller.signal, headers: { authorization: `Bearer ${token}`,
      'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': MODERN,
      'mcp-method': 'tools/call', 'mcp-name': 'long' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'long', arguments: {}, _meta: META } }) }).catch(() => {}));
    pids.push(await tools.pidOf('long'));
  };
  try {
    await start(a, alice);
    await start(a, bob);
    for (const user of [alice, { sub: 'carol', username: 'carol' }]) {
      const full = await modern(a, await tokenOf(a, user), 'tools/call', { name: 'long', arguments: {} });
      assert.equal(full.status, 503, full.text);
      assert.match(full.text, /2 calls run here already/);
      assert.ok(Number(full.headers.get('retry-after')) > 0);
    }
    await start(main, alice);
    await until('all in the status', () => rowOf('a').calls === 2 && rowOf('mcp-authd.conf').calls === 1);
  } finally {
    for (const controller of controllers) controller.abort();
    await Promise.all(running);
    for (const pid of pids) await hasEnded(pid);
  }
  // Their places are free a moment after their programs have ended.
  await until('none in the status', () => rowOf('a').calls === 0 && rowOf('mcp-authd.conf').calls === 0);
});

test('two sites at all their limits, one with a full store, lose no login of a quiet one, and the status says who was refused', async () => {
  const { main, a, b } = sites, end = new AbortController(), pids = [];
  const before = Object.fromEntries(['mcp-authd.conf', 'a', 'b'].map((name) => [name, rowOf(name)]));
  const repeat = async (request) => {
    while (!end.signal.aborted) {
      await request().then((answer) => answer.text()).catch(() => {});
      await new Promise((resolve) => { setTimeout(resolve, 30); });
    }
  };
  // The store of one is full as well, as with a quota: its logins are told to come back.
  const toldToComeBack = [];
  const refusedLogin = async () => {
    const browser = new Browser(), page = await browser.open(authorizeUrl(a, { code_challenge: pkce().challenge }));
    const answer = await browser.submit(page, { decision: 'approve' });
    toldToComeBack.push([answer.status, Number(answer.headers.get('retry-after')) > 0].join(' '));
    return { text: async () => {} };
  };
  let documents = 0;
  const noise = [];
  disk.fill('/sites/a/');
  noise.push(repeat(refusedLogin));
  for (const site of [a, b]) {
    const token = await site.cognito.accessToken({ aud: site.mcpUrl });
    const call = (name) => fetch(site.mcpUrl, { method: 'POST', signal: end.signal, headers: { authorization: `Bearer ${token}`,
      'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call',
      'mcp-name': name }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta: META } }) });
    const slow = () => main.documents.setClient(`/slow-${documents += 1}.json`, { redirect_uris: ['http://127.0.0.1/callback'] }, { delayMs: 1500 });
    const login = (id) => fetch(authorizeUrl(site, { ...(id && { client_id: id }), code_challenge: pkce().challenge }), { signal: end.signal, redirect: 'manual' });
    for (let i = 0; i < 2; i += 1) {
      noise.push(call('long').catch(() => {}));
      pids.push(await tools.pidOf('long'));
    }
    noise.push(...Array.from({ length: 4 }, () => repeat(() => login(slow()))), repeat(() => call('long')), repeat(() => call('whoami')), repeat(() => login()));
  }
  try {
    await until('both at their limits', () => ['a', 'b'].every((name) => rowOf(name).calls === 2 && rowOf(name).refused > before[name].refused + 10));
    await until('a login at the full store', () => toldToComeBack.length > 0);
    for (let i = 0; i < 5; i += 1) {
      const { access_token: token } = await tokens(main);
      await callTool(main, token, 'whoami');
    }
    await until('the logins in the status', () => rowOf('mcp-authd.conf').logins === before['mcp-authd.conf'].logins + 5);
  } finally {
    end.abort();
    await Promise.all(noise);
    disk.empty();
    for (const pid of pids) await hasEnded(pid);
  }
  assert.ok(toldToComeBack.every((each) => each === '503 true'), toldToComeBack.join(', '));
  // Workers may still wait for slow documents that nobody waits for.
  const { access_token: token } = await until('a login at the site', () => tokens(a).catch(() => undefined));
  await callTool(a, token, 'whoami');
  const { refused, errors } = rowOf('mcp-authd.conf');
  assert.deepEqual([refused, errors], [before['mcp-authd.conf'].refused, before['mcp-authd.conf'].errors]);
});

test('a site with a runner of its own: its programs run as that user, and those of the others do not', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can have a runner of another user');
  const { main, a, b } = sites;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-runner-'));
  const socket = path.join(folder, 'alice.sock');
  fs.chmodSync(folder, 0o755);
  tools.tool('uid', 'id -u');
  fs.chmodSync(tools.dir, 0o755);
  // In systemd's place.
  const activate = `import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1] + '.new'); s.listen()
os.rename(sys.argv[1] + '.new', sys.argv[1]); os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.execv(sys.argv[2], ['mcp-authd', 'runner', '--quiet', '--user', 'nobody'])`;
  const runner = spawn('/usr/bin/python3', ['-c', activate, socket, BINARY], { stdio: 'inherit' });
  t.after(() => { runner.kill(); fs.rmSync(folder, { recursive: true }); });
  await until('the runner listens', () => fs.existsSync(socket));
  writeConfig(a.file, { ...a.ownKeys, RUNNER_SOCKET: socket });
  await reload(main.daemon);
  const uidOf = async (site) => (await callTool(site, await site.cognito.accessToken({ aud: site.mcpUrl }), 'uid')).content[0].text.trim();
  assert.deepEqual([await uidOf(a), await uidOf(b), await uidOf(a), await uidOf(main)], ['65534', '0', '65534', '0']);
});
