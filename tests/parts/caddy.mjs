// Caddy on loopback with the project's own conf/caddy/mcp-authd.caddy, in a temporary folder.

import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { ROOT } from './util.mjs';
import { start } from './process.mjs';
import { webServer } from './web-server.mjs';

const BINARY = '/usr/bin/caddy';
const CONF = path.join(ROOT, 'conf/caddy/mcp-authd.caddy');

export async function startCaddy({ dir, port, socket, also = [], rules = 'mcp-authd' }) {
  if (!fs.existsSync(BINARY)) throw new Error('Caddy is not installed (Debian package caddy)');
  const config = path.join(dir, 'Caddyfile');
  fs.mkdirSync(path.join(dir, 'htdocs'), { recursive: true });
  fs.writeFileSync(path.join(dir, 'htdocs/index.html'), 'a page of the site itself\n');
  fs.writeFileSync(config, `{
	admin off
	auto_https off
	grace_period 1s
}
import ${CONF}
http://:${port} {
	bind 127.0.0.1 ${also.join(' ').replace(/[[\]]/g, '')}
	import ${rules} ${socket}
	root * ${dir}/htdocs
	file_server
}
`);
  const env = { PATH: process.env.PATH, HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir };
  execFileSync(BINARY, ['validate', '--config', config, '--adapter', 'caddyfile'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const child = start(BINARY, ['run', '--config', config, '--adapter', 'caddyfile'], { env });
  return webServer({ child, port, errorLog: path.join(dir, 'error.log') });
}
