// What a manifest gives a program and lets it use: variables, secrets, a private directory, paths, limits, claims.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { logged } from '../parts/daemon.mjs';
import { callTool } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { toolFolder } from '../parts/tasks.mjs';
import { ROOT, until } from '../parts/util.mjs';

// The example of docs/tools.md, with paths of this test.
function writeExample() {
  const document = fs.readFileSync(path.join(ROOT, 'docs/tools.md'), 'utf8').split('<!-- test: program access -->')[1];
  const [manifest, python] = [/```json\n(.*?)```/s, /```python\n(.*?)```/s].map((block) => block.exec(document)[1]);
  const { run, ...tool } = JSON.parse(manifest);
  const secret = path.join(other, run.secrets.DATABASE_PASSWORD);
  fs.writeFileSync(secret, 'of the stock\n', { mode: 0o600 });
  fs.writeFileSync(path.join(tools.dir, 'stock.py'), `#!/usr/bin/python3\nimport json, os, sys\n${python}print(password, tenant, os.environ["DATABASE_HOST"])\n`,
    { mode: 0o755 });
  const here = { ...run, read: [path.join(other, 'data')], secrets: { DATABASE_PASSWORD: secret } };
  fs.writeFileSync(path.join(tools.dir, 'stock.json'), JSON.stringify({ ...tool, run: here }));
}

let site;
let tools;
let other;
let token;
const SECRET = 'c0ffee-of-the-weather-service';
before(async () => {
  tools = toolFolder('mcp-access-');
  other = fs.mkdtempSync('/var/tmp/mcp-access-');
  fs.mkdirSync(path.join(other, 'data'));
  fs.mkdirSync(path.join(other, 'out'), { mode: 0o777 });
  fs.writeFileSync(path.join(other, 'data', 'table'), 'seven\n');
  fs.writeFileSync(path.join(other, 'weather'), SECRET, { mode: 0o600 });
  const tool = (name, script, run) => tools.tool(name, script, { task: undefined, ...run });
  tool('given', 'echo "$GREETING $(cat "$KEY_FILE")"', { env: { GREETING: 'hello' }, secrets: { KEY: path.join(other, 'weather') } });
  tool('late', 'cat "$KEY_FILE"', { secrets: { KEY: path.join(other, 'late') } });
  tool('not-given', `cat ${other}/weather ${other}/data/table; echo "\${KEY_FILE-none} \${GREETING-none}"; ls /proc/self/fd | wc -l`);
  tool('reads', `cat ${other}/data/table; echo x 2>/dev/null >${other}/data/new || echo "no writing"`, { read: [path.join(other, 'data')] });
  tool('writes', `echo written >${other}/out/file && cat ${other}/out/file; echo x 2>/dev/null >/tmp/of-writes || echo "not to /tmp"`,
    { write: [path.join(other, 'out')] });
  tool('home', 'cd "$HOME" && echo mine >file && [ "$TMPDIR" = "$HOME" ] && stat -c "%a" . && pwd', { home: true });
  tool('swaps', `d=\${HOME%/home}; mv $d $d.old; ln -s ${other} $d; cat ${other}/weather; echo end`, { home: true });
  tool('keeps', `echo private-note >"$HOME/note"; echo >${other}/out/kept; while [ ! -e ${other}/out/go ]; do sleep 0.05; done; cat "$HOME/note"`,
    { home: true, write: [path.join(other, 'out')], timeout_ms: 30000 });
  tool('peeks', 'cat /tmp/mcp-authd-run-*/home/* /var/tmp/mcp-authd-run-*/home/*; echo end');
  tool('many', 'exec 2>&1; ulimit -n; head -c 3000 /dev/zero >/tmp/mcp-access-large; echo "$?"; rm -f /tmp/mcp-access-large',
    { limits: { open_files: 77, file_size: 1024 } });
  tool('large', 'exec tail /dev/zero', { limits: { memory: 67108864 } });
  tool('who', 'cat', { claims: ['token_use', 'nothing'], output: 'json' });
  writeExample();
  site = await startSite({ config: { TOOLS_DIR: tools.dir } });
  token = await site.cognito.accessToken({ 'cognito:groups': ['staff', 'admins'] });
});
after(async () => {
  await site?.close();
  tools.remove();
  fs.rmSync(other, { recursive: true, force: true });
});
const call = async (name) => callTool(site, token, name);
const text = async (name) => (await call(name)).content[0].text;

