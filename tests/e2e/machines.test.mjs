// App clients beside the site's own: programs without a user (client credentials) by the official SDKs, and users of another app
// client. Refused unless configured; each with its limit.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { ClientCredentialsProvider as ProviderV2, Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { ClientCredentialsProvider as ProviderV1 } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { reload } from '../parts/audit.mjs';
import { callTool, initialize, modern } from '../parts/mcp.mjs';
import { assertOAuthError } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

const MACHINE = 'machine1';
const LIMITED = 'machine2';
const SECRET = 'a1b2c3d4e5';
const OTHER = 'otherapp1';
const TOOL = 'environment';
let site;
let plain;
before(async () => {
  const scopes = ['mcp-server/tools'];
  const cognito = { machines: { [MACHINE]: { secret: SECRET, scopes }, [LIMITED]: { secret: SECRET, scopes },
    machine3: { secret: SECRET, scopes: ['mcp-server/other'] }, stranger: { secret: SECRET, scopes } } };
  [site, plain] = await Promise.all([
    startSite({ cognito, config: { COGNITO_MACHINE_CLIENT_IDS: `${MACHINE} ${LIMITED}=2 machine3`, COGNITO_CLIENT_IDS: `${OTHER}=3` } }),
    startSite({ cognito })]);
});
after(() => Promise.all([site?.close(), plain?.close()]));

