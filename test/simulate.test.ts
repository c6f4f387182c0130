// What policies earn in clouds: against rollouts, which meet the same random numbers, and against what is computed.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AlphaPolicy, Model, drawTask, robustness, rolloutSync, simulate, solveSync, type Nature } from '../src/index.js';
import { scratch, tiresias } from './support.js';

const { model } = drawTask('energy', { index: 2, regime: 'apomdp', horizon: 3 });
const solution = solveSync(model, { gap: 1e-3 });
const { model: seen } = drawTask('energy', { index: 2, regime: 'mdp', horizon: 3 });

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe('simulate', () => {
  it.each(['fixed:0', 'fixed:2', 'resampled', 'adversarial'] as const)('plays the episodes of rollouts under %s nature', async (nature) => {
    const episodes = 500;
    const rollouts = rolloutSync(model, { behaviour: 'oracle', episodes, seed: 3, nature, record: [] }, solution);
    const [one, two] = await Promise.all([1, 2].map((threads) => simulate(model, solution, { episodes, seed: 3, nature, threads })));
    expect(one!.mean).toBeCloseTo(mean(rollouts.returns), 9);
    expect(two).toMatchObject({ mean: one!.mean, deviation: one!.deviation, decisions: episodes * 3 });
    expect(one).toMatchObject({ truncationLow: 0, truncationHigh: 0, steps: 3 });
  });

  it('lets a solution answer for nature against random actions', async () => {
    const options = { episodes: 500, seed: 3, nature: 'adversarial' } as const;
    const rollouts = rolloutSync(model, { ...options, behaviour: 'random', record: [] }, solution);
    expect((await simulate(model, 'random', { ...options, adversary: solution })).mean).toBeCloseTo(mean(rollouts.returns), 9);
    await expect(simulate(model, 'random', options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('adversary') });
  });

  it('says what is wrong', async () => {
    const wrong = async (options: object, code: string, text: string, policy: unknown = solution) =>
      expect(simulate(model, policy as 'random', { episodes: 1, ...options })).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
    await wrong({ nature: 'fixed:3' }, 'INVALID_ARGUMENT', 'M < 3');
    await wrong({ nature: 'kind' }, 'INVALID_ARGUMENT', 'kind');
    await wrong({ natur: 'fixed:0' }, 'INVALID_ARGUMENT', 'did you mean nature');
    await wrong({ adversary: {} }, 'INVALID_ARGUMENT', 'solution');
    await wrong({ adversary: solveSync(seen) }, 'INVALID_POLICY', 'the solution is of model');
    await wrong({ steps: 4 }, 'INVALID_ARGUMENT', 'steps');
    await wrong({ episodes: 0 }, 'INVALID_ARGUMENT', 'episodes');
    await wrong({}, 'INVALID_POLICY', 'the solution is of model', solveSync(seen));
  });
});

