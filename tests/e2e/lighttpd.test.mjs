// How the web server may change requests: paths, headers, bodies, host names.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { challenge, callTool } from '../parts/mcp.mjs';
import { login, redemption } from '../parts/oauth.mjs';
import { rawRequest } from '../parts/raw.mjs';
import { startSite } from '../parts/site.mjs';
import { readBody } from '../parts/util.mjs';

let site;
before(async () => { site = await startSite(); });
after(() => site?.close());

const PRM = '/.well-known/oauth-protected-resource';
const AS = '/.well-known/oauth-authorization-server';
const get = (path, headers = []) => rawRequest({ port: site.port, path, headers });
const MCP_HEADERS = [['Content-Type', 'application/json'], ['Accept', 'application/json, text/event-stream'],
  ['MCP-Protocol-Version', '2025-11-25']];

test('the protected resource metadata is at the root and with the MCP path behind it', async () => {
  for (const path of [PRM, `${PRM}/mcp`]) {
    const answer = await get(path);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    const document = JSON.parse(answer.text);
    assert.equal(document.resource, site.mcpUrl);
    assert.deepEqual(document.authorization_servers, [site.issuer]);
    assert.ok(document.scopes_supported.includes('mcp-server/tools'));
    assert.deepEqual(document.bearer_methods_supported, ['header']);
  }
});

test('the authorization server metadata has what clients choose by, and every endpoint it names exists', async () => {
  const answer = await get(AS);
  assert.equal(answer.status, 200);
  const document = JSON.parse(answer.text);
  assert.equal(document.issuer, site.issuer);
  assert.equal(document.authorization_endpoint, `${site.issuer}/authorize`);
  assert.equal(document.token_endpoint, `${site.issuer}/token`);
  assert.deepEqual(document.response_types_supported, ['code']);
  assert.deepEqual(document.code_challenge_methods_supported, ['S256']);
  assert.deepEqual(document.grant_types_supported.toSorted(), ['authorization_code', 'refresh_token']);
  assert.deepEqual(document.token_endpoint_auth_methods_supported, ['none', 'private_key_jwt']);
  assert.equal(document.client_id_metadata_document_supported, true);
  assert.equal(document.authorization_response_iss_parameter_supported, true);
  assert.ok(!document.scopes_supported?.includes('offline_access'));
  for (const [name, value] of Object.entries(document)) {
    if (name === 'jwks_uri') assert.equal(value, site.keys.COGNITO_JWKS_URL);   // of the ID token, which is the provider's
    if (!/_endpoint$/.test(name)) continue;
    assert.ok(value.startsWith(site.issuer), `${name}: ${value}`);
    assert.notEqual((await get(new URL(value).pathname)).status, 404, name);
  }
});

test('other paths below the well-known addresses are 404 from us, also odd ones', async () => {
  for (const path of [`${PRM}/other`, `${PRM}/%20`, `${PRM}/a%20b`, `${PRM}/%0a`, `${PRM}/%ff%fe`, `${PRM}/%00`,
    `${PRM}/..%2f..%2fmcp`, `${AS}/%25`, `${AS}/${'a'.repeat(4000)}`, `${AS}/other`]) {
    const answer = await get(path);
    // lighttpd refuses control characters and what is not UTF-8 itself.
    const expected = /%0a|%00|%ff/.test(path) ? [400, 404] : [404];
    assert.ok(expected.includes(answer.status), `${path.slice(0, 80)}: ${answer.status}`);
  }
  assert.equal((await get(`${PRM}/mcp`)).status, 200, 'the daemon is still there');
});

test('other addresses of the site stay with the web server', async () => {
  assert.match((await get('/')).text, /a page of the site itself/);
  for (const path of ['/mcpfoo', '/token/x', '/authorize.html', '/.well-known/security.txt', '/mcp%20', '/MCP']) {
    assert.equal((await get(path)).status, 404, path);
    assert.ok(!site.daemon.log.includes(path), `${path} went to the daemon`);
  }
});

test('the Authorization header arrives', async () => {
  const token = await site.cognito.accessToken();
  assert.equal((await callTool(site, token, 'whoami')).structuredContent.username, 'alice');
});

