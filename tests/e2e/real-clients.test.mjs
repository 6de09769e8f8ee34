// The documents of real clients, each at its own address, fetched through CLIENT_METADATA_PROXY: a proxy of the test
// connects all host names to the document host.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { CHATGPT_KEYS, CLIENTS } from '../fixtures/client-documents.mjs';
import { startConnectProxy } from '../parts/connect-proxy.mjs';
import { callTool } from '../parts/mcp.mjs';
import { assertOAuthError, authorize, login, redeem, refresh } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

const ids = Object.values(CLIENTS).map(({ document }) => document.client_id);
const hosts = [...new Set(ids.map((id) => new URL(id).hostname))];

let proxy;
let site;
let key;
before(async () => {
  proxy = await startConnectProxy();
  site = await startSite({ names: hosts, config: { CLIENT_METADATA_PROXY: proxy.url, CLIENT_METADATA_ALLOW_NETS: undefined },
    env: { http_proxy: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9', ALL_PROXY: 'http://127.0.0.1:9', no_proxy: '*' } });
  proxy.leadTo(site.documents.port);
  const pair = await generateKeyPair('RS256', { extractable: true });
  key = { ...pair, jwk: { ...await exportJWK(pair.publicKey), kid: 'chatgpt', use: 'sig', alg: 'RS256' } };
  site.documents.set(new URL(CHATGPT_KEYS).pathname, { body: { keys: [key.jwk] } });
});
after(async () => {
  await site?.close();
  await proxy?.close();
});

async function signed(id) {
  const now = Math.floor(Date.now() / 1000);
  return { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({ iss: id, sub: id, aud: `${site.issuer}/token`, iat: now, exp: now + 300,
      jti: crypto.randomUUID() }).setProtectedHeader({ alg: 'RS256', kid: 'chatgpt', typ: 'JWT' }).sign(key.privateKey) };
}

for (const [name, { document, redirect, asks, signs }] of Object.entries(CLIENTS)) {
  test(`${name} logs in, calls a tool and refreshes`, async () => {
    const id = document.client_id;
    site.documents.set(new URL(id).pathname, { body: document });
    const granted = await login(site, { client_id: id, redirect_uri: redirect, ...asks });
    const consent = granted.browser.pages[0].text;
    assert.ok(consent.indexOf(new URL(id).hostname) > 0, 'the consent page shows the host');
    assert.ok(consent.includes(document.client_name), 'and the name');
    const proof = async () => (signs ? signed(id) : {});
    const answer = await redeem(site, granted, { client_id: id, redirect_uri: redirect, ...await proof() });
    assert.equal(answer.status, 200, answer.text);
    await callTool(site, answer.body.access_token, 'whoami');
    const next = await refresh(site, answer.body.refresh_token, { client_id: id, ...await proof() });
    assert.equal(next.status, 200, next.text);
    assert.ok(proxy.asked.includes(`${new URL(id).hostname}:443`), 'fetched through the proxy');
  });
}

test('a ChatGPT connector that does not sign gets nothing', async () => {
  const { document: { client_id: id }, redirect } = CLIENTS['a ChatGPT connector'];
  const granted = await login(site, { client_id: id, redirect_uri: redirect });
  assertOAuthError(await redeem(site, granted, { client_id: id, redirect_uri: redirect }), 401, 'invalid_client');
});

test('a private address that is written in the URL does not reach the proxy', async () => {
  const before = proxy.asked.length;
  for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '[::1]', '[::ffff:10.0.0.1]', '169.254.169.254',
    '169.254.169.254.', '127.1.', '0xa9fea9fe.', '1.2.3.0x', '[]', '[1]']) {
    assert.equal((await authorize(site, { client_id: `https://${host}/client.json` })).status, 400, host);
  }
  assert.equal(proxy.asked.length, before);
});
