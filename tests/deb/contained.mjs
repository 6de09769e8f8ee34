// What keeps programs in where the kernel has all that the units ask for: control groups with their controllers, the instance
// metadata, the drop-ins of docs/runner.md, and the runner of another user.
//   tests/node tests/deb/contained.mjs      (as root, on a machine of its own under systemd, which may be changed: boot.sh --vm)

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { checkAttack } from './attack.mjs';
import { closing, configure, documented, run, setUp, startDaemon, TOOLS, webServers } from './admin.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { accepts, until } from '../parts/util.mjs';

const UNITS = '/etc/systemd/system';
const DROP_INS = '/usr/share/doc/mcp-authd/examples';
const SLICE = '/sys/fs/cgroup/system.slice';
const SPIN_S = 8;
const METADATA = ['169.254.169.254', 'fd00:ec2::254'];
const SOCKET = '/run/mcp-authd/mcp-authd.sock';
const OTHERS = ['127.0.0.1', '10.98.76.54', '192.0.2.1'];
const FILL = 'perl -e \'my @x; push @x, "x" x 1048576 while 1\'';
const CONNECT = `perl -MIO::Socket::IP -e 'for (@ARGV) {
  print "$_ ", (IO::Socket::IP->new(PeerHost => $_, PeerPort => 80, Timeout => 2) ? "reached" : "closed"), "\\n" }'`;

const spinning = (begin) => `exec perl -e 'sub pause { select(undef, undef, undef, 0.05) } ${begin};
open(F, "<", "/tmp/until"); my $until = <F>; for (1..4) { next if fork; 1 while time < $until; exit } 1 while wait > 0; print((times)[2])'`;

// Name, script of the shell, and members of `run`.
const PROGRAMS = [
  ['greeting', 'id -un; sed -n "s/^0:://p" /proc/self/cgroup'],
  ['memory', `exec ${FILL}`, { limits: { memory: '64M' } }],
  // What has left its session takes the whole run along.
  ['memory_of_child', `setsid ${FILL} & exec sleep 60`, { limits: { memory: '64M' } }],
  ['memory_of_all', `exec ${FILL}`],
  ['slow', 'sleep 3; echo done'],
  ['processes', `exec perl -e 'my $n = 1; while (defined(my $pid = fork)) { if (!$pid) { sleep 60; exit } $n++ } print "$n $!"'`, { limits: { processes: 16 } }],
  ['bomb', 'f() { f | f & }; f; sleep 60', { timeout_ms: 4000 }],
  ['small_bomb', `exec perl -MPOSIX=setsid -e 'while (1) { my $pid = fork; next if !defined $pid || $pid; setsid(); exit if fork }'`,
    { timeout_ms: 4000, limits: { processes: 32 } }],
  // Both at the same time, however late each is started: the heavy one says until when.
  ['light', spinning('open(F, ">", "/tmp/light"); close F; pause() until -e "/tmp/until"'), { limits: { cpu_weight: 1 } }],
  ['heavy', spinning(`pause() until -e "/tmp/light"; open(F, ">", "/tmp/new"); print F time + ${SPIN_S}; close F; rename "/tmp/new", "/tmp/until"`),
    { limits: { cpu_weight: 10000 } }],
  ['output', 'exec yes'],
  ['file', 'exec head -c 2000000 /dev/zero >/tmp/of-a-tool', { limits: { file_size: '1M' } }],
  ['node', 'exec node -e "console.log(6 * 7)"', { timeout_ms: 60000 }],
  ['home', 'exec cat /home/alice/notes', { read: ['/home/alice'] }],
  ['network', `exec ${CONNECT} ${[...METADATA, ...OTHERS].join(' ')}`, { timeout_ms: 60000 }],
  ['role', `exec ${CONNECT} ${[...METADATA, ...OTHERS].join(' ')}`, { timeout_ms: 60000, instance_metadata: true }],
  ['disk', 'for dir in /tmp "$HOME"; do cat /dev/zero 2>&1 >$dir/of-a-tool | grep -o "No space left on device"; rm $dir/of-a-tool; done',
    { home: true }],
];

