// MCP by hand: what the official clients send, with single parts left out or replaced.

import assert from 'node:assert/strict';

export const MODERN = '2026-07-28';
export const HANDSHAKE_REVISIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];
export const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'raw-test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

// POST of any body. `headers` replaces single headers; undefined removes one.
export async function post(site, token, body, headers = {}) {
  const all = {
    'content-type': 'application/json', accept: 'application/json, text/event-stream',
    ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers,
  };
  const response = await fetch(site.mcpUrl, {
    method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  // A call that had to wait for a worker is answered by a stream: the answer is its last event.
  const json = /^application\/json\b/.test(type) ? text
    : /^text\/event-stream\b/.test(type) ? [...text.matchAll(/^data: (\{.*\})$/gm)].at(-1)?.[1] : undefined;
  return { status: response.status, headers: response.headers, text, body: json && JSON.parse(json) };
}

// A request of revision 2026-07-28 (`meta` null: without it): metadata in _meta, mirrored in headers (Streamable HTTP, "Request Metadata").
export function modern(site, token, method, params = {}, { headers = {}, meta = META, id = 1 } = {}) {
  return post(site, token, { jsonrpc: '2.0', id, method, params: { ...params, ...(meta && { _meta: meta }) } }, {
    'mcp-protocol-version': MODERN, 'mcp-method': method,
    ...(params.name !== undefined && { 'mcp-name': params.name }), ...headers,
  });
}

// The header came with 2025-06-18.
export const versionHeader = (version) => (['2025-03-26', '2024-11-05'].includes(version) ? undefined : version);

// A request of a handshake revision, after its handshake.
export function legacy(site, token, version, method, params = {}, id = 1) {
  return post(site, token, { jsonrpc: '2.0', id, method, params },
    { 'mcp-protocol-version': versionHeader(version) });
}

export function initialize(site, token, version) {
  return post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: version, capabilities: {}, clientInfo: { name: 'raw-test', version: '1' } } });
}

// Calls a tool in revision 2026-07-28 and gives back its result; an error answer fails.
export async function callTool(site, token, name, args = {}) {
  const answer = await modern(site, token, 'tools/call', { name, arguments: args });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(answer.body.result, answer.text);
  return answer.body.result;
}

// `id` null: the request had none that could be read, and the answer has null or none.
export function assertRpcError(answer, status, code, id = 1) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.body?.jsonrpc, '2.0', answer.text);
  assert.equal(answer.body.error?.code, code, answer.text);
  assert.ok(answer.body.error.message.length > 3, answer.text);
  assert.equal(answer.body.result, undefined);
  if (id === null) assert.ok((answer.body.id ?? null) === null, answer.text);
  else assert.equal(answer.body.id, id, answer.text);
}

// The parameters of a Bearer challenge (RFC 9110 section 11.6.1, RFC 6750 section 3).
export function challenge(headers) {
  const value = headers.get('www-authenticate') ?? '';
  assert.match(value, /^Bearer /, `WWW-Authenticate: ${value}`);
  return Object.fromEntries([...value.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, text]) => [name, text]));
}

// What the result of a tool's call must have.
export function structuredContentOf(result) {
  assert.ok(result.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}
export function assertToolError(result, message) {
  assert.equal(result.isError, true, JSON.stringify(result));
  assert.match(result.content[0].text, message);
}
