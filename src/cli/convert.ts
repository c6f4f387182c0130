import type { Command } from 'commander';
import { Option } from 'commander';
import { TiresiasError } from '../errors.js';
import { writeAtomic } from '../files.js';
import { columns, integer, invoke, newCommand, number, type CommonOptions } from './common.js';
import { describeModel, readCloud } from './task.js';

interface ConvertOptions extends CommonOptions {
  to?: 'json' | 'pomdp';
  horizon?: number;
  alpha?: number;
}

export function convertCommand(): Command {
  return newCommand('convert', 'write a model file in another format', ['tiresias convert hallway.pomdp hallway.json', 'tiresias convert rock-sample:7,8 rocks.pomdp', 'tiresias convert mild.pomdp harsh.pomdp cloud.json --alpha 1'])
    .argument('<files...>', 'a model file (.pomdp, .mdp, .pomdpx or .json) or a classic problem (tiger, rock-sample:7,8, …), or several, the cloud of an ambiguous model; last, the file to write')
    .addOption(new Option('--to <format>', "format to write; by the suffix of <out> when it is left out").choices(['json', 'pomdp']))
    .option('--horizon <n>', 'number of decisions; files with discount 1 need it', integer(1))
    .option('--alpha <x>', 'ambiguity attitude: 1 is max-min, 0 max-max', number(0, 1))
    .action((files: string[], options: ConvertOptions) =>
      invoke(options, async ({ print }) => {
        const [ins, out] = [files.slice(0, -1), files.at(-1)!];
        if (ins.length === 0) throw new TiresiasError('USAGE', `${out}: name a model file and then the file to write`);
        const to = options.to ?? formatOf(out);
        const { model, formats, warnings } = await readCloud(ins, options.horizon, options.alpha);
        await writeAtomic(out, to === 'json' ? `${model.toJson()}\n` : model.toPomdp());
        if (to === 'pomdp' && model.horizon !== null) process.stderr.write(`a .pomdp file does not say a horizon: read it with --horizon ${model.horizon}\n`);
        print(
          { in: ins.length === 1 ? ins[0] : ins, from: ins.length === 1 ? formats[0] : formats, out, to, sha256: model.sha256(), warnings: warnings.map(({ message, line, column }) => ({ message, line, column })) },
          columns([['model', `${ins.join(' + ')} (${describeModel(model)})`], ['written', `${out} (${to})`]]),
        );
      }),
    );
}

function formatOf(out: string): 'json' | 'pomdp' {
  if (/\.json$/i.test(out)) return 'json';
  if (/\.(pomdp|mdp)$/i.test(out)) return 'pomdp';
  throw new TiresiasError('USAGE', `${out}: the suffix does not say a format to write; name one with --to json or --to pomdp`);
}
