// Logs in and calls tools by the files that the package installed, as an admin would set them up:
//   tests/node tests/deb/installed.mjs apache|lighttpd      (as root, on a machine that may be changed)
// The commands are those of the documents, taken from there.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { checkAttack } from './attack.mjs';
import { closing, documented, hasSystemd, run, setUp, startDaemon, TOOLS, webServers } from './admin.mjs';
import { CALLERS, startLoad } from '../parts/load.mjs';
import { callTool } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { accepts, until } from '../parts/util.mjs';

const AUDIT_LOG = '/var/log/mcp-authd/audit.log';
const SOCKET = '/run/mcp-authd/mcp-authd.sock';
const EXAMPLES = '/usr/share/mcp-authd/tools.d';
const kind = process.argv[2];
const PROGRAM_USER = hasSystemd ? 'mcp-authd-run' : 'mcp-authd';
// Not the Sync kind: what they ask is in this process.
const ask = async (...args) => (await promisify(execFile)('mcp-authd', args)).stdout;

async function reload(daemon) {
  if (hasSystemd) run('systemctl', 'reload', 'mcp-authd');
  else daemon.signal('SIGHUP');
  // systemctl has only sent the signal.
  await until('reloaded', () => JSON.parse(run('mcp-authd', 'status', '--json')).reloads === 1);
}

// A tool of the admin's own, as docs/tools.md has it, and the examples that are installed.
async function checkTools(site, token, daemon) {
  const before = new Set(fs.readdirSync(TOOLS));
  const manifest = { name: 'greeting', description: 'Says hello.', inputSchema: { type: 'object' }, run: { command: ['./greeting.sh'] } };
  fs.writeFileSync(path.join(TOOLS, 'greeting.json'), JSON.stringify(manifest));
  fs.writeFileSync(path.join(TOOLS, 'greeting.sh'), '#!/bin/sh\necho "hello from $(id -un)"\n', { mode: 0o755 });
  documented('tools.md', 'examples');
  await reload(daemon);
  const greeting = await callTool(site, token, 'greeting');
  assert.equal(greeting.content[0].text.trim(), `hello from ${PROGRAM_USER}`);
  const words = await callTool(site, token, 'word_count', { text: 'three small words' });
  assert.equal(words.structuredContent.words, 3, JSON.stringify(words));
  await checkDoctor();
  for (const name of fs.readdirSync(TOOLS)) if (!before.has(name)) fs.rmSync(path.join(TOOLS, name));
}

// systemd restarts and reloads the service while it is called: the socket stays, so nothing is refused and nothing cut.
async function restartUnderLoad(site, token) {
  const statuses = await startLoad(site, token, async ({ answered }) => {
    for (const verb of ['restart', 'reload', 'restart']) {
      run('systemctl', verb, 'mcp-authd');
      const seen = answered();
      await until(`calls go on after ${verb}`, () => answered() > seen + CALLERS * 2);
    }
  }, { most: 20000 });
  assert.deepEqual([...statuses.keys()], [200], JSON.stringify([...statuses]));
  return statuses.get(200);
}

// As the service's user and as root. Over plain http on loopback there is no certificate to judge.
async function checkDoctor() {
  for (const as of [['setpriv', '--reuid=mcp-authd', '--regid=mcp-authd', '--init-groups'], ['env']]) {
    const said = (await promisify(execFile)(as[0], [...as.slice(1), 'mcp-authd', 'doctor', '--json']).catch((error) => error)).stdout;
    const report = JSON.parse(said);
    assert.equal(report.status, 'ok', said);
    for (const check of ['socket', 'resource metadata', 'server metadata', 'Authorization', 'tools']) {
      assert.ok(report.checks.some((each) => each.check === check), `${check}: ${said}`);
    }
  }
}

await closing(async (closers) => {
  const site = await setUp(closers, { AUDIT_LOG });
  documented('install.md', 'check');
  const daemon = await startDaemon();
  closers.push(() => daemon.stop());
  // What it was told is over with this process: it must not start with that at the next boot.
  if (hasSystemd) closers.push(async () => { run('systemctl', 'disable', '--now', 'mcp-authd.service', 'mcp-authd.socket'); });
  await daemon.ready('listening', () => accepts({ path: SOCKET }));
  assert.equal(run('stat', '-c', '%G %a', SOCKET).trim(), 'www-data 660');

  const web = await webServers[kind](site.port, () => documented(`${kind}.md`, 'enable'));
  closers.push(() => web.stop());
  await web.ready(`accepting on ${site.port}`, () => accepts({ port: site.port, host: '127.0.0.1' }));

  const granted = await tokens(site);
  const whoami = await callTool(site, granted.access_token, 'whoami');
  assert.equal(whoami.structuredContent.username, 'alice');
  assert.match(fs.readFileSync(AUDIT_LOG, 'utf8'), /^\{"audit":"token",.*"outcome":"issued"/m);
  await checkTools(site, granted.access_token, daemon);
  if (hasSystemd) await checkAttack(site, granted.access_token);
  assert.match(await ask('try-client', site.clientId), /may log users in/);
  const status = await until('counted', () => {
    const now = JSON.parse(run('mcp-authd', 'status', '--json'));
    return now.requests >= 4 && now.reloads === 1 && now;
  });
  assert.equal(status.errors, 0);
  const underLoad = hasSystemd ? `, ${await restartUnderLoad(site, granted.access_token)} calls over two restarts and a reload` : '';
  console.log(`${kind}: logged in as ${whoami.structuredContent.username}, called whoami and tools, ${status.requests} requests${underLoad}`);
});
