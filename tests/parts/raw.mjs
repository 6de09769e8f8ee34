// One HTTP request exactly as given: repeated headers, any Host, chunked bodies, paths that a URL parser would change.

import http from 'node:http';
import { once } from 'node:events';
import { readBody } from './util.mjs';

// `headers` is a list of [name, value]; `chunks` sends a chunked body, `body` one with Content-Length.
export async function rawRequest({ port, method = 'GET', path = '/', headers = [], body, chunks }) {
  const list = [...headers];
  const has = (name) => list.some(([each]) => each.toLowerCase() === name);
  if (!has('host')) list.push(['Host', `127.0.0.1:${port}`]);
  if (body !== undefined && !has('content-length')) list.push(['Content-Length', String(Buffer.byteLength(body))]);
  if (chunks) list.push(['Transfer-Encoding', 'chunked']);
  const request = http.request({ host: '127.0.0.1', port, method, path, headers: list.flat(), setHost: false, agent: false });
  for (const chunk of chunks ?? []) request.write(chunk);
  request.end(body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: new Headers(response.headersDistinct
    ? Object.entries(response.headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value])) : []),
  text: await readBody(response) };
}
