// Remembered consents: a cookie of fixed size, for one browser, client, redirect origin and set of scopes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser, findForm, refreshTarget } from '../parts/browser.mjs';
import { authorizeUrl, pkce } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

const NAME = 'mcp-authd-consent';
const HELD = 16;
let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

const client = (n) => site.documents.setClient(`/client-${n}.json`, { redirect_uris: [`https://c${n}.example/cb`, `https://d${n}.example/cb`] });
const request = (n, changes) => authorizeUrl(site, { client_id: client(n), redirect_uri: `https://c${n}.example/cb`,
  code_challenge: pkce().challenge, ...changes });
const cookieOf = (browser) => browser.cookies.find(({ name }) => name === NAME);

async function remember(browser, n) {
  const page = await browser.open(request(n));
  const next = await browser.submit(page, { decision: 'approve', remember: 'yes' });
  assert.ok(refreshTarget(next).startsWith(site.cognito.authorizeUrl));
}

// Straight on to Cognito, with the state of a session of its own; or asked.
async function isAsked(browser, url) {
  const page = await browser.open(url);
  assert.equal(page.status, 200);
  if (findForm(page)) return true;
  assert.ok(refreshTarget(page).startsWith(site.cognito.authorizeUrl));
  return false;
}

test('the cookie does not grow; the oldest consent leaves', async () => {
  const browser = new Browser();
  await remember(browser, 0);
  const { length } = cookieOf(browser).value;
  assert.ok(length < 1000, String(length));
  for (let n = 1; n < HELD + 4; n += 1) {
    await remember(browser, n);
    assert.equal(cookieOf(browser).value.length, length);
  }
  assert.equal(browser.cookies.length, 2, 'this one, and the browser\'s own');
  for (let n = 0; n < HELD + 4; n += 1) assert.equal(await isAsked(browser, request(n)), n < 4, `client ${n}`);
});

test('asked again: another browser, destination, scope, a changed cookie, prompt=consent, and without the box ticked', async () => {
  const browser = new Browser();
  await remember(browser, 1);
  assert.equal(await isAsked(browser, request(1)), false);
  assert.equal(await isAsked(browser, request(1, { redirect_uri: 'https://d1.example/cb' })), true);
  assert.equal(await isAsked(browser, request(2)), true);
  assert.equal(await isAsked(browser, request(1, { scope: 'openid' })), true);
  assert.equal(await isAsked(browser, request(1, { prompt: 'consent' })), true);
  assert.equal(await isAsked(browser, request(1, { prompt: 'login consent' })), true);

  const other = new Browser();
  await other.open(request(3));                         // has a cookie of its own
  other.cookies.push({ ...cookieOf(browser) });
  assert.equal(await isAsked(other, request(1)), true, 'it is another browser\'s');

  const changed = cookieOf(browser);
  const { value } = changed;
  changed.value = `${value.slice(0, 40)}${value[40] === 'A' ? 'B' : 'A'}${value.slice(41)}`;
  assert.equal(await isAsked(browser, request(1)), true);
  changed.value = value;
  assert.equal(await isAsked(browser, request(1)), false);

  const careful = new Browser();
  await careful.submit(await careful.open(request(1)), { decision: 'approve' });
  assert.equal(cookieOf(careful), undefined);
  assert.equal(await isAsked(careful, request(1)), true);
});

test('of many scopes the page shows each, and a consent is to all of them', async () => {
  const scopes = Array.from({ length: 100 }, (_, n) => `s/${n}`);
  const other = await startSite({ config: { SUPPORTED_SCOPES: `mcp-server/tools ${scopes.join(' ')}` } });
  try {
    const redirect_uri = 'https://many.example/cb';
    const client_id = other.documents.setClient('/many.json', { redirect_uris: [redirect_uri] });
    const ask = (count) => authorizeUrl(other, { client_id, redirect_uri, code_challenge: pkce().challenge,
      scope: `mcp-server/tools ${scopes.slice(0, count).join(' ')}` });
    const browser = new Browser();
    const page = await browser.open(ask(99));
    assert.deepEqual(page.text.match(/(?<=<code>)s\/\d+(?=<\/code>)/g), scopes.slice(0, 99));
    await browser.submit(page, { decision: 'approve', remember: 'yes' });
    assert.equal(findForm(await browser.open(ask(99))), undefined);
    assert.ok(findForm(await browser.open(ask(100))), 'one more: asked again');
  } finally {
    await other.close();
  }
});

test('a box that is not offered counts for nothing: loopback clients, and CONSENT_REMEMBER_DAYS=0', async () => {
  const browser = new Browser();
  const loopback = () => authorizeUrl(site, { code_challenge: pkce().challenge });
  await browser.submit(await browser.open(loopback()), { decision: 'approve', remember: 'yes' });
  assert.equal(cookieOf(browser), undefined);
  assert.equal(await isAsked(browser, loopback()), true);

  const strict = await startSite({ config: { CONSENT_REMEMBER_DAYS: '0' } });
  try {
    const id = strict.documents.setClient('/c.json', { redirect_uris: ['https://c.example/cb'] });
    const page = await browser.open(authorizeUrl(strict, { client_id: id, redirect_uri: 'https://c.example/cb', code_challenge: pkce().challenge }));
    assert.doesNotMatch(page.text, /name="remember"/);
    await browser.submit(page, { decision: 'approve', remember: 'yes' });
    assert.equal(cookieOf(browser), undefined);
  } finally {
    await strict.close();
  }
});
