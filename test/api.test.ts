// The public API as a reader of its types meets it: everything is described, named one way, and says which words it takes.
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { families, type FamilyName, type SplitName } from '../src/index.js';
import { publicApi, type ApiEntry } from './public-api.js';

let api: ApiEntry[] = [];
beforeAll(() => {
  api = publicApi(fileURLToPath(new URL('../src/index.ts', import.meta.url)));
});

const named = (where: (entry: ApiEntry) => boolean) => api.filter(where).map(({ name }) => name);

describe('every export and every member that it leads to', () => {
  it('is found by the walk', () => {
    expect(api.map(({ name }) => name)).toEqual(expect.arrayContaining(['solve', 'Model.kind', 'Solution.bounds', 'SolveOptions.gap', 'Experiment.training', 'Results.regimes', 'StepEvent.gradNorm', 'TiresiasError.code']));
    expect(api.length).toBeGreaterThan(600);
  });

  it('has a doc comment', () => {
    expect(named((entry) => !entry.documented)).toEqual([]);
  });

  it('is in camelCase', () => {
    expect(named(({ own }) => !/^(\$?[A-Za-z][A-Za-z0-9]*|\[Symbol\.\w+\])$/.test(own))).toEqual([]);
  });

  it('has a type', () => {
    expect(named(({ type }) => /\bany\b/.test(type))).toEqual([]);
  });

  it('takes no JSON as text', () => {
    expect(named(({ type }) => /\b(json|spec|template|request)\??: string\b/i.test(type))).toEqual([]);
  });
});

describe('what is one of a few words', () => {
  it.each(['kind', 'stopped', 'solver', 'behaviour', 'nature', 'queryNature', 'family', 'split', 'regime', 'lossOn', 'format', 'phase', 'level', 'precision', 'ambiguity', 'symbols', 'schedule', 'backend', 'decision', 'queryReward'])('%s says which', (word) => {
    const found = api.filter(({ own, name }) => own === word && !/^(DatasetResult)\./.test(name));
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(({ type }) => /(^|[^'\w-])string(?!\})\b/.test(type)).map(({ name, type }) => `${name}: ${type}`)).toEqual([]);
  });

  it('has the families and splits that there are', () => {
    const known: Record<FamilyName, true> = { energy: true, clinical: true, darkroom: true, linear: true, bandit: true };
    const splits: Record<SplitName, true> = {
      train: true, test: true, validation: true, 'ood-horizon': true, 'ood-ambiguity': true, 'ood-harvest': true, 'ood-capacity': true, 'ood-noise': true, 'ood-risk': true, 'ood-response': true,
      'ood-tests': true, 'ood-concentrated': true,
    };
    expect(families().map(({ name }) => name).toSorted()).toEqual(Object.keys(known).toSorted());
    expect([...new Set(families().flatMap((family) => family.splits.map(({ name }) => name)))].toSorted()).toEqual(Object.keys(splits).toSorted());
  });

  it('gives both bounds as a pair', () => {
    expect(api.find(({ name }) => name === 'Solution.bounds')!.type).toMatch(/=> \[lower: number, upper: number\]$/);
  });
});
