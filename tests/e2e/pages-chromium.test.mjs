// The pages in a real browser, with the policy that is shipped: the whole way, and what users do on it.
//
// Pictures are kept if PICTURES names a folder:  PICTURES=/tmp/pictures tests/node --test tests/e2e/pages-chromium.test.mjs

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { startChromium } from '../parts/chromium.mjs';
import { authorizeUrl, pkce, redeem } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const PICTURES = process.env.PICTURES;
const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };
const CURSOR = 'cursor://anysphere.cursor-mcp/oauth/callback';

let site;
let client;          // the client's own web server on loopback, where each login ends
let webServer;       // the same of a client with an https address, https://web.example
let webClientId;     // a client whose redirect URI is an https address
let registeredId;    // one that registered itself
const clientsDir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-clients-'));

before(async () => {
  fs.writeFileSync(path.join(clientsDir, 'desk.json'), JSON.stringify({ client_id: 'front-desk', client_name: 'Front desk',
    redirect_uris: ['http://127.0.0.1/callback', 'https://web.example/callback'] }));
  site = await startSite({ config: { CLIENTS_DIR: clientsDir, DYNAMIC_REGISTRATION: 'yes' } });
  const registered = await fetch(`${site.issuer}/register`, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Registered client', redirect_uris: ['https://web.example/callback', CURSOR] }) });
  assert.equal(registered.status, 201);
  registeredId = (await registered.json()).client_id;
  const answer = (req, res) => res.writeHead(200, { 'content-type': 'text/html' })
    .end('<!doctype html><title>Client</title><link rel="icon" href="data:,"><h1>Back at the client</h1>');
  const tls = (name) => fs.readFileSync(path.join(site.dir, 'tls', name));
  client = http.createServer(answer).listen(0, '127.0.0.1');
  webServer = https.createServer({ cert: tls('server.pem'), key: tls('server.key') }, answer).listen(0, '127.0.0.1');
  for (const server of [client, webServer]) if (!server.listening) await once(server, 'listening');
  webClientId = site.documents.setClient('/web-client.json', { client_name: 'Web client',
    redirect_uris: ['https://web.example/callback', 'com.example.app:/callback'] });
  if (PICTURES) fs.mkdirSync(PICTURES, { recursive: true });
});
after(async () => {
  for (const server of [client, webServer]) {
    server?.closeAllConnections();
    server?.close();
  }
  await site?.close();
  fs.rmSync(clientsDir, { recursive: true });
});

const callback = () => `http://127.0.0.1:${client.address().port}/callback`;

async function withChromium(options, body) {
  const browser = await startChromium({ locale: 'en-US', ignoreHTTPSErrors: true, ...options },
    [`--host-resolver-rules=MAP web.example 127.0.0.1:${webServer.address().port}`]);
  try {
    await body(browser);
    assert.deepEqual(browser.messages, [], 'nothing in the console');
  } finally {
    await browser.close();
  }
}

function start(changes = {}) {
  const pair = pkce();
  const asked = { redirect_uri: callback(), code_challenge: pair.challenge, ...changes };
  return { ...pair, ...asked, url: authorizeUrl(site, asked) };
}

const webClient = (changes) => start({ client_id: webClientId, redirect_uri: 'https://web.example/callback', ...changes });

async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage: true });
}

const allow = (page) => page.getByRole('button', { name: 'Allow' });

// As a user does: ticks the box if there is one, goes to the button, and presses it once that is possible.
async function agree(page, name = 'Allow') {
  const box = page.locator('input[name=confirm]');
  if (await box.count() > 0) await box.check();
  const button = page.getByRole('button', { name });
  await button.hover({ force: true });
  await button.click();
}

const deny = (page) => page.getByRole('button', { name: 'Deny' });

