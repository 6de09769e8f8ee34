// MCP servers on stdio behind the login (servers.d): their tools are listed and called, and what a server does wrong reaches its own
// callers only.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { auditLines } from '../parts/audit.mjs';
import { BINARY, logged, writeConfig } from '../parts/daemon.mjs';
import { assertToolError, callTool, initialize, legacy, META, modern, post, structuredContentOf } from '../parts/mcp.mjs';
import { listen } from '../parts/listen.mjs';
import { startSite } from '../parts/site.mjs';
import { hasEnded, isRunning, toolFolder } from '../parts/tasks.mjs';
import { until } from '../parts/util.mjs';

// A server without any library: it answers calls in threads, so that many can wait, and does wrong what "do" says.
const SERVER = `#!/usr/bin/python3 -u
import json, os, signal, sys, threading, time
lock = threading.Lock()
tools = ["work", "hidden"]
subscribed = []
levels = []
silent_lists = "nolists" in sys.argv
def send(message):
    with lock: print(json.dumps({"jsonrpc": "2.0", **message}))
def text(t): return {"content": [{"type": "text", "text": t}]}
def call(message):
    id, params = message["id"], message["params"]
    args, meta = params.get("arguments", {}), params.get("_meta", {})
    do = args.get("do", "echo")
    if do == "exit": os._exit(3)
    if do == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if do == "hang": return os.kill(os.getpid(), signal.SIGSTOP) # which another thread may notice first
    if do == "never": return
    if do == "long":
        with lock: sys.stdout.write("x" * (9 << 20)); sys.stdout.flush()
    if do == "garbage":
        with lock: print("a banner, not JSON")
        send({"id": 999999, "result": text("of nobody")})
    if do == "wait":
        open(args["file"] + str(id), "w").close()
        while not os.path.exists(args["file"]): time.sleep(0.01)
    if do == "progress":
        for n in (1, 2): send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": n}})
        send({"method": "notifications/message", "params": {"level": "error", "data": "careful"}})
    if do == "error": return send({"id": id, "error": {"code": -32602, "message": "no such thing"}})
    if do == "input":
        if "inputResponses" in params: return send({"id": id, "result": {"resultType": "complete", **text(json.dumps([params["inputResponses"], params["requestState"]]))}})
        return send({"id": id, "result": {"resultType": "input_required", "requestState": "mine", "inputRequests": {"who": {"method": "elicitation/create",
            "params": {"message": "Who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}}}}})
    if do == "ask":
        send({"id": "q", "method": "roots/list"})
        return
    if do == "update" and args["uri"] in subscribed: send({"method": "notifications/resources/updated", "params": {"uri": args["uri"]}})
    if do == "more":
        tools.append("more")
        send({"method": "notifications/tools/list_changed"})
    if do == "unreadable":
        with lock: print('{"jsonrpc":"2.0", "x": "{\\"id\\":7", "id": %d, "result": {"content": [1,]}}' % id)
        return
    if do == "size":
        line = json.dumps({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": ""}]}})
        with lock: print(line.replace('"text": ""', '"text": "%s"' % ("x" * (args["bytes"] - len(line)))))
        return
    if do == "raw": return send({"id": id, **args["raw"]})
    if do == "stderr": print("a note of the server", file=sys.stderr)
    send({"id": id, "result": {"structuredContent": {"pid": os.getpid(), "said": args.get("said"), "levels": levels, "meta": meta, "name": params["name"],
        "secret": open(os.environ["KEY_FILE"]).read() if "KEY_FILE" in os.environ else None}, **text(do)}})
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    meta = message.get("params", {}).get("_meta", {})
    if "modern" in sys.argv and method and "id" in message and meta.get("io.modelcontextprotocol/protocolVersion") != "2026-07-28":
        send({"id": message["id"], "error": {"code": -32022, "message": "Unsupported protocol version"}})
    elif method == "server/discover":
        send({"id": message["id"], "result": {"resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}}}})
    elif method == "subscriptions/listen": subscribed[:] = message["params"]["notifications"].get("resourceSubscriptions", [])
    elif method == "initialize":
        if "silent" in sys.argv: continue
        send({"id": message["id"], "result": {"protocolVersion": "2024-11-05" if "old" in sys.argv else message["params"]["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}, "logging": {}, "resources": {"subscribe": True}, "prompts": {}}, "serverInfo": {"name": "test", "version": "1"}}})
    elif method == "resources/list":
        send({"id": message["id"], "result": {"resources": [{"uri": uri, "name": "r", "other": 1} for uri in ("data://a", "data://hidden")]}})
    elif method == "resources/templates/list" and "old" in sys.argv:
        send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
    elif method == "resources/templates/list":
        send({"id": message["id"], "result": {"resourceTemplates": [{"uriTemplate": t, "name": "t"} for t in ("data://t/{id}{?page}", "{+all}")]}})
    elif method == "prompts/list":
        send({"id": message["id"], "result": {"prompts": [{"name": n, "arguments": [{"name": "x"}]} for n in ("ask", "hidden", "")]}})
    elif method == "resources/read":
        uri = message["params"]["uri"]
        if uri.endswith("none"): send({"id": message["id"], "error": {"code": -32002, "message": "no such resource"}})
        elif uri.endswith("empty"): send({"id": message["id"], "result": {"contents": []}})
        elif uri.endswith("bad"): send({"id": message["id"], "result": {"contents": [{"uri": uri}]}})
        else: send({"id": message["id"], "result": {"contents": [{"uri": uri, "text": sys.argv[1] if sys.argv[1:] else "one"}]}})
    elif method == "resources/subscribe":
        subscribed.append(message["params"]["uri"])
        send({"id": message["id"], "result": {}})
    elif method == "logging/setLevel":
        levels.append(message["params"]["level"])
        send({"id": message["id"], "result": {}})
    elif method == "prompts/get":
        if message["params"]["arguments"].get("x") == "": send({"id": message["id"], "result": {"messages": []}})
        else: send({"id": message["id"], "result": {"messages": [{"role": "user", "content": {"type": "text", "text": json.dumps(message["params"])}}]}})
    elif method == "tools/list":
        if silent_lists: continue
        if "many" in sys.argv: tools = ["t%d" % n for n in range(int(sys.argv[-1]))]
        if "endless" in sys.argv:
            send({"id": message["id"], "result": {"nextCursor": "2", "tools": [{"name": "t", "description": "x" * (4 << 20)}]}})
            continue
        first = not message.get("params", {}).get("cursor")
        names = tools[:1] if first else tools[1:]
        send({"id": message["id"], "result": {**({"nextCursor": "2"} if first else {}), "tools": [{"name": n, "description": n,
            "inputSchema": {"type": "object", "properties": {"said": {"type": "string"}}}, "execution": {}} for n in names]}})
    elif method == "ping": send({"id": message["id"], "result": {}})
    elif method == "tools/call": threading.Thread(target=call, args=(message,), daemon=True).start()
`;
const SECRET = 'c0ffee-of-a-server';

