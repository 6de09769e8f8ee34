// Cognito does not answer, and clients keep asking: enough workers stay free for other requests.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { callTool } from '../parts/mcp.mjs';
import { login, redeem, refresh, tokens } from '../parts/oauth.mjs';
import { paceMs } from '../parts/pace.mjs';
import { startSite } from '../parts/site.mjs';

const USERS = 16;

let site;
before(async () => { site = await startSite({ config: { WORKERS_MIN: '4', WORKERS_MAX: '4' } }); });
after(() => site?.close());

test('many refreshes while Cognito hangs: calls with a valid token go on', { timeout: 120000 }, async () => {
  const held = [];
  for (let i = 0; i < USERS; i += 1) held.push(await tokens(site));
  const granted = await login(site);
  await callTool(site, held[0].access_token, 'whoami');
  site.cognito.failTokenCalls('hang', 1000);

  let ended = false;
  const answers = [];
  // As clients do: again and again, each at its own pace.
  const clients = held.map(async ({ refresh_token }) => {
    while (!ended) answers.push(await refresh(site, refresh_token));
  });
  let slowest = 0;
  for (const end = Date.now() + 15000; Date.now() < end;) {
    const started = paceMs();
    await callTool(site, held[0].access_token, 'whoami');
    slowest = Math.max(slowest, paceMs() - started);
  }
  ended = true;
  await Promise.all(clients);
  site.cognito.clearFaults();
  for (const answer of answers) {
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
  }
  assert.ok(slowest < 4000, `the slowest call took ${slowest} ms beside ${answers.length} refreshes`);

  // It comes back: nothing was burnt, and whoever asks again is served.
  const untilServed = async (ask) => {
    for (;;) {
      const answer = await ask();
      if (answer.status !== 503) return answer;
    }
  };
  const again = await Promise.all(held.map(({ refresh_token }) => untilServed(() => refresh(site, refresh_token))));
  for (const answer of again) assert.equal(answer.status, 200, answer.text);
  assert.equal((await untilServed(() => redeem(site, granted))).status, 200);
});
