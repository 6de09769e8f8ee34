// The examples of share/tools.d in Python and C, used as an admin would.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { callTool, META, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT } from '../parts/util.mjs';

let site;
let token;
let dir;
before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-examples-');
  for (const each of ['python', 'c']) fs.cpSync(path.join(ROOT, 'share/tools.d', each), dir, { recursive: true });
  // The build line is the one that the file itself gives.
  const line = /^ \* +(cc .*)$/m.exec(fs.readFileSync(path.join(dir, 'prime_factors.c'), 'utf8'))[1];
  execFileSync('/bin/sh', ['-ec', line.replace('-Wall', '-Wall -Wextra -Werror')], { cwd: dir });
  site = await startSite({ config: { TOOLS_DIR: dir } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('C: prime factors', async () => {
  for (const [number, factors] of [[2, [2]], [97, [97]], [360, [2, 2, 2, 3, 3, 5]], [1e12, [...Array(12).fill(2), ...Array(12).fill(5)]], [999999999989, [999999999989]]]) {
    assert.deepEqual((await callTool(site, token, 'prime_factors', { number })).structuredContent, { factors });
  }
  assert.equal((await callTool(site, token, 'prime_factors', { number: 1 })).isError, true);
});

test('Python: a question, progress, and a result', async () => {
  const args = { name: 'rehearsal', arguments: { steps: ['pack', 'go'] } };
  const meta = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} }, progressToken: 'p' };
  const asked = (await modern(site, token, 'tools/call', args, { meta })).body.result;
  assert.equal(asked.resultType, 'input_required');
  assert.match(asked.inputRequests.agree.params.message, /2 steps/);

  const answer = (agree) => modern(site, token, 'tools/call',
    { ...args, inputResponses: { agree: { action: 'accept', content: { agree } } } }, { meta });
  const { text } = await answer(true);
  const messages = text.split('\n\n').filter(Boolean).map((event) => JSON.parse(event.replace(/^data: /, '')));
  assert.deepEqual(messages.slice(0, -1).map(({ params }) => [params.progress, params.total, params.message]), [[1, 2, 'pack'], [2, 2, 'go']]);
  assert.equal(messages.at(-1).result.content[0].text, 'All 2 steps were rehearsed.');
  assert.ok(!messages.at(-1).result.isError);

  const refused = (await answer(false)).body.result;
  assert.equal(refused.isError, true);
  assert.match(refused.content[0].text, /does not want/);
});
