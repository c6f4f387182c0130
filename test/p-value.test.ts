import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import seedrandom from 'seedrandom';
import { describe, expect, it } from 'vitest';
import { bcaInterval, bcaTest, mean, pairedDifference, ratioOfMeans } from '../src/evaluate/bootstrap.js';

interface Case { name: string; columns: [number[], number[], number[]]; difference: number; p: number; spread: number }
const scipy = JSON.parse(readFileSync(new URL('data/comparisons-scipy.json', import.meta.url), 'utf8')) as { cases: Case[] };

const keyed = (values: readonly number[]): Map<number, number[]> => new Map(values.map((value, i) => [i, [value]]));

describe('a p-value', () => {
  it.each(scipy.cases)('is where SciPy’s interval ends at 0: $name', ({ columns: [a, b, s], difference, p, spread }) => {
    const units = a.map((gap, i) => [gap, b[i]!, s[i]!]);
    const found = bcaTest(units, (of) => ratioOfMeans(0, 2)(of) - ratioOfMeans(1, 2)(of), { seed: 3, resamples: 100_000 });
    expect(found.estimate).toBeCloseTo(difference, 10);
    // Both are Monte-Carlo estimates: five standard deviations of their difference.
    expect(Math.abs(found.p - p)).toBeLessThanOrEqual(5 * Math.sqrt(1 + 1 / 8) * spread);
  });

  it('is the least level at which the interval leaves out 0, whatever the data', () => {
    const number = fc.oneof(fc.double({ min: -5, max: 5, noNaN: true }), fc.integer({ min: -2, max: 2 }));
    fc.assert(fc.property(fc.array(number, { minLength: 2, maxLength: 25 }), fc.double({ min: 0.002, max: 0.998, noNaN: true }), fc.integer(), (values, alpha, seed) => {
      const options = { seed, resamples: 400 };
      const p = bcaTest(values.map((x) => [x]), mean(), options).p;
      const excludes = (level: number): boolean => {
        const [low, high] = bcaInterval(values.map((x) => [x]), mean(), { ...options, level });
        return low > 0 || high < 0;
      };
      expect(p).toBeGreaterThanOrEqual(1 / 400);
      expect(p).toBeLessThanOrEqual(1);
      // Apart by more than rounding, and above the least p-value that so many resamples can tell.
      if (Math.abs(alpha - p) > 1e-6 && alpha > 1 / 400) expect(excludes(1 - alpha)).toBe(p < alpha);
    }), { numRuns: 400 });
  });

  it('is a number where a unit is all but 0', () => {
    const { p } = bcaTest([1, -2.47e-322, 1, 1].map((x) => [x]), mean(), { seed: -1591639405, resamples: 400 });
    expect(p).toBeGreaterThanOrEqual(1 / 400);
    expect(p).toBeLessThan(0.1);
  });

  it('is a number where units are of any size', () => {
    const size = fc.integer({ min: -323, max: 0 }).map((exponent) => 10 ** exponent);
    const number = fc.tuple(fc.constantFrom(-5, -1, 1, 2), size).map(([sign, unit]) => sign * unit);
    fc.assert(fc.property(fc.array(number, { minLength: 2, maxLength: 6 }), fc.integer(), (values, seed) => {
      expect(bcaTest(values.map((x) => [x]), mean(), { seed, resamples: 400 }).p).toSatisfy((p: number) => p >= 1 / 400 && p <= 1);
    }), { numRuns: 300 });
  });

  it('is below 0.05 in one of twenty worlds without a difference', () => {
    const random = seedrandom('null');
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const worlds = 600;
    let below = 0;
    for (let world = 0; world < worlds; world++) {
      const values = Array.from({ length: 40 }, normal);
      if (bcaTest(values.map((x) => [x]), mean(), { seed: world, resamples: 1000 }).p < 0.05) below++;
    }
    // Binomial(600, 0.05) has a standard deviation of 0.9 points; a bootstrap of 40 tasks costs a point.
    expect(below / worlds).toBeGreaterThan(0.02);
    expect(below / worlds).toBeLessThan(0.09);
  });

  it('changes its side, not its size, with the order of the two', () => {
    const { columns: [a, b] } = scipy.cases[0]!;
    const [first, second] = [pairedDifference(keyed(a), keyed(b), mean(), { seed: 1 }), pairedDifference(keyed(b), keyed(a), mean(), { seed: 1 })];
    expect(second.p).toBeCloseTo(first.p, 9);
    expect(second.difference).toBeCloseTo(-first.difference, 12);
    expect(second.interval[0]).toBeCloseTo(-first.interval[1], 9);
  });
});
