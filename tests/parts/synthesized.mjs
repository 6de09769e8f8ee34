// What the AWS stack of infra/ allows, read from the template that it synthesizes to: the policies that a DynamoDB in tests
// enforces are those that are deployed.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ROOT } from './util.mjs';

const run = promisify(execFile);
export const GROUPS = ['authorize', 'token', 'metadata', 'mcp'];

// The CloudFormation template. `context` is what `cdk -c` takes.
export async function synthesize(context = {}) {
  const out = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-synth-'));
  try {
    await run(process.execPath, [path.join(ROOT, 'infra/bin/app.ts')], {
      cwd: path.join(ROOT, 'infra'),
      env: { PATH: process.env.PATH, CDK_OUTDIR: out, CDK_CONTEXT_JSON: JSON.stringify(context) },
    });
    return JSON.parse(fs.readFileSync(path.join(out, 'AuthenticatedMcpStack.template.json'), 'utf8'));
  } finally {
    fs.rmSync(out, { recursive: true });
  }
}

// The table that a policy's resource is; anything but the ARN of one table of the template is refused: an index, a wildcard.
function tableOf(template, resource) {
  const [id, attribute] = resource?.['Fn::GetAtt'] ?? [];
  const table = template.Resources[id];
  if (attribute !== 'Arn' || table?.Type !== 'AWS::DynamoDB::Table')
    throw new Error(`not one table: ${JSON.stringify(resource)}`);
  return table.Properties.TableName;
}

// { authorize: { actions: ['PutItem', 'UpdateItem'], tables: ['mcp-auth-sessions'] }, … }: what a role that has nothing but the
// managed policy of its group of endpoints may do with DynamoDB. A group without a policy may do nothing.
export function sessionPolicies(template) {
  const allowed = Object.fromEntries(GROUPS.map((group) => [group, { actions: [], tables: [] }]));
  for (const { Type, Properties: policy } of Object.values(template.Resources)) {
    if (Type !== 'AWS::IAM::ManagedPolicy') continue;
    const group = policy.ManagedPolicyName.replace(/^mcp-authd-/, '');
    if (!allowed[group]) throw new Error(`a policy for no group of endpoints: ${policy.ManagedPolicyName}`);
    for (const { Effect, Action, Resource } of policy.PolicyDocument.Statement) {
      if (Effect !== 'Allow') throw new Error('a statement that does not allow');
      for (const action of [Action].flat()) {
        const match = /^dynamodb:([A-Za-z]+)$/.exec(action);
        if (!match) throw new Error(`not one action of DynamoDB: ${action}`);
        allowed[group].actions.push(match[1]);
      }
      for (const resource of [Resource].flat()) allowed[group].tables.push(tableOf(template, resource));
    }
  }
  return allowed;
}

// Whether a role of that group may make the call: an X-Amz-Target's last part, and the TableName of its body.
export function isAllowed(policies, group, action, table, index) {
  const { actions, tables } = policies[group];
  return index === undefined && actions.includes(action) && tables.includes(table);
}
