// -c backups=DAYS: nightly backups of the tables; and the commands of docs/backup.md.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CONTEXTS, KINDS, of, only, synthesize } from './synth.ts';

for (const kind of ['dev', 'prod'] as const) {
  const { template, report } = synthesize({ ...CONTEXTS[kind], tasks: 'yes', backups: '35' });

  describe(`backups (${kind})`, () => {
    test('オンデマンドバックアップを定期的に作成: each table, every night, for so many days', () => {
      const plan = only(template, 'AWS::Backup::BackupPlan')[1].BackupPlan;
      assert.deepEqual(plan.BackupPlanRule.map((rule: any) => [rule.ScheduleExpression, rule.Lifecycle]), [['cron(0 3 * * ? *)', { DeleteAfterDays: 35 }]]);
      const tables = Object.keys(template.findResources('AWS::DynamoDB::Table'));
      const chosen = JSON.stringify(only(template, 'AWS::Backup::BackupSelection')[1].BackupSelection.Resources);
      assert.equal(tables.length, 2);
      for (const table of tables) assert.ok(chosen.includes(`"${table}"`), table);
    });
    test('the vault stays with the stage', () => {
      const [vault] = Object.values(template.findResources('AWS::Backup::BackupVault'));
      assert.equal(vault!.DeletionPolicy, kind === 'prod' ? 'Retain' : 'Delete');
    });
    test('cdk-nag finds nothing that is not explained', () => {
      const nag = report.pluginReports.find((r) => r.pluginName === 'AwsSolutions');
      assert.deepEqual([nag?.conclusion, nag?.violations], ['success', []]);
    });
  });
}

test('off unless it is asked for', () => {
  for (const kind of KINDS) of(kind).resourceCountIs('AWS::Backup::BackupPlan', 0);
  for (const backups of ['-1', '3651', 'yes', '1.5']) assert.throws(() => synthesize({ backups }), /backups must be a number of days/);
  synthesize({ backups: '3650' });
});

// What the command line tool prints for each command of the document, in the form that the command asks for.
const AWS = `#!/bin/sh
echo "$*" >>"$0.calls"
case "$*" in
"cognito-idp list-users "*) echo '{"Users": [{"Username": "alice"}]}' ;;
"ssm get-parameters-by-path "*) printf '/mcp-authd/prod/COGNITO_REGION\\teu-west-1\\n/mcp-authd/prod/SUPPORTED_SCOPES\\topenid email\\n' ;;
"secretsmanager get-secret-value "*) echo ${'k'.repeat(42)} ;;
"dynamodb list-backups --table-name "*) printf 'arn:%s/one\\tarn:%s/two\\n' "$4" "$4" ;;
esac
`;

test('docs/backup.md: its commands keep tables, users, parameters and the sealing key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-authd-backup-'));
  try {
    const block = /```sh\n([^]*?)```/.exec(readFileSync(new URL('../../docs/backup.md', import.meta.url), 'utf8'))![1]!;
    writeFileSync(join(folder, 'aws'), AWS);
    chmodSync(join(folder, 'aws'), 0o755);
    execFileSync('sh', ['-eu', '-c', block], { cwd: folder, env: { PATH: `${folder}:${process.env.PATH}`, POOL: 'eu-west-1_AbCdEfGhI' } });

    const calls = readFileSync(join(folder, 'aws.calls'), 'utf8').trim().split('\n');
    const [stamp] = readdirSync(folder).filter((name) => name.startsWith('users-')).map((name) => /\d+/.exec(name)![0]);
    for (const table of ['mcp-auth-sessions', 'mcp-auth-tasks'])
      assert.ok(calls.includes(`dynamodb create-backup --table-name ${table} --backup-name ${table}-${stamp}`), calls.join('\n'));
    assert.deepEqual(calls.filter((call) => call.includes('delete-backup')), ['sessions', 'tasks'].flatMap((name) =>
      ['one', 'two'].map((backup) => `dynamodb delete-backup --backup-arn arn:mcp-auth-${name}/${backup}`)));
    const kept = { [`users-${stamp}.json`]: '{"Users": [{"Username": "alice"}]}\n',
      [`mcp-authd-${stamp}.conf`]: 'COGNITO_REGION=eu-west-1\nSUPPORTED_SCOPES=openid email\n', [`secret-${stamp}.key`]: `${'k'.repeat(42)}A\n` };
    for (const [name, content] of Object.entries(kept)) {
      assert.equal(readFileSync(join(folder, name), 'utf8'), content, name);
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
