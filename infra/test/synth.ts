// Templates of the stack, as `cdk synth` makes them, each made once.
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { build } from '../lib/app.ts';

const folder = mkdtempSync(join(tmpdir(), 'mcp-authd-infra-'));
after(() => rmSync(folder, { recursive: true }));

const deb = join(folder, 'mcp-authd.deb');
writeFileSync(deb, 'stands for a package: synthesis only takes its digest');

const zone = { zoneId: 'Z0123456789ABCDEFGHIJ', zoneName: 'example.com' };
const prod = {
  stage: 'prod',
  domain: 'mcp.example.com',
  authDomain: 'login.example.com',
  authCertificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/11111111-2222-3333-4444-555555555555',
  alarmEmail: 'operations@example.com',
};
const hosts = { hosts: '2', deb, ...zone };

/** Both stages, without and with hosts. */
export const CONTEXTS = {
  dev: {},
  'dev with hosts': { domain: 'mcp.example.com', ...hosts },
  prod,
  'prod with hosts': { ...prod, ...hosts },
} satisfies Record<string, Record<string, string>>;
export type Kind = keyof typeof CONTEXTS;
export const KINDS = Object.keys(CONTEXTS) as Kind[];

export interface Report {
  pluginReports: {
    pluginName: string;
    conclusion: string;
    violations: { ruleName: string }[];
    suppressedViolations?: { ruleName: string; reason: string }[];
  }[];
}

let count = 0;
export function synthesize(context: Record<string, unknown>): { template: Template; report: Report } {
  const outdir = join(folder, String(count++));
  const app = new App({ context, outdir, analyticsReporting: false });
  const stack = build(app);

  app.synth(); // with cdk-nag: throws if there is a finding
  return {
    template: Template.fromStack(stack),
    report: JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8')) as Report,
  };
}

const made = new Map<Kind, ReturnType<typeof synthesize>>();
export function of(kind: Kind): Template {
  return full(kind).template;
}
export function full(kind: Kind): ReturnType<typeof synthesize> {
  let result = made.get(kind);
  if (!result) made.set(kind, (result = synthesize(CONTEXTS[kind])));
  return result;
}

/** The only resource of a type: its id and properties. */
export function only(template: Template, type: string): [string, Record<string, any>] {
  const all = Object.entries(template.findResources(type));
  if (all.length !== 1) throw new Error(`${all.length} of ${type}`);
  return [all[0]![0], all[0]![1].Properties];
}
