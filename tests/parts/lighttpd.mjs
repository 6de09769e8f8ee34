// lighttpd on loopback with the project's own routes file, conf/lighttpd/mcp-authd-routes.conf.

import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { ROOT } from './util.mjs';
import { start } from './process.mjs';
import { webServer } from './web-server.mjs';

const CONF = path.join(ROOT, 'conf/lighttpd');

// The limit for header fields that the package ships, which counts for the whole server.
const FIELD_SIZE = fs.readFileSync(path.join(CONF, '50-mcp-authd.conf'), 'utf8').match(/^server\.max-request-field-size .*$/m)[0];

export function findLighttpd() {
  const found = ['/usr/sbin/lighttpd', '/usr/local/sbin/lighttpd', '/usr/bin/lighttpd'].find((file) => fs.existsSync(file));
  if (!found) throw new Error('lighttpd is not installed (Debian package lighttpd)');
  return found;
}

// The parsing options are those of Debian's own lighttpd.conf: an admin's server has them. Idle connections stay for longer than in the client's
// pool (undici: 4 s), so that it sends nothing on one that is just being closed, which it would not repeat.
function mainConfig({ dir, port, socket, also, rules, more, conf }) {
  return `server.document-root = "${dir}/htdocs"
server.bind = "127.0.0.1"
server.port = ${port}
${also.map((address) => `$SERVER["socket"] == "${address}:${port}" { }`).join('\n')}
server.errorlog = "${dir}/error.log"
server.upload-dirs = ( "${dir}" )
server.max-keep-alive-idle = 60
server.http-parseopts = (
  "header-strict" => "enable", "host-strict" => "enable", "host-normalize" => "enable",
  "url-normalize-unreserved" => "enable", "url-normalize-required" => "enable", "url-ctrls-reject" => "enable",
  "url-path-2f-decode" => "enable", "url-path-dotseg-remove" => "enable"
)
${conf?.includes('max-request-field-size') ? '' : FIELD_SIZE}
index-file.names = ( "index.html" )
var.mcp_authd_socket = "${socket}"
${conf ?? `include "${CONF}/${rules ?? 'mcp-authd-routes'}.conf"`}
${more}`;
}

// `also`: further addresses to listen on, such as [::1] for clients that resolve localhost to it. `rules`: another file than that of
// one site. `more` is added to the configuration. `conf` is text
// that takes the place of the usual file.
export async function startLighttpd({ dir, port, socket, also = [], rules, more = '', conf }) {
  const binary = findLighttpd();
  const config = path.join(dir, 'lighttpd.conf');
  const errorLog = path.join(dir, 'error.log');
  fs.mkdirSync(path.join(dir, 'htdocs'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'htdocs/index.html'), 'a page of the site itself\n');
  fs.writeFileSync(config, mainConfig({ dir, port, socket, also, rules, more, conf }));
  execFileSync(binary, ['-tt', '-f', config], { stdio: ['ignore', 'pipe', 'pipe'] });

  const child = start(binary, ['-D', '-f', config]);
  return webServer({ child, port, errorLog });
}
