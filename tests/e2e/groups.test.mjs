// run.groups and run.required_claims of manifests: who may use a tool, a resource or a prompt by the groups and claims of
// Cognito's access tokens; and the rules of ACCESS_FILE. LIST_FORBIDDEN=yes (the default): it is listed, and a call is refused; no: it is as if it did not exist.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BINARY } from '../parts/daemon.mjs';
import { callTool, initialize, legacy, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

let dir;
let open;
let closed;
let ruled;
let rulesFile;
const put = (folder, name, manifest) => fs.writeFileSync(path.join(dir, folder, `${name}.json`), JSON.stringify(manifest));
const tool = (name, run) => put('tools', name, { name, inputSchema: { type: 'object' }, run: { command: ['/bin/echo', name], ...run } });

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-groups-'));
  for (const folder of ['tools', 'resources', 'prompts']) fs.mkdirSync(path.join(dir, folder));
  tool('everybody', {});
  tool('ops-only', { groups: ['ops', 'admins'] });
  tool('tenant', { required_claims: { tenant: [7, 'seven'] } });
  tool('both', { groups: ['ops'], required_claims: { verified: true, tags: 'blue' }, scopes: ['mcp-server/tools'] });
  put('resources', 'plan', { uri: 'doc://plan', name: 'plan', run: { text: 'the plan', groups: ['ops'] } });
  put('prompts', 'ask', { name: 'ask', arguments: [{ name: 'x' }],
    run: { messages: [{ role: 'user', content: { type: 'text', text: '{{x}}' } }], groups: ['ops'], complete: { x: ['one'] } } });
  const config = { TOOLS_DIR: path.join(dir, 'tools'), RESOURCES_DIR: path.join(dir, 'resources'), PROMPTS_DIR: path.join(dir, 'prompts') };
  put('resources', 'file', { uriTemplate: 'file:///srv/{+path}', name: 'file', run: { text: 'the file {{path}}' } });
  put('resources', 'page', { uriTemplate: 'page://{name}', name: 'page', run: { text: 'the page {{name}}' } });
  rulesFile = path.join(dir, 'access.conf');
  writeRules('deny tool:* *', 'allow tool:every* group:staff client:machine', 'deny resource:page://secret* *', 'deny resource:file:///srv/hr/* *', 'deny prompt:ask user:alice');
  [open, closed, ruled] = await Promise.all([startSite({ config }), startSite({ config: { ...config, LIST_FORBIDDEN: 'no' } }),
    startSite({ config: { ...config, LIST_FORBIDDEN: 'no', ACCESS_FILE: rulesFile } })]);
});
after(async () => {
  await Promise.all([open?.close(), closed?.close(), ruled?.close()]);
  fs.rmSync(dir, { recursive: true, force: true });
});

function writeRules(...lines) {
  fs.writeFileSync(`${rulesFile}.new`, lines.map((line) => `${line}\n`).join(''));
  fs.renameSync(`${rulesFile}.new`, rulesFile);
}

const tokenOf = (site, groups, more = {}) => site.cognito.accessToken({ 'cognito:groups': groups, ...more });
const call = (site, token, name) => modern(site, token, 'tools/call', { name, arguments: {} });
const names = async (site, token) => (await modern(site, token, 'tools/list')).body.result.tools.map(({ name }) => name);

test('a member of one of the groups calls the tool; who is in none is refused, without a challenge, and the log says so', async () => {
  assert.match((await callTool(open, await tokenOf(open, ['staff', 'admins']), 'ops-only')).content[0].text, /ops-only/);
  for (const groups of [undefined, [], ['staff'], ['op'], ['ops admins'], ['OPS']]) {
    const answer = await call(open, await tokenOf(open, groups), 'ops-only');
    assert.equal(answer.status, 403, answer.text);
    assert.equal(answer.headers.get('www-authenticate'), null);
  }
  assert.match(open.daemon.log, /event=tool_call .*tool=ops-only .*outcome=forbidden/);
});

test('claims: each that is named, with one of its values; of a claim that is an array one is enough', async () => {
  const status = async (name, groups, claims) => (await call(open, await tokenOf(open, groups, claims), name)).status;
  assert.equal(await status('tenant', [], { tenant: 7 }), 200);
  assert.equal(await status('tenant', [], { tenant: 'seven' }), 200);
  for (const tenant of [undefined, null, '7', 8, { id: 7 }]) assert.equal(await status('tenant', [], { tenant }), 403);
  assert.equal(await status('both', ['ops'], { verified: true, tags: ['red', 'blue'] }), 200);
  assert.equal(await status('both', ['ops'], { verified: 'true', tags: ['red', 'blue'] }), 403);
  assert.equal(await status('both', ['ops'], { verified: true, tags: 'red' }), 403);
  assert.equal(await status('both', ['staff'], { verified: true, tags: 'blue' }), 403);
});

