import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import seedrandom from 'seedrandom';
import { describe, expect, it } from 'vitest';
import { bcaInterval, mean, pairedDifference, ratioOfMeans, type Statistic } from '../src/evaluate/bootstrap.js';

interface Case { name: string; statistic: string; columns: number[][]; estimate: number; interval: [number, number]; spread: [number, number] }
const scipy = JSON.parse(readFileSync(new URL('data/bca-scipy.json', import.meta.url), 'utf8')) as { cases: Case[] };

const correlation: Statistic = (units) => {
  const mx = mean(0)(units);
  const my = mean(1)(units);
  const sum = (f: (x: number, y: number) => number): number => units.reduce((s, u) => s + f(u[0]! - mx, u[1]! - my), 0);
  return sum((x, y) => x * y) / Math.sqrt(sum((x) => x * x) * sum((_, y) => y * y));
};
const statistics: Record<string, Statistic> = {
  mean: mean(), ratio: ratioOfMeans(), correlation, difference: (units) => mean(0)(units) - mean(1)(units),
};
const rows = (columns: number[][]): number[][] => columns[0]!.map((_, i) => columns.map((column) => column[i]!));

describe('against SciPy', () => {
  it.each(scipy.cases)('$name', ({ statistic, columns, estimate, interval, spread }) => {
    const units = rows(columns);
    const f = statistics[statistic]!;
    expect(f(units)).toBeCloseTo(estimate, 10);
    const ours = bcaInterval(units, f, { seed: 1, resamples: 100_000 });
    // Both sides are Monte-Carlo estimates: five standard deviations of their difference.
    for (const i of [0, 1] as const) expect(Math.abs(ours[i] - interval[i])).toBeLessThanOrEqual(5 * Math.sqrt(1 + 1 / 8) * spread[i] + 1e-12);
  });
});

describe('edge cases', () => {
  const options = { seed: 'edge', resamples: 500 };

  it('gives the estimate twice for one unit and for units that are all equal', () => {
    expect(bcaInterval([[3]], mean(), options)).toEqual([3, 3]);
    expect(bcaInterval(Array.from({ length: 9 }, () => [2, 4]), ratioOfMeans(), options)).toEqual([0.5, 0.5]);
  });

  it('refuses no units and impossible options', () => {
    expect(() => bcaInterval([], mean(), options)).toThrow(RangeError);
    expect(() => bcaInterval([[1], [2]], mean(), { ...options, resamples: 0 })).toThrow(RangeError);
    expect(() => bcaInterval([[1], [2]], mean(), { ...options, level: 1 })).toThrow(RangeError);
  });

  it('says so when the statistic is undefined on the data or on many resamples', () => {
    expect(() => bcaInterval([[1, 0], [2, 0]], ratioOfMeans(), options)).toThrow(expect.objectContaining({ code: 'STATISTIC_UNDEFINED' }));
    // One task of three carries the whole scale: (2/3)³ of the resamples miss it.
    expect(() => bcaInterval([[1, 0], [2, 0], [3, 1]], ratioOfMeans(), options)).toThrow(/of 500 resamples/);
  });

  it('leaves out the rare resample on which the statistic is undefined', () => {
    const units = Array.from({ length: 12 }, (_, i) => [i, i % 3 === 0 ? 1 : 0]);
    const [low, high] = bcaInterval(units, ratioOfMeans(), options);
    expect(Number.isFinite(low) && Number.isFinite(high)).toBe(true);
    expect(low).toBeLessThan(high);
  });

  it('stays finite when the estimate lies outside every resample', () => {
    // Distinct values in the sample: greatest on the data themselves, smaller on any resample with a repeat.
    const units = Array.from({ length: 30 }, (_, i) => [i]);
    const distinct: Statistic = (sample) => new Set(sample.map((unit) => unit[0])).size;
    const [low, high] = bcaInterval(units, distinct, options);
    expect(low).toBeLessThanOrEqual(high);
    expect(Number.isFinite(low) && Number.isFinite(high)).toBe(true);
  });
});

