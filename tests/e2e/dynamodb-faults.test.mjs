// Faults of DynamoDB: no login is lost that a retry can save, no request waits for more than 5 s, and calls with valid
// tokens are not affected.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Browser } from '../parts/browser.mjs';
import { startDynamoDb, TABLE } from '../parts/dynamodb.mjs';
import { FAULTS } from '../parts/dynamodb-proxy.mjs';
import { assertActions, assertAllAccepted, callsSince, startDynamoSite } from '../parts/dynamodb-site.mjs';
import { callTool } from '../parts/mcp.mjs';
import { assertOAuthError, authorizeUrl, login, pkce, redeem, REDIRECT, tokens, untilServed } from '../parts/oauth.mjs';
import { almostSlowest, paceMs } from '../parts/pace.mjs';

const PATIENCE_MS = 5000;
const ACTIONS = ['PutItem', 'UpdateItem', 'GetItem', 'DeleteItem'];

let dynamodb, site, proxy;
before(async () => {
  dynamodb = await startDynamoDb();
  await dynamodb.createTable();
  site = await startDynamoSite({ dynamodb, config: { WORKERS_MIN: '8' } });
  proxy = site.proxy;
});
after(async () => {
  await site?.close();
  await dynamodb?.close();
});
afterEach(() => {
  proxy.clearFaults();
  proxy.setDown(false);
  proxy.setClock(0);
});

const callbackOf = (browser) => browser.visited.find((url) => url.startsWith(`${site.issuer}/callback`));
const toClient = { stop: (url) => url.startsWith(REDIRECT) };

// Approves, up to the answer of the form.
async function approve(browser = new Browser()) {
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  return { page, submit: () => browser.submit(page, { decision: 'approve' }) };
}

function assertComeBack(response) {
  assert.equal(response.status, 503);
  assert.ok(Number(response.headers.get('retry-after')) > 0);
}

describe('one fault', () => {
  for (const fault of Object.keys(FAULTS)) {
    test(`"${fault}" at any of the four calls is tried again`, async () => {
      for (const action of ACTIONS) {
        const from = proxy.calls.length;
        proxy.failOnce(action, fault);
        const browser = new Browser();
        const answer = await redeem(site, await login(site, { browser }));
        assert.equal(answer.status, 200, `${action}: ${answer.text}`);
        assert.ok(browser.slowestMs < PATIENCE_MS, `${browser.slowestMs} ms`);
        assert.equal(proxy.calls.slice(from).filter((call) => call.fault).length, 1);
        await assertActions(proxy, from, { PutItem: 1, UpdateItem: 1, GetItem: 1, DeleteItem: 1, [action]: 2 });
      }
      assertAllAccepted(proxy);
    });
  }
});

test('a refusal is not tried again', async () => {
  const { submit } = await approve();
  await dynamodb.call('DeleteTable', { TableName: TABLE });
  try {
    const from = proxy.calls.length;
    assertComeBack(await submit());
    assert.equal(callsSince(proxy, from).length, 1);
    assert.match(site.daemon.log, /DynamoDB PutItem: ResourceNotFoundException .*SESSION_TABLE_NAME/);
  } finally {
    await dynamodb.createTable();
  }
  assert.notEqual((await untilServed(submit)).status, 503);
});

test('with faults in 30 % of all calls no login is lost and none hangs', { timeout: 300000 }, async () => {
  const from = proxy.calls.length;
  proxy.failAtRandom(0.3, { seed: 20261122 });
  let slowest = 0, slowestToken = 0, saved = 0;
  async function oneLogin() {
    const browser = new Browser({ reloads: 3 });
    const granted = await login(site, { browser });
    const answer = await untilServed(async () => {
      const start = paceMs();
      const each = await redeem(site, granted);
      slowest = Math.max(slowest, browser.slowestMs);
      slowestToken = Math.max(slowestToken, paceMs() - start);
      if (each.status === 503) {
        assertComeBack(each);
        saved += 1;
      }
      return each;
    }, { more: 3 });
    assert.equal(answer.status, 200, answer.text);
  }
  for (let round = 0; round < 25; round += 1) await Promise.all(Array.from({ length: 4 }, oneLogin));
  const calls = proxy.calls.slice(from);
  const failed = calls.filter((call) => call.fault).length;
  assert.ok(failed / calls.length > 0.2 && failed > 100, `${failed} of ${calls.length}`);
  assert.ok(slowest < PATIENCE_MS, `${slowest} ms`);
  assert.ok(slowestToken < 2 * PATIENCE_MS, `${slowestToken} ms for two calls and Cognito between them`);
  assertAllAccepted(proxy);
  console.log(`${failed} of ${calls.length} calls failed; token requests that came twice: ${saved}; slowest answer to a browser ${slowest} ms, to a client ${slowestToken} ms`);
});

