// Clients that read slowly, or not at all: no worker waits for them, and a client that reads on gets everything.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { callTool, META, MODERN } from '../parts/mcp.mjs';
import { paceMs } from '../parts/pace.mjs';
import { startSite } from '../parts/site.mjs';
import { readBody } from '../parts/util.mjs';

const BYTES = 14 << 20;
const READERS = 6;
const URI = 'doc://long';
let site;
let dir;
before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-slow-readers-'));
  fs.writeFileSync(path.join(dir, 'long.txt'), 'x'.repeat(BYTES));
  fs.writeFileSync(path.join(dir, 'long.json'), JSON.stringify({ uri: URI, name: 'long', mimeType: 'text/plain',
    run: { file: 'long.txt', max_output_bytes: BYTES } }));
  site = await startSite({ config: { WORKERS_MIN: '4', WORKERS_MAX: '4', RESOURCES_DIR: dir } });
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

// The head of the answer has come; nothing of its body is read before the caller does.
async function readLater(token, accept) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: URI, _meta: META } });
  const request = http.request(site.mcpUrl, { method: 'POST', agent: false, headers: { 'content-type': 'application/json', accept,
    authorization: `Bearer ${token}`, 'mcp-protocol-version': MODERN, 'mcp-method': 'resources/read', 'mcp-name': URI } });
  request.end(body);
  const [response] = await once(request, 'response');
  assert.equal(response.statusCode, 200);
  return response;
}

for (const accept of ['application/json, text/event-stream;q=0.5', 'text/event-stream, application/json;q=0.5']) {
  test(`more readers that stand still than workers: calls go on (${accept.split(',')[0]})`, { timeout: 60000 }, async () => {
    const token = await site.cognito.accessToken();
    await callTool(site, token, 'whoami');
    const readers = await Promise.all(Array.from({ length: READERS }, () => readLater(token, accept)));
    const started = paceMs();
    for (let i = 0; i < 10; i += 1) await callTool(site, token, 'whoami');
    const took = paceMs() - started;
    assert.ok(took < 4000, `10 calls took ${took} ms beside readers that stand still`);
    for (const text of await Promise.all(readers.map(readBody))) {
      const message = JSON.parse(text.startsWith('{') ? text : /^data: (.*)$/m.exec(text)[1]);
      assert.equal(message.result.contents[0].text.length, BYTES);
    }
    assert.doesNotMatch(site.daemon.log, /event=reply_lost/);
  });
}
