// What the consent page requires before it accepts an approval, how it shows names of clients, and what the pages at
// the end of a login tell the user.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser, findForm, refreshTarget, wordsOf } from '../parts/browser.mjs';
import { authorizeUrl, login, pkce } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

const CURSOR = 'cursor://anysphere.cursor-mcp/oauth/callback';

let site;
before(async () => { site = await startSite({ config: { DYNAMIC_REGISTRATION: 'yes' } }); });
after(() => site?.close());

const open = (changes, browser = new Browser(), at = site) => browser.open(authorizeUrl(at, { code_challenge: pkce().challenge, ...changes }));

async function register(metadata) {
  const answer = await fetch(`${site.issuer}/register`, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metadata) });
  assert.equal(answer.status, 201);
  return (await answer.json()).client_id;
}

// The same request of the same browser with other headers than its own.
async function ask(browser, url, headers, fields) {
  const answer = await fetch(url, { method: fields ? 'POST' : 'GET', redirect: 'manual', headers: { ...browser.cookieHeader(url), ...headers },
    body: fields && new URLSearchParams(fields) });
  return { url, status: answer.status, headers: answer.headers, text: await answer.text() };
}

// --- saying yes

test('a client that nobody vouches for needs a second action: a box that must be ticked', async () => {
  const browser = new Browser();
  for (const changes of [{}, { client_id: await register({ client_name: 'Cursor', redirect_uris: [CURSOR] }), redirect_uri: CURSOR },
    { client_id: site.documents.setClient('/web.json', { redirect_uris: ['https://web.example/cb'] }), redirect_uri: 'https://web.example/cb' }]) {
    const page = await open(changes, browser);
    assert.deepEqual(findForm(page).required, { confirm: 'yes' });
    assert.match(page.text, /<button [^>]*value="deny"[^>]* formnovalidate/, 'to say no is always possible');
    assert.doesNotMatch(page.text, /\b(id|autofocus|accesskey)\b[= >]/, 'nothing that an address or a key could put the focus on');
    const refused = await browser.submit(page, { decision: 'approve', confirm: '' });
    assert.equal(refused.status, 400, wordsOf(refused.text));
    assert.equal(refreshTarget(refused), undefined);
    assert.ok(refreshTarget(await browser.submit(page, { decision: 'approve' })).startsWith(site.cognito.authorizeUrl));
    assert.match(refreshTarget(await browser.submit(page, { decision: 'deny', confirm: '' })), /error=access_denied/);
  }
});

test('one that is pinned or named in CLIENTS_ALLOW does not', async () => {
  const dir = path.join(site.dir, 'pinned.d');
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, 'c.json'), JSON.stringify({ client_id: 'pinned', client_name: 'Pinned', redirect_uris: [CURSOR, 'https://web.example/cb'] }));
  const trusting = await startSite({ config: { CLIENTS_DIR: dir, CLIENTS_ALLOW: 'localhost' } });
  try {
    for (const [changes, isCautious] of [[{}, true], [{ client_id: 'pinned', redirect_uri: CURSOR }, true],
      [{ client_id: 'pinned', redirect_uri: 'https://web.example/cb' }, false]]) {
      const browser = new Browser();
      const page = await open(changes, browser, trusting);
      assert.deepEqual(findForm(page).required, {});
      assert.equal(page.text.includes('Have you just started this login?'), isCautious, 'where the answer goes to whatever program takes it');
      assert.ok(refreshTarget(await browser.submit(page, { decision: 'approve' })).startsWith(trusting.cognito.authorizeUrl));
    }
  } finally {
    await trusting.close();
  }
});

