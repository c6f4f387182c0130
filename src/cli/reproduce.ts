import type { Command } from 'commander';
import { join, relative } from 'node:path';
import { TiresiasError } from '../errors.js';
import type { Experiment } from '../experiment.js';
import type { TheorySetting } from '../theory/setting.js';
import { columns, integer, invoke, newCommand, type CommonOptions } from './common.js';

interface ReproduceCommandOptions extends CommonOptions {
  budget: string;
  out?: string;
  store?: string;
  parallel?: number;
  plan?: boolean;
}

/** What a cell will have to do, beforehand. */
function plan({ regimes, dataset, training, evaluation }: Experiment): string {
  const methods = evaluation.methods.length;
  return `${dataset.examples * regimes.length} examples, ${training.steps} steps of ${training.batchSize} a training, ${evaluation.tasks * evaluation.episodes} episodes of ${methods} methods in ${regimes.join(', ')}`;
}

const theoryPlan = ({ layers, training, trainingLength, tasks, prompts, pairs }: TheorySetting): string =>
  `${layers} layers of ${training.steps} steps of ${training.batchSize} prompts of ${trainingLength} pairs, ${tasks * prompts} prompts of ${pairs.join(', ')} pairs in ${tasks} linear MDPs`;

export function reproduceCommand(): Command {
  return newCommand('reproduce', 'run a study, cell by cell, or finish one that was stopped', ['tiresias reproduce main --budget small', 'tiresias reproduce all --budget small', 'tiresias reproduce my-study.json --plan'])
    .argument('<study>', 'a study of this package, a study file, or all')
    .option('--budget <name>', 'how much it may take: one of the study\'s', 'small')
    .option('-o, --out <folder>', "the study's folder; runs/<study>-<budget> when absent (of all: the folder of these)")
    .option('--store <folder>', "where results lie by content; TIRESIAS_STORE, or the folder store beside the study's, when absent")
    .option('--parallel <n>', 'cells at once', integer(1, 64))
    .option('--plan', 'only say what the cells are and what they will do')
    .action((name: string, options: ReproduceCommandOptions) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { cellsOf, loadStudy, studyNames, theoryCellsOf } = await import('../study/study.js');
        const names = name === 'all' ? await studyNames() : [name];
        if (options.plan === true) {
          const planned = await Promise.all(names.map(async (one) => {
            const { study } = await loadStudy(one);
            return { study: study.name, question: study.question, about: study.budgets[options.budget]?.about, cells: study.kind === 'theory' ? theoryCellsOf(study, options.budget) : cellsOf(study, options.budget) };
          }));
          print(planned, planned.map(({ study, question, about, cells }) => `${study}: ${question}\n${about ?? ''}\n${columns(cells.map((cell) => [cell.name, 'setting' in cell ? theoryPlan(cell.setting) : plan(cell.experiment)]))}`).join('\n\n'));
          return;
        }
        const { reproduce } = await import('../study/reproduce.js');
        const { finding, holes } = await import('../study/tables.js');
        const { theoryFinding } = await import('../theory/finding.js');
        const { store, parallel, threads } = options;
        const done = [];
        for (const one of names) {
          const { study } = await loadStudy(one);
          const folder = name === 'all' ? join(options.out ?? 'runs', `${study.name}-${options.budget}`) : options.out;
          done.push(await reproduce(one, { budget: options.budget, folder, store, parallel, threads, signal, onProgress: (event) => progress.show(event) }));
        }
        progress.close();
        print(done.length === 1 ? done[0]!.results : done.map(({ results }) => results), done.map(({ results, folder, page }) =>
          `${results.name}: ${results.question}\n${(results.kind === 'theory' ? theoryFinding : finding)(results)}\n\nresults  ${relative('.', folder)}/results.json\npage     ${relative('.', page)}`).join('\n\n'));
        const missing = done.flatMap(({ results }) => holes(results).map((hole) => `${results.name}: ${hole}`));
        if (missing.length > 0) throw new TiresiasError('CELLS_FAILED', `${missing.length} cells failed; the same command tries them again:\n${missing.map((hole) => `  ${hole}`).join('\n')}`);
      }),
    );
}
