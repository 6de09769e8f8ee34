// Servers that others wrote, on stdio, behind the login: the official clients list and call the tools of
// @modelcontextprotocol/server-everything, -filesystem, -memory and -sequential-thinking.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { inspect } from '../parts/inspector.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT, until } from '../parts/util.mjs';

const EVERYTHING = path.join(ROOT, 'tests/node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const script = (name) => path.join(ROOT, `tests/node_modules/@modelcontextprotocol/server-${name}/dist/index.js`);
let site;
let dir;
let token;
before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-everything-'));
  fs.writeFileSync(path.join(dir, 'everything.json'), JSON.stringify({ command: [process.execPath, EVERYTHING, 'stdio'],
    read: [path.join(ROOT, 'tests/node_modules')], home: true, timeout_ms: 60000 }));
  fs.mkdirSync(path.join(dir, 'data'));
  for (const [name, manifest] of Object.entries({
    filesystem: { command: [process.execPath, script('filesystem'), path.join(dir, 'data')], write: [path.join(dir, 'data')] },
    memory: { command: [process.execPath, script('memory')], env: { MEMORY_FILE_PATH: path.join(dir, 'data/memory.jsonl') }, write: [path.join(dir, 'data')] },
    'sequential-thinking': { command: [process.execPath, script('sequential-thinking')], prefix: 'thinking_' },
  })) fs.writeFileSync(path.join(dir, `${name}.json`), JSON.stringify({ read: [path.join(ROOT, 'tests/node_modules')], home: true, timeout_ms: 60000, ...manifest }));
  site = await startSite({ config: { TOOLS_DIR: '', SERVERS_DIR: dir } });
  token = await site.cognito.accessToken();
});
const clients = [];
after(async () => {
  for (const client of clients) await client.close();
  await site?.close();
  fs.rmSync(dir, { recursive: true });
});

// What we declare to a server, whatever the client can do: it may have tools for that.
const ALL = { elicitation: { form: {}, url: {} }, sampling: { tools: {}, context: {} }, roots: {} };
async function bare() {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: ALL });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [EVERYTHING, 'stdio'], stderr: 'ignore' }));
  clients.push(client);
  return client;
}
async function ours(capabilities = {}, prepare = () => {}) {
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  prepare(client);
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  clients.push(client);
  return client;
}

test('its tools are what they are without us, but for their names', async () => {
  const [theirs, behind] = await Promise.all([bare(), ours()]);
  const { tools } = await theirs.listTools();
  const listed = (await behind.listTools()).tools.filter(({ name }) => name.startsWith('everything_'));
  const byName = (a, b) => (a.name < b.name ? -1 : 1);
  assert.ok(tools.length > 5);
  // We wait for the tasks of a server, and so a client calls every tool as any other.
  const expected = tools.map(({ execution: { taskSupport, ...execution } = {}, ...tool }) => ({ ...tool, name: `everything_${tool.name}`,
    ...(Object.keys(execution).length > 0 && { execution }) }));
  assert.deepEqual(listed.sort(byName), expected.sort(byName));
});

test('its results are what they are without us', async () => {
  const [theirs, behind] = await Promise.all([bare(), ours()]);
  for (const [name, args] of [['echo', { message: 'grüß dich' }], ['get-sum', { a: 2, b: 40 }], ['get-structured-content', { location: 'Chicago' }],
    ['get-tiny-image', {}], ['get-annotated-message', { messageType: 'error', includeImage: true }], ['get-resource-links', { count: 2 }]]) {
    const [expected, got] = [await theirs.callTool({ name, arguments: args }), await behind.callTool({ name: `everything_${name}`, arguments: args })];
    delete got._meta;
    assert.deepEqual(got, expected, name);
  }
});

test('its resources, their templates and its prompts are what they are without us', async () => {
  const [theirs, behind] = await Promise.all([bare(), ours()]);
  const by = (key) => (a, b) => (a[key] < b[key] ? -1 : 1);
  const { resources } = await theirs.listResources();
  assert.ok(resources.length > 3);
  const beside = (await behind.listResources()).resources.filter(({ uri }) => uri.startsWith('demo:'));
  assert.deepEqual(beside, resources.sort(by('uri')));
  const { resourceTemplates } = await theirs.listResourceTemplates();
  assert.ok(resourceTemplates.length > 1);
  const templates = (await behind.listResourceTemplates()).resourceTemplates.filter(({ uriTemplate }) => uriTemplate.startsWith('demo:'));
  assert.deepEqual(templates, resourceTemplates.sort(by('uriTemplate')));
  const { prompts } = await theirs.listPrompts();
  assert.ok(prompts.length > 2);
  const named = (await behind.listPrompts()).prompts.filter(({ name }) => name.startsWith('everything_'));
  assert.deepEqual(named, prompts.map((prompt) => ({ ...prompt, name: `everything_${prompt.name}` })).sort(by('name')));
});

