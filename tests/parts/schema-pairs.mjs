// Schemas and instances for the comparison with Ajv: the same ones on every run.

// mulberry32
export function random(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const upto = (n) => Math.floor(next() * n);
  return {
    upto, // 0 … n-1
    pick: (list) => list[upto(list.length)],
    chance: (p) => next() < p,
    some: (list, max) => {
      const left = [...list];
      const out = [];
      for (let n = upto(max + 1); n && left.length; n--) out.push(left.splice(upto(left.length), 1)[0]);
      return out;
    },
  };
}

const NAMES = ['a', 'b', 'c', 'ab', 'x-1', 'é', 'a/b', 'm~n'];
const STRINGS = ['', 'a', 'b', 'ab', 'abc', 'aaa', 'x-1', '1', '12', 'é', 'e\u0301', '😀', '😀😀', 'a b', 'A', 'a\nb', 'a/b', '\u0000'];
const NUMBERS = [0, -0, 1, -1, 2, 3, 4, 5, 6, 10, 1.5, 2.5, -1.5, 0.1, 0.3, 0.5, 1e3, 100, 1e15, 1e-7, 9007199254740991, 4294967296];
const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'string', 'integer'];
const PATTERNS = ['a', '^a', 'b$', '^[a-c]+$', '^.$', '\\d', '^\\w*$', '^x-', '^$', '[^a]', '(a|b){2}', 'é'];

export function value(r, depth = 3) {
  switch (r.upto(depth > 0 ? 9 : 6)) {
    case 0: return null;
    case 1: return r.chance(0.5);
    case 2: case 3: return r.pick(NUMBERS);
    case 4: case 5: return r.pick(STRINGS);
    case 6: return Array.from({ length: r.upto(5) }, () => value(r, depth - 1));
    default: return Object.fromEntries(r.some(NAMES, 5).map((name) => [name, value(r, depth - 1)]));
  }
}

function ofType(r, type) {
  switch (type) {
    case 'null': return null;
    case 'boolean': return r.chance(0.5);
    case 'number': return r.pick(NUMBERS);
    case 'integer': return r.pick(NUMBERS.filter(Number.isInteger));
    case 'string': return r.pick(STRINGS);
    case 'array': return Array.from({ length: r.upto(5) }, () => value(r, 1));
    default: return Object.fromEntries(r.some(NAMES, 5).map((name) => [name, value(r, 1)]));
  }
}

const limit = (r) => r.upto(5);
const schemas = (r, depth) => Array.from({ length: 1 + r.upto(3) }, () => schema(r, depth - 1));
const byName = (r, depth) => Object.fromEntries(r.some(NAMES, 3).map((name) => [name, schema(r, depth - 1)]));
const names = (r) => r.some(NAMES, 3);

