// Stage dataset: an experiment's examples of one regime, in a tokenizer's ids. It leaves a dataset's folder: manifest, card and shards.
import { makeDataset } from '../dataset/make.js';
import type { DatasetConfig, Manifest } from '../dataset/manifest.js';
import type { Experiment, Regime } from '../experiment.js';
import type { Tokenizer } from '../library.js';
import { taskSpec, type Histories } from '../spec.js';
import { version } from '../version.js';
import type { How, Stage } from './stage.js';

/** The dataset that an experiment makes in one regime; with `histories` an algorithm's instead of the oracle's. */
export function datasetConfig(experiment: Experiment, regime: Regime, histories?: Histories): DatasetConfig {
  const { split, examples, examplesPerTask, shardExamples, format } = experiment.dataset;
  return { ...taskSpec(experiment, regime, split), query: experiment.query, examples, examplesPerTask, shardExamples, format, ...(histories && { histories }) };
}

export const datasetStage = (config: DatasetConfig, tokenizer: Tokenizer, how: How): Stage<Manifest> => ({
  kind: 'dataset',
  inputs: () => ({ version, config, tokenizer: tokenizer.sha256 }),
  outputs: ['.'],
  // Shard by shard, by the manifest's hashes.
  mends: true,
  work: (folder) => makeDataset(config, folder, { ...how, tokenizer }),
});
