// The local identity provider behaves like Amazon Cognito where the daemon depends on it. Checked without the daemon.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { startCognito, UPSTREAM_MARK } from '../parts/cognito.mjs';
import { Browser } from '../parts/browser.mjs';
import { pkce } from '../parts/oauth.mjs';

const CALLBACK = 'http://127.0.0.1:9/callback';
let cognito;

before(async () => { cognito = await startCognito({ callback: CALLBACK }); });
after(() => cognito?.close());

function authorizeUrl(changes = {}) {
  const url = new URL(cognito.authorizeUrl);
  const query = { response_type: 'code', client_id: cognito.clientId, redirect_uri: CALLBACK, state: 's1',
    scope: 'openid email profile mcp-server/tools', code_challenge_method: 'S256', ...changes };
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return url.href;
}

async function token(fields) {
  const response = await fetch(cognito.tokenUrl, { method: 'POST',
    body: new URLSearchParams({ client_id: cognito.clientId, ...fields }) });
  return { status: response.status, text: await response.text().then((text) => text) };
}

async function login(browser = new Browser(), changes = {}) {
  const pair = pkce();
  const back = new URL(await browser.login(authorizeUrl({ code_challenge: pair.challenge, ...changes }), CALLBACK));
  return { pair, back };
}

async function tokens(changes) {
  const { pair, back } = await login(new Browser(), changes);
  const answer = await token({ grant_type: 'authorization_code', code: back.searchParams.get('code'),
    redirect_uri: CALLBACK, code_verifier: pair.verifier });
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

test('a login gives tokens with the claims and the header of Cognito', async () => {
  const answer = await tokens();
  assert.deepEqual(Object.keys(answer).sort(), ['access_token', 'expires_in', 'id_token', 'refresh_token', 'token_type']);

  const keys = createRemoteJWKSet(new URL(cognito.jwksUrl));
  const access = await jwtVerify(answer.access_token, keys, { issuer: cognito.issuer });
  assert.deepEqual(Object.keys(access.protectedHeader).sort(), ['alg', 'kid']);
  assert.equal(access.protectedHeader.alg, 'RS256');
  assert.deepEqual(Object.keys(access.payload).sort(), ['auth_time', 'client_id', 'cognito:groups', 'exp', 'iat', 'iss', 'jti',
    'scope', 'sub', 'token_use', 'username', 'version']);
  assert.equal(access.payload.token_use, 'access');
  assert.equal(access.payload.client_id, cognito.clientId);
  assert.equal(access.payload.username, 'alice');
  assert.equal(access.payload.scope, 'openid email profile mcp-server/tools');
  assert.match(access.payload.sub, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

  const id = await jwtVerify(answer.id_token, keys, { issuer: cognito.issuer, audience: cognito.clientId });
  assert.equal(id.payload.token_use, 'id');
  assert.deepEqual(Object.keys(decodeProtectedHeader(answer.id_token)).sort(), ['alg', 'kid']);
});

test('a refresh token is not rotated, works again and again, and needs no offline_access', async () => {
  const first = await tokens();
  for (let i = 0; i < 2; i += 1) {
    const answer = await token({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
    assert.equal(answer.status, 200, answer.text);
    const again = JSON.parse(answer.text);
    assert.equal(again.refresh_token, undefined);
    assert.notEqual(again.access_token, first.access_token);
  }
});

test('only the granted scopes are in the token', async () => {
  const answer = await tokens({ scope: 'openid email' });
  const claims = JSON.parse(Buffer.from(answer.access_token.split('.')[1], 'base64url'));
  assert.equal(claims.scope, 'openid email');
});

test('an unknown scope is an error', async () => {
  const back = await new Browser().open(authorizeUrl({ code_challenge: pkce().challenge, scope: 'openid offline_access' }),
    { stop: (url) => url.startsWith(CALLBACK) });
  assert.equal(new URL(back.url).searchParams.get('error'), 'invalid_scope');
  assert.equal(new URL(back.url).searchParams.get('state'), 's1');
});

test('a wrong password shows the form again', async () => {
  const browser = new Browser({ password: ['wrong', 'correct-horse'] });
  const { back } = await login(browser);
  assert.ok(back.searchParams.get('code'));
  assert.equal(browser.pages.length, 2);
  assert.match(browser.pages[1].text, /Incorrect username or password/);
});

test('PKCE is required, and a code works once', async () => {
  const refused = await new Browser().open(authorizeUrl(), { stop: (url) => url.startsWith(CALLBACK) });
  assert.equal(new URL(refused.url).searchParams.get('error'), 'invalid_request');

  const { pair, back } = await login();
  const fields = { grant_type: 'authorization_code', code: back.searchParams.get('code'), redirect_uri: CALLBACK };
  const wrong = await token({ ...fields, code_verifier: pkce().verifier });
  assert.equal(wrong.status, 400);
  assert.equal(JSON.parse(wrong.text).error, 'invalid_grant');
  assert.equal((await token({ ...fields, code_verifier: pair.verifier })).status, 200);
  assert.equal((await token({ ...fields, code_verifier: pair.verifier })).status, 400);
});

test('faults are answered in turn, and then the service is back', async () => {
  cognito.failTokenCalls('500');
  cognito.failTokenCalls('garbage');
  const fields = { grant_type: 'refresh_token', refresh_token: 'none' };
  const first = await token(fields);
  assert.equal(first.status, 500);
  assert.match(first.text, new RegExp(UPSTREAM_MARK));
  assert.equal((await token(fields)).status, 200);
  assert.equal((await token(fields)).status, 400);
  cognito.setDown(true);
  await assert.rejects(token(fields));
  cognito.setDown(false);
});

test('keys are replaced, and made tokens verify', async () => {
  const before = await cognito.accessToken();
  await cognito.rotateKeys({ withdrawOld: true });
  const keys = createRemoteJWKSet(new URL(cognito.jwksUrl));
  await assert.rejects(jwtVerify(before, keys));
  await jwtVerify(await cognito.accessToken(), keys);
  assert.ok(cognito.calls(cognito.jwksPath) > 0);
});
