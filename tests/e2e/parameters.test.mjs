// Every parameter of every endpoint: missing, empty, repeated, too long, wrongly encoded. A row for each parameter says
// what must happen, and the right request succeeds afterwards.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser, findForm, refreshTarget, wordsOf } from '../parts/browser.mjs';
import { authorizeUrl, login, pkce, redeem, redemption, REDIRECT, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

const LONG = 'x'.repeat(4000);
const ENCODINGS = ['%', '%z', '%zz', '%f', '%00', '%ff', '%c3%28', '%ed%a0%80'];
// The encoded query or body of a list of [name, value], with one more parameter that is already encoded.
const encode = (pairs, raw) => [new URLSearchParams(pairs).toString(), ...(raw ? [raw] : [])].join('&');
const without = (pairs, name) => pairs.filter(([each]) => each !== name);
const has = (pairs, name) => pairs.some(([each]) => each === name);

// All the ways to get one parameter wrong; `spare` is its value if the right request does not have it.
function variants(pairs, name, spare = 'x') {
  const value = has(pairs, name) ? pairs.find(([each]) => each === name)[1] : spare;
  const others = without(pairs, name);
  return {
    missing: [encode(others)], empty: [encode([...others, [name, '']])], doubled: [encode([...others, [name, value], [name, value]])],
    long: [encode([...others, [name, LONG]])], encoded: ENCODINGS.map((each) => encode(others, `${name}=${each}`)),
  };
}

async function check(table, pairs, send) {
  for (const [name, { spare, ...row }] of Object.entries(table)) {
    const sent = variants(pairs, name, spare);
    assert.deepEqual(Object.keys(row).toSorted(), Object.keys(sent).toSorted(), `${name}: the row is whole`);
    for (const [how, expected] of Object.entries(row)) {
      for (const text of sent[how]) assert.equal(await send(text), expected, `${name} ${how}: ${text.slice(0, 300)}`);
    }
  }
}

const row = (missing, empty, doubled, long, encoded, spare) => ({ missing, empty, doubled, long, encoded, spare });

// --- GET /authorize: 'consent', 'page' (an error page), or the error that goes back to the client

async function outcome(url) {
  const end = await new Browser().open(url, { stop: (at) => new URL(at).origin !== new URL(site.issuer).origin });
  if (end.stopped) {
    assert.ok(end.url.startsWith(REDIRECT), end.url);
    return new URL(end.url).searchParams.get('error') ?? 'code';
  }
  if (findForm(end)?.decisions) return 'consent';
  if (refreshTarget(end)) return 'onward';
  assert.equal(end.status, 400, `${url}: ${wordsOf(end.text)}`);
  return 'page';
}

test('GET /authorize', { timeout: 60000 }, async () => {
  const pairs = [...new URL(authorizeUrl(site, { code_challenge: pkce().challenge })).searchParams];
  const send = (text) => outcome(`${site.issuer}/authorize?${text}`);
  const BAD = 'invalid_request';
  const optional = row('consent', 'consent', BAD, BAD, 'page', 'login');
  await check({
    client_id: row('page', 'page', 'page', 'page', 'page'),
    redirect_uri: row('page', 'page', 'page', 'page', 'page'),
    response_type: row(BAD, BAD, BAD, 'unsupported_response_type', 'page'),
    code_challenge: row(BAD, BAD, BAD, BAD, 'page'),
    code_challenge_method: row(BAD, BAD, BAD, BAD, 'page'),
    state: row('consent', 'consent', BAD, BAD, 'page'),
    scope: row('consent', 'consent', BAD, 'invalid_scope', 'page'),
    resource: row('consent', 'consent', 'consent', 'invalid_target', 'page'),
    prompt: optional, login_hint: optional, ui_locales: optional, identity_provider: optional, idp_identifier: optional,
    unknown_parameter: row('consent', 'consent', BAD, 'consent', 'page'),
  }, pairs, send);
  assert.equal(await send(encode(pairs)), 'consent');
});

// --- POST /authorize

test('POST /authorize', async () => {
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  const pairs = [...Object.entries({ ...findForm(page).fields, ...findForm(page).required }), ['decision', 'approve']];
  const send = async (body) => {
    const end = await browser.open(`${site.issuer}/authorize`, { method: 'POST', body, from: page.url });
    if (refreshTarget(end)) return 'onward';
    assert.equal(end.status, 400, wordsOf(end.text));
    return 'page';
  };
  const needed = row('page', 'page', 'page', 'page', 'page');
  await check({ request: needed, decision: needed, confirm: needed }, pairs, send);
  assert.equal(await send(encode(pairs)), 'onward');
});

// --- GET /callback

test('GET /callback', async () => {
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  const next = new URL(refreshTarget(await browser.submit(page, { decision: 'approve' })));
  const pairs = [['state', next.searchParams.get('state')], ['code', 'c']];
  const send = async (text) => {
    const end = await browser.open(`${site.issuer}/callback?${text}`, { stop: (at) => at.startsWith(REDIRECT) });
    if (end.stopped) return 'client';
    assert.equal(end.status, 400, wordsOf(end.text));
    return 'page';
  };
  await check({ state: row('page', 'page', 'page', 'page', 'page'), code: row('page', 'page', 'page', 'page', 'page') }, pairs, send);
  assert.equal(await send(encode(pairs)), 'client');
});

// --- POST /token and /revoke: 'ok' or the error

function poster(path) {
  return async (body) => {
    const response = await fetch(`${site.issuer}${path}`, { method: 'POST', body,
      headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    const text = await response.text();
    if (response.status === 200) return 'ok';
    assert.equal(response.status, JSON.parse(text).error === 'invalid_client' ? 401 : 400, text);
    return JSON.parse(text).error;
  };
}

const BAD = 'invalid_request';
const GRANT = 'invalid_grant';
const assertion = row('ok', 'ok', BAD, 'invalid_client', BAD);

test('POST /token with a code', async () => {
  const granted = await login(site);
  const pairs = Object.entries(redemption(site, granted));
  const before = site.cognito.calls('/oauth2/token');
  await check({
    grant_type: row(BAD, BAD, BAD, 'unsupported_grant_type', BAD),
    client_id: row(BAD, BAD, BAD, GRANT, BAD),
    code: row(BAD, BAD, BAD, GRANT, BAD),
    code_verifier: row(BAD, BAD, BAD, GRANT, BAD),
  }, pairs, poster('/token'));
  // These would be right in some of the ways, and use the code up: a wrong verifier shows that they were taken.
  const unused = pairs.map(([name, value]) => [name, name === 'code_verifier' ? pkce().verifier : value]);
  await check({
    redirect_uri: row(GRANT, GRANT, BAD, GRANT, BAD),
    resource: row(GRANT, GRANT, GRANT, 'invalid_target', BAD),
    client_secret: row(GRANT, GRANT, BAD, 'invalid_client', BAD),
    scope: row(GRANT, GRANT, BAD, GRANT, BAD),
  }, unused, poster('/token'));
  assert.equal(site.cognito.calls('/oauth2/token'), before, 'Cognito was not asked');
  assert.equal((await redeem(site, granted)).status, 200, 'nothing was burnt');
});

test('POST /token with a refresh token', async () => {
  const { refresh_token: held } = await tokens(site);
  const pairs = [['grant_type', 'refresh_token'], ['client_id', site.clientId], ['refresh_token', held], ['resource', site.mcpUrl]];
  await check({
    grant_type: row(BAD, BAD, BAD, 'unsupported_grant_type', BAD),
    client_id: row(BAD, BAD, BAD, GRANT, BAD),
    refresh_token: row(BAD, BAD, BAD, GRANT, BAD),
    resource: row('ok', 'ok', 'ok', 'invalid_target', BAD),
    scope: row('ok', 'ok', BAD, 'invalid_scope', BAD),
    client_secret: row('ok', 'ok', BAD, 'invalid_client', BAD),
    client_assertion: assertion, client_assertion_type: assertion,
  }, pairs, poster('/token'));
});

test('POST /revoke', async () => {
  const { refresh_token: held } = await tokens(site);
  const pairs = [['token', 'none of ours'], ['client_id', site.clientId]];
  await check({
    token: row(BAD, BAD, BAD, 'ok', BAD),
    client_id: row(BAD, BAD, BAD, 'ok', BAD),
    token_type_hint: row('ok', 'ok', BAD, 'ok', BAD),
    client_secret: row('ok', 'ok', BAD, 'invalid_client', BAD),
    client_assertion: assertion, client_assertion_type: assertion,
  }, pairs, poster('/revoke'));
  assert.equal(await poster('/revoke')(encode([['token', held], ['client_id', site.clientId]])), 'ok');
});
