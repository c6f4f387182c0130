// One decision from one backup is what the single questions say, and one model needs no answer of nature's.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BeliefTracker, classicModel, drawTask, solveSync } from '../src/index.js';

const runs = (short: number) => ({ numRuns: process.env['TIRESIAS_PROMISES'] === 'full' ? 20 * short : short });

/** A belief from weights, some of them 0. */
const belief = (states: number) =>
  fc.array(fc.integer({ min: 0, max: 5 }), { minLength: states, maxLength: states }).map((weights) => {
    const sum = weights.reduce((a, b) => a + b, 0);
    return Float64Array.from(weights, (w) => (sum === 0 ? 1 / states : w / sum));
  });

describe('decide', () => {
  it.each([
    ['a POMDP', classicModel('tiger').with(4)],
    ['a POMDP without a horizon', classicModel('4x3')],
    ['a cloud', drawTask('energy', { index: 1, regime: 'apomdp', horizon: 3 }).model],
    ['an MDP', drawTask('energy', { index: 1, horizon: 4 }).model],
  ])('is what action, bounds, regretBound and qValues say of %s', (_, model) => {
    const solution = solveSync(model, { gap: 0.2, timeSeconds: 1 });
    fc.assert(fc.property(fc.nat((model.horizon ?? 3) - 1), belief(model.states), (stage, b) => {
      const { action, lower, upper, regretBound, qValues } = solution.decide(stage, b);
      expect(action).toBe(solution.action(stage, b));
      expect([lower, upper]).toEqual([...solution.bounds(stage, b)]);
      expect(regretBound).toBe(solution.regretBound(stage, b, action));
      expect(qValues).toEqual(solution.qValues(stage, b));
    }), runs(50));
  });
});

describe('a belief tracker', () => {
  it('believes the same with a solution of one model as without', () => {
    const model = classicModel('maze:hallway');
    const solution = solveSync(model, { timeSeconds: 0.3 });
    const [asked, free] = [new BeliefTracker(model, solution), new BeliefTracker(model)];
    const spent = [0, 0];
    for (let i = 0; i < 300; i++) {
      const action = i % model.actions;
      const [next] = model.successors(free.belief(), action, 0, 1);
      [asked, free].forEach((tracker, t) => {
        const begin = performance.now();
        tracker.update(action, next!.observation);
        spent[t]! += performance.now() - begin;
      });
      expect(asked.belief()).toEqual(free.belief());
    }
    // It asked nature, at hundreds of times the price of the update; an update is microseconds.
    expect(spent[0]).toBeLessThan(20 * spent[1]! + 5);
  });

  it('forgets which model updated it when it starts again', () => {
    const { model } = drawTask('energy', { index: 2, regime: 'apomdp', horizon: 6 });
    const solution = solveSync(model, { gap: 0.5, timeSeconds: 1 });
    const tracker = new BeliefTracker(model, solution);
    for (let action = 0, stage = 0; tracker.model === 0 && stage < 6; action = (action + 1) % model.actions, stage++) {
      const seen = Array.from({ length: model.models }, (_, m) => model.successors(tracker.belief(), action, m, 1)[0]!.observation);
      tracker.update(action, seen.at(-1)!);
    }
    expect(tracker.model, 'another model updated it').not.toBe(0);
    tracker.reset();
    expect([tracker.stage, tracker.model]).toEqual([0, 0]);
    expect(tracker.belief()).toEqual(model.start());
  });
});
