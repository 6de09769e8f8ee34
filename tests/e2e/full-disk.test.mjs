// The disk is full: what needs no room on it goes on (docs/outages.md), and all is well when there is room again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../parts/browser.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoSite } from '../parts/dynamodb-site.mjs';
import { callTool } from '../parts/mcp.mjs';
import { authorizeUrl, pkce, refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT } from '../parts/util.mjs';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'full-disk-'));
const full = path.join(dir, 'full');
const shim = path.join(dir, 'full-disk.so');
const env = { LD_PRELOAD: shim, TEST_DISK_FULL: full, ASAN_OPTIONS: 'verify_asan_link_order=0' };
let site;
before(async () => {
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, path.join(ROOT, 'tests/parts/full-disk.c'), '-ldl'],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  site = await startSite({ env });
});
after(async () => {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('a full disk: calls and refreshes go on, new logins are told to come back', { timeout: 60000 }, async () => {
  const held = await tokens(site);
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  fs.writeFileSync(full, '');
  await callTool(site, held.access_token, 'whoami');
  const next = await refresh(site, held.refresh_token);
  assert.equal(next.status, 200, next.text);
  await callTool(site, next.body.access_token, 'whoami');
  const again = await refresh(site, next.body.refresh_token);
  assert.equal(again.status, 200, again.text);
  assert.equal((await fetch(`${site.issuer}/.well-known/oauth-authorization-server`)).status, 200);
  const answer = await browser.submit(page, { decision: 'approve' });
  assert.equal(answer.status, 503);
  assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);

  fs.rmSync(full);
  assert.equal((await browser.submit(page, { decision: 'approve' })).status, 200);
  await callTool(site, (await tokens(site)).access_token, 'whoami');
});

test('a full disk where logins are kept in DynamoDB: they go on too', { timeout: 60000 }, async () => {
  const dynamodb = await startDynamoDb();
  try {
    await dynamodb.createTable();
    const cloud = await startDynamoSite({ dynamodb, env });
    try {
      fs.writeFileSync(full, '');
      await callTool(cloud, (await tokens(cloud)).access_token, 'whoami');
    } finally {
      fs.rmSync(full, { force: true });
      await cloud.close();
    }
  } finally {
    await dynamodb.close();
  }
});
