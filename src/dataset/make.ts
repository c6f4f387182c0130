// Makes a dataset folder shard by shard. Whatever is whole stays, so a killed run goes on where it was, to the same bytes.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DetailedProgress } from '../base/index.js';
import { TiresiasError } from '../errors.js';
import { io, makeFolder, readText, writeAtomic } from '../files.js';
import { makeShard, type ShardReport, type Tokenizer } from '../library.js';
import { takeLock } from '../lock.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import type { ShardSpec } from '../spec.js';
import { version } from '../version.js';
import { datasetCard } from './card.js';
import { MANIFEST, configHash, readManifestIfWhole, totals, type DatasetConfig, type Manifest, type Shard } from './manifest.js';
import { isWhole } from './open.js';

/** How {@link makeDataset} goes about it. */
export interface MakeOptions {
  /** What gives a text its ids. */
  tokenizer: Tokenizer;
  /** Worker threads. */
  threads: number;
  /** Stops the call, which then rejects with the signal's reason; shards that are whole stay. */
  signal?: AbortSignal | undefined;
  /** Examples done so far. */
  onProgress?: ((event: DetailedProgress) => void) | undefined;
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
  await io(`make ${folder}`, () => makeFolder(join(folder, 'data')));
  const release = await takeLock(join(folder, 'make.lock'));
  try {
    return await makeShards(config, folder, options);
  } finally {
    await release();
  }
}

async function makeShards(config: DatasetConfig, folder: string, options: MakeOptions): Promise<Manifest> {
  const { tokenizer } = options;
  const identity = { version, config, tokenizer: { name: tokenizer.name, sha256: tokenizer.sha256 } };
  const hash = configHash(identity);
  // Both are sealed: what they say of a shard is what was found when it was made, or nothing.
  const finished = await readManifestIfWhole(folder);
  if (finished) requireSame(folder, hash, configHash({ version: finished.version, config: finished.config, tokenizer: finished.tokenizer }));
  const journal = (await readSealedIfWhole(join(folder, JOURNAL))) as Journal | undefined;
  if (journal) requireSame(folder, hash, journal.hash);

  await removeLeftovers(join(folder, 'data'));
  const known = new Map((finished?.shards ?? journal?.shards ?? []).map((shard) => [shard.path, shard]));
  let templateSha = finished?.templateSha ?? journal?.templateSha ?? '';
  const planned = plan(config, options.threads);
  const shards: (Shard | undefined)[] = planned.map(() => undefined);
  const report = examplesDone(planned.length, config.examples, options.onProgress);

  const writeJournal = async () => {
    if (!finished) await writeSealed(join(folder, JOURNAL), { hash, templateSha, shards: shards.filter((shard) => shard !== undefined) } satisfies Journal);
  };
  const keep = async (i: number, shard: Shard) => {
    shards[i] = shard;
    await writeJournal();
    report(i, shard.examples, shard.path);
  };
  // Even before its first shard a folder says whose it is.
  if (!journal) await writeJournal();
  await inParallel(planned.length, SHARDS_AT_ONCE, options.signal, async (i, signal) => {
    const { path, spec } = planned[i]!;
    const kept = known.get(path);
    if (kept && (await isWhole(folder, kept))) return { i, shard: kept };
    const made = await makeShard(spec, tokenizer, join(folder, path), {
      signal,
      onProgress: (p) => report(i, (spec.tasks * spec.examplesPerTask * p.done) / Math.max(1, p.total), p.phase),
    });
    templateSha = made.templateSha;
    const shard = shardRecord(path, made);
    if (finished && shard.sha256 !== kept?.sha256) throw new TiresiasError('DATASET_CORRUPT', `${path} was damaged, and made again it differs from the manifest in ${folder}; delete the folder and make it anew`);
    return { i, shard };
  }, ({ i, shard }) => keep(i, shard));
  if (finished) {
    await writeCard(folder, finished);
    return finished;
  }

  const all = shards.filter((shard) => shard !== undefined);
  const manifest: Manifest = { schema: 'tiresias.dataset/2', ...identity, templateSha, totals: totals(all), shards: all };
  await writeCard(folder, manifest);
  await writeSealed(join(folder, MANIFEST), manifest);
  await rm(join(folder, JOURNAL), { force: true });
  return manifest;
}

/** One shard's rows are made while another's are written; more at once would keep more unfinished shards, and make none sooner. */
const SHARDS_AT_ONCE = 2;

/** Adds up the examples of shards in the making, each of which only grows. */
function examplesDone(shards: number, total: number, onProgress: MakeOptions['onProgress']): (shard: number, examples: number, detail: string) => void {
  const done = new Float64Array(shards);
  return (shard, examples, detail) => {
    done[shard] = Math.max(done[shard]!, examples);
    onProgress?.({ done: done.reduce((sum, n) => sum + n, 0), total, detail });
  };
}

/**
 * Runs `work(0)` to `work(count - 1)`, `atOnce` of them at a time, and hands each result to `collect`, one after the other.
 * The first failure, or the caller's signal, stops those under way; they have all ended when this rejects.
 */
async function inParallel<T>(
  count: number, atOnce: number, signal: AbortSignal | undefined,
  work: (i: number, signal: AbortSignal) => Promise<T>, collect: (result: T) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const either = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  let next = 0;
  let collected = Promise.resolve();
  const worker = async () => {
    while (next < count) {
      either.throwIfAborted();
      const result = await work(next++, either);
      await (collected = collected.then(() => collect(result)));
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, count) }, () => worker().catch((error: unknown) => {
    failed.abort(error);
    throw error;
  }));
  const outcomes = await Promise.allSettled(workers);
  signal?.throwIfAborted();
  if (outcomes.some(({ status }) => status === 'rejected')) throw failed.signal.reason;
}

function shardRecord(path: string, report: ShardReport): Shard {
  const { sha256, bytes, examples, tasks, tokens, labels } = report;
  return {
    path, sha256, bytes, examples, tasks, tokens, labels,
    labelCounts: [...report.labelCounts],
    maxRegretBound: report.regretBounds.max ?? 0,
    meanRegretBound: report.regretBounds.mean,
    supportReturns: report.supportReturns,
    queryReturns: report.queryReturns,
  };
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

/** The card is the manifest in words; one that is missing or says something else is written anew. */
async function writeCard(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, 'README.md');
  const card = datasetCard(manifest);
  if ((await readText(path).catch(() => undefined)) !== card) await writeAtomic(path, card);
}

/** Removes the shards that a killed process left half-written. */
async function removeLeftovers(folder: string): Promise<void> {
  await io(`clean ${folder}`, async () => {
    for (const name of await readdir(folder)) {
      if (/^shard-\d+\..*\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
    }
  });
}
