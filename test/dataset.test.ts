// Dataset folders over the real addon: whole, resumable, the same bytes however they came about.
import { existsSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { datasetExample, datasetStats, makeDataset, parseExperiment, readManifest, Tokenizer, verifyDataset, type DatasetConfig } from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { baseModel, contents, scratch, tiresias } from './support.js';

const tokenizer = Tokenizer.fromGguf(baseModel());
const small = { schema: 'tiresias.experiment/1', name: 'small', horizon: 4, dataset: { examples: 12, shardExamples: 3 }, base: { path: baseModel() } };

function config(change: object = {}, regime: 'mdp' | 'pomdp' | 'apomdp' = 'pomdp'): DatasetConfig {
  return datasetConfig(parseExperiment({ ...small, ...change }), regime);
}

describe('making a dataset', () => {
  it('gives the same bytes for any number of threads, and progress up to the end', async () => {
    const [a, b] = [scratch(), scratch()];
    const seen: number[] = [];
    await makeDataset(config(), a, { tokenizer, threads: 1, onProgress: ({ done }) => seen.push(done) });
    await makeDataset(config(), b, { tokenizer, threads: 2 });
    expect(contents(b)).toEqual(contents(a));
    expect(Object.keys(contents(a))).toEqual(['README.md', ...[0, 1, 2, 3].map((i) => `data/shard-0000${i}.parquet`), 'manifest.json']);
    expect(seen.at(-1)).toBe(12);
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
  });

  it('leaves what is whole alone and mends what is not', async () => {
    const folder = scratch();
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    const before = contents(folder);
    rmSync(join(folder, 'data', 'shard-00001.parquet'));
    truncateSync(join(folder, 'data', 'shard-00002.parquet'), 100);
    await expect(verifyDataset(folder)).rejects.toMatchObject({
      code: 'DATASET_CORRUPT', exitCode: 4, details: { problems: ['data/shard-00001.parquet is missing or damaged', 'data/shard-00002.parquet is missing or damaged'] },
    });
    const made: string[] = [];
    await makeDataset(config(), folder, { tokenizer, threads: 2, onProgress: ({ detail }) => made.push(detail) });
    expect(contents(folder)).toEqual(before);
    expect((await verifyDataset(folder)).totals.examples).toBe(12);
  });

  it('clears away the journal that a process left which was killed just after it wrote the manifest', async () => {
    const folder = scratch();
    const controller = new AbortController();
    const begun = makeDataset(config(), folder, { tokenizer, threads: 1, signal: controller.signal, onProgress: ({ done }) => done > 0 && controller.abort() });
    await expect(begun).rejects.toThrow();
    const journal = readFileSync(join(folder, 'manifest.partial.json'));
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    const whole = contents(folder);
    writeFileSync(join(folder, 'manifest.partial.json'), journal);
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    expect(contents(folder)).toEqual(whole);
  });

  it('mends a damaged manifest', async () => {
    const folder = scratch();
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    const before = contents(folder);
    truncateSync(join(folder, 'manifest.json'), 100);
    for (const look of [verifyDataset, datasetStats]) {
      await expect(look(folder)).rejects.toMatchObject({ code: 'DATASET_CORRUPT', exitCode: 4, message: expect.stringMatching(/manifest\.json is damaged: .*run `tiresias dataset make` again/) });
    }
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    expect(contents(folder)).toEqual(before);
  });

  it('refuses a folder that holds another one, whole or not', async () => {
    const folder = scratch();
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    await expect(makeDataset(config({ seed: 8 }), folder, { tokenizer, threads: 2 })).rejects.toMatchObject({ code: 'DATASET_DIFFERS', exitCode: 2 });
    const half = scratch();
    const controller = new AbortController();
    const stopped = makeDataset(config(), half, { tokenizer, threads: 2, signal: controller.signal, onProgress: ({ done }) => done >= 3 && controller.abort() });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect(existsSync(join(half, 'manifest.json'))).toBe(false);
    await expect(makeDataset(config({ seed: 8 }), half, { tokenizer, threads: 2 })).rejects.toMatchObject({ code: 'DATASET_DIFFERS' });
    await makeDataset(config(), half, { tokenizer, threads: 2 });
    expect(contents(half)).toEqual(contents(folder));
  });

  it('killed again and again, at any moment, ends with the same bytes', async () => {
    const folder = scratch();
    const experiment = join(folder, 'e.json');
    writeFileSync(experiment, JSON.stringify({ ...small, dataset: { examples: 60, shardExamples: 4 } }));
    const make = (out: string, after?: number) => tiresias(['dataset', 'make', '-c', experiment, '--regime', 'mdp', '--out', out], after === undefined ? {} : { kill: { after, signal: 'SIGKILL' } });
    expect((await make(join(folder, 'whole'))).code).toBe(0);
    let kills = 0;
    // Half of the time to start up, so that many kills fall into the work itself.
    for (let after = 250; kills < 25; after += 20) {
      const { code, signal } = await make(join(folder, 'killed'), after);
      if (signal !== 'SIGKILL') {
        expect(code).toBe(0);
        break;
      }
      kills++;
      for (const name of existsSync(join(folder, 'killed', 'mdp', 'data')) ? readdirSync(join(folder, 'killed', 'mdp', 'data')) : []) {
        if (name.endsWith('.parquet')) expect(contents(join(folder, 'killed', 'mdp', 'data'))[name]).toBe(contents(join(folder, 'whole', 'mdp', 'data'))[name]);
      }
    }
    expect(kills).toBeGreaterThan(0);
    expect((await make(join(folder, 'killed'))).code).toBe(0);
    expect(contents(join(folder, 'killed'))).toEqual(contents(join(folder, 'whole')));
  });

  it('on a full disk says so, and takes nothing half-written for whole', async () => {
    const folder = scratch();
    const experiment = join(folder, 'e.json');
    writeFileSync(experiment, JSON.stringify({ ...small, dataset: { examples: 4000, shardExamples: 4000, format: 'jsonl' } }));
    const out = join(folder, 'out');
    const { code, stderr } = await tiresias(['dataset', 'make', '-c', experiment, '--regime', 'mdp', '--out', out], { shell: 'ulimit -f 256' });
    expect(stderr).toMatch(/error: .*(full|too large)/i);
    expect(code).toBe(4);
    expect(Object.keys(contents(out)).filter((name) => /manifest\.json|jsonl$/.test(name))).toEqual([]);
  });
});

describe('a dataset', () => {
  it('shows its examples and its numbers', async () => {
    const folder = scratch();
    const manifest = await makeDataset(config({ dataset: { examples: 6, shardExamples: 4, examplesPerTask: 2, format: 'jsonl' } }, 'mdp'), folder, { tokenizer, threads: 2 });
    expect(manifest).toEqual(await readManifest(folder));
    expect(manifest.shards.map(({ examples, tasks }) => [examples, tasks])).toEqual([[4, 2], [2, 1]]);
    const stats = await datasetStats(folder);
    expect(stats).toMatchObject({ examples: 6, tasks: 3, labels: 6 * 4 });
    expect(stats.labelShares.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const example = await datasetExample(folder, 5);
    expect(example).toMatchObject({ family: 'energy', split: 'train', index: 2, regime: 'mdp', horizon: 4 });
    expect(tokenizer.decode(Uint32Array.from(example.inputIds))).toBe(example.prompt + example.completion);
    expect([...example.labels].filter((label) => label !== -100)).toHaveLength(4);
    await expect(datasetExample(folder, 6)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const lines = readFileSync(join(folder, 'data', 'shard-00000.jsonl'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(4);
  });

  it('with a shard that the manifest does not know is not whole', async () => {
    const folder = scratch();
    await makeDataset(config(), folder, { tokenizer, threads: 2 });
    for (const name of ['shard-00004.parquet', 'more.jsonl', 'notes.txt']) writeFileSync(join(folder, 'data', name), '');
    await expect(verifyDataset(folder)).rejects.toMatchObject({
      code: 'DATASET_CORRUPT', exitCode: 4, details: { problems: ['data/more.jsonl is not in the manifest: delete it', 'data/shard-00004.parquet is not in the manifest: delete it'] },
    });
  });

  it('takes a template of one’s own', async () => {
    const folder = scratch();
    await makeDataset(config({ templates: { pomdp: { header: 'hidden\n', queryReward: 'shown' } } }), folder, { tokenizer, threads: 2 });
    expect((await datasetExample(folder, 0)).prompt).toMatch(/^hidden\n/);
    await expect(makeDataset(config({ templates: { pomdp: { header: 'a1\n' } } }), scratch(), { tokenizer, threads: 2 })).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('header') });
  });

  it('without a manifest, or with a damaged one, is none', async () => {
    const folder = scratch();
    await expect(verifyDataset(folder)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    writeFileSync(join(folder, 'manifest.json'), '{"schema":"tiresias.dataset/1"}');
    await expect(verifyDataset(folder)).rejects.toMatchObject({ code: 'DATASET_CORRUPT' });
  });
});
