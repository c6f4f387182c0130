// Recorded episodes, of behaviours that the addon knows and of policies from outside.
import { CALL_OPTIONS, actionBytes, checkModel, checkOptions, invalid, newArray, type Actions, type Kind } from '../check.js';
import { cancellable, native, type CallOptions } from '../native.js';
import { LEVELS, type Level } from './beliefs.js';
import { Environments } from './environments.js';
import type { Behaviour, Nature } from '../spec.js';
import type * as Addon from '../../native/index.cjs';

/** What can be recorded, row-major, episodes × horizon. */
export interface Columns {
  /** Hidden state before each decision. */
  states: Uint32Array;
  /** What the decision-maker saw before each decision; -1 before the first observation. */
  observations: Int32Array;
  /** The actions taken. */
  actions: Uint8Array;
  /** Realised rewards, undiscounted. */
  rewards: Float64Array;
  /** Belief before each decision, episodes × horizon × S. */
  beliefs: Float64Array;
}

/** The name of something that can be recorded. */
export type Column = keyof Columns;
/** What is recorded unless `record` says otherwise. */
export type DefaultColumn = Exclude<Column, 'beliefs'>;

/** Recorded episodes: their returns, and the columns `C`. */
export type Rollouts<C extends Column = DefaultColumn> = RolloutReturns & Pick<Columns, C> & Partial<Columns>;

/** What every rollout gives, whatever is recorded. */
export interface RolloutReturns {
  /** Number of episodes. */
  episodes: number;
  /** Decisions an episode. */
  horizon: number;
  /** Discounted return of each episode. */
  returns: Float64Array;
}

/** What a policy from outside acts on: all episodes at one stage. The arrays are used again: copy what is to be kept. */
export interface PolicyBatch {
  /** Decisions made so far. */
  stage: number;
  /** Number of episodes. */
  episodes: number;
  /** What each decision-maker sees: the state, or the last observation (-1 before the first) where the state is hidden. */
  observations: Int32Array;
  /** Their beliefs, episodes × S, with the option `beliefs`. */
  beliefs?: Float64Array;
}

/** A policy from outside: one action an episode. */
export type Policy = (batch: PolicyBatch) => Actions;
/** A policy that may take its time. */
export type AsyncPolicy = (batch: PolicyBatch) => Actions | Promise<Actions>;

/** Which episodes to roll out; exactly one of `behaviour` and `policy` says who acts. */
export interface RolloutOptions<C extends Column = Column, P extends AsyncPolicy = AsyncPolicy> {
  /** `oracle`, `random`, `epsilon:X` or `mixture:oracle=0.5,random=0.5`. */
  behaviour?: Behaviour | undefined;
  /** Called once a stage with all episodes; it meets the same random numbers as any behaviour. */
  policy?: P | undefined;
  /** Number of episodes. */
  episodes: number;
  /** Seed of the random stream. */
  seed: number;
  /** Index of the first episode in the stream (default 0). */
  firstEpisode?: number | undefined;
  /** Decisions an episode (default: the model's horizon). */
  horizon?: number | undefined;
  /** Who picks the model of a cloud at each step: `fixed:M` (default `fixed:0`), `resampled`, or, for a behaviour, `adversarial`. */
  nature?: Nature | undefined;
  /** The columns to record (default: all but beliefs). None, `[]`, leaves the returns: 8 bytes an episode. */
  record?: readonly C[] | undefined;
  /** Gives beliefs to a `policy`, and records them unless `record` says otherwise. */
  beliefs?: boolean | undefined;
  /** Threads (default: one a core). */
  threads?: number | undefined;
  /** Highest SIMD level to use. All give the same numbers. */
  level?: Level | undefined;
}

/** What only `rolloutSync` takes. */
export interface IntoOption<C extends Column = Column> {
  /**
   * Earlier rollouts of the same size, whose arrays are written over and returned. Fresh memory costs more than the simulation:
   * who rolls out batch after batch should hand the last one back.
   */
  into?: Rollouts<C> | undefined;
}

