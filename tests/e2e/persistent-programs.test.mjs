// Programs that stay after a call (run.persistent): who shares them, and when one is ended or replaced.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { killWorkers, logged, runnerOf } from '../parts/daemon.mjs';
import { assertToolError, callTool, META, modern, structuredContentOf } from '../parts/mcp.mjs';
import { startSite } from '../parts/site.mjs';
import { hasEnded, isRunning, toolFolder } from '../parts/tasks.mjs';
import { ROOT, until } from '../parts/util.mjs';

// Does what "do" says, and answers with its process id and what it has been told.
const PROGRAM = `#!/usr/bin/python3 -u
import json, os, signal, sys, time
calls = 0
for line in sys.stdin:
    call = json.loads(line)
    args = call.get("arguments", call.get("variables"))
    calls += 1
    do = args.get("do")
    say = lambda **more: print(json.dumps({"id": call["id"], **more}))
    result = {"pid": os.getpid(), "calls": calls, "sub": call["caller"]["sub"], "version": VERSION, "env": call["env"]}
    if do == "exit": sys.exit(3)
    if do == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if do == "answer, exit":
        say(result=result)
        sys.exit(0)
    if do == "garbage": print('garbage\\n{"half": \\n[]\\n\\xff{"id": 7, "result": {}}')
    if do == "long": print("x" * 200000)
    if do == "hang":
        open(args["file"], "w").write(str(os.getpid()))
        time.sleep(600)
    if do == "wait":
        open(args["file"] + str(os.getpid()), "w").close()
        while not os.path.exists(args["file"]): time.sleep(0.01)
    if do == "stderr": print("a note for the log", file=sys.stderr)
    if do == "secret": result["secret"] = open(os.environ["KEY_FILE"]).read()
    if do == "progress": say(progress={"progress": 1})
    if do == "ask" and "inputResponses" not in call:
        say(inputRequired={"inputRequests": {"name": {"method": "elicitation/create", "params": {
            "message": "Who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}}}, "requestState": 7})
        continue
    if do == "ask": result["answers"] = [call["inputResponses"]["name"]["content"]["name"], call["requestState"]]
    if do == "cat": result = {"contents": [{"uri": call["uri"], "text": str(os.getpid())}]}
    say(result=result)
    if do == "twice":
        result["version"] = "of another call"
        say(result=result)
`;
const SECRET = 'c0ffee-of-a-persistent-program';

let site;
let tools;
let alice;
let bob;
function tool(name, run = {}, version = '1') {
  fs.writeFileSync(tools.file(`${name}.py`), PROGRAM.replace('VERSION', JSON.stringify(version)), { mode: 0o755 });
  fs.writeFileSync(tools.file(`${name}.json`), JSON.stringify({ name, description: name, inputSchema: { type: 'object' },
    run: { command: [`./${name}.py`], output: 'json', persistent: true, ...run } }));
}
before(async () => {
  tools = toolFolder('mcp-persistent-');
  fs.writeFileSync(tools.file('key'), SECRET, { mode: 0o600 });
  tool('shared', { secrets: { KEY: tools.file('key') }, write: [tools.dir] });
  tool('faulty', { timeout_ms: 20000, write: [tools.dir] });
  tool('slow', { timeout_ms: 3000, write: [tools.dir] });
  tool('own', { persistent: 'user' });
  tool('brief', { idle_s: 1 });
  tool('changing');
  tool('stream', { output: 'stream' });
  fs.mkdirSync(tools.file('resources.d'));
  fs.copyFileSync(tools.file('shared.py'), tools.file('resources.d/shared.py'));
  fs.writeFileSync(tools.file('resources.d/cat.json'), JSON.stringify({ uriTemplate: 'cat://{do}', name: 'cat',
    run: { command: ['./shared.py'], output: 'json', persistent: true } }));
  site = await startSite({ config: { TOOLS_DIR: tools.dir, RESOURCES_DIR: tools.file('resources.d'), CALLS_PER_USER: '16' },
    mustFail: ['signal=SIGKILL', 'event=runner_exited', 'event=instance_ended', 'event=process_exited'] });
  alice = await site.cognito.accessToken({ sub: 'alice', username: 'alice' });
  bob = await site.cognito.accessToken({ sub: 'bob', username: 'bob' });
});
after(async () => {
  await site?.close();
  tools.remove();
});

