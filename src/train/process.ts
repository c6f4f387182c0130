// Training: a subprocess that reads a configuration, prints a line a step, and can be stopped and started again.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkAble, type Launch } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import { recordsOf } from '../dataset/open.js';
import { readText, writeJson } from '../files.js';
import { Tokenizer } from '../library.js';
import { diedError, startBackend } from './binary.js';
import { configDocument, firstLine, parseTrainLine, type DoneEvent, type StartEvent, type StepEvent, type TrainConfig, type TrainEvent } from './contract.js';
import { writePromptForms } from './prompts.js';

/** How {@link train} runs. */
export interface TrainOptions {
  /** Aborting sends SIGTERM, waits for the checkpoint, and rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told of every line of the trainer; what it throws stops the training. */
  onEvent?: ((event: TrainEvent) => void) | undefined;
  /** Several processes, which share the rows of every batch; one without it. */
  launch?: Launch | undefined;
}

/** How long a stopped trainer may take over its step and checkpoint before it is killed. */
const GRACE_MS = 120_000;

/** Runs a training to its end, resuming what an earlier run left in `config.output`. */
export async function train(config: TrainConfig, options: TrainOptions = {}): Promise<DoneEvent> {
  const { signal, onEvent, launch } = options;
  signal?.throwIfAborted();
  checkAble(config, { launch });
  const data = withHashes(config);
  const file = join(config.output, 'config.json');
  await writeJson(file, configDocument({ ...config, data }));

  const trainer = startBackend(config.backend, 'train', file, { launch });
  trainer.stdin.end();
  let kill: NodeJS.Timeout | undefined;
  const stop = () => {
    trainer.kill('SIGTERM');
    kill = setTimeout(() => trainer.kill('SIGKILL'), GRACE_MS);
  };
  signal?.addEventListener('abort', stop, { once: true });

  const check = firstLine(config.backend);
  let last: TrainEvent | undefined;
  try {
    for await (const line of trainer.lines) {
      last = parseTrainLine(line);
      check(last);
      onEvent?.(last);
    }
  } catch (error) {
    // A trainer that breaks the contract, or a caller that throws, ends the training.
    trainer.kill('SIGTERM');
    await trainer.exit;
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  const ending = await trainer.exit.finally(() => clearTimeout(kill));
  // A training that finished while it was being stopped is finished.
  if (ending.code === 0 && last?.event === 'done') {
    if (config.base) await writePromptForms(join(config.output, last.adapter), config);
    return last;
  }
  signal?.throwIfAborted();
  if (last?.event === 'error') throw new TiresiasError(last.code, last.message, { exitCode: last.exit, details: { ...ending } });
  if (ending.code === 0) throw new TiresiasError('PROTOCOL', 'the trainer ended without a "done" line', { details: { ...ending } });
  throw diedError('trainer', ending);
}

/**
 * The files with the hashes that they must have, which the trainer checks as it reads them: those of the manifest, for a file in a
 * dataset's folder. Throws DATASET_CORRUPT for a damaged manifest, DATASET_DIFFERS for ids of another tokenizer than the base model's
 * or, where there is no base, for ids of several tokenizers.
 */
function withHashes({ data, base }: Pick<TrainConfig, 'data' | 'base'>): TrainConfig['data'] {
  const records = recordsOf(data.map(({ path }) => path));
  const first = records.find((record) => record !== undefined);
  // A base model that is not there is the trainer's to refuse.
  const ofBase = (path: string) => (existsSync(path) ? Tokenizer.fromBase(path) : undefined);
  const tokenizer = first && (base ? ofBase(base.path) : first.dataset.manifest.tokenizer);
  return data.map(({ path, sha256 }, i) => {
    const record = records[i];
    if (!record) return { path, ...(sha256 !== undefined && { sha256 }) };
    if (tokenizer) record.dataset.requireTokenizer(tokenizer);
    if (sha256 !== undefined && sha256 !== record.shard.sha256) throw new TiresiasError('DATASET_DIFFERS', `${path} is to have SHA-256 ${sha256}, its manifest says ${record.shard.sha256}`, { details: { path } });
    return { path, sha256: record.shard.sha256 };
  });
}

/** What a training left in `metrics.jsonl`: its newest start line and one line for each step, over all restarts. */
export async function readMetrics(output: string): Promise<{ start: StartEvent; steps: StepEvent[]; done: DoneEvent }> {
  const path = join(output, 'metrics.jsonl');
  const steps = new Map<number, StepEvent>();
  let start: StartEvent | undefined;
  let done: DoneEvent | undefined;
  for (const line of (await readText(path)).split('\n')) {
    if (line === '') continue;
    const event = parseTrainLine(line);
    if (event.event === 'start') start = event;
    // A step that was done again after a restart stands twice; the later line is the one that counted.
    if (event.event === 'step') steps.set(event.step, event);
    if (event.event === 'done') done = event;
  }
  if (!start || !done) throw new TiresiasError('PROTOCOL', `${path} lacks a "start" or a "done" line`);
  return { start, steps: [...steps.values()].sort((a, b) => a.step - b.step), done };
}
