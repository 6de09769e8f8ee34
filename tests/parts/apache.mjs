// Apache httpd on loopback with the project's own conf/apache: a ServerRoot in a temporary folder, the
// event MPM, and no module but those that are needed.

import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { ROOT } from './util.mjs';
import { start } from './process.mjs';
import { webServer } from './web-server.mjs';

const BINARY = '/usr/sbin/apache2';
const MODULES = '/usr/lib/apache2/modules';
const CONF = path.join(ROOT, 'conf/apache');
const INSTALLED = '/etc/apache2/conf-available';
const isRoot = process.getuid() === 0;
// What Debian's apache2 enables and that could touch our requests, and proxy_fcgi.
const NEEDED = ['mpm_event', 'authz_core', 'authn_core', 'authz_host', 'alias', 'dir', 'env', 'filter', 'deflate', 'mime',
  'negotiation', 'setenvif', 'reqtimeout', 'buffer', 'proxy', 'proxy_fcgi'];

// Mostly Debian's own values; fewer processes, since tests run beside each other.
function mainConfig({ dir, port, socket, also, rules, conf, modules = [] }) {
  return `ServerRoot "${dir}"
ServerName 127.0.0.1
DefaultRuntimeDir "${dir}"
PidFile "${dir}/apache.pid"
Listen 127.0.0.1:${port}
${also.map((address) => `Listen ${address}:${port}`).join('\n')}
${[...NEEDED, ...modules].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${isRoot ? 'User www-data\nGroup www-data' : ''}
StartServers 1
ListenBacklog 2048
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 2048
MaxSpareThreads 2048
Timeout 300
KeepAliveTimeout 60
ErrorLog "${dir}/error.log"
DocumentRoot "${dir}/htdocs"
DirectoryIndex index.html
<Directory />
	Options FollowSymLinks
	AllowOverride None
	Require all denied
</Directory>
<Directory "${dir}/htdocs">
	Require all granted
</Directory>
TypesConfig /etc/mime.types
AddOutputFilterByType DEFLATE text/html text/plain application/json
Define MCP_AUTHD_SOCKET "${socket}"
${conf ?? fs.readFileSync(path.join(CONF, `${rules}.conf`), 'utf8').replaceAll(INSTALLED, CONF)}
`;
}

// A server that does not serve as root: its user is let in to the folder and the socket.
export function letIn({ dir, socket }) {
  fs.chmodSync(dir, 0o711);
  const paths = [socket].flat().filter((each) => each.startsWith('/'));
  if (paths.length > 0) execFileSync('chgrp', ['www-data', ...paths]);
}

// `conf` is text that takes the place of the usual file; `modules` are more that it needs; `socket` may be several then.
export async function startApache({ dir, port, socket, also = [], rules = 'mcp-authd', conf, modules }) {
  if (!fs.existsSync(BINARY)) throw new Error('Apache is not installed (Debian package apache2)');
  const config = path.join(dir, 'apache.conf');
  const errorLog = path.join(dir, 'error.log');
  fs.mkdirSync(path.join(dir, 'htdocs'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'htdocs/index.html'), 'a page of the site itself\n');
  if (isRoot) letIn({ dir, socket });
  fs.writeFileSync(config, mainConfig({ dir, port, socket, also, rules, conf, modules }));
  execFileSync(BINARY, ['-t', '-f', config], { stdio: ['ignore', 'pipe', 'pipe'] });

  const child = start(BINARY, ['-D', 'FOREGROUND', '-f', config]);
  return webServer({ child, port, errorLog });
}
