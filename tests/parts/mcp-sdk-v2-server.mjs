// A server of the official SDK v2 at an address: of revision 2026-07-28 alone, or (`legacy`) of older ones too.

import http from 'node:http';
import { Readable } from 'node:stream';
import { createMcpHandler, fromJsonSchema, inputRequired, McpServer } from '@modelcontextprotocol/server';

const text = (t) => ({ content: [{ type: 'text', text: `${t}` }] });
const schema = (properties = {}) => fromJsonSchema({ type: 'object', properties });

export async function startSdkV2Server({ legacy = 'reject' } = {}) {
  const state = { requests: [], aborted: 0, tools: [], listens: 0 };
  function factory() {
    const server = new McpServer({ name: 'v2', version: '1' }, { capabilities: { logging: {}, tools: { listChanged: true }, resources: { subscribe: true } } });
    server.registerTool('add', { inputSchema: schema({ a: { type: 'number' }, b: { type: 'number' } }) }, ({ a, b }) => text(a + b));
    server.registerTool('steps', { inputSchema: schema() }, async (args, { mcpReq }) => {
      for (const progress of [1, 2]) await mcpReq.notify({ method: 'notifications/progress', params: { progressToken: mcpReq._meta.progressToken, progress } });
      return text('done');
    });
    server.registerTool('near', { inputSchema: schema({ place: { type: 'string', 'x-mcp-header': 'Place-Name' }, count: { type: 'integer', 'x-mcp-header': 'Count' } }) },
      ({ place, count }) => text(`${count} near ${place}`));
    server.registerTool('ask', { inputSchema: schema() }, (args, { mcpReq }) => {
      const answer = mcpReq.inputResponses?.name;
      if (answer) return text(`Hello ${answer.content.name}`);
      return inputRequired({ inputRequests: { name: inputRequired.elicit({ message: 'Who?',
        requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } }) } });
    });
    server.registerTool('hang', { inputSchema: schema() }, (args, { mcpReq }) => new Promise((resolve) => {
      mcpReq.signal.addEventListener('abort', () => { state.aborted += 1; resolve(text('late')); });
    }));
    for (const name of state.tools) server.registerTool(name, { inputSchema: schema() }, () => text(name));
    server.registerResource('clock', 'test://clock', { mimeType: 'text/plain' }, (uri) => ({ contents: [{ uri: uri.href, text: 'tick' }] }));
    server.registerPrompt('greet', { description: 'Greets' }, () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'hi' } }] }));
    return server;
  }
  const handler = createMcpHandler(factory, { legacy });
  const listener = http.createServer(async (req, res) => {
    const body = [];
    for await (const part of req) body.push(part);
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    const raw = Buffer.concat(body);
    const message = raw.length ? JSON.parse(raw) : undefined;
    state.requests.push({ method: req.method, headers: req.headers, message });
    if (message?.method === 'subscriptions/listen') state.listens += 1;
    const answer = await handler.fetch(new Request(`http://${req.headers.host}${req.url}`, { method: req.method, headers: req.headers,
      signal: gone.signal, ...(raw.length && { body: raw }) }));
    res.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) Readable.fromWeb(answer.body).on('error', () => res.destroy()).pipe(res);
    else res.end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => { listener.once('listening', resolve); });
  return Object.assign(state, {
    url: `http://127.0.0.1:${listener.address().port}/mcp`,
    notify: handler.notify,
    dropStreams: () => listener.closeAllConnections(),
    close: async () => {
      await handler.close();
      listener.closeAllConnections();
      return new Promise((resolve) => { listener.close(resolve); });
    },
  });
}
