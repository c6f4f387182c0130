// Stage train: what a method learns. It leaves the adapter, or the network's `model`, and the metrics, beside what the trainer resumes from.
import { resolve } from 'node:path';
import { able, backendOf, type Ability, type Launch } from '../backends/index.js';
import type { Manifest } from '../dataset/manifest.js';
import { recordsOf } from '../dataset/open.js';
import { TiresiasError } from '../errors.js';
import type { Experiment, Regime } from '../experiment.js';
import { readExample, scanShards } from '../library.js';
import type { Training } from '../methods/index.js';
import { experimentTemplates } from '../methods/language-model.js';
import type { TrainingResult } from '../results.js';
import type { BackendEvent, BaseFile, StreamConfig, TrainConfig } from '../train/contract.js';
import { readMetrics, train } from '../train/process.js';
import { version } from '../version.js';
import { datasetConfig } from './dataset.js';
import type { How, Stage } from './stage.js';

/** The trainer's configuration for an experiment's settings, of a backend that has an ability. */
export function trainConfig(experiment: Experiment, base: BaseFile | undefined, data: TrainConfig['data'], output: string, threads: number, ability: Ability = 'train'): TrainConfig {
  const { lora, optimizer, steps, batchSize, checkpointEvery, gradientCheckpointing } = experiment.training;
  return { ...able(experiment.training, ability), base, data, output, lora, optimizer, steps, batchSize, seed: experiment.seed, threads, checkpointEvery, gradientCheckpointing };
}

/** A dataset's files, with the hashes of its manifest: the trainer checks the bytes of what it reads. */
export const shardsOf = (folder: string, { shards }: Manifest): TrainConfig['data'] => shards.map(({ path, sha256 }) => ({ path: resolve(folder, path), sha256 }));

/** What a training learns from when nothing is written down first. */
export function streamOf(experiment: Experiment, { vocabulary, histories }: Training, regimes: readonly Regime[]): StreamConfig {
  const specs = regimes.map((regime) => {
    const { examples: _, shardExamples: __, ...spec } = datasetConfig(experiment, regime, histories);
    return { ...spec, firstTask: 0, tasks: 1, threads: 0 };
  });
  const { familyPath } = experiment;
  return { specs, ...(familyPath !== undefined && { familyPath }), ...(vocabulary === 'compact' && { templates: experimentTemplates(experiment) }) };
}

/** The folder, within a training's, of what it learned. */
export const learnedIn = ({ architecture }: TrainConfig): string => (architecture ? 'model' : 'adapter');

/** How {@link trainStage} trains. */
export interface TrainHow extends Omit<How, 'threads'> {
  /** Several processes instead of one. */
  launch?: Launch | undefined;
  /** An example longer than this many tokens stops it before it starts. */
  maxTokens?: number | undefined;
}

/** A training, by whatever name, of whichever regimes' data. */
export type Trained = Omit<TrainingResult, 'name' | 'regimes'>;

/** Trains by a configuration; whatever output that names, it goes into the folder that the work is done in. */
export function trainStage(config: TrainConfig, { launch, maxTokens, signal, onProgress }: TrainHow): Stage<Trained> {
  return {
    kind: 'train',
    inputs: async () => {
      const trainer = await backendOf(config.backend).identity(signal);
      // How often a checkpoint is written changes nothing in what is learned, nor where files lie and how many threads there are.
      const { checkpointEvery: _, threads: __, output: ___, data, base, stream, ...rest } = config;
      // A family of one's own is named by its hash in the specifications, wherever it lies.
      const { familyPath: ____, ...drawn } = stream ?? {};
      const settings = { ...rest, ...(stream && { stream: drawn }) };
      const learnsFrom = { base: base && { sha256: base.sha256, randomWeights: base.randomWeights ?? null }, data: data.map(({ sha256 }) => sha256) };
      return { version, trainer, settings, maxTokens, ...learnsFrom };
    },
    outputs: [learnedIn(config), 'metrics.jsonl'],
    work: async (output) => {
      if (maxTokens !== undefined) await checkLengths(config.data.map(({ path }) => path), maxTokens, signal);
      onProgress?.({ done: 0, total: config.steps, detail: 'starting' });
      let hardware: BackendEvent['hardware'] | undefined;
      await train({ ...config, output }, {
        launch, signal,
        onEvent: (event) => {
          if (event.event === 'backend') ({ hardware } = event);
          if (event.event !== 'step') return;
          const detail = `loss ${event.loss.toFixed(3)}, accuracy ${event.accuracy.toFixed(2)}, ${Math.round(event.tokensPerSecond)} tokens/s`;
          onProgress?.({ done: event.step, total: config.steps, detail });
        },
      });
      return trained(output, hardware);
    },
  };
}

/** Fields of a step are of fixed width, so a shard's first example is as long as any, but where episodes are recorded ones. */
async function checkLengths(shards: readonly string[], maxTokens: number, signal: AbortSignal | undefined): Promise<void> {
  for (const [i, record] of recordsOf(shards).entries()) {
    const path = shards[i]!;
    const recorded = record !== undefined && 'records' in record.dataset.manifest.config;
    const tokens = recorded ? (await scanShards([path], { signal })).longest : readExample(path, 0).inputIds.length;
    if (tokens > maxTokens) {
      throw new TiresiasError('EXAMPLE_TOO_LONG', `an example of ${path} has ${tokens} tokens, more than training.maxTokens (${maxTokens}); raise that, or lower horizon or support.trajectories`, {
        details: { path, tokens, maxTokens },
      });
    }
  }
}

async function trained(output: string, hardware: BackendEvent['hardware'] | undefined): Promise<Trained> {
  const { start, steps, done } = await readMetrics(output);
  const { parameters, trainable, examples, arithmetic, kernel } = start;
  const { step, tokens, seconds, tokensPerSecond, matmulShare, peakRssBytes } = done;
  const matmulPeakGflops = hardware?.kind === 'cpu' ? hardware.matmulPeakGflops : undefined;
  return {
    parameters, trainable, arithmetic: kernel === undefined ? arithmetic : `${arithmetic} (${kernel})`, examples, steps: step, tokens, seconds, tokensPerSecond,
    ...(matmulPeakGflops !== undefined && { matmulPeakGflops }), ...(matmulShare !== undefined && { matmulShare }),
    peakRssBytes, curve: steps.map(({ step, loss, accuracy, lr }) => ({ step, loss, accuracy, lr })),
  };
}
