// -c hosts=N: Debian hosts behind a load balancer.
import { Match, type Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { of, only } from './synth.ts';

/** The boot script, with every reference to another resource replaced by a word. */
function bootScript(template: Template): string {
  const data = only(template, 'AWS::EC2::LaunchTemplate')[1].LaunchTemplateData.UserData['Fn::Base64'];
  const parts: unknown[] = typeof data === 'string' ? [data] : data['Fn::Join'][1];
  return parts.map((p) => (typeof p === 'string' ? p : 'reference')).join('');
}

test('without hosts there is no network, no instance and no balancer', () => {
  for (const kind of ['dev', 'prod'] as const)
    for (const type of ['AWS::EC2::VPC', 'AWS::AutoScaling::AutoScalingGroup', 'AWS::Lambda::Function'])
      of(kind).resourceCountIs(type, 0);
});

for (const kind of ['dev with hosts', 'prod with hosts'] as const) {
  const template = of(kind);

  describe(kind, () => {
    test('an auto-scaling group starts as many as asked for, and up to three times as many', () =>
      template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
        MinSize: '2',
        MaxSize: '6',
        HealthCheckType: Match.stringLikeRegexp('ELB'),
        NotificationConfigurations: Match.anyValue(),
      }));
    test('of Debian, with IMDSv2 only and an encrypted disk', () => {
      const data = only(template, 'AWS::EC2::LaunchTemplate')[1].LaunchTemplateData;
      assert.equal(data.MetadataOptions.HttpTokens, 'required');
      assert.equal(data.BlockDeviceMappings[0].Ebs.Encrypted, true);
      assert.match(JSON.stringify(template.toJSON().Parameters), /\/aws\/service\/debian\/release\/13\/latest\/amd64/);
    });
    test('すべてのエンドポイントはHTTPSのみ: the balancer listens on 443 with a modern policy, and nowhere else', () => {
      template.resourceCountIs('AWS::ElasticLoadBalancingV2::Listener', 1);
      const listener = only(template, 'AWS::ElasticLoadBalancingV2::Listener')[1];
      assert.deepEqual([listener.Port, listener.Protocol], [443, 'HTTPS']);
      assert.match(listener.SslPolicy, /TLS13/);
      const open = Object.values(template.findResources('AWS::EC2::SecurityGroup'))
        .flatMap((g) => g.Properties.SecurityGroupIngress ?? []);
      assert.deepEqual(open.map((r) => [r.CidrIp, r.FromPort, r.ToPort]), [['0.0.0.0/0', 443, 443]]);
    });
    test('hosts are reached from the balancer only, on port 80', () => {
      const rule = only(template, 'AWS::EC2::SecurityGroupIngress')[1];
      assert.deepEqual([rule.FromPort, rule.ToPort], [80, 80]);
      assert.ok(rule.SourceSecurityGroupId && !rule.CidrIp);
    });
    test('a certificate for the domain is made in its zone', () =>
      template.hasResourceProperties('AWS::CertificateManager::Certificate', {
        DomainName: 'mcp.example.com',
        ValidationMethod: 'DNS',
      }));
    test("the host's role: the two session policies, and what booting and logging take", () => {
      const role = Object.values(template.findResources('AWS::IAM::Role'))
        .find((r) => r.Properties.Description?.startsWith('mcp-authd hosts'));
      assert.equal(role?.Properties.ManagedPolicyArns.length, 2);
      const own = Object.values(template.findResources('AWS::IAM::Policy'))
        .find((p) => /^HostRole/.test(p.Properties.PolicyName));
      assert.deepEqual(own?.Properties.PolicyDocument.Statement.flatMap((s: any) => s.Action).sort(), [
        'cloudformation:SignalResource', 'logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents',
        's3:GetObject', 'secretsmanager:GetSecretValue', 'ssm:GetParametersByPath',
      ]);
    });
    test('the boot script is good shell, below the limit of 16 KiB', () => {
      const script = bootScript(template);
      assert.ok(script.startsWith('#!/bin/bash\nset -euo pipefail\n'));
      assert.ok(Buffer.byteLength(script) < 16384);
      const check = spawnSync('shellcheck', ['-'], { input: script, encoding: 'utf8' });
      assert.equal(check.status, 0, check.stdout + check.stderr);
    });
    test('the stack waits until each host says that it is up, and starts none before what it reads is there', () => {
      const [id, hosts] = Object.entries(template.findResources('AWS::AutoScaling::AutoScalingGroup'))[0]!;
      assert.deepEqual(hosts.CreationPolicy.ResourceSignal, { Count: 2, Timeout: 'PT15M' });
      assert.equal(hosts.UpdatePolicy.AutoScalingRollingUpdate.WaitOnResourceSignals, true);
      assert.equal(hosts.UpdatePolicy.AutoScalingRollingUpdate.PauseTime, 'PT15M');
      assert.match(bootScript(template), new RegExp(`signal-resource --stack-name reference --logical-resource-id ${id} `));
      const needed = ['AWS::SSM::Parameter', 'AWS::Logs::LogGroup'].flatMap((type) =>
        Object.entries(template.findResources(type)).filter(([, r]) => r.Properties.LogGroupName !== '/mcp-authd/network').map(([name]) => name));
      assert.ok(needed.length > 12);
      for (const name of [...needed, 'HostRoleDefaultPolicy'])
        assert.ok(hosts.DependsOn.some((d: string) => d === name || d.startsWith(name)), name);
    });
    test('a group without a policy cannot ask for the credentials of the role', () => {
      const script = bootScript(template);
      const [groups] = /^for group in (.*); do\n  install -d .*\n  cat .*no-role\.conf/m.exec(script)!.slice(1);
      assert.equal(groups, 'metadata mcp');
      assert.match(script, /^IPAddressDeny=169\.254\.169\.254 .*fd00:ec2::254/m);
    });
    test('doctor is asked before the web server is told of the service, and what it says is kept', () => {
      const script = bootScript(template);
      const at = (text: string): number => {
        assert.equal(script.split(text).length, 2, text);
        return script.indexOf(text);
      };
      const steps = ['mcp-authd -t || [ $? = 1 ]\n', 'systemctl enable --quiet --now mcp-authd@', 'doctor authorize || [ $? = 1 ]\n', 'doctor token || [ $? = 1 ]\n',
        'lighttpd-enable-mod ', 'tell_stack SUCCESS\n'].map(at);
      assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
      assert.match(script, /mcp-authd doctor \| tee -a \/var\/log\/mcp-authd\/doctor\.log\n/);
    });
    test('a failing balancer or host raises an alarm', () => {
      const names = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((a) => a.Properties.AlarmName);
      for (const name of ['mcp-authd-HostsUnhealthy', 'mcp-authd-Balancer5XX', 'mcp-authd-Silence'])
        assert.ok(names.includes(name), name);
    });
  });
}
