// Refresh tokens and codes under load, revocation, and what is stored about tokens that have ended: no user is logged out by
// rotation or by a wrong error of a refresh.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { logged } from '../parts/daemon.mjs';
import { callTool, challenge, modern } from '../parts/mcp.mjs';
import { assertOAuthError, login, redeem, refresh, revoke, tokens, untilAllServed } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

const times = (count, what) => Promise.all(Array.from({ length: count }, what));
const statuses = (answers) => answers.map((answer) => answer.status).join(' ');

for (const [name, cognito] of Object.entries({
  'Cognito rotates with its grace of 60 s': { rotateRefreshTokens: true, refreshGraceSeconds: 60 },
  'Cognito rotates without any grace': { rotateRefreshTokens: true },
  'Cognito does not rotate': {},
})) {
  test(`64 parallel refreshes of one token, ${name}: all 64 end with a working token`, async () => {
    const busy = await startSite({ cognito, config: { WORKERS_MAX: '16' } });
    try {
      const { refresh_token: held } = await tokens(busy);
      const before = busy.cognito.calls('/oauth2/token');
      const answers = await times(64, () => refresh(busy, held));
      assert.equal(statuses(answers), Array(64).fill(200).join(' '));
      assert.equal(busy.cognito.calls('/oauth2/token') - before, 1, 'one call reached Cognito');
      await Promise.all(answers.map(({ body }) => callTool(busy, body.access_token, 'whoami')));

      // And all 64 can go on with what they have, at once, and one after another.
      const next = await Promise.all(answers.map(({ body }) => refresh(busy, body.refresh_token)));
      assert.equal(statuses(next), Array(64).fill(200).join(' '));
      const late = await refresh(busy, next[63].body.refresh_token);
      await callTool(busy, late.body.access_token, 'whoami');
      for (const secret of [held, late.body.refresh_token, late.body.access_token]) {
        assert.ok(!busy.daemon.log.includes(secret));
      }
    } finally {
      await busy.close();
    }
  });
}

test('a refresh whose answer was lost can be sent again, and gives the same answer', async () => {
  const { refresh_token: held } = await tokens(site);
  const first = await refresh(site, held);
  const before = site.cognito.calls('/oauth2/token');
  const second = await refresh(site, held);
  assert.equal(second.body.access_token, first.body.access_token);
  assert.equal(second.body.refresh_token, first.body.refresh_token);
  assert.ok(second.body.expires_in <= first.body.expires_in);
  assert.equal(site.cognito.calls('/oauth2/token'), before);
  // Not to another client, though.
  assertOAuthError(await refresh(site, held, { client_id: site.otherClientId }), 400, 'invalid_grant');
});

test('with REFRESH_REPLAY_S=0 no answer is given twice', async () => {
  const strict = await startSite({ config: { REFRESH_REPLAY_S: '0' } });
  try {
    const { refresh_token: held } = await tokens(strict);
    const answers = await times(8, () => refresh(strict, held));
    assert.equal(statuses(answers), Array(8).fill(200).join(' '));
    assert.equal(new Set(answers.map(({ body }) => body.access_token)).size, 8);
  } finally {
    await strict.close();
  }
});

test('a refresh that fails for a while fails for all who wait for it, and burns nothing', async () => {
  const { refresh_token: held } = await tokens(site);
  site.cognito.failTokenCalls('500', 64);
  try {
    for (const answer of await times(16, () => refresh(site, held))) {
      assertOAuthError(answer, 503, 'temporarily_unavailable');
      assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
    }
  } finally {
    site.cognito.clearFaults();
  }
  assert.equal((await refresh(site, held)).status, 200);
});

test('a token that Cognito refused for good does not reach it again', async () => {
  const { refresh_token: held } = await tokens(site);
  site.cognito.failTokenCalls('400');
  assertOAuthError(await refresh(site, held), 400, 'invalid_grant');
  const before = site.cognito.calls('/oauth2/token');
  for (const answer of await times(20, () => refresh(site, held))) assertOAuthError(answer, 400, 'invalid_grant');
  assert.equal(site.cognito.calls('/oauth2/token'), before);
});

test('1,000 parallel redemptions of a code: one, and it can refresh', { timeout: 120000 }, async () => {
  const granted = await login(site);
  const before = site.cognito.calls('/oauth2/token');
  const answers = await untilAllServed(1000, () => redeem(site, granted), { atOnce: 250 });      // this process answers as Cognito, too
  const good = answers.filter((answer) => answer.status === 200);
  assert.equal(good.length, 1);
  for (const answer of answers) if (answer !== good[0]) assertOAuthError(answer, 400, 'invalid_grant');
  assert.equal(site.cognito.calls('/oauth2/token') - before, 1, 'one call reached Cognito');
  const next = await refresh(site, good[0].body.refresh_token);
  assert.equal(next.status, 200, 'Cognito saw no theft');
  await callTool(site, next.body.access_token, 'whoami');
});

