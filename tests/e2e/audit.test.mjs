// The audit log, and the fail2ban filter that reads it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { auditLines } from '../parts/audit.mjs';
import { Browser } from '../parts/browser.mjs';
import { authorize, authorizeUrl, login, pkce, redeem, refresh, token } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { ROOT, until } from '../parts/util.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

// What `body` leaves in the audit log. A line is written before its answer, so whatever comes before the marker is all.
let markers = 0;
async function audited(body) {
  const from = site.daemon.log.length;
  const result = await body();
  const marker = `"client":"marker-${markers += 1}"`;
  await refresh(site, 'x', { client_id: `marker-${markers}` });
  const text = await until('the marker', () => site.daemon.log.includes(`${marker}}\n`) && site.daemon.log.slice(from));
  return { result, lines: auditLines(text).filter(({ line }) => !line.includes(marker)) };
}

const brief = (lines) => lines.map(({ audit, outcome }) => `${audit} ${outcome}`);

test('a login and a refresh leave a line for each step, with who and how long', async () => {
  const { result, lines } = await audited(async () => {
    const granted = await login(site);
    const { body } = await redeem(site, granted);
    const again = await refresh(site, body.refresh_token);
    return { granted, body, again: again.body };
  });
  assert.deepEqual(brief(lines), ['authorize asked', 'consent approved', 'callback code_issued', 'token issued', 'refresh issued']);
  assert.equal(new Set(lines.map(({ request }) => request)).size, 5, 'a request id each');
  for (const each of lines) {
    assert.deepEqual(Object.keys(each).slice(0, 7), ['audit', 'ts', 'outcome', 'address', 'status', 'request', 'ms']);
    assert.equal(each.client, site.clientId);
    assert.equal(each.address, '127.0.0.1');
    assert.ok(Math.abs(Date.parse(each.ts) - Date.now()) < 60000);
    assert.ok(Number.isInteger(each.ms) && each.ms >= 0);
  }
  assert.equal(lines.at(-1).subject, site.cognito.users[0].sub);
  assert.equal(lines.at(-2).subject, site.cognito.users[0].sub);
  const { granted, body, again } = result;
  for (const secret of [granted.code, granted.verifier, granted.challenge, 'client-state', body.access_token,
    body.refresh_token, again.access_token, site.cognito.authorizations.at(-1).state]) {
    assert.ok(!lines.some(({ line }) => line.includes(secret)), 'a secret is in the audit log');
  }
});

test('what is refused says why', async () => {
  const cases = [
    ['authorize refused', /client_id is neither/, () => authorize(site, { client_id: 'nobody' })],
    ['authorize refused', /code_challenge is missing/, () => authorize(site, { code_challenge: undefined })],
    ['consent refused', /request or decision/, () => fetch(authorizeUrl(site).split('?')[0], { method: 'POST', body: new URLSearchParams() })],
    ['callback refused', /not an answer to a login/, () => fetch(`${site.issuer}/callback`)],
    ['token refused', /code is not one of/, () => token(site, { grant_type: 'authorization_code', client_id: site.clientId, code: 'x', code_verifier: 'y' })],
    ['refresh refused', /refresh token is not one of/, () => refresh(site, 'x')],
  ];
  for (const [expected, reason, body] of cases) {
    const { lines } = await audited(body);
    assert.deepEqual(brief(lines), [expected]);
    assert.match(lines[0].reason, reason);
  }
  const { lines: denied } = await audited(() => login(site, { browser: new Browser({ decision: 'deny' }) }));
  assert.deepEqual(brief(denied), ['authorize asked', 'consent denied']);

  site.cognito.failTokenCalls('500');
  const granted = await login(site);
  const { lines: failed } = await audited(() => redeem(site, granted));
  assert.deepEqual(brief(failed), ['token failed']);
  assert.equal(failed[0].status, 503);
});

test('what a client sends forges no line and no member', async () => {
  const evil = 'x","address":"192.0.2.9","outcome":"refused\n{"audit":"token","outcome":"refused","address":"192.0.2.9"}\u0000';
  for (const client_id of [evil.replace('\u0000', ''), 'ü'.repeat(300), 'x'.repeat(400)]) {
    const { lines } = await audited(() => refresh(site, 'x', { client_id }));
    assert.equal(lines.length, 1);
    assert.equal(lines[0].address, '127.0.0.1');
    assert.ok(client_id.startsWith(lines[0].client));
  }
  // Bytes that are no UTF-8: refused before anything of them is known.
  const { lines } = await audited(() => fetch(`${site.issuer}/token`, { method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'client_id=a%FFb&grant_type=refresh_token' }));
  assert.equal(lines[0].outcome, 'refused');
  assert.equal(lines[0].client, undefined);
});

