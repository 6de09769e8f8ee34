// An unattended user agent: it goes where a browser would go, approves or denies, logs in, and stops at the client.
//
// It is as strict as a browser where that can break a login:
// - cookies belong to a host name, and SameSite decides whether they go along on a navigation from elsewhere. Every
//   host:port counts as a site of its own here, because in use Cognito and the daemon are different sites;
// - it says where a request comes from and what it is for (W3C Fetch Metadata), as all browsers do since 2023;
// - a form whose page says `form-action 'self'` may not end up on another site, not even by a redirect.

import { paceMs } from './pace.mjs';
import { sleep } from './util.mjs';

const MAX_STEPS = 20;

export class Browser {
  // `decision` is 'approve' or 'deny'; `password` may be a list that is used up one try at a time. `route` gives the address
  // that a URL is fetched from, as the name service and load balancers in front of a site with several hosts do. `reloads` is
  // how often the user comes back to a page that says 503 and when to do so.
  constructor({ username = 'alice', password = 'correct-horse', decision = 'approve', route = (url) => url, reloads = 0 } = {}) {
    this.route = route;
    this.reloads = reloads;
    this.slowestMs = 0;       // the longest wait for one answer
    this.beforeFetch = async () => {};      // called with each URL before it is asked for
    this.username = username;
    this.passwords = [].concat(password);
    this.decision = decision;
    this.cookies = [];
    this.pages = [];          // every page shown: { url, status, text, headers }
    this.visited = [];        // every URL asked for
  }

  // Follows the way from an authorization URL to the client's redirect URI, and gives back that last URL.
  async login(authorizationUrl, redirectUri) {
    const stop = (url) => startsAt(url, redirectUri);
    let page = await this.open(authorizationUrl, { stop });
    for (let step = 0; step < MAX_STEPS; step += 1) {
      if (page.stopped) return page.url;
      const next = refreshTarget(page);
      const form = next ? undefined : findForm(page);
      if (next) {
        page = await this.open(next, { stop, from: page.url });
      } else if (form?.decisions) {
        page = await this.submit(page, { decision: this.decision }, { stop });
      } else if (form?.password) {
        const password = this.passwords.length > 1 ? this.passwords.shift() : this.passwords[0];
        page = await this.submit(page, { username: this.username, password }, { stop });
      } else {
        throw new Error(`the login ended at ${page.url} with status ${page.status}: ${wordsOf(page.text)}`);
      }
    }
    throw new Error(`no end after ${MAX_STEPS} pages: ${this.pages.map((each) => each.url).join(' ')}`);
  }

  // Opens one URL, follows redirects, and gives back the page, or { stopped, url } if `stop` says so.
  async open(url, { method = 'GET', body, from, stop = () => false, formAction } = {}) {
    let at = String(url);
    let how = { method, body };
    for (let step = 0; step < MAX_STEPS; step += 1) {
      if (stop(at)) return { stopped: true, url: at };
      this.visited.push(at);
      await this.beforeFetch(at);
      if (formAction && origin(at) !== formAction) throw new Error(`form-action forbids to go on to ${at}`);
      const response = await this.fetchPatiently(at, {
        method: how.method, body: how.body, redirect: 'manual',
        headers: {
          ...this.cookieHeader(at, from, how.method),
          ...(how.body && { 'content-type': 'application/x-www-form-urlencoded' }),
          // A browser says where a form comes from.
          ...(how.method === 'POST' && { origin: origin(from ?? at) }),
          'sec-fetch-dest': 'document',
          'sec-fetch-site': from === undefined ? 'none' : origin(from) === origin(at) ? 'same-origin' : 'cross-site',
          accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        },
      });
      this.keepCookies(at, response);
      const text = await response.text();
      const location = response.headers.get('location');
      if (response.status < 300 || response.status > 399 || !location) {
        const page = { url: at, status: response.status, text, headers: response.headers };
        this.pages.push(page);
        return page;
      }
      from ??= at;
      at = new URL(location, at).href;
      if (response.status !== 307 && response.status !== 308) how = { method: 'GET' };
    }
    throw new Error(`more than ${MAX_STEPS} redirects, last ${at}`);
  }

  async fetchPatiently(at, init) {
    for (let reloads = 0; ; reloads += 1) {
      const start = paceMs();
      const response = await fetch(this.route(at), init);
      this.slowestMs = Math.max(this.slowestMs, paceMs() - start);
      if (response.status !== 503 || !response.headers.get('retry-after') || reloads === this.reloads) return response;
      await response.arrayBuffer();
      await sleep(1000 * Number(response.headers.get('retry-after')));
    }
  }

