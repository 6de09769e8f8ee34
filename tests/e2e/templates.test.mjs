// An admin's own pages (docs/templates.md): used, escaped, checked by -t, at the start and on a reload.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Browser, refreshTarget } from '../parts/browser.mjs';
import { BINARY, logged } from '../parts/daemon.mjs';
import { authorizeUrl, pkce, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT, until } from '../parts/util.mjs';

const open = (site, changes) => new Browser().open(authorizeUrl(site, { code_challenge: pkce().challenge, ...changes }));

function check(site) {
  const { status, stderr } = spawnSync(BINARY, ['-t', '-c', site.daemon.configFile], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  return { status, stderr };
}

async function withTemplates(files, body) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-templates-'));
  const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const site = await startSite({ config: { TEMPLATES_DIR: dir } });
  try {
    await body(site, write);
  } finally {
    await site.close();
    fs.rmSync(dir, { recursive: true });
  }
}

test('own pages are shown, with every value escaped', async () => {
  await withTemplates({
    'consent.html': '<!doctype html><h1>Own {{client_name}}</h1>{{#scopes}}[{{scope}}|{{scope_words}}]{{/scopes}}' +
      '<form method="post" action="{{action}}"><input type="hidden" name="request" value="{{request}}">' +
      '{{#must_confirm}}<input type="checkbox" name="confirm" value="yes" required>{{/must_confirm}}' +
      '<button name="decision" value="deny"><button name="decision" value="approve"></form>',
    'continue.html': '<meta http-equiv="refresh" content="0; url={{uri}}">own continue',
    'error.html': 'own error {{reason}}',
    'error.ja.html': '自前',
  }, async (site) => {
    assert.match(check(site).stderr, /^configuration is good$/m);
    const id = site.documents.setClient('/evil.json', { client_name: '<script>"x"</script>{{client_id}}' });
    const page = await open(site, { client_id: id });
    assert.match(page.text, /Own &lt;script&gt;&#39;x&#39;&lt;\/script&gt;\{\{client_id\}\}/);
    assert.match(page.text, /\[openid\|Know who you are\]\[email\|/);
    assert.equal((await open(site, { client_id: 'https://localhost/<b>' })).text.includes('<b>'), false);
    assert.match((await open(site, { client_id: 'x' })).text, /^own error client_id is neither/);
    const japanese = await fetch(`${site.issuer}/authorize?client_id=x`, { headers: { 'accept-language': 'ja' } });
    assert.equal(await japanese.text(), '自前');
    await tokens(site);
  });
});

test('the built-in pages are those in share/templates', async () => {
  const names = ['consent', 'continue', 'error', 'server'];
  const files = Object.fromEntries(names.map((name) => [`${name}.html`, fs.readFileSync(path.join(ROOT, 'share/templates', `${name}.html`), 'utf8')]));
  await withTemplates(files, async (site) => {
    const own = await startSite();
    try {
      const plain = (text, of) => text.replaceAll(of.issuer, '').replaceAll(new URL(of.issuer).host, '').replaceAll(of.documents.url(''), '')
        .replace(/nonce="[^"]+"/, '').replace(/value="[\w-]{100,}"/, '').replace(/<code>\w+<\/code>/, '');
      for (const changes of [{}, { client_id: 'x' }]) {
        assert.equal(plain((await open(site, changes)).text, site), plain((await open(own, changes)).text, own));
      }
    } finally {
      await own.close();
    }
  });
});

test('a page with a mistake is reported with its line, and the built-in one is used', async () => {
  await withTemplates({ 'consent.html': '<p>\n{{client_nmae}} {{request}} name="confirm"' }, async (site, write) => {
    const wrong = /consent\.html: line 2: there is no value of the name client_nmae; the built-in page is used/;
    await until('a worker to say so at the start', () => wrong.test(site.daemon.log));
    const { status, stderr } = check(site);
    assert.match(stderr, wrong, 'by -t');
    assert.equal(status, 1, 'the daemon starts without it');
    assert.match((await open(site)).text, /<h1>Allow access/);

    write('consent.html', 'Without the box {{request}}');
    assert.match(check(site).stderr, /consent\.html: without name="confirm" the page cannot work; the built-in page is used/);

    write('consent.html', 'Better now {{request}} <input type="checkbox" name="confirm">');
    site.daemon.signal('SIGHUP');
    await until('the reload', () => site.daemon.log.includes('event=reload_ok'));
    await until('the new page', async () => /^Better now/.test((await open(site)).text));

    write('error.html', '{{#reason}}');
    const before = site.daemon.log.length;
    site.daemon.signal('SIGHUP');
    await until('the reload', () => site.daemon.log.slice(before).includes('event=reload_ok'));
    await logged(site.daemon, before, /error\.html: line 1: a section is not closed/);      // on a reload
    assert.equal(refreshTarget(await open(site, { client_id: 'x' })), undefined);
  });
});
