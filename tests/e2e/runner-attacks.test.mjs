// What a program of a tool tries against the daemon that has started it, and against the host: as the daemon's own user, where Landlock keeps
// it away, and as another one (RUN_USER), if this is root's.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { childrenOf, killWorkers, logged, runnerOf, supervisorsOf, workersOf } from '../parts/daemon.mjs';
import { callTool } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { until } from '../parts/util.mjs';

process.env.TMPDIR = '/var/tmp'; // programs may write to /tmp unless their manifests say where
const OTHER_USER = 'nobody';
const isRoot = process.geteuid() === 0;
const LOST = /was stopped, since the process that looks after it has ended/;
const SMALL_BYTES = 268435456;
const landlock = () => Number(/event=runner_started .*landlock=(\d+)/.exec(site.daemon.log)[1]);

let dir;
let site;
let token;

const write = (file, text, mode = 0o644) => fs.writeFileSync(path.join(dir, file), text, { mode });
const text = (result) => result.content[0].text;
const call = (name, script) => callTool(site, token, name, { script });
// Runs a script of the shell, or of Python, as the program of a tool.
const shell = (script) => call('shell', script);
const python = (script) => call('python', script);

// A process that has ended and waits for its parent is gone.
const isRunning = (pid) => ![null, 'Z', 'X'].includes(procFile(pid, 'stat').match(/\) (\S) /)?.[1] ?? null);
// Of a process: '' if it has ended.
function procFile(pid, name) {
  try {
    return fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}
// The processes whose command line has this text in it.
const commands = (mark) => fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && procFile(pid, 'cmdline').includes(mark) && isRunning(pid));

async function begin(config) {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-attacks-'));
  fs.chmodSync(dir, 0o755);
  for (const sub of ['tools.d', 'other.d']) fs.mkdirSync(path.join(dir, sub));
  write('other.d/secret', 'the secret of another tool\n');
  const interpreters = { shell: ['/bin/sh', '-c'], python: ['/usr/bin/python3', '-c'] };
  for (const [name, command] of Object.entries(interpreters)) {
    write(`tools.d/${name}.py`, `#!/usr/bin/python3
import json, os, sys
command = ${JSON.stringify(command)} + [json.load(sys.stdin)['arguments']['script']]
os.execv(command[0], command)
`, 0o755);
    for (const [suffix, run] of [['', { timeout_ms: 10000 }], ['_short', { timeout_ms: 500 }], ['_long', { timeout_ms: 60000 }],
      ['_small', { limits: { memory: SMALL_BYTES } }]]) {
      write(`tools.d/${name}${suffix}.json`, JSON.stringify({ name: name + suffix, description: name, run: { command: [`./${name}.py`], ...run },
        inputSchema: { type: 'object', properties: { script: { type: 'string' } }, required: ['script'] } }));
    }
  }
  write('tools.d/stays.py', `#!/usr/bin/python3 -u
import json, os, sys
for line in sys.stdin: print(json.dumps({'id': json.loads(line)['id'], 'result': {'pid': os.getpid()}}))
`, 0o755);
  write('tools.d/stays.json', JSON.stringify({ name: 'stays', description: 'stays', inputSchema: { type: 'object' },
    run: { command: ['./stays.py'], output: 'json', persistent: true, idle_s: 1 } }));
  site = await startSite({ config: { TOOLS_DIR: path.join(dir, 'tools.d'), ...config }, under: ['prlimit', '--nofile=1024:20000'],
    env: { AWS_SECRET_ACCESS_KEY: 'aws-secret-of-the-test' }, mustFail: ['event=worker_exited'] });
  token = await site.cognito.accessToken();
  await logged(site.daemon, 0, /event=runner_started/);
}
async function end() {
  await site?.close();
  fs.rmSync(dir, { recursive: true, force: true });
}

