// An https host on loopback that serves OAuth Client ID Metadata Documents
// (draft-ietf-oauth-client-id-metadata-document): the place where an MCP client's vendor publishes its client_id.

import fs from 'node:fs';
import https from 'node:https';
import { once } from 'node:events';
import { IDLE_MS, sleep } from './util.mjs';

// `certificates` is what tls.mjs made.
export async function startDocumentHost({ certificates, host = '127.0.0.1' }) {
  const documents = new Map();    // path -> { status, headers, body, delayMs }
  const hits = new Map();
  const server = https.createServer({ cert: fs.readFileSync(certificates.cert), key: fs.readFileSync(certificates.key) });

  server.keepAliveTimeout = IDLE_MS;
  server.on('request', async (req, res) => {
    hits.set(req.url, (hits.get(req.url) ?? 0) + 1);
    const document = documents.get(req.url);
    if (!document) return res.writeHead(404).end();
    await sleep(document.delayMs ?? 0);
    return res.writeHead(document.status ?? 200, document.headers).end(document.body);
  });
  server.on('tlsClientError', () => {});       // a client that does not trust the certificate is a test's own matter
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address();

  const url = (path) => `https://localhost:${port}${path}`;
  return {
    port, url,
    set(path, { body = '', headers = { 'content-type': 'application/json' }, ...rest }) {
      documents.set(path, { body: typeof body === 'string' ? body : JSON.stringify(body), headers, ...rest });
    },
    // A well-made document; `changes` replaces single members, undefined removes one. Gives back the client_id.
    setClient(path, changes = {}, rest = {}) {
      const clientId = url(path);
      this.set(path, {
        body: {
          client_id: clientId, client_name: 'Test client', redirect_uris: ['http://127.0.0.1/callback'],
          grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
          token_endpoint_auth_method: 'none', ...changes,
        },
        ...rest,
      });
      return clientId;
    },
    hits: (path) => hits.get(path) ?? 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
