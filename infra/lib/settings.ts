// What can be set with -c key=value, and how the two stages differ.
import { RemovalPolicy } from 'aws-cdk-lib';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { MAIN_IDENTIFIER } from './cognito.ts';

export interface Settings {
  stage: 'dev' | 'prod';
  /** Where the service answers, such as https://mcp.example.com, without a slash at the end. */
  origin: string;
  /** The host name of origin, if it is a public one. */
  domain?: string;
  /** Hosts to start; 0: the program runs elsewhere. */
  hosts: number;
  /** Path of the Debian package that hosts install. */
  deb?: string;
  /** Certificate of the load balancer, in the stack's region; without it one is made in the zone. */
  certificateArn?: string;
  /** Route 53 zone of the domain: records are made there. */
  zone?: { id: string; name: string };
  /** Cognito's custom domain, and its certificate, which has to be in us-east-1. */
  authDomain?: string;
  authCertificateArn?: string;
  /** A table of tasks, so that any host answers for calls that run long. */
  tasks: boolean;
  /** Days for which a nightly backup of each table is kept; 0: none is made. */
  backups: number;
  /** Sites of the daemon (docs/hosting.md): each gets an app client, a resource server and a log stream. */
  sites: string[];
  /** Gets the alarms. */
  alarmEmail?: string;
  /** Web origins whose pages may call the MCP endpoint. */
  allowedOrigins: string;
  /** The document's localhost callback URLs. It has them in both stages: its section on production does not take them away. */
  localhostCallbacks: boolean;
  removal: RemovalPolicy;
  retention: RetentionDays;
  pointInTimeRecovery: boolean;
}

/** What the document gives for development, and in its section "moving to production". */
const stages = {
  dev: {
    removal: RemovalPolicy.DESTROY,
    retention: RetentionDays.ONE_WEEK,
    pointInTimeRecovery: false,
    allowedOrigins: '*',
  },
  prod: {
    removal: RemovalPolicy.RETAIN,
    retention: RetentionDays.ONE_MONTH,
    pointInTimeRecovery: true,
    allowedOrigins: '', // the service's own only
  },
} as const;

/** The address of `make demo`, which is where a development stack without a domain is tried. */
const DEMO_ORIGIN = 'http://localhost:8080';
const HOSTS_MAX = 100;
/** AWS Backup keeps for at most 100 years; ten are enough to be wrong by a digit. */
const BACKUP_DAYS_MAX = 3650;
export const KEYS = ['stage', 'domain', 'hosts', 'deb', 'certificateArn', 'zoneId', 'zoneName', 'authDomain',
  'authCertificateArn', 'tasks', 'backups', 'sites', 'alarmEmail', 'allowedOrigins', 'localhostCallbacks'] as const;
type Key = (typeof KEYS)[number];

const NAME = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
/** Of a site: its file's name, a segment of its address, and the identifier of its resource server. */
const SITE = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
/** A pool has at most so many resource servers, of which one is the service's own. */
const SITES_MAX = 24;
const ORIGIN = /^(\*|https:\/\/[a-z0-9.-]+(:\d+)?|http:\/\/(localhost|127\.0\.0\.1)(:\d+)?)$/;

export function settingsFrom(context: (key: string) => unknown): Settings {
  const problems: string[] = [];
  const get = (key: Key): string | undefined => {
    const value = context(key);
    return value === undefined || value === '' ? undefined : String(value);
  };
  const need = (ok: unknown, problem: string): void => {
    if (!ok) problems.push(problem);
  };
  const stage = get('stage') ?? 'dev';
  const hosts = Number(get('hosts') ?? 0);
  const domain = get('domain');
  const zoneId = get('zoneId');
  const zoneName = get('zoneName');
  const authDomain = get('authDomain');
  const backups = Number(get('backups') ?? 0);
  const localhostCallbacks = get('localhostCallbacks') ?? 'yes';
  const sites = (get('sites') ?? '').split(',').filter(Boolean);

  if (stage !== 'dev' && stage !== 'prod') throw new Error(`stage must be dev or prod, not ${stage}`);
  need(Number.isInteger(hosts) && hosts >= 0 && hosts <= HOSTS_MAX, `hosts must be a number from 0 to ${HOSTS_MAX}`);
  need(!domain || NAME.test(domain), 'domain must be a host name, such as mcp.example.com');
  need(!authDomain || NAME.test(authDomain), 'authDomain must be a host name, such as login.example.com');
  need(['yes', 'no'].includes(get('tasks') ?? 'no'), 'tasks must be yes or no');
  need(Number.isInteger(backups) && backups >= 0 && backups <= BACKUP_DAYS_MAX, `backups must be a number of days from 0 to ${BACKUP_DAYS_MAX}`);
  need(['yes', 'no'].includes(localhostCallbacks), 'localhostCallbacks must be yes or no');
  need(!zoneId === !zoneName, 'zoneId and zoneName belong together');
  need(!zoneName || !domain || domain === zoneName || domain.endsWith(`.${zoneName}`),
    'domain must be in the zone zoneName');
  need(!authDomain === !get('authCertificateArn'), 'authDomain and authCertificateArn belong together');
  need(!get('authCertificateArn') || /^arn:aws[\w-]*:acm:us-east-1:/.test(get('authCertificateArn') ?? ''),
    'authCertificateArn must be a certificate in us-east-1: Cognito takes no other');
  for (const origin of (get('allowedOrigins') ?? '').split(' ').filter(Boolean))
    need(ORIGIN.test(origin), `allowedOrigins: ${origin} is not an origin, such as https://app.example.com`);
  for (const site of sites) need(SITE.test(site) && site !== MAIN_IDENTIFIER, `sites: ${site} is no name of a site: a-z, 0-9 and -, such as acme`);
  need(new Set(sites).size === sites.length, 'sites: a name stands there twice');
  need(sites.length <= SITES_MAX, `sites: at most ${SITES_MAX}: Cognito has 25 resource servers a pool`);
  need(!sites.length || hosts === 0, 'sites run on hosts of your own: leave out -c hosts');
  if (hosts > 0) {
    need(domain, 'hosts need -c domain=HOST: clients accept https only');
    need(get('deb'), 'hosts need -c deb=FILE: the Debian package to install (make deb)');
    need(get('certificateArn') || zoneId, 'hosts need -c certificateArn=… or -c zoneId=… -c zoneName=…');
  }
  if (stage === 'prod') {
    need(domain, 'prod needs -c domain=HOST');
    need(authDomain, "prod needs -c authDomain=HOST -c authCertificateArn=…: Cognito's custom domain");
    need(get('alarmEmail'), 'prod needs -c alarmEmail=ADDRESS');
    need(!/(^| )\*( |$)/.test(get('allowedOrigins') ?? ''), 'prod does not allow every origin: name them');
  }
  if (problems.length) throw new Error(problems.join('\n'));

  return {
    ...stages[stage],
    stage,
    hosts,
    domain,
    origin: domain ? `https://${domain}` : DEMO_ORIGIN,
    deb: get('deb'),
    certificateArn: get('certificateArn'),
    zone: zoneId && zoneName ? { id: zoneId, name: zoneName } : undefined,
    authDomain,
    authCertificateArn: get('authCertificateArn'),
    tasks: get('tasks') === 'yes',
    backups,
    sites,
    alarmEmail: get('alarmEmail'),
    localhostCallbacks: localhostCallbacks === 'yes',
    allowedOrigins: get('allowedOrigins') ?? stages[stage].allowedOrigins,
  };
}
