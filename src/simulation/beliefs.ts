// Many beliefs at once: the filter of a service, or of a simulation with policies of its own.
/// <reference lib="esnext.disposable" preserve="true" />
import { actionBytes, checkArray, checkModel, checkNumbers, checkOptions, invalid, newArray, type Actions, type Kind, type Numbers } from '../check.js';
import { native } from '../native.js';
import type * as Addon from '../../native/index.cjs';

/** Double (`f64`) or single (`f32`) precision. */
export type Precision = 'f64' | 'f32';

/** How a {@link BeliefBatch} is kept. */
export interface BeliefBatchOptions<P extends Precision = Precision> {
  /** Number of beliefs. */
  count: number;
  /** `f64` (default), or `f32` for half the memory and relative errors of about 1e-6. */
  precision?: P | undefined;
  /** Threads of an update; by default the calling thread for small batches and every core for large ones. */
  threads?: number | undefined;
  /** Highest SIMD level to use. All give the same numbers. */
  level?: Level | undefined;
}

/** A level of SIMD instructions, lowest first. */
export type Level = 'baseline' | 'avx2' | 'avx512';
/** All levels. */
export const LEVELS: readonly Level[] = ['baseline', 'avx2', 'avx512'];

const OPTIONS = { count: 'number', precision: ['f64', 'f32'], threads: 'number', level: LEVELS } as const satisfies Record<keyof BeliefBatchOptions, Kind>;

/** What an update may be given besides actions and observations. */
export interface BeliefUpdateOptions {
  /** The model of the cloud that updates all beliefs, or one model a belief. Needed when the model is a cloud of several. */
  models?: number | Uint32Array | undefined;
  /** Where the log-likelihoods go; a new array when left out. */
  logLikelihoods?: Float64Array | undefined;
}

/** What an update found. */
export interface BeliefUpdate {
  /** ln Pr(o | b, a) of each lane; -Infinity where the observation was impossible. */
  logLikelihoods: Float64Array;
  /** Number of lanes whose observation was impossible. Their beliefs are as they were. */
  impossible: number;
}

/**
 * Many beliefs over the states of one model, kept natively and updated together by Bayes' rule:
 * b'(s') ∝ Q[a][s'][o] · Σ_s b(s) P[a][s][s']. Where the state is seen, the observation is the next state.
 */
export class BeliefBatch<P extends Precision = 'f64'> {
  readonly #native: Addon.BeliefBatch;
  readonly #cloud: number;
  /** Number of beliefs. */
  readonly count: number;
  /** Number of states, the length of a belief. */
  readonly states: number;

  /** `count` beliefs, all at the model's start belief. Takes O(A·S·O) memory a model of the cloud, and count · S numbers. */
  constructor(model: Addon.Model, options: BeliefBatchOptions<P>) {
    checkModel('BeliefBatch', model);
    checkOptions('BeliefBatch', options, OPTIONS);
    if (options.count === undefined) invalid('BeliefBatch: option count says how many beliefs there are');
    this.#native = new native.BeliefBatch(model, options as Addon.BeliefBatchOptions);
    this.#cloud = model.models;
    this.count = this.#native.count;
    this.states = model.states;
  }

  /**
   * Conditions belief i on action i and what was seen after it. An observation that the belief rules out changes nothing in its
   * lane and is counted, never thrown; an action, observation or model that does not exist throws INVALID_ARGUMENT naming the
   * lane, and changes nothing at all.
   */
  update(actions: Actions, observations: Int32Array, options: BeliefUpdateOptions = {}): BeliefUpdate {
    const { models = this.#cloud === 1 ? 0 : undefined, logLikelihoods = newArray('logLikelihoods', Float64Array, this.count) } = options;
    checkArray('observations', observations, Int32Array, this.count);
    checkArray('logLikelihoods', logLikelihoods, Float64Array, this.count);
    if (models === undefined) invalid(`a cloud of ${this.#cloud} models: option models says which one updates the beliefs`);
    if (typeof models !== 'number') checkArray('models', models, Uint32Array, this.count);
    const impossible = this.#native.update(actionBytes(actions, this.count), observations, logLikelihoods, models);
    return { logLikelihoods, impossible };
  }

  /** A copy of all beliefs, row-major, count × states. */
  beliefs(): P extends 'f32' ? Float32Array : Float64Array {
    return this.#native.beliefs() as P extends 'f32' ? Float32Array : Float64Array;
  }

  /** A copy of one belief. */
  belief(lane: number): Float64Array {
    return this.#native.belief(lane);
  }

  /** Sets one belief to a distribution over the states. */
  set(lane: number, belief: Numbers): void {
    this.#native.set(lane, checkNumbers('belief', belief, this.states));
  }

  /** Back to the start belief: the lanes whose byte in `mask` is not 0, or all of them. */
  reset(mask?: Uint8Array): void {
    if (mask !== undefined) checkArray('mask', mask, Uint8Array, this.count);
    this.#native.reset(mask);
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
