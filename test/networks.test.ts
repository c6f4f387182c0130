// The trainer's networks, from TypeScript: made on a small dataset, resumed, and asked.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Decider, compactTokenizer, defaultTemplate, makeDataset, parseExperiment, train, type Architecture, type StepEvent, type TrainConfig } from '../src/index.js';
import { configDocument } from '../src/train/contract.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { contents, scratch, setEnv } from './support.js';

const optimizer = { lr: 0.01, schedule: 'cosine', warmupSteps: 2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 } as const;

/** A small dataset in the compact vocabulary, and what trains on it. */
async function prepared() {
  const folder = scratch();
  const experiment = parseExperiment({
    schema: 'tiresias.experiment/1', name: 'small', horizon: 4, support: { trajectories: 2 }, dataset: { examples: 60, shardExamples: 60 },
  });
  const template = defaultTemplate('energy', 'mdp');
  const tokenizer = compactTokenizer([template]);
  const data = join(folder, 'data');
  const { shards } = await makeDataset(datasetConfig(experiment, 'mdp'), data, { tokenizer, threads: 2 });
  const config = (name: string, architecture: Architecture): TrainConfig => ({
    backend: 'candle', architecture, data: shards.map(({ path }) => ({ path: join(data, path) })), output: join(folder, name), optimizer,
    steps: 80, batchSize: 8, seed: 1, threads: 2, checkpointEvery: 10, gradientCheckpointing: false,
  });
  return { folder, tokenizer, template, config };
}

it('a language model from nothing learns, resumes to the byte, and decides in sessions', async () => {
  const { folder, tokenizer, config } = await prepared();
  const llama: Architecture = { kind: 'llama', vocabulary: tokenizer.vocabularySize, layers: 2, hidden: 32, heads: 4, kvHeads: 2, ffn: 64 };
  const steps: StepEvent[] = [];
  const done = await train(config('whole', llama), { onEvent: (event) => event.event === 'step' && steps.push(event) });
  expect(done).toMatchObject({ step: 80, adapter: 'model' });
  // It begins as ignorant as a guess among all ids, and leaves the three actions to choose from.
  expect(steps[0]!.loss).toBeCloseTo(Math.log(tokenizer.vocabularySize), 0);
  expect(done.loss).toBeLessThan(1.2);

  const reason = new Error('enough');
  const controller = new AbortController();
  const stopped = train(config('cut', llama), { signal: controller.signal, onEvent: (event) => event.event === 'step' && event.step === 13 && controller.abort(reason) });
  await expect(stopped).rejects.toBe(reason);
  await train(config('cut', llama));
  expect(contents(join(folder, 'cut', 'model'))).toEqual(contents(join(folder, 'whole', 'model')));

  setEnv('TIRESIAS_CACHE', scratch());
  const decider = await Decider.start({ backend: 'candle', model: join(folder, 'whole', 'model'), threads: 1 });
  onTestFinished(() => decider.end());
  const ids = (text: string) => [...tokenizer.encode(text)];
  const candidates = ids('012');
  const [head, tail] = ['mdp\n#\n5,0,35\n4,2,10\n?\n6,', '0,30\n8,'];
  const { sessions, logprobs } = await decider.open([ids(head)], candidates);
  expect(logprobs[0]!.reduce((sum, x) => sum + Math.exp(x), 0)).toBeGreaterThan(0.9);
  const [extended] = await decider.extend(sessions, [ids(tail)]);
  const whole = await decider.open([ids(head + tail)], candidates);
  extended!.forEach((x, i) => expect(x).toBeCloseTo(whole.logprobs[0]![i]!, 4));
});

it('a Decision-Pretrained Transformer learns from the same rows and decides in the same sessions', async () => {
  const { folder, tokenizer, template, config } = await prepared();
  const dpt: Architecture = { kind: 'dpt', templates: [template], observations: 10, actions: 3 };
  const done = await train(config('dpt', dpt));
  expect(done).toMatchObject({ step: 80, adapter: 'model' });
  expect(done.loss).toBeLessThan(Math.log(3));

  setEnv('TIRESIAS_CACHE', scratch());
  const decider = await Decider.start({ backend: 'candle', model: join(folder, 'dpt', 'model'), threads: 1 });
  onTestFinished(() => decider.end());
  const ids = (text: string) => [...tokenizer.encode(text)];
  const [head, tail] = ['mdp\n#\n5,0,35\n4,2,10\n?\n6,', '0,30\n8,'];
  const { sessions, logprobs } = await decider.open([ids(head)], ids('012'));
  expect(logprobs[0]!.reduce((sum, x) => sum + Math.exp(x), 0)).toBeCloseTo(1, 5);
  expect(await decider.extend(sessions, [ids(tail)])).toEqual((await decider.open([ids(head + tail)], ids('012'))).logprobs);
  await expect(decider.extend(sessions, [ids('1')])).rejects.toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('action is to be chosen') as string });
});

it('configurations of networks and of random bases reach the trainer in its own words', () => {
  const { output, ...rest } = { backend: 'candle' as const, data: [{ path: 'a.parquet' }], output: 'out', optimizer, steps: 1, batchSize: 1, seed: 0, threads: 1, checkpointEvery: 1, gradientCheckpointing: false };
  const network = configDocument({ ...rest, output, architecture: { kind: 'llama', vocabulary: 17, kvHeads: 2, ropeTheta: 500, initStd: 0.1 } });
  expect(network).toMatchObject({ contract: 2, architecture: { kind: 'llama', vocabulary: 17, kv_heads: 2, rope_theta: 500, init_std: 0.1 } });
  expect(network).not.toHaveProperty('base');
  const resolved = { path: 'm.gguf', name: 'more than the contract knows', randomWeights: 3 };
  expect(configDocument({ backend: 'candle', base: resolved, threads: 1 })).toEqual({ contract: 2, backend: 'candle', base: { path: 'm.gguf', random_weights: 3 }, threads: 1 });
  expect(configDocument({ backend: 'candle', model: 'm', threads: 1 })).toEqual({ contract: 2, backend: 'candle', model: 'm', threads: 1 });
});

it('a network is not trained on the ids of several tokenizers', async () => {
  const folder = scratch();
  const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'small', horizon: 3, support: { trajectories: 1 }, dataset: { examples: 4, shardExamples: 4 } });
  const shard = async (name: string, regimes: ('mdp' | 'pomdp')[]) => {
    const tokenizer = compactTokenizer(regimes.map((regime) => defaultTemplate('energy', regime)));
    const { shards } = await makeDataset(datasetConfig(experiment, 'mdp'), join(folder, name), { tokenizer, threads: 1 });
    return { path: join(folder, name, shards[0]!.path) };
  };
  const data = [await shard('one', ['mdp']), await shard('two', ['mdp', 'pomdp'])];
  const config: TrainConfig = { backend: 'candle', architecture: { kind: 'llama', vocabulary: 40 }, data, output: join(folder, 'out'), optimizer, steps: 1, batchSize: 1, seed: 0, threads: 1, checkpointEvery: 1, gradientCheckpointing: false };
  await expect(train(config)).rejects.toMatchObject({ code: 'DATASET_DIFFERS' });
  expect(readFileSync(join(folder, 'two', 'manifest.json'), 'utf8')).toContain('compact');
});
