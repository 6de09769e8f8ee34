// -c tasks=yes: the table of tasks, and its one user.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONTEXTS, KINDS, of, synthesize } from './synth.ts';

const TABLE = 'AWS::DynamoDB::Table';

for (const kind of KINDS) {
  const prod = kind.startsWith('prod');
  const { template, report } = synthesize({ ...CONTEXTS[kind], tasks: 'yes' });
  const [id, table] = Object.entries(template.findResources(TABLE)).find(([, t]) => t.Properties.TableName === 'mcp-auth-tasks') ?? assert.fail();

  describe(`tasks (${kind})`, () => {
    test('テーブル名: mcp-auth-tasks; パーティションキー: taskId (String)', () => {
      assert.deepEqual(table.Properties.KeySchema, [{ AttributeName: 'taskId', KeyType: 'HASH' }]);
      assert.deepEqual(table.Properties.AttributeDefinitions, [{ AttributeName: 'taskId', AttributeType: 'S' }]);
    });
    test('課金モード: オンデマンド; TTL属性: ttl', () => {
      assert.equal(table.Properties.BillingMode, 'PAY_PER_REQUEST');
      assert.deepEqual(table.Properties.TimeToLiveSpecification, { AttributeName: 'ttl', Enabled: true });
    });
    test(`削除ポリシー: ${prod ? 'RETAIN' : 'DESTROY'}; recovery as the stage has it`, () => {
      assert.equal(table.DeletionPolicy, prod ? 'Retain' : 'Delete');
      assert.equal(table.Properties.DeletionProtectionEnabled, prod);
      assert.deepEqual(table.Properties.PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: prod });
    });
    test('IAM: the mcp group has three actions on this table, the others none', () => {
      const policies = Object.values(template.findResources('AWS::IAM::ManagedPolicy')).map((p) => p.Properties);
      const onTable = policies.filter((p) => JSON.stringify(p.PolicyDocument).includes(`"${id}"`));
      assert.deepEqual(onTable.map((p) => p.ManagedPolicyName), ['mcp-authd-mcp']);
      assert.deepEqual(onTable[0]!.PolicyDocument.Statement, [{ Effect: 'Allow', Resource: { 'Fn::GetAtt': [id, 'Arn'] },
        Action: ['dynamodb:PutItem', 'dynamodb:GetItem', 'dynamodb:UpdateItem'] }]);
    });
    test('the program is told of it', () => {
      assert.deepEqual(template.toJSON().Outputs.TaskTableName.Value, { Ref: id });
      const parameter = Object.values(template.findResources('AWS::SSM::Parameter'))
        .find((p) => p.Properties.Name === `/mcp-authd/${prod ? 'prod' : 'dev'}/TASK_TABLE_NAME`);
      assert.deepEqual(parameter?.Properties.Value, kind === 'dev' ? undefined : { Ref: id });
    });
    test('DynamoDBのスロットルが発生した場合', () => {
      const alarm = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((a) => a.Properties)
        .find((a) => a.AlarmName === 'mcp-authd-TaskTableThrottled') ?? assert.fail();
      const stats = alarm.Metrics.filter((m: any) => m.MetricStat).map((m: any) => m.MetricStat.Metric);
      assert.deepEqual(stats.map((m: any) => [m.Namespace, m.MetricName, ...m.Dimensions.map((d: any) => d.Value)]),
        ['PutItem', 'GetItem', 'UpdateItem'].map((operation) => ['AWS/DynamoDB', 'ThrottledRequests', operation, { Ref: id }]));
    });
    test('cdk-nag finds nothing that is not explained', () => {
      const nag = report.pluginReports.find((r) => r.pluginName === 'AwsSolutions');
      assert.deepEqual([nag?.conclusion, nag?.violations], ['success', []]);
    });
    test('a host that runs all groups has its policy too', () => {
      const role = Object.values(template.findResources('AWS::IAM::Role')).find((r) => r.Properties.Description?.startsWith('mcp-authd hosts'));
      const [policy] = Object.entries(template.findResources('AWS::IAM::ManagedPolicy')).find(([, p]) => p.Properties.ManagedPolicyName === 'mcp-authd-mcp') ?? assert.fail();
      const has = role?.Properties.ManagedPolicyArns.some((arn: unknown) => JSON.stringify(arn) === JSON.stringify({ Ref: policy }));
      assert.equal(has, kind.endsWith('with hosts') ? true : undefined);
    });
    if (!kind.endsWith('with hosts'))
      test('all else is as without it, but for the dashboard, which shows the alarm', () => {
        const without = <T>(all: Record<string, T>, added: RegExp): Record<string, T> =>
          Object.fromEntries(Object.entries(all).filter(([name]) => !added.test(name)));
        const added = /^(McpAuthTasks|McpPolicy|TaskTableThrottled|ParameterTASKTABLENAME|Dashboard)/;
        const [plain, all] = [of(kind).toJSON(), template.toJSON()];
        assert.deepEqual({ ...all, Resources: without(all.Resources, added), Outputs: without(all.Outputs, /^TaskTableName$/) },
          { ...plain, Resources: without(plain.Resources, /^Dashboard/) });
      });
  });
}

test('off unless it is asked for', () => {
  for (const kind of KINDS) of(kind).resourceCountIs(TABLE, 1);
  assert.throws(() => synthesize({ tasks: '1' }), /tasks must be yes or no/);
});
