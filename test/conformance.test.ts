// Every backend that is installed against docs/contracts.md, as a process: what it says, how it ends, how it goes on.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { BACKENDS, type Backend, type BackendName } from '../src/backends/index.js';
import { startBackend } from '../src/train/binary.js';
import { configDocument, type DecideConfig, type TrainConfig, type TrainEvent } from '../src/train/contract.js';
import { Decider } from '../src/train/decider.js';
import { estimateTraining } from '../src/train/estimate.js';
import { train } from '../src/train/process.js';
import { contents, scratch, setEnv } from './support.js';
import { TOY, writeToyBase } from './toy-base.js';

const installed = BACKENDS.filter((backend) => {
  try {
    backend.command();
    return true;
  } catch {
    return false;
  }
});

// A decider's test names another cache, where there is no environment.
for (const { name, command } of installed) if (name === 'peft') process.env['TIRESIAS_PEFT_PYTHON'] = command().program;

const folder = mkdtempSync(join(tmpdir(), 'tiresias-conformance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const base = writeToyBase(join(folder, 'toy.gguf'));
const other = writeToyBase(join(folder, 'other.gguf'), 1);

/** Rows in which every third id follows from the one before, so that there is something to learn. */
const data = join(folder, 'rows.jsonl');
const rows = Array.from({ length: 12 }, (_, i) => {
  const ids = Array.from({ length: 30 + 5 * i }, (_, j) => (7 * i + j * j) % TOY.vocabulary);
  return { input_ids: ids, labels: ids.map((_, j) => (j % 3 === 2 ? (5 * ids[j - 1]!) % 13 : -100)) };
});
writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

const trainConfig = (backend: BackendName, output: string, change: Partial<TrainConfig> = {}): TrainConfig => ({
  backend, base: { path: base }, data: [{ path: data }], output, lora: { r: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] },
  optimizer: { lr: 0.01, schedule: 'cosine', warmupSteps: 3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maxGradNorm: 1 },
  steps: 40, batchSize: 4, seed: 5, threads: 2, checkpointEvery: 15, gradientCheckpointing: true, ...change,
});

/** Runs a process on a document as it stands; stops it after the line that `stopAt` finds. */
async function raw(backend: BackendName, mode: 'train' | 'decide', document: object, stopAt?: (line: Record<string, unknown>) => boolean) {
  const file = join(scratch(), 'config.json');
  writeFileSync(file, JSON.stringify(document));
  const running = startBackend(backend, mode, file);
  running.stdin.end();
  const lines: Record<string, unknown>[] = [];
  for await (const line of running.lines) {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    if (stopAt?.(lines.at(-1)!)) running.kill('SIGTERM');
  }
  return { lines, ...(await running.exit) };
}

async function decider(config: DecideConfig): Promise<Decider> {
  setEnv('TIRESIAS_CACHE', scratch());
  const started = await Decider.start(config);
  onTestFinished(() => started.end());
  return started;
}

const all = Array.from({ length: TOY.vocabulary }, (_, id) => id);
const close = (a: number[], b: number[], tolerance: number) => a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThan(tolerance));

it('there is a backend to hold against the contract', () => {
  expect(installed.map(({ name }) => name)).toContain('candle');
  // The whole suite has made its environment, and wants it tried.
  if (process.env['TIRESIAS_PEFT_PYTHON'] || process.env['TIRESIAS_TEST_PEFT']) expect(installed.map(({ name }) => name)).toContain('peft');
});

