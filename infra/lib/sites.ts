// -c sites=a,b: what each site of one daemon (docs/hosting.md) has of its own. Tables and policies are the service's: the keys of
// items begin with the site's name.
import { CfnOutput, type Stack } from 'aws-cdk-lib';
import type { UserPool } from 'aws-cdk-lib/aws-cognito';
import { LogGroup, LogStream } from 'aws-cdk-lib/aws-logs';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { makeClient } from './cognito.ts';
import { parameterPath } from './parameters.ts';
import type { Settings } from './settings.ts';

export const SITES_LOG_GROUP = '/mcp-authd/sites';

/** The keys of sites.d/NAME.conf; the rest comes from mcp-authd.conf. */
const keysOf = (s: Settings, name: string, clientId: string): Record<string, string> => ({
  MCP_SERVER_URI: `${s.origin}/${name}/mcp`,
  AUTH_PROXY_URI: `${s.origin}/${name}`,
  COGNITO_CLIENT_ID: clientId,
  SUPPORTED_SCOPES: `openid email profile ${name}/tools`,
  REQUIRED_SCOPES: `${name}/tools`,
});

export function addSites(stack: Stack, s: Settings, pool: UserPool): void {
  const sites = new Construct(stack, 'Sites'); // below it the ids of two names never meet
  const logGroup = new LogGroup(stack, 'SitesLog', {
    logGroupName: SITES_LOG_GROUP,
    retention: s.retention,
    removalPolicy: s.removal,
  });

  for (const name of s.sites) {
    const { userPoolClientId } = makeClient(sites, pool, {
      ids: [`SiteResourceServer-${name}`, `SiteClient-${name}`, `ManagedLoginBranding-${name}`],
      identifier: name,
      serverName: `MCP server ${name}`,
      callbackUrls: [`${s.origin}/${name}/callback`],
    });

    new LogStream(sites, `Log-${name}`, { logGroup, logStreamName: name, removalPolicy: s.removal });
    new CfnOutput(sites, name, {
      exportName: `McpSite-${name}`,
      description: `Site ${name}: its name, and the ID of its app client`,
      value: `${name} ${userPoolClientId}`,
    });
    if (s.stage !== 'prod') continue;
    for (const [key, stringValue] of Object.entries(keysOf(s, name, userPoolClientId)))
      new StringParameter(sites, `Parameter-${name}-${key}`, {
        parameterName: `${parameterPath(s)}/sites/${name}/${key}`,
        description: `${key} of sites.d/${name}.conf`,
        stringValue,
      });
  }
}
