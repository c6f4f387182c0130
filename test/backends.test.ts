// The registry of backends: who is there, who does what, and what is refused before anything is computed.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BACKENDS, able, backendOf, checkAble, type BackendName } from '../src/backends/index.js';
import { environmentFolder, environmentPython, requirementsPath, stampPath } from '../src/backends/peft.js';
import { sha256FileSync, writeJson } from '../src/files.js';
import { parseExperiment, runExperiment, type ExperimentInput } from '../src/index.js';
import { parseDecideLine, parseTrainLine, type DecideConfig, type TrainConfig } from '../src/train/contract.js';
import { Decider } from '../src/train/decider.js';
import { train } from '../src/train/process.js';
import { FIRST_LINE, baseModel, fakeBackend, scratch, setEnv, tiresias } from './support.js';

describe('the registry', () => {
  it('finds a backend by its name, and says which there are', () => {
    expect(BACKENDS.map(({ name }) => backendOf(name).name)).toEqual(['candle', 'peft']);
    expect(() => backendOf('llamafile')).toThrow(expect.objectContaining({ code: 'UNKNOWN_NAME', message: 'backend "llamafile" does not exist; expected one of candle, peft' }));
  });

  it('leaves what a backend cannot do to the first that can, in its own arithmetic', () => {
    expect(able({ backend: 'peft', arithmetic: 'bf16' }, 'train')).toEqual({ backend: 'peft', arithmetic: 'bf16' });
    expect(able({ backend: 'peft', arithmetic: 'bf16' }, 'full-parameter')).toEqual({ backend: 'candle' });
    expect(able({ backend: 'candle', arithmetic: 'bf16' }, 'train')).toEqual({ backend: 'candle', arithmetic: 'bf16' });
    expect(able({ backend: 'candle', arithmetic: 'bf16' }, 'full-parameter')).toEqual({ backend: 'candle' });
    expect(able({ backend: 'candle' }, 'full-parameter')).toEqual({ backend: 'candle' });
  });

  it.each<[string, Partial<TrainConfig & DecideConfig>, RegExp]>([
    ['a whole network of peft', { backend: 'peft', architecture: { kind: 'llama', vocabulary: 17 } }, /backend peft .*`architecture`; choose the backend candle$/],
    ['such a network’s decisions', { backend: 'peft', model: 'somewhere' }, /backend peft .*`model`; choose the backend candle$/],
    ['a random base', { backend: 'peft', base: { path: 'm.gguf', randomWeights: 1 } }, /backend peft .*`base.random_weights`; choose/],
    ['a stream', { backend: 'peft', stream: { specs: [] } }, /backend peft learns from a dataset.*training.data to "dataset", or choose the backend candle/],
    ['another arithmetic of candle', { backend: 'candle', arithmetic: 'nf4' }, /backend candle computes in f32, bf16, not in nf4; leave training.arithmetic out, or choose the backend peft/],
  ])('refuses %s by name', (_, asked, message) => {
    expect(() => checkAble({ backend: 'candle', ...asked })).toThrow(expect.objectContaining({ code: 'BACKEND_UNABLE', exitCode: 2, message: expect.stringMatching(message) as string }));
  });

  it('gives a program an identity that is its contents', async () => {
    fakeBackend('1;');
    const [one, peft] = [await backendOf('candle').identity(), await backendOf('peft').identity()];
    fakeBackend('2;');
    expect(await backendOf('candle').identity()).not.toBe(one);
    expect(await backendOf('peft').identity()).toBe(peft);
  });
});