describe.each(installed)('$name', { timeout: 600_000 }, ({ name, can, bases, arithmetic, launchers, estimates }: Backend) => {
  it('says what it is, each step, and that it is done; done work is not done again', async () => {
    const output = join(scratch(), 'out');
    const events: TrainEvent[] = [];
    const done = await train(trainConfig(name, output), { onEvent: (event) => events.push(event) });
    expect(events.map(({ event }) => event)).toEqual(['backend', 'start', ...Array.from({ length: 40 }, (_, i) => ((i + 1) % 15 === 0 ? ['step', 'checkpoint'] : ['step'])).flat(), 'done']);
    expect(events[0]).toMatchObject({ name, can, bases });
    expect(events[1]).toMatchObject({ examples: 12, resumedFrom: 0, steps: 40 });
    expect(arithmetic).toContain((events[1] as { arithmetic: string }).arithmetic);
    const losses = events.flatMap((event) => (event.event === 'step' ? [event.loss] : []));
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    expect(done.adapter).toBe('adapter');
    for (const file of ['adapter_config.json', 'adapter_model.safetensors', 'tiresias.json']) expect(existsSync(join(output, 'adapter', file)), file).toBe(true);
    const again = await raw(name, 'train', configDocument(trainConfig(name, output)));
    expect(again.lines.map(({ event }) => event)).toEqual(['backend', 'done']);
    expect(again.code).toBe(0);
    const changed = await raw(name, 'train', configDocument(trainConfig(name, output, { seed: 6 })));
    expect([changed.code, changed.lines.at(-1)]).toEqual([2, expect.objectContaining({ code: 'OTHER_RUN', exit: 2, message: expect.stringContaining('seed') as string })]);
  });

  // Operands of 8 bits move a product by up to 2⁻⁸ of itself, at random, and what a step learns from that moves the next one's loss: 2 % at 20
  // steps leaves room for that several times over. What a wrong product learns is off by more at the first step.
  it.runIf(arithmetic.includes('bf16'))('learns in bf16 what it learns in f32', async () => {
    const curve = async (arithmetic: 'f32' | 'bf16') => {
      const events: TrainEvent[] = [];
      await train(trainConfig(name, join(scratch(), 'out'), { steps: 20, arithmetic }), { onEvent: (event) => events.push(event) });
      expect(events.find(({ event }) => event === 'start')).toMatchObject({ arithmetic });
      return events.flatMap((event) => (event.event === 'step' ? [event.loss] : []));
    };
    const [reference, losses] = [await curve('f32'), await curve('bf16')];
    expect(losses).not.toEqual(reference);
    losses.forEach((loss, step) => expect(Math.abs(loss / reference[step]! - 1), `step ${step + 1}`).toBeLessThan(0.02));
  });

  it('with `auto` says what it chose, and makes what that makes', async () => {
    const at = scratch();
    const events: TrainEvent[] = [];
    await train(trainConfig(name, join(at, 'auto'), { steps: 3, arithmetic: 'auto' }), { onEvent: (event) => events.push(event) });
    const chosen = events.flatMap((event) => (event.event === 'start' ? [event.arithmetic] : []))[0]!;
    expect(arithmetic).toContain(chosen);
    await train(trainConfig(name, join(at, 'named'), { steps: 3, arithmetic: chosen }));
    const weights = (folder: string) => readFileSync(join(at, folder, 'adapter', 'adapter_model.safetensors'));
    expect(weights('auto')).toEqual(weights('named'));
    // The same work, whatever it was called.
    const again = await raw(name, 'train', configDocument(trainConfig(name, join(at, 'auto'), { steps: 3, arithmetic: chosen })));
    expect(again.lines.map(({ event }) => event)).toEqual(['backend', 'done']);
  });

  it('is stopped by SIGTERM with a checkpoint, and goes on to the same adapter', async () => {
    const at = scratch();
    await train(trainConfig(name, join(at, 'whole')));
    const cut = trainConfig(name, join(at, 'cut'));
    const stopped = await raw(name, 'train', configDocument(cut), ({ event, step }) => event === 'step' && step === 2);
    expect([stopped.code, stopped.lines.at(-1)]).toEqual([75, expect.objectContaining({ event: 'error', code: 'STOPPED', exit: 75 })]);
    const { step } = stopped.lines.findLast(({ event }) => event === 'checkpoint') as { step: number };
    expect(step).toBeLessThan(40);
    const resumed: number[] = [];
    await train(cut, { onEvent: (event) => event.event === 'start' && resumed.push(event.resumedFrom) });
    expect(resumed).toEqual([step]);
    expect(contents(join(at, 'cut', 'adapter'))).toEqual(contents(join(at, 'whole', 'adapter')));
  });

  it.runIf(launchers.length > 0)('trains in several processes as in one, and is stopped and goes on as in one', async () => {
    const at = scratch();
    const { loss } = await train(trainConfig(name, join(at, 'one')));
    const launch = { launcher: launchers[0]!, processes: 2 };
    const shared = trainConfig(name, join(at, 'two'), { shardBase: true, threads: 1 });
    const stop = new AbortController();
    const stopped = train(shared, { launch, signal: stop.signal, onEvent: (event) => event.event === 'step' && event.step === 2 && stop.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
    const events: TrainEvent[] = [];
    const done = await train(shared, { launch, onEvent: (event) => events.push(event) });
    const { resumedFrom } = events.find(({ event }) => event === 'start') as { resumedFrom: number };
    expect(resumedFrom).toBeGreaterThanOrEqual(2);
    expect(events.filter(({ event }) => event === 'step')).toHaveLength(40 - resumedFrom);
    expect(done.loss).toBeCloseTo(loss, 3);
  });

  it('says beforehand what a training takes, or is not asked', async () => {
    const output = join(scratch(), 'out');
    const estimate = () => estimateTraining(trainConfig(name, output), { processes: 2 });
    if (!estimates) return expect(estimate()).rejects.toMatchObject({ code: 'BACKEND_UNABLE' });
    const { event, passTokens, memoryBytes: { total, ...parts }, seconds, secondsPerStep } = await estimate();
    expect([event, passTokens > 0 && secondsPerStep > 0, existsSync(output)]).toEqual(['estimate', true, false]);
    expect(Object.values(parts).reduce((sum, bytes) => sum + bytes)).toBeCloseTo(total, -2);
    expect(seconds).toBeCloseTo(40 * secondsPerStep);
    await expect(estimateTraining(trainConfig(name, output, { steps: 0 }))).rejects.toMatchObject({ code: 'CONFIG', exitCode: 2 });
  });

  it('decides: opens, extends, closes, and refuses what cannot be served', async () => {
    const model = await decider({ backend: name, base: { path: base }, threads: 2 });
    const contexts = [[1, 2, 3], [4, 5, 6, 7, 8], [9]];
    const opened = await model.open(contexts, all);
    for (const row of opened.logprobs) expect(row.reduce((sum, x) => sum + Math.exp(x), 0)).toBeCloseTo(1, 4);
    const [, , last] = opened.sessions;
    const extended = await model.extend([last!, opened.sessions[0]!], [[10, 11], [12]]);
    const anew = await model.open([[9, 10, 11], [1, 2, 3, 12]], all);
    extended.forEach((row, i) => close(row, anew.logprobs[i]!, 1e-3));
    await model.close([last!]);
    const refusal = (code: string) => ({ name: 'TiresiasError', code });
    await expect(model.extend([last!], [[1]])).rejects.toMatchObject(refusal('UNKNOWN_SESSION'));
    await expect(model.open([[TOY.vocabulary]], [0])).rejects.toMatchObject(refusal('BAD_TOKEN'));
    await expect(model.open([Array.from({ length: TOY.context + 1 }, () => 1)], [0])).rejects.toMatchObject(refusal('TOO_LONG'));
    await expect(model.extend([opened.sessions[1]!], [[1]])).resolves.toHaveLength(1);
  });

  it('gives the log-probabilities of every other, with an adapter that the other trained', async () => {
    const adapters = scratch();
    for (const one of installed) await train(trainConfig(one.name, join(adapters, one.name), { steps: 20 }));
    for (const one of installed) {
      const config = { base: { path: base }, adapter: join(adapters, one.name, 'adapter'), threads: 2 };
      const [reference, own] = [await decider({ backend: one.name, ...config }), await decider({ backend: name, ...config })];
      const contexts = [[1, 2, 3, 4], [30, 20, 10]];
      const [expected, found] = [await reference.open(contexts, all), await own.open(contexts, all)];
      found.logprobs.forEach((row, i) => close(row, expected.logprobs[i]!, 2e-3));
      const plain = await decider({ backend: name, base: { path: base }, threads: 2 });
      expect((await plain.open(contexts, all)).logprobs).not.toEqual(found.logprobs);
    }
  });

  describe('refuses', () => {
    const document = (change: object) => ({ ...configDocument(trainConfig(name, join(scratch(), 'out'))), ...change });
    const masked = join(folder, 'masked.jsonl');
    writeFileSync(masked, `${JSON.stringify({ input_ids: [1, 2, 3], labels: [-100, -100, -100] })}\n`);

    it.each<[string, number, object, string]>([
      ['a field that it does not know', 2, { surplus: 1 }, 'surplus'],
      ['another contract', 2, { contract: 1 }, 'contract'],
      ['another backend’s configuration', 2, { backend: 'another' }, 'backend'],
      ['an arithmetic that it has not', 2, { arithmetic: 'f64' }, 'arithmetic'],
      ['no steps', 2, { steps: 0 }, 'steps'],
      ['a base that is not there', 3, { base: { path: join(folder, 'nowhere.gguf') } }, 'nowhere.gguf'],
      ['a base with another hash', 3, { base: { path: base, sha256: '0'.repeat(64) } }, 'toy.gguf'],
      ['data that are not there', 4, { data: [{ path: join(folder, 'nowhere.jsonl') }] }, 'nowhere.jsonl'],
      ['a row without a label', 4, { data: [{ path: masked }] }, 'masked.jsonl'],
    ])('%s with exit code %i', async (_, exit, change, word) => {
      const { code, lines } = await raw(name, 'train', document(change));
      expect([code, lines.at(-1)]).toEqual([exit, expect.objectContaining({ event: 'error', exit, message: expect.stringContaining(word) as string })]);
      // It says what it is once the configuration is found right, and then only.
      expect(lines.map(({ event }) => event)).toEqual(exit === 2 ? ['error'] : ['backend', 'error']);
    });

    it('an adapter of another base, and one that was changed, with exit code 4', async () => {
      const output = join(scratch(), 'out');
      await train(trainConfig(name, output, { steps: 2 }));
      const adapter = join(output, 'adapter');
      const ask = (path: string) => raw(name, 'decide', configDocument({ backend: name, base: { path }, adapter, threads: 1 }));
      const good = await ask(base);
      expect([good.code, good.lines.map(({ event }) => event)]).toEqual([0, ['backend', 'ready']]);
      expect(await ask(other)).toMatchObject({ code: 4, lines: [{ event: 'backend' }, { event: 'error', exit: 4 }] });
      const weights = join(adapter, 'adapter_model.safetensors');
      const bytes = readFileSync(weights);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(weights, bytes);
      expect(await ask(base)).toMatchObject({ code: 4, lines: [{ event: 'backend' }, { event: 'error', exit: 4 }] });
    });
  });
});
