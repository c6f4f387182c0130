// docs/logs.schema.json is what the core reads.
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { native } from '../src/native.js';
import { isWrittenAsSchema, logsJsonSchema } from '../src/logs/schema-document.js';
import { root } from './support.js';

/** What the core says of a schema; nothing where it takes it. */
function core(value: unknown): string | undefined {
  try {
    native.logsSchema(JSON.stringify(value));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const word = fc.constantFrom('a', 'b', 'ward 3', '');
const missing = fc.constantFrom('error', 'symbol', 'previous', 'nothing');
const column = fc.oneof(
  word,
  fc.record({ column: word, whenMissing: missing }, { requiredKeys: ['column'] }),
  fc.record({ column: word, edges: fc.constantFrom([0], [-1.5, 2, 1e6]), whenMissing: missing }, { requiredKeys: ['column', 'edges'] }),
  fc.record({ column: word, quantiles: fc.integer({ min: 2, max: 10_000 }) }),
  fc.record({ columns: fc.array(word, { minLength: 1, maxLength: 3 }), clusters: fc.integer({ min: 2, max: 10_000 }), seed: fc.nat() }, { requiredKeys: ['columns', 'clusters'] }),
);
const schema = fc.record({
  schema: fc.constant('tiresias.logs/1'), format: fc.constantFrom('csv', 'tsv', 'jsonl', 'parquet'), delimiter: fc.constantFrom(';', '|'), episode: word, step: word, sort: fc.constant(false), task: word,
  observations: fc.array(column, { minLength: 1, maxLength: 3 }), action: fc.oneof(word, fc.record({ column: word, names: fc.array(word) }, { requiredKeys: ['column'] })),
  reward: fc.oneof(word, fc.record({ column: word, whenMissing: fc.double({ noNaN: true, noDefaultInfinity: true }) }, { requiredKeys: ['column'] })), propensity: word, terminated: word, missing: fc.array(word),
}, { requiredKeys: ['episode', 'observations', 'action', 'reward'] });

it('is as the program has it', () => {
  expect(JSON.parse(readFileSync(join(root, 'docs', 'logs.schema.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(logsJsonSchema())));
});

it('takes what the core takes', () => {
  fc.assert(fc.property(schema, (value) => {
    expect(core(value)).toBeUndefined();
    expect(isWrittenAsSchema(value)).toBe(true);
  }), { numRuns: 500 });
});

it('takes the schema that the core writes out', () => {
  fc.assert(fc.property(schema, (value) => {
    expect(isWrittenAsSchema(JSON.parse(native.logsSchema(JSON.stringify(value))))).toBe(true);
  }));
});

const wrong = fc.constantFrom<unknown>(null, 7, true, {}, [], ['a', 1], { column: 'a', column2: 'b' }, { columns: 'a' }, { quantiles: 1 }, 'tiresias.logs/2', { column: 'a', whenMissing: 'perhaps' });

it('refuses what the core refuses for how it is written, wherever it is', () => {
  const names = ['schema', 'format', 'delimiter', 'episode', 'step', 'sort', 'task', 'observations', 'action', 'reward', 'propensity', 'terminated', 'missing', 'extra'];
  fc.assert(fc.property(schema, fc.constantFrom(...names), fc.oneof(wrong, fc.constant(undefined)), (value, name, other) => {
    const changed = JSON.parse(JSON.stringify({ ...value, [name]: other })) as unknown;
    const refused = core(changed);
    // The core takes null for a field that is left out, and a list for an object; a person writes neither.
    const lenient = other === null || (Array.isArray(other) && ['action', 'reward'].includes(name));
    if (!lenient && !isWrittenAsSchema(changed)) expect(refused, JSON.stringify(changed)).toBeDefined();
    // Serde's words are of how something is written.
    if (refused !== undefined && /unknown field|missing field|invalid type|did not match any variant|unknown variant/.test(refused)) expect(isWrittenAsSchema(changed), `${JSON.stringify(changed)}: ${refused}`).toBe(false);
  }), { numRuns: 2000 });
});
