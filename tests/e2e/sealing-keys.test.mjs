// Sealing keys are changed while users are logged in: the steps of docs/keys.md.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';
import { reload } from '../parts/audit.mjs';
import { Browser, refreshTarget } from '../parts/browser.mjs';
import { logged } from '../parts/daemon.mjs';
import { SITES } from '../parts/one-of-many.mjs';
import { assertOAuthError, authorizeUrl, login, pkce, redeem, refresh, REDIRECT, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

// The key that sealed it: base64url of version, key id, …
const keyOf = (sealed) => Buffer.from(sealed, 'base64url').subarray(1, 5).toString('hex');

test('a new key first, the old one behind it: nobody is logged out; the old one removed: what it sealed is over', async () => {
  const site = await startSite();
  const file = site.keyFile;
  try {
    const held = await tokens(site);
    const granted = await login(site);
    const browser = new Browser();
    const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));

    const oldText = fs.readFileSync(file, 'utf8');
    const fresh = crypto.randomBytes(32).toString('base64url');
    fs.writeFileSync(file, `${fresh}\n${oldText}`);
    await reload(site);
    const newId = crypto.createHash('sha256').update(Buffer.from(fresh, 'base64url')).digest().subarray(0, 4).toString('hex');

    assert.ok(refreshTarget(await browser.submit(page, { decision: 'approve' })).startsWith(site.cognito.authorizeUrl), 'a page that was open');
    assert.equal((await redeem(site, granted)).status, 200, 'a login that was under way');
    const answer = await refresh(site, held.refresh_token);
    assert.equal(answer.status, 200, answer.text);
    assert.notEqual(keyOf(held.refresh_token), newId);
    assert.equal(keyOf(answer.body.refresh_token), newId, 'each refresh moves on to the new key');

    fs.writeFileSync(file, `${fresh}\n`);
    await reload(site);
    assertOAuthError(await refresh(site, held.refresh_token), 400, 'invalid_grant');
    assert.equal((await refresh(site, answer.body.refresh_token)).status, 200);
    const again = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
    assert.equal(again.status, 200);
    assert.ok((await browser.login(again.url, REDIRECT)).startsWith(REDIRECT));

    // A file that cannot be used: the old keys stay in force. Not so of several sites: a worker reads the file when it opens one.
    if (SITES) return;
    fs.writeFileSync(file, 'not a key\n');
    await reload(site, { refused: true });
    await logged(site.daemon, 0, /SECRET_KEY_FILE: [^"]*secret\.key: line 1 is not base64url of 32 bytes; make a key with/);
    assert.equal((await refresh(site, answer.body.refresh_token)).status, 200);
    fs.writeFileSync(file, `${fresh}\n`);
  } finally {
    await site.close();
  }
});
