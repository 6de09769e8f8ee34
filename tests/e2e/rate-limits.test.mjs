// Limits for all workers together: at the OAuth endpoints by address and by client, at /mcp by user for calls that
// start programs, and quotas by day.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { auditLines } from '../parts/audit.mjs';
import { workersOf } from '../parts/daemon.mjs';
import { assertRpcError, assertToolError, callTool, META, modern, post } from '../parts/mcp.mjs';
import { NAME, SITES } from '../parts/one-of-many.mjs';
import { reload } from '../parts/sites.mjs';
import { taskClient, toolFolder } from '../parts/tasks.mjs';
import { Browser } from '../parts/browser.mjs';
import { assertOAuthError, authorizeUrl, pkce, refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, sleep, until } from '../parts/util.mjs';

const ADDRESS = 60;
const CLIENT = 20;
let site;

async function fresh() {
  await site?.close();
  site = await startSite({ also: ['[::1]'], config: { RATE_LIMIT_ADDRESS: String(ADDRESS), RATE_LIMIT_CLIENT: String(CLIENT), WORKERS_MIN: '4' } });
}
before(fresh);
after(() => site?.close());

// How many of `count` requests at once come through. While they run, a few more may be earned.
async function through(count, send) {
  const began = Date.now();
  const answers = await Promise.all(Array.from({ length: count }, send));
  return { let: answers.filter(({ status }) => status !== 429).length, answers, seconds: (Date.now() - began) / 1000 };
}

function assertLet(found, limit) {
  const earned = Math.ceil(found.seconds * limit / 60) + 1;
  assert.ok(found.let >= limit && found.let <= limit + earned, `${found.let} of ${limit} were let through in ${found.seconds} s`);
}

test('a client at an address: the rest gets a 429 in OAuth form, others are not held back', async () => {
  await until('four workers', () => workersOf(site.daemon).length >= 4);
  const found = await through(CLIENT + 20, () => refresh(site, 'x'));
  assertLet(found, CLIENT);
  const limited = found.answers.find(({ status }) => status === 429);
  assertOAuthError(limited, 429, 'temporarily_unavailable');
  assert.match(limited.headers.get('retry-after'), /^[1-9]\d*$/);
  assert.ok(Number(limited.headers.get('retry-after')) <= 60);
  const escaped = await fetch(`${site.issuer}/token`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `grant_type=refresh_token&refresh_token=x&client%5Fid=${encodeURIComponent(site.clientId)}` });
  assert.equal(escaped.status, 429, 'the same client, however the name of the parameter is written');
  assert.notEqual((await refresh(site, 'x', { client_id: site.otherClientId })).status, 429);
  await until('it in the audit log', () => auditLines(site.daemon.log).some(({ outcome, status }) => outcome === 'limited' && status === 429));
});

