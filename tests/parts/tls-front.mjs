// Speaks TLS in front of a plain server on loopback: what a client sends goes there, byte for byte.

import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { once } from 'node:events';

// The certificates are those of tls.mjs. `to.port` is read for each connection, so it may be set later.
export async function startTlsFront({ certificates, to }) {
  const counts = { connections: 0, resumed: 0 };
  const sockets = new Set();
  const server = tls.createServer({ cert: fs.readFileSync(certificates.cert), key: fs.readFileSync(certificates.key) }, (socket) => {
    counts.connections += 1;
    counts.resumed += socket.isSessionReused();
    const upstream = net.connect(to.port, '127.0.0.1');
    for (const each of [socket, upstream]) {
      sockets.add(each);
      each.on('error', () => {}).on('close', () => { sockets.delete(each); socket.destroy(); upstream.destroy(); });
    }
    socket.pipe(upstream).pipe(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://localhost:${server.address().port}`,
    counts,
    // Ends the connections that clients keep.
    disconnect() { for (const each of sockets) each.destroy(); },
    async close() {
      this.disconnect();
      server.close();
      await once(server, 'close');
    },
  };
}
