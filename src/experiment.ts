// The experiment file: what one run draws, solves, writes, trains and measures. docs/experiment.schema.json is made from this.
import { basename, dirname, join, resolve } from 'node:path';
import type { z as Zod } from 'zod';
import { BACKEND_NAMES, CHOSEN_ARITHMETICS, type BackendName, type ChosenArithmetic } from './backends/index.js';
import { SOURCES } from './base/index.js';
import type { ModelName } from './base/wheel.js';
import { describedSchema, type JsonSchema } from './described.js';
import { TiresiasError } from './errors.js';
import { moduleFamilySchema, type ModuleFamily } from './family/module-schema.js';
import { readText } from './files.js';
import { parseJson } from './json.js';
import { lazy, zod } from './lazy.js';
import { logsFamilySchema, type LogsFamily } from './logs/family-schema.js';
import { native } from './native.js';
import type { Spec } from './spec-types.js';
import type { Behaviour, FamilyName, Labels, QueryBehaviour, Regime, ShardFormat, SplitName, SupportNature, Template } from './spec.js';
import { meant } from './suggest.js';

export type { Regime } from './spec.js';

/** Where the pretrained model comes from: a name, a file or folder of one's own, or the Hugging Face hub. */
export type BaseSpec = NamedBase | FileBase | HubBase;

/** A model that Tiresias knows by name. */
export interface NamedBase {
  /** The name of a model that Tiresias can fetch itself, without the hub. */
  name: ModelName;
}

/** A model of one's own: a GGUF file, or a folder of safetensors with its `config.json` and `tokenizer.json`. */
export interface FileBase {
  /** The path of a GGUF file, or of a folder of safetensors. A relative path starts at the folder of the experiment file. */
  path: string;
  /** The SHA-256 that the file must have. For a folder it is the hash of all its files (docs/contracts.md says how). The run stops when it differs. */
  sha256?: string | undefined;
}

/** A model on the Hugging Face hub. */
export interface HubBase {
  /** A model of the Hugging Face hub, as `organisation/name`. */
  hub: string;
  /** The name of a `.gguf` file in the repository. Without it, the safetensors of the repository are used. */
  file?: string | undefined;
  /** A branch, a tag or a commit. Default: `main`. */
  revision: string;
  /** The SHA-256 that the file must have. For a folder it is the hash of all its files (docs/contracts.md says how). The run stops when it differs. */
  sha256?: string | undefined;
}

/** A weight matrix of a transformer's layer that LoRA adapts. */
export type LoraTarget = 'q_proj' | 'k_proj' | 'v_proj' | 'o_proj' | 'gate_proj' | 'up_proj' | 'down_proj';

/** A method in an evaluation. */
export interface MethodSetting {
  /** The name of a method (docs/methods.md), or the path of a JavaScript module of your own (docs/own-method.md). */
  method: string;
  /** The name of the method in the results, and in the names of files. Default: the method's own name. Needed when a method stands twice in the list. */
  name: string;
  /** The options of the method (docs/methods.md). An option that is left out keeps its default. */
  options: Record<string, unknown>;
  /** The regimes in which the method acts. Default: all regimes of the experiment. */
  regimes?: Regime[] | undefined;
  /** How many times the method is trained, each time with another seed. Only for methods that are trained. Default: `training.seeds`. */
  seeds?: number | undefined;
}

/** One training of a method that is trained with several seeds; the run makes these of {@link MethodSetting.seeds}. */
export interface SeededSetting extends MethodSetting {
  /** Seed of this training. */
  seed: number;
  /** The name that all its trainings share. */
  seedOf: string;
}

/** How the learning rate goes after its warm-up. */
export type LearningSchedule = 'constant' | 'linear' | 'cosine';

/** LoRA's settings. */
export interface LoraSettings {
  /** The rank of the update. A larger rank trains more parameters. */
  r: number;
  /** The update is multiplied by `alpha / r`. */
  alpha: number;
  /** The weight matrices of each layer that get an adapter. */
  targets: LoraTarget[];
}

