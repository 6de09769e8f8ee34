// docs/infrastructure.md and docs/infrastructure.ja.md say the same, and what they say is so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { GROUPS } from '../lib/endpoints.ts';
import { KEYS } from '../lib/settings.ts';
import { LOG_GROUPS } from '../lib/monitoring.ts';
import { of, only } from './synth.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const texts = { en: read('docs/infrastructure.md'), ja: read('docs/infrastructure.ja.md') };
const prose = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, '');
const spans = (text: string): string[] => [...new Set([...prose(text).matchAll(/`([^`]+)`/g)].map((m) => m[1]!))].sort();
const tables = (text: string): string[][] => text.split('\n').filter((line) => /^\|[^-]/.test(line)).map((line) => line.split('|').slice(1, -1).map((c) => c.trim()));
const section = (text: string, number: string): string => {
  const from = text.indexOf(`# ${number} `);
  assert.ok(from > 0, number);
  return text.slice(from, text.indexOf('\n#', from));
};

describe('the two languages', () => {
  test('have the same sections', () => {
    const count = (text: string): number => text.split('\n').filter((line) => /^## /.test(line)).length;
    const numbers = (text: string): string[] => [...text.matchAll(/^#{3,4} (\d[\d.]*) /gm)].map((m) => m[1]!);
    assert.equal(count(texts.en), count(texts.ja));
    assert.deepEqual(numbers(texts.en), numbers(texts.ja));
  });
  test('name the same keys, paths, commands and resources', () => assert.deepEqual(spans(texts.en), spans(texts.ja)));
  test('show the same commands', () => {
    const commands = (text: string): string => /^```\n(cd infra[^]*?)^```$/m.exec(text)![1]!;
    assert.equal(commands(texts.en), commands(texts.ja));
  });
});

for (const [language, text] of Object.entries(texts))
  describe(`docs/infrastructure ${language}`, () => {
    test('has every setting, and no other', () => {
      const settings = tables(text).flatMap(([first]) => [...first!.matchAll(/`(\w+)(?==|`)/g)].map((m) => m[1]!));
      assert.deepEqual(settings.filter((name) => (KEYS as readonly string[]).includes(name)).sort(), [...KEYS].sort());
    });
    test('スタック出力: the keys and export names of the stack', () => {
      const made = Object.entries(of('prod').toJSON().Outputs as Record<string, any>).map(([key, o]) => [key, o.Export.Name]);
      const said = tables(text).filter((cells) => /^Mcp\w+$/.test(cells[2] ?? '')).map((cells) => [cells[0], cells[2]]);
      assert.deepEqual(said.sort(), made.sort());
    });
    test('5. ロググループ: those of the stack', () => {
      const said = [...section(text, '5.').matchAll(/`(\/mcp-authd\/\w+)`/g)].map((m) => m[1]);
      assert.deepEqual([...new Set(said)].sort(), LOG_GROUPS.map((name) => `/mcp-authd/${name}`).sort());
    });
    for (const [i, keys] of [['SESSION_TABLE_NAME', 'COGNITO_DOMAIN', 'COGNITO_CLIENT_ID', 'COGNITO_REGION'], undefined,
      ['MCP_SERVER_URI', 'AUTH_PROXY_URI', 'SUPPORTED_SCOPES'],
      ['MCP_SERVER_URI', 'COGNITO_USER_POOL_ID', 'COGNITO_REGION', 'COGNITO_CLIENT_ID']].entries())
      test(`3.${i + 1} 環境変数 of ${GROUPS[i]}: keys of the program`, () => {
        const known = new Set([...read('conf/mcp-authd.conf').matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map((m) => m[1]));
        for (const key of keys ?? []) {
          assert.ok(known.has(key), key);
          assert.ok(section(text, `3.${i + 1}`).includes(`\`${key}\``), key);
        }
        if (!keys) assert.match(section(text, `3.${i + 1}`), /the same|authorizeと同じ/);
      });
    test('3.1 to 3.4 アクション: those of the policies', () => {
      const [authorize, token] = ['3.1', '3.2'].map((number) => section(text, number));
      assert.match(authorize!, /DynamoDB:? PutItem, UpdateItem/);
      assert.match(token!, /DynamoDB:? GetItem, DeleteItem/);
    });
    test('4. エンドポイント: the routes of the program', () => {
      const routes = read('src/app/routes.c') + read('src/oauth/endpoints.h');
      const said = [...section(text, '4.').matchAll(/`(?:GET|POST) (\/[^`]+)`/g)].map((m) => m[1]!);
      assert.ok(said.length >= 7);
      for (const path of said)
        assert.ok(routes.includes(path.split('/').at(-1)!), path);
    });
  });

test('docs/cognito.md makes by hand what the stack makes', () => {
  const text = read('docs/cognito.md').replaceAll('\\\n', ' ');
  const client = only(of('prod'), 'AWS::Cognito::UserPoolClient')[1];
  const pool = only(of('prod'), 'AWS::Cognito::UserPool')[1];
  const flag = (name: string): string => new RegExp(`--${name} ('[^']*'|(?:(?!--)\\S+ ?)+)`).exec(text)?.[1]?.replaceAll("'", '').trim() ?? assert.fail(name);
  const units = client.TokenValidityUnits;

  assert.equal(flag('pool-name'), pool.UserPoolName);
  assert.equal(flag('user-pool-tier'), pool.UserPoolTier);
  assert.equal(flag('alias-attributes'), pool.AliasAttributes.join(' '));
  assert.equal(flag('auto-verified-attributes'), pool.AutoVerifiedAttributes.join(' '));
  for (const [name, value] of Object.entries(pool.Policies.PasswordPolicy)) assert.ok(flag('policies').includes(`${name}=${value}`), name);
  assert.equal(flag('identifier'), only(of('prod'), 'AWS::Cognito::UserPoolResourceServer')[1].Identifier);
  assert.equal(flag('allowed-o-auth-flows'), client.AllowedOAuthFlows.join(' '));
  assert.equal(flag('allowed-o-auth-scopes'), 'openid email profile mcp-server/tools');
  assert.equal(flag('supported-identity-providers'), client.SupportedIdentityProviders.join(' '));
  assert.equal(flag('callback-urls'), client.CallbackURLs[0]);
  assert.deepEqual([client.AccessTokenValidity, client.IdTokenValidity, client.RefreshTokenValidity, units],
    [60, 60, 43200, { AccessToken: 'minutes', IdToken: 'minutes', RefreshToken: 'minutes' }]); // 1 hour, 1 hour, 30 days
  assert.deepEqual([flag('access-token-validity'), flag('id-token-validity'), flag('refresh-token-validity'), flag('token-validity-units')],
    ['1', '1', '30', 'AccessToken=hours,IdToken=hours,RefreshToken=days']);
  assert.equal(flag('refresh-token-rotation'), `Feature=${client.RefreshTokenRotation.Feature},RetryGracePeriodSeconds=${client.RefreshTokenRotation.RetryGracePeriodSeconds}`);
  assert.equal(flag('managed-login-version'), String(Object.values(of('prod').findResources('AWS::Cognito::UserPoolDomain'))[0]!.Properties.ManagedLoginVersion));
  assert.ok(text.includes('--no-generate-secret') && text.includes('--use-cognito-provided-values'));
});

test('概要: Lambda and API Gateway have gone, everything else of the document is there', () => {
  for (const kind of ['dev', 'prod', 'dev with hosts', 'prod with hosts'] as const) {
    const types = Object.values(of(kind).toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
    assert.deepEqual(types.filter((type) => /^AWS::(Lambda|ApiGateway)|^Custom::/.test(type)), []);
    for (const service of ['Cognito', 'DynamoDB', 'IAM', 'CloudWatch', 'Logs'])
      assert.ok(types.some((type) => type.startsWith(`AWS::${service}::`)), `${kind}: ${service}`);
  }
});