test('AUDIT_LOG: a file, which may be renamed as logrotate does', async () => {
  const dir = fs.mkdtempSync('/tmp/mcp-authd-audit-');
  const file = path.join(dir, 'audit.log');
  const logged = await startSite({ config: { AUDIT_LOG: file } });
  try {
    await refresh(logged, 'x');
    assert.deepEqual(brief(auditLines(fs.readFileSync(file, 'utf8'))), ['refresh refused']);
    assert.equal(fs.statSync(file).mode & 0o777, 0o640);
    fs.renameSync(file, `${file}.1`);
    await refresh(logged, 'y');
    assert.equal(auditLines(fs.readFileSync(file, 'utf8')).length, 1);
    assert.equal(auditLines(fs.readFileSync(`${file}.1`, 'utf8')).length, 1);
    assert.deepEqual(auditLines(logged.daemon.log), []);
  } finally {
    await logged.close();
    fs.rmSync(dir, { recursive: true });
  }
});

test('AUDIT_LOG: a FIFO without a reader holds nobody up, and its lines are counted; a reader gets those that follow', async () => {
  const dir = fs.mkdtempSync('/tmp/mcp-authd-audit-');
  const fifo = path.join(dir, 'audit.fifo');
  execFileSync('mkfifo', [fifo]);
  const logged = await startSite({ config: { AUDIT_LOG: fifo } });
  try {
    assert.equal((await redeem(logged, await login(logged))).status, 200);
    await until('the error', () => /event=audit_not_written why="[^"]* is a FIFO that nobody reads"/.test(logged.daemon.log));
    await until('the count', () => sum(logged.daemon.log) === 4 && logged.daemon.log);
    const reader = fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    await refresh(logged, 'x');
    const got = Buffer.alloc(65536);
    assert.deepEqual(brief(auditLines(got.toString('utf8', 0, fs.readSync(reader, got)))), ['refresh refused']);
    fs.closeSync(reader);
  } finally {
    await logged.close();
    fs.rmSync(dir, { recursive: true });
  }
});

test('AUDIT_LOG on a full device: requests are answered, lost lines are counted', async () => {
  const logged = await startSite({ config: { AUDIT_LOG: '/dev/full' } });
  try {
    for (let i = 0; i < 3; i += 1) assert.equal((await refresh(logged, 'x')).status, 400);
    await until('the error', () => /event=audit_not_written why="No space left on device"/.test(logged.daemon.log));
    await until('the count', () => sum(logged.daemon.log) === 3);
  } finally {
    await logged.close();
  }
});

const sum = (log) => [...log.matchAll(/event=lines_lost output=audit lines=(\d+)/g)].reduce((n, [, lines]) => n + Number(lines), 0);

// --- fail2ban

function fail2banFinds(lines) {
  const dir = fs.mkdtempSync('/tmp/mcp-authd-fail2ban-');
  const log = path.join(dir, 'audit.log');
  fs.writeFileSync(log, lines.map((line) => `${line}\n`).join(''));
  try {
    const out = execFileSync('fail2ban-regex', ['-o', 'ip', log, path.join(ROOT, 'conf/fail2ban/filter.d/mcp-authd.conf')],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return out.split('\n').filter(Boolean);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

test('the fail2ban filter finds what was refused, its real address, and nothing else', async () => {
  const { lines } = await audited(async () => {
    await login(site);                                            // none of these
    await login(site, { browser: new Browser({ decision: 'deny' }) });
    await refresh(site, 'x');                                     // each of these
    await authorize(site, { client_id: 'nobody' });
    await refresh(site, 'x', { client_id: 'x","outcome":"refused","address":"192.0.2.9",' });
    await authorize(site, { code_challenge: pkce().challenge.slice(1) });
  });
  const all = lines.map(({ line }) => line);
  assert.equal(all.length, 9);
  assert.deepEqual(fail2banFinds(all), Array(4).fill('127.0.0.1'));
  const refused = lines.find(({ outcome }) => outcome === 'refused').line;
  assert.deepEqual(fail2banFinds([refused.replace('127.0.0.1', '2001:db8::7')]), ['2001:db8::7']);
  assert.deepEqual(fail2banFinds([`mcp.example.com mcp-authd[123]: ${refused}`]), ['127.0.0.1'], 'as the journal has it');
});