  // Sends the form of a page with some fields filled in; hidden fields stay as they are, boxes that must be ticked are.
  async submit(page, fields, { stop } = {}) {
    const form = findForm(page);
    if (!form) throw new Error(`no form at ${page.url}`);
    const body = new URLSearchParams({ ...form.fields, ...form.required, ...fields }).toString();
    const policy = page.headers.get('content-security-policy') ?? '';
    const onlySelf = /form-action\s+'self'\s*(;|$)/.test(policy);
    return this.open(new URL(form.action, page.url).href, {
      method: 'POST', body, from: page.url, stop, formAction: onlySelf ? origin(page.url) : undefined,
    });
  }

  keepCookies(url, response) {
    const { hostname, pathname } = new URL(url);
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(';').map((part) => part.trim());
      const attribute = (name) => rest.find((each) => each.toLowerCase().split('=')[0] === name)?.split('=')[1];
      const cookie = {
        hostname, name: pair.slice(0, pair.indexOf('=')), value: pair.slice(pair.indexOf('=') + 1),
        path: attribute('path') ?? (pathname.replace(/\/[^/]*$/, '') || '/'),
        sameSite: (attribute('samesite') ?? 'lax').toLowerCase(),
      };
      this.cookies = this.cookies.filter((each) =>
        !(each.hostname === hostname && each.name === cookie.name && each.path === cookie.path));
      const expires = attribute('expires');
      const maxAge = attribute('max-age');
      const gone = maxAge !== undefined ? Number(maxAge) <= 0 : expires !== undefined && Date.parse(expires) <= Date.now();
      if (!gone) this.cookies.push(cookie);
    }
  }

  cookieHeader(url, from, method) {
    const { hostname, pathname } = new URL(url);
    const foreign = from !== undefined && origin(from) !== origin(url);
    const sent = this.cookies.filter((each) => each.hostname === hostname && underPath(pathname, each.path) &&
      (!foreign || each.sameSite === 'none' || (each.sameSite === 'lax' && method === 'GET')));
    return sent.length === 0 ? {} : { cookie: sent.map((each) => `${each.name}=${each.value}`).join('; ') };
  }
}

// What a page says, without its markup.
export function wordsOf(html) {
  return html.replace(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ').replace(/\s+/g, ' ').trim().slice(0, 500);
}

function origin(url) {
  return new URL(url).origin;
}

function underPath(pathname, path) {
  return pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

// Same address, with or without a query.
function startsAt(url, redirectUri) {
  return url === redirectUri || url.startsWith(`${redirectUri}?`) || url.startsWith(`${redirectUri}#`);
}

// Where `<meta http-equiv="refresh" content="0; url=...">` sends the page.
export function refreshTarget(page) {
  for (const tag of page.text.match(/<meta\b[^>]*>/gi) ?? []) {
    const attributes = attributesOf(tag);
    if (attributes['http-equiv']?.toLowerCase() !== 'refresh') continue;
    const target = /^\s*\d+\s*[;,]\s*url\s*=\s*(.*)$/i.exec(attributes.content ?? '')?.[1];
    if (target) return new URL(target.trim().replace(/^(['"])(.*)\1$/, '$2'), page.url).href;
  }
  return undefined;
}

// The first form of a page: where it goes, the fields it would send, and what kind of form it is.
export function findForm(page) {
  const match = /<form\b[^>]*>([\s\S]*?)<\/form>/i.exec(page.text);
  if (!match) return undefined;
  const fields = {};
  const required = {};
  const decisions = [];
  let password = false;
  for (const tag of match[1].match(/<(input|button)\b[^>]*>/gi) ?? []) {
    const { name, value = '', type = '' } = attributesOf(tag);
    if (type.toLowerCase() === 'password') password = true;
    if (name === 'decision') decisions.push(value);
    else if (name && type.toLowerCase() === 'hidden') fields[name] = value;
    else if (name && type.toLowerCase() === 'checkbox' && /\srequired\b/.test(tag)) required[name] = value;
  }
  return { action: attributesOf(match[0].slice(0, match[0].indexOf('>') + 1)).action || page.url, fields, required, password,
    decisions: decisions.length > 0 ? decisions : undefined };
}

function attributesOf(tag) {
  const found = {};
  for (const [, name, , quoted, single, bare] of tag.matchAll(/([\w-]+)\s*=\s*("([^"]*)"|'([^']*)'|([^\s>]+))/g)) {
    found[name.toLowerCase()] ??= decodeEntities(quoted ?? single ?? bare);
  }
  return found;
}

function decodeEntities(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi, (all, hex, decimal, name) =>
    name ? named[name.toLowerCase()] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)));
}
