import { Option, type Command } from 'commander';
import { TiresiasError } from '../errors.js';
import type { MeanReturn, Model, Robustness, Solution, StageProgress } from '../library.js';
import type { Nature } from '../spec.js';
import { columns, digits, integer, invoke, newCommand, threadsOf, type Invocation } from './common.js';
import { POLICY_FORMATS, readPolicy, type PolicyFormat } from './policy.js';
import { chosenModel, describeModel, withTaskOptions, type TaskOptions } from './task.js';

interface SimulateCommandOptions extends TaskOptions {
  policy: string;
  policyFormat?: PolicyFormat;
  episodes: number;
  steps?: number;
  nature?: Nature | 'all';
  adversary?: string;
  exactUpdates: number;
}

export function simulateCommand(): Command {
  return withTaskOptions(
    newCommand('simulate', 'what a policy earns: the mean discounted return of many episodes, with an interval', [
      'tiresias simulate hallway.pomdp --policy hallway.alpha --episodes 10000',
      'tiresias simulate cloud.json --policy p.json --nature all',
      'tiresias simulate model.json --policy random --episodes 100000 --steps 50',
    ]),
  )
    .requiredOption('--policy <file>', 'a policy file (.alpha or .pg of pomdp-solve, APPL’s .policy, or of `tiresias solve`), or random')
    .addOption(new Option('--policy-format <name>', 'the format of the policy file; by how it begins when it is left out').choices(POLICY_FORMATS))
    .option('--episodes <n>', 'number of episodes', integer(1, 2 ** 30), 10_000)
    .option('--steps <n>', "decisions an episode; the model's horizon, or until less than a millionth of the discount is left", integer(1, 2 ** 30))
    .option('--nature <rule>', 'who picks the model of a cloud: fixed:m, resampled, adversarial, or all of them; all for a cloud')
    .option('--adversary <file>', 'the policy file of `tiresias solve` that answers for nature; the policy itself, if it is one')
    .option('--exact-updates <n>', 'with all natures: belief updates that an exact value may take', integer(0, 2 ** 30), 20_000)
    .action((files: string[], options: SimulateCommandOptions, command: Command) =>
      invoke({ ...options, resumes: false }, async (invocation) => {
        const { model, name } = await chosenModel(files, options, command);
        const policy = options.policy === 'random' ? 'random' as const : await readPolicy(options.policy, model, options.policyFormat);
        const adversary = options.adversary === undefined ? undefined : await readAdversary(options.adversary, model);
        const { episodes, steps, seed = 0, nature = model.models > 1 ? 'all' : 'fixed:0', exactUpdates } = options;
        const { signal, progress } = invocation;
        const common = {
          signal, episodes, seed, adversary,
          threads: threadsOf(options),
          ...(steps !== undefined && { steps }),
          onProgress: ({ done, total }: StageProgress) => progress.show({ stage: 'simulate', done, total, detail: `${done} of ${total} episodes` }),
        };
        const { simulate, robustness } = await import('../library.js');
        const about = {
          model: { name, sha256: model.sha256() }, policy: options.policy, nature, ...(options.adversary !== undefined && { adversary: options.adversary }), episodes, seed,
        };
        const rows = [['model', `${name} (${describeModel(model)})`], ['policy', options.policy]] as const;
        if (nature === 'all') {
          const result = await robustness(model, policy, { ...common, exactUpdates });
          progress.close();
          const solution = typeof policy === 'object' && 'lower' in policy ? policy : undefined;
          printAll(invocation, about, rows, result, solution);
          return;
        }
        const result = await simulate(model, policy, { ...common, nature });
        progress.close();
        const { mean, low, high, deviation, decisions, seconds } = result;
        invocation.print(
          {
            ...about, steps: result.steps, meanReturn: mean, meanReturnCi95: [low, high], standardDeviation: deviation,
            truncation: [result.truncationLow, result.truncationHigh], decisions, seconds, decisionsPerSecond: decisions / seconds,
          },
          columns([
            ...rows,
            ...(model.models > 1 ? [['nature', nature] as const] : []),
            ['episodes', `${episodes} of at most ${result.steps} decisions, seed ${seed}`],
            ['mean return', `${mean.toFixed(6)}, 95 % interval [${low.toFixed(6)}, ${high.toFixed(6)}]`],
            ...cutOff(result),
            ['speed', speed(decisions, seconds)],
          ]),
        );
      }),
    );
}

async function readAdversary(file: string, model: Model): Promise<Solution> {
  const policy = await readPolicy(file, model);
  if ('lower' in policy) return policy;
  throw new TiresiasError('USAGE', `--adversary ${file}: α-vectors do not answer for nature; name a policy file of \`tiresias solve\` for the cloud`);
}

/** The table of a cloud. */
function printAll(
  { print }: Invocation, about: { episodes: number; seed: number }, rows: readonly (readonly [string, string])[], result: Robustness, solution: Solution | undefined,
): void {
  const { fixed, worst, average, resampled, adversarial, response, steps, decisions, seconds } = result;
  const json = ({ mean, low, high, deviation, exact }: MeanReturn) => ({ meanReturn: mean, meanReturnCi95: [low, high], standardDeviation: deviation, exact: exact ?? null });
  const line = ({ mean, low, high, exact }: MeanReturn) => [mean.toFixed(6), `[${low.toFixed(6)}, ${high.toFixed(6)}]`, exact?.toFixed(6) ?? ''];
  const table = [
    ['nature', 'mean return', '95 % interval', 'exact'],
    ...fixed.map((model, m) => [`fixed:${m}`, ...line(model)]),
    ['average', ...line(average)],
    ['resampled', ...line(resampled)],
    ...(adversarial === undefined ? [] : [['adversarial', ...line(adversarial)]]),
    ['worst fixed', `fixed:${worst.model}`, `[${worst.low.toFixed(6)}, ${worst.high.toFixed(6)}]`, worst.exact?.toFixed(6) ?? ''],
    ...(response === undefined ? [] : [['best response', '', '', response.toFixed(6)]]),
  ];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  print(
    {
      ...about, steps, fixed: fixed.map(json), average: json(average), resampled: json(resampled), adversarial: adversarial === undefined ? null : json(adversarial),
      worst: { model: worst.model, ci95: [worst.low, worst.high], exact: worst.exact ?? null }, bestResponse: response ?? null,
      ...(solution && { bounds: [solution.lower, solution.upper] }),
      truncation: [result.truncationLow, result.truncationHigh], decisions, seconds, decisionsPerSecond: decisions / seconds,
    },
    [
      columns([
        ...rows,
        ['episodes', `${about.episodes} of at most ${steps} decisions against each nature, seed ${about.seed}`],
        ...(solution ? [['α-maxmin value', `in [${solution.lower.toFixed(6)}, ${solution.upper.toFixed(6)}] (the solver's bounds)`] as const] : []),
        ...cutOff(result),
        ['speed', speed(decisions, seconds)],
      ]),
      '',
      ...table.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()),
    ].join('\n'),
  );
}

function cutOff({ truncationLow: least, truncationHigh: most }: { truncationLow: number; truncationHigh: number }): readonly (readonly [string, string])[] {
  return least === 0 && most === 0 ? [] : [['cut off', `later decisions would add between ${digits(least)} and ${digits(most)}`]];
}

function speed(decisions: number, seconds: number): string {
  return `${(decisions / seconds / 1e6).toFixed(2)} million decisions a second (${decisions} in ${seconds.toFixed(3)} s)`;
}
