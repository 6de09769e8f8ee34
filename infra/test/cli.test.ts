// `npx cdk` works with the library that is pinned beside it: the two are released apart, and a library can be too new.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

test('the command line tool reads what the library writes', () => {
  const infra = join(import.meta.dirname, '..');
  const out = mkdtempSync(join(tmpdir(), 'mcp-authd-cdk-'));
  const { status, stdout, stderr } = spawnSync(process.execPath,
    [join(infra, 'node_modules/aws-cdk/bin/cdk'), 'synth', '--quiet', '--no-notices', '--no-version-reporting',
      '--app', `${process.execPath} bin/app.ts`, '--output', join(out, 'cdk.out')],
    { cwd: infra, encoding: 'utf8', env: { PATH: process.env.PATH, HOME: out, CI: '1', CDK_DISABLE_CLI_TELEMETRY: 'true' } });
  const made = existsSync(join(out, 'cdk.out/AuthenticatedMcpStack.template.json'));
  rmSync(out, { recursive: true });
  assert.equal(status, 0, stdout + stderr);
  assert.ok(made);
});