const call = (name, args, token = alice) => callTool(site, token, name, args);
const run = async (name, args, token) => structuredContentOf(await call(name, args, token));
const fails = async (name, args, message) => assertToolError(await call(name, args), message);

test('calls of all users, one after the other, have one process; each is told who calls', async () => {
  const first = await run('shared', {});
  const others = [await run('shared', {}, bob), await run('shared', {})];
  assert.deepEqual(others.map(({ pid, calls, sub }) => ({ pid, calls, sub })),
    [{ pid: first.pid, calls: first.calls + 1, sub: 'bob' }, { pid: first.pid, calls: first.calls + 2, sub: 'alice' }]);
});

test('what is a variable of other programs is in the input', async () => {
  const answer = await modern(site, alice, 'tools/call', { name: 'shared', arguments: {} },
    { meta: { ...META, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });
  const { env } = answer.body.result.structuredContent;
  assert.equal(env.TRACEPARENT, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  await logged(site.daemon, 0, new RegExp(`event=tool_call request=${env.MCP_REQUEST_ID} tool=shared`));
});

test('calls at the same time have a process each, and those stay', async () => {
  const file = tools.file('go');
  const waiting = [1, 2, 3].map(() => run('shared', { do: 'wait', file }));
  await until('three of them to run', () => fs.readdirSync(tools.dir).filter((name) => /^go\d+$/.test(name)).length === 3);
  fs.writeFileSync(file, '');
  const pids = new Set((await Promise.all(waiting)).map((each) => each.pid));
  assert.equal(pids.size, 3);
  assert.ok(pids.has((await run('shared', {})).pid));
});

test('with "user" no process serves two users', async () => {
  const [of, other] = [await run('own', {}), await run('own', {}, bob)];
  assert.notEqual(of.pid, other.pid);
  assert.equal((await run('own', {})).pid, of.pid);
  assert.equal((await run('own', {}, bob)).pid, other.pid);
});

test('lines that are not of the call are ignored, also when they come late', async () => {
  const { pid } = await run('shared', { do: 'garbage' });
  assert.equal((await run('shared', { do: 'twice' })).version, '1');
  const next = await run('shared', {}, bob);
  assert.deepEqual([next.version, next.sub], ['1', 'bob']);
  assert.ok(isRunning(pid));
});

test('one that ends in the middle of a call has failed, and the next call has another', async () => {
  await fails('faulty', { do: 'exit' }, /ended without an answer, with exit status 3/);
  await fails('faulty', { do: 'kill' }, /ended by signal 9/);
  const { pid } = await run('faulty', { do: 'answer, exit' });
  assert.notEqual((await run('faulty', {})).pid, pid);
});

test('a line that is too long, and a call that takes too long, end it', async () => {
  const { pid } = await run('faulty', {});
  await fails('faulty', { do: 'long' }, /printed more than 65536 bytes and was stopped/);
  await hasEnded(pid);
  const file = tools.file('hangs');
  assert.ok((await run('slow', {})).pid);        // so that its start is no part of the time
  await fails('slow', { do: 'hang', file }, /did not finish within 3000 ms and was stopped/);
  await hasEnded(Number(fs.readFileSync(file, 'utf8')));
  assert.ok((await run('slow', {})).pid);
});

test('so does a client that does not wait', async () => {
  const file = tools.file('cancelled');
  const abort = new AbortController();
  const asked = fetch(site.mcpUrl, { method: 'POST', signal: abort.signal, headers: { authorization: `Bearer ${alice}`,
    'content-type': 'application/json', accept: 'text/event-stream, application/json;q=0.5', 'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call', 'mcp-name': 'faulty' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'faulty', arguments: { do: 'hang', file }, _meta: META } }) })
    .then((answer) => answer.text());
  await until('it to run', () => fs.existsSync(file) && fs.readFileSync(file, 'utf8'));
  abort.abort();
  await assert.rejects(asked);
  await hasEnded(Number(fs.readFileSync(file, 'utf8')));
});

