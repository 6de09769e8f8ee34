// Tasks in a DynamoDB table with two hosts: each answers for a task, continues it or ends it. If one dies, its tasks
// fail and do not stay `working`.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { BINARY, taskProcessOf } from '../parts/daemon.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { assertAllAccepted } from '../parts/dynamodb-site.mjs';
import { assertRpcError, callTool } from '../parts/mcp.mjs';
import { NAME, SITES } from '../parts/one-of-many.mjs';
import { almostSlowest, paceMs } from '../parts/pace.mjs';
import { startSite } from '../parts/site.mjs';
import { isAllowed, sessionPolicies, synthesize } from '../parts/synthesized.mjs';
import { hasEnded, isRunning, patiently, question, taskClient, toolFolder, yes } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

const TABLE = 'mcp-auth-tasks';
const ACTIONS = ['PutItem', 'GetItem', 'UpdateItem'];
const ITEM_MAX = 400 * 1024;
const KEYS = Array.from({ length: 8 }, (_, i) => `key-${i}`);
// What the stack's policy lets the service of the calls do, and no more.
const policies = sessionPolicies(await synthesize({ tasks: 'yes' }));
const KEY = { accessKeyId: 'AKIATASKS00000000001', secretAccessKey: 'tasks/secret+key' };
const allows = (...call) => isAllowed(policies, 'mcp', ...call);
KEY.allows = allows;

let dynamodb, tools, first, second, token;
const proxies = [];

// A host of the site, and a client of its own.
async function startHost(options) {
  const proxy = await startDynamoDbProxy({ dynamodb, keys: [KEY] });
  proxies.push(proxy);
  const site = await startSite({ ...options, env: proxy.env(),
    config: { TASK_TABLE_NAME: TABLE, TOOLS_DIR: tools.dir, WORKERS_MIN: '4', WORKERS_MAX: '8', ...options?.config } });
  const at = { mcpUrl: `http://127.0.0.1:${site.port}/mcp` };
  token ??= await site.cognito.accessToken();
  return { site, proxy, at, ...taskClient(at, token) };
}

before(async () => {
  dynamodb = await startDynamoDb();
  await dynamodb.createTable(TABLE, { key: 'taskId' });
  tools = toolFolder();
  tools.tool('quick', 'cat');
  tools.asker('asks', ['a', 'b']);
  tools.asker('many', KEYS);
  tools.sleeper('long');
  tools.sleeper('other');
  tools.tool('gate', `echo $$ >${tools.dir}/gate.new; mv ${tools.dir}/gate.new ${tools.dir}/gate.pid
until [ -e ${tools.dir}/open ]; do sleep 0.05; done; echo through`, { timeout_ms: 900000 });
  tools.tool('big', 'head -c 260000 /dev/zero | tr "\\0" x', { max_output_bytes: 300000 });
  first = await startHost();
  second = await startHost({ twinOf: first.site });
});
after(async () => {
  await second?.site.close();
  await first?.site.close();
  for (const proxy of proxies) await proxy.close();
  await dynamodb?.close();
  tools?.remove();
});
afterEach(() => {
  fs.rmSync(tools.file('open'), { force: true });
  for (const proxy of proxies) {
    proxy.failAtRandom(0);
    proxy.setDown(false);
  }
});

// docs/dynamodb.md, "several sites"
const keyOf = (id) => ({ taskId: { S: SITES ? `${NAME}/${id}` : id } });
const itemOf = async (id) => (await dynamodb.call('GetItem', { TableName: TABLE, Key: keyOf(id), ConsistentRead: true })).Item;
const number = async (id, name) => Number((await itemOf(id))[name].N);
// Instead of waiting for it to end.
const endLease = (id) => dynamodb.call('UpdateItem', { TableName: TABLE, Key: keyOf(id), UpdateExpression: 'SET lease = :past',
  ExpressionAttributeValues: { ':past': { N: String(Math.floor(Date.now() / 1000) - 1) } } });
const runOf = (host, id) => host.site.daemon.log.split('\n').filter((line) => line.includes('event=task_run') && line.includes(`task=${id}`));
// The line comes after the record.
async function haveRun(id, onFirst, onSecond) {
  await until('the runs', () => runOf(first, id).length + runOf(second, id).length >= onFirst + onSecond);
  assert.deepEqual([runOf(first, id).length, runOf(second, id).length], [onFirst, onSecond]);
}

