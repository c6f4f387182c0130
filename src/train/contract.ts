// The trainer and decider processes as docs/contracts.md describes them: configurations, and every line they may print.
import { z } from 'zod';
import { TiresiasError } from '../errors.js';

export const CONTRACT = 1;

/** What `train --config` reads. */
export interface TrainConfig {
  contract: typeof CONTRACT;
  backend: 'candle';
  base: { path: string; sha256?: string };
  /** Files of examples in order. A file whose hash is given must have it; `train` takes hashes from the manifest beside a file. */
  data: { path: string; sha256?: string }[];
  /** Folder of the adapter, the checkpoints and the metrics. */
  output: string;
  lora: { r: number; alpha: number; targets: string[] };
  optimizer: {
    lr: number;
    schedule: string;
    warmup_steps: number;
    beta1: number;
    beta2: number;
    eps: number;
    weight_decay: number;
    max_grad_norm: number;
  };
  steps: number;
  batch_size: number;
  seed: number;
  threads: number;
  checkpoint_every: number;
  gradient_checkpointing: boolean;
}

/** What `decide --config` reads. */
export interface DecideConfig {
  contract: typeof CONTRACT;
  backend: 'candle';
  base: { path: string; sha256?: string };
  /** A PEFT folder; without it the base model acts as it is. */
  adapter?: string;
  threads: number;
}

/** Only what the contract knows of a base model: a resolved one says more, and unknown fields are refused. */
export function baseFields({ path, sha256 }: TrainConfig['base']): TrainConfig['base'] {
  return { path, ...(sha256 !== undefined && { sha256 }) };
}

const count = z.int().min(0);
const errorEvent = z.looseObject({ event: z.literal('error'), code: z.string(), message: z.string(), exit: z.int() });

export const startEvent = z.looseObject({
  event: z.literal('start'),
  contract: z.literal(CONTRACT),
  parameters: count,
  trainable: count,
  examples: count,
  resumed_from: count,
  steps: count,
  threads: count,
  matmul_peak_gflops: z.number(),
});
export const stepEvent = z.looseObject({
  event: z.literal('step'),
  step: count,
  loss: z.number(),
  accuracy: z.number(),
  grad_norm: z.number(),
  lr: z.number(),
  tokens: count,
  labels: count,
  seconds: z.number(),
  tokens_per_second: z.number(),
});
const checkpointEvent = z.looseObject({ event: z.literal('checkpoint'), step: count, path: z.string() });
export const doneEvent = z.looseObject({
  event: z.literal('done'),
  step: count,
  adapter: z.string(),
  loss: z.number(),
  tokens: count,
  seconds: z.number(),
  tokens_per_second: z.number(),
  matmul_share: z.number(),
  peak_rss_bytes: count,
});

/** Every line of a trainer. Fields may be added to a line without a new contract; none may be missing. */
export const trainEvent = z.discriminatedUnion('event', [startEvent, stepEvent, checkpointEvent, doneEvent, errorEvent]);
export type TrainEvent = z.infer<typeof trainEvent>;
export type StartEvent = z.infer<typeof startEvent>;
export type StepEvent = z.infer<typeof stepEvent>;
export type DoneEvent = z.infer<typeof doneEvent>;

const logprobs = z.array(z.array(z.number()));
const id = z.int();

/** Every line of a decider. */
export const decideLine = z.union([
  z.looseObject({ event: z.literal('ready'), contract: z.literal(CONTRACT), vocabulary: count, context: count, adapter: z.boolean() }),
  errorEvent,
  z.looseObject({ id, error: z.looseObject({ code: z.string(), message: z.string() }) }),
  z.looseObject({ id, sessions: z.array(z.int()), logprobs }),
  z.looseObject({ id, logprobs }),
  z.looseObject({ id, closed: count }),
]);
export type DecideLine = z.infer<typeof decideLine>;

/** Reads one line of a process's standard output. Throws PROTOCOL when it is not what the contract allows. */
export function parseLine<T>(schema: z.ZodType<T>, line: string): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw broken(line, 'it is not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw broken(line, issue ? `${['$', ...issue.path].join('.')}: ${issue.message}` : 'it is of no known kind', parsed.error);
  }
  return parsed.data;
}

function broken(line: string, why: string, cause: unknown): TiresiasError {
  const shown = line.length > 200 ? `${line.slice(0, 200)}…` : line;
  return new TiresiasError('PROTOCOL', `the process printed a line that breaks its contract (${why}): ${shown}`, { details: { line: shown }, cause });
}