describe('properties', () => {
  const sample = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }).map((x) => [x]), { minLength: 2, maxLength: 30 });

  it('is deterministic, ordered and inside the range of the data', () => {
    fc.assert(fc.property(sample, fc.integer(), (units, seed) => {
      const options = { seed, resamples: 300 };
      const [low, high] = bcaInterval(units, mean(), options);
      expect(bcaInterval(units, mean(), options)).toEqual([low, high]);
      const values = units.map((unit) => unit[0]!);
      expect(low).toBeLessThanOrEqual(high);
      expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
      expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
    }), { numRuns: 60 });
  });

  it('moves with the data: scaled, shifted and mirrored', () => {
    const units = scipy.cases[0]!.columns[0]!.map((x) => [x]);
    const options = { seed: 5 };
    const [low, high] = bcaInterval(units, mean(), options);
    const [l, h] = bcaInterval(units.map(([x]) => [10 - 2 * x!]), mean(), options);
    expect(l).toBeCloseTo(10 - 2 * high, 9);
    expect(h).toBeCloseTo(10 - 2 * low, 9);
  });

  it('depends on the seed, and less so with more resamples', () => {
    const units = scipy.cases[0]!.columns[0]!.map((x) => [x]);
    const spread = (resamples: number): number => {
      const lows = Array.from({ length: 20 }, (_, seed) => bcaInterval(units, mean(), { seed, resamples })[0]);
      return Math.max(...lows) - Math.min(...lows);
    };
    expect(spread(200)).toBeGreaterThan(spread(10_000));
    expect(spread(10_000)).toBeGreaterThan(0);
  });

  it('covers the truth about 95 times in 100', () => {
    // A ratio of means like the normalised gap: exponential gap over a scale that depends on it; the truth is 1 / 3.
    const random = seedrandom('coverage');
    let covered = 0;
    const trials = 400;
    for (let trial = 0; trial < trials; trial++) {
      const units = Array.from({ length: 60 }, () => {
        const gap = -Math.log(1 - random());
        return [gap, 2 + gap * random() * 2];
      });
      const [low, high] = bcaInterval(units, ratioOfMeans(), { seed: trial, resamples: 1000 });
      if (low <= 1 / 3 && 1 / 3 <= high) covered++;
    }
    // Binomial(400, 0.95) has a standard deviation of 1.1 points; small samples cost BCa another one or two.
    expect(covered / trials).toBeGreaterThan(0.91);
    expect(covered / trials).toBeLessThan(0.985);
  });
});

describe('paired difference', () => {
  const { columns, interval } = scipy.cases.find((c) => c.statistic === 'difference')!;
  const keyed = (values: number[]): Map<string, number[]> => new Map(values.map((x, i) => [`task ${i}`, [x]]));

  it('resamples pairs, so common difficulty cancels', () => {
    const paired = pairedDifference(keyed(columns[0]!), keyed(columns[1]!), mean(), { seed: 2 });
    expect(paired.tasks).toBe(columns[0]!.length);
    expect(paired.interval[0]).toBeCloseTo(interval[0], 1);
    expect(paired.interval[1]).toBeCloseTo(interval[1], 1);
    const width = ([low, high]: readonly [number, number]): number => high - low;
    const alone = bcaInterval(columns[0]!.map((x) => [x]), mean(), { seed: 2 });
    expect(width(paired.interval)).toBeLessThan(width(alone) / 2);
  });

  it('uses the common tasks alone, in any order', () => {
    const first = keyed(columns[0]!);
    const second = new Map([...keyed(columns[1]!)].toReversed());
    const reference = pairedDifference(first, second, mean(), { seed: 3 });
    first.set('only here', [1e6]);
    second.set('only there', [-1e6]);
    expect(pairedDifference(first, second, mean(), { seed: 3 })).toEqual(reference);
    expect(() => pairedDifference(first, new Map(), mean(), { seed: 3 })).toThrow(RangeError);
  });
});
