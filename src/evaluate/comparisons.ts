// How much one method differs from the others, task by task, and how sure that is.
import { bcaInterval, bcaTest, type Statistic } from './bootstrap.js';

/** What a comparison goes by on one task: both methods' gaps, and what chance loses. */
type Pair = [first: number, second: number, scale: number];

/** A method's gaps by task, in the same order of tasks for every method. */
export interface Gaps {
  /** The method. */
  name: string;
  /** V* − V^π of each task, in reward. */
  gaps: readonly number[];
}

/** The reference method less another. Below 0 the reference loses less. */
export interface Comparison {
  /** The reference. */
  method: string;
  /** The other. */
  versus: string;
  /** Difference of the normalised gaps. */
  gapNorm: number;
  /** Its BCa interval, over tasks that both played. */
  gapNormCi95: [low: number, high: number];
  /** Difference of the mean gaps, in reward. */
  gapAbs: number;
  /** Its interval. */
  gapAbsCi95: [low: number, high: number];
  /** The smallest level at which the interval of `gapNorm` does not hold zero. */
  p: number;
  /** The same, corrected for the number of comparisons with the reference (Holm, 1979). */
  pHolm: number;
}

export interface ComparisonOptions {
  /** What chance loses on each task. */
  scale: readonly number[];
  seed: string;
  resamples: number;
}

const averageOf = (units: readonly (readonly number[])[], column: number): number => units.reduce((sum, unit) => sum + unit[column]!, 0) / units.length;
const absolute: Statistic = (units) => averageOf(units, 0) - averageOf(units, 1);
const normalised: Statistic = (units) => (averageOf(units, 0) - averageOf(units, 1)) / averageOf(units, 2);

/** The reference beside every other method: paired differences over the same resampled tasks. */
export function compare(reference: Gaps, others: readonly Gaps[], { scale, seed, resamples }: ComparisonOptions): Comparison[] {
  const tests = others.map(({ name, gaps }) => {
    const pairs: Pair[] = reference.gaps.map((gap, task) => [gap, gaps[task]!, scale[task]!]);
    const { estimate, interval, p } = bcaTest(pairs, normalised, { seed, resamples });
    return {
      method: reference.name, versus: name,
      gapNorm: estimate, gapNormCi95: interval,
      gapAbs: absolute(pairs), gapAbsCi95: bcaInterval(pairs, absolute, { seed, resamples }),
      p,
    };
  });
  const corrected = holm(tests.map(({ p }) => p));
  return tests.map((test, i) => ({ ...test, pHolm: corrected[i]! }));
}

/**
 * p-values such that rejecting those below a level errs in any of them with at most that probability: the k-th smallest of m times
 * (m − k + 1), and never below one before it (S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 1979).
 */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const corrected = values.map(() => 1);
  let largest = 0;
  order.forEach((index, k) => {
    largest = Math.max(largest, Math.min(1, values[index]! * (values.length - k)));
    corrected[index] = largest;
  });
  return corrected;
}
