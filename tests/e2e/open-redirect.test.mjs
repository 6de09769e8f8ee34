// Anyone can publish a client document. So before the user has answered, /authorize must not redirect the browser to a
// web address or into an app of a client that the admin has not allowed (RFC 9700 section 4.11.2, MCP "Open
// Redirection").

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { findForm, refreshTarget } from '../parts/browser.mjs';
import { authorize, REDIRECT } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

const WEB = 'https://app.example/callback?kept=1';
const WRONG = { 'an unknown response_type': { response_type: 'bogus' }, 'no PKCE': { code_challenge: undefined },
  'another resource': { resource: 'https://other.example/mcp' }, 'no scope of ours': { scope: 'bogus' },
  'a state that is too long': { state: 'x'.repeat(2049) }, 'prompt=none': { prompt: 'none' } };

let site;
before(async () => { site = await startSite({ config: { DYNAMIC_REGISTRATION: 'yes' } }); });
after(() => site?.close());

async function register(redirect_uris) {
  const answer = await fetch(new URL('/register', site.issuer), { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'A stranger', redirect_uris }) });
  return (await answer.json()).client_id;
}

const TARGETS = { [WEB]: />app\.example</, 'com.example.app:/callback?kept=1': />com\.example\.app</, 'com.example.app://host/callback?kept=1': />com\.example\.app</,
  'cursor://anysphere.cursor-mcp/oauth/callback?kept=1': />cursor</ };

test('an error of a client that nobody vouches for is a page, with a link that the user may follow', async () => {
  for (const [redirect_uri, shown] of Object.entries(TARGETS)) {
    const clients = [site.documents.setClient(`/${encodeURIComponent(redirect_uri)}.json`, { redirect_uris: [redirect_uri] }), await register([redirect_uri])];
    for (const [name, wrong] of Object.entries(WRONG)) {
      for (const client_id of clients) {
        const page = await authorize(site, { client_id, redirect_uri, ...wrong });
        assert.equal(page.query, undefined, `${name}: a page, no redirect to ${page.url}`);
        assert.equal(page.status, 400);
        assert.equal(refreshTarget(page), undefined, 'the page sends nobody on');
        assert.equal(findForm(page), undefined);
        const [, link, words] = page.text.match(/<a href="([^"]*)">(.*?)<\/a>/s) ?? [];
        assert.ok(link?.startsWith(`${redirect_uri}&amp;`), page.text);
        assert.match(words, shown);
        const query = new URL(link.replaceAll('&amp;', '&')).searchParams;
        assert.equal(query.get('kept'), '1');
        assert.ok(query.get('error'));
        assert.equal(query.get('iss'), site.issuer);
      }
    }
  }
});

test('an answer to a program on the computer goes there by itself', async () => {
  for (const uri of [REDIRECT, 'http://localhost:5599/callback']) {
    const client_id = await register([uri]);
    const { query } = await authorize(site, { client_id, redirect_uri: uri, scope: 'bogus' });
    assert.equal(query?.get('error'), 'invalid_scope');
  }
});

test('so does one to a client that the admin has pinned, or named in CLIENTS_ALLOW', async () => {
  const dir = path.join(site.dir, 'trusted.d');
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, 'web.json'),
    JSON.stringify({ client_id: 'pinned', client_name: 'Pinned', redirect_uris: [WEB] }));
  const trusting = await startSite({ config: { CLIENTS_DIR: dir, CLIENTS_ALLOW: 'localhost' } });
  try {
    const named = trusting.documents.setClient('/web.json', { redirect_uris: [WEB] });
    for (const client_id of ['pinned', named]) {
      const { query } = await authorize(trusting, { client_id, redirect_uri: WEB, scope: 'bogus' });
      assert.equal(query?.get('error'), 'invalid_scope');
      assert.equal(query.get('iss'), trusting.issuer);
    }
  } finally {
    await trusting.close();
  }
});
