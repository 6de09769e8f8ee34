// What an admin does on a machine with the package: sets keys, runs the commands of the documents, enables a web server. As
// root, on a machine that may be changed. Where systemd runs the machine, it runs the services; elsewhere they are started here.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { startCognito } from '../parts/cognito.mjs';
import { startDocumentHost } from '../parts/document-host.mjs';
import { start } from '../parts/process.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { accepts, freePort, ROOT, until } from '../parts/util.mjs';

const CONF = '/etc/mcp-authd/mcp-authd.conf';
export const TOOLS = '/etc/mcp-authd/tools.d';
export const hasSystemd = fs.existsSync('/run/systemd/system');
export const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

// Runs the commands of the block that follows `<!-- test: NAME -->` in a document, each as `here` makes it for this machine.
export function documented(file, name, here = (command) => command) {
  const text = fs.readFileSync(path.join(ROOT, 'docs', file), 'utf8');
  const block = text.match(new RegExp(`<!-- test: ${name} -->\n\`\`\`sh\n([^]*?)\`\`\`\n`));
  assert.ok(block, `${file} has no commands for ${name}`);
  for (const command of block[1].trim().split('\n')) {
    if (hasSystemd || !command.startsWith('systemctl ')) run('sh', '-ec', here(command));
  }
}

// Sets keys in the annotated file, in the lines where they stand.
export function configure(keys) {
  let text = fs.readFileSync(CONF, 'utf8');
  for (const [key, value] of Object.entries(keys)) {
    const line = new RegExp(`^#?${key}=.*$`, 'm');
    assert.match(text, line);
    text = text.replace(line, () => `${key}=${value}`);
  }
  fs.writeFileSync(CONF, text);
}

// In the place of the line, or at the end.
export function setLine(file, pattern, line) {
  const text = fs.readFileSync(file, 'utf8');
  fs.writeFileSync(file, pattern.test(text) ? text.replace(pattern, line) : `${text.trimEnd()}\n${line}\n`);
}

// The web servers of Debian on this port of loopback, with what `enable` of theirs does to be an admin's.
export const webServers = {
  async apache(port, enable) {
    setLine('/etc/apache2/apache2.conf', /^KeepAliveTimeout .*$/m, 'KeepAliveTimeout 60');
    setLine('/etc/apache2/ports.conf', /^Listen .*$/m, `Listen 127.0.0.1:${port}`);
    if (hasSystemd) run('systemctl', 'start', 'apache2');
    enable();
    return hasSystemd ? service('apache2') : start('sh', ['-ec', '. /etc/apache2/envvars && exec apache2 -D FOREGROUND']);
  },
  async lighttpd(port, enable) {
    setLine('/etc/lighttpd/lighttpd.conf', /^server\.port\s*=.*$/m, `server.port = ${port}`);
    setLine('/etc/lighttpd/lighttpd.conf', /^server\.bind\s*=.*$/m, 'server.bind = "127.0.0.1"');
    // Longer than the client's pool keeps connections, as in parts/lighttpd.mjs.
    setLine('/etc/lighttpd/lighttpd.conf', /^server\.max-keep-alive-idle\s*=.*$/m, 'server.max-keep-alive-idle = 60');
    if (hasSystemd) {
      run('systemctl', 'restart', 'lighttpd');
      // Until it serves it has no handler for the signal of a reload, which ends it.
      await until(`lighttpd accepts on ${port}`, () => accepts({ port, host: '127.0.0.1' }));
    }
    for (const name of fs.readdirSync('/etc/lighttpd/conf-enabled')) {      // the command fails if it is there already
      if (/mcp-authd/.test(name)) fs.rmSync(path.join('/etc/lighttpd/conf-enabled', name));
    }
    enable();
    return hasSystemd ? service('lighttpd') : start('lighttpd', ['-D', '-f', '/etc/lighttpd/lighttpd.conf']);
  },
};

// What process.mjs gives for a child, for a unit of systemd.
export async function service(name) {
  run('systemctl', 'restart', name);
  return { ready: (what, check) => until(what, check), stop: async () => { run('systemctl', 'stop', name); }, get output() { return run('journalctl', '-u', name, '-b'); } };
}

// As docs/install.md has it.
export async function startDaemon() {
  if (hasSystemd) {
    // Tests start it more often in ten seconds than systemd allows.
    run('systemctl', 'reset-failed', 'mcp-authd*.service');
    documented('install.md', 'enable');
    return service('mcp-authd');
  }
  documented('install.md', 'without-systemd');
  return start('setpriv', ['--reuid=mcp-authd', '--regid=mcp-authd', '--init-groups', '/usr/sbin/mcp-authd']);
}

// The world around the host: Cognito, a client's document, and the configuration that names them. `closers` gets what ends it.
export async function setUp(closers, keys = {}, callbacks = ['/callback']) {
  const dir = fs.mkdtempSync('/srv/mcp-authd-');       // the service has a /tmp of its own
  fs.chmodSync(dir, 0o755);
  closers.push(async () => fs.rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const cognito = await startCognito({ callback: callbacks.map((each) => issuer + each) });
  closers.push(() => cognito.close());
  const certificates = makeCertificates(dir);
  fs.chmodSync(certificates.ca, 0o644);
  const documents = await startDocumentHost({ certificates });
  closers.push(() => documents.close());
  const clientId = documents.setClient('/client.json', { redirect_uris: ['http://127.0.0.1/callback'] });
  configure({
    MCP_SERVER_URI: `${issuer}/mcp`, COGNITO_CLIENT_ID: cognito.clientId, COGNITO_ISSUER: cognito.issuer,
    COGNITO_AUTHORIZE_URL: cognito.authorizeUrl, COGNITO_TOKEN_URL: cognito.tokenUrl, COGNITO_JWKS_URL: cognito.jwksUrl,
    CLIENT_METADATA_CA_FILE: certificates.ca, CLIENT_METADATA_ALLOW_NETS: '127.0.0.0/8', SESSION_STORE: 'lmdb', ...keys,
  });
  return { port, issuer, mcpUrl: `${issuer}/mcp`, clientId, cognito };
}

// Runs `main(closers)`, then all that it put there, the last first.
export async function closing(main) {
  const closers = [];
  try {
    await main(closers);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
