// Wrong authorization and token requests. Each gets a clear OAuth error and uses nothing up: the right request still
// succeeds afterwards.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { logged } from '../parts/daemon.mjs';
import { Browser, findForm, refreshTarget, wordsOf } from '../parts/browser.mjs';
import { UPSTREAM_MARK } from '../parts/cognito.mjs';
import { callTool } from '../parts/mcp.mjs';
import { assertOAuthError, authorize, authorizeUrl, login, pkce, redeem, redemption, REDIRECT, refresh, token, tokens }
  from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

// An error that goes back to the client: RFC 6749 section 4.1.2.1, RFC 9207.
function assertSentBack({ query, text }, error) {
  assert.ok(query, `an answer for the client, not a page: ${wordsOf(text ?? '')}`);
  assert.equal(query.get('error'), error);
  assert.ok(query.get('error_description')?.length > 10, 'a description in words');
  assert.equal(query.get('state'), 'client-state');
  assert.equal(query.get('iss'), site.issuer);
  assert.equal(query.get('code'), null);
}

// An error that must not go back, because it is not known to whom: a page for the user.
function assertErrorPage(page, status = 400) {
  assert.equal(page.query, undefined, `a page, no redirect to ${page.url}`);
  assert.equal(page.status, status, `${page.url}: ${wordsOf(page.text)}`);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  assert.equal(page.headers.get('location'), null);
  assert.equal(refreshTarget(page), undefined, 'the page sends nobody on');
  assert.equal(findForm(page), undefined);
}

function assertConsentPage(page) {
  assert.equal(page.status, 200, wordsOf(page.text ?? page.url));
  assert.deepEqual(findForm(page)?.decisions?.toSorted(), ['approve', 'deny']);
}

// --- the authorization request

test('PKCE: none, plain and malformed challenges are refused', async () => {
  assertSentBack(await authorize(site, { code_challenge: undefined, code_challenge_method: undefined }), 'invalid_request');
  assertSentBack(await authorize(site, { code_challenge_method: 'plain' }), 'invalid_request');
  assertSentBack(await authorize(site, { code_challenge_method: undefined }), 'invalid_request');
  assertSentBack(await authorize(site, { code_challenge: 'short' }), 'invalid_request');
  assertSentBack(await authorize(site, { code_challenge: `${pkce().challenge.slice(0, 42)}!` }), 'invalid_request');
});

test('response_type: only code', async () => {
  assertSentBack(await authorize(site, { response_type: 'token' }), 'unsupported_response_type');
  assertSentBack(await authorize(site, { response_type: undefined }), 'invalid_request');
});

test('resource: only ours', async () => {
  assertSentBack(await authorize(site, { resource: 'https://other.example/mcp' }), 'invalid_target');
  assertConsentPage(await authorize(site, { resource: undefined }));
});

test('scopes: none asked means the supported ones, and offline_access is not passed on', async () => {
  const plain = await tokens(site, { scope: undefined });
  const who = await callTool(site, plain.access_token, 'whoami');
  assert.ok(who.structuredContent.scopes.includes('mcp-server/tools'));
  await tokens(site, { scope: 'openid mcp-server/tools offline_access' });
  assert.doesNotMatch(site.cognito.authorizations.at(-1).scope, /offline_access/);
});

test('a parameter that comes twice is refused', async () => {
  assertErrorPage(await authorize(site, { client_id: [site.clientId, site.clientId] }));
  assertErrorPage(await authorize(site, { redirect_uri: [REDIRECT, REDIRECT] }));
  for (const name of ['scope', 'code_challenge', 'code_challenge_method', 'response_type']) {
    const good = { scope: 'openid', code_challenge: pkce().challenge, code_challenge_method: 'S256', response_type: 'code' }[name];
    assertSentBack(await authorize(site, { [name]: [good, good] }), 'invalid_request');
  }
});

test('a redirect URI must be in the document', async () => {
  const id = site.documents.setClient('/web.json', { redirect_uris: ['https://app.example/callback', 'http://127.0.0.1:7000/cb?x=1'] });
  for (const uri of ['https://app.example/other', 'https://app.example:444/callback', 'http://app.example/callback',
    'https://app.example/callback/', 'https://app.example/callback?x', 'https://app.example.evil.example/callback',
    'https://user@app.example/callback', 'https://app.example/callback#f', 'http://127.0.0.1:7000/cb', 'http://127.0.0.1.evil.example:7000/cb?x=1',
    'http://localhost:7000/cb?x=1', 'http://127.0.0.1@evil.example:7000/cb?x=1', 'javascript:alert(1)', '', undefined]) {
    assertErrorPage(await authorize(site, { client_id: id, redirect_uri: uri }));
  }
  assertConsentPage(await authorize(site, { client_id: id, redirect_uri: 'https://app.example/callback' }));
});

