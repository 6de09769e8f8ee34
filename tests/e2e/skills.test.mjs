// Skills (SEP-2640) through the web server: what a host does with them, changes while the daemon runs, and who may see them.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { listen } from '../parts/listen.mjs';
import { initialize, legacy, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT, until } from '../parts/util.mjs';

const EXTENSION = 'io.modelcontextprotocol/skills';
const FILES = path.join(ROOT, 'tests/conformance/skills.d');

let site;
let token;
let dir;
const at = (name) => path.join(dir, name);
const skill = (name, more = '') => {
  fs.mkdirSync(at(name));
  fs.writeFileSync(at(`${name}/SKILL.md`), `---\nname: ${name}\ndescription: Skill ${name}\n${more}---\n# ${name}\n`);
};

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-skills-'));
  fs.cpSync(FILES, dir, { recursive: true });
  skill('secret');
  fs.writeFileSync(at('secret.json'), JSON.stringify({ groups: ['ops'] }));
  fs.writeFileSync(at('pdf-processing/logo.png'), Buffer.from([0x89, 0x50, 0, 0xff]));
  site = await startSite({ config: { SKILLS_DIR: dir, LIST_FORBIDDEN: 'no' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const result = async (method, params, of = token) => {
  const headers = method === 'resources/read' ? { 'mcp-name': params.uri } : {};
  const answer = await modern(site, of, method, params, { headers });
  assert.ok(answer.body?.result, answer.text);
  return answer.body.result;
};
const read = async (uri, of) => {
  const [content] = (await result('resources/read', { uri }, of)).contents;
  return { ...content, bytes: content.text === undefined ? Buffer.from(content.blob, 'base64') : Buffer.from(content.text) };
};
const listed = async (of) => (await result('skills/list', {}, of)).skills.map(({ frontmatter }) => frontmatter.name);

test('a host lists, gets and reads: each file has the size and the digest of its entry', async () => {
  assert.deepEqual((await result('server/discover')).capabilities.extensions[EXTENSION], { directoryRead: true });
  const { skills } = await result('skills/list');
  assert.deepEqual(skills.map(({ frontmatter }) => frontmatter.name), ['git-workflow', 'pdf-processing']);
  for (const entry of skills) {
    assert.deepEqual((await result('skills/get', { uri: entry.uri })).skill, entry);
    for (const { uri, digest, size } of entry.resources) {
      const { bytes } = await read(uri);
      assert.equal(bytes.length, size, uri);
      assert.equal(`sha256:${crypto.createHash('sha256').update(bytes).digest('hex')}`, digest, uri);
    }
  }
  assert.equal(skills[1].resources.length, 5);
  assert.deepEqual(skills[1].frontmatter.metadata, { author: 'example', version: '2.1', level: 3 });
  assert.equal((await read('skill://pdf-processing/logo.png')).mimeType, 'image/png');
});

test('a client of 2025-11-25 lists them, and reads SKILL.md as a resource', async () => {
  const { body } = await initialize(site, token, '2025-11-25');
  assert.deepEqual(body.result.capabilities.extensions, { [EXTENSION]: { directoryRead: true } });
  const answer = await legacy(site, token, '2025-11-25', 'skills/list');
  assert.equal(answer.body.result.skills.length, 2, answer.text);
  const all = (await legacy(site, token, '2025-11-25', 'resources/list')).body.result.resources;
  const uris = all.map(({ uri }) => uri).filter((uri) => uri.startsWith('skill://'));
  assert.deepEqual(uris, ['skill://git-workflow/SKILL.md', 'skill://pdf-processing/SKILL.md']);
});

test('a changed file deep in a skill, a new skill and one that is gone: the next request sees it, and who listens is told', async () => {
  const stream = await listen(site, token, { resourcesListChanged: true, resourceSubscriptions: ['skill://git-workflow/examples/message.md'] });
  await stream.next('the acknowledgement', ({ method }) => method === 'notifications/subscriptions/acknowledged');
  const told = async (change, method = 'notifications/resources/list_changed') => {
    const seen = stream.messages.length;
    change();
    await stream.next(method, (message) => message.method === method, seen);
  };
  const entry = async () => (await result('skills/get', { uri: 'skill://git-workflow/SKILL.md' })).skill;
  const old = (await entry()).resources.find(({ uri }) => uri.endsWith('message.md'));

  await told(() => fs.writeFileSync(at('git-workflow/examples/message.md'), 'Another text\n'), 'notifications/resources/updated');
  await until('the new digest', async () => (await entry()).resources.find(({ uri }) => uri === old.uri).digest !== old.digest);
  assert.equal((await read(old.uri)).text, 'Another text\n');

  await told(() => fs.mkdirSync(at('git-workflow/a/b'), { recursive: true }));
  await told(() => fs.writeFileSync(at('git-workflow/a/b/new.md'), 'new'));
  await until('the new file', async () => (await entry()).resources.some(({ uri }) => uri === 'skill://git-workflow/a/b/new.md'));

  await told(() => skill('another'));
  await until('the new skill', async () => (await listed()).includes('another'));
  await told(() => fs.writeFileSync(at('another.json'), JSON.stringify({ groups: ['nobody'] })));
  await until('the skill is hidden', async () => !(await listed()).includes('another'));
  await told(() => { fs.rmSync(at('another'), { recursive: true }); fs.rmSync(at('another.json')); });
  await stream.close();
});

test('2025-11-25: a GET stream that is taken up again tells that a file deep in a skill has changed', async () => {
  const session = (await initialize(site, token, '2025-11-25')).headers.get('mcp-session-id');
  // A second of margin is taken off the time in the id: nothing that was before counts, only what comes now.
  const since = Date.now() + 20;
  const resumed = async () => {
    const gone = new AbortController();
    const { body } = await fetch(site.mcpUrl, { signal: gone.signal, headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`,
      'mcp-protocol-version': '2025-11-25', 'mcp-session-id': session, 'last-event-id': `get.${(since + 1000).toString(16)}.0` } });
    const first = new TextDecoder().decode((await body.getReader().read()).value);
    gone.abort();
    return first;
  };
  await until('a later time', () => Date.now() > since + 50);
  assert.doesNotMatch(await resumed(), /list_changed/);
  fs.appendFileSync(at('pdf-processing/templates/regional/eu-invoice.md'), 'More\n');
  await until('the change', async () => /resources\/list_changed/.test(await resumed()));
});

test('a group of users has a skill that others do not see', async () => {
  const ops = await site.cognito.accessToken({ 'cognito:groups': ['ops'] });
  assert.ok((await listed(ops)).includes('secret'));
  assert.match((await read('skill://secret/SKILL.md', ops)).text, /# secret/);
  for (const [method, uri] of [['skills/get', 'skill://secret/SKILL.md'], ['resources/read', 'skill://secret/SKILL.md'],
    ['resources/directory/read', 'skill://secret']]) {
    const answer = await modern(site, token, method, { uri }, { headers: method === 'resources/read' ? { 'mcp-name': uri } : {} });
    assert.equal(answer.body.error?.code, -32602, answer.text);
  }
});

test('mcp-authd -t names file and line, and the daemon serves the others', async () => {
  const before = await listed();
  skill('broken', 'metadata: [\n');
  const conf = path.join(dir, 'check.conf');
  fs.writeFileSync(conf, Object.entries(site.keys).map(([key, value]) => `${key}=${value}\n`).join(''));
  const { status, stderr } = spawnSync(process.env.MCP_AUTHD, ['-t', '-c', conf], { encoding: 'utf8' });
  assert.notEqual(status, 0);
  assert.match(stderr, new RegExp(`${at('broken/SKILL.md')}:5:1: not valid YAML: `));
  // Of several sites a worker reads the folder, before it answers a request (one-of-many.mjs).
  await until('the log', async () => {
    assert.deepEqual(await listed(), before);
    return /event=skill_invalid .*broken\/SKILL\.md:5:1/.test(site.daemon.log);
  });
  fs.rmSync(at('broken'), { recursive: true });
  execFileSync(process.env.MCP_AUTHD, ['-t', '-c', conf]);
});
