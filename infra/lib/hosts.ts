// Debian hosts behind a load balancer: -c hosts=N.
import { Duration, type Stack } from 'aws-cdk-lib';
import * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import * as route53 from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { bootScript } from './boot.ts';
import { GROUPS } from './endpoints.ts';
import type { Alarms } from './monitoring.ts';
import { parameterPath } from './parameters.ts';
import type { SessionPolicies } from './sessions.ts';
import type { Settings } from './settings.ts';

const INSTANCE_TYPE = 't3.small';
/** Debian publishes the number of its newest image there; https://wiki.debian.org/Cloud/AmazonEC2Image. */
const DEBIAN_IMAGE = '/aws/service/debian/release/13/latest/amd64';
const NETWORK = '10.81.0.0/16';
const ROOT_GIB = 10;
const CPU_TARGET_PERCENT = 60;
const HEALTH_PATH = '/.well-known/oauth-protected-resource';
/** The group's name in the template, to which hosts say that they are up. */
const HOSTS = 'Hosts';
const BOOT_MINUTES = 15;

interface Parts {
  policies: SessionPolicies;
  logGroups: LogGroup[];
  parameters: StringParameter[];
  sealingKey: Secret;
  alarms: Alarms;
}

function network(stack: Stack, s: Settings): ec2.Vpc {
  const vpc = new ec2.Vpc(stack, 'Network', {
    ipAddresses: ec2.IpAddresses.cidr(NETWORK),
    maxAzs: 2,
    natGateways: 0, // hosts call Cognito and client document hosts directly; nothing but the balancer reaches them
    subnetConfiguration: [{ name: 'public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24 }],
    restrictDefaultSecurityGroup: false, // it would take a custom resource; nothing uses that group
  });

  if (s.stage === 'prod')
    vpc.addFlowLog('FlowLog', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(new LogGroup(stack, 'FlowLogGroup', {
        logGroupName: '/mcp-authd/network',
        retention: s.retention,
        removalPolicy: s.removal,
      })),
    });
  return vpc;
}

function role(stack: Stack, s: Settings, parts: Parts, deb: Asset): iam.Role {
  const hostRole = new iam.Role(stack, 'HostRole', {
    assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
    description: 'mcp-authd hosts: sessions, their configuration, their logs',
    managedPolicies: Object.values(parts.policies),
  });
  const allow = (actions: string[], resources: string[]): void => {
    hostRole.addToPrincipalPolicy(new iam.PolicyStatement({ actions, resources }));
  };

  allow(['s3:GetObject'], [deb.bucket.arnForObjects(deb.s3ObjectKey)]);
  allow(['ssm:GetParametersByPath'],
    [stack.formatArn({ service: 'ssm', resource: 'parameter', resourceName: parameterPath(s).slice(1) })]);
  allow(['secretsmanager:GetSecretValue'], [parts.sealingKey.secretArn]);
  allow(['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
    parts.logGroups.map((g) => g.logGroupArn));
  allow(['cloudformation:SignalResource'], [stack.stackId]);
  return hostRole;
}

function group(stack: Stack, s: Settings, parts: Parts, vpc: ec2.Vpc, from: ec2.SecurityGroup): autoscaling.AutoScalingGroup {
  const deb = new Asset(stack, 'DebianPackage', { path: s.deb! });
  const securityGroup = new ec2.SecurityGroup(stack, 'HostAccess', {
    vpc,
    description: 'mcp-authd hosts: requests from the load balancer only',
  });
  const hostRole = role(stack, s, parts, deb);
  const template = new ec2.LaunchTemplate(stack, 'HostTemplate', {
    instanceType: new ec2.InstanceType(INSTANCE_TYPE),
    machineImage: ec2.MachineImage.fromSsmParameter(DEBIAN_IMAGE),
    role: hostRole,
    securityGroup,
    userData: ec2.UserData.custom(bootScript({
      region: stack.region,
      stackId: stack.stackId,
      hosts: HOSTS,
      deb: deb.s3ObjectUrl,
      parameters: parameterPath(s),
      sealingKey: parts.sealingKey.secretArn,
      network: NETWORK,
      healthPath: HEALTH_PATH,
      origin: s.origin,
      withRole: GROUPS.filter((g) => parts.policies[g]),
    })),
    associatePublicIpAddress: true,
    requireImdsv2: true,
    detailedMonitoring: true,
    blockDevices: [{
      deviceName: '/dev/xvda',
      volume: ec2.BlockDeviceVolume.ebs(ROOT_GIB, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3 }),
    }],
  });
  const hosts = new autoscaling.AutoScalingGroup(stack, HOSTS, {
    vpc,
    launchTemplate: template,
    minCapacity: s.hosts,
    maxCapacity: s.hosts * 3,
    healthChecks: autoscaling.HealthChecks.withAdditionalChecks({
      additionalTypes: [autoscaling.AdditionalHealthCheckType.ELB],
      gracePeriod: Duration.minutes(5),
    }),
    // Each host says that it is up. If one does not, the deployment is rolled back.
    signals: autoscaling.Signals.waitForMinCapacity({ timeout: Duration.minutes(BOOT_MINUTES) }),
    updatePolicy: autoscaling.UpdatePolicy.rollingUpdate({
      minInstancesInService: s.hosts,
      pauseTime: Duration.minutes(BOOT_MINUTES),
      waitOnResourceSignals: true,
    }),
    notifications: [{ topic: parts.alarms.topic, scalingEvents: autoscaling.ScalingEvents.ALL }],
  });

  (hosts.node.defaultChild as autoscaling.CfnAutoScalingGroup).overrideLogicalId(HOSTS);
  // What the first host reads is there before it starts.
  hosts.node.addDependency(hostRole, ...parts.parameters, ...parts.logGroups);
  securityGroup.addIngressRule(from, ec2.Port.tcp(80), 'the load balancer');
  hosts.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: CPU_TARGET_PERCENT });
  return hosts;
}

