// The trainer and decider processes as docs/contracts.md describes them: configurations, and every line they may print. Between
// processes and on disk the names are snake_case; here, as everywhere in the library, they are camelCase.
import type { z as Zod } from 'zod';
import { ARITHMETICS, BACKEND_NAMES, type Ability, type Arithmetic, type BackendName, type ChosenArithmetic } from '../backends/index.js';
import type { BaseFormat } from '../base/source.js';
import { camelKeys, snakeKeys, type CamelKeys } from '../case.js';
import { TiresiasError } from '../errors.js';
import type { LearningSchedule, LoraSettings } from '../experiment.js';
import { lazy, zod } from '../lazy.js';
import { specJson, type ShardSpec, type Template } from '../spec.js';

/** Version of the contract. */
export const CONTRACT = 2;

/** A base model's file. */
export interface BaseFile {
  /** A GGUF file or, where the backend reads such, a folder of safetensors. */
  path: string;
  /** SHA-256 that it must have. */
  sha256?: string | undefined;
  /** Seed of draws that replace the weights, at the same spread and in the same quantisation: the architecture without what it learned. */
  randomWeights?: number | undefined;
}

/** A language model's architecture, trained from nothing; the defaults are small enough for two cores. */
export interface LlamaArchitecture {
  /** RMS norms, rotary positions, SwiGLU, grouped keys, a head tied to the embeddings. */
  kind: 'llama';
  /** Number of token ids: the tokenizer's `vocabularySize`. */
  vocabulary: number;
  /** Longest sequence; 2,048 without it. */
  context?: number | undefined;
  /** Decoder layers; 4 without it. */
  layers?: number | undefined;
  /** Width of the residual stream; 128 without it. */
  hidden?: number | undefined;
  /** Query heads; 4 without it. */
  heads?: number | undefined;
  /** Key and value heads; 2 without it. */
  kvHeads?: number | undefined;
  /** Width inside the feed-forward block; 344 without it. */
  ffn?: number | undefined;
  /** Base of the rotary frequencies; 10,000 without it. */
  ropeTheta?: number | undefined;
  /** ε of the norms; 1e-5 without it. */
  eps?: number | undefined;
  /** Standard deviation of the initial matrices; 0.02 without it. */
  initStd?: number | undefined;
}

/** A dataset's file. */
export interface DataFile {
  /** The shard. */
  path: string;
  /** SHA-256 that it must have; `train` takes it from the manifest beside the file. */
  sha256?: string | undefined;
}

/** AdamW's settings. */
export interface OptimizerConfig {
  /** Largest learning rate. */
  lr: number;
  /** How it goes after the warm-up. */
  schedule: LearningSchedule;
  /** Steps over which the rate rises to `lr`. */
  warmupSteps: number;
  /** Decay of the mean of the gradients. */
  beta1: number;
  /** Decay of the mean of their squares. */
  beta2: number;
  /** What is added to the denominator. */
  eps: number;
  /** Decoupled weight decay. */
  weightDecay: number;
  /** Gradients are cut to this norm. */
  maxGradNorm: number;
}

/**
 * The Decision-Pretrained Transformer (Lee et al. 2023): a query observation and a set of transitions, one token each. It reads the
 * compact tokenizer's ids, and its decider answers for actions only.
 */
export interface DptArchitecture {
  /** GPT-2 over transitions, without positions. */
  kind: 'dpt';
  /** The templates of the compact tokenizer, in its order. */
  templates: Template[];
  /** Number of observations, of states where those are seen. */
  observations: number;
  /** Number of actions. */
  actions: number;
  /** Blocks; 4 without it. */
  layers?: number | undefined;
  /** Width of the residual stream; 32 without it. */
  hidden?: number | undefined;
  /** Attention heads; 4 without it. */
  heads?: number | undefined;
}

/** A network that is trained from nothing. */
export type Architecture = LlamaArchitecture | DptArchitecture;

/** Examples that are made as training goes on: none lies on a disk, and none is seen twice. */
export interface StreamConfig {
  /** What is drawn, of each in turn; `firstTask` and what follows it, without end. */
  specs: ShardSpec[];
  /** The folder or the document of the specifications' family, where that is one of somebody's own. */
  familyPath?: string | undefined;
  /** Templates of the compact vocabulary; the ids are the base's without them. */
  templates?: Template[] | undefined;
}

