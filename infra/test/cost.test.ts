// docs/cost.md: every figure of its tables is calculated anew, from the list prices and from what the stack and the program have.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { SESSION_ACTIONS } from '../lib/endpoints.ts';
import { of, only } from './synth.ts';
// @ts-expect-error: plain JavaScript, shared with the tests of the program
import { readEmf } from '../../tests/parts/emf.mjs';

const doc = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const text = doc('cost.md');

// List prices of us-east-1 in US dollars, as docs/cost.md names them.
const HOURS = 730;
const COGNITO = { freeUsers: 10_000, user: 0.015, lite: [[90_000, 0.0055], [900_000, 0.0046]] };
const DYNAMODB = { write: 0.625e-6, read: 0.125e-6 };
const CLOUDWATCH = { metric: 0.3, freeMetrics: 10, alarm: 0.1, freeAlarms: 10, logGB: 0.5, freeLogGB: 5 };
const HOST = { instance: 0.0208, diskGB: 0.08, address: 0.005, detailedMetrics: 7 };
const BALANCER = { hour: 0.0225, unit: 0.008, connectionsOfUnit: 25, addresses: 2 };
const TRAFFIC = { freeGB: 100, GB: 0.09, replyKB: 3 };
const FUNCTIONS = { gateway: 3.5e-6, call: 0.2e-6, gbSecond: 0.0000166667, seconds: 0.5, GB: 0.125 };
const SECRET = 0.4;
const NAT_HOUR = 0.045;
// What a month is made of.
const REQUESTS = [10_000, 1_000_000, 100_000_000];
const REQUESTS_OF_USER = 100;
const LOGINS_OF_USER = 2;
const LINE_BYTES = 250;                 // of the log or the audit log, one for each request
const METRICS = 60;                     // names and dimensions that a site in use has
const HOSTS = [1, 1, 2];

const columns = <T>(f: (requests: number, i: number) => T): T[] => REQUESTS.map(f);
const users = (requests: number): number => requests / REQUESTS_OF_USER;
const logins = (requests: number): number => users(requests) * LOGINS_OF_USER;
const perSecond = (requests: number): number => requests / (HOURS * 3600);
const cents = (dollars: number): number => Math.round(dollars * 100) / 100;

/** The cells of the first row whose first cell is that, as numbers; bold, thousands and words are taken away. */
function row(name: string, from = text): number[] {
  const found = from.split('\n').map((line) => line.split('|').slice(1, -1).map((cell) => cell.replaceAll('*', '').trim()))
    .find((cells) => cells[0] === name);
  assert.ok(found, `no row ${name}`);
  return found.slice(1).map((cell) => Number(cell.replaceAll(',', '').replace('up to ', '')));
}
function says(part: string): void {
  assert.ok(text.replaceAll(/\s+/g, ' ').includes(part), part);
}
const money = (value: number): string => value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const cognito = (requests: number): number => Math.max(0, users(requests) - COGNITO.freeUsers) * COGNITO.user;
const writesOfLogin = [...SESSION_ACTIONS.authorize, ...SESSION_ACTIONS.token].filter((action) => action !== 'dynamodb:GetItem').length;
const writes = (requests: number): number => logins(requests) * writesOfLogin * DYNAMODB.write;
const reads = (requests: number): number => logins(requests) * DYNAMODB.read;
const logGB = (requests: number): number => requests * LINE_BYTES / 1e9;
const logs = (requests: number): number => Math.max(0, logGB(requests) - CLOUDWATCH.freeLogGB) * CLOUDWATCH.logGB;
const services = (requests: number): number =>
  cents(cognito(requests)) + cents(writes(requests)) + cents(reads(requests)) + cents(logs(requests));

