// OAuth by hand, for the tests that send what no well-made client would send.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { Browser } from './browser.mjs';
import { sleep } from './util.mjs';

export const REDIRECT = 'http://127.0.0.1:5599/callback';
export const SCOPE = 'openid email profile mcp-server/tools';

// RFC 7636 section 4.
export function pkce() {
  const verifier = crypto.randomBytes(32).toString('base64url');
  return { verifier, challenge: crypto.createHash('sha256').update(verifier).digest('base64url') };
}

// An authorization request with single parameters replaced; undefined removes one, a list repeats it.
export function authorizeUrl(site, changes = {}) {
  const url = new URL(`${site.issuer}/authorize`);
  const query = { response_type: 'code', client_id: site.clientId, redirect_uri: REDIRECT, state: 'client-state',
    scope: SCOPE, resource: site.mcpUrl, code_challenge_method: 'S256', ...changes };
  for (const [name, value] of Object.entries(query)) {
    for (const each of [].concat(value ?? [])) url.searchParams.append(name, each);
  }
  return url.href;
}

// Goes through consent and login; gives back the query that the client receives, and the PKCE pair.
export async function login(site, { browser = new Browser(), ...changes } = {}) {
  const pair = pkce();
  const back = await browser.login(authorizeUrl(site, { code_challenge: pair.challenge, ...changes }),
    changes.redirect_uri ?? REDIRECT);
  return { ...pair, query: new URL(back).searchParams, code: new URL(back).searchParams.get('code'), browser };
}

// Sends the request only, follows redirects within the site, and gives back the page or the query at the client.
export async function authorize(site, changes = {}) {
  const url = authorizeUrl(site, { code_challenge: pkce().challenge, ...changes });
  const end = await new Browser().open(url, { stop: (at) => new URL(at).origin !== new URL(site.issuer).origin });
  return end.stopped ? { query: new URL(end.url).searchParams, url: end.url } : end;
}

// POST /token; `fields` is an object, or a list of pairs if a name must come twice.
export async function token(site, fields) {
  const response = await fetch(new URL(`${site.issuer}/token`), { method: 'POST', body: new URLSearchParams(fields) });
  const text = await response.text();
  assert.match(response.headers.get('content-type') ?? '', /^application\/json\b/, `POST /token: ${response.status} ${text}`);
  assert.match(response.headers.get('cache-control') ?? '', /no-store/, 'RFC 6749 section 5.1: never stored');
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}

// Asks again, when it is told to, while the answer is a 503: so many times more.
export async function untilServed(ask, { more = 5 } = {}) {
  for (let left = more; ; left -= 1) {
    const answer = await ask();
    if (answer.status !== 503 || left === 0) return answer;
    await sleep(1000 * Number(answer.headers.get('retry-after')));
  }
}

// So many requests at once. Those that are told to come again, since the store is slow under such a load, do so a few at a time: all
// together they would be told so again.
// `atOnce`: so many of them at once.
export async function untilAllServed(count, ask, { atOnce = count } = {}) {
  const answers = [];
  while (answers.length < count) {
    const from = answers.length;
    answers.push(...await Promise.all(Array.from({ length: Math.min(atOnce, count - from) }, (_, i) => ask(from + i))));
  }
  const told = [...answers.keys()].filter((i) => answers[i].status === 503);
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let i = told.pop(); i !== undefined; i = told.pop()) answers[i] = await untilServed(() => ask(i));
  }));
  return answers;
}

export function redemption(site, { code, verifier }, changes = {}) {
  return without({ grant_type: 'authorization_code', client_id: site.clientId, redirect_uri: REDIRECT, code,
    code_verifier: verifier, resource: site.mcpUrl, ...changes });
}

export function redeem(site, granted, changes) {
  return token(site, redemption(site, granted, changes));
}

export function refresh(site, refreshToken, changes = {}) {
  return token(site, without({ grant_type: 'refresh_token', client_id: site.clientId, refresh_token: refreshToken,
    resource: site.mcpUrl, ...changes }));
}

export async function revoke(site, fields) {
  const response = await fetch(new URL(`${site.issuer}/revoke`), { method: 'POST',
    body: new URLSearchParams(without({ client_id: site.clientId, ...fields })) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: text && JSON.parse(text) };
}

// A whole login; gives back the token answer.
export async function tokens(site, changes) {
  const answer = await redeem(site, await login(site, changes));
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

// An OAuth error: the right status, the right code, a description in words, and none of the upstream's text.
export function assertOAuthError(answer, status, error) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.body.error, error, answer.text);
  assert.ok(answer.body.error_description?.length > 10, `a description in words: ${answer.text}`);
  assert.match(answer.body.error_description, /^[ !#-[\]-~]*$/, 'the characters of RFC 6749 section 5.2');
}

function without(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
