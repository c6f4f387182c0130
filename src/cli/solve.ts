import type { Command } from 'commander';
import { writeAtomic } from '../files.js';
import { columns, digits, integer, invoke, newCommand, number, threadsOf } from './common.js';
import { chosenModel, describeModel, withTaskOptions, type TaskOptions } from './task.js';

interface SolveCommandOptions extends TaskOptions {
  gap: number;
  time?: number;
  memory?: number;
  policyOut?: string;
}

export function solveCommand(): Command {
  return withTaskOptions(
    newCommand('solve', 'solve a model: certified bounds on its value, and the first action', [
      'tiresias solve model.json --gap 0.001',
      'tiresias solve --family energy --split test --index 3 --regime apomdp --horizon 10',
    ]),
  )
    .option('--gap <x>', 'stop when the bounds are this close, in units of reward', number(0), 0.01)
    .option('--time <seconds>', 'stop after this long', number(0))
    .option('--memory <mebibytes>', 'stop at this much solver memory', integer(1))
    .option('--policy-out <file>', 'write the policy to a file')
    .action((file: string | undefined, options: SolveCommandOptions, command: Command) =>
      invoke(options, async ({ signal, progress, print }) => {
        const { solve } = await import('../library.js');
        const { model, name } = await chosenModel(file, options, command);
        const { gap, time, memory, horizon } = options;
        const solution = await solve(model, {
          signal, gap,
          threads: threadsOf(options),
          ...(time !== undefined && { timeSeconds: time }),
          ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
          ...(horizon !== undefined && { horizon }),
          onProgress: (p) => progress.show({ stage: 'solve', done: p.seconds, total: Math.max(time ?? 0, p.seconds + 1), detail: `value in [${p.lower.toFixed(4)}, ${p.upper.toFixed(4)}]` }),
        });
        progress.close();
        const start = model.start();
        const action = solution.action(0, start);
        const qValues = [...solution.qValues(0, start)];
        if (options.policyOut !== undefined) await writeAtomic(options.policyOut, solution.savePolicy());
        const { lower, upper, value, stopped, solver, seconds, iterations } = solution;
        const named = qValues.map((q, a) => `${model.actionName(a)} ${q.toFixed(6)}`);
        print(
          {
            model: { name, sha256: model.sha256(), kind: model.kind, states: model.states, actions: model.actions, observations: model.observations, models: model.models },
            lower, upper, value, gap: upper - lower,
            action: { index: action, name: model.actionName(action), regret_bound: solution.regretBound(0, start, action) },
            q_values: qValues, stopped, solver, seconds, iterations,
            ...(options.policyOut !== undefined && { policy: options.policyOut }),
          },
          columns([
            ['model', `${name} (${describeModel(model)})`],
            ['value', `${value.toFixed(6)}, certainly in [${lower.toFixed(6)}, ${upper.toFixed(6)}], gap ${digits(upper - lower)}`],
            ['first action', `${model.actionName(action)} (loses at most ${digits(solution.regretBound(0, start, action))})`],
            ['action values', named.join(', ')],
            ['stopped', `${stopped} after ${seconds.toFixed(3)} s and ${iterations} iterations of ${solver}`],
            ...(options.policyOut !== undefined ? [['policy', options.policyOut] as const] : []),
          ]),
        );
      }),
    );
}
