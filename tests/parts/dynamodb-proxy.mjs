// What DynamoDB does before it looks at a table, in front of DynamoDB Local: checks each signature with the official signer,
// refuses as DynamoDB does, knows which access key may do what, adds x-amz-crc32 and Date, and counts calls, connections and
// capacity. And it fails, on demand or at random.
//
// On a busy machine a call can take longer than the program waits for one (DYNAMODB_TRY_MS in aws/dynamodb.h): it then closes
// the connection and makes the call again. givenUp() tells such a call from one that was made again without need.

import http from 'node:http';
import zlib from 'node:zlib';
import { once } from 'node:events';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { ANY_SIGNATURE } from './dynamodb.mjs';
import { IDLE_MS, sleep } from './util.mjs';

const MAX_SKEW_MS = 5 * 60 * 1000;
const STALL_MS = 2000;
// Less than DYNAMODB_TRY_MS by what this process, too, may have been late to read the call: what is closed earlier, after its answer, was
// not closed for that.
const GIVEN_UP_MS = 300;
const MUST_BE_SIGNED = ['host', 'x-amz-date', 'x-amz-target'];

export const KEY = { accessKeyId: 'AKIATESTALL000000001', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

// `before` is answered without the call being carried out, `after` carries it out first.
export const FAULTS = {
  throttled: { before: (res, proxy) => proxy.refuse(res, 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException',
    'The level of configured provisioned throughput for the table was exceeded.') },
  'throttled too': { before: (res, proxy) => proxy.refuse(res, 'com.amazon.coral.availability#ThrottlingException', 'Rate exceeded') },
  500: { before: (res, proxy) => proxy.refuse(res, 'com.amazonaws.dynamodb.v20120810#InternalServerError', 'Internal server error', 500) },
  '500 after': { after: (res, proxy) => proxy.refuse(res, 'com.amazonaws.dynamodb.v20120810#InternalServerError', 'Internal server error', 500) },
  reset: { before: (res) => reset(res.socket) },
  'reset after': { after: (res) => reset(res.socket) },
  stall: { after: async (res, proxy, answer) => { await sleep(STALL_MS); proxy.send(res, answer); } },
  'wrong crc': { after: (res, proxy, answer) => proxy.send(res, answer, { 'x-amz-crc32': '1' }) },
  'cut short': { after: (res, proxy, answer) => {
    res.writeHead(answer.status, { 'content-length': Buffer.byteLength(answer.text) + 10 });
    res.write(answer.text, () => res.socket?.destroy());
  } },
};

// One that is being ended already, since the program has given up, cannot be reset: Node (22.23) would never close it, and its
// process would never end.
function reset(socket) {
  if (socket?.writableEnded) socket.destroy();
  else socket?.resetAndDestroy();
}

// Never answered at all; not among the random ones.
const HANG = { before: () => {} };

// A random number generator that can be repeated: mulberry32.
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Was the call made again because its answer came too late?
export const givenUp = (call) => Boolean(call.closed && call.again);

// The environment of a daemon that calls DynamoDB there with this key.
export function environmentOf({ endpoint, region }, key) {
  return { AWS_ENDPOINT_URL_DYNAMODB: endpoint, AWS_REGION: region, AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', ...(key && { AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey, ...(key.sessionToken && { AWS_SESSION_TOKEN: key.sessionToken }) }) };
}

// Options:
//   dynamodb  what startDynamoDb gave
//   keys      the access keys that exist: { accessKeyId, secretAccessKey, sessionToken, actions, allows }; without actions, and
//             without allows(action, table, index), all is allowed
//   region    the one it answers for
//   path      the path of the endpoint
export async function startDynamoDbProxy({ dynamodb, keys = [KEY], region = 'us-east-1', path = '/' }) {
  // { action, table, index, accessKeyId, sessionToken, type, units, fault }, and: the same call was made `again`; the daemon
  // `closed` its connection before the answer, or late
  const calls = [];
  const lastOf = new Map();           // of those with the same body
  const lastOn = new WeakMap();       // of those on a connection
  let planned = [];                   // { action, kind }: the faults to come, each once
  let random, rate = 0, kinds = [], failing;
  let offsetMs = 0, connections = 0, down = false;

  const now = () => new Date(Date.now() + offsetMs);
  const proxy = {
    send(res, { status, text }, headers = {}) {
      res.writeHead(status, { date: now().toUTCString(), 'content-type': 'application/x-amz-json-1.0',
        'content-length': Buffer.byteLength(text), 'x-amz-crc32': String(zlib.crc32(text)), ...headers }).end(text);
    },
    refuse: (res, type, message, status = 400) => proxy.send(res, { status, text: JSON.stringify({ __type: type, message }) }),
  };

  async function handle(req, res) {
    const body = await bytesOf(req);
    const action = /^DynamoDB_20120810\.(\w+)$/.exec(req.headers['x-amz-target'] ?? '')?.[1];
    const call = { action };
    calls.push(call);
    follow(call, { req, res, body });
    const refuse = (type, message) => {
      call.type = type.split('#')[1];
      proxy.refuse(res, type, message);
    };
    if (req.method !== 'POST' || req.url !== path || !action || req.headers['content-type'] !== 'application/x-amz-json-1.0') {
      return refuse('com.amazon.coral.service#UnknownOperationException', `${req.method} ${req.url}`);
    }
    const identity = await authenticate(req, body, { keys, region, now: now() });
    Object.assign(call, { accessKeyId: identity.key?.accessKeyId, sessionToken: identity.key?.sessionToken });
    if (identity.type) return refuse(identity.type, identity.message);
    const { TableName: table, IndexName: index } = JSON.parse(body);
    const { key } = identity;
    Object.assign(call, { table, index });
    if ((key.actions && !key.actions.includes(action)) || (key.allows && !key.allows(action, table, index))) {
      return refuse('com.amazon.coral.service#AccessDeniedException', `User: arn:aws:iam::123456789012:user/${
        identity.key.accessKeyId} is not authorized to perform: dynamodb:${action} on resource: arn:aws:dynamodb:${region}:123456789012:table/x`);
    }
    if (call.closed) return undefined;          // nobody waits for it any more, and what comes next may be done already
    const kind = faultFor(action);
    call.fault = kind;
    const fault = kind === 'hang' ? HANG : FAULTS[kind];
    if (fault?.before) return fault.before(res, proxy);
    const answer = await passOn(action, body, call);
    return fault?.after ? fault.after(res, proxy, answer) : proxy.send(res, answer);
  }

  // For givenUp().
  function follow(call, { req, res, body }) {
    const same = `${call.action} ${body}`;
    const earlier = lastOf.get(same);
    if (earlier) earlier.again = true;
    lastOf.set(same, call);
    lastOn.set(req.socket, { call, res, since: Date.now() });
  }

  function connectionClosed(socket) {
    const { call, res, since } = lastOn.get(socket) ?? {};
    if (call && !call.fault && (!res.writableFinished || Date.now() - since >= GIVEN_UP_MS)) call.closed = true;
  }

  function faultFor(action) {
    const index = planned.findIndex((each) => each.action === action);
    if (index >= 0) return planned.splice(index, 1)[0].kind;
    if (failing && !failing.includes(action)) return undefined;
    return rate && random() < rate ? kinds[Math.floor(random() * kinds.length)] : undefined;
  }

  // DynamoDB takes a table's ARN for its name; DynamoDB Local is too old for it.
  async function passOn(action, body, call) {
    const input = JSON.parse(body);
    input.TableName = /^arn:aws:dynamodb:us-east-1:123456789012:table\/(.*)$/.exec(input.TableName)?.[1] ?? input.TableName;
    const asked = input.ReturnConsumedCapacity !== undefined;
    if (/Item$/.test(action)) input.ReturnConsumedCapacity = 'TOTAL';
    const response = await fetch(dynamodb.endpoint, { method: 'POST', body: JSON.stringify(input), headers: {
      'x-amz-target': `DynamoDB_20120810.${action}`, 'content-type': 'application/x-amz-json-1.0', authorization: ANY_SIGNATURE } });
    const output = await response.json();
    call.type = output.__type?.split('#')[1];
    call.units = output.ConsumedCapacity?.CapacityUnits;
    if (!asked) delete output.ConsumedCapacity;
    return { status: response.status, text: JSON.stringify(output) };
  }

  const server = http.createServer((req, res) => {
    handle(req, res).catch((error) => {
      process.stderr.write(`DynamoDB proxy: ${error.stack}\n`);
      res.destroy();
    });
  });
  server.keepAliveTimeout = IDLE_MS;
  server.on('connection', (socket) => {
    connections += 1;
    socket.on('error', () => {});
    socket.on('close', () => connectionClosed(socket));
    if (down) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${server.address().port}${path === '/' ? '' : path}`;

  return {
    endpoint, region, calls,
    get connections() { return connections; },
    // The environment of a daemon that uses this and one of the keys.
    env: (key = keys[0]) => environmentOf({ endpoint, region }, key),
    // The next call of this action fails so.
    failOnce: (action, name) => planned.push({ action, kind: name }),
    // From now on this part of all calls, or of all calls of these actions, fails, in one of these ways.
    failAtRandom(part, { names = Object.keys(FAULTS), seed = 1, actions } = {}) {
      rate = part;
      kinds = names;
      failing = actions;
      random = randomFrom(seed);
    },
    clearFaults() {
      planned = [];
      rate = 0;
    },
    setRequestsPerConnection: (most) => { server.maxRequestsPerSocket = most; },     // 0: any number
    setClock: (ms) => { offsetMs = ms; },
    setDown(value) {
      down = value;
      if (down) server.closeAllConnections();
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function bytesOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const invalidSignature = (message) => ({ type: 'com.amazon.coral.service#InvalidSignatureException', message });
const unknownClient = { type: 'com.amazon.coral.service#UnrecognizedClientException', message: 'The security token included in the request is invalid.' };

// { key } of a request that is signed as it must be, or what DynamoDB answers.
async function authenticate(req, body, { keys, region, now }) {
  const header = req.headers.authorization ?? '';
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(header);
  if (!match) return { type: 'com.amazon.coral.service#MissingAuthenticationTokenException', message: 'Request is missing Authentication Token' };
  const [, accessKeyId, day, scopeRegion, service, list] = match;
  const signed = list.split(';');
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(req.headers['x-amz-date'] ?? '');
  const token = req.headers['x-amz-security-token'];
  const key = keys.find((each) => each.accessKeyId === accessKeyId && each.sessionToken === token);
  if (!key) return unknownClient;
  if (!date || !MUST_BE_SIGNED.every((name) => signed.includes(name)) || (token && !signed.includes('x-amz-security-token'))) {
    return invalidSignature(`SignedHeaders=${list}`);
  }
  if (scopeRegion !== region || service !== 'dynamodb') return invalidSignature(`Credential should be scoped to a valid region, not '${scopeRegion}'.`);
  const signingDate = new Date(Date.UTC(date[1], date[2] - 1, date[3], date[4], date[5], date[6]));
  if (day !== date.slice(1, 4).join('') || Math.abs(signingDate - now) > MAX_SKEW_MS) {
    return invalidSignature(`Signature expired: ${req.headers['x-amz-date']} is now ${now.toISOString()}`);
  }
  if (await officialSignature(req, body, { key, region, signingDate, signed }) !== header.replace(/, ?/g, ', ')) {
    return invalidSignature('The request signature we calculated does not match the signature you provided.');
  }
  return { key };
}

// The Authorization header that AWS's own signer makes of the headers that the request says it signed.
async function officialSignature(req, body, { key, region, signingDate, signed }) {
  const signer = new SignatureV4({ service: 'dynamodb', region, sha256: Sha256, credentials: key,
    applyChecksum: signed.includes('x-amz-content-sha256') });
  const headers = Object.fromEntries(signed.map((name) => [name, req.headersDistinct[name]?.join(',') ?? '']));
  const url = new URL(req.url, 'http://any');
  const request = await signer.sign({ method: req.method, protocol: 'http:', hostname: 'any', path: url.pathname,
    query: Object.fromEntries(url.searchParams), headers, body }, { signingDate, signableHeaders: new Set(signed) });
  return request.headers.authorization;
}
