// Users, their login pages, and the one app client that the proxy is.
import { Aws, Duration, type Stack } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { Settings } from './settings.ts';

export interface Users {
  pool: cognito.UserPool;
  client: cognito.UserPoolClient;
  /** For COGNITO_DOMAIN: the prefix, or the custom domain. */
  domain: string;
  /** Its address. */
  url: string;
}

/** Longest that Cognito allows. A client whose answer got lost asks again with the token that it still has. */
const ROTATION_GRACE_S = 60;

function userPool(stack: Stack, s: Settings): cognito.UserPool {
  return new cognito.UserPool(stack, 'McpUserPool', {
    userPoolName: 'McpUserPool',
    selfSignUpEnabled: true,
    signInAliases: { email: true, username: true },
    autoVerify: { email: true },
    keepOriginal: { email: true }, // a new address counts when it is verified, not before
    passwordPolicy: {
      minLength: 8,
      requireLowercase: true,
      requireUppercase: true,
      requireDigits: true,
      requireSymbols: true,
    },
    accountRecovery: cognito.AccountRecovery.EMAIL_ONLY,
    featurePlan: cognito.FeaturePlan.ESSENTIALS, // managed login needs it
    deletionProtection: s.stage === 'prod',
    removalPolicy: s.removal,
  });
}

function appClient(s: Settings, pool: cognito.UserPool): cognito.UserPoolClient {
  const tools = new cognito.ResourceServerScope({ scopeName: 'tools', scopeDescription: 'Call the tools' });
  const server = pool.addResourceServer('McpResourceServer', {
    identifier: 'mcp-server',
    userPoolResourceServerName: 'MCP server',
    scopes: [tools],
  });
  const callbackUrls = [`${s.origin}/callback`];

  if (s.localhostCallbacks) callbackUrls.push('http://localhost:3000/callback', 'https://localhost:3000/callback');
  return pool.addClient('McpUserPoolClient', {
    generateSecret: false,
    authFlows: {}, // only the code grant: no password reaches Cognito but through its own pages
    oAuth: {
      flows: { authorizationCodeGrant: true },
      scopes: [
        cognito.OAuthScope.OPENID,
        cognito.OAuthScope.EMAIL,
        cognito.OAuthScope.PROFILE,
        cognito.OAuthScope.resourceServer(server, tools),
      ],
      callbackUrls,
    },
    supportedIdentityProviders: [cognito.UserPoolClientIdentityProvider.COGNITO],
    accessTokenValidity: Duration.hours(1),
    idTokenValidity: Duration.hours(1),
    refreshTokenValidity: Duration.days(30),
    refreshTokenRotationGracePeriod: Duration.seconds(ROTATION_GRACE_S),
    enableTokenRevocation: true,
    preventUserExistenceErrors: true,
  });
}

export function makeUsers(stack: Stack, s: Settings): Users {
  const pool = userPool(stack, s);
  const client = appClient(s, pool);
  const prefix = `mcp-auth-${Aws.ACCOUNT_ID}`;
  const managedLoginVersion = cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN;
  const domain = pool.addDomain('McpUserPoolDomain', {
    cognitoDomain: { domainPrefix: prefix },
    managedLoginVersion,
  });

  // The newer pages answer "login pages unavailable" for a client without a style.
  new cognito.CfnManagedLoginBranding(stack, 'McpManagedLoginBranding', {
    userPoolId: pool.userPoolId,
    clientId: client.userPoolClientId,
    useCognitoProvidedValues: true,
  });
  if (!s.authDomain || !s.authCertificateArn) return { pool, client, domain: prefix, url: domain.baseUrl() };

  const custom = pool.addDomain('McpUserPoolCustomDomain', {
    customDomain: {
      domainName: s.authDomain,
      certificate: Certificate.fromCertificateArn(stack, 'AuthCertificate', s.authCertificateArn),
    },
    managedLoginVersion,
  });
  if (s.zone && s.authDomain.endsWith(`.${s.zone.name}`)) {
    const zone = HostedZone.fromHostedZoneAttributes(stack, 'AuthZone', {
      hostedZoneId: s.zone.id,
      zoneName: s.zone.name,
    });
    new ARecord(stack, 'AuthAlias', {
      zone,
      recordName: s.authDomain,
      // The library's own target for such a domain asks for the name with a Lambda function; the resource knows it.
      target: RecordTarget.fromAlias({
        bind: () => ({ dnsName: custom.cloudFrontEndpoint, hostedZoneId: CloudFrontTarget.getHostedZoneId(stack) }),
      }),
    });
  }
  return { pool, client, domain: s.authDomain, url: `https://${s.authDomain}` };
}
