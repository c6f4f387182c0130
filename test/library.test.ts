// The typed library over the real addon.
import { describe, expect, it } from 'vitest';
import { BeliefTracker, Model, Solution, TiresiasError, Tokenizer, defaultTemplate, drawTask, families, loadPolicy, rollout, rolloutSync, solve, solveSync, version } from '../src/index.js';
import { native } from '../src/native.js';
import { baseModel } from './support.js';

const task = (regime: 'mdp' | 'pomdp' | 'apomdp', horizon = 5) => drawTask('energy', { split: 'test', index: 3, seed: 1, regime, horizon }).model;

describe('errors of the addon', () => {
  it.each<[string, () => unknown, string]>([
    ['a static method', () => Model.fromJson('{'), 'INVALID_MODEL'],
    ['a function', () => drawTask('enrgy' as 'energy', { index: 0 }), 'UNKNOWN_NAME'],
    ['a method', () => task('mdp').actionName(99), 'INVALID_ARGUMENT'],
    ['a number of threads that no machine has', () => solveSync(task('mdp'), { threads: 100_000 }), 'INVALID_ARGUMENT'],
    ['a negative number of threads', () => solveSync(task('mdp'), { threads: -1 }), 'INVALID_ARGUMENT'],
    ['a horizon that is no whole number', () => solveSync(task('mdp'), { horizon: 2.5 }), 'INVALID_ARGUMENT'],
    ['a negative number of episodes', () => rolloutSync(task('mdp'), { behaviour: 'random', episodes: -2, seed: 1 }), 'INVALID_ARGUMENT'],
    ['more episodes than memory holds', () => rolloutSync(task('mdp'), { behaviour: 'random', episodes: 4e9, seed: 1 }), 'INVALID_ARGUMENT'],
    ['a stage that is no number', () => solveSync(task('mdp')).action(NaN, task('mdp').start()), 'INVALID_ARGUMENT'],
    ['a constructor', () => new BeliefTracker(task('apomdp')), 'INVALID_ARGUMENT'],
    ['an argument of the wrong type', () => Model.fromJson(3 as unknown as string), 'INVALID_ARGUMENT'],
    ['a missing file', () => Tokenizer.fromGguf('/nonexistent.gguf'), 'FILE_NOT_FOUND'],
  ])('of %s are TiresiasErrors with a code', (_, call, code) => {
    expect(call).toThrow(TiresiasError);
    expect(call).toThrow(expect.objectContaining({ code }));
  });

  it('of an asynchronous call are rejections', async () => {
    await expect(solve(task('mdp'), { timeSeconds: -1 })).rejects.toMatchObject({ name: 'TiresiasError', code: 'INVALID_ARGUMENT' });
    await expect(rollout(task('mdp'), { behaviour: 'oracle', episodes: 1, seed: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('name the row of a model that does not sum to 1', () => {
    const text = task('mdp').toJson();
    const broken = text.replace(/0\.(\d)(\d+)/, (_, first: string, rest: string) => `0.${(Number(first) + 5) % 10}${rest}`);
    expect(broken).not.toBe(text);
    expect(() => Model.fromJson(broken)).toThrow(expect.objectContaining({ code: 'INVALID_MODEL', exitCode: 2, message: expect.stringMatching(/sum/) }));
  });
});

describe('tasks', () => {
  it('are listed by family, and drawn the same from the same request', () => {
    expect(families().map(({ name }) => name)).toContain('energy');
    expect(task('pomdp').sha256()).toBe(task('pomdp').sha256());
    expect(task('pomdp').sha256()).not.toBe(drawTask('energy', { split: 'test', index: 4, seed: 1, regime: 'pomdp', horizon: 5 }).model.sha256());
    expect([task('mdp').kind, task('pomdp').kind, task('apomdp').kind]).toEqual(['mdp', 'pomdp', 'apomdp']);
    expect(task('apomdp')).toBeInstanceOf(Model);
  });

  it('survive their JSON', () => {
    const model = task('apomdp');
    expect(Model.fromJson(model.toJson()).sha256()).toBe(model.sha256());
  });

  it('have a template', () => {
    expect(defaultTemplate('energy', 'mdp')).toMatchObject({ actionWidth: 1 });
    expect(() => defaultTemplate('energy', 'fomdp' as 'mdp')).toThrow(/mdp, pomdp or apomdp/);
  });

  it('come with the package’s version', () => {
    expect(native.version()).toBe(version);
  });
});

describe.each(['mdp', 'pomdp', 'apomdp'] as const)('solving a %s', (regime) => {
  it('gives the same bounds at once and in the background, around the value', async () => {
    const model = task(regime);
    const now = solveSync(model, { gap: 0.01 });
    const progress: number[] = [];
    const later = await solve(model, { gap: 0.01, onProgress: ({ lower, upper }) => progress.push(upper - lower) });
    expect([later.lower, later.upper]).toEqual([now.lower, now.upper]);
    expect(now.upper - now.lower).toBeLessThanOrEqual(0.01 + 1e-9);
    expect(now.lower).toBeLessThanOrEqual(now.value);
    expect(now.value).toBeLessThanOrEqual(now.upper);
    expect(now.stopped).toBe('converged');
    expect(now).toBeInstanceOf(Solution);
    for (const gap of progress) expect(gap).toBeGreaterThanOrEqual(0);
  });

  it('gives a policy that names the best action and survives its file', () => {
    const model = task(regime);
    const solution = solveSync(model, { gap: 0.01 });
    const start = model.start();
    const q = solution.qValues(0, start);
    expect(solution.action(0, start)).toBe(q.indexOf(Math.max(...q)));
    expect(solution.optimalActions(0, start, 0)).toContain(solution.action(0, start));
    expect(solution.regretBound(0, start, solution.action(0, start))).toBeLessThanOrEqual(0.01 + 1e-9);
    const loaded = loadPolicy(solution.savePolicy(), model);
    expect([...loaded.qValues(0, start)]).toEqual([...q]);
    expect(() => loadPolicy(solution.savePolicy(), drawTask('energy', { index: 9, regime, horizon: 5 }).model)).toThrow(expect.objectContaining({ code: 'INVALID_POLICY' }));
  });

  it('earns its value when it is rolled out, and more than chance', async () => {
    const model = task(regime);
    const solution = solveSync(model, { gap: 0.01 });
    const options = { behaviour: 'oracle', episodes: 4000, seed: 7, nature: regime === 'apomdp' ? 'adversarial' : 'fixed:0' } as const;
    const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;
    const oracle = rolloutSync(model, options, solution);
    expect(Math.abs(mean(oracle.returns) - solution.value)).toBeLessThan(0.35);
    const chance = await rollout(model, { ...options, behaviour: 'random' }, solution);
    expect(mean(chance.returns)).toBeLessThan(mean(oracle.returns));
    expect(oracle.actions).toHaveLength(4000 * 5);
  });
});

describe('rollouts', () => {
  it('are the same for any number of threads, and other for another seed', async () => {
    const model = task('pomdp');
    const solution = solveSync(model);
    const draw = (threads: number, seed: number) => rollout(model, { behaviour: 'epsilon:0.3', episodes: 100, seed, threads, beliefs: true }, solution);
    const [one, two, other] = [await draw(1, 5), await draw(2, 5), await draw(1, 6)];
    expect(two).toEqual(one);
    expect(other.actions).not.toEqual(one.actions);
    expect(one.beliefs).toHaveLength(100 * 5 * model.states);
  });

  it('agree with the belief tracker', () => {
    const model = task('pomdp');
    const { actions, observations, beliefs } = rolloutSync(model, { behaviour: 'random', episodes: 1, seed: 5, beliefs: true });
    const tracker = new BeliefTracker(model);
    for (let t = 0; t < 5; t++) {
      if (t > 0) expect(tracker.update(actions[t - 1]!, observations[t]!)).toBeGreaterThan(0);
      const belief = tracker.belief();
      belief.forEach((p, s) => expect(p).toBeCloseTo(beliefs![t * model.states + s]!, 12));
    }
    expect(tracker.stage).toBe(4);
    tracker.reset();
    expect([...tracker.belief()]).toEqual([...model.start()]);
  });
});

describe('a call that is given up', () => {
  it('stops early and rejects with the reason', async () => {
    const model = task('apomdp', 40);
    const controller = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 100);
    const began = performance.now();
    await expect(solve(model, { gap: 1e-9, timeSeconds: 60, signal: controller.signal })).rejects.toBe(reason);
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('before it began does not begin', async () => {
    const signal = AbortSignal.abort();
    await expect(solve(task('mdp'), { signal })).rejects.toMatchObject({ name: 'AbortError' });
    await expect(rollout(task('mdp'), { behaviour: 'random', episodes: 1, seed: 0, signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('the tokenizer', () => {
  it('splits every digit and gives the text back', () => {
    const tokenizer = Tokenizer.fromGguf(baseModel());
    const ids = tokenizer.encode('mdp\n#\n12,0,35\n');
    expect(tokenizer.decode(ids)).toBe('mdp\n#\n12,0,35\n');
    const digits = tokenizer.encode('0123456789');
    expect(digits).toHaveLength(10);
    expect(tokenizer.sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});
