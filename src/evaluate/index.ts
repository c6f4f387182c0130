// Evaluates every method of an experiment in one regime: the same tasks, supports and random numbers for all of them.
import { basename, join } from 'node:path';
import type { DetailedProgress } from '../base/index.js';
import { isModule, type Deployment, type Experiment, type MethodSetting, type Regime } from '../experiment.js';
import { createEpisodes, type Episodes } from '../library.js';
import { kindOf, methodOf, methodsIn, type Method, type MethodUse, type Player } from '../methods/index.js';
import { isIn, requirePart, type Part } from '../parts.js';
import type { MethodResult, RegimeResult } from '../results.js';
import type { Store } from '../store.js';
import { evaluatedLabels, taskSpec, type EpisodesSpec } from '../spec.js';
import { identity } from './identity.js';
import { compare } from './comparisons.js';
import { cloudResult, gapsByTask, methodResult, randomGaps } from './metrics.js';
import { rowsAt, rowsFromOutcome, taskMeans, type EpisodeRow } from './rows.js';

/** What the methods of an evaluation act by, and how {@link evaluateRegime} plays. */
export interface EvaluateOptions {
  /** The pretrained model, for methods that need it. */
  base?: MethodUse['base'];
  /** Folders of what was trained, by the name of the method that it was trained for. */
  trained?: Readonly<Record<string, string>> | undefined;
  /**
   * Where the raw rows go, each file with a stamp beside it that says what made it. A method is not played again while its rows are
   * there, unchanged, and made by just what would make them now; others are replaced.
   */
  folder: string;
  /** Where rows lie by the hash of what made them: whichever evaluation made them, they are not played again. */
  store?: Store | undefined;
  /** Worker threads. */
  threads: number;
  /** Stops the call, which then rejects with the signal's reason; rows that are written stay. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: ((event: DetailedProgress) => void) | undefined;
}

/** Episodes that are stepped together; bounds the memory of a language model's sessions. */
const BATCH_ROWS = 64;
/** Episodes whose tasks and oracles are kept while one method after the other plays them, and whose rows make one file. */
const CHUNK_ROWS = 4096;

/** More rows than an evaluation has. */
const ROWS_OF_A_ROUND = 2 ** 36;

type Nature = EpisodesSpec['queryNature'];

/** Consecutive tasks. */
interface Tasks {
  first: number;
  count: number;
}

/** What {@link evaluatePart} leaves. */
export interface EvaluationPart extends Part {
  /** Files of rows that are the part's, in the folder. */
  files: string[];
  /** How many such files the whole evaluation has. */
  filesInAll: number;
}

/** What was played: means of tasks, and each method's first episode, by the key of its rows. */
interface Played {
  means: Map<string, EpisodeRow[]>;
  firsts: Map<string, EpisodeRow>;
  /** Files of rows, and how many there would be with the other parts'. */
  files: string[];
  filesInAll: number;
}

/** Against the oracle's nature the gap is measured; with nature fixed at each model, the value over the cloud. */
const naturesOf = ({ models }: Experiment, regime: Regime): Nature[] => (regime === 'apomdp' ? ['oracle', ...fixedNatures(models)] : [undefined]);

/**
 * Plays a part of an evaluation: its unit is a method on some thousands of episodes, decided by number. It leaves rows and no metrics; `evaluateRegime` takes
 * rows that all parts left in one folder, wherever they were made, and plays none of them again.
 */
export async function evaluatePart(experiment: Experiment, regime: Regime, part: Part, options: EvaluateOptions): Promise<EvaluationPart> {
  requirePart(part);
  const { files, filesInAll } = await playRows(experiment, regime, options, part);
  return { ...part, files, filesInAll };
}

async function playRows(experiment: Experiment, regime: Regime, options: EvaluateOptions, part: Part): Promise<Played> {
  const { tasks, episodes, deployment } = experiment.evaluation;
  const settings = methodsIn(experiment, regime);
  const natures = naturesOf(experiment, regime);
  const played = new Map<string, EpisodeRow[]>();
  const firsts = new Map<string, EpisodeRow>();
  const files: string[] = [];
  const chunks = cut({ first: 0, count: tasks }, Math.floor(CHUNK_ROWS / (episodes * (deployment?.episodes ?? 1))));
  const filesInAll = chunks.length * settings.length * natures.length;
  const total = chunks.flatMap(() => settings).filter((_, unit) => isIn(part, unit)).length * natures.length;
  let done = 0;
  for (const [number, chunk] of chunks.entries()) {
    const world = new World(experiment, regime, chunk, options);
    for (const [place, setting] of settings.entries()) {
      if (!isIn(part, number * settings.length + place)) continue;
      const { base, threads, signal } = options;
      const session = await Session.of({ setting, experiment, regime, base, threads, signal, trained: options.trained?.[setting.name] });
      try {
        for (const nature of natures) {
          const key = rowsKey(setting.name, nature);
          const report = (share: number, detail = key) => options.onProgress?.({ done: done + share, total, detail });
          report(0);
          const file = `${regime}-${key.replaceAll(':', '+')}${chunks.length > 1 ? `.${chunk.first}` : ''}.jsonl`;
          const madeFrom = { ...session.identity, chunk, nature: nature ?? null };
          const rows = await rowsAt(join(options.folder, file), madeFrom, options.store, async () => {
            const batches = await world.batches(nature, (task) => report(0, `${key}: task ${task} of ${tasks}`));
            return playBatches(await session.player(), batches, deployment, options, report);
          });
          files.push(file);
          if (!firsts.has(key)) firsts.set(key, rows[0]!);
          played.set(key, [...(played.get(key) ?? []), ...taskMeans(rows)]);
          done++;
          report(0);
        }
      } finally {
        await session.end();
      }
    }
    world.end();
  }
  return { means: played, firsts, files, filesInAll };
}

/** Plays all methods and computes their metrics. Memory does not grow with the number of episodes, and with tasks by their means only. */
export async function evaluateRegime(experiment: Experiment, regime: Regime, options: EvaluateOptions): Promise<RegimeResult> {
  const { resamples } = experiment.evaluation;
  const settings = methodsIn(experiment, regime);
  const natures = naturesOf(experiment, regime);
  const { means: played, firsts } = await playRows(experiment, regime, options, { index: 0, of: 1 });
  const of = (name: string, nature: Nature) => played.get(rowsKey(name, nature))!;
  const random = settings.find(({ method }) => method === 'random')!.name;
  const how = { seed: `${experiment.seed}/evaluate/${regime}`, resamples };
  const results: [string, MethodResult][] = [];
  for (const setting of settings) {
    const { method, name } = setting;
    const { label, group } = await methodOf(setting);
    const kind = kindOf(setting);
    const measured = methodResult(method, of(name, natures[0]), of(random, natures[0]), { regime, ...how });
    const cloud = regime === 'apomdp' ? { cloud: cloudResult(natures.slice(1).map((nature) => of(name, nature)), how) } : {};
    // A module by its name: its path on a disk does not belong into results.
    results.push([name, { method: isModule(method) ? basename(method) : method, label: kind === method || group === 'own' ? label : `${label} (${kind})`, group, ...(kind !== name && { seedOf: kind }), ...measured, ...cloud }]);
  }
  // Trainings of one method are compared by their mean: what is asked is what such a training comes to, not what one of them did.
  const gaps = [...new Set(settings.map(kindOf))].map((kind) => {
    const seeds = settings.filter((setting) => kindOf(setting) === kind);
    return { name: kind, gaps: meanOf(seeds.map(({ method, name }) => gapsByTask(method, of(name, natures[0]), regime).gaps)) };
  });
  const reference = referenceOf(experiment, settings);
  const rows = of(random, natures[0]);
  const average = (pick: (row: EpisodeRow) => number) => rows.reduce((sum, row) => sum + pick(row), 0) / rows.length;
  return {
    horizon: rows[0]!.actions.length,
    optimal: average((row) => row.optimal),
    lower: average((row) => row.lower),
    upper: average((row) => row.upper),
    methods: Object.fromEntries(results),
    comparisons: compare(gaps.find(({ name }) => name === reference)!, gaps.filter(({ name }) => name !== reference), { scale: randomGaps(rows), ...how }),
    traces: settings.map(({ name }) => trace(name, firsts.get(rowsKey(name, natures[0]))!, regime !== 'mdp')),
  };
}

/** The method that all others are compared with: the one that the experiment names, else the first fine-tuned one, else the first that is no yardstick. */
function referenceOf(experiment: Experiment, settings: readonly MethodSetting[]): string {
  const { reference } = experiment.evaluation;
  const found = settings.find((setting) => kindOf(setting) === reference)
    ?? settings.find(({ method }) => method === 'sft')
    ?? settings.find(({ method }) => method !== 'oracle' && method !== 'random');
  return kindOf(found ?? settings[0]!);
}

/** The mean of several lists, place by place. */
const meanOf = (lists: readonly (readonly number[])[]): number[] => lists[0]!.map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length);

