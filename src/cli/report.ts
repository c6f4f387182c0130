import type { Command } from 'commander';
import { invoke, newCommand, type CommonOptions } from './common.js';

export function reportCommand(): Command {
  return newCommand('report', "write the report of a run from its results.json", ['tiresias report runs/quickstart', 'tiresias report results.json --out report'], [])
    .argument('<results>', "a results.json, or a run's folder")
    .option('-o, --out <folder>', 'where the report goes; `report` beside the results when absent')
    .action((path: string, options: CommonOptions & { out?: string }) =>
      invoke(options, async ({ print }) => {
        const [{ reportStage }, { tables }] = await Promise.all([import('../stages/report.js'), import('../report/index.js')]);
        const { results, report } = await reportStage(path, options.out);
        print(report, `${tables(results)}\n\nreport  ${report.html}`);
      }),
    );
}
