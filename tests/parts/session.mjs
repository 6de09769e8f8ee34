// The checks that both SDK tests share.

import assert from 'node:assert/strict';

// What the user saw on the way: the consent page names the client, then came Cognito's login form.
export function checkLoginPages(site, provider) {
  const pages = provider.browser.pages;
  const consent = pages[0];
  assert.equal(consent.status, 200);
  assert.match(consent.headers.get('content-type'), /^text\/html/);
  assert.match(consent.text, /Test client/, 'the consent page shows the name of the client');
  assert.match(consent.text, /localhost/, 'the consent page shows the host that the client comes from');
  assert.ok(pages.some((page) => page.url.startsWith(`${site.cognito.origin}/login/`)), 'the login form was shown');

  // RFC 9207, and no token on the way back.
  assert.equal(provider.callback.searchParams.get('iss'), site.issuer);
  assert.equal(provider.authorizationUrl.origin, site.issuer);

  // Cognito gets its own state and PKCE pair, and no resource parameter.
  const upstream = site.cognito.authorizations.at(-1);
  assert.equal(upstream.resource, undefined);
  assert.equal(upstream.code_challenge_method, 'S256');
  assert.notEqual(upstream.code_challenge, provider.authorizationUrl.searchParams.get('code_challenge'));
  assert.notEqual(upstream.state, provider.sentState);
  assert.equal(upstream.redirect_uri, `${site.issuer}/callback`);
}

export async function checkTools(site, client, provider) {
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  assert.ok(names.includes('whoami') && names.includes('echo') && names.includes('greet'), names.join(' '));

  await checkWhoami(site, client, provider);
  const echo = await client.callTool({ name: 'echo', arguments: { text: 'Grüße, 世界' } });
  assert.deepEqual(echo.content, [{ type: 'text', text: 'Grüße, 世界' }]);

  // A program from TOOLS_DIR.
  const greet = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
  assert.deepEqual(greet.content, [{ type: 'text', text: 'Hello Ada, says alice' }]);
  assert.ok(!greet.isError);
}

async function checkWhoami(site, client, provider) {
  const result = await client.callTool({ name: 'whoami', arguments: {} });
  const who = result.structuredContent;
  const alice = site.cognito.users.find((user) => user.username === 'alice');
  assert.equal(who.username, 'alice');
  assert.equal(who.sub, alice.sub);
  assert.equal(who.client_id, site.cognito.clientId);
  // The client asked for what the challenge or the metadata told it, and got that.
  const asked = provider.authorizationUrl.searchParams.get('scope').split(' ');
  assert.ok(asked.includes('mcp-server/tools'));
  assert.deepEqual(who.scopes.toSorted(), asked.toSorted());
  const expires = typeof who.expires_at === 'number' ? who.expires_at * 1000 : Date.parse(who.expires_at);
  assert.ok(expires > Date.now() + 3000_000 && expires <= Date.now() + 3605_000, `expires_at: ${who.expires_at}`);
  assert.equal(result.content[0].type, 'text');
  assert.match(result.content[0].text, /alice/);
}

// The access token is replaced by one of the same pool that has expired, as if an hour had passed: the SDK must come
// back with a new one by itself, without a login.
export async function checkRefresh(site, client, provider) {
  const { grants } = site.cognito;
  const old = provider.saved.tokens;
  const logins = provider.logins;
  const refreshes = grants.filter((grant) => grant === 'refresh_token').length;
  assert.ok(old.refresh_token, 'a refresh token was issued');

  const now = Math.floor(Date.now() / 1000);
  provider.saved.tokens = { ...old, access_token: await site.cognito.accessToken({ iat: now - 7200, exp: now - 3600 }) };
  await checkWhoami(site, client, provider);

  assert.equal(grants.filter((grant) => grant === 'refresh_token').length, refreshes + 1, 'one refresh at Cognito');
  assert.equal(provider.logins, logins, 'no second login');
  assert.notEqual(provider.saved.tokens.access_token, old.access_token);
  assert.ok(provider.saved.tokens.refresh_token, 'the client can refresh again');

  // And once more with what came back, so that a refresh token handed out by a refresh works too.
  provider.saved.tokens = { ...provider.saved.tokens, access_token: 'not-a-token' };
  await checkWhoami(site, client, provider);
  assert.equal(grants.filter((grant) => grant === 'refresh_token').length, refreshes + 2);
}
