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
import { readFileSync } from 'node:fs';
import type { Alarms } from './monitoring.ts';
import { parameterPath, SEALING_KEY_CHARS } from './parameters.ts';
import type { SessionPolicies } from './sessions.ts';
import type { Settings } from './settings.ts';

const INSTANCE_TYPE = 't3.small';
/** Debian publishes the number of its newest image there; https://wiki.debian.org/Cloud/AmazonEC2Image. */
const DEBIAN_IMAGE = '/aws/service/debian/release/13/latest/amd64';
const NETWORK = '10.81.0.0/16';
const ROOT_GIB = 10;
const CPU_TARGET_PERCENT = 60;
const HEALTH_PATH = '/.well-known/oauth-protected-resource';
const AGENT = 'https://amazoncloudwatch-agent.s3.amazonaws.com/debian/amd64/latest/amazon-cloudwatch-agent.deb';

interface Parts {
  policies: SessionPolicies;
  logGroups: LogGroup[];
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
  return hostRole;
}

/** What a new host does, as root. It fails as a whole, and the balancer never sends it a request, if a step fails. */
function bootScript(stack: Stack, s: Settings, parts: Parts, deb: Asset): string {
  const conf = (name: string): string =>
    readFileSync(new URL(`../../conf/cloudwatch/${name}`, import.meta.url), 'utf8').trim();

  return `#!/bin/bash
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive AWS_DEFAULT_REGION=${stack.region}
apt-get update -qq
apt-get install -y -qq --no-install-recommends awscli ca-certificates curl lighttpd logrotate unattended-upgrades
cd /root
aws s3 cp --quiet s3://${deb.s3BucketName}/${deb.s3ObjectKey} mcp-authd.deb
apt-get install -y -qq --no-install-recommends ./mcp-authd.deb
systemctl stop mcp-authd.socket mcp-authd.service || true

# Configuration: Systems Manager holds it, the secret holds the key that all hosts share.
aws ssm get-parameters-by-path --path ${parameterPath(s)} --query 'Parameters[].[Name,Value]' --output text |
  awk -F '\\t' '{ sub(".*/", "", $1); print $1 "=" $2 }' >mcp-authd.conf
printf '%s\\n' METRICS_EMF=yes METRICS_EMF_FILE=/var/log/mcp-authd/metrics.log >>mcp-authd.conf
install -m 644 mcp-authd.conf /etc/mcp-authd/mcp-authd.conf
install -d -o mcp-authd -g mcp-authd -m 700 /var/lib/mcp-authd
install -d -o mcp-authd -g adm -m 750 /var/log/mcp-authd
(umask 077 && aws secretsmanager get-secret-value --secret-id ${parts.sealingKey.secretArn} \\
  --query SecretString --output text | awk 'length == ${SEALING_KEY_CHARS} { $0 = $0 "A" } { print }' >secret.key)
install -o mcp-authd -g mcp-authd -m 600 secret.key /var/lib/mcp-authd/secret.key
rm secret.key
install -d /etc/systemd/system/mcp-authd.service.d
cat >/etc/systemd/system/mcp-authd.service.d/aws.conf <<'EOF'
[Service]
Environment=AWS_REGION=${stack.region}
ReadWritePaths=/var/log/mcp-authd
EOF
systemctl daemon-reload
AWS_REGION=${stack.region} mcp-authd -t
systemctl restart mcp-authd.socket mcp-authd.service

# The web server, behind the balancer: the client's address comes from its header, and from nobody else's.
cat >/etc/lighttpd/conf-available/60-mcp-authd-balancer.conf <<'EOF'
server.modules += ( "mod_extforward" )
extforward.headers = ( "X-Forwarded-For" )
extforward.forwarder = ( "${NETWORK}" => "trust" )
EOF
lighttpd-enable-mod mcp-authd mcp-authd-balancer || [ $? = 2 ]
systemctl restart lighttpd

# Logs and metrics to CloudWatch.
cat >/etc/logrotate.d/mcp-authd <<'EOF'
${conf('mcp-authd.logrotate')}
EOF
curl -fsS -o agent.deb ${AGENT}
apt-get install -y -qq --no-install-recommends ./agent.deb
cat >/opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json <<'EOF'
${conf('amazon-cloudwatch-agent.json')}
EOF
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s \\
  -c file:/opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json
`;
}

function group(stack: Stack, s: Settings, parts: Parts, vpc: ec2.Vpc, from: ec2.SecurityGroup): autoscaling.AutoScalingGroup {
  const deb = new Asset(stack, 'DebianPackage', { path: s.deb! });
  const securityGroup = new ec2.SecurityGroup(stack, 'HostAccess', {
    vpc,
    description: 'mcp-authd hosts: requests from the load balancer only',
  });
  const template = new ec2.LaunchTemplate(stack, 'HostTemplate', {
    instanceType: new ec2.InstanceType(INSTANCE_TYPE),
    machineImage: ec2.MachineImage.fromSsmParameter(DEBIAN_IMAGE),
    role: role(stack, s, parts, deb),
    securityGroup,
    userData: ec2.UserData.custom(bootScript(stack, s, parts, deb)),
    associatePublicIpAddress: true,
    requireImdsv2: true,
    detailedMonitoring: true,
    blockDevices: [{
      deviceName: '/dev/xvda',
      volume: ec2.BlockDeviceVolume.ebs(ROOT_GIB, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3 }),
    }],
  });
  const hosts = new autoscaling.AutoScalingGroup(stack, 'Hosts', {
    vpc,
    launchTemplate: template,
    minCapacity: s.hosts,
    maxCapacity: s.hosts * 3,
    healthChecks: autoscaling.HealthChecks.withAdditionalChecks({
      additionalTypes: [autoscaling.AdditionalHealthCheckType.ELB],
      gracePeriod: Duration.minutes(5),
    }),
    updatePolicy: autoscaling.UpdatePolicy.rollingUpdate({
      minInstancesInService: s.hosts,
      pauseTime: Duration.minutes(5),
    }),
    notifications: [{ topic: parts.alarms.topic, scalingEvents: autoscaling.ScalingEvents.ALL }],
  });

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
