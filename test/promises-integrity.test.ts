// Results belong to what made them: a flipped bit is refused or mended, a changed experiment never gets the numbers of another.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Tokenizer, compactTokenizer, datasetExample, datasetStats, defaultTemplate, evaluateRegime, makeDataset, parseExperiment, readExample, readManifest, runExperiment, scanShards,
  train, verifyDataset, type Experiment, type ExperimentInput, type Manifest, type Results, type Template,
} from '../src/index.js';
import { seal } from '../src/seal.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { trainConfig } from '../src/stages/train.js';
import { contents, fakeBackend, scratch, setEnv, tiresias } from './support.js';
import { byteModel } from './tokenizer-files.js';

const full = process.env['TIRESIAS_PROMISES'] === 'full';
const cases = (short: number) => ({ numRuns: full ? 20 * short : short, ...(full && { interruptAfterTimeLimit: 40_000 }) });
const patient = full ? 600_000 : 180_000;

let home: string;
let base: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tiresias-'));
  base = join(home, 'bytes.gguf');
  writeFileSync(base, byteModel());
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The files of a folder, relative to it, in a fixed order. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();

/** Where a bit is flipped: a share of the files, of the file's bytes, and which bit. */
const place = fc.record({ file: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), byte: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), bit: fc.integer({ min: 0, max: 7 }) });
type Place = { file: number; byte: number; bit: number };

/** Flips one bit of one file; returns its name. */
function flip(folder: string, { file, byte, bit }: Place, among = filesOf(folder)): string {
  const name = among[Math.floor(file * among.length)]!;
  const path = join(folder, name);
  const bytes = readFileSync(path);
  bytes[Math.floor(byte * bytes.length)]! ^= 1 << bit;
  writeFileSync(path, bytes);
  return name;
}

/** A copy of `from` that is as it was. */
function fresh(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
}

const small = (change: Partial<ExperimentInput> = {}): Experiment =>
  parseExperiment({
    schema: 'tiresias.experiment/1', name: 'small', horizon: 3, models: 2, regimes: ['pomdp'], solver: { gap: 0.05 }, support: { trajectories: 1 },
    dataset: { examples: 6, shardExamples: 4 }, base: { path: base }, training: { steps: 2 },
    evaluation: { tasks: 3, resamples: 100, methods: ['oracle', 'random'] }, ...change,
  });

