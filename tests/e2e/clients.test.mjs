// Which clients may log users in: lists, pinned documents, registration (RFC 7591), private_key_jwt (RFC 7523), and the
// login parameters that they may send.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { findForm, wordsOf } from '../parts/browser.mjs';
import { callTool } from '../parts/mcp.mjs';
import { assertOAuthError, authorize, login, redeem, REDIRECT, refresh, revoke, token, tokens } from '../parts/oauth.mjs';
import { reload } from '../parts/audit.mjs';
import { logged } from '../parts/daemon.mjs';
import { until } from '../parts/util.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite({ config: { DYNAMIC_REGISTRATION: 'yes' } }); });
after(() => site?.close());

const isConsent = (page) => page.status === 200 && Boolean(findForm(page)?.decisions);
const register = async (metadata, at = site, type = 'application/json') => {
  const response = await fetch(`${at.issuer}/register`, { method: 'POST', headers: { 'content-type': type },
    body: typeof metadata === 'string' ? metadata : JSON.stringify(metadata) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
};

// --- lists

test('CLIENTS_ALLOW and CLIENTS_DENY decide, and deny wins, at /token too', async () => {
  const strict = await startSite({ config: { CLIENTS_ALLOW: 'localhost', CLIENTS_DENY: 'nobody.example' } });
  try {
    const { refresh_token: held } = await tokens(strict);
    assert.equal((await authorize(strict, { client_id: 'https://elsewhere.example/c.json' })).status, 400);
    strict.configure({ CLIENTS_DENY: strict.clientId });
    await reload(strict, until);
    await until('the new configuration', async () => (await authorize(strict)).status === 400);
    assertOAuthError(await refresh(strict, held), 401, 'invalid_client');
    assert.ok(isConsent(await authorize(strict, { client_id: strict.otherClientId })));
  } finally {
    await strict.close();
  }
});

// --- registration

test('registration is off unless it is on', async () => {
  const plain = await startSite();
  try {
    const answer = await register({ redirect_uris: [REDIRECT] }, plain);
    assert.equal(answer.status, 404);
    assert.equal((await (await fetch(`${plain.issuer}/.well-known/oauth-authorization-server`)).json())
      .registration_endpoint, undefined);
    // And what was registered where it is on is nothing here.
    const { body } = await register({ redirect_uris: [REDIRECT] });
    assert.equal((await authorize(plain, { client_id: body.client_id })).status, 400);
  } finally {
    await plain.close();
  }
});

test('a client registers, logs in, refreshes', async () => {
  const metadata = await (await fetch(`${site.issuer}/.well-known/oauth-authorization-server`)).json();
  assert.equal(metadata.registration_endpoint, `${site.issuer}/register`);
  const { status, body, headers } = await register({ client_name: 'Registered', redirect_uris: [REDIRECT],
    token_endpoint_auth_method: 'client_secret_basic', grant_types: ['authorization_code', 'refresh_token'] });
  assert.equal(status, 201);
  assert.match(headers.get('cache-control'), /no-store/);
  assert.equal(body.token_endpoint_auth_method, 'none', 'replaced, and said so');
  assert.equal(body.client_secret, undefined);
  assert.deepEqual(body.redirect_uris, [REDIRECT]);
  const page = await authorize(site, { client_id: body.client_id });
  assert.match(page.text, /Registered/);
  const granted = await login(site, { client_id: body.client_id });
  const answer = await redeem(site, granted, { client_id: body.client_id });
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await refresh(site, answer.body.refresh_token, { client_id: body.client_id })).status, 200);
  assert.equal((await authorize(site, { client_id: body.client_id, redirect_uri: 'http://127.0.0.1:1/other' })).status, 400);
  const changed = body.client_id.slice(0, -3) + (body.client_id.at(-3) === 'A' ? 'B' : 'A') + body.client_id.slice(-2);
  assert.equal((await authorize(site, { client_id: changed })).status, 400);
});

test('what is null at registration is absent', async () => {
  const { status, text, body } = await register({ redirect_uris: [REDIRECT], client_name: null, grant_types: null, response_types: null,
    token_endpoint_auth_method: null, scope: null, client_uri: null, jwks: null });
  assert.equal(status, 201, text);
  assert.deepEqual(body.grant_types, ['authorization_code', 'refresh_token']);
  assert.equal(typeof body.client_name, 'string');
});

// What Cursor sends.
const CURSOR = ['cursor://anysphere.cursor-mcp/oauth/callback', 'https://www.cursor.com/agents/mcp/oauth/callback',
  'http://localhost:8787/callback'];

