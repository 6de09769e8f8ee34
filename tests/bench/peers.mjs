// make bench-peers: an authenticated tools/call of `echo`, answered by mcp-authd and by others, turn by turn in one run:
//   - mod_auth_openidc as an OAuth resource server (it checks the token's signature and claims), with fixed.c behind it: what it costs to check a
//     token in Apache and do nothing else; the same Apache and routes as for mcp-authd
//   - the official TypeScript SDK, 1 and 2, with express and jose, and fastmcp of npm (peers/server.mjs), without a web server before them
// All have as many processes, check the token of each call, and log a line for each. CPU time and memory are those of the programs, then with
// those of the web server.
//   make bench-peers          ROUNDS=10 SECONDS=2 CONNECTIONS=16

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { childrenOf } from '../parts/daemon.mjs';
import { callOnce, median, writeWrkScript } from '../parts/load-calls.mjs';
import { MODERN } from '../parts/mcp.mjs';
import { start } from '../parts/process.mjs';
import { startSite, webServers } from '../parts/site.mjs';
import { startTlsFront } from '../parts/tls-front.mjs';
import { accepts, freePort, ROOT } from '../parts/util.mjs';
import { compare, daemonCpu, ratio, startFixed, workersCpu } from './fair.mjs';
import { exitStatus, figure, row } from './figures.mjs';

const WORKERS = 2;
const HANDSHAKE = '2025-11-25';
const MOD_AUTH_OPENIDC_MIN = 2;     // times its calls a second; the next too
const SDK_V1_MIN = 50;
const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const settings = { rounds: number('ROUNDS', 10), seconds: number('SECONDS', 2), connections: number('CONNECTIONS', 16) };

const site = await startSite({ logFile: 'daemon.log', config: { WORKERS_MIN: String(WORKERS), WORKERS_MAX: String(WORKERS) } });
fs.chmodSync(site.dir, 0o711);                      // Apache's user reaches the sockets
const closers = [];
const token = await site.cognito.accessToken();

// MiB that processes take; a page that several processes share counts for each of them in part.
const memory = (pids) => pids.reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]), 0) / 1024;
const tree = (pid) => [pid, ...childrenOf({ pid }).map((child) => child.pid)];

async function startWeb(server, name, socket, options = {}) {
  const dir = path.join(site.dir, name);
  fs.mkdirSync(dir);
  const web = await webServers[server]({ dir, port: await freePort(), socket, ...options });
  closers.push(() => web.stop());
  return web;
}

// What a program is called, where it answers, and what belongs to it.
function entry(name, { port, version = MODERN, cpu, pids, web, log }) {
  const script = path.join(site.dir, `${name.replace(/\W/g, '-')}.lua`);
  writeWrkScript(script, token, { version });
  return { name, port, version, script, cpu, pids, log, ...(web && { webCpu: () => daemonCpu(web), webPid: web.pid }) };
}

async function ours(server) {
  const web = await startWeb(server, `ours-${server}`, site.keys.LISTEN);
  return entry(`mcp-authd, ${server}`, { port: web.port, web, cpu: () => workersCpu(site.daemon), pids: () => tree(site.daemon.pid), log: path.join(site.dir, 'daemon.log') });
}

async function modAuthOpenidc() {
  await callOnce(site, token);
  const answer = await callOnce(site, token);
  const fixed = await startFixed({ dir: path.join(site.dir, 'fixed'), processes: WORKERS, answer, line: site.daemon.log.trim().split('\n').at(-1) });
  closers.push(() => fixed.stop());
  const { cognito } = site;
  const front = await startTlsFront({ certificates: site.certificates, to: { port: new URL(cognito.jwksUrl).port } });   // it takes https only
  closers.push(() => front.close());
  const routes = fs.readFileSync(path.join(ROOT, 'conf/apache/mcp-authd.conf'), 'utf8');
  const conf = routes.replace('\tAuthMerging Off\n\tRequire all granted\n', `\tAuthType oauth20\n\t<RequireAll>\n\t\tRequire valid-user\n\t\tRequire claim iss:${
    cognito.issuer}\n\t\tRequire claim client_id:${cognito.clientId}\n\t\tRequire claim token_use:access\n\t</RequireAll>\n`);
  assert.notEqual(conf, routes, 'conf/apache/mcp-authd.conf has another form than this expects');
  const web = await startWeb('apache', 'mod-auth-openidc', fixed.socket, { modules: ['authz_user', 'auth_openidc'], conf: `OIDCOAuthVerifyJwksUri ${front.origin}${cognito.jwksPath}
OIDCOAuthSSLValidateServer Off
OIDCOAuthRemoteUserClaim sub
OIDCCryptoPassphrase bench
${conf}` });
  return entry('mod_auth_openidc and fixed.c, apache', { port: web.port, web, cpu: fixed.cpu, pids: () => fixed.pids, log: fixed.log });
}

