// Cognito over TLS: whose certificates are trusted, and how many connections that takes; Cognito and DynamoDB through a
// proxy.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { startConnectProxy } from '../parts/connect-proxy.mjs';
import { BINARY } from '../parts/daemon.mjs';
import { startDns } from '../parts/dns.mjs';
import { assertFails, runDoctor } from '../parts/doctor.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { assertAllAccepted, startDynamoSite } from '../parts/dynamodb-site.mjs';
import { callTool } from '../parts/mcp.mjs';
import { assertOAuthError, login, redeem, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { startTlsFront } from '../parts/tls-front.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { ROOT } from '../parts/util.mjs';

let dir;
let certificates;
before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-tls-'));
  certificates = makeCertificates(path.join(dir, 'tls'), { names: ['cognito.test', 'dynamodb.test'] });
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

// A site whose token endpoint and key set are behind TLS, with one worker.
async function behindTls(env, serve, { host = 'localhost', more, shown = certificates } = {}) {
  const to = {};
  const front = await startTlsFront({ certificates: shown, to });
  const origin = front.origin.replace('localhost', host);
  const config = { WORKERS_MIN: '1', WORKERS_MAX: '1', COGNITO_TOKEN_URL: `${origin}/oauth2/token`,
    COGNITO_JWKS_URL: `${origin}/local_Pool1/.well-known/jwks.json`, ...more };
  const site = await startSite({ config, env, mustFail: ['event=request_failed', 'event=keyset_fetch_failed'] });
  to.port = new URL(site.cognito.tokenUrl).port;
  try {
    await serve(site, front);
  } finally {
    await site.close();
    await front.close();
  }
}

async function logInAndCall(site) {
  const { access_token: token } = await tokens(site);
  assert.equal((await callTool(site, token, 'echo', { text: 'over TLS' })).content[0].text, 'over TLS');
}

test('AWS_CA_BUNDLE is trusted, and one connection serves all logins', async () => {
  await behindTls({ AWS_CA_BUNDLE: certificates.ca }, async (site, front) => {
    for (let i = 0; i < 3; i += 1) await logInAndCall(site);
    assert.equal(front.counts.connections, 1);
    front.disconnect();
    await logInAndCall(site);
    assert.equal(front.counts.connections, 2);
  });
});

test('an authority that the system trusts is trusted, until it is removed', async () => {
  const shim = path.join(dir, 'authorities.so');
  const system = path.join(dir, 'system.pem');
  fs.copyFileSync(certificates.ca, system);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, path.join(ROOT, 'tests/parts/authorities.c'), '-ldl']);
  const env = { LD_PRELOAD: shim, TEST_AUTHORITIES: system,
    ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':') };
  await behindTls(env, async (site, front) => {
    await logInAndCall(site);
    await logInAndCall(site);
    assert.equal(front.counts.connections, 1);
    front.disconnect();
    await logInAndCall(site);
    assert.equal(front.counts.connections, 2);
    fs.writeFileSync(system, '');
    front.disconnect();
    assertOAuthError(await redeem(site, await login(site)), 503, 'temporarily_unavailable');
  });
});

test('a certificate that is not good for this server now: 503, and the log says why', async () => {
  const trusted = { AWS_CA_BUNDLE: certificates.ca };
  const made = (name, options) => makeCertificates(path.join(dir, name), options);
  const own = (name, options) => {
    const shown = made(name, options);
    return [shown, { AWS_CA_BUNDLE: shown.ca }];
  };
  const cases = [
    ['an authority of no name that is trusted', certificates, {}, /token endpoint: .*certificate.* issuer is unknown/],
    ['an authority of the same name', made('namesake'), trusted, /token endpoint: .*certificate.*/],
    ['another host name', ...own('host', { only: ['other.test'] }), /token endpoint: .*certificate.* does not match/],
    ['expired', ...own('expired', { days: -1 }), /token endpoint: .*certificate.* expired/],
    ['for clients', ...own('clients', { usage: 'clientAuth' }), /token endpoint: .*certificate.* purpose/],
  ];
  for (const [what, shown, env, why] of cases) {
    await behindTls(env, async (site) => {
      for (let i = 0; i < 2; i += 1) assertOAuthError(await redeem(site, await login(site)), 503, 'temporarily_unavailable');
      assert.equal(site.cognito.calls('/oauth2/token'), 0, what);
      assert.match(site.daemon.log, why, what);
    }, { shown });
  }
});

