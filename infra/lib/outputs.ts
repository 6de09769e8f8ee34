// The stack's outputs, with the keys and export names of docs/infrastructure.md. scripts/outputs-to-conf reads them.
import { CfnOutput, type Stack } from 'aws-cdk-lib';
import type { Users } from './cognito.ts';
import type { Settings } from './settings.ts';

export function makeOutputs(stack: Stack, s: Settings, users: Users, tableName: string): void {
  const out = (key: string, exportName: string, description: string, value: string): void => {
    new CfnOutput(stack, key, { exportName, description, value });
  };

  out('UserPoolId', 'McpUserPoolId', 'Cognito User Pool ID', users.pool.userPoolId);
  out('UserPoolClientId', 'McpUserPoolClientId', 'Cognito User Pool Client ID', users.client.userPoolClientId);
  out('UserPoolDomain', 'McpUserPoolDomain', 'Cognito User Pool Domain', users.domain);
  out('CognitoManagedUIUrl', 'McpCognitoManagedUIUrl', 'Cognito Managed UI URL', users.url);
  out('AuthProxyApiUrl', 'McpAuthProxyApiUrl', 'Authorization proxy URL: the issuer', s.origin);
  out('McpServerApiUrl', 'McpServerApiUrl', 'MCP server URL', s.origin);
  out('AuthorizeEndpoint', 'McpAuthorizeEndpoint', 'Authorization endpoint URL', `${s.origin}/authorize`);
  out('TokenEndpoint', 'McpTokenEndpoint', 'Token endpoint URL', `${s.origin}/token`);
  out('ProtectedResourceMetadataEndpoint', 'McpProtectedResourceMetadataEndpoint',
    'Protected Resource Metadata URL', `${s.origin}/.well-known/oauth-protected-resource`);
  out('McpEndpoint', 'McpEndpoint', 'MCP protocol endpoint URL', `${s.origin}/mcp`);
  out('SessionTableName', 'McpSessionTableName', 'DynamoDB session table name', tableName);
  if (s.allowedOrigins)
    out('AllowedOrigins', 'McpAllowedOrigins', 'Web origins whose pages may call the service', s.allowedOrigins);
}
