// Several sites of one daemon: which one answers, what each has of its own, and a reload.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { auditLines } from '../parts/audit.mjs';
import { BINARY, logged, workersOf, writeConfig } from '../parts/daemon.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { reload, startSites } from '../parts/sites.mjs';
import { readBody, until } from '../parts/util.mjs';

let sites, all;
const metricsDir = fs.mkdtempSync('/tmp/mcp-sites-metrics-'), socketPath = path.join(metricsDir, 'metrics.sock');
after(() => fs.rmSync(metricsDir, { recursive: true }));
before(async () => {
  sites = await startSites({ config: { METRICS_LISTEN: socketPath, SITES_METRICS: '2', METRICS_EMF: 'yes', METRICS_INTERVAL_S: '1' } });
  all = [sites.main, sites.a, sites.b];
});
after(() => sites?.close());

const get = (host, at) => rawRequest({ port: sites.main.port, path: at, headers: [['Host', host]] });

test('each site has its own documents, login and tools, and what it leaves out comes from mcp-authd.conf', async () => {
  for (const site of all) {
    const { port, mcpUrl } = site;
    const url = new URL(mcpUrl);
    const document = JSON.parse((await get(url.host, `/.well-known/oauth-protected-resource${url.pathname}`)).text);
    assert.equal(document.resource, mcpUrl, `${port}`);
    assert.deepEqual(document.authorization_servers, [site.issuer]);
    const { access_token: token } = await tokens(site);
    assert.equal((await callTool(site, token, 'whoami')).structuredContent.username, 'alice');
    assert.equal((await callTool(site, token, 'greet', { name: 'Ada' })).content[0].text, 'Hello Ada, says alice');
    assert.ok(fs.existsSync(path.join(site.state, 'secret.key')), `${site.name}: a sealing key of its own`);
    assert.equal(fs.statSync(site.state).mode & 0o077, 0);
  }
  const keys = all.map((site) => fs.readFileSync(path.join(site.state, 'secret.key'), 'utf8'));
  assert.equal(new Set(keys).size, all.length);
});

test('what is at no site\'s address is 404, and 421 if only the name is another\'s', async () => {
  const first = `127.0.0.1:${sites.main.port}`, second = `127.0.0.2:${sites.main.port}`;
  const cases = [
    [first, '/mcp', 401], [first, '/a/mcp', 401], [first, '/a/mcp/', 401], [second, '/mcp', 401],
    [first, '/c/mcp', 404], [second, '/a/mcp', 421], [second, '/a/token', 421], ['other.example', '/mcp', 404],
    [`OTHER.example:${sites.main.port}`, '/a/mcp', 404],
    // Both sites of this host could have it; of the other there is one.
    [first, '/.well-known/oauth-protected-resource', 404], [second, '/.well-known/oauth-protected-resource', 200],
  ];
  for (const [host, at, status] of cases) {
    const post = at.endsWith('mcp') || at.endsWith('mcp/') || at.endsWith('token');
    const answer = await rawRequest({ port: sites.main.port, method: post ? 'POST' : 'GET', path: at, headers: [['Host', host]], ...(post && { body: '{}' }) });
    assert.equal(answer.status, status, `${host}${at}: ${answer.text}`);
    if (status !== 200 && status !== 401) assert.equal(JSON.parse(answer.text).error, 'not_found', answer.text);
  }
});

test('other addresses stay with the web server', async () => {
  const host = `127.0.0.1:${sites.main.port}`;
  for (const at of ['/other', '/a/other', '/a/b/mcp', '/amcp', '/a/mcpfoo', '/.a/mcp']) {
    const answer = await get(host, at);
    assert.equal(answer.status, 404, `${at}: ${answer.text}`);
    assert.ok(!answer.text.includes('not_found'), `${at}: ${answer.text}`);
  }
  assert.equal((await get(host, '/index.html')).text, 'a page of the site itself\n');
});

