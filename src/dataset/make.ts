// Makes a dataset folder shard by shard. Whatever is whole stays, so a killed run goes on where it was, to the same bytes.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TiresiasError } from '../errors.js';
import { io, readJsonIfWhole, sha256File, writeAtomic, writeJson } from '../files.js';
import { makeShard, type Tokenizer } from '../library.js';
import { takeLock } from '../lock.js';
import type { ShardSpec } from '../spec.js';
import { version } from '../version.js';
import { datasetCard } from './card.js';
import { MANIFEST, configHash, totals, type DatasetConfig, type Manifest, type Shard } from './manifest.js';

export interface MakeOptions {
  tokenizer: Tokenizer;
  threads: number;
  signal?: AbortSignal | undefined;
  /** Examples done so far. */
  onProgress?: ((event: { done: number; total: number; detail: string }) => void) | undefined;
}

/** Journal of a dataset in the making; gone when the manifest stands. */
const JOURNAL = 'manifest.partial.json';

interface Journal {
  hash: string;
  templateSha: string;
  shards: Shard[];
}

/** Makes, or finishes, the dataset in `folder`. Refuses (DATASET_DIFFERS) a folder that holds another one. */
export async function makeDataset(config: DatasetConfig, folder: string, options: MakeOptions): Promise<Manifest> {
  await io(`make ${folder}`, () => mkdir(join(folder, 'data'), { recursive: true }));
  const release = await takeLock(join(folder, 'make.lock'));
  try {
    return await makeShards(config, folder, options);
  } finally {
    await release();
  }
}

async function makeShards(config: DatasetConfig, folder: string, options: MakeOptions): Promise<Manifest> {
  const { tokenizer, onProgress } = options;
  const identity = { version, config, tokenizer: { name: tokenizer.name, sha256: tokenizer.sha256 } };
  const hash = configHash(identity);
  const finished = (await readJsonIfWhole(join(folder, MANIFEST))) as Manifest | undefined;
  if (finished) requireSame(folder, hash, configHash({ version: finished.version, config: finished.config as unknown as DatasetConfig, tokenizer: finished.tokenizer }));
  const journal = (await readJsonIfWhole(join(folder, JOURNAL))) as Journal | undefined;
  if (journal) requireSame(folder, hash, journal.hash);

  await removeLeftovers(join(folder, 'data'));
  const known = new Map((finished?.shards ?? journal?.shards ?? []).map((shard) => [shard.path, shard]));
  const shards: Shard[] = [];
  let templateSha = finished?.template_sha ?? journal?.templateSha ?? '';
  let examples = 0;
  for (const { path, spec } of plan(config, options.threads)) {
    const kept = known.get(path);
    let shard: Shard;
    if (kept && (await isWhole(folder, kept))) shard = kept;
    else {
      const before = examples;
      const report = await makeShard(spec, tokenizer, join(folder, path), {
        signal: options.signal,
        onProgress: (p) => onProgress?.({ done: before + (spec.tasks * spec.examplesPerTask * p.done) / Math.max(1, p.total), total: config.examples, detail: p.phase }),
      });
      templateSha = report.templateSha;
      shard = {
        path,
        sha256: report.sha256,
        bytes: report.bytes,
        examples: report.examples,
        tasks: report.tasks,
        tokens: report.tokens,
        labels: report.labels,
        label_counts: [...report.labelCounts],
        max_regret_bound: report.maxRegretBound,
        mean_regret_bound: report.meanRegretBound,
      };
      if (!finished) await writeJson(join(folder, JOURNAL), { hash, templateSha, shards: [...shards, shard] } satisfies Journal);
      else if (shard.sha256 !== kept?.sha256) throw new TiresiasError('DATASET_CORRUPT', `${path} was damaged, and made again it differs from the manifest in ${folder}; delete the folder and make it anew`);
    }
    shards.push(shard);
    examples += shard.examples;
    onProgress?.({ done: examples, total: config.examples, detail: path });
  }
  if (finished) return finished;

  const manifest: Manifest = { schema: 'tiresias.dataset/1', ...identity, template_sha: templateSha, totals: totals(shards), shards };
  await writeAtomic(join(folder, 'README.md'), datasetCard(manifest));
  await writeJson(join(folder, MANIFEST), manifest);
  await rm(join(folder, JOURNAL), { force: true });
  return manifest;
}

function requireSame(folder: string, wanted: string, found: string): void {
  if (wanted !== found) throw new TiresiasError('DATASET_DIFFERS', `${folder} holds a dataset of another configuration or version; name another folder, or delete that one`, { details: { folder, wanted, found } });
}

/** The shards of a dataset; tasks are numbered through. */
function plan(config: DatasetConfig, threads: number): { path: string; spec: ShardSpec }[] {
  const { examples, shardExamples, ...rest } = config;
  const tasks = examples / config.examplesPerTask;
  const tasksPerShard = shardExamples / config.examplesPerTask;
  return Array.from({ length: Math.ceil(tasks / tasksPerShard) }, (_, i) => {
    const firstTask = i * tasksPerShard;
    return {
      path: `data/shard-${String(i).padStart(5, '0')}.${config.format}`,
      spec: { ...rest, firstTask, tasks: Math.min(tasksPerShard, tasks - firstTask), threads },
    };
  });
}

export async function isWhole(folder: string, shard: Shard): Promise<boolean> {
  try {
    return (await sha256File(join(folder, shard.path))) === shard.sha256;
  } catch (error) {
    if (error instanceof TiresiasError && error.code === 'FILE_NOT_FOUND') return false;
    throw error;
  }
}

/** Removes the shards that a killed process left half-written. */
async function removeLeftovers(folder: string): Promise<void> {
  await io(`clean ${folder}`, async () => {
    for (const name of await readdir(folder)) {
      if (/^shard-\d+\.(parquet|jsonl)\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
    }
  });
}