test('a program has its variables and its secrets, and no other program has them', async () => {
  assert.equal(await text('given'), `hello ${SECRET}\n`);
  assert.equal(await text('not-given'), 'none none\n4\n', 'descriptors 0, 1, 2, and that of ls');
  assert.ok(!site.daemon.log.includes(SECRET));
});

test('a secret that is missing or empty: the call fails with a reason in the log, until it is there', async () => {
  const file = path.join(other, 'late');
  for (const why of [/No such file/, /it is empty/]) {
    const at = site.daemon.log.length;
    const refused = await call('late');
    assert.deepEqual([refused.isError, refused.content[0].text], [true, 'The tool could not be started.']);
    assert.match((await logged(site.daemon, at, /event=tool_not_started .*what="a secret" .*/))[0], why);
    fs.writeFileSync(file, '', { mode: 0o600 });
  }
  fs.writeFileSync(file, 'here at last');
  assert.equal(await text('late'), 'here at last');
});

test('it reads and writes where its manifest says, and nowhere else', async () => {
  assert.equal(await text('reads'), 'seven\nno writing\n');
  assert.equal(await text('writes'), 'written\nnot to /tmp\n');
});

test('its private directory is its own, and gone after the call', async () => {
  const [mode, home] = (await text('home')).trim().split('\n');
  assert.equal(mode, '700');
  await until('its file to be removed', () => !fs.existsSync(path.join(home, 'file')));
  assert.equal(await text('home').then((again) => again.split('\n')[0]), '700');
});

test('no program leads the private directory of another run elsewhere, or reads it', async () => {
  for (let run = 0; run < 4; run += 1) assert.equal(await text('swaps'), 'end\n');
  const kept = text('keeps');
  await until('its file', () => fs.existsSync(path.join(other, 'out', 'kept')));
  assert.equal(await text('peeks'), 'end\n');
  fs.writeFileSync(path.join(other, 'out', 'go'), '');
  assert.equal(await kept, 'private-note\n');
});

test('its limits hold, and the call ends with an error that says what has happened', async () => {
  const [files, status] = (await text('many')).trim().split('\n').filter((line) => /^\d+$/.test(line));
  assert.equal(files, '77');
  assert.notEqual(status, '0');
  const large = await call('large');
  assert.equal(large.isError, true);
  assert.match(large.content[0].text, /exit status 1|signal/);
});

test('it is told the groups of the caller, and the claims that its manifest names', async () => {
  const { caller } = (await call('who')).structuredContent;
  assert.deepEqual(caller.groups, ['staff', 'admins']);
  assert.deepEqual(caller.claims, { token_use: 'access' });
});

test('a manifest that would open keys or secrets is refused, with the reason', () => {
  const bad = toolFolder('mcp-access-bad-');
  try {
    bad.tool('etc', 'true', { task: undefined, read: ['/etc'] });
    bad.tool('state', 'true', { task: undefined, write: [site.keys.STATE_DIR] });
    bad.tool('homes', 'true', { task: undefined, write: ['/var/tmp'] });
    bad.tool('relative', 'true', { task: undefined, read: ['data'] });
    bad.tool('missing', 'true', { task: undefined, secrets: { KEY: '/nowhere/key' } });
    bad.tool('few', 'true', { task: undefined, secrets: { KEY: path.join(other, 'weather') }, limits: { open_files: 16 } });
    bad.tool('limits', 'true', { task: undefined, limits: { cpu_weight: 10001 } });
    const config = path.join(bad.dir, 'conf');
    fs.writeFileSync(config, fs.readFileSync(site.daemon.configFile, 'utf8').replace(/^TOOLS_DIR=.*$/m, `TOOLS_DIR=${bad.dir}`));
    let out;
    try {
      out = execFileSync(process.env.MCP_AUTHD, ['-c', config, '-t'], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      out = error.stdout + error.stderr;
    }
    for (const [name, why] of [['etc', /run\.read: \/etc would open/], ['state', /run\.write: .* would open/], ['homes', /run\.write: \/var\/tmp would open/],
      ['relative', /must be an absolute path/],
      ['missing', /warning: the secret KEY: \/nowhere\/key: No such file/], ['few', /open_files must be at least 17/], ['limits', /cpu_weight/]]) {
      const line = out.split('\n').find((each) => each.includes(`${name}.json`));
      assert.match(line ?? out, why);
    }
  } finally {
    bad.remove();
  }
});

test("the document's example is accepted, and gets what it says", async () => {
  const theirs = await site.cognito.sign({ ...site.cognito.accessClaims(), tenant: 'north' });
  const { content } = await callTool(site, theirs, 'stock', { article: '7' });
  assert.equal(content[0].text, 'of the stock north db.example.com\n');
});
