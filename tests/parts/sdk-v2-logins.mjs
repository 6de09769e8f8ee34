// The logins of the official SDK v2, as tests of whatever site the function gives.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, OAuthError, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Browser } from './browser.mjs';
import { checkElicitation } from './elicitation.mjs';
import { TestOAuthProvider } from './sdk-provider.mjs';
import { checkLoginPages, checkRefresh, checkTools } from './session.mjs';

const newClient = (mode) => new Client({ name: 'test-v2', version: '1' }, { versionNegotiation: { mode } });

function transportOf(site, provider, seen) {
  return new StreamableHTTPClientTransport(new URL(site.mcpUrl), {
    authProvider: provider,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (String(url) === site.mcpUrl) {
        seen?.push({ method: init.method, version: new Headers(init.headers).get('mcp-protocol-version'),
          status: response.status, body: init.body && JSON.parse(init.body) });
      }
      return response;
    },
  });
}

export function sdkV2Logins(getSite) {
  for (const mode of ['auto', { pin: '2026-07-28' }]) {
    test(`SDK v2 (${JSON.stringify(mode)}) logs in, calls tools, refreshes and calls again`, async () => {
      const site = getSite();
      const seen = [];
      const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId });

      const first = transportOf(site, provider);
      await assert.rejects(newClient(mode).connect(first), UnauthorizedError);
      assert.equal(provider.saved.client.client_id, site.clientId, 'the client-id document is the registration');
      checkLoginPages(site, provider);
      await first.finishAuth(provider.callback.searchParams);

      const client = newClient(mode);
      await client.connect(transportOf(site, provider, seen));
      assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
      assert.equal(client.getProtocolEra(), 'modern');
      assert.ok(client.getDiscoverResult().supportedVersions.includes('2026-07-28'));
      assert.equal(client.getServerVersion().name, 'mcp-authd');

      await checkTools(site, client, provider);
      await checkRefresh(site, client, provider);
      await client.close();

      assert.ok(seen.length >= 5);
      for (const { method, version, status, body } of seen) {
        assert.equal(method, 'POST');
        assert.equal(version, '2026-07-28', JSON.stringify(body));
        assert.notEqual(body?.method, 'initialize');
        assert.ok(status === 200 || status === 401, `${body?.method}: ${status}`);
      }
    });
  }

  test('SDK v2 answers what a tool asks of the user, by sending the call again', async () => {
    const site = getSite();
    const seen = [];
    const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId });
    const first = transportOf(site, provider);
    await assert.rejects(newClient('auto').connect(first), UnauthorizedError);
    await first.finishAuth(provider.callback.searchParams);

    await checkElicitation(async (answer) => {
      const client = new Client({ name: 'test-v2', version: '1' },
        { versionNegotiation: { mode: 'auto' }, capabilities: { elicitation: {} } });
      client.setRequestHandler('elicitation/create', answer);
      await client.connect(transportOf(site, provider, seen));
      assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
      return client;
    });
    // The first call and two more, each with the answer and the sealed state; then a call and a refusal.
    const calls = seen.filter(({ body }) => body?.method === 'tools/call').map(({ body }) => body.params);
    assert.deepEqual(calls.map(({ inputResponses = {} }) => Object.keys(inputResponses).join()), ['', 'word', 'count', '', 'word']);
    assert.ok(calls[2].requestState.length > 20 && !calls[2].requestState.includes('hello'), 'the state is sealed');
    assert.ok(seen.every(({ body }) => body?.method), 'no answers to requests of the server');
  });

  test('SDK v2 in its handshake mode is served too', async () => {
    const site = getSite();
    const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId });
    const first = transportOf(site, provider);
    await assert.rejects(newClient('legacy').connect(first), UnauthorizedError);
    await first.finishAuth(provider.callback.searchParams);
    const client = newClient('legacy');
    await client.connect(transportOf(site, provider));
    assert.equal(client.getNegotiatedProtocolVersion(), '2025-11-25');
    await checkTools(site, client, provider);
    await client.close();
  });

  test('a user who says no is reported to the client as access_denied', async () => {
    const site = getSite();
    const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId, browser: new Browser({ decision: 'deny' }) });
    const transport = transportOf(site, provider);
    await assert.rejects(newClient('auto').connect(transport), UnauthorizedError);
    await assert.rejects(transport.finishAuth(provider.callback.searchParams), (error) => {
      assert.ok(error instanceof OAuthError, String(error));
      assert.equal(error.code, 'access_denied');
      return true;
    });
    assert.ok(!provider.browser.pages.some((page) => page.url.startsWith(site.cognito.origin)), 'Cognito was not asked');
  });

  test('a wrong password at Cognito can be corrected', async () => {
    const site = getSite();
    const browser = new Browser({ password: ['wrong', 'wrong again', 'correct-horse'] });
    const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId, browser });
    const transport = transportOf(site, provider);
    await assert.rejects(newClient('auto').connect(transport), UnauthorizedError);
    await transport.finishAuth(provider.callback.searchParams);
    assert.ok(provider.saved.tokens.access_token);
    assert.equal(browser.pages.filter((page) => /Incorrect username or password/.test(page.text)).length, 2);
  });
}