describe('two hosts', () => {
  test('a task that began on one has its result on the other', async () => {
    const created = (await first.call('quick', { x: 1 })).body.result;
    assert.equal(created.pollIntervalMs, 2000);
    const done = await second.reaches(created.taskId, 'completed');
    assert.deepEqual(JSON.parse(done.result.content[0].text).arguments, { x: 1 });
    await haveRun(created.taskId, 1, 0);
  });

  test('answers given on the other reach the program, in parts on both', async () => {
    const id = await first.start('asks', { x: 2 });
    await second.reaches(id, 'input_required');
    assert.equal((await first.update(id, { a: yes })).status, 200);
    assert.deepEqual((await second.reaches(id, 'input_required')).inputRequests, question('b'));
    assert.equal((await second.update(id, { b: { action: 'decline' } })).status, 200);
    const input = (await first.reaches(id, 'completed')).result.structuredContent;
    assert.deepEqual(input.inputResponses, { a: yes, b: { action: 'decline' } });
    assert.deepEqual(input.arguments, { x: 2 });
    await haveRun(id, 1, 1);       // it went on where the answer came
  });

  test('of partial answers that come at once on both none is lost', async () => {
    const id = await first.start('many');
    await second.reaches(id, 'input_required');
    const sent = await Promise.all([...KEYS, ...KEYS].map((key, i) =>
      patiently(() => (i % 2 ? first : second).update(id, { [key]: { action: 'accept', content: { key } } }))));
    assert.deepEqual([...new Set(sent.map((each) => each.status))], [200]);
    const input = (await first.reaches(id, 'completed')).result.structuredContent;
    assert.deepEqual(input.inputResponses, Object.fromEntries(KEYS.map((key) => [key, { action: 'accept', content: { key } }])));
    const count = () => runOf(first, id).length + runOf(second, id).length;
    await until('two runs', () => count() >= 2);
    assert.equal(count(), 2, 'it went on once');
  });

  test('a cancellation on the other ends the program', async () => {
    const id = await first.start('long');
    const pid = await tools.pidOf('long');
    assert.equal((await second.cancel(id)).status, 200);
    assert.equal((await second.get(id)).body.result.status, 'cancelled');
    await hasEnded(pid);
    assert.equal((await first.get(id)).body.result.status, 'cancelled');
    await until('the end in the log', () => runOf(first, id).some((line) => line.includes('outcome=cancelled')));
  });

  test('a task is its user\'s on every host', async () => {
    const id = await first.start('quick');
    const bob = taskClient(second.at, await first.site.cognito.accessToken({ sub: 'another-user', username: 'bob' }));
    assertRpcError(await bob.get(id), 200, -32602);
    assertRpcError(await bob.cancel(id), 200, -32602);
    assertRpcError(await second.get('nobody-has-it'), 200, -32602);
  });
});

test('an item has the documented attributes, and nothing of the call in them', async () => {
  const id = await first.start('asks', { secret: 'of the arguments' });
  await first.reaches(id, 'input_required');
  await first.update(id, { a: { action: 'accept', content: { secret: 'of the answer' } } });
  const item = await itemOf(id);
  assert.deepEqual(Object.keys(item).sort(), ['attempt', 'lease', 'record', 'taskId', 'ttl', 'v', 'version']);
  assert.equal(item.v.N, '1');
  assert.equal(item.lease.N, '0', 'nothing runs');
  const left = Number(item.ttl.N) - Date.now() / 1000;
  assert.ok(left > 3500 && left <= 3600, `ttl in ${left} s`);
  for (const secret of ['secret', 'alice', 'asks', 'elicitation']) assert.ok(!JSON.stringify(item).includes(secret), secret);
});

test('what is past its ttl does not exist, although DynamoDB has not deleted it yet', async () => {
  const id = await first.start('quick');
  await first.reaches(id, 'completed');
  await dynamodb.call('UpdateItem', { TableName: TABLE, Key: keyOf(id), UpdateExpression: 'SET #ttl = :past',
    ExpressionAttributeNames: { '#ttl': 'ttl' }, ExpressionAttributeValues: { ':past': { N: String(Math.floor(Date.now() / 1000) - 1) } } });
  assertRpcError(await second.get(id), 200, -32602);
});