describe('a dataset with a flipped bit', () => {
  it.each(['parquet', 'jsonl', 'safetensors'] as const)('is refused by whoever reads it, and made whole again (%s)', async (format) => {
    const folder = scratch();
    const [good, bad] = [join(folder, 'good'), join(folder, 'bad')];
    const experiment = small({ dataset: { examples: 6, shardExamples: 4, format } });
    const tokenizer = Tokenizer.fromGguf(base);
    const make = (at: string) => makeDataset(datasetConfig(experiment, 'pomdp'), at, { tokenizer, threads: 1 });
    const { shards } = await make(good);
    const expected = contents(good);
    const stats = await datasetStats(good);
    fakeBackend('process.exit(9);');
    await fc.assert(fc.asyncProperty(place, async (where) => {
      fresh(good, bad);
      const name = flip(bad, where);
      const readers: Record<string, (at: string) => unknown> = {
        verify: verifyDataset,
        stats: datasetStats,
        examples: async (at: string) => { for (let row = 0; row < 6; row++) await datasetExample(at, row); },
        scan: (at: string) => scanShards(shards.map(({ path }) => join(at, path))),
        rows: (at: string) => { for (const { path } of shards) readExample(join(at, path), 0); },
      };
      for (const [reader, read] of Object.entries(readers)) {
        const outcome = await Promise.resolve().then(() => read(bad)).then((value) => ({ value }), (error: unknown) => ({ error }));
        // Nobody reads the card.
        if (name === 'README.md') expect(outcome, reader).toHaveProperty('value');
        else expect(outcome, `${reader} of ${name}`).toMatchObject({ error: { code: 'DATASET_CORRUPT', exitCode: 4, message: expect.stringContaining(name) } });
      }
      if (name === 'README.md') expect(await datasetStats(bad)).toEqual(stats);
      // The trainer itself is told the hashes; a manifest that does not hold gives none.
      const config = trainConfig(experiment, { path: base, sha256: '' }, shards.map(({ path }) => ({ path: join(bad, path) })), join(folder, 'out'), 1);
      await expect(train(config)).rejects.toMatchObject({ code: name === 'manifest.json' ? 'DATASET_CORRUPT' : 'TRAINER_DIED' });
      if (name !== 'manifest.json') expect((JSON.parse(readFileSync(join(folder, 'out', 'config.json'), 'utf8')) as { data: object[] }).data).toEqual(shards.map(({ path, sha256 }) => ({ path: join(bad, path), sha256 })));
      await make(bad);
      expect(contents(bad)).toEqual(expected);
    }), cases(6));
  }, patient);

  it('in its journal, or a manifest that contradicts itself though it is sealed, is not believed', async () => {
    const folder = scratch();
    const tokenizer = Tokenizer.fromGguf(base);
    const config = datasetConfig(small(), 'pomdp');
    const whole = await makeDataset(config, join(folder, 'whole'), { tokenizer, threads: 1 });
    const controller = new AbortController();
    await expect(makeDataset(config, join(folder, 'half'), { tokenizer, threads: 1, signal: controller.signal, onProgress: ({ done }) => done > 0 && controller.abort() })).rejects.toThrow();
    await fc.assert(fc.asyncProperty(place, async (where) => {
      fresh(join(folder, 'half'), join(folder, 'bad'));
      flip(join(folder, 'bad'), where, ['manifest.partial.json']);
      expect(await makeDataset(config, join(folder, 'bad'), { tokenizer, threads: 1 })).toEqual(whole);
      expect(contents(join(folder, 'bad'))).toEqual(contents(join(folder, 'whole')));
    }), cases(8));

    const lie = (change: (manifest: Manifest) => void) => {
      const manifest = structuredClone(whole);
      change(manifest);
      writeFileSync(join(folder, 'whole', 'manifest.json'), seal(manifest));
    };
    lie((manifest) => { manifest.totals.tokens += 1; });
    for (const read of [verifyDataset, datasetStats, (at: string) => datasetExample(at, 0)]) await expect(read(join(folder, 'whole'))).rejects.toMatchObject({ code: 'DATASET_CORRUPT', message: expect.stringContaining('totals.tokens') });
    lie(() => {});
    expect(await verifyDataset(join(folder, 'whole'))).toEqual(whole);
    // Another program's manifest, or none, says nothing of a file.
    const shard = join(folder, 'whole', 'data', 'shard-00000.parquet');
    mkdirSync(join(folder, 'other', 'data'), { recursive: true });
    cpSync(shard, join(folder, 'other', 'data', 'mine.parquet'));
    for (const manifest of [undefined, '{"name":"an app"}']) {
      if (manifest !== undefined) writeFileSync(join(folder, 'other', 'manifest.json'), manifest);
      expect(readExample(join(folder, 'other', 'data', 'mine.parquet'), 0).family).toBe('energy');
      expect((await scanShards([join(folder, 'other', 'data', 'mine.parquet')])).examples).toBe(4);
    }
    // In the dataset's own folder it would pass for a part of it.
    cpSync(shard, join(folder, 'whole', 'data', 'mine.parquet'));
    expect(() => readExample(join(folder, 'whole', 'data', 'mine.parquet'), 0)).toThrow(/mine\.parquet is not in the manifest/);
  }, patient);

  it('or encoded by another tokenizer than the base model’s is not trained on', async () => {
    const folder = scratch();
    fakeBackend('process.exit(9);');
    const experiment = small();
    const tokenizer = compactTokenizer([defaultTemplate('energy', 'pomdp') as Template]);
    const { shards } = await makeDataset(datasetConfig(experiment, 'pomdp'), folder, { tokenizer, threads: 1 });
    const config = trainConfig(experiment, { path: base, sha256: '' }, [{ path: join(folder, shards[0]!.path) }], join(folder, 'out'), 1);
    await expect(train(config)).rejects.toMatchObject({ code: 'DATASET_DIFFERS', exitCode: 2, message: expect.stringMatching(/tokenizer/) });
  });
});

