// -c tasks=yes: the table of calls that run long (TASK_TABLE_NAME), and who may do what with it.
import { CfnOutput, type Stack } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { dynamodb as metric, PERIOD } from './metrics.ts';
import type { Alarms } from './monitoring.ts';
import { parameterPath } from './parameters.ts';
import type { SessionPolicies } from './sessions.ts';
import type { Settings } from './settings.ts';

const OPERATIONS = ['PutItem', 'GetItem', 'UpdateItem'];

function makeTaskTable(stack: Stack, s: Settings): dynamodb.Table {
  return new dynamodb.Table(stack, 'McpAuthTasks', {
    tableName: 'mcp-auth-tasks',
    partitionKey: { name: 'taskId', type: dynamodb.AttributeType.STRING },
    billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
    timeToLiveAttribute: 'ttl',
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: s.pointInTimeRecovery },
    deletionProtection: s.stage === 'prod',
    removalPolicy: s.removal,
  });
}

/** The mcp group, which has no policy without tasks, gets one; the others do not know of the table. */
export function addTasks(stack: Stack, s: Settings, policies: SessionPolicies, alarms: Alarms): dynamodb.Table {
  const table = makeTaskTable(stack, s);
  const throttled = Object.fromEntries(OPERATIONS.map((Operation, i) =>
    [`m${i}`, metric('ThrottledRequests', { TableName: table.tableName, Operation })]));

  policies.mcp = new iam.ManagedPolicy(stack, 'McpPolicy', {
    managedPolicyName: 'mcp-authd-mcp',
    description: 'What mcp-authd needs for ENDPOINTS=mcp with TASK_TABLE_NAME',
    statements: [
      new iam.PolicyStatement({ actions: OPERATIONS.map((o) => `dynamodb:${o}`), resources: [table.tableArn] }),
    ],
  });
  alarms.add('TaskTableThrottled',
    new cw.MathExpression({ expression: 'SUM(METRICS())', label: 'throttled requests', usingMetrics: throttled, period: PERIOD }),
    0, 'DynamoDB throttled requests to the table of tasks');
  new CfnOutput(stack, 'TaskTableName', {
    exportName: 'McpTaskTableName',
    description: 'DynamoDB table of tasks',
    value: table.tableName,
  });
  if (s.stage === 'prod' || s.hosts > 0)
    new StringParameter(stack, 'ParameterTASK_TABLE_NAME', {
      parameterName: `${parameterPath(s)}/TASK_TABLE_NAME`,
      description: 'TASK_TABLE_NAME of mcp-authd.conf',
      stringValue: table.tableName,
    });
  return table;
}
