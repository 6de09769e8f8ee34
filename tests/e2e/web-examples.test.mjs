// The example configurations that the package ships for the web server: a service per group of endpoints, and TLS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { startDaemon } from '../parts/daemon.mjs';
import { callTool } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { startSite, webServers, WEB_SERVER } from '../parts/site.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { freePort, ROOT } from '../parts/util.mjs';

const GROUPS = ['authorize', 'token', 'metadata', 'mcp'];
const example = (name) => fs.readFileSync(path.join(ROOT, `conf/${WEB_SERVER}/examples/${WEB_SERVER}-${name}.conf`), 'utf8');

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

test('one service per group of endpoints: a login and a call through four daemons', async () => {
  const daemons = [];
  await site.web.stop();
  try {
    for (const group of GROUPS) {
      const dir = path.join(site.dir, group);
      fs.mkdirSync(dir);
      daemons.push(await startDaemon({ dir, env: { ENDPOINTS: group },
        config: { ...site.keys, LISTEN: path.join(site.dir, `${group}.sock`), STATUS_FILE: path.join(dir, 'status.json') } }));
      if (process.getuid() === 0) execFileSync('chgrp', ['www-data', path.join(site.dir, `${group}.sock`)]);
    }
    const web = await webServers[WEB_SERVER]({ dir: site.dir, port: site.port, socket: site.keys.LISTEN,
      conf: example('groups').replaceAll('/run/mcp-authd/', `${site.dir}/`) });
    try {
      const granted = await tokens(site);
      assert.equal((await callTool(site, granted.access_token, 'whoami')).structuredContent.username, 'alice');
      const metadata = await fetch(`${site.issuer}/.well-known/oauth-protected-resource/mcp`);
      assert.equal((await metadata.json()).resource, site.mcpUrl);
      assert.equal((await fetch(`${site.issuer}/other`)).status, 404);
    } finally {
      await web.stop();
    }
  } finally {
    for (const daemon of daemons) assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  }
});

test('TLS: https with HSTS, and http that leads there without losing the method', async () => {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const certificates = makeCertificates(path.join(site.dir, 'tls'));
  const text = example('tls').replaceAll('mcp.example.com/', `mcp.example.com:${tlsPort}/`)
    .replaceAll(':80', `127.0.0.1:${port}`).replaceAll('*127', '127').replaceAll('*:443', `127.0.0.1:${tlsPort}`)
    .replaceAll('":443"', `"127.0.0.1:${tlsPort}"`).replaceAll('/var/www/html', `${site.dir}/htdocs`)
    .replaceAll('https://mcp.example.com$', `https://mcp.example.com:${tlsPort}$`)
    .replaceAll('/etc/ssl/certs/ssl-cert-snakeoil.pem', certificates.cert).replaceAll('/etc/ssl/private/ssl-cert-snakeoil.key', certificates.key);
  const usual = WEB_SERVER === 'apache' ? `Listen 127.0.0.1:${tlsPort}\nInclude "${ROOT}/conf/apache/mcp-authd.conf"\n`
    : `include "${ROOT}/conf/lighttpd/mcp-authd-routes.conf"\n`;
  const web = await webServers[WEB_SERVER]({ dir: site.dir, port, socket: site.keys.LISTEN, conf: usual + text,
    modules: ['socache_shmcb', 'ssl', 'headers', 'http2'] });
  try {
    const headers = { host: 'mcp.example.com' };
    const plain = http.request({ host: '127.0.0.1', port, method: 'POST', path: '/other', headers }).end();
    const [moved] = await once(plain, 'response');
    moved.resume();
    assert.equal(moved.statusCode, 308);
    assert.equal(moved.headers.location, `https://mcp.example.com:${tlsPort}/other`);

    const secure = https.request({ host: '127.0.0.1', port: tlsPort, path: '/.well-known/oauth-protected-resource', headers,
      ca: fs.readFileSync(certificates.ca), servername: 'localhost', agent: false }).end();
    const [answer] = await once(secure, 'response');
    answer.resume();
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['strict-transport-security'], 'max-age=31536000');
  } finally {
    await web.stop();
  }
});
