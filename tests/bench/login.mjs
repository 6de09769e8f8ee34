// What one login costs: DynamoDB calls and request units, the size of the item, and the CPU time of all of mcp-authd's processes, for both
// stores, as in production: Cognito's stand-in and DynamoDB Local (behind the proxy that checks every signature) are reached over TLS, and as
// many authorities are trusted as for Amazon's servers. Once with kept connections, once with a new one for each request that goes out.
// Then the memory of 64 workers after logins.
// mcp-authd has a processor of its own if there are two: clients, web server, Cognito and DynamoDB, which take ten times its time here, are
// other machines in use. So many logins are under way at once as calls in `make bench`; one at a time is measured beside that.
//
//   make bench-login          ROUNDS=10 of LOGINS=40 for each figure, of which it is the median; CONNECTIONS=16

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { Browser } from '../parts/browser.mjs';
import { workersOf } from '../parts/daemon.mjs';
import { startDynamoDb, TABLE } from '../parts/dynamodb.mjs';
import { countActions } from '../parts/dynamodb-site.mjs';
import { startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { median, privateKib } from '../parts/load-calls.mjs';
import { login, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { startTlsFront } from '../parts/tls-front.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { freePort } from '../parts/util.mjs';
import { daemonCpu, ratio, startFixedLogin } from './fair.mjs';
import { exitStatus, figure } from './figures.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
const LOGINS = Number(process.env.LOGINS ?? 40);
const AT_ONCE = Number(process.env.CONNECTIONS ?? 16);
const [OURS, THEIRS] = os.cpus().length > 1 ? [['taskset', '-c', '0'], `1-${os.cpus().length - 1}`] : [[]];
const WARM_UP = 2 * AT_ONCE;
const MANY_WORKERS = 64;
const MANY_LOGINS = 4000;         // so many at most, until there is a connection of each of them to each peer
const PRIVATE_MIB_MAX = 64;
const CPU_MAX = { lmdb: { kept: 0.6, 'new': 5 }, dynamodb: { kept: 1.2, 'new': 12 } };       // ms
const AUTHORITIES = '/usr/share/ca-certificates/mozilla';
const OF_AMAZON = /^(Amazon_Root_CA_\d|Starfield_Services_Root_Certificate_Authority_-_G2)\.crt$/;

const dir = fs.mkdtempSync('/tmp/mcp-bench-');
const certificates = makeCertificates(path.join(dir, 'tls'));
const bundle = path.join(dir, 'authorities.pem');
fs.writeFileSync(bundle, [certificates.ca, ...fs.readdirSync(AUTHORITIES).filter((name) => OF_AMAZON.test(name)).map((name) => path.join(AUTHORITIES, name))]
  .map((file) => fs.readFileSync(file, 'utf8')).join('\n'));

// A site whose Cognito, and DynamoDB if it is given, are behind TLS.
async function startTlsSite(workers, dynamodb) {
  const to = {};
  const front = await startTlsFront({ certificates, to });
  const proxy = dynamodb && await startDynamoDbProxy({ dynamodb });
  const proxyFront = proxy && await startTlsFront({ certificates, to: { port: new URL(proxy.endpoint).port } });
  const site = await startSite({ logFile: 'daemon.log', under: OURS,
    config: { WORKERS_MIN: String(workers), WORKERS_MAX: String(workers), COGNITO_TOKEN_URL: `${front.origin}/oauth2/token`,
      COGNITO_JWKS_URL: `${front.origin}/local_Pool1/.well-known/jwks.json`, ...(proxy && { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: TABLE }) },
    env: { AWS_CA_BUNDLE: bundle, ...(proxy && { ...proxy.env(), AWS_ENDPOINT_URL_DYNAMODB: proxyFront.origin }) } });
  to.port = new URL(site.cognito.tokenUrl).port;
  const fronts = [front, proxyFront].filter(Boolean);
  return { site, proxy, peers: fronts.length,
    handshakes: (kind) => fronts.reduce((sum, { counts }) => sum + counts[kind], 0),
    requestsPerConnection: (most) => { for (const each of [site.cognito, proxy]) each?.setRequestsPerConnection(most); },
    async close() {
      await site.close();
      for (const each of fronts) await each.close();
      await proxy?.close();
    } };
}

// So many logins, each of a browser of its own; `also` is done after each.
async function logIn(site, count, atOnce, also) {
  let left = count;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (; left > 0; await also?.()) {
      left -= 1;
      await tokens(site, { browser: new Browser() });
    }
  }));
}

// The CPU time of a login in ms, and its connections, as text with how many of them were resumed.
async function measure({ site, handshakes }) {
  const opened = () => [handshakes('connections'), handshakes('resumed')];
  await logIn(site, WARM_UP, AT_ONCE);
  const before = opened();
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = daemonCpu(site.daemon);
    await logIn(site, LOGINS, AT_ONCE);
    rounds.push((daemonCpu(site.daemon) - from) / LOGINS);
  }
  const [connections, resumed] = opened().map((each, i) => ((each - before[i]) / ROUNDS / LOGINS).toFixed(2));
  const cpu = median(rounds);
  return { cpu, text: `${cpu.toFixed(2)} ms (${Math.min(...rounds).toFixed(2)} to ${Math.max(...rounds).toFixed(2)})`,
    connections: `${connections} a login, ${resumed} of them resumed` };
}

// What fixed_login.c does in the place of the four requests.
const REQUESTS = { lmdb: ['-', 's', 's', 'a'], dynamodb: ['-', 'a', 'a', 'aaa'] };