const OPTIONS = {
  behaviour: 'string', policy: 'function', episodes: 'number', seed: 'number', firstEpisode: 'number', horizon: 'number', nature: 'string', record: 'strings', beliefs: 'boolean', threads: 'number', level: LEVELS,
} as const satisfies Record<keyof RolloutOptions, Kind>;

/** Simulates episodes on the calling thread; arrays are row-major, `episodes × horizon`. */
export function rolloutSync<const C extends Column = DefaultColumn>(
  model: Addon.Model, options: RolloutOptions<C, Policy> & IntoOption<NoInfer<C>>, solution?: Addon.Solution,
): Rollouts<C> {
  check('rolloutSync', options, { ...OPTIONS, into: 'object' }, model, solution);
  const { policy, into, ...rest } = options;
  if (policy === undefined && into !== undefined) {
    const { returns, states, observations, actions, rewards, beliefs } = into;
    native.rolloutIntoSync(model, rest as Addon.RolloutOptions, solution, returns, states, observations, actions, rewards, beliefs);
    return into as Rollouts<C>;
  }
  if (policy === undefined) return native.rolloutSync(model, rest as Addon.RolloutOptions, solution) as Rollouts<C>;
  if (into !== undefined) invalid('rolloutSync: the option into goes with a behaviour, not with a policy');
  const run = stages(model, options, solution);
  let next = run.next();
  while (!next.done) next = run.next(policy(next.value));
  return next.value as Rollouts<C>;
}

/**
 * Simulates episodes on worker threads; the same seed gives the same episodes for any number of them. A `policy` is called on this
 * thread, and the event loop runs between its stages.
 */
export async function rollout<const C extends Column = DefaultColumn>(
  model: Addon.Model,
  options: RolloutOptions<C> & CallOptions<Addon.StageProgress>,
  solution?: Addon.Solution,
): Promise<Rollouts<C>> {
  check('rollout', options, { ...OPTIONS, ...CALL_OPTIONS }, model, solution);
  const { signal, onProgress, policy, ...rest } = options;
  if (policy === undefined) {
    return cancellable({ signal, onProgress }, (token, report) => native.rollout(model, rest as Addon.RolloutOptions, solution, token, report)) as Promise<Rollouts<C>>;
  }
  signal?.throwIfAborted();
  const run = stages(model, options, solution);
  let next = run.next();
  for (let stage = 1; !next.done; stage++) {
    next = run.next(await unlessAborted(policy(next.value), signal));
    await new Promise(setImmediate);
    signal?.throwIfAborted();
    onProgress?.({ done: stage, total: next.done ? stage : next.value.horizon, phase: 'rollout' });
  }
  return next.value as Rollouts<C>;
}

