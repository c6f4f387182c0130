// What an experiment leaves behind: `results.json` (tiresias.results/3), read by the report.
import type { z as Zod } from 'zod';
import { TiresiasError } from './errors.js';
import { lazy, zod } from './lazy.js';
import type { OffPolicyResult } from './logs/off-policy.js';

/** A 95 % BCa bootstrap interval over tasks; both ends equal the estimate when the value is exact. */
export type Interval95 = [low: number, high: number];

/** APOMDP only: values with nature fixed at each model. */
export interface CloudResult {
  /** Mean value over tasks, by model. */
  perModel: number[];
  /** Intervals of `perModel`. */
  perModelCi95: Interval95[];
  /** Mean over tasks of the worst model's. */
  worst: number;
  /** Interval of `worst`. */
  worstCi95: Interval95;
  /** Mean over tasks and models. */
  average: number;
  /** Interval of `average`. */
  averageCi95: Interval95;
  /** What is lost to the static form, where the labels are its. */
  static?: StaticResult | undefined;
}

/** A method beside the best that can be done in the worst case where one model of the cloud is true to the end, as means over tasks. */
export interface StaticResult {
  /** Certified lower bound on the value of the static form. */
  lower: number;
  /** Certified upper bound on it. */
  upper: number;
  /** `upper` less what the method earns under the model that is worst for it. */
  gap: number;
  /** Interval of `gap`. */
  gapCi95: Interval95;
}

/** One method in one regime. Gaps are V* - V^π: absolute, relative to |V*|, and normalised by V* - V^random. */
export interface MethodResult {
  /** Its name in the registry, or its module. */
  method: string;
  /** What it is called in words. */
  label: string;
  /** What it belongs to: `reference`, `language`, `network`, `imitation`, `model`, `value` or `own`. */
  group: string;
  /** The name that several trainings of one method share, which differ in their seeds only. */
  seedOf?: string | undefined;
  /** Mean over tasks of the gap, in reward. */
  gapAbs: number;
  /** Interval of `gapAbs`. */
  gapAbsCi95: Interval95;
  /** Sum of the gaps over the sum of |V*|. */
  gapRel: number;
  /** Interval of `gapRel`. */
  gapRelCi95: Interval95;
  /** Sum of the gaps over the sum of V* - V^random: 0 is optimal, 1 is chance. */
  gapNorm: number;
  /** Interval of `gapNorm`. */
  gapNormCi95: Interval95;
  /** V^π: V* less the estimated gap, so that methods compare without the noise of returns. Returns are in the raw rows. */
  value: number;
  /** Interval of `value`. */
  valueCi95: Interval95;
  /** Share of decisions inside the ε-optimal action set. */
  agreement: number;
  /** Interval of `agreement`. */
  agreementCi95: Interval95;
  /** Mean regret at each decision stage. */
  regretByStep: number[];
  /** Mean regret of each episode of a deployment; left out where there is none. */
  regretByEpisode?: number[] | undefined;
  /** Number of tasks. */
  tasks: number;
  /** Number of episodes, over all tasks. */
  episodes: number;
  /** True when the gap was computed, false when it was estimated from episodes. */
  exact: boolean;
  /** APOMDP only: values with nature fixed at each model. */
  cloud?: CloudResult | undefined;
}

/** The paired difference of two methods over tasks: the first less the second, so that below 0 the first loses less. */
export interface ComparisonResult {
  /** The first method: the reference of all comparisons in a regime. */
  method: string;
  /** The second. */
  versus: string;
  /** Difference of the normalised gaps. */
  gapNorm: number;
  /** Interval of `gapNorm`. */
  gapNormCi95: Interval95;
  /** Difference of the mean gaps, in reward. */
  gapAbs: number;
  /** Interval of `gapAbs`. */
  gapAbsCi95: Interval95;
  /** The smallest level at which the interval of `gapNorm` would not hold 0. */
  p: number;
  /** `p` corrected for the number of comparisons with the reference (Holm). */
  pHolm: number;
}

