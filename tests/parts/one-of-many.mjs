// With ONE_OF_SITES=50 in the environment, the site of a test is one of fifty of its daemon: a file of sites.d beside 49 others on the
// same host name. It must answer as it does alone (tests/sites/run.mjs).

import fs from 'node:fs';
import path from 'node:path';
import { workersOf, writeConfig } from './daemon.mjs';
import { ROOT, until } from './util.mjs';

export const SITES = Number(process.env.ONE_OF_SITES ?? 0);
export const NAME = 'under-test';

// What is the whole daemon's, and stands in mcp-authd.conf only: as docs/hosting.md has it.
const HOST_KEYS = new Set(/^\| (`SITES_DIR`.*) \| in `mcp-authd\.conf` alone \|$/m.exec(fs.readFileSync(path.join(ROOT, 'docs/hosting.md'), 'utf8'))[1]
  .replaceAll('`', '').split(', '));
HOST_KEYS.add('RUN_USER');   // of a site it names a service, mcp-authd-runner@USER; of the daemon, whom its runner is started as
const CALLS_MAX = '64';      // unless it is set
const NO_MANIFESTS = { TOOLS_DIR: '', RESOURCES_DIR: '', PROMPTS_DIR: '', SKILLS_DIR: '' };

const pick = (keys, which) => Object.fromEntries(Object.entries(keys).filter(([key]) => which(key)));
// Its share is all of the daemon, as it has alone.
const ownKeys = (keys) => ({ SITE_WORKERS: keys.WORKERS_MAX, SITE_CALLS: keys.CALLS_MAX ?? CALLS_MAX, ...pick(keys, (key) => !HOST_KEYS.has(key)) });

// A site has a third of the daemon's tasks.
const tasks = ({ TASKS_MAX }) => (TASKS_MAX ? { TASKS_MAX: String(3 * TASKS_MAX) } : {});

// Writes the files of sites.d in `dir` for a site with these keys. The others have other app clients of the same pool. Returns
// the keys of mcp-authd.conf, and where the site is.
export function oneOfMany({ dir, keys }) {
  const file = path.join(dir, `sites.d/${NAME}.conf`);
  const configure = (changed) => writeConfig(file, ownKeys({ ...keys, ...changed }));
  const origin = new URL(keys.MCP_SERVER_URI).origin;
  for (let i = 1; i < SITES; i += 1) {
    writeConfig(path.join(dir, `sites.d/customer-${i}.conf`),
      { MCP_SERVER_URI: `${origin}/customer-${i}/mcp`, AUTH_PROXY_URI: `${origin}/customer-${i}`, ...NO_MANIFESTS });
  }
  configure({});
  return { configure, state: path.join(keys.STATE_DIR, 'sites', NAME),
    host: { ...pick(keys, (key) => HOST_KEYS.has(key) || (key.startsWith('COGNITO_') && !key.endsWith('_CLIENT_IDS'))), ...tasks(keys),
      COGNITO_CLIENT_ID: 'ofallothers', SESSION_STORE: 'lmdb' } };
}

// A worker of several sites opens one with its first request, and reads then what has changed; one that has it open reads a change when it is
// announced. Makes requests till all workers have it open.
export async function openInAllWorkers({ daemon, hostKeys }, request) {
  if (!SITES) return;
  const file = path.join(hostKeys.STATE_DIR, 'status.json.sites');
  await until('the site open in all workers', async () => {
    await Promise.all(Array.from({ length: 4 * workersOf(daemon).length }, request));
    return JSON.parse(fs.readFileSync(file, 'utf8')).sites.find(({ site }) => site === NAME)?.workers === workersOf(daemon).length;
  });
}
