// What a training would take, before it is begun: the backend's own estimate, for here or for a card that is elsewhere.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkAble } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import { writeJson } from '../files.js';
import { diedError, startBackend } from './binary.js';
import { configDocument, firstLine, parseTrainLine, type EstimateEvent, type TrainConfig, type TrainEvent } from './contract.js';

/** How {@link estimateTraining} asks. */
export interface EstimateOptions {
  /** Aborting stops it, and it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Processes that would train together; 1 without it. */
  processes?: number | undefined;
  /** For a CUDA card of so many bf16 TFLOP/s (A100: 312), wherever it is; for this machine without it. */
  cardTflops?: number | undefined;
}

/** Asks a backend what a training would take. Writes nothing under `config.output`; of a base that is a folder its `config.json` is enough. */
export async function estimateTraining(config: TrainConfig, options: EstimateOptions = {}): Promise<EstimateEvent> {
  const { signal, processes = 1, cardTflops } = options;
  signal?.throwIfAborted();
  checkAble(config, { estimate: true });
  const folder = await mkdtemp(join(tmpdir(), 'tiresias-estimate-'));
  try {
    const file = join(folder, 'config.json');
    await writeJson(file, configDocument(config));
    const more = ['--dry-run', ...(cardTflops === undefined ? [] : ['--card-tflops', `${cardTflops}`])];
    // One process answers for all: it only has to be told how many there would be, as a launcher tells it.
    const backend = startBackend(config.backend, 'train', file, { more, env: { WORLD_SIZE: `${processes}` } });
    backend.stdin.end();
    const stop = () => backend.kill('SIGKILL');
    signal?.addEventListener('abort', stop, { once: true });
    const check = firstLine(config.backend);
    let last: TrainEvent | undefined;
    try {
      for await (const line of backend.lines) check((last = parseTrainLine(line)));
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    const ending = await backend.exit;
    signal?.throwIfAborted();
    if (ending.code === 0 && last?.event === 'estimate') return last;
    if (last?.event === 'error') throw new TiresiasError(last.code, last.message, { exitCode: last.exit, details: { ...ending } });
    if (ending.code === 0) throw new TiresiasError('PROTOCOL', 'the trainer ended without an "estimate" line', { details: { ...ending } });
    throw diedError('trainer', ending);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