test('parallel redemptions while Cognito fails for a while: the code is still good', async () => {
  const granted = await login(site);
  site.cognito.failTokenCalls('500', 64);
  const answers = await times(16, () => redeem(site, granted));
  site.cognito.clearFaults();
  assert.ok(answers.some((answer) => answer.status === 503), statuses(answers));
  assert.ok(answers.every((answer) => [400, 503].includes(answer.status)), statuses(answers));
  assert.equal((await redeem(site, granted)).status, 200);
});

// --- POST /revoke (RFC 7009)

test('a revoked refresh token is revoked at Cognito, and dead here', async () => {
  const first = await tokens(site);
  const next = await refresh(site, first.refresh_token);
  const before = site.cognito.calls('/oauth2/token');
  const answer = await revoke(site, { token: next.body.refresh_token, token_type_hint: 'refresh_token' });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.body, {}, 'libraries read a body as JSON');
  assert.equal(site.cognito.calls('/oauth2/revoke') >= 1, true);
  assertOAuthError(await refresh(site, next.body.refresh_token), 400, 'invalid_grant');
  assertOAuthError(await refresh(site, first.refresh_token), 400, 'invalid_grant');
  assert.equal(site.cognito.calls('/oauth2/token'), before);
  assert.equal((await revoke(site, { token: next.body.refresh_token })).status, 200, 'again');
});

test('what is none of ours, or another client\'s, is answered 200 and changes nothing', async () => {
  const { refresh_token: held } = await tokens(site);
  const before = site.cognito.calls('/oauth2/revoke');
  for (const fields of [{ token: 'unknown' }, { token: held, client_id: site.otherClientId }, { token: `${held}A` },
    { token: 'x'.repeat(100000) }]) {
    const answer = await revoke(site, fields);
    assert.equal(answer.status, 200, answer.text);
  }
  assert.equal(site.cognito.calls('/oauth2/revoke'), before);
  assert.equal((await refresh(site, held)).status, 200);
});

test('an access token is revoked: no worker takes it any more, and the others go on', async () => {
  const { access_token: token, refresh_token: held } = await tokens(site);
  // All workers know it, so that none of them asks anybody again.
  await times(32, () => callTool(site, token, 'whoami'));
  const before = site.cognito.calls('/oauth2/revoke');
  for (let i = 0; i < 2; i += 1) {
    const answer = await revoke(site, { token, token_type_hint: 'access_token' });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.body, {});
  }
  for (const answer of await times(32, () => modern(site, token, 'tools/list'))) {
    assert.equal(answer.status, 401, answer.text);
    assert.equal(challenge(answer.headers).error, 'invalid_token');
  }
  assert.equal(site.cognito.calls('/oauth2/revoke'), before);
  const next = await refresh(site, held);
  await callTool(site, next.body.access_token, 'whoami');
  assert.ok(!site.daemon.log.includes(token));
});

test('an access token that is not good here is answered 200, and fills nothing', async () => {
  const stranger = await site.cognito.newKey();
  for (const token of [await site.cognito.accessToken({ client_id: 'another' }), await site.cognito.accessToken({}, { key: stranger }),
    await site.cognito.idToken()]) {
    assert.deepEqual((await revoke(site, { token })).body, {});
  }
});

test('malformed revocations', async () => {
  assertOAuthError(await revoke(site, {}), 400, 'invalid_request');
  assertOAuthError(await revoke(site, { token: '' }), 400, 'invalid_request');
  assertOAuthError(await revoke(site, { token: 'x', client_id: undefined }), 400, 'invalid_request');
  assertOAuthError(await revoke(site, { token: 'x', client_secret: 'y' }), 401, 'invalid_client');
});

for (const kind of ['401', 'invalid_client']) {
  test(`Cognito refuses a revocation for good (${kind}): the token is dead here all the same`, async () => {
    const { refresh_token: held } = await tokens(site);
    site.cognito.failRevokeCalls(kind);
    const before = site.daemon.log.length;
    assert.equal((await revoke(site, { token: held })).status, 200);
    await logged(site.daemon, before, /level=error .*event=revocation_refused /);
    const asked = site.cognito.calls('/oauth2/token');
    assertOAuthError(await refresh(site, held), 400, 'invalid_grant');
    assert.equal(site.cognito.calls('/oauth2/token'), asked);
  });
}

for (const kind of ['429', '500', '503', '302']) {
  test(`Cognito answers a revocation with ${kind}: 503, and the token still works`, async () => {
    const { refresh_token: held } = await tokens(site);
    site.cognito.failRevokeCalls(kind);
    const answer = await revoke(site, { token: held });
    assertOAuthError(answer, 503, 'temporarily_unavailable');
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
    assert.equal((await refresh(site, held)).status, 200);
  });
}
