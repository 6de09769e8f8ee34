// `make demo`: mcp-authd behind lighttpd with a local identity provider in Cognito's shape. A real MCP client (the
// official SDK) logs a user in and calls a tool, one line for each step; then it keeps serving until Ctrl-C.
//
//   ONESHOT=1               stop after the tool call; exit status 0 only if it worked
//   COGNITO_USER_POOL_ID=…  (with COGNITO_REGION, COGNITO_CLIENT_ID, COGNITO_DOMAIN) use a real pool: only serve
//   any other configuration key in the environment reaches the daemon

import fs from 'node:fs';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { USERS } from '../parts/cognito.mjs';
import { BINARY } from '../parts/daemon.mjs';
import { TestOAuthProvider } from '../parts/sdk-provider.mjs';
import { startSite } from '../parts/site.mjs';
import { accepts, canListen, freePort, ROOT } from '../parts/util.mjs';

const KEYS = ['COGNITO_REGION', 'COGNITO_USER_POOL_ID', 'COGNITO_CLIENT_ID', 'COGNITO_DOMAIN', 'COGNITO_ISSUER',
  'COGNITO_AUTHORIZE_URL', 'COGNITO_TOKEN_URL', 'COGNITO_JWKS_URL', 'SESSION_TABLE_NAME', 'SESSION_STORE',
  'MCP_SERVER_URI', 'AUTH_PROXY_URI', 'SUPPORTED_SCOPES', 'REQUIRED_SCOPES', 'ALLOWED_ORIGINS', 'STATE_DIR', 'LISTEN',
  'WORKERS_MIN', 'WORKERS_MAX', 'SECRET_KEY_FILE', 'TOOLS_DIR', 'RESOURCES_DIR', 'PROMPTS_DIR', 'CLIENTS_DIR',
  'CLIENT_METADATA_CA_FILE', 'CLIENT_METADATA_ALLOW_NETS', 'MAX_BODY_BYTES', 'ENDPOINTS'];
const given = Object.fromEntries(KEYS.filter((key) => process.env[key]).map((key) => [key, process.env[key]]));
const aws = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('AWS_')));
const TOOLS = path.join(ROOT, 'tests/demo/tools.d');
const realPool = Boolean(given.COGNITO_USER_POOL_ID || given.COGNITO_ISSUER);
const oneshot = process.env.ONESHOT === '1';

let steps = 0;
let site;

function say(what, came) {
  steps += 1;
  console.log(`${String(steps).padStart(2)}. ${what.padEnd(52)} ${came}`);
}

async function main() {
  if (realPool && oneshot) throw new Error('ONESHOT=1 logs in by itself, which only the local Cognito allows.');
  const port = await choosePort();
  const ipv6 = await freePort('::1').then(() => true, () => false);
  site = await startSite({
    host: 'localhost', port, also: ipv6 ? ['[::1]'] : [], env: { ...given, ...aws },
    cognito: realPool ? false : { ...(given.COGNITO_CLIENT_ID && { clientId: given.COGNITO_CLIENT_ID }) },
    config: { TOOLS_DIR: TOOLS, CLIENTS_DIR: path.join(ROOT, 'share/clients.d'), DYNAMIC_REGISTRATION: 'yes', ...given },
  });
  const mcpUrl = given.MCP_SERVER_URI ?? site.mcpUrl;
  if (site.cognito) say('started local Cognito', site.cognito.issuer);
  say('started mcp-authd', `process ${site.daemon.pid}`);
  say('started lighttpd', `process ${site.web.pid}, ${site.issuer}`);

  if (!realPool) await logInAndCall(mcpUrl);
  if (oneshot) {
    await site.close();
    console.log('\nIt works.');
    return;
  }
  console.log(howToConnect(mcpUrl));
  site.daemon.follow((part) => process.stdout.write(part));
}