test('an address: all clients together, pages and JSON alike; another address and /mcp are not held back', async () => {
  await fresh();
  const began = Date.now();
  const { access_token: held } = await tokens(site);           // uses up a few
  let n = 0;
  const found = await through(ADDRESS + 30, () => refresh(site, 'x', { client_id: `client-${n += 1}` }));
  const earned = Math.ceil((Date.now() - began) * ADDRESS / 60000) + 1;
  assert.ok(found.let > ADDRESS - 20 && found.let <= ADDRESS + earned, `${found.let}`);
  const page = await until('a page that is refused', async () => {       // one may have been earned just now
    const answer = await fetch(`${site.issuer}/authorize`);
    return answer.status === 429 ? answer : void await answer.text();
  });
  assert.match(page.headers.get('content-type'), /^text\/html/);
  assert.match(page.headers.get('retry-after'), /^[1-9]\d*$/);
  assert.match(await page.text(), /Too many requests came from your network/);

  const elsewhere = await fetch(`http://[::1]:${site.port}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'x' }) });
  assert.equal(elsewhere.status, 400, await elsewhere.text());
  for (let i = 0; i < ADDRESS + 20; i += 1) await callTool(site, held, 'whoami');
  assert.equal((await fetch(`${site.issuer}/.well-known/oauth-authorization-server`)).status, 200);
});

test('a consent form that is sent again is the same login, and is counted for its client', async () => {
  await fresh();
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  const upstream = async (answer) => /href="([^"]*state=[^"]*)"/.exec(answer.text)[1];
  const first = await upstream(await browser.submit(page, { decision: 'approve' }));
  const state = new URL(first.replaceAll('&amp;', '&')).searchParams.get('state');
  assert.match(state, /^[\w-]{32}$/);
  assert.equal(await upstream(await browser.submit(page, { decision: 'approve' })), first, 'one session');
  const another = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  assert.notEqual(await upstream(await browser.submit(another, { decision: 'approve' })), first);
  const found = await through(CLIENT + 10, () => browser.submit(page, { decision: 'approve' }));
  assert.ok(found.let < CLIENT, `${found.let} of ${CLIENT}`);
  const limited = found.answers.find(({ status }) => status === 429);
  assert.match(limited.headers.get('retry-after'), /^[1-9]\d*$/);
  assert.match(limited.text, /Too many requests came from your network/);
});

test('a user: so many programs a minute, in tools and elsewhere; what starts none, and other users, are not held back', async () => {
  const USER = 10;
  const limited = await startSite({ config: { RATE_LIMIT_USER: String(USER), WORKERS_MIN: '4' } });
  try {
    const alice = await limited.cognito.accessToken();
    const bob = await limited.cognito.accessToken({ sub: 'bob', username: 'bob' });
    const run = (token, id = 1) => modern(limited, token, 'tools/call', { name: 'count_input', arguments: {} }, { id });
    const began = Date.now();
    const answers = await Promise.all(Array.from({ length: USER * 3 }, () => run(alice)));
    const let_ = answers.filter(({ status }) => status === 200).length;
    const earned = Math.ceil((Date.now() - began) * USER / 60000);
    assert.ok(let_ >= USER && let_ <= USER + earned, `${let_} of ${USER} + ${earned}`);
    const refused = answers.find(({ status }) => status !== 200);
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.body.jsonrpc, '2.0');
    assert.match(refused.body.error.message, /try again in \d+ s/);
    assert.match(refused.headers.get('retry-after'), /^[1-9]\d*$/);
    await until('it in the log', () => /event=tool_call .*tool=count_input .*outcome=limited/.test(limited.daemon.log));

    assert.equal((await run(bob)).status, 200);
    for (let i = 0; i < USER * 3; i += 1) await callTool(limited, alice, 'echo', { text: 'x' });
    const batch = () => post(limited, alice, [{ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'x' } } },
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'count_input', arguments: {} } }], {});
    const codes = await until('a batch whose program is refused', async () => {       // one may have been earned just now
      const { body } = await batch();
      return body[1].error && body.map(({ id, error }) => [id, error?.code]);
    });
    assert.deepEqual(codes, [[1, undefined], [2, -32603]]);
    assert.equal((await modern(limited, alice, 'tools/list', {}, { meta: META })).status, 200);
  } finally {
    await limited.close();
  }
});

// The key has signed something else than what they say.
const forgedTokens = (token, count) => Array.from({ length: count }, (_, i) => {
  const [header, , signature] = token.split('.');
  return [header, Buffer.from(JSON.stringify({ sub: `forged-${i}` })).toString('base64url'), signature].join('.');
});

test('forged tokens: an address that sends many others each time waits, with none but a known token', async () => {
  await fresh();
  const { access_token: known } = await tokens(site);
  const claims = JSON.parse(Buffer.from(known.split('.')[1], 'base64url'));
  const unknown = await site.cognito.sign({ ...claims, jti: 'another' });
  await callTool(site, known, 'echo', { text: 'x' });
  const call = (token) => modern(site, token, 'tools/call', { name: 'echo', arguments: { text: 'x' } });
  const forged = forgedTokens(known, ADDRESS + 20);

  for (let i = 0; i < 2 * ADDRESS; i += 1) assert.equal((await call(forged[0])).status, 401);     // the same one counts once
  const found = await through(forged.length, (_, i) => call(forged[i]));
  assert.ok(found.let >= ADDRESS && found.let < forged.length, `${found.let} were looked at`);
  const limited = found.answers.find(({ status }) => status === 429);
  assert.match(limited.headers.get('retry-after'), /^[1-9]\d*$/);
  await callTool(site, known, 'echo', { text: 'x' });
  await until('the limit passes', async () => (await call(unknown)).status === 200);
});

// ---- quotas ----

const DAY_MS = 86400000;
// What is counted by day is asked for on one day.
async function awayFromMidnight() {
  const left = DAY_MS - Date.now() % DAY_MS;
  if (left < 90000) await sleep(left + 1000);
}

// Two tools.
const SERVER = `#!/usr/bin/python3 -u
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    result = {"initialize": lambda: {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}},
        "tools/list": lambda: {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("one", "two")]},
        "tools/call": lambda: {"content": [{"type": "text", "text": m["params"]["name"]}]}}.get(m["method"], dict)()
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}))
`;
const USED_UP = /quota of \d+ calls a day is used up; there are calls again from (\d{4}-\d\d-\d\dT00:00:00Z) on\.$/;

test('a quota: so many calls a day and not one more, of a user and of all, and each is told when there are calls again', async () => {
  const tools = toolFolder('mcp-quotas-');
  for (const folder of ['resources.d', 'servers.d']) fs.mkdirSync(tools.file(folder));
  tools.tool('mine', 'echo mine', { task: undefined, quota: { user: 5 } });
  tools.tool('ours', 'echo ours', { task: undefined, quota: { user: 5, all: 7 } });
  tools.tool('later', 'echo later', { quota: { all: 1 } });
  const resource = { uri: 'quota://a', name: 'a', run: { command: ['../mine.sh'], quota: { user: 1 } } };
  fs.writeFileSync(tools.file('resources.d/few.json'), JSON.stringify(resource));
  fs.writeFileSync(tools.file('servers.d/server.py'), SERVER, { mode: 0o755 });
  fs.writeFileSync(tools.file('servers.d/srv.json'), JSON.stringify({ command: ['./server.py'], quota: { user: 2 } }));
  const metrics = await freePort();
  const limited = await startSite({ config: { WORKERS_MIN: '4', TOOLS_DIR: tools.dir, RESOURCES_DIR: tools.file('resources.d'), AUDIT_EVENTS: 'calls',
    SERVERS_DIR: tools.file('servers.d'), METRICS_LISTEN: `127.0.0.1:${metrics}` } });
  try {
    await awayFromMidnight();
    await until('four workers', () => workersOf(limited.daemon).length >= 4);
    const [alice, bob] = await Promise.all(['alice', 'bob'].map((name) => limited.cognito.accessToken({ sub: name, username: name })));
    const atOnce = (token, name, n) => Promise.all(Array.from({ length: n }, () => callTool(limited, token, name)));
    const good = (results) => results.filter(({ isError }) => !isError).length;

    const results = await atOnce(alice, 'mine', 25);
    assert.equal(good(results), 5);
    const refused = results.find(({ isError }) => isError).content[0].text;
    assert.match(refused, /^Your quota of 5 calls/);
    assert.equal(Date.parse(USED_UP.exec(refused)[1]), (Math.floor(Date.now() / DAY_MS) + 1) * DAY_MS);
    await until('it in the log', () => /event=tool_call .*tool=mine sub=alice .*outcome=quota/.test(limited.daemon.log));
    await until('it in the audit log', () => auditLines(limited.daemon.log).some(({ tool, outcome }) => tool === 'mine' && outcome === 'quota'));
    const both = await Promise.all([atOnce(alice, 'ours', 10), atOnce(bob, 'ours', 10)]);
    assert.equal(good(both.flat()), 7);
    assert.ok(both.every((each) => good(each) <= 5));

    assert.ok((await modern(limited, alice, 'tools/list')).body.result.tools.some(({ name }) => name === 'srv_two'));
    assert.ok(!(await callTool(limited, alice, 'srv_one')).isError);
    assert.ok(!(await callTool(limited, alice, 'srv_two')).isError);
    assertToolError(await callTool(limited, alice, 'srv_one'), USED_UP);       // they have one quota
    const read = (token) => modern(limited, token, 'resources/read', { uri: 'quota://a' }, { headers: { 'mcp-name': 'quota://a' } });
    assert.equal((await read(alice)).body.result.contents[0].text, 'mine\n');
    const second = await read(alice);
    assertRpcError(second, 200, -32603);
    assert.match(second.body.error.message, /^your quota of 1 calls/);
    assert.equal((await read(bob)).status, 200);
    const tasks = taskClient(limited, alice);
    await tasks.reaches(await tasks.start('later'), 'completed');
    assertToolError((await tasks.call('later')).body.result, /^The quota of all users of 1 calls a day/);

    await reload(limited.daemon);
    assert.equal(good(await atOnce(alice, 'mine', 2)), 0);
    assert.equal(good(await atOnce(bob, 'mine', 4)), 4);
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(limited.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${bob}` } } }));
    assert.equal((await client.callTool({ name: 'mine', arguments: {} })).content[0].text, 'mine\n');
    assertToolError(await client.callTool({ name: 'mine', arguments: {} }), USED_UP);
    await client.close();

    const status = (...more) => execFileSync(process.env.MCP_AUTHD, ['-c', limited.daemon.configFile, 'status', ...(SITES ? ['--site', NAME] : []), ...more],
      { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(status('--json')).quotas, [{ of: 'tool later', used: 1, max: 1 }, { of: 'tool mine', used: 10, user_max: 5 },
      { of: 'tool ours', used: 7, max: 7, user_max: 5 }, { of: 'resource few', used: 2, user_max: 1 }, { of: 'server srv', used: 2, user_max: 2 }]);
    assert.match(status(), /^quota +tool later: 1 of 1 calls today\nquota +tool mine: 10 calls today \(5 of one user\)\n/m);
    const counted = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    assert.equal(/^mcp_authd_denials_total\{reason="quota"\} (\d+)$/m.exec(counted)[1], '39');
  } finally {
    await limited.close();
    tools.remove();
  }
});
