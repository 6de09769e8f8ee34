// The end-to-end tests once more, with each site as one of fifty of its daemon (tests/parts/one-of-many.mjs): nothing may change for it.
//
//     node tests/sites/run.mjs [short|FILE …]      all end-to-end files that start a site, the few of `make check`, or these

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../parts/util.mjs';

const SHORT = ['login-sdk-v2', 'mcp-cancel', 'mcp-input-required', 'mcp-errors'];

const OWN_SITES = 'has several sites of its own';
const ADMIN = 'its subject is mcp-authd.conf of one site: commands without --site, its state folder, its file';
const EXAMPLES = 'its subject is the web server\'s examples for one site, and daemons with a configuration of one site';
// Files that cannot run so, and why.
const LEFT_OUT = {
  'sites.test.mjs': OWN_SITES,
  'sites-apart.test.mjs': OWN_SITES,
  'sites-shares.test.mjs': OWN_SITES,
  'web-examples.test.mjs': EXAMPLES,
};

const NAME = 'names the site: the log, the audit log and the cookie do';
const BARE = 'the well-known address without a path: several sites of a host name could have it';
// Single tests of the others that cannot, and why.
const SKIPPED = {
  'doctor.test.mjs': [['the configuration and the files of the host', ADMIN],
    ['a key file: only the standing one is made, a name that leads to none is a mistake', ADMIN]],
  'full-disk.test.mjs': [['damaged files: calls go on, and logins are taken again at once', ADMIN]],
  'manifests.test.mjs': [['-t names each wrong manifest and why it is wrong', ADMIN]],
  'deny-list.test.mjs': [['a file with a mistake is reported by -t, and on HUP the old one stays in force', ADMIN]],
  'templates.test.mjs': [['own pages are shown, with every value escaped', ADMIN], ['a page with a mistake is reported with its line, and the built-in one is used', ADMIN]],
  'program-access.test.mjs': [['a manifest that would open keys or secrets is refused, with the reason', ADMIN]],
  'npm-clients.test.mjs': [['the documents are installed, and all are good', ADMIN]],
  'restart.test.mjs': [['mcp-authd try-client says what a login would', ADMIN]],
  'pool.test.mjs': [['HUP with a good configuration loses no request', ADMIN]],
  'mcp-subscriptions.test.mjs': [['mcp-authd status counts the open streams', ADMIN],
    ['a stream holder that hangs is seen in the status and replaced, and manifests that changed meanwhile are read', ADMIN]],
  'audit.test.mjs': [['a login and a refresh leave a line for each step, with who and how long', NAME],
    ['AUDIT_LOG on a full device: requests are answered, lost lines are counted', ADMIN]],
  'persistent-programs.test.mjs': [['what is a variable of other programs is in the input', NAME]],
  'servers.test.mjs': [['status and doctor tell of each server: since when it is up, its calls, errors, starts and memory, and why it failed',
    'names the site: status does']],
  'consent-cookie.test.mjs': [['the cookie does not grow; the oldest consent leaves', NAME],
    ['asked again: another browser, destination, scope, a changed cookie, prompt=consent, and without the box ticked', NAME]],
  'calls.test.mjs': [['calls take no worker from others; a user has a share, the host a limit, and both are told when it is reached', NAME]],
  'lighttpd.test.mjs': [['the protected resource metadata is at the root and with the MCP path behind it', BARE],
    ['Host and the forwarding headers never show in what we say', 'Host chooses the site: under another name there is none'],
    ['a client that speaks HTTP/1.0 is served', 'without Host the web server\'s name counts (SERVER_NAME), which has no port, and the site is at one']],
  'discovery.test.mjs': [['OPTIONS is answered before anybody is asked who they are', BARE]],
  'metrics.test.mjs': [['each request is counted at its endpoint, with its status and its time', BARE]],
  'rate-limits.test.mjs': [['an address: all clients together, pages and JSON alike; another address and /mcp are not held back', BARE]],
};

const folder = path.join(ROOT, 'tests/e2e');
const source = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
for (const name of Object.keys(LEFT_OUT)) assert.ok(fs.existsSync(path.join(folder, name)), `${name} is left out, and does not exist`);
for (const [name, tests] of Object.entries(SKIPPED)) for (const [test] of tests) assert.ok(source(name).includes(test), `${name} has no test "${test}"`);

const startsSite = (name) => /from '\.\.\/parts\/(?:dynamodb-)?sites?\.mjs'/.test(source(name));
const all = fs.readdirSync(folder).filter((name) => name.endsWith('.test.mjs') && startsSite(name));
const asked = process.argv.slice(2);
const files = asked[0] === 'short' ? SHORT.map((name) => `${name}.test.mjs`) : asked.length > 0 ? asked.map((file) => path.basename(file))
  : all.filter((name) => !LEFT_OUT[name]);
for (const name of files) assert.ok(all.includes(name) && !LEFT_OUT[name], `${name}: ${LEFT_OUT[name] ?? 'starts no site'}`);
if (asked.length === 0) for (const [name, why] of Object.entries(LEFT_OUT)) console.log(`left out: ${name}: ${why}`);

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const skipped = files.flatMap((name) => (SKIPPED[name] ?? []).map(([test, why]) => ({ name, test, why })));
for (const { name, test, why } of skipped) console.log(`left out: ${name} "${test}": ${why}`);
const { status } = spawnSync(process.execPath, ['--test', `--test-concurrency=${process.env.FILES_AT_ONCE ?? 1}`,
  ...skipped.map(({ test }) => `--test-skip-pattern=^${escape(test)}$`),
  ...files.map((name) => path.join(folder, name))], { stdio: 'inherit', env: { ...process.env, ONE_OF_SITES: '50' } });
process.exitCode = status === 0 ? 0 : 1;
