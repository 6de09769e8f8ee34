// `mcp-authd doctor`, run with --json and without, which must agree.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { BINARY, writeConfig } from './daemon.mjs';
import { NAME, oneOfMany, SITES } from './one-of-many.mjs';
import { start } from './process.mjs';
import { until } from './util.mjs';

// doctor looks at the web servers of all of the host, and other files of tests run at the same time. Nobody else of them runs it, or has a
// web server for it, while this lasts.
let isAlone = false;
export async function alone(work) {
  if (isAlone) return work();
  const lock = net.createServer();
  await until('the host', async () => {
    lock.listen('\0mcp-authd-doctor');
    return once(lock, 'listening').then(() => true, () => false);
  }, { deadlineMs: 120000 });
  isAlone = true;
  try {
    return await work();
  } finally {
    isAlone = false;
    lock.close();
  }
}

let runs = 0;
// With the site's configuration and more; gives back the exit status and the findings by name. `secret` must not be said.
export async function runDoctor(site, { config = {}, env = {}, secret } = {}) {
  const dir = path.join(site.dir, `doctor/${runs += 1}`);
  fs.mkdirSync(path.join(dir, 'sites.d'), { recursive: true });
  const file = path.join(dir, 'mcp-authd.conf');
  const keys = { ...site.keys, ...config };
  writeConfig(file, SITES ? oneOfMany({ dir, keys }).host : keys);
  const run = async (...flags) => {
    const child = start(BINARY, ['doctor', '-c', file, ...(SITES ? ['--site', NAME] : []), ...flags], { env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env } });
    const { code } = await child.ended;
    return { code, output: child.output };
  };
  const [plain, json] = await alone(async () => [await run(), await run('--json')]);
  const report = JSON.parse(json.output);
  assert.equal(plain.code, json.code, `${plain.output}\n${json.output}`);
  assert.equal(['ok', 'warn', 'fail'].indexOf(report.status), json.code, json.output);
  assert.deepEqual(plain.output.trim().split('\n').filter((line) => line !== `site ${NAME}`).map((line) => line.split(/ {2,}/).slice(0, 2)),
    report.checks.map(({ status, check }) => [status, check]));
  for (const { status, text, advice } of report.checks) {
    assert.ok(text.length > 0);
    if (status === 'ok') assert.equal(advice, undefined);
  }
  if (secret) assert.ok(!json.output.includes(secret));
  const of = (check) => report.checks.find((each) => each.check === check);
  return { code: json.code, checks: report.checks, of, output: json.output };
}

export function assertFails(report, check, text, advice) {
  assert.equal(report.code, 2, report.output);
  assert.equal(report.of(check)?.status, 'fail', report.output);
  assert.match(report.of(check).text, text);
  assert.match(report.of(check).advice, advice);
}

// As on a server: the socket belongs to the web server's group, whichever of the two runs.
export function letWebServerIn({ dir, keys }) {
  if (process.getuid() !== 0) return;
  fs.chmodSync(dir, 0o711);
  execFileSync('chgrp', ['www-data', keys.LISTEN]);
}
