// The static form: one model of the cloud is true to the end. The core is held against enumeration in crates/solve/tests/static_form.rs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Model, drawTask, loadStatic, playStatic, solveStatic, type StaticSolution } from '../src/index.js';
import { scratch, tiresias } from './support.js';

const file = fileURLToPath(new URL('../examples/two-environments.json', import.meta.url));
const text = readFileSync(file, 'utf8');
type Written = { dynamics: { transition: Record<string, number>[][] }[]; states: string[]; actions: string[]; reward: { state_action: number[][] } };
const written = JSON.parse(text) as Written;
const toy = Model.fromJson(text);

/** What a player earns from a state on if model `m` is true: every course of events, by the model file itself. */
function earned(m: number, solution: StaticSolution, draw: number): number {
  const from = (state: string, seen: readonly number[], probability: number): number => {
    if (seen.length === 4) return 0;
    const player = playStatic(solution, draw);
    seen.forEach((observation) => player.observe(observation));
    const { action } = player;
    const reward = written.reward.state_action[action]![written.states.indexOf(state)]!;
    const moves = Object.entries(written.dynamics[m]!.transition[action]![written.states.indexOf(state)]!);
    return probability * reward + moves.reduce((sum, [to, p]) => sum + from(to, [...seen, to === 'right' ? 1 : 0], probability * p), 0);
  };
  return from('start', [], 1);
}

describe('the static form', () => {
  it('is worth what was published for the toy, and whoever plays it earns that', async () => {
    const solution = await solveStatic(toy, { gap: 1e-6 });
    expect(solution.lower).toBeCloseTo(76.25, 6);
    expect(solution.upper).toBeCloseTo(76.25, 6);
    expect([solution.pure.lower, solution.pure.upper].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([70, 70]);
    expect(solution.prior.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    for (const m of [0, 1]) {
      let [from, mean] = [0, 0];
      for (const { probability } of solution.mixture) {
        mean += probability * earned(m, solution, from + probability / 2);
        from += probability;
      }
      expect(mean).toBeCloseTo(solution.worth[m]!, 9);
      expect(mean).toBeGreaterThanOrEqual(solution.lower - 1e-9);
    }
  });

  it('takes attitudes, horizons and limits, and says no to what it has not', async () => {
    expect((await solveStatic(toy, { alpha: 0.25, gap: 1e-6 })).lower).toBeCloseTo(105, 6);
    expect((await solveStatic(toy, { horizon: 1 })).upper).toBeCloseTo(0, 9);
    const wrong = (options: object, message: RegExp) => expect(solveStatic(toy, options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) as string });
    await wrong({ solver: 'exact' }, /solver/);
    await wrong({ gap: -1 }, /gap/);
    const stop = AbortSignal.abort();
    expect((await solveStatic(toy, { stop, gap: 0 })).stopped).toBe('cancelled');
    await expect(solveStatic(toy, { signal: stop })).rejects.toThrow(/abort/);
    const robust = Model.fromJson(readFileSync(fileURLToPath(new URL('../examples/robust-machine.json', import.meta.url)), 'utf8'));
    await expect(solveStatic(robust)).rejects.toThrow(/cloud/);
  });

  it('is between what the worst model alone is worth and what any plan earns, for drawn tasks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(500), fc.constantFrom('mdp', 'apomdp'), fc.integer({ min: 1, max: 6 }), async (index, regime, horizon) => {
        const { model } = drawTask('energy', { index, regime, horizon, models: 3 });
        const solution = await solveStatic(model, { gap: 1e-3 });
        expect(solution.upper - solution.lower).toBeLessThanOrEqual(1e-3);
        expect(solution.lower).toBeCloseTo(Math.min(...solution.worth), 9);
        expect(solution.pure.lower).toBeLessThanOrEqual(solution.upper + 1e-9);
        // A document is as good as its plans.
        const again = loadStatic(JSON.stringify({ ...solution, lower: 1e6, worth: solution.worth.map(() => 1e6) }), model);
        expect(again.lower).toBeCloseTo(solution.lower, 9);
      }),
      { numRuns: 25, seed: 1 },
    );
  });

  it('players and documents that do not fit are refused', async () => {
    const solution = await solveStatic(toy);
    expect(() => playStatic(solution, 1)).toThrow(/draw 1/);
    const player = playStatic(solution, 0);
    expect(() => player.observe(2)).toThrow(/no observation 2/);
    [0, 0, 0, 0].forEach((seen) => player.observe(seen));
    expect(() => player.action).toThrow(/horizon/);
    expect(() => loadStatic('{', toy)).toThrow(expect.objectContaining({ code: 'INVALID_POLICY' }));
    expect(() => loadStatic(JSON.stringify(solution), toy.with(3))).toThrow(/sha256/);
    const { model } = drawTask('energy', { index: 0, regime: 'mdp', horizon: 2 });
    expect(() => playStatic({ mixture: [{ probability: 1, plan: { worth: [0], controllers: [{ state: 3, controller: { stages: [] } }] } }] }, 0, 2)).toThrow(/state 2/);
    expect(playStatic(await solveStatic(model), 0, 9).action).toBeLessThan(3);
  });

  it('is asked for by --nature episode', async () => {
    const out = join(scratch(), 'plans.json');
    const { code, stdout } = await tiresias(['solve', file, '--nature', 'episode', '--policy-out', out, '--json']);
    expect(code).toBe(0);
    const said = JSON.parse(stdout) as { nature: string; lower: number; pure: { lower: number }; mixture: { first: string }[] };
    expect([said.nature, Math.round(said.lower * 1e6) / 1e6, Math.round(said.pure.lower)]).toEqual(['episode', 76.25, 70]);
    expect(loadStatic(readFileSync(out, 'utf8'), toy).lower).toBeCloseTo(76.25, 9);
    expect((await tiresias(['solve', file, '--nature', 'episode'])).stdout).toMatch(/plans, drawn once\s+0\.750: go first, 7 nodes, earns 62\.5, 82\.5/);
    for (const options of [['--explain'], ['--solver', 'exact'], ['--bounds-plot', out]]) {
      const refused = await tiresias(['solve', file, '--nature', 'episode', ...options]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(options[0]!)]);
    }
    const tasks = await tiresias(['solve', '--family', 'energy', '--tasks', '2', '--nature', 'episode']);
    expect([tasks.code, tasks.stderr]).toEqual([2, expect.stringContaining('--tasks')]);
  });
});
