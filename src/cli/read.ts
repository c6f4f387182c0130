import { Option, type Command } from 'commander';
import { columns, digits, integer, invoke, newCommand, number, type CommonOptions } from './common.js';
import { POLICY_FORMATS, readGraph } from './policy.js';
import { policyOf, type PolicyModelOptions } from './policy-and-model.js';
import { checkReading, showPolicy, walkOf, walkThrough, withReadingOptions, type ReadingOptions } from './reading.js';
import { describeModel, formatOption } from './task.js';

interface PolicyCommandOptions extends CommonOptions, ReadingOptions, PolicyModelOptions {}

export function policyCommand(): Command {
  return withReadingOptions(
    newCommand('policy', 'read a policy file: as a graph, at a belief, state by state, or step by step', [
      'tiresias policy tiger.policy --graph tiger.svg --loss 0.1',
      'tiresias policy tiger.pg --model tiger --graph tiger.mmd',
      'tiresias policy tiger.policy --belief "tiger-left=0.7,tiger-right=0.3"',
      'tiresias policy tiger.policy --walk',
    ], []),
  )
    .argument('<file>', 'a policy file: of `tiresias solve` (--policy-out), .alpha or .pg of pomdp-solve, APPL’s .policy')
    .option('--model <file>', 'its model, a file or a classic problem; not needed where the file carries it (--carry-model)')
    .addOption(formatOption())
    .addOption(new Option('--policy-format <name>', 'the format of the policy file; by how it begins when it is left out').choices(POLICY_FORMATS))
    .option('--horizon <n>', 'with --model: number of decisions', integer(1))
    .option('--alpha <x>', 'with --model: ambiguity attitude, 1 is max-min', number(0, 1))
    .action((file: string, options: PolicyCommandOptions) =>
      invoke({ ...options, resumes: false }, async ({ print, signal, progress }) => {
        const { policy, model, name } = await policyOf(file, options);
        const title = options.model ?? model.name;
        await checkReading(options, model);
        const { Reader } = await import('../reading/reader.js');
        const reader = new Reader(policy, model);
        const isSolution = 'lower' in policy;
        const shown = await showPolicy(reader, options, title, (loss) => readGraph(file, policy, model, loss, options.policyFormat));
        progress.close();
        const drawn = model.observations === 0 && model.start().filter((p) => p > 0).length > 1;
        const first = drawn ? undefined : reader.ask(0, model.start());
        print(
          () => ({
            policy: file, model: { name, sha256: model.sha256(), kind: model.kind },
            ...(isSolution ? { lower: policy.lower, upper: policy.upper, value: policy.value, solver: policy.solver } : { value: policy.value(model.start()), vectors: policy.size }),
            action: first?.action ?? null, ...shown.json,
          }),
          [
            columns([
              ['policy', isSolution ? `${file} (${policy.solver})` : `${file} (${policy.size} α-vectors)`],
              ['model', `${name} (${describeModel(model)})`],
              ['value', isSolution ? `${policy.value.toFixed(6)}, certainly in [${policy.lower.toFixed(6)}, ${policy.upper.toFixed(6)}], gap ${digits(policy.upper - policy.lower)}` : `${policy.value(model.start()).toFixed(6)}, say its vectors, which prove no bounds`],
              ['first action', first === undefined ? 'depends on the state' : `${first.action.name}${first.action.regretBound === null ? '' : ` (loses at most ${digits(first.action.regretBound)})`}`],
              ...shown.rows,
            ]),
            ...shown.rest,
          ].join('\n\n'),
        );
        if (options.walk) await walkThrough(await walkOf(reader, options), options.json === true, signal);
      }),
    );
}
