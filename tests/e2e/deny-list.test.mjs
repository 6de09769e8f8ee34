// DENY_FILE: clients, users and logins are stopped without a restart.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { reload } from '../parts/audit.mjs';
import { Browser, findForm, wordsOf } from '../parts/browser.mjs';
import { BINARY } from '../parts/daemon.mjs';
import { callTool, post } from '../parts/mcp.mjs';
import { assertOAuthError, authorizeUrl, login, pkce, redeem, refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

let site;
let file;
before(async () => {
  site = await startSite();
  file = site.keys.DENY_FILE;
});
after(() => site?.close());

async function deny(...lines) {
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  await reload(site);
}

async function assertTokenRefused(access) {
  const answer = await post(site, access, 'tools/list');
  assert.equal(answer.status, 401, JSON.stringify(answer));
  assert.match(answer.headers.get('www-authenticate'), /error="invalid_token", error_description="the token was revoked"/);
}

test('a client: no page, no code, no refresh; others go on', async () => {
  const held = await tokens(site);
  const granted = await login(site);
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  assert.ok(findForm(page));

  await deny(`client ${site.clientId}`);
  const refused = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  assert.equal(refused.status, 400);
  assert.match(wordsOf(refused.text), /this client is no longer allowed here/);
  const approved = await browser.submit(page, { decision: 'approve' });
  assert.equal(approved.status, 400, 'not by a page that was open already');
  const asked = site.cognito.calls('/oauth2/token');
  assertOAuthError(await redeem(site, granted), 400, 'invalid_grant');
  assertOAuthError(await refresh(site, held.refresh_token), 400, 'invalid_grant');
  assert.equal(site.cognito.calls('/oauth2/token'), asked, 'Cognito was not asked');
  await tokens(site, { client_id: site.otherClientId }).catch(() => {});
  assert.equal((await refresh(site, 'x', { client_id: site.otherClientId })).body.error, 'invalid_grant');

  await deny('# all are back');
  assert.equal((await refresh(site, held.refresh_token)).status, 200);
  assert.equal((await redeem(site, granted)).status, 200, 'nothing was burnt');
});

test('a user, by sub or by name: 401 at once also for a token that was known, and no refresh', async () => {
  const alice = await tokens(site);
  const bob = await login(site, { browser: new Browser({ username: 'bob', password: 'battery-staple' }) }).then((granted) => redeem(site, granted));
  await callTool(site, alice.access_token, 'whoami');
  for (const name of [site.cognito.users[0].sub, 'alice']) {
    await deny(`subject ${name}`);
    await assertTokenRefused(alice.access_token);
    await assertTokenRefused(alice.access_token);         // from the cache now
    assertOAuthError(await refresh(site, alice.refresh_token), 400, 'invalid_grant');
    assertOAuthError(await redeem(site, await login(site)), 400, 'invalid_grant');
    await callTool(site, bob.body.access_token, 'whoami');
    assert.equal((await refresh(site, bob.body.refresh_token)).status, 200);
  }
  await deny();
  await callTool(site, alice.access_token, 'whoami');
});

test('all tokens issued before a time: access tokens, and refresh tokens of logins before it, however often refreshed', async () => {
  const before = await tokens(site);
  const since = (await refresh(site, before.refresh_token)).body;
  const seconds = Math.floor(Date.now() / 1000) + 1;
  await until('the next second', () => Date.now() / 1000 >= seconds);
  await deny(`issued-before ${new Date(seconds * 1000).toISOString()}`);
  await assertTokenRefused(before.access_token);
  assertOAuthError(await refresh(site, before.refresh_token), 400, 'invalid_grant');
  assertOAuthError(await refresh(site, since.refresh_token), 400, 'invalid_grant');

  const after_ = await tokens(site);
  await callTool(site, after_.access_token, 'whoami');
  const again = await refresh(site, after_.refresh_token);
  assert.equal(again.status, 200);
  assert.equal((await refresh(site, again.body.refresh_token)).status, 200);
  await deny();
});

test('a file with a mistake is reported by -t, and on HUP the old one stays in force', async () => {
  const { access_token: held } = await tokens(site);
  await deny('subject alice');
  fs.writeFileSync(file, 'subject bob\nsubjekt alice\n');
  const wrong = /deny\.conf:2: subjekt: a line begins with client, subject or issued-before/;
  const { status, stderr } = spawnSync(BINARY, ['-t', '-c', site.daemon.configFile], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  assert.equal(status, 2);
  assert.match(stderr, wrong);
  assert.match(await reload(site, { refused: true }), /event=reload_failed/);
  assert.match(site.daemon.log, wrong);
  await assertTokenRefused(held);
  await deny();
  await callTool(site, held, 'whoami');
  assert.ok(fs.existsSync(path.join(site.stateOf('token'), 'limits')));
});
