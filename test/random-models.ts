// Small models with arbitrary numbers, as their probabilities and as what the library makes of them.
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { Model } from '../src/index.js';

export interface Kernels {
  /** `[action][state][next]`. */
  P: number[][][];
  /** `[action][next][observation]`; the identity where the state is seen. */
  Q: number[][][];
}

export interface RandomModel {
  model: Model;
  states: number;
  actions: number;
  observations: number;
  start: number[];
  cloud: Kernels[];
}

/** A distribution over `n` outcomes, some of them impossible. */
const distribution = (n: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 0, max: 4 }), { minLength: n, maxLength: n }).map((weights) => {
    const sum = weights.reduce((a, b) => a + b, 0);
    return sum === 0 ? weights.map(() => 1 / n) : weights.map((w) => w / sum);
  });

const times = <T>(n: number, one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { minLength: n, maxLength: n });

/** Models of `horizon` decisions with a cloud of `models`, whose states are hidden or not. */
export function randomModels({ models = 1, hidden = true, horizon = 4 }: { models?: number; hidden?: boolean; horizon?: number } = {}): fc.Arbitrary<RandomModel> {
  return fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 })).chain(([states, actions, symbols]) => {
    const observations = hidden ? symbols : states;
    const Q = hidden ? times(actions, times(states, distribution(observations))) : fc.constant(Array.from({ length: actions }, () => identity(states)));
    const kernels = fc.record({ P: times(actions, times(states, distribution(states))), Q });
    const reward = times(actions, times(states, fc.integer({ min: -4, max: 4 })));
    return fc.record({ start: distribution(states), cloud: times(models, kernels), reward }).map(({ start, cloud, reward }) => ({
      model: Model.fromJson(
        JSON.stringify({
          schema: 'tiresias.model/1', states, actions, ...(hidden && { observations }), horizon, discount: 0.9, start,
          reward: { state_action: reward },
          dynamics: cloud.map(({ P, Q }) => ({ transition: P, ...(hidden && { observation: Q }) })),
        }),
      ),
      states, actions, observations, start, cloud,
    }));
  });
}

const identity = (n: number) => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => Number(i === j)));

/** Pr(s_t, o_1 … o_t | a_0 …) by s_t: the belief without its normalisation, one step further. */
export function forward({ P, Q }: Kernels, joint: number[], action: number, observation: number): number[] {
  return joint.map((_, next) => joint.reduce((sum, p, state) => sum + p * P[action]![state]![next]!, 0) * Q[action]![next]![observation]!);
}

export const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);

/** A tiny generator for choices that only have to be the same every time (mulberry32). */
export function choices(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** The probability that a χ² variable of `freedom` degrees exceeds `x`, by the series of the lower incomplete gamma function. */
export function chiSquareTail(x: number, freedom: number): number {
  const a = freedom / 2;
  let logGamma = freedom % 2 === 0 ? 0 : Math.log(Math.PI) / 2;
  for (let z = freedom % 2 === 0 ? 1 : 0.5; z < a; z++) logGamma += Math.log(z);
  let [term, total] = [1 / a, 1 / a];
  for (let n = 1; term > total * 1e-16; n++) total += term *= x / 2 / (a + n);
  return 1 - total * Math.exp(-x / 2 + a * Math.log(x / 2) - logGamma);
}

/** Pearson's test of counts against probabilities: the chance of a worse fit. Impossible outcomes must not have happened. */
export function fit(counts: readonly number[], probability: readonly number[]): number {
  const n = sum(counts);
  const possible = probability.flatMap((p, i) => (p > 0 ? [i] : []));
  if (sum(possible.map((i) => counts[i]!)) !== n) return 0;
  if (possible.length < 2) return 1;
  return chiSquareTail(sum(possible.map((i) => (counts[i]! - n * probability[i]!) ** 2 / (n * probability[i]!))), possible.length - 1);
}

/** A digest of arrays, for comparisons of millions of numbers. */
export function digest(...arrays: readonly (ArrayBufferView | undefined)[]): string[] {
  return arrays.map((array) => (array ? createHash('sha256').update(Buffer.from(array.buffer, array.byteOffset, array.byteLength)).digest('hex') : 'none'));
}