function writePrograms() {
  for (const [name, script, members] of PROGRAMS) {
    fs.writeFileSync(path.join(TOOLS, `${name}.sh`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    fs.writeFileSync(path.join(TOOLS, `${name}.json`), JSON.stringify({ name, description: name,
      inputSchema: { type: 'object' }, run: { command: [`./${name}.sh`], timeout_ms: 60000, ...members } }));
  }
}

const UNITS_OF_TEST = ['lighttpd', 'mcp-authd', 'mcp-authd-runner*'].flatMap((unit) => ['-u', unit]);
const step = (text) => console.log(`   ${text}`);
const systemctl = (...args) => run('systemctl', ...args);
const property = (unit, name) => systemctl('show', '--value', '-p', name, unit).trim();

// What a tool answers: its text, or the sentence that says why it failed, after "failed: ".
async function ask(site, name) {
  const answer = await callTool(site, site.token, name);
  return `${answer.isError ? 'failed: ' : ''}${answer.content[0].text.trim()}`;
}

// The processes in a control group; none if it is removed meanwhile, since a supervisor removes its group when it has killed what was in it.
function processesOf(group) {
  try {
    return fs.readFileSync(`${group}/cgroup.procs`, 'utf8').trim().split('\n').filter(Boolean);
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENODEV') return [];
    throw error;
  }
}
// Those of runs.
const leftOf = (unit) => fs.readdirSync(`${SLICE}/${unit}`).filter((name) => name.startsWith('run-')).flatMap((name) => processesOf(`${SLICE}/${unit}/${name}`));
const nothingIsLeft = (unit) => until('nothing is left of the runs', () => !leftOf(unit).length);

async function checkMemory(site, unit) {
  const limit = 'failed: The tool was stopped: it needed more than its 67108864 bytes of memory (run.limits.memory).';
  assert.equal(await ask(site, 'memory'), limit);
  assert.equal(await ask(site, 'memory_of_child'), limit);
  // The same control group serves again, without blame for what was before.
  assert.match(await ask(site, 'greeting'), /run-/);
  systemctl('set-property', '--runtime', unit, 'MemoryMax=160M');
  const [full, slow] = await Promise.all([ask(site, 'memory_of_all'), ask(site, 'slow')]);
  assert.equal(full, 'failed: The tool was stopped: the memory for all programs of this host was used up.');
  assert.equal(slow, 'done');
  systemctl('set-property', '--runtime', unit, 'MemoryMax=50%');
}

async function checkProcesses(site, unit) {
  assert.match(await ask(site, 'processes'), /^16 Resource temporarily unavailable$/);
  for (const name of ['bomb', 'small_bomb']) {
    const bomb = ask(site, name);
    assert.match(await ask(site, 'greeting'), /run-/);
    assert.equal(await bomb, 'failed: The tool did not finish within 4000 ms and was stopped.');
    await nothingIsLeft(unit);
  }
}

async function checkLimits(site, unit) {
  const runner = property(unit, 'MainPID');
  await checkMemory(site, unit);
  await checkProcesses(site, unit);
  assert.match(await ask(site, 'output'), /^failed: The tool printed more than \d+ bytes and was stopped\.$/);
  assert.match(await ask(site, 'file'), /^failed: The tool was ended by signal 25 \(SIGXFSZ\)/);
  const [light, heavy] = (await Promise.all(['light', 'heavy'].map((name) => ask(site, name)))).map(Number);
  assert.ok(heavy > 3 * light, `CPU seconds: ${light} and ${heavy}`);
  await nothingIsLeft(unit);
  assert.equal(property(unit, 'MainPID'), runner, 'it is still the same runner');
  step(`memory, processes, output and a file are limited; CPU by weight: ${light} and ${heavy} s`);
}

const networkOf = async (site, name = 'network') => Object.fromEntries((await ask(site, name)).split('\n').map((line) => line.split(' ')));
const reached = (addresses) => Object.fromEntries([...METADATA, ...OTHERS].map((each) => [each, addresses.includes(each) ? 'reached' : 'closed']));

// What answers at these addresses is this machine.
async function answerAt(closers, addresses) {
  for (const address of addresses) {
    if (address !== '127.0.0.1') run('ip', 'address', 'add', address, 'dev', 'lo', ...(address.includes(':') ? ['nodad'] : []));
    const server = http.createServer((req, res) => res.end('here')).listen(80, address);
    await once(server, 'listening');
    closers.push(async () => server.close());
  }
}

const serves = () => until('it serves', () => accepts({ path: SOCKET }));

// As docs/runner.md has it, for any unit; a path that ends in .service.d/NAME.conf.
async function dropIn(name, dir = path.dirname(name)) {
  run('install', '-D', '-m', '644', '-t', path.join(UNITS, dir), path.join(DROP_INS, name));
  systemctl('daemon-reload');
  systemctl('restart', dir.replace(/\.d$/, ''));
  await serves();
}

async function checkDropIns(site) {
  assert.match(await ask(site, 'node'), /^failed: /);
  documented('runner.md', 'code-generation');
  await serves();
  assert.equal(await ask(site, 'node'), '42');
  assert.equal(await ask(site, 'home'), 'failed: The tool could not be started.');
  await dropIn('mcp-authd-runner.service.d/home.conf');
  assert.equal(await ask(site, 'home'), 'of alice');
  assert.deepEqual(await networkOf(site), reached(OTHERS));
  assert.deepEqual(await networkOf(site, 'role'), reached(OTHERS));
  await dropIn('mcp-authd-runner.service.d/instance-metadata.conf');
  assert.deepEqual(await networkOf(site), reached(OTHERS));
  assert.deepEqual(await networkOf(site, 'role'), reached([...METADATA, ...OTHERS]));
  await dropIn('mcp-authd-runner.service.d/network.conf');
  assert.deepEqual(await networkOf(site), reached(OTHERS.slice(0, 2)));
  await dropIn('mcp-authd-runner.service.d/temporary-files.conf');
  assert.equal(await ask(site, 'disk'), 'No space left on device\nNo space left on device');
  fs.rmSync(`${UNITS}/mcp-authd-runner.service.d`, { recursive: true });
  systemctl('daemon-reload');
  systemctl('restart', 'mcp-authd-runner');
  await serves();
  step('Node.js, home directories, networks, the instance metadata and bounded temporary files by their drop-ins');
}

async function checkNoPrograms(site) {
  await dropIn('mcp-authd.service.d/no-programs.conf');
  assert.equal((await callTool(site, site.token, 'whoami')).structuredContent.username, 'alice');
  assert.match(await ask(site, 'greeting'), /^mcp-authd-run\n/);
  assert.throws(() => run('nsenter', '-m', '-t', property('mcp-authd', 'MainPID'), '/bin/true'), /Permission denied/);
  systemctl('reload', 'mcp-authd');
  await until('reloaded', () => JSON.parse(run('mcp-authd', 'status', '--json')).reloads === 1);
  assert.match(await ask(site, 'greeting'), /^mcp-authd-run\n/);
  fs.rmSync(`${UNITS}/mcp-authd.service.d`, { recursive: true });
  systemctl('daemon-reload');
  step('a daemon that can start nothing');
}

async function checkAnotherUser(site) {
  const unit = 'mcp-authd-runner@alice.service';
  documented('runner.md', 'another-user');
  configure({ RUNNER_SOCKET: '/run/mcp-authd-runner/alice.sock' });
  systemctl('restart', 'mcp-authd');
  await serves();
  await until('alice runs it', () => ask(site, 'greeting').then((said) => /^alice\n\/system\.slice\/mcp-authd-runner@alice\.service\/run-\d+$/.test(said), () => false));
  await checkAttack(site, site.token, { unit, socket: '/run/mcp-authd-runner/alice.sock', user: 'alice' });
  await checkMemory(site, unit);
  await checkProcesses(site, unit);
  fs.chmodSync('/home/alice/notes', 0o600);
  assert.equal(await ask(site, 'home'), 'failed: The tool could not be started.');
  await dropIn('mcp-authd-runner.service.d/home.conf', `${unit}.d`);
  assert.equal(await ask(site, 'home'), 'of alice');
  step('programs of another user, kept in as well');
}

await closing(async (closers) => {
  // The machine is gone afterwards, and its journal with it.
  let passed = false;
  closers.push(async () => { if (!passed) console.log(run('journalctl', '-b', '--no-pager', '-n', '80', ...UNITS_OF_TEST)); });
  const site = await setUp(closers);
  run('useradd', '--create-home', 'alice');
  fs.writeFileSync('/home/alice/notes', 'of alice\n');
  fs.chmodSync('/home/alice', 0o755);
  run('chown', 'alice:', '/home/alice/notes');
  writePrograms();
  const daemon = await startDaemon();
  closers.push(() => daemon.stop());
  const web = await webServers.lighttpd(site.port, () => documented('lighttpd.md', 'enable'));
  closers.push(() => web.stop());
  await web.ready(`accepting on ${site.port}`, () => accepts({ port: site.port, host: '127.0.0.1' }));
  systemctl('stop', 'apache2'); // it may have port 80
  await answerAt(closers, [...METADATA, ...OTHERS]);
  assert.equal(await (await fetch(`http://${METADATA[0]}/`)).text(), 'here');

  site.token = (await tokens(site)).access_token;
  const offered = (await modern(site, site.token, 'tools/list')).body.result.tools.map(({ name }) => name);
  for (const [name] of PROGRAMS) assert.ok(offered.includes(name), `${name} is not offered`);
  assert.match(await ask(site, 'greeting'), /^mcp-authd-run\n\/system\.slice\/mcp-authd-runner\.service\/run-\d+$/);
  assert.match(run('journalctl', '-b', '-u', 'mcp-authd-runner', '-o', 'cat'), /event=runner_started .*cgroups="memory, pids/);
  run('systemd-analyze', 'security', '--threshold=11', 'mcp-authd.service');
  run('systemd-analyze', 'security', '--threshold=20', 'mcp-authd-runner.service');

  await checkAttack(site, site.token);
  step('a tool gets nothing of the daemon\'s, of the host\'s or of another tool\'s');
  await checkLimits(site, 'mcp-authd-runner.service');
  await checkDropIns(site);
  await checkNoPrograms(site);
  await checkAnotherUser(site);
  passed = true;
});