test('any loopback port is accepted (RFC 8252 section 7.3), for each way to write loopback', async () => {
  for (const uri of ['http://127.0.0.1:1/callback', 'http://127.0.0.1:65535/callback', 'http://[::1]:49152/callback',
    'http://localhost:33418/callback', 'http://localhost/callback']) {
    assertConsentPage(await authorize(site, { redirect_uri: uri }));
  }
  for (const uri of ['http://127.0.0.1:0x50/callback', 'http://127.0.0.1:99999/callback', 'http://127.0.0.2:80/callback',
    'https://127.0.0.1:5599/callback', 'http://127.0.0.1:5599/other', 'http://[::2]:49152/callback']) {
    assertErrorPage(await authorize(site, { redirect_uri: uri }));
  }
});

test('a login ends at the very port that was asked for', async () => {
  const redirect_uri = 'http://[::1]:40123/callback';
  const granted = await login(site, { redirect_uri });
  assertOAuthError(await redeem(site, granted, { redirect_uri: 'http://[::1]:40124/callback' }), 400, 'invalid_grant');
  assert.equal((await redeem(site, granted, { redirect_uri })).status, 200);
});

// --- the client

test('clients that are not there are refused', async () => {
  for (const id of ['no-such-client', '', undefined, site.documents.url('/no-such-document.json'),
    site.clientId.replace('https:', 'http:'), `${site.clientId}#fragment`, site.clientId.replace('//', '//user@'),
    site.documents.url(''), site.documents.url('/'), site.documents.url('/a/../client.json'), 'https://']) {
    assertErrorPage(await authorize(site, { client_id: id }));
  }
});

const BAD_DOCUMENTS = {
  'client_id differs from its address': { changes: { client_id: 'https://localhost/another.json' } },
  'client_id is missing': { changes: { client_id: undefined } },
  'client_name is missing': { changes: { client_name: undefined } },
  'redirect_uris is missing': { changes: { redirect_uris: undefined } },
  'redirect_uris is empty': { changes: { redirect_uris: [] } },
  'redirect_uris is not a list': { changes: { redirect_uris: 'http://127.0.0.1/callback' } },
  'it needs a client secret': { changes: { token_endpoint_auth_method: 'client_secret_basic' } },
  'it holds a client secret': { changes: { client_secret: 'shared' } },
  'it is longer than any honest one': { changes: { client_name: 'x'.repeat(300000) } },
  'it is not JSON': { rest: { body: '<html></html>' } },
  'it is a list': { rest: { body: '[]' } },
  'its status is 404': { rest: { status: 404 } },
  'it is somewhere else': { rest: { status: 302, headers: { location: '/client.json' } } },
};

for (const [name, { changes, rest }] of Object.entries(BAD_DOCUMENTS)) {
  test(`a client document is refused when ${name}`, async () => {
    const path = `/bad-${encodeURIComponent(name.replaceAll(' ', '-'))}.json`;
    const id = site.documents.setClient(path, changes, rest);
    if (rest?.body) site.documents.set(path, rest);
    assertErrorPage(await authorize(site, { client_id: id }));
    assert.equal(site.documents.hits(path), 1, 'it was looked at');
  });
}

test('a client document on a private address is not even asked for', async () => {
  const guarded = await startSite({ config: { CLIENT_METADATA_ALLOW_NETS: undefined } });
  try {
    for (const host of ['localhost', '127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0.0.0.0', '169.254.169.254']) {
      assertErrorPage(await authorize(guarded, { client_id: guarded.clientId.replace('localhost', host) }));
    }
    assert.equal(guarded.documents.hits('/client.json'), 0);
  } finally {
    await guarded.close();
  }
});

test('a client document behind a certificate that nobody vouches for is refused', async () => {
  const strict = await startSite({ config: { CLIENT_METADATA_CA_FILE: undefined } });
  try {
    assertErrorPage(await authorize(strict), 503);         // it may be mended, so not 400
    assert.equal(strict.documents.hits('/client.json'), 0);
  } finally {
    await strict.close();
  }
});

// --- the consent page

