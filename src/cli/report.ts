import type { Command } from 'commander';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readText } from '../files.js';
import { parseResults } from '../results.js';
import { unseal } from '../seal.js';
import { invoke, newCommand, type CommonOptions } from './common.js';

export function reportCommand(): Command {
  return newCommand('report', "write the report of a run from its results.json", ['tiresias report runs/quickstart', 'tiresias report results.json --out report'])
    .argument('<results>', "a results.json, or a run's folder")
    .option('-o, --out <folder>', 'where the report goes; `report` beside the results when absent')
    .action((path: string, options: CommonOptions & { out?: string }) =>
      invoke(options, async ({ print }) => {
        const file = (await stat(path).catch(() => undefined))?.isDirectory() ? join(path, 'results.json') : path;
        const results = parseResults(unseal(await readText(file), file, 'INVALID_RESULTS', 'run `tiresias run` again: it redoes only what is damaged'), file);
        const { writeReport, tables } = await import('../report/index.js');
        const paths = await writeReport(results, options.out ?? join(dirname(file), 'report'));
        print(paths, `${tables(results)}\n\nreport  ${paths.html}`);
      }),
    );
}
