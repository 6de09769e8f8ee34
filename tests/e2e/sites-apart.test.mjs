// What one site gives out is refused by every other site of the daemon, on one host name and on two, with one app client of one pool
// and with two pools whose app clients have one id, in both directions.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Browser, refreshTarget } from '../parts/browser.mjs';
import { listen } from '../parts/listen.mjs';
import { callTool, initialize, META, modern, post } from '../parts/mcp.mjs';
import { assertOAuthError, authorizeUrl, login, pkce, redeem, REDIRECT, refresh, revoke, tokens } from '../parts/oauth.mjs';
import { startSites } from '../parts/sites.mjs';
import { taskClient, TASKS, toolFolder, yes } from '../parts/tasks.mjs';

const tools = toolFolder('mcp-sites-');
tools.sleeper('long');
tools.asker('asks', ['a']);
tools.tool('rare', 'echo rare', { task: undefined, quota: { all: 1 } });
after(() => tools.remove());

let sites, pairs;
before(async () => {
  sites = await startSites({ otherPool: true, config: { DYNAMIC_REGISTRATION: 'yes', TOOLS_DIR: tools.dir } });
  const all = [sites.main, sites.a, sites.b, sites.c];
  pairs = all.flatMap((from) => all.filter((to) => to !== from).map((to) => [from, to]));
});
after(() => sites?.close());

const each = (name, check) => test(name, async () => {
  for (const [from, to] of pairs) await check(from, to, `of ${from.name || 'main'} at ${to.name || 'main'}`);
});

each('an access token: its audience is the other site, or its pool the other one', async (from, to, which) => {
  const { access_token: token } = await tokens(from);
  // A site that has an app client for itself needs none.
  if (from !== sites.c) assert.equal(JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).aud, from.mcpUrl);
  await callTool(from, token, 'whoami');
  const answer = await modern(to, token, 'tools/list');
  assert.equal(answer.status, 401, `${which}: ${answer.text}`);
  assert.match(answer.headers.get('www-authenticate'), /error="invalid_token", error_description="(.*)"$/);
  if (from.cognito === to.cognito) assert.match(answer.headers.get('www-authenticate'), /"the token was issued for another resource"/);
});

test('an access token without an audience, or with the app client as its audience: no site takes it', async () => {
  for (const site of [sites.main, sites.a, sites.b]) {
    for (const aud of [undefined, site.cognito.clientId, ['https://other.example/', site.cognito.clientId]]) {
      const answer = await modern(site, await site.cognito.accessToken({ aud }), 'tools/list');
      assert.equal(answer.status, 401, answer.text);
    }
    const both = await site.cognito.accessToken({ aud: ['https://other.example/', site.mcpUrl] });
    assert.equal((await modern(site, both, 'tools/list')).status, 200);
  }
});

each('an authorization code', async (from, to, which) => {
  const granted = await login(from);
  assertOAuthError(await redeem(to, granted), 400, 'invalid_grant');
  assert.equal((await redeem(from, granted)).status, 200, `${which}: it is not used up by that`);
});

// The browser has the cookies of both, as one host name gives them.
each('a login: the way back from Cognito, to another site', async (from, to, which) => {
  const begin = async (site, browser) => {
    const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
    return refreshTarget(await browser.submit(page, { decision: 'approve' }));
  };
  const browser = new Browser();
  const next = await begin(from, browser);
  await begin(to, browser);
  const state = new URL(next).searchParams.get('state');
  const wrong = await browser.open(`${to.issuer}/callback?${new URLSearchParams({ code: 'c', state })}`);
  assert.equal(wrong.status, 400, `${which}: ${wrong.text}`);
  const end = new URL(await browser.login(next, REDIRECT));
  assert.ok(end.searchParams.get('code'), `${which}: it is not used up by that: ${end}`);
  assert.equal(end.searchParams.get('iss'), from.issuer);
});

each('a refresh token, and its revocation', async (from, to, which) => {
  const { refresh_token: held } = await tokens(from);
  assertOAuthError(await refresh(to, held), 400, 'invalid_grant');
  await revoke(to, { token: held });
  const again = await refresh(from, held);
  assert.equal(again.status, 200, `${which}: ${again.text}`);
  await callTool(from, again.body.access_token, 'whoami');
});

