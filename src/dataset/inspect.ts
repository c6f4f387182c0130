// Looking at a dataset that is there: is it whole, what is in it, what does one example look like.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TiresiasError } from '../errors.js';
import { canonicalJson } from '../json.js';
import { readExample, scanShards, type ShardExample, type StageProgress } from '../library.js';
import type { CallOptions } from '../native.js';
import { isWhole } from './make.js';
import { readManifest, totals, type Manifest, type Summary } from './manifest.js';

/** Checks every shard's hash, that no other shard lies among them, and the manifest's sums. Throws DATASET_CORRUPT with all that is wrong. */
export async function verifyDataset(folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const problems: string[] = [];
  for (const shard of manifest.shards) {
    if (!(await isWhole(folder, shard))) problems.push(`${shard.path} is missing or damaged`);
  }
  const known = new Set(manifest.shards.map(({ path }) => path));
  // Readers load data/*, whatever the manifest says.
  for (const name of (await readdir(join(folder, 'data')).catch(() => [])).sort()) {
    const path = `data/${name}`;
    if (/\.(parquet|jsonl|safetensors)$/.test(name) && !known.has(path)) problems.push(`${path} is not in the manifest: delete it`);
  }
  const summed = totals(manifest.shards);
  for (const key of Object.keys(summed) as (keyof typeof summed)[]) {
    const [claimed, found] = [manifest.totals[key], summed[key]].map((value) => canonicalJson(value));
    if (claimed !== found) problems.push(`manifest: totals.${key} is ${claimed}, the shards sum to ${found}`);
  }
  if (problems.length > 0) {
    throw new TiresiasError('DATASET_CORRUPT', `${folder} is not whole:\n${problems.map((p) => `  ${p}`).join('\n')}\nrun \`tiresias dataset make\` with the same configuration to mend it`, {
      details: { folder, problems },
    });
  }
  return manifest;
}

export interface DatasetStats {
  examples: number;
  tasks: number;
  tokens: number;
  labels: number;
  bytes: number;
  tokensPerExample: number;
  /** Fewest and most tokens of an example. */
  shortest: number;
  longest: number;
  /** Examples with the same tokens as one before them. */
  duplicates: number;
  /** Share of each action among the labels. */
  labelShares: number[];
  meanRegretBound: number;
  maxRegretBound: number;
  /** Bounds below which 50, 95 and 99 of a hundred regret bounds lie, each at most 1 % above the true quantile. */
  regretBoundQuantiles: [number, number, number];
  /** Discounted returns of the support trajectories, and of the queries as they were executed. */
  supportReturns: Summary;
  queryReturns: Summary;
}

/** Reads every example of the dataset. Throws DATASET_CORRUPT when a shard cannot be read or holds other rows than the manifest says. */
export async function datasetStats(folder: string, options: { threads?: number } & CallOptions<StageProgress> = {}): Promise<DatasetStats> {
  const { shards, totals: all } = await readManifest(folder);
  const scan = await scanShards(shards.map(({ path }) => join(folder, path)), options);
  if (scan.examples !== all.examples) throw new TiresiasError('DATASET_CORRUPT', `${folder} holds ${scan.examples} examples, its manifest says ${all.examples}; run \`tiresias dataset verify\``);
  const actions = Math.max(...shards.map((s) => s.label_counts.length));
  const counts = Array.from({ length: actions }, (_, a) => shards.reduce((sum, s) => sum + (s.label_counts[a] ?? 0), 0));
  const { examples, tasks, tokens, labels, bytes } = all;
  return {
    examples, tasks, tokens, labels, bytes,
    tokensPerExample: tokens / examples,
    shortest: scan.shortest,
    longest: scan.longest,
    duplicates: scan.duplicates,
    labelShares: counts.map((n) => n / Math.max(1, labels)),
    meanRegretBound: all.mean_regret_bound,
    maxRegretBound: all.max_regret_bound,
    regretBoundQuantiles: scan.regretBoundQuantiles as [number, number, number],
    supportReturns: all.support_returns,
    queryReturns: all.query_returns,
  };
}

/** Example `index` of the dataset, counted over all shards. Throws INVALID_ARGUMENT beyond the end. */
export async function datasetExample(folder: string, index: number): Promise<ShardExample> {
  const { shards, totals: all } = await readManifest(folder);
  let row = index;
  for (const shard of shards) {
    if (row < shard.examples) return readExample(join(folder, shard.path), row);
    row -= shard.examples;
  }
  throw new TiresiasError('INVALID_ARGUMENT', `there is no example ${index}: the dataset has ${all.examples}, counted from 0`);
}