/** Trains an adapter that holds its configuration, and acts by a hash of all that it was given; `salt` makes another program of it. */
const backend = (salt = '') => `
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
const hash = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest()[0];
if (mode === 'train') {
  mkdirSync(config.output + '/adapter', { recursive: true });
  writeFileSync(config.output + '/metrics.jsonl', '');
  const line = (event) => { appendFileSync(config.output + '/metrics.jsonl', JSON.stringify(event) + '\\n'); say(event); };
  line({ event: 'start', parameters: 100, trainable: 10, examples: 8, resumed_from: 0, steps: config.steps, arithmetic: 'f32' });
  for (let step = 1; step <= config.steps; step++) line({ event: 'step', step, loss: 1 / step, accuracy: 0.5, grad_norm: 1, lr: 0.1, tokens: 100, labels: 10, seconds: 0.02, tokens_per_second: 5000 });
  const data = config.data.map(({ path }) => createHash('sha256').update(readFileSync(path)).digest('hex'));
  writeFileSync(config.output + '/adapter/adapter_model.safetensors', JSON.stringify([config.lora, config.optimizer, config.batch_size, config.seed, config.steps, data]));
  line({ event: 'done', step: config.steps, adapter: 'adapter', loss: 1 / config.steps, tokens: 200, seconds: 0.1, tokens_per_second: 2000, matmul_share: 0.3, peak_rss_bytes: 1000000 });
} else {
  say({ event: 'ready', contract: 2, vocabulary: 256, context: 8192, adapter: config.adapter !== undefined });
  const adapter = config.adapter ? readFileSync(config.adapter + '/adapter_model.safetensors', 'latin1') : '';
  const read = [];
  const row = (s) => [0, 1, 2].map((a) => -hash(${JSON.stringify(salt)}, adapter, config.base.sha256, read[s], a));
  for await (const text of createInterface({ input: process.stdin })) {
    const { id, op, contexts, sessions, tokens } = JSON.parse(text);
    if (op === 'open') { const made = contexts.map((c) => read.push([...c]) - 1); say({ id, sessions: made, logprobs: made.map(row) }); }
    else if (op === 'extend') { sessions.forEach((s, i) => read[s].push(...tokens[i])); say({ id, logprobs: sessions.map(row) }); }
    else say({ id, closed: sessions.length });
  }
}
`;

/** What of the results does not depend on the clock. */
const timeless = (results: Results) => ({ ...results, stages: results.stages.map(({ name }) => name), datasets: results.datasets.map((d) => ({ ...d, seconds: 0 })) });

const methods = ['oracle', 'sft', 'icl', 'random'] as const;

describe('a run’s folder with a flipped bit', () => {
  it('gives the same results as if it were whole, or is refused', async () => {
    const folder = scratch();
    fakeBackend(backend());
    const experiment = small({ evaluation: { tasks: 3, resamples: 100, methods: [...methods] } });
    const run = (at: string) => runExperiment(experiment, { folder: join(folder, at), threads: 1 });
    const expected = timeless((await run('good')).results);
    const made = contents(join(folder, 'good'));
    // What is written anew whatever stood there is not read.
    const among = filesOf(join(folder, 'good')).filter((name) => !/^report|^experiment\.json$/.test(name));
    await fc.assert(fc.asyncProperty(place, async (where) => {
      fresh(join(folder, 'good'), join(folder, 'bad'));
      const name = flip(join(folder, 'bad'), where, among);
      const { results } = await run('bad');
      expect(timeless(results), name).toEqual(expected);
      const now = contents(join(folder, 'bad'));
      for (const file of filesOf(join(folder, 'good')).filter((file) => /^(dataset|evaluation)|adapter_model/.test(file))) expect(now[file], `${file} after ${name}`).toBe(made[file]);
    }), cases(10));
  }, patient);

  it('in its results gets no report', async () => {
    const folder = scratch();
    await runExperiment(small(), { folder, threads: 1 });
    const good = readFileSync(join(folder, 'results.json'));
    expect((await tiresias(['report', folder])).code).toBe(0);
    await fc.assert(fc.asyncProperty(place, async (where) => {
      writeFileSync(join(folder, 'results.json'), good);
      flip(folder, where, ['results.json']);
      const { code, stderr } = await tiresias(['report', folder]);
      expect(code).toBe(2);
      expect(stderr).toContain('results.json');
    }), cases(2));
  }, patient);
});

