// An HTTP proxy (CONNECT, RFC 9110 section 9.3.6) on loopback that leads every host to one server, or to the port that was
// asked for: real host names, in a test.

import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';

export async function startConnectProxy() {
  const asked = [];               // "host:port" of each CONNECT
  let target;
  let refusal = '502 Bad Gateway';
  const server = http.createServer((req, res) => res.writeHead(405).end());
  const sockets = new Set();

  server.on('connect', (req, client, head) => {
    asked.push(req.url);
    const port = target === 'asked' ? Number(req.url.split(':').pop()) : target;
    if (!port) return client.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
    const upstream = net.connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => { sockets.delete(socket); client.destroy(); upstream.destroy(); });
    }
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`, asked,
    leadTo: (port) => { target = port; },                      // 'asked': the port of each CONNECT
    refuse: (status) => { target = undefined; refusal = status; },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
