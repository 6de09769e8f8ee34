// A client_id is an address that the daemon connects to: no address that is not public can be reached by it, however it
// is written, and whatever its name resolves to. Each forbidden address has a server here that would notice.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { once } from 'node:events';
import { findForm, wordsOf } from '../parts/browser.mjs';
import { startDns } from '../parts/dns.mjs';
import { startDocumentHost } from '../parts/document-host.mjs';
import { authorize } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

// 127.0.0.2 stands for the public internet: no test goes there.
const PUBLIC = '127.0.0.2';
const DNS = {
  'good.example': () => [PUBLIC],
  'rebinding.example': (count) => [count === 0 ? PUBLIC : '127.0.0.1'],
  'rebinding6.example': (count) => [count === 0 ? PUBLIC : '::1'],
  'gone-private.example': (count) => [count === 0 ? PUBLIC : '10.0.0.1'],
  'first-private.example': () => ['127.0.0.1', PUBLIC],
  'both-private.example': () => ['127.0.0.1', '::1'],
};
const PRIVATE = ['127.0.0.1', '127.0.0.3', '127.255.255.255', '0.0.0.0', '10.0.0.1', '10.255.255.255', '100.64.0.1', '169.254.169.254',
  '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.0.170', '192.0.2.1', '192.88.99.1', '192.168.0.1', '198.18.0.1', '198.19.255.255',
  '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'];
const PRIVATE6 = ['::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::ffff:169.254.169.254',
  '::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1',
  '64:ff9b:1::7f00:1', '100::1', '2001::1', '2001:0:7f00:1::', '2001:0:4136:e378:8000:63bf:80ff:fffe', '2001:2::1', '2001:10::1', '2001:20::1',
  '2001:db8::1', '2002:7f00:1::', '2002:7f00:1::1', '2002:a00:1::', '2002:c0a8:1::', '2002:a9fe:a9fe::', '3fff::1', '5f00::1',
  'fc00::1', 'fd00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::5efe:127.0.0.1', '2a00::5efe:127.0.0.1', '2a00::5efe:7f00:1',
  '2a00::200:5efe:10.0.0.1', 'fec0::1', 'ff02::1', 'ff05::1:3', '2620:4f:8000::1', '1::1', '4000::1', 'e000::1', '::ffff:0.0.0.0'];

// Ways to write 127.0.0.1 and others as the C library and curl read them, and ways that only look like a host.
const WRITTEN = ['2130706433', '0x7f000001', '0x7F000001', '017700000001', '0177.0.0.1', '0x7f.0.0.1', '0x7f.0.0.0x1', '127.1', '127.0.1',
  '0x7f.1', '0177.1', '0', '00', '0x0', '0.0', '0.0.0', '10.1', '0xa.1', '012.1', '167772161', '3232235521', '0xc0a80001', '192.168.1', '192.11010049',
  '2852039166', '0xa9fea9fe', '0xa9.0xfe.0xa9.0xfe', '0251.0376.0251.0376', '169.254.43518', '169.16689662', '0300.0250.0.1', '127.0.0.1.', '127.000.000.001',
  '127.0.0.01', '00000000177.0.0.1', '0x000000007f.1', '4294967295', '0xffffffff', '127.00.0.1', '0127.0.0.1', '1.0.0.127.in-addr.arpa',
  'localhost', 'LOCALHOST', 'LocalHost', 'localhost.', '127.0.0.1.example', '256.0.0.1', '127.0.0.256', '4294967296', '0x100000000', '127..1', '.127.0.0.1',
  '127.0.0.1%00', '127.0.0.1%20', '127.0.0.%31', '%31%32%37.0.0.1', '%6cocalhost', 'local%68ost', '127%2e0%2e0%2e1', '127.0.0.1%2f', '127.0.0.1%23',
  'xn--lcalhost-b1a', 'xn--127-0-0-1-', 'lo\u0441alhost', '\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3', '\uff11\uff12\uff17.0.0.1',
  '127\u30020\u30020\u30021', '127.0.0.1\u200b', '169.254.169.254.', '127.1.', '0xa9fea9fe.', '1.2.3.0x',
  '[::1', '::1', '[::1]x', '[127.0.0.1]', '[]', '[::1%25lo]', '[fe80::1%25eth0]', '[fe80::1%lo]', '[::1%251]', '[v1.x]', '[::1]]', '[[::1]]', '[::g]', '[0:0:0:0:0:0:0:1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]', '[::0001]', '[0:0:0:0:0:ffff:127.0.0.1]', '[0:0:0:0:0:FFFF:7F00:0001]', '[::FFFF:127.0.0.1]', '[::ffff:0x7f.1]', '[::ffff:127.1]',
  '[::ffff:2130706433]', 'metadata.google.internal', 'instance-data', 'metadata', 'router', 'ip6-localhost', 'ip6-loopback',
  'localhost.localdomain', 'both-private.example', 'kubernetes.default.svc'];

