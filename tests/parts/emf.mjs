// What a line in CloudWatch's embedded metric format must be, twice: what the JSON schema that AWS publishes demands, checked by
// Ajv; and what the specification's text says beyond that (target members, no other members, numbers of metrics and values).
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

import { Ajv } from 'ajv';

const UNITS = new Set(['Seconds', 'Microseconds', 'Milliseconds', 'Percent', 'Count', 'Count/Second', 'None',
  ...['Bytes', 'Kilobytes', 'Megabytes', 'Gigabytes', 'Terabytes', 'Bits', 'Kilobits', 'Megabits', 'Gigabits', 'Terabits']
    .flatMap((unit) => [unit, `${unit}/Second`])]);
const EVENT_BYTES_MAX = 256 * 1024;
const NAME_MAX = 255;
const DIMENSIONS_MAX = 9;       // the document's; the service takes 30 by now
const METRICS_MAX = 100;
const VALUES_MAX = 100;

// The published schema's demands: its types, required members, lengths, numbers of items and units.
const text = (maxLength) => ({ type: 'string', minLength: 1, maxLength });
const list = (items, limits) => ({ type: 'array', items, ...limits });
const object = (required, properties) => ({ type: 'object', required, properties });
const METRIC = object(['Name'], { Name: text(1024), Unit: { type: 'string', enum: [...UNITS] }, StorageResolution: { type: 'integer' } });
const DIRECTIVE = object(['Namespace', 'Dimensions', 'Metrics'], {
  Namespace: text(1024), Dimensions: list(list(text(250), { maxItems: 30 }), { minItems: 1 }), Metrics: list(METRIC) });
const validate = new Ajv({ allErrors: true }).compile(
  object(['_aws'], { _aws: object(['Timestamp', 'CloudWatchMetrics'], { Timestamp: { type: 'integer' }, CloudWatchMetrics: list(DIRECTIVE) }) }));

export function schemaProblems(root) {
  return validate(root) ? [] : validate.errors.map(({ instancePath, message }) => `schema: ${instancePath} ${message}`);
}

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isName = (value) => typeof value === 'string' && value.length >= 1 && value.length <= NAME_MAX;
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

function* members(where, object, allowed) {
  for (const key of Object.keys(object)) if (!allowed.includes(key)) yield `${where}: additional member ${key}`;
}

function* dimensionProblems(sets, root) {
  if (!Array.isArray(sets) || sets.length < 1) { yield 'Dimensions is not an array with a set in it'; return; }
  for (const set of sets) {
    if (!Array.isArray(set)) { yield 'a DimensionSet is not an array'; continue; }
    if (set.length > DIMENSIONS_MAX) yield 'a DimensionSet has too many keys';
    for (const key of set) {
      if (!isName(key)) yield `not a dimension: ${JSON.stringify(key)}`;
      else if (!Object.hasOwn(root, key)) yield `no target member for the dimension ${key}`;
      else if (typeof root[key] !== 'string' || root[key] === '') yield `the dimension ${key} is not a string`;
    }
  }
}

function* metricProblems(metrics, root) {
  if (!Array.isArray(metrics)) { yield 'Metrics is not an array'; return; }
  if (metrics.length > METRICS_MAX) yield 'too many metrics';
  for (const metric of metrics) {
    if (!isObject(metric) || !isName(metric.Name)) { yield `not a MetricDefinition: ${JSON.stringify(metric)}`; continue; }
    yield* members(metric.Name, metric, ['Name', 'Unit', 'StorageResolution']);
    if (metric.Unit !== undefined && !UNITS.has(metric.Unit)) yield `${metric.Name}: no such unit: ${metric.Unit}`;
    const target = Object.hasOwn(root, metric.Name) ? root[metric.Name] : undefined;
    const good = Array.isArray(target) ? target.length <= VALUES_MAX && target.every(isNumber) : isNumber(target);
    if (!good) yield `${metric.Name}: its target is neither a number nor up to ${VALUES_MAX} of them`;
  }
}

function* problems(line) {
  let root;
  if (Buffer.byteLength(line) > EVENT_BYTES_MAX) yield 'longer than a log event may be';
  try {
    root = JSON.parse(line);
  } catch (error) {
    yield `not JSON: ${error.message}`;
    return;
  }
  yield* schemaProblems(root);
  if (!isObject(root) || !isObject(root._aws)) { yield 'no _aws object'; return; }
  yield* members('_aws', root._aws, ['Timestamp', 'CloudWatchMetrics']);
  if (!Number.isInteger(root._aws.Timestamp) || root._aws.Timestamp < 1e12) yield 'Timestamp is not in milliseconds since 1970';
  if (!Array.isArray(root._aws.CloudWatchMetrics)) { yield 'CloudWatchMetrics is not an array'; return; }
  for (const directive of root._aws.CloudWatchMetrics) {
    if (!isObject(directive)) { yield 'a MetricDirective is not an object'; continue; }
    yield* members('directive', directive, ['Namespace', 'Dimensions', 'Metrics']);
    if (!isName(directive.Namespace)) yield 'no Namespace';
    yield* dimensionProblems(directive.Dimensions, root);
    yield* metricProblems(directive.Metrics, root);
  }
}

// Everything that is wrong with the line; an empty list if it is as it should be.
export function emfProblems(line) {
  return [...problems(line)];
}

// What CloudWatch makes of good lines: { namespace, name, unit, dimensions: { name: value }, values }.
export function readEmf(text) {
  return text.split('\n').filter((line) => line.startsWith('{"_aws"')).flatMap((line) => {
    const wrong = emfProblems(line);
    if (wrong.length > 0) throw new Error(`${wrong.join('; ')}\n${line}`);
    const root = JSON.parse(line);
    return root._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) => Dimensions.flatMap((set) =>
      Metrics.map(({ Name, Unit }) => ({ namespace: Namespace, name: Name, unit: Unit,
        dimensions: Object.fromEntries(set.map((key) => [key, root[key]])), values: [root[Name]].flat() }))));
  });
}
