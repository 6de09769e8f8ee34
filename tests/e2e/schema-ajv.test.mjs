// JSON Schema compared with Ajv, pair by pair: both say valid, both say invalid, or both refuse the schema.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import Ajv7 from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import * as pairs from '../parts/schema-pairs.mjs';

const program = path.join(path.dirname(process.env.MCP_AUTHD ?? 'build/mcp-authd'), 'schema_check');
const PAIRS_MIN = 5000;
const SEED = 20201210;
const options = { strict: false, validateFormats: false, logger: false, addUsedSchema: false };

// Answers to [{schema, instance}], as {verdict, us, text}.
function ours(list) {
  const input = list.map(({ schema, instance, raw }) => raw ?? JSON.stringify({ schema, instance })).join('\n');
  const run = spawnSync(program, ['-t'], { input: `${input}\n`, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr || String(run.error ?? run.signal));
  const lines = run.stdout.split('\n').slice(0, -1);
  assert.equal(lines.length, list.length);
  return lines.map((line) => {
    const [verdict, second] = line.split(' ', 2);
    return { verdict, us: Number(second), text: line };
  });
}

const compiled = new Map();
const shared = new Map();
function compile(schema, Ajv) {
  if (!shared.has(Ajv)) shared.set(Ajv, new Ajv(options));
  // Names must not reach the next schema, and "#" is one of them.
  const ajv = has(schema, '$id') || JSON.stringify(schema).includes('"$ref":"#"') ? new Ajv({ ...options, addUsedSchema: true }) : shared.get(Ajv);
  try {
    return ajv.compile(schema);
  } catch (e) {
    return e;
  }
}

// 'valid', 'invalid', 'error' for a schema that Ajv refuses, or 'crash'.
function ajvs({ schema, instance }, Ajv = Ajv2020) {
  const key = JSON.stringify(schema);
  if (!compiled.has(key)) compiled.set(key, compile(schema, Ajv));
  const validate = compiled.get(key);
  if (validate instanceof Error) return 'error';
  try {
    return validate(instance) ? 'valid' : 'invalid';
  } catch {
    return 'crash';
  }
}

const has = (schema, keyword) => JSON.stringify(schema)?.includes(`"${keyword}":`);

const numbersIn = (value) => (JSON.stringify(value).match(/-?\d+(\.\d+)?(e[+-]?\d+)?/g) ?? []).map(Number);
const largest = (schema, instance) => Math.max(...numbersIn(instance).map(Math.abs)) / Math.min(...numbersIn(schema).filter((n) => n > 0));

// Where Ajv differs. Each rule says when it may explain a difference, and has pairs that show the difference alone.
const RULES = {
  'unevaluatedItems asks contains (2020-12 Core 11.2: items that contains has seen are evaluated, and no others); Ajv does not': {
    applies: ({ schema }) => has(schema, 'unevaluatedItems') && has(schema, 'contains'),
    shows: [['valid', 'invalid', { unevaluatedItems: false, contains: {} }, [1]],
      ['invalid', 'valid', { unevaluatedItems: false, contains: { type: 'number' } }, [1, 'a']]],
  },
  'contains that is always true still wants an item; Ajv forgets it beside prefixItems': {
    applies: ({ schema, text }, our, their) => our === 'invalid' && their === 'valid' && has(schema, 'prefixItems') && /\/contains\)$/.test(text),
    shows: [['invalid', 'valid', { contains: true, prefixItems: [{}, false] }, []]],
  },
  'a quotient of 1e21 and more is an integer (Validation 6.2.1); Ajv reads it by parseInt, which stops at the e': {
    applies: ({ schema, instance }, our, their) => our === 'valid' && their === 'invalid' && has(schema, 'multipleOf') && largest(schema, instance) >= 1e21,
    shows: [['valid', 'invalid', { multipleOf: 1 }, 1e21], ['valid', 'invalid', { multipleOf: 1e-7 }, 1e15]],
  },
  'Ajv throws a TypeError in the code that it makes for unevaluatedProperties': {
    applies: ({ schema }, our, their) => their === 'crash' && has(schema, 'unevaluatedProperties'),
    shows: [['valid', 'crash', { unevaluatedProperties: false, anyOf: [{ additionalProperties: { not: {} } }, {}], patternProperties: { a: {} } }, { a: 1 }]],
  },
  'what a branch saw that fails in the end is not evaluated (Core 7.7.1.1: a failing schema has no annotations); Ajv counts it': {
    applies: () => false, // pairs of this kind have a test of their own, in which a model of the specification decides
    shows: [['invalid', 'valid', { anyOf: [{}, { prefixItems: [{ const: 1 }], not: {} }], unevaluatedItems: false }, [1]],
      ['invalid', 'valid', { oneOf: [{}, { prefixItems: [{ const: 1 }, true] }], unevaluatedItems: false }, [2]]],
  },
  'an empty enum is a schema that nothing matches (Validation 6.1.2: SHOULD have an element); Ajv refuses it': {
    applies: ({ schema }, our, their) => our === 'invalid' && their === 'error' && JSON.stringify(schema).includes('"enum":[]'),
    shows: [['invalid', 'error', { enum: [] }, 1]],
  },
  'integers beyond 2^53 are exact; JavaScript rounds them': {
    applies: () => false, // none is generated
    shows: [['invalid', 'valid', '{"const":9007199254740993}', '9007199254740992'], ['invalid', 'valid', '{"maximum":18446744073709551614}', '18446744073709551615']],
  },
  'a property is one that the object has; Ajv takes what every JavaScript object inherits for one': {
    applies: () => false, // none is generated
    shows: [['invalid', 'valid', { required: ['toString'] }, {}]],
  },
};

