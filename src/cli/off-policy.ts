import { Option, type Command } from 'commander';
import { TiresiasError } from '../errors.js';
import type { Solution } from '../library.js';
import type { OffPolicyAssumption, OffPolicyEstimate, OffPolicyOptions, OffPolicyResult, OverlapGap } from '../logs/off-policy.js';
import { columns, integer, invoke, newCommand, number, threadsOf } from './common.js';
import { readLogs, withLogs, type LogsOptions } from './logs.js';
import { policyOf } from './policy-and-model.js';
import { describeModel } from './task.js';

interface OffPolicyCommandOptions extends LogsOptions {
  policy: string;
  model?: string;
  fitted?: string;
  horizon?: number;
  discount?: number;
  behaviour?: OffPolicyOptions['behaviour'];
  smoothing?: number;
  stages?: number;
  maxWeight?: number;
  fit?: OffPolicyOptions['fit'];
  folds?: number;
  leastEffective?: number;
  largestShare?: number;
  level?: number;
  resamples?: number;
  interval?: OffPolicyOptions['interval'];
}

const SETTINGS = ['behaviour', 'smoothing', 'stages', 'maxWeight', 'fit', 'folds', 'leastEffective', 'largestShare', 'level', 'resamples', 'interval', 'seed'] as const satisfies (keyof OffPolicyOptions)[];

export function offPolicyCommand(): Command {
  return withLogs(newCommand('off-policy', 'what a policy would have earned, from recorded decisions alone (docs/off-policy.md)', [
    'tiresias off-policy test.parquet --policy robust.policy',
    'tiresias off-policy test.csv --schema schema.json --policy robust.policy --behaviour estimated --json',
    'tiresias off-policy test.parquet --policy hidden.policy --fitted fitted',
  ]))
    .requiredOption('--policy <file>', 'a policy of `tiresias solve`, with its model (--carry-model)')
    .option('--model <file>', "the policy's model, where the file does not carry it")
    .option('--horizon <n>', 'with --model: number of decisions', integer(1))
    .option('--fitted <folder>', 'the folder of `tiresias fit`: an episode of a POMDP begins with what was believed after its first observation')
    .option('--discount <x>', "discount factor; the model's when absent", number(Number.MIN_VALUE, 1))
    .addOption(new Option('--behaviour <source>', 'where the probabilities of what was done come from: logged, estimated, or auto, logged where there are any').choices(['auto', 'logged', 'estimated']))
    .option('--smoothing <x>', 'added to every count of an estimated behaviour; 0 when absent', number(0))
    .option('--stages <n>', 'count an estimated behaviour apart for every so many stages', integer(1))
    .option('--max-weight <x>', 'cut larger ratios: less variance, and a bias', number(Number.MIN_VALUE))
    .addOption(new Option('--fit <kind>', 'what fitted Q evaluation is fitted to; staged, each stage its own, for a policy with a horizon, which may do something else at every stage').choices(['pooled', 'staged', 'stationary']))
    .option('--folds <n>', 'folds of the doubly robust estimates; 5 when absent', integer(2))
    .option('--least-effective <x>', 'refuse an estimate with a smaller effective number of episodes; 10, or a hundredth of all', number(0))
    .option('--largest-share <x>', 'refuse an estimate in which one episode has a larger share of all weight; 0.5 when absent', number(0, 1))
    .option('--level <x>', 'coverage of the intervals; 0.95 when absent', number(0, 1))
    .option('--resamples <n>', 'bootstrap resamples; 1000 when absent', integer(1))
    .addOption(new Option('--interval <kind>', 'how intervals are read off the resamples').choices(['bca', 'percentile']))
    .action((file: string, options: OffPolicyCommandOptions) =>
      invoke({ ...options, resumes: false }, async (invocation) => {
        const { signal, progress, print } = invocation;
        const { followPolicy, offPolicy } = await import('../logs/off-policy.js');
        const { policy, model } = await policyOf(options.policy, options);
        if (!('lower' in policy)) throw new TiresiasError('USAGE', `${options.policy}: α-vectors of another tool cannot be followed; solve the model with \`tiresias solve --policy-out FILE --carry-model\``);
        const logs = await readLogs(file, options, invocation);
        const { trajectories } = logs;
        const first = options.fitted === undefined ? undefined : await beliefs(options.fitted, trajectories, policy);
        const target = ofThisModel(options.policy, file, () => followPolicy(trajectories, policy, first ? { first } : {}));
        const settings = Object.fromEntries(SETTINGS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))) as OffPolicyOptions;
        const discount = options.discount ?? model.discount;
        const result = await offPolicy(trajectories, target, {
          // A policy with a horizon may do something else at every stage.
          ...(model.horizon !== null && { fit: 'staged' as const }), ...settings, discount, threads: threadsOf(options), signal,
          onProgress: ({ phase, done, total }) => progress.show({ stage: 'off-policy', done, total, detail: phase }),
        });
        progress.close();
        print(
          { logs: { file: logs.file, sha256: logs.sha256, source: logs.source }, policy: { file: options.policy, model: model.sha256() }, discount, ...result },
          inWords([['policy', `${options.policy} (${describeModel(model)})`], ['records', file], ['discount', String(discount)]], result, options.level ?? 0.95),
        );
      }),
    );
}