// The script tries everything, and prints what has worked.
function attacks() {
  test('the sealing key, the stores, the cache and the files of another tool', async (t) => {
    if (!landlock()) return t.skip('no Landlock');
    const state = site.keys.STATE_DIR, key = site.keyFile;
    const files = [key, ...['sessions', 'cache', 'status.json', 'limits'].map((name) => path.join(state, name))];
    const said = text(await shell(`for f in ${files.join(' ')} ${site.dir}/mcp-authd.conf ${dir}/other.d/secret; do
  cat "$f" >/dev/null 2>&1 && echo "read $f"; { echo >>"$f"; } 2>/dev/null && echo "wrote $f"; done
for d in ${state} ${site.dir} ${dir}/other.d /etc/mcp-authd /var/tmp /home /root; do ls "$d" >/dev/null 2>&1 && echo "listed $d"; done
rm -rf ${state}/* 2>/dev/null; echo >tools.d-new 2>/dev/null && echo "wrote to its own directory"; echo end`));
    assert.equal(said, 'end\n');
    assert.ok(fs.statSync(key).size > 0);
  });

  test('memory, environment and descriptors of the daemon, and credentials of AWS', async () => {
    const pids = [site.daemon.pid, ...childrenOf(site.daemon).map(({ pid }) => pid), ...supervisorsOf(site.daemon)];
    assert.ok(pids.length > 5);
    const said = text(await python(`
import ctypes, os
libc = ctypes.CDLL(None)
for pid in ${JSON.stringify(pids)}:
    for name in ('mem', 'environ', 'maps', 'auxv', 'fd/3'):
        try:
            with open(f'/proc/{pid}/{name}', 'rb') as f: print('opened', pid, name, len(f.read(1 << 16)))
        except OSError: pass
    if libc.ptrace(16, pid, 0, 0) == 0: print('traced', pid)
print([name for name in os.environ if 'AWS' in name])`));
    assert.equal(said, '[]\n');
  });

  test('signals to the daemon', async (t) => {
    if (landlock() < 6 && !site.keys.RUN_USER) return t.skip('Landlock of this kernel keeps back no signals');
    const pids = [site.daemon.pid, ...childrenOf(site.daemon).map(({ pid }) => pid)];
    assert.equal(text(await shell(`for p in ${pids.join(' ')}; do kill -9 $p 2>/dev/null && echo "killed $p"; done; echo end`)), 'end\n');
    for (const pid of [site.daemon.pid, runnerOf(site.daemon)]) assert.ok(isRunning(pid));
  });

  test('limits, priority and processors of the runner and of the program of another call', async () => {
    const mark = `${path.basename(dir)}-limited`;
    const other = shell(`: ${mark}; before=$(nice); sleep 3; [ $before = $(nice) ] && ulimit -n`);
    const programs = await until('the other program', () => commands(mark).length > 0 && commands(mark).map(Number));
    const pids = [...programs, ...supervisorsOf(site.daemon), runnerOf(site.daemon), site.daemon.pid];
    const said = text(await python(`
import os, resource
def attempt(what, *args):
    try:
        args[0](*args[1:])
        print(what, args[1:])
    except OSError: pass
for pid in ${JSON.stringify(pids)}:
    attempt('limit', resource.prlimit, pid, resource.RLIMIT_NOFILE, (64, 64))
    attempt('priority', os.setpriority, os.PRIO_PROCESS, pid, 19)
    attempt('processors', os.sched_setaffinity, pid, {0})
    attempt('scheduler', os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0))
attempt('priority of all', os.setpriority, os.PRIO_USER, 0, 19)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.nice(1)
print('its own')`));
    assert.equal(text(await other), '1024\n');
    assert.equal(said, 'its own\n');
  });

  test('descriptors on the way to nobody', async () => {
    const mark = path.join('/tmp', `${path.basename(dir)}-on-the-way`);
    const held = python(`
import array, os, socket, time
fds = array.array('i', [os.open('/dev/null', os.O_RDONLY)] * 250)
pairs = []
try:
    while True:
        pairs.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        pairs[-1][0].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
except OSError as error:
    os.mkdir('${mark}')
    time.sleep(4)
    os.rmdir('${mark}')
    print(error.strerror)`);
    await until('the most', () => fs.existsSync(mark));
    const from = site.daemon.log.length;
    site.daemon.signal('SIGHUP');
    await logged(site.daemon, from, /event=reload_ok/);       // so workers connect to the instances anew
    const pids = [];
    for (let i = 0; i < 3; i += 1) pids.push((await call('stays')).structuredContent?.pid);
    assert.ok(fs.existsSync(mark));
    assert.match(text(await held), /Too many references/);
    assert.deepEqual(pids, Array(3).fill(pids[0]));
    await until('its end', () => !isRunning(pids[0]));
  });

  test('memory, queues and keys that stay after its end', async () => {
    const said = text(await python(`
import ctypes
libc = ctypes.CDLL(None)
print(libc.shmget(0, 4096, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600))
print(libc.syscall(${process.arch === 'arm64' ? 217 : 248}, b'user', b'mcp', b'x', 1, -4))`));
    assert.equal(said, '-1 -1 -1\n-1\n');
  });

  test('a connection to the runner, to start a program that is not contained', async () => {
    const said = text(await python(`
import glob, socket
for name in glob.glob('/var/tmp/mcp-authd-*/state/*.sock') + ['/proc/%d/fd/%d' % (pid, fd) for pid in ${JSON.stringify(workersOf(site.daemon))} for fd in range(64)]:
    try:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(name)
        print('connected', name)
    except OSError: pass
print('end')`));
    assert.equal(said, 'end\n');
  });

  test('outliving the call, with setsid and a double fork', async () => {
    const mark = `${path.basename(dir)}-stays`;
    const said = text(await shell(`setsid sh -c 'sh -c ": ${mark}; sleep 300; :" & sh -c ": ${mark}; sleep 300; :" & exit' </dev/null >/dev/null 2>&1 &
(setsid setsid sh -c ": ${mark}; sleep 300; :" >/dev/null 2>&1 &) ; sleep 0.3; echo done`));
    assert.equal(said, 'done\n');
    assert.deepEqual(commands(mark), []);
  });

  test('filling memory, output, open files', async () => {
    const fill = await call('python_small', 'x = []\nwhile True: x.append(bytearray(1 << 20))');
    assert.equal(fill.isError, true);
    assert.match(text(fill), /exit status 1|was ended by signal/);
    const flood = await shell('yes');
    assert.equal(flood.isError, true);
    assert.match(text(flood), /printed more than 65536 bytes and was stopped/);
    const files = await python('x = []\nwhile True: x.append(open("/dev/null"))');
    assert.equal(files.isError, true);
    assert.equal(text(await shell('echo hello')), 'hello\n');
  });

  test('forking without end', async (t) => {
    if (!site.keys.RUN_USER) return t.skip('the kernel counts no processes of root');
    const mark = `${path.basename(dir)}-forks`;
    const forked = await call('shell_short', `: ${mark}; f() { f | f & }; f; sleep 300`);
    assert.equal(forked.isError, true);
    assert.match(text(forked), /did not finish within 500 ms and was stopped/);
    await until('all of them to end', () => commands(mark).length === 0, { deadlineMs: 30000 });
    assert.equal(text(await shell('echo hello')), 'hello\n');
  });
}

