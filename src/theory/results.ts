// What a cell of a theory study came to.
import type { z as Zod } from 'zod';
import { lazy, zod } from '../lazy.js';
import type { Interval95 } from '../results.js';
import type { TheorySetting } from './setting.js';

/** A number over tasks, with its 95 % BCa interval over them. */
export interface TheoryEstimate {
  /** The number. */
  value: number;
  /** Its interval. */
  ci95: Interval95;
}

/** A mean squared error, or a bound, in its two parts. */
export interface TheoryParts {
  /** What falls with the pairs of the prompt, M. */
  estimation: number;
  /** What falls with the length of training prompts, N. */
  bias: number;
}

/** A bound on what acting may cost, as a share of what random actions cost; means over tasks. */
export interface TheoryBound extends TheoryParts {
  /** The bound. It is at most the sum of its parts. */
  total: number;
  /** The same without what no decision hangs on: the estimate's scale and level. */
  sharp: number;
  /** The tasks of which the mean loss over the drawn prompts exceeds the sharp bound, which is on the mean over all prompts: a few prompts may exceed it. */
  broken: number;
}

/** What acting greedily on an estimate of the optimal action values came to. */
export interface TheoryActed {
  /** V* less the value of the policy, as a share of V* less the value of random actions. */
  gapNorm: TheoryEstimate;
  /** The first step of the bound, in the same unit: the policy's errors less the optimal actions', where the policy leads. */
  advantage: number;
  /** The second step, in the same unit: the leverage times the errors that were made. */
  realised: number;
  /** Mean squared error at pairs drawn as those of the prompts. */
  errorTraining: TheoryEstimate;
  /** Mean squared error where the policy leads, of the action that it takes there, over the one before: the covariate shift. */
  shift: TheoryEstimate;
  /** The same in the states where the policy leads, over all actions alike: what of the shift is the states'. */
  shiftStates: TheoryEstimate;
  /** Mean error where the policy leads, of the action that it takes there; above 0 the estimate promises too much. */
  optimism: TheoryEstimate;
}

/** What came of one number of pairs, M. */
export interface TheoryPoint {
  /** M. */
  pairs: number;
  /** Mean squared errors on prompts drawn as in training. */
  gaussian: TheoryGaussian;
  /** The closed form's mean squared error in the MDPs, in theory; the mean over tasks. */
  error: TheoryParts;
  /** What acting on the closed form may cost, in theory. */
  bound: TheoryBound;
  /** The closed form, measured. */
  closed: TheoryActed;
  /** The trained layers, measured. */
  trained: TheoryActed;
}

/** Mean squared errors on prompts drawn as in training, in theory and measured. */
export interface TheoryGaussian extends TheoryParts {
  /** The closed form's, measured. */
  closed: number;
  /** Its standard error. */
  closedError: number;
  /** The trained layers', measured on the same prompts. */
  trained: number;
  /** Its standard error. */
  trainedError: number;
}

/** How close a trained layer came to the closed form. */
export interface TheoryLayer {
  /** How far its matrix is from `Γ⁻¹`, as a share of that, in the Frobenius norm. */
  distance: number;
  /** By how much its mean squared error on prompts of length N exceeds the closed form's, as a share of that. */
  excess: number;
  /** How large the numbers of the value are that the closed form has at 0, as a share of the one beside them. */
  strayValue: number;
  /** The same of key and query. */
  strayKeyQuery: number;
}

/** What a cell of a theory study came to. */
export interface TheoryResult {
  /** What it was made from. */
  setting: TheorySetting;
  /** One a trained layer. */
  layers: TheoryLayer[];
  /** What random actions lose on average, V* less their value: the unit of losses and bounds. */
  lossOfRandom: number;
  /** What the worst policy loses, in that unit. A bound above it says nothing. */
  lossOfWorst: number;
  /** The mean of the tasks' leverage of a decision. */
  leverage: number;
  /** One a number of pairs. */
  points: TheoryPoint[];
}

const schemaOf = lazy(() => {
  const z = zod();
  const n = z.number();
  const interval = z.tuple([n, n]) satisfies Zod.ZodType<Interval95>;
  const estimate = z.object({ value: n, ci95: interval });
  const parts = { estimation: n, bias: n };
  const acted = z.object({ gapNorm: estimate, advantage: n, realised: n, errorTraining: estimate, shift: estimate, shiftStates: estimate, optimism: estimate });
  const setting = z.object({
    seed: n, dimension: n, decay: n, trainingLength: n, pairs: z.array(n), states: n, actions: n, horizon: n, tasks: n, prompts: n, gaussianPrompts: n, layers: n,
    training: z.object({ steps: n, batchSize: n, learningRate: n }), resamples: n,
  });
  return z.object({
    setting,
    layers: z.array(z.object({ distance: n, excess: n, strayValue: n, strayKeyQuery: n })),
    lossOfRandom: n, lossOfWorst: n, leverage: n,
    points: z.array(z.object({
      pairs: n,
      gaussian: z.object({ ...parts, closed: n, closedError: n, trained: n, trainedError: n }),
      error: z.object(parts),
      bound: z.object({ ...parts, total: n, sharp: n, broken: n }),
      closed: acted,
      trained: acted,
    })),
  }) satisfies Zod.ZodType<TheoryResult>;
});

/** What a cell came to if it is that, else undefined. */
export const theoryResultIn = (value: unknown): TheoryResult | undefined => schemaOf().safeParse(value).data;
