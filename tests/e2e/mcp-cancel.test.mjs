// notifications/cancelled in the handshake versions ends the program, whichever worker runs it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { post } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { isRunning } from '../parts/tasks.mjs';
import { ROOT, until } from '../parts/util.mjs';

let site;
let token;
let dir;
before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-cancel-');
  for (const file of ['hang.sh', 'confirm.sh', 'confirm.json']) fs.cpSync(path.join(ROOT, 'tests/tools.d', file), path.join(dir, file));
  // One that nothing but a cancellation ends while the test lasts.
  const hang = JSON.parse(fs.readFileSync(path.join(ROOT, 'tests/tools.d/hang.json'), 'utf8'));
  fs.writeFileSync(path.join(dir, 'hang.json'), JSON.stringify({ ...hang, run: { ...hang.run, timeout_ms: 60000 } }));
  site = await startSite({ config: { TOOLS_DIR: dir } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

async function newSession(version, as = token) {
  const started = await post(site, as, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: version, capabilities: { elicitation: {} }, clientInfo: { name: 't', version: '1' } } });
  return { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': version };
}

const cancel = (session, requestId, as = token) => post(site, as,
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId, reason: 'enough' } }, session);

// The ids of the two processes of the tool, when it runs.
function started(file) {
  return until('the program runs', () => fs.existsSync(file) && /\d+ \d+\n/.test(fs.readFileSync(file, 'utf8'))
    && fs.readFileSync(file, 'utf8').trim().split(' ').map(Number));
}
const gone = (pids) => until('the program is gone', () => !pids.some(isRunning));

for (const version of ['2025-11-25', '2025-03-26']) {
  test(`a cancelled call ends its program (${version})`, async () => {
    const session = await newSession(version);
    const file = path.join(dir, `pids-${version}`);
    const call = post(site, token, { jsonrpc: '2.0', id: 11, method: 'tools/call', params: { name: 'hang', arguments: { pid_file: file } } }, session);
    const pids = await started(file);

    // Not by another id, session or user, and not without a session.
    const other = await site.cognito.accessToken({ sub: 'somebody-else' });
    for (const wrong of [12, '11', null, {}, undefined]) assert.equal((await cancel(session, wrong)).status, 202);
    assert.equal((await cancel(await newSession(version), 11)).status, 202);
    assert.equal((await cancel(await newSession(version, other), 11, other)).status, 202);
    assert.equal((await cancel(session, 11, other)).status, 404);
    assert.equal((await cancel({ 'mcp-protocol-version': version }, 11)).status, 202);
    assert.ok(pids.every(isRunning), 'nothing of that ends it');

    assert.equal((await cancel(session, 11)).status, 202);
    const answer = await call;
    assert.equal(answer.body.result.isError, true, answer.text);
    assert.match(answer.text, /cancelled/);
    await gone(pids);
    await until('the reason', () => /event=cancelled .*reason=enough/.test(site.daemon.log));
    await until('the audit line', () => /event=tool_call .*tool=hang .*outcome=cancelled/.test(site.daemon.log));
    assert.equal((await cancel(session, 11)).status, 202, 'what is over may still be cancelled');
  });
}

test('a call that waits for the user can be cancelled', async () => {
  const session = await newSession('2025-06-18');
  const response = await fetch(site.mcpUrl, { method: 'POST', headers: { 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`, ...session },
  body: JSON.stringify({ jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'confirm', arguments: {} } }) });
  let text = '';
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    if (!text.includes('elicitation/create') && part.includes('elicitation/create')) await cancel(session, 'c');
    text += part;
  }
  assert.match(text, /"id":"c","error":\{.*cancelled/);
});

test('the official SDK cancels', async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const file = path.join(dir, 'pids-sdk');
  const stop = new AbortController();
  const call = client.callTool({ name: 'hang', arguments: { pid_file: file } }, undefined, { signal: stop.signal });
  const pids = await started(file);
  stop.abort('enough');
  await assert.rejects(call, /enough/);
  await gone(pids);
  await client.close();
});
