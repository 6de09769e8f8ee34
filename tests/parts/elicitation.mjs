// A tool that asks the user twice, as tests of a client of either SDK that has logged in.

import assert from 'node:assert/strict';

// What the user says, by question.
const ANSWERS = [[/^Which word/, 'hello'], [/^How often shall I say hello/, 3]];

// `newClient` gives a connected client whose elicitation handler is the given function.
export async function checkElicitation(newClient) {
  const asked = [];
  const client = await newClient(({ params }) => {
    asked.push(params.message);
    const [, value] = ANSWERS.find(([question]) => question.test(params.message));
    return { action: 'accept', content: { value } };
  });
  const result = await client.callTool({ name: 'confirm', arguments: {} });
  assert.deepEqual(result.content, [{ type: 'text', text: 'hello times 3' }]);
  assert.equal(asked.length, 2, asked.join());
  await client.close();

  const refusing = await newClient(() => ({ action: 'decline' }));
  assert.deepEqual((await refusing.callTool({ name: 'confirm', arguments: {} })).content, [{ type: 'text', text: 'The user said no.' }]);
  await refusing.close();
}
