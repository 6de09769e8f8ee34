// notifications/tasks on subscriptions/listen: subscribed clients are notified of each change of a task, whichever host
// runs it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { listen } from '../parts/listen.mjs';
import { assertRpcError, callTool, META } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { question, taskClient, TASKS, toolFolder, yes } from '../parts/tasks.mjs';
import { sleep, until } from '../parts/util.mjs';

const TABLE = 'mcp-auth-tasks';
const ID = 'io.modelcontextprotocol/subscriptionId';
const tools = toolFolder('mcp-news-');
after(() => tools.remove());
tools.tool('gate', `until [ -e "${tools.dir}/open" ]; do sleep 0.05; done; echo through`);
tools.tool('quick', 'echo done');
tools.tool('crash', 'kill -SEGV $$');
tools.asker('asks', ['a']);
tools.tool('big', 'head -c 250000 /dev/zero | tr "\\0" x', { max_output_bytes: 300000 });
tools.sleeper('long');

const acknowledged = (message) => message.method === 'notifications/subscriptions/acknowledged';
const news = (id, status) => (message) => message.method === 'notifications/tasks' && message.params.taskId === id && message.params.status === status;
const watcherOf = (daemon) => {
  const all = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
      return [{ pid: Number(pid), name: /^Name:\s+(.*)$/m.exec(status)[1], parent: Number(/^PPid:\s+(\d+)$/m.exec(status)[1]) }];
    } catch {
      return [];
    }
  });
  const masters = daemon.pids ?? [daemon.pid];
  return all.find((each) => each.name === 'mcp-task-watch' && masters.includes(each.parent))?.pid;
};

// Where the task is begun and answered, and where the news are listened to.
function notifications(hosts) {
  let here, there, client, token;
  before(() => { ({ here, there, token } = hosts()); client = taskClient(here, token); });
  // As a client that takes a 503 for what it is: many at once may be too many for the table.
  const open = (taskIds, options) => until('a stream', async () => {
    const stream = await listen(there, token, { taskIds }, { meta: TASKS, ...options });
    return stream.status === 503 ? undefined : stream;
  });

  test('each state comes whole, as tasks/get gives it, under the id of the subscription', async () => {
    const id = await client.start('asks');
    const stream = await open([id], { id: 'mine' });
    const first = await stream.next('the acknowledgement', acknowledged);
    assert.equal(stream.messages[0], first);
    assert.deepEqual(first.params, { _meta: { [ID]: 'mine' }, notifications: { taskIds: [id] } });
    const asked = await stream.next('the question', news(id, 'input_required'));
    const { _meta, ...state } = asked.params;
    assert.deepEqual(_meta, { [ID]: 'mine' });
    assert.deepEqual(state.inputRequests, question('a'));
    const { _meta: _, resultType, ...got } = (await client.get(id)).body.result;
    assert.equal(resultType, 'complete');
    assert.deepEqual(state, got);
    await client.update(id, { a: yes });
    const done = await stream.next('the result', news(id, 'completed'));
    assert.deepEqual(done.params.result.structuredContent.inputResponses, { a: yes });
    const statuses = stream.messages.slice(1).map((each) => each.params.status);
    assert.ok(statuses.every((status, i) => i === 0 || status !== statuses[i - 1]), `told again without need: ${statuses}`);
    await stream.close();
  });

  test('a failure and a cancellation are told, and what has ended before is told once', async () => {
    const [crash, long, quick] = [await client.start('crash'), await client.start('long'), await client.start('quick')];
    await client.reaches(quick, 'completed');
    const stream = await open([crash, long, quick]);
    assert.match((await stream.next('the failure', news(crash, 'failed'))).params.error.message, /SIGSEGV/);
    await stream.next('the task that works', news(long, 'working'));
    assert.equal((await stream.next('the result', news(quick, 'completed'))).params.result.content[0].text, 'done\n');
    await client.cancel(long);
    await stream.next('the cancellation', news(long, 'cancelled'));
    assert.equal(stream.messages.filter(news(quick, 'completed')).length, 1);
    await stream.close();
  });

  test('many streams get the same news, each with its own id', async () => {
    const id = await client.start('gate');
    const streams = await Promise.all(Array.from({ length: 20 }, (_, i) => open([id], { id: i })));
    for (const stream of streams) await stream.next('the task that works', news(id, 'working'));
    fs.writeFileSync(tools.file('open'), '');
    for (const [i, stream] of streams.entries()) {
      const { params } = await stream.next('the result', news(id, 'completed'));
      assert.deepEqual([params._meta[ID], params.result.content[0].text], [i, 'through\n']);
      await stream.close();
    }
    fs.rmSync(tools.file('open'));
  });

  test('a long result comes whole, more than a socket takes at once', async () => {
    const id = await client.start('big');
    const streams = await Promise.all(Array.from({ length: 5 }, () => open([id])));
    for (const stream of streams) {
      assert.equal((await stream.next('the result', news(id, 'completed'))).params.result.content[0].text.length, 250000);
      await stream.close();
    }
  });

  test('only one\'s own tasks are agreed to', async () => {
    const id = await client.start('quick');
    const bob = await hosts().site.cognito.accessToken({ sub: 'another-user', username: 'bob' });
    const stream = await listen(there, bob, { taskIds: [id, 'unknown', 7, ''] }, { meta: TASKS });
    assert.deepEqual((await stream.next('the acknowledgement', acknowledged)).params.notifications, {});
    const own = await open([id, id, 'unknown']);
    assert.deepEqual((await own.next('the acknowledgement', acknowledged)).params.notifications, { taskIds: [id] });
    await own.next('the result', news(id, 'completed'));
    assert.equal(stream.messages.length, 1);
    await stream.close();
    await own.close();
  });

  test('a client without the extension is told what it lacks', async () => {
    const refused = await listen(there, token, { taskIds: ['x'] }, { meta: META });
    assertRpcError(refused, 400, -32021, 7);
    assert.deepEqual(refused.body.error.data, { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } });
  });
}

