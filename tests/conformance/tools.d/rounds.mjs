#!/usr/bin/env node
// Tools and a prompt that need input of the client before they can answer: `rounds.mjs WHAT`.

import fs from 'node:fs';

const { arguments: args = {}, inputResponses = {}, requestState, clientCapabilities = {} } = JSON.parse(fs.readFileSync(0, 'utf8'));

const form = (message, properties, required = Object.keys(properties)) =>
  ({ method: 'elicitation/create', params: { message, requestedSchema: { type: 'object', properties, required } } });
const sample = (text, maxTokens = 100) => ({ method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens } });
const roots = { method: 'roots/list', params: {} };
const text = (words) => ({ content: [{ type: 'text', text: words }] });
const show = (response) => `action=${response.action}, content=${JSON.stringify(response.content ?? {})}`;

// Asks for what is not there yet; with all of it, gives the result.
function ask(requests, result, state) {
  const missing = Object.fromEntries(Object.entries(requests).filter(([key]) => !inputResponses[key]));
  return Object.keys(missing).length === 0 ? result(inputResponses)
    : { inputRequired: { inputRequests: missing, ...(state !== undefined && { requestState: state }) } };
}

const titled = (...names) => names.map((title, i) => ({ const: `value${i + 1}`, title }));
const options = ['option1', 'option2', 'option3'];

const kinds = {
  sampling: () => ask({ model: sample(args.prompt) }, ({ model }) => text(`LLM response: ${model.content.text}`)),
  elicitation: () => ask({ user: form(args.message, { username: { type: 'string', description: "User's response" },
    email: { type: 'string', description: "User's email address" } }) }, ({ user }) => text(`User response: ${show(user)}`)),
  defaults: () => ask({ user: form('Please review and update the form fields with defaults', {
    name: { type: 'string', description: 'User name', default: 'John Doe' },
    age: { type: 'integer', description: 'User age', default: 30 },
    score: { type: 'number', description: 'User score', default: 95.5 },
    status: { type: 'string', description: 'User status', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', description: 'Verification status', default: true },
  }, []) }, ({ user }) => text(`Elicitation completed: ${show(user)}`)),
  enums: () => ask({ user: form('Please select options from the enum fields', {
    untitledSingle: { type: 'string', description: 'Select one option', enum: options },
    titledSingle: { type: 'string', description: 'Select one option with titles', oneOf: titled('First Option', 'Second Option', 'Third Option') },
    legacyEnum: { type: 'string', description: 'Select one option (legacy)', enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'] },
    untitledMulti: { type: 'array', description: 'Select multiple options', minItems: 1, maxItems: 3, items: { type: 'string', enum: options } },
    titledMulti: { type: 'array', description: 'Select multiple options with titles', minItems: 1, maxItems: 3,
      items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
  }, []) }, ({ user }) => text(`Elicitation completed: ${show(user)}`)),
  name: () => ask({ user_name: form('What is your name?', { name: { type: 'string' } }) },
    ({ user_name: user }) => text(`Hello, ${user.content.name}!`)),
  capital: () => ask({ capital_question: sample('What is the capital of France?') },
    ({ capital_question: answer }) => text(answer.content.text)),
  roots: () => ask({ client_roots: roots }, ({ client_roots: { roots: list } }) => text(list.map((root) => root.uri).join(' '))),
  state: () => ask({ confirm: form('Please confirm', { ok: { type: 'boolean' } }) },
    () => text(requestState?.step === 1 ? 'state-ok' : 'state-lost'), { step: 1 }),
  several: () => ask({ user_name: form('What is your name?', { name: { type: 'string' } }), greeting: sample('Generate a greeting', 50),
    client_roots: roots }, ({ user_name: user, greeting }) => text(`${greeting.content.text} ${user.content.name}`), { step: 1 }),
  rounds: () => (requestState?.name
    ? ask({ step2: form('Step 2: What is your favorite color?', { color: { type: 'string' } }) },
      ({ step2 }) => text(`${requestState.name} likes ${step2.content.color}`), requestState)
    : ask({ step1: form('Step 1: What is your name?', { name: { type: 'string' } }) },
      ({ step1 }) => ({ inputRequired: { inputRequests: { step2: form('Step 2: What is your favorite color?', { color: { type: 'string' } }) },
        requestState: { name: step1.content.name } } }), { step: 1 })),
  capabilities: () => ask(Object.fromEntries(Object.entries({ user: form('What is your name?', { name: { type: 'string' } }),
    model: sample('Generate a greeting') }).filter(([key]) => clientCapabilities[key === 'user' ? 'elicitation' : 'sampling'])),
  () => text('done')),
  greet: () => text(`Hello, ${args.name}!`),
  confirm: () => ask({ confirm: form(`Delete ${args.filename}?`, { confirm: { type: 'boolean' } }) },
    ({ confirm }) => text(`${args.filename}: ${show(confirm)}`)),
  two: () => ask({ first: form('First?', { name: { type: 'string' } }), second: form('Second?', { name: { type: 'string' } }) },
    ({ first, second }) => text(`${show(first)} ${show(second)}`)),
  prompt: () => ask({ user_context: form('What context should the prompt use?', { context: { type: 'string' } }) },
    ({ user_context: user }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Use this: ${user.content.context}` } }] })),
};

console.log(JSON.stringify(kinds[process.argv[2]]()));
