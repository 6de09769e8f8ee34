// An MCP client for the running `make demo`: the official SDK, with a browser that logs alice in by itself.
//
//     tests/node tests/demo/client.mjs TOOL [ARGUMENTS]     calls a tool; ARGUMENTS is a JSON object
//     MCP_SERVER_URI=…                                      where the server is, if not at http://localhost:8080/mcp

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { TestOAuthProvider } from '../parts/sdk-provider.mjs';

const url = new URL(process.env.MCP_SERVER_URI ?? 'http://localhost:8080/mcp');
const [tool, argumentsText = '{}'] = process.argv.slice(2);
// It registers itself, as a client does that nobody has heard of.
const provider = new TestOAuthProvider({});
const transport = () => new StreamableHTTPClientTransport(url, { authProvider: provider });
const newClient = () => new Client({ name: 'demo-client', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });

async function connect() {
  const first = transport();
  try {
    await newClient().connect(first);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await first.finishAuth(provider.callback.searchParams);
  }
  const client = newClient();
  await client.connect(transport());
  return client;
}

if (!tool) throw new Error('Which tool? tests/node tests/demo/client.mjs TOOL [ARGUMENTS]');
const client = await connect();
const result = await client.callTool({ name: tool, arguments: JSON.parse(argumentsText) });
for (const part of result.content) console.log(part.text ?? JSON.stringify(part));
await client.close();
if (result.isError) process.exitCode = 1;