describe('robustness', () => {
  it('has a row for every nature, as simulate has it, and values that the intervals hold', async () => {
    const options = { episodes: 2000, seed: 1 };
    const table = await robustness(model, solution, { ...options, exactUpdates: 1e6 });
    expect(table).toMatchObject({ episodes: 2000, steps: 3, decisions: 5 * 2000 * 3 });
    const rows = { 'fixed:0': table.fixed[0], 'fixed:1': table.fixed[1], 'fixed:2': table.fixed[2], resampled: table.resampled, adversarial: table.adversarial };
    for (const [nature, row] of Object.entries(rows)) {
      expect(row).toMatchObject({ mean: (await simulate(model, solution, { ...options, nature: nature as Nature })).mean });
      // Twice the 95 % interval: 1 of 10,000 such rows misses by chance, and the seed is fixed.
      expect(Math.abs(row!.exact! - row!.mean)).toBeLessThan(row!.high - row!.low);
    }
    const exact = table.fixed.map((row) => row.exact!);
    expect(table.worst).toMatchObject({ exact: Math.min(...exact), model: exact.indexOf(Math.min(...exact)) });
    expect(table.worst.low).toBeLessThan(Math.min(...exact));
    expect(table.worst.high).toBeGreaterThan(Math.min(...exact));
    expect(table.average.exact).toBeCloseTo(mean(exact), 12);
    // The oracle's own nature is its best response, up to the gap.
    expect(table.adversarial!.exact!).toBeCloseTo(solution.value, 2);
    expect(table.response!).toBeLessThanOrEqual(solution.upper + 1e-9);
    expect(table.response!).toBeGreaterThan(solution.lower - 0.01);
  });

  it('leaves out what cannot be computed or played', async () => {
    const options = { episodes: 20 };
    const random = await robustness(model, 'random', options);
    expect([random.response, random.adversarial]).toEqual([undefined, undefined]);
    expect(random.fixed.every((row) => row.exact !== undefined)).toBe(true);
    const sampled = await robustness(model, solution, { ...options, exactUpdates: 0 });
    expect([sampled.response, sampled.worst.exact, sampled.resampled.exact]).toEqual([undefined, undefined, undefined]);
    await expect(robustness(model, solution, { ...options, exactUpdates: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('exactUpdates') });
  });

  it('takes α-vectors, whose beliefs model 0 updates unless an adversary answers', async () => {
    const vectors = AlphaPolicy.parse(`0\n${Array(model.states).fill(1).join(' ')}\n`, model);
    const alone = await robustness(model, vectors, { episodes: 50 });
    expect(alone.adversarial).toBeUndefined();
    const answered = await robustness(model, vectors, { episodes: 50, adversary: solution });
    expect(answered.adversarial).toBeDefined();
    // Always the first action: beliefs do not matter, so neither does who updates them.
    expect(answered.fixed).toEqual(alone.fixed);
  });

  it('stops and reports', async () => {
    await expect(robustness(model, solution, { episodes: 1e6, signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ name: 'TimeoutError' });
    const seenByUs: number[] = [];
    await robustness(model, solution, { episodes: 100, onProgress: ({ done, total }) => seenByUs.push(done / total) });
    expect(seenByUs.at(-1)).toBe(1);
  });
});

describe('tiresias simulate', () => {
  /** The cloud, its policy, and α-vectors that always take the first action, as files. */
  const files = (): [string, string, string] => {
    const folder = scratch();
    const file = (name: string, bytes: Uint8Array | string) => {
      writeFileSync(join(folder, name), bytes);
      return join(folder, name);
    };
    return [file('cloud.json', model.toJson()), file('policy.json', solution.savePolicy()), file('p.alpha', `0\n${Array(model.states).fill(1).join(' ')}\n`)];
  };

  it('prints a table of a cloud', async () => {
    const [cloud, policy] = files();
    const { code, stdout, stderr } = await tiresias(['simulate', cloud, '--policy', policy, '--episodes', '500']);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    for (const row of [/^nature +mean return +95 % interval +exact$/m, /^fixed:2 +[\d.]+ +\[/m, /^worst fixed +fixed:\d/m, /^best response +[\d.]+$/m, /^α-maxmin value +in \[/m]) expect(stdout).toMatch(row);
    const json = JSON.parse((await tiresias(['simulate', cloud, '--policy', policy, '--episodes', '500', '--nature', 'all', '--json'])).stdout) as Record<string, unknown>;
    const table = await robustness(Model.fromJson(readFileSync(cloud, 'utf8')), solution, { episodes: 500 });
    expect(json).toMatchObject({ nature: 'all', bounds: [solution.lower, solution.upper], bestResponse: table.response, worst: { model: table.worst.model } });
    expect((json['fixed'] as { meanReturn: number }[]).map((row) => row.meanReturn)).toEqual(table.fixed.map((row) => row.mean));
  });

  it('plays one nature, and refuses an adversary that does not answer', async () => {
    const [cloud, policy, vectors] = files();
    const one = await tiresias(['simulate', cloud, '--policy', 'random', '--nature', 'adversarial', '--adversary', policy, '--episodes', '100']);
    expect([one.code, one.stdout]).toEqual([0, expect.stringMatching(/^nature +adversarial$/m)]);
    const bad = await tiresias(['simulate', cloud, '--policy', 'random', '--adversary', vectors]);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('do not answer for nature')]);
    const none = await tiresias(['simulate', cloud, '--policy', vectors, '--nature', 'adversarial']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('adversary')]);
  });
});