test('-t names a file of authorities that cannot be read, or has none', async () => {
  await behindTls({ AWS_CA_BUNDLE: certificates.ca }, (site) => {
    for (const [key, file, why] of [['AWS_CA_BUNDLE', '/nowhere.pem', 'No such file or directory'],
      ['CLIENT_METADATA_CA_FILE', '/etc/passwd', 'it has no certificate in PEM']]) {
      const env = { PATH: process.env.PATH, [key]: file };
      const { status, stderr } = spawnSync(BINARY, ['-c', site.daemon.configFile, '-t'], { env, encoding: 'utf8' });
      assert.equal(status, 2);
      assert.ok(stderr.includes(`${key}=${file}: ${file}: ${why}\n`), stderr);
    }
  });
});

// A name that only the proxy can look up, unless a test has a name server.
async function throughProxy(serve, { env, more } = {}) {
  const proxy = await startConnectProxy();
  proxy.leadTo('asked');
  try {
    await behindTls({ AWS_CA_BUNDLE: certificates.ca, ...env }, (site, front) => serve(site, front, proxy),
      { host: 'cognito.test', more: { HTTPS_PROXY_UPSTREAM: proxy.url, ...more } });
  } finally {
    await proxy.close();
  }
}

test('HTTPS_PROXY_UPSTREAM: one connection through the proxy serves all logins', async () => {
  await throughProxy(async (site, front, proxy) => {
    for (let i = 0; i < 3; i += 1) await logInAndCall(site);
    assert.equal(front.counts.connections, 1);
    assert.deepEqual(proxy.asked, [`cognito.test:${new URL(front.origin).port}`]);
  });
});

test('the certificate is checked through the proxy', async () => {
  await throughProxy(async (site) => {
    assertOAuthError(await redeem(site, await login(site)), 503, 'temporarily_unavailable');
    assert.equal(site.cognito.calls('/oauth2/token'), 0);
    assert.match(site.daemon.log, /token endpoint: through the proxy http:\S+: .*certificate/);
  }, { env: { AWS_CA_BUNDLE: '' } });
});

test('NO_PROXY_UPSTREAM: the domain is asked without the proxy', async () => {
  const dns = await startDns({ dir, answer: (name) => (name === 'cognito.test' ? ['127.0.0.1'] : []) });
  try {
    await throughProxy(async (site, front, proxy) => {
      await logInAndCall(site);
      assert.equal(front.counts.connections, 1);
      assert.deepEqual(proxy.asked, []);
    }, { env: dns.env, more: { NO_PROXY_UPSTREAM: 'example.com .test' } });
  } finally {
    await dns.close();
  }
});

test('a proxy that refuses, or is gone: 503 with Retry-After, and log and doctor name it', async () => {
  await throughProxy(async (site, front, proxy) => {
    const env = { AWS_CA_BUNDLE: certificates.ca };
    const cases = [[() => proxy.refuse('403 Forbidden'), `the proxy ${proxy.url} refuses with status 403`],
      [() => proxy.close(), `the proxy ${proxy.url} cannot be reached: `]];
    const granted = await login(site);
    for (const [happens, why] of cases) {
      await happens();
      const answer = await redeem(site, granted);
      assertOAuthError(answer, 503, 'temporarily_unavailable');
      assert.match(answer.headers.get('retry-after') ?? '', /^[0-9]+$/);
      assert.ok(site.daemon.log.includes(`token endpoint: ${why}`), site.daemon.log);
      const report = await runDoctor(site, { env });
      for (const check of ['key set', 'token address']) assert.ok(report.of(check).text.includes(why), report.output);
      assertFails(report, 'key set', /proxy/, /HTTPS_PROXY_UPSTREAM/);
    }
    assert.equal(site.cognito.calls('/oauth2/token'), 0);
  });
});

test('DynamoDB through the proxy, and signatures are good', async () => {
  const to = {};
  const [dynamodb, proxy, front] = await Promise.all([startDynamoDb(), startConnectProxy(), startTlsFront({ certificates, to })]);
  proxy.leadTo('asked');
  const port = new URL(front.origin).port;
  let site;
  try {
    await dynamodb.createTable('proxied');
    site = await startDynamoSite({ dynamodb, table: 'proxied', config: { WORKERS_MIN: '1', WORKERS_MAX: '1', HTTPS_PROXY_UPSTREAM: proxy.url },
      env: { AWS_CA_BUNDLE: certificates.ca, AWS_ENDPOINT_URL_DYNAMODB: `https://dynamodb.test:${port}` } });
    to.port = new URL(site.proxy.env().AWS_ENDPOINT_URL_DYNAMODB).port;
    await logInAndCall(site);
    assertAllAccepted(site.proxy);
    assert.ok(proxy.asked.length > 0);
    assert.deepEqual([...new Set(proxy.asked)], [`dynamodb.test:${port}`]);
  } finally {
    await site?.close();
    await Promise.all([front.close(), proxy.close(), dynamodb.close()]);
  }
});
