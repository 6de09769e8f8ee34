// A local identity provider in Amazon Cognito's shape.
//
// The protocol work (authorization code, PKCE, refresh, login session) is done by oidc-provider, a certified OpenID
// provider. This file gives it Cognito's addresses, Cognito's token claims and Cognito's answers where they differ:
//
//   /oauth2/authorize, /oauth2/token, /oauth2/revoke      the "domain" of a user pool
//   /{pool}/.well-known/jwks.json                         the issuer's host (cognito-idp.REGION.amazonaws.com)
//   /login/...                                            the login form
//
// Differences from a plain OpenID provider that matter to a relying party, all checked by e2e/local-cognito.test.mjs:
// - the header of a token is {kid, alg}: no `typ`;
// - an access token names its client in `client_id` and has no `aud`; `token_use` tells it from an ID token;
// - a refresh token is issued without `offline_access` and is not rotated; a refresh answer carries none;
// - `resource` at the authorization endpoint (RFC 8707; managed login, Essentials and Plus) becomes `aud` of the access tokens of
//   that login, also of refreshed ones; the plan Lite (`bindsResources: false`) does not know it;
// - an unknown scope is an error (`invalid_scope`), and the answer of the token endpoint has no `scope`.
//
// Run it by hand:  tests/node tests/parts/cognito.mjs --port 9100 --callback http://127.0.0.1:8080/callback

import crypto from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import Provider, { interactionPolicy } from 'oidc-provider';
import { memoryAdapter } from './memory-adapter.mjs';
import { escapeHtml, IDLE_MS, isMain, options, readBody } from './util.mjs';

export const USERS = [
  { username: 'alice', password: 'correct-horse', email: 'alice@example.com', groups: ['staff', 'eu-central'] },
  { username: 'bob', password: 'battery-staple', email: 'bob@example.com' },
];
const SCOPES = ['openid', 'email', 'profile', 'mcp-server/tools'];
const ACCESS_TOKEN_SECONDS = 3600;

