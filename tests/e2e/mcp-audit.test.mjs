// Each call is one line in the log and, if wanted, one in the audit log, with caller, target, outcome and duration;
// programs get the call's trace context.
// The same in both kinds of protocol versions.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { auditLines } from '../parts/audit.mjs';
import { logged } from '../parts/daemon.mjs';
import { challenge, HANDSHAKE_REVISIONS, META, MODERN, modern, post } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';

const SECRET = 'never-in-the-log';
const TRACE = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01',
  tracestate: 'vendor=opaque,other=1',
  baggage: `userId=Am%C3%A9lie,${'k=v,'.repeat(500)}last=1`,
};
let site;
let token;
let dir;

before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-audit-');
  const write = (file, content, mode = 0o644) => {
    fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    fs.writeFileSync(path.join(dir, file), typeof content === 'string' ? content : JSON.stringify(content), { mode });
  };
  const trace = '#!/bin/sh\nenv | grep -E "^(TRACE|BAGGAGE)" | sort\n';
  for (const kind of ['tools.d', 'resources.d', 'prompts.d']) write(`${kind}/trace.sh`, trace, 0o755);
  const command = ['./trace.sh'];
  const inputSchema = { type: 'object', properties: { n: { type: 'integer' } } };
  write('tools.d/trace.json', { name: 'trace', inputSchema, run: { command } });
  write('tools.d/admin.json', { name: 'admin', inputSchema, run: { command, scopes: ['mcp-server/admin', 'mcp-server/more'] } });
  write('tools.d/fail.sh', '#!/bin/sh\nexit 3\n', 0o755);
  write('tools.d/fail.json', { name: 'fail', inputSchema, run: { command: ['./fail.sh'] } });
  write('resources.d/trace.json', { uri: 'doc://trace', name: 'trace-resource', run: { command } });
  write('resources.d/admin.json', { uri: 'doc://admin', name: 'admin-resource', run: { command, scopes: ['mcp-server/admin'] } });
  write('prompts.d/trace.json', { name: 'trace-prompt', arguments: [{ name: 'a', required: true }],
    run: { command, complete: { a: { command } } } });
  write('prompts.d/admin.json', { name: 'admin-prompt', arguments: [{ name: 'a' }],
    run: { command, scopes: ['mcp-server/admin'], complete: { a: ['x'] } } });
  site = await startSite({ config: { TOOLS_DIR: path.join(dir, 'tools.d'), RESOURCES_DIR: path.join(dir, 'resources.d'),
    PROMPTS_DIR: path.join(dir, 'prompts.d'), AUDIT_EVENTS: 'logins calls', AUDIT_ARGUMENTS: 'digest' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

// One request of the revision. Modern ones have their headers.
function send(version, method, params, meta = {}) {
  if (version === MODERN) {
    return modern(site, token, method, params, { meta: { ...META, ...meta }, headers: { 'mcp-name': params.name ?? params.uri } });
  }
  return post(site, token, { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } },
    { 'mcp-protocol-version': version });
}

const fields = (line) => Object.fromEntries([...line.matchAll(/ ([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)/g)]
  .map(([, key, value]) => [key, value.replace(/^"|"$/g, '')]));

// Leaves a line in the log, and waits until we have read it: gives the length of the log up to then.
let pings = 0;
async function mark() {
  const marker = `no/such-${pings += 1}`;
  await post(site, token, { jsonrpc: '2.0', id: 1, method: marker }, { 'mcp-protocol-version': '2025-11-25' });
  const [line] = await logged(site.daemon, 0, new RegExp(`^.* method=${marker} .*\n`, 'm'));
  return site.daemon.log.indexOf(line) + line.length;
}

// The lines that a request leaves in both; they are written before its answer, but reach us by a pipe of their own.
async function audited(body) {
  const from = await mark();
  const answer = await body();
  const to = await mark();
  const text = site.daemon.log.slice(from, to);
  const lines = text.split('\n').filter((line) => / event=(tool_call|resource_read|prompt_get|completion) /.test(line));
  const members = (line) => [line.request, line.event, line.outcome, line.tool ?? line.resource ?? line.prompt ?? line.ref, line.sub, line.client_id];
  const audit = auditLines(text).map((line) => ({ ...line, event: line.audit, sub: line.subject, client_id: line.client }));
  // An empty name has no member.
  assert.deepEqual(audit.map((line) => members(line).map((each) => each ?? '')), lines.map((line) => members(fields(line)).map((each) => each ?? '')));
  assert.ok(!audit.some(({ line }) => line.includes(SECRET)));
  return { answer, lines };
}

const argument = { name: 'a', value: SECRET };
const calls = [
  // method, params, event, what, outcome, HTTP status
  ['tools/call', { name: 'trace', arguments: { x: SECRET } }, 'tool_call', { tool: 'trace' }, 'ok'],
  ['tools/call', { name: 'echo', arguments: { text: SECRET } }, 'tool_call', { tool: 'echo' }, 'ok'],
  ['tools/call', { name: 'fail' }, 'tool_call', { tool: 'fail' }, 'exit_status'],
  ['tools/call', { name: 'none' }, 'tool_call', { tool: 'none' }, 'unknown_tool'],
  ['tools/call', { name: 'trace', arguments: { n: SECRET } }, 'tool_call', { tool: 'trace' }, 'bad_arguments'],
  ['tools/call', { name: 'trace', arguments: [SECRET] }, 'tool_call', { tool: 'trace' }, 'error'],
  ['tools/call', { name: 'admin' }, 'tool_call', { tool: 'admin' }, 'insufficient_scope', 403],
  ['resources/read', { uri: 'doc://trace' }, 'resource_read', { resource: 'trace-resource' }, 'ok'],
  ['resources/read', { uri: 'doc://none' }, 'resource_read', { resource: 'doc://none' }, 'unknown_resource'],
  ['resources/read', { uri: 'doc://admin' }, 'resource_read', { resource: 'doc://admin' }, 'insufficient_scope', 403],
  ['prompts/get', { name: 'trace-prompt', arguments: { a: SECRET } }, 'prompt_get', { prompt: 'trace-prompt' }, 'ok'],
  ['prompts/get', { name: 'trace-prompt' }, 'prompt_get', { prompt: 'trace-prompt' }, 'error'],
  ['prompts/get', { name: 'none' }, 'prompt_get', { prompt: 'none' }, 'unknown_prompt'],
  ['prompts/get', { name: 'admin-prompt' }, 'prompt_get', { prompt: 'admin-prompt' }, 'insufficient_scope', 403],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'trace-prompt' }, argument }, 'completion', { ref: 'trace-prompt' }, 'ok'],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'none' }, argument }, 'completion', { ref: 'none' }, 'error'],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'admin-prompt' }, argument }, 'completion', {}, 'insufficient_scope', 403],
];