/** AdamW's settings. */
export interface OptimizerSettings {
  /** The largest learning rate. */
  lr: number;
  /** How the learning rate changes after the warm-up: it stays, or it falls to 0 along a line or a cosine. */
  schedule: LearningSchedule;
  /** The number of steps over which the learning rate rises from 0 to `lr`. */
  warmupSteps: number;
  /** The decay of the mean of the gradients (β₁ of Adam). */
  beta1: number;
  /** The decay of the mean of the squared gradients (β₂ of Adam). */
  beta2: number;
  /** A small number that is added to the denominator (ε of Adam). */
  eps: number;
  /** The weight decay of AdamW. */
  weightDecay: number;
  /** Gradients with a larger norm are scaled down to this norm. */
  maxGradNorm: number;
}

/** The support of an example: trajectories of the same task that come before the query. */
export interface SupportSettings {
  /** The number of support trajectories (K). */
  trajectories: number;
  /** Who acts in the support: `oracle`, `random`, `epsilon:0.2` (the oracle, but a random action with probability 0.2), or a mixture, `mixture:oracle=0.5,random=0.5`. */
  behaviour: Behaviour;
}

/** The query of an example: the trajectory whose actions are learned. */
export interface QuerySettings {
  /** Who acts in the query: `oracle`, whoever labels it (docs/datasets.md), or `epsilon:0.2` (the same, but a random action with probability 0.2). The labels are never the random ones. */
  behaviour: QueryBehaviour;
}

/** When the oracle may stop solving a task. */
export interface OracleSettings {
  /** The oracle stops when its upper bound is at most this much above its lower bound, in units of reward. */
  gap: number;
  /** The oracle stops after so many seconds; `null` is no limit. With a limit, labels depend on the speed of the machine. */
  timeSeconds: number | null;
}

/** Changes to the family's own few-shot template, by regime. */
export interface TemplateSettings {
  /** Changes to the template of MDPs. */
  mdp?: Template | undefined;
  /** Changes to the template of POMDPs. */
  pomdp?: Template | undefined;
  /** Changes to the template of APOMDPs. */
  apomdp?: Template | undefined;
}

/** The training data. */
export interface DatasetSettings {
  /** Where the examples come from: episodes simulated on the family's tasks, or, of a family from records, the records that it was fitted to. Default: `tasks`. */
  from?: 'tasks' | 'records' | undefined;
  /** What the decisions of a query are labelled with (docs/datasets.md). Default: `oracle`, the task's own. */
  labels?: Labels | undefined;
  /** The split of the family that the tasks are drawn from (`tiresias families` lists them). */
  split: SplitName;
  /** The number of examples in each regime. A multiple of `examplesPerTask`. */
  examples: number;
  /** The number of examples that share a task. More examples per task mean fewer tasks to solve. */
  examplesPerTask: number;
  /** The number of examples in each file (shard). A multiple of `examplesPerTask`. */
  shardExamples: number;
  /** The format of the files. */
  format: ShardFormat;
}

/** How the adapter is trained. */
export interface TrainingSettings {
  /** The program that trains the adapter and lets it act. What it cannot do, such as training a whole network, the other backend does. */
  backend: BackendName;
  /** The arithmetic of the backend (docs/training.md). `auto` takes the fastest that the machine has. Default: the reference arithmetic of the backend. */
  arithmetic?: ChosenArithmetic | undefined;
  /** `joint`: one adapter for all regimes. `per-regime`: an adapter for each regime. */
  adapter: 'joint' | 'per-regime';
  /** The settings of LoRA. */
  lora: LoraSettings;
  /** The settings of the optimiser, AdamW. */
  optimizer: OptimizerSettings;
  /** How many times each method that is trained is trained: with the seed of the experiment, the next seed, and so on. Results show the spread. */
  seeds: number;
  /** `dataset`: the examples are written to files, and training reads them again and again. `stream`: examples are made while training goes on, and each is seen once. */
  data: 'dataset' | 'stream';
  /** The number of optimiser steps. */
  steps: number;
  /** The number of examples in each step. */
  batchSize: number;
  /** The number of steps between two checkpoints. It does not change the adapter. */
  checkpointEvery: number;
  /** Whether the backward pass computes activations again instead of keeping them. This takes less memory and more time. */
  gradientCheckpointing: boolean;
  /** The largest length of an example, in tokens. The run stops before training when an example is longer. */
  maxTokens: number;
}

/** A method left alone in a task, with what it has seen there itself. */
export interface Deployment {
  /** The number of episodes, one after another. The first has no support. */
  episodes: number;
  /** How many of its last episodes the support shows. Default: all. */
  remember?: number | undefined;
}

