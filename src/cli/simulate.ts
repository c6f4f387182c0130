import type { Command } from 'commander';
import { columns, integer, invoke, newCommand, threadsOf } from './common.js';
import { readPolicy } from './policy.js';
import { chosenModel, describeModel, withTaskOptions, type TaskOptions } from './task.js';

interface SimulateCommandOptions extends TaskOptions {
  policy: string;
  episodes: number;
  steps?: number;
}

export function simulateCommand(): Command {
  return withTaskOptions(
    newCommand('simulate', 'what a policy earns: the mean discounted return of many episodes, with an interval', [
      'tiresias simulate hallway.pomdp --policy hallway.alpha --episodes 10000',
      'tiresias simulate model.json --policy random --episodes 100000 --steps 50',
    ]),
  )
    .requiredOption('--policy <file>', 'a policy file (.alpha, APPL’s .policy, or of `tiresias solve`), or random')
    .option('--episodes <n>', 'number of episodes', integer(1, 2 ** 30), 10_000)
    .option('--steps <n>', "decisions an episode; the model's horizon, or until less than a millionth of the discount is left", integer(1, 2 ** 30))
    .action((files: string[], options: SimulateCommandOptions, command: Command) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { simulate } = await import('../library.js');
        const { model, name } = await chosenModel(files, options, command);
        const policy = options.policy === 'random' ? 'random' as const : await readPolicy(options.policy, model);
        const { episodes, steps, seed = 0 } = options;
        const result = await simulate(model, policy, {
          signal, episodes, seed,
          threads: threadsOf(options),
          ...(steps !== undefined && { steps }),
          onProgress: ({ done, total }) => progress.show({ stage: 'simulate', done, total, detail: `${done} of ${total} episodes` }),
        });
        progress.close();
        const { mean, low, high, deviation, decisions, seconds } = result;
        const [least, most] = [result.truncationLow, result.truncationHigh];
        print(
          {
            model: { name, sha256: model.sha256() }, policy: options.policy, episodes, steps: result.steps, seed,
            mean_return: mean, mean_return_ci95: [low, high], standard_deviation: deviation, truncation: [least, most], decisions, seconds,
          },
          columns([
            ['model', `${name} (${describeModel(model)})`],
            ['policy', options.policy],
            ['episodes', `${episodes} of at most ${result.steps} decisions, seed ${seed}`],
            ['mean return', `${mean.toFixed(6)}, 95 % interval [${low.toFixed(6)}, ${high.toFixed(6)}]`],
            ...(least === 0 && most === 0 ? [] : [['cut off', `later decisions would add between ${least.toPrecision(2)} and ${most.toPrecision(2)}`] as const]),
            ['speed', `${(decisions / seconds / 1e6).toFixed(2)} million decisions a second (${decisions} in ${seconds.toFixed(3)} s)`],
          ]),
        );
      }),
    );
}
