// Log groups, alarms and the dashboard.
import { Duration, type Stack } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { DURATION_LIMIT_S, GROUPS, pascal } from './endpoints.ts';
import { dynamodb, DYNAMODB_OPERATIONS, ofGroup, own, PERIOD } from './metrics.ts';
import type { Settings } from './settings.ts';

/** A group for each group of endpoints, one for lines that belong to none, and one for the metrics' lines. */
export const LOG_GROUPS = [...GROUPS, 'service', 'metrics'] as const;

export function makeLogGroups(stack: Stack, s: Settings): LogGroup[] {
  return LOG_GROUPS.map((name) => new LogGroup(stack, `${name[0]!.toUpperCase()}${name.slice(1)}Log`, {
    logGroupName: `/mcp-authd/${name}`,
    retention: s.retention,
    removalPolicy: s.removal,
  }));
}

export class Alarms {
  readonly topic: Topic;
  readonly all: cw.Alarm[] = [];
  readonly #stack: Stack;

  constructor(stack: Stack, s: Settings) {
    this.#stack = stack;
    this.topic = new Topic(stack, 'AlarmTopic', { displayName: `mcp-authd ${s.stage}`, enforceSSL: true });
    if (s.alarmEmail) this.topic.addSubscription(new EmailSubscription(s.alarmEmail));
  }

  /** Goes off when the metric is above the limit in `periods` periods in a row. */
  add(id: string, metric: cw.IMetric, limit: number, what: string, options: Partial<cw.AlarmProps> = {}): void {
    const alarm = new cw.Alarm(this.#stack, id, {
      metric,
      threshold: limit,
      alarmName: `mcp-authd-${id}`,
      alarmDescription: what,
      comparisonOperator: cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: cw.TreatMissingData.NOT_BREACHING, // no request, no error
      ...options,
    });

    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    this.all.push(alarm);
  }
}

const math = (expression: string, label: string, usingMetrics: Record<string, cw.IMetric>): cw.MathExpression =>
  new cw.MathExpression({ expression, label, usingMetrics, period: PERIOD });

/** The document's four alarms. */
function documentAlarms(alarms: Alarms, table: Table): void {
  for (const group of GROUPS) {
    alarms.add(`${pascal(group)}ErrorRate`,
      math('IF(invocations > 0, 100 * errors / invocations, 0)', 'errors, %',
        { errors: ofGroup(group, 'Errors'), invocations: ofGroup(group, 'Invocations') }),
      5, `More than 5 % of the requests to ${group} failed on our side`);
    alarms.add(`${pascal(group)}5XX`, ofGroup(group, '5XXError'), 0, `${group} answered with 5xx`);
    alarms.add(`${pascal(group)}Duration`, ofGroup(group, 'Duration', 'p99'), DURATION_LIMIT_S[group] * 1000,
      `The slowest 1 % of the requests to ${group} took longer than ${DURATION_LIMIT_S[group]} s`,
      { evaluationPeriods: 2 });
  }
  const throttled = Object.fromEntries(DYNAMODB_OPERATIONS.map((Operation, i) =>
    [`m${i}`, dynamodb('ThrottledRequests', { TableName: table.tableName, Operation })]));
  alarms.add('SessionTableThrottled', math('SUM(METRICS())', 'throttled requests', throttled), 0,
    'DynamoDB throttled requests to the session table');
}

/** Those that tell what the document's cannot: why, or that nothing answers any more. */
function moreAlarms(alarms: Alarms): void {
  alarms.add('WorkersAllBusy',
    math('IF(limit > 0, 100 * busy / limit, 0)', 'workers busy, %',
      { busy: own('Workers', 'Maximum', { State: 'busy' }), limit: own('WorkersMax', 'Maximum') }),
    90, 'A host has less than a tenth of its workers left: raise WORKERS_MAX or add hosts', { evaluationPeriods: 2 });
  alarms.add('WorkersCrash', own('WorkerExits', 'Sum', { How: 'killed' }), 0,
    'A worker was ended by a signal: a crash, or stuck and killed');
  alarms.add('WorkersFailToStart', own('WorkerExits', 'Sum', { How: 'failed' }), 0,
    'A worker ended with an error: the log group /mcp-authd/service says why');
}

export function makeMonitoring(stack: Stack, s: Settings, table: Table): Alarms {
  const alarms = new Alarms(stack, s);

  documentAlarms(alarms, table);
  moreAlarms(alarms);
  if (s.stage === 'prod' || s.hosts > 0)
    alarms.add('Silence', own('WorkersMax', 'SampleCount'), 0, 'No host has written metrics for a quarter of an hour', {
      comparisonOperator: cw.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 3,
      treatMissingData: cw.TreatMissingData.BREACHING,
    });
  makeDashboard(stack, table, alarms);
  return alarms;
}

function makeDashboard(stack: Stack, table: Table, alarms: Alarms): void {
  const dashboard = new cw.Dashboard(stack, 'Dashboard', {
    dashboardName: 'mcp-authd',
    defaultInterval: Duration.hours(3),
  });
  const graph = (title: string, left: cw.IMetric[], width = 8): cw.GraphWidget =>
    new cw.GraphWidget({ title, left, width, height: 6 });
  const perGroup = (name: string, statistic?: string): cw.IMetric[] =>
    GROUPS.map((g) => ofGroup(g, name, statistic).with({ label: g }));
  const consumed = (name: string): cw.IMetric => dynamodb(name, { TableName: table.tableName });

  dashboard.addWidgets(new cw.AlarmStatusWidget({ title: 'Alarms', alarms: alarms.all, width: 24, height: 4 }));
  dashboard.addWidgets(graph('Count', perGroup('Count')), graph('4XXError', perGroup('4XXError')),
    graph('5XXError', perGroup('5XXError')));
  dashboard.addWidgets(graph('Invocations', perGroup('Invocations')), graph('Errors', perGroup('Errors')),
    graph('Throttles', perGroup('Throttles')));
  dashboard.addWidgets(graph('Duration p99, ms', perGroup('Duration', 'p99'), 12),
    graph('Latency p99, ms', perGroup('Latency', 'p99'), 12));
  dashboard.addWidgets(
    graph('DynamoDB capacity used', [consumed('ConsumedReadCapacityUnits'), consumed('ConsumedWriteCapacityUnits')]),
    graph('DynamoDB UserErrors', [dynamodb('UserErrors', {})]),
    graph('Workers', [own('Workers', 'Maximum', { State: 'busy' }), own('Workers', 'Maximum', { State: 'idle' }),
      own('WorkersMax', 'Maximum')]));
  const each = (name: string, dimension: string, values: string[], more: Record<string, string> = {}): cw.IMetric[] =>
    values.map((value) => own(name, 'Sum', { [dimension]: value, ...more }).with({ label: value }));
  dashboard.addWidgets(graph('Denials', each('Denials', 'Reason', ['invalid_grant', 'invalid_token', 'rate_limited'])),
    graph('Timeouts upstream',
      each('UpstreamCalls', 'Upstream', ['token', 'keys', 'document', 'dynamodb'], { Outcome: 'timeout' })),
    graph('Token cache', each('TokenCache', 'Result', ['hit', 'miss'])));
}
