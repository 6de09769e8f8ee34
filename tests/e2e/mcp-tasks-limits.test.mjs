// Limits of running tasks, for each user and for the host, and the end of a denied user's tasks.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { startSite } from '../parts/site.mjs';
import { hasEnded, taskClient, toolFolder } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

let site;
let tools;
let alice;
let bob;
before(async () => {
  tools = toolFolder();
  for (const name of ['long', 'hers', 'his']) tools.sleeper(name);
  tools.asker('asks', ['a']);
  site = await startSite({ config: { TOOLS_DIR: tools.dir, TASKS_MAX: '3', TASKS_MAX_USER: '2' } });
  alice = taskClient(site, await site.cognito.accessToken({ sub: 'alice', username: 'alice' }));
  bob = taskClient(site, await site.cognito.accessToken({ sub: 'bob', username: 'bob' }));
});
after(async () => {
  await site?.close();
  tools.remove();
});

function assertLimited(answer, why, status = 429) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('retry-after'), status === 429 ? '10' : '5');
  assert.match(answer.body.error.message, why);
}

test('a user has a share, the host a limit, and a task that ends gives its place back', async () => {
  const first = await alice.start('long');
  const second = await alice.start('long');
  assertLimited(await alice.call('long'), /2 tasks of yours run already/);
  const third = await bob.start('long');
  assertLimited(await bob.call('long'), /3 tasks run here already/, 503);
  await until('the limit in the log', () => /event=limit_reached .*\bwhat=tasks limit=3 sub=bob/.test(site.daemon.log));
  await until('the audit line', () => /event=tool_call .*sub=bob .*outcome=limited/.test(site.daemon.log));

  await alice.cancel(first);
  let fourth;
  await until('the place', async () => {
    const answer = await bob.call('long');
    fourth = answer.body.result?.taskId;
    if (!fourth) assertLimited(answer, /tasks run here/, 503);
    return fourth;
  });
  for (const [client, id] of [[alice, second], [bob, third], [bob, fourth]]) await client.cancel(id);
});

test('of those that wait for answers there may be more; they need a place to go on', async () => {
  const waiting = [];
  for (let i = 0; i < 4; i += 1) {
    let answer;
    await until('a place', async () => {
      answer = await alice.call('asks');
      return answer.status === 200;
    });
    waiting.push(answer.body.result.taskId);
    await alice.reaches(waiting[i], 'input_required');
  }
  const running = [];
  for (let i = 0; i < 2; i += 1) {
    await until('a place', async () => {
      const answer = await alice.call('long');
      if (answer.status === 200) running.push(answer.body.result.taskId);
      return answer.status === 200;
    });
  }
  const yes = { a: { action: 'accept', content: {} } };
  assertLimited(await alice.update(waiting[0], yes), /tasks of yours/);
  assert.equal((await alice.get(waiting[0])).body.result.status, 'input_required', 'nothing is lost');
  await alice.cancel(running[0]);
  await until('a place', async () => (await alice.update(waiting[0], yes)).status === 200);
  await alice.reaches(waiting[0], 'completed');
  await alice.cancel(running[1]);
});

test('the tasks of a denied user end; those of others go on', async () => {
  const held = {};
  await until('a place', async () => {
    held.alice ??= (await alice.call('hers')).body.result?.taskId;
    return held.alice;
  });
  const pid = await tools.pidOf('hers');
  await until('a place', async () => {
    held.bob ??= (await bob.call('his')).body.result?.taskId;
    return held.bob;
  });
  const other = await tools.pidOf('his');
  fs.writeFileSync(site.keys.DENY_FILE, 'subject alice\n');
  await hasEnded(pid);
  await until('its line', () => /event=task_run .*sub=alice .*outcome=denied/.test(site.daemon.log));
  assert.equal((await alice.get(held.alice)).body.result.error.message, 'The user no longer has access');
  process.kill(other, 0);
  assert.equal((await bob.get(held.bob)).body.result.status, 'working');
  await bob.cancel(held.bob);
  await hasEnded(other);
});
