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
import { runStage, type Stage, type StageOutcome } from './stage.js';

/** What every stage is handed. */
export interface Context {
  experiment: Experiment;
  /** The run's folder. */
  folder: string;
  threads: number;
  signal?: AbortSignal | undefined;
  report(stage: string, event: { done: number; total: number; detail: string }): void;
}

type Report = (event: { done: number; total: number; detail: string }) => void;

/** Runs a stage and tells the progress view when there was nothing to do. */
async function staged<T>(context: Context, make: (report: Report) => Stage<T>): Promise<StageOutcome<T>> {
  context.signal?.throwIfAborted();
  let name = '';
  const report: Report = (event) => context.report(name, event);
  const stage = make(report);
  name = stage.name;
  const outcome = await runStage(context.folder, stage, context.signal);
  report({ done: 1, total: 1, detail: outcome.skipped ? 'already done' : `done in ${outcome.seconds.toFixed(1)} s` });
  return outcome;
}

export async function baseModelStage(context: Context): Promise<StageOutcome<BaseModel>> {
  const { base } = context.experiment;
  return staged(context, (report) => ({
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

/** A dataset that a stage made, and where. */
export interface MadeDataset extends StageOutcome<Manifest> {
  regime: Regime;
  /** Relative to the run's. */
  folder: string;
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
  const folder = join('dataset', name);
  const outcome = await staged(context, (report) => ({
    name: `dataset-${name}`,
    inputs: { version, config, tokenizer: tokenizer.sha256 },
    folder,
    outputs: [folder],
    // Shard by shard, by the manifest's hashes.
    mends: true,
    work: () => makeDataset(config, join(context.folder, folder), { tokenizer, threads: context.threads, signal: context.signal, onProgress: report }),
  }));
  return { ...outcome, regime, folder, of };
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
): Promise<StageOutcome<TrainingResult>> {
  const { experiment } = context;
  const folder = join('train', name);
  const output = join(context.folder, folder);
  const shards = datasets.flatMap((dataset) => dataset.result.shards.map(({ path, sha256 }) => ({ path: join(context.folder, dataset.folder, path), sha256 })));
  const stream = experiment.training.data === 'stream' ? streamOf(experiment, training, regimes) : undefined;
  const config = training.config({ ...trainConfig(experiment, base, shards, output, context.threads, training.ability), seed, ...(stream && { stream }) }, experiment, vocabularySize);
  const trainer = await backendOf(config.backend).identity(context.signal);
  // How often a checkpoint is written changes nothing in what is learned, nor where files lie and how many threads there are.
  const { checkpointEvery: _, threads: __, output: ___, data, base: from, ...settings } = config;
  const learnsFrom = { base: from && { sha256: from.sha256, randomWeights: from.randomWeights ?? null }, data: data.map(({ sha256 }) => sha256) };
  const left = config.architecture ? 'model' : 'adapter';
  return staged(context, (report) => ({
    name: `train-${name}`,
    inputs: { version, trainer, settings, maxTokens: experiment.training.maxTokens, ...learnsFrom },
    folder,
    outputs: [join(folder, left), join(folder, 'metrics.jsonl')],
    work: async () => {
      checkLengths(shards.map(({ path }) => path), experiment.training.maxTokens);
      report({ done: 0, total: config.steps, detail: 'starting' });
      let hardware: BackendEvent['hardware'] | undefined;
      await train(config, {
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
}

/** The folder of what a training left, in the run's. */
export const trainedFolder = (context: Context, name: string, training: Training): string => {
  const { architecture } = training.config(trainConfig(context.experiment, undefined, [], '', 1), context.experiment, 1);
  return join(context.folder, 'train', name, architecture ? 'model' : 'adapter');
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
): Promise<StageOutcome<RegimeResult>> {
  const { experiment, threads, signal } = context;
  const folder = join('evaluation', regime);
  const { resamples, reference } = experiment.evaluation;
  const madeFrom: object[] = [];
  for (const setting of methodsIn(experiment, regime)) {
    madeFrom.push({ name: setting.name, ...(await identity({ setting, experiment, regime, base, threads, signal, trained: trained[setting.name] })) });
  }
  return staged(context, (report) => ({
    name: `evaluate-${regime}`,
    inputs: { version, resamples, reference: reference ?? null, madeFrom },
    // The rows say themselves what made them, so none has to be removed when something changes.
    outputs: [folder],
    mends: true,
    work: () => evaluateRegime(experiment, regime, { base, trained, folder: join(context.folder, folder), threads, signal, onProgress: report }),
  }));
}