let site;
let tools;
let token;
function server(name, manifest = {}, args = []) {
  fs.writeFileSync(tools.file(`servers.d/${name}.json`), JSON.stringify({ command: ['./server.py', ...args], timeout_ms: 20000, ...manifest }));
}
before(async () => {
  tools = toolFolder('mcp-servers-');
  fs.mkdirSync(tools.file('servers.d'));
  fs.writeFileSync(tools.file('servers.d/server.py'), SERVER, { mode: 0o755 });
  fs.writeFileSync(tools.file('key'), SECRET, { mode: 0o600 });
  server('one', { write: [tools.dir], secrets: { KEY: tools.file('key') }, deny: ['hidden'] });
  server('faulty', { write: [tools.dir], prefix: 'f.', deny: ['data://t/denied'] });
  server('hangs', { timeout_ms: 3000 });
  server('old', { idle_s: 1 }, ['old']);
  server('silent', { start_timeout_s: 1 }, ['silent']);
  server('endless', {}, ['endless']);
  server('scoped', { scopes: ['admin'] });
  server('modern', {}, ['modern']);
  server('many', { prefix: 'm.' }, ['many', '1000']);
  server('more', { prefix: 'n.' }, ['many', '1001']);
  server('nolists', { timeout_ms: 1000 }, ['nolists']);
  fs.writeFileSync(tools.file('servers.d/wrong.json'), '{"command":["./server.py"],"prefixes":"x"}');
  site = await startSite({ config: { TOOLS_DIR: '', SERVERS_DIR: tools.file('servers.d'), CALLS_PER_USER: '64', CALLS_MAX: '64', AUDIT_EVENTS: 'calls' },
    mustFail: ['event=server_ended', 'event=server_lists_failed', 'event=tool_invalid', 'event=server_output_invalid', 'event=server_not_started'] });
  token = await site.cognito.accessToken();
});
after(async () => {
  await site?.close();
  tools.remove();
});