test('the consent page cannot be framed, is not stored, and shows names as text', async () => {
  const id = site.documents.setClient('/evil-name.json', { client_name: '<script>alert("x")</script> & "Co"',
    redirect_uris: ['http://127.0.0.1/callback'] });
  const page = await authorize(site, { client_id: id });
  assertConsentPage(page);
  assert.doesNotMatch(page.text, /<script/i);
  assert.match(page.text, /&lt;script&gt;|&#60;script&#62;/);
  assert.match(page.headers.get('content-security-policy'), /frame-ancestors 'none'/);
  assert.match(page.headers.get('cache-control'), /no-store/);
  assert.match(page.headers.get('referrer-policy'), /no-referrer/);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
});

test('a user who says no: access_denied with state and iss, and Cognito is not asked', async () => {
  const asked = site.cognito.authorizations.length;
  const { query } = await login(site, { browser: new Browser({ decision: 'deny' }) });
  assertSentBack({ query }, 'access_denied');
  assert.equal(site.cognito.authorizations.length, asked);
});

test('an approval counts only from the browser that saw the page, unchanged, and from our own page', async () => {
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  assertConsentPage(page);
  const { fields } = findForm(page);
  assert.ok(Object.keys(fields).length > 0, 'the request is carried in hidden fields');

  const refused = async (how, by = browser) => {
    const answer = await how(by);
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.url}: ${answer.text}`);
    assert.equal(refreshTarget(answer), undefined);
  };
  const approve = (changes = {}) => (by) => by.submit(page, { decision: 'approve', ...changes });
  await refused(approve(), new Browser());
  for (const [name, value] of Object.entries(fields)) {
    const middle = Math.floor(value.length / 2);
    await refused(approve({ [name]: value.slice(0, middle) + (value[middle] === 'A' ? 'B' : 'A') + value.slice(middle + 1) }));
    await refused(approve({ [name]: '' }));
  }
  await refused(approve({ decision: 'maybe' }));
  await refused((by) => by.open(page.url.split('?')[0], { method: 'POST', from: 'https://evil.example/',
    body: new URLSearchParams({ ...fields, decision: 'approve' }).toString() }));

  // And unchanged, from the right browser, it still works.
  assert.ok(refreshTarget(await browser.submit(page, { decision: 'approve' })).startsWith(site.cognito.authorizeUrl));
});

// --- the way back from Cognito

// Approves, and stops before Cognito. Gives back the browser and the state that Cognito is sent.
async function beforeCognito() {
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  const next = new URL(refreshTarget(await browser.submit(page, { decision: 'approve' })));
  return { browser, state: next.searchParams.get('state') };
}

const callbackUrl = (query) => `${site.issuer}/callback?${new URLSearchParams(query)}`;
const toClient = { stop: (url) => url.startsWith(REDIRECT) };

test('a callback with a state that is unknown, missing, or of another browser is an error page', async () => {
  const { browser, state } = await beforeCognito();
  assertErrorPage(await browser.open(callbackUrl({ code: 'c', state: 'x'.repeat(state.length) }), toClient));
  assertErrorPage(await browser.open(callbackUrl({ code: 'c' }), toClient));
  assertErrorPage(await browser.open(callbackUrl({ state }), toClient));
  assertErrorPage(await new Browser().open(callbackUrl({ code: 'c', state }), toClient));
  assertErrorPage(await browser.open(`${callbackUrl({ code: 'c', state })}&state=${state}`, toClient));
  // None of these used the state up.
  const end = await browser.open(callbackUrl({ code: 'c', state }), toClient);
  assert.ok(new URL(end.url).searchParams.get('code'), end.text);
});

test('a callback works once', async () => {
  const { browser, state } = await beforeCognito();
  await browser.open(callbackUrl({ code: 'c', state }), toClient);
  assertErrorPage(await browser.open(callbackUrl({ code: 'd', state }), toClient));
});

test('a callback that is loaded again gives the same code, until that is redeemed', async () => {
  const browser = new Browser();
  const granted = await login(site, { browser });
  const first = browser.visited.find((url) => url.startsWith(callbackUrl('')));
  const again = await browser.open(first, toClient);
  assert.equal(new URL(again.url).searchParams.get('code'), granted.code);
  const answer = await redeem(site, granted);
  assert.equal(answer.status, 200, answer.text);
  assertErrorPage(await browser.open(first, toClient));
});

test('an error from Cognito goes to the client in OAuth form, without its text', async () => {
  // OpenID Connect Core section 3.1.2.6: what a client that sent prompt=none has to know, so that it sends the user to a page.
  const known = ['access_denied', 'login_required', 'interaction_required', 'account_selection_required', 'consent_required'];
  for (const [upstream, expected] of [...known.map((each) => [each, each]), ['server_error', 'server_error'],
    ['invalid_scope', 'server_error'], ['made_up', 'server_error'], ['login_required access_denied', 'server_error']]) {
    const { browser, state } = await beforeCognito();
    const end = await browser.open(callbackUrl({ error: upstream, error_description: UPSTREAM_MARK, state }), toClient);
    const query = end.stopped ? new URL(end.url).searchParams : undefined;
    // Cognito refusing our own scopes or our client is not the client's fault: any of the two says so.
    const error = query?.get('error');
    assert.ok(error === expected || error === 'temporarily_unavailable' || error === upstream && error !== 'made_up', `${upstream}: ${end.url}`);
    assertSentBack({ query }, error);
    assert.ok(!end.url.includes(UPSTREAM_MARK));
  }
});

test('the reason that Cognito gives is in the log, fit for it', async () => {
  const { browser, state } = await beforeCognito();
  const before = site.daemon.log.length;
  await browser.open(callbackUrl({ error: 'invalid_request', state,
    error_description: 'PreSignUp failed with error No: 3f2504e0-4f89-41d3-9a0c-0305e82c3301' }), toClient);
  await logged(site.daemon, before,
    /event=login_failed_at_idp .*error=invalid_request detail="PreSignUp failed with error No: \.\.\."/);
});

// --- the token request

test('a wrong verifier burns nothing', async () => {
  const granted = await login(site);
  const before = site.cognito.calls('/oauth2/token');
  assertOAuthError(await redeem(site, granted, { code_verifier: pkce().verifier }), 400, 'invalid_grant');
  assertOAuthError(await redeem(site, granted, { code_verifier: granted.challenge }), 400, 'invalid_grant');
  const missing = await redeem(site, granted, { code_verifier: undefined });
  assert.ok(missing.status === 400 && ['invalid_grant', 'invalid_request'].includes(missing.body.error), missing.text);
  assert.equal(site.cognito.calls('/oauth2/token'), before, 'Cognito was not asked');
  assert.equal((await redeem(site, granted)).status, 200);
});

test('a code of another client, another redirect URI or another resource burns nothing', async () => {
  const granted = await login(site);
  assertOAuthError(await redeem(site, granted, { client_id: site.otherClientId }), 400, 'invalid_grant');
  assertOAuthError(await redeem(site, granted, { redirect_uri: REDIRECT.replace('5599', '5598') }), 400, 'invalid_grant');
  assertOAuthError(await redeem(site, granted, { resource: 'https://other.example/mcp' }), 400, 'invalid_target');
  const answer = await redeem(site, granted);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.body.token_type, 'Bearer');
  assert.equal(typeof answer.body.expires_in, 'number');
  assert.ok(answer.body.scope.split(' ').includes('mcp-server/tools'));
  assert.equal(answer.body.id_token, undefined, 'the ID token of Cognito stays with us');
});

test('a code works once', async () => {
  const granted = await login(site);
  const first = await redeem(site, granted);
  assert.equal(first.status, 200);
  assertOAuthError(await redeem(site, granted), 400, 'invalid_grant');
  assertOAuthError(await redeem(site, { ...granted, code: `${granted.code.slice(0, -2)}AA` }), 400, 'invalid_grant');
  assertOAuthError(await redeem(site, { ...granted, code: 'nonsense' }), 400, 'invalid_grant');
});

test('50 redemptions of one code at once: exactly one succeeds', async () => {
  const granted = await login(site);
  const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(site, granted)));
  const good = answers.filter((answer) => answer.status === 200);
  assert.equal(good.length, 1, answers.map((answer) => answer.status).join(' '));
  for (const answer of answers) if (answer !== good[0]) assertOAuthError(answer, 400, 'invalid_grant');
  await callTool(site, good[0].body.access_token, 'whoami');
});

function assertTemporary(answer) {
  assertOAuthError(answer, 503, 'temporarily_unavailable');
  assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
  assert.ok(!answer.text.includes(UPSTREAM_MARK), answer.text);
}

for (const kind of ['500', '503', '429', 'garbage']) {
  test(`Cognito answers ${kind}: 503 with Retry-After, and the code and the refresh token still work`, async () => {
    const granted = await login(site);
    site.cognito.failTokenCalls(kind);
    assertTemporary(await redeem(site, granted));
    const answer = await redeem(site, granted);
    assert.equal(answer.status, 200, answer.text);

    site.cognito.failTokenCalls(kind);
    assertTemporary(await refresh(site, answer.body.refresh_token));
    assert.equal((await refresh(site, answer.body.refresh_token)).status, 200);
  });
}

test('Cognito is down or does not answer in time: the same', { timeout: 90000 }, async () => {
  const granted = await login(site);
  site.cognito.setDown(true);
  const down = await redeem(site, granted);
  site.cognito.setDown(false);
  assertTemporary(down);
  site.cognito.failTokenCalls('hang');
  const late = await redeem(site, granted);
  site.cognito.clearFaults();
  assertTemporary(late);
  assert.equal((await redeem(site, granted)).status, 200);
});

test('Cognito says invalid_grant: so do we, without its text', async () => {
  const granted = await login(site);
  site.cognito.failTokenCalls('400');
  const answer = await redeem(site, granted);
  assertOAuthError(answer, 400, 'invalid_grant');
  assert.ok(!answer.text.includes(UPSTREAM_MARK));

  const { refresh_token: held } = await tokens(site);
  site.cognito.failTokenCalls('400');
  const refused = await refresh(site, held);
  assertOAuthError(refused, 400, 'invalid_grant');
  assert.ok(!refused.text.includes(UPSTREAM_MARK));
});

test('a refresh token belongs to its client and cannot be changed', async () => {
  const { refresh_token: held } = await tokens(site);
  const before = site.cognito.calls('/oauth2/token');
  assertOAuthError(await refresh(site, held, { client_id: site.otherClientId }), 400, 'invalid_grant');
  for (const at of [0, 5, Math.floor(held.length / 2), held.length - 3]) {
    const changed = held.slice(0, at) + (held[at] === 'A' ? 'B' : 'A') + held.slice(at + 1);
    assertOAuthError(await refresh(site, changed), 400, 'invalid_grant');
  }
  for (const wrong of ['x', held.slice(0, -8), `${held}AAAA`, await site.cognito.accessToken()]) {
    assertOAuthError(await refresh(site, wrong), 400, 'invalid_grant');
  }
  assertOAuthError(await refresh(site, held, { resource: 'https://other.example/' }), 400, 'invalid_target');
  assert.equal(site.cognito.calls('/oauth2/token'), before, 'Cognito was not asked');
  const answer = await refresh(site, held);
  assert.equal(answer.status, 200);
  assert.ok(answer.body.access_token && answer.body.refresh_token);
  await callTool(site, answer.body.access_token, 'whoami');
});

test('malformed token requests', async () => {
  const granted = await login(site);
  const pairs = Object.entries(redemption(site, granted));
  for (const name of ['grant_type', 'code', 'client_id', 'redirect_uri', 'code_verifier', 'refresh_token']) {
    const value = Object.fromEntries(pairs)[name] ?? 'x';
    assertOAuthError(await token(site, [...pairs, [name, value], ...(name === 'refresh_token' ? [[name, value]] : [])]), 400, 'invalid_request');
  }
  for (const name of ['grant_type', 'code', 'client_id']) {
    assertOAuthError(await redeem(site, granted, { [name]: undefined }), 400, 'invalid_request');
  }
  assertOAuthError(await redeem(site, granted, { grant_type: 'password' }), 400, 'unsupported_grant_type');
  assertOAuthError(await token(site, { grant_type: 'refresh_token', client_id: site.clientId }), 400, 'invalid_request');

  const asJson = await fetch(`${site.issuer}/token`, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify(redemption(site, granted)) });
  assert.ok([400, 415].includes(asJson.status));
  await asJson.text();
  for (const method of ['GET', 'DELETE']) {
    const answer = await fetch(`${site.issuer}/token`, { method });
    assert.equal(answer.status, 405);
    assert.match(answer.headers.get('allow'), /\bPOST\b/);
    await answer.text();
  }
  assert.equal((await redeem(site, granted)).status, 200, 'nothing was burnt by any of these');
});

test('no code, verifier, token or state of Cognito shows in the log', async () => {
  const granted = await login(site);
  const { body } = await redeem(site, granted);
  await refresh(site, body.refresh_token);
  for (const secret of [granted.code, granted.verifier, body.access_token, body.refresh_token,
    site.cognito.authorizations.at(-1).state]) {
    assert.ok(!site.daemon.log.includes(secret), 'a secret is in the log');
  }
});