test('what it writes to stderr is in the log', async () => {
  await run('shared', { do: 'stderr' });
  await run('shared', {});
  await until('the line', () => /event=tool_stderr .*(?:tool=shared|program="tool shared") text="a note for the log"/.test(site.daemon.log));
});

test('one that is not needed ends', async () => {
  await hasEnded((await run('brief', {})).pid);
});

test('a changed program, manifest or secret replaces it', async () => {
  const before = await run('changing', {});
  tool('changing', {}, '2');
  const after = await run('changing', {});
  assert.deepEqual([before.version, after.version], ['1', '2']);
  await hasEnded(before.pid);
  tool('changing', { env: { MORE: '1' } }, '2');
  await until('another one', async () => (await run('changing', {})).pid !== after.pid);
  await hasEnded(after.pid);
  const { pid, secret } = await run('shared', { do: 'secret' });
  assert.equal(secret, SECRET);
  fs.writeFileSync(tools.file('key'), 'another secret');
  const now = await run('shared', { do: 'secret' });
  assert.equal(now.secret, 'another secret');
  await hasEnded(pid);
  assert.ok(!site.daemon.log.includes(SECRET));
});

test('it reports progress and asks for input as other programs do', async () => {
  const progress = await modern(site, alice, 'tools/call', { name: 'stream', arguments: { do: 'progress' } },
    { meta: { ...META, progressToken: 5 } });
  assert.match(progress.text, /"method":"notifications\/progress".*"progressToken":5/);
  const meta = { ...META, 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } };
  const params = { name: 'stream', arguments: { do: 'ask' } };
  const { result } = (await modern(site, alice, 'tools/call', params, { meta })).body;
  assert.equal(result.resultType, 'input_required');
  const answered = await modern(site, alice, 'tools/call', { ...params, requestState: result.requestState,
    inputResponses: { name: { action: 'accept', content: { name: 'Ada' } } } }, { meta });
  assert.deepEqual(answered.body.result.structuredContent.answers, ['Ada', 7]);
});

test('a resource may have one too', async () => {
  const read = async () => (await modern(site, alice, 'resources/read', { uri: 'cat://cat' }, { headers: { 'mcp-name': 'cat://cat' } })).body.result.contents[0].text;
  assert.equal(await read(), await read());
});

test('the example of the documentation works', async () => {
  const [, text] = fs.readFileSync(path.join(ROOT, 'docs/tools.md'), 'utf8').split('<!-- test: persistent -->');
  const [manifest, program] = [/```json\n(.*?)```/s, /```python\n(.*?)```/s].map((block) => block.exec(text)[1]);
  fs.writeFileSync(tools.file('upper.py'), program, { mode: 0o755 });
  fs.writeFileSync(tools.file('upper.json'), manifest);
  await until('the tool', async () => (await modern(site, alice, 'tools/call', { name: 'upper', arguments: { text: '' } })).body.result);
  assert.deepEqual([await run('upper', { text: 'a' }), await run('upper', { text: 'b' })], [{ upper: 'A' }, { upper: 'B' }]);
});

test('if the worker of its call is killed, it ends', async () => {
  const file = tools.file('of-worker');
  const asked = call('faulty', { do: 'hang', file }).catch(() => undefined);
  await until('it to run', () => fs.existsSync(file) && fs.readFileSync(file, 'utf8'));
  const pid = Number(fs.readFileSync(file, 'utf8'));
  killWorkers(site.daemon);
  await hasEnded(pid);
  await asked;
  await until('new workers', async () => (await modern(site, alice, 'tools/list').catch(() => ({}))).status === 200);
});

test('if the runner is killed, all end, and calls go on with others', async () => {
  const { pid } = await run('shared', {});
  const runner = runnerOf(site.daemon);
  process.kill(runner, 'SIGKILL');
  await hasEnded(pid);
  await until('another runner', () => ![undefined, runner].includes(runnerOf(site.daemon)));
  let next;
  await until('an answer', async () => (next = (await call('shared', {})).structuredContent?.pid));
  assert.notEqual(next, pid);
});

test('a stop of the daemon leaves none behind', async () => {
  const pids = [(await run('shared', {})).pid, (await run('own', {}, bob)).pid];
  await site.close();
  assert.deepEqual(pids.map(isRunning), [false, false]);
  site = undefined;
});