test('what browsers say of a request counts: from our own page, into a window of its own', async () => {
  const browser = new Browser();
  const page = await open({}, browser);
  const { fields } = findForm(page);
  const approval = { ...fields, decision: 'approve', confirm: 'yes' };
  const action = `${site.issuer}/authorize`;
  const own = { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'document' };
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' }, { 'sec-fetch-dest': 'iframe' },
    { 'sec-fetch-dest': 'empty' }]) {
    const answer = await ask(browser, action, { ...own, ...headers }, approval);
    assert.equal(answer.status, 400, JSON.stringify(headers));
    assert.equal(refreshTarget(answer), undefined);
  }
  for (const headers of [own, {}]) {        // with a browser that says nothing, the cookie and the seal decide
    assert.ok(refreshTarget(await ask(browser, action, headers, approval)).startsWith(site.cognito.authorizeUrl));
  }

  for (const dest of ['iframe', 'empty', 'image', 'object']) {
    const answer = await ask(browser, page.url, { 'sec-fetch-dest': dest, 'sec-fetch-site': 'cross-site' });
    assert.equal(answer.status, 400, dest);
    assert.equal(findForm(answer), undefined);
  }
  assert.ok(findForm(await ask(browser, page.url, { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'cross-site' })), 'from the client');

  const state = new URL(refreshTarget(await ask(browser, action, own, approval))).searchParams.get('state');
  const callback = `${site.issuer}/callback?${new URLSearchParams({ code: 'c', state })}`;
  assert.equal((await ask(browser, callback, { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' })).status, 400);
  assert.equal((await ask(browser, callback, { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'cross-site' })).status, 302);
});

test('no page can be held by the window that opened it', async () => {
  const { browser } = await login(site);
  const own = [...browser.pages.filter(({ url }) => url.startsWith(site.issuer)), await open({ client_id: 'nobody' })];
  assert.ok(own.length >= 3);
  for (const page of own) assert.equal(page.headers.get('cross-origin-opener-policy'), 'same-origin', page.url);
});

// --- what is shown of strangers

const shown = (page) => /<bdi class="name">([^<]*)<\/bdi>/.exec(page.text)?.[1];

test('a name cannot be read as our own words', async () => {
  const names = {
    'Claude” and is verified by your administrator. “x': 'Claude&#39; and is verified by your administrator. &#39;x',
    'a\u0000b\u001b[2J\r\n\u2028\u2029\u0085c': 'a b [2J c',
    '\u202eedualC\u202c \u2066x\u2069\u200b\ufeff\u{e0041}': 'edualC x',
    '「Claude」です。管理者が確認した『x': '&#39;Claude&#39;です。管理者が確認した&#39;x',
    "Claude’’ and ''x": 'Claude&#39; and &#39;x',
    '  O’Brien\u00a0\u3000\t& Søn  ': 'O&#39;Brien &amp; Søn',
    '👩‍💻 निधि': '👩‍💻 निधि',
    '\u200b\u2028 ': '?',
  };
  for (const [name, expected] of Object.entries(names)) {
    const document = site.documents.setClient(`/name-${Buffer.from(name).toString('hex')}.json`, { client_name: name });
    const pages = [await open({ client_id: document })];
    if (!name.includes('\u0000')) {
      const registered = await register({ client_name: name, redirect_uris: ['http://127.0.0.1/callback'] });
      pages.push(await open({ client_id: registered }));
    }
    for (const page of pages) {
      if (name.includes('\u0000') && page.status === 400) continue;      // not accepted at all
      assert.equal(shown(page), expected, JSON.stringify(name));
    }
  }
});

test('a host cannot be read as another one: it is shown in lower case, as browsers do', async () => {
  const id = `https://LOCALHOST:${site.documents.port}/capitals.json`;
  const redirect_uri = 'https://cIaude.example/callback';       // not claude
  site.documents.setClient('/capitals.json', { client_id: id, redirect_uris: [redirect_uri] });
  const { text } = await open({ client_id: id, redirect_uri });
  assert.match(text, /<strong class="host">localhost<\/strong>/);
  assert.match(text, /<strong>ciaude\.example<\/strong>/);
  assert.doesNotMatch(text, /LOCALHOST|cIaude/);
  assert.match((await open({ client_id: id, redirect_uri, response_type: 'x' })).text, /<strong>ciaude\.example<\/strong>/);
});

test('the riskiest client looks it: one that registered itself, answered at an app', async () => {
  const { text } = await open({ client_id: await register({ client_name: 'Cursor', redirect_uris: [CURSOR] }), redirect_uri: CURSOR });
  assert.match(text, /class="note alarm"/);
  assert.match(wordsOf(text), /Have you just started this login\? The answer goes to whichever app on this device takes addresses that begin with cursor ?:/);
  assert.doesNotMatch((await open({})).text, /class="note alarm"/);
  assert.match((await open({})).text, /class="note"/);
});

test('what access is asked for stands on the page once', async () => {
  const { text } = await open({});
  const address = site.mcpUrl.replace('http://', '');
  assert.ok(wordsOf(text).includes(`Allow access to ${address}?`), wordsOf(text));
  assert.equal(text.split(address).length, 2);
});

// --- what a page tells the user to do

const advice = (page) => /<h1>[^<]*<\/h1>\s*<p>([^<]*)<\/p>/.exec(page.text)?.[1];

test('a registration that has ended: the page says how the client registers again', async () => {
  const id = await register({ redirect_uris: ['http://127.0.0.1/callback'] });
  const ended = `${id.slice(0, -4)}AAAA`;       // as after the end, or with another key: it cannot be opened
  const page = await open({ client_id: ended });
  assert.equal(page.status, 400);
  assert.match(advice(page), /delete the stored login to this server, .*registers again by itself/s);
  const plain = await startSite();
  try {
    assert.doesNotMatch(advice(await open({ client_id: ended }, new Browser(), plain)), /registers again/, 'where nobody can register');
  } finally {
    await plain.close();
  }
});

test('a client whose host cannot be found: nobody promises that it passes', async () => {
  const page = await open({ client_id: 'https://no-such-host.invalid/client.json' });
  assert.equal(page.status, 503);
  assert.match(advice(page), /no answer from there/);
  assert.doesNotMatch(advice(page), /passes by itself/);
});

test('in Japanese the reason is in Japanese too', async () => {
  for (const [query, reason] of [['client_id=nobody', 'client_id は、このサーバーで知られているものでも'], ['client_id=x&client_id=y', '2 回以上あるパラメーターがあります'],
    ['client_id=https://no-such-host.invalid/c.json', 'クライアントの文書のサーバーから応答がありません']]) {
    const answer = await fetch(`${site.issuer}/authorize?${query}&redirect_uri=x`, { headers: { 'accept-language': 'ja' } });
    const text = await answer.text();
    assert.ok(text.includes(`<dd lang="ja">${reason}`), wordsOf(text));
  }
  const english = await (await fetch(`${site.issuer}/authorize?client_id=nobody&redirect_uri=x`)).text();
  assert.match(english, /<dd lang="en">client_id is neither/);
});
