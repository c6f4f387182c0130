// The shards of a dataset, and how those that are missing are made. Whose they are, and what is left beside them, others say: `make.ts`, where one
// process makes all of them, and `part.ts`, where several do.
import type { DetailedProgress } from '../base/index.js';
import type { ShardReport, Tokenizer } from '../library.js';
import type { CallOptions } from '../native.js';
import type { StageProgress } from '../../native/index.cjs';
import type { ShardSpec } from '../spec.js';
import type { DatasetConfig, Shard } from './manifest.js';
import { isWhole } from './open.js';
import type { RecordsDatasetConfig } from './records.js';

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

/** Which tasks a shard has, and how many examples are of each. */
export type Span = Pick<ShardSpec, 'firstTask' | 'tasks' | 'examplesPerTask'>;

/** A shard that is to be. */
export interface PlannedShard<S extends Span = ShardSpec> {
  path: string;
  spec: S;
}

/** Writes a shard: the addon, unless a simulation of failures does it. */
export type ShardMaker = (spec: ShardSpec, tokenizer: Tokenizer, path: string, options: CallOptions<StageProgress>) => Promise<ShardReport>;

/** A shard that is there. */
export interface MadeShard {
  shard: Shard;
  /** SHA-256 of the template; left out where the shard was found. */
  templateSha?: string;
}

/** The shards of a dataset of tasks, which are numbered through. */
export function plan(config: DatasetConfig, threads: number): PlannedShard[] {
  const { examples: _, shardExamples: __, ...rest } = config;
  return spans(config).map(({ path, spec }) => ({ path, spec: { ...rest, ...spec, threads } }));
}

/** The shards of any dataset. Of recorded decisions an example is a task. */
export function spans(config: DatasetConfig | RecordsDatasetConfig): PlannedShard<Span>[] {
  const { examples, shardExamples, format } = config;
  const examplesPerTask = 'records' in config ? 1 : config.examplesPerTask;
  const tasks = examples / examplesPerTask;
  const tasksPerShard = Math.max(1, Math.floor(shardExamples / examplesPerTask));
  return Array.from({ length: Math.ceil(tasks / tasksPerShard) }, (_, i) => {
    const firstTask = i * tasksPerShard;
    return { path: `data/shard-${String(i).padStart(5, '0')}.${format}`, spec: { firstTask, tasks: Math.min(tasksPerShard, tasks - firstTask), examplesPerTask } };
  });
}

/** How {@link makeMissing} goes about it. */
export interface MissingOptions<S extends Span> extends MakeOptions {
  folder: string;
  /** What is known of a shard that was made before. */
  known(planned: PlannedShard<S>): Shard | undefined;
  /** Makes one, whole, under its name. */
  make(planned: PlannedShard<S>, how: CallOptions<StageProgress>): Promise<ShardReport>;
}

/** Makes those of the planned shards that are not there as they were made; tells of every one, one after the other, when it is there. */
export async function makeMissing<S extends Span>(planned: readonly PlannedShard<S>[], { folder, known, make, signal, onProgress }: MissingOptions<S>, tell: (i: number, made: MadeShard) => Promise<void>): Promise<void> {
  const examples = planned.reduce((sum, { spec }) => sum + spec.tasks * spec.examplesPerTask, 0);
  const report = examplesDone(planned.length, examples, onProgress);
  await inParallel<MadeShard & { i: number }>(planned.length, SHARDS_AT_ONCE, signal, async (i, either) => {
    const one = planned[i]!;
    const { path, spec } = one;
    const kept = known(one);
    if (kept && (await isWhole(folder, kept))) return { i, shard: kept };
    const made = await make(one, {
      signal: either,
      onProgress: (p) => report(i, (spec.tasks * spec.examplesPerTask * p.done) / Math.max(1, p.total), p.phase),
    });
    return { i, shard: shardRecord(path, made), templateSha: made.templateSha };
  }, async ({ i, ...made }) => {
    await tell(i, made);
    report(i, made.shard.examples, made.shard.path);
  });
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