describe('the environment of peft', () => {
  it('is believed only when its stamp was written, and of these requirements', async () => {
    setEnv('TIRESIAS_PEFT_PYTHON', undefined);
    setEnv('TIRESIAS_CACHE', scratch());
    const missing = { code: 'TRAINER_MISSING', exitCode: 6, message: expect.stringContaining('run `tiresias setup peft`') as string };
    const start = () => backendOf('peft').command();
    expect(start).toThrow(expect.objectContaining(missing));
    // As if it had been stopped before its end.
    mkdirSync(dirname(environmentPython()), { recursive: true });
    writeFileSync(environmentPython(), '');
    expect(start).toThrow(expect.objectContaining(missing));
    await writeJson(stampPath(), { kind: 'cpu', requirements: '0'.repeat(64) });
    expect(start).toThrow(expect.objectContaining(missing));
    await writeJson(stampPath(), { kind: 'cpu', requirements: sha256FileSync(requirementsPath('cpu')) });
    expect(start()).toMatchObject({ program: environmentPython(), args: ['-m', 'tiresias_peft'] });
    expect(existsSync(join(start().env!['PYTHONPATH']!, 'tiresias_peft', '__main__.py'))).toBe(true);
    const cpu = await backendOf('peft').identity();
    await writeJson(stampPath(), { kind: 'cuda', requirements: sha256FileSync(requirementsPath('cuda')) });
    expect(await backendOf('peft').identity()).not.toBe(cpu);
  });

  it('may be a python of one’s own', () => {
    setEnv('TIRESIAS_PEFT_PYTHON', process.execPath);
    expect(backendOf('peft').command().program).toBe(process.execPath);
    setEnv('TIRESIAS_PEFT_PYTHON', '/nonexistent/python');
    expect(() => backendOf('peft').command()).toThrow(expect.objectContaining({ code: 'TRAINER_MISSING', message: expect.stringContaining('TIRESIAS_PEFT_PYTHON') as string }));
  });

  // A python that makes what `-m venv` and `-m pip` would, or stops half-way.
  const python = (whole: boolean) => `#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo made >> "$3/log"; exit; fi
echo "Collecting torch==1"; echo "Installing collected packages"; ${whole ? 'exit 0' : 'echo "no such hash" >&2; exit 1'}
`;
  const setup = async (whole: boolean, ...options: string[]) => {
    const program = join(scratch(), 'python3');
    writeFileSync(program, python(whole), { mode: 0o755 });
    return tiresias(['setup', 'peft', '--json', ...options], { env: { TIRESIAS_PYTHON: program } });
  };

  it('is made by `tiresias setup peft`, begun anew where it was left unfinished, and made once', async () => {
    setEnv('TIRESIAS_PEFT_PYTHON', undefined);
    setEnv('TIRESIAS_CACHE', scratch());
    const failed = await setup(false);
    expect(failed.code).toBe(6);
    expect(failed.stderr).toMatch(/same command again[^]*no such hash/);
    expect(existsSync(stampPath())).toBe(false);
    writeFileSync(join(environmentFolder(), 'left'), '');
    const made = await setup(true);
    expect(made.code, made.stderr).toBe(0);
    expect(JSON.parse(made.stdout)).toEqual({ kind: 'cpu', folder: environmentFolder(), python: environmentPython() });
    expect(existsSync(join(environmentFolder(), 'left'))).toBe(false);
    expect(backendOf('peft').command().program).toBe(environmentPython());
    expect((await setup(false)).code).toBe(0);
    expect((await setup(true, '--cuda')).code).toBe(0);
  });

  it('wants a python', async () => {
    const { code, stderr } = await tiresias(['setup', 'peft'], { env: { TIRESIAS_CACHE: scratch(), TIRESIAS_PYTHON: '/nonexistent/python3' } });
    expect([code, stderr]).toEqual([6, expect.stringContaining('install Python 3.11 or later')]);
  });
});

