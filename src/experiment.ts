// The experiment file: what one run draws, solves, writes, trains and measures. docs/experiment.schema.json is made from this.
import { basename, dirname, join, resolve } from 'node:path';
import type { z as Zod } from 'zod';
import { BACKEND_NAMES, CHOSEN_ARITHMETICS, type BackendName, type ChosenArithmetic } from './backends/index.js';
import { SOURCES } from './base/index.js';
import type { ModelName } from './base/wheel.js';
import { TiresiasError } from './errors.js';
import { readText } from './files.js';
import { parseJson } from './json.js';
import { lazy, zod } from './lazy.js';
import { logsFamilySchema } from './logs/family-schema.js';
import { native } from './native.js';
import type { Spec } from './spec-types.js';
import type { Behaviour, FamilyName, Labels, QueryBehaviour, Regime, ShardFormat, SplitName, Template } from './spec.js';
import { meant } from './suggest.js';

export type { Regime } from './spec.js';

/** Where the pretrained model comes from: a name, a file or folder of one's own, or the Hugging Face hub. */
export type BaseSpec = NamedBase | FileBase | HubBase;

/** A model that Tiresias knows by name. */
export interface NamedBase {
  /** Its name. */
  name: ModelName;
}

/** A model of one's own: a GGUF file, or a folder of safetensors with its `config.json` and `tokenizer.json`. */
export interface FileBase {
  /** The file or folder; in an experiment file relative to that. */
  path: string;
  /** SHA-256 that the file must have, or the folder's as docs/contracts.md defines it. */
  sha256?: string | undefined;
}

/** A model on the Hugging Face hub. */
export interface HubBase {
  /** `organisation/name`. */
  hub: string;
  /** Name of a `.gguf` file; without it the repository's safetensors are meant, with configuration and tokenizer. */
  file?: string | undefined;
  /** Branch, tag or commit. */
  revision: string;
  /** SHA-256 that the file must have, or the folder's as docs/contracts.md defines it. */
  sha256?: string | undefined;
}

/** A weight matrix of a transformer's layer that LoRA adapts. */
export type LoraTarget = 'q_proj' | 'k_proj' | 'v_proj' | 'o_proj' | 'gate_proj' | 'up_proj' | 'down_proj';

/** Someone who acts in an evaluation. */
export interface MethodSetting {
  /** A method by its name (see docs/methods.md), or a JavaScript module of one's own, in an experiment file relative to that. */
  method: string;
  /** What results call it: the method's own name when left out. Files of rows are named by it. */
  name: string;
  /** The method's own options; what is left out keeps its default. */
  options: Record<string, unknown>;
  /** The regimes that it acts in; all of the experiment's when left out. */
  regimes?: Regime[] | undefined;
  /** Where something is trained for it: how many times, with a seed each; as often as `training.seeds` says when left out. */
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
  /** Rank of the update. */
  r: number;
  /** The update is scaled by `alpha / r`. */
  alpha: number;
  /** The matrices that are adapted. */
  targets: LoraTarget[];
}