test('the longest result fits into an item', async () => {
  const id = await first.start('big');
  assert.equal((await second.reaches(id, 'completed')).result.content[0].text.length, 260000);
  const item = await itemOf(id);
  const bytes = Object.entries(item).reduce((sum, [name, value]) => sum + name.length + Object.values(value)[0].length, 0);
  assert.ok(bytes > 340000 && bytes < ITEM_MAX, `${bytes} bytes`);
});

describe('a host that dies', () => {
  test('keeps its lease while it lives, and its task fails for good when it does not', async () => {
    const id = await first.start('long');
    const pid = await tools.pidOf('long');
    const taskProcess = taskProcessOf(first.site.daemon);
    const version = await number(id, 'version');
    const lease = await number(id, 'lease');
    assert.ok(lease > Date.now() / 1000 + 30 && lease <= Date.now() / 1000 + 60, `lease until ${lease}`);
    await until('another renewal', async () => await number(id, 'version') > version && await number(id, 'lease') > lease);
    process.kill(taskProcess, 'SIGKILL');
    await hasEnded(pid);
    assert.equal((await second.get(id)).body.result.status, 'working', 'it may still be alive');
    await endLease(id);
    const failed = (await second.get(id)).body.result;
    assert.equal(failed.status, 'failed');
    assert.match(failed.error.message, /host that ran the task stopped answering/);
    assert.equal((await first.get(id)).body.result.status, 'failed');
    assert.match(second.site.daemon.log, new RegExp(`event=task_lost (site=\\S+ )?task=${id}`));
  });

  test('or was only slow: its program is ended, and what it would say comes too late', async () => {
    const id = await first.start('gate');
    const pid = await tools.pidOf('gate');
    const taskProcess = taskProcessOf(first.site.daemon);
    process.kill(taskProcess, 'SIGSTOP');
    try {
      // A renewal that was on its way may still arrive.
      await until('the end of the lease', async () => {
        await endLease(id);
        return (await second.get(id)).body.result.status === 'failed';
      });
      fs.writeFileSync(tools.file('open'), '');
      await hasEnded(pid);
    } finally {
      process.kill(taskProcess, 'SIGCONT');
    }
    await hasEnded(taskProcess);
    assert.equal((await first.get(id)).body.result.status, 'failed');
  });

  test('a daemon that is killed takes its programs with it, and says so', async () => {
    const third = await startHost({ twinOf: first.site, mustFail: [] });
    const id = await third.start('other');
    const pid = await tools.pidOf('other');
    third.site.daemon.signal('SIGKILL');
    await hasEnded(pid);
    assert.match((await second.reaches(id, 'failed')).error.message, /server that ran the task was stopped/);
    await assert.rejects(third.site.close(), /SIGKILL/);
  });
});