test('chunked bodies arrive, in pieces of any size', async () => {
  const token = await site.cognito.accessToken();
  const text = 'Grüße '.repeat(20000);
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'echo', arguments: { text } } }));
  const cut = [0, 1, 2, 1000, 70000, body.length];
  const chunks = cut.slice(1).map((end, i) => body.subarray(cut[i], end));
  const answer = await rawRequest({ port: site.port, method: 'POST', path: '/mcp', chunks,
    headers: [...MCP_HEADERS, ['Authorization', `Bearer ${token}`]] });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(JSON.parse(answer.text).result.content[0].text, text);

  const granted = await login(site);
  const form = new URLSearchParams(redemption(site, granted)).toString();
  const redeemed = await rawRequest({ port: site.port, method: 'POST', path: '/token', chunks: [form.slice(0, 10), form.slice(10)],
    headers: [['Content-Type', 'application/x-www-form-urlencoded']] });
  assert.equal(redeemed.status, 200, redeemed.text);
});

test('a chunked body over the limit is 413', async () => {
  const token = await site.cognito.accessToken();
  const answer = await rawRequest({ port: site.port, method: 'POST', path: '/mcp',
    chunks: Array.from({ length: 20 }, () => Buffer.alloc(65536, 'x')),
    headers: [...MCP_HEADERS, ['Authorization', `Bearer ${token}`]] });
  assert.equal(answer.status, 413);
});

test('many calls at once, each gets its own answer', async () => {
  const token = await site.cognito.accessToken();
  const texts = Array.from({ length: 60 }, (_, i) => `call ${i} ${'z'.repeat((i % 7) * 3000)}`);
  const answers = await Promise.all(texts.map((text) => callTool(site, token, 'echo', { text })));
  assert.deepEqual(answers.map((answer) => answer.content[0].text), texts);
});

test('Host and the forwarding headers never show in what we say', async () => {
  const fake = [['Host', 'evil.example'], ['X-Forwarded-Host', 'evil2.example'], ['X-Forwarded-Proto', 'https'],
    ['Forwarded', 'host=evil3.example;proto=https'], ['X-Forwarded-For', '203.0.113.9'], ['X-Original-URL', '/evil4.example']];
  for (const path of [PRM, `${PRM}/mcp`, AS, '/authorize?client_id=x', '/callback?state=x', `${PRM}/none`]) {
    const answer = await get(path, fake);
    assert.ok(answer.text.length > 0);
    assert.doesNotMatch(answer.text + JSON.stringify([...answer.headers]), /evil\d?\.example/, path);
  }
  const refused = await rawRequest({ port: site.port, method: 'POST', path: '/mcp', body: '{}', headers: [...fake, ...MCP_HEADERS] });
  assert.equal(refused.status, 401);
  assert.equal(challenge(refused.headers).resource_metadata, `${site.issuer}${PRM}/mcp`);
  assert.doesNotMatch(refused.text, /evil/);
  assert.equal(JSON.parse((await get(AS, fake)).text).issuer, site.issuer);
});

test('a client that speaks HTTP/1.0 is served', async () => {
  const socket = net.connect(site.port, '127.0.0.1');
  socket.write(`GET ${PRM} HTTP/1.0\r\n\r\n`);
  const answer = await readBody(socket);
  assert.match(answer, /^HTTP\/1\.[01] 200 /);
  assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).resource, site.mcpUrl);
});

test('an Origin that no browser sends, with ALLOWED_ORIGINS=*, ends no worker', async () => {
  const open = await startSite({ config: { ALLOWED_ORIGINS: '*' } });
  try {
    for (const origin of ['https://a.example\t', 'https://a\tb.example', 'https://a b.example', 'https://\xe9.example', '']) {
      for (const method of ['POST', 'OPTIONS']) {
        const answer = await rawRequest({ port: open.port, method, path: '/mcp', headers: [['Origin', origin]] });
        assert.ok([204, 400, 401, 403].includes(answer.status), `${method} ${JSON.stringify(origin)}: ${answer.status} ${answer.text}`);
      }
    }
  } finally {
    await open.close();
  }
});
