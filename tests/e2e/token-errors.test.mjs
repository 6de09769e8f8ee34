// Access tokens that are missing, wrong or not enough, at POST /mcp (RFC 6750; MCP authorization, "Token Handling").

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { logged } from '../parts/daemon.mjs';
import { callTool, challenge, modern, MODERN, post } from '../parts/mcp.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

const now = () => Math.floor(Date.now() / 1000);
const list = (token, at = site) => modern(at, token, 'tools/list');

function assertChallenge(answer, status, error) {
  assert.equal(answer.status, status, answer.text);
  const parameters = challenge(answer.headers);
  assert.equal(parameters.resource_metadata, `${site.issuer}/.well-known/oauth-protected-resource/mcp`);
  assert.match(parameters.scope, /\bmcp-server\/tools\b/);
  assert.equal(parameters.error, error, answer.headers.get('www-authenticate'));
  return parameters;
}

test('no token: a challenge that says where to go, without an error', async () => {
  assertChallenge(await list(undefined), 401, undefined);
});

test('the metadata that the challenge names exists', async () => {
  const { resource_metadata: url } = challenge((await list(undefined)).headers);
  const document = await (await fetch(url)).json();
  assert.equal(document.resource, site.mcpUrl);
  assert.deepEqual(document.authorization_servers, [site.issuer]);
});

test('a token of the pool is accepted, so the refusals below are not by accident', async () => {
  assert.equal((await list(await site.cognito.accessToken())).status, 200);
});

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const WRONG = {
  'an expired token': () => site.cognito.accessToken({ iat: now() - 7200, exp: now() - 3600 }),
  'a token without exp': () => site.cognito.accessToken({ exp: undefined }),
  'a token whose exp is not a number': () => site.cognito.accessToken({ exp: 'never' }),
  'a token of another issuer': () => site.cognito.accessToken({ iss: `${site.cognito.origin}/other_Pool` }),
  'a token without issuer': () => site.cognito.accessToken({ iss: undefined }),
  'a token of another client': () => site.cognito.accessToken({ client_id: 'another-app-client' }),
  'a token without client': () => site.cognito.accessToken({ client_id: undefined }),
  'an ID token': () => site.cognito.idToken(),
  'an ID token that also names the client and the scope': () =>
    site.cognito.accessToken({ token_use: 'id', aud: site.cognito.clientId }),
  'a token without token_use': () => site.cognito.accessToken({ token_use: undefined }),
  'a token that is not valid yet': () => site.cognito.accessToken({ nbf: now() + 3600 }),
  'a token signed by another key under the same kid': async () => {
    const key = await site.cognito.newKey();
    const { kid } = JSON.parse(Buffer.from((await site.cognito.accessToken()).split('.')[0], 'base64url'));
    return site.cognito.sign(site.cognito.accessClaims(), { key, header: { kid } });
  },
  'a token whose claims were changed': async () => {
    const [header, , signature] = (await site.cognito.accessToken()).split('.');
    return `${header}.${b64({ ...site.cognito.accessClaims(), username: 'mallory' })}.${signature}`;
  },
  'a token whose signature was changed': async () => {
    const token = await site.cognito.accessToken();
    const at = token.lastIndexOf('.') + 10;
    return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
  },
  'a token without signature': async () => {
    const token = await site.cognito.accessToken();
    return token.slice(0, token.lastIndexOf('.') + 1);
  },
  'alg none': () => `${b64({ alg: 'none' })}.${b64(site.cognito.accessClaims())}.`,
  'alg none with the kid of the pool': async () => {
    const { kid } = JSON.parse(Buffer.from((await site.cognito.accessToken()).split('.')[0], 'base64url'));
    return `${b64({ alg: 'none', kid })}.${b64(site.cognito.accessClaims())}.`;
  },
  'a token without kid': () => site.cognito.accessToken({}, { header: { kid: undefined } }),
  'a token that asks for an unknown critical header': () => site.cognito.accessToken({},
    { header: { crit: ['urn:example:ext'], 'urn:example:ext': 1 }, crit: { 'urn:example:ext': true } }),
  'something that is not a token': () => 'abc',
  'three parts that are not JSON': () => 'YWJj.YWJj.YWJj',
  'a token of 7 KB': async () => site.cognito.accessToken({ junk: 'x'.repeat(4700), iss: 'https://elsewhere.example' }),
};

