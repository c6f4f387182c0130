// What an experiment leaves behind: the schema of `results.json` (tiresias.results/1), read by the report.
import { z } from 'zod';

/** [low, high] of a 95 % BCa bootstrap interval over tasks; both ends equal the estimate when the value is exact. */
const interval = z.tuple([z.number(), z.number()]);

/** One method in one regime. Gaps are V* - V^π: absolute, relative to |V*|, and normalised by V* - V^random. */
export const methodResult = z.object({
  gap_abs: z.number(),
  gap_abs_ci95: interval,
  gap_rel: z.number(),
  gap_rel_ci95: interval,
  gap_norm: z.number(),
  gap_norm_ci95: interval,
  /** V^π: V* less the estimated gap, so that methods compare without the noise of returns. Returns are in the raw rows. */
  value: z.number(),
  value_ci95: interval,
  /** Share of decisions inside the ε-optimal action set. */
  agreement: z.number(),
  agreement_ci95: interval,
  /** Mean regret at each decision stage. */
  regret_by_step: z.array(z.number()),
  tasks: z.number().int(),
  episodes: z.number().int(),
  /** True when the gap was computed, false when it was estimated from episodes. */
  exact: z.boolean(),
  /** APOMDP only: mean value over tasks with nature fixed at each model, their worst per task, and the average over the cloud. */
  cloud: z.object({ per_model: z.array(z.number()), worst: z.number(), average: z.number() }).optional(),
});

const traceStep = z.object({
  t: z.number().int(),
  state: z.number().int(),
  observation: z.number().int().nullable(),
  action: z.number().int(),
  oracle_action: z.number().int(),
  reward: z.number(),
  /** The oracle's belief before acting, length S; absent when the state is seen. */
  belief: z.array(z.number()).optional(),
});

export const regimeResult = z.object({
  horizon: z.number().int(),
  /** Mean over tasks of V* at the start, with the mean certified bounds. */
  optimal: z.number(),
  lower: z.number(),
  upper: z.number(),
  methods: z.record(z.string(), methodResult),
  /** One episode of one method, for the report. */
  traces: z.array(z.object({ method: z.string(), task: z.number().int(), steps: z.array(traceStep) })),
});

export const trainingResult = z.object({
  name: z.string(),
  regimes: z.array(z.string()),
  parameters: z.number(),
  trainable: z.number(),
  examples: z.number().int(),
  steps: z.number().int(),
  tokens: z.number().int(),
  seconds: z.number(),
  tokens_per_second: z.number(),
  matmul_peak_gflops: z.number(),
  matmul_share: z.number(),
  peak_rss_bytes: z.number(),
  curve: z.array(z.object({ step: z.number().int(), loss: z.number(), accuracy: z.number(), lr: z.number() })),
});

export const resultsSchema = z.object({
  schema: z.literal('tiresias.results/1'),
  name: z.string(),
  version: z.string(),
  machine: z.object({ cpu: z.string(), cores: z.number(), memory_bytes: z.number(), node: z.string(), platform: z.string() }),
  /** The whole experiment file, defaults filled in. */
  experiment: z.record(z.string(), z.unknown()),
  /** Names of the actions, for plots. */
  actions: z.array(z.string()),
  base_model: z.object({ name: z.string(), sha256: z.string() }),
  datasets: z.array(
    z.object({
      regime: z.string(), examples: z.number(), tasks: z.number(), tokens: z.number(), labels: z.number(), bytes: z.number(),
      mean_regret_bound: z.number(), max_regret_bound: z.number(), seconds: z.number(),
    }),
  ),
  training: z.array(trainingResult),
  stages: z.array(z.object({ name: z.string(), seconds: z.number(), peak_rss_bytes: z.number().optional() })),
  regimes: z.record(z.string(), regimeResult),
});

export type Results = z.infer<typeof resultsSchema>;
export type MethodResult = z.infer<typeof methodResult>;
export type RegimeResult = z.infer<typeof regimeResult>;
export type TrainingResult = z.infer<typeof trainingResult>;