/** One change of an experiment each; all of them lead to an experiment that can be evaluated. */
const changes: ((e: Experiment) => void)[] = [
  (e) => { e.seed += 1; },
  (e) => { e.horizon += 1; },
  (e) => { e.models += 1; },
  (e) => { e.alpha = 0.5; },
  (e) => { e.family = 'clinical'; },
  (e) => { e.support.trajectories += 1; },
  (e) => { e.support.behaviour = 'random'; },
  (e) => { e.solver.gap = 0.5; },
  (e) => { e.templates = { ...e.templates, pomdp: { header: 'other\n' }, apomdp: { header: 'other\n' } }; },
  (e) => { e.evaluation.split = 'train'; },
  (e) => { e.evaluation.tasks += 1; },
  (e) => { e.evaluation.episodes += 1; },
  (e) => { e.evaluation.epsilon = 0.5; },
  (e) => { e.evaluation.resamples += 1; },
  (e) => { e.evaluation.methods = [...e.evaluation.methods].reverse(); },
  (e) => { e.nature = 'adversarial'; },
];
const sequence = fc.array(fc.nat({ max: changes.length - 1 }), { minLength: 2, maxLength: 4 });

function after(experiment: Experiment, picked: number): Experiment {
  const next = structuredClone(experiment);
  changes[picked]!(next);
  return parseExperiment(next);
}

describe('an evaluation into a folder that holds another', () => {
  it.each(['pomdp', 'apomdp'] as const)('has the results of a folder of its own, whatever changed (%s)', async (regime) => {
    const folder = scratch();
    let fresh = 0;
    await fc.assert(fc.asyncProperty(sequence, async (picks) => {
      let experiment = small({ regimes: [regime] });
      for (const pick of picks) {
        experiment = after(experiment, pick);
        const evaluate = (at: string) => evaluateRegime(experiment, regime, { folder: join(folder, at), threads: 1 });
        expect(await evaluate('same')).toEqual(await evaluate(`own-${fresh++}`));
      }
    }), cases(6));
  }, patient);

  it('follows the adapter, the base model, the tokenizer’s file and the program that decides; the oracle is not played again for them', async () => {
    const folder = scratch();
    const experiment = small({ evaluation: { tasks: 3, resamples: 100, methods: [...methods] } });
    const other = join(folder, 'other.gguf');
    writeFileSync(other, Buffer.concat([byteModel(), Buffer.alloc(32)]));
    for (const name of ['a', 'b']) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'adapter_model.safetensors'), name);
    }
    const rows = (at: string, method: string) => readFileSync(join(folder, at, `pomdp-${method}.jsonl`), 'utf8');
    const written = (method: string) => statSync(join(folder, 'same', `pomdp-${method}.jsonl`)).mtimeMs;
    const seen = new Set<string>();
    let oracle: number | undefined;
    for (const [adapter, file, sha256, salt] of [['a', base, 'x', ''], ['b', base, 'x', ''], ['b', other, 'y', ''], ['b', other, 'y', 'newer'], ['a', base, 'x', '']] as const) {
      fakeBackend(backend(salt));
      const evaluate = (at: string) => evaluateRegime(experiment, 'pomdp', { base: { path: file, sha256 }, trained: { sft: join(folder, adapter) }, folder: join(folder, at), threads: 1 });
      const own = `own-${adapter}${sha256}${salt}`;
      expect(await evaluate('same')).toEqual(await evaluate(own));
      for (const method of methods) expect(rows('same', method)).toBe(rows(own, method));
      seen.add(rows('same', 'sft'));
      expect(written('oracle')).toBe((oracle ??= written('oracle')));
    }
    expect(seen.size).toBe(4);
  }, patient);

  it('plays again rows with a flipped bit, and no others', async () => {
    const folder = scratch();
    const experiment = small({ regimes: ['apomdp'] });
    const evaluate = () => evaluateRegime(experiment, 'apomdp', { folder: join(folder, 'rows'), threads: 1 });
    const expected = await evaluate();
    const made = contents(join(folder, 'rows'));
    expect(Object.keys(made)).toContain('apomdp-oracle-fixed0.stamp.json');
    await fc.assert(fc.asyncProperty(place, async (where) => {
      const name = flip(join(folder, 'rows'), where);
      const others = filesOf(join(folder, 'rows')).filter((file) => file.split('.')[0] !== name.split('.')[0]);
      const times = others.map((file) => statSync(join(folder, 'rows', file)).mtimeMs);
      expect(await evaluate()).toEqual(expected);
      expect(contents(join(folder, 'rows'))).toEqual(made);
      expect(others.map((file) => statSync(join(folder, 'rows', file)).mtimeMs)).toEqual(times);
    }), cases(8));
  }, patient);

  it('needs no language model for methods without one', async () => {
    const folder = scratch();
    const { base: _, ...plain } = small({ evaluation: { tasks: 2, resamples: 100, methods: ['oracle', 'random'] } });
    writeFileSync(join(folder, 'e.json'), JSON.stringify({ ...plain, base: { name: 'smollm2-135m-instruct' } }));
    const env = { TIRESIAS_CACHE: join(folder, 'cache'), TIRESIAS_PYTHON: '/nonexistent/python' };
    const evaluate = (...more: string[]) => tiresias(['evaluate', '-c', join(folder, 'e.json'), '-o', join(folder, 'out'), '--json', ...more], { env });
    const first = await evaluate();
    expect(first.code, first.stderr).toBe(0);
    const gap = (text: string) => (JSON.parse(text) as Results['regimes'])['pomdp']!.optimal;
    // Another seed draws other tasks, which are worth something else.
    const second = await evaluate('--seed', '5');
    expect(gap(second.stdout)).not.toBe(gap(first.stdout));
    expect(gap((await evaluate()).stdout)).toBe(gap(first.stdout));
    expect(existsSync(join(folder, 'cache'))).toBe(false);
  }, patient);
});