// It, its web server, and a server that answers what it asks, with the bytes of a session.
async function startFixed(store) {
  const folder = path.join(dir, `fixed-${store}`);
  const peer = http.createServer((request, response) => request.resume().on('end', () => response.end('x'.repeat(900)))).listen(0, '127.0.0.1');
  await once(peer, 'listening');
  const front = await startTlsFront({ certificates, to: peer.address() });
  const program = await startFixedLogin({ dir: folder, processes: 2, under: OURS, url: front.origin });
  const port = await freePort();
  const web = await startLighttpd({ dir: folder, port, socket: program.socket });
  return { cpu: program.cpu,
    async ask() {
      for (const [i, query] of REQUESTS[store].entries()) {
        const response = await fetch(`http://127.0.0.1:${port}/mcp?${query}`, i % 2 ? { method: 'POST', body: 'x'.repeat(700) } : {});
        if (response.status !== 200) throw new Error(`fixed_login: ${response.status}`);
        await response.arrayBuffer();
      }
    },
    async close() {
      await web.stop();
      await program.stop();
      await front.close();
      peer.close();
    } };
}

async function besideFixed(store, { site }) {
  const fixed = await startFixed(store);
  const [ours, theirs] = [[], []];
  try {
    await logIn(site, WARM_UP, AT_ONCE, fixed.ask);
    for (let round = 0; round < ROUNDS; round += 1) {
      const spent = () => [daemonCpu(site.daemon), fixed.cpu()];
      const before = spent();
      await logIn(site, LOGINS, AT_ONCE, fixed.ask);
      const [login, least] = spent().map((ms, i) => (ms - before[i]) / LOGINS);
      ours.push({ login });
      theirs.push({ login: least });
    }
  } finally {
    await fixed.close();
  }
  const least = median(theirs.map(({ login }) => login));
  figure('A login', `${store}, kept connections, times a program that only answers, stores and asks`,
    `${ratio(ours, theirs, 'login').text}, which took ${least.toFixed(2)} ms`);
}

function judge(what, value, text, most) {
  figure('A login', what, text, { goal: `at most ${most}`, met: value <= parseFloat(most) });
}

async function bothWays(store, tlsSite) {
  for (const [kind, most] of [['kept', 0], ['new', 1]]) {
    tlsSite.requestsPerConnection(most);
    const { cpu, text, connections } = await measure(tlsSite);
    judge(`${store}, ${kind} connections (${connections}), CPU time`, cpu, text, `${CPU_MAX[store][kind]} ms`);
  }
  tlsSite.requestsPerConnection(0);
  await besideFixed(store, tlsSite);
}

async function costOfDynamoDb(dynamodb) {
  const tlsSite = await startTlsSite(2, dynamodb);
  const { site, proxy } = tlsSite;
  try {
    await bothWays('dynamodb', tlsSite);
    const from = proxy.calls.length;
    await logIn(site, LOGINS, 1);
    const units = {};
    for (const { action, units: each } of proxy.calls.slice(from)) units[action] = Math.max(units[action] ?? 0, each);
    for (const [action, count] of Object.entries(countActions(proxy, from))) {
      console.log(`  ${action.padEnd(10)} ${(count / LOGINS).toFixed(2)} calls per login, ${units[action]} request unit(s) each`);
    }
    await login(site);
    const [item] = await dynamodb.items(TABLE);
    const bytes = Object.entries(item).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(Object.values(value)[0]), 0);
    console.log(`  item with its attribute names: ${bytes} bytes`);
  } finally {
    await tlsSite.close();
  }
}

async function memoryOfMany(store, dynamodb) {
  const tlsSite = await startTlsSite(MANY_WORKERS, dynamodb);
  const { site } = tlsSite;
  try {
    const before = workersOf(site.daemon).reduce((sum, pid) => sum + privateKib(pid), 0);
    let failed = 0;
    for (let done = 0; done < MANY_LOGINS && tlsSite.handshakes('connections') < MANY_WORKERS * tlsSite.peers; done += MANY_WORKERS) {
      const logins = await Promise.allSettled(Array.from({ length: MANY_WORKERS }, () => tokens(site, { browser: new Browser() })));
      failed += logins.filter(({ status }) => status === 'rejected').length;       // the stand-ins are slow on a busy machine
    }
    const all = workersOf(site.daemon).reduce((sum, pid) => sum + privateKib(pid), 0);
    judge(`${store}: private memory of ${MANY_WORKERS} workers, ${(before / 1024).toFixed(1)} MiB before, after logins on ${
      tlsSite.handshakes('connections')} connections (${failed} failed)`, all / 1024, `${(all / 1024).toFixed(1)} MiB`, `${PRIVATE_MIB_MAX} MiB`);
  } finally {
    await tlsSite.close();
  }
}

try {
  if (THEIRS) execFileSync('taskset', ['-a', '-c', '-p', THEIRS, String(process.pid)]);
  console.log(`${ROUNDS} rounds of ${LOGINS} logins, ${AT_ONCE} at once: GET and POST /authorize, GET /callback, POST /token`);
  const local = await startTlsSite(2);
  try {
    await bothWays('lmdb', local);
  } finally {
    await local.close();
  }
  const dynamodb = await startDynamoDb();
  try {
    await dynamodb.createTable();
    await costOfDynamoDb(dynamodb);
    await memoryOfMany('lmdb');
    await memoryOfMany('dynamodb', dynamodb);
  } finally {
    await dynamodb.close();
  }
} finally {
  fs.rmSync(dir, { recursive: true, force: true });
}
process.exit(exitStatus());
