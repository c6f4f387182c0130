import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { columns, integer, invoke, newCommand, threadsOf } from './common.js';
import { chosenExperiment, withConfig, type ExperimentOptions } from './experiment.js';

interface TrainCommandOptions extends ExperimentOptions {
  data: string[];
  out: string;
  steps?: number;
}

export function trainCommand(): Command {
  return withConfig(
    newCommand('train', "fine-tune the experiment's base model on datasets, or go on where a training stopped", [
      'tiresias train --config experiments/quickstart.json --data data/mdp data/pomdp --out adapter',
    ]),
  )
    .requiredOption('--data <folder...>', 'dataset folders, as `tiresias dataset make` leaves them')
    .requiredOption('-o, --out <folder>', 'where adapter, checkpoints and metrics go')
    .option('--steps <n>', 'optimiser steps', integer(1))
    .action((options: TrainCommandOptions) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { able, checkAble } = await import('../backends/index.js');
        const { described, resolveBaseModel } = await import('../base/index.js');
        const { Dataset } = await import('../dataset/open.js');
        const { train } = await import('../train/process.js');
        const { trainConfig } = await import('../run/stages.js');
        const chosen = await chosenExperiment(options);
        const experiment = { ...chosen, training: { ...chosen.training, steps: options.steps ?? chosen.training.steps } };
        checkAble({ ...able(experiment.training, 'train'), base: described(experiment.base) });
        // The trainer checks the bytes of what it reads.
        const shards: { path: string; sha256: string }[] = [];
        for (const folder of options.data) shards.push(...(await Dataset.open(folder)).manifest.shards.map(({ path, sha256 }) => ({ path: resolve(folder, path), sha256 })));
        const base = await resolveBaseModel(experiment.base, { signal, onProgress: (event) => progress.show({ stage: 'base-model', ...event }) });
        const output = resolve(options.out);
        const done = await train(trainConfig(experiment, base, shards, output, threadsOf(options)), {
          signal,
          onEvent: (event) => {
            if (event.event === 'step') progress.show({ stage: 'train', done: event.step, total: experiment.training.steps, detail: `loss ${event.loss.toFixed(3)}` });
          },
        });
        progress.close();
        const adapter = join(output, done.adapter);
        print(
          { ...done, adapter },
          columns([
            ['adapter', adapter],
            ['steps', `${done.step}, loss ${done.loss.toFixed(4)}`],
            ['speed', `${Math.round(done.tokensPerSecond)} tokens/s${done.matmulShare === undefined ? '' : `, ${(100 * done.matmulShare).toFixed(0)} % of the machine's matrix-product peak`}`],
          ]),
        );
      }),
    );
}
