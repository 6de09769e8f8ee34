// Client documents that arrive slowly, or never: they occupy at most half of the workers, of several sites one a quarter.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findForm } from '../parts/browser.mjs';
import { callTool } from '../parts/mcp.mjs';
import { authorize, tokens } from '../parts/oauth.mjs';
import { SITES } from '../parts/one-of-many.mjs';
import { paceMs } from '../parts/pace.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

let site;
before(async () => { site = await startSite({ config: { WORKERS_MIN: '4', WORKERS_MAX: '4' } }); });
after(() => site?.close());

test('slow documents never occupy the pool', { timeout: 60000 }, async () => {
  const { access_token: token } = await tokens(site);
  const slow = Array.from({ length: 24 }, (_, i) => site.documents.setClient(`/slow-${i}.json`, {}, { delayMs: 30000 }));
  const answers = slow.map((id) => authorize(site, { client_id: id }));
  const hits = () => slow.reduce((sum, _, i) => sum + site.documents.hits(`/slow-${i}.json`), 0);
  const most = SITES ? 1 : 2;
  await until(`${most} at the same time`, () => hits() === most);

  // Everything else goes on: calls, and logins of clients whose document is known.
  const started = paceMs();
  for (let i = 0; i < 10; i += 1) {
    await callTool(site, token, 'whoami');
    assert.ok(findForm(await authorize(site))?.decisions);
  }
  const took = paceMs() - started;
  assert.ok(took < 4500, `20 requests took ${took} ms beside slow documents`);
  for (const page of await Promise.all(answers)) {
    assert.equal(page.status, 503);
    assert.match(page.headers.get('retry-after'), /^[1-9]\d*$/);
  }
  // Nobody remembers it: a document that is there in time next time is read.
  site.documents.setClient('/slow-0.json');
  assert.ok(findForm(await authorize(site, { client_id: slow[0] }))?.decisions);
});

test('one document, many users: it is fetched once for all workers', async () => {
  const id = site.documents.setClient('/popular.json');
  assert.ok(findForm(await authorize(site, { client_id: id }))?.decisions);
  const pages = await Promise.all(Array.from({ length: 40 }, () => authorize(site, { client_id: id })));
  assert.ok(pages.every((page) => findForm(page)?.decisions));
  assert.equal(site.documents.hits('/popular.json'), 1);
});