each('the resource of another site in a request', async (from, to) => {
  const end = await new Browser().open(authorizeUrl(to, { resource: from.mcpUrl, code_challenge: pkce().challenge }),
    { stop: (at) => at.startsWith('http://127.0.0.1:5599/') });
  assert.equal(new URL(end.url).searchParams.get('error'), 'invalid_target');
});

each('a consent: the form of one site sent to another', async (from, to, which) => {
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(from, { code_challenge: pkce().challenge }));
  const request = /name="request" value="([^"]+)"/.exec(page.text)[1];
  // With the cookie of the one site under the name that the other one gives it.
  const cookie = (page.headers.getSetCookie?.() ?? []).map((line) => line.split(';')[0].split('=')[1])[0];
  const other = await browser.open(authorizeUrl(to, { code_challenge: pkce().challenge }));
  const name = other.headers.getSetCookie().map((line) => line.split('=')[0])[0];
  assert.ok(cookie && name);
  const answer = await fetch(`${to.issuer}/authorize`, { method: 'POST', redirect: 'manual',
    headers: { cookie: `${name}=${cookie}` }, body: new URLSearchParams({ request, decision: 'approve', confirm: 'yes' }) });
  assert.equal(answer.status, 400, `${which}: ${await answer.text()}`);
});

test('cookies: each site has a name of its own, so that none replaces another\'s', async () => {
  const names = [];
  for (const site of [sites.main, sites.a]) {
    const page = await new Browser().open(authorizeUrl(site, { code_challenge: pkce().challenge }));
    names.push(...page.headers.getSetCookie().map((line) => line.split('=')[0]));
  }
  assert.deepEqual(names, ['mcp-authd', 'mcp-authd.a']);
});

each('a registration', async (from, to, which) => {
  const answer = await fetch(`${from.issuer}/register`, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: ['http://127.0.0.1:5599/callback'], client_name: 'Registered' }) });
  assert.equal(answer.status, 201);
  const { client_id: clientId } = await answer.json();
  const own = await new Browser().open(authorizeUrl(from, { client_id: clientId, code_challenge: pkce().challenge }));
  assert.equal(own.status, 200, own.text);
  const end = await new Browser().open(authorizeUrl(to, { client_id: clientId, code_challenge: pkce().challenge }));
  assert.ok(end.status >= 400 && end.status < 500, `${which}: ${end.status}`);
});

// The token of the site that is asked is good there: only what it names is another's.
each('a session', async (from, to, which) => {
  const mine = (await tokens(from)).access_token, theirs = (await tokens(to)).access_token;
  const session = (await initialize(from, mine, '2025-11-25')).headers.get('mcp-session-id');
  const ping = (site, token) => post(site, token, { jsonrpc: '2.0', id: 2, method: 'ping', params: {} },
    { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': session });
  assert.equal((await ping(from, mine)).status, 200);
  assert.equal((await ping(to, theirs)).status, 404, which);
  const replay = await fetch(to.mcpUrl, { headers: { authorization: `Bearer ${theirs}`, accept: 'text/event-stream',
    'mcp-protocol-version': '2025-11-25', 'mcp-session-id': session, 'last-event-id': '0-0' } });
  assert.equal(replay.status, 404, which);
  await replay.body?.cancel();
});

each('the state of a call that asks for input', async (from, to, which) => {
  const mine = (await tokens(from)).access_token, theirs = (await tokens(to)).access_token;
  const meta = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } };
  const call = (site, token, more) => modern(site, token, 'tools/call', { name: 'asks', arguments: {}, ...more }, { meta });
  const { requestState } = (await call(from, mine)).body.result;
  assert.ok(requestState);
  const answered = { requestState, inputResponses: { a: yes } };
  const wrong = await call(to, theirs, answered);
  assert.equal(wrong.body.error?.code, -32602, `${which}: ${wrong.text}`);
  const right = await call(from, mine, answered);
  assert.match(JSON.stringify(right.body.result), /accept/, `${which}: ${right.text}`);
});