function compare(list, Ajv) {
  const answers = ours(list);
  const differences = [];
  const explained = {};
  list.forEach((pair, i) => {
    const theirs = ajvs(pair, Ajv);
    Object.assign(pair, answers[i]);
    if (theirs === pair.verdict) return;
    const rule = Object.keys(RULES).find((name) => RULES[name].applies(pair, pair.verdict, theirs));
    if (rule) explained[rule] = (explained[rule] ?? 0) + 1;
    else differences.push(`Ajv: ${theirs}, ours: ${pair.text}\n  ${JSON.stringify({ schema: pair.schema, instance: pair.instance })}`);
  });
  assert.equal(differences.length, 0, `${differences.length} of ${list.length} differ:\n${differences.slice(0, 40).join('\n')}`);
  return explained;
}

test('generated schemas and instances of every keyword', (t) => {
  const r = pairs.random(SEED);
  const list = [];
  const count = {};
  for (const keyword of Object.keys(pairs.KEYWORDS)) {
    for (let i = 0; i < 120; i++) {
      const schema = pairs.document(r, keyword);
      for (let j = 0; j < 4; j++) list.push({ schema, instance: pairs.instance(r, schema, schema) });
    }
  }
  const explained = compare(list);
  for (const { schema: { $defs, ...rest }, verdict } of list) {
    const schema = { ...rest, $defs: Object.fromEntries(Object.entries($defs).slice(0, -5)) }; // without the five that all have
    for (const keyword of Object.keys(pairs.KEYWORDS)) {
      if (!has(schema, keyword)) continue;
      count[keyword] ??= { valid: 0, invalid: 0, error: 0 };
      count[keyword][verdict]++;
    }
  }
  t.diagnostic(`${list.length} pairs; explained differences: ${JSON.stringify(explained)}`);
  assert.ok(Object.values(explained).reduce((a, b) => a + b, 0) <= list.length / 1000, 'a rule explains too much');
  for (const [keyword, n] of Object.entries(count)) {
    t.diagnostic(`${keyword}: ${n.valid} valid, ${n.invalid} invalid`);
    assert.ok(n.valid >= 20 && n.invalid >= 20, `${keyword}: ${JSON.stringify(n)}`);
  }
  assert.equal(Object.keys(count).length, Object.keys(pairs.KEYWORDS).length);
  assert.ok(list.filter(({ verdict }) => verdict !== 'error').length >= PAIRS_MIN);
});

test('schemas that the meta-schema refuses', (t) => {
  const list = [...pairs.wrongSchemas()].map(([, schema]) => ({ schema, instance: 'a' }));
  const explained = compare(list);
  const refused = list.filter(({ verdict }) => verdict === 'error').length;
  t.diagnostic(`${list.length} schemas, ${refused} refused; explained differences: ${JSON.stringify(explained)}`);
  assert.ok(refused > 300);
});

