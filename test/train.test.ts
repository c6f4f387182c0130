// The trainer's client against processes that keep, and break, the contract.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TrainConfig, TrainEvent } from '../src/train/contract.js';
import { readMetrics, train } from '../src/train/process.js';
import { FIRST_LINE, fakeBackend, scratch, setEnv } from './support.js';

const START = { event: 'start', parameters: 10, trainable: 2, examples: 4, resumed_from: 0, steps: 2, arithmetic: 'f32' };
const STEP = { event: 'step', step: 1, loss: 1, accuracy: 0.5, grad_norm: 1, lr: 0.1, tokens: 8, labels: 2, seconds: 1, tokens_per_second: 8 };
const DONE = { event: 'done', step: 2, adapter: 'adapter', loss: 0.5, tokens: 16, seconds: 2, tokens_per_second: 8, matmul_share: 0.5, peak_rss_bytes: 1000 };
/** The last as the library tells it. */
const DONE_EVENT = { event: 'done', step: 2, adapter: 'adapter', loss: 0.5, tokens: 16, seconds: 2, tokensPerSecond: 8, matmulShare: 0.5, peakRssBytes: 1000 };
const all = (...events: object[]) => events.map((event) => `say(${JSON.stringify(event)});`).join('\n');

const config = (): TrainConfig => ({
  backend: 'candle',
  base: { path: 'm.gguf' },
  data: [{ path: 'a.parquet' }],
  output: join(scratch(), 'out'),
  lora: { r: 1, alpha: 1, targets: ['q_proj'] },
  optimizer: { lr: 0.1, schedule: 'cosine', warmupSteps: 0, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
  steps: 2, batchSize: 1, seed: 0, threads: 1, checkpointEvery: 1, gradientCheckpointing: true,
});

describe('a trainer', () => {
  it('gets its configuration and has its lines passed on', async () => {
    fakeBackend(`if (mode !== 'train' || config.contract !== 2 || config.lora.r !== 1) process.exit(2);\n${all(START, STEP, { ...STEP, step: 2, new_field: true }, DONE)}`);
    const events: TrainEvent[] = [];
    const settings = config();
    const done = await train(settings, { onEvent: (event) => events.push(event) });
    expect(done).toEqual(DONE_EVENT);
    expect(events[0]).toEqual({ event: 'backend', contract: 2, name: 'candle', version: '0.0.0', can: ['train', 'decide', 'full-parameter'], bases: ['gguf', 'safetensors'], hardware: { kind: 'cpu', threads: 1, matmulPeakGflops: 10 } });
    expect(events[2]).toEqual({ event: 'step', step: 1, loss: 1, accuracy: 0.5, gradNorm: 1, lr: 0.1, tokens: 8, labels: 2, seconds: 1, tokensPerSecond: 8 });
    expect(events.map((event) => event.event)).toEqual(['backend', 'start', 'step', 'step', 'done']);
    expect(JSON.parse(readFileSync(join(settings.output, 'config.json'), 'utf8'))).toEqual({
      contract: 2, backend: 'candle', base: { path: 'm.gguf' }, data: [{ path: 'a.parquet' }], output: settings.output, lora: { r: 1, alpha: 1, targets: ['q_proj'] },
      optimizer: { lr: 0.1, schedule: 'cosine', warmup_steps: 0, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0, max_grad_norm: 1 },
      steps: 2, batch_size: 1, seed: 0, threads: 1, checkpoint_every: 1, gradient_checkpointing: true,
    });
  });

  it.each([
    [2, 'BAD_CONFIG'], [3, 'BASE_MODEL_CORRUPT'], [4, 'DISK_FULL'], [5, 'NOT_FINITE'], [70, 'INTERNAL'],
  ])('that ends with %i and says why has its word passed on', async (exit, code) => {
    fakeBackend(`${all(START, { event: 'error', code, message: 'what and where', exit })}\nprocess.exitCode = ${exit};`);
    await expect(train(config())).rejects.toMatchObject({ code, message: 'what and where', exitCode: exit });
  });

  it('that is killed is said to have died, with its last words', async () => {
    fakeBackend(`${all(START, STEP)}\nprocess.stderr.write('thinking hard\\n', () => process.kill(process.pid, 'SIGKILL'));\nsetTimeout(() => {}, 9999);`);
    const failure = await train(config()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'TRAINER_DIED', exitCode: 75, details: { signal: 'SIGKILL' } });
    expect((failure as Error).message).toMatch(/SIGKILL.*out of memory.*same command again[^]*thinking hard/);
  });

  it.each([
    ['garbage', 'loss is 3'],
    ['an unknown event', '{"event":"coffee"}'],
    ['a missing field', '{"event":"step","step":1}'],
    ['a number as text', JSON.stringify({ ...STEP, loss: '1' })],
    ['another contract', JSON.stringify({ ...FIRST_LINE('candle'), contract: 1 })],
  ])('that prints %s breaks the contract and is stopped', async (_, line) => {
    fakeBackend(`say(${JSON.stringify(line)});\nsetTimeout(() => {}, 60_000);`);
    const failure = (await train(config()).catch((error: unknown) => error)) as Error;
    expect(failure).toMatchObject({ code: 'PROTOCOL', exitCode: 70 });
    expect(failure.message).toContain(line.slice(0, 20));
  });

  it('that ends well without saying "done" breaks the contract', async () => {
    fakeBackend(all(START, STEP));
    await expect(train(config())).rejects.toMatchObject({ code: 'PROTOCOL' });
  });

  it('is asked to stop, is waited for, and the caller’s reason is thrown', async () => {
    const marker = join(scratch(), 'checkpoint');
    fakeBackend(`import('node:fs').then(({ writeFileSync }) => {
      process.on('SIGTERM', () => setTimeout(() => { writeFileSync(${JSON.stringify(marker)}, 'whole'); process.exit(75); }, 300));
      ${all(START, STEP)}
      setInterval(() => {}, 1000);
    });`);
    const controller = new AbortController();
    const reason = new Error('enough');
    const training = train(config(), { signal: controller.signal, onEvent: ({ event }) => event === 'step' && controller.abort(reason) });
    await expect(training).rejects.toBe(reason);
    expect(readFileSync(marker, 'utf8')).toBe('whole');
  });

  it('that finishes while it is being stopped has finished', async () => {
    fakeBackend(`process.on('SIGTERM', () => { ${all({ ...STEP, step: 2 }, DONE)} process.exit(0); });\n${all(START, STEP)}\nsetInterval(() => {}, 1000);`);
    const controller = new AbortController();
    const training = train(config(), { signal: controller.signal, onEvent: (event) => event.event === 'step' && event.step === 1 && controller.abort() });
    await expect(training).resolves.toEqual(DONE_EVENT);
  });

  it('is not started for a caller who has given up', async () => {
    fakeBackend('process.exit(9);');
    await expect(train(config(), { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });

  it('that is missing is said to be, with what to type', async () => {
    setEnv('TIRESIAS_TRAIN', '/nonexistent/tiresias-train');
    await expect(train(config())).rejects.toMatchObject({ code: 'TRAINER_MISSING', exitCode: 6 });
  });

  it('stopped by the listener’s own error is ended', async () => {
    fakeBackend(`${all(START)}\nsetTimeout(() => {}, 60_000);`);
    const mine = new Error('mine');
    await expect(train(config(), { onEvent: () => { throw mine; } })).rejects.toBe(mine);
  });
});

describe('the metrics of a training', () => {
  it('count a step once that was done twice', async () => {
    const { writeFileSync } = await import('node:fs');
    const folder = scratch();
    const lines = [START, STEP, { ...STEP, step: 2, loss: 9 }, { ...START, resumed_from: 1 }, { ...STEP, step: 2, loss: 0.5 }, DONE];
    writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { start, steps, done } = await readMetrics(folder);
    expect(start.resumedFrom).toBe(1);
    expect(steps.map(({ step, loss }) => [step, loss])).toEqual([[1, 1], [2, 0.5]]);
    expect(done).toEqual(DONE_EVENT);
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(START)}\n`);
    await expect(readMetrics(folder)).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});
