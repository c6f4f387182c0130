// Bias-corrected and accelerated (BCa) bootstrap intervals over tasks.
// B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987); T. DiCiccio, B. Efron, "Bootstrap confidence
// intervals", Statistical Science 11 (1996). Ties and percentiles are treated as in scipy.stats.bootstrap.
import { EXIT, TiresiasError } from '../errors.js';
import { seedrandom, vegaStatistics } from '../lazy.js';

/** One row per unit of resampling (a task); the columns are what the statistic needs, e.g. gap and scale. */
export type Units = readonly (readonly number[])[];

/** A number computed from a sample of units. The array it is handed is used again for the next resample: do not keep it. */
export type Statistic = (units: Units) => number;

/** Both ends. */
export type Interval = [low: number, high: number];

/** How {@link bcaInterval} resamples. */
export interface BootstrapOptions {
  /** The same seed, number of units and resamples draw the same tasks, whatever the statistic: common random numbers. */
  seed: string | number;
  /** Default 10 000. */
  resamples?: number | undefined;
  /** Coverage, in (0, 1). Default 0.95. */
  level?: number | undefined;
}

/** Mean of one column. */
export const mean = (column = 0): Statistic => (units) => {
  let sum = 0;
  for (const unit of units) sum += unit[column]!;
  return sum / units.length;
};

/** Mean of one column over the mean of another: the pooled ratio, which no single task with a tiny scale can dominate. */
export const ratioOfMeans = (numerator = 0, denominator = 1): Statistic => (units) => {
  let above = 0;
  let below = 0;
  for (const unit of units) {
    above += unit[numerator]!;
    below += unit[denominator]!;
  }
  return above / below;
};

/**
 * The BCa interval of `statistic` over `units`, in O(resamples · units).
 *
 * - One unit, or a statistic that no resample changes: both ends equal the estimate.
 * - A resample on which the statistic is not finite (a ratio whose scale happens to vanish) is left out, so the interval
 *   is conditional on the statistic being defined; where that concerns more than one resample in twenty, or the data
 *   themselves, it throws a `TiresiasError` with code `STATISTIC_UNDEFINED`.
 * - A jackknife that is constant or not finite says nothing about skewness: the acceleration is 0 (the BC interval).
 * - An estimate outside all resamples counts as half a resample inside, which keeps the bias correction finite.
 */
export function bcaInterval(units: Units, statistic: Statistic, options: BootstrapOptions): Interval {
  return bca(units.length, options, over(units, statistic)).interval;
}

/** The interval of `statistic`, and how sure it is that it is not zero. */
export interface BootstrapTest {
  /** The statistic of the units themselves. */
  estimate: number;
  /** As {@link bcaInterval}. */
  interval: Interval;
  /**
   * The interval inverted: the smallest two-sided level at which it would not hold zero (Efron and Tibshirani, "An Introduction to the
   * Bootstrap", 1993). Where no resample lies beyond zero half a one is taken to, and never is it below 1 / resamples, as so many draws
   * cannot tell smaller ones apart; 1 for a single unit.
   */
  p: number;
}

/** Tests whether `statistic` differs from zero over units. */
export function bcaTest(units: Units, statistic: Statistic, options: BootstrapOptions): BootstrapTest {
  return bca(units.length, options, over(units, statistic));
}

/** A statistic as a function of a multiset of unit indices. */
function over(units: Units, statistic: Statistic): (indices: Uint32Array) => number {
  const scratch: (readonly number[])[] = [];
  return (indices) => {
    scratch.length = indices.length;
    for (let i = 0; i < indices.length; i++) scratch[i] = units[indices[i]!]!;
    return statistic(scratch);
  };
}

/** A method's rows keyed by task. */
export type UnitsByTask = ReadonlyMap<string | number, readonly number[]>;

/** What {@link pairedDifference} found. */
export interface PairedDifference {
  /** `statistic(first) - statistic(second)` on the common tasks. */
  difference: number;
  interval: Interval;
  /** How many tasks both methods have. */
  tasks: number;
}

/** The difference of a statistic between two methods, resampling the tasks that both have, a pair at a time. */
export function pairedDifference(first: UnitsByTask, second: UnitsByTask, statistic: Statistic, options: BootstrapOptions): PairedDifference {
  const common = [...first.keys()].filter((task) => second.has(task));
  const left: (readonly number[])[] = [];
  const right: (readonly number[])[] = [];
  const difference = (indices: Uint32Array): number => {
    left.length = right.length = indices.length;
    for (let i = 0; i < indices.length; i++) {
      const task = common[indices[i]!]!;
      left[i] = first.get(task)!;
      right[i] = second.get(task)!;
    }
    return statistic(left) - statistic(right);
  };
  const { interval } = bca(common.length, options, difference);
  return { difference: difference(Uint32Array.from(common.keys())), interval, tasks: common.length };
}

