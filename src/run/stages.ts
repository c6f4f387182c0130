// The stages of a run, each a function from what it needs to what the next ones need.
import { join } from 'node:path';
import { able, backendOf, type Ability } from '../backends/index.js';
import { hashIfWhole, resolveBaseModel, type BaseModel } from '../base/index.js';
import { makeDataset } from '../dataset/make.js';
import type { DatasetConfig, Manifest } from '../dataset/manifest.js';
import { TiresiasError } from '../errors.js';
import { identity } from '../evaluate/identity.js';
import { evaluateRegime } from '../evaluate/index.js';
import type { Experiment, Regime } from '../experiment.js';
import { sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { readExample, type Tokenizer } from '../library.js';
import { methodsIn, type Training } from '../methods/index.js';
import { experimentTemplates } from '../methods/language-model.js';
import type { RegimeResult, TrainingResult } from '../results.js';
import { taskSpec } from '../spec.js';
import type { BackendEvent, BaseFile, StreamConfig, TrainConfig } from '../train/contract.js';
import { readMetrics, train } from '../train/process.js';
import { version } from '../version.js';
import { entryOf, runStage, type Stage, type StageOutcome } from './stage.js';
import { leadTo, type Named, type Store } from '../store.js';

/** What every stage is handed. */
export interface Context {
  experiment: Experiment;
  /** The run's folder, from which links lead to what its stages left. */
  folder: string;
  store: Store;
  /** Told what the run is about to make, or to take over, before it does. */
  name(one: Named): Promise<void>;
  threads: number;
  signal?: AbortSignal | undefined;
  report(stage: string, event: { done: number; total: number; detail: string }): void;
}

type Report = (event: { done: number; total: number; detail: string }) => void;

/** A stage by the name that a run has for it, and where in the run's folder a link leads to what it left. */
interface StageOfRun<T> extends Stage<T> {
  name: string;
  link?: string;
}

/** What a stage of a run came to, by its name. */
export interface Made<T> extends StageOutcome<T> {
  name: string;
}

/** Runs a stage and tells the progress view when there was nothing to do. */
async function staged<T>(context: Context, make: (report: Report) => StageOfRun<T>): Promise<Made<T>> {
  const { signal } = context;
  signal?.throwIfAborted();
  let name = '';
  const report: Report = (event) => context.report(name, event);
  const stage = make(report);
  ({ name } = stage);
  await context.name({ name, ...entryOf(stage) });
  const outcome = await runStage(context.store, stage, { signal, onWait: () => report({ done: 0, total: 1, detail: 'another run is making it' }) });
  if (stage.link !== undefined) await leadTo(join(context.folder, stage.link), outcome.folder);
  report({ done: 1, total: 1, detail: outcome.skipped ? 'already done' : `done in ${outcome.seconds.toFixed(1)} s` });
  return { ...outcome, name };
}

export async function baseModelStage(context: Context): Promise<Made<BaseModel>> {
  const { base } = context.experiment;
  return staged(context, (report) => ({
    kind: 'base',
    name: 'base-model',
    inputs: base,
    work: () => resolveBaseModel(base, { signal: context.signal, onProgress: report }),
    isWhole: async (model) => (await hashIfWhole(model.path, context.signal)) === model.sha256,
  }));
}

/** The dataset that an experiment makes in one regime. */
export function datasetConfig(experiment: Experiment, regime: Regime): DatasetConfig {
  const { split, examples, examplesPerTask, shardExamples, format } = experiment.dataset;
  return { ...taskSpec(experiment, regime, split), query: experiment.query, examples, examplesPerTask, shardExamples, format };
}

/** A dataset that a stage made. */
export interface MadeDataset extends Made<Manifest> {
  regime: Regime;
  of: DataKind;
}

/** What tells an experiment's datasets of one regime apart. */
export type DataKind = Pick<Training, 'vocabulary' | 'histories'>;

/** A name of a kind of dataset. */
export function kindName({ vocabulary, histories }: DataKind): string {
  return histories ? `${vocabulary}-histories-${sha256(canonicalJson(histories)).slice(0, 8)}` : vocabulary;
}

export async function datasetStage(context: Context, regime: Regime, of: DataKind, tokenizer: Tokenizer): Promise<MadeDataset> {
  const config = { ...datasetConfig(context.experiment, regime), ...(of.histories && { histories: of.histories }) };
  const kind = kindName(of);
  const name = kind === 'base' ? regime : `${kind}-${regime}`;
  const outcome = await staged(context, (report) => ({
    kind: 'dataset',
    name: `dataset-${name}`,
    link: join('dataset', name),
    inputs: { version, config, tokenizer: tokenizer.sha256 },
    outputs: ['.'],
    // Shard by shard, by the manifest's hashes.
    mends: true,
    work: (folder) => makeDataset(config, folder, { tokenizer, threads: context.threads, signal: context.signal, onProgress: report }),
  }));
  return { ...outcome, regime, of };
}

/** The trainer's configuration for an experiment's settings, of a backend that has an ability. */
export function trainConfig(experiment: Experiment, base: BaseFile | undefined, data: TrainConfig['data'], output: string, threads: number, ability: Ability = 'train'): TrainConfig {
  const { lora, optimizer, steps, batchSize, checkpointEvery, gradientCheckpointing } = experiment.training;
  return {
    ...able(experiment.training, ability),
    base,
    data,
    output,
    lora,
    optimizer: {
      lr: optimizer.lr,
      schedule: optimizer.schedule,
      warmupSteps: optimizer.warmupSteps,
      beta1: optimizer.beta1,
      beta2: optimizer.beta2,
      eps: optimizer.eps,
      weightDecay: optimizer.weightDecay,
      maxGradNorm: optimizer.maxGradNorm,
    },
    steps,
    batchSize,
    seed: experiment.seed,
    threads,
    checkpointEvery,
    gradientCheckpointing,
  };
}

/** What a training learns from when nothing is written down first. */
function streamOf(experiment: Experiment, { vocabulary, histories }: Training, regimes: readonly Regime[]): StreamConfig {
  const specs = regimes.map((regime) => {
    const { examples: _, shardExamples: __, ...spec } = datasetConfig(experiment, regime);
    return { ...spec, firstTask: 0, tasks: 1, threads: 0, ...(histories && { histories }) };
  });
  return { specs, ...(vocabulary === 'compact' && { templates: experimentTemplates(experiment) }) };
}

/** Trains what a method needs for some regimes, on their datasets where there are any; `seed` names the draws of its training. */
export async function trainStage(
  context: Context,
  name: string,
  training: Training,
  seed: number,
  base: BaseModel | undefined,
  vocabularySize: number,
  regimes: readonly Regime[],
  datasets: readonly MadeDataset[],
): Promise<Made<TrainingResult>> {
  const { experiment } = context;
  const shards = datasets.flatMap((dataset) => dataset.result.shards.map(({ path, sha256 }) => ({ path: join(dataset.folder, path), sha256 })));
  const stream = experiment.training.data === 'stream' ? streamOf(experiment, training, regimes) : undefined;
  const config = training.config({ ...trainConfig(experiment, base, shards, '', context.threads, training.ability), seed, ...(stream && { stream }) }, experiment, vocabularySize);
  const trainer = await backendOf(config.backend).identity(context.signal);
  // How often a checkpoint is written changes nothing in what is learned, nor where files lie and how many threads there are.
  const { checkpointEvery: _, threads: __, output: ___, data, base: from, ...settings } = config;
  const learnsFrom = { base: from && { sha256: from.sha256, randomWeights: from.randomWeights ?? null }, data: data.map(({ sha256 }) => sha256) };
  const left = config.architecture ? 'model' : 'adapter';
  const outcome = await staged(context, (report) => ({
    kind: 'train',
    name: `train-${name}`,
    link: join('train', name),
    inputs: { version, trainer, settings, maxTokens: experiment.training.maxTokens, ...learnsFrom },
    outputs: [left, 'metrics.jsonl'],
    work: async (output: string) => {
      checkLengths(shards.map(({ path }) => path), experiment.training.maxTokens);
      report({ done: 0, total: config.steps, detail: 'starting' });
      let hardware: BackendEvent['hardware'] | undefined;
      await train({ ...config, output }, {
        signal: context.signal,
        onEvent: (event) => {
          if (event.event === 'backend') ({ hardware } = event);
          if (event.event !== 'step') return;
          const detail = `loss ${event.loss.toFixed(3)}, accuracy ${event.accuracy.toFixed(2)}, ${Math.round(event.tokensPerSecond)} tokens/s`;
          report({ done: event.step, total: config.steps, detail });
        },
      });
      return trainingResult(name, regimes, output, hardware);
    },
  }));
  // Another run may have another name for it.
  return { ...outcome, result: { ...outcome.result, name, regimes: [...regimes] } };
}

/** The folder of what a training learned. */
export const learnedFolder = (context: Context, { folder }: Made<TrainingResult>, training: Training): string => {
  const { architecture } = training.config(trainConfig(context.experiment, undefined, [], '', 1), context.experiment, 1);
  return join(folder, architecture ? 'model' : 'adapter');
};

/** Fields of a step are of fixed width, so a shard's first example is as long as any. */
function checkLengths(shards: readonly string[], maxTokens: number): void {
  for (const path of shards) {
    const tokens = readExample(path, 0).inputIds.length;
    if (tokens > maxTokens) {
      throw new TiresiasError('EXAMPLE_TOO_LONG', `an example of ${path} has ${tokens} tokens, more than training.maxTokens (${maxTokens}); raise that, or lower horizon or support.trajectories`, {
        details: { path, tokens, maxTokens },
      });
    }
  }
}

async function trainingResult(name: string, regimes: readonly Regime[], output: string, hardware: BackendEvent['hardware'] | undefined): Promise<TrainingResult> {
  const { start, steps, done } = await readMetrics(output);
  return {
    name,
    regimes: [...regimes],
    parameters: start.parameters,
    trainable: start.trainable,
    examples: start.examples,
    steps: done.step,
    tokens: done.tokens,
    seconds: done.seconds,
    tokensPerSecond: done.tokensPerSecond,
    ...(hardware?.kind === 'cpu' && hardware.matmulPeakGflops !== undefined && { matmulPeakGflops: hardware.matmulPeakGflops }),
    ...(done.matmulShare !== undefined && { matmulShare: done.matmulShare }),
    peakRssBytes: done.peakRssBytes,
    curve: steps.map(({ step, loss, accuracy, lr }) => ({ step, loss, accuracy, lr })),
  };
}

/** Plays and measures every method in one regime, by the base model and what was trained for methods by name. */
export async function evaluateStage(
  context: Context,
  regime: Regime,
  base: BaseModel | undefined,
  trained: Readonly<Record<string, string>>,
): Promise<Made<RegimeResult>> {
  const { experiment, threads, signal } = context;
  const { resamples, reference } = experiment.evaluation;
  const madeFrom: object[] = [];
  for (const setting of methodsIn(experiment, regime)) {
    madeFrom.push({ name: setting.name, ...(await identity({ setting, experiment, regime, base, threads, signal, trained: trained[setting.name] })) });
  }
  return staged(context, (report) => ({
    kind: 'evaluate',
    name: `evaluate-${regime}`,
    link: join('evaluation', regime),
    inputs: { version, regime, resamples, reference: reference ?? null, madeFrom },
    // The rows say themselves what made them, so none has to be removed when something changes.
    outputs: ['.'],
    mends: true,
    work: (folder) => evaluateRegime(experiment, regime, { base, trained, folder, store: context.store, threads, signal, onProgress: report }),
  }));
}
