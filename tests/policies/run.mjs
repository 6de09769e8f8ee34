// The end-to-end tests once more, as the AWS stack would run the site: four services, one for each group of endpoints, sessions
// in DynamoDB, each service with the credentials of a role that has nothing but the policies of its group, read from the
// template that infra/ synthesizes. What stands before DynamoDB Local refuses any other action, table or index.
//
// It shows that the policies are enough: nothing is refused; and not more: each allowed action is used.
//
//     node tests/policies/run.mjs [FILE …]      all end-to-end files, or these

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { assertAllAccepted } from '../parts/dynamodb-site.mjs';
import { rolesOf } from '../parts/groups.mjs';
import { GROUPS, sessionPolicies, synthesize } from '../parts/synthesized.mjs';
import { ROOT } from '../parts/util.mjs';

const NO_SITE = 'starts no site';
const ONE_DAEMON = 'its subject is one daemon: its workers, its socket, its counters';
const WEB_SERVER = 'its subject is the web server';
const OWN_SERVICES = 'starts services with tables, credentials or sockets of its own';
// What cannot run so, and why. Everything else does.
const LEFT_OUT = {
  'calls.test.mjs': ONE_DAEMON,
  'cognito-tls.test.mjs': ONE_DAEMON,
  'demo.test.mjs': NO_SITE,
  'doctor-public.test.mjs': ONE_DAEMON,
  'doctor.test.mjs': ONE_DAEMON,
  'dynamodb-tasks.test.mjs': OWN_SERVICES,
  'dynamodb.test.mjs': OWN_SERVICES,
  'full-disk.test.mjs': OWN_SERVICES,
  'kills.test.mjs': ONE_DAEMON,
  'local-cognito.test.mjs': NO_SITE,
  'machines.test.mjs': ONE_DAEMON,
  'memory.test.mjs': ONE_DAEMON,
  'metrics.test.mjs': ONE_DAEMON,
  'outputs-to-conf.test.mjs': NO_SITE,
  'parked-calls.test.mjs': ONE_DAEMON,
  'persistent-programs.test.mjs': ONE_DAEMON,
  'policies.test.mjs': OWN_SERVICES,
  'pool.test.mjs': ONE_DAEMON,
  'program-access.test.mjs': ONE_DAEMON,
  'rate-limits.test.mjs': ONE_DAEMON,
  'restart.test.mjs': ONE_DAEMON,
  'runner-attacks.test.mjs': ONE_DAEMON,
  'schema-ajv.test.mjs': NO_SITE,
  'server-everything.test.mjs': ONE_DAEMON,
  'server-instances.test.mjs': ONE_DAEMON,
  'server-url.test.mjs': ONE_DAEMON,
  'servers.test.mjs': ONE_DAEMON,
  'site.test.mjs': ONE_DAEMON,
  'sites.test.mjs': ONE_DAEMON,
  'sites-apart.test.mjs': ONE_DAEMON,
  'sites-shares.test.mjs': ONE_DAEMON,
  'size-limits.test.mjs': ONE_DAEMON,
  'skills.test.mjs': ONE_DAEMON,
  'tool-commands.test.mjs': NO_SITE,
  'web-examples.test.mjs': OWN_SERVICES,
  'web-server-reload.test.mjs': WEB_SERVER,
};

const folder = path.join(ROOT, 'tests/e2e');
const all = fs.readdirSync(folder).filter((name) => name.endsWith('.test.mjs'));
for (const name of Object.keys(LEFT_OUT)) assert.ok(all.includes(name), `${name} is left out, and does not exist`);
for (const name of all) {
  const startsSite = /from '\.\.\/parts\/(?:dynamodb-)?sites?\.mjs'/.test(fs.readFileSync(path.join(folder, name), 'utf8'));
  assert.equal(startsSite, LEFT_OUT[name] !== NO_SITE, `${name}: whether it starts a site, and what LEFT_OUT says of it`);
}
for (const [name, why] of Object.entries(LEFT_OUT)) console.log(`left out: ${name}: ${why}`);
const files = process.argv.length > 2 ? process.argv.slice(2)
  : all.filter((name) => !LEFT_OUT[name]).map((name) => path.join(folder, name));

const policies = sessionPolicies(await synthesize());
const roles = rolesOf(policies);
const dynamodb = await startDynamoDb();
const tables = new Set(GROUPS.flatMap((group) => policies[group].tables));
for (const table of tables) await dynamodb.createTable(table);
const front = await startDynamoDbProxy({ dynamodb, keys: Object.values(roles) });

let status;
try {
  const child = spawn(process.execPath, ['--test', `--test-concurrency=${process.env.FILES_AT_ONCE ?? 1}`, ...files], { stdio: 'inherit',
    env: { ...process.env, ENDPOINT_GROUPS: JSON.stringify({ policies, endpoint: front.endpoint, region: front.region }) } });
  [status] = await once(child, 'exit');
} finally {
  await front.close();
  await dynamodb.close();
}

if (status !== 0) process.exit(1);

// Enough: no call was refused. Not more: for each group, what was used is what is allowed.
assertAllAccepted(front);
for (const group of GROUPS) {
  const calls = front.calls.filter((call) => call.accessKeyId === roles[group].accessKeyId);
  const used = new Set(calls.map((call) => `${call.action} ${call.table}`));
  const allowed = policies[group].actions.flatMap((action) => policies[group].tables.map((table) => `${action} ${table}`));
  assert.deepEqual([...used].toSorted(), allowed.toSorted(), `${group}: what was used, and what is allowed`);
  console.log(`${group}: ${calls.length} calls; used, and allowed: ${allowed.join(', ') || 'nothing'}`);
}
