// The disk is full, hangs, or has damaged files: requests that do not need it succeed (docs/outages.md), and all
// succeed when it works again.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from '../parts/browser.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoSite } from '../parts/dynamodb-site.mjs';
import { makeFullDisk } from '../parts/full-disk.mjs';
import { callTool } from '../parts/mcp.mjs';
import { authorizeUrl, pkce, refresh, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { runDoctor } from '../parts/doctor.mjs';
import { freePort, until } from '../parts/util.mjs';

const disk = makeFullDisk();
const { env } = disk;
let site;
before(async () => {
  site = await startSite({ env });
});
after(async () => {
  await site?.close();
  disk.remove();
});

test('a full disk: calls and refreshes go on, new logins are told to come back', { timeout: 60000 }, async () => {
  const held = await tokens(site);
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
  disk.fill();
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

  disk.empty();
  assert.equal((await browser.submit(page, { decision: 'approve' })).status, 200);
  await callTool(site, (await tokens(site)).access_token, 'whoami');
});

test('a full disk where logins are kept in DynamoDB: they go on too', { timeout: 60000 }, async () => {
  const dynamodb = await startDynamoDb();
  try {
    await dynamodb.createTable();
    const cloud = await startDynamoSite({ dynamodb, env });
    try {
      disk.fill();
      await callTool(cloud, (await tokens(cloud)).access_token, 'whoami');
    } finally {
      disk.empty();
      await cloud.close();
    }
  } finally {
    await dynamodb.close();
  }
});

test('a disk that hangs: calls go on, and new logins are told to come back', { timeout: 60000 }, async () => {
  const own = await startSite({ env, mustFail: ['event=request'] });
  const approve = async () => {
    const browser = new Browser();
    const page = await browser.open(authorizeUrl(own, { code_challenge: pkce().challenge }));
    return (await browser.submit(page, { decision: 'approve' })).status;
  };
  const held = await tokens(own);
  await callTool(own, held.access_token, 'whoami'); // the keys are in the cache then
  disk.hang();
  try {
    const answers = [];
    const logins = Array.from({ length: 25 }, () => approve().then((status) => answers.push(status)));
    await until('all but the one that hangs with the disk are answered', () => answers.length === 24);
    assert.deepEqual(new Set(answers), new Set([503]));
    for (let i = 0; i < 50; i += 1) await callTool(own, held.access_token, 'whoami');
    disk.go();
    await Promise.all(logins);
    assert.equal(answers.at(-1), 200);
    await until('logins are taken again', async () => (await approve()) === 200);
  } finally {
    disk.go();
    await own.close();
  }
});

const cut = (file) => fs.truncateSync(file, 3 * 4096);
const garbage = (file) => fs.writeFileSync(file, crypto.randomBytes(fs.statSync(file).size), { flag: 'r+' });
// Not garbage, in which a lock may be one that somebody holds: that ends with the worker that waits for it, after half a minute.
const noLock = (file) => fs.writeFileSync(file, Buffer.alloc(fs.statSync(file).size, 0xff), { flag: 'r+' });
const SESSIONS = 'sessions/data.mdb';
const CACHE = 'cache/data.mdb';

test('damaged files: calls go on, and logins are taken again at once', { timeout: 60000 }, async () => {
  const metrics = await freePort();
  const own = await startSite({ config: { WORKERS_MIN: '4', METRICS_LISTEN: `127.0.0.1:${metrics}` },
    mustFail: ['file_damaged', 'state_unavailable', 'event=request', 'worker_exited', 'respawn_delayed'] });
  const at = (file) => path.join(own.stateOf('authorize'), file);
  const loginsAreTaken = () => until('a login succeeds', async () => {
    try {
      return Boolean(await tokens(own));
    } catch {
      return false; // what was lost with the file
    }
  });
  try {
    const held = await tokens(own);
    let damaged = 0;
    for (const damage of [cut, garbage]) {
      for (const files of [[SESSIONS], [CACHE], [SESSIONS, CACHE, 'limits']]) {
        for (const file of files) damage(at(file));
        for (let i = 0; i < 8; i += 1) await callTool(own, held.access_token, 'whoami');
        await loginsAreTaken();
        assert.ok(fs.existsSync(`${at(files[0])}.damaged`));
        damaged += 1;
      }
    }
    for (const [damage, file, replaced] of [[noLock, 'sessions/lock.mdb', SESSIONS], [noLock, 'cache/lock.mdb', CACHE],
      [garbage, 'sessions/ended', 'sessions/ended'], [garbage, 'revoked', 'revoked']]) {
      fs.rmSync(`${at(replaced)}.damaged`, { force: true });
      damage(at(file));
      for (let i = 0; i < 8; i += 1) await callTool(own, held.access_token, 'whoami');
      await loginsAreTaken();
      assert.ok(fs.existsSync(`${at(replaced)}.damaged`), file);
      damaged += 1;
    }
    assert.ok(own.daemon.log.split('event=file_damaged').length > damaged);
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    assert.ok(Number(/^mcp_authd_damaged_files_total (\d+)$/m.exec(text)[1]) > 0);

    const report = await runDoctor(own);
    assert.match(report.output, /sessions\/data\.mdb was damaged/);
    assert.match(report.output, /cache\/data\.mdb was damaged/);
  } finally {
    await own.close();
  }
});
