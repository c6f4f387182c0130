// Training on examples that are made as it goes, and on learning histories.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { methods, parseExperiment, runExperiment, type Experiment } from '../src/index.js';
import { checkMethods } from '../src/methods/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { configDocument } from '../src/train/contract.js';
import { scratch } from './support.js';

const small = { layers: 1, hidden: 8, heads: 1, kvHeads: 1, ffn: 8 };
const experiment = (data: 'dataset' | 'stream', episodes = 6): Experiment =>
  parseExperiment({
    schema: 'tiresias.experiment/1', name: 'streams', seed: 2, regimes: ['mdp', 'pomdp'], horizon: 3, solver: { gap: 0.5 }, dataset: { examples: 8, shardExamples: 8 },
    training: { steps: 3, batchSize: 4, data },
    evaluation: { tasks: 4, resamples: 100, methods: ['random', { method: 'scratch', options: small }, { method: 'ad', options: { ...small, episodes } }] },
  });

it('a stream leaves no dataset, and the same networks when it is run again', async () => {
  const [first, again] = [scratch(), scratch()];
  const { results } = await runExperiment(experiment('stream'), { folder: first, threads: 2 });
  expect(results.datasets).toEqual([]);
  expect(existsSync(join(first, 'dataset'))).toBe(false);
  // Three steps of four examples, none of which comes twice.
  expect(results.training.map(({ name, examples, regimes }) => [name, examples, regimes])).toEqual([['scratch-joint', 12, ['mdp', 'pomdp']], ['ad-joint', 12, ['mdp', 'pomdp']]]);
  await runExperiment(experiment('stream'), { folder: again, threads: 1 });
  const weights = (folder: string, name: string) => readFileSync(join(folder, 'train', name, 'model', 'model.safetensors'));
  for (const name of ['scratch-joint', 'ad-joint']) expect(weights(first, name).equals(weights(again, name))).toBe(true);
  expect(weights(first, 'scratch-joint').equals(weights(first, 'ad-joint'))).toBe(false);
});

it('distillation has datasets of its own, beside the oracle’s', async () => {
  const folder = scratch();
  const { results } = await runExperiment(experiment('dataset'), { folder, threads: 2 });
  expect(results.datasets.map(({ regime, vocabulary }) => [regime, vocabulary])).toEqual([
    ['mdp', 'compact'], ['pomdp', 'compact'], ['mdp', 'compact, histories'], ['pomdp', 'compact, histories'],
  ]);
  const [oracle, , learner] = readdirSync(join(folder, 'dataset')).sort().map((name) => JSON.parse(readFileSync(join(folder, 'dataset', name, 'manifest.json'), 'utf8')) as { config: { histories?: object } });
  expect([oracle, learner].map((manifest) => manifest!.config.histories)).toEqual(expect.arrayContaining([{ episodes: 6, rate: 0.1, leastEpsilon: 0.05 }]));
  expect(Object.keys(results.regimes.pomdp!.methods)).toEqual(['random', 'scratch', 'ad']);
});

it('a history is longer than the support', async () => {
  await expect(checkMethods(experiment('dataset', 2))).rejects.toThrow(/method ad: option episodes is 2, .*longer than the support’s 2 trajectories; raise it/);
  expect(methods().find(({ name }) => name === 'ad')).toMatchObject({ group: 'network', needsSupport: true });
});

it('a stream reaches the trainer as the contract says: its own words in snake_case, specifications in the addon’s', () => {
  const { examples: _, shardExamples: __, ...spec } = datasetConfig(experiment('stream'), 'mdp');
  const template = { observationWidth: 2, rewardScale: 5 };
  const stream = { specs: [{ ...spec, template, firstTask: 0, tasks: 1, threads: 0, histories: { episodes: 9, rate: 0.5, leastEpsilon: 0 } }], templates: [template] };
  const document = configDocument({
    backend: 'candle', data: [], stream, output: 'o', architecture: { kind: 'llama', vocabulary: 9, kvHeads: 1 }, optimizer: experiment('stream').training.optimizer,
    steps: 1, batchSize: 1, seed: 0, threads: 1, checkpointEvery: 1, gradientCheckpointing: false,
  });
  expect(document).toMatchObject({
    batch_size: 1,
    stream: { templates: [{ observation_width: 2, reward_scale: 5 }], specs: [{ examplesPerTask: 1, template: { observation_width: 2 }, histories: { leastEpsilon: 0 }, solver: { timeSeconds: null } }] },
  });
  expect(document).not.toHaveProperty('data');
});
