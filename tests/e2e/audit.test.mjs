// The audit log of logins and of calls, and the fail2ban filter that reads it.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { auditLines } from '../parts/audit.mjs';
import { Browser } from '../parts/browser.mjs';
import { modern } from '../parts/mcp.mjs';
import { authorize, authorizeUrl, login, pkce, redeem, refresh, token } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { taskClient, toolFolder } from '../parts/tasks.mjs';
import { ROOT, until } from '../parts/util.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

// Leaves a line in the audit log, and waits until we have read it: gives the length of the log up to it, and after it.
let markers = 0;
async function mark() {
  const client_id = `marker-${markers += 1}`;
  await refresh(site, 'x', { client_id });
  const [line, at] = await until('the marker', () => {
    const match = new RegExp(`^.*"client":"${client_id}"}\n`, 'm').exec(site.daemon.log);
    return match && [match[0], match.index];
  });
  return { before: at, after: at + line.length };
}

// What `body` leaves in the audit log. A line is written before its answer, so whatever comes between the markers is all.
async function audited(body) {
  const { after: from } = await mark();
  const result = await body();
  const { before: to } = await mark();
  return { result, lines: auditLines(site.daemon.log.slice(from, to)) };
}

const echo = async (on, text) => modern(on, await on.cognito.accessToken(), 'tools/call', { name: 'echo', arguments: { text } });
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
    assert.equal((await echo(logged, 'x')).status, 200);
    await refresh(logged, 'x');
    assert.deepEqual(brief(auditLines(fs.readFileSync(file, 'utf8'))), ['refresh refused'], 'no calls, unless wanted');
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
  const logged = await startSite({ config: { AUDIT_LOG: '/dev/full', AUDIT_EVENTS: 'logins calls' } });
  try {
    for (let i = 0; i < 2; i += 1) assert.equal((await refresh(logged, 'x')).status, 400);
    assert.equal((await echo(logged, 'x')).body.result.content[0].text, 'x');
    await until('the error', () => /event=audit_not_written why="No space left on device"/.test(logged.daemon.log));
    await until('the count', () => sum(logged.daemon.log) === 3);
  } finally {
    await logged.close();
  }
});

const sum = (log) => [...log.matchAll(/event=lines_lost output=audit lines=(\d+)/g)].reduce((n, [, lines]) => n + Number(lines), 0);

// --- calls

const SECRET = 'never-in-the-audit-log';
const digest = (text) => `sha256:${crypto.createHash('sha256').update(text).digest('hex')}`;

async function withCalls(config, body) {
  const tools = toolFolder('mcp-authd-audit-');
  const file = tools.file('audit.log');
  tools.tool('ok', `echo ${SECRET}`, { task: undefined });
  tools.tool('fail', `echo ${SECRET}; exit 3`, { task: undefined });
  tools.tool('admin', 'echo', { task: undefined, scopes: ['mcp-server/admin'] });
  tools.tool('long', `echo ${SECRET}`);
  const logged = await startSite({ config: { AUDIT_LOG: file, TOOLS_DIR: tools.dir, ...config } });
  const lines = () => auditLines(fs.readFileSync(file, 'utf8'));
  try {
    await body(logged, lines, taskClient(logged, await logged.cognito.accessToken({ sub: 'alice-sub', username: 'alice' })));
  } finally {
    await logged.close();
    tools.remove();
  }
}

test('AUDIT_EVENTS with calls: who called what, and how it ended; the fail2ban filter bans nobody for it', async () => {
  await withCalls({ AUDIT_EVENTS: 'logins calls', RATE_LIMIT_USER: '4' }, async (logged, lines, alice) => {
    await refresh(logged, 'x');
    await alice.call('echo', { text: SECRET });
    await alice.call('ok', { x: SECRET });
    await alice.call('fail', { x: SECRET });
    await alice.call('none', { x: SECRET });
    await alice.call('echo', { text: [SECRET] });
    assert.equal((await alice.call('admin', { x: SECRET })).status, 403);
    const calls = lines();
    assert.deepEqual(calls.map(({ audit, tool, outcome }) => [audit, tool, outcome].join(' ')), ['refresh  refused',
      'tool_call echo ok', 'tool_call ok ok', 'tool_call fail exit_status', 'tool_call none unknown_tool',
      'tool_call echo bad_arguments', 'tool_call admin insufficient_scope']);
    for (const each of calls.slice(1)) {
      assert.deepEqual(Object.keys(each).slice(0, 5), ['audit', 'ts', 'outcome', 'address', 'request']);
      const { address, client, subject, username } = each;
      assert.deepEqual({ address, client, subject, username },
        { address: '127.0.0.1', client: logged.cognito.clientId, subject: 'alice-sub', username: 'alice' });
      assert.ok(Number.isInteger(each.ms) && each.ms >= 0);
      assert.equal(each.arguments, undefined);
    }
    assert.equal(calls[4].reason, 'Unknown tool: none');
    assert.match(calls[6].reason, /scope/);
    assert.deepEqual(fail2banFinds(calls.map(({ line }) => line)), ['127.0.0.1'], 'the refresh');

    const id = await alice.start('long', { x: SECRET });
    const run = await until('the end of the task', () => lines().find(({ audit }) => audit === 'task_run'));
    const began = lines().find(({ outcome }) => outcome === 'task');
    for (const each of [run, began]) assert.deepEqual([each.task, each.tool, each.subject], [id, 'long', 'alice-sub']);
    assert.equal(run.outcome, 'ok');

    await until('the limit', async () => (await alice.call('ok')).status === 429);
    assert.equal(lines().at(-1).outcome, 'limited');
    assert.match(lines().at(-1).reason, /too many calls/);
    assert.ok(!lines().some(({ line }) => line.includes(SECRET)), 'neither arguments nor results');
  });
});

test('AUDIT_ARGUMENTS=digest: the same arguments have the same digest, as jq and sha256sum make it', async () => {
  await withCalls({ AUDIT_EVENTS: 'calls', AUDIT_ARGUMENTS: 'digest' }, async (logged, lines, alice) => {
    await refresh(logged, 'x'); // has no line
    await alice.call('ok', { b: [1, { z: null, y: 'é' }], a: SECRET });
    await alice.call('ok', { a: SECRET, b: [1, { y: 'é', z: null }] });
    await alice.call('none', { a: SECRET });
    const id = await alice.start('long', { a: SECRET });
    await until('the end of the task', () => lines().find(({ audit, task }) => audit === 'task_run' && task === id));
    const canonical = execFileSync('jq', ['-cSj', '.'], { input: `{"b": [1, {"z": null, "y": "é"}], "a": "${SECRET}"}` });
    const other = digest(`{"a":"${SECRET}"}`);
    assert.deepEqual(lines().filter(({ tool }) => tool !== 'long').map((line) => line.arguments), [digest(canonical), digest(canonical), other]);
    assert.equal(lines().find(({ task, audit }) => task === id && audit === 'tool_call').arguments, other);
    assert.ok(!lines().some(({ line }) => line.includes(SECRET)));
  });
});

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