// Each keyword: what it may hold, and the types of values that it looks at (none: any).
export const KEYWORDS = {
  $comment: [() => 'why'],
  $defs: [byName],
  $ref: [(r) => r.pick(['#/$defs/one', '#/$defs/two', '#named', '#/$defs/a~1b', '#/$defs/%C3%A9'])],
  type: [(r) => (r.chance(0.6) ? r.pick(TYPES) : r.some(TYPES, 3).concat('null').filter((t, i, all) => all.indexOf(t) === i))],
  enum: [(r) => [value(r, 2), value(r, 1), value(r, 1)]],
  const: [(r) => value(r, 2)],
  multipleOf: [(r) => r.pick([1, 2, 3, 0.5, 0.1, 0.01, 1.5, 1e-7, 7]), 'number'],
  maximum: [(r) => r.pick(NUMBERS), 'number'],
  exclusiveMaximum: [(r) => r.pick(NUMBERS), 'number'],
  minimum: [(r) => r.pick(NUMBERS), 'number'],
  exclusiveMinimum: [(r) => r.pick(NUMBERS), 'number'],
  maxLength: [limit, 'string'],
  minLength: [limit, 'string'],
  pattern: [(r) => r.pick(PATTERNS), 'string'],
  maxItems: [limit, 'array'],
  minItems: [limit, 'array'],
  uniqueItems: [(r) => r.chance(0.8), 'array'],
  maxContains: [limit, 'array'],
  minContains: [limit, 'array'],
  contains: [(r, depth) => schema(r, depth - 1), 'array'],
  maxProperties: [limit, 'object'],
  minProperties: [limit, 'object'],
  required: [names, 'object'],
  dependentRequired: [(r) => Object.fromEntries(names(r).map((name) => [name, names(r)])), 'object'],
  prefixItems: [schemas, 'array'],
  items: [(r, depth) => schema(r, depth - 1), 'array'],
  additionalProperties: [(r, depth) => schema(r, depth - 1), 'object'],
  properties: [byName, 'object'],
  patternProperties: [(r, depth) => Object.fromEntries(r.some(PATTERNS, 2).map((p) => [p, schema(r, depth - 1)])), 'object'],
  dependentSchemas: [byName, 'object'],
  propertyNames: [(r, depth) => schema(r, depth - 1), 'object'],
  if: [(r, depth) => schema(r, depth - 1)],
  then: [(r, depth) => schema(r, depth - 1)],
  else: [(r, depth) => schema(r, depth - 1)],
  allOf: [schemas],
  anyOf: [schemas],
  oneOf: [schemas],
  not: [(r, depth) => schema(r, depth - 1)],
  unevaluatedItems: [(r, depth) => schema(r, depth - 1), 'array'],
  unevaluatedProperties: [(r, depth) => schema(r, depth - 1), 'object'],
  format: [(r) => r.pick(['email', 'date-time', 'nothing-known']), 'string'],
  contentEncoding: [() => 'base64', 'string'],
  contentMediaType: [() => 'application/json', 'string'],
  contentSchema: [(r, depth) => schema(r, depth - 1), 'string'],
  title: [() => 't'],
  description: [() => 'd'],
  default: [(r) => value(r, 1)],
  deprecated: [(r) => r.chance(0.5)],
  readOnly: [(r) => r.chance(0.5)],
  writeOnly: [(r) => r.chance(0.5)],
  examples: [(r) => [value(r, 1)]],
};
const TOGETHER = { if: ['then', 'else'], then: ['if'], else: ['if'], contains: ['minContains', 'maxContains'], minContains: ['contains'],
  maxContains: ['contains'], unevaluatedItems: ['prefixItems', 'allOf', 'if', 'then'], contentSchema: ['contentMediaType'],
  unevaluatedProperties: ['properties', 'anyOf', 'allOf', 'dependentSchemas', 'patternProperties', 'if', 'then', 'else'],
  additionalProperties: ['properties', 'patternProperties'], items: ['prefixItems'] };

// A schema; with `first`, one that has this keyword.
export function schema(r, depth = 2, first) {
  if (!first && r.chance(depth > 0 ? 0.12 : 0.3)) return r.chance(0.6);
  const out = {};
  const all = Object.keys(KEYWORDS).filter((k) => k !== '$defs');
  const chosen = first ? [first, ...(TOGETHER[first] ?? []).filter(() => r.chance(0.6))] : [];
  if (!first || r.chance(0.5)) chosen.push(...r.some(all, first ? 2 : depth > 0 ? 3 : 2));
  for (const keyword of chosen) if (depth > 0 || !KEYWORDS[keyword][0].length || KEYWORDS[keyword][0].length < 2) out[keyword] ??= KEYWORDS[keyword][0](r, depth);
  return out;
}

// The document around it: what its references lead to. These have no references, so that nothing goes round in circles.
export function document(r, keyword) {
  const plain = (n) => r.pick([{ type: r.pick(TYPES) }, { minimum: n }, { maxLength: n }, { properties: { a: { type: 'string' } } },
    { prefixItems: [{ type: 'integer' }] }, { required: ['a'] }, true]);
  const out = schema(r, 2, keyword);
  out.$defs = { ...out.$defs, one: plain(1), two: plain(2), three: { $anchor: 'named', ...Object(plain(3)) }, 'a/b': plain(4), é: plain(5) };
  return out;
}

