// The official conformance suite: running it, and what it has written.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../parts/util.mjs';

const SUITE = path.join(ROOT, 'tests/node_modules/@modelcontextprotocol/conformance/dist/index.js');
export const REVISIONS = ['2025-11-25', '2026-07-28'];
// What is not a check but a note that the suite keeps of its own doing.
export const NOTES = new Set(['outgoing-request', 'incoming-response', 'incoming-sse-event', 'stream-closed']);

export async function runSuite(...args) {
  const child = spawn(process.execPath, [SUITE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { output += part; });
  const [code] = await once(child, 'close');
  return { code, output };
}

// Every checks.json below a folder, as { scenario, checks }.
export function readResults(out) {
  return fs.readdirSync(out, { recursive: true }).filter((file) => path.basename(file) === 'checks.json').sort().map((file) => ({
    scenario: path.basename(path.dirname(file)).replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, ''),
    checks: JSON.parse(fs.readFileSync(path.join(out, file), 'utf8')),
  }));
}