test('a registration that asks for a secret or for keys is told that it has none', async () => {
  for (const method of ['private_key_jwt', 'client_secret_basic', 'client_secret_post']) {
    const before = site.daemon.log.length;
    const { status, body } = await register({ client_name: 'Confidential', redirect_uris: [REDIRECT], token_endpoint_auth_method: method });
    assert.equal(status, 201);
    assert.equal(body.token_endpoint_auth_method, 'none');
    assert.equal(body.client_secret, undefined);
    assert.match(body.warning, /token_endpoint_auth_method is none/);
    await logged(site.daemon, before, new RegExp(`event=registered_without_authentication .*asked=${method} client_name=Confidential`));
  }
  for (const method of ['none', undefined]) {
    assert.equal((await register({ redirect_uris: [REDIRECT], token_endpoint_auth_method: method })).body.warning, undefined);
  }
});

test('Cursor registers with its three addresses, and is answered at its own scheme', async () => {
  const { status, text, body } = await register({ client_name: 'Cursor', redirect_uris: CURSOR, token_endpoint_auth_method: 'none' });
  assert.equal(status, 201, text);
  const changes = { client_id: body.client_id, redirect_uri: CURSOR[0] };
  assert.match((await authorize(site, changes)).text, /cursor/);
  const answer = await redeem(site, await login(site, changes), changes);
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await authorize(site, { ...changes, redirect_uri: 'cursor://anysphere.cursor-mcp/other' })).status, 400);
});

test('without PRIVATE_USE_SCHEMES, an app needs a scheme with a dot', async () => {
  const strict = await startSite({ config: { DYNAMIC_REGISTRATION: 'yes', PRIVATE_USE_SCHEMES: '' } });
  try {
    assertOAuthError(await register({ redirect_uris: CURSOR }, strict), 400, 'invalid_redirect_uri');
    assert.equal((await register({ redirect_uris: ['com.example.app:/callback'] }, strict)).status, 201);
  } finally {
    await strict.close();
  }
});

