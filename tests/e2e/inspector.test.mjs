// MCP Inspector's command line, with the token of a real login: it lists and calls tools, in both kinds of protocol
// versions.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT } from '../parts/util.mjs';

const INSPECTOR = path.join(ROOT, 'tests/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
let site;
let token;
before(async () => {
  site = await startSite();
  token = (await tokens(site)).access_token;
});
after(() => site?.close());

// Its settings are kept in the site's folder, so that those of whoever runs the test play no part.
function inspect(args, authorization = `Bearer ${token}`) {
  return promisify(execFile)(process.execPath, [INSPECTOR, '--cli', site.mcpUrl, '--transport', 'http', '--header', `Authorization: ${authorization}`, ...args],
    { env: { PATH: process.env.PATH, HOME: site.dir }, timeout: 60000 });
}

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