test('a callback whose outcome got lost works when it is loaded again', async () => {
  const browser = new Browser();
  browser.beforeFetch = async (url) => { if (url.startsWith(`${site.issuer}/callback`)) proxy.failAtRandom(1, { names: ['reset after'] }); };
  const pair = pkce();
  await assert.rejects(browser.login(authorizeUrl(site, { code_challenge: pair.challenge }), REDIRECT), /status 503/);
  assertComeBack(browser.pages.at(-1));
  assert.ok(browser.slowestMs < PATIENCE_MS);
  browser.beforeFetch = async () => {};
  proxy.failAtRandom(0);
  const end = await browser.open(callbackOf(browser), toClient);
  assert.ok(end.stopped, end.text);
  const answer = await redeem(site, { ...pair, code: new URL(end.url).searchParams.get('code') });
  assert.equal(answer.status, 200, answer.text);
});

test('a token request whose delete gets no answer after Cognito said yes is answered, and the code is used up', async () => {
  for (const names of [['reset'], ['reset after']]) {
    const granted = await login(site);
    proxy.failAtRandom(1, { names, actions: ['DeleteItem'] });
    const answer = await redeem(site, granted);
    assert.equal(answer.status, 200, answer.text);
    proxy.clearFaults();
    assertOAuthError(await redeem(site, granted), 400, 'invalid_grant');
    assert.match(site.daemon.log, /event=session_not_deleted/);
  }
});

test('a clock that is wrong is corrected by the date of the answer', async () => {
  const fresh = await startDynamoSite({ dynamodb, config: { WORKERS_MIN: '1', WORKERS_MAX: '1' } });
  const refused = Array(fresh.daemon.pids ? 2 : 1).fill('InvalidSignatureException');       // one for each process that calls
  try {
    for (const offset of [20 * 60000, -40 * 60000, 0]) {
      fresh.proxy.setClock(offset);
      const from = fresh.proxy.calls.length;
      await tokens(fresh);
      await tokens(fresh);
      // A DeleteItem that is made again because the machine is busy fails its condition.
      const types = callsSince(fresh.proxy, from).map((call) => call.type).filter((type) => type !== 'ConditionalCheckFailedException');
      assert.deepEqual(types.filter(Boolean), refused, 'one call of two logins was refused');
    }
    assert.match(fresh.daemon.log, /event=clock_differs_from_aws (site=\S+ )?seconds=1(19[5-9]|20[0-5]) /);
  } finally {
    await fresh.close();
  }
});

describe('DynamoDB is gone', () => {
  const gone = {
    'refuses connections': () => proxy.setDown(true),
    'does not answer': () => proxy.failAtRandom(1, { names: ['hang'] }),
  };
  for (const [how, cut] of Object.entries(gone)) {
    test(`and ${how}: calls with valid tokens do not notice, a login is told to come back, and can`, async () => {
      const { access_token: token } = await tokens(site);
      const logins = await Promise.all(Array.from({ length: 5 }, () => approve()));
      const granted = await login(site);
      cut();
      let over = false;
      const answers = Promise.all(logins.map(async ({ submit }) => {
        const start = paceMs();
        const response = await submit();
        return { response, ms: paceMs() - start };
      })).finally(() => { over = true; });
      const times = [];
      do {
        const start = paceMs();
        await callTool(site, token, 'whoami');
        times.push(paceMs() - start);
      } while (!over || times.length <= 20);
      assert.ok(almostSlowest(times) < 1000, `${times.length} calls, slowest ${Math.max(...times)} ms`);
      for (const { response, ms } of await answers) {
        assertComeBack(response);
        assert.ok(ms < 2 * PATIENCE_MS, `${ms} ms`); // some wait until more workers are started
      }
      assertOAuthError(await redeem(site, granted), 503, 'temporarily_unavailable');
      proxy.setDown(false);
      proxy.failAtRandom(0);
      // The same page, the same code.
      for (const { submit } of logins) assert.notEqual((await untilServed(submit)).status, 503);
      const answer = await untilServed(() => redeem(site, granted));
      assert.equal(answer.status, 200, answer.text);
    });
  }
});
