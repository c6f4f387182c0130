import fc from 'fast-check';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cloudResult, methodResult } from '../src/evaluate/metrics.js';
import { readRows, rowsFromOutcome, taskMeans, writeRows, type EpisodeRow } from '../src/evaluate/rows.js';
import type { Outcome } from '../src/library.js';
import { scratch } from './support.js';

const options = { regime: 'pomdp' as const, seed: 's', resamples: 200 };

function row(change: Partial<EpisodeRow>): EpisodeRow {
  return {
    task: 0, episode: 0, return: 4, regret: 1, step_regrets: [0.25, 0.75], value: null, agreement: 0.5, optimal: 5, lower: 4.9, upper: 5.1, random_value: 2,
    states: [1, 2], observations: [-1, 3], actions: [0, 1], oracle_actions: [0, 2], rewards: [1, 3], ...change,
  };
}

describe('metrics', () => {
  it('pool gaps over tasks as ratios of means', () => {
    const rows = [row({ task: 0, regret: 1, optimal: 5, random_value: 2 }), row({ task: 1, regret: 3, optimal: -1, random_value: -6 })];
    const m = methodResult('sft', rows, rows, options);
    expect(m.gapAbs).toBe(2);
    expect(m.gapRel).toBeCloseTo(4 / 6, 12);
    expect(m.gapNorm).toBeCloseTo(4 / 8, 12);
    expect(m.regretByStep).toEqual([0.25, 0.75]);
    expect([m.tasks, m.episodes, m.exact]).toEqual([2, 2, false]);
  });

  it('average the episodes of a task before they pool, so that tasks weigh the same', () => {
    const rows = [row({ task: 0, regret: 0 }), row({ task: 0, episode: 1, regret: 4 }), row({ task: 1, regret: 6 })];
    expect(methodResult('icl', rows, rows, options).gapAbs).toBe(4);
  });

  it('give the oracle an exact gap of 0 and chance an exact gap of 1 where a closed form exists', () => {
    const rows = [row({ task: 0 }), row({ task: 1, optimal: 7, random_value: 1 })];
    const oracle = methodResult('oracle', rows, rows, options);
    expect([oracle.gapAbs, oracle.gapNorm, oracle.exact, oracle.value]).toEqual([0, 0, true, 6]);
    expect([...oracle.gapAbsCi95, ...oracle.gapNormCi95]).toEqual([0, 0, 0, 0]);
    const random = methodResult('random', rows, rows, options);
    expect([random.gapAbs, random.gapNorm, random.exact, random.value]).toEqual([4.5, 1, true, 1.5]);
    expect(random.gapNormCi95).toEqual([1, 1]);
  });

  it('compute the gap of a policy that is a table, and average means of tasks as they average episodes', () => {
    const rows = [row({ task: 0, value: 4, regret: 9 }), row({ task: 0, episode: 1, value: 3, regret: 9 }), row({ task: 1, value: 1, regret: 9 })];
    const chance = [row({ task: 0 }), row({ task: 1 })];
    const table = methodResult('fqi', rows, chance, options);
    expect([table.gapAbs, table.exact, table.episodes]).toEqual([(1.5 + 4) / 2, true, 3]);
    expect(methodResult('fqi', taskMeans(rows), chance, options)).toEqual(table);
    const sampled = rows.map((one, i) => ({ ...one, value: null, regret: i, step_regrets: [i, 2 * i] }));
    expect(methodResult('sft', taskMeans(sampled), chance, options).gapAbs).toBe(methodResult('sft', sampled, chance, options).gapAbs);
    expect(taskMeans(sampled)[0]).toMatchObject({ regret: 0.5, step_regrets: [0.5, 1], episodes: 2, actions: rows[0]!.actions });
  });

  it('measure chance by its episodes, and the oracle too, where there is a cloud', () => {
    const rows = [row({ random_value: null, regret: 2 }), row({ task: 1, random_value: null, regret: 4 })];
    const mine = [row({ random_value: null, regret: 1 }), row({ task: 1, random_value: null, regret: 2 })];
    expect(methodResult('sft', mine, rows, { ...options, regime: 'apomdp' }).gapNorm).toBeCloseTo(0.5, 12);
    expect(methodResult('random', rows, rows, { ...options, regime: 'apomdp' })).toMatchObject({ gapAbs: 3, gapNorm: 1, exact: false });
    expect(methodResult('oracle', mine, rows, { ...options, regime: 'apomdp' })).toMatchObject({ gapAbs: 1.5, exact: false });
  });

  it('have intervals that hold the estimate and depend on the seed alone', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 3, maxLength: 20 }), (gaps) => {
        const rows = gaps.map((regret, task) => row({ task, regret }));
        const m = methodResult('sft', rows, rows, options);
        expect(m.gapNormCi95[0]).toBeLessThanOrEqual(m.gapNorm + 1e-9);
        expect(m.gapNormCi95[1]).toBeGreaterThanOrEqual(m.gapNorm - 1e-9);
        expect(methodResult('sft', [...rows].reverse(), rows, options).gapNormCi95).toEqual(m.gapNormCi95);
      }),
      { numRuns: 30 },
    );
  });

  it('of a cloud are means over tasks of each model, of the worst and of the average', () => {
    const returns = [[1, 4], [3, 2], [5, 6]];
    const cloud = cloudResult(returns.map((perTask) => perTask.map((value, task) => row({ task, return: value }))), options);
    expect(cloud).toMatchObject({ perModel: [2.5, 2.5, 5.5], worst: 1.5, average: 3.5 });
    expect(cloud.perModelCi95).toHaveLength(3);
    for (const [value, [low, high]] of [[1.5, cloud.worstCi95], [3.5, cloud.averageCi95], [2.5, cloud.perModelCi95[0]!]] as const) expect(low <= value && value <= high).toBe(true);
  });
});