// Ajv decides part of this when it compiles, and is wrong where several applicators meet: a branch that fails in the end
// has still seen what it saw. So a direct model of the specification decides each difference.
test('what is evaluated and what is not', (t) => {
  const r = pairs.random(SEED + 1);
  const list = Array.from({ length: 700 }, () => pairs.unevaluated(r)).flat();
  const count = { valid: 0, invalid: 0 };
  let ajvDiffers = 0;
  ours(list).forEach(({ verdict, text }, i) => {
    const { schema, instance } = list[i];
    assert.equal(verdict, pairs.evaluated(schema, instance) ? 'valid' : 'invalid', `${text}\n${JSON.stringify(list[i])}`);
    count[verdict]++;
    ajvDiffers += ajvs(list[i]) !== verdict;
  });
  t.diagnostic(`${list.length} pairs, ${count.valid} valid, ${count.invalid} invalid; all as the model says; Ajv differs on ${ajvDiffers}`);
  assert.ok(count.valid > 300 && count.invalid > 300);
  assert.ok(ajvDiffers < list.length / 50, 'Ajv and the model have grown apart');
});

test('references, anchors and identifiers', (t) => {
  const list = pairs.NAMED.flatMap((schema) => pairs.NAMED_VALUES.map((instance) => ({ schema, instance })));
  compare(list);
  t.diagnostic(`${list.length} pairs`);
});

test('patterns', (t) => {
  const list = pairs.REGEXES.flatMap((pattern) => pairs.SUBJECTS.map((instance) => ({ schema: { pattern }, instance })));
  const explained = compare(list);
  t.diagnostic(`${list.length} pairs of ${pairs.REGEXES.length} patterns; explained differences: ${JSON.stringify(explained)}`);
});

test('draft-07', (t) => {
  const r = pairs.random(SEED + 7);
  const $schema = 'http://json-schema.org/draft-07/schema#';
  const values = [['a'], ['a', 1], ['a', 1, 2], ['a', 1, 'b'], [], [1, 2], {}, { a: 'x' }, { a: 1 }, { a: 1, b: 2 }, { a: 1, b: 2, c: 3 }, { c: 1 }, { bb: 1 }, 0, 1, 2, 'a', null];
  const list = pairs.DRAFT_7.flatMap((schema) => [...values, ...Array.from({ length: 10 }, () => pairs.value(r))]
    .map((instance) => ({ schema: { $schema, ...schema }, instance })));
  compare(list, Ajv7);
  t.diagnostic(`${list.length} pairs`);
});

test('each rule that explains a difference shows it', () => {
  const json = (x) => (typeof x === 'string' ? x : JSON.stringify(x));
  for (const [rule, { shows }] of Object.entries(RULES)) {
    for (const [our, their, schema, instance] of shows) {
      const raw = `{"schema":${json(schema)},"instance":${json(instance)}}`;
      assert.equal(ours([{ raw }])[0].verdict, our, `${rule}: ${raw}`);
      assert.equal(ajvs(JSON.parse(raw)), their, `${rule}: ${raw}`);
    }
  }
});

// --- bounds

const nest = (n, inner, wrap) => (n ? wrap(nest(n - 1, inner, wrap)) : inner);
const doubling = (n) => ({ $ref: '#/$defs/s0', $defs: Object.fromEntries(Array.from({ length: n }, (_, i) =>
  [`s${i}`, i + 1 < n ? { allOf: [{ $ref: `#/$defs/s${i + 1}` }, { $ref: `#/$defs/s${i + 1}` }] } : {}])) });