// A real client: nothing below knows where the authorization server is, or how to log in there.
async function logInAndCall(mcpUrl) {
  const provider = new TestOAuthProvider({ clientMetadataUrl: site.clientId });
  const transport = () => new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: provider, fetch: tellingFetch });
  const client = () => new Client({ name: 'demo', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  const browserSays = provider.redirectToAuthorization.bind(provider);
  provider.redirectToAuthorization = async (url) => {
    await browserSays(url);
    for (const page of provider.browser.pages) say(`browser at ${shortUrl(page.url)}`, `"${titleOf(page.text)}"`);
    say('browser goes on to the client', shortUrl(provider.callback.href));
  };

  const first = transport();
  try {
    await client().connect(first);
    throw new Error('the server let a client in without a token');
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
  }
  await first.finishAuth(provider.callback.searchParams);

  const connected = client();
  await connected.connect(transport());
  const { tools } = await connected.listTools();
  const who = await connected.callTool({ name: 'whoami', arguments: {} });
  const revision = connected.getNegotiatedProtocolVersion();
  await connected.close();
  if (who.structuredContent?.username !== 'alice') throw new Error(`whoami answered ${JSON.stringify(who)}`);
  say(`revision ${revision}, tools`, tools.map((tool) => tool.name).join(', '));
  say('whoami', `${who.structuredContent.username}, scopes ${who.structuredContent.scopes.join(' ')}`);
}

// What goes over the wire, a line each.
async function tellingFetch(url, init = {}) {
  const response = await fetch(url, init);
  const body = typeof init.body === 'string' && init.body.startsWith('{') ? JSON.parse(init.body) : undefined;
  const what = body?.method ? ` ${body.method}${body.params?.name ? ` ${body.params.name}` : ''}` : '';
  say(`${init.method ?? 'GET'} ${shortUrl(String(url))}${what}`, `${response.status} ${await inShort(response.clone())}`);
  return response;
}

async function inShort(response) {
  const asked = response.headers.get('www-authenticate');
  if (asked) return asked.length > 60 ? `${asked.slice(0, 57)}...` : asked;
  const body = await response.json().catch(() => ({}));
  if (body.authorization_servers) return `authorization server ${body.authorization_servers[0]}`;
  if (body.token_endpoint) return `client-id documents accepted: ${body.client_id_metadata_document_supported}`;
  if (body.access_token) return `access token for ${body.expires_in} s${body.refresh_token ? ', refresh token' : ''}`;
  if (body.error) return String(body.error.message ?? body.error);
  return '';
}

function shortUrl(text) {
  const url = new URL(text);
  const place = `${site.issuer === url.origin ? '' : url.host}${url.pathname}`;
  return `${place.length > 42 ? `${place.slice(0, 39)}...` : place}${url.search ? '?...' : ''}`;
}

function titleOf(html) {
  return /<title>([^<]*)<\/title>/i.exec(html)?.[1].trim() ?? 'no title';
}

// 8080 is the port that the README names, and the callback URL that a real pool would have registered.
async function choosePort() {
  return await accepts({ port: 8080, host: '127.0.0.1' }) || !await canListen(8080) ? freePort() : 8080;
}

function howToConnect(mcpUrl) {
  const users = USERS.map((user) => `${user.username} / ${user.password}`).join('   or   ');
  const login = site.cognito ? `Log in as            ${users}` :
    `Callback URL         ${given.AUTH_PROXY_URI ?? site.issuer}/callback  (must be registered at the app client)`;
  return `
Connect a client now:

  MCP server URL       ${mcpUrl}
  ${login}

  Claude Code          claude mcp add --transport http demo ${mcpUrl}     then /mcp, Authenticate
  MCP Inspector        npx @modelcontextprotocol/inspector                transport "Streamable HTTP"
  by hand              curl -i -X POST ${mcpUrl}
  the demo's own       MCP_SERVER_URI=${mcpUrl} tests/node tests/demo/client.mjs whoami

  Tools are programs in ${path.relative(process.cwd(), given.TOOLS_DIR ?? TOOLS) || '.'}: README.md, "Your first tool".
  The log of mcp-authd follows. Ctrl-C stops everything.
`;
}

function advice(error) {
  const lines = ['', `The demo failed: ${error.message}`];
  if (!fs.existsSync(BINARY)) lines.push('Build the program first: make');
  else if (/lighttpd is not installed/.test(error.message)) lines.push('Install it: make deps');
  else if (site) {
    lines.push('The last lines of the log of mcp-authd:', ...site.daemon.log.trimEnd().split('\n').slice(-20).map((line) => `  ${line}`));
    const web = site.web.log.trimEnd().split('\n').slice(-5).map((line) => `  ${line}`);
    lines.push('and of lighttpd:', ...web);
  } else {
    lines.push('Check the configuration keys in your environment:',
      `  ${Object.keys(given).join(' ') || '(none is set)'}`);
  }
  return lines.join('\n');
}

async function stop() {
  await site?.close().catch((error) => console.error(error.message));
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, stop);

main().catch(async (error) => {
  console.error(advice(error));
  await site?.close().catch(() => {});
  process.exit(1);
});
