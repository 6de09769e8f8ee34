// The policies of the AWS stack, read from its template: each group of endpoints has the permissions that the program
// needs there, and no others.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { assertAllAccepted, startDynamoSite } from '../parts/dynamodb-site.mjs';
import { callTool } from '../parts/mcp.mjs';
import { login, redeem, refresh } from '../parts/oauth.mjs';
import { startSite } from '../parts/site.mjs';
import { isAllowed, sessionPolicies, synthesize } from '../parts/synthesized.mjs';

const TABLE = 'mcp-auth-sessions';
const template = await synthesize();
const policies = sessionPolicies(template);

test('each group has the actions of the design, on the session table', () => {
  assert.deepEqual(policies, {
    authorize: { actions: ['PutItem', 'UpdateItem'], tables: [TABLE] },
    token: { actions: ['GetItem', 'DeleteItem'], tables: [TABLE] },
    metadata: { actions: [], tables: [] },
    mcp: { actions: [], tables: [] },
  });
});

test('another action, table or index is refused', () => {
  assert.equal(isAllowed(policies, 'authorize', 'PutItem', TABLE), true);
  for (const [group, action, table, index] of [['authorize', 'GetItem', TABLE], ['authorize', 'PutItem', 'another'],
    ['token', 'PutItem', TABLE], ['token', 'Scan', TABLE], ['token', 'Query', TABLE, 'by-user'], ['token', 'GetItem', TABLE, 'by-user'],
    ['metadata', 'GetItem', TABLE], ['mcp', 'DescribeTable', TABLE]])
    assert.equal(isAllowed(policies, group, action, table, index), false, `${group} ${action} ${table}`);
});

test('a wider policy is not read as a narrow one', () => {
  const id = Object.keys(template.Resources).find((each) => template.Resources[each].Type === 'AWS::IAM::ManagedPolicy');
  const changed = (change) => {
    const copy = structuredClone(template);
    change(copy.Resources[id].Properties.PolicyDocument.Statement[0]);
    return () => sessionPolicies(copy);
  };
  assert.throws(changed((s) => { s.Resource = '*'; }), /not one table/);
  assert.throws(changed((s) => { s.Resource = { 'Fn::Join': ['', [s.Resource, '/index/*']] }; }), /not one table/);
  assert.throws(changed((s) => { s.Action = 'dynamodb:*'; }), /not one action/);
  assert.throws(changed((s) => { s.Action = ['iam:PassRole']; }), /not one action/);
});

// A service for each group, each with the credentials of a role that has nothing but the group's synthesized policy; those
// without a policy have no credentials at all.
test('logins and calls go through four services with the permissions of the stack, and no other', async (t) => {
  const dynamodb = await startDynamoDb();
  t.after(() => dynamodb.close());
  await dynamodb.createTable(TABLE);
  const role = (group) => ({ accessKeyId: `AKIA${group.toUpperCase()}`.padEnd(20, '0'), secretAccessKey: `${group}/secret`,
    allows: (action, table, index) => isAllowed(policies, group, action, table, index) });
  const keys = { authorize: role('authorize'), token: role('token') };
  const front = await startDynamoSite({ dynamodb, table: TABLE, proxy: { keys: Object.values(keys) }, config: { ENDPOINTS: 'authorize' } });
  t.after(() => front.close());
  const service = async (group, env) => {
    const site = await startSite({ twinOf: front, config: { SESSION_STORE: 'dynamodb', SESSION_TABLE_NAME: TABLE, ENDPOINTS: group }, env });
    t.after(() => site.close());
    const issuer = `http://127.0.0.1:${site.port}`;
    return { ...front, issuer, mcpUrl: `${issuer}/mcp`, daemon: site.daemon };
  };
  const token = await service('token', front.proxy.env(keys.token));
  const metadata = await service('metadata', {});
  const mcp = await service('mcp', {});

  for (let i = 0; i < 3; i += 1) {
    const granted = await login(front);
    const issued = await redeem({ ...token, mcpUrl: front.mcpUrl }, granted);
    assert.equal(issued.status, 200, issued.text);
    assert.equal((await callTool(mcp, issued.body.access_token, 'whoami')).structuredContent.username, 'alice');
    const again = await refresh({ ...token, mcpUrl: front.mcpUrl }, issued.body.refresh_token);
    assert.equal(again.status, 200, again.text);
  }
  assert.equal((await fetch(`${metadata.issuer}/.well-known/oauth-protected-resource/mcp`)).status, 200);
  assertAllAccepted(front.proxy);
  const used = Object.groupBy(front.proxy.calls, (call) => call.accessKeyId);
  assert.deepEqual([...new Set(used[keys.authorize.accessKeyId].map((call) => call.action))].toSorted(), policies.authorize.actions.toSorted());
  assert.deepEqual([...new Set(used[keys.token.accessKeyId].map((call) => call.action))].toSorted(), policies.token.actions.toSorted());
});
