// The site as four services, one for each group of endpoints, with sessions in DynamoDB and the permissions of the AWS stack:
// the way in which `make e2e-policies` (tests/policies/run.mjs) runs the end-to-end tests. It sets ENDPOINT_GROUPS, and
// startSite then starts these in place of one daemon.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { BINARY, startDaemon } from './daemon.mjs';
import { environmentOf } from './dynamodb-proxy.mjs';
import { GROUPS, isAllowed } from './synthesized.mjs';
import { ROOT } from './util.mjs';

// { policies, endpoint, region } of the runner, or undefined: one daemon has all endpoints.
export const groupsMode = process.env.ENDPOINT_GROUPS && JSON.parse(process.env.ENDPOINT_GROUPS);

// The credentials of a role for each group, which has nothing but the group's policies.
export function rolesOf(policies) {
  return Object.fromEntries(GROUPS.map((group) => [group, { group, accessKeyId: `AKIA${group.toUpperCase()}`.padEnd(20, '0'),
    secretAccessKey: `${group}/secret`, allows: (action, table, index) => isAllowed(policies, group, action, table, index) }]));
}

// The web server's rules: those that the package ships for a service per group.
export function groupsConf(webServer, dir) {
  return fs.readFileSync(path.join(ROOT, `conf/${webServer}/examples/${webServer}-groups.conf`), 'utf8')
    .replaceAll('/run/mcp-authd/', `${dir}/`);
}

// What startDaemon gives, of all four together: one log with whole lines in the order in which they came, signals go to all.
// `front`: where DynamoDB answers, if not at the runner's.
export async function startGroups({ dir, config, env, front = groupsMode }) {
  if (config.ENDPOINTS) throw new Error('ENDPOINTS is set: this site cannot run as one service for each group');
  const roles = rolesOf(groupsMode.policies);
  const key = config.SECRET_KEY_FILE ?? path.join(config.STATE_DIR, 'secret.key');
  const shared = { SESSION_TABLE_NAME: groupsMode.policies.authorize.tables[0], REVOKED_FILE: path.join(dir, 'revoked'),
    ...config, SESSION_STORE: 'dynamodb', SECRET_KEY_FILE: key };
  const daemons = [];
  let log = '';
  const follow = () => {
    let rest = '';
    return (part) => {
      const end = (rest + part).lastIndexOf('\n') + 1;
      log += (rest + part).slice(0, end);
      rest = (rest + part).slice(end);
    };
  };
  const stop = async (how) => {
    const outcomes = await Promise.all(daemons.map((daemon) => daemon.stop(how)));
    return outcomes.find(({ code }) => code !== 0) ?? outcomes[0];
  };

  execFileSync(BINARY, ['make-key', key], { env: { PATH: process.env.PATH }, stdio: 'pipe' });
  try {
    for (const group of GROUPS) {
      const state = path.join(dir, `state-${group}`);
      fs.mkdirSync(state, { mode: 0o700 });
      // As mcp-authd@.service does it: the file is the same for all.
      daemons.push(await startDaemon({ dir, config: shared, follow: follow(), env: { ...environmentOf(front, roles[group]), ...env,
        ENDPOINTS: group, STATE_DIR: state, LISTEN: path.join(dir, `${group}.sock`) } }));
    }
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
  return {
    configFile: daemons[0].configFile,
    config: shared,
    sockets: GROUPS.map((group) => path.join(dir, `${group}.sock`)),
    pids: daemons.map((daemon) => daemon.pid),
    get pid() { throw new Error('four daemons have no one pid'); },
    get log() { return log; },
    get result() { return daemons.find((daemon) => daemon.result)?.result; },
    ended: Promise.all(daemons.map((daemon) => daemon.ended)).then((outcomes) => outcomes.find(({ code }) => code !== 0) ?? outcomes[0]),
    signal: (name) => daemons.forEach((daemon) => daemon.signal(name)),
    stop,
  };
}
