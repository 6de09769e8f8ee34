// The script that a new host runs once, as root. tests/aws/boot.mjs runs it on a machine of its own.
import { readFileSync } from 'node:fs';
import { SEALING_KEY_CHARS } from './parameters.ts';

const AGENT = 'https://amazoncloudwatch-agent.s3.amazonaws.com/debian/amd64/latest/amazon-cloudwatch-agent.deb';
const METADATA = 'http://169.254.169.254/latest';

export interface Boot {
  region: string;
  /** The stack, and the auto-scaling group in it, that wait for the host. */
  stackId: string;
  hosts: string;
  /** s3:// address of the package. */
  deb: string;
  /** Path of the parameters in Systems Manager, and name of the secret. */
  parameters: string;
  sealingKey: string;
  /** Where the balancer's requests come from, and what it asks for. */
  network: string;
  healthPath: string;
  /** Where clients find the service. */
  origin: string;
}

const conf = (name: string): string =>
  readFileSync(new URL(`../../conf/cloudwatch/${name}`, import.meta.url), 'utf8').trim();

/** It stops at the first step that fails: then the balancer never sends the host a request, and the stack is told. */
export function bootScript(b: Boot): string {
  return `#!/bin/bash
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive AWS_DEFAULT_REGION=${b.region}
cd /root

# The stack waits for this while it is made or updated; at any other time nobody listens.
tell_stack() {
  local token instance
  token=$(curl -fsS -m 10 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ${METADATA}/api/token)
  instance=$(curl -fsS -m 10 -H "X-aws-ec2-metadata-token: $token" ${METADATA}/meta-data/instance-id)
  aws cloudformation signal-resource --stack-name ${b.stackId} --logical-resource-id ${b.hosts} \\
    --unique-id "$instance" --status "$1" || echo "no stack waits for this host"
}
trap 'tell_stack FAILURE' EXIT

apt-get update -qq
apt-get install -y -qq --no-install-recommends awscli ca-certificates curl lighttpd logrotate unattended-upgrades
aws s3 cp --quiet ${b.deb} mcp-authd.deb
apt-get install -y -qq --no-install-recommends ./mcp-authd.deb
systemctl stop mcp-authd.socket mcp-authd.service || true

# Configuration: Systems Manager holds it, the secret holds the key that all hosts share.
aws ssm get-parameters-by-path --path ${b.parameters} --query 'Parameters[].[Name,Value]' --output text |
  awk -F '\\t' '{ sub(".*/", "", $1); print $1 "=" $2 }' >mcp-authd.conf
printf '%s\\n' METRICS_EMF=yes METRICS_EMF_FILE=/var/log/mcp-authd/metrics.log >>mcp-authd.conf
install -m 644 mcp-authd.conf /etc/mcp-authd/mcp-authd.conf
install -d -o mcp-authd -g mcp-authd -m 700 /var/lib/mcp-authd
(umask 077 && aws secretsmanager get-secret-value --secret-id ${b.sealingKey} \\
  --query SecretString --output text | awk 'length == ${SEALING_KEY_CHARS} { $0 = $0 "A" } { print }' >secret.key)
install -o mcp-authd -g mcp-authd -m 600 secret.key /var/lib/mcp-authd/secret.key
rm secret.key
install -d /etc/systemd/system/mcp-authd.service.d
cat >/etc/systemd/system/mcp-authd.service.d/aws.conf <<'EOF'
[Service]
Environment=AWS_REGION=${b.region}
EOF
systemctl daemon-reload
AWS_REGION=${b.region} mcp-authd -t || [ $? = 1 ]
systemctl restart mcp-authd.socket mcp-authd.service

# Logs and metrics to CloudWatch.
curl -fsS -o agent.deb ${AGENT}
apt-get install -y -qq --no-install-recommends ./agent.deb
cat >/opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json <<'EOF'
${conf('amazon-cloudwatch-agent.json')}
EOF
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s \\
  -c file:/opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json

# Cognito, DynamoDB, permissions, key and clock must be right before anybody is served. A warning (1) is for the log.
doctor() {
  runuser -u mcp-authd -- env AWS_REGION=${b.region} "$@" mcp-authd doctor | tee -a /var/log/mcp-authd/doctor.log
}
doctor ENDPOINTS='authorize token' || [ $? = 1 ]

# The web server, behind the balancer: the client's address comes from its header, and from nobody else's.
cat >/etc/lighttpd/conf-available/60-mcp-authd-balancer.conf <<'EOF'
server.modules += ( "mod_extforward" )
extforward.headers = ( "X-Forwarded-For" )
extforward.forwarder = ( "${b.network}" => "trust" )
EOF
lighttpd-enable-mod mcp-authd mcp-authd-balancer || [ $? = 2 ]
systemctl restart lighttpd
curl -fsS --retry 20 --retry-delay 1 --retry-connrefused -m 10 -o answer.json http://127.0.0.1${b.healthPath}
trap - EXIT
tell_stack SUCCESS

# What clients will see, for the log, when the balancer has noticed this host. The name may not lead here yet.
for _ in {1..30}; do
  if curl -fsS -m 5 -o answer.json ${b.origin}${b.healthPath}; then break; fi
  sleep 10
done
doctor || true
`;
}