const basic = (id, secret) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` });
async function ask(at, fields, headers = {}) {
  const response = await fetch(`${at.issuer}/token`, { method: 'POST', headers, body: new URLSearchParams({ grant_type: 'client_credentials', ...fields }) });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
const status = async (at, token, name = 'whoami') => (await modern(at, token, 'tools/call', { name, arguments: {} })).status;

for (const [name, Provider, Client, Transport] of [['1', ProviderV1, ClientV1, TransportV1], ['2', ProviderV2, ClientV2, TransportV2]]) {
  test(`SDK v${name}: its client-credentials provider gets a token and calls a tool`, async () => {
    const authProvider = new Provider({ clientId: MACHINE, clientSecret: SECRET, expectedIssuer: site.issuer });
    const client = new Client({ name: 'machine', version: '1' });
    await client.connect(new Transport(new URL(site.mcpUrl), { authProvider }));
    const { structuredContent: me } = await client.callTool({ name: 'whoami', arguments: {} });
    assert.deepEqual([me.sub, me.username, me.client_id, me.scopes], [MACHINE, '', MACHINE, ['mcp-server/tools']]);
    await client.close();
  });
}

test('the metadata has the grant and its methods, where it is configured', async () => {
  const metadata = async (at) => (await fetch(`${at.issuer}/.well-known/oauth-authorization-server`)).json();
  const [with_, without] = await Promise.all([metadata(site), metadata(plain)]);
  assert.deepEqual(with_.grant_types_supported, [...without.grant_types_supported, 'client_credentials']);
  assert.deepEqual(with_.token_endpoint_auth_methods_supported, [...without.token_endpoint_auth_methods_supported, 'client_secret_basic', 'client_secret_post']);
});

test('the extension is declared, where it is configured', async () => {
  const name = 'io.modelcontextprotocol/oauth-client-credentials';
  const declared = async (at) => {
    const token = await at.cognito.accessToken();
    const discovered = (await modern(at, token, 'server/discover')).body.result.capabilities.extensions;
    const { extensions } = (await initialize(at, token, '2025-11-25')).body.result.capabilities;
    return [discovered?.[name], extensions?.[name]];
  };
  assert.deepEqual(await declared(site), [{}, {}]);
  assert.deepEqual(await declared(plain), [undefined, undefined]);
});

test('/token: by header or in the form; a wrong secret, another client, both ways at once, and a site without machines', async () => {
  const good = await ask(site, {}, basic(MACHINE, SECRET));
  assert.deepEqual([good.body.token_type, good.headers.get('www-authenticate')], ['Bearer', null]);
  const posted = await ask(site, { client_id: MACHINE, client_secret: SECRET, scope: 'openid mcp-server/tools' });
  assert.deepEqual([posted.status, posted.body.scope, posted.body.refresh_token], [200, 'mcp-server/tools', undefined]);
  assert.equal(posted.headers.get('cache-control'), 'no-store');
  const wrong = await ask(site, {}, basic(MACHINE, 'wrong'));
  assertOAuthError(wrong, 401, 'invalid_client');
  assert.match(wrong.headers.get('www-authenticate'), /^Basic /);
  assertOAuthError(await ask(site, {}, basic('stranger', SECRET)), 401, 'invalid_client');
  assertOAuthError(await ask(site, {}, { authorization: 'Basic !' }), 401, 'invalid_client');
  const bare = await ask(site, { client_id: MACHINE });
  assertOAuthError(bare, 401, 'invalid_client');
  assert.equal(bare.headers.get('www-authenticate'), null, 'RFC 6749 section 5.2: only for who used the header');
  assertOAuthError(await ask(site, { client_secret: SECRET }, basic(MACHINE, SECRET)), 400, 'invalid_request');
  assertOAuthError(await ask(site, { resource: 'https://other.example/mcp' }, basic(MACHINE, SECRET)), 400, 'invalid_target');
  const asked = plain.cognito.calls('/oauth2/token');
  assertOAuthError(await ask(plain, {}, basic(MACHINE, SECRET)), 401, 'invalid_client');
  assert.equal(plain.cognito.calls('/oauth2/token'), asked, 'Cognito was not asked');
  site.cognito.failTokenCalls('500');
  const failed = await ask(site, {}, basic(MACHINE, SECRET));
  assert.deepEqual([failed.status, failed.headers.get('www-authenticate')], [503, null]);
  assert.ok(!site.daemon.log.includes(SECRET), 'no secret is logged');
  assert.match(site.daemon.log, /"audit":"client_credentials".*"outcome":"issued".*"client":"machine1"/);
});

test('/token: a scope that the client may not have, and one that the site does not know', async () => {
  const refused = await ask(site, { scope: 'mcp-server/tools' }, basic('machine3', SECRET));
  assertOAuthError(refused, 400, 'invalid_scope');
  assert.match(refused.body.error_description, /does not give this client the scope/);
  assert.equal(refused.body.access_token, undefined);
  // What the site does not know is left out, as at a login.
  assert.equal((await ask(site, { scope: 'mcp-server/tools other/scope' }, basic(MACHINE, SECRET))).body.scope, 'mcp-server/tools');
});

test('tokens got at Cognito directly: only of what is configured, and each client only for what it is', async () => {
  const { cognito } = site;
  assert.equal(await status(site, await cognito.machineToken(MACHINE)), 200);
  assert.equal(await status(site, await cognito.accessToken({ client_id: OTHER })), 200);
  for (const token of [await cognito.machineToken('stranger'), await cognito.machineToken(OTHER), await cognito.machineToken(cognito.clientId),
    await cognito.accessToken({ client_id: 'stranger' }), await cognito.accessToken({ client_id: MACHINE }), await cognito.accessToken({ client_id: 'other' }),
    await cognito.accessToken({ client_id: `${OTHER}=3` }), await cognito.accessToken({ client_id: '' })]) {
    assert.equal(await status(site, token), 401);
  }
  assert.equal(await status(plain, await plain.cognito.machineToken(MACHINE)), 401);
  assert.equal(await status(plain, await plain.cognito.accessToken({ client_id: OTHER })), 401);
  assert.equal(await status(site, await cognito.machineToken(MACHINE, { scope: 'other/scope' })), 403);
});

test('each has its own limit: of a machine, and of all users of an app client', async () => {
  const machine = await site.cognito.machineToken(LIMITED);
  const users = [await site.cognito.accessToken({ client_id: OTHER }), await site.cognito.accessToken({ client_id: OTHER, sub: 'another', username: 'another' })];
  const limited = async (tokens, most) => {
    const answers = [];
    for (let i = 0; i <= most; i += 1) answers.push(await status(site, tokens[i % tokens.length], TOOL));
    return answers;
  };
  assert.deepEqual(await limited([machine], 2), [200, 200, 429]);
  assert.deepEqual(await limited(users, 3), [200, 200, 200, 429]);
  assert.equal(await status(site, await site.cognito.machineToken(MACHINE), TOOL), 200);
  await callTool(site, await site.cognito.accessToken(), TOOL);
});

test('DENY_FILE: a machine, by its client or its subject, gets no token, and its tokens are refused', async () => {
  const machine = await site.cognito.machineToken(MACHINE), user = await site.cognito.accessToken({ client_id: OTHER, jti: 'denied' });
  const deny = async (text) => {
    fs.writeFileSync(site.keys.DENY_FILE, text);
    await reload(site);
  };
  assert.deepEqual([await status(site, machine), await status(site, user)], [200, 200]);
  for (const kind of ['client', 'subject']) {
    await deny(`${kind} ${MACHINE}\n`);
    assertOAuthError(await ask(site, {}, basic(MACHINE, SECRET)), 400, 'invalid_grant');
    assert.deepEqual([await status(site, machine), await status(site, user)], [401, 200]);
  }
  await deny(`client ${OTHER}\n`);
  assert.deepEqual([await status(site, machine), await status(site, user)], [200, 401]);
  await deny('');
  assert.deepEqual([await status(site, machine), await status(site, user)], [200, 200]);
});