function fixedNatures(models: number): Nature[] {
  return Array.from({ length: models }, (_, m) => `fixed:${m}` as const);
}

function rowsKey(name: string, nature: Nature): string {
  return nature === undefined || nature === 'oracle' ? name : `${name}-${nature.replace(':', '')}`;
}

/** Tasks in pieces of at most `size` (one at least). */
function cut({ first, count }: Tasks, size: number): Tasks[] {
  const step = Math.max(1, size);
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({ first: first + i * step, count: Math.min(step, count - i * step) }));
}

/** A batch of episodes and the index of its first task. */
interface Batch {
  episodes: Episodes;
  firstTask: number;
}

/** The tasks of a chunk, drawn and solved when a method first needs them: solving takes a while, and methods and natures share it. */
class World {
  #solved: Batch[] | undefined;
  readonly #natures = new Map<Nature, Batch[]>();

  constructor(
    private readonly experiment: Experiment,
    private readonly regime: Regime,
    private readonly chunk: Tasks,
    private readonly options: EvaluateOptions,
  ) {}

  async batches(nature: Nature, onTask: (task: number) => void): Promise<Batch[]> {
    this.#solved ??= await this.#solve(onTask);
    const batches = this.#natures.get(nature)
      ?? this.#solved.map(({ episodes, firstTask }) => ({ firstTask, episodes: nature === undefined ? episodes : episodes.withQueryNature(nature) }));
    this.#natures.set(nature, batches);
    return batches;
  }

