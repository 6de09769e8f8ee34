// MCP Inspector's command line.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './util.mjs';

const INSPECTOR = path.join(ROOT, 'tests/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');

// Its settings are kept in the site's folder, so that those of whoever runs the test play no part.
export function inspect(site, authorization, args) {
  return promisify(execFile)(process.execPath, [INSPECTOR, '--cli', site.mcpUrl, '--transport', 'http', '--header', `Authorization: ${authorization}`, ...args],
    { env: { PATH: process.env.PATH, HOME: site.dir }, timeout: 60000 });
}
