// Small helpers shared by the parts.

import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function isMain(meta) {
  return process.argv[1] === fileURLToPath(meta.url);
}

// --name value pairs of the command line, with defaults.
export function options(defaults) {
  const spec = Object.fromEntries(Object.entries(defaults).map(([name, value]) =>
    [name, { type: 'string', default: value }]));
  return parseArgs({ options: spec }).values;
}

export async function readBody(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

// Ports below those that the kernel gives to whoever listens on port 0 or connects: it may give one of those to somebody else
// before it is used. Above 10080, which browsers and fetch() refuse (https://fetch.spec.whatwg.org/#port-blocking).
const PORTS = { from: 10081, to: 32000 };
// Processes of other files choose ports at the same time: each begins far from those with a number near its own.
let nextPort = PORTS.from + (process.pid * 997) % (PORTS.to - PORTS.from);

// A port where nobody listens, and which this process gets once.
export async function freePort(host = '127.0.0.1') {
  for (let tries = 0; tries < 1000; tries += 1) {
    const port = nextPort;
    nextPort = nextPort + 1 < PORTS.to ? nextPort + 1 : PORTS.from;
    if (await canListen(port, host)) return port;
  }
  throw new Error(`no free port at ${host}`);
}

export async function canListen(port, host = '127.0.0.1') {
  const server = net.createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (error.code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}

// So long a server keeps a connection that nobody uses: longer than any client of the tests, which would not repeat what it sent on
// one that is just being closed.
export const IDLE_MS = 60000;

// Of a machine that is so many times slower, as an emulated one is (deb/boot.sh --vm).
const SLOWNESS = Number(process.env.SLOWNESS || 1);

// Calls `check` until it gives something true, or throws after the deadline with what was waited for.
export async function until(what, check, { deadlineMs: usualMs = 15000, everyMs = 25 } = {}) {
  const deadlineMs = usualMs * SLOWNESS;
  const end = Date.now() + deadlineMs;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > end) throw new Error(`gave up after ${deadlineMs} ms waiting for ${typeof what === 'function' ? what() : what}`);
    await sleep(everyMs);
  }
}

export function sleep(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

// True if something accepts a connection there. `where` is what net.connect takes: {port, host} or {path}.
export async function accepts(where) {
  const socket = net.connect(where);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