/** What a training is told. */
export interface TrainConfig {
  /** The program that trains. */
  backend: BackendName;
  /** The pretrained model that gets adapters, with `lora`; or an `architecture`. */
  base?: BaseFile | undefined;
  /** The network whose every weight is trained, instead of `base` and `lora`. */
  architecture?: Architecture | undefined;
  /** The shards to learn from; none with a `stream`. */
  data: DataFile[];
  /** What makes examples as training goes on, instead of `data`. */
  stream?: StreamConfig | undefined;
  /** Folder of the adapter or the network, the checkpoints and the metrics. */
  output: string;
  /** LoRA's settings, for a `base`. */
  lora?: LoraSettings | undefined;
  /** AdamW's settings. */
  optimizer: OptimizerConfig;
  /** Optimiser steps. */
  steps: number;
  /** Examples a step. */
  batchSize: number;
  /** Seed of the order of the examples and of the first values of what is trained. */
  seed: number;
  /** Worker threads. */
  threads: number;
  /** Steps between checkpoints. */
  checkpointEvery: number;
  /** Whether activations are computed again in the backward pass. */
  gradientCheckpointing: boolean;
  /** What is computed in; the backend's reference without it, what is fastest on the machine with `auto`. */
  arithmetic?: ChosenArithmetic | undefined;
  /** Of several processes: each holds a part of the base's layers instead of the whole base. Changes no number. */
  shardBase?: boolean | undefined;
}

/** What a decider is told. */
export interface DecideConfig {
  /** The program that decides. */
  backend: BackendName;
  /** The pretrained model; or a `model`. */
  base?: BaseFile | undefined;
  /** The folder of a network that was trained from nothing, instead of `base` and `adapter`. */
  model?: string | undefined;
  /** A PEFT folder; without it the base model acts as it is. */
  adapter?: string | undefined;
  /** Worker threads. */
  threads: number;
  /** What is computed in; the backend's reference without it, what is fastest on the machine with `auto`. */
  arithmetic?: ChosenArithmetic | undefined;
}

/** The processor, as a backend sees it. */
export interface CpuHardware {
  /** What is computed on. */
  kind: 'cpu';
  /** Worker threads. */
  threads: number;
  /** What their matrix product was measured to do, where it was. */
  matmulPeakGflops?: number | undefined;
}

/** Graphics cards, as a backend sees them. */
export interface CudaHardware {
  /** What is computed on. */
  kind: 'cuda';
  /** The card's. */
  name: string;
  /** How many are used. */
  devices: number;
  /** Memory of one. */
  memoryBytes: number;
}

/** A process says what it is, before it loads anything. */
export interface BackendEvent {
  /** Which event it is. */
  event: 'backend';
  /** Version of the contract. */
  contract: typeof CONTRACT;
  /** The backend's. */
  name: BackendName;
  /** Of its program. */
  version: string;
  /** What it can do. */
  can: Ability[];
  /** File formats of bases that it reads. */
  bases: BaseFormat[];
  /** What it computes on. */
  hardware: CpuHardware | CudaHardware;
}

/** A training begins, or goes on. */
export interface StartEvent {
  /** Which event it is. */
  event: 'start';
  /** Parameters of the base model, or of the network. */
  parameters: number;
  /** Parameters that are trained. */
  trainable: number;
  /** Examples that there are. */
  examples: number;
  /** The step that it goes on from; 0 for a new training. */
  resumedFrom: number;
  /** Optimiser steps in all. */
  steps: number;
  /** What is computed in. */
  arithmetic: Arithmetic;
  /** The instructions that multiply, where the last bits depend on them and the backend says so. */
  kernel?: string | undefined;
}

/** An optimiser step was made. */
export interface StepEvent {
  /** Which event it is. */
  event: 'step';
  /** Steps so far. */
  step: number;
  /** Mean loss of its batch, in nats. */
  loss: number;
  /** Share of labels that were the likeliest of all tokens. */
  accuracy: number;
  /** Norm of the gradient before it was cut. */
  gradNorm: number;
  /** Learning rate. */
  lr: number;
  /** Tokens of its batch. */
  tokens: number;
  /** Labelled positions of its batch. */
  labels: number;
  /** Wall time. */
  seconds: number;
  /** Tokens a second. */
  tokensPerSecond: number;
}

