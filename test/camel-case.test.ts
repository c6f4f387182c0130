// One way of naming: what the library gives and what `--json` prints is camelCase. (The types are walked in api.test.ts.)
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { camelKeys, snakeKeys } from '../src/case.js';
import {
  compactTokenizer, datasetExample, datasetStats, defaultTemplate, drawTask, explain, experimentJsonSchema, makeDataset, parseExperiment, robustness, rolloutSync, simulate, solveSync,
  TiresiasError, type Experiment, type Regime,
} from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { patients } from './records.js';
import { scratch, tiresias } from './support.js';

/** Paths of the keys within `value` that are not in camelCase; lists count once. */
function misnamed(value: unknown, path = '$'): string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((item) => misnamed(item, `${path}[]`)))];
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [...(/^\$?[a-z][A-Za-z0-9]*$/.test(key) ? [] : [`${path}.${key}`]), ...misnamed(inner, `${path}.${key}`)]);
}

const experiment = (more: object = {}): Experiment =>
  parseExperiment({ schema: 'tiresias.experiment/1', name: 'small', horizon: 3, models: 2, solver: { gap: 0.3 }, dataset: { examples: 4 }, support: { trajectories: 1 }, ...more });

it('finds what is named otherwise', () => {
  expect(misnamed({ a: [{ bC: 1, d_e: 2 }], Fg: { 'h-i': 3 } })).toEqual(['$.a[].d_e', '$.Fg', '$.Fg.h-i']);
});

it('goes to snake_case and back where another format says so', () => {
  const template = { observationWidth: 2, header: 'mdp\n', queryReward: 'shown' };
  expect(snakeKeys({ template, list: [{ aB: ['keepMe'] }] })).toEqual({ template: { observation_width: 2, header: 'mdp\n', query_reward: 'shown' }, list: [{ a_b: ['keepMe'] }] });
  expect(camelKeys(snakeKeys(template))).toEqual(template);
});

describe('--json', () => {
  const task = (regime: Regime) => ['--family', 'energy', '--regime', regime, '--models', '2', '--horizon', '3'];
  const say = async (...args: string[]): Promise<object> => JSON.parse((await tiresias([...args, '--json'])).stdout) as object;

  it.each([
    ['families', ['families']],
    ['check', ['check', 'examples/tiger.json', 'tag', 'nowhere.json']],
    ['solve', ['solve', ...task('apomdp'), '--gap', '0.3', '--explain']],
    ['solve --tasks', ['solve', ...task('mdp'), '--tasks', '2']],
    ['simulate', ['simulate', 'cheese', '--policy', 'random', '--episodes', '20', '--steps', '5']],
    ['simulate against every nature', ['simulate', ...task('apomdp'), '--policy', 'random', '--episodes', '20']],
    ['rollout', ['rollout', ...task('pomdp'), '--behaviour', 'random', '--episodes', '20']],
    ['doctor', ['doctor']],
    ['a failure', ['solve', 'nowhere.json']],
    ['a wrong command line', ['solve', '--gapp', '1']],
  ])('of %s is camelCase', async (_, args) => {
    const said = await say(...args);
    expect(Object.keys(said).length).toBeGreaterThan(0);
    expect(misnamed(said)).toEqual([]);
  });

  it('of files that are written is camelCase', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'e.json'), JSON.stringify({ schema: 'tiresias.experiment/1', name: 'small', horizon: 3, solver: { gap: 0.3 }, dataset: { examples: 4 } }));
    writeFileSync(join(folder, 'patients.csv'), patients({ episodes: 60 }));
    const policy = join(folder, 'p.alpha');
    for (const args of [
      ['solve', 'tiger', '--gap', '1', '--policy-out', policy, '--bounds-plot', join(folder, 'b.svg')],
      ['simulate', 'tiger', '--policy', policy, '--episodes', '10'],
      ['policy', policy, '--model', 'tiger', '--belief', '0=1', '--graph', join(folder, 'g.svg')],
      ['convert', 'tiger', join(folder, 'tiger.json')],
      ['convert', policy, join(folder, 'p.pg'), '--model', 'tiger'],
      ['dataset', 'make', '--config', join(folder, 'e.json'), '--tokenizer', 'compact', '--regime', 'mdp', '--out', join(folder, 'data')],
      ['dataset', 'verify', join(folder, 'data', 'mdp')],
      ['dataset', 'stats', join(folder, 'data', 'mdp')],
      ['dataset', 'show', join(folder, 'data', 'mdp')],
      ['import', join(folder, 'patients.csv'), '--infer', '--schema-out', join(folder, 'schema.json')],
      ['import', join(folder, 'patients.csv'), '--schema', join(folder, 'schema.json'), '--out', join(folder, 'a.parquet'), '--test', join(folder, 'b.parquet')],
      ['fit', join(folder, 'a.parquet'), '--kind', 'pomdp', '--starts', '1', '--horizon', '5', '--ambiguity', 'posterior', '--models', '2', '--out', join(folder, 'fitted')],
      ['solve', join(folder, 'fitted', 'model.json'), '--gap', '1', '--policy-out', join(folder, 'fitted.policy'), '--carry-model'],
      ['off-policy', join(folder, 'b.parquet'), '--policy', join(folder, 'fitted.policy'), '--fitted', join(folder, 'fitted')],
    ]) {
      const said = await say(...args);
      expect(said, args.join(' ')).not.toHaveProperty('error');
      expect(misnamed(said), args.join(' ')).toEqual([]);
    }
  });
});

describe('the library', () => {
  it('gives camelCase', async () => {
    const { model, parameters } = drawTask('energy', { index: 0, regime: 'apomdp', horizon: 3, models: 2 });
    const solution = solveSync(model, { gap: 0.3 });
    const tokenizer = compactTokenizer([defaultTemplate('energy', 'pomdp')]);
    const folder = scratch();
    const manifest = await makeDataset(datasetConfig(experiment(), 'pomdp'), folder, { tokenizer, threads: 1 });
    const given: Record<string, unknown> = {
      parameters, manifest, assessment: solution.assess(0, model.start()), explanation: explain(model, solution), template: defaultTemplate('energy', 'mdp'), experiment: experiment(),
      rollouts: rolloutSync(model, { behaviour: 'oracle', episodes: 2, seed: 0 }, solution), stats: await datasetStats(folder), example: await datasetExample(folder, 0),
      simulated: await simulate(model, solution, { episodes: 10 }), robustness: await robustness(model, solution, { episodes: 10 }),
    };
    for (const [name, value] of Object.entries(given)) expect(misnamed(value), name).toEqual([]);
  });

  it('says in camelCase what is wrong', () => {
    const wrong = () => experiment({ templates: { mdp: { reward_width: 3 } } });
    expect(wrong).toThrow(expect.objectContaining({ code: 'INVALID_EXPERIMENT', message: expect.stringContaining('$.templates.mdp.reward_width') }));
    try {
      wrong();
    } catch (error) {
      expect(misnamed((error as TiresiasError).details)).toEqual([]);
    }
    const properties = (schema: unknown): string[] =>
      typeof schema !== 'object' || schema === null ? [] : Object.entries(schema).flatMap(([key, inner]) => [...(key === 'properties' ? Object.keys(inner as object) : []), ...properties(inner)]);
    expect(properties(experimentJsonSchema()).filter((name) => !/^\$?[a-z][A-Za-z0-9]*$/.test(name))).toEqual([]);
  });
});