// The user is the same one at both.
each('an answer to a question that a program asks', async (from, to, which) => {
  const mine = (await tokens(from)).access_token, theirs = (await tokens(to)).access_token, version = '2025-11-25';
  const begin = async (site, token) => ({ 'mcp-protocol-version': version, 'mcp-session-id': (await post(site, token, { jsonrpc: '2.0', id: 0,
    method: 'initialize', params: { protocolVersion: version, capabilities: { elicitation: {} }, clientInfo: { name: 't', version: '1' } } })).headers.get('mcp-session-id') });
  const session = await begin(from, mine), other = await begin(to, theirs);
  const call = await fetch(from.mcpUrl, { method: 'POST', headers: { authorization: `Bearer ${mine}`, 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', ...session },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'asks', arguments: {} } }) });
  const reader = call.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const read = async (pattern) => {
    while (!pattern.test(text)) {
      const { done, value } = await reader.read();
      assert.ok(!done, `${which}: ${text}`);
      text += value;
    }
    return pattern.exec(text)[1];
  };
  const id = JSON.parse(await read(/^data: (.*elicitation\/create.*)\n/m)).id;
  assert.equal((await post(to, theirs, { jsonrpc: '2.0', id, result: { action: 'decline' } }, other)).status, 202);
  assert.equal((await post(from, mine, { jsonrpc: '2.0', id, result: yes }, session)).status, 202);
  const answer = JSON.parse(await read(/^data: (\{.*"id":1[,}].*)\n/m));
  assert.ok(!answer.error && JSON.stringify(answer).includes('accept') && !JSON.stringify(answer).includes('decline'), `${which}: ${text}`);
  await reader.cancel();
});

each('the assertion of a client that authenticates with a key', async (from, to, which) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...await exportJWK(publicKey), kid: 'k', alg: 'ES256', use: 'sig' };
  const id = to.documents.setClient(`/jwt-${from.name}-${to.name}.json`, { redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
  const now = Math.floor(Date.now() / 1000);
  const assertion = async (site) => ({ client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({ iss: id, sub: id, aud: site.issuer, exp: now + 60, iat: now, jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(privateKey) });
  const granted = await login(to, { client_id: id });
  assertOAuthError(await redeem(to, granted, { client_id: id, ...await assertion(from) }), 401, 'invalid_client');
  const answer = await redeem(to, granted, { client_id: id, ...await assertion(to) });
  assert.equal(answer.status, 200, `${which}: ${answer.text}`);
});

each('a task', async (from, to, which) => {
  const mine = taskClient(from, (await tokens(from)).access_token), theirs = taskClient(to, (await tokens(to)).access_token);
  const id = await mine.start('long');
  for (const answer of [await theirs.get(id), await theirs.cancel(id), await theirs.update(id, {})]) {
    assert.equal(answer.body.error?.code, -32602, `${which}: ${answer.text}`);
  }
  assert.equal((await mine.get(id)).body.result.taskId, id);
  await mine.cancel(id);
  await mine.reaches(id, 'cancelled');
});

test('a quota: each site counts for itself', async () => {
  for (const site of [sites.main, sites.a, sites.b, sites.c]) {
    const { access_token: token } = await tokens(site);
    assert.equal((await callTool(site, token, 'rare')).content[0].text, 'rare\n', site.name);
    const shown = JSON.parse(execFileSync(process.env.MCP_AUTHD, ['-c', sites.main.daemon.configFile, 'status', '--json', ...(site.name ? ['--site', site.name] : [])]));
    assert.deepEqual(shown.quotas, [{ of: 'tool rare', used: 1, max: 1 }]);
  }
});

test('the state of a task reaches who subscribes to it at its site', async () => {
  for (const site of [sites.a, sites.b]) {
    const { access_token: token } = await tokens(site);
    const client = taskClient(site, token), id = await client.start('asks');
    const stream = await listen(site, token, { taskIds: [id] }, { meta: TASKS });
    await stream.next('the question', (each) => each.params?.taskId === id && each.params.status === 'input_required');
    await client.update(id, { a: yes });
    await stream.next('the result', (each) => each.params?.taskId === id && each.params.status === 'completed');
    await stream.close();
  }
});

test('a client document: each site fetches it for itself', async () => {
  const { documents, clientId } = sites.main;
  documents.setClient('/cached.json', { redirect_uris: ['http://127.0.0.1/callback'] });
  const id = clientId.replace(/[^/]*$/, 'cached.json');
  for (const [count, site] of [sites.main, sites.a, sites.b, sites.b].entries()) {
    const page = await new Browser().open(authorizeUrl(site, { client_id: id, code_challenge: pkce().challenge }));
    assert.equal(page.status, 200, page.text);
    assert.equal(documents.hits('/cached.json'), Math.min(count + 1, 3));
  }
});
