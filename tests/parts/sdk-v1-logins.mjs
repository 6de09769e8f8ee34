// The logins of the official SDK v1, as tests of whatever site the function gives.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { checkElicitation } from './elicitation.mjs';
import { TestOAuthProvider } from './sdk-provider.mjs';
import { checkLoginPages, checkRefresh, checkTools } from './session.mjs';

export function sdkV1Logins(getSite) {
  test('SDK v1 logs in, calls tools, refreshes and calls again', async () => {
    const site = getSite();
    const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId });
    const newTransport = () => new StreamableHTTPClientTransport(new URL(site.mcpUrl), { authProvider: provider });
    const newClient = () => new Client({ name: 'test-v1', version: '1' });

    const first = newTransport();
    await assert.rejects(newClient().connect(first), UnauthorizedError);
    assert.equal(provider.saved.client.client_id, site.clientId, 'the client-id document is the registration');
    checkLoginPages(site, provider);
    await first.finishAuth(provider.callback.searchParams.get('code'));

    const client = newClient();
    const transport = newTransport();
    await client.connect(transport);
    assert.equal(transport.protocolVersion, '2025-11-25');
    assert.equal(client.getServerVersion().name, 'mcp-authd');

    await checkTools(site, client, provider);
    await checkRefresh(site, client, provider);
    await client.ping();
    await client.close();
  });

  test('SDK v1 answers what a tool asks of the user, on the open stream', async () => {
    const site = getSite();
    const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId });
    const newTransport = () => new StreamableHTTPClientTransport(new URL(site.mcpUrl), { authProvider: provider });
    const first = newTransport();
    await assert.rejects(new Client({ name: 'test-v1', version: '1' }).connect(first), UnauthorizedError);
    await first.finishAuth(provider.callback.searchParams.get('code'));

    await checkElicitation(async (answer) => {
      const client = new Client({ name: 'test-v1', version: '1' }, { capabilities: { elicitation: {} } });
      client.setRequestHandler(ElicitRequestSchema, answer);
      await client.connect(newTransport());
      return client;
    });
    // A client that cannot ask is told so, and no program waits for it.
    const mute = new Client({ name: 'test-v1', version: '1' });
    await mute.connect(newTransport());
    await assert.rejects(mute.callTool({ name: 'confirm', arguments: {} }), /capability/);
    await mute.close();
  });
}
