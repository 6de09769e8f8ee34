// The Tasks extension by hand: tools that run long, and what clients send about their tasks.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { META, modern } from './mcp.mjs';
import { until } from './util.mjs';

export const TASKS = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } } };

export const question = (key) => ({ [key]: { method: 'elicitation/create', params: { message: key, requestedSchema: { type: 'object', properties: {} } } } });
export const yes = { action: 'accept', content: {} };

// A folder for tools; `tool` adds one, a shell script that may become a task.
export function toolFolder(prefix = 'mcp-tasks-') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  return {
    dir,
    file: (name) => path.join(dir, name),
    tool(name, script, run) {
      fs.writeFileSync(path.join(dir, `${name}.sh`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      fs.writeFileSync(path.join(dir, `${name}.json`), JSON.stringify({ name, description: name, inputSchema: { type: 'object' },
        run: { command: [`./${name}.sh`], task: 'optional', ...run } }));
    },
    // Asks for all keys at once; its result is what it reads when they are there.
    asker(name, keys) {
      this.tool(name, `in=$(cat); case $in in
*inputResponses*) printf %s "$in" ;;
*) echo '${JSON.stringify({ inputRequired: { inputRequests: Object.assign({}, ...keys.map(question)) } })}' ;;
esac`, { output: 'json' });
    },
    // Says its process id in NAME.pid, and runs until it is ended.
    sleeper(name) {
      this.tool(name, `echo $$ >${dir}/${name}.new; mv ${dir}/${name}.new ${dir}/${name}.pid; exec sleep 600`, { timeout_ms: 900000 });
    },
    async pidOf(name) {
      const file = path.join(dir, `${name}.pid`);
      await until(`${name} to run`, () => fs.existsSync(file));
      const pid = Number(fs.readFileSync(file, 'utf8'));
      fs.rmSync(file);
      return pid;
    },
    remove: () => fs.rmSync(dir, { recursive: true, force: true }),
  };
}

// A zombie has ended; whoever started it has only not asked yet.
export function isRunning(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
export const hasEnded = (pid) => until(`the end of process ${pid}`, () => !isRunning(pid));

// A store that is slow for a moment, as on a busy machine, is a 503 with Retry-After: the client comes again.
export const patiently = (what) => until('another answer than 503', async () => {
  const answer = await what();
  if (answer.status !== 503) return answer;
  assert.ok(Number(answer.headers.get('retry-after')) > 0);
  return undefined;
}, { deadlineMs: 60000 });

// What a client of that site does; each function gives the whole answer, but `start` and `reaches`.
export function taskClient(site, token) {
  const send = (method, taskId, more = {}) => modern(site, token, `tasks/${method}`, { taskId, ...more }, { meta: TASKS, headers: { 'mcp-name': taskId } });
  const client = {
    call: (name, args = {}) => modern(site, token, 'tools/call', { name, arguments: args }, { meta: TASKS }),
    async start(name, args) {
      const answer = await patiently(() => client.call(name, args));
      assert.equal(answer.body?.result?.resultType, 'task', answer.text);
      return answer.body.result.taskId;
    },
    get: (id) => send('get', id),
    cancel: (id) => send('cancel', id),
    update: (id, inputResponses) => send('update', id, { inputResponses }),
    async reaches(id, status, options) {
      let last;
      return until(() => `${status} of ${id}: ${last?.text}`, async () => {
        last = await client.get(id);
        return last.body?.result?.status === status && last.body.result;
      }, options);
    },
  };
  return client;
}
