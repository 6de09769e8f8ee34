// cdk-nag's AwsSolutions pack: no finding without an explanation.
import { App, Validations } from 'aws-cdk-lib';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { AwsSolutionsChecks } from 'cdk-nag';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from '../lib/app.ts';
import { full, KINDS } from './synth.ts';

for (const kind of KINDS)
  test(`no finding is left, and each accepted one has a reason: ${kind}`, () => {
    const [nag] = full(kind).report.pluginReports.filter((r) => r.pluginName === 'AwsSolutions');
    assert.ok(nag);
    assert.equal(nag.conclusion, 'success');
    assert.deepEqual(nag.violations, []);
    for (const { ruleName, reason } of nag.suppressedViolations ?? []) assert.ok(reason.length > 20, ruleName);
  });

test('a finding that nobody explained fails the synthesis', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'mcp-authd-nag-'));
  const app = new App({ outdir, analyticsReporting: false });

  new Topic(build(app), 'TopicWithoutTls');
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  assert.throws(() => app.synth(), /[Vv]alidation failed/);
  rmSync(outdir, { recursive: true });
});
