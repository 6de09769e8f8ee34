// A site whose sessions are in DynamoDB, behind a proxy of its own.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { TABLE } from './dynamodb.mjs';
import { givenUp, startDynamoDbProxy } from './dynamodb-proxy.mjs';
import { groupsMode, rolesOf } from './groups.mjs';
import { startSite } from './site.mjs';
import { until } from './util.mjs';

export async function startDynamoSite({ dynamodb, proxy: proxyOptions, table = TABLE, config, env, ...rest }) {
  // As one service for each group, each has its own role, here as at the runner's.
  const keys = groupsMode && { keys: Object.values(rolesOf(groupsMode.policies)) };
  const proxy = await startDynamoDbProxy({ dynamodb, ...keys, ...proxyOptions });
  try {
    const site = await startSite({ ...rest, config: { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: table, ...config },
      ...(groupsMode ? { front: proxy, env } : { env: { ...proxy.env(), ...env } }) });
    // Not a copy: what startSite gives has getters.
    return Object.assign(site, { proxy, close: ((close) => () => close().finally(() => proxy.close()))(site.close) });
  } catch (error) {
    await proxy.close();
    throw error;
  }
}

const WRONG = new Set(['InvalidSignatureException', 'UnrecognizedClientException', 'MissingAuthenticationTokenException',
  'UnknownOperationException', 'ValidationException', 'AccessDeniedException']);

export function assertAllAccepted(proxy) {
  assert.ok(proxy.calls.length > 0);
  assert.deepEqual(proxy.calls.filter((call) => WRONG.has(call.type)), []);
}

// The calls since `from`, without those that were only made again because the machine was busy.
export const callsSince = (proxy, from = 0) => proxy.calls.slice(from).filter((call) => !givenUp(call));

// How many of them there were of each action, also of those that were all made again.
export function countActions(proxy, from = 0) {
  const counts = Object.fromEntries(proxy.calls.slice(from).map(({ action }) => [action, 0]));
  for (const { action } of callsSince(proxy, from)) counts[action] += 1;
  return counts;
}

// That a call was given up is known when its connection has been closed.
export async function assertActions(proxy, from, expected) {
  const counts = () => countActions(proxy, from);
  await until(() => `${JSON.stringify(expected)}, got ${JSON.stringify(counts())}`, () => isDeepStrictEqual(counts(), expected));
}