/** One decision of a {@link Trace}. */
export interface TraceStep {
  /** Its stage, from 0. */
  t: number;
  /** The hidden state. */
  state: number;
  /** What was seen; null before the first observation. */
  observation: number | null;
  /** What the method did. */
  action: number;
  /** What the oracle would have done on the same history. */
  oracleAction: number;
  /** The realised reward. */
  reward: number;
  /** The oracle's belief before acting, length S; absent when the state is seen. */
  belief?: number[] | undefined;
}

/** One episode of one method, for the report. */
export interface Trace {
  /** The method. */
  method: string;
  /** Index of the task in its split. */
  task: number;
  /** Its decisions. */
  steps: TraceStep[];
}

/** What came of one regime. */
export interface RegimeResult {
  /** Decisions an episode. */
  horizon: number;
  /** Mean over tasks of V* at the start. */
  optimal: number;
  /** Mean of its certified lower bounds. */
  lower: number;
  /** Mean of its certified upper bounds. */
  upper: number;
  /** By the names that the experiment gives them. */
  methods: Record<string, MethodResult>;
  /** The reference method beside every other: the first fine-tuned language model, else what `evaluation.reference` names. */
  comparisons: ComparisonResult[];
  /** Episodes for the report. */
  traces: Trace[];
}

/** A step of a training. */
export interface CurvePoint {
  /** Optimiser steps so far. */
  step: number;
  /** Mean loss of its batch, in nats. */
  loss: number;
  /** Share of labels that were the likeliest of all tokens. */
  accuracy: number;
  /** Learning rate. */
  lr: number;
}

/** What one training did and cost. */
export interface TrainingResult {
  /** Name of the adapter. */
  name: string;
  /** The regimes whose datasets it learnt from. */
  regimes: string[];
  /** Parameters of the base model. */
  parameters: number;
  /** Parameters of the adapter. */
  trainable: number;
  /** What was computed in, with the instructions that multiplied where the last bits depend on them: `bf16 (amx)`. */
  arithmetic?: string | undefined;
  /** Examples that there were. */
  examples: number;
  /** Optimiser steps. */
  steps: number;
  /** Tokens that were read. */
  tokens: number;
  /** Wall time. */
  seconds: number;
  /** Tokens a second. */
  tokensPerSecond: number;
  /** What the machine's matrix product was measured to do, where that was measured. */
  matmulPeakGflops?: number | undefined;
  /** The share of that which training reached. */
  matmulShare?: number | undefined;
  /** Largest resident memory of the trainer. */
  peakRssBytes: number;
  /** Every step. */
  curve: CurvePoint[];
}

/** The machine that ran an experiment. */
export interface MachineInfo {
  /** Model of its processor. */
  cpu: string;
  /** Cores that it could use. */
  cores: number;
  /** Its memory. */
  memoryBytes: number;
  /** Version of Node. */
  node: string;
  /** Operating system and architecture. */
  platform: string;
}

/** What one regime's dataset holds. */
export interface DatasetResult {
  /** The regime. */
  regime: string;
  /** Whose ids it is written in: the base model's tokenizer (`base`) or the compact one (`compact`). */
  vocabulary?: string | undefined;
  /** What its decisions are labelled with; the tasks' oracles when left out. */
  labelledBy?: string | undefined;
  /** Whether its examples are recorded episodes; simulated when left out. */
  from?: string | undefined;
  /** Number of examples. */
  examples: number;
  /** Number of tasks. */
  tasks: number;
  /** Number of ids in all examples. */
  tokens: number;
  /** Number of labelled positions. */
  labels: number;
  /** Size of the files. */
  bytes: number;
  /** Mean regret bound of a label, in reward. */
  meanRegretBound: number;
  /** Largest regret bound of a label, in reward. */
  maxRegretBound: number;
  /** Wall time. */
  seconds: number;
}

/** What a stage of a run cost. */
export interface StageResult {
  /** Its name. */
  name: string;
  /** Under which the store has what it made: digits of a hash of all that did. */
  key?: string | undefined;
  /** Wall time, summed over interrupted runs. */
  seconds: number;
  /** Largest resident memory. */
  peakRssBytes?: number | undefined;
}