describe('a first line', () => {
  it('tells of any hardware that the contract knows', () => {
    const cuda = { kind: 'cuda', name: 'A100', devices: 2, memory_bytes: 4e10 };
    expect(parseTrainLine(JSON.stringify({ ...FIRST_LINE('peft'), hardware: cuda }))).toMatchObject({ name: 'peft', hardware: { kind: 'cuda', name: 'A100', devices: 2, memoryBytes: 4e10 } });
    const bare = { ...FIRST_LINE('peft'), hardware: { kind: 'cpu', threads: 3 } };
    expect(parseTrainLine(JSON.stringify(bare))).toEqual(bare);
    expect(parseDecideLine(JSON.stringify(bare))).toEqual(bare);
    const wrong = [{ kind: 'abacus' }, { kind: 'cuda', name: 'A100' }, undefined];
    for (const hardware of wrong) expect(() => parseTrainLine(JSON.stringify({ ...FIRST_LINE('peft'), hardware }))).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  });

  const config = (backend: BackendName) => ({
    backend, base: { path: 'm.gguf' }, data: [{ path: 'a.parquet' }], output: join(scratch(), 'out'), lora: { r: 1, alpha: 1, targets: ['q_proj' as const] },
    optimizer: { lr: 0.1, schedule: 'cosine' as const, warmupSteps: 0, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    steps: 2, batchSize: 1, seed: 0, threads: 1, checkpointEvery: 1, gradientCheckpointing: true,
  });

  it('of another backend breaks the contract, of trainer and decider', async () => {
    setEnv('TIRESIAS_CACHE', scratch());
    setEnv('TIRESIAS_PEFT_PYTHON', fakeBackend('setTimeout(() => {}, 60_000);'));
    const breach = { code: 'PROTOCOL', message: expect.stringMatching(/backend peft says that it is "candle"/) as string };
    await expect(train(config('peft'))).rejects.toMatchObject(breach);
    await expect(Decider.start({ backend: 'peft', base: { path: 'm.gguf' }, threads: 1 })).rejects.toMatchObject(breach);
  });
});

describe('an experiment', () => {
  const small = (change: Partial<ExperimentInput>) =>
    parseExperiment({
      schema: 'tiresias.experiment/1', name: 'small', horizon: 3, regimes: ['mdp'], solver: { gap: 0.05 }, support: { trajectories: 1 }, base: { path: baseModel() },
      dataset: { examples: 4, shardExamples: 4 }, evaluation: { tasks: 2, resamples: 100 }, ...change,
    });

  it('goes to the backend that it names, and says what it computes in', async () => {
    setEnv('TIRESIAS_TRAIN', '/nonexistent/tiresias-train');
    fakeBackend(`
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
if (config.backend !== 'peft' || config.arithmetic !== 'bf16') process.exit(70);
if (mode === 'train') {
  const line = (event) => { appendFileSync(config.output + '/metrics.jsonl', JSON.stringify(event) + '\\n'); say(event); };
  line({ event: 'start', parameters: 100, trainable: 10, examples: 4, resumed_from: 0, steps: config.steps, arithmetic: 'bf16' });
  mkdirSync(config.output + '/adapter', { recursive: true });
  writeFileSync(config.output + '/adapter/adapter_model.safetensors', 'whole');
  line({ event: 'done', step: config.steps, adapter: 'adapter', loss: 1, tokens: 200, seconds: 0.1, tokens_per_second: 2000, peak_rss_bytes: 1000000 });
} else {
  say({ event: 'ready', contract: 2, vocabulary: 49152, context: 8192, adapter: config.adapter !== undefined });
  for await (const text of createInterface({ input: process.stdin })) {
    const { id, op, contexts, sessions } = JSON.parse(text);
    const logprobs = (contexts ?? sessions).map(() => [-1, -2, -3]);
    say(op === 'open' ? { id, sessions: contexts.map((_, i) => i), logprobs } : op === 'extend' ? { id, logprobs } : { id, closed: sessions.length });
  }
}`, 'peft');
    const { results } = await runExperiment(small({ training: { backend: 'peft', arithmetic: 'bf16', steps: 2 } }), { folder: join(scratch(), 'run'), threads: 1 });
    expect(results.regimes['mdp']!.methods).toHaveProperty('sft');
    expect(results.training[0]).toMatchObject({ steps: 2, peakRssBytes: 1000000, matmulPeakGflops: 10 });
    expect(results.training[0]).not.toHaveProperty('matmulShare');
  });

  it.each<[string, Partial<ExperimentInput>, object]>([
    ['an arithmetic that candle has not', { training: { arithmetic: 'nf4' } }, { code: 'BACKEND_UNABLE', message: expect.stringContaining('the backend candle computes in f32, bf16, not in nf4') }],
    ['a stream for peft', { training: { backend: 'peft', data: 'stream' } }, { code: 'BACKEND_UNABLE', message: expect.stringContaining('the backend peft') }],
    ['peft where it is not installed', { training: { backend: 'peft' } }, { code: 'TRAINER_MISSING', message: expect.stringContaining('tiresias setup peft') }],
  ])('with %s is refused before anything is made', async (_, change, error) => {
    setEnv('TIRESIAS_CACHE', scratch());
    setEnv('TIRESIAS_PEFT_PYTHON', undefined);
    fakeBackend('process.exit(9);');
    const folder = join(scratch(), 'run');
    await expect(runExperiment(small(change), { folder, threads: 1 })).rejects.toMatchObject(error);
    expect(existsSync(folder)).toBe(false);
  });

  it('whose base is a folder that its backend does not read is refused before it is fetched', async () => {
    const candle = backendOf('candle');
    const { bases } = candle;
    Object.defineProperty(candle, 'bases', { value: ['gguf'] });
    onTestFinished(() => void Object.defineProperty(candle, 'bases', { value: bases }));
    setEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    const folder = join(scratch(), 'run');
    const refused = { code: 'BACKEND_UNABLE', message: expect.stringMatching(/backend candle reads gguf, not the folder org\/name; name a GGUF file, or choose the backend peft/) as string };
    await expect(runExperiment(small({ base: { hub: 'org/name' } }), { folder, threads: 1 })).rejects.toMatchObject(refused);
    expect(existsSync(folder)).toBe(false);
    const unavailable = { code: 'BASE_MODEL_UNAVAILABLE' };
    fakeBackend('process.exit(9);');
    await expect(runExperiment(small({ base: { hub: 'org/name', file: 'm.gguf' } }), { folder, threads: 1 })).rejects.toMatchObject(unavailable);
  });

  it('names a backend of the registry', () => {
    expect(() => small({ training: { backend: 'llamafile' as BackendName } })).toThrow(expect.objectContaining({ code: 'INVALID_EXPERIMENT', message: expect.stringContaining('$.training.backend') as string }));
  });
});
