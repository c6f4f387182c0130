import { InvalidArgumentError, type Command } from 'commander';
import { relative } from 'node:path';
import { EXIT } from '../errors.js';
import { invoke, newCommand, number, type CommonOptions } from './common.js';

interface BenchCommandOptions extends Omit<CommonOptions, 'threads'> {
  solvers: string[];
  time: number[];
  gap: number;
  threads?: number[];
  discount: number[];
  out: string;
  budget?: number;
}

/** A list of words with commas between them. */
const words = (text: string): string[] => text.split(',').map((word) => word.trim()).filter((word) => word !== '');

/** A list of numbers with commas between them, each as `valid` has it. */
function numbers(valid: (value: number) => boolean, expected: string): (text: string) => number[] {
  return (text) => {
    const values = words(text).map(Number);
    if (values.length === 0 || !values.every(valid)) throw new InvalidArgumentError(`expected ${expected}, with commas between them`);
    return [...new Set(values)];
  };
}

export function benchCommand(): Command {
  const command = newCommand('bench', 'solvers beside one another on model files: bounds, gaps, times, and whether their proofs agree', [
    'tiresias bench models/ --solvers auto,sarsop --time 5,30 --gap 1e-3 --out runs/bench',
    'tiresias bench tiger rock-sample:4,4 --solvers auto,point --discount 0.99,0.999',
    'tiresias bench hallway.pomdp --solvers auto,./my-solver.json',
  ], ['threads']);
  const threads = command.options.find(({ long }) => long === '--threads')!;
  threads.description = 'threads of each run, and the cores that it is pinned to; 1 when absent (a list)';
  threads.argParser(numbers((value) => Number.isInteger(value) && value >= 1 && value <= 1024, 'whole numbers from 1 to 1024'));
  return command
    .argument('<models...>', 'folders of model files, files, or classic problems (tiger, rock-sample:7,8, …)')
    .option('--solvers <names>', 'ours (auto, point, exact, faces, plans, estimate), others that are described (sarsop, zmdp, pomdp-solve, …), or paths of descriptions; the first is compared with each other', words, ['auto'])
    .option('--time <seconds>', 'limit of each run (a list)', numbers((value) => value > 0, 'numbers above 0'), [5])
    .option('--gap <x>', 'the gap to stop at, in units of reward', number(Number.MIN_VALUE), 1e-3)
    .option('--discount <list>', 'each model also under these discounts', numbers((value) => value > 0 && value < 1, 'numbers between 0 and 1'), [])
    .option('-o, --out <folder>', 'where rows and results go; rows that are there are not made again', 'runs/bench')
    .option('--budget <seconds>', 'start no run after so long', number(0))
    .action((models: string[], { solvers, time, gap, threads: n, discount, out, budget, json }: BenchCommandOptions) =>
      invoke({ ...(json !== undefined && { json }) }, async ({ signal, progress, print }) => {
        const [{ bench }, { holeText, tableText }] = await Promise.all([import('../bench/bench.js'), import('../bench/table.js')]);
        const { results, folder, page, taken } = await bench(models, {
          solvers, times: time, gap, ...(n && { threads: n }), discounts: discount, folder: out, signal, ...(budget !== undefined && { budgetSeconds: budget }),
          onProgress: (event) => progress.show(event), onHole: (hole) => progress.note(`not run: ${holeText(hole)}`),
        });
        progress.close();
        const before = taken === 0 ? '' : `rows     ${taken} of ${results.rows.length} were there before\n`;
        print(results, `${tableText(results)}\n\n${before}results  ${relative('.', folder)}/results.json\npage     ${relative('.', page)}`);
        if (results.left > 0) {
          process.stderr.write(`the budget is spent: ${results.left} runs are left; the same command goes on with them\n`);
          process.exitCode = EXIT.again;
        }
        if (results.contradictions.length > 0) {
          process.stderr.write(`${results.contradictions.length} contradictions: proven bounds that cannot both be right\n`);
          process.exitCode = EXIT.numerical;
        }
      }),
    );
}
