// The configuration of the program in Systems Manager, and its sealing key in Secrets Manager: for hosts, and for
// production wherever the program runs. Nothing in the parameters is secret.
import { Aws, type Stack } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Users } from './cognito.ts';
import type { Settings } from './settings.ts';

export const parameterPath = (s: Settings): string => `/mcp-authd/${s.stage}`;

export function makeParameters(stack: Stack, s: Settings, users: Users, tableName: string): StringParameter[] {
  const values: Record<string, string> = {
    MCP_SERVER_URI: `${s.origin}/mcp`,
    AUTH_PROXY_URI: s.origin,
    COGNITO_REGION: Aws.REGION,
    COGNITO_USER_POOL_ID: users.pool.userPoolId,
    COGNITO_CLIENT_ID: users.client.userPoolClientId,
    COGNITO_DOMAIN: users.domain,
    SUPPORTED_SCOPES: 'openid email profile mcp-server/tools',
    SESSION_STORE: 'dynamodb',
    SESSION_TABLE_NAME: tableName,
  };

  if (s.allowedOrigins) values.ALLOWED_ORIGINS = s.allowedOrigins;
  return Object.entries(values).map(([key, stringValue]) =>
    new StringParameter(stack, `Parameter${key}`, {
      parameterName: `${parameterPath(s)}/${key}`,
      description: `${key} of mcp-authd.conf`,
      stringValue,
    }));
}

/**
 * Lines of 42 letters and digits. With an A behind it each is base64url of 32 bytes, which is a line of the program's
 * key file; the A fills the last, half-used character. To change keys, put a new line before the old one.
 */
export const SEALING_KEY_CHARS = 42;

export function makeSealingKey(stack: Stack, s: Settings): Secret {
  const secret = new Secret(stack, 'SealingKey', {
    secretName: `mcp-authd/${s.stage}/sealing-key`,
    description: 'Seals what leaves mcp-authd and comes back; the same on all hosts',
    generateSecretString: { passwordLength: SEALING_KEY_CHARS, excludePunctuation: true },
  });

  secret.applyRemovalPolicy(s.removal);
  return secret;
}