describe('a run into a folder that holds another', () => {
  it('has the results of a folder of its own, whatever changed', async () => {
    const folder = scratch();
    fakeBackend(backend());
    setEnv('TIRESIAS_CACHE', join(folder, 'cache'));
    let fresh = 0;
    const alone = new Map<string, unknown>();
    const ofTraining: ((e: Experiment) => void)[] = [
      (e) => { e.training.steps += 1; },
      (e) => { e.training.lora.r += 1; },
      (e) => { e.training.optimizer.lr *= 2; },
      (e) => { e.dataset.examples += 2; },
      (e) => { e.query.behaviour = 'oracle'; },
    ];
    await fc.assert(fc.asyncProperty(fc.nat({ max: changes.length + ofTraining.length - 1 }), async (pick) => {
      const before = small({ evaluation: { tasks: 2, resamples: 100, methods: [...methods] } });
      const experiment = structuredClone(before);
      [...changes, ...ofTraining][pick]!(experiment);
      const run = async (at: string) => timeless((await runExperiment(parseExperiment(experiment), { folder: join(folder, at), threads: 1 })).results);
      const same = await run('same');
      const key = JSON.stringify(experiment);
      if (!alone.has(key)) alone.set(key, await run(`own-${fresh++}`));
      expect(same).toEqual(alone.get(key));
    }), cases(3));
  }, patient);
});

describe('a sealed file', () => {
  it('is one by its own text', async () => {
    const folder = scratch();
    const manifest = { a: 1, text: '{\n  "seal": "' };
    expect(JSON.parse(seal(manifest))).toEqual({ seal: expect.stringMatching(/^[0-9a-f]{64}$/), ...manifest });
    writeFileSync(join(folder, 'manifest.json'), seal({ schema: 'tiresias.dataset/1' }));
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'DATASET_CORRUPT', message: expect.stringMatching(/version/) });
  });
});
