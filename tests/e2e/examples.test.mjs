// The examples of share/tools.d in Python and C, and of a tool with a user interface, used as an admin would.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { AppBridge, getToolUiResourceUri, McpUiResourceMetaSchema, RESOURCE_MIME_TYPE } from '@modelcontextprotocol/ext-apps/app-bridge';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { startChromium } from '../parts/chromium.mjs';
import { callTool, initialize, META, modern } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT } from '../parts/util.mjs';

let site;
let token;
let dir;
before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-examples-');
  for (const each of ['python', 'c', 'app']) fs.cpSync(path.join(ROOT, 'share/tools.d', each), dir, { recursive: true });
  // The build line is the one that the file itself gives.
  const line = /^ \* +(cc .*)$/m.exec(fs.readFileSync(path.join(dir, 'prime_factors.c'), 'utf8'))[1];
  execFileSync('/bin/sh', ['-ec', line.replace('-Wall', '-Wall -Wextra -Werror')], { cwd: dir });
  site = await startSite({ config: { TOOLS_DIR: dir, RESOURCES_DIR: path.join(ROOT, 'share/resources.d') } });
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

// The policy that a host has to set for a view that declares no domains (SEP-1865, "Host Behavior").
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'none'";

// The host's side of a view in a sandboxed frame: the official bridge, over the messages of the page.
async function openView(page, html) {
  const transport = { async start() {}, async close() {},
    send: (message) => page.evaluate((each) => document.querySelector('iframe').contentWindow.postMessage(each, '*'), message) };
  await page.exposeFunction('toHost', (message) => transport.onmessage?.(message));
  const bridge = new AppBridge(null, { name: 'host', version: '1' }, {});
  const ready = new Promise((resolve) => { bridge.oninitialized = resolve; });
  await bridge.connect(transport);
  await page.evaluate(([text, policy]) => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    addEventListener('message', ({ source, data }) => { if (source === frame.contentWindow) window.toHost(data); });
    frame.sandbox = 'allow-scripts';
    frame.srcdoc = text.replace('<meta', `<meta http-equiv="Content-Security-Policy" content="${policy}"><meta`);
  }, [html, POLICY]);
  await ready;
  return bridge;
}

test('MCP Apps: a client finds the view of a tool, shows it in a frame, and the view shows the result', async () => {
  assert.deepEqual((await modern(site, token, 'server/discover')).body.result.capabilities.extensions['io.modelcontextprotocol/ui'], {});
  assert.deepEqual((await initialize(site, token, '2025-11-25')).body.result.capabilities.extensions, { 'io.modelcontextprotocol/ui': {} });

  const client = new Client({ name: 'host', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const tool = (await client.listTools()).tools.find(({ name }) => name === 'colour');
  const uri = getToolUiResourceUri(tool);
  assert.equal(uri, 'ui://colour/view.html');
  const [content] = (await client.readResource({ uri })).contents;
  assert.equal(content.mimeType, RESOURCE_MIME_TYPE);
  assert.deepEqual(McpUiResourceMetaSchema.parse(content._meta.ui), { csp: {}, prefersBorder: true });
  const call = (colour) => client.callTool({ name: 'colour', arguments: { colour } });

  const chromium = await startChromium();
  try {
    const bridge = await openView(chromium.page, content.text);
    const parts = chromium.page.frameLocator('iframe').locator('#parts');
    await bridge.sendToolResult(await call('#336699'));
    await parts.getByText('red 51, green 102, blue 153').waitFor();
    await bridge.sendToolResult(await call('red'));
    await parts.getByText('There is no colour to show.').waitFor();
    assert.deepEqual(chromium.messages, []);
    await bridge.teardownResource({});
  } finally {
    await chromium.close();
    await client.close();
  }
});
