// What a call of an MCP server on stdio costs through us: its rate and CPU time beside those of the bare server, which answers the same
// lines on its pipe, and beside gateways of npm that put stdio on http without any login. Turn by turn in one run; the server is a few lines
// of Python that echo.
//
//   make bench-servers          ROUNDS=5 SECONDS=2 CONNECTIONS=16

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { measureCalls, median, writeWrkScript } from '../parts/load-calls.mjs';
import { callTool, modern } from '../parts/mcp.mjs';
import { start } from '../parts/process.mjs';
import { startSite } from '../parts/site.mjs';
import { accepts, freePort, ROOT, until } from '../parts/util.mjs';
import { cpuOf, ratio } from './fair.mjs';

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const settings = { rounds: number('ROUNDS', 5), seconds: number('SECONDS', 2), connections: number('CONNECTIONS', 16) };
const GATEWAYS = path.join(ROOT, 'tests/bench/peers/node_modules/.bin');
const HANDSHAKE = '2025-11-25';
const NAME = 'work';
const ARGS = { text: 'hello' };
const SERVER = `#!/usr/bin/python3
import json, sys
out = sys.stdout
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    method = m["method"]
    if method == "initialize":
        r = {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "echo", "version": "1"}}
    elif method == "tools/list":
        r = {"tools": [{"name": "${NAME}", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        r = {"content": [{"type": "text", "text": m["params"]["arguments"]["text"]}]}
    else:
        r = {}
    out.write(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}) + "\\n")
    out.flush()
`;

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-bench-'));
const server = path.join(dir, 'echo.py');
fs.writeFileSync(server, SERVER, { mode: 0o755 });
fs.mkdirSync(path.join(dir, 'servers.d'));
fs.writeFileSync(path.join(dir, 'servers.d/echo.json'), JSON.stringify({ command: [server], read: [dir], timeout_ms: 60000 }));
const site = await startSite({ logFile: 'daemon.log', config: { WORKERS_MIN: '2', WORKERS_MAX: '4', WORKER_MAX_REQUESTS: '1000000', TOOLS_DIR: '',
  SERVERS_DIR: path.join(dir, 'servers.d'), CALLS_MAX: '64', CALLS_PER_USER: '64' } });
const closers = [() => site.close(), () => fs.rmSync(dir, { recursive: true })];

// All processes below this one.
function descendants(pid) {
  const parents = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      return [[Number(name), Number(fs.readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[1])]];
    } catch {
      return [];
    }
  });
  const found = [pid];
  for (let i = 0; i < found.length; i += 1) found.push(...parents.filter(([, parent]) => parent === found[i]).map(([child]) => child));
  return found;
}
const isServer = (pid) => {
  const [program, script] = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return /python/.test(program) && script === server;
};
// CPU time of what stands before the server, and of the server, in µs.
function spent(pid) {
  const all = descendants(pid);
  return { front: cpuOf(all.filter((each) => !isServer(each))) * 1000, server: cpuOf(all.filter(isServer)) * 1000 };
}

// The bare server, with as many calls on its pipe as the others have connections.
async function bare() {
  const child = spawn(server, { stdio: ['pipe', 'pipe', 'inherit'] });
  closers.push(() => child.kill());
  const lines = createInterface({ input: child.stdout });
  let id = 0;
  const send = () => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: id += 1, method: 'tools/call', params: { name: NAME, arguments: ARGS } })}\n`);
  return { name: 'the bare server', pid: child.pid, async run({ seconds, connections }) {
    let count = 0;
    const until = performance.now() + seconds * 1000;
    await new Promise((resolve) => {
      let left = connections;
      lines.on('line', () => {
        count += 1;
        if (performance.now() < until) send();
        else if ((left -= 1) === 0) resolve();
      });
      for (let i = 0; i < connections; i += 1) send();
    });
    lines.removeAllListeners('line');
    return { count, perSecond: count / seconds };
  } };
}

async function ours() {
  const token = await site.cognito.accessToken();
  await modern(site, token, 'tools/list');
  await callTool(site, token, `echo_${NAME}`, ARGS);
  const script = path.join(dir, 'ours.lua');
  writeWrkScript(script, token, { name: `echo_${NAME}`, args: ARGS });
  return { name: 'mcp-authd, with login', pid: site.daemon.pid, run: (load) => measureCalls(script, site.port, load) };
}

async function gateway(name, args) {
  const port = await freePort();
  const child = start(process.execPath, [path.join(GATEWAYS, name), ...args(port)]);
  closers.push(() => child.stop());
  await until(`${name} to listen`, () => accepts(port), 20000);
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const begun = await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: HANDSHAKE, capabilities: {}, clientInfo: { name: 'bench', version: '1' } } }) });
  assert.equal(begun.status, 200, await begun.text());
  const session = begun.headers.get('mcp-session-id');
  await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { ...headers, 'mcp-session-id': session },
    body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) });
  const script = path.join(dir, `${name}.lua`);
  writeWrkScript(script, 'none', { name: NAME, args: ARGS, version: HANDSHAKE });
  fs.appendFileSync(script, `wrk.headers["Mcp-Session-Id"] = ${JSON.stringify(session)}\n`);
  return { name: `${name}, without`, pid: child.pid, run: (load) => measureCalls(script, port, load) };
}

try {
  const programs = [await bare(), await ours(),
    await gateway('supergateway', (port) => ['--stdio', server, '--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none', '--port', port]),
    await gateway('mcp-proxy', (port) => ['--port', port, '--server', 'stream', '--', server])];
  const rounds = new Map(programs.map((program) => [program, []]));
  for (let round = 0; round <= settings.rounds; round += 1) {
    for (const program of round % 2 ? programs : programs.toReversed()) {
      const before = spent(program.pid);
      const { count, perSecond } = await program.run(settings);
      const after = spent(program.pid);
      if (round > 0) rounds.get(program).push({ perSecond, frontUs: (after.front - before.front) / count, serverUs: (after.server - before.server) / count });
    }
  }
  for (const [{ name }, all] of rounds) {
    console.log(`${name}: ${median(all.map((r) => r.perSecond)).toFixed(0)} calls a second; CPU time of a call: ${median(all.map((r) => r.frontUs)).toFixed(0)} µs`
      + ` before the server, ${median(all.map((r) => r.serverUs)).toFixed(0)} µs in it`);
  }
  for (const other of programs.filter((program) => program !== programs[1])) {
    console.log(`mcp-authd answers ${ratio(rounds.get(programs[1]), rounds.get(other), 'perSecond').text} times the calls of ${other.name}`);
  }
} finally {
  for (const close of closers) await close();
}
