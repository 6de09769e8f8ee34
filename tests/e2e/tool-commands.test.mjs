// mcp-authd call, new-tool and import, as the writer of a tool uses them: no client, no login, no daemon.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, until } from '../parts/util.mjs';

const PROGRAM = process.env.MCP_AUTHD ?? path.join(ROOT, 'build/mcp-authd');
const LANGUAGES = { sh: '.sh', python: '.py', node: '.mjs', c: '.c' };

let dir;
before(() => {
  dir = fs.mkdtempSync('/tmp/mcp-tool-commands-');
  fs.chmodSync(dir, 0o755);
  fs.cpSync(path.join(ROOT, 'tests/tools.d'), dir, { recursive: true });
  fs.cpSync(path.join(ROOT, 'share/tools.d/python'), dir, { recursive: true });
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

// The environment has no configuration, and PATH what programs of a tool find there.
function command(args, env = {}) {
  const ended = spawnSync(PROGRAM, args, {
    encoding: 'utf8', timeout: 30000, env: { PATH: '/usr/local/bin:/usr/bin:/bin', STATE_DIR: path.join(dir, 'state'), ...env },
  });
  return { status: ended.status, out: ended.stdout, err: ended.stderr };
}
const call = (...args) => command(['call', '--dir', dir, ...args]);
const callJson = (...args) => {
  const { status, out } = call('--json', ...args);
  assert.equal(out.indexOf('\n'), out.length - 1, 'one line');
  return { exit: status, ...JSON.parse(out) };
};
function writeTool(name, script, manifest, run) {
  fs.writeFileSync(path.join(dir, `${name}.sh`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  fs.writeFileSync(path.join(dir, `${name}.json`),
    JSON.stringify({ name, inputSchema: { type: 'object' }, ...manifest, run: { command: [`./${name}.sh`], ...run } }));
}

test('a result: on stdout alone; time, CPU time and memory on stderr', () => {
  writeTool('spins', 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; echo finding >&2; echo "the result"');
  const { status, out, err } = call('spins');
  assert.deepEqual([status, out], [0, 'the result\n']);
  const [, ms, cpu, memory] = /^finding\nspins: ok, (\d+) ms, CPU ([\d.]+) ms, memory ([\d.]+) MiB\n$/.exec(err);
  assert.ok(Number(ms) >= 10 && Number(cpu) >= 10, err);
  assert.ok(Number(memory) > 0.1 && Number(memory) < 100, err);
});

test('--json: one line with all of it', () => {
  const { exit, tool, status, outcome, result, stderr, runs, ms, cpu_us: cpu, max_rss_kib: memory } = callJson('spins');
  assert.deepEqual([exit, tool, status, outcome, stderr, runs], [0, 'spins', 'ok', 'ok', 'finding\n', 1]);
  assert.deepEqual(result.content, [{ type: 'text', text: 'the result\n' }]);
  assert.ok(ms >= 10 && cpu >= 10000 && memory > 100, `${ms} ${cpu} ${memory}`);
});

test('the instance metadata addresses: closed, unless the manifest opens them', (t) => {
  fs.writeFileSync(path.join(dir, 'metadata.py'), `#!/usr/bin/python3
import socket
server = socket.create_server(('', 0))
for host in ('127.0.0.1', '169.254.169.254'):
    try: socket.create_connection((host, server.getsockname()[1]), timeout=1); print(host, 'connected')
    except TimeoutError: print(host, 'no answer')
`, { mode: 0o755 });
  for (const [name, run] of [['closed', {}], ['opened', { instance_metadata: true }]]) {
    fs.writeFileSync(path.join(dir, `metadata-${name}.json`),
      JSON.stringify({ name: `metadata-${name}`, inputSchema: { type: 'object' }, run: { command: ['./metadata.py'], ...run } }));
  }
  const inNetwork = (script) => spawnSync('unshare', ['-rn', 'sh', '-ec', `ip link set lo up; ip addr add 169.254.169.254/32 dev lo; ${script}`],
    { encoding: 'utf8', timeout: 30000, env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', STATE_DIR: path.join(dir, 'state') } });
  if (inNetwork(':').status !== 0) return t.skip('no network of its own');
  for (const [name, told] of [['closed', 'no answer'], ['opened', 'connected']]) {
    const { stdout, stderr } = inNetwork(`${PROGRAM} call --dir ${dir} metadata-${name}`);
    assert.equal(stdout, `127.0.0.1 connected\n169.254.169.254 ${told}\n`, stderr);
  }
});

test('the checks of the daemon: arguments, end, output, output schema', () => {
  const greeting = call('greet', '{"name": 1}');
  assert.equal(greeting.status, 1);
  assert.match(greeting.out, /^Invalid arguments: \/name must be a string/);
  assert.match(greeting.err, /bad_arguments, no program was started\n$/);
  const failed = call('fail');
  assert.deepEqual([failed.status, failed.out], [1, 'partial result\nThe tool ended with exit status 3.\n']);
  assert.match(failed.err, /^the disk is on fire\nfail: exit_status, /);
  assert.deepEqual([callJson('crash').exit, callJson('crash').outcome], [1, 'signal']);
  assert.deepEqual([callJson('broken_json').exit, callJson('broken_json').outcome], [1, 'bad_output']);
  writeTool('promises', 'echo \'{"n":"x"}\'', { outputSchema: { type: 'object', properties: { n: { type: 'integer' } } } }, { output: 'json' });
  const promised = call('promises');
  assert.equal(promised.status, 1);
  assert.match(promised.out, /does not match its outputSchema: \/n must be an integer/);
  writeTool('slow', 'sleep 20', {}, { timeout_ms: 200 });
  assert.match(call('slow').err, /slow: timeout, \d+ ms/);
});

test('the caller: name and scopes are those of the options', () => {
  writeTool('who', 'cat', { }, { output: 'json', scopes: ['admin'] });
  const { caller } = callJson('who', '--as', 'ada').result.structuredContent;
  assert.deepEqual([caller.sub, caller.username, caller.scopes], ['ada', 'ada', ['mcp-server/tools', 'admin']]);
  assert.deepEqual(callJson('who', '--scopes', 'mcp-server/tools admin x').result.structuredContent.caller.scopes,
    ['mcp-server/tools', 'admin', 'x']);
  const refused = call('who', '--scopes', 'mcp-server/tools');
  assert.equal(refused.status, 4);
  assert.match(refused.err, /^The call is refused: .*missing: admin; the token has: mcp-server\/tools\)/);
  assert.equal(refused.out, '');
});

test('the caller: further claims and groups are those of --claims', () => {
  writeTool('claimed', 'cat', {}, { output: 'json', claims: ['tenant', 'sub'] });
  const { caller } = callJson('claimed', '--as', 'ada', '--claims', '{"cognito:groups":["staff"],"tenant":"north","sub":"other"}')
    .result.structuredContent;
  assert.deepEqual([caller.sub, caller.groups, caller.claims], ['ada', ['staff'], { tenant: 'north', sub: 'ada' }]);
  assert.deepEqual(callJson('claimed').result.structuredContent.caller.groups, []);
  const wrong = call('claimed', '--claims', '[]');
  assert.deepEqual([wrong.status, wrong.err], [2, 'mcp-authd call: --claims: must be a JSON object\n']);
});

test('the caller: one in DENY_FILE is refused', () => {
  const deny = path.join(dir, 'deny');
  fs.writeFileSync(deny, 'subject ada\n');
  const ask = (user) => command(['call', '--dir', dir, '--as', user, 'greet', '{"name":"x"}'], { DENY_FILE: deny });
  const refused = ask('ada');
  assert.deepEqual([refused.status, refused.out], [4, '']);
  assert.match(refused.err, /^The call is refused: DENY_FILE \(.*\/deny\) has this caller\n/);
  assert.equal(ask('bob').status, 0);
});

test('a full disk: the result is lost, and the exit status says so', () => {
  for (const args of [['call', '--dir', dir, 'greet', '{"name":"x"}'], ['call', '--json', '--dir', dir, 'greet', '{"name":"x"}'], ['-p'], ['-V']]) {
    const full = fs.openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(PROGRAM, args, { encoding: 'utf8', stdio: ['ignore', full, 'pipe'], env: { PATH: '/usr/bin:/bin' } });
    fs.closeSync(full);
    assert.equal(status, args[0] === 'call' ? 4 : 1, args.join(' '));
    assert.match(stderr, /standard output: No space left on device\n/);
  }
  const config = path.join(dir, 'full.conf');
  fs.writeFileSync(config, 'MCP_SERVER_URI=https://a.example/mcp\nCOGNITO_USER_POOL_ID=eu-west-1_AbCdEfGhI\nCOGNITO_CLIENT_ID=1\nCOGNITO_DOMAIN=d\n' +
    ['TOOLS', 'RESOURCES', 'PROMPTS', 'SKILLS', 'SERVERS', 'CLIENTS'].map((kind) => `${kind}_DIR=\n`).join(''));
  const check = spawnSync('sh', ['-c', '"$0" -c "$1" -t >/dev/full', PROGRAM, config], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  assert.deepEqual([check.status, check.stderr.split('\n').at(-2)], [1, 'mcp-authd: standard output: not all could be written'], check.stderr);
});

test('input: what is asked for, and answers to it', () => {
  const steps = '{"steps":["pack","go"]}';
  const asked = call('rehearsal', steps);
  assert.equal(asked.status, 3);
  assert.equal(JSON.parse(asked.out).agree.params.message, 'Rehearse 2 steps?');
  const [, example] = /Answer with: --input '(.*)'\n/.exec(asked.err);
  const answered = call('rehearsal', steps, '--input', example);
  assert.deepEqual([answered.status, answered.out], [0, 'All 2 steps were rehearsed.\n']);
  assert.match(answered.err, /^progress 1\/2: pack\nprogress 2\/2: go\n[^]*, 2 runs\n$/);
  const declined = call('rehearsal', steps, '--input', '{"agree":{"action":"decline"}}');
  assert.deepEqual([declined.status, declined.out], [1, 'The user does not want that.\n']);
  const wrong = call('rehearsal', steps, '--input', '{"agree":{"action":"accept","content":{"agree":"yes"}}}');
  assert.equal(wrong.status, 4);
  assert.match(wrong.err, /inputResponses\.agree has wrong content/);
  assert.equal(call('rehearsal', steps, '--input', '{"other":{"action":"accept"}}').status, 3);
});

test('input: several rounds, each with its own answers, and a round that asks for nothing', () => {
  // It asks twice for the same key, and once only to be called again.
  const ask = (state) => JSON.stringify({ inputRequired: { requestState: state, inputRequests: { n: { method: 'elicitation/create', params: {
    message: 'n?', requestedSchema: { type: 'object', properties: { v: { type: 'integer' } } } } } } } });
  writeTool('rounds', `input=$(cat)
case $input in
*'"requestState":3'*) printf '%s' "$input" ;;
*'"requestState":2'*) echo '${ask(3)}' ;;
*'"requestState":1'*) echo '{"inputRequired":{"requestState":2}}' ;;
*) echo '${ask(1)}' ;;
esac`, {}, { output: 'json' });
  const answer = (v) => ['--input', JSON.stringify({ n: { action: 'accept', content: { v } } })];
  const { exit, result, runs } = callJson('rounds', ...answer(1), ...answer(2), ...answer(3));
  assert.deepEqual([exit, runs], [0, 4]);
  assert.equal(result.structuredContent.inputResponses.n.content.v, 3);
});

test('a wrong manifest, an unknown tool and wrong words end with status 2 and the reason', () => {
  fs.writeFileSync(path.join(dir, 'wrong.json'), '{"name":"wrong","inputSchema":{"type":"object"},"run":{"command":["./none"]}}');
  const wrong = call('wrong');
  assert.equal(wrong.status, 2);
  assert.match(wrong.err, /wrong\.json: run\.command: \.\/none: No such file or directory\n[^]*there is no tool wrong in /);
  fs.rmSync(path.join(dir, 'wrong.json'));
  assert.match(call('gret').err, /there is no tool gret in .*; did you mean greet\?\n$/);
  for (const [args, why] of [[['greet', '[]'], /the arguments: must be a JSON object/], [['greet', '{'], /the arguments: /],
    [['greet', '{}', 'x'], /x is one argument too many/], [['greet', '--input', '1'], /--input: must be a JSON object/], [[], /call needs a TOOL/]]) {
    const { status, err } = call(...args);
    assert.equal(status, 2, args.join(' '));
    assert.match(err, why);
  }
});

test('a tool that is a task runs to its end', () => {
  writeTool('long', 'echo done', {}, { task: 'required', timeout_ms: 600000 });
  assert.deepEqual([call('long').status, call('long').out], [0, 'done\n']);
});

test('programs are started by the runner of RUNNER_SOCKET, or if it cannot be reached, by one of the command', async (t) => {
  writeTool('uid', 'id -u');
  const socket = path.join(dir, 'runner.sock');
  const own = command(['call', '--dir', dir, 'uid'], { RUNNER_SOCKET: socket });
  assert.deepEqual([own.status, own.out], [0, `${process.getuid()}\n`]);
  assert.match(own.err, /RUNNER_SOCKET=.*: No such file or directory; the program runs as this user\n/);
  if (process.getuid() !== 0) return t.skip('only root can have a runner of another user');
  // In systemd's place. It is root who may ask, and nobody who runs programs.
  const activate = `import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1] + '.new'); s.listen()
os.rename(sys.argv[1] + '.new', sys.argv[1]); os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.execv(sys.argv[2], ['mcp-authd', 'runner', '--quiet', '--user', 'nobody'])`;
  const runner = spawn('/usr/bin/python3', ['-c', activate, socket, PROGRAM], { stdio: 'inherit' });
  t.after(() => runner.kill());
  await until('the runner listens', () => fs.existsSync(socket));
  const others = command(['call', '--dir', dir, 'uid'], { RUNNER_SOCKET: socket });
  assert.deepEqual([others.status, others.out], [0, '65534\n'], others.err);
  // And its own one becomes RUN_USER, as the daemon's does.
  assert.equal(command(['call', '--dir', dir, 'uid'], { RUN_USER: 'nobody' }).out, '65534\n');
});

test('nothing is left behind: no program, no runner, no socket', () => {
  const pids = () => fs.readdirSync('/proc').filter((pid) => {
    try {
      return /mcp-authd.runner.--quiet|stays-behind/.test(fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
    } catch {
      return false;
    }
  }).length;
  writeTool('leaves', `setsid sh -c 'exec sleep 60 # stays-behind' >/dev/null 2>&1 & echo gone`);
  const before = pids();
  assert.equal(call('leaves').out, 'gone\n');
  assert.ok(pids() <= before);
  assert.deepEqual(fs.readdirSync('/tmp').filter((name) => /^runner-\d+\.sock$/.test(name)), []);
});

const words = { sh: ['sh', 'jq'], python: ['python3'], node: ['node'], c: ['cc', 'pkg-config'] };
const has = (word) => ['/usr/local/bin', '/usr/bin', '/bin'].some((place) => fs.existsSync(path.join(place, word)));

for (const [language, end] of Object.entries(LANGUAGES)) {
  test(`new-tool --lang ${language}: works at once, and so does its test`, { skip: !words[language].every(has) }, () => {
    const name = `first-${language}`;
    const made = command(['new-tool', name, '--lang', language, '--dir', dir]);
    assert.deepEqual([made.status, made.err], [0, '']);
    for (const file of ['.json', end, '.test.sh']) assert.ok(made.out.includes(`${path.join(dir, name + file)}\n`), made.out);
    if (language === 'c') {
      const line = /^ \* +(cc .*)$/m.exec(fs.readFileSync(path.join(dir, `${name}.c`), 'utf8'))[1];
      execFileSync('/bin/sh', ['-ec', line.replace('-Wall', '-Wall -Wextra -Werror')], { cwd: dir });
    }
    assert.deepEqual([call(name, '{"who":"Zoë"}').status, call(name, '{"who":"Zoë"}').out], [0, 'Hello, Zoë!\n']);
    const tested = spawnSync(path.join(dir, `${name}.test.sh`), [], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', MCP_AUTHD: PROGRAM } });
    assert.equal(tested.status, 0, tested.stderr);
    assert.equal(tested.stdout, 'ok: {"who": "Ada"}\nok: {}\n');
    // The test can fail.
    const program = path.join(dir, language === 'c' ? `${name}.json` : name + end);
    const [from, to] = language === 'c' ? ['"minLength": 1', '"minLength": 9'] : ['Hello,', 'Bye,'];
    fs.writeFileSync(program, fs.readFileSync(program, 'utf8').replace(from, to));
    assert.equal(spawnSync(path.join(dir, `${name}.test.sh`), [], { env: { PATH: '/usr/bin:/bin', MCP_AUTHD: PROGRAM } }).status, 1);
  });
}

test('new-tool overwrites nothing, writes all files or none, and takes the names that manifests may have', () => {
  const make = (name, ...args) => command(['new-tool', name, '--lang', 'sh', '--dir', dir, ...args]);
  const before = fs.readdirSync(dir);
  fs.writeFileSync(path.join(dir, 'taken.test.sh'), 'mine');
  assert.deepEqual([make('taken').status, make('greet').status], [1, 1]);
  assert.match(make('taken').err, /taken\.test\.sh: File exists/);
  assert.equal(fs.readFileSync(path.join(dir, 'taken.test.sh'), 'utf8'), 'mine');
  for (const name of ['a b', 'a/b', '../a', '', '.a', 'a.json', 'echo', 'x'.repeat(129)]) {
    assert.equal(make(name).status, 1, name);
    assert.match(make(name).err, /new-tool: the name /);
  }
  assert.match(command(['new-tool', 'a', '--lang', 'perl', '--dir', dir]).err, /--lang perl is none of sh python c node/);
  assert.match(make('a', '--dir', path.join(dir, 'none')).err, /none\/a\.json: No such file or directory/);
  assert.deepEqual(fs.readdirSync(dir), [...before, 'taken.test.sh'].sort());
  const name = `-x_1.Y${'z'.repeat(100)}`;
  const odd = path.join(dir, "a folder's");
  fs.mkdirSync(odd);
  const made = command(['new-tool', '--lang', 'sh', '--dir', odd, '--', name]);
  assert.equal(made.status, 0, made.err);
  const run = (line) => execFileSync('/bin/sh', ['-ec', line, PROGRAM], { encoding: 'utf8' });
  assert.equal(run(/^Call it: (.*)$/m.exec(made.out)[1]), 'Hello, Ada!\n');
  run(`MCP_AUTHD="$0" ${/^Test it: (.*)$/m.exec(made.out)[1]}`);
});

test('new-tool says what the program lacks, and others can read the files whatever the umask', () => {
  const out = execFileSync('/bin/sh', ['-ec', 'umask 077; exec "$0" "$@"', PROGRAM, 'new-tool', 'masked', '--lang', 'sh', '--dir', dir], { encoding: 'utf8' });
  assert.match(out, /Test it: /);
  assert.deepEqual(['.json', '.sh', '.test.sh'].map((end) => fs.statSync(path.join(dir, `masked${end}`)).mode & 0o777), [0o644, 0o755, 0o755]);
});

test('docs/tools.md: the first tool in two minutes', () => {
  const tools = fs.mkdtempSync('/tmp/mcp-first-tool-');
  fs.chmodSync(tools, 0o755);
  const bin = fs.mkdtempSync('/tmp/mcp-first-tool-bin-');
  fs.symlinkSync(PROGRAM, path.join(bin, 'mcp-authd'));
  const text = fs.readFileSync(path.join(ROOT, 'docs/tools.md'), 'utf8');
  const commands = /<!-- test: first-tool -->\n```sh\n([^]*?)```/.exec(text)[1].replaceAll('/etc/mcp-authd/tools.d', tools);
  const out = execFileSync('/bin/sh', ['-ec', commands], { encoding: 'utf8', env: { PATH: `${bin}:/usr/bin:/bin`, TOOLS_DIR: tools } });
  assert.match(out, /\nHello, Ada!\nok: {"who": "Ada"}\nok: {}\n$/);
  // What the text shows of `call` is what it says.
  const shown = /\$ mcp-authd call hello '{}'\n +(.*)\n +(.*)\n/.exec(text);
  const refused = command(['call', 'hello', '{}'], { TOOLS_DIR: tools });
  assert.deepEqual([refused.out, refused.err], [`${shown[1]}\n`, `${shown[2]}\n`]);
  for (const each of [tools, bin]) fs.rmSync(each, { recursive: true });
});

// ---- import ----

const imported = (config, file = 'client.json') => {
  const target = fs.mkdtempSync(path.join(dir, 'import-'));
  for (const name of ['servers', 'secrets']) fs.mkdirSync(path.join(target, name));
  fs.writeFileSync(path.join(target, file), typeof config === 'string' ? config : JSON.stringify(config));
  const run = () => command(['import', path.join(target, file)], { SERVERS_DIR: path.join(target, 'servers'), SECRETS_DIR: path.join(target, 'secrets') });
  const read = (name) => JSON.parse(fs.readFileSync(path.join(target, 'servers', `${name}.json`), 'utf8'));
  return { ...run(), run, read, target, secret: (name) => path.join(target, 'secrets', name), files: () => fs.readdirSync(path.join(target, 'servers')).sort() };
};

test('import: the mcpServers of Claude Desktop and Cursor become files, and their secrets files of their own', () => {
  const { status, err, read, secret, files, run } = imported({ mcpServers: {
    files: { command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '/srv'] },
    'My GitHub': { command: 'docker', args: ['run'], env: { GITHUB_TOKEN: "it's", LEVEL: 'debug' } },
    web: { url: 'https://mcp.example.com/mcp', headers: { Authorization: 'Bearer abc', 'X-Tenant': 'one' } },
  } });
  assert.deepEqual([status, err], [0, '']);
  assert.deepEqual(files(), ['My-GitHub.json', 'files.json', 'web.json']);
  assert.deepEqual(read('files'), { command: ['npx', '-y', '@modelcontextprotocol/server-filesystem', '/srv'], home: true });
  assert.deepEqual(read('web'), { url: 'https://mcp.example.com/mcp', headers: { Authorization: '${AUTHORIZATION}', 'X-Tenant': 'one' },
    secrets: { AUTHORIZATION: 'web-AUTHORIZATION' } });
  assert.equal(fs.readFileSync(secret('web-AUTHORIZATION'), 'utf8'), 'Bearer abc');
  assert.equal(fs.statSync(secret('web-AUTHORIZATION')).mode & 0o777, 0o640);
  const { command: words, ...rest } = read('My-GitHub');
  assert.deepEqual(rest, { env: { LEVEL: 'debug' }, secrets: { GITHUB_TOKEN: 'My-GitHub-GITHUB_TOKEN' } });
  assert.deepEqual(words.slice(3), ['sh', 'docker', 'run']);
  const got = execFileSync(words[0], [...words.slice(1, 4), 'printenv', 'GITHUB_TOKEN'], { encoding: 'utf8',
    env: { PATH: process.env.PATH, GITHUB_TOKEN_FILE: secret('My-GitHub-GITHUB_TOKEN') } });
  assert.equal(got, "it's\n");
  const again = run();
  assert.equal(again.status, 1);
  assert.match(again.err, /files is left out: .*files.json is there already/);
});

test('import: of a server that is left out nothing is left, so that the next try can succeed', () => {
  const { target, run, secret, files } = imported({ mcpServers: {} });
  fs.writeFileSync(path.join(target, 'client.json'), JSON.stringify({ mcpServers: { web: { url: 'https://mcp.example.com/mcp', headers: { Authorization: 'abc' } } } }));
  fs.rmdirSync(path.join(target, 'servers'));
  const failed = run();
  assert.deepEqual([failed.status, failed.out, fs.existsSync(secret('web-AUTHORIZATION'))], [1, '', false]);
  assert.match(failed.err, /web is left out: .*web.json: No such file or directory/);
  fs.mkdirSync(path.join(target, 'servers'));
  assert.deepEqual([run().status, files()], [0, ['web.json']]);
});

test('import: of VS Code, what it would ask for is to be written by the admin; what cannot be is left out with the reason', () => {
  const { status, err, out, read, files } = imported({ inputs: [], servers: {
    asked: { type: 'http', url: 'https://mcp.example.com/mcp', headers: { 'X-Key': '${input:key}' } },
    variable: { command: 'node', args: ['${workspaceFolder}/server.js'] },
    relative: { command: './server' },
    folder: { command: 'node', cwd: '/srv' },
    off: { command: 'node', disabled: true },
    empty: {},
  } });
  assert.equal(status, 1);
  assert.deepEqual(files(), ['asked.json']);
  assert.equal(out.trim().split('\n').length, 1);
  assert.deepEqual(read('asked').headers, { 'X-Key': '${X_KEY}' });
  for (const line of [/asked: the client asks for X_KEY: write it to .*asked-X_KEY/, /variable is left out: args\[0\] has a variable/,
    /relative is left out: the path of its command must be absolute/, /folder is left out: there is no cwd/, /off is left out: it is switched off/,
    /empty is left out: it has neither a command nor a url/]) assert.match(err, line);
});

test('import: a variable of Claude Code is none of ours, and a secret that others could read is told of', () => {
  const { status, err, read } = imported({ mcpServers: {
    variable: { url: 'https://mcp.example.com/mcp', headers: { Authorization: 'Bearer ${API_KEY}' } },
    query: { url: 'https://mcp.example.com/mcp?apiKey=abc' },
    option: { command: 'node', args: ['server.js', '--token=abc'] },
  } });
  assert.equal(status, 0, err);
  assert.deepEqual(read('variable').secrets, { AUTHORIZATION: 'variable-AUTHORIZATION' });
  for (const line of [/variable: the client asks for AUTHORIZATION: write it to .*variable-AUTHORIZATION/, /query: its url sounds like a secret/,
    /option: args\[1\] sounds like a secret/]) assert.match(err, line);
  assert.doesNotMatch(err, /abc/);
});

test('import: a file that is none says where it is wrong', () => {
  assert.match(imported('{"mcpServers": {,}}').err, /client.json:1:\d+: /);
  assert.match(imported({ other: {} }).err, /has no object "mcpServers"/);
  assert.match(imported({ mcpServers: {} }).err, /client.json has no server$/m);
});
