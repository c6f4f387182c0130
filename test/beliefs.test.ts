// Many beliefs together: against Bayes' rule written out, and against the filter of one decision-maker.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BeliefBatch, BeliefTracker, drawTask, type Precision } from '../src/index.js';
import { choices, digest, forward, randomModels, sum, type RandomModel } from './random-models.js';

const TOLERANCE = { f64: 1e-12, f32: 1e-6 } as const;
const energy = (regime: 'mdp' | 'pomdp' | 'apomdp') => drawTask('energy', { split: 'test', index: 3, seed: 1, regime, horizon: 5 }).model;

/** Random actions and observations, one a lane. */
function inputs({ actions, observations }: { actions: number; observations: number }, count: number, choose: (below: number) => number) {
  return {
    actions: Uint8Array.from({ length: count }, () => choose(actions)),
    observations: Int32Array.from({ length: count }, () => choose(observations)),
  };
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!(actual[i] === expected[i] || Math.abs(actual[i]! - expected[i]!) <= tolerance)) throw new Error(`element ${i}: ${actual[i]} instead of ${expected[i]}`);
  }
}

/** Updates a batch some times and checks beliefs, log-likelihoods and impossible observations; `which` says by which model. */
function agreesWithBayes(random: RandomModel, precision: Precision, count: number, seed: number, which: 'same' | 'each'): void {
  const { model, start, cloud } = random;
  const choose = choices(seed);
  const batch = new BeliefBatch(model, { count, precision });
  const joints = Array.from({ length: count }, () => start);
  for (let step = 0; step < 4; step++) {
    const { actions, observations } = inputs(random, count, choose);
    const models = which === 'same' ? choose(cloud.length) : Uint32Array.from({ length: count }, () => choose(cloud.length));
    const before = batch.beliefs();
    const { logLikelihoods, impossible } = batch.update(actions, observations, { models });
    const after = batch.beliefs();
    let none = 0;
    for (let lane = 0; lane < count; lane++) {
      const kernels = cloud[typeof models === 'number' ? models : models[lane]!]!;
      const next = forward(kernels, joints[lane]!, actions[lane]!, observations[lane]!);
      const row = (of: Float64Array | Float32Array) => of.subarray(lane * random.states, (lane + 1) * random.states);
      if (sum(next) === 0) {
        none++;
        expect(logLikelihoods[lane]).toBe(-Infinity);
        expect([...row(after)]).toEqual([...row(before)]);
      } else {
        expectClose([logLikelihoods[lane]!], [Math.log(sum(next) / sum(joints[lane]!))], TOLERANCE[precision]);
        joints[lane] = next;
      }
      expectClose(row(after), joints[lane]!.map((p) => p / sum(joints[lane]!)), TOLERANCE[precision]);
      expectClose(batch.belief(lane), row(after), 0);
    }
    expect(impossible).toBe(none);
  }
}

describe.each<Precision>(['f64', 'f32'])('a batch of beliefs in %s', (precision) => {
  const many = { count: fc.integer({ min: 1, max: 40 }), seed: fc.nat() };

  it('follows Bayes’ rule where the state is hidden', () => {
    fc.assert(fc.property(randomModels(), many.count, many.seed, (random, count, seed) => agreesWithBayes(random, precision, count, seed, 'same')));
  });

  it('follows Bayes’ rule where it is seen: a point mass', () => {
    fc.assert(fc.property(randomModels({ hidden: false }), many.count, many.seed, (random, count, seed) => agreesWithBayes(random, precision, count, seed, 'same')));
  });

  it('follows the model of the cloud that the caller names, for all or lane by lane', () => {
    const which = fc.constantFrom('same' as const, 'each' as const);
    fc.assert(fc.property(randomModels({ models: 3 }), many.count, many.seed, which, (random, count, seed, name) => agreesWithBayes(random, precision, count, seed, name)));
  });

  it('is as many trackers', () => {
    const model = energy('pomdp');
    const count = 50;
    const batch = new BeliefBatch(model, { count, precision });
    const trackers = Array.from({ length: count }, () => new BeliefTracker(model));
    const choose = choices(7);
    for (let step = 0; step < 5; step++) {
      const { actions, observations } = inputs(model, count, choose);
      const { logLikelihoods } = batch.update(actions, observations);
      trackers.forEach((tracker, lane) => {
        if (logLikelihoods[lane] === -Infinity) expect(() => tracker.update(actions[lane]!, observations[lane]!)).toThrow(expect.objectContaining({ code: 'IMPOSSIBLE_OBSERVATION' }));
        else expect(Math.abs(Math.log(tracker.update(actions[lane]!, observations[lane]!)) - logLikelihoods[lane]!)).toBeLessThan(TOLERANCE[precision] * 10);
        expectClose(batch.belief(lane), tracker.belief(), TOLERANCE[precision]);
      });
    }
  });

  it('gives the same numbers for any number of threads and any SIMD level', () => {
    const model = energy('pomdp');
    // Enough for several pieces of parallel work, and a last block that is not full.
    const count = 10_007;
    const run = (options: object) => {
      const choose = choices(3);
      const batch = new BeliefBatch(model, { count, precision, ...options });
      const likelihoods = [0, 1, 2].map(() => {
        const { actions, observations } = inputs(model, count, choose);
        return batch.update(actions, observations).logLikelihoods;
      });
      return digest(...likelihoods, batch.beliefs());
    };
    const one = run({ threads: 1 });
    for (const options of [{}, { threads: 2 }, { threads: 5 }, { level: 'baseline' }, { level: 'avx2', threads: 1 }]) expect(run(options)).toEqual(one);
  });

  it('has the arrays of its precision', () => {
    expect(new BeliefBatch(energy('pomdp'), { count: 3, precision }).beliefs()).toBeInstanceOf(precision === 'f32' ? Float32Array : Float64Array);
  });
});

