// `mcp-authd doctor`: the public addresses as a client sees them (certificate, documents, Authorization), and the
// socket behind them. Faults of the web server are tested with the web server, other answers with a server of the test.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { alone, assertFails, letWebServerIn, runDoctor } from '../parts/doctor.mjs';
import { nginxRules } from '../parts/nginx.mjs';
import { start } from '../parts/process.mjs';
import { startSite, webServers, WEB_SERVER } from '../parts/site.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { freePort, ROOT, until } from '../parts/util.mjs';

process.env.TMPDIR = '/var/tmp'; // programs may write to /tmp

let port, certificates, site, web;

// Of each web server: its options for TLS with our rules and `more`, HSTS, what keeps Authorization from the service, what takes
// no long tokens and how it refuses them.
const server = {
  apache: {
    options: (tls, more) => ({ modules: ['socache_shmcb', 'ssl', 'headers'],
      conf: `SSLEngine on\nSSLCertificateFile ${tls.cert}\nSSLCertificateKeyFile ${tls.key}\nInclude "${ROOT}/conf/apache/mcp-authd.conf"\n${more}` }),
    hsts: 'Header always set Strict-Transport-Security "max-age=31536000"\n',
    lost: '<LocationMatch "^/mcp$">\nCGIPassAuth Off\n</LocationMatch>\n',
    short: 'LimitRequestFieldSize 8190\n', refused: /HTTP 400/, unreachable: /HTTP 503/,
  },
  lighttpd: {
    options: (tls, more) => ({ conf: `server.modules += ( "mod_openssl", "mod_setenv" )\nssl.engine = "enable"
ssl.pemfile = "${tls.cert}"\nssl.privkey = "${tls.key}"\ninclude "${ROOT}/conf/lighttpd/mcp-authd-routes.conf"\n${more}` }),
    hsts: 'setenv.add-response-header = ( "Strict-Transport-Security" => "max-age=31536000" )\n',
    lost: 'setenv.set-request-header = ( "Authorization" => "" )\n',
    short: 'server.max-request-field-size = 8192\n', refused: /HTTP 431/, unreachable: /HTTP 503/,
  },
  nginx: {
    // The location has our parameters, so one more belongs there, and what comes twice is taken away first.
    options: (tls, more, socket) => ({ servers: `server {\nlisten 127.0.0.1:${port} ssl;\nssl_certificate ${tls.cert};\nssl_certificate_key ${tls.key};
${more.includes('large_client') ? nginxRules(socket).replace(/^large_client.*$/m, '') : nginxRules(socket)}
${more}}`.replace(/(fastcgi_buffering on;)([^]*)(fastcgi_param HTTP_AUTHORIZATION "";)/, '$3\n$1$2') }),
    hsts: 'add_header Strict-Transport-Security "max-age=31536000" always;\n',
    lost: 'fastcgi_param HTTP_AUTHORIZATION "";\n',
    short: 'large_client_header_buffers 4 8k;\n', refused: /HTTP 400/, unreachable: /HTTP 502/,
  },
}[WEB_SERVER];
const { hsts, lost } = server;

// The web server with TLS on the site's public port, while `during` runs.
async function behindTls({ more = '', socket = site.keys.LISTEN }, during) {
  const started = await webServers[WEB_SERVER]({ dir: web, port, socket, ...server.options(certificates, more, socket) });
  try {
    return await during();
  } finally {
    await started.stop();
  }
}

// Another https server in the web server's place.
async function behind(answer, during, files = certificates) {
  const server = https.createServer({ cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) }, answer);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await during();
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

before(async () => {
  port = await freePort();
  const issuer = `https://localhost:${port}`;
  site = await startSite({ cognito: { callback: `${issuer}/callback` },
    config: { MCP_SERVER_URI: `${issuer}/mcp`, AUTH_PROXY_URI: issuer } });
  letWebServerIn(site);
  certificates = makeCertificates(path.join(site.dir, 'good'), { days: 90 });
  web = path.join(site.dir, 'web');
  fs.mkdirSync(web);
});
after(() => site?.close());

const doctor = (config = {}) => runDoctor(site, { config: { CLIENT_METADATA_CA_FILE: certificates.ca, ...config } });
const notFound = (request, response) => response.writeHead(404).end();