test('what its resources and prompts contain is what it is without us', async () => {
  const [theirs, behind] = await Promise.all([bare(), ours()]);
  const { resources: [{ uri }] } = await theirs.listResources();
  assert.deepEqual(await behind.readResource({ uri }), await theirs.readResource({ uri }));
  const { contents: [{ text }] } = await behind.readResource({ uri: 'demo://resource/dynamic/text/7' });
  assert.match(text, /Resource 7/);
  for (const [name, args] of [['simple-prompt', undefined], ['args-prompt', { city: 'Oslo' }]])
    assert.deepEqual(await behind.getPrompt({ name: `everything_${name}`, arguments: args }), await theirs.getPrompt({ name, arguments: args }));
  await assert.rejects(behind.readResource({ uri: 'demo://resource/dynamic/text/x' }), /Unknown resource|resource/i);
});

test('completions are those of the server', async () => {
  const [theirs, behind] = await Promise.all([bare(), ours()]);
  for (const params of [
    { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } },
    { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'name', value: '' }, context: { arguments: { department: 'Sales' } } },
    { ref: { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' }, argument: { name: 'resourceId', value: '1' } }]) {
    const expected = await theirs.complete(params);
    const ref = params.ref.name ? { ...params.ref, name: `everything_${params.ref.name}` } : params.ref;
    assert.deepEqual(await behind.complete({ ...params, ref }), expected, JSON.stringify(params));
  }
  const { completion } = await behind.complete({ ref: { type: 'ref/prompt', name: 'everything_completable-prompt' }, argument: { name: 'department', value: 'S' } });
  assert.deepEqual(completion.values, ['Sales', 'Support']);
});

test('a tool that is only called as a task is called as any other, and may ask', async () => {
  const client = await ours(ALL, (each) => each.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { interpretation: 'of one kind' } })));
  const call = async (args) => (await client.callTool({ name: 'everything_simulate-research-query', arguments: args })).content[0].text;
  assert.match(await call({ topic: 'fjords', ambiguous: false }), /fjords/);
  assert.match(await call({ topic: 'python', ambiguous: true }), /of one kind/);
});

test('progress is reported to the client that asked for it', async () => {
  const client = await ours();
  const seen = [];
  const result = await client.callTool({ name: 'everything_trigger-long-running-operation', arguments: { duration: 1, steps: 4 } }, undefined,
    { onprogress: ({ progress, total }) => seen.push([progress, total]) });
  assert.match(result.content[0].text, /Long running operation completed/);
  assert.deepEqual(seen, [[1, 4], [2, 4], [3, 4], [4, 4]]);
});

for (const era of ['legacy', 'modern']) {
  test(`MCP Inspector lists and calls them (${era})`, async () => {
    const ask = async (...args) => JSON.parse((await inspect(site, `Bearer ${token}`, ['--protocol-era', era, ...args])).stdout);
    const { tools } = await ask('--method', 'tools/list', '--strict');
    for (const name of ['everything_echo', 'memory_read_graph', 'filesystem_list_directory']) assert.ok(tools.some((tool) => tool.name === name), name);
    const { content } = await ask('--method', 'tools/call', '--tool-name', 'everything_get-sum', '--tool-arg', 'a=2', '--tool-arg', 'b=40');
    assert.deepEqual(content, [{ type: 'text', text: 'The sum of 2 and 40 is 42.' }]);
  });
}

test('clients of 2026-07-28 list and call them too', async () => {
  const { tools } = (await modern(site, token, 'tools/list')).body.result;
  assert.ok(tools.some(({ name }) => name === 'everything_echo'));
  assert.deepEqual((await callTool(site, token, 'everything_get-sum', { a: 1, b: 2 })).content, [{ type: 'text', text: 'The sum of 1 and 2 is 3.' }]);
});

