// A host's boot script, as the stack of infra/ synthesizes it, run to its end by a real systemd in a minimal Debian 13, with the
// package, Debian's own AWS command line tool, and stand-ins for what is behind it: instance metadata, S3, Systems Manager,
// Secrets Manager, CloudFormation, the agent's download, DynamoDB with the policies of the role, Cognito.
//
//     node tests/aws/boot.mjs [PACKAGE]       as root; a PACKAGE for Debian 13, otherwise one is built in the tree
//
// CHROOTS names a folder with a clean tree `trixie` to copy; otherwise one is made. The tree is deleted at the end, or kept with KEEP=1.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { startCognito } from '../parts/cognito.mjs';
import { startDynamoDb } from '../parts/dynamodb.mjs';
import { startDynamoDbProxy } from '../parts/dynamodb-proxy.mjs';
import { GROUPS, isAllowed, sessionPolicies, synthesize } from '../parts/synthesized.mjs';
import { makeCertificates } from '../parts/tls.mjs';
import { accepts, readBody, ROOT } from '../parts/util.mjs';

const SUITE = 'trixie';
const REGION = 'us-east-1';
const DOMAIN = 'mcp.example.com';
const INSTANCE = 'i-0123456789abcdef0';
const STACK_ID = `arn:aws:cloudformation:${REGION}:123456789012:stack/AuthenticatedMcpStack/1`;
const SECRET = 'Abcdefghij0123456789Abcdefghij0123456789AB';      // 42 letters and digits, as Secrets Manager makes them
const AGENT_HOST = 'amazoncloudwatch-agent.s3.amazonaws.com';
const PAGE = 4;                                                    // parameters in one answer: the tool must ask again
const KEY = { accessKeyId: 'ASIAHOSTROLE00000001', secretAccessKey: 'host/role/secret', sessionToken: 'host-role-session' };

assert.equal(process.getuid(), 0, 'run it as root: it boots a tree of its own');
assert.ok(!await accepts({ port: 80, host: '127.0.0.1' }), 'something uses port 80, which the host to be booted needs');

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-boot-'));
const tree = path.join(scratch, 'tree');
const closers = [() => { if (!process.env.KEEP) spawnSync('rm', ['-rf', '--one-file-system', scratch]); }];
const run = (command, ...args) => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
};
const inTree = (...command) => run(path.join(ROOT, 'tests/deb/chroot.sh'), SUITE, tree, ...command);
const put = (file, text, mode = 0o644) => {
  fs.mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
  fs.writeFileSync(path.join(tree, file), text, { mode });
};
const step = (what) => console.log(`== ${Math.round(process.uptime())} s: ${what}`);

function makeTree() {
  if (process.env.CHROOTS) run('cp', '-a', path.join(process.env.CHROOTS, SUITE), tree);
  else {
    fs.mkdirSync(tree);
    run('sh', '-c', 'command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap');
  }
  fs.chmodSync(scratch, 0o755);
  inTree('apt-get', 'update', '-qq');
  inTree('apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'systemd', 'systemd-sysv', 'dbus', 'curl');
}

function buildPackage() {
  run('sh', '-c', `mkdir '${tree}/src' && tar -C '${ROOT}' -cf - --exclude-vcs --exclude=./build --exclude=node_modules . | tar -xf - -C '${tree}/src'`);
  inTree('make', '-C', '/src', 'deb');
  const [name] = fs.readdirSync(path.join(tree, 'src/build/deb')).filter((each) => /^mcp-authd_.*\.deb$/.test(each));
  return path.join(tree, 'src/build/deb', name);
}

// ---- the template, with every reference to another resource replaced by what it would be ----

const OF_REFERENCE = { 'AWS::Region': REGION, 'AWS::AccountId': '123456789012', 'AWS::StackId': STACK_ID };

function resolver(template, values) {
  const ofResource = (id) => {
    const { Type, Properties } = template.Resources[id];
    return values[Type] ?? Properties.TableName ?? Properties.Name ?? assert.fail(`no value for ${Type}`);
  };
  const resolve = (value) => {
    if (typeof value === 'string') return value;
    if (value.Ref) return OF_REFERENCE[value.Ref] ?? ofResource(value.Ref);
    if (value['Fn::Join']) return value['Fn::Join'][1].map(resolve).join(value['Fn::Join'][0]);
    if (value['Fn::Sub']) return value['Fn::Sub'].replace(/\$\{([\w:]+)\}/g, (_, name) => OF_REFERENCE[name]);
    return assert.fail(JSON.stringify(value));
  };
  return resolve;
}
const ofType = (template, type) => Object.values(template.Resources).filter((each) => each.Type === type).map((each) => each.Properties);

// ---- the stand-ins ----

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => { server.closeAllConnections(); server.close(); });
  return server.address().port;
}

