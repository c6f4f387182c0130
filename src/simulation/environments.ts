// The vector environment: episodes stepped together by actions from outside, in the manner of gymnasium's vector API.
/// <reference lib="esnext.disposable" preserve="true" />
import { actionBytes, checkArray, checkModel, checkOptions, invalid, newArray, type Actions, type Kind } from '../check.js';
import { native } from '../native.js';
import { LEVELS, type Level } from './beliefs.js';
import type { Nature } from '../spec.js';
import type * as Addon from '../../native/index.cjs';

/** Which episodes {@link Environments} run. */
export interface EnvironmentsOptions {
  /** Number of episodes that are stepped together. */
  count: number;
  /** Seed of the random stream: episode i of a seed is the same here and in `rollout`. */
  seed: number;
  /** Index of the first episode in the stream (default 0). */
  firstEpisode?: number | undefined;
  /** Decisions an episode (default: the model's horizon; no limit for a model without one). */
  horizon?: number | undefined;
  /** Who picks the model of a cloud at each step: `fixed:M` (default `fixed:0`) or `resampled`. */
  nature?: Nature | undefined;
  /** Follow each decision-maker's belief. In a cloud, a solution selects the model that updates it, as in `rollout`. */
  beliefs?: boolean | undefined;
  /** At the horizon, start the next `count` episodes at once. */
  autoReset?: boolean | undefined;
  /** Threads of a step; by default the calling thread for few environments and every core for many. */
  threads?: number | undefined;
  /** Highest SIMD level to use. All give the same numbers. */
  level?: Level | undefined;
}

const OPTIONS = {
  count: 'number', seed: 'number', firstEpisode: 'number', horizon: 'number', nature: 'string', beliefs: 'boolean', autoReset: 'boolean', threads: 'number', level: LEVELS,
} as const satisfies Record<keyof EnvironmentsOptions, Kind>;

/** Which episodes a reset starts. */
export interface ResetOptions {
  /** Another seed, from its first episode on. */
  seed?: number | undefined;
  /** Another place in the stream. */
  firstEpisode?: number | undefined;
}

const RESET_OPTIONS = { seed: 'number', firstEpisode: 'number' } as const satisfies Record<keyof ResetOptions, Kind>;

/** What one step of all environments led to; every array has one element an environment. */
export interface EnvironmentsStep {
  /** What is seen next: the state, or the observation where the state is hidden. */
  observations: Int32Array;
  /** Realised rewards, undiscounted. The last one holds the final reward of the state reached, times the discount factor. */
  rewards: Float64Array;
  /** 1 where the episode is over for good: a terminal state, or the model's own horizon. */
  terminated: Uint8Array;
  /** 1 where only the option `horizon` ends the episode. */
  truncated: Uint8Array;
  /** With `autoReset`, after the last step: what the episodes that ended saw last. Zero before. */
  finalObservations?: Int32Array;
}

/**
 * Many episodes of one model, all at the same stage. Given the same actions, the states, observations and rewards are those of
 * `rollout` with the same seed, bit for bit. An episode in a terminal state stays there, without reward, until the horizon.
 */
export class Environments {
  readonly #native: Addon.Environments;
  readonly #autoReset: boolean;
  readonly #states: number;
  /** Number of environments. */
  readonly count: number;
  /** Decisions an episode; null for no limit. */
  readonly horizon: number | null;

  /** Environments before their first `reset`. A solution of a cloud selects the model that updates beliefs. */
  constructor(model: Addon.Model, options: EnvironmentsOptions, solution?: Addon.Solution) {
    checkModel('Environments', model, solution);
    checkOptions('Environments', options, OPTIONS);
    const { count, seed } = options;
    if (count === undefined || seed === undefined) invalid('Environments: options count and seed are needed');
    this.#native = new native.Environments(model, options as Addon.EnvironmentsOptions, solution);
    this.#autoReset = options.autoReset ?? false;
    this.#states = model.states;
    this.count = this.#native.count;
    this.horizon = this.#native.horizon;
  }

  /** Decisions made since the last reset. */
  get stage(): number {
    return this.#native.stage;
  }

  /** Index of the first environment's episode in the stream; environment i runs this plus i. */
  get firstEpisode(): number {
    return this.#native.firstEpisode;
  }

  /**
   * Starts new episodes, the next `count` of the stream unless the options say otherwise. Returns what is seen before acting: the
   * states, or -1 where they are hidden.
   */
  reset(options: ResetOptions = {}, observations: Int32Array = newArray('observations', Int32Array, this.count)): Int32Array {
    checkOptions('reset', options, RESET_OPTIONS);
    checkArray('observations', observations, Int32Array, this.count);
    this.#native.reset(options.seed, options.firstEpisode, observations);
    return observations;
  }

  /** Acts in every environment; see {@link stepInto}. */
  step(actions: Actions): EnvironmentsStep {
    return this.stepInto(actions, this.newStep());
  }

  /**
   * Acts in every environment and writes what follows into `step`, which is returned: a loop that keeps one step allocates
   * nothing. Throws NOT_RESET when no episode is running, INVALID_ARGUMENT naming the lane for an action that does not exist;
   * neither moves anything. O(1) an environment.
   */
  stepInto(actions: Actions, step: EnvironmentsStep): EnvironmentsStep {
    const { observations, rewards, terminated, truncated, finalObservations } = step;
    checkArray('observations', observations, Int32Array, this.count);
    checkArray('rewards', rewards, Float64Array, this.count);
    checkArray('terminated', terminated, Uint8Array, this.count);
    checkArray('truncated', truncated, Uint8Array, this.count);
    if (finalObservations !== undefined) checkArray('finalObservations', finalObservations, Int32Array, this.count);
    this.#native.step(actionBytes(actions, this.count), observations, rewards, terminated, truncated, finalObservations);
    return step;
  }

  /** Arrays for {@link stepInto}. */
  newStep(): EnvironmentsStep {
    return {
      observations: newArray('observations', Int32Array, this.count),
      rewards: newArray('rewards', Float64Array, this.count),
      terminated: newArray('terminated', Uint8Array, this.count),
      truncated: newArray('truncated', Uint8Array, this.count),
      ...(this.#autoReset && { finalObservations: newArray('finalObservations', Int32Array, this.count) }),
    };
  }

  /** The hidden states. */
  states(out: Uint32Array = newArray('states', Uint32Array, this.count)): Uint32Array {
    checkArray('states', out, Uint32Array, this.count);
    this.#native.states(out);
    return out;
  }

  /** The decision-makers' beliefs, count × S, when the environments were made with `beliefs`. */
  beliefs(out: Float64Array = newArray('beliefs', Float64Array, this.count * this.#states)): Float64Array {
    checkArray('beliefs', out, Float64Array, this.count * this.#states);
    this.#native.beliefs(out);
    return out;
  }

  /** Frees the memory now, which the garbage collector would do some time later. Every later use throws DISPOSED; disposing again does nothing. */
  dispose(): void {
    this.#native.dispose();
  }

  /** As {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
