// Wrong manifests of every kind: `-t` names the file and the reason, and the other manifests are served.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { BINARY } from '../parts/daemon.mjs';
import { modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';

const run = { command: ['/bin/true'] };
const tool = (changes) => ({ name: 'x', inputSchema: { type: 'object' }, run, ...changes });
const header = (annotation, schema) => tool({ inputSchema: { type: 'object', properties: { a: { type: 'string', ...schema, 'x-mcp-header': annotation } } } });
const resource = (changes) => ({ uri: 'doc://x', name: 'x', run: { text: 'x' }, ...changes });
const prompt = (changes) => ({ name: 'x', run: { messages: [{ role: 'user', content: { type: 'text', text: 'x' } }] }, ...changes });

// Folder, manifest (an object, or the text of the file), what is said.
const wrong = [
  ['tools.d', '', /JSON|empty|end/], ['tools.d', '{"name": "x",}', /^1:14: not valid JSON: there is a comma before the \}$/], ['tools.d', '[]', /must be a JSON object/],
  ['tools.d', Buffer.from('{"name":"\xff"}', 'latin1'), /UTF-8|JSON/],
  ['tools.d', ' '.repeat(70000), /65536|too (long|large)|bytes/],
  ['tools.d', tool({ name: 'a b' }), /name must be 1 to 128/], ['tools.d', tool({ name: undefined }), /name must be/],
  ['tools.d', tool({ name: 'echo' }), /used by a built-in tool/], ['tools.d', tool({ name: 'good' }), /used by good\.json/],
  ['tools.d', tool({ descripton: 'x' }), /unknown member "descripton"/], ['tools.d', tool({ description: 1 }), /description must be a string/],
  ['tools.d', tool({ inputSchema: undefined }), /inputSchema must be an object/], ['tools.d', tool({ inputSchema: { type: 'string' } }), /inputSchema must be/],
  ['tools.d', tool({ inputSchema: { type: 'object', properties: { a: { type: 'text' } } } }), /inputSchema #\/properties\/a\/type/],
  ['tools.d', tool({ inputSchema: { type: 'object', $ref: 'https://example.com/s' } }), /inputSchema .*\$ref/],
  ['tools.d', tool({ inputSchema: { type: 'object', $schema: 'http://json-schema.org/draft-04/schema#' } }), /draft-04/],
  ['tools.d', tool({ outputSchema: { type: 'object' } }), /outputSchema needs/],
  ['tools.d', tool({ run: undefined }), /run must be an object/], ['tools.d', tool({ run: {} }), /run\.command must be/],
  ['tools.d', tool({ run: { command: ['./none.sh'] } }), /run\.command: \.\/none\.sh: No such file/],
  ['tools.d', tool({ run: { command: ['/etc/passwd'] } }), /not an executable file/],
  ['tools.d', tool({ run: { ...run, timeout: 5 } }), /unknown member "timeout" in run/],
  ['tools.d', tool({ run: { ...run, timeout_ms: 0 } }), /run\.timeout_ms must be an integer from 1 to 120000/],
  ['tools.d', tool({ run: { ...run, output: 'xml' } }), /run\.output must be "text", "json" or "stream"/],
  ['tools.d', tool({ run: { ...run, scopes: ['a b'] } }), /run\.scopes must be an array of scopes/],
  ['tools.d', header(''), /x-mcp-header must be a string of characters/], ['tools.d', header('A B'), /x-mcp-header must be/],
  ['tools.d', header('A', { type: 'number' }), /x-mcp-header may only be used on a string, an integer or a boolean/],
  ['tools.d', tool({ inputSchema: { type: 'object', allOf: [{ properties: { a: { type: 'string', 'x-mcp-header': 'A' } } }] } }), /reached through properties alone/],
  ['tools.d', tool({ inputSchema: { type: 'object', properties: { a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } } } }),
    /names the same header twice/],
  ['resources.d', resource({ uri: 'x' }), /uri must be a URI/], ['resources.d', resource({ run: {} }), /run must have one of/],
  ['resources.d', resource({ run: { file: 'none.txt' } }), /run\.file is not a file that can be read/],
  ['resources.d', { ...resource({ uriTemplate: 'doc://{a}{b}' }), uri: undefined }, /uriTemplate may only have/],
  ['resources.d', { ...resource({ uriTemplate: 'doc://{a}', run: { text: '{{b}}' } }), uri: undefined }, /\{\{b\}\}/],
  ['prompts.d', prompt({ run: {} }), /run must have either command or messages/],
  ['prompts.d', prompt({ run: { messages: [] } }), /run\.messages must be/],
  ['prompts.d', prompt({ run: { messages: [{ role: 'user', content: { type: 'text', text: '{{b}}' } }] } }), /\{\{b\}\}, which is not an argument/],
  ['prompts.d', prompt({ run: { ...prompt().run, complete: { a: ['x'] } } }), /run\.complete has a, which is not an argument/],
];

let site;
let dir;
before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-manifests-');
  for (const kind of ['tools.d', 'resources.d', 'prompts.d']) fs.mkdirSync(path.join(dir, kind));
  wrong.forEach(([kind, content], i) => fs.writeFileSync(path.join(dir, kind, `wrong-${String(i).padStart(2, '0')}.json`),
    typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content)));
  fs.writeFileSync(path.join(dir, 'tools.d/good.json'), JSON.stringify(tool({ name: 'good' })));
  fs.writeFileSync(path.join(dir, 'resources.d/good.json'), JSON.stringify(resource({ uri: 'doc://good', name: 'good' })));
  fs.writeFileSync(path.join(dir, 'prompts.d/good.json'), JSON.stringify(prompt({ name: 'good' })));
  site = await startSite({ config: { TOOLS_DIR: path.join(dir, 'tools.d'), RESOURCES_DIR: path.join(dir, 'resources.d'),
    PROMPTS_DIR: path.join(dir, 'prompts.d') } });
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('-t names each wrong manifest and why it is wrong', () => {
  const { status, stderr } = spawnSync(BINARY, ['-t', '-c', site.daemon.configFile], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  assert.equal(status, 1, 'they stop nothing, and are left out');
  assert.match(stderr, new RegExp(`^configuration is good, but ${wrong.length} of what it names are left out$`, 'm'));
  const lines = stderr.split('\n').filter((line) => line.startsWith(dir) && !line.includes(': warning: '));
  wrong.forEach(([kind, content, reason], i) => {
    const file = path.join(dir, kind, `wrong-${String(i).padStart(2, '0')}.json`);
    const line = lines.find((each) => each.startsWith(`${file}:`));
    assert.ok(line, `${file} is not named: ${JSON.stringify(content)}`);
    assert.match(line.slice(file.length + 1), reason);
  });
  assert.equal(lines.length, wrong.length, lines.join('\n'));
  assert.match(stderr, /tools\.d\/good\.json: warning: there is no description/, 'it is served, but not as it could be');
});

test('the others are there, and the log says what was left out', async () => {
  const token = await site.cognito.accessToken();
  const names = async (method, member) => (await modern(site, token, method)).body.result[member].map(({ name }) => name);
  assert.deepEqual(await names('tools/list', 'tools'), ['echo', 'good', 'whoami']);
  assert.deepEqual(await names('resources/list', 'resources'), ['good']);
  assert.deepEqual(await names('resources/templates/list', 'resourceTemplates'), []);
  assert.deepEqual(await names('prompts/list', 'prompts'), ['good']);
  for (const kind of ['tool', 'resource', 'prompt']) assert.match(site.daemon.log, new RegExp(`event=${kind}_invalid problem="[^"]*wrong-`));
});