function kills() {
  test('kill -9 of a supervisor: its call fails with a text, others go on', async () => {
    const calls = Array.from({ length: 4 }, () => shell('until [ -e go ]; do sleep 0.1; done; echo slow'));
    const busy = await until('a run', () => supervisorsOf(site.daemon).find((pid) => procFile(pid, `task/${pid}/children`).trim()));
    process.kill(busy, 'SIGKILL');
    write('tools.d/go', '');
    const results = await Promise.all(calls);
    assert.deepEqual(results.map((result) => (result.isError ? 'failed' : text(result))).sort(), ['failed', 'slow\n', 'slow\n', 'slow\n']);
    assert.match(text(results.find((result) => result.isError)), LOST);
  });

  // Gives the ms until a program was run again.
  async function killRunner(mark) {
    const calls = [1, 2].map(() => call('shell_long', `sh -c ": ${mark}; sleep 60; :" & setsid sh -c ": ${mark}; sleep 60; :" & sleep 60; :`));
    await until('the programs', () => commands(mark).length >= 6);
    const at = site.daemon.log.length;
    process.kill(runnerOf(site.daemon), 'SIGKILL');
    const killed = Date.now();
    for (const result of await Promise.all(calls)) {
      assert.equal(result.isError, true);
      assert.match(text(result), LOST);
    }
    // A supervisor that is about to end as well may still take a call.
    const answered = await until('the next runner', () => shell('echo hello').then((result) => !result.isError && result));
    assert.equal(text(answered), 'hello\n');
    const took = Date.now() - killed;
    await logged(site.daemon, at, /event=runner_exited .*status=-9/);
    await until('the programs to end', () => commands(mark).length === 0);
    return took;
  }

  test('kill -9 of the runner: its calls fail with a text, no program survives, and it is back within a second', async () => {
    const times = [];
    do times.push(await killRunner(`${path.basename(dir)}-runner-${times.length}`));
    while (times.at(-1) >= 1500 && times.length < 3); // a busy machine may keep it from that
    assert.ok(Math.min(...times) < 1500, `it took ${times} ms`);
  });

  test('kill -9 of the workers: their programs end', async () => {
    const mark = `${path.basename(dir)}-worker`;
    const held = call('shell_long', `setsid sh -c ": ${mark}; sleep 60; :" & sleep 60; :`).catch(() => 'lost');
    await until('the program', () => commands(mark).length >= 2);
    killWorkers(site.daemon);
    await until('the program to end', () => commands(mark).length === 0);
    assert.equal(await held, 'lost');
    assert.equal(text(await until('the next worker', () => shell('echo hello').catch(() => undefined))), 'hello\n');
  });
}

describe('as the daemon\'s own user', () => {
  before(() => begin({}));
  after(end);
  test('the log says that it is the same user', () => {
    assert.match(site.daemon.log, /level=warn .*event=runner_started .*hint="programs run as the daemon's own user/);
  });
  attacks();
  kills();
});

describe(`as the user ${OTHER_USER}`, { skip: !isRoot && 'RUN_USER needs root' }, () => {
  before(() => begin({ RUN_USER: OTHER_USER }));
  after(end);
  test('programs are that user, in no other group', async () => {
    const id = (flag) => execFileSync('id', [flag, OTHER_USER], { encoding: 'utf8' });
    assert.equal(text(await shell('id -u; id -G; cat /etc/shadow 2>/dev/null; :')), id('-u') + id('-G'));
    assert.match(site.daemon.log, /level=info .*event=runner_started/);
  });
  attacks();
});
