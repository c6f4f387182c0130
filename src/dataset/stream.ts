// Examples without files: batches of few-shot examples, made while the last ones are used.
import { CALL_OPTIONS, checkOptions, checkTokenizer, invalid } from '../check.js';
import type { Tokenizer } from '../library.js';
import { cancellable, native } from '../native.js';
import { specJson, type ShardSpec } from '../spec.js';
import type { ExampleBatch } from '../../native/index.cjs';

export type { ExampleBatch } from '../../native/index.cjs';

/** As a shard's, without a file. */
export interface StreamSpec extends Omit<ShardSpec, 'format' | 'tasks' | 'firstTask' | 'threads'> {
  /** Number of tasks; left out, there is no end. */
  tasks?: number | undefined;
  /** Index of the first task in the split (default 0). */
  firstTask?: number | undefined;
  /** Worker threads (default: one a core). */
  threads?: number | undefined;
}

/** How {@link streamExamples} makes its batches. */
export interface StreamOptions {
  /** Tasks whose examples make a batch (default: as many as give 1024 examples). */
  batchTasks?: number | undefined;
  /** Batches made ahead of the consumer (default 2): memory is that many batches and no more. */
  ahead?: number | undefined;
  /** Also give prompts and completions as text. */
  text?: boolean | undefined;
  /** Stops the stream, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** The last task index is below this. */
const END = Number.MAX_SAFE_INTEGER;

/**
 * Few-shot examples in batches, oracle-labelled and encoded, on worker threads. The rows are those that a shard of the same
 * specification holds, in order, however they are cut into batches. Leaving the loop stops what is under way.
 *
 * @example for await (const { inputIds, labels, offsets } of streamExamples(spec, tokenizer)) …
 */
export async function* streamExamples(spec: StreamSpec, tokenizer: Tokenizer, options: StreamOptions = {}): AsyncGenerator<ExampleBatch, void, void> {
  checkTokenizer('streamExamples', tokenizer);
  checkOptions('streamExamples', options, { batchTasks: 'number', ahead: 'number', text: 'boolean', signal: CALL_OPTIONS.signal });
  const { tasks = Infinity, firstTask = 0, threads = 0, ...rest } = spec;
  const { batchTasks = Math.max(1, Math.round(1024 / spec.examplesPerTask)), ahead = 2, text = false, signal } = options;
  for (const [name, value] of Object.entries({ batchTasks, ahead })) {
    if (!Number.isInteger(value) || value < 1) invalid(`streamExamples: ${name} is a whole number from 1, not ${value}`);
  }
  const end = Math.min(firstTask + tasks, END);
  signal?.throwIfAborted();
  const source = await native.createExampleSource(specJson({ ...rest, firstTask, tasks: 1, threads }), tokenizer, text);

  const left = new AbortController();
  const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
  const underWay: Promise<ExampleBatch>[] = [];
  let next = firstTask;
  const begin = () => {
    const [first, count] = [next, Math.min(batchTasks, end - next)];
    next += count;
    const batch = cancellable({ signal: either }, (token) => source.batch(first, count, token));
    // It is awaited later: until then its rejection must not count as unhandled.
    batch.catch(() => {});
    underWay.push(batch);
  };
  try {
    while (true) {
      while (underWay.length < ahead && next < end) begin();
      const batch = underWay.shift();
      if (!batch) return;
      yield await batch;
    }
  } finally {
    left.abort();
    await Promise.allSettled(underWay);
  }
}
