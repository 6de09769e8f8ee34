// The document's section on moving to production, and what may be set.
import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONTEXTS, of, only, synthesize } from './synth.ts';

const prod = of('prod');
const TABLE = 'AWS::DynamoDB::Table';

describe('本番環境への移行', () => {
  test('1. 削除ポリシーの変更: RETAIN', () => {
    for (const type of [TABLE, 'AWS::Cognito::UserPool', 'AWS::SecretsManager::Secret'])
      prod.hasResource(type, { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    prod.hasResourceProperties(TABLE, { DeletionProtectionEnabled: true });
    prod.hasResourceProperties('AWS::Cognito::UserPool', { DeletionProtection: 'ACTIVE' });
  });
  test('2. ログ保持期間の延長: ONE_MONTH', () => {
    for (const { Properties } of Object.values(prod.findResources('AWS::Logs::LogGroup')))
      assert.equal(Properties.RetentionInDays, 30);
  });
  test('3. DynamoDBのバックアップ有効化: pointInTimeRecovery: true', () => {
    prod.hasResourceProperties(TABLE, { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } });
    of('dev').hasResourceProperties(TABLE, { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: false } });
  });
  test('4. CORSの制限', () => {
    const parameter = (template: typeof prod) => Object.values(template.findResources('AWS::SSM::Parameter'))
      .find((p) => p.Properties.Name.endsWith('/ALLOWED_ORIGINS'))?.Properties.Value;
    assert.equal(parameter(of('dev with hosts')), '*');
    assert.equal(parameter(prod), undefined); // the service's own origin only
    const named = synthesize({ ...CONTEXTS.prod, allowedOrigins: 'https://your-domain.com' }).template;
    assert.equal(parameter(named), 'https://your-domain.com');
    assert.throws(() => synthesize({ ...CONTEXTS.prod, allowedOrigins: '*' }), /prod does not allow every origin/);
  });
  test('5. カスタムドメインの設定: Cognito', () => {
    prod.hasResourceProperties('AWS::Cognito::UserPoolDomain', {
      Domain: 'login.example.com',
      CustomDomainConfig: { CertificateArn: CONTEXTS.prod.authCertificateArn },
    });
    of('prod with hosts').hasResourceProperties('AWS::Route53::RecordSet', {
      Name: 'login.example.com.',
      AliasTarget: { DNSName: { 'Fn::GetAtt': [Match.anyValue(), 'CloudFrontDistribution'] } },
    });
  });
  test('5. カスタムドメインの設定: API', () =>
    of('prod with hosts').hasResourceProperties('AWS::Route53::RecordSet', {
      Name: 'mcp.example.com.',
      AliasTarget: { DNSName: Match.objectLike({ 'Fn::Join': Match.anyValue() }) },
    }));
  test('6. SNSトピックで通知を受信', () =>
    prod.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'operations@example.com',
      TopicArn: { Ref: only(prod, 'AWS::SNS::Topic')[0] },
    }));
  test('7. AWS Systems Manager Parameter Storeを使用', () => {
    const parameters = Object.values(prod.findResources('AWS::SSM::Parameter'));
    const names = parameters.map((p) => p.Properties.Name);
    for (const key of ['MCP_SERVER_URI', 'AUTH_PROXY_URI', 'COGNITO_REGION', 'COGNITO_USER_POOL_ID',
      'COGNITO_CLIENT_ID', 'COGNITO_DOMAIN', 'SUPPORTED_SCOPES', 'SESSION_TABLE_NAME'])
      assert.ok(names.includes(`/mcp-authd/prod/${key}`), key);
  });
  test('7. AWS Secrets Managerで機密情報を管理', () =>
    prod.hasResourceProperties('AWS::SecretsManager::Secret', {
      Name: 'mcp-authd/prod/sealing-key',
      GenerateSecretString: { PasswordLength: 42, ExcludePunctuation: true },
    }));
});

test('コールバックURL: those on localhost can be left out', () => {
  const urls = (context: Record<string, string>) =>
    only(synthesize(context).template, 'AWS::Cognito::UserPoolClient')[1].CallbackURLs;
  assert.deepEqual(urls({ ...CONTEXTS.prod, localhostCallbacks: 'no' }), ['https://mcp.example.com/callback']);
  assert.deepEqual(urls({ ...CONTEXTS.prod, localhostCallbacks: 'yes' }), only(prod, 'AWS::Cognito::UserPoolClient')[1].CallbackURLs);
});

describe('settings', () => {
  const refused = (context: Record<string, string>, message: RegExp) =>
    assert.throws(() => synthesize(context), message);

  test('an unknown stage is refused', () => refused({ stage: 'staging' }, /stage must be dev or prod/));
  test('localhostCallbacks is yes or no', () => refused({ localhostCallbacks: 'some' }, /localhostCallbacks must be yes or no/));
  test('prod says all that it needs at once', () => {
    for (const key of ['domain', 'authDomain', 'alarmEmail'])
      refused({ stage: 'prod' }, new RegExp(`prod needs -c ${key}=`));
  });
  test('hosts need https and a package', () => {
    refused({ hosts: '1' }, /hosts need -c domain=/);
    refused({ hosts: '1' }, /hosts need -c deb=FILE/);
    refused({ hosts: '1' }, /hosts need -c certificateArn=/);
    refused({ hosts: 'many' }, /hosts must be a number/);
  });
  test("a certificate that Cognito would refuse is refused here", () =>
    refused({ ...CONTEXTS.prod, authCertificateArn: 'arn:aws:acm:eu-west-1:111122223333:certificate/x' }, /us-east-1/));
  test('a domain outside of its zone is refused', () =>
    refused({ domain: 'mcp.example.org', zoneId: 'Z1', zoneName: 'example.com' }, /must be in the zone/));
});