/** How the methods are compared. */
export interface EvaluationSettings {
  /** The split of the family that the test tasks are drawn from. */
  split: SplitName;
  /** The number of test tasks in each regime. */
  tasks: number;
  /** The number of episodes on each task. With `deployment`, the number of deployments on each task. */
  episodes: number;
  /** Instead of single episodes: several episodes one after another, where the support shows only what the method itself played before. */
  deployment?: Deployment | undefined;
  /** An action agrees with the oracle when its value is at most this much below the best, in units of reward. */
  epsilon: number;
  /** The methods that are compared (docs/methods.md). `random` must be among them, because normalised gaps are measured against it. */
  methods: MethodSetting[];
  /** The name of the method that all others are compared with. Default: the first fine-tuned language model, or else the first method that is not `oracle` or `random`. */
  reference?: string | undefined;
  /** How a model's action is chosen from its probabilities. `greedy`: the most likely action. `sample`: a random draw. */
  decision: 'greedy' | 'sample';
  /** With `"decision": "sample"`: the temperature of the draw. Below 1, likely actions become more likely. */
  temperature: number;
  /** The number of bootstrap samples of the tasks, from which the 95 % intervals come. */
  resamples: number;
}

/** What a family that was fitted to logs was made from; written by `loadExperiment`. */
export interface LogsOrigin {
  /** The hash of the records, their schema and the settings. */
  key: string;
  /** The folder of the fitted models and of the episodes that were kept. */
  folder: string;
  /** The SHA-256 of the file of records. */
  sha256: string;
}

/** An experiment with every default filled in. */
export interface Experiment {
  /** Where the JSON Schema of this file is, for editors. Tiresias does not read it. */
  $schema?: string | undefined;
  /** The format and version of the file. */
  schema: 'tiresias.experiment/1';
  /** The name of the experiment, and of the folder of its run. */
  name: string;
  /** The seed of everything that is drawn at random. The same seed gives the same results. */
  seed: number;
  /** The name of the task family. */
  family: FamilyName;
  /** Written by Tiresias, not by hand: where a family of your own lies, for a family named `models:…` or `json:…`. */
  familyPath?: string | undefined;
  /** Written by Tiresias, not by hand: what a family that was fitted to records was made from. */
  logs?: LogsOrigin | undefined;
  /** The regimes to study, each at most once. `mdp`: the state is seen. `pomdp`: the state is hidden. `apomdp`: the state is hidden, and there is a cloud of models. */
  regimes: Regime[];
  /** The number of decisions in an episode. The split `ood-horizon` doubles it. */
  horizon: number;
  /** The number of models in the cloud of an APOMDP. */
  models: number;
  /** The ambiguity attitude of an APOMDP: 1 is max-min (the worst model counts), 0 is max-max (the best model counts). */
  alpha: number;
  /** Who chooses the model of an APOMDP while trajectories are drawn. `fixed`: the task has one true model, which is hidden. `resampled`: a random model at each step. `adversarial`: the answer of the oracle's nature. */
  nature: SupportNature;
  /** The support of each example: trajectories of the same task, before the query. */
  support: SupportSettings;
  /** The query of each example: the trajectory whose actions are learned. */
  query: QuerySettings;
  /** When the oracle may stop solving a task. */
  solver: OracleSettings;
  /** Changes to the family's own few-shot template, which says how trajectories become text. */
  templates: TemplateSettings;
  /** The training data. */
  dataset: DatasetSettings;
  /** The pretrained language model (docs/bases.md). */
  base: BaseSpec;
  /** How the adapter is trained. */
  training: TrainingSettings;
  /** How the methods are compared. */
  evaluation: EvaluationSettings;
  /** The number of worker threads. Default: all cores. It does not change any result of solving, drawing or encoding. */
  threads?: number | undefined;
}

type Defaulted<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Defaulted<T[K]> | undefined } : T;

/** Where the pretrained model comes from, as written by hand: of the hub, the branch `main` without another. */
type WrittenBase = NamedBase | FileBase | (Omit<HubBase, 'revision'> & Partial<Pick<HubBase, 'revision'>>);

/** A family of one's own: a folder of model files, a file a task; its subfolders are the splits. */
export interface FamilyFolder {
  /** The folder of the model files. A relative path starts at the folder of the experiment file. */
  models: string;
}