async function nodeServer(kind, name, version) {
  const port = await freePort();
  const log = path.join(site.dir, `${kind}.log`);
  const { cognito } = site;
  const child = start(process.execPath, [path.join(ROOT, 'tests/bench/peers/server.mjs'), kind, String(port), String(WORKERS), cognito.jwksUrl, cognito.issuer,
    cognito.clientId], { outputFile: log });
  closers.push(() => child.stop());
  await child.ready('listening', () => accepts({ port, host: '127.0.0.1' }));
  return entry(name, { port, version, cpu: () => daemonCpu(child), pids: () => tree(child.pid), log });
}

// It answers the call, and only with a good token.
async function check({ name, port, version }) {
  const at = { mcpUrl: `http://127.0.0.1:${port}/mcp` };
  const { status, text } = await callOnce(at, token, { version });
  assert.equal(status, 200, `${name}: ${text}`);
  assert.deepEqual(JSON.parse(text).result.content, [{ type: 'text', text: 'hello' }], name);
  const [header, claims, signature] = token.split('.');
  const forged = Buffer.from(signature, 'base64url');
  forged[9] ^= 1;
  assert.notEqual((await callOnce(at, `${header}.${claims}.${forged.toString('base64url')}`, { version })).status, 200, `${name} takes a forged token`);
}

function judge(what, { median: value, text }, least) {
  figure('Compared with others, ratios', what, text, { goal: `at least ${least}`, met: value >= least });
}

try {
  const programs = [await ours('apache'), await modAuthOpenidc(), await ours('lighttpd'), await nodeServer('sdk-v1', 'official SDK 1, express, jose', HANDSHAKE),
    await nodeServer('sdk-v2', 'official SDK 2, express, jose', MODERN), await nodeServer('fastmcp', 'fastmcp (npm), jose', HANDSHAKE)];
  for (const program of programs) await check(program);
  const results = await compare(programs, settings);
  const of = (name) => results[programs.findIndex((program) => program.name.startsWith(name))];
  const middle = (rounds, field) => median(rounds.map((round) => round[field]));

  console.log(`\n${WORKERS} processes each, ${settings.connections} connections, medians of ${settings.rounds} rounds of ${settings.seconds} s\n`);
  const head = ['', 'calls a second', 'p99', 'CPU a call, µs', 'with the web server', 'memory, MiB', 'with the web server'];
  for (const [i, { name, pids, webPid }] of programs.entries()) {
    const own = memory(pids());
    const all = own + (webPid ? memory(tree(webPid)) : 0);
    const cpu = middle(results[i], 'cpuUs');
    row('Compared with others', head, [name, middle(results[i], 'perSecond').toFixed(0),
      results[i].toSorted((a, b) => a.perSecond - b.perSecond)[results[i].length >> 1].p99, cpu.toFixed(0),
      webPid ? (cpu + middle(results[i], 'webUs')).toFixed(0) : '', own.toFixed(1), webPid ? all.toFixed(1) : '']);
  }
  judge('calls a second through Apache, of mod_auth_openidc\'s', ratio(of('mcp-authd, apache'), of('mod_auth'), 'perSecond'), MOD_AUTH_OPENIDC_MIN);
  const through = of('mcp-authd, lighttpd');
  judge('calls a second through lighttpd, of the official SDK 1\'s', ratio(through, of('official SDK 1'), 'perSecond'), SDK_V1_MIN);
  for (const name of ['official SDK 1', 'official SDK 2', 'fastmcp']) {
    figure('Compared with others, ratios', `CPU time of a call, times ours: ${name}`, ratio(of(name), through, 'cpuUs').text);
  }
} finally {
  for (const close of closers.reverse()) await close();
  await site.close();
}
process.exit(exitStatus());
