import type { Command } from 'commander';
import { relative } from 'node:path';
import { invoke, newCommand } from './common.js';
import { chosenExperiment, withConfig, type ExperimentOptions } from './experiment.js';

interface RunCommandOptions extends ExperimentOptions {
  out?: string;
  store?: string;
}

export function runCommand(): Command {
  return withConfig(
    newCommand('run', 'run a whole experiment, or finish one that was stopped', ['tiresias run --config experiments/quickstart.json']),
  )
    .option('-o, --out <folder>', "the run's folder; runs/<name> when absent")
    .option('--store <folder>', "where results lie by content, shared by runs; TIRESIAS_STORE, or the folder store beside the run's, when absent")
    .action((options: RunCommandOptions) =>
      invoke(options, async ({ signal, progress, print }) => {
        const experiment = await chosenExperiment(options);
        const [{ runExperiment }, { tables }] = await Promise.all([import('../run/index.js'), import('../report/index.js')]);
        const { results, folder, report } = await runExperiment(experiment, {
          signal,
          threads: options.threads,
          onProgress: (event) => progress.show(event),
          ...(options.out !== undefined && { folder: options.out }),
          ...(options.store !== undefined && { store: options.store }),
        });
        progress.close();
        print(results, `\n${tables(results)}\n\nresults  ${relative('.', folder)}/results.json\nreport   ${relative('.', report.html)}`);
      }),
    );
}