/** A family of one's own: a document of named numbers, their ranges, and a model of expressions. */
export interface FamilyDocument {
  /** The JSON file of the family. A relative path starts at the folder of the experiment file. */
  document: string;
}

/** An experiment as written by hand: all but `schema` and `name` may be left out. */
export type ExperimentInput = Pick<Experiment, 'schema' | 'name'> &
  Defaulted<Omit<Experiment, 'schema' | 'name' | 'base' | 'evaluation' | 'family'>> & {
    /** Where the tasks come from: the name of a family (docs/families.md), a document, a module or a folder of model files of your own (docs/your-own-family.md), or records that models are fitted to (docs/your-own-data.md). Default: `energy`. */
    family?: FamilyName | FamilyFolder | FamilyDocument | (Pick<ModuleFamily, 'module' | 'tasks'> & Partial<Pick<ModuleFamily, 'seed' | 'options'>>) | (Pick<LogsFamily, 'logs' | 'schema' | 'fit'> & Defaulted<Pick<LogsFamily, 'tasks' | 'cloud' | 'heldOut'>>) | undefined;
    /** How the methods are compared. */
    evaluation?: (Defaulted<Omit<EvaluationSettings, 'methods'>> & {
      /** The methods that are compared (docs/methods.md): names or modules, or objects with options. `random` must be among them, because normalised gaps are measured against it. */
      methods?: (string | WrittenMethod)[] | undefined;
    }) | undefined;
    /** The pretrained language model (docs/bases.md). */
    base?: WrittenBase | undefined;
  };

/** Whether a method is a module, by the look of its name: `./always.mjs`. */
export const isModule = (method: string): boolean => /^(?:\.{0,2}\/|[A-Za-z]:\\)/.test(method);

/** A method's setting as written by hand. */
type WrittenMethod = Pick<MethodSetting, 'method'> & { [K in keyof Omit<MethodSetting, 'method'>]?: MethodSetting[K] | undefined };

/** A method's setting with what was left out: its name is the method's, or its module's without folder and ending. */
function namedMethod(written: string | WrittenMethod): MethodSetting {
  const { method, name, options = {}, regimes, seeds }: WrittenMethod = typeof written === 'string' ? { method: written } : written;
  return { method, name: name ?? basename(method).replace(/\.[cm]?[jt]s$/, ''), options, ...(regimes && { regimes }), ...(seeds && { seeds }) };
}

/** What the addon's specification allows in a field. */
type FieldSchema = { type: 'integer' | 'number'; minimum: number; maximum?: number; enum?: string[]; oneOf?: { const: string }[] };

/** JSON Schema of that specification, of which an experiment's words and numbers are. */
const specSchema = lazy(() => JSON.parse(native.specSchema()) as { properties: Record<keyof Spec, FieldSchema>; $defs: { Support: { properties: { trajectories: FieldSchema } } } });

/** The words that a field of it may be. */
function wordsOf<K extends 'regime' | 'nature' | 'format' | 'labels'>(field: K): readonly Spec[K][] {
  const { enum: words, oneOf } = specSchema().properties[field];
  return (words ?? oneOf!.map((one) => one.const)) as Spec[K][];
}

const LORA_TARGETS: readonly LoraTarget[] = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];