/** The document `results.json`. */
export interface Results {
  /** Format and version of the file. */
  schema: 'tiresias.results/3';
  /** The experiment's name. */
  name: string;
  /** Of tiresias. */
  version: string;
  /** The machine that ran it. */
  machine: MachineInfo;
  /** The whole experiment file, defaults filled in. */
  experiment: Record<string, unknown>;
  /** Names of the actions, for plots. */
  actions: string[];
  /** The pretrained model; left out where no method needs one. */
  baseModel?: {
    /** Its name. */
    name: string;
    /** SHA-256 of its file. */
    sha256: string;
  } | undefined;
  /** The datasets, by regime. */
  datasets: DatasetResult[];
  /** The trainings. */
  training: TrainingResult[];
  /** The stages of the run, in order. */
  stages: StageResult[];
  /** What came of each regime. */
  regimes: Record<string, RegimeResult>;
  /** Where the tasks' models were fitted to logs: what policies would have earned on the logs' own kept episodes. */
  offPolicy?: OffPolicyResults | undefined;
}

/** What one policy would have earned on recorded episodes. */
export interface OffPolicyPolicy extends OffPolicyResult {
  /** `nominal`, `robust`, or the name of a method. */
  name: string;
  /** In words. */
  label: string;
  /** Bounds on its value in the model that it was solved for, which is no statement about the world; `null` where it was not solved. */
  inModel: [lower: number, upper: number] | null;
}

/** What policies would have earned on recorded episodes that no model was fitted to. */
export interface OffPolicyResults {
  /** The file of records. */
  file: string;
  /** Its SHA-256. */
  sha256: string;
  /** Episodes that models were fitted to. */
  fitted: number;
  /** Episodes that policies are held against. */
  heldOut: number;
  /** The discount of all values. */
  discount: number;
  /** The policies. */
  policies: OffPolicyPolicy[];
}

