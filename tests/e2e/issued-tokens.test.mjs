// /token gives out only access tokens that /mcp accepts; otherwise an error and a log line say why.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { UPSTREAM_MARK } from '../parts/cognito.mjs';
import { logged } from '../parts/daemon.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { assertOAuthError, authorize, login, redeem, refresh, SCOPE, tokens } from '../parts/oauth.mjs';
import { startSite, WEB_SERVER } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite(); });
beforeEach(() => { site.cognito.setAccessTokens(); site.cognito.clearFaults(); });
after(() => site?.close());

// As RFC 9068 section 2 has it: the type says that it is an access token, and for whom.
const rfc9068 = ({ user, scope }) => site.cognito.sign({ ...site.cognito.accessClaims({ user, scope }), token_use: undefined, aud: site.mcpUrl },
  { header: { typ: 'at+jwt' } });

test('a provider that gives tokens of RFC 9068: they work', async () => {
  site.cognito.setAccessTokens(rfc9068);
  const { access_token: token, refresh_token: held } = await tokens(site);
  assert.equal((await callTool(site, token, 'whoami')).structuredContent.username, 'alice');
  const next = await refresh(site, held);
  assert.equal(next.status, 200, next.text);
  await callTool(site, next.body.access_token, 'whoami');
});

