// What a call of a tool that is a program costs: the CPU time of a call of /bin/true, of a program in Python, and of the same one
// that stays (run.persistent), all of it (web server and load apart), beside a call of the built-in tool `echo`, turn by turn in one
// run. With one connection, so that calls follow one another.
//
//   make bench-tools          ROUNDS=10 SECONDS=2

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cpuMs, measureCalls, median, writeWrkScript } from '../parts/load-calls.mjs';
import { startSite } from '../parts/site.mjs';
import { exitStatus, figure, row } from './figures.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 10);
const STAYS_MIN = 100; // times the calls a second of the same program that is started for each
const load = { connections: 1, seconds: Number(process.env.SECONDS ?? 2) };

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mcp-authd-bench-'));
const ANSWER = `print(json.dumps({"id": call.get("id"), "result": {"up": call["arguments"]["text"].upper()}}), flush=True)`;
fs.writeFileSync(path.join(dir, 'once.py'), `#!/usr/bin/python3\nimport json, sys\ncall = json.load(sys.stdin)\n${ANSWER}\n`, { mode: 0o755 });
fs.writeFileSync(path.join(dir, 'stays.py'), `#!/usr/bin/python3\nimport json, sys\nfor line in sys.stdin:\n    call = json.loads(line)\n    ${ANSWER}\n`, { mode: 0o755 });
for (const [name, run] of Object.entries({ true: { command: ['/bin/true'] }, once: { command: ['./once.py'], output: 'stream' },
  stays: { command: ['./stays.py'], output: 'stream', persistent: true } })) {
  fs.writeFileSync(path.join(dir, `${name}.json`), JSON.stringify({ name, description: name, inputSchema: { type: 'object' }, run }));
}
const site = await startSite({ logFile: 'daemon.log', config: { WORKERS_MIN: '2', WORKERS_MAX: '2', WORKER_MAX_REQUESTS: '1000000', TOOLS_DIR: dir } });
try {
  const token = await site.cognito.accessToken();
  const kinds = ['true', 'once', 'stays', 'echo'].map((name) => {
    const script = path.join(site.dir, `${name}.lua`);
    writeWrkScript(script, token, { name, args: { text: 'hello' } });
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
  const [program, once, stays, builtin] = kinds;
  const names = { true: '`/bin/true`', once: 'a program in Python', stays: 'the same, `run.persistent`', echo: 'built in' };
  for (const { name, perSecond, cpu } of kinds) {
    row('Tools that are programs', ['', 'calls a second, one after the other', 'CPU a call, ms'], [names[name], median(perSecond).toFixed(0), median(cpu).toFixed(3)]);
  }
  const ratio = (field, of, by) => median(of[field].map((value, i) => value / by[field][i]));
  const table = 'Tools that are programs, ratios';
  figure(table, "CPU time of `/bin/true`, times a built-in tool's", ratio('cpu', program, builtin).toFixed(0));
  figure(table, 'calls a second of a program in Python that stays, of the same one started for each', ratio('perSecond', stays, once).toFixed(0),
    { goal: `at least ${STAYS_MIN}`, met: ratio('perSecond', stays, once) >= STAYS_MIN });
  figure(table, 'CPU time of that one, times that of the one that stays', ratio('cpu', once, stays).toFixed(0));
} finally {
  await site.close();
  fs.rmSync(dir, { recursive: true });
}
process.exit(exitStatus());
