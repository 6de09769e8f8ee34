// Faults of Cognito in each call: the client gets the right class of error and no text of Cognito, and no code or token
// is used up.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { UPSTREAM_MARK } from '../parts/cognito.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { assertOAuthError, login, redeem, refresh, revoke, tokens } from '../parts/oauth.mjs';
import { paceMs } from '../parts/pace.mjs';
import { startSite } from '../parts/site.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());
afterEach(() => site.cognito.clearFaults());

function assertClass(answer, status, error) {
  assertOAuthError(answer, status, error);
  assert.ok(!answer.text.includes(UPSTREAM_MARK), answer.text);
  if (status === 503) assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
}

const PASSING = [503, 'temporarily_unavailable'];
const OURS = [500, 'server_error'];
const FAULTS = { 500: PASSING, 503: PASSING, 429: PASSING, garbage: PASSING, 'not an object': PASSING, 'no token': PASSING,
  302: PASSING, invalid_client: OURS };

for (const [kind, expected] of Object.entries(FAULTS)) {
  test(`${kind} for a code, a refresh and a revocation: ${expected.join(' ')}, and what was revoked is dead`, async () => {
    const granted = await login(site);
    site.cognito.failTokenCalls(kind);
    assertClass(await redeem(site, granted), ...expected);
    const answer = await redeem(site, granted);
    assert.equal(answer.status, 200, answer.text);
    site.cognito.failTokenCalls(kind);
    assertClass(await refresh(site, answer.body.refresh_token), ...expected);
    const next = await refresh(site, answer.body.refresh_token);
    assert.equal(next.status, 200, next.text);
    if (['garbage', 'not an object', 'no token'].includes(kind)) return;   // a 200 is all that a revocation brings
    site.cognito.failRevokeCalls(kind);
    const revoked = await revoke(site, { token: next.body.refresh_token });
    // What Cognito will never do is done here all the same, so that it is no failure of the client's.
    if (expected === OURS) assert.equal(revoked.status, 200, revoked.text);
    else assertClass(revoked, ...expected);
    assert.equal((await revoke(site, { token: next.body.refresh_token })).status, 200);
  });
}

for (const kind of ['hang', 'slow']) {
  test(`${kind}: a time limit for the whole call, and all work afterwards`, { timeout: 60000 }, async () => {
    const granted = await login(site);
    const { refresh_token: held } = await tokens(site);
    const { refresh_token: unwanted } = await tokens(site);
    site.cognito.failTokenCalls(kind, 2);
    site.cognito.failRevokeCalls(kind);
    const answers = await Promise.all([redeem(site, granted), refresh(site, held), revoke(site, { token: unwanted })]);
    site.cognito.clearFaults();
    for (const answer of answers) assertClass(answer, ...PASSING);
    assert.equal((await redeem(site, granted)).status, 200);
    assert.equal((await refresh(site, held)).status, 200);
    assert.equal((await revoke(site, { token: unwanted })).status, 200);
  });
}

for (const kind of ['500', '429', 'garbage', 'not an object', '302', 'hang', 'slow']) {
  test(`${kind} for the first key set: 503 for calls, logins go on`, { timeout: 60000 }, async () => {
    const fresh = await startSite();
    try {
      fresh.cognito.failKeySetCalls(kind, 64);
      const { access_token: token } = await tokens(fresh);
      const answer = await modern(fresh, token, 'tools/list');
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
      assert.ok(!answer.text.includes(UPSTREAM_MARK));
    } finally {
      await fresh.close();
    }
  });
}

test('while Cognito hangs, calls with a known key are answered as ever', { timeout: 60000 }, async () => {
  const { access_token: token, refresh_token: held } = await tokens(site);
  await callTool(site, token, 'whoami');
  site.cognito.failTokenCalls('hang', 2);
  const hanging = refresh(site, held);
  const started = paceMs();
  for (let i = 0; i < 20; i += 1) await callTool(site, token, 'whoami');
  const took = paceMs() - started;
  assert.ok(took < 4000, `20 calls took ${took} ms`);
  assertClass(await hanging, ...PASSING);
  site.cognito.clearFaults();
});
