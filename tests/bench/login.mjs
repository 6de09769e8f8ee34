// What one login costs: DynamoDB calls and request units, the size of the item, and the program's own CPU time, for both
// stores. Through lighttpd, DynamoDB Local behind the proxy that checks every signature.
//
//   make bench-login          LOGINS=200 for more of them

import { Browser } from '../parts/browser.mjs';
import { startDynamoDb, TABLE } from '../parts/dynamodb.mjs';
import { countActions, startDynamoSite } from '../parts/dynamodb-site.mjs';
import { cpuMs } from '../parts/load-calls.mjs';
import { login, tokens } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';

const LOGINS = Number(process.env.LOGINS ?? 200);
const config = { WORKERS_MIN: '2', WORKERS_MAX: '2' };

async function measure(site) {
  for (let i = 0; i < 10; i += 1) await tokens(site);
  const cpu = cpuMs(site.daemon);
  const from = site.proxy?.calls.length;
  const connections = site.proxy?.connections;
  const start = Date.now();
  for (let i = 0; i < LOGINS; i += 1) await tokens(site, { browser: new Browser() });
  const result = { cpu: (cpuMs(site.daemon) - cpu) / LOGINS, wall: (Date.now() - start) / LOGINS };
  if (!site.proxy) return result;
  const calls = site.proxy.calls.slice(from);
  const units = {};
  for (const { action, units: each } of calls) units[action] = Math.max(units[action] ?? 0, each);
  return { ...result, actions: countActions(site.proxy, from), units, connections: site.proxy.connections - connections };
}

const dynamodb = await startDynamoDb();
await dynamodb.createTable();
let site = await startDynamoSite({ dynamodb, config });
const remote = await measure(site);
await login(site);
const [item] = await dynamodb.items(TABLE);
const bytes = Object.entries(item).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(Object.values(value)[0]), 0);
await site.close();
await dynamodb.close();
site = await startSite({ config });
const local = await measure(site);
await site.close();

console.log(`${LOGINS} logins, one after the other: GET and POST /authorize, GET /callback, POST /token`);
for (const [action, count] of Object.entries(remote.actions)) {
  console.log(`  ${action.padEnd(10)} ${(count / LOGINS).toFixed(2)} calls per login, ${remote.units[action]} request unit(s) each`);
}
console.log(`  item with its attribute names: ${bytes} bytes; new connections to DynamoDB: ${remote.connections}`);
console.log(`  the program's CPU time per login: ${remote.cpu.toFixed(2)} ms with DynamoDB, ${local.cpu.toFixed(2)} ms with LMDB`);
