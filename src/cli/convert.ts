import type { Command } from 'commander';
import { Option } from 'commander';
import { TiresiasError } from '../errors.js';
import { checkWritable, writeAtomic } from '../files.js';
import { columns, integer, invoke, newCommand, number, type CommonOptions, type Invocation } from './common.js';
import { POLICY_FORMATS, checkHolds, readPolicy, writePolicy, type PolicyFormat } from './policy.js';
import { describeModel, formatOption, readCloud, readModel, type ModelFormat } from './task.js';

interface ConvertOptions extends CommonOptions {
  to?: 'json' | 'pomdp';
  horizon?: number;
  alpha?: number;
  model?: string;
  format?: ModelFormat;
  policyFormat?: PolicyFormat;
}

export function convertCommand(): Command {
  return newCommand('convert', 'write a model file, or a policy of a model, in another format', ['tiresias convert hallway.pomdp hallway.json', 'tiresias convert rock-sample:7,8 rocks.pomdp', 'tiresias convert mild.pomdp harsh.pomdp cloud.json --alpha 1', 'tiresias convert hallway.policy hallway.pg --model hallway.pomdp'], [])
    .argument('<files...>', 'a model file (.pomdp, .mdp, .pomdpx or .json) or a classic problem (tiger, rock-sample:7,8, …), or several, the cloud of an ambiguous model, or with --model a policy file; last, the file to write')
    .addOption(new Option('--to <format>', "format to write; by the suffix of <out> when it is left out").choices(['json', 'pomdp']))
    .addOption(formatOption())
    .addOption(new Option('--policy-format <name>', 'with --model: the format of the policy file that is read; by how it begins when it is left out').choices(POLICY_FORMATS))
    .option('--model <file>', 'the model of a policy: <in> and <out> are policy files (.alpha, .pg, .policy; <in> also one of `tiresias solve`)')
    .option('--horizon <n>', 'number of decisions; files with discount 1 need it', integer(1))
    .option('--alpha <x>', 'ambiguity attitude: 1 is max-min, 0 max-max', number(0, 1))
    .action((files: string[], options: ConvertOptions) =>
      invoke(options, async ({ print }) => {
        const [ins, out] = [files.slice(0, -1), files.at(-1)!];
        if (ins.length === 0) throw new TiresiasError('USAGE', `${out}: name a file and then the file to write`);
        if (options.model !== undefined) return convertPolicy(ins, out, options.model, options, print);
        if (options.policyFormat !== undefined) throw new TiresiasError('USAGE', '--policy-format: only with --model, for a policy file');
        const to = options.to ?? formatOf(out);
        await checkWritable(out);
        const { model, formats, warnings } = await readCloud(ins, options.horizon, options.alpha, options.format);
        await writeAtomic(out, to === 'json' ? `${model.toJson()}\n` : model.toPomdp());
        if (to === 'pomdp' && model.horizon !== null) process.stderr.write(`a .pomdp file does not say a horizon: read it with --horizon ${model.horizon}\n`);
        print(
          { in: ins.length === 1 ? ins[0] : ins, from: ins.length === 1 ? formats[0] : formats, out, to, sha256: model.sha256(), warnings: warnings.map(({ message, line, column }) => ({ message, line, column })) },
          columns([['model', `${ins.join(' + ')} (${describeModel(model)})`], ['written', `${out} (${to})`]]),
        );
      }),
    );
}

async function convertPolicy([file, ...more]: string[], out: string, modelFile: string, { to, horizon, format, policyFormat }: ConvertOptions, print: Invocation['print']): Promise<void> {
  if (file === undefined || more.length > 0) throw new TiresiasError('USAGE', '--model: name one policy file and then the file to write');
  if (to !== undefined) throw new TiresiasError('USAGE', '--to: the suffix of <out> says the format of a policy');
  const { model, warnings } = await readModel(modelFile, horizon, format);
  for (const warning of warnings) process.stderr.write(`${warning.text}\n`);
  checkHolds(out, model, describeModel(model));
  const policy = await readPolicy(file, model, policyFormat);
  const files = await writePolicy(policy, out);
  // What the policy is worth at least in the form that was written: a graph need not be worth what its vectors are.
  const written = await readPolicy(out, model);
  const value = 'lower' in written ? written.lower : written.value(model.start());
  print(
    { in: file, out, model: modelFile, policyFiles: files, valueAtStart: value },
    columns([['policy', file], ['model', `${modelFile} (${describeModel(model)})`], ['written', files.length === 1 ? files[0]! : `${files[0]} … ${files.at(-1)}`], ['value at the start', value.toFixed(6)]]),
  );
}

function formatOf(out: string): 'json' | 'pomdp' {
  if (/\.json$/i.test(out)) return 'json';
  if (/\.(pomdp|mdp)$/i.test(out)) return 'pomdp';
  throw new TiresiasError('USAGE', `${out}: the suffix does not say a format to write; name one with --to json or --to pomdp`);
}
