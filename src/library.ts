// The addon's calls in the library's own style: objects instead of JSON text, AbortSignals, progress callbacks.
import { cancellable, native, type CallOptions } from './native.js';
import type { EpisodesSpec, ShardSpec } from './spec.js';
import type * as Addon from '../native/index.cjs';

export type { CallOptions } from './native.js';
export type {
  DrawnTask, FamilyInfo, SplitInfo, Parameter, SolveOptions, SolveProgress, RolloutOptions, Rollouts, StageProgress, ShardReport, ShardExample, Ragged, Outcome,
} from '../native/index.cjs';

/** A validated MDP, POMDP or APOMDP. Immutable. */
export const Model = native.Model;
export type Model = Addon.Model;
/** Bounds on the optimal value and a policy that attains the lower one. */
export const Solution = native.Solution;
export type Solution = Addon.Solution;
/** Bayes filter of one acting decision-maker. */
export const BeliefTracker = native.BeliefTracker;
export type BeliefTracker = Addon.BeliefTracker;
/** A language model's tokenizer, from its GGUF file or its `tokenizer.json`. */
export const Tokenizer = native.Tokenizer;
export type Tokenizer = Addon.Tokenizer;
/** Evaluation episodes, stepped together. */
export const Episodes = native.Episodes;
export type Episodes = Addon.Episodes;

/** All task families with their splits and regimes. */
export const families = native.families;

/** What names a task of a family, and how its model is shaped. */
export interface TaskRequest {
  /** "train", "test" or one of the family's out-of-distribution splits. */
  split?: string;
  /** Index within the split. */
  index: number;
  seed?: number;
  regime?: 'mdp' | 'pomdp' | 'apomdp';
  horizon?: number;
  /** Size of an APOMDP's cloud. */
  models?: number;
  /** Ambiguity attitude of an APOMDP: 1 is max-min. */
  alpha?: number;
}

/** Draws a task; the same request gives the same model, bit for bit. */
export function drawTask(family: string, request: TaskRequest): Addon.DrawnTask {
  const { split = 'train', index, seed = 0, regime = 'mdp', horizon = 10, models = 3, alpha = 1 } = request;
  return native.drawTask(family, JSON.stringify({ split, index, seed, regime, horizon, models, alpha }));
}

/**
 * Solves a model on the calling thread: blocks until it converges or meets a limit.
 * Values are in units of reward, summed (and discounted) over the horizon.
 */
export function solveSync(model: Model, options: Addon.SolveOptions = {}): Solution {
  return native.solveSync(model, options);
}

/** Solves a model on a worker thread. */
export async function solve(model: Model, options: Addon.SolveOptions & CallOptions<Addon.SolveProgress> = {}): Promise<Solution> {
  const { signal, onProgress, ...rest } = options;
  return cancellable(signal, (token) => native.solve(model, rest, token, onProgress));
}

/** Simulates episodes on the calling thread; arrays are row-major, `episodes × horizon`. */
export function rolloutSync(model: Model, options: Addon.RolloutOptions, solution?: Solution): Addon.Rollouts {
  return native.rolloutSync(model, options, solution);
}

/** Simulates episodes on worker threads; the same seed gives the same episodes for any number of them. */
export async function rollout(model: Model, options: Addon.RolloutOptions & CallOptions, solution?: Solution): Promise<Addon.Rollouts> {
  const { signal, onProgress: _, ...rest } = options;
  signal?.throwIfAborted();
  const rollouts = await native.rollout(model, rest, solution);
  signal?.throwIfAborted();
  return rollouts;
}

/** The family's few-shot template for a regime. */
export function defaultTemplate(family: string, regime: string): Record<string, unknown> {
  return JSON.parse(native.defaultTemplate(family, regime)) as Record<string, unknown>;
}

/** Makes one whole shard of a dataset: draws tasks, solves them, rolls out, encodes, writes. */
export async function makeShard(spec: ShardSpec, tokenizer: Tokenizer, path: string, options: CallOptions<Addon.StageProgress> = {}): Promise<Addon.ShardReport> {
  return cancellable(options.signal, (token) => native.makeShard(JSON.stringify(spec), tokenizer, path, token, options.onProgress));
}

/** Reads a policy that `Solution.savePolicy` gave, for the model it was made for. Throws INVALID_POLICY. */
export const loadPolicy = native.loadPolicy;

/** Reads one example of a shard, by its row. */
export const readExample = native.readExample;

/** Draws and solves the tasks of an evaluation, and draws their support trajectories. */
export async function createEpisodes(spec: EpisodesSpec, tokenizer: Tokenizer, options: CallOptions<Addon.StageProgress> = {}): Promise<Episodes> {
  return cancellable(options.signal, (token) => native.Episodes.create(JSON.stringify(spec), tokenizer, token, options.onProgress));
}