// `callback` is the redirect URI of the one app client: AUTH_PROXY_URI/callback; or a list, if several sites have it.
export async function startCognito({ port = 0, host = '127.0.0.1', callback, poolId = 'local_Pool1',
  clientId = '1example23456789', rotateRefreshTokens = false, refreshGraceSeconds = 0, bindsResources = true, machines = {} } = {}) {
  if (!callback) throw new Error('startCognito needs the callback URL of the app client');
  const users = USERS.map((user) => ({ ...user, sub: crypto.randomUUID() }));
  const keys = [await newKey()];

  const server = http.createServer();
  server.keepAliveTimeout = IDLE_MS;
  server.listen(port, host);
  await once(server, 'listening');
  const origin = `http://${host}:${server.address().port}`;
  const issuer = `${origin}/${poolId}`;

  const calls = new Map();        // path -> number of requests
  const grants = [];              // the grant_type of each token call that reached the provider
  const authorizations = [];      // the query of each authorization request
  const tokenFaults = [];         // what the next token calls answer instead
  const revokeFaults = [];        // the same for the revocation endpoint
  const jwksFaults = [];          // and for the key set
  let down = false;
  let makeAccessToken = signAccessToken;

  const resources = new Map();    // id of a grant -> the resource that its login asked for
  const provider = makeProvider({ issuer, poolId, clientId, callback, users, keys, rotateRefreshTokens,
    refreshGraceSeconds, resources });

  async function handle(req, res) {
    const url = new URL(req.url, origin);
    calls.set(url.pathname, (calls.get(url.pathname) ?? 0) + 1);
    if (down) return req.socket.destroy();
    switch (url.pathname) {
      case `/${poolId}/.well-known/jwks.json`:
        if (jwksFaults.length > 0) return answerFault(jwksFaults.shift(), req, res);
        return json(res, 200, { keys: keys.map((key) => key.jwk) });
      case `/${poolId}/.well-known/openid-configuration`:
        return json(res, 200, discovery(origin, issuer));
      case '/oauth2/authorize':
        authorizations.push(Object.fromEntries(url.searchParams));
        if (refuseUnknownScope(url, res, clientId, callback)) return undefined;
        break;
      // Ends the browser's session, and goes on to the login form with the same parameters.
      case '/logout':
        res.writeHead(302, { location: `/oauth2/authorize${url.search}`,
          'set-cookie': ['_session', '_session.legacy', '_session.sig', '_session.legacy.sig'].map((name) => `${name}=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT`) }).end();
        return undefined;
      case '/oauth2/token':
        if (tokenFaults.length > 0) return answerFault(tokenFaults.shift(), req, res);
        if (req.headers.authorization) return clientCredentials(req, res);
        break;
      case '/oauth2/revoke':
        if (revokeFaults.length > 0) return answerFault(revokeFaults.shift(), req, res);
        break;
      default:
        if (url.pathname.startsWith('/login/')) return login(provider, users, req, res);
    }
    return passOn(req, res);
  }

  // machines: { client_id: { secret, scopes } }. A token has no user: its subject is the client. Only scopes of resource servers.
  async function clientCredentials(req, res) {
    const [id, secret] = Buffer.from(req.headers.authorization.replace(/^Basic /, ''), 'base64').toString().split(':').map(decodeURIComponent);
    const form = new URLSearchParams(await readBody(req));
    const machine = machines[id];
    if (!machine || machine.secret !== secret) return json(res, 400, { error: 'invalid_client' });
    if (form.get('grant_type') !== 'client_credentials') return json(res, 400, { error: 'unauthorized_client' });
    const scopes = form.get('scope')?.split(' ') ?? machine.scopes;
    if (!scopes.every((scope) => machine.scopes.includes(scope))) return json(res, 400, { error: 'invalid_grant', error_description: 'invalid_scope' });
    grants.push('client_credentials');
    return json(res, 200, { access_token: await machineToken(id, { scope: scopes.join(' ') }), expires_in: ACCESS_TOKEN_SECONDS, token_type: 'Bearer' });
  }

  const machineToken = (id, changes = {}) => sign({ ...accessClaims(), sub: id, client_id: id, scope: 'mcp-server/tools',
    username: undefined, 'cognito:groups': undefined, ...changes });

  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path !== '/oauth2/token') return;
    if (ctx.status === 200) {
      grants.push(ctx.oidc.params.grant_type);
      await asCognitoAnswers(ctx);
    }
  });

  const passOn = provider.callback();          // after use(): it fixes the order

  // oidc-provider answers with an opaque access token and its own ID token: both go out as Cognito writes them.
  async function asCognitoAnswers(ctx) {
    const answer = ctx.body;
    const token = ctx.oidc.entities.AccessToken;
    const user = users.find((each) => each.sub === token.accountId);
    const source = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken;
    answer.access_token = await makeAccessToken({ user, scope: answer.scope, authTime: source?.authTime,
      resource: bindsResources ? resources.get(source?.grantId) : undefined });
    if (answer.id_token) {
      const claims = JSON.parse(Buffer.from(answer.id_token.split('.')[1], 'base64url'));
      answer.id_token = await sign({ ...claims, token_use: 'id', 'cognito:username': user.username });
    }
    delete answer.scope;
    if (ctx.oidc.params.grant_type === 'refresh_token' && !rotateRefreshTokens) delete answer.refresh_token;
  }

  function accessClaims({ user = users[0], scope = SCOPES.join(' '), authTime, resource, now = seconds() } = {}) {
    return {
      sub: user.sub, iss: issuer, version: 2, client_id: clientId, token_use: 'access', scope,
      auth_time: authTime ?? now, exp: now + ACCESS_TOKEN_SECONDS, iat: now, jti: crypto.randomUUID(),
      username: user.username,
      aud: resource,
      // Only if the user is in one.
      'cognito:groups': user.groups,
    };
  }

  // Signs any claims with the pool's key. `header`, `key` and `crit` (which jose wants to be told of) are for forgeries.
  async function sign(claims, { header = {}, key = keys.at(-1), crit } = {}) {
    const present = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
    return new SignJWT(present).setProtectedHeader({ kid: key.jwk.kid, alg: 'RS256', ...header })
      .sign(key.privateKey, { crit });
  }

  async function signAccessToken(facts) {
    return sign(accessClaims(facts));
  }

  server.on('request', (req, res) => {
    handle(req, res).catch((error) => {
      process.stderr.write(`local Cognito: ${error.stack}\n`);
      if (!res.headersSent) json(res, 500, { error: 'server_error' });
    });
  });

  return {
    origin, issuer, poolId, clientId, users, accessClaims, sign, authorizations, grants,
    authorizeUrl: `${origin}/oauth2/authorize`,
    tokenUrl: `${origin}/oauth2/token`,
    jwksUrl: `${issuer}/.well-known/jwks.json`,
    jwksPath: `/${poolId}/.well-known/jwks.json`,
    // A valid access token of the first user, with single claims replaced (undefined removes one).
    accessToken: async (changes = {}, how) => sign({ ...accessClaims(), ...changes }, how),
    machineToken,
    // An ID token: same key, same issuer, other purpose.
    idToken: async () => sign({ ...accessClaims(), client_id: undefined, scope: undefined, aud: clientId,
      token_use: 'id', 'cognito:username': users[0].username }),
    publicKeyPem: () => exportSPKI(keys.at(-1).publicKey),
    newKey,
    // The next key signs from now on. As at Cognito, the old one stays published unless it is withdrawn.
    async rotateKeys({ withdrawOld = false } = {}) {
      if (withdrawOld) keys.length = 0;
      keys.push(await newKey());
    },
    calls: (path) => calls.get(path) ?? 0,
    // The next `count` token calls answer: '400', '429', '500', '503', 'garbage' or 'hang'.
    failTokenCalls: (kind, count = 1) => tokenFaults.push(...Array(count).fill(kind)),
    failRevokeCalls: (kind, count = 1) => revokeFaults.push(...Array(count).fill(kind)),
    failKeySetCalls: (kind, count = 1) => jwksFaults.push(...Array(count).fill(kind)),
    clearFaults: () => { for (const faults of [tokenFaults, revokeFaults, jwksFaults]) faults.length = 0; },
    // What the token endpoint gives as access tokens, made from { user, scope, authTime }; undefined: Cognito's own.
    setAccessTokens: (make) => { makeAccessToken = make ?? signAccessToken; },
    setDown: (value) => { down = value; },
    setRequestsPerConnection: (most) => { server.maxRequestsPerSocket = most; },     // 0: any number
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function makeProvider({ issuer, poolId, clientId, callback, users, keys, rotateRefreshTokens, refreshGraceSeconds, resources }) {
  const policy = interactionPolicy.base();
  policy.remove('consent');                         // Cognito shows a login form and nothing else
  const provider = new Provider(issuer, {
    adapter: memoryAdapter({ refreshGraceSeconds }),
    clients: [{
      client_id: clientId, token_endpoint_auth_method: 'none', redirect_uris: [].concat(callback),
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    }],
    scopes: SCOPES,
    claims: { openid: ['sub', 'token_use'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true }, userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false }, resourceIndicators: { enabled: false } },
    extraParams: ['resource'],
    routes: { authorization: '/oauth2/authorize', token: '/oauth2/token', revocation: '/oauth2/revoke',
      jwks: `/${poolId}/provider-keys` },
    jwks: { keys: [keys[0].privateJwk] },
    cookies: { keys: [crypto.randomBytes(32).toString('hex')] },
    interactions: { policy, url: (ctx, interaction) => `/login/${interaction.uid}` },
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: rotateRefreshTokens,
    ttl: { AccessToken: ACCESS_TOKEN_SECONDS, AuthorizationCode: 300, IdToken: 3600, RefreshToken: 30 * 86400,
      Interaction: 600, Session: 3600, Grant: 30 * 86400 },
    async findAccount(ctx, id) {
      const user = users.find((each) => each.sub === id);
      return user && { accountId: id, claims: async () => ({ sub: id, email: user.email, email_verified: true,
        name: user.username }) };
    },
    // No consent screen: whoever logs in grants what was asked.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope(SCOPES.join(' '));
      resources.set(await grant.save(), ctx.oidc.params.resource);
      return grant;
    },
  });
  provider.on('server_error', (ctx, error) => process.stderr.write(`local Cognito: ${error.stack}\n`));
  return provider;
}

