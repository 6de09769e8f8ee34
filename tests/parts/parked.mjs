// Calls of handshake clients whose programs ask a person: their streams, and what the client answers.

import { post } from './mcp.mjs';
import { yes } from './tasks.mjs';

// A client that answers elicitation and sampling; gives the headers of its requests.
export async function newSession(site, token, version = '2025-06-18') {
  const started = await post(site, token, { jsonrpc: '2.0', id: 0, method: 'initialize',
    params: { protocolVersion: version, capabilities: { elicitation: {}, sampling: {} }, clientInfo: { name: 't', version: '1' } } });
  return { 'mcp-session-id': started.headers.get('mcp-session-id'), 'mcp-protocol-version': version };
}

let lastId = 0;
// Calls, and waits for `count` questions. `end`: resolves at the end of the stream, to its messages.
export async function open(site, token, session, { method = 'tools/call', name = 'ask', params = { name, arguments: {} }, count = 1, signal } = {}) {
  const id = lastId += 1;
  const response = await fetch(site.mcpUrl, { method: 'POST', signal, headers: { ...session, 'content-type': 'application/json',
    accept: 'application/json, text/event-stream', authorization: `Bearer ${token}` },
  body: JSON.stringify({ jsonrpc: '2.0', id, method, params }) });
  const call = { id, session, messages: [], events: [] };
  let asked;
  const questions = new Promise((resolve) => { asked = resolve; });
  call.end = (async () => {
    let text = '';
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      text += part;
      const events = text.split('\n\n');
      text = events.pop();
      for (const event of events) {
        call.events.push(/^id: (.+)$/m.exec(event)?.[1]);
        const data = /^data: (.+)$/m.exec(event)?.[1];
        if (data) call.messages.push(JSON.parse(data));
      }
      call.questions = call.messages.filter((message) => message.method && 'id' in message);
      if (call.questions.length >= count) asked();
    }
    return call.messages;
  })();
  call.end.catch(() => {});
  await Promise.race([questions, call.end]);
  return call;
}

export const answer = (site, token, call, n = 0, result = yes) => post(site, token, { jsonrpc: '2.0', id: call.questions[n].id, result }, call.session);
