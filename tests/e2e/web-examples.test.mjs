// The example configurations that the package ships for the web server: a service per group of endpoints, and TLS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { BINARY, startDaemon } from '../parts/daemon.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoSite } from '../parts/dynamodb-site.mjs';
import { callTool } from '../parts/mcp.mjs';
import { tokens } from '../parts/oauth.mjs';
import { nginxRules } from '../parts/nginx.mjs';
import { webServers, WEB_SERVER } from '../parts/site.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { freePort, ROOT, until } from '../parts/util.mjs';

const GROUPS = ['authorize', 'token', 'metadata', 'mcp'];
const example = (name) => fs.readFileSync(path.join(ROOT, `conf/${WEB_SERVER}/examples/${WEB_SERVER}-${name}.conf`), 'utf8');

// Services of one group each have a folder of their own, and share the sessions in a table.
let dynamodb, site;
before(async () => {
  dynamodb = await startDynamoDb();
  await dynamodb.createTable();
  site = await startDynamoSite({ dynamodb });
});
after(async () => {
  await site?.close();
  await dynamodb?.close();
});

// A login and a call through four daemons, with `keysOf(group)` changed for each.
async function logInByGroups(keysOf) {
  const daemons = [];
  await site.web.stop();
  try {
    for (const group of GROUPS) {
      const dir = fs.mkdtempSync(path.join(site.dir, `${group}-`));
      daemons.push(await startDaemon({ dir, env: { ENDPOINTS: group, ...site.proxy.env() },
        config: { ...site.keys, STATE_DIR: dir, SECRET_KEY_FILE: path.join(site.keys.STATE_DIR, 'secret.key'),
          LISTEN: path.join(site.dir, `${group}.sock`), ...keysOf(group) } }));
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
}

test('one service per group of endpoints: a login and a call through four daemons', () => logInByGroups(() => ({})));

test('authorize and token know their address from the web server, if MCP_SERVER_URI does not say it', () =>
  logInByGroups((group) => (['authorize', 'token'].includes(group) ? { MCP_SERVER_URI: undefined, AUTH_PROXY_URI: undefined } : {})));

// What docs/infrastructure.md lists for a group, and no more.
const SAMPLES = {
  MCP_SERVER_URI: 'https://mcp.example.com/mcp', AUTH_PROXY_URI: 'https://mcp.example.com', SUPPORTED_SCOPES: 'openid email profile mcp-server/tools',
  SESSION_TABLE_NAME: 'mcp-auth-sessions', COGNITO_DOMAIN: 'my-prefix', COGNITO_CLIENT_ID: '1example23456789', COGNITO_REGION: 'eu-west-1',
  COGNITO_USER_POOL_ID: 'eu-west-1_AbCdEfGhI',
};
const infrastructure = fs.readFileSync(path.join(ROOT, 'docs/infrastructure.md'), 'utf8');
function documentedKeys(i) {
  const [, line] = infrastructure.match(new RegExp(`^#### 3\\.${i + 1} ${GROUPS[i]}\n- Keys: (.*)$`, 'm'));
  return line === 'the same' ? documentedKeys(i - 1) : [...line.matchAll(/`([A-Z_]+)`/g)].map(([, key]) => key);
}

for (const [i, group] of GROUPS.entries()) {
  test(`${group} starts with the environment that docs/infrastructure.md lists for it`, async () => {
    const dir = fs.mkdtempSync(path.join(site.dir, `${group}-environment-`));
    const keys = documentedKeys(i);
    const none = path.join(dir, 'none');
    fs.mkdirSync(none);
    assert.ok(keys.length >= 3 && keys.every((key) => SAMPLES[key]), keys.join(' '));
    const daemon = await startDaemon({ dir, config: { LISTEN: path.join(dir, 'socket') },
      env: { ...Object.fromEntries(keys.map((key) => [key, SAMPLES[key]])), ENDPOINTS: group, STATE_DIR: dir } });
    try {
      await until('ready', () => daemon.log.includes('event=ready'));
      const shown = execFileSync(BINARY, ['-t', '-c', daemon.configFile], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
        env: { PATH: process.env.PATH, ENDPOINTS: group, STATE_DIR: dir, TOOLS_DIR: none, RESOURCES_DIR: none, PROMPTS_DIR: none,
          ...Object.fromEntries(keys.map((key) => [key, SAMPLES[key]])) } });
      if (keys.includes('SESSION_TABLE_NAME')) assert.match(shown, /^SESSION_STORE=dynamodb$/m);
    } finally {
      assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
    }
  });
}

test('TLS: https with HSTS, and http that leads there without losing the method', async () => {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const certificates = makeCertificates(path.join(site.dir, 'tls'));
  const text = example('tls').replaceAll('mcp.example.com/', `mcp.example.com:${tlsPort}/`)
    .replaceAll(':80', `127.0.0.1:${port}`).replaceAll('*127', '127').replaceAll('*:443', `127.0.0.1:${tlsPort}`)
    .replaceAll('":443"', `"127.0.0.1:${tlsPort}"`).replaceAll('/var/www/html', `${site.dir}/htdocs`)
    .replaceAll('https://mcp.example.com$', `https://mcp.example.com:${tlsPort}$`)
    .replaceAll('/etc/ssl/certs/ssl-cert-snakeoil.pem', certificates.cert).replaceAll('/etc/ssl/private/ssl-cert-snakeoil.key', certificates.key);
  const usual = { apache: `Listen 127.0.0.1:${tlsPort}\nInclude "${ROOT}/conf/apache/mcp-authd.conf"\n`,
    lighttpd: `include "${ROOT}/conf/lighttpd/mcp-authd-routes.conf"\n`, nginx: '' }[WEB_SERVER];
  const servers = WEB_SERVER === 'nginx' && text.replace('include snippets/mcp-authd.conf;', nginxRules(site.keys.LISTEN))
    .replaceAll(/^\s*listen \[::\].*\n/gm, '').replaceAll('listen 443', `listen 127.0.0.1:${tlsPort}`).replaceAll('listen 80', `listen 127.0.0.1:${port}`);
  const web = await webServers[WEB_SERVER]({ dir: site.dir, port, socket: site.keys.LISTEN, conf: usual + text, servers,
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