const schemaOf = lazy(() => {
  const z = zod();
  const interval = z.tuple([z.number(), z.number()]);
  const methodResult = z.object({
    method: z.string(),
    label: z.string(),
    group: z.string(),
    seedOf: z.string().optional(),
    gapAbs: z.number(),
    gapAbsCi95: interval,
    gapRel: z.number(),
    gapRelCi95: interval,
    gapNorm: z.number(),
    gapNormCi95: interval,
    value: z.number(),
    valueCi95: interval,
    agreement: z.number(),
    agreementCi95: interval,
    regretByStep: z.array(z.number()),
    regretByEpisode: z.array(z.number()).optional(),
    tasks: z.number().int(),
    episodes: z.number().int(),
    exact: z.boolean(),
    cloud: z
      .object({ perModel: z.array(z.number()), perModelCi95: z.array(interval), worst: z.number(), worstCi95: interval, average: z.number(), averageCi95: interval, static: z.object({ lower: z.number(), upper: z.number(), gap: z.number(), gapCi95: interval }).optional() })
      .optional(),
  });
  const traceStep = z.object({
    t: z.number().int(),
    state: z.number().int(),
    observation: z.number().int().nullable(),
    action: z.number().int(),
    oracleAction: z.number().int(),
    reward: z.number(),
    belief: z.array(z.number()).optional(),
  });
  const regimeResult = z.object({
    horizon: z.number().int(),
    optimal: z.number(),
    lower: z.number(),
    upper: z.number(),
    methods: z.record(z.string(), methodResult),
    comparisons: z.array(z.object({
      method: z.string(), versus: z.string(), gapNorm: z.number(), gapNormCi95: interval, gapAbs: z.number(), gapAbsCi95: interval, p: z.number(), pHolm: z.number(),
    })),
    traces: z.array(z.object({ method: z.string(), task: z.number().int(), steps: z.array(traceStep) })),
  });
  const trainingResult = z.object({
    name: z.string(),
    regimes: z.array(z.string()),
    parameters: z.number(),
    trainable: z.number(),
    arithmetic: z.string().optional(),
    examples: z.number().int(),
    steps: z.number().int(),
    tokens: z.number().int(),
    seconds: z.number(),
    tokensPerSecond: z.number(),
    matmulPeakGflops: z.number().optional(),
    matmulShare: z.number().optional(),
    peakRssBytes: z.number(),
    curve: z.array(z.object({ step: z.number().int(), loss: z.number(), accuracy: z.number(), lr: z.number() })),
  });
  const regimes = z.record(z.string(), regimeResult) satisfies Zod.ZodType<Results['regimes']>;
  const estimator = z.enum(['on-policy', 'is', 'wis', 'pdis', 'wpdis', 'fqe', 'dr', 'wdr']);
  const gap = z.object({ observation: z.string().nullable(), action: z.string(), steps: z.number(), probability: z.number(), first: z.array(z.number()) });
  const estimate = z.union([
    z.object({
      estimator, value: z.number(), interval, effective: z.number(),
      assumes: z.array(z.enum(['observations-are-states', 'same-at-every-stage', 'behaviour-by-observation', 'cut-weights'])), refused: z.undefined().optional(),
    }),
    z.object({
      estimator, refused: z.object({ kind: z.enum(['support', 'no-weight', 'effective', 'one-weight', 'overflow', 'undefined']), message: z.string(), gaps: z.array(gap) }),
      value: z.undefined().optional(), interval: z.undefined().optional(), effective: z.undefined().optional(),
    }),
  ]);
  const offPolicy = z.object({
    file: z.string(), sha256: z.string(), fitted: z.number(), heldOut: z.number(), discount: z.number(),
    policies: z.array(z.object({
      name: z.string(), label: z.string(), inModel: interval.nullable(), estimates: z.array(estimate), behaviour: z.enum(['logged', 'estimated']), episodes: z.number(), steps: z.number(),
      largestWeight: z.number(), meanWeight: z.number(), effective: z.number(), effectiveByStage: z.array(z.number()), possible: z.number(), unsupportedSteps: z.number(),
      unsupportedProbability: z.number(), clipped: z.number(),
    })),
  });
  const results = z.object({
    schema: z.literal('tiresias.results/3'),
    name: z.string(),
    version: z.string(),
    machine: z.object({ cpu: z.string(), cores: z.number(), memoryBytes: z.number(), node: z.string(), platform: z.string() }),
    experiment: z.record(z.string(), z.unknown()),
    actions: z.array(z.string()),
    baseModel: z.object({ name: z.string(), sha256: z.string() }).optional(),
    datasets: z.array(
      z.object({
        regime: z.string(), vocabulary: z.string().optional(), labelledBy: z.string().optional(), from: z.string().optional(), examples: z.number(), tasks: z.number(), tokens: z.number(), labels: z.number(), bytes: z.number(),
        meanRegretBound: z.number(), maxRegretBound: z.number(), seconds: z.number(),
      }),
    ),
    training: z.array(trainingResult),
    stages: z.array(z.object({ name: z.string(), key: z.string().optional(), seconds: z.number(), peakRssBytes: z.number().optional() })),
    regimes,
    offPolicy: offPolicy.optional(),
  }) satisfies Zod.ZodType<Results>;
  return { results, regimes };
});

/** What came of regimes, if a value is that; else undefined. */
export const regimesIn = (value: unknown): Results['regimes'] | undefined => schemaOf().regimes.safeParse(value).data;

/** Checks that a value is what `results.json` holds, and leaves out what it does not know. Throws INVALID_RESULTS naming what is wrong. */
export function parseResults(value: unknown, file = 'results'): Results {
  const parsed = schemaOf().results.safeParse(value);
  if (parsed.success) return parsed.data;
  const { schema } = (value ?? {}) as { schema?: unknown };
  if (typeof schema === 'string' && /^tiresias\.results\/[12]$/.test(schema)) {
    throw new TiresiasError('INVALID_RESULTS', `${file} was written by an older Tiresias (${schema}); run the experiment again into the same folder, which makes it again from what is there`, { details: { file } });
  }
  throw new TiresiasError('INVALID_RESULTS', `${file} is not what an experiment leaves as results.json:\n${zod().prettifyError(parsed.error)}`, { details: { file }, cause: parsed.error });
}