// An instance that has a chance to be valid, and to be not.
export function instance(r, s, root, depth = 4) {
  if (s === null || typeof s !== 'object' || depth < 0 || r.chance(0.12)) return value(r, 2);
  const at = (other) => instance(r, other, root, depth - 1);
  if ('const' in s && r.chance(0.7)) return s.const;
  if (s.enum && r.chance(0.7)) return r.pick(s.enum);
  if (s.$ref?.startsWith('#/$defs/') && r.chance(0.5)) return at(root.$defs[decodeURIComponent(s.$ref.slice(8)).replace('~1', '/')]);
  for (const keyword of ['allOf', 'anyOf', 'oneOf']) if (s[keyword] && r.chance(0.3)) return at(r.pick(s[keyword]));
  if (s.if && r.chance(0.3)) return at(r.chance(0.5) ? s.if : s.then);
  const looked = Object.keys(s).map((keyword) => KEYWORDS[keyword]?.[1]).filter(Boolean);
  const type = s.type && r.chance(0.7) ? r.pick([s.type].flat()) : looked.length ? r.pick(looked) : r.pick(TYPES);
  const number = [s.minimum, s.maximum, s.exclusiveMinimum, s.exclusiveMaximum, s.multipleOf].filter((n) => n !== undefined);
  if ((type === 'number' || type === 'integer') && number.length && r.chance(0.6)) return r.pick(number) * r.pick([1, 1, 2, 3]) + r.pick([0, 0, 1, -1]);
  if (type === 'array') {
    const out = (s.prefixItems ?? []).slice(0, r.upto(5)).map(at);
    for (let n = r.upto(4); n > 0; n--) out.push(at(r.pick([s.items, s.contains, s.unevaluatedItems, true].filter((x) => x !== undefined))));
    if (out.length && r.chance(0.2)) out.push(out[0]);
    return out;
  }
  if (type === 'object') {
    const out = {};
    for (const [name, sub] of Object.entries(s.properties ?? {})) if (r.chance(0.7)) out[name] = at(sub);
    for (const name of (s.required ?? []).concat(Object.keys(s.dependentSchemas ?? {}), Object.keys(s.dependentRequired ?? {}))) if (r.chance(0.7)) out[name] ??= value(r, 1);
    for (const name of r.some(NAMES, 2)) out[name] ??= at(r.pick([s.additionalProperties, s.unevaluatedProperties, true].filter((x) => x !== undefined)));
    return out;
  }
  return ofType(r, type);
}

// What branches have seen, for unevaluatedProperties and unevaluatedItems: few names and values, so that much depends on it.
function branch(r, depth) {
  const small = () => r.pick([true, { const: 1 }, { type: 'null' }]);
  const out = {};
  if (r.chance(0.7)) out.properties = Object.fromEntries(r.some(['a', 'b', 'c'], 2).map((name) => [name, small()]));
  if (r.chance(0.2)) out.patternProperties = { '^[ab]$': small() };
  if (r.chance(0.5)) out.prefixItems = Array.from({ length: 1 + r.upto(2) }, small);
  if (r.chance(0.1)) out.items = small();
  if (r.chance(0.15)) out.additionalProperties = small();
  if (r.chance(0.2)) out.not = { const: r.pick([1, null]), ...(r.chance(0.5) && { required: ['a'] }) };
  if (depth > 0) {
    for (const keyword of r.some(['allOf', 'anyOf', 'oneOf'], 2)) out[keyword] = Array.from({ length: 1 + r.upto(3) }, () => branch(r, depth - 1));
    if (r.chance(0.3)) Object.assign(out, { if: branch(r, depth - 1), then: branch(r, 0), else: branch(r, 0) });
    if (r.chance(0.2)) out.dependentSchemas = { a: branch(r, depth - 1) };
    if (r.chance(0.2)) out.$ref = '#/$defs/one';
  }
  if (depth < 2 && r.chance(0.1)) out[r.pick(['unevaluatedProperties', 'unevaluatedItems'])] = r.chance(0.5);
  return out;
}
export function unevaluated(r) {
  const values = () => r.pick([1, null, 2]);
  const schema = { ...branch(r, 2), $defs: { one: branch(r, 0) }, unevaluatedProperties: r.pick([false, { const: 2 }]), unevaluatedItems: false };
  const instances = Array.from({ length: 6 }, () => (r.chance(0.65) ? Object.fromEntries(r.some(['a', 'b', 'c'], 3).map((name) => [name, values()]))
    : Array.from({ length: r.upto(4) }, values)));
  return instances.map((instance) => ({ schema, instance }));
}

