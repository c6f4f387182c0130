import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lineProgress } from '../src/progress.js';
import { entryOf, runStage, type Stage } from '../src/stages/stage.js';
import { Store } from '../src/store.js';
import { scratch } from './support.js';

/** A stage that counts its runs in a file of its own folder. */
function counting(change: Partial<Stage<number>> = {}): Stage<number> {
  return {
    kind: 'train', inputs: () => ({ x: 1 }), outputs: ['count'],
    work: async (folder) => {
      const file = join(folder, 'count');
      const before = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
      writeFileSync(file, String(before + 1));
      return before + 1;
    },
    ...change,
  };
}

/** Where it lies in a store. */
const entry = entryOf('train', { x: 1 });

describe('a stage', () => {
  it('is done once, whoever asks, and its result and time are remembered', async () => {
    const folder = scratch();
    const first = await runStage(new Store(folder), counting());
    const second = await runStage(new Store(folder), counting());
    expect([first.result, first.skipped, second.result, second.skipped]).toEqual([1, false, 1, true]);
    expect(second.seconds).toBe(first.seconds);
    expect(second.peakBytes).toBe(first.peakBytes);
    expect(first.peakBytes).toBeGreaterThan(1e7);
    expect(readFileSync(join(second.folder, 'count'), 'utf8')).toBe('1');
  });

  it('with other inputs, or of another kind, lies beside it, and what was there stays', async () => {
    const store = new Store(scratch());
    const made = [counting(), counting({ inputs: () => ({ x: 2 }) }), counting({ kind: 'dataset' })];
    for (const stage of made) expect(await runStage(store, stage)).toMatchObject({ result: 1, skipped: false });
    for (const stage of made) expect(await runStage(store, stage)).toMatchObject({ result: 1, skipped: true });
  });

  it('whose inputs are the same in another order is the same', async () => {
    const store = new Store(scratch());
    await runStage(store, counting({ inputs: () => ({ a: 1, b: [2, { c: 3, d: 4 }] }) }));
    expect((await runStage(store, counting({ inputs: () => ({ b: [2, { d: 4, c: 3 }], a: 1 }) }))).skipped).toBe(true);
  });

  it('that was interrupted goes on with what it left, and adds up its time', async () => {
    const store = new Store(scratch());
    const failing = counting({ work: async (folder) => { await counting().work(folder); await new Promise((resolve) => setTimeout(resolve, 50)); throw new Error('stopped'); } });
    await expect(runStage(store, failing)).rejects.toThrow('stopped');
    const second = await runStage(store, counting());
    expect([second.result, second.skipped]).toEqual([2, false]);
    expect(second.seconds).toBeGreaterThan(0.045);
  });

  it('whose output was deleted is done again', async () => {
    const store = new Store(scratch());
    const { folder } = await runStage(store, counting());
    rmSync(join(folder, 'count'));
    expect((await runStage(store, counting())).skipped).toBe(false);
    expect((await runStage(store, counting())).skipped).toBe(true);
    expect((await runStage(store, counting({ isWhole: async () => false }))).skipped).toBe(false);
  });

  it('whose output was changed starts from nothing, unless its work checks what it finds', async () => {
    const store = new Store(scratch());
    const { folder } = await runStage(store, counting());
    for (const [mends, result] of [[false, 1], [true, 8]] as const) {
      writeFileSync(join(folder, 'count'), '7');
      expect(await runStage(store, counting({ mends }))).toMatchObject({ result, skipped: false });
    }
  });

  it('with a damaged stamp, or none, is done again from nothing', async () => {
    const store = new Store(scratch());
    await runStage(store, counting());
    for (const damaged of ['{}', '{"done":true', '']) {
      writeFileSync(store.stampPath(entry), damaged);
      expect(await runStage(store, counting())).toMatchObject({ result: 1, skipped: false });
    }
    rmSync(store.stampPath(entry));
    expect(await runStage(store, counting())).toMatchObject({ result: 1, skipped: false });
  });

  it('that several are at, is made by one of them, for whom the others wait', async () => {
    const folder = scratch();
    let waited = 0;
    const slow = counting({ work: async (at) => { await new Promise((resolve) => setTimeout(resolve, 300)); return counting().work(at); } });
    const all = await Promise.all(Array.from({ length: 4 }, () => runStage(new Store(folder), slow, { onWait: () => waited++ })));
    expect(all.map(({ result }) => result)).toEqual([1, 1, 1, 1]);
    expect(all.filter(({ skipped }) => !skipped)).toHaveLength(1);
    expect(waited).toBeGreaterThanOrEqual(3);
    expect(readdirSync(join(folder, 'train')).filter((name) => /lock|tmp/.test(name))).toEqual([]);
  });

  it('that another is at, need not be waited for', async () => {
    const store = new Store(scratch());
    const release = await store.hold(entry);
    const controller = new AbortController();
    await expect(runStage(store, counting(), { signal: controller.signal, onWait: () => controller.abort() })).rejects.toThrow();
    await release();
    expect(await runStage(store, counting())).toMatchObject({ result: 1, skipped: false });
  });
});

describe('progress without a terminal', () => {
  it('is a line at the start and the end of a stage, and now and then', () => {
    const lines: string[] = [];
    let now = 0;
    const view = lineProgress((line) => lines.push(line), () => now);
    for (let done = 0; done <= 100; done++, now += 500) view.show({ stage: 'train', done, total: 100, detail: `step ${done}` });
    view.show({ stage: 'evaluate', done: 0, total: 2, detail: 'oracle' });
    expect(lines.map((line) => line.replace(/ +/g, ' '))).toEqual([
      'train 0 % step 0', 'train 20 % step 20', 'train 40 % step 40', 'train 60 % step 60', 'train 80 % step 80', 'train 100 % step 100', 'evaluate 0 % oracle',
    ]);
  });
});
