// The official SDK v1 (protocol version 2025-11-25) and older handshake versions by raw HTTP: discovery, client id
// document, login through the consent page and Cognito's login form, tool calls, refresh, another call.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HANDSHAKE_REVISIONS, initialize, legacy, post, versionHeader } from '../parts/mcp.mjs';
import { sdkV1Logins } from '../parts/sdk-v1-logins.mjs';
import { startSite } from '../parts/site.mjs';
import { tokens } from '../parts/oauth.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

sdkV1Logins(() => site);

for (const version of HANDSHAKE_REVISIONS) {
  test(`a client of revision ${version} is served in its revision`, async () => {
    const { access_token: token } = await tokens(site);
    const hello = await initialize(site, token, version);
    assert.equal(hello.status, 200, hello.text);
    assert.equal(hello.body.result.protocolVersion, version);
    assert.ok(hello.body.result.capabilities.tools);
    assert.equal(hello.body.result.serverInfo.name, 'mcp-authd');

    const ready = await post(site, token, { jsonrpc: '2.0', method: 'notifications/initialized' },
      { 'mcp-protocol-version': versionHeader(version) });
    assert.equal(ready.status, 202, ready.text);
    assert.equal(ready.text, '');

    const pong = await legacy(site, token, version, 'ping');
    assert.deepEqual(pong.body, { jsonrpc: '2.0', id: 1, result: {} });

    const list = await legacy(site, token, version, 'tools/list');
    assert.ok(list.body.result.tools.some((tool) => tool.name === 'whoami'), list.text);
    const called = await legacy(site, token, version, 'tools/call', { name: 'echo', arguments: { text: 'hello' } });
    assert.equal(called.status, 200);
    assert.deepEqual(called.body.result.content, [{ type: 'text', text: 'hello' }]);
    // Members of later revisions stay out of the earlier ones.
    assert.equal(called.body.result.resultType, undefined, called.text);
    assert.equal(list.body.result.ttlMs, undefined, list.text);
  });
}

test('an unknown revision is answered with the newest handshake revision', async () => {
  const { access_token: token } = await tokens(site);
  const hello = await initialize(site, token, '2099-01-01');
  assert.equal(hello.body.result.protocolVersion, '2025-11-25', hello.text);
});