// What each field means say the comments of the types above: docs/experiment.schema.json and docs/experiment.md have them from there.
const schemaOf = lazy(() => {
  const z = zod();
  const probability = '(?:0(?:\\.\\d+)?|1(?:\\.0+)?|\\.\\d+)';
  const weight = '(?:\\d+(?:\\.\\d+)?|\\.\\d+)';
  const pure = `(?:oracle|random|epsilon:${probability})`;
  const behaviour = z
    .string()
    .regex(
      new RegExp(`^(?:${pure}|mixture:${pure}=${weight}(?:,${pure}=${weight})*)$`),
      'expected "oracle", "random", "epsilon:0.2" or "mixture:oracle=0.5,random=0.5"',
    ) as unknown as Zod.ZodType<Behaviour, Behaviour>;
  const queryBehaviour = z
    .string()
    .regex(new RegExp(`^(?:oracle|epsilon:${probability})$`), 'expected "oracle" or an ε-perturbed oracle such as "epsilon:0.2"') as unknown as Zod.ZodType<QueryBehaviour, QueryBehaviour>;
  // Which families and splits there are the addon knows.
  const name = <T extends string>() => z.string() as unknown as Zod.ZodType<T, T>;

  const words = <K extends 'regime' | 'nature' | 'format' | 'labels'>(field: K) => z.enum(wordsOf(field));
  const number = ({ type, minimum, maximum }: FieldSchema): Zod.ZodNumber => {
    const least: Zod.ZodNumber = (type === 'integer' ? z.int() : z.number()).min(minimum);
    return maximum === undefined ? least : least.max(maximum);
  };
  const { properties: spec, $defs: { Support: { properties: support } } } = specSchema();
  const count = z.int().min(1);

  const template = z
    .strictObject({
      header: z.string(),
      supportMarker: z.string(),
      queryMarker: z.string(),
      observationWidth: z.int().min(1).max(5),
      actionWidth: z.literal(1),
      rewardWidth: z.int().min(1).max(5),
      rewardScale: z.number().positive(),
      rewardOffset: z.int(),
      missing: z.string().length(1),
      queryReward: z.enum(['shown', 'hidden']),
    })
    .partial();

  const base = z.union(SOURCES.map((source) => source.schema(z)) as [Zod.ZodType<BaseSpec, WrittenBase>], { error: `expected ${SOURCES.map(({ example }) => example).join(' or ')}` });

  const methodName = z.string().regex(/^[A-Za-z0-9][\w.:@-]*$/, 'expected letters, digits, ".", "_", ":", "@" and "-" only');
  const method = z
    .union([
      z.string().min(1),
      z.strictObject({
        method: z.string().min(1),
        name: methodName.optional(),
        options: z.record(z.string(), z.unknown()).default({}),
        regimes: z.array(words('regime')).min(1).optional(),
        seeds: count.max(100).optional(),
      }),
    ], { error: 'expected the name of a method, or {"method": "empirical", "name": "…", "options": {…}}' })
    .transform(namedMethod);

  return z
    .strictObject({
      $schema: z.string().optional(),
      schema: z.literal('tiresias.experiment/1'),
      name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" and "-" only'),
      seed: number(spec.seed).default(0),
      /**
       * The name of a family; or a folder of model files (a file a task, its subfolders the splits), a document with numbers and their ranges, a module
       * that draws models, or logs that models are fitted to.
       */
      family: z.union([name<FamilyName>(), z.strictObject({ models: z.string().min(1) }), z.strictObject({ document: z.string().min(1) }), moduleFamilySchema(), logsFamilySchema()])
        .transform((family) => family as FamilyName).default('energy'),
      /** Where the models or the document of a family of one's own lie. */
      familyPath: z.string().optional(),
      /** Of a family that was fitted to logs: what it was made from and where that lies. */
      logs: z.strictObject({ key: z.string(), folder: z.string(), sha256: z.string() }).optional(),
      regimes: z
        .array(words('regime'))
        .min(1)
        .refine((list) => new Set(list).size === list.length, 'expected every regime at most once')
        .default([...wordsOf('regime')]),
      horizon: number(spec.horizon).max(1000).default(10),
      models: number(spec.models).max(64).default(3),
      alpha: number(spec.alpha).default(1),
      nature: words('nature').default('fixed'),
      support: z.strictObject({ trajectories: number(support.trajectories).max(100).default(2), behaviour: behaviour.default('oracle') }).prefault({}),
      query: z.strictObject({ behaviour: queryBehaviour.default('epsilon:0.2') }).prefault({}),
      solver: z.strictObject({ gap: z.number().positive().default(0.01), timeSeconds: z.number().positive().nullable().default(null) }).prefault({}),
      templates: z.strictObject({ mdp: template.optional(), pomdp: template.optional(), apomdp: template.optional() }).prefault({}),
      dataset: z
        .strictObject({
          /** Examples of simulated episodes when left out; or, of a family from logs, of the records that it was fitted to. */
          from: z.enum(['tasks', 'records']).optional(),
          /** What the decisions of a query are labelled with; the task's oracle when left out. */
          labels: words('labels').optional(),
          split: name<SplitName>().default('train'),
          examples: count.default(400),
          examplesPerTask: number(spec.examplesPerTask).default(1),
          shardExamples: count.default(50_000),
          format: words('format').default('parquet'),
        })
        .refine((d) => d.examples % d.examplesPerTask === 0, { path: ['examples'], error: 'expected a multiple of examplesPerTask' })
        .refine((d) => d.shardExamples % d.examplesPerTask === 0, { path: ['shardExamples'], error: 'expected a multiple of examplesPerTask' })
        .prefault({}),
      base: base.default({ name: 'smollm2-135m-instruct' }),
      training: z
        .strictObject({
          backend: z.enum(BACKEND_NAMES).default('candle'),
          arithmetic: z.enum(CHOSEN_ARITHMETICS).optional(),
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
          seeds: count.max(100).default(1),
          data: z.enum(['dataset', 'stream']).default('dataset'),
          steps: count.default(100),
          batchSize: count.default(8),
          checkpointEvery: count.default(25),
          gradientCheckpointing: z.boolean().default(true),
          maxTokens: count.default(2048),
        })
        .prefault({}),
      evaluation: z
        .strictObject({
          split: name<SplitName>().default('test'),
          tasks: number(spec.tasks).default(60),
          episodes: number(spec.episodesPerTask).default(1),
          deployment: z.strictObject({ episodes: count.max(10_000), remember: count.max(10_000).optional() }).optional(),
          epsilon: number(spec.epsilon).default(0.001),
          methods: z
            .array(method)
            .refine((list) => list.some((one) => one.method === 'random' && one.regimes === undefined), 'expected "random" among the methods, in every regime: gapNorm is measured against it')
            .refine((list) => new Set(list.map((one) => one.name)).size === list.length, 'expected every name once; give a method that comes twice a "name" of its own')
            .prefault(['oracle', 'sft', 'icl', 'random']),
          reference: z.string().optional(),
          decision: z.enum(['greedy', 'sample']).default('greedy'),
          temperature: z.number().positive().default(1),
          resamples: z.int().min(100).max(100_000).default(2000),
        })
        .refine((e) => e.reference === undefined || e.methods.some(({ name }) => name === e.reference), { path: ['reference'], error: 'expected the name of one of the methods' })
        .prefault({}),
      threads: count.max(1024).optional(),
    }) satisfies Zod.ZodType<Experiment>;
});

