// What another policy would have earned, from recorded decisions alone (docs/off-policy.md).
import { CALL_OPTIONS, checkArray, checkOptions, invalid } from '../check.js';
import { shown } from '../arguments.js';
import { cancellable, native, type CallOptions } from '../native.js';
import type { Solution } from '../library.js';
import type * as Addon from '../../native/index.cjs';
import { checkTrajectories, type Trajectories } from './import.js';

/** An estimator: the mean of what was earned; importance sampling, ordinary and weighted, whole and per decision; fitted Q evaluation; doubly robust, and weighted. */
export type EstimatorName = 'on-policy' | 'is' | 'wis' | 'pdis' | 'wpdis' | 'fqe' | 'dr' | 'wdr';

/** Something that an estimate takes for granted and the records cannot show. */
export type OffPolicyAssumption = 'observations-are-states' | 'same-at-every-stage' | 'behaviour-by-observation' | 'cut-weights';

/** Something that the policy does and the records do not show. */
export interface OverlapGap {
  /** What was seen; `null` for nothing. */
  observation: string | null;
  /** What the policy does there and nobody did. */
  action: string;
  /** Logged steps at which it does. */
  steps: number;
  /** Its mean probability there. */
  probability: number;
  /** Lines at which the first such episodes begin. */
  first: number[];
}

/** Why a number is refused. */
export interface OffPolicyRefusal {
  /** The kind. */
  kind: 'support' | 'no-weight' | 'effective' | 'one-weight' | 'overflow' | 'undefined';
  /** In words. */
  message: string;
  /** Where overlap is missing, the places with the most steps first. */
  gaps: OverlapGap[];
}

/** A number that the records support. */
export interface GivenEstimate {
  /** Its name. */
  estimator: EstimatorName;
  /** Mean discounted return of an episode. */
  value: number;
  /** Its interval. */
  interval: [low: number, high: number];
  /** Effective number of episodes. */
  effective: number;
  /** What it takes for granted. */
  assumes: OffPolicyAssumption[];
  /** Never there. */
  refused?: undefined;
}

/** A number that the records do not support. */
export interface RefusedEstimate {
  /** Its name. */
  estimator: EstimatorName;
  /** Why. */
  refused: OffPolicyRefusal;
  /** Never there. */
  value?: undefined;
  /** Never there. */
  interval?: undefined;
  /** Never there. */
  effective?: undefined;
}

/** One estimate, or why there is none. */
export type OffPolicyEstimate = GivenEstimate | RefusedEstimate;

/** All estimates of a policy's value, and how far the records carry them. */
export interface OffPolicyResult {
  /** One an estimator. */
  estimates: OffPolicyEstimate[];
  /** Where the behaviour's probabilities came from. */
  behaviour: 'logged' | 'estimated';
  /** Number of episodes. */
  episodes: number;
  /** Number of decisions. */
  steps: number;
  /** Largest ratio of a whole episode. */
  largestWeight: number;
  /** Mean of these ratios, 1 in expectation. */
  meanWeight: number;
  /** Effective number of episodes under these ratios. */
  effective: number;
  /** The same under the ratios up to each stage. */
  effectiveByStage: number[];
  /** Share of episodes that are possible under the policy. */
  possible: number;
  /** Share of steps at which the policy does what nobody did after that observation. */
  unsupportedSteps: number;
  /** Its mean probability of such actions. */
  unsupportedProbability: number;
  /** Share of ratios that `maxWeight` cut. */
  clipped: number;
}