test('all is good, through the web server with TLS', () => behindTls({ more: hsts }, async () => {
  const report = await doctor();
  assert.equal(report.code, 0, report.output);
  assert.match(report.of('certificate').text, /^that of localhost is good until \d{4}-\d\d-\d\d$/);
  assert.match(report.of('resource metadata').text, new RegExp(`^https://localhost:${port}/.well-known/oauth-protected-resource/mcp: byte`));
  assert.match(report.of('server metadata').text, new RegExp(`^https://localhost:${port}/.well-known/oauth-authorization-server: byte`));
  assert.match(report.of('Authorization').text, /reaches the service/);
  assert.match(report.of('HSTS').text, /max-age=31536000/);
  assert.match(report.of('socket').text, /may connect, others may not|runs as root/);
}));

test('without HSTS', () => behindTls({}, async () => {
  const report = await doctor();
  assert.equal(report.code, 1, report.output);
  assert.deepEqual(report.checks.filter(({ status }) => status !== 'ok').map(({ check }) => check), ['HSTS']);
  assert.match(report.of('HSTS').advice, /examples/);
}));

test('a web server that keeps Authorization to itself', () => behindTls({ more: hsts + lost }, async () => {
  const report = await doctor();
  assertFails(report, 'Authorization', /does not reach the service/, /CGIPassAuth/);
  assert.equal(report.of('server metadata').status, 'ok');
}));

test('a web server that takes no long tokens', async () => {
  const report = await behindTls({ more: server.short }, () => doctor());
  assert.equal(report.of('Authorization').status, 'ok', report.output);
  assert.equal(report.of('long tokens').status, 'warn', report.output);
  assert.match(report.of('long tokens').text, server.refused);
  assert.match(report.of('long tokens').advice, /LimitRequestFieldSize/);
  assert.equal((await behindTls({ more: hsts }, () => doctor())).of('long tokens').status, 'ok');
});

test('a web server that does not reach the service', () => {
  const socket = path.join(web, 'nobody.sock');
  fs.writeFileSync(socket, '');
  return behindTls({ socket }, async () => {
    const report = await doctor();
    for (const check of ['resource metadata', 'server metadata', 'Authorization']) assertFails(report, check, server.unreachable, /systemctl start/);
  });
});