for (const [name, make] of Object.entries(WRONG)) {
  test(`${name} is refused`, async () => {
    assertChallenge(await list(await make()), 401, 'invalid_token');
  });
}

test('times with fractions are times (RFC 7519 section 2)', async () => {
  const token = await site.cognito.accessToken({ iat: now() - 0.5, nbf: now() - 0.5, exp: now() + 600.5 });
  assert.equal((await list(token)).status, 200);
  assertChallenge(await list(await site.cognito.accessToken({ nbf: now() + 3600.5 })), 401, 'invalid_token');
  assertChallenge(await list(await site.cognito.accessToken({ exp: now() - 3600.5 })), 401, 'invalid_token');
});

test('HS256 keyed with the public key of the pool, in any way it may be written, is refused', async () => {
  const { kid } = JSON.parse(Buffer.from((await site.cognito.accessToken()).split('.')[0], 'base64url'));
  const pem = (await site.cognito.publicKeyPem()).trim();
  const { n } = (await (await fetch(site.cognito.jwksUrl)).json()).keys.at(-1);
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  for (const secret of [pem, `${pem}\n`, `${pem.replaceAll('\n', '\r\n')}\r\n`, `${pem}\0`, `${pem}\n\0`, der, n, Buffer.from(n, 'base64url'), '']) {
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const signed = `${b64({ alg, kid })}.${b64(site.cognito.accessClaims())}`;
      const mac = crypto.createHmac(`sha${alg.slice(2)}`, secret).update(signed).digest('base64url');
      assertChallenge(await list(`${signed}.${mac}`), 401, 'invalid_token');
    }
  }
});

test('unknown key ids: the key set is fetched at most once a minute by all workers together', async () => {
  await list(await site.cognito.accessToken());
  const before = site.cognito.calls(site.cognito.jwksPath);
  assert.ok(before >= 1, 'the key set was fetched from Cognito');
  const key = await site.cognito.newKey();
  const tokens = await Promise.all(Array.from({ length: 30 }, (_, i) =>
    site.cognito.sign(site.cognito.accessClaims(), { key, header: { kid: `unknown-${i}` } })));
  const answers = await Promise.all(tokens.map((token) => list(token)));
  for (const answer of answers) assertChallenge(answer, 401, 'invalid_token');
  const fetched = site.cognito.calls(site.cognito.jwksPath) - before;
  assert.ok(fetched <= 1, `${fetched} fetches for 30 tokens with unknown key ids`);
  assert.equal((await list(await site.cognito.accessToken())).status, 200, 'valid tokens are not disturbed');
});

test('a missing scope is 403 insufficient_scope with what is needed', async () => {
  const answer = await list(await site.cognito.accessToken({ scope: 'openid email' }));
  const parameters = assertChallenge(answer, 403, 'insufficient_scope');
  assert.ok(parameters.scope.split(' ').includes('mcp-server/tools'));
  for (const scope of [undefined, '', 'mcp-server/toolsX', 'xmcp-server/tools', 'MCP-server/tools']) {
    assertChallenge(await list(await site.cognito.accessToken({ scope })), 403, 'insufficient_scope');
  }
});