// Whole authorities that try to hide where they go.
const HIDDEN = (port) => [`user@127.0.0.1:${port}`, `good.example@127.0.0.1:${port}`, `good.example:x@127.0.0.1:${port}`, `@127.0.0.1:${port}`, `:@127.0.0.1:${port}`,
  `good.example%40127.0.0.1:${port}`, `127.0.0.1:${port}@good.example`, `good.example\\@127.0.0.1:${port}`, `127.0.0.1:${port}\\.good.example`, `127.0.0.1:${port}#.good.example`,
  `127.0.0.1:${port}?.good.example`, `good.example;127.0.0.1:${port}`, `good.example,127.0.0.1:${port}`, `127.0.0.1:+${port}`, `127.0.0.1:0${port}`,
  `127.0.0.1: ${port}`, `127.0.0.1 :${port}`,
  `127.0.0.1:${port}:${port}`, `127.0.0.1:${port}\t`, `127.0.0.1:${port}\r\nHost: x`, `127.0.0.1:99999`, `127.0.0.1:-1`, `127.0.0.1:0`,
  `//127.0.0.1:${port}`, `/127.0.0.1:${port}`, `\\\\127.0.0.1:${port}`, ''];

// Whole identifiers.
const WHOLE = (port) => [`http://127.0.0.1:${port}/c.json`, `HTTPS://127.0.0.1:${port}/c.json`, `https:/127.0.0.1:${port}/c.json`,
  `https:127.0.0.1:${port}/c.json`, `https:///127.0.0.1:${port}/c.json`,
  `//127.0.0.1:${port}/c.json`, `file:///etc/passwd`, `file://127.0.0.1/etc/passwd`, `ftp://127.0.0.1:${port}/c.json`,
  `gopher://127.0.0.1:${port}/_x`, `dict://127.0.0.1:${port}/x`, `ldap://127.0.0.1:${port}/x`,
  `jar:https://127.0.0.1:${port}/c.json!/`, `view-source:https://127.0.0.1:${port}/c.json`, `data:application/json,{}`, `javascript:alert(1)`,
  `unix:/run/x.sock`, ` https://127.0.0.1:${port}/c.json`, `https://127.0.0.1:${port}/c.json `,
  `https://127.0.0.1:${port}`, `https://127.0.0.1:${port}/`, `https://good.example:${port}/../c.json`, `https://good.example:${port}/%2e%2e/c.json`,
  `https://good.example:${port}/.%2E/c.json`, `https://good.example:${port}/%2e/c.json`,
  `https://good.example:${port}/a/%2E./c.json`, `https://good.example:${port}/c.json/..`, `https://good.example:${port}/c.json#x`];

const PORTS_TRIED = 20;

// Traps at the addresses that are not public, on this port; all of them or none.
async function listenEverywhere(port) {
  const made = [];
  try {
    for (const host of ['127.0.0.1', '127.0.0.3', '::1']) {
      const trap = net.createServer((socket) => { noticed += 1; socket.destroy(); });
      made.push(trap);
      await once(trap.listen(port, host), 'listening');
    }
  } catch (error) {
    for (const trap of made) trap.close();
    throw error;
  }
  return made;
}

