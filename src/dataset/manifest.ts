// What a dataset folder says about itself: its configuration, and every shard with its hash.
import { join } from 'node:path';
import { z } from 'zod';
import { TiresiasError } from '../errors.js';
import { readText, sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { unseal } from '../seal.js';
import type { ShardSpec } from '../spec.js';

export const MANIFEST = 'manifest.json';

/** Everything that decides a dataset's bytes. */
export type DatasetConfig = Omit<ShardSpec, 'firstTask' | 'tasks' | 'threads'> & { examples: number; shardExamples: number };

const count = z.int().min(0);

/** What a column of numbers is like; null where it is empty. */
const summarySchema = z.object({ count, mean: z.number(), deviation: z.number(), min: z.number().nullish(), max: z.number().nullish() });
export type Summary = z.infer<typeof summarySchema>;

const shardSchema = z.object({
  path: z.string(),
  sha256: z.string(),
  bytes: count,
  examples: count,
  tasks: count,
  tokens: count,
  labels: count,
  /** How often each action is a label. */
  label_counts: z.array(count),
  max_regret_bound: z.number(),
  mean_regret_bound: z.number(),
  /** Discounted returns of the support trajectories, and of the queries as they were executed. */
  support_returns: summarySchema,
  query_returns: summarySchema,
});
export type Shard = z.infer<typeof shardSchema>;

const manifestSchema = z.object({
  schema: z.literal('tiresias.dataset/1'),
  /** Of tiresias; other versions may draw other bytes. */
  version: z.string(),
  config: z.record(z.string(), z.unknown()),
  tokenizer: z.object({ name: z.string(), sha256: z.string() }),
  template_sha: z.string(),
  totals: shardSchema.omit({ path: true, sha256: true, label_counts: true }),
  shards: z.array(shardSchema).min(1),
});
export type Manifest = z.infer<typeof manifestSchema>;

const MEND = 'run `tiresias dataset make` again with the same configuration to mend it';

/** Reads a dataset's manifest, which is sealed. Throws FILE_NOT_FOUND or DATASET_CORRUPT. Says nothing of the shards: see `openDataset`. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST);
  return parseManifest(await readText(path), path);
}

/** A manifest from its text. Throws DATASET_CORRUPT. */
export function parseManifest(text: string, path: string): Manifest {
  const parsed = manifestSchema.safeParse(unseal(text, path, 'DATASET_CORRUPT', MEND));
  if (!parsed.success) throw new TiresiasError('DATASET_CORRUPT', `${path} is not a dataset's manifest:\n${z.prettifyError(parsed.error)}`, { cause: parsed.error });
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
    max_regret_bound: Math.max(...shards.map((s) => s.max_regret_bound)),
    mean_regret_bound: labels === 0 ? 0 : sum((s) => s.mean_regret_bound * s.labels) / labels,
    support_returns: pooled(shards.map((s) => s.support_returns)),
    query_returns: pooled(shards.map((s) => s.query_returns)),
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

export function configHash(parts: { version: string; config: DatasetConfig; tokenizer: { name: string; sha256: string } }): string {
  return sha256(canonicalJson(parts));
}