test("a tool's own scope is 403 insufficient_scope with all scopes that the call needs", async () => {
  const call = async (scope) => modern(site, await site.cognito.accessToken({ scope }), 'tools/call',
    { name: 'write_report', arguments: {} });
  const answer = await call('mcp-server/tools');
  assert.equal(answer.status, 403, answer.text);
  const parameters = challenge(answer.headers);
  assert.equal(parameters.error, 'insufficient_scope');
  assert.ok(parameters.scope.split(' ').includes('reports/write'), parameters.scope);
  assert.equal(parameters.resource_metadata, `${site.issuer}/.well-known/oauth-protected-resource/mcp`);
  assert.equal((await call('mcp-server/tools reports/write')).status, 200);
});

test('the line of a 403 names what is missing, and what the token has', async () => {
  const before = site.daemon.log.length;
  await list(await site.cognito.accessToken({ scope: 'openid email' }));
  await logged(site.daemon, before, /event=request .*status=403 .*detail="missing: mcp-server\/tools; the token has: openid email"/);
});

function rawPost(headers, path = '/mcp') {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  return rawRequest({ port: site.port, method: 'POST', path, body, headers: [
    ['Content-Type', 'application/json'], ['Accept', 'application/json, text/event-stream'],
    ['MCP-Protocol-Version', '2025-11-25'], ...headers] });
}

test('the scheme is compared without case, and nothing but one Bearer token is accepted', async () => {
  const good = await site.cognito.accessToken();
  assert.equal((await rawPost([['Authorization', `bEaReR ${good}`]])).status, 200);
  const bad = await site.cognito.accessToken({ exp: now() - 10 });
  for (const headers of [
    [['Authorization', `Bearer ${bad}`], ['Authorization', `Bearer ${good}`]],
    [['Authorization', `Bearer ${good}`], ['Authorization', `Bearer ${bad}`]],
    [['Authorization', `Basic ${Buffer.from('alice:correct-horse').toString('base64')}`]],
    [['Authorization', 'Bearer']],
    [['Authorization', `Bearer  ${good} trailing`]],
    [['Authorization', `Token ${good}`]],
    [['Authorization', good]],
  ]) {
    const answer = await rawPost(headers);
    assert.ok([400, 401].includes(answer.status), `${JSON.stringify(headers.map(([, v]) => v.slice(0, 20)))}: ${answer.status}`);
  }
});

test('a token in the query string or in the body is not looked at', async () => {
  const good = await site.cognito.accessToken();
  const inQuery = await rawPost([], `/mcp?access_token=${good}`);
  assert.equal(inQuery.status, 401);
  const answer = await fetch(site.mcpUrl, { method: 'POST', body: new URLSearchParams({ access_token: good }) });
  assert.equal(answer.status, 401);
  assert.ok(!site.daemon.log.includes(good.slice(0, 60)), 'the token is not in the log');
});

test('Cognito is down: valid tokens work, also ones that were never seen before', async () => {
  const seen = await site.cognito.accessToken();
  assert.equal((await list(seen)).status, 200);
  site.cognito.setDown(true);
  try {
    for (let i = 0; i < 12; i += 1) {
      assert.equal((await list(await site.cognito.accessToken())).status, 200);
      assert.equal((await list(seen)).status, 200);
    }
    const who = await callTool(site, seen, 'whoami');
    assert.equal(who.structuredContent.username, 'alice');
  } finally {
    site.cognito.setDown(false);
  }
});

test('no key set could ever be had: 503 with Retry-After, and the metadata is still served', async () => {
  const lonely = await startSite();
  try {
    lonely.cognito.setDown(true);
    const answer = await list(await lonely.cognito.accessToken(), lonely);
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
    assert.equal((await fetch(`${lonely.issuer}/.well-known/oauth-authorization-server`)).status, 200);
    assert.equal((await fetch(`${lonely.issuer}/.well-known/oauth-protected-resource/mcp`)).status, 200);
  } finally {
    await lonely.close();
  }
});

test('no token ever shows in the log', async () => {
  const token = await site.cognito.accessToken();
  await post(site, token, { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: {} } },
    { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/list' });
  assert.ok(site.daemon.log.length > 0);
  assert.doesNotMatch(site.daemon.log, /eyJ[\w-]+\.[\w-]+/);
});
