// Metrics while the site is used: lines for CloudWatch, and GET /metrics for Prometheus.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { once } from 'node:events';
import { Browser } from '../parts/browser.mjs';
import { childrenOf, metricsServerOf, workersOf } from '../parts/daemon.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { givenUp } from '../parts/dynamodb-proxy.mjs';
import { callsSince, startDynamoSite } from '../parts/dynamodb-site.mjs';
import { emfProblems, readEmf, schemaProblems } from '../parts/emf.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { authorize, authorizeUrl, login, pkce, REDIRECT, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { accepts, freePort, readBody, ROOT, until } from '../parts/util.mjs';

let site, port, emfFile, token;

before(async () => {
  port = await freePort();
  emfFile = path.join(fs.mkdtempSync('/tmp/mcp-authd-emf-'), 'metrics.log');
  site = await startSite({
    config: { METRICS_EMF: 'yes', METRICS_EMF_FILE: emfFile, METRICS_INTERVAL_S: '1', METRICS_LISTEN: `127.0.0.1:${port}` },
    mustFail: ['signal=SIGKILL'],
  });
  token = await site.cognito.accessToken();
  await until('the metrics are served', () => accepts({ host: '127.0.0.1', port }));
});
after(async () => {
  await site?.close();
  fs.rmSync(path.dirname(emfFile), { recursive: true });
});

async function scrape(where = { host: '127.0.0.1', port }, method = 'GET', target = '/metrics') {
  const request = http.request({ ...where, method, path: target, agent: false }).end();
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, text: await readBody(response) };
}

// Samples of the text format: 'name{label="value"}' -> number.
function samples(text) {
  return new Map(text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
    const match = /^([a-z_]+(?:\{[^}]*\})?) (\S+)$/.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    return [match[1], Number(match[2])];
  }));
}
const figures = async () => samples((await scrape()).text);

const emf = () => readEmf(fs.existsSync(emfFile) ? fs.readFileSync(emfFile, 'utf8') : '');
function total(name, dimensions) {
  return emf().filter((m) => m.name === name && JSON.stringify(m.dimensions) === JSON.stringify(dimensions))
    .flatMap((m) => m.values).reduce((a, b) => a + b, 0);
}

test('each request is counted at its endpoint, with its status and its time', async () => {
  const earlier = await figures();
  await callTool(site, token, 'whoami');
  assert.equal((await modern(site, undefined, 'tools/list')).status, 401);
  assert.equal((await fetch(`${site.issuer}/.well-known/oauth-protected-resource`)).status, 200);
  assert.equal((await fetch(`${site.issuer}/authorize?client_id=x`)).status, 400);
  assert.equal((await fetch(`${site.issuer}/token`, { method: 'POST' })).status, 400);
  assert.equal((await fetch(`${site.issuer}/token`)).status, 405);

  // The last figure of a request is counted when its reply is on its way.
  const sent = 'mcp_authd_request_duration_seconds_count{endpoint="mcp"}';
  const now = await until('the replies are counted', async () => {
    const each = await figures();
    return each.get(sent) === earlier.get(sent) + 2 && each;
  });
  const grown = (name) => {
    assert.ok(now.has(name), name);
    return now.get(name) - earlier.get(name);
  };
  const expected = {
    'mcp_authd_requests_total{endpoint="mcp"}': 2,
    'mcp_authd_invocations_total{endpoint="mcp"}': 2,
    'mcp_authd_responses_total{endpoint="mcp",status="200"}': 1,
    'mcp_authd_responses_total{endpoint="mcp",status="401"}': 1,
    'mcp_authd_requests_total{endpoint="metadata"}': 1,
    'mcp_authd_requests_total{endpoint="authorize"}': 1,
    'mcp_authd_client_errors_total{endpoint="authorize"}': 1,
    'mcp_authd_requests_total{endpoint="token"}': 1,
    'mcp_authd_requests_total{endpoint="other"}': 1,          // the method that /token does not have
    'mcp_authd_invocations_total{endpoint="other"}': 0,
    'mcp_authd_denials_total{reason="no_token"}': 1,
    'mcp_authd_denials_total{reason="method_not_allowed"}': 1,
    'mcp_authd_server_errors_total{endpoint="mcp"}': 0,
    'mcp_authd_handler_duration_seconds_count{endpoint="mcp"}': 2,
    'mcp_authd_request_duration_seconds_count{endpoint="mcp"}': 2,
  };
  for (const [name, count] of Object.entries(expected)) assert.equal(grown(name), count, name);
  const handler = grown('mcp_authd_handler_duration_seconds_sum{endpoint="mcp"}');
  const request = grown('mcp_authd_request_duration_seconds_sum{endpoint="mcp"}');
  assert.ok(handler > 0 && request > handler && request < 10, `${handler} ${request}`);
});

