// The whole site for one test file: local Cognito, document host, mcp-authd and a web server, each on free ports and in
// one temporary folder. WEB_SERVER in the environment is lighttpd (default), apache, nginx or caddy; with ENDPOINT_GROUPS the daemon is four
// (groups.mjs), and with ONE_OF_SITES=50 the site is one of fifty (one-of-many.mjs).

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startApache } from './apache.mjs';
import { startCaddy } from './caddy.mjs';
import { startCognito } from './cognito.mjs';
import { findTrouble, startDaemon, writeConfig } from './daemon.mjs';
import { startDocumentHost } from './document-host.mjs';
import { startLighttpd } from './lighttpd.mjs';
import { startNginx } from './nginx.mjs';
import { oneOfMany, SITES } from './one-of-many.mjs';
import { makeCertificates } from './tls.mjs';
import { freePort, ROOT } from './util.mjs';

export const webServers = { lighttpd: startLighttpd, apache: startApache, nginx: startNginx, caddy: startCaddy };
export const WEB_SERVER = process.env.WEB_SERVER ?? 'lighttpd';
if (!(WEB_SERVER in webServers)) throw new Error(`WEB_SERVER=${WEB_SERVER} is none of ${Object.keys(webServers).join(', ')}`);

// Loaded only when needed: it takes DynamoDB's parts, which `make demo` does not install.
const groups = process.env.ENDPOINT_GROUPS ? await import('./groups.mjs') : undefined;

export const CLIENT_PATH = '/client.json';
export const OTHER_CLIENT_PATH = '/other-client.json';