describe('what a month is made of', () => {
  test('users and logins', () => {
    assert.deepEqual(row('users'), columns(users));
    assert.deepEqual(row('logins'), columns(logins));
  });
  test('requests a second', () => {
    const cells = text.split('\n').find((line) => line.startsWith('| requests a second'))!.split('|').slice(2, -1);
    cells.forEach((cell, i) => {
      const [mean, peak] = cell.split(',').map(Number);
      const exact = perSecond(REQUESTS[i]!);
      assert.ok(Math.abs(mean! / exact - 1) < 0.06 && Math.abs(peak! / (10 * exact) - 1) < 0.06, `${cell}: ${exact}`);
    });
  });
});

describe('Amazon Web Services only', () => {
  test('a login is three writes and one read', () => assert.equal(writesOfLogin, 3));
  test('Cognito', () => {
    assert.deepEqual(row('Cognito, Essentials'), columns((r) => cents(cognito(r))));
    says(`= ${money(COGNITO.lite.reduce((sum, [n, price]) => sum + n! * price!, 0)).replace('.00', '')}, without the newer`);
  });
  test('DynamoDB', () => {
    assert.deepEqual(row('DynamoDB writes'), columns((r) => cents(writes(r))));
    assert.deepEqual(row('DynamoDB reads'), columns((r) => cents(reads(r))));
  });
  test('logs', () => {
    assert.deepEqual(row('CloudWatch Logs'), columns((r) => cents(logs(r))));
    const gb = logGB(REQUESTS.at(-1)!);
    says(`× ${LINE_BYTES} B = ${gb} GB`);
    says(`(${gb} − ${CLOUDWATCH.freeLogGB}) × 0.50 = ${money(logs(REQUESTS.at(-1)!))}`);
  });
  test('a month', () => assert.deepEqual(row('a month'), columns((r) => cents(services(r)))));
});

const alarmMetrics = (kind: 'prod' | 'prod with hosts'): number =>
  Object.values(of(kind).findResources('AWS::CloudWatch::Alarm')).reduce((sum, { Properties: a }) =>
    sum + (a.Metrics ? a.Metrics.filter((m: any) => m.MetricStat).length : 1), 0);
const metricsCost = cents((METRICS - CLOUDWATCH.freeMetrics) * CLOUDWATCH.metric);
const alarmsCost = cents((alarmMetrics('prod') - CLOUDWATCH.freeAlarms) * CLOUDWATCH.alarm);

describe('metrics in CloudWatch', () => {
  test('metrics', () => {
    const printer = process.env.METRICS_PRINTER;
    assert.ok(printer, 'METRICS_PRINTER is not set: run make infra');
    const written: { name: string; dimensions: object }[] = readEmf(execFileSync(printer, ['emf'], { encoding: 'utf8' }));
    const most = new Set(written.map((m) => m.name + JSON.stringify(m.dimensions))).size;
    assert.ok(METRICS < most);
    says(`(${METRICS} − ${CLOUDWATCH.freeMetrics}) × 0.30 = **${money(metricsCost)}**`);
    says(`There are ${most} in all: ${money((most - CLOUDWATCH.freeMetrics) * CLOUDWATCH.metric)} if each of them happened`);
  });
  test('alarms', () => {
    const count = alarmMetrics('prod');
    says(`${count}, of which ${CLOUDWATCH.freeAlarms} are free: ${count - CLOUDWATCH.freeAlarms} × 0.10 = **${money(alarmsCost)}**`);
  });
  test('the dashboard has fewer metrics than are free', () => {
    const body = only(of('prod with hosts'), 'AWS::CloudWatch::Dashboard')[1].DashboardBody['Fn::Join'][1]
      .map((p: unknown) => (typeof p === 'string' ? p : 'reference')).join('');
    const shown = JSON.parse(body).widgets.reduce((sum: number, w: any) => sum + (w.properties.metrics?.length ?? 0), 0);
    assert.ok(shown > 30 && shown <= 50, String(shown));
  });
});

