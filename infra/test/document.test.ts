// Every line of the infrastructure document that says how something has to be; each test is named after its line.
import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GROUPS } from '../lib/endpoints.ts';
import { KINDS, of, only } from './synth.ts';

const POOL = 'AWS::Cognito::UserPool';
const CLIENT = 'AWS::Cognito::UserPoolClient';
const DOMAIN = 'AWS::Cognito::UserPoolDomain';
const TABLE = 'AWS::DynamoDB::Table';

for (const kind of KINDS) {
  const template = of(kind);
  const prod = kind.startsWith('prod');
  const policy = only(template, POOL)[1].Policies.PasswordPolicy;
  const client = only(template, CLIENT)[1];

  describe(`1. Amazon Cognito User Pool (${kind})`, () => {
    test('リソース名: McpUserPool', () => template.hasResourceProperties(POOL, { UserPoolName: 'McpUserPool' }));
    test('サインアップ: 有効', () =>
      template.hasResourceProperties(POOL, { AdminCreateUserConfig: { AllowAdminCreateUserOnly: false } }));
    test('サインイン方法: Email、Username', () =>
      template.hasResourceProperties(POOL, { AliasAttributes: ['email'], UsernameAttributes: Match.absent() }));
    test('自動検証: Email', () => template.hasResourceProperties(POOL, { AutoVerifiedAttributes: ['email'] }));
    test('パスワードポリシー: 最小長: 8文字', () => assert.equal(policy.MinimumLength, 8));
    test('パスワードポリシー: 小文字、大文字、数字、記号を必須', () => {
      for (const kindOf of ['Lowercase', 'Uppercase', 'Numbers', 'Symbols'])
        assert.equal(policy[`Require${kindOf}`], true, kindOf);
    });
    test('アカウント復旧: Emailのみ', () =>
      template.hasResourceProperties(POOL, {
        AccountRecoverySetting: { RecoveryMechanisms: [{ Name: 'verified_email', Priority: 1 }] },
      }));

    test('ドメインプレフィックス: mcp-auth-{ACCOUNT_ID}', () =>
      template.hasResourceProperties(DOMAIN, {
        Domain: { 'Fn::Join': ['', ['mcp-auth-', { Ref: 'AWS::AccountId' }]] },
      }));
    test('Managed UI: 有効', () => {
      for (const { Properties } of Object.values(template.findResources(DOMAIN)))
        assert.equal(Properties.ManagedLoginVersion, 2);
      template.hasResourceProperties('AWS::Cognito::ManagedLoginBranding', {
        ClientId: { Ref: only(template, CLIENT)[0] },
        UseCognitoProvidedValues: true,
      });
    });

    test('クライアントタイプ: Public（シークレットなし）', () => assert.equal(client.GenerateSecret, false));
    test('OAuth 2.1フロー: Authorization Code Grant (PKCE必須)', () => {
      // A public client has nothing but PKCE, and no other way in: Cognito cannot demand it, the proxy always sends it.
      assert.equal(client.AllowedOAuthFlowsUserPoolClient, true);
      assert.deepEqual(client.AllowedOAuthFlows, ['code']);
      assert.deepEqual(client.ExplicitAuthFlows ?? [], []);
    });
    test('スコープ: openid, email, profile, mcp-server/tools', () => {
      const [server] = only(template, 'AWS::Cognito::UserPoolResourceServer');
      assert.deepEqual(client.AllowedOAuthScopes,
        ['openid', 'email', 'profile', { 'Fn::Join': ['', [{ Ref: server }, '/tools']] }]);
    });
    test('コールバックURL: http://localhost:3000/callback, https://localhost:3000/callback', () => {
      const own = kind === 'dev' ? 'http://localhost:8080/callback' : 'https://mcp.example.com/callback';
      const local = ['http://localhost:3000/callback', 'https://localhost:3000/callback'];
      // In both stages: the document's section on production does not take them away.
      assert.deepEqual(client.CallbackURLs, [own, ...local]);
    });
    test('Resource Server: 識別子: mcp-server, カスタムスコープ: tools', () =>
      template.hasResourceProperties('AWS::Cognito::UserPoolResourceServer', {
        Identifier: 'mcp-server',
        Scopes: [Match.objectLike({ ScopeName: 'tools' })],
      }));
  });

  describe(`2. Amazon DynamoDB (${kind})`, () => {
    test('テーブル名: mcp-auth-sessions', () =>
      template.hasResourceProperties(TABLE, { TableName: 'mcp-auth-sessions' }));
    test('パーティションキー: sessionId (String)', () =>
      template.hasResourceProperties(TABLE, {
        KeySchema: [{ AttributeName: 'sessionId', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'sessionId', AttributeType: 'S' }],
      }));
    test('課金モード: オンデマンド', () => template.hasResourceProperties(TABLE, { BillingMode: 'PAY_PER_REQUEST' }));
    test('TTL属性: ttl', () =>
      template.hasResourceProperties(TABLE, { TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true } }));
    if (!prod)
      test('削除ポリシー: DESTROY（開発用）', () =>
        template.hasResource(TABLE, { DeletionPolicy: 'Delete', UpdateReplacePolicy: 'Delete' }));
  });

  describe(`3. IAM権限 (${kind})`, () => {
    const [table] = only(template, TABLE);
    const statement = (actions: string[]) => [
      { Effect: 'Allow', Action: actions, Resource: { 'Fn::GetAtt': [table, 'Arn'] } },
    ];
    const named = (name: string) =>
      Object.values(template.findResources('AWS::IAM::ManagedPolicy'))
        .find((p) => p.Properties.ManagedPolicyName === name)?.Properties.PolicyDocument.Statement;

    test('3.1 Authorize: DynamoDB: PutItem, UpdateItem（セッションテーブル）', () =>
      assert.deepEqual(named('mcp-authd-authorize'), statement(['dynamodb:PutItem', 'dynamodb:UpdateItem'])));
    test('3.2 Token: DynamoDB: GetItem, DeleteItem（セッションテーブル）', () =>
      assert.deepEqual(named('mcp-authd-token'), statement(['dynamodb:GetItem', 'dynamodb:DeleteItem'])));
    test('Metadata Function: 権限不要; MCP Handler Function: 権限不要', () =>
      // IAM has no policy that allows nothing: there is none at all for these two.
      assert.equal(Object.keys(template.findResources('AWS::IAM::ManagedPolicy')).length, 2));
    test('最小権限の原則: no statement names a wildcard action or resource', () => {
      const documents = ['AWS::IAM::ManagedPolicy', 'AWS::IAM::Policy'].flatMap((type) =>
        Object.values(template.findResources(type)).map((p) => p.Properties.PolicyDocument));
      for (const { Action, Resource } of documents.flatMap((d) => d.Statement)) {
        assert.ok(![Action].flat().some((a: string) => a.includes('*')), JSON.stringify(Action));
        assert.ok(![Resource].flat().includes('*'), JSON.stringify(Action));
      }
    });
  });

  describe(`5. Amazon CloudWatch (${kind})`, () => {
    for (const group of GROUPS)
      test(`ロググループ ${group}; ログ保持期間: ${prod ? '30日（本番: ONE_MONTH）' : '7日'}`, () =>
        template.hasResource('AWS::Logs::LogGroup', {
          Properties: { LogGroupName: `/mcp-authd/${group}`, RetentionInDays: prod ? 30 : 7 },
          DeletionPolicy: prod ? 'Retain' : 'Delete',
        }));
    test('every log group is kept for as long, and no longer', () => {
      for (const { Properties } of Object.values(template.findResources('AWS::Logs::LogGroup')))
        assert.equal(Properties.RetentionInDays, prod ? 30 : 7);
    });
  });

  describe(`スタック出力 (${kind})`, () => {
    const origin = kind === 'dev' ? 'http://localhost:8080' : 'https://mcp.example.com';
    const expected: Record<string, [string, unknown]> = {
      UserPoolId: ['McpUserPoolId', { Ref: only(template, POOL)[0] }],
      UserPoolClientId: ['McpUserPoolClientId', { Ref: only(template, CLIENT)[0] }],
      UserPoolDomain: ['McpUserPoolDomain', undefined],
      CognitoManagedUIUrl: ['McpCognitoManagedUIUrl', undefined],
      AuthProxyApiUrl: ['McpAuthProxyApiUrl', origin],
      McpServerApiUrl: ['McpServerApiUrl', origin],
      AuthorizeEndpoint: ['McpAuthorizeEndpoint', `${origin}/authorize`],
      TokenEndpoint: ['McpTokenEndpoint', `${origin}/token`],
      ProtectedResourceMetadataEndpoint:
        ['McpProtectedResourceMetadataEndpoint', `${origin}/.well-known/oauth-protected-resource`],
      McpEndpoint: ['McpEndpoint', `${origin}/mcp`],
      SessionTableName: ['McpSessionTableName', { Ref: only(template, TABLE)[0] }],
    };
    const outputs = template.toJSON().Outputs;

    for (const [key, [exportName, value]] of Object.entries(expected))
      test(`${key} | ${exportName}`, () => {
        assert.equal(outputs[key].Export.Name, exportName);
        if (value) assert.deepEqual(outputs[key].Value, value);
      });
    test('UserPoolDomain and CognitoManagedUIUrl name the domain that users see', () => {
      const prefix = ['mcp-auth-', { Ref: 'AWS::AccountId' }];
      assert.deepEqual(outputs.UserPoolDomain.Value, prod ? 'login.example.com' : { 'Fn::Join': ['', prefix] });
      const url = outputs.CognitoManagedUIUrl.Value;
      if (prod) assert.equal(url, 'https://login.example.com');
      else assert.match(JSON.stringify(url), /^\{"Fn::Join":\["",\["https:\/\/",.*\.auth\..*"AWS::Region".*amazoncognito\.com/);
    });
    test('these eleven, in dev the origins too, and no other', () =>
      assert.deepEqual(Object.keys(outputs).sort(), [...Object.keys(expected), ...(prod ? [] : ['AllowedOrigins'])].sort()));
    test('CORS: すべてのオリジン: all origins in dev, and none but the service’s own in prod', () =>
      assert.equal(outputs.AllowedOrigins?.Value, prod ? undefined : '*'));
  });

  describe(`データ保護 (${kind})`, () => {
    const minutes = (value: number, unit: string) => value * { minutes: 1, hours: 60, days: 1440 }[unit]!;
    const units = client.TokenValidityUnits;

    test('Cognitoトークンは短命（デフォルト1時間）', () => {
      assert.equal(minutes(client.AccessTokenValidity, units.AccessToken), 60);
      assert.equal(minutes(client.IdTokenValidity, units.IdToken), 60);
    });
    test('リフレッシュトークンは長命（デフォルト30日）', () =>
      assert.equal(minutes(client.RefreshTokenValidity, units.RefreshToken), 30 * 1440));
    test('a refresh token is changed at each use, with a minute of grace', () => {
      assert.deepEqual(client.RefreshTokenRotation, { Feature: 'ENABLED', RetryGracePeriodSeconds: 60 });
      assert.equal(client.EnableTokenRevocation, true);
    });
  });

  describe(`推奨アラート (${kind})`, () => {
    const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((a) => a.Properties);
    const alarm = (name: string) => alarms.find((a) => a.AlarmName === `mcp-authd-${name}`) ?? assert.fail(name);
    const [topic] = only(template, 'AWS::SNS::Topic');

    for (const group of GROUPS) {
      const Group = group[0]!.toUpperCase() + group.slice(1);
      const dimensions = [{ Name: 'Endpoint', Value: group }];

      test(`1. エラー率が5%を超えた場合: ${group}`, () => {
        const a = alarm(`${Group}ErrorRate`);
        assert.deepEqual([a.Threshold, a.ComparisonOperator], [5, 'GreaterThanThreshold']);
        const [math, ...stats] = a.Metrics;
        assert.equal(math.Expression, 'IF(invocations > 0, 100 * errors / invocations, 0)');
        for (const s of stats) assert.deepEqual(s.MetricStat.Metric.Dimensions, dimensions);
        assert.deepEqual(stats.map((s: any) => `${s.Id}=${s.MetricStat.Metric.MetricName}/${s.MetricStat.Stat}`).sort(),
          ['errors=Errors/Sum', 'invocations=Invocations/Sum']);
      });
      test(`2. 5XXエラーが発生した場合: ${group}`, () => {
        const a = alarm(`${Group}5XX`);
        assert.deepEqual([a.MetricName, a.Statistic, a.Threshold, a.ComparisonOperator, a.Dimensions],
          ['5XXError', 'Sum', 0, 'GreaterThanThreshold', dimensions]);
      });
      test(`3. 実行時間が閾値を超えた場合: ${group}`, () => {
        const a = alarm(`${Group}Duration`);
        assert.deepEqual([a.MetricName, a.ExtendedStatistic, a.Dimensions], ['Duration', 'p99', dimensions]);
        assert.ok(a.Threshold > 0 && a.Threshold < (group === 'metadata' ? 10000 : 30000)); // the functions' timeouts
      });
    }
    test('4. DynamoDBのスロットルが発生した場合', () => {
      const a = alarm('SessionTableThrottled');
      const stats = a.Metrics.filter((m: any) => m.MetricStat).map((m: any) => m.MetricStat.Metric);
      assert.deepEqual([...new Set(stats.map((m: any) => `${m.Namespace} ${m.MetricName}`))],
        ['AWS/DynamoDB ThrottledRequests']);
      assert.deepEqual(stats.map((m: any) => m.Dimensions.find((d: any) => d.Name === 'Operation').Value).sort(),
        ['DeleteItem', 'GetItem', 'PutItem', 'UpdateItem']);
    });
    test('every alarm goes to the SNS topic', () => {
      for (const a of alarms) assert.deepEqual(a.AlarmActions, [{ Ref: topic }], a.AlarmName);
    });
    test('the dashboard shows the metrics that the document lists', () => {
      const body = JSON.stringify(only(template, 'AWS::CloudWatch::Dashboard')[1].DashboardBody);
      for (const name of ['Invocations', 'Errors', 'Duration', 'Throttles', 'Count', '4XXError', '5XXError', 'Latency',
        'ConsumedReadCapacityUnits', 'ConsumedWriteCapacityUnits', 'UserErrors'])
        assert.ok(body.includes(`\\"${name}\\"`), name);
    });
  });
}