/**
 * Checks a value against the schema and fills in defaults. A family of one's own is read, from a path beside `folder`. Throws
 * INVALID_EXPERIMENT naming every offending path.
 */
export function parseExperiment(value: unknown, file = 'experiment', folder = '.'): Experiment {
  const parsed = schemaOf().safeParse(withFamily(value, file, folder), { reportInput: true });
  if (parsed.success) return withSense(parsed.data, file);
  const problems = parsed.error.issues.flatMap(describe);
  throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n${problems.map((p) => `  ${p.path}: ${p.problem}`).join('\n')}`, {
    details: { file, problems },
    cause: parsed.error,
  });
}

/** The experiment, if its labels go with the rest of it. */
function withSense(experiment: Experiment, file: string): Experiment {
  const { dataset: { from, labels }, logs, training } = experiment;
  const refuse = (path: string, problem: string): never => {
    throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n  ${path}: ${problem}`, { details: { file, problems: [{ path, problem }] } });
  };
  if (from === 'records') {
    if (!logs) refuse('$.dataset.from', 'there are no records: name them as the family, {"logs": "…"}, or leave it out');
    if (labels === 'static') refuse('$.dataset.labels', 'a static policy says what to do after what it did itself, and records are of what somebody else did; use "robust"');
    if (training.data === 'stream') refuse('$.training.data', 'a stream is made of simulated episodes; use "dataset" with records');
  }
  return experiment;
}

