// The table of logins in progress, and who may do what with it.
import type { Stack } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import { type Group, GROUPS, pascal, SESSION_ACTIONS } from './endpoints.ts';
import type { Settings } from './settings.ts';

export function makeTable(stack: Stack, s: Settings): dynamodb.Table {
  return new dynamodb.Table(stack, 'McpAuthSessions', {
    tableName: 'mcp-auth-sessions',
    partitionKey: { name: 'sessionId', type: dynamodb.AttributeType.STRING },
    billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
    timeToLiveAttribute: 'ttl',
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: s.pointInTimeRecovery },
    deletionProtection: s.stage === 'prod',
    removalPolicy: s.removal,
  });
}

export type SessionPolicies = Partial<Record<Group, iam.ManagedPolicy>>;

/**
 * One managed policy per group of endpoints, for whatever role the group's process runs with: an instance profile, an
 * ECS task role, IAM Roles Anywhere. IAM has no policy that allows nothing, and a role without a policy is exactly
 * that: metadata and mcp get none, and need no credentials at all.
 */
export function makePolicies(stack: Stack, table: dynamodb.Table): SessionPolicies {
  const policies: SessionPolicies = {};

  for (const group of GROUPS.filter((g) => SESSION_ACTIONS[g].length > 0))
    policies[group] = new iam.ManagedPolicy(stack, `${pascal(group)}Policy`, {
      managedPolicyName: `mcp-authd-${group}`,
      description: `What mcp-authd needs for ENDPOINTS=${group}`,
      statements: [
        new iam.PolicyStatement({ actions: SESSION_ACTIONS[group], resources: [table.tableArn] }),
      ],
    });
  return policies;
}