const many = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const HOSTILE = [
  ['bound', 'a $ref to itself', { $ref: '#' }, 1],
  ['bound', 'two that refer to each other', { $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { not: { $ref: '#/$defs/a' } } } }, 1],
  ['bound', 'a $dynamicRef to itself', { $dynamicAnchor: 'x', $dynamicRef: '#x' }, 1],
  ['bound', 'references that double, 40 times', doubling(40), 1],
  ['bound', 'a wrong value hidden in such', { not: { $ref: '#/$defs/s0' }, $defs: doubling(40).$defs }, 1],
  ['bound', 'exponential backtracking', { pattern: '^(\\w+\\s?)*$' }, `${'word '.repeat(40)}!`],
  ['bound', 'nested repetitions', { pattern: '(a+)+$' }, `${'a'.repeat(5000)}!`],
  ['bound', 'polynomial backtracking from every place', { pattern: 'a{0,250}a{0,250}a!$' }, `${'a'.repeat(100000)}! `],
  ['bound', 'the same in a name', { patternProperties: { '^(a|a)*$': true } }, { [`${'a'.repeat(60)}!`]: 1 }],
  ['bound', 'and where it would not matter', { anyOf: [{ pattern: '^(a|a)*$' }, true] }, `${'a'.repeat(60)}!`],
  ['invalid', 'schemas as deep as the limit', nest(47, {}, (s) => ({ not: s })), 1],
  ['error', 'one deeper', nest(48, {}, (s) => ({ not: s })), 1],
  ['valid', 'as many schemas as the limit', { anyOf: many(4095, () => ({})) }, 1],
  ['error', 'one more', { anyOf: many(4096, () => ({})) }, 1],
  ['valid', 'as many patterns as the limit', { allOf: many(256, (i) => ({ pattern: `a${i}` })) }, 1],
  ['valid', 'a pattern as long as the limit', { pattern: 'a'.repeat(4096) }, 'a'.repeat(4096)],
  ['error', 'schemas deeper than the limit', nest(50, {}, (s) => ({ not: s })), 1],
  ['error', 'more schemas than the limit', { anyOf: many(4100, () => ({})) }, 1],
  ['error', 'more patterns than the limit', { allOf: many(257, (i) => ({ pattern: `a${i}` })) }, 1],
  ['error', 'a pattern longer than the limit', { pattern: 'a'.repeat(4097) }, 1],
  ['error', 'groups deeper than the limit', { pattern: '('.repeat(200) + ')'.repeat(200) }, 1],
  ['error', 'repetitions that multiply', { pattern: '(((a{1000}){1000}){1000})' }, 1],
  ['error', 'a reference to the network', { $ref: 'http://127.0.0.1:1/schema.json' }, 1],
  ['error', 'a URI longer than the limit', { $id: `urn:${'x'.repeat(1100)}` }, 1],
  ['invalid', 'large equal items', { uniqueItems: true }, many(2000, () => ({ a: [1, 2, 3], b: 'x'.repeat(50) }))],
  ['valid', '100,000 different items', { uniqueItems: true }, many(100000, (i) => i)],
  ['valid', 'a long string and a plain pattern', { pattern: '^[A-Za-z0-9+/]*={0,2}$' }, 'QUJD'.repeat(200000)],
  ['invalid', 'a long string and a search', { pattern: 'needle' }, 'hay '.repeat(200000)],
];

test('hostile schemas, patterns and values end at a bound', (t) => {
  const answers = ours(HOSTILE.map(([, , schema, instance]) => ({ schema, instance })));
  const slow = process.env.MCP_AUTHD?.includes('asan') ? 10 : 1;
  HOSTILE.forEach(([verdict, name], i) => {
    assert.equal(answers[i].verdict, verdict, `${name}: ${answers[i].text.slice(0, 300)}`);
    if (Number.isNaN(answers[i].us)) return;
    t.diagnostic(`${name}: ${Math.round(answers[i].us)} us`);
    assert.ok(answers[i].us < 1e6 * slow, `${name} took ${answers[i].us} us`);
  });
});

test('a value of 10 KB is checked in well under a millisecond', (t) => {
  const item = { type: 'object', required: ['id', 'name', 'tags'], additionalProperties: false, properties: { id: { type: 'integer', minimum: 0 },
    name: { type: 'string', minLength: 1, maxLength: 80, pattern: '^[\\p{L}\\d -]+$' }, tags: { type: 'array', uniqueItems: true, items: { enum: ['red', 'green', 'blue'] } },
    at: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/point' }] } } };
  const schema = { type: 'object', properties: { items: { type: 'array', items: item } }, unevaluatedProperties: false,
    $defs: { point: { type: 'object', properties: { x: { type: 'number' }, y: { type: 'number' } }, unevaluatedProperties: false } } };
  const instance = { items: [] };
  while (JSON.stringify(instance).length < 10240) {
    instance.items.push({ id: instance.items.length, name: `Item no ${instance.items.length}`, tags: ['red', 'blue'], at: { x: 1.5, y: -2 } });
  }
  const answers = ours(many(50, () => ({ schema, instance })));
  const us = answers.map((a) => a.us).sort((a, b) => a - b);
  assert.deepEqual([...new Set(answers.map((a) => a.verdict))], ['valid']);
  t.diagnostic(`median ${us[25]} us, slowest ${us[49]} us of 50`);
  assert.ok(us[25] < 50000, `${us[25]} us`); // of CPU time; the aim is 1000, which a slow machine or a sanitizer may miss
});