test('a service that runs with another configuration', () => behindTls({ more: hsts }, async () => {
  const report = await doctor({ SUPPORTED_SCOPES: 'openid mcp-server/tools mcp-server/more', REQUIRED_SCOPES: 'mcp-server/more' });
  for (const check of ['resource metadata', 'server metadata']) assertFails(report, check, /from byte \d+ on: .*"profile".* instead of .*"mcp-server/, /reload/);
  assertFails(report, 'Authorization', /another configuration/, /reload/);
}));

test('certificates that no client takes, and one that soon ends', async () => {
  const made = (name, options) => makeCertificates(path.join(site.dir, name), options);
  const withCertificate = (files, config) => behind(notFound, () => doctor({ CLIENT_METADATA_CA_FILE: files.ca, ...config }), files);
  const expired = await withCertificate(made('expired', { days: -1 }));
  assertFails(expired, 'certificate', /has expired/, /renew/);
  assert.equal(expired.of('resource metadata'), undefined, 'what no client reaches is not looked at');
  assertFails(await withCertificate(made('other', { days: 90, only: ['elsewhere.example', 'www.elsewhere.example'] })), 'certificate',
    /for other names: elsewhere\.example www\.elsewhere\.example/, /virtual host/);
  assertFails(await withCertificate(certificates, { CLIENT_METADATA_CA_FILE: site.certificates.ca }), 'certificate', /no authority/, /fullchain/);
  assertFails(await withCertificate(made('unfit', { days: 90, usage: 'clientAuth' })), 'certificate', /not for a server/, /web server/);
  const soon = await withCertificate(made('soon', { days: 20 }));
  assert.equal(soon.of('certificate').status, 'warn', soon.output);
  assert.match(soon.of('certificate').text, /ends in (19|20) days/);
  assert.match(soon.of('certificate').advice, /renew/);
  const enough = await withCertificate(made('enough', { days: 23 }));
  assert.equal(enough.of('certificate').status, 'ok', enough.output);
});

test('addresses where nobody answers, or plain http does', async () => {
  assertFails(await doctor(), 'certificate', /./, /run doctor on another/);
  const plain = net.createServer((socket) => socket.on('error', () => {}).resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(port, '127.0.0.1');
  await once(plain, 'listening');
  assertFails(await doctor(), 'certificate', /./, /run doctor on another/);
  plain.close();
  await once(plain, 'close');
});

test('answers of another program', async () => {
  const answering = (status, headers, body = '') => behind((request, response) => response.writeHead(status, headers).end(body), doctor);
  assertFails(await answering(404), 'resource metadata', /HTTP 404/, /enable mcp-authd/);
  assertFails(await answering(301, { location: 'https://www.localhost/' }), 'server metadata', /HTTP 301, to https:\/\/www\.localhost\//, /MCP_SERVER_URI/);
  assertFails(await answering(401, { 'www-authenticate': 'Basic realm="site"' }), 'Authorization', /login itself: Basic/, /AuthType/);
  assertFails(await answering(401, { 'www-authenticate': 'Basic realm="site"' }), 'resource metadata', /HTTP 401/, /password/);
  assertFails(await answering(200, {}, '{}'), 'resource metadata', /from byte 1 on: \{\} instead of \{"resource"/, /another program/);
  assertFails(await answering(200, {}, '{}'), 'Authorization', /HTTP 200/, /error log/);
  assertFails(await answering(500, {}, ''), 'server metadata', /HTTP 500/, /error log/);
});

test('an answer that does not end, and one that does not come', async () => {
  const endless = await behind((request, response) => {
    const more = () => { while (response.write('x'.repeat(16384))); };
    response.on('drain', more).on('error', () => {});
    more();
  }, doctor);
  assertFails(endless, 'resource metadata', /longer than 65536 bytes/, /./);
  assertFails(await behind(() => {}, () => doctor({ ENDPOINTS: 'mcp' })), 'Authorization', /timed out/i, /./);
});

test('a socket that is missing, stale, or not the web server\'s alone', () => behindTls({ more: hsts }, async () => {
  const at = (name) => path.join(site.dir, name);
  assertFails(await doctor({ LISTEN: at('missing.sock') }), 'socket', /not there/, /systemctl start/);
  fs.writeFileSync(at('file.sock'), '');
  assertFails(await doctor({ LISTEN: at('file.sock') }), 'socket', /no socket/, /systemctl start/);

  const listening = start(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(at('stale.sock'))})`]);
  await listening.ready('listening', () => fs.existsSync(at('stale.sock')));
  await until('connections', async () => { const to = net.connect(at('stale.sock')); const got = await once(to, 'connect').catch(() => null); to.destroy(); return got; });
  fs.chmodSync(at('stale.sock'), 0o666);
  fs.chmodSync(site.dir, 0o711);
  assertFails(await doctor({ LISTEN: at('stale.sock') }), 'socket', /every user of this host.*666/, /0660/);
  listening.signal('SIGKILL');
  await listening.ended;
  assertFails(await doctor({ LISTEN: at('stale.sock') }), 'socket', /nobody listens/, /systemctl start/);

  const tcp = await doctor({ LISTEN: '127.0.0.1:9000' });
  assert.equal(tcp.of('socket').status, 'warn');
  assert.match(tcp.of('socket').text, /every user/);

  // A web server of another user: this one may run as root, for whom no mode counts.
  await alone(async () => {
    let other;
    if (process.getuid() === 0) {
      fs.copyFileSync('/usr/bin/sleep', path.join(web, 'nginx'));
      fs.chmodSync(path.join(web, 'nginx'), 0o755);
      other = start('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', path.join(web, 'nginx'), '600']);
      await other.ready('running', () => fs.readFileSync(`/proc/${other.pid}/comm`, 'utf8') === 'nginx\n');
    }
    const { mode } = fs.statSync(site.keys.LISTEN);
    try {
      fs.chmodSync(site.keys.LISTEN, 0);
      assertFails(await doctor(), 'socket', /user \S+ may not connect \(group \S+, mode 0\)/, /SocketGroup/);
    } finally {
      fs.chmodSync(site.keys.LISTEN, mode);
      await other?.stop();
    }
  });
}));
