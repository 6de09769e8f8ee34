// Users, their login pages, and the app client that the proxy is: one, and one for each site (sites.ts).
import { Aws, Duration, type Stack } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { Construct } from 'constructs';
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
/** The resource server of the service itself; each site has its own. */
export const MAIN_IDENTIFIER = 'mcp-server';

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

export interface Client {
  /** Ids of the constructs: of the resource server, the app client and the style of its login pages. */
  ids: [server: string, client: string, branding: string];
  /** Identifier of the resource server: what its scope begins with. */
  identifier: string;
  serverName: string;
  callbackUrls: string[];
}

/** `scope` holds the style: the stack, or what keeps the ids of sites apart. */
export function makeClient(scope: Construct, pool: cognito.UserPool, c: Client): cognito.UserPoolClient {
  const tools = new cognito.ResourceServerScope({ scopeName: 'tools', scopeDescription: 'Call the tools' });
  const server = pool.addResourceServer(c.ids[0], {
    identifier: c.identifier,
    userPoolResourceServerName: c.serverName,
    scopes: [tools],
  });
  const client = pool.addClient(c.ids[1], {
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
      callbackUrls: c.callbackUrls,
    },
    supportedIdentityProviders: [cognito.UserPoolClientIdentityProvider.COGNITO],
    accessTokenValidity: Duration.hours(1),
    idTokenValidity: Duration.hours(1),
    refreshTokenValidity: Duration.days(30),
    refreshTokenRotationGracePeriod: Duration.seconds(ROTATION_GRACE_S),
    enableTokenRevocation: true,
    preventUserExistenceErrors: true,
  });

  // The newer pages answer "login pages unavailable" for a client without a style.
  new cognito.CfnManagedLoginBranding(scope, c.ids[2], {
    userPoolId: pool.userPoolId,
    clientId: client.userPoolClientId,
    useCognitoProvidedValues: true,
  });
  return client;
}

export function makeUsers(stack: Stack, s: Settings): Users {
  const pool = userPool(stack, s);
  const callbackUrls = [`${s.origin}/callback`];

  if (s.localhostCallbacks) callbackUrls.push('http://localhost:3000/callback', 'https://localhost:3000/callback');
  const client = makeClient(stack, pool, {
    ids: ['McpResourceServer', 'McpUserPoolClient', 'McpManagedLoginBranding'],
    identifier: MAIN_IDENTIFIER,
    serverName: 'MCP server',
    callbackUrls,
  });
  const prefix = `mcp-auth-${Aws.ACCOUNT_ID}`;
  const managedLoginVersion = cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN;
  const domain = pool.addDomain('McpUserPoolDomain', {
    cognitoDomain: { domainPrefix: prefix },
    managedLoginVersion,
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
