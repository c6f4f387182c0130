// Trainings of one method with several seeds: each plays under a name of its own, and they are compared by their mean.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseExperiment, runExperiment, type ExperimentInput } from '../src/index.js';
import { scratch } from './support.js';

const experiment = (methods: NonNullable<NonNullable<ExperimentInput['evaluation']>['methods']>, reference?: string) =>
  parseExperiment({
    schema: 'tiresias.experiment/1', name: 'seeds', seed: 5, regimes: ['mdp'], horizon: 3, dataset: { examples: 8, shardExamples: 8 },
    training: { steps: 2, batchSize: 2, seeds: 2 }, evaluation: { tasks: 12, resamples: 200, methods, reference },
  } satisfies ExperimentInput);
const small = { layers: 1, hidden: 8, heads: 1, kvHeads: 1, ffn: 8 };

it('several trainings of one method have a row each, their spread, and one comparison', async () => {
  const methods = ['oracle', 'bc-prompt', { method: 'scratch', options: small }, { method: 'scratch', name: 'thrice', options: { ...small, lr: 0.3 }, seeds: 3 }, { method: 'scratch', name: 'once', options: small, seeds: 1 }, 'random'];
  const folder = scratch();
  const { results, report } = await runExperiment(experiment(methods, 'scratch'), { folder, threads: 1 });
  const { methods: measured, comparisons } = results.regimes.mdp!;
  expect(Object.keys(measured)).toEqual(['oracle', 'bc-prompt', 'scratch:seed-0', 'scratch:seed-1', 'thrice:seed-0', 'thrice:seed-1', 'thrice:seed-2', 'once', 'random']);
  expect(Object.entries(measured).flatMap(([name, { seedOf }]) => (seedOf === undefined ? [] : [[name, seedOf]]))).toEqual(
    ['scratch:seed-0', 'scratch:seed-1', 'thrice:seed-0', 'thrice:seed-1', 'thrice:seed-2'].map((name) => [name, name.replace(/:.*/, '')]),
  );
  // Trainings differ in their seeds, and in nothing else: the first is the one that a single training would have been.
  const weights = (name: string) => readFileSync(join(folder, 'train', `${name}-joint`, 'model', 'model.safetensors'));
  expect(weights('scratch+seed-0').equals(weights('scratch+seed-1'))).toBe(false);
  expect(weights('scratch+seed-0').equals(weights('once'))).toBe(true);
  // The difference of means is the mean of differences.
  const mean = (kind: string) => {
    const of = Object.entries(measured).filter(([name, { seedOf }]) => (seedOf ?? name) === kind);
    return of.reduce((sum, [, { gapNorm }]) => sum + gapNorm, 0) / of.length;
  };
  expect(comparisons.map(({ method, versus }) => [method, versus])).toEqual(['oracle', 'bc-prompt', 'thrice', 'once', 'random'].map((versus) => ['scratch', versus]));
  for (const { versus, gapNorm } of comparisons) expect(gapNorm).toBeCloseTo(mean('scratch') - mean(versus), 12);
  const page = readFileSync(report.markdown, 'utf8');
  expect(page).toContain('From scratch: spread of 2 seeds');
  expect(page).toContain('From scratch (thrice): spread of 3 seeds');
  expect(page).toContain('From scratch (thrice), mean of 3 seeds');
  // The experiment in the results is the one that was written.
  expect((results.experiment as unknown as ReturnType<typeof experiment>).evaluation.methods).toHaveLength(methods.length);
});

it('a name that a training takes is refused', async () => {
  const taken = experiment(['random', { method: 'scratch', options: small }, { method: 'bc-prompt', name: 'scratch:seed-1' }]);
  await expect(runExperiment(taken, { folder: scratch(), threads: 1 })).rejects.toMatchObject({ code: 'INVALID_EXPERIMENT', message: expect.stringContaining('scratch:seed-1') });
});