/** Waits for what a policy promises, but no longer than until the signal is aborted: the promise may never settle. */
async function unlessAborted<T>(promised: T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promised;
  let stop!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([promised, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function check(call: string, options: RolloutOptions, known: Readonly<Record<string, Kind>>, model: Addon.Model, solution: Addon.Solution | undefined): void {
  checkModel(call, model, solution);
  checkOptions(call, options, known);
  if ((options.behaviour === undefined) === (options.policy === undefined)) invalid(`${call}: exactly one of the options behaviour and policy says who acts`);
  if (options.episodes === undefined || options.seed === undefined) invalid(`${call}: options episodes and seed are needed`);
  for (const column of options.record ?? []) {
    if (!COLUMNS.includes(column)) invalid(`${call}: record: ${JSON.stringify(column)} is not a column; expected ${COLUMNS.join(', ')}`);
  }
}

const COLUMNS: readonly Column[] = ['states', 'observations', 'actions', 'rewards', 'beliefs'];

/** Rolls out stage by stage: yields what a policy acts on, takes its actions, and returns the record. */
function* stages(model: Addon.Model, options: RolloutOptions, solution: Addon.Solution | undefined): Generator<PolicyBatch & { horizon: number }, Rollouts<Column>, Actions> {
  const { episodes, record, beliefs: asked = false, seed, firstEpisode, nature, threads, level } = options;
  const recorded = record ?? COLUMNS.filter((column) => column !== 'beliefs' || asked);
  const tracked = asked || recorded.includes('beliefs');
  const horizon = options.horizon ?? model.horizon ?? invalid('a model without a horizon needs the option horizon');
  const bytes = 17 + (tracked ? 8 * model.states : 0);
  native.checkMemory(episodes * horizon * bytes, `${episodes} episodes of ${horizon} decisions, ${bytes} bytes a decision,`, 'roll out fewer at a time or record less');
  const environments = new Environments(model, { count: episodes, seed, firstEpisode, horizon, nature, beliefs: tracked, threads, level }, solution);
  const rows = <T extends Array>(column: Column, type: Type<T>, width = 1) => new Rows(type, recorded.includes(column) ? horizon : 1, episodes, width);
  const columns = {
    states: rows('states', Uint32Array),
    observations: rows('observations', Int32Array),
    actions: rows('actions', Uint8Array),
    rewards: rows('rewards', Float64Array),
    beliefs: rows('beliefs', Float64Array, tracked ? model.states : 0),
  };
  const { discount } = model;
  const returns = new Float64Array(episodes);
  const step = environments.newStep();
  environments.reset({}, columns.observations.at(0));
  for (let stage = 0, weight = 1; stage < horizon; stage++, weight *= discount) {
    const observations = columns.observations.at(stage);
    const beliefs = tracked ? { beliefs: environments.beliefs(columns.beliefs.at(stage)) } : {};
    environments.states(columns.states.at(stage));
    const actions = actionBytes(yield { stage, episodes, horizon, observations, ...beliefs }, episodes);
    columns.actions.at(stage).set(actions);
    const rewards = columns.rewards.at(stage);
    const next = stage + 1 < horizon ? columns.observations.at(stage + 1) : step.observations;
    environments.stepInto(columns.actions.at(stage), { ...step, rewards, observations: next });
    addScaled(returns, weight, rewards);
  }
  return { episodes, horizon, returns, ...Object.fromEntries(recorded.map((column) => [column, columns[column].byEpisode()])) } as Rollouts<Column>;
}

/** A function of its own, because engines leave loops inside generators slow. */
function addScaled(sums: Float64Array, weight: number, values: Float64Array): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += weight * values[i]!;
}

type Array = Uint8Array | Uint32Array | Int32Array | Float64Array;
type Type<T> = new (length: number) => T;

/** A column as it is made, stage after stage; a column that is not recorded has one stage, which all share. */
class Rows<T extends Array> {
  readonly #memory: T;

  constructor(
    readonly type: Type<T>,
    readonly stages: number,
    readonly episodes: number,
    readonly width: number,
  ) {
    this.#memory = newArray('the record', type, stages * episodes * width);
  }

  /** The column at a stage, episodes × width. */
  at(stage: number): T {
    const length = this.episodes * this.width;
    const from = this.stages === 1 ? 0 : stage * length;
    return this.#memory.subarray(from, from + length) as T;
  }

  /** The column as it is handed over, episodes × stages × width. */
  byEpisode(): T {
    const { stages, episodes, width } = this;
    const [made, turned] = [this.#memory, newArray('the record', this.type, this.#memory.length)];
    // A tile of episodes at a time, so that what is written stays in the cache until the tile is done.
    for (let first = 0; first < episodes; first += TILE) {
      const last = Math.min(first + TILE, episodes);
      for (let stage = 0; stage < stages; stage++) {
        for (let e = first; e < last; e++) {
          const from = (stage * episodes + e) * width;
          const to = (e * stages + stage) * width;
          for (let i = 0; i < width; i++) turned[to + i] = made[from + i]!;
        }
      }
    }
    return turned;
  }
}

const TILE = 256;
