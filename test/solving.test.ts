// Batches of solves, clouds of files, and what a policy does told in words.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Model, classicModel, drawTask, explain, explanationInWords, solveBatch, solveEach, solveSync, solvers } from '../src/index.js';
import { SOLVER_ALIASES, SOLVER_NAMES } from '../src/solvers.js';
import { tiger, tiresias } from './support.js';

const task = (index: number, regime: 'mdp' | 'pomdp' | 'apomdp' = 'apomdp', horizon = 5) => drawTask('energy', { index, seed: 1, regime, horizon }).model;

const cloudOf = (...accuracies: number[]) => Model.cloud(accuracies.map((accuracy) => Model.parse(tiger(accuracy), { horizon: 6 }).model));

let folder: string | undefined;
const run = (...args: string[]) => tiresias(args, folder === undefined ? {} : { cwd: folder });

describe('solvers by name', () => {
  it('are one list in the core, the types and the command line', () => {
    expect([...SOLVER_NAMES]).toEqual(['auto', ...solvers().map(({ name }) => name)]);
    expect([...SOLVER_ALIASES]).toEqual(solvers().flatMap(({ aliases }) => aliases));
    const declared = readFileSync(new URL('../native/index.d.cts', import.meta.url), 'utf8').match(/\n {2}solver\?: (.*)/)![1]!;
    expect(declared.split(' | ').map((word) => word.replaceAll("'", '')).sort()).toEqual([...SOLVER_NAMES, ...SOLVER_ALIASES].sort());
  });

  it('are called so in what they return, and one that does not treat a model says what it treats', async () => {
    const models = [classicModel('tiger'), drawTask('energy', { index: 0, horizon: 4 }).model, Model.parse('discount: 0.9\nvalues: reward\nstates: 2\nactions: 2\nT: * uniform\nR: * : 1 : * 1').model];
    for (const { name } of solvers()) {
      const treated = models.map((model) => {
        try {
          return solveSync(model, { solver: name as 'search', gap: 1, timeSeconds: 2 }).solver;
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('needs') as string });
          return undefined;
        }
      });
      expect(treated.some((used) => used === name), `${name}: ${treated.join()}`).toBe(true);
    }
    expect(() => solveSync(models[0]!, { solver: 'sarsop' as 'search' })).toThrow(/solver is auto, search, point/);
    const mdp = await run('solve', '--family', 'energy', '--solver', 'backward-induction', '--json');
    expect((JSON.parse(mdp.stdout) as { solver: string }).solver).toBe('backward-induction');
  });
});