// What the clients answer, and what the server makes of it.
const ANSWERS = { 'elicitation/create': () => ({ action: 'accept', content: { name: 'Ada', check: true, integer: 7 } }),
  'sampling/createMessage': ({ params }) => ({ role: 'assistant', model: 'none', content: { type: 'text', text: params.messages[0].content.text.toUpperCase() } }),
  'roots/list': () => ({ roots: [{ uri: 'file:///home/ada', name: 'home' }] }) };
async function checkQuestions(client) {
  const call = async (name, args = {}) => (await client.callTool({ name: `everything_${name}`, arguments: args })).content.map(({ text }) => text).join('\n');
  assert.match(await call('trigger-elicitation-request'), /- Name: Ada\n[^]*- Favorite Integer: 7/);
  assert.match(await call('trigger-sampling-request', { prompt: 'loud', maxTokens: 9 }), /CONTEXT: LOUD/);
  assert.match(await call('get-roots-list'), /file:\/\/\/home\/ada/);
}

test('what it asks in the middle of a call, SDK v1 is asked on the stream of the call', async () => {
  await checkQuestions(await ours(ALL, (client) => {
    for (const [schema, method] of [[ElicitRequestSchema, 'elicitation/create'], [CreateMessageRequestSchema, 'sampling/createMessage'], [ListRootsRequestSchema, 'roots/list']])
      client.setRequestHandler(schema, ANSWERS[method]);
  }));
});

test('what it asks in the middle of a call, SDK v2 answers by sending the call again', async () => {
  for (const mode of ['auto', 'legacy']) {
    const client = new ClientV2({ name: 'test', version: '2' }, { versionNegotiation: { mode }, capabilities: ALL });
    for (const method of Object.keys(ANSWERS)) client.setRequestHandler(method, ANSWERS[method]);
    await client.connect(new TransportV2(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
    clients.push(client);
    await checkQuestions(client);
  }
});

test('a client that cannot be asked is not, and the server is told so', async () => {
  const client = await ours();
  const result = await client.callTool({ name: 'everything_trigger-elicitation-request', arguments: {} });
  assert.equal(result.isError, true);
  assert.match(result.content[0].text, /the client does not support this/);
});

test('a call that is cancelled ends', async () => {
  const client = await ours();
  const stop = new AbortController();
  const call = client.callTool({ name: 'everything_trigger-long-running-operation', arguments: { duration: 50, steps: 50 } }, undefined,
    { signal: stop.signal, onprogress: () => stop.abort('enough') });
  await assert.rejects(call, /enough/);
  await until('the log', () => /tool=everything_trigger-long-running-operation .*outcome=cancelled/.test(site.daemon.log));
});

test('files: read and written where the manifest and the server allow it, and nowhere else', async () => {
  const client = await ours();
  const call = (name, args) => client.callTool({ name: `filesystem_${name}`, arguments: args });
  assert.ok(!(await call('write_file', { path: path.join(dir, 'data/a.txt'), content: 'grüß dich' })).isError);
  assert.equal(fs.readFileSync(path.join(dir, 'data/a.txt'), 'utf8'), 'grüß dich');
  assert.equal((await call('read_text_file', { path: path.join(dir, 'data/a.txt') })).content[0].text, 'grüß dich');
  assert.equal((await call('read_text_file', { path: '/etc/passwd' })).isError, true);
});

test('a memory keeps what it was told, and a chain of thoughts its order', async () => {
  const client = await ours();
  await client.callTool({ name: 'memory_create_entities', arguments: { entities: [{ name: 'Ada', entityType: 'person', observations: ['counts'] }] } });
  const graph = await client.callTool({ name: 'memory_read_graph', arguments: {} });
  assert.deepEqual(graph.structuredContent.entities.map(({ name, observations }) => [name, observations]), [['Ada', ['counts']]]);
  for (const thoughtNumber of [1, 2]) {
    const { structuredContent } = await client.callTool({ name: 'thinking_sequentialthinking',
      arguments: { thought: 'so', thoughtNumber, totalThoughts: 2, nextThoughtNeeded: thoughtNumber < 2 } });
    assert.equal(structuredContent.thoughtHistoryLength, thoughtNumber);
  }
});

test('who has subscribed to one of its resources is told of a change', async () => {
  const told = [];
  const client = await ours({}, (c) => c.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => { told.push(params.uri); }));
  const uri = 'demo://resource/dynamic/text/1';
  await client.subscribeResource({ uri });
  await client.callTool({ name: 'everything_toggle-subscriber-updates', arguments: {} });
  await until('the notification', () => told.includes(uri));
  await client.callTool({ name: 'everything_toggle-subscriber-updates', arguments: {} });
});