const UNUSABLE = {
  'opaque tokens': [async () => crypto.randomBytes(32).toString('base64url'), /not a JWT of three parts/],
  'tokens of another client': [(facts) => site.cognito.sign({ ...site.cognito.accessClaims(facts), client_id: 'another' }), /for another client/],
  'tokens for another resource': [(facts) => site.cognito.sign({ ...site.cognito.accessClaims(facts), aud: 'https://other.example/' }), /for another resource/],
  'tokens signed with another algorithm': [async (facts) => {
    const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${b64({ alg: 'ES256', kid: 'k' })}.${b64(site.cognito.accessClaims(facts))}.AAAA`;
  }, /not signed with RS256/],
  'tokens without a required scope': [(facts) => site.cognito.sign(site.cognito.accessClaims({ ...facts, scope: 'openid email' })),
    /reason="it lacks a scope" missing=mcp-server\/tools scope="openid email"/],
};

for (const [name, [make, reason]] of Object.entries(UNUSABLE)) {
  test(`a provider that gives ${name}: server_error once, and the reason in the log`, async () => {
    const good = await tokens(site);
    site.cognito.setAccessTokens(make);
    const from = site.daemon.log.length;
    assertOAuthError(await redeem(site, await login(site)), 500, 'server_error');
    const [line] = await logged(site.daemon, from, /level=error .*event=token_unusable .*/);
    assert.match(line, reason);
    // A refresh that gives too little may be mended by a new login; the rest is not.
    const again = await refresh(site, good.refresh_token);
    assert.equal(again.body.error, name.includes('scope') ? 'invalid_grant' : 'server_error', again.text);
  });
}

test('a token of a key that nobody has published is not given out', async () => {
  const stranger = await site.cognito.newKey();
  site.cognito.setAccessTokens((facts) => site.cognito.sign(site.cognito.accessClaims(facts), { key: stranger }));
  assertOAuthError(await redeem(site, await login(site)), 500, 'server_error');
});

test('while the key set cannot be had, tokens are given out unchecked', async () => {
  const other = await startSite();
  try {
    other.cognito.failKeySetCalls('503', 100);
    const { access_token: token } = await tokens(other);
    await logged(other.daemon, 0, /level=warn .*event=token_not_checked /);
    other.cognito.clearFaults();
    assert.ok(token);
  } finally {
    await other.close();
  }
});

test('REQUIRE_AUDIENCE=yes: the login asks for it, and a token without it is neither given out nor taken', async () => {
  const strict = await startSite({ config: { REQUIRE_AUDIENCE: 'yes' } });
  try {
    const { access_token: token } = await tokens(strict);
    assert.equal(strict.cognito.authorizations.at(-1).resource, strict.mcpUrl);
    assert.equal((await callTool(strict, token, 'whoami')).structuredContent.username, 'alice');
    for (const aud of [undefined, 'https://other.example/mcp']) {
      assert.equal((await modern(strict, await strict.cognito.accessToken({ aud }), 'tools/list')).status, 401);
    }
    // A pool of the plan Lite, or without managed login.
    strict.cognito.setAccessTokens((facts) => strict.cognito.sign({ ...strict.cognito.accessClaims(facts), aud: undefined }));
    const from = strict.daemon.log.length;
    assert.equal((await redeem(strict, await login(strict))).status, 500);
    await logged(strict.daemon, from, /event=token_unusable .*reason=".*(audience|resource).*"/);
  } finally {
    await strict.close();
  }
});

test('no ID token goes out, so openid is not granted', async () => {
  const answer = await tokens(site, { scope: SCOPE });
  assert.equal(answer.id_token, undefined);
  assert.deepEqual(answer.scope.split(' '), SCOPE.split(' ').filter((scope) => scope !== 'openid'));
  const next = await refresh(site, answer.refresh_token, { scope: SCOPE });
  assert.equal(next.status, 200, next.text);
  assert.ok(!next.body.scope.split(' ').includes('openid'));
});

test('what every call needs is asked for with every login', async () => {
  const answer = await tokens(site, { scope: 'openid' });
  assert.equal(site.cognito.authorizations.at(-1).scope, 'openid mcp-server/tools');
  assert.equal(answer.scope, 'mcp-server/tools');
  await callTool(site, answer.access_token, 'whoami');
});

test('a refresh may repeat what the login asked for', async () => {
  for (const scope of ['mcp-server/tools offline_access', 'offline_access', 'made-up mcp-server/tools openid']) {
    const { refresh_token: held } = await tokens(site, { scope });
    const answer = await refresh(site, held, { scope });
    assert.equal(answer.status, 200, `${scope}: ${answer.text}`);
    await callTool(site, answer.body.access_token, 'whoami');
  }
  const { refresh_token: held } = await tokens(site, { scope: 'mcp-server/tools' });
  for (const scope of ['made-up', 'mcp-server/tools email']) assertOAuthError(await refresh(site, held, { scope }), 400, 'invalid_scope');
});

test('a provider that left a scope out of the login: so does the refresh', async () => {
  site.cognito.setAccessTokens((facts) => site.cognito.sign(site.cognito.accessClaims({ ...facts, scope: 'mcp-server/tools' })));
  const { scope, refresh_token: held } = await tokens(site, { scope: 'mcp-server/tools email' });
  assert.equal(scope, 'mcp-server/tools');
  assert.equal((await refresh(site, held, { scope: 'mcp-server/tools email' })).status, 200);
  assertOAuthError(await refresh(site, held, { scope: 'mcp-server/tools profile' }), 400, 'invalid_scope');
});

// Apache gives a FastCGI program 16 KB of variables at most.
const LARGE = WEB_SERVER === 'apache' ? 12000 : 30000;

test(`a token of a user in many groups (${LARGE} bytes): it works, and a line says that it is large`, async () => {
  const groups = Array.from({ length: Math.floor(LARGE * 0.75 / 50) }, (_, i) => `department-of-something-${i}-${'x'.repeat(16)}`);
  site.cognito.setAccessTokens((facts) => site.cognito.sign({ ...site.cognito.accessClaims(facts), 'cognito:groups': groups }));
  const from = site.daemon.log.length;
  const { access_token: token, refresh_token: held } = await tokens(site);
  assert.ok(token.length > LARGE * 0.9 && token.length < 32768, `${token.length} bytes`);
  await logged(site.daemon, from, new RegExp(`level=warn .*event=access_token_large .*bytes=${token.length} `));
  await callTool(site, token, 'whoami');
  await callTool(site, (await refresh(site, held)).body.access_token, 'whoami');
});

test('a longer one than we take is not given out', async () => {
  site.cognito.setAccessTokens((facts) => site.cognito.sign({ ...site.cognito.accessClaims(facts), groups: 'x'.repeat(30000) }));
  const from = site.daemon.log.length;
  assertOAuthError(await redeem(site, await login(site)), 500, 'server_error');
  await logged(site.daemon, from, /event=token_unusable .*longer than 32768 bytes/);
});

test('the reason that Cognito gives is in the log, and goes to no client', async () => {
  const granted = await login(site);
  site.cognito.failTokenCalls('400');
  const from = site.daemon.log.length;
  const answer = await redeem(site, granted);
  assert.ok(!answer.text.includes(UPSTREAM_MARK));
  await logged(site.daemon, from, new RegExp(`event=refused_by_idp .*endpoint=token status=400 error=invalid_grant detail=${UPSTREAM_MARK}`));
});

test('offline_access of a provider that knows it is asked for, with the consent that it needs', async () => {
  const other = await startSite({ config: { SUPPORTED_SCOPES: 'openid mcp-server/tools offline_access' } });
  try {
    for (const [prompt, passed] of [[undefined, 'consent'], ['login', 'login consent']]) {
      // The local provider is one that does not know it, and says so.
      assert.equal((await login(other, { scope: 'mcp-server/tools offline_access', prompt })).query.get('error'), 'server_error');
      assert.equal(other.cognito.authorizations.at(-1).scope, 'mcp-server/tools offline_access');
      assert.equal(other.cognito.authorizations.at(-1).prompt, passed);
    }
    assert.ok((await tokens(other, { scope: 'mcp-server/tools' })).access_token);
    assert.equal(other.cognito.authorizations.at(-1).prompt, undefined);
    // MCP authorization, "Refresh Tokens": the authorization server offers it, the resource does not.
    for (const [path, offered] of [['oauth-authorization-server', true], ['oauth-protected-resource', false]]) {
      const { scopes_supported: scopes } = await (await fetch(`${other.issuer}/.well-known/${path}`)).json();
      assert.equal(scopes.includes('offline_access'), offered, path);
      assert.ok(scopes.includes('mcp-server/tools'));
    }
  } finally {
    await other.close();
  }
});

test('resource and the endpoint itself, as clients write them', async () => {
  for (const resource of [site.mcpUrl.toUpperCase().replace('/MCP', '/mcp'), `${site.mcpUrl}/`, site.mcpUrl.replace('mcp', '%6dcp')]) {
    const granted = await login(site, { resource });
    const answer = await redeem(site, granted, { resource });
    assert.equal(answer.status, 200, `${resource}: ${answer.text}`);
    await callTool({ ...site, mcpUrl: `${site.mcpUrl}/` }, answer.body.access_token, 'whoami');
  }
  const refused = await authorize(site, { resource: site.mcpUrl.replace('/mcp', '/MCP') });
  assert.equal(refused.query.get('error'), 'invalid_target');
  for (const path of ['/mcp', '/mcp/']) {
    const document = await (await fetch(`${site.issuer}/.well-known/oauth-protected-resource${path}`)).json();
    assert.equal(document.resource, site.mcpUrl);
  }
});
