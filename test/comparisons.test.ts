import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bcaInterval, bcaTest, mean } from '../src/evaluate/bootstrap.js';
import { compare, holm } from '../src/evaluate/comparisons.js';

// No two alike and none zero: where resamples tie with zero, a level is not one number.
const sample = fc.uniqueArray(fc.integer({ min: -3000, max: 4000 }), { minLength: 6, maxLength: 25 }).map((list) => list.map((value) => value / 1000 + 1e-5 * Math.SQRT2));

describe('the p-value of a bootstrap', () => {
  it('is the level at which the interval begins to hold zero', () => {
    fc.assert(fc.property(sample, (values) => {
      const units = values.map((value) => [value]);
      const options = { seed: 'p', resamples: 400 };
      const { p, estimate, interval } = bcaTest(units, mean(), options);
      expect(interval).toEqual(bcaInterval(units, mean(), options));
      expect(estimate).toBeCloseTo(mean()(units), 12);
      const holdsZero = (level: number) => {
        const [low, high] = bcaInterval(units, mean(), { ...options, level });
        return low <= 0 && high >= 0;
      };
      // Where no resample is beyond zero, the p-value is that of half a resample, which errs on the side of caution.
      if (!holdsZero(0.9999)) return;
      const [wide, narrow] = [1 - p * 0.9, 1 - Math.min(1, p * 1.1)];
      if (p > 0.05 && p < 0.95) {
        expect(holdsZero(wide), `p ${p}, level ${wide}`).toBe(true);
        if (narrow > 0.01) expect(holdsZero(narrow), `p ${p}, level ${narrow}`).toBe(false);
      }
    }), { numRuns: 200 });
  });

  it('is small where all differ alike, 1 where nothing differs or one unit says nothing', () => {
    const options = { seed: 1, resamples: 500 };
    expect(bcaTest([[0], [0], [0]], mean(), options)).toEqual({ estimate: 0, interval: [0, 0], p: 1 });
    expect(bcaTest([[2], [2], [2]], mean(), options)).toEqual({ estimate: 2, interval: [2, 2], p: 1 / 500 });
    expect(bcaTest([[2]], mean(), options).p).toBe(1);
    expect(bcaTest(Array.from({ length: 30 }, (_, i) => [1 + (i % 3)]), mean(), options).p).toBe(1 / 500);
  });

  it('is uniform where there is no difference: it errs as often as it says', () => {
    let state = 1;
    const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    const trials = 400;
    let rejected = 0;
    for (let t = 0; t < trials; t++) {
      const units = Array.from({ length: 40 }, () => [normal()]);
      if (bcaTest(units, mean(), { seed: t, resamples: 400 }).p < 0.1) rejected++;
    }
    // A tenth, with five standard errors and what a bootstrap of 40 units adds (about 1.5 %).
    expect(Math.abs(rejected / trials - 0.1)).toBeLessThan(5 * Math.sqrt(0.09 / trials) + 0.015);
  });
});

describe('Holm’s correction', () => {
  it('is the textbook’s, in whatever order the values come', () => {
    // Worked by hand: 0.01·4, max(0.04, 0.02·3), max(0.06, 0.03·2), max(0.06, 0.04·1).
    expect(holm([0.01, 0.04, 0.03, 0.02]).map((p) => Number(p.toFixed(12)))).toEqual([0.04, 0.06, 0.06, 0.06]);
    expect(holm([])).toEqual([]);
    expect(holm([0.7, 0.6])).toEqual([1, 1]);
  });

  it('never lowers a value, keeps their order, and never exceeds Bonferroni’s', () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 }), (values) => {
      const corrected = holm(values);
      values.forEach((p, i) => {
        expect(corrected[i]!).toBeGreaterThanOrEqual(p);
        expect(corrected[i]!).toBeLessThanOrEqual(Math.min(1, p * values.length) + 1e-15);
        values.forEach((other, j) => {
          if (p < other) expect(corrected[i]!).toBeLessThanOrEqual(corrected[j]!);
        });
      });
    }));
  });
});

describe('comparisons', () => {
  const scale = [2, 4, 3, 3, 2, 5, 1, 4];
  const options = { scale, seed: 's', resamples: 500 };
  const gaps = (name: string, of: (task: number) => number) => ({ name, gaps: scale.map((_, task) => of(task)) });

  it('are of the same tasks: a constant lead is seen through any noise that the tasks share', () => {
    const noise = (task: number) => [9, 1, 7, 2, 8, 3, 5, 4][task]!;
    const [better] = compare(gaps('a', noise), [gaps('b', (task) => noise(task) + 0.3)], options);
    expect(better).toMatchObject({ method: 'a', versus: 'b' });
    expect(better!.gapAbs).toBeCloseTo(-0.3, 12);
    expect(better!.gapNorm).toBeCloseTo((-0.3 * 8) / 24, 12);
    expect(better!.gapNormCi95[1]).toBeLessThan(0);
    expect(better!.p).toBeLessThan(0.01);
  });

  it('are turned about when the two change places, and 0 with p = 1 between equals', () => {
    const [a, b] = [gaps('a', (task) => (task * 7) % 5), gaps('b', (task) => (task * 3) % 4)];
    const [[one], [other]] = [compare(a, [b], options), compare(b, [a], options)];
    expect(one!.gapNorm).toBeCloseTo(-other!.gapNorm, 12);
    expect(one!.gapAbs).toBeCloseTo(-other!.gapAbs, 12);
    expect(compare(a, [{ ...a, name: 'c' }], options)[0]).toMatchObject({ gapNorm: 0, gapAbs: 0, gapNormCi95: [0, 0], p: 1, pHolm: 1 });
  });

  it('are corrected for how many there are', () => {
    const reference = gaps('a', (task) => (task * 7) % 5);
    const others = ['b', 'c', 'd'].map((name, k) => gaps(name, (task) => ((task * 7) % 5) + 0.2 + ((task * (k + 2)) % 3) * 0.4));
    const found = compare(reference, others, options);
    expect(found.map(({ pHolm }) => pHolm)).toEqual(holm(found.map(({ p }) => p)));
  });
});
