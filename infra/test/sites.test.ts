// -c sites=a,b: an app client, a resource server and a log stream for each site, and nothing else changes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { SITES_LOG_GROUP } from '../lib/sites.ts';
import { CONTEXTS, type Kind, KINDS, of, synthesize } from './synth.ts';

// The names of two of them differ in a sign that ids of CloudFormation cannot have.
const NAMES = ['acme', 'a-1', 'a1'];

for (const kind of KINDS.filter((each: Kind) => !each.endsWith('with hosts'))) {
  const { template, report } = synthesize({ ...CONTEXTS[kind], sites: NAMES.join(',') });
  const origin = kind === 'dev' ? 'http://localhost:8080' : 'https://mcp.example.com';
  const all = (type: string) => Object.entries(template.findResources(type)).map(([id, r]) => ({ id, ...r.Properties }) as any);

  describe(`sites (${kind})`, () => {
    test('each has an app client that knows its callback, its own scope and no other, with a style of its login pages', () => {
      for (const name of NAMES) {
        const server = all('AWS::Cognito::UserPoolResourceServer').find((each) => each.Identifier === name) ?? assert.fail(name);
        const clients = all('AWS::Cognito::UserPoolClient').filter((each) => each.CallbackURLs.includes(`${origin}/${name}/callback`));
        assert.equal(clients.length, 1);
        assert.deepEqual(clients[0].CallbackURLs, [`${origin}/${name}/callback`]);
        assert.deepEqual(clients[0].AllowedOAuthScopes, ['openid', 'email', 'profile', { 'Fn::Join': ['', [{ Ref: server.id }, '/tools']] }]);
        assert.equal(clients[0].GenerateSecret, false);
        assert.ok(all('AWS::Cognito::ManagedLoginBranding').some((each) => each.ClientId.Ref === clients[0].id));
        const output = Object.values(template.toJSON().Outputs as Record<string, any>).find((each) => each.Export.Name === `McpSite-${name}`);
        assert.deepEqual(output.Value, { 'Fn::Join': ['', [`${name} `, { Ref: clients[0].id }]] });
      }
    });
    test('each has a log stream', () => {
      const group = all('AWS::Logs::LogGroup').find((each) => each.LogGroupName === '/mcp-authd/sites') ?? assert.fail();
      assert.deepEqual(all('AWS::Logs::LogStream').map((each) => [each.LogGroupName.Ref, each.LogStreamName]), NAMES.map((name) => [group.id, name]));
    });
    test('in production each has its keys in Systems Manager', () => {
      const named = all('AWS::SSM::Parameter').filter((each) => each.Name.startsWith('/mcp-authd/prod/sites/acme/'))
        .map((each) => each.Name.replace(/.*\//, '')).sort();
      assert.deepEqual(named, kind === 'dev' ? [] : ['AUTH_PROXY_URI', 'COGNITO_CLIENT_ID', 'MCP_SERVER_URI', 'REQUIRED_SCOPES', 'SUPPORTED_SCOPES']);
    });
    test('cdk-nag finds nothing that is not explained', () => {
      const nag = report.pluginReports.find((r) => r.pluginName === 'AwsSolutions');
      assert.deepEqual([nag?.conclusion, nag?.violations], ['success', []]);
    });
    test('all else is as without them: tables and policies too', () => {
      const without = (resources: Record<string, unknown>) => Object.fromEntries(Object.entries(resources)
        .filter(([id]) => !/^(Sites|McpUserPoolSite(Client|ResourceServer))/.test(id)));
      const plain = of(kind).toJSON();
      assert.deepEqual(without(template.toJSON().Resources), plain.Resources);
      assert.deepEqual(without(template.toJSON().Outputs), plain.Outputs);
    });
  });
}

test('conf/cloudwatch/site.json ships the lines of its site, and of no other, to its stream', () => {
  const text = readFileSync(new URL('../../conf/cloudwatch/site.json', import.meta.url), 'utf8').replaceAll('NAME', 'acme');
  const [{ log_group_name: group, log_stream_name: stream, filters }] = JSON.parse(text).logs.logs_collected.journald.collect_list;
  assert.deepEqual([group, stream], [SITES_LOG_GROUP, 'acme']);
  const taken = (line: string): boolean => filters.every((f: any) => f.type === 'include' && new RegExp(f.expression).test(line));
  const line = (site: string): string => `ts=2026-11-22T08:00:00.000Z level=info pid=7 site=${site} event=request endpoint=mcp`;
  assert.deepEqual([line('acme'), '{"audit":"token","site":"acme"}', 'event=x site=acme'].map(taken), [true, true, true]);
  assert.deepEqual([line('acme-2'), line('other'), '{"audit":"token","site":"acme2"}', 'event=x mysite=acme'].map(taken), [false, false, false, false]);
});

test('what is no name, stands twice, or does not go with hosts of the stack is refused', () => {
  for (const sites of ['a b', 'A', 'mcp-server', '-a', 'a/b']) assert.throws(() => synthesize({ sites }), /is no name of a site/);
  assert.throws(() => synthesize({ sites: 'a,b,a' }), /twice/);
  const many = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`).join(',');
  assert.throws(() => synthesize({ sites: many(25) }), /at most 24/);
  synthesize({ sites: many(24) });
  assert.throws(() => synthesize({ ...CONTEXTS['dev with hosts'], sites: 'a' }), /hosts of your own/);
});
