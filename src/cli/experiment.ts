// Commands that do one stage of an experiment take the same file as `run`; without one, the defaults hold.
import type { Command } from 'commander';
import { loadExperiment, parseExperiment, type Experiment, type Regime } from '../experiment.js';
import type { CommonOptions } from './common.js';

export interface ExperimentOptions extends CommonOptions {
  config?: string;
}

export function withConfig(command: Command): Command {
  return command.option('-c, --config <file>', 'experiment file (docs/experiment.schema.json); the defaults without it');
}

/** The experiment with what the command line changes in it. */
export async function chosenExperiment(options: ExperimentOptions): Promise<Experiment> {
  const experiment = options.config === undefined ? parseExperiment({ schema: 'tiresias.experiment/1', name: 'default' }) : await loadExperiment(options.config);
  return { ...experiment, ...(options.seed !== undefined && { seed: options.seed }) };
}

/** Checks regimes named on the command line; all of the experiment's when there are none. */
export function chosenRegimes(experiment: Experiment, names: readonly string[] | undefined): Regime[] {
  if (names === undefined || names.length === 0) return experiment.regimes;
  return parseExperiment({ schema: 'tiresias.experiment/1', name: 'regimes', regimes: names }, '--regime').regimes;
}
