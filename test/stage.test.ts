import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lineProgress } from '../src/progress.js';
import { runStage, type Stage } from '../src/run/stage.js';
import { scratch } from './support.js';

/** A stage that counts its runs in a file of its own folder. */
function counting(run: string, change: Partial<Stage<number>> = {}): Stage<number> {
  const file = join(run, 'work', 'count');
  return {
    name: 'count', inputs: { x: 1 }, folder: 'work',
    work: async () => {
      const before = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
      mkdirSync(join(run, 'work'), { recursive: true });
      writeFileSync(file, String(before + 1));
      return before + 1;
    },
    outputs: ['work'],
    ...change,
  };
}

describe('a stage', () => {
  it('is done once, and its result and time are remembered', async () => {
    const run = scratch();
    const first = await runStage(run, counting(run));
    const second = await runStage(run, counting(run));
    expect([first.result, first.skipped, second.result, second.skipped]).toEqual([1, false, 1, true]);
    expect(second.seconds).toBe(first.seconds);
    expect(second.peakBytes).toBe(first.peakBytes);
    expect(first.peakBytes).toBeGreaterThan(1e7);
  });

  it('with other inputs starts from nothing', async () => {
    const run = scratch();
    const first = await runStage(run, counting(run));
    const second = await runStage(run, counting(run, { inputs: { x: 2 } }));
    expect([second.result, second.skipped]).toEqual([1, false]);
    expect(first.skipped).toBe(false);
  });

  it('whose inputs are the same in another order is the same', async () => {
    const run = scratch();
    await runStage(run, counting(run, { inputs: { a: 1, b: [2, { c: 3, d: 4 }] } }));
    expect((await runStage(run, counting(run, { inputs: { b: [2, { d: 4, c: 3 }], a: 1 } }))).skipped).toBe(true);
  });

  it('that was interrupted goes on with what it left, and adds up its time', async () => {
    const run = scratch();
    const failing = counting(run, { work: async () => { await counting(run).work(); await new Promise((resolve) => setTimeout(resolve, 50)); throw new Error('stopped'); } });
    await expect(runStage(run, failing)).rejects.toThrow('stopped');
    const second = await runStage(run, counting(run));
    expect([second.result, second.skipped]).toEqual([2, false]);
    expect(second.seconds).toBeGreaterThan(0.045);
  });

  it('whose output was deleted is done again', async () => {
    const run = scratch();
    await runStage(run, counting(run));
    rmSync(join(run, 'work', 'count'));
    expect((await runStage(run, counting(run))).skipped).toBe(false);
    expect((await runStage(run, counting(run))).skipped).toBe(true);
    expect((await runStage(run, counting(run, { isWhole: async () => false }))).skipped).toBe(false);
  });

  it('whose output was changed starts from nothing, unless its work checks what it finds', async () => {
    const run = scratch();
    const { files } = await runStage(run, counting(run));
    expect(Object.keys(files)).toEqual(['work/count']);
    for (const [mends, result] of [[false, 1], [true, 8]] as const) {
      writeFileSync(join(run, 'work', 'count'), '7');
      expect(await runStage(run, counting(run, { mends }))).toMatchObject({ result, skipped: false });
    }
  });

  it('with a damaged stamp is done again', async () => {
    const run = scratch();
    await runStage(run, counting(run));
    for (const damaged of ['{}', '{"hash":"', '']) {
      writeFileSync(join(run, 'stages', 'count.json'), damaged);
      expect(await runStage(run, counting(run))).toMatchObject({ result: 1, skipped: false });
    }
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
