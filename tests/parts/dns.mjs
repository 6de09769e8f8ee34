// A DNS server (RFC 1035) on loopback for A and AAAA, and what makes a program ask it: resolver.c, built here.

import dgram from 'node:dgram';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { ROOT } from './util.mjs';

// `answer(name, count)` gives a list of addresses; count is how often the name was asked for before.
export async function startDns({ dir, answer }) {
  const shim = path.join(dir, 'resolver.so');
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, path.join(ROOT, 'tests/parts/resolver.c'), '-ldl'],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  const asked = new Map();
  const current = new Map();
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type, end } = readQuestion(query);
    if (type === 1) {                              // the A question comes first: both kinds get one answer
      current.set(name, answer(name, asked.get(name) ?? 0) ?? []);
      asked.set(name, (asked.get(name) ?? 0) + 1);
    }
    const addresses = (current.get(name) ?? []).filter((each) => each.includes(':') === (type === 28));
    const header = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, addresses.length, 0, 0, 0, 0]);
    socket.send(Buffer.concat([header, query.subarray(12, end), ...addresses.map((each) => record(type, each))]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    asked: (name) => asked.get(name) ?? 0,
    // A sanitizer wants to be the first library, and is not.
    env: { LD_PRELOAD: shim, TEST_DNS_PORT: String(socket.address().port),
      ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':') },
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

function readQuestion(query) {
  const labels = [];
  let at = 12;
  for (; query[at]; at += query[at] + 1) labels.push(query.subarray(at + 1, at + 1 + query[at]).toString('latin1'));
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function record(type, address) {
  const data = type === 1 ? Buffer.from(address.split('.').map(Number)) : ipv6(address);
  return Buffer.concat([Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]), data]);
}

function ipv6(address) {
  const [left, right = ''] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const groups = address.includes('::')
    ? [...left, ...Array(8 - left.length - (right.length || 0)).fill('0'), ...(right || [])] : left;
  return Buffer.from(groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]));
}
