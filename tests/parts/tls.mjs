// A throw-away certificate authority and a server certificate for loopback, made with the openssl command.

import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';

// Everything is said here, so that the machine's openssl.cnf has no part in it.
const conf = (san, usage) => `[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = ${usage}
subjectAltName = ${san}
`;

// OpenSSL 3.5 takes no end before the start any more, and 3.0 has no other way to say when a certificate ended.
function validity(days) {
  const [, major, minor] = /^OpenSSL (\d+)\.(\d+)/.exec(execFileSync('openssl', ['version'], { encoding: 'utf8' })).map(Number);
  if (days > 0 || major < 3 || (major === 3 && minor < 4)) return ['-days', `${days}`];
  const at = (shift) => new Date(Date.now() + shift * 86400e3).toISOString().replace(/[-:T]|\.\d+/g, '');
  return ['-not_before', at(days - 1), '-not_after', at(days)];
}

// Writes into `dir` and gives back the paths; the authority's private key is removed once it has signed.
// `names`: what the server is called besides localhost; `only`: what it is called instead. `days`: how long the server's
// certificate is good; negative: since when it is not. `usage`: what for
// (RFC 5280 section 4.2.1.12).
export function makeCertificates(dir, { names = [], only, days = 2, usage = 'serverAuth' } = {}) {
  const called = (only ?? ['localhost', ...names]).map((name) => `DNS:${name}`);
  if (!only) called.push('IP:127.0.0.1', 'IP:127.0.0.2', 'IP:::1');
  fs.mkdirSync(dir, { recursive: true });
  const at = (name) => path.join(dir, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

  fs.writeFileSync(at('tls.conf'), conf(called.join(', '), usage));
  openssl('req', '-x509', '-config', at('tls.conf'), '-extensions', 'ca', '-days', '2', '-subj', '/CN=mcp-authd test CA',
    ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl('req', '-new', '-config', at('tls.conf'), '-subj', '/CN=localhost',
    ...newKey, '-keyout', at('server.key'), '-out', at('server.csr'));
  openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), ...validity(days),
    '-set_serial', '1', '-extfile', at('tls.conf'), '-extensions', 'server', '-out', at('server.pem'));
  fs.rmSync(at('ca.key'));
  return { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key') };
}
