// The conformance suite's own reference server behind mcp-authd, as a server at an address: both requirement sets have to give what they give
// without us, check by check, but for the differences below. Each is printed. The server is not in the suite's package:
//
//   git clone https://github.com/modelcontextprotocol/conformance && npm ci --prefix conformance/examples/servers/typescript
//   make conformance-servers REFERENCE=conformance/examples/servers/typescript

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startLighttpd } from '../parts/lighttpd.mjs';
import { startSite } from '../parts/site.mjs';
import { freePort, until } from '../parts/util.mjs';
import { NOTES, readResults, runSuite } from './suite.mjs';

const REFERENCE = path.resolve(process.env.REFERENCE || '.');
const PROGRAM = path.join(REFERENCE, 'everything-server.ts');
if (!fs.existsSync(PROGRAM)) throw new Error(`REFERENCE: "${REFERENCE}" has no everything-server.ts; its lines in ${import.meta.filename} say how to get it`);

// By requirement set: the manifest.
const MANIFESTS = { '2025-11-25': (url) => ({ url, revision: '2025-11-25' }), '2026-07-28': (url) => ({ url }) };

// By requirement set and check: why it is not as without us.
const NOT_EVENTS = 'the server sends lines of JSON on a stream of events, which are no events';
const NO_TOOL = 'the server has no such tool and says so in a result; we answer with the error of the specification';
const DIFFERENCES = {
  '2025-11-25': {
    'server-sse-polling server-sse-disconnect-resume': 'the server ends its stream and is asked for the rest by us; the client has its own stream with us',
  },
  '2026-07-28': {
    'server-stateless sep-2575-server-sends-prompts-list-changed-on-subscription': NOT_EVENTS,
    'server-stateless sep-2575-server-sends-tools-list-changed-on-subscription': NOT_EVENTS,
    'tasks-capability-negotiation sep-2663-server-rejects-undeclared-client': NO_TOOL,
    'tasks-dispatch-and-envelope tasks-immediate-result-shortcut': NO_TOOL,
    'tasks-lifecycle tasks-sync-tool-call': NO_TOOL,
  },
};

// { "scenario check": [statuses] }
async function results(url, revision, out) {
  const { output } = await runSuite('server', '--url', url, '--requirements', revision, '--output-dir', out);
  if (process.env.VERBOSE) console.log(output);
  const all = {};
  for (const { scenario, checks } of readResults(out))
    for (const { id, status, errorMessage } of checks.filter((check) => !NOTES.has(check.id)))
      (all[`${scenario} ${id}`] ??= []).push({ status, errorMessage });
  return all;
}

const worst = (checks) => ['FAILURE', 'WARNING', 'SKIPPED', 'INFO', 'SUCCESS'].find((status) => checks?.some((check) => check.status === status)) ?? 'ABSENT';

function compare(revision, bare, ours) {
  let good = true;
  const names = [...new Set([...Object.keys(bare), ...Object.keys(ours)])].sort();
  for (const name of names) {
    const [theirs, behind] = [worst(bare[name]), worst(ours[name])];
    if (theirs === behind) continue;
    const why = DIFFERENCES[revision]?.[name];
    if (!why && !['SUCCESS', 'ABSENT'].includes(behind)) good = false;
    const { errorMessage } = (behind === 'SUCCESS' ? bare : ours)[name]?.find(({ status }) => status !== 'SUCCESS') ?? {};
    console.log(`${revision} ${name}: ${theirs} without us, ${behind} behind us${why ? ` (${why})` : ''}${errorMessage ? `: ${errorMessage.slice(0, 160)}` : ''}`);
  }
  const count = (all) => `${Object.values(all).filter((checks) => worst(checks) === 'SUCCESS').length} of ${Object.keys(all).length}`;
  console.log(`${revision}: ${count(bare)} checks pass without us, ${count(ours)} behind us`);
  return good && names.length > 20;
}

async function startReference() {
  const port = await freePort();
  const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM], { cwd: REFERENCE, env: { ...process.env, PORT: port }, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (part) => { said += part; });
  await until('the reference server', () => said.includes('MCP endpoint'));
  return { url: `http://127.0.0.1:${port}/mcp`, stop: () => child.kill() };
}

async function check(revision, dir) {
  const reference = await startReference();
  const servers = path.join(dir, 'servers.d');
  const port = await freePort();
  let site;
  let web;
  fs.mkdirSync(servers, { recursive: true });
  fs.writeFileSync(path.join(servers, 'reference.json'), JSON.stringify({ prefix: '', timeout_ms: 30000, ...MANIFESTS[revision](reference.url) }));
  try {
    site = await startSite({ config: { ALLOWED_ORIGINS: `http://127.0.0.1:${port}`, TOOLS_DIR: '', SERVERS_DIR: servers }, mustFail: ['event='] });
    fs.mkdirSync(path.join(site.dir, 'conformance'));
    web = await startLighttpd({ dir: path.join(site.dir, 'conformance'), port, socket: site.keys.LISTEN, more: `server.modules += ( "mod_setenv" )
setenv.set-request-header = ( "Authorization" => "Bearer ${await site.cognito.accessToken()}" )
` });
    const bare = await results(reference.url, revision, path.join(dir, 'bare'));
    const ours = await results(`http://127.0.0.1:${port}/mcp`, revision, path.join(dir, 'ours'));
    if (process.env.VERBOSE) console.log(site.daemon.log);
    return compare(revision, bare, ours);
  } finally {
    await web?.stop();
    await site?.close();
    reference.stop();
  }
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-conformance-servers-'));
try {
  for (const revision of Object.keys(MANIFESTS)) if (!await check(revision, path.join(dir, revision))) process.exitCode = 1;
} finally {
  fs.rmSync(dir, { recursive: true, force: true });
}