// Everything that the AWS tool and curl ask for over plain http; `seen` is what CloudFormation was told.
function awsServer({ parameters, parametersPath, deb, seen }) {
  const json = (res, body) => res.setHeader('content-type', 'application/x-amz-json-1.1').end(JSON.stringify(body));
  const ofTarget = {
    'AmazonSSM.GetParametersByPath': (input, res) => {
      assert.equal(input.Path, parametersPath);
      const from = Number(input.NextToken ?? 0);
      json(res, { Parameters: parameters.slice(from, from + PAGE), ...(from + PAGE < parameters.length && { NextToken: String(from + PAGE) }) });
    },
    'secretsmanager.GetSecretValue': (input, res) => json(res, { Name: input.SecretId, SecretString: SECRET }),
  };
  return http.createServer(async (req, res) => {
    const body = await readBody(req);
    const target = ofTarget[req.headers['x-amz-target']];
    const form = new URLSearchParams(body);
    if (target) return target(JSON.parse(body), res);
    if (form.get('Action') === 'SignalResource') {
      seen.push(Object.fromEntries(form));
      return res.setHeader('content-type', 'text/xml').end('<SignalResourceResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"/>');
    }
    if (req.url === '/latest/api/token' && req.method === 'PUT') return res.setHeader('x-aws-ec2-metadata-token-ttl-seconds', '60').end('imds-token');
    if (req.url.startsWith('/latest/')) {
      if (req.headers['x-aws-ec2-metadata-token'] !== 'imds-token') return res.writeHead(401).end();
      const role = '/latest/meta-data/iam/security-credentials/';
      if (req.url === '/latest/meta-data/instance-id') return res.end(INSTANCE);
      if (req.url === role || req.url === role.slice(0, -1)) return res.end('host-role');
      if (req.url === `${role}host-role`)
        return json(res, { Code: 'Success', Type: 'AWS-HMAC', AccessKeyId: KEY.accessKeyId, SecretAccessKey: KEY.secretAccessKey,
          Token: KEY.sessionToken, LastUpdated: new Date().toISOString(), Expiration: new Date(Date.now() + 3600e3).toISOString() });
    } else if (req.url === deb.path && (req.method === 'GET' || req.method === 'HEAD')) {
      res.setHeader('content-length', deb.bytes.length).setHeader('etag', '"1"').setHeader('last-modified', new Date().toUTCString());
      return res.end(req.method === 'GET' ? deb.bytes : undefined);
    }
    console.error(`stand-in: ${req.method} ${req.url} ${req.headers['x-amz-target'] ?? ''} ${body}`);
    return res.writeHead(404).end();
  });
}

// A package whose only file is the agent's control program, which keeps what it was told.
function agentPackage() {
  const dir = path.join(scratch, 'agent');
  const bin = path.join(dir, 'opt/aws/amazon-cloudwatch-agent/bin');
  fs.mkdirSync(bin, { recursive: true });
  fs.mkdirSync(path.join(dir, 'opt/aws/amazon-cloudwatch-agent/etc'));
  fs.mkdirSync(path.join(dir, 'DEBIAN'));
  fs.writeFileSync(path.join(dir, 'DEBIAN/control'), 'Package: amazon-cloudwatch-agent\nVersion: 1\nArchitecture: all\n' +
    'Maintainer: nobody <nobody@example.com>\nDescription: stands for the agent\n');
  fs.writeFileSync(path.join(bin, 'amazon-cloudwatch-agent-ctl'), '#!/bin/sh\necho "$@" >/root/agent.args\n', { mode: 0o755 });
  run('dpkg-deb', '--root-owner-group', '-b', dir, path.join(scratch, 'agent.deb'));
  return fs.readFileSync(path.join(scratch, 'agent.deb'));
}

// ---- the run ----