describe('on one host', () => {
  let site, token;
  before(async () => {
    site = await startSite({ config: { TOOLS_DIR: tools.dir } });
    token = await site.cognito.accessToken();
  });
  after(() => site?.close());

  test('there is no process for news before somebody waits for them', async () => {
    const stream = await listen(site, token, { toolsListChanged: true });
    await stream.next('the acknowledgement', acknowledged);
    assert.equal(watcherOf(site.daemon), undefined);
    await stream.close();
  });

  notifications(() => ({ site, token, here: site, there: site }));

  test('streams outlive the process that is asked for news', async () => {
    const client = taskClient(site, token);
    const id = await client.start('gate');
    const stream = await listen(site, token, { taskIds: [id] }, { meta: TASKS });
    await stream.next('the task that works', news(id, 'working'));
    const pid = watcherOf(site.daemon);
    process.kill(pid, 'SIGKILL');
    await until('another one', () => ![undefined, pid].includes(watcherOf(site.daemon)));
    fs.writeFileSync(tools.file('open'), '');
    await stream.next('the result', news(id, 'completed'));
    fs.rmSync(tools.file('open'));
    await stream.close();
  });

  test('lists and tasks go on one stream', async () => {
    const client = taskClient(site, token);
    const id = await client.start('gate');
    const stream = await listen(site, token, { taskIds: [id], toolsListChanged: true }, { meta: TASKS });
    assert.deepEqual((await stream.next('the acknowledgement', acknowledged)).params.notifications, { toolsListChanged: true, taskIds: [id] });
    await stream.next('the task that works', news(id, 'working'));
    tools.tool('added', 'echo added');
    await stream.next('the changed list', (message) => message.method === 'notifications/tools/list_changed');
    assert.ok(await callTool(site, token, 'added'));
    fs.writeFileSync(tools.file('open'), '');
    await stream.next('the result', news(id, 'completed'));
    fs.rmSync(tools.file('open'));
    await stream.close();
  });
});

describe('of tasks on another host, by the table', () => {
  let dynamodb, proxy, first, second, token;
  before(async () => {
    dynamodb = await startDynamoDb();
    await dynamodb.createTable(TABLE, { key: 'taskId' });
    proxy = await startDynamoDbProxy({ dynamodb });
    const options = { env: proxy.env(), config: { TOOLS_DIR: tools.dir, TASK_TABLE_NAME: TABLE, WORKERS_MIN: '4' } };
    first = await startSite(options);
    second = await startSite({ ...options, twinOf: first });
    token = await first.cognito.accessToken();
  });
  after(async () => {
    await second?.close();
    await first?.close();
    await proxy?.close();
    await dynamodb?.close();
  });
  const at = (site) => ({ mcpUrl: `http://127.0.0.1:${site.port}/mcp` });

  notifications(() => ({ site: first, token, here: at(first), there: at(second) }));

  test('the table is asked for as long as somebody waits, and no longer', async () => {
    const client = taskClient(at(first), token);
    const id = await client.start('asks');
    await client.reaches(id, 'input_required');
    const reads = () => proxy.calls.filter((call) => call.action === 'GetItem').length;
    const stream = await listen(at(second), token, { taskIds: [id] }, { meta: TASKS });
    await stream.next('the question', news(id, 'input_required'));
    const before_ = reads();
    await until('more reads', () => reads() >= before_ + 2);
    assert.equal(stream.messages.filter(news(id, 'input_required')).length, 1, 'nothing new, nothing told');
    await stream.close();
    // A read that is under way may still come; then no more for longer than the interval.
    await until('silence', async () => {
      const now = reads();
      await sleep(3000);
      return reads() === now;
    }, { deadlineMs: 60000 });
  });

  test('a table in trouble delays news, and loses none', async () => {
    const client = taskClient(at(first), token);
    const id = await client.start('asks');
    const stream = await listen(at(second), token, { taskIds: [id] }, { meta: TASKS });
    await stream.next('the question', news(id, 'input_required'));
    proxy.setDown(true);
    await until('the trouble in the log', () => /event=task_not_watched/.test(second.daemon.log), { deadlineMs: 30000 });
    proxy.setDown(false);
    await until('the answer to be taken', async () => (await client.update(id, { a: yes })).status === 200, { deadlineMs: 30000 });
    await stream.next('the result', news(id, 'completed'));
    await stream.close();
  });
});
