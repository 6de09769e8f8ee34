// Sessions in DynamoDB: logins of the official clients with all signatures verified, the contents of the table, several
// hosts on one table, permissions of each group of endpoints, connections.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Browser } from '../parts/browser.mjs';
import { startDynamoDb, TABLE } from '../parts/dynamodb.mjs';
import { givenUp, KEY, startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { assertActions, assertAllAccepted, callsSince, startDynamoSite } from '../parts/dynamodb-site.mjs';
import { assertOAuthError, authorizeUrl, login, pkce, redeem, redemption, REDIRECT, tokens, untilAllServed } from '../parts/oauth.mjs';
import { NAME, SITES } from '../parts/one-of-many.mjs';
import { sdkV1Logins } from '../parts/sdk-v1-logins.mjs';
import { sdkV2Logins } from '../parts/sdk-v2-logins.mjs';
import { startSite } from '../parts/site.mjs';
import { startSites } from '../parts/sites.mjs';

let dynamodb;
before(async () => { dynamodb = await startDynamoDb(); });
after(() => dynamodb?.close());

const variants = {
  'plain': { table: TABLE },
  'with a session token': { table: 'second', proxy: { keys: [{ ...KEY, sessionToken: 'AQoDYXdzEJr/+=='.repeat(30) }] } },
  'with an odd table name': { table: '3-Odd_table.name-' },
  'with an ARN and a custom path': { table: 'arn:aws:dynamodb:us-east-1:123456789012:table/by.arn', proxy: { path: '/a%20b/d~y+n@mo/' } },
};

for (const [name, options] of Object.entries(variants)) {
  describe(`logins ${name}`, () => {
    let site;
    before(async () => {
      await dynamodb.createTable(options.table.replace(/.*\//, ''));
      site = await startDynamoSite({ dynamodb, host: 'localhost', ...options });
    });
    after(() => site?.close());

    sdkV1Logins(() => site);
    sdkV2Logins(() => site);

    test('every call was signed right, and a session token went along', async () => {
      assertAllAccepted(site.proxy);
      assert.deepEqual([...new Set(site.proxy.calls.map((call) => call.sessionToken))], [options.proxy?.keys?.[0].sessionToken]);
      assert.deepEqual([...new Set(site.proxy.calls.map((call) => call.action))].sort(),
        ['DeleteItem', 'GetItem', 'PutItem', 'UpdateItem']);
    });
  });
}

describe('one host', () => {
  let site;
  before(async () => {
    await dynamodb.createTable('one-host');
    site = await startDynamoSite({ dynamodb, table: 'one-host', config: { WORKERS_MIN: '1', WORKERS_MAX: '1' } });
  });
  after(() => site?.close());
  const item = async () => {
    const items = await dynamodb.items('one-host');
    assert.equal(items.length, 1);
    return items[0];
  };

  test('a login is four calls and four request units, and a steady login opens no connection', async () => {
    // A call that is given up takes its connection along.
    const connections = () => site.proxy.connections - site.proxy.calls.filter(givenUp).length;
    await tokens(site);
    const { length } = site.proxy.calls;
    const earlier = connections();
    for (let i = 0; i < 5; i += 1) await tokens(site);
    await assertActions(site.proxy, length, { PutItem: 5, UpdateItem: 5, GetItem: 5, DeleteItem: 5 });
    assert.equal(connections(), earlier);
    assert.ok(earlier <= 1, `${earlier} connections`);
    assert.deepEqual(await dynamodb.items('one-host'), [], 'nothing is left behind');
  });

  test('an item has the documented attributes and nothing secret in them', async () => {
    const browser = new Browser();
    const granted = await login(site, { browser, state: 'client-state-that-is-ours' });
    const upstream = new URL(browser.visited.find((url) => url.startsWith(`${site.issuer}/callback`)));
    const found = await item();
    assert.deepEqual(Object.keys(found).sort(), ['attempt', 'browser', 'grant', 'login', 'sessionId', 'state', 'ttl', 'v']);
    assert.equal(found.sessionId.S, `${SITES ? `${NAME}/` : ''}${upstream.searchParams.get('state')}`);
    assert.equal(found.v.N, '2');
    assert.equal(found.state.S, 'authorized');
    const left = Number(found.ttl.N) - Date.now() / 1000;
    assert.ok(left > 60 && left <= 120, `ttl in ${left} s`);
    const text = JSON.stringify(found);
    const cookie = browser.cookies.find((each) => each.name.includes('mcp-authd')).value;
    for (const secret of [upstream.searchParams.get('code'), granted.code.split('.')[1], granted.verifier, granted.challenge,
      'client-state-that-is-ours', site.clientId, REDIRECT, cookie]) {
      assert.ok(!text.includes(secret), secret);
    }
    assert.equal((await redeem(site, granted)).status, 200);
  });

  test('what is past its ttl does not exist, although DynamoDB has not deleted it yet', async () => {
    const granted = await login(site);
    const { sessionId } = await item();
    await dynamodb.call('UpdateItem', { TableName: 'one-host', Key: { sessionId }, UpdateExpression: 'SET #t = :t',
      ExpressionAttributeNames: { '#t': 'ttl' }, ExpressionAttributeValues: { ':t': { N: String(Math.floor(Date.now() / 1000) - 1) } } });
    assertOAuthError(await redeem(site, granted), 400, 'invalid_grant');
    await dynamodb.call('DeleteItem', { TableName: 'one-host', Key: { sessionId } });
  });

  test('an item of the version before is read, updated and redeemed', async () => {
    let item1;
    const browser = new Browser();
    const pair = pkce();
    // Between consent and callback the item becomes one that the version before has written.
    browser.beforeFetch = async (url) => {
      if (!url.startsWith(`${site.issuer}/callback`)) return;
      item1 = await item();
      delete item1.attempt;
      item1.v.N = '1';
      await dynamodb.call('PutItem', { TableName: 'one-host', Item: item1 });
    };
    const back = await browser.login(authorizeUrl(site, { code_challenge: pair.challenge }), REDIRECT);
    assert.equal(item1.state.S, 'pending');
    assert.equal((await item()).v.N, '2');
    const answer = await redeem(site, { ...pair, code: new URL(back).searchParams.get('code') });
    assert.equal(answer.status, 200, answer.text);
    assertAllAccepted(site.proxy);
  });

  test('an item of a version to come is left alone', async () => {
    const granted = await login(site);
    const now = await item();
    now.v.N = '3';
    await dynamodb.call('PutItem', { TableName: 'one-host', Item: now });
    assertOAuthError(await redeem(site, granted), 503, 'temporarily_unavailable');
    assert.deepEqual(await item(), now);
    assert.match(site.daemon.log, /version that this program does not know/);
    await dynamodb.call('DeleteItem', { TableName: 'one-host', Key: { sessionId: now.sessionId } });
  });
});

describe('two hosts, one table', () => {
  let first, second;
  before(async () => {
    await dynamodb.createTable('two-hosts');
    first = await startDynamoSite({ dynamodb, table: 'two-hosts' });
    second = await startSite({ twinOf: first, config: { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: 'two-hosts' }, env: first.proxy.env() });
  });
  after(async () => {
    await second?.close();
    await first?.close();
  });
  const onSecond = (url) => url.replace(first.issuer, `http://127.0.0.1:${second.port}`);
  // Where the browser's requests go, by path; and which daemon saw what is in the logs.
  const browserOf = () => new Browser({ route: (url) => (url.startsWith(`${first.issuer}/callback`) ? onSecond(url) : url) });

  test('authorize on one, callback on the other, token on the first', async () => {
    for (let i = 0; i < 3; i += 1) {
      const answer = await redeem(first, await login(first, { browser: browserOf() }));
      assert.equal(answer.status, 200, answer.text);
    }
    assert.match(first.daemon.log, /"audit":"consent".*"outcome":"approved"/);
    assert.doesNotMatch(first.daemon.log, /"audit":"callback"/);
    assert.match(second.daemon.log, /"audit":"callback".*"outcome":"code_issued"/);
    assert.match(first.daemon.log, /"audit":"token".*"outcome":"issued"/);
    assertAllAccepted(first.proxy);
  });

  test('of a thousand redemptions of one code at once over both, exactly one succeeds', async () => {
    const granted = await login(first, { browser: browserOf() });
    const body = new URLSearchParams(redemption(first, granted)).toString();
    const ask = async (i) => {
      const url = new URL('/token', `http://127.0.0.1:${(i % 2 ? first : second).port}`);
      const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    const answers = await untilAllServed(1000, ask);
    const counts = {};
    for (const { status, text } of answers) {
      const kind = status === 400 ? `400 ${JSON.parse(text).error}` : status;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    assert.equal(counts[200], 1, JSON.stringify(counts));
    assert.equal(counts['400 invalid_grant'], 999, JSON.stringify(counts));
    assertOAuthError(await redeem(first, granted), 400, 'invalid_grant');
  });
});

describe('least privileges', () => {
  const authorizeKey = { accessKeyId: 'AKIAAUTHORIZE0000001', secretAccessKey: 'authorize/secret+key', actions: ['PutItem', 'UpdateItem'] };
  const tokenKey = { accessKeyId: 'AKIATOKEN00000000001', secretAccessKey: 'token/secret+key', sessionToken: 'token-session', actions: ['GetItem', 'DeleteItem'] };
  let front, back;
  before(async () => {
    await dynamodb.createTable('least');
    front = await startDynamoSite({ dynamodb, table: 'least', proxy: { keys: [authorizeKey, tokenKey] }, config: { ENDPOINTS: 'authorize metadata mcp' } });
    back = await startSite({ twinOf: front, config: { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: 'least', ENDPOINTS: 'token' }, env: front.proxy.env(tokenKey) });
  });
  after(async () => {
    await back?.close();
    await front?.close();
  });

  test('each group of endpoints needs its two actions and no other', async () => {
    const granted = await login(front);
    const answer = await redeem({ ...back, issuer: `http://127.0.0.1:${back.port}`, clientId: front.clientId, mcpUrl: front.mcpUrl }, granted);
    assert.equal(answer.status, 200, answer.text);
    assertAllAccepted(front.proxy);
    assert.deepEqual(callsSince(front.proxy).map(({ action, accessKeyId }) => [action, accessKeyId]), [
      ['PutItem', authorizeKey.accessKeyId], ['UpdateItem', authorizeKey.accessKeyId],
      ['GetItem', tokenKey.accessKeyId], ['DeleteItem', tokenKey.accessKeyId]]);
  });

  test('a service without the permission says so in the log, and never a secret', async () => {
    const proxyKey = authorizeKey.actions;
    authorizeKey.actions = ['UpdateItem'];
    try {
      const browser = new Browser();
      const page = await browser.open(authorizeUrl(front, { code_challenge: pkce().challenge }));
      const answer = await browser.submit(page, { decision: 'approve' });
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.headers.get('retry-after')) > 0);
      assert.match(front.daemon.log, /DynamoDB PutItem: AccessDeniedException .*docs\/dynamodb\.md/);
      for (const log of [front.daemon.log, back.daemon.log]) {
        for (const secret of [authorizeKey.secretAccessKey, tokenKey.secretAccessKey, tokenKey.sessionToken]) assert.ok(!log.includes(secret));
      }
      assert.match(front.daemon.log, /event=aws_credentials_source source="?environment/);
    } finally {
      authorizeKey.actions = proxyKey;
    }
  });
});

// `main` and `a` have one table, `b` has one of its own; one set of credentials, as one daemon has.
describe('several sites', () => {
  let proxy, sites;
  before(async () => {
    await dynamodb.createTable('of-all');
    await dynamodb.createTable('of-b');
    const actions = ['PutItem', 'UpdateItem', 'GetItem', 'DeleteItem'];
    proxy = await startDynamoDbProxy({ dynamodb, keys: [{ ...KEY,
      allows: (action, table, index) => index === undefined && actions.includes(action) && ['of-all', 'of-b'].includes(table) }] });
    sites = await startSites({ env: proxy.env(), config: { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: 'of-all' },
      sites: { b: { SESSION_TABLE_NAME: 'of-b' } } });
  });
  after(() => (sites?.close() ?? Promise.resolve()).finally(() => proxy?.close()));
  const idsIn = async (table) => (await dynamodb.items(table)).map((item) => item.sessionId.S);

  test('the key of an item has the site before it, in the table of that site', async () => {
    const { main, a, b } = sites;
    for (const [site, table, prefix] of [[main, 'of-all', ''], [a, 'of-all', 'a/'], [b, 'of-b', 'b/']]) {
      const granted = await login(site);
      const [id, ...more] = await idsIn(table);
      assert.match(id, new RegExp(`^${prefix}[A-Za-z0-9_-]+$`));
      assert.deepEqual(more, [], 'and none beside it');
      assert.deepEqual(await idsIn(table === 'of-b' ? 'of-all' : 'of-b'), []);
      assert.equal((await redeem(site, granted)).status, 200);
      assert.deepEqual(await idsIn(table), []);
    }
  });

  test('no site finds the login of another in the same table', async () => {
    const { main, a } = sites;
    for (const [from, to] of [[main, a], [a, main]]) {
      const granted = await login(from), before = await idsIn('of-all');
      assertOAuthError(await redeem(to, granted), 400, 'invalid_grant');
      assert.deepEqual(await idsIn('of-all'), before, 'nor deletes it');
      assert.equal((await redeem(from, granted)).status, 200);
    }
  });

  test('four actions on the items of the two tables are enough, and all are used', () => {
    assertAllAccepted(proxy);
    assert.deepEqual([...new Set(proxy.calls.map((call) => `${call.action} ${call.table}`))].sort(),
      ['DeleteItem', 'GetItem', 'PutItem', 'UpdateItem'].flatMap((action) => ['of-all', 'of-b'].map((table) => `${action} ${table}`)).sort());
  });
});

test('-t tells what is missing for DynamoDB, and asks nobody', async () => {
  const site = await startSite();
  try {
    const { execFileSync } = await import('node:child_process');
    const { BINARY } = await import('../parts/daemon.mjs');
    const run = (env) => {
      try {
        execFileSync(BINARY, ['-t', '-c', site.daemon.configFile], { stdio: 'pipe', env: { PATH: process.env.PATH, SESSION_STORE: 'dynamodb', ...env } });
        return { status: 0, text: '' };
      } catch (error) {
        return { status: error.status, text: String(error.stderr) };
      }
    };
    const aws = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true' };
    const none = run(aws);
    assert.equal(none.status, 2);
    assert.match(none.text, /SESSION_STORE=dynamodb: .*credentials/i);
    assert.equal(run({ ...aws, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:9/' }).status, 0);
  } finally {
    await site.close();
  }
  assert.ok(!fs.existsSync(site.dir));
});