/** A checkpoint was written. */
export interface CheckpointEvent {
  /** Which event it is. */
  event: 'checkpoint';
  /** Steps so far. */
  step: number;
  /** Its folder. */
  path: string;
}

/** A training ended well. */
export interface DoneEvent {
  /** Which event it is. */
  event: 'done';
  /** Optimiser steps. */
  step: number;
  /** Folder of what was learned, relative to the output's: `adapter`, or `model` for an architecture. */
  adapter: string;
  /** The last step's loss. */
  loss: number;
  /** Tokens that were read. */
  tokens: number;
  /** Wall time. */
  seconds: number;
  /** Tokens a second. */
  tokensPerSecond: number;
  /** The share of the machine's matrix product that training reached, where that was measured. */
  matmulShare?: number | undefined;
  /** Largest resident memory. */
  peakRssBytes: number;
  /** The most memory of the card that was taken, where there is one. */
  peakDeviceBytes?: number | undefined;
}

/** What memory is for, in bytes, in each process. */
export interface MemoryEstimate {
  /** The base's weights. */
  weights: number;
  /** What is trained. */
  adapters: number;
  /** Of the adapters. */
  gradients: number;
  /** The optimiser's, of the adapters. */
  moments: number;
  /** What the largest pass keeps for its gradient. */
  activations: number;
  /** At the labelled positions of the largest pass, with their gradient. */
  logits: number;
  /** The program itself. */
  program: number;
  /** All together. */
  total: number;
}

/** What a training would take, said beforehand. */
export interface EstimateEvent {
  /** Which event it is. */
  event: 'estimate';
  /** What would be computed in. */
  arithmetic: Arithmetic;
  /** Parameters of the base model. */
  parameters: number;
  /** Parameters that would be trained. */
  trainable: number;
  /** Tokens of the largest pass. */
  passTokens: number;
  /** Labelled positions of the largest pass. */
  passLabels: number;
  /** Memory, by what it is for. */
  memoryBytes: MemoryEstimate;
  /** Time of a step. */
  secondsPerStep: number;
  /** Time of all steps. */
  seconds: number;
  /** Tokens a second, of all processes. */
  tokensPerSecond: number;
  /** Memory that is free where it would be computed, if that is here and the system tells. */
  freeBytes?: number | undefined;
}

/** A process says why it ends. */
export interface ErrorEvent {
  /** Which event it is. */
  event: 'error';
  /** As a {@link TiresiasError}'s. */
  code: string;
  /** For people. */
  message: string;
  /** What the process exits with. */
  exit: number;
}

/** Every line of a trainer. Fields may be added to a line without a new contract; none may be missing. */
export type TrainEvent = BackendEvent | StartEvent | StepEvent | CheckpointEvent | DoneEvent | EstimateEvent | ErrorEvent;

/** Only what the contract knows of a base model: a resolved one says more, and unknown fields are refused. */
function baseFields({ path, sha256, randomWeights }: BaseFile): BaseFile {
  return { path, ...(sha256 !== undefined && { sha256 }), ...(randomWeights !== undefined && { randomWeights }) };
}

/** The document that `train --config` and `decide --config` read. */
export function configDocument(config: TrainConfig | DecideConfig): Record<string, unknown> {
  const { stream, data, ...rest } = config as TrainConfig;
  const document = snakeKeys({ contract: CONTRACT, ...rest, ...(data && !stream && { data }), ...(config.base && { base: baseFields(config.base) }) });
  // Specifications are the addon's, which are camelCase everywhere.
  const specs = stream?.specs.map((spec) => JSON.parse(specJson(spec)) as unknown);
  return stream ? { ...document, stream: { ...snakeKeys({ ...stream, specs: undefined }), specs } } : document;
}

