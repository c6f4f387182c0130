import type { Command } from 'commander';
import { Option } from 'commander';
import { TiresiasError } from '../errors.js';
import { writeAtomic } from '../files.js';
import { columns, integer, invoke, newCommand, type CommonOptions } from './common.js';
import { describeModel, readModel } from './task.js';

interface ConvertOptions extends CommonOptions {
  to?: 'json' | 'pomdp';
  horizon?: number;
}

export function convertCommand(): Command {
  return newCommand('convert', 'write a model file in another format', ['tiresias convert hallway.pomdp hallway.json', 'tiresias convert rocks.pomdpx rocks.pomdp'])
    .argument('<in>', 'a model file (.pomdp, .mdp, .pomdpx or .json)')
    .argument('<out>', 'the file to write')
    .addOption(new Option('--to <format>', "format to write; by the suffix of <out> when it is left out").choices(['json', 'pomdp']))
    .option('--horizon <n>', 'number of decisions; files with discount 1 need it', integer(1))
    .action((file: string, out: string, options: ConvertOptions) =>
      invoke(options, async ({ print }) => {
        const to = options.to ?? formatOf(out);
        const { model, format, warnings } = await readModel(file, options.horizon);
        for (const warning of warnings) process.stderr.write(`${warning.text}\n`);
        await writeAtomic(out, to === 'json' ? `${model.toJson()}\n` : model.toPomdp());
        if (to === 'pomdp' && model.horizon !== null) process.stderr.write(`a .pomdp file does not say a horizon: read it with --horizon ${model.horizon}\n`);
        print(
          { in: file, from: format, out, to, sha256: model.sha256(), warnings: warnings.map(({ message, line, column }) => ({ message, line, column })) },
          columns([['model', `${file} (${describeModel(model)})`], ['written', `${out} (${to})`]]),
        );
      }),
    );
}

function formatOf(out: string): 'json' | 'pomdp' {
  if (/\.json$/i.test(out)) return 'json';
  if (/\.(pomdp|mdp)$/i.test(out)) return 'pomdp';
  throw new TiresiasError('USAGE', `${out}: the suffix does not say a format to write; name one with --to json or --to pomdp`);
}
