// What clients and users are told of the server: SERVER_NAME and its like, in initialize and server/discover, in the metadata, on
// the consent page, and on the page that a browser gets at the address of the server.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { startChromium } from '../parts/chromium.mjs';
import { callTool, modern, post } from '../parts/mcp.mjs';
import { Browser } from '../parts/browser.mjs';
import { authorizeUrl, login, pkce, redeem } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const PICTURES = process.env.PICTURES;
const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const svg = (color) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="${color}"/></svg>`;
const icon = (color) => `data:image/svg+xml;base64,${Buffer.from(svg(color)).toString('base64')}`;
const LIGHT = icon('#236'), DARK = icon('#9cf');
const INSTRUCTIONS = 'Ask `weather` first.\n"Cities" are those of the list.\n';

let site, token;
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-server-'));
before(async () => {
  fs.writeFileSync(path.join(dir, 'instructions'), INSTRUCTIONS);
  site = await startSite({ config: { SERVER_NAME: 'weather.example', SERVER_TITLE: 'Weather & tides', SERVER_ICON: `${LIGHT} ${DARK}`,
    SERVER_WEBSITE: 'https://example.com/', SERVER_DOCUMENTATION: 'https://example.com/docs', SERVER_POLICY: 'https://example.com/privacy',
    SERVER_TERMS: 'https://example.com/terms', SERVER_INSTRUCTIONS_FILE: path.join(dir, 'instructions'), USE_OTHER_ACCOUNT: 'yes' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true });
});

const IMPLEMENTATION = { name: 'weather.example', title: 'Weather & tides', websiteUrl: 'https://example.com/',
  icons: [{ src: LIGHT, mimeType: 'image/svg+xml', theme: 'light' }, { src: DARK, mimeType: 'image/svg+xml', theme: 'dark' }] };

function assertImplementation({ version, ...rest }) {
  assert.match(version, /^\d/);
  assert.deepEqual(rest, IMPLEMENTATION);
}

test('initialize and server/discover tell name, title, icons, website and instructions', async () => {
  const { body } = await post(site, token, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {
    protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } } }));
  assertImplementation(body.result.serverInfo);
  assert.equal(body.result.instructions, INSTRUCTIONS);
  const { result } = (await modern(site, token, 'server/discover')).body;
  assertImplementation(result._meta['io.modelcontextprotocol/serverInfo']);
  assert.equal(result.instructions, INSTRUCTIONS);
});

test('each answer and each list names the server', async () => {
  for (const [method, params] of [['tools/list', {}], ['tools/call', { name: 'whoami', arguments: {} }]]) {
    const { result } = (await modern(site, token, method, params)).body;
    const { version, ...info } = result._meta['io.modelcontextprotocol/serverInfo'];
    assert.ok(version);
    assert.deepEqual(info, { name: 'weather.example', title: 'Weather & tides' });
  }
});

test('the metadata of the resource has what people are told (RFC 9728 §2)', async () => {
  const metadata = await (await fetch(`${site.issuer}/.well-known/oauth-protected-resource/mcp`)).json();
  assert.equal(metadata.resource_name, 'Weather & tides');
  assert.equal(metadata.resource_documentation, 'https://example.com/docs');
  assert.equal(metadata.resource_policy_uri, 'https://example.com/privacy');
  assert.equal(metadata.resource_tos_uri, 'https://example.com/terms');
});

test('a browser gets a page at the address of the server, a client does not', async () => {
  const get = (headers) => fetch(site.mcpUrl, { headers });
  const page = await get({ accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });
  assert.equal(page.status, 200);
  const text = await page.text();
  assert.match(text, /<title>Weather &amp; tides<\/title>/);
  const vscode = /href="vscode:mcp\/install\?([^"]+)"/.exec(text)[1];
  assert.deepEqual(JSON.parse(decodeURIComponent(vscode)), { name: 'weather.example', type: 'http', url: site.mcpUrl });
  const cursor = new URL(/href="(cursor:[^"]+)"/.exec(text)[1].replaceAll('&amp;', '&')).searchParams;
  assert.equal(cursor.get('name'), 'weather.example');
  assert.deepEqual(JSON.parse(Buffer.from(cursor.get('config'), 'base64')), { url: site.mcpUrl });
  assert.equal((await get({ accept: 'text/html', authorization: `Bearer ${token}` })).status, 406);
  assert.equal((await get({ accept: 'text/event-stream' })).status, 401);
  assert.equal((await get({ accept: '*/*' })).status, 401);
});

test('a browser that is logged in at the provider may log in with another account', async () => {
  const browser = new Browser();
  const subjectOf = async () => {
    const granted = await login(site, { browser });
    const { body } = await redeem(site, granted);
    return (await callTool(site, body.access_token, 'whoami')).structuredContent.username;
  };
  assert.equal(await subjectOf(), 'alice');
  browser.username = 'bob';
  browser.passwords = ['battery-staple'];
  assert.equal(await subjectOf(), 'alice', 'the provider does not ask again');
  browser.decision = 'approve-other-account';
  assert.equal(await subjectOf(), 'bob');
});

test('without USE_OTHER_ACCOUNT there is no such button, and its decision is refused', async () => {
  const plain = await startSite();
  try {
    const browser = new Browser();
    const page = await browser.open(authorizeUrl(plain, { code_challenge: pkce().challenge }));
    assert.doesNotMatch(page.text, /other-account/);
    assert.equal((await browser.submit(page, { decision: 'approve-other-account' })).status, 400);
  } finally {
    await plain.close();
  }
});

const VIEWS = {
  light: {}, dark: { colorScheme: 'dark' }, phone: { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true },
  japanese: { locale: 'ja-JP' },
};
for (const [name, options] of Object.entries(VIEWS)) {
  test(`the page and the consent page with icon: accessible, nothing in the console, all in view (${name})`, async () => {
    const browser = await startChromium({ locale: 'en-US', permissions: ['clipboard-read', 'clipboard-write'], ...options });
    try {
      const { page } = browser;
      for (const [what, url] of [['server', site.mcpUrl], ['consent', authorizeUrl(site, { code_challenge: pkce().challenge })]]) {
        await page.goto(url);
        assert.ok(await page.locator('img.icon').evaluate((image) => image.complete && image.naturalWidth > 0), 'the icon is shown');
        assert.equal(await page.locator('img.icon').evaluate((image) => image.currentSrc), name === 'dark' ? DARK : LIGHT);
        assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'no scrolling to the side');
        if (PICTURES) await page.screenshot({ path: path.join(PICTURES, `${what}-${name}.png`), fullPage: true });
        if (what === 'server') {
          await page.getByRole('button', { name: name === 'japanese' ? /^コピー/ : /^Copy/ }).first().click();
          await until('the copy', async () => await page.evaluate('navigator.clipboard.readText()') === site.mcpUrl);
        }
        const found = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ['violations', 'incomplete'] })`);
        assert.deepEqual([...found.violations, ...found.incomplete].map(({ id, nodes }) => ({ id, html: nodes.map((n) => n.html) })), []);
      }
      assert.deepEqual(browser.messages, []);
    } finally {
      await browser.close();
    }
  });
}