test('audit lines and log lines name the site', async () => {
  const from = sites.main.daemon.log.length;
  await tokens(sites.b);
  await until('the audit line', () => auditLines(sites.main.daemon.log.slice(from))
    .some((line) => line.audit === 'token' && line.outcome === 'issued' && line.site === 'b'));
  await modern(sites.a, 'no.good.token', 'tools/list');
  await logged(sites.main.daemon, from, /event=request .*site=a|site=a .*event=request|event=request site=a/);
});

test('status and metrics by site', async () => {
  const { a, b, main } = sites;
  const status = (...args) => spawnSync(BINARY, ['status', '-c', main.daemon.configFile, ...args], { encoding: 'utf8' });
  const of = (name) => JSON.parse(status('--json', '--site', name).stdout);
  const figures = async () => {
    const request = http.request({ socketPath, path: '/metrics', agent: false }).end();
    const [response] = await once(request, 'response');
    return Object.fromEntries([...(await readBody(response)).matchAll(/^mcp_authd_site_(\w+)\{site="([^"]+)"\} (\d+)$/gm)]
      .map(([, name, site, value]) => [`${site} ${name}`, Number(value)]));
  };
  for (const site of all) await get(new URL(site.mcpUrl).host, new URL(site.mcpUrl).pathname);
  // The status is written every second, the metrics are read as they are.
  const earlier = await figures();
  await until('a row of each', () => [['a', 'a'], ['b', 'other'], ['mcp-authd.conf', 'mcp-authd.conf']]
    .every(([name, label]) => of(name).requests === earlier[`${label} requests_total`]));
  const before = [of('a'), of('b'), of('mcp-authd.conf')];
  await tokens(b);
  await modern(a, 'no.good.token', 'tools/list');
  await until('a status of all', () => of('b').logins > before[1].logins && of('a').requests === before[0].requests + 1);
  const [nowA, nowB, nowMain] = [of('a'), of('b'), of('mcp-authd.conf')];
  assert.equal(nowB.logins, before[1].logins + 1);
  assert.equal(nowA.logins, before[0].logins);
  assert.deepEqual({ ...nowMain, workers: 0 }, { ...before[2], workers: 0 });        // an idle worker may have left
  for (const each of [nowA, nowB]) {
    assert.deepEqual([each.errors, each.refused, each.calls], [0, 0, 0]);
    assert.ok(each.workers >= 1 && Math.abs(each.last_request - Date.now() / 1000) < 60, JSON.stringify(each));
  }
  // In the table, the order of the files.
  const table = status().stdout.split('\n').slice(-5);
  assert.match(table[0], /^site +requests +errors +refused +logins +calls +workers +last request$/);
  assert.deepEqual(table.slice(1, 4).map((line) => line.split(' ')[0]), ['mcp-authd.conf', 'a', 'b']);
  assert.equal(status('--site', 'b').stdout.split('\n')[1], table[3]);
  const none = status('--site', 'none');
  assert.deepEqual([none.status, /there is no site none in /.test(none.stderr)], [2, true]);

  // The third by name has no metrics of its own.
  const later = await figures();
  assert.equal(later['other logins_total'], earlier['other logins_total'] + 1);
  assert.equal(later['a requests_total'], earlier['a requests_total'] + 1);
  assert.equal(later['a requests_total'], nowA.requests);
  assert.equal(later['other requests_total'], nowB.requests);
  assert.ok(Object.keys(later).every((key) => /^(mcp-authd\.conf|a|other) /.test(key)), Object.keys(later).join());
  await logged(main.daemon, 0, /"Site":"other".*"SiteLogins":\d/);
});

test('a worker that has few descriptors left closes the site that it used least, and serves all', async () => {
  const { main } = sites;
  await reload(main.daemon);
  const from = main.daemon.log.length;
  for (const pid of workersOf(main.daemon)) {
    const lowest = fs.readdirSync(`/proc/${pid}/fd`).length;
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${lowest + 24}:`]);
  }
  for (let i = 0; i < 4; i += 1)
    for (const site of all) {
      const url = new URL(site.mcpUrl);
      assert.equal((await get(url.host, url.pathname)).status, 401, `${i} ${site.name}`);
    }
  assert.doesNotMatch(main.daemon.log.slice(from), /site_not_opened|state_unavailable/);
  await reload(main.daemon);
});

test('with two workers a client that calls one after the other is not refused', async () => {
  const { main, a } = sites, url = new URL(a.mcpUrl);
  writeConfig(main.daemon.configFile, { ...main.keys, WORKERS_MAX: '2' });
  await reload(main.daemon);
  for (let i = 0; i < 100; i += 1) assert.equal((await get(url.host, url.pathname)).status, 401, `${i}`);
  writeConfig(main.daemon.configFile, main.keys);
  await reload(main.daemon);
});

test('a reload: a wrong file leaves its site as it was, and the others take their changes', async () => {
  const { a, b, main } = sites;
  const { access_token: token } = await tokens(b);
  const from = main.daemon.log.length;
  writeConfig(a.file, { ...a.ownKeys, REQUIRED_SCOPES: 'openid', LISTEN: '/tmp/x.sock' });
  writeConfig(b.file, { ...b.ownKeys, TOOLS_DIR: path.join(main.dir, 'no-tools') });
  fs.mkdirSync(path.join(main.dir, 'no-tools'));
  const third = path.join(main.dir, 'sites.d/third.conf'), fourth = path.join(main.dir, 'sites.d/fourth.conf');
  writeConfig(third, { MCP_SERVER_URI: b.mcpUrl });
  writeConfig(fourth, { MCP_SERVER_URI: `${main.issuer}/fourth/mcp` });
  await reload(main.daemon);
  const log = main.daemon.log.slice(from);
  assert.match(log, /event=config_problem why="[^"]*sites\.d\/a\.conf:5: LISTEN is the whole daemon's: it may stand in [^"]*mcp-authd\.conf only"/);
  assert.match(log, /event=config_problem why="[^"]*sites\.d\/third\.conf:2: http:\/\/127\.0\.0\.2:\d+\/mcp is already of the site b: give this site its own MCP_SERVER_URI/);
  assert.match(log, /sites\.d\/fourth\.conf:2: [^ ]*\/authorize is already that of mcp-authd\.conf: give this site an issuer of its own, such as AUTH_PROXY_URI=[^ ]*\/fourth"/);
  assert.match(log, /event=sites_refused sites=3/);
  const names = (await modern(b, token, 'tools/list')).body.result.tools.map((tool) => tool.name);
  assert.ok(!names.includes('greet') && names.includes('whoami'), names.join(' '));
  await callTool(a, (await tokens(a)).access_token, 'greet', { name: 'Ada' });

  const check = spawnSync(BINARY, ['-t', '-c', main.daemon.configFile], { encoding: 'utf8' });
  assert.equal(check.status, 2, check.stderr);
  assert.match(check.stderr, /sites\.d\/a\.conf:5: LISTEN is the whole daemon's/);
  assert.match(check.stderr, /sites\.d\/third\.conf:2: /);

  fs.rmSync(third);
  fs.rmSync(fourth);
  fs.rmSync(a.file);
  writeConfig(b.file, b.ownKeys);
  await reload(main.daemon);
  assert.equal((await get(new URL(a.mcpUrl).host, '/a/mcp')).status, 404);
  await callTool(b, token, 'greet', { name: 'Ada' });
  assert.match(execFileSync(BINARY, ['-t', '-c', main.daemon.configFile], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    /\n# .*sites\.d\/b\.conf\nMCP_SERVER_URI=http:\/\/127\.0\.0\.2/);
});

test('a reload reports a wrong ACCESS_FILE of a site whose own file is as it was, and that site refuses what rules would be about', async () => {
  const { b, main } = sites, rules = path.join(main.dir, 'access.conf');
  const { access_token: token } = await tokens(b);
  const afterReload = async (text) => {
    const from = main.daemon.log.length;
    fs.writeFileSync(rules, text);
    await reload(main.daemon);
    return main.daemon.log.slice(from);
  };
  writeConfig(b.file, { ...b.ownKeys, ACCESS_FILE: rules });
  assert.doesNotMatch(await afterReload('allow tool:greet *\n'), /sites_refused/);
  await callTool(b, token, 'greet', { name: 'Ada' });
  assert.match(await afterReload('allow tool:greet staff\n'), /event=config_problem why="[^"]*access\.conf:1: staff: expected [^]*event=sites_refused sites=1/);
  assert.equal((await modern(b, token, 'tools/call', { name: 'greet', arguments: { name: 'Ada' } })).status, 403);
  writeConfig(b.file, b.ownKeys);
  assert.doesNotMatch(await afterReload(''), /sites_refused/);
  await callTool(b, token, 'greet', { name: 'Ada' });
});

test('a reload reports a sealing key that is none of a site whose own file is as it was; the others are served', async () => {
  const { b, main } = sites, file = path.join(b.state, 'secret.key');
  await tokens(b);      // it has made its key
  const key = fs.readFileSync(file, 'utf8');
  const afterReload = async (text) => {
    const from = main.daemon.log.length;
    fs.writeFileSync(file, text);
    await reload(main.daemon);
    return main.daemon.log.slice(from);
  };
  assert.doesNotMatch(await afterReload(key), /sites_refused/);
  assert.match(await afterReload('not a key\n'), /event=config_problem why="site b: SECRET_KEY_FILE: [^"]*secret\.key: line 1 [^]*event=sites_refused sites=1/);
  const { host, pathname } = new URL(b.mcpUrl);
  for (let i = 0; i < 4; i += 1) {        // also the first request of a worker, which tries to open the site
    const { status, text } = await get(host, pathname);
    assert.equal(status, 503, text);
    assert.match(text, /"the site cannot be served now"/);
  }
  await tokens(main);
  assert.doesNotMatch(await afterReload(key), /sites_refused/);
  await tokens(b);
});

test('mcp-authd site: a site that is added is served after a reload, and one that is disabled no more; what is wrong changes nothing', async () => {
  const { a, b, main } = sites;
  const folder = path.dirname(b.file), file = path.join(folder, 'customer.conf'), tools = path.join(main.dir, 'customer-tools');
  const site = (...args) => {
    const { status, stdout, stderr } = spawnSync(BINARY, ['site', '-c', main.daemon.configFile, ...args], { encoding: 'utf8' });
    return { status, out: stdout, err: stderr };
  };
  const files = () => fs.readdirSync(folder).sort().join(' ');
  const states = () => Object.fromEntries(JSON.parse(site('list', '--json').out).map((each) => [each.name, each.state]));
  writeConfig(a.file, a.ownKeys);
  writeConfig(b.file, b.ownKeys);
  const origin = main.issuer, uri = `${origin}/customer/mcp`, issuer = `${origin}/customer`;

  const before = files();
  const refused = [
    [['add', 'customer', '--uri', b.mcpUrl], /sites\.d\/customer\.conf:3: http:\/\/127\.0\.0\.2:\d+\/mcp is already of the site b: give this site its own MCP_SERVER_URI/],
    [['add', 'customer', '--uri', uri], /customer\.conf:3: \S+\/authorize is already \S+ [^:]*: give this site an issuer of its own, such as AUTH_PROXY_URI=/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, 'SITE_CALL=3'], /customer\.conf:5: SITE_CALL is not a key that mcp-authd knows; did you mean SITE_CALLS\?/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, 'LISTEN=/tmp/x'], /customer\.conf:5: LISTEN is the whole daemon's/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, '--user', 'no-such-user', '--tools', tools], /customer\.conf:5: RUN_USER=no-such-user: there is no such user/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, '--tools', `${main.dir}/none/tools`], /none\/tools cannot be made: No such file or directory: nothing was changed/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, `SECRET_KEY_FILE=${main.dir}/none`], /site customer: SECRET_KEY_FILE: .*none/],
    [['add', 'customer', '--uri', `${uri}\nLISTEN=/tmp/x`], /the value of MCP_SERVER_URI has control characters/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, 'SERVER_TITLE=Ada\nSITE_CALLS=9'], /the value of SERVER_TITLE has control characters, such as a newline/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, 'SITE_CALLS=9\nSERVER_TITLE=Ada'], /the value of SITE_CALLS has control characters/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, '#\nSITE_CALLS=9'], /"#\?SITE_CALLS": a KEY has capital letters/],
    [['add', 'customer', '--uri', uri, '--issuer', issuer, '=9'], /"": a KEY has capital letters/],
    [['add', 'b', '--uri', uri, '--issuer', issuer], /sites\.d\/b\.conf is there already/],
    [['add', '../up', '--uri', uri], /a site's name has at most 63/],
    [['add', 'customer'], /needs --uri/], [['add'], /needs a NAME/], [['list', 'a'], /takes no NAME/], [['remove', 'a'], /has no action remove/],
    [['enable', 'customer'], /customer\.conf\.disabled is not there/], [['disable', 'customer'], /customer\.conf: No such file/],
    [['check', 'customer'], /there is no site customer/],
  ];
  for (const [args, why] of refused) {
    const { status, err } = site(...args);
    assert.equal(status, 2, `${args}: ${err}`);
    assert.match(err, why, `${args}`);
    assert.deepEqual([files(), fs.existsSync(tools)], [before, false], `${args}`);
  }

  fs.chmodSync(main.daemon.configFile, 0o640);
  const added = site('add', 'customer', '--uri', uri, '--issuer', issuer, '--tools', tools, 'SERVER_TITLE=Ada # 1');
  assert.equal(added.status, 0, added.err);
  assert.match(added.out, new RegExp(`^${file}\nCallback URL of the app client \\S+: ${issuer}/callback\n`));
  assert.match(added.out, /systemctl reload mcp-authd\nThen: mcp-authd doctor --site customer\n$/);
  assert.equal(fs.statSync(file).mode & 0o777, 0o640);
  assert.ok(fs.statSync(tools).isDirectory());
  assert.match(fs.readFileSync(file, 'utf8'), /^SERVER_TITLE="Ada # 1"$/m);
  assert.equal((await get(new URL(uri).host, '/customer/mcp')).status, 404);
  await reload(main.daemon);
  assert.equal((await get(new URL(uri).host, '/customer/mcp')).status, 401);
  assert.deepEqual(states(), { 'mcp-authd.conf': 'enabled', a: 'enabled', b: 'enabled', customer: 'enabled' });

  // Another site's fault does not keep this one from being checked, switched off and on.
  writeConfig(a.file, { ...a.ownKeys, LISTEN: '/tmp/x.sock' });
  assert.equal(states().a, 'wrong');
  assert.deepEqual([site('check').status, site('check', 'a').status, site('check', 'customer').status], [2, 2, 0]);
  assert.equal(site('disable', 'customer').status, 0);
  await reload(main.daemon);
  assert.equal((await get(new URL(uri).host, '/customer/mcp')).status, 404);
  assert.deepEqual([states().customer, site('check', 'customer').status], ['disabled', 0]);
  assert.match(site('add', 'customer', '--uri', uri).err, /customer\.conf\.disabled is there: mcp-authd site enable customer/);
  assert.equal(site('enable', 'customer').status, 0);
  await reload(main.daemon);
  assert.equal((await get(new URL(uri).host, '/customer/mcp')).status, 401);

  writeConfig(a.file, a.ownKeys);
  fs.rmSync(file);
  await reload(main.daemon);
});