test('whatever is not granted is counted by its reason, also when a redirect or a JSON-RPC error says so', async () => {
  const denials = async () => {
    const all = [...await figures()].map(([name, value]) => [/^mcp_authd_denials_total\{reason="(\w+)"\}$/.exec(name)?.[1], value]);
    return Object.fromEntries(all.filter(([reason]) => reason));
  };
  const adds = async (expected, act) => {
    const earlier = await denials();
    await act();
    const now = await denials();
    const grown = Object.keys(now).filter((reason) => now[reason] !== earlier[reason]).map((reason) => [reason, now[reason] - earlier[reason]]);
    assert.deepEqual(Object.fromEntries(grown), expected);
  };
  const redirected = async (changes, error) => assert.equal((await authorize(site, changes)).query.get('error'), error);

  await adds({ unsupported_response_type: 1 }, () => redirected({ response_type: 'token' }, 'unsupported_response_type'));
  await adds({ invalid_scope: 1 }, () => redirected({ scope: 'everything' }, 'invalid_scope'));
  await adds({ invalid_target: 1 }, () => redirected({ resource: 'https://elsewhere.example/mcp' }, 'invalid_target'));
  await adds({ invalid_request: 1 }, () => redirected({ code_challenge_method: 'plain' }, 'invalid_request'));
  await adds({ access_denied: 1 }, () => redirected({ prompt: 'none' }, 'consent_required'));
  await adds({ access_denied: 1 }, async () =>       // the user says no
    assert.equal((await login(site, { browser: new Browser({ decision: 'deny' }) })).query.get('error'), 'access_denied'));
  for (const [error, reason] of [['access_denied', 'access_denied'], ['server_error', 'upstream']])
    await adds({ [reason]: 1 }, async () => {         // and at Cognito
      const browser = new Browser();
      const upstream = (url) => url.startsWith(site.cognito.origin);
      const consent = await browser.open(authorizeUrl(site, { code_challenge: pkce().challenge }));
      const next = await browser.submit(consent, { decision: 'approve' });
      const { url } = await browser.open(/url=([^"]+)"/.exec(next.text)[1].replaceAll('&amp;', '&'), { stop: upstream });
      const back = new URL('/callback', site.issuer);
      back.search = new URLSearchParams({ state: new URL(url).searchParams.get('state'), error });
      assert.ok((await browser.open(back.href, { stop: (at) => at.startsWith(REDIRECT) })).stopped);
    });
  await adds({ rpc_method_not_found: 1 }, () => modern(site, token, 'no/such'));
  await adds({ rpc_parse: 1 }, () => fetch(site.mcpUrl, { method: 'POST', body: '{', headers: { authorization: `Bearer ${token}`,
    'content-type': 'application/json', accept: 'application/json, text/event-stream' } }).then((answer) => answer.text()));
  await adds({}, async () => { await tokens(site); await callTool(site, token, 'whoami'); });
});

test('what DynamoDB says a login cost, and a call that is made again, in both forms', async () => {
  const file = path.join(path.dirname(emfFile), 'dynamodb.log');
  const listen = await freePort();
  const dynamodb = await startDynamoDb();
  let proxy, now;
  try {
    await dynamodb.createTable();
    const other = await startDynamoSite({ dynamodb, config: { METRICS_EMF: 'yes', METRICS_EMF_FILE: file, METRICS_LISTEN: `127.0.0.1:${listen}` } });
    try {
      proxy = other.proxy;
      proxy.failOnce('PutItem', 'throttled');
      await tokens(other);
      await tokens(other);
      now = samples((await scrape({ host: '127.0.0.1', port: listen })).text);
    } finally {
      await other.close();
    }
  } finally {
    await dynamodb.close();
  }
  // Two logins; a DeleteItem that is made again because the machine is busy fails its condition, which the proxy is told no price of.
  const answered = callsSince(proxy).filter((call) => !call.fault);
  const [reads, writes] = [true, false].map((wanted) => answered.filter(({ action }) => (action === 'GetItem') === wanted));
  assert.deepEqual([reads.length, writes.length], [2, 6]);
  for (const { action, units, type } of answered) assert.equal(units, type ? undefined : 1, action);
  const units = [reads, writes].map((calls) => calls.filter((call) => call.units).length);
  const retries = 1 + proxy.calls.filter(givenUp).length;
  assert.deepEqual(['dynamodb_read_units_total', 'dynamodb_write_units_total', 'upstream_retries_total{upstream="dynamodb"}']
    .map((name) => now.get(`mcp_authd_${name}`)), [...units, retries]);
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  for (const line of lines) assert.deepEqual(emfProblems(line), [], line);
  const sum = (name) => readEmf(lines.join('\n')).filter((m) => m.name === name).flatMap((m) => m.values).reduce((a, b) => a + b, 0);
  assert.deepEqual([sum('ConsumedReadCapacityUnits'), sum('ConsumedWriteCapacityUnits'), sum('Retries')], [...units, retries]);
});

test('a failure on our side is an error and a 5xx, in both forms', async () => {
  const file = path.join(path.dirname(emfFile), 'errors.log');
  const listen = await freePort();
  // The key set cannot be fetched: nobody's token can be checked.
  const other = await startSite({ config: { COGNITO_JWKS_URL: `http://127.0.0.1:${await freePort()}/jwks.json`,
    METRICS_EMF: 'yes', METRICS_EMF_FILE: file, METRICS_LISTEN: `127.0.0.1:${listen}` } });
  assert.equal((await modern(other, await other.cognito.accessToken(), 'tools/list')).status, 503);
  const now = samples((await scrape({ host: '127.0.0.1', port: listen })).text);
  for (const name of ['errors_total', 'server_errors_total'])
    assert.equal(now.get(`mcp_authd_${name}{endpoint="mcp"}`), 1, name);
  await other.close();          // what was not written yet is written at the end
  const written = readEmf(fs.readFileSync(file, 'utf8')).filter((m) => m.dimensions.Endpoint === 'mcp');
  for (const name of ['Errors', '5XXError', 'Invocations', 'Count'])
    assert.deepEqual(written.find((m) => m.name === name)?.values, [1], name);
});

test('the lines follow the specification, and tell the same as GET /metrics', async () => {
  await until('the counts agree', async () => {
    const now = await figures();
    return ['authorize', 'token', 'metadata', 'mcp', 'other'].every((endpoint) =>
      total('Count', { Endpoint: endpoint }) === now.get(`mcp_authd_requests_total{endpoint="${endpoint}"}`));
  });
  const lines = fs.readFileSync(emfFile, 'utf8').trimEnd().split('\n');
  assert.ok(lines.length > 5);
  for (const line of lines) assert.deepEqual(emfProblems(line), [], line);
  for (const name of ['Duration', 'Latency']) {
    const metrics = emf().filter((m) => m.name === name && m.dimensions.Endpoint === 'mcp');
    assert.ok(metrics.length > 0 && metrics.every((m) => m.unit === 'Milliseconds' && m.values.every((v) => v > 0 && v < 1e4)));
  }
  assert.ok(emf().some((m) => m.name === 'WorkersMax' && m.values[0] === 8));
});

test('the checker itself finds what is wrong', () => {
  const good = { _aws: { Timestamp: 1574109732004, CloudWatchMetrics: [{ Namespace: 'n', Dimensions: [['d']],
    Metrics: [{ Name: 'm', Unit: 'Count' }] }] }, d: 'x', m: 1 };
  const broken = (change) => {
    const copy = structuredClone(good);
    change(copy, copy._aws.CloudWatchMetrics[0]);
    return emfProblems(JSON.stringify(copy)).length;
  };
  assert.equal(broken(() => {}), 0);
  const faults = [(r) => delete r._aws, (r) => { r._aws.Timestamp = 1574109732; }, (r) => delete r.d, (r) => { r.d = 1; },
    (r) => delete r.m, (r) => { r.m = '1'; }, (r) => { r.m = Array(101).fill(1); }, (r, d) => { d.Metrics[0].Unit = 'Furlongs'; },
    (r, d) => { d.Dimensions = []; }, (r, d) => { d.Dimensions = ['d']; }, (r, d) => { d.Namespace = ''; },
    (r, d) => { d.Metrics = Array(101).fill({ Name: 'm' }); }, (r, d) => { d.Extra = 1; }];
  for (const fault of faults) assert.ok(broken(fault) > 0, String(fault));
  const ofSchema = faults.filter((fault) => {
    const copy = structuredClone(good);
    fault(copy, copy._aws.CloudWatchMetrics[0]);
    return schemaProblems(copy).length > 0;
  });
  assert.equal(ofSchema.length, 5, ofSchema.join('\n'));       // _aws, unit, no set, no array of sets, no namespace
  assert.ok(emfProblems('ts=2026 level=info').length > 0);
});

test('a worker that is killed is counted, and its figures stay', async () => {
  const earlier = await figures();
  process.kill(workersOf(site.daemon)[0], 'SIGKILL');
  await until('the exit is counted', async () => (await figures()).get('mcp_authd_worker_exits_total{how="killed"}') ===
    earlier.get('mcp_authd_worker_exits_total{how="killed"}') + 1);
  const now = await figures();
  for (const [name, value] of earlier)
    if (/_total\b/.test(name)) assert.ok(now.get(name) >= value, `${name} went back`);
  await until('it is in the file', () => total('WorkerExits', { How: 'killed' }) === 1);
});

test('the process that answers comes back when it is killed', async () => {
  const pid = await until('it is there', () => metricsServerOf(site.daemon));
  process.kill(pid, 'SIGKILL');
  await until('another one answers', async () => (await scrape().catch(() => ({}))).status === 200 && metricsServerOf(site.daemon) !== pid);
  assert.match(site.daemon.log, /event=metrics_server_exited/);
});

test('GET /metrics and nothing else', async () => {
  const { status, headers } = await scrape();
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal((await scrape(undefined, 'GET', '/')).status, 404);
  assert.equal((await scrape(undefined, 'GET', '/metricsfoo')).status, 404);
  assert.equal((await scrape(undefined, 'POST')).status, 405);
  assert.equal((await fetch(`${site.issuer}/metrics`)).status, 404, 'not through the web server');
});

test('a client that sends nothing, nonsense, or no end does not stop the next one', async () => {
  const silent = net.connect(port, '127.0.0.1');
  await once(silent, 'connect');
  const long = net.connect(port, '127.0.0.1');
  long.on('error', () => {});
  long.write('G'.repeat(100_000));
  const [answer] = await once(long, 'data');
  assert.match(answer.toString(), /^HTTP\/1\.0 400 /);
  assert.equal((await scrape()).status, 200);
  silent.destroy();
  long.destroy();
});

test('a Unix socket, for its group only; removed at the end', async () => {
  const dir = fs.mkdtempSync('/tmp/mcp-authd-metrics-');
  const socketPath = path.join(dir, 'metrics.sock');
  const other = await startSite({ config: { METRICS_LISTEN: socketPath } });
  await until('it listens', () => accepts({ path: socketPath }));
  assert.equal(fs.statSync(socketPath).mode & 0o777, 0o660);
  assert.match((await scrape({ socketPath })).text, /^mcp_authd_workers_max 8$/m);
  await other.close();
  assert.ok(!fs.existsSync(socketPath));
  fs.rmSync(dir, { recursive: true });
});

test('without a key there is neither a file nor a process', async () => {
  const plain = await startSite();
  await callTool(plain, await plain.cognito.accessToken(), 'whoami');
  const names = () => childrenOf(plain.daemon).map(({ name }) => name).sort().join(' ');
  try {
    await until(() => `no metrics server, there are ${names()}`, () => names() === 'mcp-runner mcp-streams mcp-worker mcp-worker');
    assert.ok(!plain.daemon.log.includes('_aws'));
  } finally {
    await plain.close();
  }
});

test('every metric and label that the Grafana dashboard names exists, and every metric has its place there', async () => {
  const { text } = await scrape();
  const labels = new Map();       // metric -> its labels
  for (const sample of samples(text).keys()) {
    const [, name, inside = ''] = /^([a-z_]+)(?:\{(.*)\})?$/.exec(sample);
    labels.set(name, new Set([...inside.matchAll(/(\w+)=/g)].map((match) => match[1])));
  }
  const dashboard = JSON.parse(fs.readFileSync(path.join(ROOT, 'conf/grafana/mcp-authd.json'), 'utf8'));
  const queries = [...dashboard.panels.flatMap((panel) => panel.targets), ...dashboard.templating.list
    .filter((each) => each.query.query).map((each) => ({ expr: each.query.query, legendFormat: '' }))];
  const named = new Set();
  for (const { expr, legendFormat } of queries) {
    const metrics = [...expr.matchAll(/\bmcp_authd_\w+/g)].map((match) => match[0]);
    assert.ok(metrics.length > 0, expr);
    for (const metric of metrics) {
      assert.ok(labels.has(metric), `${metric} does not exist: ${expr}`);
      named.add(metric.replace(/_(bucket|sum|count)$/, ''));
    }
    const used = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((match) => match[1].split(', '))
      .concat([...expr.matchAll(/(\w+)=~?"/g)].map((match) => match[1]), [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]));
    for (const label of used)
      assert.ok(label === 'instance' || metrics.some((metric) => labels.get(metric).has(label)), `${label}: ${expr}`);
  }
  const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  assert.deepEqual(families.filter((family) => !named.has(family)), []);
});

test('docs/monitoring.md has every metric, with its labels, and no other', async () => {
  const { text } = await scrape();
  const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  const rows = fs.readFileSync(path.join(ROOT, 'docs/monitoring.md'), 'utf8').split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim())).filter((cells) => /^`mcp_authd_/.test(cells[3] ?? ''));
  assert.deepEqual(rows.map((cells) => cells[3].replaceAll('`', '')), families);
  for (const cells of rows) {
    const name = cells[3].replaceAll('`', '');
    const sample = [...samples(text).keys()].find((each) => each.replace(/(_bucket|_sum|_count)?(\{.*)?$/, '') === name);
    const labels = [...sample.matchAll(/(\w+)=/g)].map((match) => match[1]).filter((label) => label !== 'le');
    assert.equal(labels.join(', '), cells[4], name);
  }
});
