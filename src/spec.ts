// What the addon is told to draw: the part of an experiment that one regime's shards and episodes share, as plain JSON.
import type { Experiment, Regime } from './experiment.js';

/** Tasks, oracles and trajectories of one regime. */
export interface TaskSpec {
  family: string;
  split: string;
  seed: number;
  regime: Regime;
  horizon: number;
  models: number;
  alpha: number;
  nature: string;
  support: { trajectories: number; behaviour: string };
  solver: { gap: number; timeSeconds: number | null };
  /** Changes to the family's own template; null for none. */
  template: Record<string, unknown> | null;
}

/** A dataset's shard: tasks `firstTask` to `firstTask + tasks`, each with `examplesPerTask` examples. */
export interface ShardSpec extends TaskSpec {
  query: { behaviour: string };
  firstTask: number;
  tasks: number;
  examplesPerTask: number;
  format: 'parquet' | 'jsonl' | 'safetensors';
  threads: number;
}

/** Evaluation episodes of tasks `firstTask` to `firstTask + tasks`. */
export interface EpisodesSpec extends TaskSpec {
  firstTask: number;
  tasks: number;
  episodesPerTask: number;
  epsilon: number;
  threads: number;
  /** APOMDP only: who picks the model that acts in the query. */
  queryNature?: 'oracle' | `fixed:${number}`;
}

export function taskSpec(experiment: Experiment, regime: Regime, split: string): TaskSpec {
  const { family, seed, horizon, models, alpha, nature, support, solver } = experiment;
  return { family, split, seed, regime, horizon, models, alpha, nature, support, solver, template: experiment.templates[regime] ?? null };
}
