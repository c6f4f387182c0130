// Policies that threads of one process share: the same memory, the same decisions, and a handle that is of no use once it is stale.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, policyFromHandle, savePolicy, solveSync, type LoadedPolicy, type PolicyHandle } from '../src/index.js';
import { root, scratch } from './support.js';

const library = join(root, 'dist', 'index.js');
const addon = join(root, 'dist', 'native.js');

/** A thread that has loaded the library. */
const PROGRAM = `
  (async () => {
    const { parentPort } = await import('node:worker_threads');
    const { policyFromHandle, loadPolicy } = await import(${JSON.stringify(library)});
    const { native } = await import(${JSON.stringify(addon)});
    let policy;
    const told = () => native.tellCollector();
    const tasks = {
      // Bytes that this thread's collector hears of, too.
      take: async (handle) => { const before = told(); policy = policyFromHandle(handle); policy.session().decide({ lookahead: false }); return told() - before; },
      load: async (file) => { const before = told(); policy = await loadPolicy(file); policy.session().decide({ lookahead: false }); return told() - before; },
      play: async (steps) => steps.map(([action, observation]) => {
        const session = policy.replay([[action, observation], [action, observation]]);
        return [JSON.stringify(session), session.decide(), policy.modelHash, policy.file];
      }),
    };
    parentPort.on('message', ([task, argument]) => tasks[task](argument).then((answer) => parentPort.postMessage({ answer }), ({ name, code, message }) => parentPort.postMessage({ error: { name, code, message } })));
    parentPort.postMessage({ answer: 'ready' });
  })();
`;
interface Thread {
  ask(task: string, argument: unknown): Promise<unknown>;
  end(): Promise<unknown>;
}
async function thread(): Promise<Thread> {
  const worker = new Worker(PROGRAM, { eval: true });
  const heard = () => new Promise<unknown>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', ({ answer, error }) => (error === undefined ? resolve(answer) : reject(error as Error)));
  });
  await heard();
  const ask = (task: string, argument: unknown) => {
    const answer = heard();
    worker.postMessage([task, argument]);
    return answer;
  };
  onTestFinished(async () => void (await worker.terminate()));
  return { ask, end: () => worker.terminate() };
}

async function saved(solution = solveSync(classicModel('tiger'), { gap: 0.01 })): Promise<LoadedPolicy> {
  const file = join(scratch(), 'a.policy');
  await savePolicy(file, solution);
  return loadPolicy(file);
}
const STEPS = [['listen', 'hear-left'], ['listen', 'hear-right'], [2, 0]];