/** BCa for a statistic of a multiset of unit indices. */
function bca(count: number, { seed, resamples = 10_000, level = 0.95 }: BootstrapOptions, evaluate: (indices: Uint32Array) => number): BootstrapTest {
  if (count < 1) throw new RangeError('a bootstrap interval needs at least one unit');
  if (!Number.isSafeInteger(resamples) || resamples < 1) throw new RangeError(`resamples must be a positive integer, not ${resamples}`);
  if (!(level > 0 && level < 1)) throw new RangeError(`level must lie strictly between 0 and 1, not ${level}`);

  const everything = Uint32Array.from({ length: count }, (_, i) => i);
  const estimate = evaluate(everything);
  if (!Number.isFinite(estimate)) throw undefinedStatistic(`the statistic of all ${count} units is ${estimate}`);
  if (count === 1) return { estimate, interval: [estimate, estimate], p: 1 };

  const draws = bootstrapDistribution(count, resamples, seed, evaluate);
  if (draws.length < 0.95 * resamples) {
    throw undefinedStatistic(`the statistic is not finite on ${resamples - draws.length} of ${resamples} resamples`);
  }
  if (draws[0] === estimate && draws.at(-1) === estimate) return { estimate, interval: [estimate, estimate], p: estimate === 0 ? 1 : 1 / draws.length };

  // Ties count half on each side, as for a continuous statistic rounded to a grid.
  let below = 0;
  let tied = 0;
  for (const draw of draws) {
    if (draw < estimate) below++;
    else if (draw === estimate) tied++;
  }
  const { cumulativeNormal, quantileNormal } = vegaStatistics();
  const half = 0.5 / draws.length;
  const bias = quantileNormal(Math.min(1 - half, Math.max(half, (below + tied / 2) / draws.length)));
  const acceleration = jackknifeAcceleration(everything, evaluate);
  const end = (probability: number): number => {
    const shifted = bias + quantileNormal(probability);
    const stretch = 1 - acceleration * shifted;
    // Past its pole the correction has no meaning: take the outermost resample on that side.
    return quantile(draws, stretch > 0 ? cumulativeNormal(bias + shifted / stretch) : shifted > 0 ? 1 : 0);
  };
  const tail = (1 - level) / 2;
  // Zero is the end of the interval whose tail is this: the corrections of `end`, solved for the probability.
  const place = quantileNormal(Math.min(1 - half, Math.max(half, placeOf(draws, 0)))) - bias;
  const stretch = 1 + acceleration * place;
  const below0 = stretch > 0 ? cumulativeNormal(place / stretch - bias) : place > 0 ? 1 : 0;
  const p = Math.min(1, Math.max(1 / draws.length, 2 * Math.min(below0, 1 - below0)));
  return { estimate, interval: [end(tail), end(1 - tail)], p };
}

/** The p whose quantile is `value`: {@link quantile} inverted. In the middle of values that equal it. */
function placeOf(ascending: Float64Array, value: number): number {
  const first = ascending.findIndex((draw) => draw >= value);
  if (first === -1) return 1;
  const last = ascending.findLastIndex((draw) => draw <= value);
  if (last === -1) return 0;
  const steps = ascending.length - 1;
  if (first <= last) return (first + last) / 2 / steps;
  const [low, high] = [ascending[last]!, ascending[first]!];
  return (last + (value - low) / (high - low)) / steps;
}

/** The finite values of the statistic on `resamples` draws of `count` units with replacement, ascending. */
function bootstrapDistribution(count: number, resamples: number, seed: string | number, evaluate: (indices: Uint32Array) => number): Float64Array {
  const random = seedrandom().alea(String(seed));
  const indices = new Uint32Array(count);
  const values = new Float64Array(resamples);
  let finite = 0;
  for (let b = 0; b < resamples; b++) {
    for (let i = 0; i < count; i++) indices[i] = random() * count;
    const value = evaluate(indices);
    if (Number.isFinite(value)) values[finite++] = value;
  }
  return values.subarray(0, finite).sort();
}

/** Efron's acceleration: a sixth of the skewness of the leave-one-out values about their mean, with its sign turned. */
function jackknifeAcceleration(everything: Uint32Array, evaluate: (indices: Uint32Array) => number): number {
  const count = everything.length;
  // Without unit 0; then unit i takes the place of unit i + 1, one after the other.
  const rest = everything.slice(1);
  const values = Float64Array.from(everything, (i) => {
    if (i > 0) rest[i - 1] = i - 1;
    return evaluate(rest);
  });
  const centre = values.reduce((sum, value) => sum + value, 0) / count;
  let squares = 0;
  let cubes = 0;
  for (const value of values) {
    const influence = centre - value;
    squares += influence ** 2;
    cubes += influence ** 3;
  }
  const acceleration = cubes / (6 * squares ** 1.5);
  return Number.isFinite(acceleration) ? acceleration : 0;
}

/** The p-quantile of ascending values, interpolated linearly. */
function quantile(ascending: Float64Array, p: number): number {
  const position = p * (ascending.length - 1);
  const floor = Math.floor(position);
  const low = ascending[floor]!;
  const high = ascending[Math.min(floor + 1, ascending.length - 1)]!;
  return low + (high - low) * (position - floor);
}

const undefinedStatistic = (message: string): TiresiasError => new TiresiasError('STATISTIC_UNDEFINED', message, { exitCode: EXIT.numerical });
