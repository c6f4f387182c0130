import type { Command } from 'commander';
import { basename, join, relative } from 'node:path';
import { TiresiasError } from '../errors.js';
import { partName } from '../parts.js';
import type { ReproduceOptions } from '../study/reproduce.js';
import { isFailed } from '../study/results.js';
import { integer, invoke, newCommand, threadsOf, type CommonOptions } from './common.js';
import { chosenPart, withPart, type PartOptions } from './part.js';

interface ReproduceCommandOptions extends CommonOptions, PartOptions {
  budget: string;
  out?: string;
  store?: string;
  parallel?: number;
  plan?: boolean;
  fresh?: boolean;
  assemble?: true | string[];
}

export function reproduceCommand(): Command {
  return withPart(newCommand('reproduce', 'run a study, cell by cell, or finish one that was stopped', [
    'tiresias reproduce main --budget small', 'tiresias reproduce all --budget small', 'tiresias reproduce my-study.json --plan',
    'tiresias reproduce main --budget small --shard 0 --of 3', 'tiresias reproduce main --budget small --assemble part-0 part-1 part-2',
  ]))
    .argument('<study>', 'a study of this package, a study file, or all')
    .option('--budget <name>', 'how much it may take: one of the study\'s', 'small')
    .option('-o, --out <folder>', "the study's folder; runs/<study>-<budget> when absent, with -seed-<n> under a --seed of one's own (of all: the folder of these)")
    .option('--store <folder>', "where results lie by content; TIRESIAS_STORE, or the folder store beside the study's, when absent")
    .option('--parallel <n>', 'cells at once', integer(1, 64))
    .option('--plan', 'only say what the cells are, what they will do and about how long they take')
    .option('--fresh', 'take no cell from the finished ones that come with the package (bench/results); those in the study\'s own folder count as done')
    .option('--assemble [folder...]', "run nothing: draw the page from cells that lie in the study's own folder and in these, and name what is missing")
    .action((name: string, options: ReproduceCommandOptions) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { loadStudy, studyNames } = await import('../study/study.js');
        const names = name === 'all' ? await studyNames() : [name];
        const { folderOf: defaultFolder } = await import('../study/cells.js');
        // Of all studies the option names the folder of theirs.
        const folderOf = (study: string) => (name === 'all' ? join(options.out ?? 'runs', basename(defaultFolder({ name: study }, options.budget, options.seed))) : options.out);
        const committed = options.fresh === true ? (false as const) : undefined;
        const part = options.assemble === undefined ? chosenPart(options) : undefined;
        if (options.plan === true) {
          const { planOf, planText } = await import('../study/plan.js');
          const { parallel = 1 } = options;
          const threads = Math.max(1, Math.floor(threadsOf(options) / parallel));
          const planned = [];
          for (const one of names) planned.push(await planOf(await loadStudy(one), options.budget, { folder: folderOf((await loadStudy(one)).study.name), committed, seed: options.seed, threads, parallel, part }));
          print(planned, planned.map(planText).join('\n\n'));
          return;
        }
        const { reproduce, reproducePart } = await import('../study/reproduce.js');
        const { assembleStudy } = await import('../study/assemble.js');
        const { assemble } = options;
        if (assemble !== undefined && name === 'all') throw new TiresiasError('USAGE', '--assemble is of one study: name it instead of all');
        const [{ kindOf }, { holes }] = await Promise.all([import('../study/kind.js'), import('../study/settings.js')]);
        const { store, parallel, threads } = options;
        const settings = async (one: string): Promise<ReproduceOptions> => ({
          budget: options.budget, folder: folderOf((await loadStudy(one)).study.name), committed, seed: options.seed, store, parallel, threads, signal, onProgress: (event) => progress.show(event),
        });
        if (part) {
          const parts = [];
          for (const one of names) parts.push(await reproducePart(one, part, await settings(one)));
          progress.close();
          print(parts, parts.map((p) => `${p.name}: ${partName(p)} is made, ${p.cells.filter((cell) => !isFailed(cell)).length} of ${p.cellsInAll} cells; the same command with --assemble instead of --shard draws the page when all are there`).join('\n'));
          failed(parts.flatMap((p) => p.cells.filter(isFailed).map((cell) => `${p.name}: ${cell.name}: ${cell.failed}`)));
          return;
        }
        const done = [];
        for (const one of names) done.push(assemble === undefined ? await reproduce(one, await settings(one)) : await assembleStudy(one, assemble === true ? [] : assemble, await settings(one)));
        progress.close();
        print(done.length === 1 ? done[0]!.results : done.map(({ results }) => results), done.map(({ results, folder, page, taken }) =>
          `${results.name}: ${results.question}\n${kindOf(results).finding(results)}\n\n${taken > 0 ? `cells    ${taken} of ${results.cells.length} were finished before and came with the package; --fresh makes them here\n` : ''}results  ${relative('.', folder)}/results.json\npage     ${relative('.', page)}`).join('\n\n'));
        failed(done.flatMap(({ results }) => holes(results).map((hole) => `${results.name}: ${hole}`)));
      }),
    );
}

/** Ends the command if cells failed. */
function failed(holes: readonly string[]): void {
  if (holes.length > 0) throw new TiresiasError('CELLS_FAILED', `${holes.length} cells failed; the same command tries them again:\n${holes.map((hole) => `  ${hole}`).join('\n')}`);
}