describe('a shared policy', () => {
  it('decides in other threads what it decides here, also when it is gone here', async () => {
    const policy = await saved();
    const here = STEPS.map(([action, observation]) => {
      const session = policy.replay([[action!, observation!], [action!, observation!]]);
      return [JSON.stringify(session), session.decide(), policy.modelHash, policy.file];
    });
    const shared = policy.share();
    const threads = await Promise.all([thread(), thread(), thread()]);
    await Promise.all(threads.map(({ ask }) => ask('take', shared.handle)));
    shared.dispose();
    shared.dispose();
    expect(await Promise.all(threads.map(({ ask }) => ask('play', STEPS)))).toEqual([here, here, here]);
    // The thread that shared it lets it go, and a thread that took it ends: the others have it.
    policy.solution.dispose();
    expect(() => policy.session().decide()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    await threads[0]!.end();
    expect(await Promise.all(threads.slice(1).map(({ ask }) => ask('play', STEPS)))).toEqual([here, here]);
  });

  it('takes no memory of its own in a thread, where loading it takes all of it again', async () => {
    // A policy of ten megabytes, in a process of its own, whose memory is this test's alone.
    const program = `
      import { Worker } from 'node:worker_threads';
      import { classicModel, loadPolicy, savePolicy, solveSync } from ${JSON.stringify(library)};
      const [file, how] = process.argv.slice(1);
      const policy = await loadPolicy(file);
      policy.session().decide({ lookahead: false });
      const shared = policy.share();
      const threads = [1, 2, 3].map(() => new Worker(${JSON.stringify(PROGRAM)}, { eval: true }));
      const heard = () => Promise.all(threads.map((worker) => new Promise((resolve, reject) => worker.once('message', ({ answer, error }) => (error ? reject(error) : resolve(answer))))));
      await heard();
      const before = process.memoryUsage.rss();
      const answers = heard();
      for (const worker of threads) worker.postMessage(how === 'take' ? ['take', shared.handle] : ['load', file]);
      const told = await answers;
      console.log(JSON.stringify({ told, grown: process.memoryUsage.rss() - before }));
      process.exit(0);
    `;
    const file = join(scratch(), 'large.policy');
    await savePolicy(file, solveSync(classicModel('rock-sample:7,8'), { solver: 'corners', timeSeconds: 60 }));
    const measured = (how: string) => {
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program, file, how], { encoding: 'utf8' });
      expect(stderr).toBe('');
      return JSON.parse(stdout) as { told: number[]; grown: number };
    };
    const [taken, loaded] = [measured('take'), measured('load')];
    // But for a session's belief and the places for two.
    expect(Math.max(...taken.told)).toBeLessThan(500_000);
    expect(Math.min(...loaded.told)).toBeGreaterThan(5_000_000);
    // What loading takes is there thrice, and taking does not take it once.
    expect(taken.grown).toBeLessThan(loaded.grown / 3);
  });

  it('is the same object again for those who have it in this thread, and reads its file again', async () => {
    const policy = await saved();
    const shared = policy.share();
    const again = policyFromHandle(structuredClone(shared.handle));
    expect(again.solution).toBe(policy.solution);
    await expect(again.reload()).resolves.toMatchObject({ changed: false, sameModel: true });
    rmSync(policy.file);
    await expect(again.reload()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    shared.dispose();
  });

  it('is stale for those who come too late, and for other processes', async () => {
    const policy = await saved();
    const shared = policy.share();
    const { handle } = shared;
    shared.dispose();
    const stale = { name: 'TiresiasError', code: 'STALE_HANDLE', exitCode: 2 };
    expect(() => policyFromHandle(handle)).toThrow(expect.objectContaining({ ...stale, message: expect.stringContaining('was disposed of or collected; keep it until every thread has taken its own') }));
    await expect((await thread()).ask('take', handle)).rejects.toMatchObject({ name: 'TiresiasError', code: 'STALE_HANDLE' });
    const elsewhere = policy.share().handle.solution.replace(String(process.pid), '1');
    expect(() => policyFromHandle({ ...handle, solution: elsewhere })).toThrow(expect.objectContaining({ ...stale, message: expect.stringContaining('of process 1, and this is') }));
    expect(() => policyFromHandle({ ...handle, solution: 'x' })).toThrow(expect.objectContaining({ ...stale, message: expect.stringContaining('a handle is what share() gave') }));
    for (const none of [undefined, null, 'x', {}, { ...handle, file: 7 }]) expect(() => policyFromHandle(none as unknown as PolicyHandle)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('that nobody took is freed', () => {
    // Shared and never taken, with nothing disposed of: what the collector hears of does not grow.
    const program = `
      import { classicModel, solveSync } from ${JSON.stringify(library)};
      import { native } from ${JSON.stringify(addon)};
      const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
      const model = classicModel('tiger');
      const share = () => { for (let i = 0; i < 50; i++) solveSync(model, { gap: 0.01 }).share(); };
      const settled = async () => { for (let i = 0; i < 5; i++) { gc(); await turn(); } return native.tellCollector(); };
      share();
      const before = await settled();
      for (let i = 0; i < 5; i++) share();
      console.log(JSON.stringify({ before, after: await settled() }));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const { before, after } = JSON.parse(stdout) as { before: number; after: number };
    expect(after).toBeLessThanOrEqual(before + 10_000);
  });
});
