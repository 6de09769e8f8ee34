// The alarms and the dashboard read what the program writes, and the agent ships its lines to the groups that exist.
// METRICS_PRINTER prints all that the program can ever write: tests/unit/test_metrics emf.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { GROUPS } from '../lib/endpoints.ts';
import { NAMESPACE } from '../lib/metrics.ts';
import { CONTEXTS, KINDS, of, only, synthesize } from './synth.ts';
// @ts-expect-error: plain JavaScript, shared with the tests of the program
import { readEmf } from '../../tests/parts/emf.mjs';

interface Written { namespace: string; name: string; unit: string; dimensions: Record<string, string> }
const printer = process.env.METRICS_PRINTER;
assert.ok(printer, 'METRICS_PRINTER is not set: run make infra');
const written: Written[] = readEmf(execFileSync(printer, ['emf'], { encoding: 'utf8' }));

const exists = (name: string, dimensions: Record<string, string>): boolean =>
  written.some((m) => m.namespace === NAMESPACE && m.name === name &&
    JSON.stringify(Object.entries(m.dimensions).sort()) === JSON.stringify(Object.entries(dimensions).sort()));

/** AWS's own, with their dimensions: https://docs.aws.amazon.com/ … "metrics and dimensions" of each service. */
const OF_AWS: Record<string, Record<string, string[]>> = {
  'AWS/DynamoDB': {
    ThrottledRequests: ['Operation', 'TableName'],
    ConsumedReadCapacityUnits: ['TableName'],
    ConsumedWriteCapacityUnits: ['TableName'],
    UserErrors: [],
  },
  'AWS/ApplicationELB': {
    UnHealthyHostCount: ['LoadBalancer', 'TargetGroup'],
    HTTPCode_ELB_5XX_Count: ['LoadBalancer'],
  },
};

function check(namespace: string, name: string, dimensions: Record<string, unknown>, where: string): void {
  if (namespace === NAMESPACE)
    assert.ok(exists(name, dimensions as Record<string, string>), `${where}: ${name} ${JSON.stringify(dimensions)}`);
  else
    assert.deepEqual(Object.keys(dimensions).sort(), OF_AWS[namespace]?.[name], `${where}: ${namespace} ${name}`);
}

for (const kind of KINDS)
  describe(kind, () => {
    const template = of(kind);

    test('every alarm reads metrics that are written, in the unit that its limit is in', () => {
      for (const { Properties: a } of Object.values(template.findResources('AWS::CloudWatch::Alarm'))) {
        const metrics = a.MetricName ? [a] : a.Metrics.filter((m: any) => m.MetricStat).map((m: any) => m.MetricStat.Metric);
        assert.ok(metrics.length > 0);
        for (const { Namespace, MetricName, Dimensions = [] } of metrics)
          check(Namespace, MetricName, Object.fromEntries(Dimensions.map((d: any) => [d.Name, d.Value])), a.AlarmName);
        if (a.MetricName === 'Duration')
          assert.ok(written.filter((m) => m.name === 'Duration').every((m) => m.unit === 'Milliseconds'));
      }
    });

    test('every graph of the dashboard shows metrics that are written', () => {
      const body = only(template, 'AWS::CloudWatch::Dashboard')[1].DashboardBody['Fn::Join'][1]
        .map((p: unknown) => (typeof p === 'string' ? p : 'reference')).join('');
      let count = 0;
      for (const widget of JSON.parse(body).widgets)
        for (const [namespace, name, ...rest] of widget.properties.metrics ?? []) {
          const words = rest.filter((r: unknown) => typeof r === 'string');
          const dimensions = Object.fromEntries(words.flatMap((w: string, i: number) => (i % 2 ? [] : [[w, words[i + 1]]])));
          check(namespace, name, dimensions, widget.properties.title);
          count++;
        }
      assert.ok(count > 30);
    });
  });

test('docs/monitoring.md says of every alarm what it means, and of no other', () => {
  const text = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8');
  const said = new Set([...text.matchAll(/`(mcp-authd-[A-Z]\w+)`/g)].map((m) => m[1]));
  const all = synthesize({ ...CONTEXTS['prod with hosts'], tasks: 'yes' }).template;
  const made = new Set(Object.values(all.findResources('AWS::CloudWatch::Alarm'))
    .map((a) => a.Properties.AlarmName as string));
  assert.deepEqual([...said].sort(), [...made].sort());
});

test('docs/monitoring.md gives the metrics the names that CloudWatch sees', () => {
  const text = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8');
  const rows = text.split('\n').map((line) => line.split('|').map((c) => c.trim())).filter((c) => /^`mcp_authd_/.test(c[3] ?? ''));
  const said = rows.filter((c) => c[1] !== '–').map((c) => `${c[1]}: ${c[2] === '–' ? '' : c[2]}`).sort();
  const made = new Set(written.map((m) => `${m.name}: ${Object.keys(m.dimensions).join(', ')}`));
  assert.deepEqual(said, [...made].sort());
});

test('what the alarms need is written; nothing made up is found', () => {
  assert.ok(exists('Errors', { Endpoint: 'mcp' }));
  assert.ok(!exists('Errors', { Endpoint: 'nothing' }));
  assert.ok(!exists('Errors', {}));
});

describe('conf/cloudwatch/amazon-cloudwatch-agent.json', () => {
  const conf = JSON.parse(readFileSync(new URL('../../conf/cloudwatch/amazon-cloudwatch-agent.json', import.meta.url), 'utf8'));
  const { journald, files } = conf.logs.logs_collected;
  const ours = new Set(Object.values(of('dev').findResources('AWS::Logs::LogGroup')).map((g) => g.Properties.LogGroupName));

  test('ships to the log groups of the stack, to each of them', () => {
    const shipped = [...journald.collect_list, ...files.collect_list].map((c: any) => c.log_group_name);
    assert.deepEqual(new Set(shipped), ours);
  });

  // Lines as the program writes them (app/handle.c, base/log.c).
  const line = (endpoint: string) => `ts=2026-11-22T08:00:00.000Z level=info pid=7 event=request request=abc endpoint=${endpoint} method=POST`;
  const taken = (text: string): string[] => journald.collect_list.filter((c: any) => c.filters.every((f: any) =>
    new RegExp(f.expression).test(text) === (f.type === 'include'))).map((c: any) => c.log_group_name);

  for (const group of GROUPS)
    test(`a line of ${group} goes to its group, and to no other`, () =>
      assert.deepEqual(taken(line(group)), [`/mcp-authd/${group}`]));
  test('a line of no endpoint goes to the service’s group', () => {
    assert.deepEqual(taken(line('other')), ['/mcp-authd/service']);
    assert.deepEqual(taken('ts=… level=info pid=1 event=ready workers=2'), ['/mcp-authd/service']);
  });
  test('the files of metrics and of doctor are those that hosts write', () => {
    const script = JSON.stringify(of('dev with hosts').findResources('AWS::EC2::LaunchTemplate'));
    const paths = files.collect_list.map((each: any) => each.file_path);
    assert.match(script, /METRICS_EMF_FILE=\/var\/log\/mcp-authd-%i\/metrics\.log/);
    for (const group of GROUPS) assert.ok(paths.includes(`/var/log/mcp-authd-${group}/metrics.log`), group);
    assert.ok(script.includes(`tee -a ${paths.at(-1)}`));
  });
});
