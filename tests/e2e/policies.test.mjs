// The policies of the AWS stack, read back from its template: each group of endpoints may do what the program does there, and
// nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
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