// The keywords of unevaluated() as the specification words them (Core 10 and 11): what an instance that is valid has had
// evaluated, or null. Slow and plain, to decide between two that disagree.
export function evaluated(schema, v, root = schema) {
  if (schema === true) return new Set();
  if (schema === false) return null;
  const seen = new Set(); // names and indexes
  const ok = (sub, value) => evaluated(sub, value, root) !== null;
  const inPlace = (sub) => {
    const more = evaluated(sub, v, root);
    more?.forEach((x) => seen.add(x));
    return more !== null;
  };
  const child = (key, sub) => {
    seen.add(key);
    return ok(sub, v[key]);
  };
  const is = (type) => (type === 'null' ? v === null : type === 'array' ? Array.isArray(v) : v !== null && typeof v === 'object' && !Array.isArray(v));
  const names = is('object') ? Object.keys(v) : [];
  const indexes = is('array') ? [...v.keys()] : [];
  const named = (name) => name in (schema.properties ?? {}) || Object.keys(schema.patternProperties ?? {}).some((p) => new RegExp(p, 'u').test(name));
  const rules = {
    $ref: (ref) => inPlace(root.$defs[ref.slice(8)]),
    type: is,
    const: (c) => c === v,
    required: (list) => !is('object') || list.every((name) => name in v),
    properties: (map) => names.filter((name) => name in map).every((name) => child(name, map[name])),
    patternProperties: (map) => Object.entries(map).every(([p, sub]) => names.filter((name) => new RegExp(p, 'u').test(name)).every((name) => child(name, sub))),
    additionalProperties: (sub) => names.filter((name) => !named(name)).every((name) => child(name, sub)),
    prefixItems: (list) => indexes.slice(0, list.length).every((i) => child(i, list[i])),
    items: (sub) => indexes.slice(schema.prefixItems?.length ?? 0).every((i) => child(i, sub)),
    allOf: (list) => list.every(inPlace),
    anyOf: (list) => list.filter(inPlace).length > 0,
    oneOf: (list) => list.filter(inPlace).length === 1,
    not: (sub) => !ok(sub, v),
    if: (sub) => inPlace((inPlace(sub) ? schema.then : schema.else) ?? true),
    dependentSchemas: (map) => Object.entries(map).every(([name, sub]) => !names.includes(name) || inPlace(sub)),
    unevaluatedProperties: (sub) => names.filter((name) => !seen.has(name)).every((name) => child(name, sub)),
    unevaluatedItems: (sub) => indexes.filter((i) => !seen.has(i)).every((i) => child(i, sub)),
  };
  for (const keyword of Object.keys(schema)) if (!(keyword in rules) && !['then', 'else', '$defs'].includes(keyword)) throw new Error(keyword);
  return Object.entries(rules).every(([keyword, rule]) => !(keyword in schema) || rule(schema[keyword])) ? seen : null;
}

// Values that the meta-schema refuses, or most of them.
export function* wrongSchemas() {
  for (const keyword of Object.keys(KEYWORDS)) {
    for (const wrong of [null, -1, 1.5, 'x', '#nowhere', true, [], ['a', 'a'], [1], [{}, null], {}, { a: 1 }, { a: ['b', 'b'] }, { '(': {} }, { a: {} }]) {
      yield [keyword, { [keyword]: wrong }];
    }
  }
  yield ['multipleOf', { multipleOf: 0 }];
  yield ['type', { type: 'float' }];
  yield ['type', { type: ['string', 'string'] }];
}

