// Logs in and calls tools by the files that the package installed, as an admin would set them up:
//   tests/node tests/deb/installed.mjs apache|lighttpd      (as root, on a machine that may be changed)
// Where systemd runs the machine, it runs the service; elsewhere the daemon is started as the service's user. The commands
// are those of the documents, taken from there.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { execFile, execFileSync } from 'node:child_process';
import { startCognito } from '../parts/cognito.mjs';
import { startDocumentHost } from '../parts/document-host.mjs';
import { callTool } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { start } from '../parts/process.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { accepts, freePort, ROOT, until } from '../parts/util.mjs';

const CONF = '/etc/mcp-authd/mcp-authd.conf';
const SOCKET = '/run/mcp-authd/mcp-authd.sock';
const TOOLS = '/etc/mcp-authd/tools.d';
const hasSystemd = fs.existsSync('/run/systemd/system');
const kind = process.argv[2];
const closers = [];
const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

// Runs the commands of the block that follows `<!-- test: NAME -->` in a document.
function documented(file, name) {
  const text = fs.readFileSync(path.join(ROOT, 'docs', file), 'utf8');
  const block = text.match(new RegExp(`<!-- test: ${name} -->\n\`\`\`sh\n([^]*?)\`\`\`\n`));
  assert.ok(block, `${file} has no commands for ${name}`);
  for (const command of block[1].trim().split('\n')) {
    if (hasSystemd || !command.startsWith('systemctl ')) run('sh', '-ec', command);
  }
}

// Sets keys in the annotated file, in the lines where they stand.
function configure(keys) {
  let text = fs.readFileSync(CONF, 'utf8');
  for (const [key, value] of Object.entries(keys)) {
    const line = new RegExp(`^#?${key}=.*$`, 'm');
    assert.match(text, line);
    text = text.replace(line, () => `${key}=${value}`);
  }
  fs.writeFileSync(CONF, text);
}

// In the place of the line, or at the end.
function setLine(file, pattern, line) {
  const text = fs.readFileSync(file, 'utf8');
  fs.writeFileSync(file, pattern.test(text) ? text.replace(pattern, line) : `${text.trimEnd()}\n${line}\n`);
}

const webServers = {
  async apache(port) {
    setLine('/etc/apache2/ports.conf', /^Listen .*$/m, `Listen 127.0.0.1:${port}`);
    if (hasSystemd) run('systemctl', 'start', 'apache2');
    documented('apache.md', 'enable');
    return hasSystemd ? service('apache2') : start('sh', ['-ec', '. /etc/apache2/envvars && exec apache2 -D FOREGROUND']);
  },
  async lighttpd(port) {
    setLine('/etc/lighttpd/lighttpd.conf', /^server\.port\s*=.*$/m, `server.port = ${port}`);
    setLine('/etc/lighttpd/lighttpd.conf', /^server\.bind\s*=.*$/m, 'server.bind = "127.0.0.1"');
    if (hasSystemd) run('systemctl', 'start', 'lighttpd');
    run('rm', '-f', '/etc/lighttpd/conf-enabled/50-mcp-authd.conf');      // the command fails if it is there already
    documented('lighttpd.md', 'enable');
    return hasSystemd ? service('lighttpd') : start('lighttpd', ['-D', '-f', '/etc/lighttpd/lighttpd.conf']);
  },
};

// What process.mjs gives for a child, for a unit of systemd.
async function service(name) {
  run('systemctl', 'restart', name);
  return { ready: (what, check) => until(what, check), stop: async () => { run('systemctl', 'stop', name); }, get output() { return run('journalctl', '-u', name, '-b'); } };
}

async function startDaemon() {
  if (hasSystemd) {
    documented('install.md', 'enable');
    return service('mcp-authd');
  }
  documented('install.md', 'without-systemd');
  return start('setpriv', ['--reuid=mcp-authd', '--regid=mcp-authd', '--init-groups', '/usr/sbin/mcp-authd']);
}

async function reload(daemon) {
  if (hasSystemd) run('systemctl', 'reload', 'mcp-authd');
  else daemon.signal('SIGHUP');
  // systemctl has only sent the signal.
  await until('reloaded', () => JSON.parse(run('mcp-authd', 'status', '--json')).reloads === 1);
}

async function main() {
  const dir = fs.mkdtempSync('/srv/mcp-authd-');       // the service has a /tmp of its own
  fs.chmodSync(dir, 0o755);
  closers.push(async () => fs.rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const cognito = await startCognito({ callback: `${issuer}/callback` });
  closers.push(() => cognito.close());
  const certificates = makeCertificates(dir);
  fs.chmodSync(certificates.ca, 0o644);
  const documents = await startDocumentHost({ certificates });
  closers.push(() => documents.close());
  const clientId = documents.setClient('/client.json', { redirect_uris: ['http://127.0.0.1/callback'] });
  const site = { port, issuer, mcpUrl: `${issuer}/mcp`, clientId, cognito };

  configure({
    MCP_SERVER_URI: site.mcpUrl, COGNITO_CLIENT_ID: cognito.clientId, COGNITO_ISSUER: cognito.issuer,
    COGNITO_AUTHORIZE_URL: cognito.authorizeUrl, COGNITO_TOKEN_URL: cognito.tokenUrl, COGNITO_JWKS_URL: cognito.jwksUrl,
    CLIENT_METADATA_CA_FILE: certificates.ca, CLIENT_METADATA_ALLOW_NETS: '127.0.0.0/8',
  });
  documented('install.md', 'check');
  const daemon = await startDaemon();
  closers.push(() => daemon.stop());
  await daemon.ready('listening', () => accepts({ path: SOCKET }));
  assert.equal(run('stat', '-c', '%G %a', SOCKET).trim(), 'www-data 660');

  const web = await webServers[kind](port);
  closers.push(() => web.stop());
  await web.ready(`accepting on ${port}`, () => accepts({ port, host: '127.0.0.1' }));

  const granted = await tokens(site);
  const whoami = await callTool(site, granted.access_token, 'whoami');
  assert.equal(whoami.structuredContent.username, 'alice');
  // A tool of the admin's own, as docs/tools.md has it.
  const manifest = { name: 'greeting', inputSchema: { type: 'object' }, run: { command: ['./greeting.sh'] } };
  fs.writeFileSync(path.join(TOOLS, 'greeting.json'), JSON.stringify(manifest));
  fs.writeFileSync(path.join(TOOLS, 'greeting.sh'), '#!/bin/sh\necho "hello from $(id -un)"\n', { mode: 0o755 });
  await reload(daemon);
  const greeting = await callTool(site, granted.access_token, 'greeting');
  assert.equal(greeting.content[0].text.trim(), 'hello from mcp-authd');
  for (const name of ['greeting.json', 'greeting.sh']) fs.rmSync(path.join(TOOLS, name));

  // Not the Sync kind: the documents' host is in this process.
  assert.match((await promisify(execFile)('mcp-authd', ['try-client', clientId])).stdout, /may log users in/);
  const status = await until('counted', () => {
    const now = JSON.parse(run('mcp-authd', 'status', '--json'));
    return now.requests >= 4 && now.reloads === 1 && now;
  });
  assert.equal(status.errors, 0);
  console.log(`${kind}: logged in as ${whoami.structuredContent.username}, called whoami and a tool, ${status.requests} requests`);
}

try {
  await main();
} finally {
  for (const close of closers.reverse()) await close();
}
