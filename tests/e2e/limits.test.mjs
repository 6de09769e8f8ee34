// Limits on the OAuth endpoints: by address, by client at an address, for all workers together, and not on /mcp.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { auditLines } from '../parts/audit.mjs';
import { workersOf } from '../parts/daemon.mjs';
import { callTool } from '../parts/mcp.mjs';
import { assertOAuthError, refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const ADDRESS = 60;
const CLIENT = 20;
let site;

async function fresh() {
  await site?.close();
  site = await startSite({ ipv6: true, config: { RATE_LIMIT_ADDRESS: String(ADDRESS), RATE_LIMIT_CLIENT: String(CLIENT), WORKERS_MIN: '4' } });
}
before(fresh);
after(() => site?.close());

// How many of `count` requests at once come through. While they run, a few more may be earned.
async function through(count, send) {
  const began = Date.now();
  const answers = await Promise.all(Array.from({ length: count }, send));
  return { let: answers.filter(({ status }) => status !== 429).length, answers, seconds: (Date.now() - began) / 1000 };
}

function assertLet(found, limit) {
  const earned = Math.ceil(found.seconds * limit / 60) + 1;
  assert.ok(found.let >= limit && found.let <= limit + earned, `${found.let} of ${limit} were let through in ${found.seconds} s`);
}

test('a client at an address: the rest gets a 429 in OAuth form, others are not held back', async () => {
  assert.ok(workersOf(site.daemon).length >= 4);
  const found = await through(CLIENT + 20, () => refresh(site, 'x'));
  assertLet(found, CLIENT);
  const limited = found.answers.find(({ status }) => status === 429);
  assertOAuthError(limited, 429, 'temporarily_unavailable');
  assert.match(limited.headers.get('retry-after'), /^[1-9]\d*$/);
  assert.ok(Number(limited.headers.get('retry-after')) <= 60);
  assert.notEqual((await refresh(site, 'x', { client_id: site.otherClientId })).status, 429);
  await until('it in the audit log', () => auditLines(site.daemon.log).some(({ outcome, status }) => outcome === 'limited' && status === 429));
});

test('an address: all clients together, pages and JSON alike; another address and /mcp are not held back', async () => {
  await fresh();
  const { access_token: held } = await tokens(site);           // uses up a few
  let n = 0;
  const found = await through(ADDRESS + 30, () => refresh(site, 'x', { client_id: `client-${n += 1}` }));
  assert.ok(found.let > ADDRESS - 20 && found.let <= ADDRESS + 5, `${found.let}`);
  const page = await fetch(`${site.issuer}/authorize`);
  assert.equal(page.status, 429);
  assert.match(page.headers.get('content-type'), /^text\/html/);
  assert.match(page.headers.get('retry-after'), /^[1-9]\d*$/);
  assert.match(await page.text(), /Too many requests came from your network/);

  const elsewhere = await fetch(`http://[::1]:${site.port}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'x' }) });
  assert.equal(elsewhere.status, 400, await elsewhere.text());
  for (let i = 0; i < ADDRESS + 20; i += 1) await callTool(site, held, 'whoami');
  assert.equal((await fetch(`${site.issuer}/.well-known/oauth-authorization-server`)).status, 200);
});
