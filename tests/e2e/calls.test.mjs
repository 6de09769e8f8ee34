// Calls that run long: each has a worker of its own, a user has a share of them and the host a limit, and nobody else waits.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { after, before, test } from 'node:test';
import { runnerOf, workersOf } from '../parts/daemon.mjs';
import { callTool, META, MODERN, modern } from '../parts/mcp.mjs';
import { refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { toolFolder } from '../parts/tasks.mjs';
import { sleep, until } from '../parts/util.mjs';

const COMPLETE = { complete: { id: { command: ['./hold.sh'] } } };
const MANIFESTS = {
  prompts: { name: 'hold', arguments: [{ name: 'id' }], run: COMPLETE },
  resources: { name: 'hold', uriTemplate: 'hold://{id}', run: COMPLETE },
};
// What runs a program, and where its answer has what that prints.
const KINDS = {
  tool: ['tools/call', { name: 'hold', arguments: {} }, (result) => result.content[0].text],
  prompt: ['prompts/get', { name: 'hold' }, (result) => result.messages[0].content.text],
  resource: ['resources/read', { uri: 'hold://1' }, (result) => result.contents[0].text],
  'completion of a prompt': ['completion/complete', { ref: { type: 'ref/prompt', name: 'hold' }, argument: { name: 'id', value: '' } },
    (result) => `${result.completion.values.join()}\n`],
  'completion of a resource': ['completion/complete', { ref: { type: 'ref/resource', uri: 'hold://{id}' }, argument: { name: 'id', value: '' } },
    (result) => `${result.completion.values.join()}\n`],
};

let site;
let tools;
let alice;
let bob;
before(async () => {
  tools = toolFolder('mcp-calls-');
  tools.tool('hold', `echo $$ >>${tools.dir}/running; while [ ! -e ${tools.dir}/go ]; do sleep 0.05; done; echo done`, { task: undefined, timeout_ms: 60000 });
  for (const [kind, manifest] of Object.entries(MANIFESTS)) {
    fs.mkdirSync(tools.file(kind));
    fs.copyFileSync(tools.file('hold.sh'), tools.file(`${kind}/hold.sh`));
    fs.writeFileSync(tools.file(`${kind}/hold.json`), JSON.stringify({ ...manifest, run: { command: ['./hold.sh'], timeout_ms: 60000, ...manifest.run } }));
  }
  site = await startSite({ config: { TOOLS_DIR: tools.dir, PROMPTS_DIR: tools.file('prompts'), RESOURCES_DIR: tools.file('resources'),
    WORKERS_MIN: '2', WORKERS_MAX: '2', CALLS_MAX: '6', CALLS_PER_USER: '4' } });
  alice = await site.cognito.accessToken({ sub: 'alice', username: 'alice' });
  bob = await site.cognito.accessToken({ sub: 'bob', username: 'bob' });
});
after(async () => {
  await site?.close();
  tools.remove();
});

const running = () => (fs.existsSync(tools.file('running')) ? fs.readFileSync(tools.file('running'), 'utf8').trim().split('\n').length : 0);
function hold(token, kind = 'tool') {
  const [method, params] = KINDS[kind];
  return modern(site, token, method, params, { headers: { 'mcp-name': params.name ?? params.uri } });
}
const status = () => JSON.parse(execFileSync(process.env.MCP_AUTHD, ['-c', site.daemon.configFile, 'status', '--json'], { encoding: 'utf8' }));
function reset() {
  for (const name of ['running', 'go']) fs.rmSync(tools.file(name), { force: true });
}
async function start(token, n) {
  const before = running();
  const calls = Array.from({ length: n }, () => hold(token));
  await until('the programs to run', () => running() === before + n);
  return calls;
}

function assertRefused(answer, code, message) {
  assert.equal(answer.status, code, answer.text);
  assert.match(answer.headers.get('retry-after'), /^\d+$/);
  assert.equal(answer.body.jsonrpc, '2.0');
  assert.match(answer.body.error.message, message);
}

test('calls take no worker from others; a user has a share, the host a limit, and both are told when it is reached', async () => {
  reset();
  const calls = await start(alice, 4);
  assertRefused(await hold(alice), 429, /4 calls of yours run already/);
  calls.push(...await start(bob, 2));
  assertRefused(await hold(bob), 503, /6 calls run here already/);
  assert.match(site.daemon.log, /event=limit_reached what=calls limit=6 sub=bob/);
  assert.match(site.daemon.log, /event=tool_call .*sub=alice .*outcome=limited/);

  await until('the status', () => status().workers.in_call === 6);
  assert.deepEqual(status().limits.calls, { used: 6, max: 6, user_max: 4 });
  assert.deepEqual(status().limits.tasks, { used: 0, max: 64, user_max: 16 });
  const shown = execFileSync(process.env.MCP_AUTHD, ['-c', site.daemon.configFile, 'status'], { encoding: 'utf8' });
  assert.match(shown, /\nlimits {4}6 of 6 calls \(4 of one user\); 0 of \d+ tasks \(\d+ of one user\)\n/);
  const { runner } = status();
  assert.equal(runner.pid, runnerOf(site.daemon));
  if (process.geteuid() === 0) { // others cannot ask the master's own
    assert.deepEqual([runner.running, runner.runs, runner.user], [6, 6, os.userInfo().username]);
    assert.ok(Math.abs(Date.now() / 1000 - runner.started) < 600);
    assert.match(shown, /\nrunner {4}process \d+, user \S+, started [-\d]+ [:\d]+: 6 programs run, 6 have been started\n {10}(no )?Landlock/);
  } else assert.match(shown, /\nrunner {4}process \d+: .* \(ask as root\)\n/);
  for (const token of [alice, bob]) assert.ok((await callTool(site, token, 'whoami')).structuredContent.sub);
  assert.equal((await fetch(`${site.issuer}/.well-known/oauth-protected-resource`)).status, 200);

  fs.writeFileSync(tools.file('go'), '');
  for (const answer of await Promise.all(calls)) assert.equal(answer.body.result.content[0].text, 'done\n');
  assert.equal((await hold(alice)).body.result.content[0].text, 'done\n');
  await until('the workers to leave again', () => workersOf(site.daemon).length === 2, { deadlineMs: 60000 });
});

test('the same limits hold for prompts, resources and completions that run programs', async () => {
  reset();
  const kinds = Object.keys(KINDS);
  const ran = [];
  const run = (token, kind) => ran.push([kind, hold(token, kind)]);
  for (const kind of kinds.slice(0, 4)) run(alice, kind);
  await until('her programs to run', () => running() === 4);
  for (const kind of kinds) assertRefused(await hold(alice, kind), 429, /4 calls of yours run already/);
  for (const kind of kinds.slice(3)) run(bob, kind);
  await until('his programs to run', () => running() === 6);
  for (const kind of kinds) assertRefused(await hold(bob, kind), 503, /6 calls run here already/);
  assert.equal(running(), 6);
  fs.writeFileSync(tools.file('go'), '');
  for (const [kind, answer] of ran) assert.equal(KINDS[kind][2]((await answer).body.result), 'done\n', kind);
});

// How many programs run when clients vanish that wait for the only worker, and one stays.
async function programsOfVanished() {
  reset();
  const busy = await startSite({ config: { TOOLS_DIR: tools.dir, WORKERS_MIN: '1', WORKERS_MAX: '1' } });
  try {
    const as = await busy.cognito.accessToken();
    const call = (signal) => fetch(busy.mcpUrl, { method: 'POST', signal, headers: { 'content-type': 'application/json', authorization: `Bearer ${as}`,
      accept: 'application/json, text/event-stream', 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'hold' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'hold', arguments: {}, _meta: META } }) });
    const { refresh_token: held } = await tokens(busy);
    const asked = busy.cognito.calls('/oauth2/token');
    busy.cognito.failTokenCalls('hang', 1);
    const first = refresh(busy, held);
    await until('the only worker to wait for Cognito', () => busy.cognito.calls('/oauth2/token') > asked);
    const gone = new AbortController();
    const vanishing = Array.from({ length: 20 }, () => assert.rejects(call(gone.signal)));
    const connections = () => fs.readFileSync('/proc/net/unix', 'utf8').split('\n').filter((line) => line.includes(busy.dir)).length;
    await until('their requests to wait', () => connections() > 20);
    await sleep(1500);          // the wait is what this is about: who has not waited long is not looked for
    gone.abort();
    await Promise.all(vanishing);
    const last = call();
    await first;
    // Each of them alone would be noticed after 5 s or more, by the comment of a call that is silent.
    await until('the one that stays', () => running() > 0, { deadlineMs: 45000 });
    fs.writeFileSync(tools.file('go'), '');
    assert.match(await (await last).text(), /done/);
    return running();
  } finally {
    await busy.close();
  }
}

test('clients that vanish while they wait for a worker start no program, and hold none up', async () => {
  // The web server has milliseconds to tell that a client has gone (DISCONNECT_WAIT_MS), in which a busy machine may not let it run.
  let programs;
  for (let tries = 0; tries < 3 && programs !== 1; tries += 1) programs = await programsOfVanished();
  assert.equal(programs, 1);
});
