// The official suite's scenarios for authorization servers, with the user's part done by a browser of the tests.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../parts/browser.mjs';
import { start } from '../parts/process.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, ROOT, until } from '../parts/util.mjs';

const SUITE = path.join(ROOT, 'tests/node_modules/@modelcontextprotocol/conformance/dist/index.js');

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

test('conformance authorization: both scenarios', { timeout: 120000 }, async () => {
  const port = await freePort();
  const suite = start(process.execPath, [SUITE, 'authorization', '--url', site.issuer, '--client-id', site.clientId,
    '--port', String(port)]);
  try {
    const asked = () => new RegExp(`^${site.issuer}/authorize\\?\\S+$`, 'm').exec(suite.output)?.[0];
    await until('the suite to ask for a login', () => asked() || suite.result);
    assert.ok(asked(), suite.output);
    const back = await new Browser().login(asked(), `http://127.0.0.1:${port}/callback`);
    assert.equal((await fetch(back)).status, 200);
    assert.deepEqual(await suite.ended, { code: 0, signal: null }, suite.output);
    assert.match(suite.output, /authorization-server-metadata-endpoint: 2 passed, 0 failed/);
    assert.match(suite.output, /authorization-code-grant: 1 passed, 0 failed/);
    assert.doesNotMatch(suite.output, /WARNING|SKIPPED|[1-9]\d* warnings/);
  } finally {
    await suite.stop();
  }
});