let dir;
let dns;
let site;
let good;
let noticed = 0;
let traps = [];
before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-dns-'));
  dns = await startDns({ dir, answer: (name, count) => DNS[name]?.(count) });
  // No kept connection of one worker may stand in for a look-up: each new one asks.
  site = await startSite({ names: Object.keys(DNS), env: dns.env, config: { CLIENT_METADATA_ALLOW_NETS: `${PUBLIC}/32` } });
  const certificates = { cert: path.join(site.dir, 'tls/server.pem'), key: path.join(site.dir, 'tls/server.key') };
  // The port that is free at the public address may be taken at another one.
  for (let tries = 1; traps.length === 0; tries += 1) {
    good = await startDocumentHost({ certificates, host: PUBLIC });
    try {
      traps = await listenEverywhere(good.port);
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || tries === PORTS_TRIED) throw error;
      await good.close();
    }
  }
});
after(async () => {
  for (const trap of traps) trap.close();
  await site?.close();
  await good?.close();
  await dns?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

async function ask(id) {
  const page = await authorize(site, { client_id: id });
  assert.equal(findForm(page)?.decisions, undefined, `${id}: a consent page`);
  assert.equal(noticed, 0, `${id}: something forbidden was reached`);
  return page;
}

const publish = (name, changes) => {
  const id = `https://${name}:${good.port}/c.json`;
  good.setClient('/c.json', { client_id: id }, { headers: { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' }, ...changes });
  return id;
};

test('a document at a public address is read, so the refusals below are not by accident', async () => {
  const page = await authorize(site, { client_id: publish('good.example') });
  assert.ok(findForm(page)?.decisions, wordsOf(page.text));
  assert.ok(dns.asked('good.example') >= 1, 'the DNS server of the test was asked');
});

test('at least 200 hostile addresses: none is reached', { timeout: 120000 }, async () => {
  const { port } = good;
  const hosts = [...PRIVATE, ...PRIVATE6.map((each) => `[${each}]`), ...WRITTEN];
  const ids = [...hosts.map((host) => `https://${host}:${port}/c.json`), ...HIDDEN(port).map((each) => `https://${each}/c.json`), ...WHOLE(port)];
  assert.ok(new Set(ids).size >= 200, `${new Set(ids).size}`);
  for (const id of ids) {
    const page = await ask(id);
    assert.ok([400, 503].includes(page.status), `${id}: ${page.status} ${wordsOf(page.text)}`);
  }
  // What is an address is refused for that, and not because nobody answered there.
  for (const host of [...PRIVATE, ...PRIVATE6.map((each) => `[${each}]`)]) {
    const page = await ask(`https://${host}:${port}/again.json`);
    assert.equal(page.status, 400, `${host}: ${wordsOf(page.text)}`);
    assert.match(page.text, /not on a public address/, host);
  }
});

for (const name of ['rebinding.example', 'rebinding6.example', 'gone-private.example']) {
  test(`${name}: a name that means something else the second time gains nothing`, async () => {
    const id = publish(name);
    const first = await authorize(site, { client_id: id });
    assert.ok(findForm(first)?.decisions, wordsOf(first.text));
    for (let i = 0; i < 8; i += 1) assert.equal((await ask(id)).status, 400);
    assert.ok(dns.asked(name) >= 2, 'it was asked for again');
  });
}

test('of several addresses only the public one is used', async () => {
  const page = await authorize(site, { client_id: publish('first-private.example') });
  assert.ok(findForm(page)?.decisions, wordsOf(page.text));
  assert.equal(noticed, 0);
});

test('a redirect to a private address is not followed', async () => {
  const id = publish('good.example', { status: 302, headers: { location: `https://127.0.0.1:${good.port}/c.json`, 'content-type': 'application/json' } });
  assert.equal((await ask(id)).status, 400);
});
