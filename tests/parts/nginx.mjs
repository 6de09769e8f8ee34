// nginx on loopback with the project's own conf/nginx, in a temporary folder.

import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { letIn } from './apache.mjs';
import { ROOT } from './util.mjs';
import { start } from './process.mjs';
import { webServer } from './web-server.mjs';

const BINARY = '/usr/sbin/nginx';
const CONF = path.join(ROOT, 'conf/nginx');
const isRoot = process.getuid() === 0;

// What the package ships for the inside of a server { }.
export const nginxRules = (socket, name = 'mcp-authd') => fs.readFileSync(path.join(CONF, `${name}.conf`), 'utf8')
  .replace(/^\s*include snippets\/(mcp-authd-fastcgi\.conf);$/m, (_, file) => fs.readFileSync(path.join(CONF, file), 'utf8'))
  .replaceAll('/run/mcp-authd/mcp-authd.sock', socket);

// Debian's own values where they could touch our requests.
function mainConfig({ dir, servers }) {
  return `${isRoot ? 'user www-data;' : ''}
worker_processes 2;
worker_rlimit_nofile 8192;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events {
	worker_connections 4096;
}
http {
	sendfile on;
	tcp_nopush on;
	types_hash_max_size 2048;
	include /etc/nginx/mime.types;
	default_type application/octet-stream;
	gzip on;
	access_log off;
	client_body_temp_path ${dir}/nginx-body;
	proxy_temp_path ${dir}/nginx-proxy;
	fastcgi_temp_path ${dir}/nginx-fastcgi;
	uwsgi_temp_path ${dir}/nginx-uwsgi;
	scgi_temp_path ${dir}/nginx-scgi;
${servers}
}
`;
}

function usualServer({ dir, port, socket, also, rules, conf }) {
  return `	server {
		listen 127.0.0.1:${port} backlog=2048;
		${also.map((address) => `listen ${address}:${port};`).join('\n')}
		root ${dir}/htdocs;
${conf ?? nginxRules(socket, rules)}
	}`;
}

// `conf` is text that takes the place of the usual file, inside of the server { }; `servers` takes the place of that, too;
// `socket` may be several then.
export async function startNginx({ dir, port, socket, also = [], rules, conf, servers }) {
  if (!fs.existsSync(BINARY)) throw new Error('nginx is not installed (Debian package nginx)');
  const config = path.join(dir, 'nginx.conf');
  const errorLog = path.join(dir, 'error.log');
  fs.mkdirSync(path.join(dir, 'htdocs'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'htdocs/index.html'), 'a page of the site itself\n');
  if (isRoot) letIn({ dir, socket });
  fs.writeFileSync(config, mainConfig({ dir, servers: servers || usualServer({ dir, port, socket, also, rules, conf }) }));
  execFileSync(BINARY, ['-t', '-q', '-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });

  const child = start(BINARY, ['-g', 'daemon off;', '-c', config]);
  return webServer({ child, port, errorLog });
}