/** The experiment with the name of its family in place of where that lies; the name is a hash of what lies there, which is what results belong to. */
function withFamily(value: unknown, file: string, folder: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { family, familyPath } = value as { family?: unknown; familyPath?: unknown };
  const fail = (problem: string): never => { throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n  $.family: ${problem}`); };
  const written = typeof family === 'object' && family !== null ? (family as { models?: unknown; document?: unknown; logs?: unknown; module?: unknown }) : undefined;
  if (written && ('logs' in written || 'module' in written)) return fail(`models are ${'logs' in written ? 'fitted to logs' : 'drawn by a module'} where an experiment is read from a file; call loadExperiment`);
  const place = written ? (written.models ?? written.document) : familyPath;
  if (typeof place !== 'string' || place === '') return value;
  const path = resolve(folder, place);
  const { name, regimes, horizon } = native.loadFamily(path);
  const kind = name.startsWith('json:') ? 'document' : 'models';
  if (written && !(kind in written)) return fail(`${path} is ${kind === 'document' ? 'a file' : 'a folder'}: write {"${kind}": "…"}`);
  if (typeof family === 'string' && family !== name) return fail(`what lies in ${path} is another family than when the experiment was written; name it again, as {"${kind}": "…"}`);
  return { regimes, horizon, ...value, family: name, familyPath: path };
}

/** Reads and checks an experiment file; relative paths to a base model, modules and adapters are taken from the file's own folder. */
export async function loadExperiment(path: string): Promise<Experiment> {
  return placed(parseExperiment(await withMade(parseJson(await readText(path), path), path), path, dirname(path)), dirname(path));
}

/** The experiment with a folder of models in place of the logs that they are fitted to, or of the module that draws them. */
async function withMade(value: unknown, file: string): Promise<unknown> {
  const family = typeof value === 'object' && value !== null ? (value as { family?: unknown }).family : undefined;
  if (typeof family !== 'object' || family === null) return value;
  if ('module' in family) {
    const { makeModuleFamily } = await import('./family/module.js');
    return { ...(value as object), family: { models: await makeModuleFamily(family, dirname(file)) } };
  }
  if (!('logs' in family)) return value;
  const { makeLogsFamily } = await import('./logs/family.js');
  const { key, folder, sha256, template, regime } = await makeLogsFamily(family, file, dirname(file));
  // Prompts print what is in the logs, of which the models' mean rewards are the middle only.
  const { templates = {} } = value as { templates?: Record<string, object> };
  const printed = { ...templates, [regime]: { ...template, ...templates[regime] } };
  return { ...(value as object), family: { models: join(folder, 'tasks') }, templates: printed, logs: { key, folder, sha256 } };
}

/** An experiment whose relative paths are taken from a folder. */
export function placed(experiment: Experiment, folder: string): Experiment {
  const { base, evaluation } = experiment;
  const beside = (file: string): string => resolve(folder, file);
  const methods = evaluation.methods.map((setting) => {
    const { adapter } = setting.options;
    const options = typeof adapter === 'string' ? { ...setting.options, adapter: beside(adapter) } : setting.options;
    return { ...setting, method: isModule(setting.method) ? beside(setting.method) : setting.method, options };
  });
  return { ...experiment, base: 'path' in base ? { ...base, path: beside(base.path) } : base, evaluation: { ...evaluation, methods } };
}

interface Problem {
  /** For instance `$.training.lora.r`. */
  path: string;
  problem: string;
}

/** The fields that an object of an experiment may have, where the schema says. */
function fieldsAt(path: readonly PropertyKey[]): string[] {
  const below = (node: JsonSchema, key: PropertyKey): JsonSchema[] => [...(node.anyOf ?? []).flatMap((one) => below(one, key)), ...(typeof key === 'number' ? [node.items] : [node.properties?.[String(key)]]).filter((one) => one !== undefined)];
  const names = (node: JsonSchema): string[] => [...Object.keys(node.properties ?? {}), ...(node.anyOf ?? []).flatMap(names)];
  return path.reduce((nodes, key) => nodes.flatMap((node) => below(node, key)), [experimentJsonSchema() as JsonSchema]).flatMap(names);
}

function describe(issue: Zod.core.$ZodIssue): Problem[] {
  const path = issue.path.reduce<string>((text, key) => text + (typeof key === 'number' ? `[${key}]` : `.${String(key)}`), '$');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: `${path}.${key}`, problem: `is not a known field${meant(key, fieldsAt(issue.path))}` }));
  const near = issue.code === 'invalid_value' && typeof issue.input === 'string' ? meant(issue.input, issue.values.map(String)) : '';
  return [{ path, problem: `${issue.message.replace(/^Invalid input: /, '').replace(/^Invalid option: /, '')}${near}` }];
}

/** The JSON Schema of an experiment file, for editors. */
export function experimentJsonSchema(): unknown {
  return describedSchema(schemaOf(), 'experiment');
}
