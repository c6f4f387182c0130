import type { Command } from 'commander';
import { checkWritable, writeAtomic } from '../files.js';
import type { Rollouts, StageProgress } from '../library.js';
import type { Behaviour, Nature } from '../spec.js';
import { columns, integer, invoke, newCommand, number, threadsOf } from './common.js';
import { chosenModel, describeModel, withTaskOptions, type TaskOptions } from './task.js';

interface RolloutCommandOptions extends TaskOptions {
  behaviour: Behaviour;
  episodes: number;
  nature?: Nature;
  gap: number;
  out?: string;
}

export function rolloutCommand(): Command {
  return withTaskOptions(
    newCommand('rollout', 'simulate episodes of a behaviour policy and sum up their returns', [
      'tiresias rollout --family energy --index 3 --regime pomdp --behaviour epsilon:0.2 --episodes 1000',
      'tiresias rollout model.json --behaviour random --episodes 100 --out episodes.jsonl',
    ]),
  )
    .option('--behaviour <policy>', 'oracle, random, epsilon:x or mixture:oracle=0.5,random=0.5', 'oracle')
    .option('--episodes <n>', 'number of episodes', integer(1), 1000)
    .option('--nature <rule>', 'fixed:m, resampled or adversarial, in an APOMDP')
    .option('--gap <x>', "the oracle's certified gap, in units of reward", number(0), 0.01)
    .option('--out <file>', 'write the episodes as JSON lines')
    .action((files: string[], options: RolloutCommandOptions, command: Command) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { rollout, solve } = await import('../library.js');
        const { bcaInterval, mean } = await import('../evaluate/bootstrap.js');
        const { model, name } = await chosenModel(files, options, command);
        const { behaviour, episodes, nature, horizon, seed = 0 } = options;
        const threads = threadsOf(options);
        if (options.out !== undefined) await checkWritable(options.out);
        const needsOracle = /oracle|epsilon/.test(behaviour) || nature === 'adversarial' || model.models > 1;
        const longer = horizon !== undefined ? { horizon } : {};
        const solution = needsOracle ? await solve(model, { signal, gap: options.gap, threads, ...longer }) : undefined;
        const shown = ({ done, total }: StageProgress) => progress.show({ stage: 'rollout', done, total, detail: 'episodes' });
        const settings = { behaviour, episodes, seed, threads, signal, onProgress: shown, ...longer, ...(nature !== undefined && { nature }) };
        // Without a file only the returns are used, and they take little memory however many episodes there are.
        const recorded = options.out === undefined ? undefined : await rollout(model, settings, solution);
        const rollouts = recorded ?? (await rollout(model, { ...settings, record: [] }, solution));
        progress.close();
        const returns = Array.from(rollouts.returns, (value) => [value]);
        const average = mean(0)(returns);
        const interval = bcaInterval(returns, mean(0), { seed: `${seed}/rollout`, resamples: 1000 });
        if (options.out !== undefined && recorded) await writeAtomic(options.out, episodeLines(recorded));
        print(
          { model: { name, sha256: model.sha256() }, behaviour, episodes, horizon: rollouts.horizon, seed, meanReturn: average, meanReturnCi95: interval, ...(options.out !== undefined && { out: options.out }) },
          columns([
            ['model', `${name} (${describeModel(model)})`],
            ['behaviour', behaviour],
            ['episodes', `${episodes} of ${rollouts.horizon} decisions, seed ${seed}`],
            ['mean return', `${average.toFixed(4)}, 95 % interval [${interval.map((x) => x.toFixed(4)).join(', ')}]`],
            ...(options.out !== undefined ? [['written', options.out] as const] : []),
          ]),
        );
      }),
    );
}

function episodeLines({ episodes, horizon, states, actions, observations, rewards, returns }: Rollouts): string {
  const row = (values: ArrayLike<number> & { subarray(from: number, to: number): Iterable<number> }, e: number) => [...values.subarray(e * horizon, (e + 1) * horizon)];
  const lines = Array.from({ length: episodes }, (_, e) =>
    JSON.stringify({ episode: e, return: returns[e], states: row(states, e), observations: row(observations, e), actions: row(actions, e), rewards: row(rewards, e) }),
  );
  return `${lines.join('\n')}\n`;
}
