// Streams: the shard's rows without a file, made ahead of the consumer and no further.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeShard, readExample, streamExamples, Tokenizer, type ExampleBatch, type StreamSpec } from '../src/index.js';
import { baseModel, scratch } from './support.js';

const tokenizer = Tokenizer.fromGguf(baseModel());
const spec: StreamSpec = {
  family: 'energy', split: 'train', seed: 3, regime: 'mdp', horizon: 5, models: 3, alpha: 1, nature: 'fixed',
  support: { trajectories: 2, behaviour: 'random' }, query: { behaviour: 'epsilon:0.2' },
  solver: { gap: 0.1, timeSeconds: null }, template: null, examplesPerTask: 2,
};

async function all(batches: AsyncIterable<ExampleBatch>): Promise<ExampleBatch[]> {
  const list = [];
  for await (const batch of batches) list.push(batch);
  return list;
}

describe('a stream of examples', () => {
  it('holds the rows of the shard, however it is cut', async () => {
    const path = join(scratch(), 'shard.parquet');
    const report = await makeShard({ ...spec, firstTask: 4, tasks: 7, threads: 2, format: 'parquet' }, tokenizer, path);
    expect(report.examples).toBe(14);
    for (const batchTasks of [1, 3, 7, 100]) {
      const batches = await all(streamExamples({ ...spec, firstTask: 4, tasks: 7 }, tokenizer, { batchTasks, text: batchTasks === 3 }));
      expect(batches.map(({ rows }) => rows)).toEqual(Array.from({ length: Math.ceil(7 / batchTasks) }, (_, i) => 2 * Math.min(batchTasks, 7 - i * batchTasks)));
      let row = 0;
      for (const batch of batches) {
        expect(batch.offsets).toHaveLength(batch.rows + 1);
        for (let i = 0; i < batch.rows; i++, row++) {
          const example = readExample(path, row);
          const ids = [batch.offsets[i]!, batch.offsets[i + 1]!] as const;
          expect(batch.inputIds.slice(...ids)).toEqual(example.inputIds);
          expect(batch.labels.slice(...ids)).toEqual(example.labels);
          expect(batch.tasks[i]).toBe(example.index);
          const decisions = [i * batch.horizon, (i + 1) * batch.horizon] as const;
          expect(batch.oracleActions.slice(...decisions)).toEqual(Uint8Array.from(example.oracleActions));
          expect(batch.regretBounds.slice(...decisions)).toEqual(Float64Array.from(example.regretBounds));
          expect(batch.prompts[i]).toBe(batchTasks === 3 ? example.prompt : undefined);
          expect(batch.completions[i]).toBe(batchTasks === 3 ? example.completion : undefined);
        }
        expect([batch.supportReturns.length, batch.queryReturns.length]).toEqual([2 * batch.rows, batch.rows]);
      }
      expect(row).toBe(14);
    }
  });

  it('without an end goes on until the consumer has had enough', async () => {
    const tasks: number[] = [];
    for await (const batch of streamExamples(spec, tokenizer, { batchTasks: 5 })) {
      tasks.push(...batch.tasks);
      if (tasks.length >= 40) break;
    }
    expect(tasks).toEqual(Array.from({ length: 40 }, (_, i) => Math.floor(i / 2)));
  });

  it('stops with the reason of its signal', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const run = async () => {
      for await (const _ of streamExamples(spec, tokenizer, { signal: controller.signal })) controller.abort(reason);
    };
    await expect(run()).rejects.toBe(reason);
    await expect(streamExamples(spec, tokenizer, { signal: controller.signal }).next()).rejects.toBe(reason);
  });

  it('says what is wrong with what it was given', async () => {
    const first = (change: object, options: object = {}) => streamExamples({ ...spec, ...change }, tokenizer, options).next();
    await expect(first({ family: 'energie' })).rejects.toMatchObject({ code: 'UNKNOWN_NAME', message: expect.stringContaining('energie') });
    await expect(first({}, { batchTasks: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('batchTasks') });
    await expect(first({}, { batchTask: 3 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('batchTasks?') });
  });
});
