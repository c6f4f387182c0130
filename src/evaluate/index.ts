// Evaluates every method of an experiment in one regime: the same tasks, supports and random numbers for all of them.
import { join } from 'node:path';
import type { DetailedProgress } from '../base-model.js';
import { TiresiasError } from '../errors.js';
import type { Experiment, Regime } from '../experiment.js';
import { createEpisodes, type Episodes } from '../library.js';
import type { MethodResult, RegimeResult } from '../results.js';
import { taskSpec, type EpisodesSpec } from '../spec.js';
import { Decider } from '../train/decider.js';
import { identities, type Actors } from './identity.js';
import { ModelMethod, oracleMethod, play, randomMethod, type Method } from './methods.js';
import { byTask, cloudResult, methodResult } from './metrics.js';
import { readRows, rowsFromOutcome, writeRows, type EpisodeRow } from './rows.js';

/** How {@link evaluateRegime} plays. */
export interface EvaluateOptions extends Actors {
  /**
   * Where the raw rows go, each file with a stamp beside it that says what made it. A method is not played again while its rows are
   * there, unchanged, and made by just what would make them now; others are replaced.
   */
  folder: string;
  /** Worker threads. */
  threads: number;
  /** Stops the call, which then rejects with the signal's reason; rows that are written stay. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: ((event: DetailedProgress) => void) | undefined;
}

/** Episodes that are stepped together; bounds the memory of a language model's sessions. */
const BATCH_ROWS = 64;

type Nature = EpisodesSpec['queryNature'];

/** Plays all methods and computes their metrics. */
export async function evaluateRegime(experiment: Experiment, regime: Regime, options: EvaluateOptions): Promise<RegimeResult> {
  const { methods, resamples } = experiment.evaluation;
  if (methods.includes('sft') && options.adapter === undefined) throw new TiresiasError('USAGE', 'the method sft needs an adapter');
  // Against the oracle's nature the gap is measured; with nature fixed at each model, the value over the cloud.
  const natures: Nature[] = regime === 'apomdp' ? ['oracle', ...fixedNatures(experiment.models)] : [undefined];
  const identity = await identities(experiment, regime, options, options.signal);
  const rows = new Map<string, EpisodeRow[]>();
  const total = methods.length * natures.length;
  // Made when a method first needs them, and kept for the next ones: solving takes a while, and the natures share it.
  let solved: Batch[] | undefined;
  const batches = new Map<Nature, Batch[]>();
  for (const name of methods) {
    const session = new Session(name, options);
    try {
      for (const nature of natures) {
        const key = rowsKey(name, nature);
        const path = join(options.folder, `${regime}-${key}.jsonl`);
        const before = rows.size;
        const report = (share: number) => options.onProgress?.({ done: before + share, total, detail: key });
        report(0);
        const madeFrom = { ...identity.get(name), nature: nature ?? null };
        let played = await readRows(path, madeFrom);
        if (played === undefined) {
          const solving = (done: number, tasks: number) => options.onProgress?.({ done: before, total, detail: `${key}: task ${done} of ${tasks}` });
          solved ??= await makeBatches(experiment, regime, options, solving);
          if (!batches.has(nature)) batches.set(nature, withNature(solved, nature));
          played = await writeRows(path, await playBatches(await session.method(), batches.get(nature)!, options, report), madeFrom);
        }
        rows.set(key, played);
        report(1);
      }
    } finally {
      await session.end();
    }
  }

  const of = (method: string, nature: Nature) => rows.get(rowsKey(method, nature))!;
  const seed = `${experiment.seed}/evaluate/${regime}`;
  const results = methods.map((method): [string, MethodResult] => {
    const measured = methodResult(method, of(method, natures[0]), of('random', natures[0]), { regime, seed, resamples });
    if (regime !== 'apomdp') return [method, measured];
    return [method, { ...measured, cloud: cloudResult(natures.slice(1).map((nature) => of(method, nature))) }];
  });
  const tasks = byTask(of('random', natures[0])).map((task) => task[0]!);
  const average = (pick: (row: EpisodeRow) => number) => tasks.reduce((sum, row) => sum + pick(row), 0) / tasks.length;
  return {
    horizon: tasks[0]!.actions.length,
    optimal: average((row) => row.optimal),
    lower: average((row) => row.lower),
    upper: average((row) => row.upper),
    methods: Object.fromEntries(results),
    traces: methods.map((method) => trace(method, of(method, natures[0])[0]!, regime !== 'mdp')),
  };
}

function fixedNatures(models: number): Nature[] {
  return Array.from({ length: models }, (_, m) => `fixed:${m}` as const);
}

function rowsKey(method: string, nature: Nature): string {
  return nature === undefined || nature === 'oracle' ? method : `${method}-${nature.replace(':', '')}`;
}

/** A batch of episodes and the index of its first task. */
interface Batch {
  episodes: Episodes;
  firstTask: number;
}

function withNature(batches: readonly Batch[], nature: Nature): Batch[] {
  return batches.map(({ episodes, firstTask }) => ({ firstTask, episodes: nature === undefined ? episodes : episodes.withQueryNature(nature) }));
}

async function makeBatches(experiment: Experiment, regime: Regime, options: EvaluateOptions, onTask: (done: number, tasks: number) => void): Promise<Batch[]> {
  const { split, tasks, episodes, epsilon } = experiment.evaluation;
  const tasksPerBatch = Math.max(1, Math.floor(BATCH_ROWS / episodes));
  const batches: Batch[] = [];
  for (let firstTask = 0; firstTask < tasks; firstTask += tasksPerBatch) {
    const spec: EpisodesSpec = {
      ...taskSpec(experiment, regime, split),
      firstTask,
      tasks: Math.min(tasksPerBatch, tasks - firstTask),
      episodesPerTask: episodes,
      epsilon,
      threads: options.threads,
    };
    const start = firstTask;
    const onProgress = ({ done }: { done: number }) => onTask(Math.min(start + done, tasks), tasks);
    batches.push({ firstTask, episodes: await createEpisodes(spec, options.tokenizer, { signal: options.signal, onProgress }) });
  }
  return batches;
}

async function playBatches(method: Method, batches: readonly Batch[], options: EvaluateOptions, report: (share: number) => void): Promise<EpisodeRow[]> {
  const rows: EpisodeRow[] = [];
  for (const [i, { episodes, firstTask }] of batches.entries()) {
    await play(episodes, method, options.signal, (share) => report((i + share) / batches.length));
    rows.push(...rowsFromOutcome(episodes.outcome(), firstTask));
    // The first episode is shown in the report, with what the oracle believed.
    if (i === 0) rows[0]!.beliefs = chunks(episodes.beliefs(0), episodes.horizon);
  }
  return rows;
}

function chunks(values: Float64Array, count: number): number[][] {
  const size = values.length / count;
  return Array.from({ length: count }, (_, i) => Array.from(values.subarray(i * size, (i + 1) * size)));
}

/** A method and the process behind it, started when it is first asked for. */
class Session {
  #decider: Decider | undefined;

  constructor(private readonly name: string, private readonly options: EvaluateOptions) {}

  async method(): Promise<Method> {
    if (this.name === 'oracle') return oracleMethod;
    if (this.name === 'random') return randomMethod;
    const { base, threads, signal } = this.options;
    if (!base) throw new TiresiasError('USAGE', `the method ${this.name} needs a base model`);
    const adapter = this.name === 'sft' ? this.options.adapter : undefined;
    this.#decider ??= await Decider.start({ backend: 'candle', base, threads, ...(adapter !== undefined && { adapter }) }, { signal });
    return new ModelMethod(this.name, this.#decider);
  }

  async end(): Promise<void> {
    await this.#decider?.end();
  }
}

function trace(method: string, row: EpisodeRow, hidden: boolean): RegimeResult['traces'][number] {
  const steps = row.actions.map((action, t) => {
    const observation = row.observations[t]!;
    const belief = row.beliefs?.[t];
    return {
      t, action,
      state: row.states[t]!,
      observation: observation < 0 ? null : observation,
      oracleAction: row.oracle_actions[t]!,
      reward: row.rewards[t]!,
      ...(hidden && belief && { belief }),
    };
  });
  return { method, task: row.task, steps };
}
