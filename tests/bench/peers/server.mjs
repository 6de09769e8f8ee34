// An MCP server with the tool `echo` that checks access tokens, built as the documents of its library say: stateless, answers in JSON, a key
// set that is fetched once, a log line for each call. As many processes as are asked for share the port.
//   tests/node tests/bench/peers/server.mjs sdk-v1|sdk-v2|fastmcp PORT PROCESSES JWKS_URL ISSUER CLIENT_ID

import cluster from 'node:cluster';
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';

const [kind, port, processes, jwksUrl, issuer, clientId] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(jwksUrl));

async function verifyAccessToken(token) {
  const { payload } = await jwtVerify(token, keys, { issuer, algorithms: ['RS256'] });
  if (payload.token_use !== 'access' || payload.client_id !== clientId) throw new Error('not an access token of this client');
  return { token, clientId: payload.client_id, scopes: payload.scope.split(' '), expiresAt: payload.exp, extra: { sub: payload.sub } };
}

function logCall(auth) {
  process.stderr.write(`ts=${new Date().toISOString()} level=info pid=${process.pid} event=tool_call tool=echo sub=${auth?.extra.sub} client_id=${
    auth?.clientId} outcome=ok ms=0\n`);
}

const answer = (text, auth) => {
  logCall(auth);
  return { content: [{ type: 'text', text }] };
};
const tool = { description: 'Answers with the text', inputSchema: z.object({ text: z.string() }) };

const kinds = {
  async 'sdk-v1'() {
    const { McpServer } = await import('@modelcontextprotocol/sdk/server/mcp.js');
    const { StreamableHTTPServerTransport } = await import('@modelcontextprotocol/sdk/server/streamableHttp.js');
    const { requireBearerAuth } = await import('@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js');
    const app = express();
    app.post('/mcp', requireBearerAuth({ verifier: { verifyAccessToken } }), express.json(), async (req, res) => {
      const server = new McpServer({ name: 'echo', version: '1' });
      server.registerTool('echo', { ...tool, inputSchema: tool.inputSchema.shape }, ({ text }, { authInfo }) => answer(text, authInfo));
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
      res.on('close', () => { transport.close(); server.close(); });
      await server.connect(transport);
      await transport.handleRequest(req, res, req.body);
    });
    app.listen(port, '127.0.0.1');
  },
  async 'sdk-v2'() {
    const { createMcpHandler, McpServer } = await import('@modelcontextprotocol/server');
    const { toNodeHandler } = await import('@modelcontextprotocol/node');
    const { createMcpExpressApp, requireBearerAuth } = await import('@modelcontextprotocol/express');
    const handler = toNodeHandler(createMcpHandler(() => {
      const server = new McpServer({ name: 'echo', version: '1' });
      server.registerTool('echo', tool, ({ text }, { http }) => answer(text, http?.authInfo));
      return server;
    }));
    const app = createMcpExpressApp();
    app.post('/mcp', requireBearerAuth({ verifier: { verifyAccessToken } }), (req, res) => handler(req, res, req.body));
    app.listen(port, '127.0.0.1');
  },
  async fastmcp() {
    const { FastMCP } = await import('fastmcp');
    const quiet = Object.fromEntries(['debug', 'error', 'info', 'log', 'warn'].map((name) => [name, () => {}]));
    const server = new FastMCP({ name: 'echo', version: '1.0.0', logger: quiet,
      authenticate: (request) => verifyAccessToken(/^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '')
        .catch(() => { throw new Response(null, { status: 401 }); }) });
    server.addTool({ name: 'echo', description: tool.description, parameters: tool.inputSchema,
      execute: async ({ text }, { session }) => answer(text, session) });
    await server.start({ transportType: 'httpStream', httpStream: { port: Number(port), host: '127.0.0.1', stateless: true, enableJsonResponse: true } });
  },
};

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_NONE;        // each accepts for itself: nothing goes through this process
  for (let i = 0; i < Number(processes); i += 1) cluster.fork();
  cluster.on('exit', () => process.exit(1));
} else {
  await kinds[kind]();
}
