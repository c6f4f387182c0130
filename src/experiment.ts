// The experiment file: what one run draws, solves, writes, trains and measures. docs/experiment.schema.json is made from this.
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { TiresiasError } from './errors.js';
import { readText } from './files.js';
import { parseJson } from './json.js';

const REGIMES = ['mdp', 'pomdp', 'apomdp'] as const;
const LORA_TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

const probability = '(?:0(?:\\.\\d+)?|1(?:\\.0+)?|\\.\\d+)';
const weight = '(?:\\d+(?:\\.\\d+)?|\\.\\d+)';
const pure = `(?:oracle|random|epsilon:${probability})`;
const behaviour = z
  .string()
  .regex(
    new RegExp(`^(?:${pure}|mixture:${pure}=${weight}(?:,${pure}=${weight})*)$`),
    'expected "oracle", "random", "epsilon:0.2" or "mixture:oracle=0.5,random=0.5"',
  );
const queryBehaviour = z
  .string()
  .regex(new RegExp(`^(?:oracle|epsilon:${probability})$`), 'expected "oracle" or an ε-perturbed oracle such as "epsilon:0.2"');

const count = z.int().min(1);
const sha = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');

const template = z
  .strictObject({
    header: z.string(),
    support_marker: z.string(),
    query_marker: z.string(),
    observation_width: z.int().min(1).max(5),
    action_width: z.literal(1),
    reward_width: z.int().min(1).max(5),
    reward_scale: z.number().positive(),
    reward_offset: z.int(),
    missing: z.string().length(1),
    query_reward: z.enum(['shown', 'hidden']),
  })
  .partial();

export const baseSchema = z.union(
  [
    z.strictObject({ name: z.enum(['smollm2-135m-instruct']) }),
    z.strictObject({ path: z.string().min(1), sha256: sha.optional() }),
    z.strictObject({
      hub: z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'expected "organisation/name"'),
      file: z.string().endsWith('.gguf', 'expected the name of a .gguf file'),
      revision: z.string().default('main'),
      sha256: sha.optional(),
    }),
  ],
  { error: 'expected {"name": "smollm2-135m-instruct"}, {"path": "model.gguf"} or {"hub": "organisation/name", "file": "model.gguf"}' },
);

