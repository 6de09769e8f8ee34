// An MCP server on Streamable HTTP without any library, which does wrong what `do` of a call says, and tells what it was sent.

import http from 'node:http';
import https from 'node:https';
import { readBody } from './util.mjs';

const text = (t) => ({ content: [{ type: 'text', text: t }] });
const tool = { name: 'work', inputSchema: { type: 'object', properties: { note: { type: 'string', 'x-mcp-header': 'Note' } } } };

export async function startMcpHttpServer({ tls, version, resource } = {}) {
  const server = { sessions: new Set(), initialized: 0, deleted: [], cancelled: [], listened: 0, closed: 0, refuses: 0, executed: [], held: [], tools: [tool],
    seen: [], subscribed: [], rest: new Map(), stream: (req, res) => res.writeHead(405).end() };
  let counter = 0;
  const json = (res, value, headers = {}, status = 200) => res.writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ jsonrpc: '2.0', ...value }, null, 2)); // with ends of lines in it
  const event = (value, id = '') => `${id && `id: ${id}\n`}data: ${JSON.stringify({ jsonrpc: '2.0', ...value })}\n\n`;
  const events = (res) => res.writeHead(200, { 'content-type': 'text/event-stream' });

  const faults = {
    status: (res) => res.writeHead(503, { 'content-type': 'text/plain' }).end('no'),
    error: (res) => json(res, { id: null, error: { code: -32000, message: 'not like this' } }, {}, 400),
    word: (res) => json(res, { id: null, error: { code: -32000, message: 'no expression' } }, {}, 400),
    answer: (res, id) => json(res, { id, error: { code: -32000, message: 'no session in the book' } }, {}, 400),
    gone: (res) => events(res).end('retry: 10\nid: gone\ndata:\n\n'), // nobody knows the rest
    garbage: (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello</p>'),
    redirect: (res) => res.writeHead(307, { location: 'http://127.0.0.1:1/mcp' }).end(),
    capability: (res, id) => json(res, { id, error: { code: -32021, message: 'I sample', data: { requiredCapabilities: { sampling: {} } } } }),
    visit: (res, id) => json(res, server.visited ? { id, result: text('visited') } : { id, error: { code: -32042, message: 'a page first',
      data: { elicitations: [{ mode: 'url', elicitationId: 'e1', url: 'https://example.com/page', message: 'Please' }] } } }),
    hang: () => {},
    close: (res) => res.destroy(),
    short: (res) => events(res).end(event({ method: 'notifications/message', params: { level: 'info', data: 'x' } })),
    accepted: (res) => res.writeHead(202).end(),
    long: (res) => events(res).end(`data: "${'x'.repeat(9 << 20)}"\n\n`),
  };
  function call(req, res, { id, params }) {
    if (params.task) return json(res, { id, result: { task: { taskId: 'task-1', status: 'working', ttl: params.task.ttl, createdAt: new Date().toISOString() } } });
    const { do: what, said } = params.arguments;
    const result = { ...text(`${what}`), structuredContent: { said, headers: req.headers, meta: params._meta, name: params.name } };
    server.executed.push(what);
    if (what === 'page') { // of an error, of so many bytes
      const page = JSON.stringify({ error: { code: -32000, message: 'of a page' } });
      return res.writeHead(400, { 'content-type': 'application/json' }).end(page.padStart(params.arguments.size));
    }
    if (faults[what]) return faults[what](res, id);
    if (what === 'lose') server.sessions.clear();
    if (what === 'lose400') { server.sessions.clear(); server.lostStatus = 400; }
    if (what === 'refuse') { server.sessions.clear(); server.refuses = 1; }
    if (what === 'hold') return server.held.push(() => json(res, { id, result }));
    if (what === 'ask') { // on the stream of the call
      const log = { method: 'notifications/message', params: { level: 'error', data: 'of this call' } };
      events(res).write(event(log) + event({ id: 'q', ...params.arguments.question ?? { method: 'roots/list' } }));
      const { elicitationId } = params.arguments.question?.params ?? {};
      const complete = elicitationId ? event({ method: 'notifications/elicitation/complete', params: { elicitationId } }) : '';
      server.asked = (answer) => res.end(complete + event({ id, result: { ...result, structuredContent: answer } }));
      return undefined;
    }
    if (what === 'open') { // it does not end the stream
      res.once('close', () => { server.closed += 1; });
      return events(res).write(event({ id, result }));
    }
    if (what === 'more') server.tools.push({ ...tool, name: 'more' });
    if (what === 'cut') { // the rest is sent to who asks for it
      server.rest.set(`rest-${id}`, event({ id, result }));
      return events(res).end(`retry: ${params.arguments.retry ?? 10}\nid: rest-${id}\ndata:\n\nid: other\nevent: other\n`); // in the middle of the next one
    }
    if (what === 'progress') {
      events(res).write(event({ method: 'notifications/progress', params: { progressToken: params._meta.progressToken, progress: 1 } }));
      return res.end(`: comment\r\n${event({ id, result })}`);
    }
    return json(res, { id, result });
  }
  function get(req, res) {
    const last = req.headers['last-event-id'];
    if (server.rest.has(last)) return events(res).end(server.rest.get(last));
    if (last === 'gone') return res.writeHead(404).end('not found');
    server.listened += 1;
    return server.stream(req, res);
  }
  async function serve(req, res) {
    const session = req.headers['mcp-session-id'];
    if (req.method !== 'POST') server.seen.push({ method: req.method, headers: req.headers, at: Date.now() });
    if (req.method === 'GET') return get(req, res);
    if (req.method === 'DELETE') {
      server.deleted.push(session);
      return res.writeHead(204).end();
    }
    const message = JSON.parse(await readBody(req));
    server.seen.push({ method: req.method, headers: req.headers, message, at: Date.now() });
    if (message.method === 'initialize') {
      if ((server.refuses -= 1) >= 0) return json(res, { id: message.id, error: { code: -32000, message: 'not now' } });
      server.initialized += 1;
      const name = `session-${counter += 1}`;
      server.sessions.add(name);
      const capabilities = { tools: { listChanged: true }, ...(resource && { resources: { subscribe: true } }) };
      return json(res, { id: message.id, result: { protocolVersion: version ?? message.params.protocolVersion, capabilities,
        serverInfo: { name: 'http', version: '1' } } }, { 'mcp-session-id': name });
    }
    if (!server.sessions.has(session)) return json(res, { id: null, error: { code: -32001, message: 'Session not found' } }, {}, server.lostStatus ?? 404);
    if (message.method === 'notifications/cancelled') server.cancelled.push(message.params.requestId);
    if (message.id === 'q') server.asked(message.result ?? message.error);
    if (message.id === undefined || message.id === 'q') return res.writeHead(202).end();
    if (message.method === 'ping') return json(res, { id: message.id, result: {} });
    if (message.method === 'tools/list') {
      const page = Number(message.params?.cursor ?? 1);
      const result = page < (server.pages ?? 1) ? { tools: [], nextCursor: `${page + 1}` } : { tools: server.tools };
      return json(res, { id: message.id, result });
    }
    if (resource && message.method === 'resources/list') return json(res, { id: message.id, result: { resources: [{ uri: resource, name: 'r' }] } });
    if (message.method === 'resources/subscribe') {
      server.subscribed.push([session, message.params.uri]);
      return json(res, { id: message.id, result: {} });
    }
    if (message.method === 'tasks/result') return json(res, { id: message.id, result: { ...text('late'), structuredContent: { headers: req.headers } } });
    if (message.method === 'tools/call') return call(req, res, message);
    return json(res, { id: message.id, error: { code: -32601, message: 'Method not found' } });
  }
  const listener = (tls ? https.createServer(tls, serve) : http.createServer(serve)).listen(0, '127.0.0.1');
  await new Promise((resolve) => { listener.once('listening', resolve); });
  return Object.assign(server, {
    event,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${listener.address().port}/mcp`,
    close: () => {
      listener.closeAllConnections();
      return new Promise((resolve) => { listener.close(resolve); });
    },
  });
}