  end(): void {
    for (const batches of [this.#solved ?? [], ...this.#natures.values()]) batches.forEach(({ episodes }) => episodes.dispose());
  }

  async #solve(onTask: (task: number) => void): Promise<Batch[]> {
    const { split, episodes, epsilon } = this.experiment.evaluation;
    const batches: Batch[] = [];
    for (const { first, count } of cut(this.chunk, Math.floor(BATCH_ROWS / episodes))) {
      const spec: EpisodesSpec = {
        ...taskSpec(this.experiment, this.regime, split),
        ...evaluatedLabels(this.experiment),
        firstTask: first,
        tasks: count,
        episodesPerTask: episodes,
        epsilon,
        threads: this.options.threads,
      };
      const onProgress = ({ done }: { done: number }) => onTask(first + done);
      batches.push({ firstTask: first, episodes: await createEpisodes(spec, { signal: this.options.signal, onProgress }) });
    }
    return batches;
  }
}

async function playBatches(player: Player, batches: readonly Batch[], deployment: Deployment | undefined, { signal }: EvaluateOptions, report: (share: number) => void): Promise<EpisodeRow[]> {
  const rows: EpisodeRow[] = [];
  const rounds = deployment?.episodes ?? 1;
  for (const [i, { episodes: given, firstTask }] of batches.entries()) {
    let episodes = deployment ? given.deployed() : given;
    for (let round = 0; round < rounds; round++) {
      signal?.throwIfAborted();
      // Drawn decisions go by the row: one that comes again in the next episode draws anew.
      const firstRow = firstTask * (episodes.rows / episodes.tasks) + round * ROWS_OF_A_ROUND;
      const ended = await player.play(episodes, { firstRow, signal, onProgress: (share) => report((i + (round + share) / rounds) / batches.length) });
      rows.push(...rowsFromOutcome(ended.outcome(), firstTask, deployment && round));
      // The first episode is shown in the report, with what the oracle believed.
      if (i === 0 && round === 0) rows[0]!.beliefs = chunksOf(ended.beliefs(0), ended.horizon);
      const next = round + 1 < rounds ? ended.nextEpisode(deployment?.remember ?? rounds) : undefined;
      if (ended !== episodes) ended.dispose();
      if (episodes !== given) episodes.dispose();
      episodes = next ?? given;
    }
  }
  return rows;
}

function chunksOf(values: Float64Array, count: number): number[][] {
  const size = values.length / count;
  return Array.from({ length: count }, (_, i) => Array.from(values.subarray(i * size, (i + 1) * size)));
}

/** A method in use, and whoever plays it, started when first asked for. */
class Session {
  #player: Player | undefined;

  private constructor(
    private readonly method: Method,
    private readonly use: MethodUse,
    readonly identity: object,
  ) {}

  static async of(use: MethodUse): Promise<Session> {
    return new Session(await methodOf(use.setting), use, await identity(use));
  }

  async player(): Promise<Player> {
    this.#player ??= await this.method.start(this.use);
    return this.#player;
  }

  async end(): Promise<void> {
    await this.#player?.end();
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
