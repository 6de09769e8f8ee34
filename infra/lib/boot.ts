// The script that a new host runs once, as root. tests/aws/boot.mjs runs it on a machine of its own.
import { readFileSync } from 'node:fs';
import { GROUPS, type Group } from './endpoints.ts';
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
  /** The groups of endpoints that have a policy; the others cannot ask for the credentials of the host's role. */
  withRole: Group[];
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
systemctl disable --quiet --now mcp-authd.socket mcp-authd.service || true

# Configuration: Systems Manager holds it, the secret holds the key that all hosts share.
aws ssm get-parameters-by-path --path ${b.parameters} --query 'Parameters[].[Name,Value]' --output text |
  awk -F '\\t' '{ sub(".*/", "", $1); print $1 "=" $2 }' >mcp-authd.conf
printf '%s\\n' METRICS_EMF=yes RUNNER_SOCKET=/run/mcp-authd-runner/runner.sock >>mcp-authd.conf
install -m 644 mcp-authd.conf /etc/mcp-authd/mcp-authd.conf
(umask 077 && aws secretsmanager get-secret-value --secret-id ${b.sealingKey} \\
  --query SecretString --output text | awk 'length == ${SEALING_KEY_CHARS} { $0 = $0 "A" } { print }' >/etc/mcp-authd/secret.key)
export AWS_REGION=${b.region}
mcp-authd -t || [ $? = 1 ]
export SECRET_KEY_FILE=/etc/mcp-authd/secret.key # for doctor: the services get it from systemd

# A service and a user for each group of endpoints. systemd shows them the key, which only root can read.
install -d -m 750 /var/log/mcp-authd
install -d /etc/systemd/system/mcp-authd@.service.d
cat >/etc/systemd/system/mcp-authd@.service.d/aws.conf <<'EOF'
[Service]
Environment=AWS_REGION=${b.region}
Environment=METRICS_EMF_FILE=/var/log/mcp-authd-%i/metrics.log
LoadCredential=secret.key:/etc/mcp-authd/secret.key
Environment=SECRET_KEY_FILE=%d/secret.key
EOF
for group in ${GROUPS.join(' ')}; do
  adduser --quiet --system --group --home "/var/lib/mcp-authd-$group" --no-create-home "mcp-authd-$group"
  sed "s/mcp-authd/mcp-authd-$group/g" /etc/logrotate.d/mcp-authd >"/etc/logrotate.d/mcp-authd-$group"
done
# These have no permission, and their programs cannot ask for the credentials of the host's role.
for group in ${GROUPS.filter((g) => !b.withRole.includes(g)).join(' ')}; do
  install -d "/etc/systemd/system/mcp-authd@$group.service.d"
  cat >"/etc/systemd/system/mcp-authd@$group.service.d/no-role.conf" <<'EOF'
[Service]
IPAddressDeny=169.254.169.254 169.254.170.2 169.254.170.23 fd00:ec2::254 fd00:ec2::23
EOF
done
# Programs run as a user of their own, when the group mcp asks for them.
examples=/usr/share/doc/mcp-authd/examples
install -D -m 644 -t /etc/systemd/system/mcp-authd@mcp.service.d "$examples/mcp-authd@mcp.service.d/runner.conf"
install -D -m 644 -t /etc/systemd/system/mcp-authd-runner.service.d "$examples/mcp-authd-runner.service.d/mcp-group.conf"
install -D -m 644 -t /etc/systemd/system/mcp-authd-runner.socket.d "$examples/mcp-authd-runner.socket.d/mcp-group.conf"
systemctl daemon-reload
systemctl enable --quiet --now ${GROUPS.map((g) => `mcp-authd@${g}.service`).join(' ')}

# Logs and metrics to CloudWatch.
curl -fsS -o agent.deb ${AGENT}
apt-get install -y -qq --no-install-recommends ./agent.deb
cat >/opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json <<'EOF'
${conf('amazon-cloudwatch-agent.json')}
EOF
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s \\
  -c file:/opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json

# Cognito, DynamoDB, permissions, key and clock must be right before anybody is served. A warning (1) is for the log.
doctor() { # GROUP
  ENDPOINTS=$1 STATE_DIR=/var/lib/mcp-authd-$1 LISTEN=/run/mcp-authd/$1.sock mcp-authd doctor | tee -a /var/log/mcp-authd/doctor.log
}
doctor authorize || [ $? = 1 ]
doctor token || [ $? = 1 ]

# The web server, behind the balancer: the client's address comes from its header, and from nobody else's.
cat >/etc/lighttpd/conf-available/60-mcp-authd-balancer.conf <<'EOF'
server.modules += ( "mod_extforward" )
extforward.headers = ( "X-Forwarded-For" )
extforward.forwarder = ( "${b.network}" => "trust" )
EOF
cp /usr/share/doc/mcp-authd/examples/lighttpd-groups.conf /etc/lighttpd/conf-available/50-mcp-authd-groups.conf
lighttpd-enable-mod mcp-authd-groups mcp-authd-balancer || [ $? = 2 ]
systemctl restart lighttpd
curl -fsS --retry 20 --retry-delay 1 --retry-connrefused -m 10 -o answer.json http://127.0.0.1${b.healthPath}
trap - EXIT
tell_stack SUCCESS

# What clients will see, for the log, when the balancer has noticed this host. The name may not lead here yet.
for _ in {1..30}; do
  if curl -fsS -m 5 -o answer.json ${b.origin}${b.healthPath}; then break; fi
  sleep 10
done
for group in ${GROUPS.join(' ')}; do doctor "$group" || true; done
`;
}