describe('a batch of solves', () => {
  it('gives what one solve at a time gives, in the order of the models', async () => {
    const models = [task(0), task(1, 'mdp'), task(2, 'pomdp'), task(3)];
    const seen: number[] = [];
    const batch = await solveBatch(models, { gap: 0.5, onProgress: ({ done, total }) => seen.push(done / total) });
    expect(batch.map(({ model }) => model)).toEqual(models);
    for (const { model, solution } of batch) {
      const alone = solveSync(model, { gap: 0.5, threads: 1 });
      expect([solution!.lower, solution!.upper, solution!.solver]).toEqual([alone.lower, alone.upper, alone.solver]);
    }
    // Progress is told on a queue of its own, which may be read after the result.
    await vi.waitFor(() => expect(seen).toContain(1));
  });

  it('puts a model’s own error in its place', async () => {
    // The exact solver is for hidden states without ambiguity.
    const [pomdp, cloud] = await solveBatch([task(2, 'pomdp', 2), task(0, 'apomdp', 2)], { solver: 'exact' });
    expect(pomdp!.solution!.stopped).toBe('converged');
    expect(cloud!.error).toMatchObject({ name: 'TiresiasError', code: 'INVALID_ARGUMENT', message: expect.stringContaining('solver exact needs') });
    expect(cloud!.solution).toBeUndefined();
  });

  it('is empty for no models, and refuses what is none', async () => {
    expect(await solveBatch([])).toEqual([]);
    await expect(solveBatch([{} as Model])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(solveBatch([task(0)], { solver: 'magic' as 'auto' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('magic') });
    await expect(solveBatch([task(0)], { gaps: 1 } as object)).rejects.toMatchObject({ message: expect.stringContaining('gap') });
  });

  it('keeps what it has when stopped, and rejects when aborted', async () => {
    const models = Array.from({ length: 6 }, (_, i) => task(i, 'apomdp', 12));
    const stop = AbortSignal.timeout(20);
    const kept = await solveBatch(models, { gap: 1e-9, stop });
    expect(kept.every(({ solution }) => solution!.lower <= solution!.upper)).toBe(true);
    expect(kept.map(({ solution }) => solution!.stopped)).toContain('cancelled');
    await expect(solveBatch(models, { gap: 1e-9, signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('streams in order, holding a few at a time', async () => {
    let drawn = 0;
    const tasks = function* () {
      for (; drawn < 10; drawn++) yield task(drawn, 'mdp');
    };
    const found: number[] = [];
    for await (const { solution } of solveEach(tasks(), { atOnce: 3 })) {
      found.push(solution!.value);
      // No model beyond the batch under way has been asked for.
      expect(drawn).toBeLessThanOrEqual(Math.ceil(found.length / 3) * 3);
    }
    expect(found).toEqual(Array.from({ length: 10 }, (_, i) => solveSync(task(i, 'mdp')).value));
    await expect(solveEach([], { atOnce: 0 }).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('the solvers by name', () => {
  it('agree on an ambiguous model', () => {
    const [faces, plans, estimate] = (['faces', 'plans', 'estimate'] as const).map((solver) => solveSync(task(4), { gap: 0.02, solver }));
    expect([faces!.solver, plans!.solver, estimate!.solver]).toEqual(['faces', 'plans', 'estimate']);
    expect(Math.max(faces!.lower, plans!.lower)).toBeLessThanOrEqual(Math.min(faces!.upper, plans!.upper) + 1e-9);
    expect(plans!.upper - plans!.lower).toBeLessThanOrEqual(0.02);
    // An estimate comes with bounds, too, which are wide.
    expect(Math.abs(estimate!.value - plans!.value)).toBeLessThan(0.03);
    expect(estimate!.lower).toBeLessThanOrEqual(plans!.upper);
  });
});

describe('many tasks on the command line', () => {
  it('are solved in order, each as alone', async () => {
    const { stdout } = await run('solve', '--family', 'energy', '--regime', 'pomdp', '--horizon', '4', '--index', '5', '--tasks', '3', '--seed', '1', '--json');
    const { tasks } = JSON.parse(stdout) as { tasks: { index: number; lower: number; value: number }[] };
    expect(tasks.map(({ index }) => index)).toEqual([5, 6, 7]);
    expect(tasks.map(({ value }) => value)).toEqual([5, 6, 7].map((index) => solveSync(task(index, 'pomdp', 4), { gap: 0.01 }).value));
  });

  it('need a family', async () => {
    expect(await run('solve', 'model.json', '--tasks', '3')).toMatchObject({ code: 2, stderr: expect.stringContaining('--family') });
    expect(await run('solve', '--tasks', '3')).toMatchObject({ code: 2, stderr: expect.stringContaining('--family') });
  });
});

describe('an explanation', () => {
  it('says what nature answers and what each model would give', () => {
    const model = cloudOf(0.85, 0.7);
    const solution = solveSync(model, { gap: 1e-6 });
    const told = explain(model, solution);
    // Worse ears are worse: with them the value is that of the tiger heard so, whatever nature's other choice.
    const alone = solveSync(Model.parse(tiger(0.7), { horizon: 6 }).model, { gap: 1e-6 });
    expect(told.actions[told.first]!.name).toBe('listen');
    expect(told.answer).toBe(1);
    expect(told.lower).toBeCloseTo(alone.lower, 5);
    const { byModel, value } = told.actions[told.first]!;
    expect(Math.min(...byModel)).toBeCloseTo(value, 9);
    expect(byModel[0]).toBeGreaterThan(byModel[1]!);
    expect(told.next.map(({ name, probability }) => [name, probability])).toEqual([['hear-left', 0.5], ['hear-right', 0.5]]);
    const words = explanationInWords(told);
    expect(words).toMatch(/begins with listen/);
    expect(words).toMatch(/Nature answers with model 1 .*the worst; the best would be model 0/);
    expect(words).toMatch(/^first action .*model 0 +model 1$/m);
  });

  it('tells every first state where the state is seen and drawn', () => {
    const told = explain(task(0, 'mdp'), solveSync(task(0, 'mdp')), { most: 4 });
    expect(told.drawn).toBe(true);
    expect(told.next).toHaveLength(4);
    // Ten levels, equally likely.
    expect(told.left).toBeCloseTo(0.6, 12);
    expect(explanationInWords(told)).toMatch(/depends on the state[^]*Other states have probability 0.6000/);
  });

  it('has nothing after the last decision', () => {
    const model = task(0, 'pomdp', 1);
    expect(explain(model, solveSync(model))).toMatchObject({ next: [], left: 0, models: 1 });
  });
});

describe('a cloud of files on the command line', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tiresias-cloud-'));
    await writeFile(join(folder!, 'sharp.pomdp'), tiger(0.85));
    await writeFile(join(folder!, 'dull.pomdp'), tiger(0.7));
    await writeFile(join(folder!, 'tame.pomdp'), tiger(0.7, -99));
  });
  afterAll(() => rm(folder!, { recursive: true }));

  it('is solved and explained, and converts to one file', async () => {
    const { stdout } = await run('solve', 'sharp.pomdp', 'dull.pomdp', '--alpha', '1', '--horizon', '6', '--explain');
    expect(stdout).toContain('apomdp: 2 states, 3 actions, 2 observations, 2 models, alpha 1, horizon 6');
    expect(stdout).toContain('It begins with listen.');
    await run('convert', 'sharp.pomdp', 'dull.pomdp', 'cloud.json', '--horizon', '6', '--alpha', '1');
    const [one, many] = await Promise.all([run('solve', 'cloud.json', '--json'), run('solve', 'sharp.pomdp', 'dull.pomdp', '--horizon', '6', '--json')]);
    const [a, b] = [one, many].map(({ stdout: text }) => JSON.parse(text) as { lower: number; model: { models: number } });
    expect(a!.lower).toBe(b!.lower);
    expect(a!.model.models).toBe(2);
  });

  it('says which file differs, and in what', async () => {
    expect(await run('solve', 'sharp.pomdp', 'tame.pomdp')).toMatchObject({ code: 2, stderr: expect.stringMatching(/tame\.pomdp: reward of state left and action open-left is -99, in sharp\.pomdp -100/) });
  });
});