// Options:
//   config     more keys for the daemon's file, or other values (undefined leaves a key out)
//   env        environment of the daemon
//   cognito    options for startCognito; false: none, the configuration names a real pool
//   host       '127.0.0.1' (default) or 'localhost': the name in the public addresses
//   port       of the web server, a free one if not given
//   also       further addresses that the web server listens on, such as [::1]
//   lighttpd   more lines of its configuration, if it is the web server
//   sites      a function of { dir, port } that gives the keys of further sites by name: files of SITES_DIR; the web server has the rules for several
//   conf       text for the web server in place of its routes file
//   activated  the daemon's socket is held by a launcher in systemd's place
//   under      a command that runs the daemon (daemon.mjs)
//   logFile    the daemon logs into this file of the site's folder, not into a pipe that this process reads
//   names      what the document host is called besides localhost
//   mustFail   strings: lines of the daemon's log that hold one of them are expected trouble
//   front      { endpoint, region } of DynamoDB for the services of ENDPOINT_GROUPS, if not the runner's
//   twinOf     another site: this is one more host of it, with a daemon and a web server of its own. Its `web` is where
//              this host answers; the public addresses are those of the first.
export async function startSite({ config = {}, env = {}, cognito: cognitoOptions = {}, host = '127.0.0.1', port, also,
  activated = false, names = [], mustFail = [], twinOf, front, lighttpd, conf, sites, logFile, under } = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-'));
  const closers = [];
  async function close() {
    const errors = [];
    for (const stop of closers.splice(0).reverse()) await stop().catch((error) => errors.push(error));
    fs.rmSync(dir, { recursive: true, force: true });
    if (errors.length > 0) throw new AggregateError(errors, errors.map((error) => error.message).join('\n'));
  }

  try {
    port ??= await freePort();
    // One of several sites makes its key, which its other hosts need, with its first request.
    if (twinOf && SITES) await (await fetch(`${twinOf.issuer}/.well-known/oauth-authorization-server`)).text();
    const issuer = twinOf?.issuer ?? `http://${host}:${port}`;
    const mcpUrl = `${issuer}/mcp`;
    const socket = config.LISTEN ?? path.join(dir, 'mcp-authd.sock');
    for (const sub of ['state', 'clients.d', 'skills.d', 'tls']) fs.mkdirSync(path.join(dir, sub), { mode: 0o700 });

    const cognito = twinOf ? twinOf.cognito
      : cognitoOptions && await startCognito({ callback: `${issuer}/callback`, ...cognitoOptions });
    if (cognito && !twinOf) closers.push(() => cognito.close());

    const certificates = twinOf?.certificates ?? makeCertificates(path.join(dir, 'tls'), { names });
    const documents = twinOf?.documents ?? await startDocumentHost({ certificates });
    if (!twinOf) closers.push(() => documents.close());
    const redirects = { redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost/callback'] };
    const clientId = documents.setClient(CLIENT_PATH, redirects);
    const otherClientId = documents.setClient(OTHER_CLIENT_PATH, { ...redirects, client_name: 'Other client' });

    const keys = {
      ...(cognito && cognitoKeys(cognito)),
      MCP_SERVER_URI: mcpUrl, AUTH_PROXY_URI: issuer, STATE_DIR: path.join(dir, 'state'), LISTEN: socket,
      SESSION_STORE: 'lmdb', WORKERS_MIN: '2', WORKERS_MAX: '8',
      TOOLS_DIR: path.join(ROOT, 'tests/tools.d'), RESOURCES_DIR: path.join(ROOT, 'tests/resources.d'),
      PROMPTS_DIR: path.join(ROOT, 'tests/prompts.d'), CLIENTS_DIR: path.join(dir, 'clients.d'), SKILLS_DIR: path.join(dir, 'skills.d'),
      // All tests come from one address.
      RATE_LIMIT_ADDRESS: '0', RATE_LIMIT_CLIENT: '0', RATE_LIMIT_USER: '0', DENY_FILE: path.join(dir, 'deny.conf'),
      CLIENT_METADATA_CA_FILE: certificates.ca, CLIENT_METADATA_ALLOW_NETS: '127.0.0.0/8 ::1/128',
      ...(twinOf && { SECRET_KEY_FILE: twinOf.keyFile }),
      ...config,
    };
    fs.mkdirSync(path.join(dir, 'sites.d'));
    for (const [name, own] of Object.entries(sites?.({ dir, port }) ?? {})) writeConfig(path.join(dir, `sites.d/${name}.conf`), own);
    const many = SITES && !sites && !groups && oneOfMany({ dir, keys });
    if (groups && activated) throw new Error('one service for each group: no launcher holds four sockets');
    const daemon = groups ? await groups.startGroups({ dir, config: keys, env, front }) : await startDaemon({ dir, config: many.host ?? keys, env, activated, under,
        logFile: logFile && path.join(dir, logFile) });
    closers.push(async () => {
      const outcome = await daemon.stop();
      const trouble = findTrouble(daemon.log).filter((line) => !mustFail.some((each) => line.includes(each)));
      if (trouble.length > 0) throw new Error(`the daemon's log has trouble:\n${trouble.join('\n')}\n\n${daemon.log}`);
      if (outcome.code !== 0) throw new Error(`the daemon ended with ${JSON.stringify(outcome)}:\n${daemon.log}`);
    });

    const web = await webServers[WEB_SERVER]({ dir, port, socket: daemon.sockets ?? socket, also,
      more: many && twinOf ? [lighttpd ?? '', underNameOf(twinOf)].join('\n') : lighttpd,
      rules: sites || many ? 'mcp-authd-sites' : undefined, conf: conf ?? groups?.groupsConf(WEB_SERVER, dir) });
    closers.push(() => web.stop());

    // Where the service of a group of endpoints keeps its state.
    const stateOf = (group) => (groups ? path.join(dir, `state-${group}`) : many.state ?? keys.STATE_DIR);
    // Other values for some keys; the daemon takes them with its next reload.
    const configure = many.configure ?? ((changed) => writeConfig(daemon.configFile, { ...keys, ...changed }));
    const usedKeys = daemon.config ?? keys;
    const keyFile = usedKeys.SECRET_KEY_FILE ?? path.join(stateOf('mcp'), 'secret.key');
    return { dir, stateOf, keyFile, configure, port, issuer, mcpUrl, clientId, otherClientId, cognito, documents, certificates, daemon, web,
      keys: usedKeys, hostKeys: many.host ?? keys, close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

// Tests ask each host of a site by its own address, where of several sites none is: its lighttpd gives it the Host that the public one has, as
// a load balancer in front of both would.
const underNameOf = ({ issuer }) => `server.modules += ( "mod_setenv" )\nsetenv.set-request-header = ( "Host" => "${new URL(issuer).host}" )`;

export function cognitoKeys(cognito) {
  return {
    COGNITO_REGION: 'us-east-1', COGNITO_USER_POOL_ID: cognito.poolId, COGNITO_CLIENT_ID: cognito.clientId,
    COGNITO_DOMAIN: 'local', COGNITO_ISSUER: cognito.issuer, COGNITO_AUTHORIZE_URL: cognito.authorizeUrl,
    COGNITO_TOKEN_URL: cognito.tokenUrl, COGNITO_JWKS_URL: cognito.jwksUrl,
  };
}
