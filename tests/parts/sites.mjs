// Three sites of one daemon, with one app client: `main` (mcp-authd.conf itself), `a` at a path of the same host
// name, `b` at another one. With `otherPool` there is a fourth, `c`, at a path of the first host name: its pool is another one, whose
// app client has the same id.

import path from 'node:path';
import { startCognito } from './cognito.mjs';
import { logged, workersOf } from './daemon.mjs';
import { REDIRECT } from './oauth.mjs';
import { cognitoKeys, startSite } from './site.mjs';
import { freePort, until } from './util.mjs';

export async function startSites({ config = {}, sites = {}, otherPool, ...options } = {}) {
  const port = await freePort();
  const first = `http://127.0.0.1:${port}`, second = `http://127.0.0.2:${port}`;
  const pool = otherPool && await startCognito({ callback: `${first}/c/callback`, poolId: 'local_Pool2' });
  const keys = {
    a: { MCP_SERVER_URI: `${first}/a/mcp`, AUTH_PROXY_URI: `${first}/a`, ...sites.a },
    b: { MCP_SERVER_URI: `${second}/mcp`, ...sites.b },
    ...(pool && { c: { MCP_SERVER_URI: `${first}/c/mcp`, AUTH_PROXY_URI: `${first}/c`, ...cognitoKeys(pool) } }),
  };
  const main = await startSite({
    port, config, ...options, sites: () => ({ ...sites, ...keys }),
    cognito: { callback: [first, `${first}/a`, second].map((issuer) => `${issuer}/callback`), ...options.cognito },
    also: ['127.0.0.2'],
  }).catch(async (error) => {
    await pool?.close();
    throw error;
  });
  const site = (name, issuer) => ({ ...main, name, issuer, mcpUrl: keys[name].MCP_SERVER_URI,
    file: path.join(main.dir, `sites.d/${name}.conf`), ownKeys: keys[name], state: path.join(main.keys.STATE_DIR, 'sites', name) });
  return { main: { ...main, name: '', state: main.keys.STATE_DIR }, a: site('a', `${first}/a`), b: site('b', second), redirect: REDIRECT,
    ...(pool && { c: { ...site('c', `${first}/c`), cognito: pool } }),
    close: () => main.close().finally(() => pool?.close()) };
}

// Sends HUP, and waits until no worker of before is left: until then one may answer a last request as before.
export async function reload(daemon) {
  const from = daemon.log.length, before = workersOf(daemon);
  daemon.signal('SIGHUP');
  await logged(daemon, from, /event=reload_ok/);
  await until('the end of the workers of before', () => !workersOf(daemon).some((pid) => before.includes(pid)));
}
