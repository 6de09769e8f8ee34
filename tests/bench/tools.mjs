// What a call of a tool that is a program costs: the CPU time of a call of /bin/true, all of it (web server and load apart),
// beside a call of the built-in tool `echo`, turn by turn in one run.
//
//   make bench-tools

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cpuMs, measureCalls, median, writeWrkScript } from '../parts/load-calls.mjs';
import { startSite } from '../parts/site.mjs';

const ROUNDS = 5;
const load = { connections: 2, seconds: 2 };

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-bench-'));
fs.writeFileSync(path.join(dir, 'true.json'),
  JSON.stringify({ name: 'true', description: 'Does nothing', inputSchema: { type: 'object' }, run: { command: ['/bin/true'] } }));
const site = await startSite({ config: { WORKERS_MIN: '2', WORKERS_MAX: '2', WORKER_MAX_REQUESTS: '1000000', TOOLS_DIR: dir } });
try {
  const token = await site.cognito.accessToken();
  const kinds = [['true', {}], ['echo', { text: 'hello' }]].map(([name, args]) => {
    const script = path.join(site.dir, `${name}.lua`);
    writeWrkScript(script, token, name, args);
    return { name, script, perSecond: [], cpu: [] };
  });
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const kind of kinds) {
      const before = cpuMs(site.daemon);
      const { count, perSecond } = await measureCalls(kind.script, site.port, load);
      if (round === 0) continue; // warm-up
      kind.perSecond.push(perSecond);
      kind.cpu.push((cpuMs(site.daemon) - before) / count);
    }
  }
  const [program, builtin] = kinds;
  for (const { name, perSecond, cpu } of kinds) console.log(`${name}: ${median(perSecond).toFixed(0)} calls a second, ${median(cpu).toFixed(3)} ms of CPU time each`);
  console.log(`a call of a program that does nothing costs ${(median(program.cpu) / median(builtin.cpu)).toFixed(0)} calls of a built-in tool (median of ${ROUNDS})`);
} finally {
  await site.close();
  fs.rmSync(dir, { recursive: true });
}