describe('raw rows', () => {
  const outcome: Outcome = {
    tasks: 2, episodes: 2, horizon: 2,
    returns: Float64Array.of(1, 2, 3, 4), regrets: Float64Array.of(0.1, NaN, 0.3, 0.4), stepRegrets: Float64Array.of(0, 0.1, NaN, NaN, 0.1, 0.2, 0.2, 0.2),
    values: Float64Array.of(NaN, 4.5, NaN, 3),
    agreement: Float64Array.of(1, 0.5, 0, 1), optimal: Float64Array.of(5, 6), lower: Float64Array.of(4, 5), upper: Float64Array.of(6, 7), randomValue: Float64Array.of(NaN, 1),
    states: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7), observations: Int32Array.of(-1, 1, -1, 3, -1, 5, -1, 7), actions: Uint8Array.of(0, 1, 0, 1, 2, 2, 1, 1),
    oracleActions: Uint8Array.of(0, 0, 0, 0, 2, 2, 2, 2), rewards: Float64Array.of(0, 1, 1, 1, 1, 2, 2, 2),
  };

  it('hold an outcome, task by task, and survive the disk', async () => {
    const rows = rowsFromOutcome(outcome, 64);
    expect(rows.map(({ task, episode }) => [task, episode])).toEqual([[64, 0], [64, 1], [65, 0], [65, 1]]);
    expect(rows[1]).toMatchObject({ return: 2, regret: null, step_regrets: [null, null], value: 4.5, optimal: 5, random_value: null, states: [2, 3], actions: [0, 1] });
    expect(rows[2]).toMatchObject({ return: 3, regret: 0.3, value: null, optimal: 6, random_value: 1, observations: [-1, 5] });
    const path = join(scratch(), 'rows.jsonl');
    const madeFrom = { method: 'oracle', seed: 1 };
    await writeRows(path, rows, madeFrom);
    expect(await readRows(path, { seed: 1, method: 'oracle' })).toEqual(rows);
    for (const other of [{ method: 'oracle', seed: 2 }, { method: 'oracle' }, { method: 'oracle', seed: 1, nature: 'fixed:0' }]) expect(await readRows(path, other)).toBeUndefined();
    writeFileSync(path, '{"task":0}\n');
    expect(await readRows(path, madeFrom)).toBeUndefined();
  });
});
