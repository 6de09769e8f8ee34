// make bench-all: every figure of docs/performance.md in one run, as the tables of that page and in its order. Some minutes; the benches by
// themselves take more rounds.
//   make bench-all          ONLY='bench login'

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

// In the order of the page, with how long each may measure.
const BENCHES = {
  bench: { ROUNDS: '10', SECONDS: '1' },
  instructions: { CALLS: '100', ROUNDS: '11' },
  peers: { ROUNDS: '5', SECONDS: '1' },
  login: { ROUNDS: '5' },
  streams: { SECONDS: '1' },
  sites: { ROUNDS: '2' },
  tools: { ROUNDS: '3', SECONDS: '1' },
  calls: {},
};

const only = process.env.ONLY?.split(' ') ?? Object.keys(BENCHES);
const dir = fs.mkdtempSync('/tmp/mcp-bench-');
const file = path.join(dir, 'figures');
const began = Date.now();
let failed = 0;
fs.writeFileSync(file, '');
try {
  for (const [name, env] of Object.entries(BENCHES).filter(([each]) => only.includes(each))) {
    console.log(`\n== ${name}`);
    const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, `${name}.mjs`)], { stdio: 'inherit',
      env: { ...env, ...process.env, FIGURES: file } });
    failed += status !== 0;
  }
  let last;
  for (const { table, head = ['', 'goal', ''], cells } of fs.readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line))) {
    if (table !== last) console.log(`\n## ${table}\n\n| ${head.join(' | ')} |\n|${head.map((_, i) => (i ? '---:' : '---')).join('|')}|`);
    console.log(`| ${cells.join(' | ')} |`);
    last = table;
  }
  console.log(`\n${((Date.now() - began) / 60000).toFixed(1)} minutes; a bold figure misses its goal`);
} finally {
  fs.rmSync(dir, { recursive: true });
}
process.exit(failed ? 1 : 0);