// The group's own two alarms of target tracking are not in the template.
const hostAlarms = alarmMetrics('prod with hosts') - alarmMetrics('prod') + 2;
const hostRows: Record<string, (requests: number, hosts: number) => number> = {
  't3.small: 0.0208 × 730 = 15.18 each': (_, n) => n * cents(HOST.instance * HOURS),
  'disk, 10 GB of gp3 at 0.08': (_, n) => n * 10 * HOST.diskGB,
  'public IPv4 addresses at 0.005 × 730 = 3.65: hosts, and two of the balancer': (_, n) => (n + BALANCER.addresses) * HOST.address * HOURS,
  'detailed monitoring, 7 metrics at 0.30': (_, n) => n * HOST.detailedMetrics * CLOUDWATCH.metric,
  [`alarms, ${hostAlarms} at 0.10`]: () => hostAlarms * CLOUDWATCH.alarm,
  'load balancer: 0.0225 × 730': () => BALANCER.hour * HOURS,
  'its capacity units: 0.008 × 730 = 5.84 each': (r) => perSecond(r) / BALANCER.connectionsOfUnit * BALANCER.unit * HOURS,
  'traffic out, 3 KB a reply: 100 GB are free, then 0.09': (r) =>
    Math.max(0, r * TRAFFIC.replyKB / 1e6 - TRAFFIC.freeGB) * TRAFFIC.GB,
  'Secrets Manager, one secret': () => SECRET,
};
const hostsCost = columns((r, i) => cents(Object.values(hostRows).reduce((sum, f) => sum + cents(f(r, HOSTS[i]!)), 0)));
const functionsCost = (r: number): number =>
  r * (FUNCTIONS.gateway + FUNCTIONS.call + FUNCTIONS.seconds * FUNCTIONS.GB * FUNCTIONS.gbSecond);

describe('hosts on AWS', () => {
  const part = text.slice(text.indexOf('## With hosts on AWS'), text.indexOf('## Compared with Lambda and API Gateway'));
  for (const [name, f] of Object.entries(hostRows))
    test(name, () => assert.deepEqual(row(name, part), columns((r, i) => cents(f(r, HOSTS[i]!)))));
  test('a month', () => assert.deepEqual(row('a month', part), hostsCost));
  test('each row is there, and no other', () =>
    assert.equal(part.split('\n').filter((line) => /^\|(?! \|)/.test(line)).length, Object.keys(hostRows).length + 2)); // the rule below the head, and the sum
  test('a NAT gateway is not', () => says(`it would be ${money(NAT_HOUR * HOURS)} each`));
  test('an instance is what the stack starts', () => {
    const data = only(of('prod with hosts'), 'AWS::EC2::LaunchTemplate')[1].LaunchTemplateData;
    assert.equal(data.InstanceType, 't3.small');
    assert.equal(data.BlockDeviceMappings[0].Ebs.VolumeSize, 10);
    assert.equal(data.Monitoring.Enabled, true);
  });
});

describe('beside Lambda and API Gateway', () => {
  test('functions', () => assert.deepEqual(row('API Gateway + Lambda, without free tiers'), columns((r) => cents(functionsCost(r)))));
  test('hosts of AWS', () => assert.deepEqual(row('here, on hosts of AWS'), hostsCost));
  test('where they cost the same', () => {
    const even = hostsCost[1]! / functionsCost(1);
    says(`Below some ${Math.round(even / 1e6)} million requests a month`);
  });
});

test('docs/infrastructure.ja.md has the same figures', () => {
  const dollars = (value: number): string => `$${money(value)}`;
  const cells = (name: string): string[] => doc('infrastructure.ja.md').split('\n').map((line) => line.split('|').slice(1, -1).map((c) => c.trim()))
    .find((c) => c[0]?.startsWith(name))!.slice(1);
  assert.deepEqual(cells('AWSサービスのみ').map((cell) => cell.replace(/（.*/, '')), columns((r) => dollars(services(r))));
  assert.deepEqual(cells('＋ CloudWatch'), columns(() => dollars(metricsCost + alarmsCost)));
  assert.deepEqual(cells('＋ AWS上のホスト'), hostsCost.map(dollars));
  assert.ok(doc('infrastructure.ja.md').includes(`うちCognito ${dollars(cognito(REQUESTS.at(-1)!))}`));
});