// Cognito asks once per browser; after that its own session answers.
async function logIn(page) {
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill('correct-horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function atClient(page, asked) {
  await page.waitForURL((url) => url.href.startsWith(asked.redirect_uri));
  await page.getByRole('heading', { name: 'Back at the client' }).waitFor();
  const query = new URL(page.url()).searchParams;
  assert.equal(query.get('state'), 'client-state');
  assert.equal(query.get('iss'), site.issuer);
  return query;
}

async function redeems(query, asked) {
  const answer = await redeem(site, { code: query.get('code'), verifier: asked.verifier },
    { redirect_uri: asked.redirect_uri, client_id: asked.client_id ?? site.clientId });
  assert.equal(answer.status, 200, answer.text);
}

// The rules of WCAG 2.2 A and AA, and axe's own best practices.
async function assertAccessible(browser, page) {
  // The page's own policy forbids scripts; the inspector's may run.
  const result = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ['violations', 'incomplete'] })`);
  const faults = [...result.violations, ...result.incomplete].map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((n) => n.html) }));
  assert.deepEqual(faults, []);
}

test('the whole way, with the policy that is shipped', async () => {
  await withChromium({}, async ({ page }) => {
    const asked = start();
    await page.goto(asked.url);
    assert.match(await page.title(), /^Allow access\?/);
    await agree(page);
    await logIn(page);
    await redeems(await atClient(page, asked), asked);
  });
});

test('the consent page names the host before the name, the address that is asked for, the scopes in words', async () => {
  await withChromium({}, async (browser) => {
    const { page } = browser;
    await page.goto(start().url);
    const text = await page.locator('main').innerText();
    const { hostname } = new URL(site.clientId);
    assert.ok(text.indexOf(hostname) >= 0 && text.indexOf(hostname) < text.indexOf('Test client'), text);
    for (const words of [`Allow access to ${new URL(site.mcpUrl).host}/mcp?`, 'Know who you are', 'See your e-mail address', 'Use this server’s tools in your name',
      '127.0.0.1', 'Have you just started this login?']) {
      assert.ok(text.includes(words), `${words} in: ${text}`);
    }
    assert.equal(await page.locator('[name=remember]').count(), 0, 'no consent of a loopback client is remembered');

    await page.goto(webClient().url);
    const web = await page.locator('main').innerText();
    assert.match(web, /only if you have just started the login at web\.example/);
    assert.equal(await page.getByRole('checkbox').count(), 2, 'one to go on, one to be remembered');

    await page.goto(webClient({ client_id: 'front-desk' }).url);
    assert.ok(!(await page.locator('main').innerText()).includes('Have you just started'), 'the operator vouches for it and its host');
    assert.equal(await page.getByRole('checkbox').count(), 1);

    await page.goto(start({ client_id: 'front-desk' }).url);
    assert.match(await page.locator('main').innerText(), /front-desk\s+The operator of this server has registered it as “Front desk”/);
    await page.goto(webClient({ client_id: registeredId }).url);
    const unknown = await page.locator('main').innerText();
    assert.match(unknown, /An unknown program\s+It calls itself “Registered client”\. It has registered by itself/);
    assert.ok(unknown.includes('web.example') && !unknown.includes(registeredId), unknown);

    await page.goto(webClient({ redirect_uri: 'com.example.app:/callback' }).url);
    assert.match(await page.locator('main').innerText(), /com\.example\.app/);
    assert.equal(await page.locator('[name=remember]').count(), 0, 'nor of an app: any app can take its scheme');
  });
});

for (const [name, options] of Object.entries({
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  'phone-light': { ...PHONE, colorScheme: 'light' },
  'phone-dark': { ...PHONE, colorScheme: 'dark' },
  'japanese-light': { locale: 'ja-JP', colorScheme: 'light' },
  'japanese-phone-dark': { ...PHONE, locale: 'ja-JP', colorScheme: 'dark' },
})) {
  test(`all pages are accessible and fit: ${name}`, async () => {
    await withChromium(options, async (browser) => {
      const { page } = browser;
      const long = site.documents.setClient('/a-document-with-a-long-name-that-goes-on-and-on.json', {
        client_name: 'The program with the long name '.repeat(6).trim(), redirect_uris: ['http://127.0.0.1/callback'] });
      const shown = { consent: start().url, 'consent-web': webClient().url, 'consent-long': start({ client_id: long }).url,
        'consent-pinned': start({ client_id: 'front-desk' }).url, 'consent-unknown': webClient({ client_id: registeredId }).url,
        'consent-app': webClient({ redirect_uri: 'com.example.app:/callback' }).url,
        'consent-alarm': webClient({ client_id: registeredId, redirect_uri: CURSOR }).url,
        error: start({ client_id: 'nobody' }).url };
      for (const [kind, url] of Object.entries(shown)) {
        await page.goto(url);
        await picture(page, `${kind}-${name}`);
        await assertAccessible(browser, page);
        assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, `${kind}: nothing to scroll sideways`);
        assert.equal(await page.evaluate('document.documentElement.lang'), options.locale ? 'ja' : 'en');
        const dark = await page.evaluate('getComputedStyle(document.body).backgroundColor');
        const sum = dark.match(/\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b);
        assert.equal(sum < 384, options.colorScheme === 'dark', `${kind}: ${dark}`);
        for (const button of await page.getByRole('button').all()) {
          assert.ok((await button.boundingBox()).height >= 44, 'large enough for a finger');
        }
      }
      // An error page is answered with an error status, which Chromium notes.
      browser.messages.splice(0, Infinity, ...browser.messages.filter((each) => !/Failed to load resource: the server responded with a status of 400/.test(each)));
    });
  });
}

// Words that stood at the end of a line and at the beginning of the next.
const brokenWords = (page, words) => page.evaluate(([list]) => {
  const broken = [];
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const word of list) {
      for (let at = node.data.indexOf(word); at >= 0; at = node.data.indexOf(word, at + 1)) {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) broken.push(word);
      }
    }
  }
  return broken;
}, [words]);

test('Japanese lines end between words, on every width', async () => {
  await withChromium({ locale: 'ja-JP' }, async (browser) => {
    const { page } = browser;
    const words = ['アクセス', '許可', 'しますか', 'アドレス', '名前', '確認', 'メール', 'プロフィール', 'あなた', 'サーバー', 'ツール', 'コンピューター',
      'プログラム', 'ログイン', '直後', 'ください', 'ません', '自分', 'です', '要求', '開発元', '管理者', '登録'];
    for (const url of [start().url, webClient({ client_id: registeredId, redirect_uri: CURSOR }).url, start({ client_id: 'nobody' }).url]) {
      await page.goto(url);
      for (let width = 340; width <= 620; width += 20) {
        await page.setViewportSize({ width, height: 800 });
        assert.deepEqual(await brokenWords(page, words), [], `${width} pixels: ${await page.locator('main').innerText()}`);
      }
    }
    browser.messages.splice(0);        // an error page is answered with an error status
  });
});

test('in Japanese to the end', async () => {
  await withChromium({ locale: 'ja-JP' }, async ({ page }) => {
    const asked = start();
    await page.goto(asked.url);
    assert.match(await page.title(), /^アクセスを許可しますか/);
    const text = await page.locator('main').innerText();
    assert.ok(text.includes('メールアドレスを見る') && !/[A-Za-z]{3,} [a-z]{3,} [a-z]{3,}/.test(text.replace('Test client', '')), text);
    await agree(page, '許可する');
    await logIn(page);
    await redeems(await atClient(page, asked), asked);
  });
});

test('reloaded, and back from Cognito: the consent page works as before', async () => {
  await withChromium({}, async ({ page }) => {
    const asked = start();
    await page.goto(asked.url);
    await page.reload();
    await page.reload();
    await agree(page);
    await page.getByLabel('Password').waitFor();
    await page.goBack();
    await allow(page).waitFor();
    assert.ok(page.url().startsWith(`${site.issuer}/authorize?`), 'one step back is the consent page, not one that sends on');
    await agree(page);
    await page.getByLabel('Password').waitFor();
    await page.reload();
    await logIn(page);
    await redeems(await atClient(page, asked), asked);
    // Back again from the client: no page of ours is stuck there.
    await page.goto(asked.url);
    await allow(page).waitFor();
  });
});

test('two tabs, finished in any order', async () => {
  await withChromium({}, async ({ context, page: first }) => {
    const second = await context.newPage();
    const a = start();
    const b = webClient();
    await first.goto(a.url);
    await second.goto(b.url);
    await agree(first);
    await first.getByLabel('Password').waitFor();
    await agree(second);
    await logIn(second);
    await redeems(await atClient(second, b), b);
    await logIn(first);
    await redeems(await atClient(first, a), a);
  });
});

test('the same page in two tabs, allowed in both: each ends with a code of its own', async () => {
  await withChromium({}, async ({ context, page }) => {
    const asked = start();
    const second = await context.newPage();
    await page.goto(asked.url);
    await second.goto(asked.url);
    await agree(page);
    await logIn(page);
    const one = await atClient(page, asked);
    await redeems(one, asked);
    await agree(second);
    const two = await atClient(second, asked);
    assert.notEqual(one.get('code'), two.get('code'));
    await redeems(two, asked);
  });
});

test('denied: the client is told, Cognito is not asked', async () => {
  await withChromium({}, async ({ page }) => {
    const before = site.cognito.authorizations.length;
    const asked = start();
    await page.goto(asked.url);
    await deny(page).click();
    const query = await atClient(page, asked);
    assert.equal(query.get('error'), 'access_denied');
    assert.equal(query.get('code'), null);
    assert.equal(site.cognito.authorizations.length, before);
  });
});

test('by keyboard alone; what the Enter key presses of itself is no consent', async () => {
  await withChromium({}, async ({ page }) => {
    const focused = () => page.evaluate(`(({ type, name, value }) => (type === 'checkbox' ? name : value))(document.activeElement)`);
    let asked = webClient();
    await page.goto(asked.url);
    for (const expected of ['confirm', 'remember', 'deny', 'approve']) {
      await page.keyboard.press('Tab');
      assert.equal(await focused(), expected);
      assert.notEqual(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none', 'the focus shows');
    }
    for (let i = 0; i < 3; i += 1) await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');       // in the checkbox: the form's first button
    assert.equal((await atClient(page, asked)).get('error'), 'access_denied');

    asked = webClient();
    await page.goto(asked.url);
    for (let i = 0; i < 4; i += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');       // without the box ticked: the browser goes back to that
    await until('the box to have the focus', async () => await focused() === 'confirm');
    await page.keyboard.press('Space');
    for (let i = 0; i < 3; i += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByLabel('Password').waitFor();
    await page.keyboard.type('alice');
    await page.keyboard.press('Tab');
    await page.keyboard.type('correct-horse');
    await page.keyboard.press('Enter');
    await redeems(await atClient(page, asked), asked);
  });
});

test('a remembered consent is not asked for again, in this browser and for the same only', async () => {
  await withChromium({}, async ({ context, page }) => {
    let asked = webClient({ scope: 'openid email' });
    await page.goto(asked.url);
    await page.locator('[name=remember]').check();
    await agree(page);
    await logIn(page);
    await redeems(await atClient(page, asked), asked);

    asked = webClient({ scope: 'email openid' });
    await page.goto(asked.url);                       // straight through: consent and Cognito's session are there
    await redeems(await atClient(page, asked), asked);

    for (const other of [webClient({ scope: 'openid email profile' }), webClient({ scope: 'openid' }),
      webClient({ scope: 'openid email', prompt: 'consent' }), start({ scope: 'openid email' })]) {
      await page.goto(other.url);
      await allow(page).waitFor();
    }

    // Denied when asked again: forgotten.
    asked = webClient({ scope: 'openid email', prompt: 'consent' });
    await page.goto(asked.url);
    await deny(page).click();
    await atClient(page, asked);
    await page.goto(webClient({ scope: 'openid email' }).url);
    await allow(page).waitFor();

    // Kept when the browser is closed, both cookies of it.
    const kept = (await context.cookies(site.issuer)).filter(({ name }) => name.startsWith('mcp-authd'));
    assert.equal(kept.length, 2);
    for (const cookie of kept) {
      assert.ok(cookie.expires > Date.now() / 1000 + 29 * 86400, JSON.stringify(cookie));
      assert.ok(cookie.httpOnly && cookie.sameSite === 'Lax');
    }
  });
});

// What a click at that place would meet.
const isUnderPointer = (page, { x, y }) => page.evaluate(`document.elementFromPoint(${x}, ${y})?.value === 'approve'`);

async function centreOfAllow(page) {
  const { x, y, width, height } = await allow(page).boundingBox();
  return { x: x + width / 2, y: y + height / 2 };
}

// As if everything else were so many times faster than the page's own time: a busy machine may take longer for a click.
async function slowDown(page, times) {
  const session = await page.context().newCDPSession(page);
  await session.send('Animation.enable');
  await session.send('Animation.setPlaybackRate', { playbackRate: 1 / times });
  return () => session.send('Animation.setPlaybackRate', { playbackRate: 1 });
}

test('the second click of a double click that began on another page counts for nothing', async () => {
  for (const javaScriptEnabled of [true, false]) {
    await withChromium({ javaScriptEnabled }, async ({ page }) => {
      // Nobody asks for a second action here: the operator vouches for this client.
      const asked = webClient({ client_id: 'front-desk' });
      await page.goto(asked.url);
      await page.locator('body').screenshot();       // it has been shown, but the pointer was somewhere else all the time
      const at = await centreOfAllow(page);
      const usualPace = await slowDown(page, 20);
      await page.mouse.click(at.x, at.y);
      assert.equal(await isUnderPointer(page, at), false);
      await usualPace();
      await until('a moment to pass', () => isUnderPointer(page, at));
      assert.equal(page.url(), asked.url, 'the click did nothing');
      await page.mouse.move(0, 0);                   // still on the page
      assert.equal(await isUnderPointer(page, at), true);
      await page.mouse.click(at.x, at.y);
      await logIn(page);
      await redeems(await atClient(page, asked), asked);
    });
  }
});

test('one click is not enough for a client that nobody vouches for', async () => {
  await withChromium({}, async ({ page }) => {
    const asked = webClient({ client_id: registeredId });
    await page.goto(asked.url);
    const at = await centreOfAllow(page);
    await page.mouse.move(at.x, at.y);
    await until('a moment to pass', () => isUnderPointer(page, at));
    await page.mouse.dblclick(at.x, at.y);
    await until('the browser to show what is missing', async () => await page.evaluate('document.activeElement.name') === 'confirm');
    await agree(page);
    await logIn(page);
    await redeems(await atClient(page, asked), asked);
  });
});

test('by touch', async () => {
  await withChromium(PHONE, async ({ page }) => {
    const asked = start();
    await page.goto(asked.url);
    await page.locator('[name=confirm]').tap();
    await allow(page).tap();
    await logIn(page);
    await redeems(await atClient(page, asked), asked);
  });
});

test('the page that opened the consent page does not hold it', async () => {
  await withChromium({}, async ({ context, page }) => {
    await page.goto(callback());
    const opened = context.waitForEvent('page');
    await page.evaluate(`window.held = window.open(${JSON.stringify(start().url)}); undefined`);
    const popup = await opened;
    await allow(popup).waitFor();
    assert.equal(await popup.evaluate('window.opener'), null);
    await until('the handle to be cut', () => page.evaluate('window.held.closed'));
  });
});

test('without JavaScript', async () => {
  await withChromium({ javaScriptEnabled: false }, async ({ page }) => {
    const asked = start();
    await page.goto(asked.url);
    await agree(page);
    await logIn(page);
    await redeems(await atClient(page, asked), asked);
  });
});