// Names within the document.
export const NAMED = [
  { $id: 'https://example.com/root.json', $ref: '#/$defs/a', $defs: { a: { type: 'string' } } },
  { $id: 'https://example.com/root.json', $ref: 'https://example.com/root.json#/$defs/a', $defs: { a: { type: 'string' } } },
  { $id: 'https://example.com/dir/root.json', $ref: 'item.json', $defs: { a: { $id: 'item.json', type: 'string' } } },
  { $id: 'https://example.com/dir/root.json', $ref: '../item.json', $defs: { a: { $id: '/item.json', type: 'string' } } },
  { $id: 'https://example.com/root.json', $ref: 'item.json#x', $defs: { a: { $id: 'item.json', $defs: { b: { $anchor: 'x', type: 'string' } } } } },
  { $id: 'https://example.com/root.json', $ref: 'item.json#/$defs/b', $defs: { a: { $id: 'item.json', $defs: { b: { $ref: '#/$defs/c' }, c: { type: 'string' } } } } },
  { $ref: 'urn:x:y', $defs: { a: { $id: 'urn:x:y', type: 'string' } } },
  { $ref: '#here', $defs: { a: { $anchor: 'here', type: 'string' } } },
  { type: ['object', 'string', 'null'], properties: { a: { $ref: '#' }, b: { $ref: '#/properties/a' } }, additionalProperties: false },
  { $ref: '#/$defs/tree', $defs: { tree: { type: ['object', 'string'], properties: { left: { $ref: '#/$defs/tree' },
  right: { $ref: '#/$defs/tree' } }, unevaluatedProperties: false } } },
  { allOf: [{ $ref: '#/$defs/a%25b' }, { $ref: '#/$defs/c~0d' }], $defs: { 'a%b': { minLength: 1 }, 'c~d': { maxLength: 3 } } },
  { $ref: '#/x/y/0', x: { y: [{ type: 'string' }] } },
  { $ref: '#/$defs/nowhere' }, { $ref: '#nowhere' }, { $ref: 'https://example.com/elsewhere.json' }, { $ref: 'other.json' }, { $ref: '#/$defs/a/0x', $defs: { a: [{}] } },
];
export const NAMED_VALUES = ['a', '', 'abcd', 1, null, {}, { a: 'x' }, { a: { b: 1 } }, { a: { b: { a: null } } }, { left: 'x' }, { left: { right: 'x' } }, { left: { right: 1 } },
  { left: {}, middle: 1 }];

export const REGEXES = ['a', '^a$', '^ab*c$', 'a|b', '(a)(b)\\2', '^(?:ab)+$', '^(?<n>a|b)\\k<n>$', '^a{2,3}$', '^a{2,}?', '^a{0}$', '[abc]',
  '[^abc]', '[]', '[^]', '^[^]$', '^[]?a$', 'a|[]+', '^[:a]$', '^[.a.]$', '^[[=a=]+$', '^[^\\W\\s]$', '^[^\\S]$', '^[a-c\\-]+$',
  '^[\\w-]+$', '^\\d+$', '^\\D+$', '^\\w+$', '^\\W+$', '^\\s+$', '^\\S+$', '^[\\s]+$', '^[\\S]+$', '^[^\\s]+$', '^[^\\S]+$', '^.$', '^..$',
  '^[\\d\\D]$', '\\bfoo\\b', '\\Boo', '^\\u0061$', '^\\u{61}$',
  '^\\u{1F600}$', '^\\uD83D\\uDE00$', '^😀{2}$', '^[😀-😂]$', '^\\x61$', '^\\cJ$', '^\\0$', '^\\/$', '^a\\/b$', '\\.', '^\\$\\^$', '^(?=a).',
  '^(?!a).', '(?<=a)b', '(?<!a)b', '^\\p{L}+$', '^\\P{L}+$',
  '^\\p{Lu}', '^\\p{Letter}$', '^\\p{Script=Greek}+$', '^\\p{sc=Cyrillic}', '^\\p{gc=Nd}$', '^\\p{ASCII}*$', '^[\\p{L}\\d]+$',
  '^\\p{Emoji_Presentation}', '^\\p{Any}$', '^\\p{Assigned}$', '^[^\\p{L}]+$',
  '^\\t\\n\\v\\f\\r$', '^[\\b]$', '^\\1(a)$', '^(a\\1)$', '^(a)?b\\1$', '^(?:(a)|b)\\1$', '^(?:a|)+$', '^(a*)*$', '^$', '^\\s*$', 'a$', '^\\-$',
  'é', '^É$', '^[à-ü]$', '#', '^ $', '\\\\', '-', '^[[]$',
  '^[(]$', '^[.*+?]$', '^a.c$', '^(?:a(?:b(?:c)))$', '^[+--]$', '^[a-a]$', '^x*?y', '^\\u2028$', '^[a-z0-9]+(?:-[a-z0-9]+)*$',
  '^(?:[01]\\d|2[0-3]):[0-5]\\d$', '^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$',
  // none of these is a pattern
  '(', ')', '[', ']', '{', '}', 'a{', 'a{1', 'a{2,1}', '*', '+a', '?', 'a**', 'a*+', 'a++', '(?i)a', '(?>a)', '(?#x)', '(*ACCEPT)', '(?|a)', '\\',
  '\\a', '\\A', '\\z', '\\Z', '\\e', '\\Q', '\\h', '\\R',
  '\\K', '\\G', '\\X', '\\C', '\\N', '\\-', '\\1', '\\2(a)', '\\k<n>', '\\k', '(?<n>a)(?<n>b)', '(?<1>a)', '(?P<n>a)', '(?P=n)', '\\x', '\\x1',
  '\\u', '\\u12', '\\u{}', '\\u{110000}', '\\c1', '\\01', '\\p',
  '\\p{', '\\p{Foo}', '\\p{lu}', '\\p{Greek}', '\\pL', '\\p{^Lu}', '\\p{Script=}', '[a-\\d]', '[\\d-a]', '[b-a]', '[\\B]', '[\\1]', '[[:alpha:]]',
  '[a', '[\\]', '[^a\\]', '(?=a)*', '(?<=a)+', '^*', '$?', '\\b*', '(?:', '(?<', '(?<a',
  '(?<a>', 'a|*', '(|*)', '\\8', '{1}'];
