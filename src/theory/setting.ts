// What a cell of a theory study is made from. docs/theory.md says what each number means.
import type { z as Zod } from 'zod';
import { TiresiasError } from '../errors.js';
import { lazy, zod } from '../lazy.js';

/** A cell of a theory study: linear MDPs, and linear self-attention layers trained to predict their action values. */
export interface TheorySetting {
  /** Of all random numbers. */
  seed: number;
  /** Features of a state-action pair, at least 2: one alone is a constant. */
  dimension: number;
  /** The eigenvalues of the features' covariance fall as `k^-decay`; with 0 they are equal. */
  decay: number;
  /** N: pairs in a training prompt. */
  trainingLength: number;
  /** M: pairs in a prompt at test time, rising; each gives a point of the curves. */
  pairs: number[];
  /** States of an MDP. */
  states: number;
  /** Actions in every state, at least 2: with one there is nothing to decide. */
  actions: number;
  /** Decisions an episode. */
  horizon: number;
  /** MDPs. */
  tasks: number;
  /** Prompts of every MDP. */
  prompts: number;
  /** Prompts drawn as in training, on which layers are held against the theory. */
  gaussianPrompts: number;
  /** Layers that are trained, each from a start and on prompts of its own. */
  layers: number;
  /** How they are trained. */
  training: TheoryTraining;
  /** Bootstrap resamples over tasks. */
  resamples: number;
}

/** Gradient descent on prompts that are drawn as it goes. */
export interface TheoryTraining {
  /** Steps. */
  steps: number;
  /** Prompts a step. */
  batchSize: number;
  /** Of the first step, at most 10; it falls linearly to 0. */
  learningRate: number;
}

const schemaOf = lazy(() => {
  const z = zod();
  const whole = (low: number, high: number) => z.int().min(low).max(high);
  const rising = (list: readonly number[]) => list.every((m, i) => i === 0 || m > list[i - 1]!);
  return z.strictObject({
    seed: z.int().min(0).default(0),
    dimension: whole(2, 32).default(4),
    decay: z.number().min(0).max(8).default(0),
    trainingLength: whole(1, 100_000).default(100),
    pairs: z.array(whole(1, 100_000)).min(1).refine(rising, 'expected rising numbers').default([10, 100, 1000]),
    states: whole(1, 200).default(20),
    actions: whole(2, 20).default(4),
    horizon: whole(1, 100).default(5),
    tasks: whole(1, 1_000_000).default(100),
    prompts: whole(1, 1000).default(10),
    gaussianPrompts: whole(1, 1_000_000).default(1000),
    layers: whole(1, 100).default(1),
    training: z
      .strictObject({ steps: whole(1, 1_000_000).default(1000), batchSize: whole(1, 65_536).default(256), learningRate: z.number().positive().max(10, 'expected at most 10: a step moves every number by about the rate, and what is learnt is of the order of 1').default(0.02) })
      .default({ steps: 1000, batchSize: 256, learningRate: 0.02 }),
    resamples: whole(100, 1_000_000).default(10_000),
  }).refine(({ states, actions, dimension }) => states * actions >= dimension, { path: ['dimension'], error: 'more features than pairs of a state and an action: their second moment would be singular' }) satisfies Zod.ZodType<TheorySetting>;
});

/** Checks a value against the schema. Throws INVALID_STUDY; `where` says what it belongs to. */
export function parseTheorySetting(value: unknown, where: string): TheorySetting {
  const parsed = schemaOf().safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TiresiasError('INVALID_STUDY', `${where} is not a valid theory setting:\n${zod().prettifyError(parsed.error)}`, { details: { where }, cause: parsed.error });
}
