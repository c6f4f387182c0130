// What a dataset folder says about itself: its configuration, and every shard with its hash.
import { join } from 'node:path';
import type { z as Zod } from 'zod';
import { TiresiasError } from '../errors.js';
import { readText, sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { lazy, zod } from '../lazy.js';
import { unseal } from '../seal.js';
import type { ShardSpec } from '../spec.js';
import type { RecordsDatasetConfig } from './records.js';

/** Name of the file. */
export const MANIFEST = 'manifest.json';

/** Everything that decides the bytes of a dataset of a family's tasks. */
export interface DatasetConfig extends Omit<ShardSpec, 'firstTask' | 'tasks' | 'threads'> {
  /** Examples in all. */
  examples: number;
  /** Examples in a file. */
  shardExamples: number;
}

/** What a column of numbers is like. */
export interface Summary {
  /** How many numbers there are. */
  count: number;
  /** Their mean. */
  mean: number;
  /** Their standard deviation, of the population. */
  deviation: number;
  /** The smallest; left out or null where there is none. */
  min?: number | null | undefined;
  /** The largest; left out or null where there is none. */
  max?: number | null | undefined;
}

/** What one shard, or all of a dataset's, hold. */
export interface ShardTotals {
  /** Size of the files. */
  bytes: number;
  /** Number of rows. */
  examples: number;
  /** Number of tasks that they are of. */
  tasks: number;
  /** Number of ids in all rows. */
  tokens: number;
  /** Number of labelled positions. */
  labels: number;
  /** Largest regret bound of a label, in reward. */
  maxRegretBound: number;
  /** Mean regret bound of a label, in reward. */
  meanRegretBound: number;
  /** Discounted returns of the support trajectories. */
  supportReturns: Summary;
  /** Discounted returns of the queries as they were executed. */
  queryReturns: Summary;
}

/** One file of a dataset. */
export interface Shard extends ShardTotals {
  /** The file, relative to the dataset's folder. */
  path: string;
  /** SHA-256 of the file. */
  sha256: string;
  /** How often each action is a label. */
  labelCounts: number[];
}

/** What defines the ids of a dataset. */
export interface TokenizerIdentity {
  /** A short name. */
  name: string;
  /** SHA-256 of the data that define it. */
  sha256: string;
}

/** All that decides what a dataset is. */
export interface Identity {
  /** Of tiresias; other versions may draw other bytes. */
  version: string;
  /** Everything that decides the dataset's bytes. */
  config: DatasetConfig | RecordsDatasetConfig;
  /** What defines the ids. */
  tokenizer: TokenizerIdentity;
}

/** The document `manifest.json` of a dataset's folder. */
export interface Manifest extends Identity {
  /** Format and version of the file. */
  schema: 'tiresias.dataset/2';
  /** SHA-256 of the template. */
  templateSha: string;
  /** Sums over the shards. */
  totals: ShardTotals;
  /** The files, in order. */
  shards: Shard[];
}

/** What is written of a shard. */
export const shardSchema = lazy(() => {
  const z = zod();
  const count = z.int().min(0);
  const summary = z.object({ count, mean: z.number(), deviation: z.number(), min: z.number().nullish(), max: z.number().nullish() });
  return z.object({
    path: z.string(),
    sha256: z.string(),
    bytes: count,
    examples: count,
    tasks: count,
    tokens: count,
    labels: count,
    labelCounts: z.array(count),
    maxRegretBound: z.number(),
    meanRegretBound: z.number(),
    supportReturns: summary,
    queryReturns: summary,
  }) satisfies Zod.ZodType<Shard>;
});

/** What is written of a dataset's identity. */
export const identitySchema = lazy(() => {
  const z = zod();
  return z.object({
    version: z.string(),
    config: z.record(z.string(), z.unknown()) as unknown as Zod.ZodType<Identity['config']>,
    tokenizer: z.object({ name: z.string(), sha256: z.string() }),
  }) satisfies Zod.ZodType<Identity>;
});

const manifestSchema = lazy(() => {
  const z = zod();
  const shard = shardSchema();
  return z.object({
    schema: z.literal('tiresias.dataset/2'),
    ...identitySchema().shape,
    templateSha: z.string(),
    totals: shard.omit({ path: true, sha256: true, labelCounts: true }),
    shards: z.array(shard).min(1),
  }) satisfies Zod.ZodType<Manifest>;
});

const MEND = 'run `tiresias dataset make` again with the same configuration to mend it';

/** Reads a dataset's manifest, which is sealed. Throws FILE_NOT_FOUND or DATASET_CORRUPT. Says nothing of the shards: see `openDataset`. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST);
  return parseManifest(await readText(path), path);
}

/** A manifest from its text. Throws DATASET_CORRUPT. */
export function parseManifest(text: string, path: string): Manifest {
  const parsed = manifestSchema().safeParse(unseal(text, path, 'DATASET_CORRUPT', MEND));
  if (!parsed.success) throw new TiresiasError('DATASET_CORRUPT', `${path} is not a dataset's manifest:\n${zod().prettifyError(parsed.error)}`, { cause: parsed.error });
  return parsed.data;
}

/** As {@link readManifest}, or undefined where there is none, or a damaged one, which counts for nothing. */
export async function readManifestIfWhole(folder: string): Promise<Manifest | undefined> {
  return readManifest(folder).catch((error: unknown) => {
    if (error instanceof TiresiasError && (error.code === 'FILE_NOT_FOUND' || error.code === 'DATASET_CORRUPT')) return undefined;
    throw error;
  });
}

/** Sums over shards. Means are weighted by labels. */
export function totals(shards: readonly Shard[]): Manifest['totals'] {
  const sum = (of: (shard: Shard) => number) => shards.reduce((all, shard) => all + of(shard), 0);
  const labels = sum((s) => s.labels);
  return {
    examples: sum((s) => s.examples),
    tasks: sum((s) => s.tasks),
    tokens: sum((s) => s.tokens),
    labels,
    bytes: sum((s) => s.bytes),
    maxRegretBound: Math.max(...shards.map((s) => s.maxRegretBound)),
    meanRegretBound: labels === 0 ? 0 : sum((s) => s.meanRegretBound * s.labels) / labels,
    supportReturns: pooled(shards.map((s) => s.supportReturns)),
    queryReturns: pooled(shards.map((s) => s.queryReturns)),
  };
}

/** The summary of all the numbers that the parts sum up. */
function pooled(parts: readonly Summary[]): Summary {
  const filled = parts.filter((part) => part.count > 0);
  const total = filled.reduce((sum, part) => sum + part.count, 0);
  if (total === 0) return { count: 0, mean: 0, deviation: 0 };
  const mean = filled.reduce((sum, part) => sum + part.count * part.mean, 0) / total;
  const variance = filled.reduce((sum, part) => sum + part.count * (part.deviation ** 2 + (part.mean - mean) ** 2), 0) / total;
  return { count: total, mean, deviation: Math.sqrt(variance), min: Math.min(...filled.map((p) => p.min!)), max: Math.max(...filled.map((p) => p.max!)) };
}

/** Tells datasets apart. */
export function configHash({ version, config, tokenizer }: Identity): string {
  return sha256(canonicalJson({ version, config, tokenizer }));
}
