// Folders of manifests that are symbolic links, as deployments have them, or are created while the daemon runs: changes
// take effect from the next request on, without a reload, and subscribed clients are notified.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { callTool, modern } from '../parts/mcp.mjs';
import { listen } from '../parts/listen.mjs';
import { openInAllWorkers } from '../parts/one-of-many.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

let site;
let token;
let dir;
const at = (name) => path.join(dir, name);

function release(name) {
  for (const kind of ['tools.d', 'resources.d']) fs.mkdirSync(at(`releases/${name}/${kind}`), { recursive: true });
  fs.writeFileSync(at(`releases/${name}/tools.d/say.sh`), `#!/bin/sh\nprintf ${name}\n`, { mode: 0o755 });
  fs.writeFileSync(at(`releases/${name}/tools.d/say.json`), JSON.stringify({ name: 'say', description: name, inputSchema: { type: 'object' },
    run: { command: ['./say.sh'] } }));
  fs.writeFileSync(at(`releases/${name}/resources.d/note.json`), JSON.stringify({ uri: 'doc://note', name: 'note', run: { file: 'note.txt' } }));
  fs.writeFileSync(at(`releases/${name}/resources.d/note.txt`), name);
}

function swap(name) {
  fs.symlinkSync(`releases/${name}`, at('new'));
  fs.renameSync(at('new'), at('current'));
}

before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-folders-'));
  release('one');
  release('two');
  fs.symlinkSync('releases/one', at('current'));
  site = await startSite({ config: { TOOLS_DIR: at('current/tools.d'), RESOURCES_DIR: at('current/resources.d'), PROMPTS_DIR: at('later/prompts.d'),
    WORKERS_MIN: '4', WORKERS_MAX: '4' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('a link that is swapped: the new tools and files, and who listens is told', async () => {
  assert.equal((await callTool(site, token, 'say')).content[0].text, 'one');
  const stream = await listen(site, token, { toolsListChanged: true, resourceSubscriptions: ['doc://note'] });
  await stream.next('the acknowledgement', ({ method }) => method === 'notifications/subscriptions/acknowledged');
  swap('two');
  await stream.next('the tools', ({ method }) => method === 'notifications/tools/list_changed');
  await stream.next('the note', ({ method }) => method === 'notifications/resources/updated');
  assert.equal((await callTool(site, token, 'say')).content[0].text, 'two');
  const read = async () => (await modern(site, token, 'resources/read', { uri: 'doc://note' }, { headers: { 'mcp-name': 'doc://note' } }))
    .body.result.contents[0].text;
  assert.equal(await read(), 'two');
  const seen = stream.messages.length;
  fs.writeFileSync(at('releases/two/resources.d/note.txt'), 'three');
  await stream.next('the note of the new folder', ({ method }) => method === 'notifications/resources/updated', seen);
  assert.equal(await read(), 'three');
  await stream.close();
});

test('a folder that is made later', async () => {
  const names = async () => (await modern(site, token, 'prompts/list')).body.result.prompts.map(({ name }) => name);
  assert.deepEqual(await names(), []);
  const stream = await listen(site, token, { promptsListChanged: true });
  await stream.next('the acknowledgement', ({ method }) => method === 'notifications/subscriptions/acknowledged');
  fs.mkdirSync(at('later/prompts.d'), { recursive: true });
  fs.writeFileSync(at('later/prompts.d/p.json'), JSON.stringify({ name: 'p', run: { messages: [{ role: 'user', content: { type: 'text', text: 'x' } }] } }));
  await stream.next('the prompts', ({ method }) => method === 'notifications/prompts/list_changed');
  await until('the prompt', async () => (await names()).includes('p'));
  await stream.close();
});

// Workers read a change at different times, some of them when the file has changed again. (The call needs an argument, so no program starts.)
test('a tool that one worker knows every worker knows', async () => {
  await openInAllWorkers(site, () => modern(site, token, 'tools/list'));
  for (let round = 0; round < 10; round += 1) {
    const name = `changed-${round}`;
    const asked = [];
    const ask = async () => {
      const from = performance.now();
      const { body } = await modern(site, token, 'tools/call', { name, arguments: {} });
      asked.push({ from, to: performance.now(), known: body.error?.message !== `Unknown tool: ${name}` });
    };
    const askOften = async () => {
      while (asked.filter(({ known }) => known).length < 40) await ask();
    };
    const all = Array.from({ length: 6 }, askOften);
    fs.writeFileSync(at('new'), JSON.stringify({ name, inputSchema: { type: 'object', required: ['text'] }, run: { command: ['./say.sh'] } }));
    fs.renameSync(at('new'), at('releases/two/tools.d/say.json'));
    await Promise.all(all);
    const first = Math.min(...asked.filter(({ known }) => known).map(({ to }) => to));
    assert.deepEqual(asked.filter(({ from, known }) => from > first && !known), [], `round ${round}`);
  }
});