/** Settings of {@link offPolicy}. */
export interface OffPolicyOptions extends CallOptions<Addon.OffPolicyProgress> {
  /** Discount factor in (0, 1]. Default 1. */
  discount?: number;
  /** Where the behaviour's probabilities come from; `auto` takes logged ones where there are any. */
  behaviour?: 'auto' | 'logged' | 'estimated';
  /** Added to every count of an estimated behaviour. Default 0. */
  smoothing?: number;
  /** Counts of an estimated behaviour are kept apart for every so many stages; left out, all stages are together. */
  stages?: number;
  /** Ratios above this count as this: less variance, and a bias. */
  maxWeight?: number;
  /** What fitted Q evaluation is fitted to: one set for all stages (`pooled`), one for each, or one evaluated to convergence. */
  fit?: 'pooled' | 'staged' | 'stationary';
  /** Folds of the doubly robust estimates. Default 5. */
  folds?: number;
  /** An estimate with a smaller effective number of episodes is refused. Default 10, or a hundredth of all. */
  leastEffective?: number;
  /** An estimate in which one episode has a larger share of all weight is refused. Default 0.5. */
  largestShare?: number;
  /** Coverage of the intervals. Default 0.95. */
  level?: number;
  /** Bootstrap resamples. Default 1000. */
  resamples?: number;
  /** How intervals are read off the resamples. */
  interval?: 'bca' | 'percentile';
  /** Default 0. */
  seed?: number;
  /** Threads; no number depends on them. Default 1. */
  threads?: number;
  /** The policy's action values as somebody believes, steps × actions: the doubly robust estimates use them. */
  q?: Float64Array;
}

/** A policy, by its probabilities of every action at every logged step (steps × actions), or solved for a model that was fitted to such logs. */
export type OffPolicyTarget = Float32Array | Float64Array | Solution;

/** Settings of {@link followPolicy}. */
export interface FollowOptions {
  /** Beliefs after a first symbol, symbols × states, as {@link firstBeliefs} gives them; left out, episodes begin with the model's start. */
  first?: Float64Array;
}

/**
 * Probabilities of every action at every logged step under a solved policy, steps × actions. Throws `INVALID_ARGUMENT` where the policy's model does not fit the logs.
 */
export function followPolicy(trajectories: Trajectories, solution: Solution, options: FollowOptions = {}): Float32Array {
  checkTrajectories('followPolicy', trajectories);
  if (!(solution instanceof native.Solution)) throw invalid(`followPolicy: the solution is a Solution (solve, loadPolicy), not ${shown(solution)}`);
  checkOptions('followPolicy', options, { first: 'object' });
  return native.followPolicy(trajectories, solution, options.first);
}

const OPTIONS = {
  discount: 'number', behaviour: ['auto', 'logged', 'estimated'], smoothing: 'number', stages: 'number', maxWeight: 'number', fit: ['pooled', 'staged', 'stationary'], folds: 'number',
  leastEffective: 'number', largestShare: 'number', level: 'number', resamples: 'number', interval: ['bca', 'percentile'], seed: 'number', threads: 'number', q: 'object',
} as const;

/**
 * What a policy would have earned on recorded episodes, by all estimators, each with an interval and an effective sample size; a number that the records
 * do not support is refused, and the refusal says where. The value is that of the recorded steps. O(steps · actions) and the bootstrap.
 */
export async function offPolicy(trajectories: Trajectories, target: OffPolicyTarget, options: OffPolicyOptions = {}): Promise<OffPolicyResult> {
  checkTrajectories('offPolicy', trajectories);
  checkOptions('offPolicy', options, { ...OPTIONS, ...CALL_OPTIONS });
  const { signal, onProgress, q, discount = 1, ...rest } = options;
  const probabilities = rows(trajectories, target);
  if (q !== undefined) checkArray('q', q, Float64Array, probabilities.length);
  const text = JSON.stringify({ ...rest, discount });
  return JSON.parse(await cancellable({ signal, onProgress }, (token, report) => native.offPolicy(trajectories, probabilities, q, text, token, report))) as OffPolicyResult;
}

function rows(trajectories: Trajectories, target: OffPolicyTarget): Float32Array {
  if (target instanceof native.Solution) return followPolicy(trajectories, target as Solution);
  const length = trajectories.steps * trajectories.actions.length;
  if (target instanceof Float64Array) return rows(trajectories, Float32Array.from(target));
  checkArray('target', target, Float32Array, length);
  return target as Float32Array;
}
