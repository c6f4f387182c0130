import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import type { BackendName, ChosenArithmetic, Launch, Launcher } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import type { Experiment } from '../experiment.js';
import type { DataFile, DoneEvent, EstimateEvent } from '../train/contract.js';
import { columns, integer, invoke, local, newCommand, number, threadsOf } from './common.js';
import { chosenExperiment, withConfig, type ExperimentOptions } from './experiment.js';

interface TrainCommandOptions extends ExperimentOptions {
  data: string[];
  out: string;
  steps?: number;
  backend?: BackendName;
  model?: string;
  arithmetic?: ChosenArithmetic;
  launcher?: Launcher;
  processes?: number;
  replicateBase?: boolean;
  dryRun?: boolean;
  cardTflops?: number;
}

export function trainCommand(): Command {
  return withConfig(
    newCommand('train', "fine-tune the experiment's base model on datasets, or go on where a training stopped", [
      'tiresias train --config experiments/quickstart.json --data data/mdp data/pomdp --out adapter',
      'tiresias train --backend peft --model meta-llama/Llama-2-7b-hf --data data/mdp --out adapter --dry-run --card-tflops 312',
    ]),
  )
    .requiredOption('--data <folder...>', 'datasets, as `tiresias dataset make` leaves them: folders, or s3://BUCKET/PREFIX, which are downloaded to the cache')
    .requiredOption('-o, --out <folder>', 'where adapter, checkpoints and metrics go')
    .option('--steps <n>', 'optimiser steps', integer(1))
    .option('--backend <name>', "the program that trains, candle or peft, instead of the experiment's")
    .option('--model <model>', "a GGUF file, a folder of safetensors, or organisation/name[/file.gguf][@revision] of the hub, instead of the experiment's base")
    .option('--arithmetic <kind>', 'f32, bf16, nf4 (4-bit weights), or auto, what is fastest on this machine; without it f32, of peft on a card nf4')
    .option('--launcher <name>', 'accelerate or torchrun: train in several processes, one a card; accelerate when only --processes is given')
    .option('--processes <n>', 'how many; each computes some rows of every batch and holds a part of the base', integer(1, 1024))
    .option('--replicate-base', 'each process holds the whole base: less to send, for a base that fits on every card')
    .option('--dry-run', 'say how much memory and time the training would take, and stop')
    .option('--card-tflops <n>', 'with --dry-run: for a CUDA card of so many bf16 TFLOP/s (A100: 312), not for this machine', number(Number.MIN_VALUE))
    .action((options: TrainCommandOptions) =>
      invoke({ ...options, resumes: !options.dryRun }, async ({ signal, progress, how, print }) => {
        const { able, checkAble } = await import('../backends/index.js');
        const { described } = await import('../base/index.js');
        const { Dataset } = await import('../dataset/open.js');
        const { baseStage } = await import('../stages/base.js');
        const { shardsOf, trainConfig, trainStage } = await import('../stages/train.js');
        const { estimateTraining } = await import('../train/estimate.js');
        const { readMetrics } = await import('../train/process.js');
        const launch = launchOf(options);
        const experiment = await asked(options);
        checkAble({ ...able(experiment.training, 'train'), base: described(experiment.base) }, { launch, estimate: options.dryRun });
        const shards: DataFile[] = [];
        for (const place of options.data) {
          const folder = await local(place, signal);
          shards.push(...shardsOf(folder, (await Dataset.open(folder)).manifest));
        }
        const output = resolve(options.out);
        const { base: spec } = experiment;
        // What lies on this machine the trainer checks as well; an estimate needs no more of a folder than its config.json.
        const base = 'path' in spec ? spec : await baseStage(spec, how('base-model')).work();
        const config = { ...trainConfig(experiment, base, shards, output, threadsOf(options)), ...(launch && !options.replicateBase && { shardBase: true }) };
        if (options.dryRun) {
          progress.show({ stage: 'estimate', done: 0, total: 1, detail: 'measuring' });
          const estimate = await estimateTraining(config, { signal, processes: launch?.processes, cardTflops: options.cardTflops });
          progress.close();
          print(estimate, estimateInWords(estimate, launch?.processes ?? 1));
          return;
        }
        await trainStage(config, { ...how('train'), launch }).work(output);
        const { done } = await readMetrics(output);
        progress.close();
        const adapter = join(output, done.adapter);
        print({ ...done, adapter }, doneInWords(done, adapter));
      }),
    );
}

/** The experiment with what the command line changes in it. */
async function asked(options: TrainCommandOptions): Promise<Experiment> {
  const { baseOf } = await import('./base.js');
  const chosen = await chosenExperiment(options);
  const { steps, backend, arithmetic } = options;
  const training = { ...chosen.training, ...(steps !== undefined && { steps }), ...(backend !== undefined && { backend }), ...(arithmetic !== undefined && { arithmetic }) };
  return { ...chosen, training, ...(options.model !== undefined && { base: baseOf(options.model) }) };
}

/** The processes that are asked for, if several are. */
function launchOf({ launcher, processes, replicateBase, dryRun, cardTflops }: TrainCommandOptions): Launch | undefined {
  const usage = (message: string) => new TiresiasError('USAGE', message);
  if (cardTflops !== undefined && !dryRun) throw usage('--card-tflops is for --dry-run alone: a training runs on the machine that it is started on');
  if (processes === undefined) {
    if (launcher !== undefined) throw usage(`--launcher ${launcher} starts several processes: say how many with --processes, for instance one for each card`);
    if (replicateBase) throw usage('--replicate-base is for several processes: say how many with --processes');
    return undefined;
  }
  return { launcher: launcher ?? 'accelerate', processes };
}

function doneInWords(done: DoneEvent, adapter: string): string {
  const share = done.matmulShare === undefined ? '' : `, ${(100 * done.matmulShare).toFixed(0)} % of the machine's matrix-product peak`;
  return columns([
    ['adapter', adapter],
    ['steps', `${done.step}, loss ${done.loss.toFixed(4)}`],
    ['speed', `${Math.round(done.tokensPerSecond)} tokens/s${share}`],
  ]);
}

function estimateInWords({ arithmetic, parameters, trainable, passTokens, memoryBytes, secondsPerStep, seconds, tokensPerSecond, freeBytes }: EstimateEvent, processes: number): string {
  const { total, ...parts } = memoryBytes;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  const count = (n: number) => Math.round(n).toLocaleString('en');
  const digits = (n: number) => (n < 100 ? n.toPrecision(3) : count(n));
  const each = processes > 1 ? ` in each of ${processes} processes` : '';
  const free = freeBytes === undefined ? '' : `; ${gigabytes(freeBytes)} are free here${freeBytes < total ? ', which is too little' : ''}`;
  return columns([
    ['model', `${count(parameters)} weights in ${arithmetic}, ${count(trainable)} trained`],
    ['largest pass', `${count(passTokens)} tokens`],
    ...Object.entries(parts).map(([what, bytes]) => [what, gigabytes(bytes)] as const),
    ['memory', `${gigabytes(total)}${each}${free}`],
    ['time', `${digits(secondsPerStep)} s a step, ${digits(tokensPerSecond)} tokens/s, ${digits(seconds / 60)} minutes in all`],
  ]);
}