for (const version of [MODERN, ...HANDSHAKE_REVISIONS]) {
  test(`each call leaves one line (${version})`, async () => {
    for (const [method, params, event, what, outcome, status] of calls) {
      const { answer, lines } = await audited(() => send(version, method, params));
      const name = `${method} ${JSON.stringify(params)}: ${answer.text}`;
      if (status) assert.equal(answer.status, status, name);
      assert.equal(lines.length, 1, `${name}\n${lines.join('\n')}`);
      const line = fields(lines[0]);
      const expected = { event, ...what, sub: site.cognito.users[0].sub, client_id: site.cognito.clientId, outcome };
      for (const [key, value] of Object.entries(expected)) assert.equal(line[key], value, `${key}: ${lines[0]}`);
      assert.match(line.ms, /^\d+$/);
      assert.match(line.request, /^[0-9a-f]{16}$/);
      assert.ok(!lines[0].includes(SECRET), lines[0]);
    }
  });

  test(`a program gets the trace context (${version})`, async () => {
    const expected = `BAGGAGE=${TRACE.baggage}\nTRACEPARENT=${TRACE.traceparent}\nTRACESTATE=${TRACE.tracestate}\n`;
    const printed = async (meta) => {
      const tool = (await send(version, 'tools/call', { name: 'trace' }, meta)).body.result.content[0].text;
      assert.equal((await send(version, 'resources/read', { uri: 'doc://trace' }, meta)).body.result.contents[0].text, tool);
      assert.equal((await send(version, 'prompts/get', { name: 'trace-prompt', arguments: { a: 'x' } }, meta))
        .body.result.messages[0].content.text, tool);
      const { values } = (await send(version, 'completion/complete',
        { ref: { type: 'ref/prompt', name: 'trace-prompt' }, argument }, meta)).body.result.completion;
      assert.equal(values.map((value) => `${value}\n`).join(''), tool);
      return tool;
    };
    assert.equal(await printed(TRACE), expected);
    assert.equal(await printed({}), '');
    for (const bad of [1, null, {}, [], '', 'a\nEVIL=1', 'a\u0000b', 'ü']) {
      assert.equal(await printed({ traceparent: bad, tracestate: bad, baggage: bad }), '', JSON.stringify(bad));
    }
    assert.equal(await printed({ traceparent: 'x'.repeat(513), tracestate: 'x'.repeat(513), baggage: 'x'.repeat(8193) }), '');
    const longest = { traceparent: 'x'.repeat(512), tracestate: 'x'.repeat(512), baggage: 'x'.repeat(8192) };
    assert.equal((await printed(longest)).length, 512 + 512 + 8192 + 'TRACEPARENT=\nTRACESTATE=\nBAGGAGE=\n'.length);
  });
}

test('a challenge names all scopes that the call needs, and where the metadata is', async () => {
  for (const version of [MODERN, '2025-11-25']) {
    const answer = await send(version, 'tools/call', { name: 'admin' });
    assert.equal(answer.status, 403);
    const { error, scope, resource_metadata: metadata } = challenge(answer.headers);
    assert.equal(error, 'insufficient_scope');
    assert.deepEqual(scope.split(' ').sort(), ['mcp-server/admin', 'mcp-server/more', 'mcp-server/tools']);
    assert.equal((await (await fetch(metadata)).json()).resource, site.mcpUrl);
  }
});

test('a message of a batch has a line like any other', async () => {
  const { lines } = await audited(() => post(site, token, ['echo', 'fail', 'none'].map((name, id) => (
    { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { text: 'x' } } })), {}));
  assert.deepEqual(lines.map((line) => `${fields(line).tool} ${fields(line).outcome}`), ['echo ok', 'fail exit_status', 'none unknown_tool']);
});
