// Datasets of Minari, from files that Minari wrote (test/fixtures/minari/make.py).
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { importMinari, logsReport, logsSource } from '../src/index.js';
import { h5wasm } from '../src/lazy.js';
import { refusal } from './refusal.js';
import { root, scratch, setEnv, tiresias } from './support.js';

const fixtures = join(root, 'test', 'fixtures', 'minari');
const there = await h5wasm().then(() => true, () => false);
if (!there) process.stderr.write('SKIPPED: h5wasm is not installed, so that no dataset of Minari is read\n');

/** A folder with a dataset that Minari recorded, as Minari wrote it. */
function recorded(name: string): string {
  const folder = scratch();
  const file = (at: string, which: string) => join(at, 'gymnasium', name, 'data', which);
  mkdirSync(dirname(file(folder, 'main_data.hdf5')), { recursive: true });
  writeFileSync(file(folder, 'main_data.hdf5'), gunzipSync(readFileSync(file(fixtures, 'main_data.hdf5.gz'))));
  copyFileSync(file(fixtures, 'metadata.json'), file(folder, 'metadata.json'));
  return folder;
}

describe.skipIf(!there)('what Minari records of Gymnasium', () => {
  it('goes from its file to a policy and what that would have earned, by the command line alone', async () => {
    const folder = recorded('frozen-lake-v0');
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await tiresias([...args, '--json'], { cwd: folder, env: { MINARI_DATASETS_PATH: folder } });
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout) as Record<string, any>;
    };
    const { report } = await run('import', 'minari:gymnasium/frozen-lake-v0', '--out', 'fit.parquet', '--test', 'test.parquet');
    expect(report).toMatchObject({ episodes: 40, propensities: true, terminated: 1, actions: ['0', '1', '2', '3'].map((name) => expect.objectContaining({ name })) });
    const { report: fit } = await run('fit', 'fit.parquet', '--kind', 'mdp', '--horizon', '100', '--unseen-reward', 'least', '--ambiguity', 'posterior', '--models', '3', '--out', 'fitted');
    expect(fit).toMatchObject({ kind: 'mdp', episodes: 20, unseen: 0 });
    const policy = await run('solve', 'fitted/ambiguous.json', '--policy-out', 'robust.policy', '--carry-model', '--table');
    expect(JSON.stringify(policy)).toContain('regretBound');
    const { behaviour, episodes, estimates } = await run('off-policy', 'test.parquet', '--policy', 'robust.policy');
    expect([behaviour, episodes, estimates.length]).toEqual(['logged', 20, 8]);
  });

  it('holds how likely each action was, where who recorded noted it', async () => {
    setEnv('MINARI_DATASETS_PATH', recorded('frozen-lake-v0'));
    const trajectories = await importMinari('gymnasium/frozen-lake-v0');
    expect(new Set(trajectories.columns().propensities)).toEqual(new Set([0.25]));
    // A schema of one's own may leave it out.
    const without = await importMinari('gymnasium/frozen-lake-v0', { episode: 'episode', observations: ['observation'], action: 'action', reward: 'reward', terminated: 'terminated' });
    expect(without.columns().propensities).toBeUndefined();
    expect(without.columns().actions).toEqual(trajectories.columns().actions);
  });

  it('holds tuples, part by part', async () => {
    setEnv('MINARI_DATASETS_PATH', recorded('blackjack-v0'));
    const trajectories = await importMinari('gymnasium/blackjack-v0');
    const { offsets, observations } = trajectories.columns();
    // The player's sum, the dealer's card, whether there is an ace that counts eleven: by the rules of the game.
    for (const symbol of trajectories.observations) expect(symbol).toMatch(/^(?:[4-9]|[12]\d|3[01]),(?:[1-9]|10),[01]$/);
    for (let episode = 0; episode < trajectories.episodes; episode++) {
      const dealer = Array.from(observations.subarray(offsets[episode]!, offsets[episode + 1]!), (symbol) => trajectories.observations[symbol]!.split(',')[1]);
      expect(new Set(dealer).size).toBe(1);
    }
    const bySum = await importMinari('gymnasium/blackjack-v0', { episode: 'episode', observations: [{ column: 'observation_0', edges: [12, 17] }], action: 'action', reward: 'reward' });
    expect(bySum.observations).toEqual(['<12', '12..17', '>=17']);
  });
});

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
    const outside = join(scratch(), 'data');
    mkdirSync(outside);
    writeFileSync(join(outside, 'main_data.hdf5'), whole);
    writeFileSync(join(outside, 'metadata.json'), JSON.stringify({ action_space: '{"type": "Discrete", "n":' }));
    expect(await refusal(() => importMinari(outside))).toMatchObject({ code: 'INVALID_LOGS', message: expect.stringMatching(/metadata\.json: the field action_space is no JSON text/) });
    expect(await refusal(() => importMinari(''))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await refusal(() => importMinari('x', 7 as never))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(importMinari(join(fixtures, 'test', 'discrete-v0'), undefined, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  it('refuses actions that are no whole numbers, and observations that are no numbers or too few', async () => {
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
    const schema = { episode: 'episode', observations: ['observation_position'], action: 'action', reward: 'reward' };
    expect((await importMinari(dictionary)).observations).toEqual(['0', '1']);
    expect((await importMinari(dictionary, schema)).observations).toEqual(['0', '1']);
    const text = write((episode) => {
      steps(episode);
      const observations = episode.create_group('observations');
      observations.create_dataset({ name: 'position', data: Int32Array.of(0, 1, 0) });
      observations.create_dataset({ name: 'mission', data: ['go', 'go', 'stop'] });
      episode.create_dataset({ name: 'actions', data: Int32Array.of(0, 1) });
    });
    expect((await refusal(() => importMinari(text))).message).toMatch(/episode_0\/observations\/mission holds no numbers/);
    // Who names the columns needs no others.
    expect((await importMinari(text, schema)).observations).toEqual(['0', '1']);
    const short = write((episode) => {
      steps(episode);
      episode.create_dataset({ name: 'observations', data: Int32Array.of(0, 1) });
      episode.create_dataset({ name: 'actions', data: Int32Array.of(0, 1) });
    });
    expect((await refusal(() => importMinari(short))).message).toMatch(/episode_0 has 2 rows of observation for 2 actions; it should have 3/);
  });
});

/** What a test writes HDF5 by. */
interface Written {
  create_group(name: string): Written;
  create_dataset(given: { name: string; data: Float64Array | Int32Array | Int8Array | string[] }): unknown;
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