// Cognito names its supported scopes nowhere and refuses the others; oidc-provider would drop them quietly.
function refuseUnknownScope(url, res, clientId, callback) {
  const query = url.searchParams;
  if (query.get('client_id') !== clientId || ![].concat(callback).includes(query.get('redirect_uri'))) return false;
  const asked = (query.get('scope') ?? '').split(' ').filter(Boolean);
  if (asked.every((scope) => SCOPES.includes(scope))) return false;
  const back = new URL(query.get('redirect_uri'));
  back.searchParams.set('error', 'invalid_scope');
  if (query.has('state')) back.searchParams.set('state', query.get('state'));
  res.writeHead(302, { location: back.href }).end();
  return true;
}

// One screen: user name and password. A wrong answer shows the form again.
async function login(provider, users, req, res) {
  if (req.method === 'POST') {
    const form = new URLSearchParams(await readBody(req));
    const user = users.find((each) => each.username === form.get('username') &&
      each.password === form.get('password'));
    if (user) return provider.interactionFinished(req, res, { login: { accountId: user.sub } });
    return html(res, 200, loginPage(req.url, 'Incorrect username or password.'));
  }
  try {
    await provider.interactionDetails(req, res);
  } catch {
    return html(res, 400, '<!doctype html><title>Login expired</title><p>This login has expired.</p>');
  }
  return html(res, 200, loginPage(req.url, ''));
}

