// What the server counts is what prom-client would write of the same.
import fc from 'fast-check';
import { Counter, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { CellCounter, CellHistogram } from '../src/serve/http/cells.js';

const BOUNDS = [0.1, 0.5, 1];
const label = fc.constantFrom('tiger', 'a"b', 'c\\d\n', '__proto__', '200');
const value = fc.oneof(fc.constantFrom(0, 0.1, 0.5, 1, 1.5), fc.double({ min: 0, max: 3, noNaN: true }));
const lines = (text: string) => text.split('\n').filter(Boolean).toSorted();

describe('counters and histograms', () => {
  it('say what those of prom-client say, whatever the labels and values', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(label, label, value), { maxLength: 30 }), async (counted) => {
      const [ours, theirs] = [new Registry(), new Registry()];
      const labelNames = ['policy', 'variant'];
      const [counter, histogram] = [new CellCounter('n_total', 'How many.', labelNames, ours), new CellHistogram('seconds', 'How long.', labelNames, BOUNDS, ours)];
      const [theirCounter, theirHistogram] = [new Counter({ name: 'n_total', help: 'How many.', labelNames, registers: [theirs] }), new Histogram({ name: 'seconds', help: 'How long.', labelNames, buckets: BOUNDS, registers: [theirs] })];
      for (const [policy, variant, x] of counted) {
        counter.add(x, policy, variant);
        theirCounter.inc({ policy, variant }, x);
        histogram.observe(x, policy, variant);
        theirHistogram.observe({ policy, variant }, x);
      }
      expect(lines(await ours.metrics())).toEqual(lines(await theirs.metrics()));
    }));
  });

  it('refuse a name that is taken', () => {
    const registry = new Registry();
    new CellCounter('n_total', 'How many.', ['policy'], registry);
    expect(() => new CellCounter('n_total', 'How many.', ['policy'], registry)).toThrow(/already been registered/);
  });
});
