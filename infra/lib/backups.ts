// -c backups=DAYS: a backup of each table every night, kept for so many days, also when the table is deleted.
import type { Stack } from 'aws-cdk-lib';
import { Duration } from 'aws-cdk-lib';
import { BackupPlan, BackupPlanRule, BackupResource, BackupVault } from 'aws-cdk-lib/aws-backup';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Schedule } from 'aws-cdk-lib/aws-events';
import type { Settings } from './settings.ts';

export function addBackups(stack: Stack, s: Settings, tables: dynamodb.Table[]): void {
  const vault = new BackupVault(stack, 'Backups', { backupVaultName: 'mcp-authd', removalPolicy: s.removal });
  const plan = new BackupPlan(stack, 'BackupPlan', { backupPlanName: 'mcp-authd', backupVault: vault });

  plan.addRule(new BackupPlanRule({
    ruleName: 'nightly',
    scheduleExpression: Schedule.cron({ hour: '3', minute: '0' }),
    deleteAfter: Duration.days(s.backups),
  }));
  plan.addSelection('Tables', { resources: tables.map((table) => BackupResource.fromDynamoDbTable(table)) });
}
