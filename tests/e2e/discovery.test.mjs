// Metadata at all addresses where clients look for it, and requests from pages of other sites.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OAuthMetadataSchema, OpenIdProviderDiscoveryMetadataSchema }
  from '@modelcontextprotocol/sdk/shared/auth.js';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';

const ORIGIN = 'https://app.example';

let site;
before(async () => { site = await startSite({ config: { ALLOWED_ORIGINS: ORIGIN } }); });
after(() => site?.close());

test('the metadata is the same in all places, and the SDK takes it as either kind', async () => {
  const texts = new Set();
  for (const path of ['oauth-authorization-server', 'openid-configuration']) {
    const response = await fetch(`${site.issuer}/.well-known/${path}`);
    assert.equal(response.status, 200, path);
    assert.match(response.headers.get('cache-control'), /max-age=/);
    texts.add(await response.text());
  }
  assert.equal(texts.size, 1);
  const document = JSON.parse([...texts][0]);
  OAuthMetadataSchema.parse(document);
  OpenIdProviderDiscoveryMetadataSchema.parse(document);
  assert.equal(document.issuer, site.issuer);
  assert.equal(document.revocation_endpoint, `${site.issuer}/revoke`);
  assert.equal(document.registration_endpoint, undefined, 'registration is off');
  assert.deepEqual(document.token_endpoint_auth_signing_alg_values_supported, ['RS256', 'ES256']);
  assert.equal(document.request_uri_parameter_supported, false, 'OpenID Connect Discovery section 3: absent means true');
  // What goes out here is signed by Cognito, with one of the algorithms that the document names.
  assert.deepEqual(document.id_token_signing_alg_values_supported, ['RS256']);
  const { keys } = await (await fetch(document.jwks_uri)).json();
  assert.deepEqual(keys.map(({ alg }) => alg), ['RS256']);
});

const preflight = (path, headers = {}) => fetch(`${site.issuer}${path}`, { method: 'OPTIONS', headers: {
  origin: ORIGIN, 'access-control-request-method': 'POST', ...headers } });

test('OPTIONS is answered before anybody is asked who they are', async () => {
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration',
    '/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp',
    '/token', '/revoke', '/register', '/mcp']) {
    const asked = 'authorization,content-type,mcp-protocol-version';
    const answer = await preflight(path, { 'access-control-request-headers': asked });
    assert.equal(answer.status, 204, path);
    assert.equal(answer.headers.get('access-control-allow-origin'), path === '/mcp' ? ORIGIN : '*', path);
    assert.equal(answer.headers.get('access-control-allow-headers'), asked.replaceAll(',', ', '), path);
    assert.ok(Number(answer.headers.get('access-control-max-age')) > 0, path);
    assert.match(answer.headers.get('access-control-allow-methods'), path.startsWith('/.well-known') ? /GET/ : /POST/, path);
    assert.equal(answer.headers.get('access-control-allow-credentials'), null, path);
  }
});

test('only headers that the protocol has are allowed', async () => {
  const answer = await preflight('/mcp', { 'access-control-request-headers':
    'Mcp-Method,mcp-name,Mcp-Session-Id,Last-Event-ID,Mcp-Param-Region,x-evil,cookie,mcp-param-,mcp-param-a\u00e4' });
  assert.equal(answer.headers.get('access-control-allow-headers'),
    'Mcp-Method, mcp-name, Mcp-Session-Id, Last-Event-ID, Mcp-Param-Region');
  assert.equal(answer.headers.get('vary'), 'Origin');
});

test('an answer can be read where it may be, also a refusal', async () => {
  const refused = await fetch(site.mcpUrl, { method: 'POST', headers: { origin: ORIGIN }, body: '{}' });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('access-control-allow-origin'), ORIGIN);
  const exposed = refused.headers.get('access-control-expose-headers').split(', ');
  for (const name of ['WWW-Authenticate', 'Mcp-Session-Id', 'Retry-After']) assert.ok(exposed.includes(name), name);
  const token = await fetch(`${site.issuer}/token`, { method: 'POST', headers: { origin: 'https://any.example' },
    body: new URLSearchParams({ grant_type: 'x' }) });
  assert.equal(token.status, 400);
  assert.equal(token.headers.get('access-control-allow-origin'), '*');
});

test('pages of other sites may not call the MCP endpoint, and nobody a user\'s pages', async () => {
  const answer = await preflight('/mcp', { origin: 'https://evil.example' });
  assert.equal(answer.headers.get('access-control-allow-origin'), null);
  assert.equal(answer.headers.get('access-control-allow-headers'), null);
  for (const path of ['/authorize', '/callback']) {
    const page = await preflight(path);
    assert.equal(page.status, 405, path);
    assert.equal(page.headers.get('access-control-allow-origin'), null, path);
  }
  assert.equal((await preflight('/.well-known/oauth-authorization-server/other')).status, 404);
});

test('HEAD and other methods of the metadata', async () => {
  const head = await rawRequest({ port: site.port, method: 'HEAD', path: '/.well-known/openid-configuration' });
  assert.equal(head.status, 200);
  const put = await rawRequest({ port: site.port, method: 'PUT', path: '/.well-known/openid-configuration', body: '' });
  assert.equal(put.status, 405);
  assert.match(put.headers.get('allow'), /GET/);
});

test('an Origin with a tab in it is refused where any origin is allowed, and costs no worker', async () => {
  const open = await startSite({ config: { ALLOWED_ORIGINS: '*' } });
  try {
    for (const method of ['POST', 'OPTIONS']) {
      const answer = await rawRequest({ port: new URL(open.issuer).port, method, path: '/mcp',
        headers: [['Origin', 'https://a\tb'], ['Content-Type', 'application/json']], body: '{}' });
      assert.ok([400, 403, 204].includes(answer.status), `${method}: ${answer.status} ${answer.text}`);
      assert.equal(answer.headers.get('access-control-allow-origin'), null);
    }
  } finally {
    await open.close();
  }
});
