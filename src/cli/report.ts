import type { Command } from 'commander';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { TiresiasError } from '../errors.js';
import { readText } from '../files.js';
import { resultsSchema } from '../results.js';
import { unseal } from '../seal.js';
import { invoke, newCommand, type CommonOptions } from './common.js';

export function reportCommand(): Command {
  return newCommand('report', "write the report of a run from its results.json", ['tiresias report runs/quickstart', 'tiresias report results.json --out report'])
    .argument('<results>', "a results.json, or a run's folder")
    .option('-o, --out <folder>', 'where the report goes; `report` beside the results when absent')
    .action((path: string, options: CommonOptions & { out?: string }) =>
      invoke(options, async ({ print }) => {
        const file = (await stat(path).catch(() => undefined))?.isDirectory() ? join(path, 'results.json') : path;
        const parsed = resultsSchema.safeParse(unseal(await readText(file), file, 'INVALID_RESULTS', 'run `tiresias run` again: it redoes only what is damaged'));
        if (!parsed.success) throw new TiresiasError('INVALID_RESULTS', `${file} does not hold results:\n${z.prettifyError(parsed.error)}`, { cause: parsed.error });
        const { writeReport, markdownTable } = await import('../report/index.js');
        const paths = await writeReport(parsed.data, options.out ?? join(dirname(file), 'report'));
        print(paths, `${markdownTable(parsed.data)}\n\nreport  ${paths.html}`);
      }),
    );
}
