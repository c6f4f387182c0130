// The real chain: the real model, the real trainer, the real decider.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Decider, Tokenizer, makeDataset, parseExperiment, resolveBaseModel, train, type ExperimentInput, type Results } from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { trainConfig } from '../src/stages/train.js';
import { baseModel, contents, scratch, setEnv, tiresias } from './support.js';

const small: ExperimentInput = {
  schema: 'tiresias.experiment/1', name: 'small', horizon: 3, models: 2, support: { trajectories: 1 }, solver: { gap: 0.05 },
  dataset: { examples: 6, shardExamples: 6 }, base: { path: baseModel() },
  training: { steps: 3, batchSize: 2, checkpointEvery: 1, lora: { r: 4, alpha: 8, targets: ['q_proj', 'v_proj'] } },
  evaluation: { tasks: 3, resamples: 100 },
};

async function prepared() {
  const folder = scratch();
  const experiment = parseExperiment(small);
  const base = await resolveBaseModel(experiment.base);
  const data = join(folder, 'data');
  const { shards } = await makeDataset(datasetConfig(experiment, 'mdp'), data, { tokenizer: Tokenizer.fromGguf(base.path), threads: 2 });
  const config = (name: string, threads = 2) => trainConfig(experiment, base, shards.map((s) => ({ path: join(data, s.path) })), join(folder, name), threads);
  return { folder, base, config };
}

describe('the real trainer', () => {
  it('stopped and killed on its way ends with the same adapter as one that was left alone', async () => {
    const { folder, config } = await prepared();
    const straight = await train(config('straight'));
    expect(straight).toMatchObject({ event: 'done', step: 3 });

    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = train(config('stopped'), { signal: controller.signal, onEvent: (event) => event.event === 'step' && event.step === 1 && controller.abort(reason) });
    await expect(stopped).rejects.toBe(reason);
    expect(existsSync(join(folder, 'stopped', 'adapter'))).toBe(false);
    const resumed: number[] = [];
    await train(config('stopped'), { onEvent: (event) => event.event === 'start' && resumed.push(event.resumedFrom) });
    expect(resumed[0]).toBeGreaterThan(0);
    expect(contents(join(folder, 'stopped', 'adapter'))).toEqual(contents(join(folder, 'straight', 'adapter')));
    // Done already: the stored word is repeated.
    expect(await train(config('stopped'))).toMatchObject({ event: 'done', step: 3 });
  });

  it('has its refusals passed on with their codes', async () => {
    const { config } = await prepared();
    await expect(train({ ...config('a'), data: [{ path: '/nonexistent.parquet' }] })).rejects.toMatchObject({ name: 'TiresiasError', exitCode: 4 });
    await expect(train({ ...config('b'), base: { path: '/nonexistent.gguf' } })).rejects.toMatchObject({ exitCode: 3 });
    await expect(train({ ...config('c'), steps: -1 })).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe('the real decider', () => {
  it('gives the same numbers in one piece or step by step, alone or in company', async () => {
    setEnv('TIRESIAS_CACHE', scratch());
    const decider = await Decider.start({ backend: 'candle', base: { path: baseModel() }, threads: 2 }, { batch: 2 });
    onTestFinished(() => decider.end());
    const tokenizer = Tokenizer.fromGguf(baseModel());
    const context = tokenizer.encode('mdp\n#\n5,0,35\n4,2,10\n?\n6,');
    const candidates = tokenizer.encode('012');
    const [whole] = (await decider.open([context], candidates)).logprobs;
    const halves = await decider.open([context.subarray(0, 9), context.subarray(0, 4), context.subarray(0, 7)], candidates);
    const rows = await decider.extend(halves.sessions, [context.subarray(9), context.subarray(4), context.subarray(7)]);
    for (const row of rows) row.forEach((p, i) => expect(p).toBeCloseTo(whole![i]!, 3));
    expect(whole!.every((p) => p < 0)).toBe(true);
    await decider.close(halves.sessions);
    await expect(decider.extend([halves.sessions[0]!], [[1]])).rejects.toMatchObject({ name: 'TiresiasError' });
  });

  it('refuses an adapter that is not there', async () => {
    setEnv('TIRESIAS_CACHE', scratch());
    await expect(Decider.start({ backend: 'candle', base: { path: baseModel() }, adapter: '/nonexistent', threads: 2 })).rejects.toMatchObject({ name: 'TiresiasError', exitCode: 4 });
  });
});

describe('the real experiment', () => {
  it('runs from the command line, stage by stage and as a whole, with the same adapter', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'e.json'), JSON.stringify(small));
    const at = (...args: string[]) => tiresias([...args, '-c', 'e.json', '--json'], { cwd: folder });
    const run = await at('run', '-o', 'run');
    expect(run.code, run.stderr).toBe(0);
    const results = JSON.parse(run.stdout) as Results;
    expect(Object.keys(results.regimes)).toEqual(['mdp', 'pomdp', 'apomdp']);
    expect(results.training[0]!.trainable).toBeGreaterThan(0);
    expect(results.training[0]!.curve).toHaveLength(3);
    expect(existsSync(join(folder, 'run', 'report', 'report.html'))).toBe(true);

    expect((await at('dataset', 'make', '--out', 'data')).code).toBe(0);
    expect(contents(join(folder, 'data'))).toEqual(contents(join(folder, 'run', 'dataset')));
    const trained = await at('train', '--data', 'data/mdp', 'data/pomdp', 'data/apomdp', '--out', 'adapter');
    expect(trained.code, trained.stderr).toBe(0);
    expect(contents(join(folder, 'adapter', 'adapter'))).toEqual(contents(join(folder, 'run', 'train', 'joint', 'adapter')));
    const evaluated = await at('evaluate', '--adapter', 'adapter/adapter', '--regime', 'mdp', '--out', 'evaluation');
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(JSON.parse(evaluated.stdout)).toEqual({ mdp: results.regimes['mdp'] });
    const plain = await at('evaluate', '--regime', 'mdp', '--out', 'plain');
    expect(Object.keys((JSON.parse(plain.stdout) as Results['regimes'])['mdp']!.methods)).toEqual(['oracle', 'icl', 'random']);
    const report = await tiresias(['report', 'run', '--out', 'report', '--json'], { cwd: folder });
    expect(readFileSync((JSON.parse(report.stdout) as { html: string }).html.replace(/^(?!\/)/, `${folder}/`), 'utf8')).toBe(readFileSync(join(folder, 'run', 'report', 'report.html'), 'utf8'));
  }, 180_000);
});