describe('the table in trouble', () => {
  test('with faults in 30 % of all calls no answer and no result is lost', { timeout: 300000 }, async () => {
    for (const [i, host] of [first, second].entries()) host.proxy.failAtRandom(0.3, { seed: 20261122 + i });
    const from = [first, second].map((host) => host.proxy.calls.length);
    async function one(i) {
      const [here, there] = i % 2 ? [first, second] : [second, first];
      const id = (await patiently(() => here.call('many', { i }))).body.result.taskId;
      const status = async (wanted) => until(`${wanted} of ${id}`, async () => {
        const { result } = (await patiently(() => there.get(id))).body;
        return result.status === wanted && result;
      }, { deadlineMs: 60000 });
      await status('input_required');
      const updates = await Promise.all(KEYS.map((key, k) => patiently(() => (k % 2 ? here : there).update(id, { [key]: yes }))));
      assert.deepEqual(updates.map((each) => each.status), KEYS.map(() => 200), updates.map((each) => each.text).join('\n'));
      const input = (await status('completed')).result.structuredContent;
      assert.deepEqual(input.inputResponses, Object.fromEntries(KEYS.map((key) => [key, yes])));
      assert.deepEqual(input.arguments, { i });
    }
    for (let round = 0; round < 4; round += 1) await Promise.all(Array.from({ length: 3 }, (_, i) => one(3 * round + i)));
    for (const [i, host] of [first, second].entries()) {
      const calls = host.proxy.calls.slice(from[i]);
      const failed = calls.filter((call) => call.fault).length;
      assert.ok(failed / calls.length > 0.2, `${failed} of ${calls.length}`);
    }
  });

  const gone = {
    'refuses connections': (proxy) => proxy.setDown(true),
    'does not answer': (proxy) => proxy.failAtRandom(1, { names: ['hang'] }),
  };
  for (const [how, cut] of Object.entries(gone)) {
    test(`a table that ${how}: other calls do not notice, and a result waits for it`, async () => {
      // The store was in trouble just now.
      const id = (await patiently(() => first.call('gate'))).body.result.taskId;
      const pid = await tools.pidOf('gate');
      cut(first.proxy);
      // More askers than there are workers, each again as soon as it is refused.
      let over = false;
      const refused = [];
      const asking = Array.from({ length: 16 }, async () => {
        while (!over) refused.push(await first.get(id));
      });
      const times = [];
      const enough = Date.now() + 6000;     // beyond the first call's patience
      do {
        const start = paceMs();
        await callTool(first.at, token, 'whoami');
        times.push(paceMs() - start);
      } while (Date.now() < enough || times.length <= 20);
      over = true;
      await Promise.all(asking);
      assert.ok(almostSlowest(times) < 1000, `${times.length} calls, slowest ${Math.max(...times)} ms`);
      assert.deepEqual([...new Set(refused.map((each) => each.status))], [503]);
      assert.ok(Number(refused[0].headers.get('retry-after')) > 0);
      assert.match(refused[0].text, /task store/);
      assert.ok(isRunning(pid), 'the program runs on');
      fs.writeFileSync(tools.file('open'), '');
      await hasEnded(pid);
      assert.equal((await second.get(id)).body.result.status, 'working', 'nobody has heard of its end yet');
      first.proxy.setDown(false);
      first.proxy.failAtRandom(0);
      assert.equal((await second.reaches(id, 'completed')).result.content[0].text, 'through\n');
    });
  }

  test('a table that is not there is named with its key of the configuration', async () => {
    const host = await startHost({ twinOf: first.site, config: { TASK_TABLE_NAME: 'not-there' } });
    try {
      KEY.allows = undefined;
      assert.equal((await host.call('quick')).status, 503);
      assert.match(host.site.daemon.log, /ResourceNotFoundException .*TASK_TABLE_NAME/);
    } finally {
      KEY.allows = allows;
      await host.site.close();
    }
  });
});

test('a host with another key file refuses, and says what to do', async () => {
  const id = await first.start('quick');
  await first.reaches(id, 'completed');
  const host = await startHost({ twinOf: first.site, config: { SECRET_KEY_FILE: undefined } });
  try {
    assert.equal((await host.get(id)).status, 503);
    assert.match(host.site.daemon.log, /same SECRET_KEY_FILE/);
  } finally {
    await host.site.close();
  }
});

test('all calls were signed, and among the three that the stack allows', () => {
  assert.deepEqual(policies.mcp, { actions: ACTIONS, tables: [TABLE] });
  assert.equal(isAllowed(policies, 'mcp', 'GetItem', 'mcp-auth-sessions'), false);
  for (const { proxy } of [first, second]) {
    assertAllAccepted(proxy);
    assert.deepEqual([...new Set(proxy.calls.map((call) => call.action))].sort(), ACTIONS.toSorted());
  }
});

test('-t tells what is missing for the table, and asks nobody', () => {
  const run = (env) => {
    try {
      execFileSync(BINARY, ['-t', '-c', first.site.daemon.configFile], { stdio: 'pipe', env: { PATH: process.env.PATH, AWS_CONFIG_FILE: '/dev/null',
        AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_EC2_METADATA_DISABLED: 'true', ...env } });
      return { status: 0, text: '' };
    } catch (error) {
      return { status: error.status, text: String(error.stderr) };
    }
  };
  const none = run({});
  assert.equal(none.status, 2);
  assert.match(none.text, /TASK_TABLE_NAME: .*credentials/i);
  assert.equal(run({ ENDPOINTS: 'metadata' }).status, 0);
  assert.equal(run({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }).status, 0);
  const wrong = run({ TASK_TABLE_NAME: 'no table' });
  assert.equal(wrong.status, 2);
  assert.match(wrong.text, /TASK_TABLE_NAME=no table: must be a DynamoDB table's name/);
});