describe('a batch of beliefs', () => {
  const model = energy('pomdp');

  /** A batch after one update, so that no belief is the start. */
  function moved(count: number) {
    const batch = new BeliefBatch(model, { count });
    const possible = Int32Array.from({ length: count }, () => 4);
    expect(batch.update(new Uint8Array(count), possible).impossible).toBe(0);
    return batch;
  }

  it('goes back to the start in the lanes of a mask, or in all', () => {
    const batch = moved(20);
    const before = batch.belief(1);
    batch.reset(Uint8Array.from({ length: 20 }, (_, lane) => (lane % 2 === 0 ? 255 : 0)));
    expect(batch.belief(0)).toEqual(model.start());
    expect(batch.belief(1)).toEqual(before);
    expect(before).not.toEqual(model.start());
    batch.reset();
    expect(batch.belief(1)).toEqual(model.start());
  });

  it('takes a belief, and only a distribution', () => {
    const batch = moved(20);
    const point = Float64Array.from({ length: model.states }, (_, s) => Number(s === 2));
    batch.set(17, point);
    expect(batch.belief(17)).toEqual(point);
    expect(() => batch.set(17, new Float64Array(model.states))).toThrow(/distribution/);
    expect(() => batch.set(20, point)).toThrow(/lane: 20/);
  });

  it('fills the caller’s array, and takes actions of any kind', () => {
    const logLikelihoods = new Float64Array(3);
    const observations = new Int32Array([1, 2, 3]);
    const results = [new Uint8Array([0, 1, 2]), new Uint32Array([0, 1, 2]), [0, 1, 2]].map((actions) => {
      const { logLikelihoods: out } = new BeliefBatch(model, { count: 3 }).update(actions, observations, { logLikelihoods });
      expect(out).toBe(logLikelihoods);
      return [...out];
    });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  const bytes = new Uint8Array(3);
  const seen = new Int32Array(3);
  const memory = new ArrayBuffer(24);
  it.each<[string, (batch: BeliefBatch) => unknown, RegExp]>([
    ['an action that does not exist', (b) => b.update(new Uint8Array([0, 9, 0]), seen), /action 9 of lane 1/],
    ['an action beyond a byte', (b) => b.update([0, 0, 256], seen), /action 256 of lane 2/],
    ['an action that is no whole number', (b) => b.update([0, 0.5, 0], seen), /action 0\.5 of lane 1/],
    ['an observation that does not exist', (b) => b.update(bytes, new Int32Array([0, 0, model.observations])), /observation \d+ of lane 2/],
    ['a negative observation', (b) => b.update(bytes, new Int32Array([-1, 0, 0])), /observation -1 of lane 0/],
    ['too few actions', (b) => b.update(new Uint8Array(2), seen), /actions: 2 elements where 3/],
    ['observations of another type', (b) => b.update(bytes, new Uint8Array(3) as unknown as Int32Array), /observations: expected a Int32Array, not a Uint8Array/],
    ['a model that does not exist', (b) => b.update(bytes, seen, { models: 1 }), /model: 1/],
    ['a model that does not exist, in one lane', (b) => b.update(bytes, seen, { models: new Uint32Array([0, 1, 0]) }), /model 1 of lane 1/],
    ['views of the same memory', (b) => b.update(bytes, new Int32Array(memory, 0, 3), { logLikelihoods: new Float64Array(memory) }), /same memory/],
    ['a mask of another length', (b) => b.reset(new Uint8Array(2)), /mask: 2/],
  ])('says what is wrong with %s, and changes nothing', (_, call, message) => {
    const batch = moved(3);
    const before = batch.beliefs();
    expect(() => call(batch)).toThrow(expect.objectContaining({ name: 'TiresiasError', code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }));
    expect(batch.beliefs()).toEqual(before);
  });

  it('needs to know which model of a cloud updates it', () => {
    expect(() => new BeliefBatch(energy('apomdp'), { count: 3 }).update(bytes, seen)).toThrow(/cloud of 3 models: option models/);
  });

  it.each([
    [{ count: 0 }, /count: 0/],
    [{ count: 3, precison: 'f32' }, /"precison"; did you mean precision\?/],
    [{ count: 3, precision: 'f16' }, /f64 or f32/],
    [{ count: 4e9 }, /^4000000000 beliefs .* would take at least .* of memory; keep fewer beliefs/],
    [{}, /count/],
  ])('is not made of %j', (options, message) => {
    expect(() => new BeliefBatch(model, options as { count: number })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }));
  });
});