test('resources, subscriptions, prompts and completions', async () => {
  for (const [groups, status] of [[['ops'], 200], [['staff'], 403]]) {
    const token = await tokenOf(open, groups);
    const answers = await Promise.all([
      modern(open, token, 'resources/read', { uri: 'doc://plan' }, { headers: { 'mcp-name': 'doc://plan' } }),
      modern(open, token, 'prompts/get', { name: 'ask', arguments: { x: 'y' } }),
      modern(open, token, 'completion/complete', { ref: { type: 'ref/prompt', name: 'ask' }, argument: { name: 'x', value: 'o' } }),
    ]);
    assert.deepEqual(answers.map((answer) => answer.status), [status, status, status]);
  }
});

test('LIST_FORBIDDEN=yes lists all of it', async () => {
  assert.deepEqual(await names(open, await tokenOf(open, [])), ['both', 'echo', 'everybody', 'ops-only', 'tenant', 'whoami']);
});

test('LIST_FORBIDDEN=no: lists have what the caller may use, and the rest is unknown to every method', async () => {
  const token = await tokenOf(closed, ['staff']);
  assert.deepEqual(await names(closed, token), ['echo', 'everybody', 'whoami']);
  assert.deepEqual(await names(closed, await tokenOf(closed, ['ops'], { tenant: 7 })), ['echo', 'everybody', 'ops-only', 'tenant', 'whoami']);
  const unknown = (await call(closed, token, 'no-such-tool')).body.error;
  const hidden = await call(closed, token, 'ops-only');
  assert.deepEqual({ ...hidden.body.error, message: hidden.body.error.message.replace('ops-only', 'no-such-tool') }, unknown);
  const read = (uri) => modern(closed, token, 'resources/read', { uri }, { headers: { 'mcp-name': uri } });
  assert.equal((await read('doc://plan')).body.error.code, (await read('doc://none')).body.error.code);
  assert.deepEqual((await modern(closed, token, 'resources/list')).body.result.resources, []);
  assert.deepEqual((await modern(closed, token, 'prompts/list')).body.result.prompts, []);
  assert.match((await modern(closed, token, 'prompts/get', { name: 'ask' })).body.error.message, /^Unknown prompt/);
});

test('before 2026-07-28 too', async () => {
  const token = await tokenOf(open, ['staff']);
  assert.equal((await initialize(open, token, '2025-11-25')).status, 200);
  assert.equal((await legacy(open, token, '2025-11-25', 'tools/call', { name: 'ops-only', arguments: {} })).status, 403);
  assert.equal((await legacy(open, token, '2025-11-25', 'tools/call', { name: 'everybody', arguments: {} })).status, 200);
});

test('a token with 100 groups', async () => {
  const groups = Array.from({ length: 99 }, (_, i) => `group-${String(i).padStart(3, '0')}-${'n'.repeat(60)}`);
  const token = await tokenOf(open, [...groups, 'ops']);
  assert.ok(token.length > 9000 && token.length < 16000, `${token.length} bytes`);
  assert.match((await callTool(open, token, 'ops-only')).content[0].text, /ops-only/);
  assert.equal((await call(open, await tokenOf(open, groups), 'ops-only')).status, 403);
});

test('ACCESS_FILE: the last rule about both decides, for tools, prompts, and resources by their URI, however it is encoded', async () => {
  const staff = await tokenOf(ruled, ['staff']);
  const nobody = await tokenOf(ruled, [], { username: 'bob' });
  assert.deepEqual(await names(ruled, staff), ['everybody']);
  assert.deepEqual(await names(ruled, nobody), []);
  await callTool(ruled, staff, 'everybody');
  assert.match((await call(ruled, nobody, 'everybody')).body.error.message, /^Unknown tool/);
  const prompt = async (token) => (await modern(ruled, token, 'prompts/get', { name: 'ask', arguments: { x: 'y' } })).body;
  assert.match((await prompt(await tokenOf(ruled, ['ops']))).error.message, /^Unknown prompt/);
  assert.ok((await prompt(await tokenOf(ruled, ['ops'], { username: 'bob' }))).result, 'run.groups and the rules allow it');
  const read = async (uri) => (await modern(ruled, staff, 'resources/read', { uri }, { headers: { 'mcp-name': uri } })).body;
  assert.equal((await read('file:///srv/a//b')).result.contents[0].text, 'the file a//b');
  assert.equal((await read('page://public')).result.contents[0].text, 'the page public');
  for (const uri of ['page://secret', 'page://secrets', 'page://%73ecret', 'page://s%65cret%20x', 'page://se\tcret',
    'file:///srv/hr/x', 'file:///srv//hr/x', 'file:///srv/%2Fhr/x', 'file:///srv/hr%2fx', 'file:///srv/a/../hr/x', 'file:///srv/%2e/hr/x']) {
    assert.equal((await read(uri)).error?.message, 'Resource not found', uri);
  }
});

