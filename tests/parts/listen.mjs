// subscriptions/listen by hand: a stream whose messages are kept as they come.

import { META, MODERN } from './mcp.mjs';
import { until } from './util.mjs';

export async function listen(site, token, notifications, { id = 7, meta = META } = {}) {
  const gone = new AbortController();
  const response = await fetch(site.mcpUrl, { signal: gone.signal, method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${token}`,
      'mcp-protocol-version': MODERN, 'mcp-method': 'subscriptions/listen' },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params: { notifications, _meta: meta } }) });
  if (!/^text\/event-stream/.test(response.headers.get('content-type'))) {
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
  }
  const stream = { status: response.status, messages: [], ended: false,
    async close() {
      gone.abort();
      await stream.done;
    },
    // The first message, from `after` on, for which `wanted` is true.
    next: (what, wanted, after = 0) => until(() => `${what}, got ${JSON.stringify(stream.messages).slice(0, 2000)}`,
      () => stream.messages.slice(after).find(wanted)),
  };
  stream.done = (async () => {
    let text = '';
    try {
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        const events = text.split('\n\n');
        text = events.pop();
        for (const event of events) if (event.startsWith('data: {')) stream.messages.push(JSON.parse(event.slice(6)));
      }
    } catch { /* closed by us */ }
    stream.ended = true;
  })();
  return stream;
}