export const SUBJECTS = ['', 'a', 'b', 'c', 'ab', 'abc', 'abbc', 'aa', 'aaa', 'aaaa', 'bb', 'aba', 'abb', 'bab', 'ba', 'foo', 'a foo b', 'xfoo',
  'A', 'É', 'é', 'ß', 'α', 'αβγ', 'Я', '1', '12', '٣', '-', 'a-b', 'a_b', ' ',
  '\t', '\n', 'a\n', '\na', '\r', '\u2028', '\u2029', '\u00a0', '\ufeff', '\u180e', '\u0085', '\t\n\v\f\r', '\b', '\u0000', '😀', '😀😀', '😁', '/',
  'a/b', '.', '$^', '[', '(', '*', '+', ',', '\\', '#', 'y', 'xxy', '23:59', '24:00',
  'a@b.cd', 'a@b', 'a b', 'a.c', 'axc', 'a\u2028c', 'some-slug-1', 'Some-Slug', 'ﬁ', '\u0378', 'ǅ', 'ⅷ'];

// Draft-07, for what it has that 2020-12 has not. ($ref has no siblings: draft-07 ignores them, Ajv does not.)
export const DRAFT_7 = [
  { definitions: { a: { type: 'string' } }, properties: { a: { $ref: '#/definitions/a' } } },
  { definitions: { a: { $id: '#here', type: 'string' } }, properties: { a: { $ref: '#here' } } },
  { items: [{ type: 'string' }, { type: 'number' }] }, { items: [{ type: 'string' }], additionalItems: false },
  { items: [{ type: 'string' }], additionalItems: { type: 'number' } }, { items: { type: 'string' }, additionalItems: false }, { additionalItems: false },
  { dependencies: { a: ['b', 'c'] } }, { dependencies: { a: { required: ['b'] }, b: false } }, { dependencies: { a: [] , c: true } },
  { dependentRequired: { a: ['b'] } }, { dependentSchemas: { a: false } }, { prefixItems: [false] }, { unevaluatedProperties: false }, { unevaluatedItems: false },
  { contains: { type: 'number' }, minContains: 2 }, { contains: { type: 'number' } }, { if: { required: ['a'] }, then: { required: ['b'] }, else: { maxProperties: 1 } },
  { const: { a: 1 } }, { propertyNames: { maxLength: 1 } }, { exclusiveMinimum: 1 }, { items: [false] }, { $ref: '#/definitions/x' }, { items: 1 },
  { dependencies: { a: 1 } }, { dependencies: [] },
];
