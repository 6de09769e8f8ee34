// Findings of cdk-nag that are meant to be as they are, and why. One that is not listed fails the synthesis.
import { type Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

const REASONS: { path: RegExp; id: string; reason: string; stage?: 'dev' }[] = [
  {
    path: /^McpUserPool\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-COG2',
    reason: 'The document asks for a password policy and no second factor; whether users must have one is the choice '
      + "of the pool's owner, and the program works with either.",
  },
  {
    path: /^McpUserPool\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-COG8',
    reason: 'The Plus plan is paid per user. Essentials has all that the document asks for, managed login included.',
  },
  {
    path: /^McpAuthSessions\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-DDB3',
    stage: 'dev',
    reason: 'The document keeps point-in-time recovery for production; a login in progress lives for minutes.',
  },
  {
    path: /^McpAuthTasks\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-DDB3',
    stage: 'dev',
    reason: 'As for sessions: recovery is for production; a task can be asked for until an hour after it ended.',
  },
  {
    path: /^SealingKey\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-SMG4',
    reason: 'Rotation takes two steps on all hosts (a new key before the old one, later without it), which is '
      + 'described in docs/production.md; a function that replaced the key would end every session at once.',
  },
  {
    path: /^BackupPlan\/Tables\/Role\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup]',
    reason: "AWS Backup's own policy for what it may read: AWS changes it as the service needs, and only that service may take the role.",
  },
  {
    path: /^Network\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-VPC7',
    stage: 'dev',
    reason: 'Flow logs are kept in production.',
  },
  {
    path: /^BalancerAccess\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-EC23',
    reason: 'The service is for the public: https, and nothing else, is open to everybody.',
  },
  {
    path: /^Balancer\/Resource$/,
    id: 'AwsSolutions::AwsSolutions-ELB2',
    reason: 'Every request is in the log groups of mcp-authd, with the client address, without tokens; the '
      + "balancer's log would keep query strings, and with them authorization codes.",
  },
];

export function acknowledge(stack: Stack, stage: string): void {
  const visit = (node: IConstruct): void => {
    const path = node.node.path.slice(stack.node.path.length + 1);
    for (const { id, reason } of REASONS.filter((r) => r.path.test(path) && (!r.stage || r.stage === stage)))
      Validations.of(node).acknowledge({ id, reason });
    node.node.children.forEach(visit);
  };
  visit(stack);
}
