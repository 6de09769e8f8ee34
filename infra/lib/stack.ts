import { type App, Stack } from 'aws-cdk-lib';
import { addBackups } from './backups.ts';
import { makeUsers } from './cognito.ts';
import { makeHosts } from './hosts.ts';
import { makeLogGroups, makeMonitoring } from './monitoring.ts';
import { makeOutputs } from './outputs.ts';
import { makeParameters, makeSealingKey } from './parameters.ts';
import { makePolicies, makeTable } from './sessions.ts';
import type { Settings } from './settings.ts';
import { addSites } from './sites.ts';
import { addTasks } from './tasks.ts';

/** Everything of mcp-authd that is AWS's: users, sessions, permissions, logs and alarms; hosts if wanted. */
export class AuthenticatedMcpStack extends Stack {
  constructor(app: App, id: string, settings: Settings) {
    super(app, id, {
      description: 'Authenticated MCP server: Cognito, sessions, permissions, monitoring of mcp-authd',
      terminationProtection: settings.stage === 'prod',
    });
    const users = makeUsers(this, settings);
    const table = makeTable(this, settings);
    const policies = makePolicies(this, table);
    const logGroups = makeLogGroups(this, settings);
    const alarms = makeMonitoring(this, settings, table);
    const tables = settings.tasks ? [table, addTasks(this, settings, policies, alarms)] : [table];
    if (settings.backups > 0) addBackups(this, settings, tables);
    if (settings.sites.length) addSites(this, settings, users.pool);

    makeOutputs(this, settings, users, table.tableName);
    if (settings.stage === 'dev' && settings.hosts === 0) return;
    const parameters = makeParameters(this, settings, users, table.tableName);
    const sealingKey = makeSealingKey(this, settings);
    if (settings.hosts > 0) makeHosts(this, settings, { policies, logGroups, parameters, sealingKey, alarms });
  }
}
