// Stage dataset: an experiment's examples of one regime, in a tokenizer's ids. It leaves a dataset's folder: manifest, card and shards.
import { join } from 'node:path';
import { makeDataset } from '../dataset/make.js';
import type { DatasetConfig, Manifest } from '../dataset/manifest.js';
import { makeRecordsDataset, recordsIdentity, sourceIdentity, type RecordsDatasetConfig, type RecordsLabels, type RecordsSource } from '../dataset/records.js';
import type { Experiment, Regime } from '../experiment.js';
import { readJson, sha256File } from '../files.js';
import { Model, defaultTemplate, type Tokenizer } from '../library.js';
import { firstBeliefs } from '../logs/first.js';
import type { MadeLogsFamily } from '../logs/family.js';
import { Trajectories, logsSource } from '../logs/import.js';
import { taskSpec, type Histories, type WholeTemplate } from '../spec.js';
import { version } from '../version.js';
import type { How, Stage } from './stage.js';

/** The dataset that an experiment makes in one regime; with `histories` an algorithm's instead of the oracle's. */
export function datasetConfig(experiment: Experiment, regime: Regime, histories?: Histories): DatasetConfig {
  const { split, examples, examplesPerTask, shardExamples, format, labels = 'oracle' } = experiment.dataset;
  // Learning histories are labelled by whoever learned.
  const labelled = labels === 'oracle' || histories ? {} : { labels };
  return { ...taskSpec(experiment, regime, split), query: experiment.query, examples, examplesPerTask, shardExamples, format, ...labelled, ...(histories && { histories }) };
}

export const datasetStage = (config: DatasetConfig, tokenizer: Tokenizer, how: How): Stage<Manifest> =>
  stageOf(config, tokenizer, (folder) => makeDataset(config, folder, { ...how, tokenizer }));

/** The same of recorded decisions. */
export const recordsStage = ({ config, source }: RecordsDataset, tokenizer: Tokenizer, how: How): Stage<Manifest> =>
  stageOf(config, tokenizer, (folder) => makeRecordsDataset(config, source, folder, { ...how, tokenizer }));

const stageOf = (config: Manifest['config'], tokenizer: Tokenizer, work: (folder: string) => Promise<Manifest>): Stage<Manifest> => ({
  kind: 'dataset',
  inputs: () => ({ version, config, tokenizer: tokenizer.sha256 }),
  outputs: ['.'],
  // Shard by shard, by the manifest's hashes.
  mends: true,
  work,
});

/** What a dataset of records is, and what it is made from. */
export interface RecordsDataset {
  config: RecordsDatasetConfig;
  source: RecordsSource;
}

/** The dataset of the records that an experiment's family was fitted to. Episodes that were kept for estimates are none of them. */
export async function recordsDataset(experiment: Experiment): Promise<RecordsDataset> {
  const { folder } = experiment.logs!;
  const { report } = (await readJson(join(folder, 'family.json'))) as MadeLogsFamily;
  const { labels = 'oracle', examples, shardExamples, format } = experiment.dataset;
  const file = join(folder, 'fitted.parquet');
  const trajectories = Trajectories.load(file);
  const model = Model.fromFile(join(folder, labels === 'robust' ? 'robust.json' : 'model.json')).model;
  const regime = report.kind;
  const source: RecordsSource = { trajectories, model, ...(report.kind === 'pomdp' && { first: firstBeliefs(report, trajectories, model) }) };
  const config: RecordsDatasetConfig = {
    records: recordsIdentity(trajectories, await sha256File(file), logsSource(trajectories)), ...sourceIdentity(source), labels: labels as RecordsLabels, regime, seed: experiment.seed,
    support: { trajectories: experiment.support.trajectories }, solver: experiment.solver, template: { ...defaultTemplate(experiment.family, regime), ...experiment.templates[regime] } as WholeTemplate,
    examples, shardExamples, format,
  };
  return { config, source };
}
