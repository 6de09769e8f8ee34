// What README.md tells a newcomer to do works as it stands there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../parts/util.mjs';

test('the demo, and a tool of one\'s own that a client calls, by the commands of README.md', () => {
  // What runs the suite may have another build: the commands name build/mcp-authd.
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, MCP_AUTHD, SANITIZE, BUILD, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync('tests/demo/newcomer.sh', { cwd: ROOT, encoding: 'utf8', env });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  // Once by the command line, once by the client.
  assert.equal(stdout.match(/^Hello, Ada!$/gm)?.length, 2, stdout);
  const commands = Number(/^(\d+) commands/m.exec(stdout)[1]);
  assert.ok(commands >= 4 && commands <= 12, stdout);
});
