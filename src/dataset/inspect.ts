// Looking at a dataset that is there: is it whole, what is in it, what does one example look like.
import { CALL_OPTIONS, checkOptions } from '../check.js';
import { TiresiasError } from '../errors.js';
import { cancellable, native, type CallOptions } from '../native.js';
import type { ShardExample, StageProgress, ThreadsOption } from '../library.js';
import { Dataset } from './open.js';
import type { Manifest, Summary } from './manifest.js';

/** Checks every shard's hash, that no other shard lies among them, and the manifest's sums. Throws DATASET_CORRUPT with all that is wrong. */
export async function verifyDataset(folder: string): Promise<Manifest> {
  const dataset = await Dataset.open(folder);
  await dataset.verify();
  return dataset.manifest;
}

/** What a dataset is like. */
export interface DatasetStats {
  /** Number of examples. */
  examples: number;
  /** Number of tasks that they are of. */
  tasks: number;
  /** Number of ids in all examples. */
  tokens: number;
  /** Number of labelled positions. */
  labels: number;
  /** Size of the files. */
  bytes: number;
  /** Mean number of ids in an example. */
  tokensPerExample: number;
  /** Fewest ids of an example. */
  shortest: number;
  /** Most ids of an example. */
  longest: number;
  /** Examples with the same tokens as one before them. */
  duplicates: number;
  /** Share of each action among the labels. */
  labelShares: number[];
  /** Mean regret bound of a label, in reward. */
  meanRegretBound: number;
  /** Largest regret bound of a label, in reward. */
  maxRegretBound: number;
  /** Bounds below which 50, 95 and 99 of a hundred regret bounds lie, each at most 1 % above the true quantile. */
  regretBoundQuantiles: [median: number, most: number, nearlyAll: number];
  /** Discounted returns of the support trajectories. */
  supportReturns: Summary;
  /** Discounted returns of the queries as they were executed. */
  queryReturns: Summary;
}

/** Reads every example of the dataset. Throws DATASET_CORRUPT when a shard or the manifest is not what was made. */
export async function datasetStats(folder: string, options: ThreadsOption & CallOptions<StageProgress> = {}): Promise<DatasetStats> {
  checkOptions('datasetStats', options, { threads: 'number', ...CALL_OPTIONS });
  const { threads, ...call } = options;
  const dataset = await Dataset.open(folder);
  const { shards, totals: all } = dataset.manifest;
  const paths = await dataset.shards(options.signal);
  const scan = await cancellable(call, (token, report) => native.scanShards(paths, threads, token, report));
  if (scan.examples !== all.examples) throw new TiresiasError('DATASET_CORRUPT', `${folder} holds ${scan.examples} examples, its manifest says ${all.examples}; run \`tiresias dataset verify\``);
  const actions = Math.max(...shards.map((s) => s.labelCounts.length));
  const counts = Array.from({ length: actions }, (_, a) => shards.reduce((sum, s) => sum + (s.labelCounts[a] ?? 0), 0));
  const { examples, tasks, tokens, labels, bytes } = all;
  return {
    examples, tasks, tokens, labels, bytes,
    tokensPerExample: tokens / examples,
    shortest: scan.shortest,
    longest: scan.longest,
    duplicates: scan.duplicates,
    labelShares: counts.map((n) => n / Math.max(1, labels)),
    meanRegretBound: all.meanRegretBound,
    maxRegretBound: all.maxRegretBound,
    regretBoundQuantiles: scan.regretBoundQuantiles,
    supportReturns: all.supportReturns,
    queryReturns: all.queryReturns,
  };
}

/** Example `index` of the dataset, counted over all shards. Throws INVALID_ARGUMENT beyond the end, DATASET_CORRUPT when its shard is not what was made. */
export async function datasetExample(folder: string, index: number): Promise<ShardExample> {
  return exampleOf(await Dataset.open(folder), index);
}

/** {@link datasetExample} of an opened dataset. */
export async function exampleOf(dataset: Dataset, index: number): Promise<ShardExample> {
  const { shards, totals: all } = dataset.manifest;
  let row = index;
  for (const shard of shards) {
    if (row < shard.examples) return native.readExample(await dataset.shard(shard), row);
    row -= shard.examples;
  }
  throw new TiresiasError('INVALID_ARGUMENT', `there is no example ${index}: the dataset has ${all.examples}, counted from 0`);
}
