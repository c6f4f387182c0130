// Datasets of Minari, from files that Minari wrote (test/fixtures/minari/make.py).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importMinari, logsReport, logsSource } from '../src/index.js';
import { h5wasm } from '../src/lazy.js';
import { refusal } from './refusal.js';
import { root, scratch, setEnv, tiresias } from './support.js';

const fixtures = join(root, 'test', 'fixtures', 'minari');
const there = await h5wasm().then(() => true, () => false);
if (!there) process.stderr.write('SKIPPED: h5wasm is not installed, so that no dataset of Minari is read\n');

describe.skipIf(!there)('importMinari', () => {
  it('reads whole numbers as symbols, episodes in the order of their numbers', async () => {
    setEnv('MINARI_DATASETS_PATH', fixtures);
    const told: number[] = [];
    const trajectories = await importMinari('test/discrete-v0', undefined, { onProgress: ({ done, total }) => told.push(done / total) });
    const lengths = Array.from({ length: 12 }, (_, number) => 2 + (number % 3));
    const { offsets, observations, actions, rewards, last, terminated } = trajectories.columns();
    expect([...offsets]).toEqual(lengths.reduce((all, length) => [...all, all.at(-1)! + length], [0]));
    expect([trajectories.observations, trajectories.actions]).toEqual([['0', '1', '2', '3', '4'], ['0', '1', '2', '3']]);
    expect([...observations]).toEqual(lengths.flatMap((length, number) => Array.from({ length }, (_, step) => (number + step) % 5)));
    expect([...actions]).toEqual(lengths.flatMap((length) => Array.from({ length }, (_, step) => step % 3)));
    expect([...rewards]).toEqual(lengths.flatMap((length) => Array.from({ length }, (_, step) => (step % 3) / 2)));
    expect([...last!]).toEqual(lengths.map((length, number) => (number + length) % 5));
    expect([...terminated!]).toEqual(lengths.map((_, number) => Number(number % 2 === 0)));
    expect(told.at(-1)).toBe(1);
    expect(logsSource(trajectories)).toMatchObject({ file: 'test/discrete-v0', schema: { action: { column: 'action', names: ['0', '1', '2', '3'] } } });
  });

  it('reads vectors as clusters, or by a schema, from a path', async () => {
    const path = join(fixtures, 'test', 'vector-v0', 'data', 'main_data.hdf5');
    const clusters = logsReport(await importMinari(path));
    expect(clusters).toMatchObject({ episodes: 2, steps: 5, observationCount: 2, columns: [{ column: 'observation_0, observation_1' }] });
    const trajectories = await importMinari(path, { episode: 'episode', observations: [{ column: 'observation_1', edges: [0.3] }], action: 'action', reward: 'reward', terminated: 'terminated' });
    expect(trajectories.observations).toEqual(['<0.3', '>=0.3']);
    expect([...trajectories.columns().observations]).toEqual([0, 0, 1, 0, 0]);
  });

  it('refuses what is no such dataset, and stops when asked', async () => {
    const folder = scratch();
    setEnv('MINARI_DATASETS_PATH', folder);
    expect(await refusal(() => importMinari('nowhere-v0'))).toMatchObject({ code: 'FILE_NOT_FOUND', message: expect.stringContaining('minari download nowhere-v0') });
    writeFileSync(join(folder, 'text.hdf5'), 'no HDF5');
    expect(await refusal(() => importMinari(join(folder, 'text.hdf5')))).toMatchObject({ code: 'INVALID_LOGS' });
    const whole = readFileSync(join(fixtures, 'test', 'discrete-v0', 'data', 'main_data.hdf5'));
    for (const bytes of [9, 100, 2000, whole.length - 500]) {
      writeFileSync(join(folder, 'cut.hdf5'), whole.subarray(0, bytes));
      expect(await refusal(() => importMinari(join(folder, 'cut.hdf5')))).toMatchObject({ code: 'INVALID_LOGS' });
    }
    expect(await refusal(() => importMinari(''))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await refusal(() => importMinari('x', 7 as never))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(importMinari(join(fixtures, 'test', 'discrete-v0'), undefined, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  it('refuses actions that are no whole numbers, and observations that are dictionaries', async () => {
    const { File } = (await h5wasm()) as unknown as { File: new (path: string, mode: 'w') => Written };
    const write = (change: (episode: Written) => void): string => {
      const path = join(scratch(), 'main_data.hdf5');
      const file = new File(path, 'w');
      change(file.create_group('episode_0'));
      file.close();
      return path;
    };
    const steps = (episode: Written) => {
      episode.create_dataset({ name: 'rewards', data: Float64Array.of(1, 2) });
      episode.create_dataset({ name: 'terminations', data: Int8Array.of(0, 1) });
    };
    const real = write((episode) => {
      steps(episode);
      episode.create_dataset({ name: 'observations', data: Int32Array.of(0, 1, 0) });
      episode.create_dataset({ name: 'actions', data: Float64Array.of(0.5, 1) });
    });
    expect((await refusal(() => importMinari(real))).message).toMatch(/actions of episode_0 are no whole numbers/);
    const dictionary = write((episode) => {
      steps(episode);
      episode.create_group('observations').create_dataset({ name: 'position', data: Int32Array.of(0, 1, 0) });
      episode.create_dataset({ name: 'actions', data: Int32Array.of(0, 1) });
    });
    expect((await refusal(() => importMinari(dictionary))).message).toMatch(/observations holds no numbers/);
    const short = write((episode) => {
      steps(episode);
      episode.create_dataset({ name: 'observations', data: Int32Array.of(0, 1) });
      episode.create_dataset({ name: 'actions', data: Int32Array.of(0, 1) });
    });
    expect((await refusal(() => importMinari(short))).message).toMatch(/2 observations of 1 numbers for 2 actions; it should have 3/);
  });
});

/** What a test writes HDF5 by. */
interface Written {
  create_group(name: string): Written;
  create_dataset(given: { name: string; data: Float64Array | Int32Array | Int8Array }): unknown;
  close(): void;
}

describe('tiresias import minari:NAME', () => {
  it('reads a dataset, or says which package is missing', async () => {
    const folder = scratch();
    const out = join(folder, 'out.parquet');
    const { code, stdout, stderr } = await tiresias(['import', 'minari:test/discrete-v0', '--out', out], { env: { MINARI_DATASETS_PATH: fixtures } });
    if (code === 6) {
      expect(stderr).toContain('npm install h5wasm@0.10');
      return;
    }
    expect([code, existsSync(out)]).toEqual([0, true]);
    expect(stdout).toMatch(/^episodes +12, of 2 to 4 decisions/m);
    expect(stdout).toMatch(/^ended by itself +50\.0% of the episodes/m);
  });

  it('proposes no schema', async () => {
    const { code, stderr } = await tiresias(['import', 'minari:test/discrete-v0', '--infer']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('needs no schema')]);
  });
});
