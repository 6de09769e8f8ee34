// Callers that keep a site busy while something happens to it.

import assert from 'node:assert/strict';
import { modern } from './mcp.mjs';
import { until } from './util.mjs';

export const CALLERS = 12;
const TEXT = 'x'.repeat(50_000); // several FastCGI records in each direction

// Callers that call `echo` one after the other until `stop`, at most `most` times each. Gives the statuses; every 200 must
// be whole.
export async function startLoad(site, token, during, { most = 2000 } = {}) {
  const statuses = new Map();
  let stopped = false;
  let answered = 0;
  async function caller() {
    for (let i = 0; i < most && !stopped; i++) {
      // A worker that dies in the middle of its reply leaves a cut answer: fetch throws.
      const answer = await modern(site, token, 'tools/call', { name: 'echo', arguments: { text: TEXT } })
        .catch((error) => ({ status: `cut: ${error.cause?.code ?? error.message}` }));
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      answered++;
      if (answer.status === 200) assert.equal(answer.body.result.content[0].text, TEXT, 'a 200 is whole');
    }
  }
  const callers = Array.from({ length: CALLERS }, caller);
  try {
    await until('the load runs', () => answered >= CALLERS * 3);
    await during({ answered: () => answered });
  } finally {
    stopped = true;
    await Promise.all(callers);
  }
  return statuses;
}
