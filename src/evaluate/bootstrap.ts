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
  /** Coverage of the interval, in (0, 1). Default 0.95. */
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
  return bootstrap(units.length, options, over(units, statistic)).interval(options.level);
}

/** The interval of a statistic, and how sure it is that it is not zero. */
export interface BootstrapTest {
  /** The statistic of the units themselves. */
  estimate: number;
  /** As {@link bcaInterval}. */
  interval: Interval;
  /** Two-sided, of the truth being 0: below any α just where the interval of coverage 1 - α leaves out 0. See {@link Bootstrap.pValue}. */
  p: number;
}

/** Tests whether `statistic` differs from zero over units. */
export function bcaTest(units: Units, statistic: Statistic, options: BootstrapOptions): BootstrapTest {
  const found = bootstrap(units.length, options, over(units, statistic));
  return { estimate: found.estimate, interval: found.interval(options.level), p: found.pValue() };
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
  /** Two-sided, of no difference: below any α just where the interval of coverage 1 - α leaves out 0. See {@link Bootstrap.pValue}. */
  p: number;
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
  const found = bootstrap(common.length, options, difference);
  return { difference: found.estimate, interval: found.interval(options.level), p: found.pValue(), tasks: common.length };
}

/** The bootstrap distribution of a statistic with BCa's two corrections, from which intervals of any coverage and p-values are read. */
class Bootstrap {
  constructor(
    readonly estimate: number,
    /** Ascending; empty for a single unit. */
    private readonly draws: Float64Array,
    private readonly bias: number,
    private readonly acceleration: number,
  ) {}

  /** Whether no resample changes the estimate. */
  get #constant(): boolean {
    return this.draws.length === 0 || (this.draws[0] === this.estimate && this.draws.at(-1) === this.estimate);
  }

  interval(level = 0.95): Interval {
    if (!(level > 0 && level < 1)) throw new RangeError(`level must lie strictly between 0 and 1, not ${level}`);
    if (this.#constant) return [this.estimate, this.estimate];
    const tail = (1 - level) / 2;
    return [quantile(this.draws, this.#share(tail)), quantile(this.draws, this.#share(1 - tail))];
  }

  /**
   * The two-sided p-value of the hypothesis that the truth is 0: the least α at which the interval of coverage 1 - α leaves out 0, so
   * that test and interval agree at every level (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 15).
   *
   * - Never below 1 / resamples: so many cannot tell a smaller one.
   * - A single unit says nothing of how units vary, and an estimate of 0 that no resample changes nothing against 0: 1.
   */
  pValue(): number {
    const { draws } = this;
    const least = 1 / draws.length;
    if (draws.length === 0) return 1;
    if (this.#constant) return this.estimate === 0 ? 1 : least;
    // The tails from which on the lower end lies above 0, and the upper end below it.
    const above = draws[0]! > 0 ? 0 : this.#tail(shareUpToZero(draws));
    const below = draws.at(-1)! < 0 ? 0 : 1 - this.#tail(1 - shareUpToZero(draws.map((value) => -value).reverse()));
    return Math.max(least, Math.min(1, 2 * Math.min(above, below)));
  }

  /** The share of the draws below the end of an interval that leaves out `tail` on its left. */
  #share(tail: number): number {
    const { cumulativeNormal, quantileNormal } = vegaStatistics();
    const shifted = this.bias + quantileNormal(tail);
    const stretch = 1 - this.acceleration * shifted;
    // Past its pole the correction has no meaning: take the outermost resample on that side.
    return stretch > 0 ? cumulativeNormal(this.bias + shifted / stretch) : shifted > 0 ? 1 : 0;
  }

  /** The inverse of {@link Bootstrap.#share}: the tail whose end has that share of the draws below it. */
  #tail(share: number): number {
    const { cumulativeNormal, quantileNormal } = vegaStatistics();
    const place = quantileNormal(share);
    // A share that is all but 0 or 1 has its quantile at infinity, and so has the tail.
    if (!Number.isFinite(place)) return place > 0 ? 1 : 0;
    const moved = place - this.bias;
    const stretch = 1 + this.acceleration * moved;
    // No tail, however small or large, has an end so far out.
    if (stretch <= 0) return moved > 0 ? 1 : 0;
    return cumulativeNormal(moved / stretch - this.bias);
  }
}

/** Resamples a statistic of a multiset of unit indices. */
function bootstrap(count: number, { seed, resamples = 10_000 }: BootstrapOptions, evaluate: (indices: Uint32Array) => number): Bootstrap {
  if (count < 1) throw new RangeError('a bootstrap interval needs at least one unit');
  if (!Number.isSafeInteger(resamples) || resamples < 1) throw new RangeError(`resamples must be a positive integer, not ${resamples}`);

  const everything = Uint32Array.from({ length: count }, (_, i) => i);
  const estimate = evaluate(everything);
  if (!Number.isFinite(estimate)) throw undefinedStatistic(`the statistic of all ${count} units is ${estimate}`);
  if (count === 1) return new Bootstrap(estimate, new Float64Array(0), 0, 0);

  const draws = bootstrapDistribution(count, resamples, seed, evaluate);
  if (draws.length < 0.95 * resamples) {
    throw undefinedStatistic(`the statistic is not finite on ${resamples - draws.length} of ${resamples} resamples`);
  }
  // Ties count half on each side, as for a continuous statistic rounded to a grid.
  let below = 0;
  let tied = 0;
  for (const draw of draws) {
    if (draw < estimate) below++;
    else if (draw === estimate) tied++;
  }
  const half = 0.5 / draws.length;
  const bias = vegaStatistics().quantileNormal(Math.min(1 - half, Math.max(half, (below + tied / 2) / draws.length)));
  return new Bootstrap(estimate, draws, bias, jackknifeAcceleration(everything, evaluate));
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

/** The greatest p whose quantile is at most 0; the first of the ascending values is. */
function shareUpToZero(ascending: Float64Array): number {
  const above = ascending.findIndex((value) => value > 0);
  if (above === -1) return 1;
  const [low, high] = [ascending[above - 1]!, ascending[above]!];
  return (above - 1 - low / (high - low)) / (ascending.length - 1);
}

const undefinedStatistic = (message: string): TiresiasError => new TiresiasError('STATISTIC_UNDEFINED', message, { exitCode: EXIT.numerical });
