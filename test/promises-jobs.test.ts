// Asynchronous calls have threads of their own: they end when the process, the worker thread or the caller does, and files never wait
// for them. What is promised is 0.1 s for an abort and 0.2 s for an end; the tests allow ten times as much for a loaded machine, and
// more for an end: a killed thread dies when it next runs, and threads that stand back wait long where others keep every core busy.
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import {
  BeliefTracker, TiresiasError, classicModel, compactTokenizer, configure, createEpisodes, defaultTemplate, drawTask, jobs, makeShard, robustness, rollout, simulate, solve, solveBatch, solveSync,
} from '../src/index.js';
import type { EpisodesSpec, ShardSpec } from '../src/index.js';
import { root, scratch } from './support.js';

const library = pathToFileURL(join(root, 'dist', 'index.js')).href;

const ABORT_MS = 1000;
const END_MS = 5000;

const study = {
  family: 'energy', split: 'train', seed: 1, regime: 'apomdp', horizon: 10, models: 3, alpha: 1, nature: 'fixed', support: { trajectories: 5, behaviour: 'oracle' }, query: { behaviour: 'epsilon:0.2' }, solver: { gap: 0.01, timeSeconds: null },
  template: null, examplesPerTask: 8, threads: 2, firstTask: 0,
};

/** Calls that go on for much longer than any test waits. */
const LONG = `
  const tag = T.classicModel('tag');
  const energy = T.drawTask('energy', { index: 3, regime: 'apomdp' }).model;
  const tokenizer = T.compactTokenizer([T.defaultTemplate('energy', 'apomdp')]);
  const long = {
    solve: () => T.solve(tag, { gap: 1e-9, timeSeconds: 60 }),
    rollout: () => T.rollout(tag, { behaviour: 'random', episodes: 5e6, seed: 1, horizon: 100, record: [] }),
    batch: () => T.solveBatch(Array.from({ length: 3000 }, () => tag), { gap: 1e-9, timeSeconds: 60 }),
    dataset: () => T.makeShard({ ...${JSON.stringify(study)}, tasks: 100000, format: 'jsonl' }, tokenizer, process.cwd() + '/shard.jsonl'),
  };
`;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the end of a process', () => {
  it.each(['solve', 'rollout', 'batch', 'dataset'])('does not wait for a %s', async (kind) => {
    const code = `import * as T from '${library}'; ${LONG} long['${kind}']().catch(() => {}); setTimeout(() => { process.stdout.write(String(Date.now())); process.exit(7); }, 500);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: scratch(), stdio: ['ignore', 'pipe', 'inherit'] });
    let at = '';
    child.stdout.on('data', (text: Buffer) => (at += text.toString()));
    const exit = await new Promise((resolve) => child.once('close', (status, signal) => resolve(signal ?? status)));
    expect(exit).toBe(7);
    expect(Date.now() - Number(at)).toBeLessThan(END_MS);
  });

  it('nor does the end of a worker thread, whose calls stop', async () => {
    const code = `import * as T from '${library}'; import { parentPort } from 'node:worker_threads'; ${LONG} for (const start of Object.values(long)) start().catch(() => {}); setTimeout(() => parentPort.postMessage('running'), 500);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    expect(jobs().running).toBeGreaterThan(0);
    const began = performance.now();
    await worker.terminate();
    expect(performance.now() - began).toBeLessThan(END_MS);
    for (let waited = 0; jobs().running + jobs().queued > 0; waited += 20) {
      expect(waited).toBeLessThan(END_MS);
      await sleep(20);
    }
  });

  it('leaves a process without calls as soon as its last promise is settled', async () => {
    const code = `import * as T from '${library}'; await T.solve(T.classicModel('tiger'), { gap: 1 }); console.log(T.jobs().done);`;
    const { stdout } = await new Promise<{ stdout: string }>((resolve, reject) =>
      execFile(process.execPath, ['--input-type=module', '-e', code], { timeout: 9000, env: { ...process.env, TIRESIAS_WORKERS: '3' } }, (error, out) => (error ? reject(error) : resolve({ stdout: out }))),
    );
    expect(stdout.trim()).toBe('1');
  });
});