const schemas = lazy(() => {
  const z = zod();
  const count = z.int().min(0);
  const hardware = z.discriminatedUnion('kind', [
    z.looseObject({ kind: z.literal('cpu'), threads: count, matmul_peak_gflops: z.number().optional() }),
    z.looseObject({ kind: z.literal('cuda'), name: z.string(), devices: count, memory_bytes: count }),
  ]);
  const backendEvent = z.looseObject({
    event: z.literal('backend'),
    contract: z.literal(CONTRACT),
    name: z.enum(BACKEND_NAMES),
    version: z.string(),
    // What a later program can do beside these is passed over.
    can: z.array(z.string()) as unknown as Zod.ZodType<Ability[]>,
    bases: z.array(z.string()) as unknown as Zod.ZodType<BackendEvent['bases']>,
    hardware,
  });
  const errorEvent = z.looseObject({ event: z.literal('error'), code: z.string(), message: z.string(), exit: z.int() });
  const startEvent = z.looseObject({
    event: z.literal('start'),
    parameters: count,
    trainable: count,
    examples: count,
    resumed_from: count,
    steps: count,
    arithmetic: z.enum(ARITHMETICS),
    kernel: z.string().optional(),
  });
  const stepEvent = z.looseObject({
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
  const doneEvent = z.looseObject({
    event: z.literal('done'),
    step: count,
    adapter: z.string(),
    loss: z.number(),
    tokens: count,
    seconds: z.number(),
    tokens_per_second: z.number(),
    matmul_share: z.number().optional(),
    peak_rss_bytes: count,
    peak_device_bytes: count.optional(),
  });
  const bytes = z.number();
  const estimateEvent = z.looseObject({
    event: z.literal('estimate'),
    arithmetic: z.enum(ARITHMETICS),
    parameters: count,
    trainable: count,
    pass_tokens: count,
    pass_labels: count,
    memory_bytes: z.looseObject({ weights: bytes, adapters: bytes, gradients: bytes, moments: bytes, activations: bytes, logits: bytes, program: bytes, total: bytes }),
    seconds_per_step: z.number(),
    seconds: z.number(),
    tokens_per_second: z.number(),
    free_bytes: bytes.optional(),
  });
  const logprobs = z.array(z.array(z.number()));
  const id = z.int();
  return {
    train: z.discriminatedUnion('event', [backendEvent, startEvent, stepEvent, checkpointEvent, doneEvent, estimateEvent, errorEvent]),
    decide: z.union([
      z.looseObject({ event: z.literal('ready'), contract: z.literal(CONTRACT), vocabulary: count, context: count, adapter: z.boolean() }),
      backendEvent,
      errorEvent,
      z.looseObject({ id, error: z.looseObject({ code: z.string(), message: z.string() }) }),
      z.looseObject({ id, sessions: z.array(z.int()), logprobs }),
      z.looseObject({ id, logprobs }),
      z.looseObject({ id, closed: count }),
    ]),
  };
});

/** Every line of a decider. */
export type DecideLine = CamelKeys<Zod.infer<ReturnType<typeof schemas>['decide']>>;

/** Reads one line of a trainer's standard output. Throws PROTOCOL when it is not what the contract allows. */
export const parseTrainLine = (line: string): TrainEvent => camelKeys(parseLine(schemas().train, line));

/** Reads one line of a decider's standard output. Throws PROTOCOL when it is not what the contract allows. */
export const parseDecideLine = (line: string): DecideLine => camelKeys(parseLine(schemas().decide, line));

/**
 * Holds the lines of one process against what the contract says of the first: it tells of the backend that was started, unless the process
 * refuses its configuration. Throws PROTOCOL.
 */
export function firstLine(backend: BackendName): (line: object) => void {
  let first = true;
  return (line) => {
    const { event, name } = line as { event?: string; name?: string };
    if (!first || event === 'error') return;
    first = false;
    if (event === 'backend' && name === backend) return;
    const wrong = event === 'backend' ? `says that it is ${JSON.stringify(name)}` : `begins with ${JSON.stringify(event ?? 'a reply')} instead of "backend"`;
    throw new TiresiasError('PROTOCOL', `the process of the backend ${backend} ${wrong}; its program is of another version than this package`, { details: { backend } });
  };
}

function parseLine<T>(schema: Zod.ZodType<T>, line: string): T {
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
