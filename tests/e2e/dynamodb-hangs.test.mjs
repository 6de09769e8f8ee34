// DynamoDB does not answer, and browsers keep asking: enough workers stay free for other requests.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser, refreshTarget } from '../parts/browser.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoSite } from '../parts/dynamodb-site.mjs';
import { callTool } from '../parts/mcp.mjs';
import { authorizeUrl, pkce, tokens } from '../parts/oauth.mjs';
import { paceMs } from '../parts/pace.mjs';

let dynamodb, site;
before(async () => {
  dynamodb = await startDynamoDb();
  await dynamodb.createTable();
  site = await startDynamoSite({ dynamodb, config: { WORKERS_MIN: '4', WORKERS_MAX: '4' } });
});
after(async () => {
  await site?.close();
  await dynamodb?.close();
});

test('many logins while DynamoDB hangs: calls with a valid token go on', { timeout: 120000 }, async () => {
  const { access_token: token } = await tokens(site);
  await callTool(site, token, 'whoami');
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  site.proxy.failAtRandom(1, { names: ['hang'] });

  let ended = false, slowest = 0;
  const statuses = [];
  const users = Array.from({ length: 16 }, async () => {
    while (!ended) statuses.push((await browser.submit(page, { decision: 'approve' })).status);
  });
  for (const end = Date.now() + 12000; Date.now() < end;) {
    const started = paceMs();
    await callTool(site, token, 'whoami');
    slowest = Math.max(slowest, paceMs() - started);
  }
  ended = true;
  await Promise.all(users);
  site.proxy.failAtRandom(0);
  assert.deepEqual([...new Set(statuses)], [503]);
  assert.ok(slowest < 3500, `the slowest call took ${slowest} ms beside ${statuses.length} logins`);
  for (;;) {
    const answer = await browser.submit(page, { decision: 'approve' });
    if (answer.status === 503) continue;
    assert.ok(refreshTarget(answer).startsWith(site.cognito.authorizeUrl));
    break;
  }
});
