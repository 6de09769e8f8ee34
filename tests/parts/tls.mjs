// A throw-away certificate authority and a server certificate for loopback, made with the openssl command.

import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';

// Everything is said here, so that the machine's openssl.cnf has no part in it.
const conf = (names) => `[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${['localhost', ...names].map((name) => `DNS:${name}`).join(', ')}, IP:127.0.0.1, IP:127.0.0.2, IP:::1
`;

// Writes into `dir` and gives back the paths; the authority's private key is removed once it has signed.
// `names`: what the server is called besides localhost.
export function makeCertificates(dir, { names = [] } = {}) {
  const at = (name) => path.join(dir, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

  fs.writeFileSync(at('tls.conf'), conf(names));
  openssl('req', '-x509', '-config', at('tls.conf'), '-extensions', 'ca', '-days', '2', '-subj', '/CN=mcp-authd test CA',
    ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl('req', '-new', '-config', at('tls.conf'), '-subj', '/CN=localhost',
    ...newKey, '-keyout', at('server.key'), '-out', at('server.csr'));
  openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-days', '2',
    '-set_serial', '1', '-extfile', at('tls.conf'), '-extensions', 'server', '-out', at('server.pem'));
  fs.rmSync(at('ca.key'));
  return { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key') };
}