describe('an abort is heard', () => {
  const tag = classicModel('tag');
  const hallway = classicModel('maze:hallway');
  const energy = drawTask('energy', { index: 3, regime: 'apomdp', horizon: 10 }).model;
  const tokenizer = compactTokenizer([defaultTemplate('energy', 'apomdp')]);
  const solved = solveSync(hallway, { timeSeconds: 1, gap: 1e-4 });
  const robust = solveSync(energy, { gap: 0.05, timeSeconds: 1 });
  const kinds: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    solve: (signal) => solve(tag, { gap: 1e-9, signal }),
    rollout: (signal) => rollout(tag, { behaviour: 'random', episodes: 5e6, seed: 1, horizon: 100, record: [], signal }),
    'rollout of an MDP': (signal) => rollout(classicModel('4x3'), { behaviour: 'random', episodes: 1, seed: 1, horizon: 2 ** 32 - 1, record: [], signal }),
    'rollout of a slow oracle': (signal) => rollout(hallway, { behaviour: 'oracle', episodes: 1e5, seed: 1, horizon: 100, record: [], signal }, solved),
    'rollout that reports': (signal) => rollout(hallway, { behaviour: 'oracle', episodes: 1e5, seed: 1, horizon: 100, record: [], signal, onProgress: () => {} }, solved),
    simulate: (signal) => simulate(hallway, solved, { episodes: 1e6, seed: 1, signal }),
    robustness: (signal) => robustness(energy, robust, { episodes: 1e7, seed: 1, signal }),
    batch: (signal) => solveBatch(Array.from({ length: 1000 }, () => tag), { gap: 1e-9, signal }),
    dataset: (signal) => makeShard({ ...study, tasks: 100_000, format: 'jsonl' } as unknown as ShardSpec, tokenizer, join(scratch(), 'shard.jsonl'), { signal }),
    episodes: (signal) => createEpisodes({ ...study, tasks: 100_000, episodesPerTask: 10, epsilon: 0.01 } as unknown as EpisodesSpec, { signal }),
    'promise of a policy that never settles': (signal) => rollout(hallway, { policy: () => new Promise(() => {}), episodes: 4, horizon: 3, seed: 1, signal }),
  };

  it.each(Object.keys(kinds))('by a %s', async (kind) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let at = 0;
    setTimeout(() => {
      at = performance.now();
      controller.abort(reason);
    }, 300);
    await expect(kinds[kind]!(controller.signal)).rejects.toBe(reason);
    expect(at).toBeGreaterThan(0);
    expect(performance.now() - at).toBeLessThan(ABORT_MS);
  });
});

