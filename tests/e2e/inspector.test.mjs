// MCP Inspector's command line, with the token of a real login: it lists and calls tools, in both kinds of protocol
// versions.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect as inspectorOf } from '../parts/inspector.mjs';
import { tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

let site;
let token;
before(async () => {
  site = await startSite();
  token = (await tokens(site)).access_token;
});
after(() => site?.close());

const inspect = (args, authorization = `Bearer ${token}`) => inspectorOf(site, authorization, args);

for (const era of ['legacy', 'modern']) {
  test(`MCP Inspector lists and calls tools (${era})`, async () => {
    const ask = async (...args) => JSON.parse((await inspect(['--protocol-era', era, ...args])).stdout);
    const { tools } = await ask('--method', 'tools/list', '--strict');
    assert.ok(tools.some((tool) => tool.name === 'greet' && tool.inputSchema.required.includes('name')), JSON.stringify(tools));
    const result = await ask('--method', 'tools/call', '--tool-name', 'greet', '--tool-arg', 'name=Ada');
    assert.deepEqual(result.content, [{ type: 'text', text: 'Hello Ada, says alice' }]);
    assert.equal(result.resultType, era === 'modern' ? 'complete' : undefined);
  });
}

test('without a good token, MCP Inspector is told to log in', async () => {
  await assert.rejects(inspect(['--method', 'tools/list', '--stored-auth-only'], 'Bearer none'), ({ code, stderr }) => {
    assert.equal(code, 3, stderr);
    assert.match(stderr, /auth_required/);
    return true;
  });
});