function loginPage(action, message) {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font-family:sans-serif;max-width:22rem;margin:4rem auto;padding:0 1rem}
label,input,button{display:block;width:100%;box-sizing:border-box;margin:.4rem 0;padding:.4rem 0;font-size:1rem}</style>
</head><body><h1>Sign in</h1>
<p>A local stand-in for Amazon Cognito's login form.</p>
<p role="alert">${escapeHtml(message)}</p>
<form method="post" action="${escapeHtml(action)}">
<label>User name <input name="username" autocomplete="username" autofocus required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Sign in</button>
</form></body></html>
`;
}

function discovery(origin, issuer) {
  return {
    issuer, authorization_endpoint: `${origin}/oauth2/authorize`, token_endpoint: `${origin}/oauth2/token`,
    revocation_endpoint: `${origin}/oauth2/revoke`, jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code', 'token'], subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'], scopes_supported: ['openid', 'email', 'phone', 'profile'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  };
}

// The text of an upstream failure must never reach a client; tests look for this mark in what the daemon answers.
export const UPSTREAM_MARK = 'upstream-internal-detail';

function answerFault(kind, req, res) {
  req.resume();
  switch (kind) {
    case '400': return json(res, 400, { error: 'invalid_grant', error_description: UPSTREAM_MARK });
    case '401': return json(res, 401, { message: UPSTREAM_MARK });
    case '429': return json(res, 429, { error: 'TooManyRequestsException', message: UPSTREAM_MARK });
    case '500': return json(res, 500, { error: 'InternalErrorException', message: UPSTREAM_MARK });
    case '503': return json(res, 503, { message: UPSTREAM_MARK });
    case 'garbage': return html(res, 200, `<html>${UPSTREAM_MARK}`);
    case 'hang': return undefined;
    case 'slow':                                     // a byte now and then: never silent, never done
      res.writeHead(200, { 'content-type': 'application/json' });
      return drip(res);
    case 'reset': return req.socket.destroy();
    case 'invalid_client': return json(res, 400, { error: 'invalid_client', error_description: UPSTREAM_MARK });
    case 'not an object': return json(res, 200, [UPSTREAM_MARK]);
    case 'no token': return json(res, 200, { token_type: 'Bearer', note: UPSTREAM_MARK });
    case '302': return res.writeHead(302, { location: '/elsewhere' }).end(UPSTREAM_MARK);
    default: throw new Error(`unknown fault ${kind}`);
  }
}

function drip(res) {
  const timer = setInterval(() => res.write(' '), 300);
  res.on('close', () => clearInterval(timer));
}

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  const facts = { kid: crypto.randomBytes(32).toString('base64'), use: 'sig', alg: 'RS256' };
  return { privateKey, publicKey, jwk: { ...await exportJWK(publicKey), ...facts },
    privateJwk: { ...await exportJWK(privateKey), ...facts } };
}

function json(res, status, body) {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}

function html(res, status, body) {
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(body);
}

function seconds() {
  return Math.floor(Date.now() / 1000);
}

if (isMain(import.meta)) {
  const given = options({ port: '9100', callback: '', pool: 'local_Pool1', client: '1example23456789' });
  const cognito = await startCognito({ port: Number(given.port), callback: given.callback, poolId: given.pool,
    clientId: given.client });
  console.log(`COGNITO_CLIENT_ID=${cognito.clientId}\nCOGNITO_ISSUER=${cognito.issuer}\n` +
    `COGNITO_AUTHORIZE_URL=${cognito.authorizeUrl}\nCOGNITO_TOKEN_URL=${cognito.tokenUrl}\n` +
    `COGNITO_JWKS_URL=${cognito.jwksUrl}`);
  for (const user of cognito.users) console.log(`# user ${user.username}, password ${user.password}`);
}