/** AdamW's settings. */
export interface OptimizerSettings {
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

/** Changes to the family's own few-shot template, by regime. */
export interface TemplateSettings {
  /** Where the state is seen. */
  mdp?: Template | undefined;
  /** Where it is hidden. */
  pomdp?: Template | undefined;
  /** Where it is hidden and there is a cloud. */
  apomdp?: Template | undefined;
}

/** What is drawn for training. */
export interface DatasetSettings {
  /** Where examples come from: episodes simulated on the family's tasks when left out; or, of a family from logs, the records that it was fitted to. */
  from?: 'tasks' | 'records' | undefined;
  /** What the decisions of a query are labelled with; the task's oracle when left out. */
  labels?: Labels | undefined;
  /** Split of the family. */
  split: SplitName;
  /** Examples in each regime. */
  examples: number;
  /** Examples that share a task and its oracle. */
  examplesPerTask: number;
  /** Examples in a file. */
  shardExamples: number;
  /** What the files are written as. */
  format: ShardFormat;
}

/** How the adapter is trained. */
export interface TrainingSettings {
  /** The program that trains and decides; what it cannot do, such as to train whole networks, another does. */
  backend: BackendName;
  /** What it computes in: its reference when left out, whatever is fastest on the machine with `auto`. */
  arithmetic?: ChosenArithmetic | undefined;
  /** One adapter for all regimes, or one each. */
  adapter: 'joint' | 'per-regime';
  /** LoRA's settings. */
  lora: LoraSettings;
  /** AdamW's settings. */
  optimizer: OptimizerSettings;
  /** Trainings of each method that is trained: with the experiment's seed, the next, and so on. Results show their spread. */
  seeds: number;
  /** Shards on disk, seen again and again; or a stream of examples that are made as training goes on, each seen once. */
  data: 'dataset' | 'stream';
  /** Optimiser steps. */
  steps: number;
  /** Examples a step. */
  batchSize: number;
  /** Steps between checkpoints. Changes nothing in the adapter. */
  checkpointEvery: number;
  /** Whether activations are computed again in the backward pass, which takes less memory and more time. */
  gradientCheckpointing: boolean;
  /** An example longer than this many tokens stops the run before training starts. */
  maxTokens: number;
}

/** A method left alone in a task, with what it has seen there itself. */
export interface Deployment {
  /** Episodes one after another, the first without support. */
  episodes: number;
  /** How many of its last episodes the support then shows; all when left out. */
  remember?: number | undefined;
}

/** How the methods are compared. */
export interface EvaluationSettings {
  /** Split of the family. */
  split: SplitName;
  /** Tasks in each regime. */
  tasks: number;
  /** Episodes on each task; with a deployment, how many deployments. */
  episodes: number;
  /** Episodes one after another instead of single ones: what a method played before is all that its support shows it. */
  deployment?: Deployment | undefined;
  /** An action within this of the best counts as agreeing with the oracle. */
  epsilon: number;
  /** Who acts; `random` always, because gaps are normalised by its own. */
  methods: MethodSetting[];
  /** Name of the method that all others are compared with; when left out the first fine-tuned language model, else the first that is neither oracle nor chance. */
  reference?: string | undefined;
  /** How a model's action is taken from its log-probabilities: the likeliest, or drawn. */
  decision: 'greedy' | 'sample';
  /** Where it is drawn: from probabilities raised to the power of its inverse. */
  temperature: number;
  /** Bootstrap resamples of the tasks. */
  resamples: number;
}

/** What a family that was fitted to logs was made from; written by `loadExperiment`. */
export interface LogsOrigin {
  /** Hash of logs, schema and settings. */
  key: string;
  /** Where its models and the kept episodes lie. */
  folder: string;
  /** SHA-256 of the logs. */
  sha256: string;
}

/** An experiment with every default filled in. */
export interface Experiment extends Pick<Spec, 'seed' | 'family' | 'horizon' | 'models' | 'alpha' | 'nature' | 'support' | 'solver'> {
  /** Where the models of a family named `models:…` lie. */
  familyFolder?: string | undefined;
  /** Of a family that was fitted to logs: the hash of what it was made from, where it lies, and the hash of the logs. */
  logs?: LogsOrigin | undefined;
  /** For editors: where the JSON Schema is. */
  $schema?: string | undefined;
  /** Format and version of the file. */
  schema: 'tiresias.experiment/1';
  /** Also the name of the run's folder. */
  name: string;
  /** The regimes to study, each at most once. */
  regimes: Regime[];
  /** The query of an example. */
  query: Spec['query'] & {
    /** Whoever labels, or that policy with random actions. */
    behaviour: QueryBehaviour;
  };
  /** Changes to the family's own few-shot template, by regime. */
  templates: TemplateSettings;
  /** What is drawn for training. */
  dataset: DatasetSettings;
  /** The pretrained model. */
  base: BaseSpec;
  /** How the adapter is trained. */
  training: TrainingSettings;
  /** How the methods are compared. */
  evaluation: EvaluationSettings;
  /** Worker threads; all cores when absent. Changes no result of solving, drawing or encoding. */
  threads?: number | undefined;
}

type Defaulted<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Defaulted<T[K]> | undefined } : T;

/** Where the pretrained model comes from, as written by hand: of the hub, the branch `main` without another. */
type WrittenBase = NamedBase | FileBase | (Omit<HubBase, 'revision'> & Partial<Pick<HubBase, 'revision'>>);