describe('the queue', () => {
  const tag = classicModel('tag');
  const { workers } = jobs();
  afterEach(() => configure({ workers }));

  it('runs as many calls as there are workers, and drops the others when they are aborted', async () => {
    configure({ workers: 2 });
    expect(jobs()).toMatchObject({ workers: 2, running: 0, queued: 0 });
    const { done } = jobs();
    const [ending, dropped] = [new AbortController(), new AbortController()];
    const running = [0, 1].map(() => solve(tag, { gap: 1e-9, threads: 1, stop: ending.signal }));
    const waiting = [0, 1, 2].map(() => solve(tag, { gap: 1e-9, threads: 1, signal: dropped.signal }));
    while (jobs().running < 2) await sleep(5);
    expect(jobs()).toMatchObject({ running: 2, queued: 3 });
    const began = performance.now();
    dropped.abort(new Error('dropped'));
    for (const outcome of await Promise.allSettled(waiting)) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'dropped' } });
    expect(performance.now() - began).toBeLessThan(ABORT_MS);
    expect(jobs()).toMatchObject({ running: 2, queued: 0 });
    ending.abort();
    for (const solution of await Promise.all(running)) expect(solution.stopped).toBe('cancelled');
    while (jobs().running > 0) await sleep(5);
    expect(jobs().done).toBe(done + 5);
  });

  it('lets a call that is told to stop before its turn hand over what it has', async () => {
    configure({ workers: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const running = solve(tag, { gap: 1e-9, threads: 1, stop: first.signal });
    const waiting = solve(tag, { gap: 1e-9, threads: 1, stop: second.signal });
    while (jobs().running < 1 || jobs().queued !== 1) await sleep(5);
    second.abort();
    const solution = await waiting;
    expect(solution.stopped).toBe('cancelled');
    expect(solution.lower).toBeLessThanOrEqual(solution.upper);
    expect(jobs().running).toBe(1);
    first.abort();
    await running;
  });

  it('refuses what is no width', () => {
    for (const wrong of [0, -1, 1.5, NaN, 1e9]) expect(() => configure({ workers: wrong })).toThrow(TiresiasError);
    expect(() => configure({})).toThrow(/workers/);
  });

  it('leaves files alone', async () => {
    const slowest = async (ms: number) => {
      let most = 0;
      for (const end = performance.now() + ms; performance.now() < end; await sleep(5)) {
        const began = performance.now();
        await readFile(join(root, 'package.json'));
        most = Math.max(most, performance.now() - began);
      }
      return most;
    };
    const stop = new AbortController();
    const solves = Array.from({ length: 8 }, () => solve(tag, { gap: 1e-9, stop: stop.signal }));
    // On libuv's pool it took as long as the solves.
    expect(await slowest(2000)).toBeLessThan(1000);
    stop.abort();
    await Promise.all(solves);
  });
});

describe.runIf(process.platform === 'linux')('threads', () => {
  it('of rollouts are no more than the last ones need, whatever was asked for before', async () => {
    const code = `
      import * as T from '${library}'; import { readdirSync } from 'node:fs'; import { availableParallelism } from 'node:os';
      const count = () => readdirSync('/proc/self/task').length, model = T.classicModel('maze:hallway'), before = count(), most = Math.max(32, 4 * availableParallelism());
      for (let threads = 1; threads <= 60; threads++) T.rolloutSync(model, { behaviour: 'random', episodes: 100, horizon: 5, seed: 1, threads });
      for (let i = 0; i < 3; i++) T.solveSync(model, { solver: 'point', gap: 1, timeSeconds: 0.2, threads: 8 });
      for (let i = 0; i < 100 && count() > before + most; i++) await new Promise((r) => setTimeout(r, 50));
      console.log(count() - before - most);`;
    const stdout = await new Promise<string>((resolve, reject) => execFile(process.execPath, ['--input-type=module', '-e', code], (error, out) => (error ? reject(error) : resolve(out))));
    expect(Number(stdout)).toBeLessThanOrEqual(0);
  });
});

describe('past the horizon', () => {
  it('there is nothing to decide, and that is said', () => {
    const model = drawTask('energy', { index: 3, regime: 'apomdp', horizon: 2 }).model;
    const solution = solveSync(model, { gap: 1, timeSeconds: 1 });
    const tracker = new BeliefTracker(model, solution);
    const any = () => {
      for (let observation = 0; ; observation++) {
        try {
          return tracker.update(0, observation);
        } catch (error) {
          if ((error as TiresiasError).code !== 'IMPOSSIBLE_OBSERVATION') throw error;
        }
      }
    };
    const over = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('horizon is over') as string }) as Error;
    any();
    any();
    expect(any).toThrow(over);
    const belief = tracker.belief();
    for (const call of ['action', 'qValues', 'bounds', 'assess'] as const) expect(() => solution[call](2, belief)).toThrow(over);
    tracker.reset();
    expect(any()).toBeGreaterThan(0);
  });
});
