// What people write into files is explained where they write it: in the JSON Schemas that editors read, and on a page.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DESCRIPTIONS } from '../src/descriptions.js';
import type { JsonSchema } from '../src/described.js';
import { experimentJsonSchema, parseExperiment } from '../src/index.js';
import { logsFamilySchema } from '../src/logs/family-schema.js';
import { merged } from '../src/study/study.js';
import { root } from './support.js';

const docs = join(root, 'docs');
const schemas = readdirSync(docs).filter((file) => file.endsWith('.schema.json'));

/** Every property of a schema, wherever it stands: its path, and what is said of it. */
function properties(node: unknown, path = ''): { path: string; description: unknown }[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, inner]: [string, unknown]) => [
    ...(key === 'properties' ? Object.entries(inner as Record<string, JsonSchema>).map(([name, { description }]) => ({ path: `${path}.${name}`, description })) : []),
    ...properties(inner, key === 'properties' ? path : `${path}.${key}`),
  ]);
}

describe('the published schemas', () => {
  it('are those of experiments, studies, solvers, logs, models and families', () => {
    expect(schemas.toSorted()).toEqual(['experiment', 'family', 'logs', 'model', 'solver', 'study'].map((name) => `${name}.schema.json`));
  });

  it.each(schemas)('%s says what every field means', (file) => {
    const all = properties(JSON.parse(readFileSync(join(docs, file), 'utf8')));
    expect(all.length).toBeGreaterThan(10);
    expect(all.filter(({ description }) => typeof description !== 'string' || !/^[A-Z“`].*[.)]$/s.test(description))).toEqual([]);
  });

  it('describe in sentences that end', () => {
    const all = Object.values(DESCRIPTIONS).flatMap((fields) => Object.values(fields));
    expect(all.length).toBeGreaterThan(150);
    expect(all.filter((text) => !/^[A-Z`].*\.$/.test(text))).toEqual([]);
  });
});

describe('docs/experiment.md', () => {
  const page = readFileSync(join(docs, 'experiment.md'), 'utf8');

  it('has a row for every field, with what it means', () => {
    const fields = properties(experimentJsonSchema()).map(({ path, description }) => `${path.split('.').at(-1)}: ${String(description)}`);
    expect(fields.length).toBeGreaterThan(90);
    const rows = new Set([...page.matchAll(/^\| `([^`]+)` \|.*\| (.*) \|$/gm)].map(([, name, meaning]) => `${name}: ${meaning!.replaceAll(/\[([\w.-]+)\]\(\1\)/g, 'docs/$1')}`));
    expect(fields.filter((field) => !rows.has(field))).toEqual([]);
  });

  it('says the bounds and the default of a field', () => {
    expect(page).toContain('| `horizon` | integer, at least 1, at most 1000 | `10` |');
    expect(page).toContain('| `lr` | number, above 0 | `0.002` |');
    expect(page).toContain('| `heldOut` | number, above 0, below 1 | `0.3` |');
  });

  const examples = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text]) => JSON.parse(text!) as Record<string, unknown>);

  it('has an example for every section', () => expect(examples.length).toBeGreaterThan(15));

  it.each(examples)('%j is right', (example) => {
    const { family, ...fields } = example;
    const minimal = { schema: 'tiresias.experiment/1', name: 'example' };
    expect(() => parseExperiment(merged(merged(minimal, { evaluation: { methods: ['oracle', 'random'] } }), fields))).not.toThrow();
    if (typeof family === 'object' && family !== null && 'logs' in family) expect(logsFamilySchema().safeParse(family).success).toBe(true);
  });
});