const names = async () => (await modern(site, token, 'tools/list')).body.result.tools.map((tool) => tool.name);
const call = (name, args) => callTool(site, token, name, args);
const work = async (name, args = {}) => structuredContentOf(await call(name, args));
const fails = async (name, args, message) => assertToolError(await call(name, args), message);
// A server that has failed is started again after a while.
const works = (name) => until(`${name} to work again`, async () => (await call(name, {})).structuredContent);

test('a batch that lists the tools for the first time calls none that its token does not allow', async () => {
  await initialize(site, token, '2025-03-26');
  const message = (id, method, params = {}) => ({ jsonrpc: '2.0', id, method, params });
  const { body, text } = await post(site, token, [message(1, 'tools/list'), message(2, 'tools/call', { name: 'scoped_work', arguments: {} })]);
  assert.equal(body[1].error?.code, -32602, text);
});

test('the tools of all servers are listed, with their prefixes, beside those that are built in', async () => {
  const listed = await names();
  for (const name of ['echo', 'one_work', 'f.work', 'f.hidden', 'old_work', 'scoped_work']) assert.ok(listed.includes(name), `${name} of ${listed}`);
  assert.ok(!listed.includes('one_hidden'), 'deny');
  assert.ok(!listed.some((name) => name.startsWith('silent')));
  await logged(site.daemon, 0, /event=server_lists_failed (?:site=\S+ )?server=silent why=".*did not answer initialize within 1 s"/);
  await logged(site.daemon, 0, /event=server_lists_failed (?:site=\S+ )?server=endless why="its list is too long"/);
  await logged(site.daemon, 0, /event=tool_invalid problem=".*wrong.json: unknown member .*prefixes.*; did you mean prefix/);
});

test('a tool is called by its own name; the server is told nothing of the token', async () => {
  const first = await work('one_work', { said: 'a' });
  assert.deepEqual({ ...first, pid: 0 }, { pid: 0, said: 'a', levels: [], meta: {}, name: 'work', secret: SECRET });
  assert.equal((await work('one_work', { said: 'b' })).pid, first.pid, 'one process for all calls');
  assert.ok(!site.daemon.log.includes(SECRET));
});

const list = async (kind) => (await modern(site, token, `${kind === 'resourceTemplates' ? 'resources/templates' : kind}/list`)).body.result[kind];
const read = async (uri) => (await modern(site, token, 'resources/read', { uri }, { headers: { 'mcp-name': uri } })).body;

test('resources, templates and prompts are listed: URIs as they are, of several servers the first one', async () => {
  const resources = (await list('resources')).filter(({ uri }) => uri.startsWith('data:'));
  assert.deepEqual(resources, [{ uri: 'data://a', name: 'r', other: 1 }, { uri: 'data://hidden', name: 'r', other: 1 }]);
  assert.ok((await list('resourceTemplates')).some(({ uriTemplate }) => uriTemplate === 'data://t/{id}{?page}'));
  const prompts = (await list('prompts')).map(({ name }) => name);
  assert.ok(prompts.includes('one_ask') && prompts.includes('f.hidden'), `${prompts}`);
  assert.ok(!prompts.includes('one_hidden') && !prompts.includes('one_'), `${prompts}`);
  await logged(site.daemon, 0, /event=tool_invalid problem="modern.json: the resource data:\/\/a is left out: another MCP server has it"/);
  await logged(site.daemon, 0, /the resource template \{\+all\} is left out: its URI must have a scheme/);
});

test('a resource is read at the server that has it, or whose template matches', async () => {
  const first = await read('data://a');
  assert.deepEqual(first.result?.contents ?? first, [{ uri: 'data://a', text: 'one' }]);
  for (const uri of ['data://t/7', 'data://t/7?page=2']) assert.equal((await read(uri)).result?.contents[0].uri, uri);
  assert.match((await read('data://t/none')).error.message, /no such resource/);
  const failed = await until('the audit line', () => auditLines(site.daemon.log).find(({ audit, outcome }) => audit === 'resource_read' && outcome !== 'ok'));
  assert.equal(failed.reason, undefined, 'it is not our text');
  assert.match((await read('data://t/bad')).error.message, /not a resource/);
  assert.deepEqual((await read('data://t/empty')).result?.contents, [], 'it exists, and has no content');
  for (const uri of ['data://t/denied', 'data://t/%64enied', 'data://t/denied?page=2', 'data://t/de%6Eied?x=%zz', 'data://t/7?x=%zz', 'data://t/d\tenied',
    'data://other/7', 'data://t/7/8']) assert.match((await read(uri)).error.message, /Resource not found/, uri);
});

test('a prompt is got by its own name, if the token has the scope', async () => {
  const get = (name, x = 'y') => modern(site, token, 'prompts/get', { name, arguments: { x } });
  assert.deepEqual(JSON.parse((await get('one_ask')).body.result.messages[0].content.text), { name: 'ask', arguments: { x: 'y' } });
  assert.deepEqual((await get('one_ask', '')).body.result?.messages, [], 'none is a prompt, too');
  assert.equal((await get('scoped_ask')).status, 403);
});

test('a server that does not answer tools/list costs the first list its time, and not the next ones', { timeout: 60000 }, async () => {
  await logged(site.daemon, 0, /event=server_lists_failed (?:site=\S+ )?server=nolists why=".*did not answer within \d+ ms"/);
  const count = () => site.daemon.log.split(/server_lists_failed (?:site=\S+ )?server=nolists/).length;
  const before = count();
  for (let i = 0; i < 3; i++) await names();
  assert.equal(count(), before);
});

test('arguments are checked by the schema, and a scope is asked for, as for any tool', async () => {
  await fails('one_work', { said: 7 }, /Invalid arguments: \/said must be a string/);
  assert.equal((await modern(site, token, 'tools/call', { name: 'scoped_work', arguments: {} })).status, 403);
});

test('a server of 2024-11-05 serves clients of every revision', async () => {
  assert.ok((await work('old_work')).pid);
  for (const version of ['2025-11-25', '2024-11-05']) {
    await initialize(site, token, version);
    const answer = await legacy(site, token, version, 'tools/call', { name: 'old_work', arguments: { said: version } });
    assert.equal(answer.body.result.structuredContent.said, version, answer.text);
  }
});

test('many calls run in one server at the same time, and each gets its own answer', async () => {
  const file = tools.file('go');
  const calls = Array.from({ length: 32 }, (_, i) => work('one_work', { do: 'wait', file, said: `${i}` }));
  await until('all to run', () => fs.readdirSync(tools.dir).filter((name) => /^go\d+$/.test(name)).length === 32);
  fs.writeFileSync(file, '');
  const answers = await Promise.all(calls);
  assert.deepEqual(answers.map(({ said }) => said), answers.map((_, i) => `${i}`));
  assert.equal(new Set(answers.map(({ pid }) => pid)).size, 1);
});

test('progress and log messages reach the client, with its own token', async () => {
  const progress = (progressToken) => modern(site, token, 'tools/call', { name: 'one_work', arguments: { do: 'progress' } },
    { meta: { ...META, progressToken, 'io.modelcontextprotocol/logLevel': 'warning' } });
  const answer = await progress('mine');
  assert.equal([...answer.text.matchAll(/"progressToken":"mine","progress":(\d)/g)].length, 2, answer.text);
  assert.match((await progress('m'.repeat(1000))).text, /"progressToken":"m{1000}"/);
  assert.match(answer.text, /"method":"notifications\/message".*"data":"careful"/);
  const told = await modern(site, token, 'tools/call', { name: 'one_work', arguments: {} }, { meta: { ...META, progressToken: 'mine' } });
  assert.ok(told.body.result.structuredContent.meta.progressToken > 2 ** 30, 'none that a server counts for its own requests');
});

test("a server's error is the tool's; lines that are no answer are ignored", async () => {
  await fails('one_work', { do: 'error' }, /the server one has answered with an error: no such thing/i);
  const { pid } = await work('one_work', { do: 'garbage' });
  assert.equal((await work('one_work')).pid, pid);
  await until('the log', () => /event=server_output_invalid (?:site=\S+ )?server=one lines=1 text="a banner, not JSON"/.test(site.daemon.log));
});

test('a result that is none is refused, and members that are none of a result are left out', async () => {
  const content = [];
  for (const result of [{ content, _meta: 'x'.repeat(64) }, { content, _meta: 7 }, { content: 'x' }, { content: [1] }, { content, isError: 'no' }, {}])
    await fails('one_work', { do: 'raw', raw: { result } }, /the server one has answered with no valid CallToolResult/i);
  for (const raw of [{ result: { content, resultType: 'input_required', other: 1 } }, { result: { content }, relay: 'ready' }, { result: { content }, relay: 'busy' }]) {
    const { _meta, ...result } = await call('one_work', { do: 'raw', raw });
    assert.deepEqual(result, { content, resultType: 'complete' });
  }
});

test('what it writes to stderr is in the log', async () => {
  await work('one_work', { do: 'stderr' });
  await until('the line', () => /event=server_stderr (?:site=\S+ )?server=one text="a note of the server"/.test(site.daemon.log));
});

test('if it ends in the middle of many calls, each is told why, and no other server notices', async () => {
  const { pid } = await work('one_work');
  const file = tools.file('never');
  const calls = Array.from({ length: 16 }, () => call('f.work', { do: 'wait', file }));
  await until('all to run', () => fs.readdirSync(tools.dir).filter((name) => /^never\d+$/.test(name)).length === 16);
  await fails('f.work', { do: 'kill' }, /server faulty has ended before it answered: it ended with signal 9/);
  for (const result of await Promise.all(calls)) assert.match(result.content[0].text, /has ended before it answered: it ended with signal 9/);
  assert.equal((await work('one_work')).pid, pid);
  const again = await call('f.work', {});
  if (again.isError) assert.match(again.content[0].text, /is started again in \d+ s/);
  await works('f.work');
  await fails('f.work', { do: 'exit' }, /it ended with exit status 3/);
  await works('f.work');
});

test('who has subscribed to a resource is told of its changes, also after a restart of the server', { timeout: 60000 }, async () => {
  const session = new Client({ name: 'test', version: '1' });
  const told = [];
  session.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => { told.push(params.uri); });
  await session.connect(new StreamableHTTPClientTransport(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const listener = await listen(site, token, { resourceSubscriptions: ['data://a', 'data://none/of/it'] });
  const counts = () => [told.length, listener.messages.length];
  const isTold = (before) => until(() => `a notification more than ${before}: ${JSON.stringify(listener.messages)}, ${told}`,
    () => counts().every((count, i) => count > before[i]) && listener.messages.slice(1).every(({ params }) => params.uri === 'data://a'));
  const { params } = await listener.next('what is granted', ({ method }) => method === 'notifications/subscriptions/acknowledged');
  assert.deepEqual(params.notifications, { resourceSubscriptions: ['data://a'] });
  await session.subscribeResource({ uri: 'data://a' });
  await until('the stream of the session, for which the SDK does not wait', async () => {
    await work('f.work', { do: 'update', uri: 'data://a' });
    return told.length > 0;
  });
  await isTold([0, 1]);
  const granted = async (whose, from, count) => {
    const stream = await listen(site, whose, { resourceSubscriptions: Array.from({ length: count }, (_, n) => `data://t/${from + n}`) });
    const { params: { notifications } } = await stream.next('what is granted', ({ method }) => method === 'notifications/subscriptions/acknowledged');
    await stream.close();
    return notifications.resourceSubscriptions?.length;
  };
  assert.equal(await granted(await site.cognito.accessToken({ sub: 'alice', username: 'alice' }), 0, 64), 64);
  let before = counts();
  await fails('f.work', { do: 'kill' }, /it ended with signal 9/);
  await isTold(before); // it may have changed
  await works('f.work');
  before = counts();
  await work('f.work', { do: 'update', uri: 'data://a' });
  await isTold(before);
  assert.equal(await granted(token, 64, 63), 63, 'those of others do not count as those of who called first');
  await listener.close();
  await session.close();
});

test('a server of 2026-07-28 serves clients of every revision, and asks them', async () => {
  const { pid, meta } = await work('modern_work', { said: 'a' });
  assert.ok(pid);
  assert.deepEqual(Object.keys(meta).map((key) => key.replace('io.modelcontextprotocol/', '')).sort(), ['clientCapabilities', 'clientInfo', 'protocolVersion']);
  await logged(site.daemon, 0, /event=server_started (?:site=\S+ )?server=modern version=2026-07-28/);
  const answer = { action: 'accept', content: { name: 'Ada' } };
  const args = { name: 'modern_work', arguments: { do: 'input' } };
  for (const mode of ['auto', 'legacy']) {
    const client = new ClientV2({ name: 'test', version: '2' }, { versionNegotiation: { mode }, capabilities: { elicitation: {} } });
    client.setRequestHandler('elicitation/create', () => answer);
    await client.connect(new TransportV2(new URL(site.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
    const [responses, state] = JSON.parse((await client.callTool(args)).content[0].text);
    assert.deepEqual([responses, state], [{ who: answer }, 'mine'], mode);
    await client.close();
  }
  await fails('modern_work', { do: 'raw', raw: { result: { resultType: 'other', content: [] } } }, /a result of an unknown type/);
});

test('an answer that cannot be read is an error at once', async () => {
  await fails('f.work', { do: 'unreadable' }, /its answer cannot be read: not valid JSON/);
});

test('a server has at most 1000 tools', async () => {
  const listed = await names();
  assert.deepEqual(['m.', 'n.'].map((prefix) => listed.filter((name) => name.startsWith(prefix)).length), [1000, 1000]);
  await logged(site.daemon, 0, /more.json: it has more than 1000 tools; the first ones are served/);
  assert.doesNotMatch(site.daemon.log, /many.json: it has more than/);
});

test('a server is asked for the log messages that a client wants', async () => {
  const levels = async (level) => (await modern(site, token, 'tools/call', { name: 'one_work', arguments: {} },
    { meta: { ...META, 'io.modelcontextprotocol/logLevel': level } })).body.result.structuredContent.levels;
  await levels('error');
  assert.deepEqual((await levels('debug')).slice(-1), ['debug']);
  assert.deepEqual((await levels('error')).slice(-1), ['debug'], 'others still want them');
});

test('a message has at most 8 MiB', { timeout: 60000 }, async () => {
  const result = await call('f.work', { do: 'size', bytes: 8 << 20 });
  assert.ok(result.content[0].text.length > 8380000, JSON.stringify(result).slice(0, 200));
  await fails('f.work', { do: 'size', bytes: (8 << 20) + 1 }, /it sent a message of more than 8388608 bytes/);
  await works('f.work');
});

test('a message that is too long ends it', async () => {
  await fails('f.work', { do: 'long' }, /it sent a message of more than 8388608 bytes/);
  await works('f.work');
});

test('one that hangs is ended, after a call and a ping without an answer', { timeout: 60000 }, async () => {
  const { pid } = await works('hangs_work');
  await fails('hangs_work', { do: 'never' }, /did not answer within 3000 ms/);
  assert.equal((await work('hangs_work')).pid, pid, 'it answers others');
  await fails('hangs_work', { do: 'hang' }, /did not answer within 3000 ms/);
  await until('it to be ended', () => !isRunning(pid), { deadlineMs: 30000 });
  await works('hangs_work');
});

test('one that is not needed ends, and is started again', async () => {
  const { pid } = await work('old_work');
  await hasEnded(pid);
  assert.notEqual((await work('old_work')).pid, pid);
});

test('a list that changes is read again', async () => {
  // Its lists are in one file, so a client that waits for all of them is told of each.
  const stream = await listen(site, token, { toolsListChanged: true, resourcesListChanged: true, promptsListChanged: true });
  await work('one_work', { do: 'more' });
  for (const kind of ['tools', 'resources', 'prompts']) await stream.next(`the change of ${kind}`, ({ method }) => method === `notifications/${kind}/list_changed`);
  await stream.close();
  await until('the new tool', async () => (await names()).includes('one_more'));
  await until('a call of it', async () => (await modern(site, token, 'tools/call', { name: 'one_more', arguments: {} })).body.result?.structuredContent.name === 'more');
});

test('a changed manifest replaces it, and one that is removed takes its tools along', async () => {
  const { pid } = await work('one_work');
  server('one', { prefix: '', allow: ['work'], env: { MORE: '1' } });
  await until('the new name', async () => (await names()).includes('work'));
  await until('all workers to know it', async () => (await modern(site, token, 'tools/call', { name: 'work', arguments: {} })).body.result);
  assert.notEqual((await work('work')).pid, pid);
  await hasEnded(pid);
  fs.rmSync(tools.file('servers.d/old.json'));
  await until('its tools to go', async () => !(await names()).includes('old_work'));
});

test('status and doctor tell of each server: since when it is up, its calls, errors, starts and memory, and why it failed', async () => {
  const run = (...args) => spawnSync(BINARY, ['-c', site.daemon.configFile, ...args], { encoding: 'utf8' });
  const servers = () => Object.fromEntries(JSON.parse(run('status', '--json').stdout).servers.map((each) => [each.server, each]));
  const { calls, errors, starts } = servers().faulty;
  await modern(site, token, 'tools/call', { name: 'f.work', arguments: { do: 'error' } });
  await fails('f.work', { do: 'exit' }, /exit status 3/);
  await works('f.work');
  await until('its memory', async () => (await work('f.work')) && servers().faulty.memory > 1 << 20);
  const { faulty, silent } = servers();
  assert.ok(faulty.calls >= calls + 4 && faulty.errors >= errors + 2, JSON.stringify([calls, errors, faulty]));
  assert.deepEqual([faulty.instances, faulty.starts], [1, starts + 1]);
  assert.match(faulty.why, /exit status 3/);
  assert.ok(faulty.up_since >= faulty.failed && Math.abs(Date.now() / 1000 - faulty.failed) < 60, JSON.stringify(faulty));
  assert.deepEqual([silent.instances, silent.up_since], [0, 0]);
  assert.match(silent.why, /did not answer initialize/);
  const { stdout } = run('status');
  assert.match(stdout, /^faulty +\d+ +\d+ +\d+ +\d+ +\d+ {2}20\d\d-/m);
  assert.match(stdout, /^silent .* does not run\n {4}failed at .*did not answer initialize within 1 s/m);
  const said = JSON.parse(run('doctor', '--json').stdout).checks.filter(({ check }) => check === 'servers').map(({ status, text }) => `${status} ${text}`);
  assert.ok(said.some((line) => /^ok faulty is up since .*: \d+ calls, \d+ errors, started \d+ times, \d+ MiB/.test(line)), said.join('\n'));
  assert.ok(said.some((line) => /^warn silent does not run, and failed at .*did not answer initialize/.test(line)), said.join('\n'));
});

test('a site has 64 servers; of more, the first ones by name', () => {
  const dir = tools.file('many.d');
  const file = tools.file('many.conf'); // with no sites.d beside it
  const check = () => spawnSync(BINARY, ['-t', '-c', file], { encoding: 'utf8' });
  fs.mkdirSync(dir);
  writeConfig(file, { ...site.keys, SERVERS_DIR: dir });
  for (let n = 10; n < 74; n += 1) fs.writeFileSync(path.join(dir, `s${n}.json`), '{"url":"http://127.0.0.1:1/mcp"}');
  const full = check();
  assert.equal(full.status, 0, full.stderr);
  fs.writeFileSync(path.join(dir, 's99.json'), '{"url":"http://127.0.0.1:1/mcp"}');
  const over = check();
  assert.equal(over.status, 1, over.stderr);
  assert.match(over.stderr, /s99\.json: there are more than 64 servers/);
});

test('a stop of the daemon leaves none behind', async () => {
  const pids = [(await work('work')).pid, (await work('f.work')).pid];
  await site.close();
  site = undefined;
  assert.deepEqual(pids.map(isRunning), [false, false]);
});

test('without a runner the log says so', async () => {
  const other = await startSite({ config: { TOOLS_DIR: '', SERVERS_DIR: tools.file('servers.d'), RUNNER_SOCKET: tools.file('none.sock') },
    mustFail: ['event=server_not_started', 'event=server_lists_failed', 'event=tool_invalid'] });
  try {
    await modern(other, await other.cognito.accessToken(), 'tools/list');
    await logged(other.daemon, 0, /event=server_not_started (?:site=\S+ )?server=one why="no connection to the runner"/);
    await logged(other.daemon, 0, /event=server_lists_failed (?:site=\S+ )?server=one why="the server one could not be started"/);
  } finally {
    await other.close();
  }
});