test('ACCESS_FILE: a new file takes effect without a reload; a wrong one does not, and is reported with its line', async () => {
  const staff = await tokenOf(ruled, ['staff']);
  writeRules('deny tool:*y *');
  await until('the new rules', async () => (await names(ruled, staff)).join() === 'echo,whoami');
  writeRules('deny tool:echo *', 'deny tool:whoami staff');
  const wrong = /access\.conf:2: staff: expected \* or one of group:, scope:, client:, user:, sub: with a name/;
  // Of several sites a worker reads the file, before it answers a request (one-of-many.mjs).
  await until('the report', async () => {
    await names(ruled, staff);
    return wrong.test(ruled.daemon.log);
  });
  assert.match(ruled.daemon.log, /event=access_rule_invalid/);
  assert.deepEqual(await names(ruled, staff), ['echo', 'whoami'], 'the rules from before');
  const check = () => spawnSync(BINARY, ['-t', '-c', ruled.daemon.configFile], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  assert.equal(check().status, 2);
  assert.match(check().stderr, wrong);
  writeRules('deny tool:echo *', 'deny tool:no-such *');
  await until('the new rules', async () => (await names(ruled, staff)).join() === 'everybody,whoami');
  assert.match(check().stderr, /access\.conf:2: warning: there is no tool no-such/);
  assert.equal(check().status, 0);
  fs.unlinkSync(rulesFile);
  assert.match(check().stderr, /ACCESS_FILE .*: No such file/);
  assert.deepEqual(await names(ruled, staff), ['everybody', 'whoami'], 'the rules from before');
  writeRules();
  await until('no rules', async () => (await names(ruled, staff)).join() === 'echo,everybody,whoami');
});

test('LIST_FORBIDDEN=yes: what a rule denies is listed, and refused with status 403', async () => {
  const site = await startSite({ config: { TOOLS_DIR: path.join(dir, 'tools'), ACCESS_FILE: rulesFile } });
  try {
    writeRules('deny tool:echo *', 'allow tool:echo group:staff');
    const [staff, nobody] = [await tokenOf(site, ['staff']), await tokenOf(site, [])];
    await until('the rules', async () => (await call(site, nobody, 'echo')).status === 403);
    assert.ok((await names(site, nobody)).includes('echo'));
    const refused = await modern(site, nobody, 'tools/call', { name: 'echo', arguments: { text: 'hi' } });
    assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [403, null], refused.text);
    assert.match(site.daemon.log, /event=tool_call .*tool=echo .*outcome=forbidden/);
    assert.equal((await modern(site, staff, 'tools/call', { name: 'echo', arguments: { text: 'hi' } })).status, 200);
    assert.equal((await legacy(site, nobody, '2025-11-25', 'tools/call', { name: 'echo', arguments: { text: 'hi' } })).status, 403);
  } finally { await site.close(); }
});

test('rules that come before the manifest: it is under them when it comes', async () => {
  fs.writeFileSync(path.join(dir, 'tools', 'late.json'), JSON.stringify({ name: 'late', inputSchema: { type: 'object' }, run: { command: ['/bin/echo', 'late'] } }));
  writeRules('deny tool:late *', 'allow tool:late scope:openid');
  await until('the tool', async () => (await names(ruled, await tokenOf(ruled, []))).includes('late'));
  assert.ok(!(await names(ruled, await tokenOf(ruled, [], { scope: 'mcp-server/tools' }))).includes('late'), 'a manifest read after the rules');
  const token = await tokenOf(open, [], { scope: 'mcp-server/tools' });
  await until('the tool', async () => (await names(open, token)).includes('late'));
  assert.equal((await call(open, token, 'late')).status, 200, 'the site without a file of rules');
});