async function main() {
  step('a minimal Debian');
  makeTree();
  const package_ = process.argv[2] ?? (step('build the package'), buildPackage());

  step('synthesize, and start the stand-ins');
  const template = await synthesize({ domain: DOMAIN, hosts: '1', deb: package_, zoneId: 'Z0123456789ABCDEFGHIJ', zoneName: 'example.com' });
  const cognito = await startCognito({ callback: `https://${DOMAIN}/callback` });
  closers.push(() => cognito.close());
  const resolve = resolver(template, { 'AWS::Cognito::UserPool': cognito.poolId, 'AWS::Cognito::UserPoolClient': cognito.clientId,
    'AWS::SecretsManager::Secret': `arn:aws:secretsmanager:${REGION}:123456789012:secret:sealing-key` });
  const network = ofType(template, 'AWS::EC2::VPC')[0].CidrBlock;
  const given = resolve(ofType(template, 'AWS::EC2::LaunchTemplate')[0].LaunchTemplateData.UserData['Fn::Base64']);
  assert.equal(given.split(network).length, 2, 'the network that the balancer is in');
  const userData = given.replace(network, '127.0.0.0/8');        // where it is here
  const parameters = ofType(template, 'AWS::SSM::Parameter').filter(({ Type }) => Type === 'String')
    .map(({ Name, Value }) => ({ Name, Value: resolve(Value), Type: 'String' }));
  const [, bucketAndKey] = /aws s3 cp --quiet s3:\/\/(\S+) /.exec(userData);

  // The host's role has all of the groups' policies.
  const policies = sessionPolicies(template);
  const dynamodb = await startDynamoDb();
  closers.push(() => dynamodb.close());
  await dynamodb.createTable(policies.token.tables[0]);
  let withheld;         // an action that the role is deprived of
  const front = await startDynamoDbProxy({ dynamodb, region: REGION, keys: [{ ...KEY, allows: (action, table, index) =>
    action !== withheld && GROUPS.some((group) => isAllowed(policies, group, action, table, index)) }] });
  closers.push(() => front.close());

  const seen = [];
  const aws = await listen(awsServer({ parameters, parametersPath: '/mcp-authd/dev', seen,
    deb: { path: `/${bucketAndKey}`, bytes: fs.readFileSync(package_) } }));
  const certificates = makeCertificates(scratch, { names: [AGENT_HOST, DOMAIN] });
  const agent = agentPackage();
  const tls = await listen(https.createServer({ cert: fs.readFileSync(certificates.cert), key: fs.readFileSync(certificates.key) },
    (req, res) => {      // the agent's download, and the load balancer
      if (req.headers.host === AGENT_HOST) return res.end(agent);
      return req.pipe(http.request({ host: '127.0.0.1', port: 80, path: req.url, method: req.method, headers: { ...req.headers, 'x-forwarded-for': '192.0.2.7' } },
        (answer) => answer.pipe(res.writeHead(answer.statusCode, answer.headers)))
        .on('error', () => res.writeHead(502).end()));
    }));

  const env = {
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${aws}/`, AWS_ENDPOINT_URL_DYNAMODB: front.endpoint,
    COGNITO_ISSUER: cognito.issuer, COGNITO_AUTHORIZE_URL: cognito.authorizeUrl, COGNITO_TOKEN_URL: cognito.tokenUrl, COGNITO_JWKS_URL: cognito.jwksUrl,
  };
  const toAws = Object.fromEntries(['S3', 'SSM', 'SECRETS_MANAGER', 'CLOUDFORMATION'].map((name) => [`AWS_ENDPOINT_URL_${name}`, `http://127.0.0.1:${aws}`]));
  put('/etc/systemd/system/mcp-authd@.service.d/stand-ins.conf', `[Service]\n${Object.entries(env).map((each) => `Environment=${each.join('=')}\n`).join('')}`);
  put('/root/.curlrc', [`connect-to = "169.254.169.254:80:127.0.0.1:${aws}"`, `connect-to = "${AGENT_HOST}:443:127.0.0.1:${tls}"`,
    `connect-to = "${DOMAIN}:443:127.0.0.1:${tls}"`, 'cacert = "/root/ca.pem"', ''].join('\n'));
  put('/root/ca.pem', fs.readFileSync(certificates.ca));
  put('/root/user-data', userData, 0o755);
  put('/root/start', `set -a\n${Object.entries({ ...env, ...toAws }).map((each) => `${each.join('=')}\n`).join('')}set +a\nexec /root/user-data\n`);
  const boot = async (after) => {        // the stand-ins answer meanwhile
    const child = spawn(path.join(ROOT, 'tests/deb/boot.sh'), [tree, `bash /root/start\n${after}`],
      { env: { ...process.env, BOOT_SECONDS: '600' }, stdio: ['ignore', 'pipe', 'inherit'] });
    const [stdout, [status]] = await Promise.all([readBody(child.stdout), once(child, 'exit')]);
    return { status, stdout };
  };

  step('boot');
  // What the balancer would see, asked before the machine ends.
  const first = await boot(`curl -fsS -o /root/public.json https://${DOMAIN}/.well-known/oauth-protected-resource/mcp
curl -sS -o /dev/null https://${DOMAIN}/mcp -d '{}' -H 'Content-Type: application/json'
curl -sS -o /dev/null https://${DOMAIN}/authorize
systemctl is-active ${GROUPS.map((group) => `mcp-authd@${group}.service`).join(' ')} lighttpd.service
for group in ${GROUPS.join(' ')}; do systemctl show -P IPAddressDeny "mcp-authd@$group.service" >"/root/denied-$group"; done
stat -c '%U %a' /run/mcp-authd-runner/runner.sock >/root/runner-socket
journalctl -u 'mcp-authd@*.service' --no-pager -o cat >/root/journal`);
  assert.equal(first.status, 0, first.stdout);
  console.log(fs.readFileSync(path.join(tree, 'var/log/mcp-authd/doctor.log'), 'utf8').replaceAll(/^/gm, '   '));
  const read = (file) => fs.readFileSync(path.join(tree, file), 'utf8');
  const said = read('var/log/mcp-authd/doctor.log').split('\n');

  assert.deepEqual(seen.map(({ Status, UniqueId, LogicalResourceId, StackName }) => ({ Status, UniqueId, LogicalResourceId, StackName })),
    [{ Status: 'SUCCESS', UniqueId: INSTANCE, LogicalResourceId: 'Hosts', StackName: STACK_ID }]);
  const conf = read('etc/mcp-authd/mcp-authd.conf').trimEnd().split('\n');
  assert.deepEqual(conf.toSorted(), [...parameters.map(({ Name, Value }) => `${Name.split('/').at(-1)}=${Value}`),
    'METRICS_EMF=yes', 'RUNNER_SOCKET=/run/mcp-authd-runner/runner.sock'].toSorted());
  assert.equal(read('etc/mcp-authd/secret.key'), `${SECRET}A\n`);
  assert.equal(fs.statSync(path.join(tree, 'etc/mcp-authd/secret.key')).mode & 0o777, 0o600);
  assert.equal(read('root/runner-socket'), 'mcp-authd-mcp 600\n');
  for (const group of GROUPS)
    assert.equal(read(`root/denied-${group}`).includes('169.254.169.254'), !policies[group].tables.length, `the role's credentials and ${group}`);
  for (const action of ['PutItem', 'UpdateItem', 'GetItem', 'DeleteItem'])
    assert.ok(said.some((line) => new RegExp(`^ok +${action} +allowed`).test(line)), `doctor: ${action}`);
  assert.deepEqual(JSON.parse(read('root/public.json')).resource, `https://${DOMAIN}/mcp`);
  assert.match(read('root/journal'), /endpoint=mcp .*status=401 .*address=192\.0\.2\.7/, 'the client address comes from the balancer');
  assert.match(read('root/agent.args'), /fetch-config -m ec2 -s -c file:\/opt\/aws\/amazon-cloudwatch-agent\/etc\/mcp-authd\.json/);
  assert.deepEqual(JSON.parse(read('opt/aws/amazon-cloudwatch-agent/etc/mcp-authd.json')),
    JSON.parse(fs.readFileSync(path.join(ROOT, 'conf/cloudwatch/amazon-cloudwatch-agent.json'), 'utf8')));
  for (const group of GROUPS) assert.ok(read(`var/log/mcp-authd-${group}/metrics.log`).includes('"_aws"'), group);

  step('boot once more, without the permission for PutItem: nothing is served, and the stack is told');
  withheld = 'PutItem';
  run('chroot', tree, 'lighttpd-disable-mod', 'mcp-authd-groups', 'mcp-authd-balancer');
  const second = await boot('');
  assert.notEqual(second.status, 0);
  assert.match(second.stdout, /^fail +PutItem /m);
  assert.deepEqual(seen.map(({ Status }) => Status), ['SUCCESS', 'FAILURE']);
  assert.ok(!fs.existsSync(path.join(tree, 'etc/lighttpd/conf-enabled/50-mcp-authd-groups.conf')));
  step('done');
}

try {
  await main();
} finally {
  for (const close of closers.reverse()) await close();
}
