// Calls without output for long: the stream is kept alive, and the disconnection of a client is noticed before there is
// anything to send.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { META, MODERN, modern, post } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

const NOTICED_MS = 15000; // far from the programs' own limit, which is a minute
let site;
let token;
let dir;
before(async () => {
  dir = fs.mkdtempSync('/tmp/mcp-gone-');
  const manifest = (name, run) => fs.writeFileSync(path.join(dir, `${name}.json`), JSON.stringify({ name,
    inputSchema: { type: 'object' }, run: { command: [`./${name}.sh`], timeout_ms: 60000, ...run } }));
  const script = (name, text) => fs.writeFileSync(path.join(dir, `${name}.sh`), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  // Silent until it is told to end, by a signal or by a file.
  script('silent', `name=$(sed 's/.*"mark":"\\([a-z0-9-]*\\)".*/\\1/')
trap 'echo TERM >>"$name.log"; exit 3' TERM
echo started >>"$name.log"
while [ ! -e "$name.go" ]; do sleep 0.1; done
echo done >>"$name.log"
echo finished`);
  manifest('silent', { output: 'text' });
  // Takes longer than two comments.
  script('nap', `name=$(sed 's/.*"mark":"\\([a-z0-9-]*\\)".*/\\1/')
echo started >>"$name.log"; sleep 2.5; echo done >>"$name.log"; echo finished`);
  manifest('nap', { output: 'text' });
  script('stubborn', `trap '' TERM
echo $$ >stubborn.log
while :; do sleep 0.1; done`);
  manifest('stubborn', { output: 'text' });
  script('ask', `grep -q inputResponses && { echo '{"content":[{"type":"text","text":"thanks"}]}'; exit; }
echo '{"inputRequired":{"inputRequests":{"q":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}}}}'`);
  manifest('ask', { output: 'json' });
  site = await startSite({ config: { TOOLS_DIR: dir, STREAM_KEEP_ALIVE_S: '1' } });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const log = (mark) => {
  const file = path.join(dir, `${mark}.log`);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
};
const go = (mark) => fs.writeFileSync(path.join(dir, `${mark}.go`), '');
const isThere = (pid) => fs.existsSync(`/proc/${pid}/stat`);

const modernHeaders = (name) => ({ 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': name });

function start(name, mark, headers, { signal, meta } = {}) {
  return fetch(site.mcpUrl, { method: 'POST', signal, headers: { 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`, ...headers },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call',
    params: { name, arguments: { mark }, ...(meta && { _meta: meta }) } }) });
}

async function newSession(version) {
  const started = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: version, capabilities: { elicitation: {} }, clientInfo: { name: 't', version: '1' } } });
  return { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': version };
}

test('a client that goes away before the first event ends the program, which may tidy up', async () => {
  const cancelled = () => site.daemon.log.match(/tool=silent .*outcome=cancelled/g)?.length ?? 0;
  let tidied = false;
  // It has half a second, in which a busy machine may not let it run: then it is called again.
  for (let tries = 1; tries <= 3 && !tidied; tries += 1) {
    const mark = `early-${tries}`;
    const gone = new AbortController();
    const call = start('silent', mark, modernHeaders('silent'), { signal: gone.signal, meta: META });
    await until('the program runs', () => log(mark));
    gone.abort();
    await assert.rejects(call);
    await until('the call to be logged', () => cancelled() === tries, { deadlineMs: NOTICED_MS });
    tidied = log(mark) === 'started\nTERM\n';
  }
  assert.ok(tidied);
});

test('a program that does not heed SIGTERM is killed', async () => {
  const gone = new AbortController();
  const call = start('stubborn', '', modernHeaders('stubborn'), { signal: gone.signal, meta: META });
  const pid = Number(await until('the program runs', () => log('stubborn')));
  assert.ok(isThere(pid));
  gone.abort();
  await assert.rejects(call);
  await until('the program is gone', () => !isThere(pid), { deadlineMs: NOTICED_MS });
});

test('a call that is silent begins its stream with comments, and ends it with the result', async () => {
  const answer = await start('silent', 'slow', modernHeaders('silent'), { meta: META });
  assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
  await until('the program runs', () => log('slow'));
  assert.equal(log('slow'), 'started\n', 'the program still runs');
  let text = '';
  for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.split(':\n\n').length > 2) go('slow');
  }
  assert.match(text, /^(:\n\n){2,}data: \{"jsonrpc":"2.0","id":1,"result":.*finished.*\}\n\n$/);
});

test('a client that takes no stream waits for its answer', async () => {
  const answer = await modern(site, token, 'tools/call', { name: 'nap', arguments: { mark: 'plain' } },
    { headers: { accept: 'application/json' } });
  assert.equal(answer.body.result.content[0].text, 'finished\n');
});

test('in the handshake revisions a client that goes away ends nothing', async () => {
  for (const version of ['2025-11-25', '2025-03-26']) {
    const mark = `stays-${version}`;
    const gone = new AbortController();
    const answer = await start('nap', mark, await newSession(version), { signal: gone.signal });
    assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
    const { value } = await answer.body.getReader().read();
    assert.match(Buffer.from(value).toString(), version === '2025-11-25' ? /^id: / : /^:\n\n/);
    gone.abort();
    await until('the program ends well', () => log(mark) === 'started\ndone\n', { deadlineMs: NOTICED_MS });
  }
});

test('a stream on which the user is asked is kept alive', async () => {
  const session = await newSession('2025-06-18');
  const answer = await start('ask', '', session);
  let text = '';
  for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const id = /"id":"([^"]+)","method":"elicitation/.exec(text)?.[1];
    if (id && text.endsWith(':\n\n:\n\n')) {
      await post(site, token, { jsonrpc: '2.0', id, result: { action: 'accept', content: {} } }, session);
    }
  }
  assert.match(text, /elicitation\/create.*\n\n(:\n\n){2,}data: .*thanks/s);
});