/** An experiment as written by hand: all but `schema` and `name` may be left out. */
export type ExperimentInput = Pick<Experiment, 'schema' | 'name'> &
  Defaulted<Omit<Experiment, 'schema' | 'name' | 'base' | 'evaluation'>> & {
    /** How the methods are compared. */
    evaluation?: (Defaulted<Omit<EvaluationSettings, 'methods'>> & {
      /** Who acts: names, modules, or either with a name of its own and options. */
      methods?: (string | WrittenMethod)[] | undefined;
    }) | undefined;
    /** The pretrained model. */
    base?: WrittenBase | undefined;
  };

/** Whether a method is a module, by the look of its name: `./always.mjs`. */
export const isModule = (method: string): boolean => /^(?:\.{0,2}\/|[A-Za-z]:\\)/.test(method);

/** A method's setting as written by hand. */
type WrittenMethod = Pick<MethodSetting, 'method'> & { [K in Exclude<keyof MethodSetting, 'method'>]?: MethodSetting[K] | undefined };

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
      /** Also the name of the run's folder. */
      name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" and "-" only'),
      seed: number(spec.seed).default(0),
      /** The name of a family, or a folder of model files (a file a task, its subfolders the splits), or logs that models are fitted to. */
      family: z.union([name<FamilyName>(), z.strictObject({ models: z.string().min(1) }), logsFamilySchema()]).transform((family) => family as FamilyName).default('energy'),
      /** Where the models of a family named `models:…` lie. */
      familyFolder: z.string().optional(),
      /** Of a family that was fitted to logs: what it was made from and where that lies. */
      logs: z.strictObject({ key: z.string(), folder: z.string(), sha256: z.string() }).optional(),
      regimes: z
        .array(words('regime'))
        .min(1)
        .refine((list) => new Set(list).size === list.length, 'expected every regime at most once')
        .default([...wordsOf('regime')]),
      horizon: number(spec.horizon).max(1000).default(10),
      /** Size of the cloud of an APOMDP. */
      models: number(spec.models).max(64).default(3),
      /** Ambiguity attitude of an APOMDP: 1 is max-min, 0 max-max. */
      alpha: number(spec.alpha).default(1),
      /** Who chooses the true model of an APOMDP while trajectories are drawn. */
      nature: words('nature').default('fixed'),
      support: z.strictObject({ trajectories: number(support.trajectories).max(100).default(2), behaviour: behaviour.default('oracle') }).prefault({}),
      query: z.strictObject({ behaviour: queryBehaviour.default('epsilon:0.2') }).prefault({}),
      /** When the oracle may stop: at this gap between its bounds. A limit on its time makes labels depend on the machine's speed. */
      solver: z.strictObject({ gap: z.number().positive().default(0.01), timeSeconds: z.number().positive().nullable().default(null) }).prefault({}),
      /** Changes to the family's own few-shot template, by regime. */
      templates: z.strictObject({ mdp: template.optional(), pomdp: template.optional(), apomdp: template.optional() }).prefault({}),
      dataset: z
        .strictObject({
          /** Examples of simulated episodes when left out; or, of a family from logs, of the records that it was fitted to. */
          from: z.enum(['tasks', 'records']).optional(),
          /** What the decisions of a query are labelled with; the task's oracle when left out. */
          labels: words('labels').optional(),
          split: name<SplitName>().default('train'),
          /** In each regime. */
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
          /** What it computes in: its reference when left out, whatever is fastest on the machine with `auto`. */
          arithmetic: z.enum(CHOSEN_ARITHMETICS).optional(),
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
          /** Trainings of each method that is trained: with the experiment's seed, the next, and so on. Results show their spread. */
          seeds: count.max(100).default(1),
          /** Shards on disk, seen again and again; or a stream of examples that are made as training goes on, each seen once. */
          data: z.enum(['dataset', 'stream']).default('dataset'),
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
          split: name<SplitName>().default('test'),
          tasks: number(spec.tasks).default(60),
          /** Episodes on each task; with a deployment, how many deployments. */
          episodes: number(spec.episodesPerTask).default(1),
          /** Episodes one after another instead of single ones: what a method played before is all that its support shows it, the last `remember` of them. */
          deployment: z.strictObject({ episodes: count.max(10_000), remember: count.max(10_000).optional() }).optional(),
          /** An action within this of the best counts as agreeing with the oracle. */
          epsilon: number(spec.epsilon).default(0.001),
          methods: z
            .array(method)
            .refine((list) => list.some((one) => one.method === 'random' && one.regimes === undefined), 'expected "random" among the methods, in every regime: gapNorm is measured against it')
            .refine((list) => new Set(list.map((one) => one.name)).size === list.length, 'expected every name once; give a method that comes twice a "name" of its own')
            .prefault(['oracle', 'sft', 'icl', 'random']),
          /** Whom all others are compared with. */
          reference: z.string().optional(),
          decision: z.enum(['greedy', 'sample']).default('greedy'),
          /** Of drawn decisions. */
          temperature: z.number().positive().default(1),
          /** Bootstrap resamples of the tasks. */
          resamples: z.int().min(100).max(100_000).default(2000),
        })
        .refine((e) => e.reference === undefined || e.methods.some(({ name }) => name === e.reference), { path: ['reference'], error: 'expected the name of one of the methods' })
        .prefault({}),
      /** Worker threads; all cores when absent. Changes no result of solving, drawing or encoding. */
      threads: count.max(1024).optional(),
    }) satisfies Zod.ZodType<Experiment>;
});