for (const [name, metadata, error] of [
  ['no redirect URIs', {}, 'invalid_redirect_uri'],
  ['an empty list of them', { redirect_uris: [] }, 'invalid_redirect_uri'],
  ['a redirect URI that is none', { redirect_uris: ['nowhere'] }, 'invalid_redirect_uri'],
  ['plain http', { redirect_uris: ['http://app.example/cb'] }, 'invalid_redirect_uri'],
  ['an unknown scheme', { redirect_uris: ['unknown://app/cb'] }, 'invalid_redirect_uri'],
  ['javascript:', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
  ['a fragment', { redirect_uris: ['https://app.example/cb#f'] }, 'invalid_redirect_uri'],
  ['a number for a redirect URI', { redirect_uris: [1] }, 'invalid_redirect_uri'],
  ['33 redirect URIs', { redirect_uris: Array(33).fill(REDIRECT) }, 'invalid_redirect_uri'],
  ['a name of 300 bytes', { redirect_uris: [REDIRECT], client_name: 'x'.repeat(300) }, 'invalid_client_metadata'],
  ['a name that is no text', { redirect_uris: [REDIRECT], client_name: 7 }, 'invalid_client_metadata'],
  ['another grant', { redirect_uris: [REDIRECT], grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
  ['another response type', { redirect_uris: [REDIRECT], response_types: ['token'] }, 'invalid_client_metadata'],
  ['metadata too long to seal', { redirect_uris: Array.from({ length: 20 }, (_, i) => `https://app.example/${'x'.repeat(150)}${i}`) }, 'invalid_client_metadata'],
  ['a body of 20 KB', { redirect_uris: [REDIRECT], filler: 'x'.repeat(20000) }, 'invalid_client_metadata'],
  ['a body that is not JSON', 'client_name=x', 'invalid_client_metadata'],
  ['a list', '[]', 'invalid_client_metadata'],
]) {
  test(`registration with ${name}: ${error}`, async () => {
    assertOAuthError(await register(metadata), 400, error);
  });
}

// --- what a client may say about the login

test('prompt, login_hint, ui_locales and the identity provider reach Cognito, others do not', async () => {
  const sent = async (changes) => {
    await login(site, changes);
    return site.cognito.authorizations.at(-1);
  };
  const all = await sent({ prompt: 'login consent nonsense', login_hint: 'alice@example.com', ui_locales: 'xx ja-JP en',
    identity_provider: 'Google', idp_identifier: 'corp', nonce: 'n', acr_values: 'x' });
  assert.equal(all.prompt, 'login');
  assert.equal(all.login_hint, 'alice@example.com');
  assert.equal(all.lang, 'ja');
  assert.equal(all.identity_provider, 'Google');
  assert.equal(all.idp_identifier, 'corp');
  for (const name of ['ui_locales', 'nonce', 'acr_values', 'resource']) assert.equal(all[name], undefined, name);
  const none = await sent({ prompt: 'consent', ui_locales: 'tlh' });
  assert.equal(none.prompt, undefined);
  assert.equal(none.lang, undefined);
  assert.equal((await authorize(site, { login_hint: 'x'.repeat(257) })).query?.get('error'), 'invalid_request');
  assert.equal((await authorize(site, { prompt: 'none login' })).query?.get('error'), 'invalid_request');
  assert.equal((await authorize(site, { prompt: 'none' })).query?.get('error'), 'consent_required');
});

test('resource may come several times, if each is ours (RFC 8707 section 2)', async () => {
  assert.ok(isConsent(await authorize(site, { resource: [site.mcpUrl, `${site.mcpUrl}/`] })));
  assert.equal((await authorize(site, { resource: [site.mcpUrl, 'https://other.example/'] })).query?.get('error'), 'invalid_target');
  const granted = await login(site);
  const pairs = Object.entries({ grant_type: 'authorization_code', client_id: site.clientId, redirect_uri: REDIRECT,
    code: granted.code, code_verifier: granted.verifier });
  assertOAuthError(await token(site, [...pairs, ['resource', site.mcpUrl], ['resource', 'https://other.example/']]), 400, 'invalid_target');
  assert.equal((await token(site, [...pairs, ['resource', site.mcpUrl], ['resource', site.mcpUrl]])).status, 200);
});

// --- private_key_jwt

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const seconds = () => Math.floor(Date.now() / 1000);

async function keyPair(alg, kid) {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { ...pair, alg, kid, jwk: { ...await exportJWK(pair.publicKey), kid, alg, use: 'sig' } };
}

async function assertion(key, clientId, changes = {}, header = {}) {
  const claims = { iss: clientId, sub: clientId, aud: site.issuer, exp: seconds() + 60, iat: seconds(),
    jti: crypto.randomUUID(), ...changes };
  const present = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
  return { client_assertion_type: TYPE, client_assertion: await new SignJWT(present)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey) };
}

const document = (changes) => ({ redirect_uris: ['http://127.0.0.1/callback'], token_endpoint_auth_method: 'private_key_jwt',
  ...changes });

for (const alg of ['RS256', 'ES256']) {
  test(`private_key_jwt with ${alg} and keys in the document: with it, and not without`, async () => {
    const key = await keyPair(alg, 'k1');
    const id = site.documents.setClient(`/jwt-${alg}.json`, document({ jwks: { keys: [key.jwk] } }));
    const granted = await login(site, { client_id: id });
    assertOAuthError(await redeem(site, granted, { client_id: id }), 401, 'invalid_client');
    const answer = await redeem(site, granted, { client_id: id, ...await assertion(key, id) });
    assert.equal(answer.status, 200, answer.text);
    await callTool(site, answer.body.access_token, 'whoami');
    assertOAuthError(await refresh(site, answer.body.refresh_token, { client_id: id }), 401, 'invalid_client');
    const next = await refresh(site, answer.body.refresh_token, { client_id: id,
      ...await assertion(key, id, { aud: [`${site.issuer}/token`], exp: seconds() + 60.5, iat: seconds() - 0.5 }) });
    assert.equal(next.status, 200, next.text);
    assertOAuthError(await revoke(site, { token: next.body.refresh_token, client_id: id }), 401, 'invalid_client');
    assert.equal((await revoke(site, { token: next.body.refresh_token, client_id: id, ...await assertion(key, id) })).status, 200);
  });
}

test('keys at a jwks_uri of the document\'s host; a new key is found; client_id may be left out', async () => {
  const first = await keyPair('ES256', 'first');
  const id = site.documents.setClient('/jwks-client.json', document({ jwks_uri: site.documents.url('/keys.json') }));
  site.documents.set('/keys.json', { body: { keys: [first.jwk] }, headers: { 'content-type': 'application/json', 'cache-control': 'max-age=3600' } });
  const answer = await redeem(site, await login(site, { client_id: id }), { client_id: undefined, ...await assertion(first, id) });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(site.documents.hits('/keys.json'), 1);
  const other = await keyPair('ES256', 'unknown');
  for (let i = 0; i < 3; i += 1) {
    assertOAuthError(await refresh(site, answer.body.refresh_token, { client_id: id, ...await assertion(other, id) }), 401, 'invalid_client');
  }
  assert.equal(site.documents.hits('/keys.json'), 1, 'not fetched for each unknown key within a minute');
});

test('a published key set with a private key, or without keys, proves nothing', async () => {
  const key = await keyPair('ES256', 'k');
  const { d } = await exportJWK(key.privateKey);
  const id = site.documents.setClient('/leaky.json', document({ jwks_uri: site.documents.url('/leaky-keys.json') }));
  const granted = await login(site, { client_id: id });
  for (const [body, why] of [[{ keys: [{ ...key.jwk, d }] }, /private or symmetric key/], [key.jwk, /no array of keys/]]) {
    site.documents.set('/leaky-keys.json', { body });
    const refused = await redeem(site, granted, { client_id: id, ...await assertion(key, id) });
    assertOAuthError(refused, 401, 'invalid_client');
    assert.match(refused.body.error_description, why);
  }
});

test('a client that lists none too may come without', async () => {
  const key = await keyPair('ES256', 'k');
  const id = site.documents.setClient('/either.json', document({ jwks: { keys: [key.jwk] },
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'] }));
  assert.equal((await redeem(site, await login(site, { client_id: id }), { client_id: id })).status, 200);
  const granted = await login(site, { client_id: id });
  const other = await keyPair('ES256', 'k');
  assertOAuthError(await redeem(site, granted, { client_id: id, ...await assertion(other, id) }), 401, 'invalid_client');
  assert.equal((await redeem(site, granted, { client_id: id, ...await assertion(key, id) })).status, 200);
});

test('assertions that are wrong, and one that comes twice', async () => {
  const key = await keyPair('RS256', 'k');
  const ec = await keyPair('ES256', 'e');
  const id = site.documents.setClient('/strict.json', document({ jwks: { keys: [key.jwk, ec.jwk] } }));
  const granted = await login(site, { client_id: id });
  const hmac = new TextEncoder().encode(JSON.stringify(key.jwk));
  const wrong = {
    'another issuer': () => assertion(key, id, { iss: 'https://evil.example/c' }),
    'another subject': () => assertion(key, id, { sub: 'https://evil.example/c' }),
    'another audience': () => assertion(key, id, { aud: 'https://evil.example' }),
    'another audience besides us': () => assertion(key, id, { aud: [site.issuer, 'https://evil.example'] }),
    'no audience': () => assertion(key, id, { aud: undefined }),
    'no end': () => assertion(key, id, { exp: undefined }),
    'an end that has come': () => assertion(key, id, { exp: seconds() - 60 }),
    'an end a day from now': () => assertion(key, id, { exp: seconds() + 86400 }),
    'a start that has not come': () => assertion(key, id, { nbf: seconds() + 600 }),
    'no jti': () => assertion(key, id, { jti: undefined }),
    'a jti of 300 bytes': () => assertion(key, id, { jti: 'x'.repeat(300) }),
    'another kid': () => assertion(key, id, {}, { kid: 'nobody' }),
    'the kid of a key of the other kind': () => assertion(key, id, {}, { kid: 'e' }),
    'HS256': () => assertion({ privateKey: hmac, alg: 'HS256', kid: 'k' }, id),
    'another type': async () => ({ ...await assertion(key, id), client_assertion_type: 'x' }),
    'no type': async () => ({ ...await assertion(key, id), client_assertion_type: undefined }),
    'nonsense': () => ({ client_assertion_type: TYPE, client_assertion: 'a.b.c' }),
    'alg none': () => ({ client_assertion_type: TYPE, client_assertion: `${[{ alg: 'none' }, { iss: id, sub: id }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.` }),
    'a changed signature': async () => {
      const good = await assertion(key, id);
      const at = good.client_assertion.lastIndexOf('.') + 9;
      const was = good.client_assertion[at];
      return { ...good, client_assertion: `${good.client_assertion.slice(0, at)}${was === 'A' ? 'B' : 'A'}${good.client_assertion.slice(at + 1)}` };
    },
  };
  for (const [name, make] of Object.entries(wrong)) {
    const answer = await redeem(site, granted, { client_id: id, ...await make() });
    assert.equal(answer.status, 401, `${name}: ${answer.text}`);
    assert.equal(answer.body.error, 'invalid_client', name);
  }
  const good = await assertion(key, id);
  const answer = await redeem(site, granted, { client_id: id, ...good });
  assert.equal(answer.status, 200, answer.text);
  assertOAuthError(await refresh(site, answer.body.refresh_token, { client_id: id, ...good }), 401, 'invalid_client');
  assert.equal((await refresh(site, answer.body.refresh_token, { client_id: id, ...await assertion(ec, id) })).status, 200);
});

test('a document that asks for keys it does not have, or has at another host, is refused', async () => {
  for (const [path, changes] of Object.entries({ '/nokeys.json': {}, '/elsewhere.json': { jwks_uri: 'https://elsewhere.example/keys.json' } })) {
    const page = await authorize(site, { client_id: site.documents.setClient(path, document(changes)) });
    assert.equal(page.status, 400, wordsOf(page.text));
  }
});