export const experimentSchema = z
  .strictObject({
    $schema: z.string().optional(),
    schema: z.literal('tiresias.experiment/1'),
    /** Also the name of the run's folder. */
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" and "-" only'),
    seed: z.int().min(0).default(0),
    family: z.string().default('energy'),
    regimes: z
      .array(z.enum(REGIMES))
      .min(1)
      .refine((list) => new Set(list).size === list.length, 'expected every regime at most once')
      .default([...REGIMES]),
    horizon: count.max(1000).default(10),
    /** Size of the cloud of an APOMDP. */
    models: count.max(64).default(3),
    /** Ambiguity attitude of an APOMDP: 1 is max-min, 0 max-max. */
    alpha: z.number().min(0).max(1).default(1),
    /** Who chooses the true model of an APOMDP while trajectories are drawn. */
    nature: z.enum(['fixed', 'resampled', 'adversarial']).default('fixed'),
    support: z.strictObject({ trajectories: z.int().min(0).max(100).default(2), behaviour: behaviour.default('oracle') }).prefault({}),
    query: z.strictObject({ behaviour: queryBehaviour.default('epsilon:0.2') }).prefault({}),
    /** When the oracle may stop: at this gap between its bounds. A limit on its time makes labels depend on the machine's speed. */
    solver: z.strictObject({ gap: z.number().positive().default(0.01), timeSeconds: z.number().positive().nullable().default(null) }).prefault({}),
    /** Changes to the family's own few-shot template, by regime. */
    templates: z.strictObject({ mdp: template.optional(), pomdp: template.optional(), apomdp: template.optional() }).prefault({}),
    dataset: z
      .strictObject({
        split: z.string().default('train'),
        /** In each regime. */
        examples: count.default(400),
        examplesPerTask: count.default(1),
        shardExamples: count.default(50_000),
        format: z.enum(['parquet', 'jsonl', 'safetensors']).default('parquet'),
      })
      .refine((d) => d.examples % d.examplesPerTask === 0, { path: ['examples'], error: 'expected a multiple of examplesPerTask' })
      .refine((d) => d.shardExamples % d.examplesPerTask === 0, { path: ['shardExamples'], error: 'expected a multiple of examplesPerTask' })
      .prefault({}),
    base: baseSchema.default({ name: 'smollm2-135m-instruct' }),
    training: z
      .strictObject({
        backend: z.enum(['candle']).default('candle'),
        /** One adapter for all regimes, or one each. */
        adapter: z.enum(['joint', 'per-regime']).default('joint'),
        lora: z
          .strictObject({
            r: count.max(1024).default(16),
            alpha: z.number().positive().default(32),
            targets: z.array(z.enum(LORA_TARGETS)).min(1).default([...LORA_TARGETS]),
          })
          .prefault({}),
        optimizer: z
          .strictObject({
            lr: z.number().positive().default(0.002),
            schedule: z.enum(['constant', 'linear', 'cosine']).default('cosine'),
            warmupSteps: z.int().min(0).default(8),
            beta1: z.number().min(0).lt(1).default(0.9),
            beta2: z.number().min(0).lt(1).default(0.999),
            eps: z.number().positive().default(1e-8),
            weightDecay: z.number().min(0).default(0),
            maxGradNorm: z.number().positive().default(1),
          })
          .prefault({}),
        steps: count.default(100),
        batchSize: count.default(8),
        checkpointEvery: count.default(25),
        gradientCheckpointing: z.boolean().default(true),
        /** An example longer than this many tokens stops the run before training starts. */
        maxTokens: count.default(2048),
      })
      .prefault({}),
    evaluation: z
      .strictObject({
        split: z.string().default('test'),
        tasks: count.default(60),
        /** Episodes on each task. */
        episodes: count.default(1),
        /** An action within this of the best counts as agreeing with the oracle. */
        epsilon: z.number().min(0).default(0.001),
        methods: z
          .array(z.enum(['oracle', 'sft', 'icl', 'random']))
          .refine((list) => list.includes('random'), 'expected "random" among the methods: gap_norm is measured against it')
          .default(['oracle', 'sft', 'icl', 'random']),
        decision: z.enum(['greedy']).default('greedy'),
        /** Bootstrap resamples of the tasks. */
        resamples: z.int().min(100).max(100_000).default(2000),
      })
      .prefault({}),
    /** Worker threads; all cores when absent. Changes no result of solving, drawing or encoding. */
    threads: count.max(1024).optional(),
  });

/** An experiment with every default filled in. */
export type Experiment = z.output<typeof experimentSchema>;
/** An experiment as written by hand. */
export type ExperimentInput = z.input<typeof experimentSchema>;
export type Regime = (typeof REGIMES)[number];
export type BaseSpec = z.output<typeof baseSchema>;

/** Checks a value against the schema and fills in defaults. Throws INVALID_EXPERIMENT naming every offending path. */
export function parseExperiment(value: unknown, file = 'experiment'): Experiment {
  const parsed = experimentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap(describe);
  throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n${problems.map((p) => `  ${p.path}: ${p.problem}`).join('\n')}`, {
    details: { file, problems },
    cause: parsed.error,
  });
}

/** Reads and checks an experiment file; a relative path to a base model is taken from the file's own folder. */
export async function loadExperiment(path: string): Promise<Experiment> {
  const experiment = parseExperiment(parseJson(await readText(path), path), path);
  const { base } = experiment;
  return 'path' in base ? { ...experiment, base: { ...base, path: resolve(dirname(path), base.path) } } : experiment;
}

interface Problem {
  /** For instance `$.training.lora.r`. */
  path: string;
  problem: string;
}

function describe(issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.reduce<string>((text, key) => text + (typeof key === 'number' ? `[${key}]` : `.${String(key)}`), '$');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: `${path}.${key}`, problem: 'is not a known field' }));
  return [{ path, problem: issue.message.replace(/^Invalid input: /, '').replace(/^Invalid option: /, '') }];
}

/** The JSON Schema of an experiment file, for editors. */
export function experimentJsonSchema(): unknown {
  return z.toJSONSchema(experimentSchema, { io: 'input' });
}