/**
 * Checks a value against the schema and fills in defaults. Models of a family of one's own are read, from a folder beside `folder`. Throws
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

/** The experiment with the name of its family's models in place of their folder; the name is a hash of the models, which is what results belong to. */
function withFamily(value: unknown, file: string, folder: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { family, familyFolder } = value as { family?: unknown; familyFolder?: unknown };
  if (typeof family === 'object' && family !== null && 'logs' in family) throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n  $.family: models are fitted to logs where an experiment is read from a file; call loadExperiment`);
  const models = typeof family === 'object' && family !== null ? (family as { models?: unknown }).models : familyFolder;
  if (typeof models !== 'string' || models === '') return value;
  const place = resolve(folder, models);
  const { name, regimes, horizon } = native.loadFamily(place);
  if (typeof family === 'string' && family !== name) {
    throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n  $.family: the models in ${place} are others than when the experiment was written; name their folder again, as {"models": "…"}`);
  }
  return { regimes, horizon, ...value, family: name, familyFolder: place };
}

/** Reads and checks an experiment file; relative paths to a base model, modules and adapters are taken from the file's own folder. */
export async function loadExperiment(path: string): Promise<Experiment> {
  return placed(parseExperiment(await withLogs(parseJson(await readText(path), path), path), path, dirname(path)), dirname(path));
}

/** The experiment with the folder of models that were fitted to its logs in place of these. */
async function withLogs(value: unknown, file: string): Promise<unknown> {
  const family = typeof value === 'object' && value !== null ? (value as { family?: unknown }).family : undefined;
  if (typeof family !== 'object' || family === null || !('logs' in family)) return value;
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
  interface Node { properties?: Record<string, Node>; items?: Node; anyOf?: Node[] }
  const below = (node: Node, key: PropertyKey): Node[] => [...(node.anyOf ?? []).flatMap((one) => below(one, key)), ...(typeof key === 'number' ? [node.items] : [node.properties?.[String(key)]]).filter((one) => one !== undefined)];
  const names = (node: Node): string[] => [...Object.keys(node.properties ?? {}), ...(node.anyOf ?? []).flatMap(names)];
  return path.reduce((nodes, key) => nodes.flatMap((node) => below(node, key)), [experimentJsonSchema() as Node]).flatMap(names);
}

function describe(issue: Zod.core.$ZodIssue): Problem[] {
  const path = issue.path.reduce<string>((text, key) => text + (typeof key === 'number' ? `[${key}]` : `.${String(key)}`), '$');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: `${path}.${key}`, problem: `is not a known field${meant(key, fieldsAt(issue.path))}` }));
  const near = issue.code === 'invalid_value' && typeof issue.input === 'string' ? meant(issue.input, issue.values.map(String)) : '';
  return [{ path, problem: `${issue.message.replace(/^Invalid input: /, '').replace(/^Invalid option: /, '')}${near}` }];
}

/** The JSON Schema of an experiment file, for editors. */
export function experimentJsonSchema(): unknown {
  return zod().toJSONSchema(schemaOf(), { io: 'input' });
}
