// What a tool tries against the daemon, the host and other tools, under the units of the package.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { run, TOOLS } from './admin.mjs';
import { callTool } from '../parts/mcp.mjs';
import { until } from '../parts/util.mjs';

// One line for each, `NAME got it` if it succeeds.
const ATTACK = `#!/bin/sh
unit=$1 runner=$2
shift 2
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name got it"; else echo "$name refused"; fi; }
any() { for pid in $pids; do "$@" "$pid" && return 0; done; return 1; }
pids=$*
memory() { head -c 1 "/proc/$1/mem"; }
environment() { cat "/proc/$1/environ"; }
trace() { perl -e 'exit(syscall(101, 16, $ARGV[0], 0, 0) ? 1 : 0)' "$1"; }
send() { perl -MSocket -e 'socket(my $s, PF_INET, SOCK_DGRAM, 0) or exit 1; send($s, "x", 0, sockaddr_in(80, inet_aton($ARGV[0]))) or exit 1' "$1"; }
try key cat /var/lib/mcp-authd/secret.key
try state ls /var/lib/mcp-authd
try configuration cat /etc/mcp-authd/mcp-authd.conf
try secret cat /etc/mcp-authd/secrets/of-another
try credentials cat /etc/mcp-authd/aws/of-another
try directory cat /etc/mcp-authd/prompts.d/of-another
try log ls /var/log/mcp-authd
try memory any memory
try environment any environment
try trace any trace
try signal any kill -0
try metadata send 169.254.169.254
try runner perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0); connect($s, sockaddr_un($ARGV[0])) or exit 1' "$runner"
try daemon perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un("/run/mcp-authd/mcp-authd.sock")) or exit 1'
try namespace unshare --user true
try system touch /usr/bin/of-a-tool
try group sh -c "echo 0 >/sys/fs/cgroup/system.slice/$unit/cgroup.procs"
try limits sh -c "echo max >/sys/fs/cgroup\\$(cut -d: -f3 /proc/self/cgroup)/pids.max"
try loopback send 127.0.0.1
setsid sh -c 'exec sleep 98765' >/dev/null 2>&1 </dev/null &
(setsid sh -c 'setsid sleep 98765 & exit' >/dev/null 2>&1 </dev/null &)
`;
const NAMES = ['key', 'state', 'configuration', 'secret', 'credentials', 'directory', 'log', 'memory', 'environment', 'trace', 'signal', 'metadata',
  'runner', 'daemon', 'namespace', 'system', 'group', 'limits'];
// What is another's, though its mode lets everybody read it.
const OF_ANOTHER = ['secrets', 'aws', 'prompts.d'].map((dir) => `/etc/mcp-authd/${dir}`);

function isSleeping(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\0');
  } catch {
    return false;       // it has ended
  }
}

// The master and its workers.
const daemonPids = () => fs.readFileSync('/sys/fs/cgroup/system.slice/mcp-authd.service/cgroup.procs', 'utf8').trim().split('\n');

// `runner`: its unit, socket and user.
export async function checkAttack(site, token, { unit = 'mcp-authd-runner.service', socket = '/run/mcp-authd-runner/runner.sock', user = 'mcp-authd-run' } = {}) {
  const files = ['attack.json', 'attack.sh'].map((name) => path.join(TOOLS, name));
  const made = OF_ANOTHER.filter((dir) => fs.mkdirSync(dir, { recursive: true }));
  for (const dir of OF_ANOTHER) fs.writeFileSync(path.join(dir, 'of-another'), 'secret\n', { mode: 0o644 });
  fs.writeFileSync(files[1], ATTACK, { mode: 0o755 });
  fs.writeFileSync(files[0], JSON.stringify({ name: 'attack', description: 'Tries what no tool may.', inputSchema: { type: 'object' },
    run: { command: ['./attack.sh', unit, socket, ...daemonPids()], timeout_ms: 120000 } }));
  try {
    // The daemon reads the folder again when the kernel has told it of the change.
    const answer = await until('the tool is offered', () => callTool(site, token, 'attack').catch(() => null));
    const said = answer.content[0].text.trim().split('\n');
    assert.deepEqual(said, [...NAMES.map((name) => `${name} refused`), 'loopback got it']);
    await until('nothing of the tool is left', () => !fs.readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && isSleeping(pid)));
    assert.equal(run('systemctl', 'is-active', unit).trim(), 'active');
    assert.equal(run('systemctl', 'show', '--value', '-p', 'User', unit).trim(), user);
    assert.equal(run('stat', '-c', '%U %a', socket).trim(), 'mcp-authd 600');
    assert.match(run('journalctl', '-b', '-u', unit, '-o', 'cat'), /event=runner_started .*landlock=[1-9]/);
    run('systemctl', 'kill', '-s', 'KILL', unit);
    await until('the runner is back', () => callTool(site, token, 'attack').then((again) => /refused/.test(again.content[0].text), () => false));
  } finally {
    for (const file of [...files, ...OF_ANOTHER.map((dir) => path.join(dir, 'of-another')), ...made]) fs.rmSync(file, { recursive: true });
  }
}