/** Beliefs after a first symbol, from a fit whose model the policy is of. */
async function beliefs(folder: string, trajectories: Parameters<typeof import('../logs/first.js').firstBeliefs>[1], policy: Solution): Promise<Float64Array> {
  const { readFitted } = await import('../logs/fitted-folder.js');
  const { firstBeliefs } = await import('../logs/first.js');
  const { report, models } = await readFitted(folder);
  const model = policy.model();
  const hash = model.sha256();
  if (report.kind !== 'pomdp') throw new TiresiasError('USAGE', `--fitted ${folder}: a fit of an MDP, whose states are seen; leave it out`);
  if (![models.model, models.ambiguous, ...models.members].includes(hash)) throw new TiresiasError('USAGE', `--fitted ${folder}: the policy is of another model than those of this folder`);
  return firstBeliefs(report, trajectories, model);
}

/** Says which files do not belong together. */
function ofThisModel<T>(policy: string, logs: string, follow: () => T): T {
  try {
    return follow();
  } catch (error) {
    if (!(error instanceof TiresiasError && error.code === 'INVALID_ARGUMENT')) throw error;
    throw new TiresiasError(error.code, `${policy} is no policy for ${logs}: ${error.message}`, { details: { ...error.details, policy, logs }, cause: error });
  }
}

const ASSUMES: Record<OffPolicyAssumption, string> = {
  'observations-are-states': 'what is seen is the state',
  'same-at-every-stage': 'the same at every stage',
  'behaviour-by-observation': 'who acted went by the last observation',
  'cut-weights': 'cut ratios, a bias',
};

function inWords(head: readonly (readonly [string, string])[], result: OffPolicyResult, level: number): string {
  const { episodes, steps, behaviour, largestWeight, meanWeight, possible, unsupportedSteps, unsupportedProbability, estimates } = result;
  const share = (x: number) => `${(100 * x).toFixed(1)} %`;
  return [
    columns([
      ...head,
      ['episodes', `${episodes}, with ${steps} decisions`],
      ['behaviour', behaviour === 'logged' ? 'probabilities as recorded' : 'probabilities counted from the records'],
      ['weights', `mean ${meanWeight.toFixed(3)} (1 is expected), largest ${largestWeight.toPrecision(3)}`],
      ['possible', `${share(possible)} of the episodes under the policy`],
      ['not shown', `${share(unsupportedSteps)} of the decisions, where the policy does what nobody did (its probability ${share(unsupportedProbability)} on average)`],
    ]),
    table(estimates, level), ...refusals(estimates),
  ].join('\n\n');
}

function table(estimates: readonly OffPolicyEstimate[], level: number): string {
  const rows = [
    ['estimator', 'value', `${100 * level} % interval`, 'effective', 'assumes'],
    ...estimates.map((one) => one.refused
      ? [one.estimator, 'refused', '', '', '']
      : [one.estimator, one.value.toFixed(4), `[${one.interval.map((x) => x.toFixed(4)).join(', ')}]`, one.effective.toFixed(1), one.assumes.map((word) => ASSUMES[word]).join('; ')]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd()).join('\n');
}

/** Why numbers are refused, each reason once, with the places. */
function refusals(estimates: readonly OffPolicyEstimate[]): string[] {
  const reasons = new Map<string, { names: string[]; places: string[] }>();
  for (const { estimator, refused } of estimates) {
    if (refused === undefined) continue;
    const { kind, message, gaps } = refused;
    const places = merged(gaps).map(({ observation, action, steps, probability, first }) =>
      `  ${action} after ${observation ?? 'nothing seen'}: ${steps} decisions, probability ${probability.toFixed(3)}; first in the episodes at ${first.join(', ')}`);
    // The message of the core lists the places by number; here they have names.
    const said = kind === 'support' ? 'the policy does what the records do not show:' : message;
    const key = [said, ...places].join('\n');
    reasons.set(key, { names: [...(reasons.get(key)?.names ?? []), estimator], places });
  }
  return [...reasons].map(([said, { names }]) => `refused: ${names.join(', ')}\n  ${said.replaceAll('\n', '\n  ')}`);
}

/** Places that differ in their stage alone, together. */
function merged(gaps: readonly OverlapGap[]): OverlapGap[] {
  const places = new Map<string, OverlapGap>();
  for (const gap of gaps) {
    const key = JSON.stringify([gap.observation, gap.action]);
    const known = places.get(key) ?? { ...gap, steps: 0, probability: 0, first: [] };
    const steps = known.steps + gap.steps;
    const probability = (known.steps * known.probability + gap.steps * gap.probability) / steps;
    places.set(key, { ...gap, steps, probability, first: [...new Set([...known.first, ...gap.first])].toSorted((a, b) => a - b).slice(0, 5) });
  }
  return [...places.values()];
}