/** The hosts' address: TLS ends here. */
function balancer(stack: Stack, s: Settings, parts: Parts, vpc: ec2.Vpc): void {
  const securityGroup = new ec2.SecurityGroup(stack, 'BalancerAccess', { vpc, description: 'https from everywhere' });
  const alb = new elb.ApplicationLoadBalancer(stack, 'Balancer', {
    vpc,
    internetFacing: true,
    securityGroup,
    dropInvalidHeaderFields: true,
    deletionProtection: s.stage === 'prod',
    idleTimeout: Duration.minutes(3), // a tool may be silent for long
  });
  const zone = s.zone && route53.HostedZone.fromHostedZoneAttributes(stack, 'Zone', {
    hostedZoneId: s.zone.id,
    zoneName: s.zone.name,
  });
  const certificate = s.certificateArn
    ? acm.Certificate.fromCertificateArn(stack, 'Certificate', s.certificateArn)
    : new acm.Certificate(stack, 'Certificate', {
      domainName: s.domain!,
      validation: acm.CertificateValidation.fromDns(zone),
    });
  const targets = new elb.ApplicationTargetGroup(stack, 'Targets', {
    vpc,
    port: 80,
    protocol: elb.ApplicationProtocol.HTTP,
    targets: [group(stack, s, parts, vpc, securityGroup)],
    healthCheck: { path: HEALTH_PATH, healthyHttpCodes: '200', interval: Duration.seconds(15), healthyThresholdCount: 2 },
    deregistrationDelay: Duration.seconds(60),
  });

  alb.addListener('Https', {
    port: 443,
    protocol: elb.ApplicationProtocol.HTTPS,
    sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
    certificates: [certificate],
    defaultTargetGroups: [targets],
    open: true,
  });
  if (zone)
    new route53.ARecord(stack, 'Alias', {
      zone,
      recordName: s.domain!,
      target: route53.RecordTarget.fromAlias(new LoadBalancerTarget(alb)),
    });
  parts.alarms.add('HostsUnhealthy', targets.metrics.unhealthyHostCount({ statistic: 'Maximum' }), 0,
    'The load balancer gets no good answer from a host', { evaluationPeriods: 2 });
  parts.alarms.add('Balancer5XX', alb.metrics.httpCodeElb(elb.HttpCodeElb.ELB_5XX_COUNT, { statistic: 'Sum' }), 0,
    'The load balancer itself answered with 5xx: no host could', { treatMissingData: cw.TreatMissingData.NOT_BREACHING });
}

export function makeHosts(stack: Stack, s: Settings, parts: Parts): void {
  balancer(stack, s, parts, network(stack, s));
}
