import { Option, type Command } from 'commander';
import { TiresiasError, exitCodeOf } from '../errors.js';
import { checkWritable, writeAtomic } from '../files.js';
import type { BoundsAt } from './bounds-plot.js';
import { columns, digits, integer, invoke, newCommand, number, threadsOf } from './common.js';
import { fasterSearch } from './faster.js';
import type { FirstAction } from '../explain.js';
import { checkHolds, policyFormat, writeCarrying, writeSolved } from './policy.js';
import { READING, checkReading, showPolicy, walkOf, walkThrough, withReadingOptions, type ReadingOptions } from './reading.js';
import { solveRobustPomdp, solveStaticForm } from './solve-games.js';
import { solveForGoal } from './solve-goal.js';
import { solveTasks } from './solve-tasks.js';
import { SOLVER_ALIASES, SOLVER_NAMES, type SolverName } from '../solvers.js';
import { chosenModel, describeModel, withTaskOptions, type TaskOptions } from './task.js';

interface SolveCommandOptions extends TaskOptions, ReadingOptions {
  gap: number;
  time?: number;
  memory?: number;
  solver: SolverName;
  policyOut?: string;
  carryModel?: true;
  boundsPlot?: string;
  explain?: true;
  nature: 'step' | 'episode';
  tasks?: number;
  objective?: string;
}

/** States of a drawn start that are told, the likeliest. */
const MOST_STATES = 12;

/** The first actions of a drawn start, and what they can lose. */
function inWords(first: readonly FirstAction[]): string {
  const told = first.reduce((sum, { probability }) => sum + probability, 0);
  const each = first.map(({ name, actionName }) => `${name} ${actionName}`).join(', ');
  const others = told < 1 - 1e-6 ? `, and other states with probability ${digits(1 - told)}` : '';
  return `${each}${others} (loses at most ${digits(Math.max(...first.map(({ regretBound }) => regretBound)))}${others === '' ? '' : ' in these'})`;
}

/** Refuses what means nothing where the policy is made of controllers. */
function checkGame(options: SolveCommandOptions): SolveCommandOptions {
  const needless = (['carryModel', 'boundsPlot', 'explain', ...READING] as const).filter((name) => options[name] !== undefined).map((name) => `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
  if (options.solver !== 'auto') throw new TiresiasError('USAGE', '--solver: not for the static form and robust POMDPs, which have one solver each; leave it out');
  if (needless.length > 0) throw new TiresiasError('USAGE', `${needless.join(', ')}: not for the static form and robust POMDPs, whose policies are controllers (--policy-out writes them as JSON)`);
  return options;
}

export function solveCommand(): Command {
  return withReadingOptions(withTaskOptions(
    newCommand('solve', 'solve a model: certified bounds on its value, and the first action', [
      'tiresias solve hallway.pomdp --gap 0.001 --time 30 --policy-out hallway.alpha',
      'tiresias solve tiger --horizon 10',
      'tiresias solve --family energy --split test --index 3 --regime apomdp --horizon 10 --explain',
      'tiresias solve --family energy --regime apomdp --tasks 1000 --gap 0.1 --json',
      'tiresias solve mild.pomdp harsh.pomdp --alpha 1 --horizon 12',
      'tiresias solve mild.pomdp harsh.pomdp --nature episode --policy-out plans.json',
      'tiresias solve tiger --graph tiger.svg --belief "tiger-left=0.7,tiger-right=0.3"',
      `tiresias solve maze.drn --objective 'Rmin=? [F "goal"]'`,
    ]),
  ))
    .option('--gap <x>', 'stop when the bounds are this close, in units of reward', number(0), 0.01)
    .option('--time <seconds>', 'stop after this long, reading the model included', number(0))
    .option('--memory <mebibytes>', 'stop at this much solver memory', integer(1))
    .addOption(new Option('--solver <name>', 'the algorithm (docs/solvers.md); search and exact make files of α-vectors; estimate proves nothing and is fast').choices([...SOLVER_NAMES, ...SOLVER_ALIASES]).default('auto'))
    .option('--policy-out <file>', 'write the policy: .alpha and .pg (pomdp-solve), .policy (APPL), any other suffix (Tiresias)')
    .option('--carry-model', "with --policy-out: Tiresias' own format whatever the suffix, and the model with it, as `tiresias serve` and `loadPolicy` want it")
    .option('--bounds-plot <file>', 'write a drawing (SVG) of the bounds over time')
    .option('--explain', 'tell what the policy does first and next, what nature answers, and what each model would give')
    .addOption(new Option('--nature <when>', 'when nature chooses a model of the cloud: anew at every step, or one for the whole episode, unseen (docs/ambiguity.md)').choices(['step', 'episode']).default('step'))
    .option('--tasks <n>', 'solve this many tasks of the --family, from --index on', integer(1))
    .option('--objective <property>', `for a DRN file, which has no discount: Pmax=? [F "goal"] or Pmin, Rmax, Rmin, as PRISM and Storm write them`)
    .action((files: string[], options: SolveCommandOptions, command: Command) =>
      invoke(options, async (invocation) => {
        const begin = performance.now();
        const { signal, progress, print } = invocation;
        const { tasks, objective } = options;
        if (objective !== undefined) {
          const taken = ['objective', 'gap', 'time', 'memory', 'json', 'threads', 'seed'];
          const needless = Object.keys(options).filter((name) => command.getOptionValueSource(name) === 'cli' && !taken.includes(name));
          if (files.length !== 1 || needless.length > 0) throw new TiresiasError('USAGE', '--objective goes with one DRN file, --gap, --time and --memory');
          return solveForGoal(files[0]!, { ...options, objective }, invocation);
        }
        if (tasks !== undefined) {
          const needless = (['policyOut', 'carryModel', 'boundsPlot', 'explain', ...READING] as const).filter((name) => options[name] !== undefined);
          if (files.length > 0 || needless.length > 0) throw new TiresiasError('USAGE', '--tasks goes with a --family only: no model files, and nothing that shows or writes one policy (--policy-out, --bounds-plot, --explain, --graph, --belief, --table, --walk, …)');
          if (options.nature === 'episode') throw new TiresiasError('USAGE', '--tasks goes with --nature step; solve one task at a time with --nature episode');
          return solveTasks({ ...options, tasks }, invocation);
        }
        const { solve } = await import('../library.js');
        const { explain, explanationInWords, firstActions, isDrawn } = await import('../explain.js');
        const { policyOut, gap, time, memory, horizon } = options;
        const carryModel = options.carryModel === true;
        if (carryModel && policyOut === undefined) throw new TiresiasError('USAGE', '--carry-model goes with --policy-out FILE');
        const vectorsAsked = options.graph !== undefined || (!carryModel && policyOut !== undefined && policyFormat(policyOut) !== 'tiresias');
        const { model, name } = await chosenModel(files, options, command);
        const game = options.nature === 'episode' ? solveStaticForm : model.kind === 'robust-pomdp' ? solveRobustPomdp : undefined;
        if (game !== undefined) return game(model, name, checkGame(options), (performance.now() - begin) / 1000, invocation);
        if (policyOut !== undefined && !carryModel) checkHolds(policyOut, model, describeModel(model));
        await checkReading(options, model);
        const load = (performance.now() - begin) / 1000;
        for (const out of [policyOut, options.boundsPlot]) if (out !== undefined) await checkWritable(out);
        const history: BoundsAt[] = [];
        const solution = await solve(model, {
          // Ctrl-C keeps what there is.
          stop: signal, gap,
          solver: options.solver === 'auto' && vectorsAsked ? 'search' : options.solver,
          threads: threadsOf(options),
          // What reading the model took is part of what was waited for.
          ...(time !== undefined && { timeSeconds: Math.max(0, time - load) }),
          ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
          ...(horizon !== undefined && { horizon }),
          onProgress: (p) => {
            history.push({ seconds: p.seconds, lower: p.lower, upper: p.upper });
            progress.show({ stage: 'solve', done: p.seconds, total: Math.max(time ?? 0, p.seconds + 1), detail: `value in [${p.lower.toFixed(4)}, ${p.upper.toFixed(4)}], gap ${digits(p.upper - p.lower)}` });
          },
        });
        progress.close();
        const start = model.start();
        // Where the first state is drawn and seen there is no one first action, and none has a value or a regret of its own.
        const drawn = isDrawn(model) ? firstActions(model, solution, MOST_STATES) : undefined;
        const action = solution.action(0, start);
        const regret = solution.regretBound(0, start, action);
        const qValues = [...solution.qValues(0, start)];
        const { lower, upper, value, stopped, solver, seconds, iterations, backups, size, points, threads } = solution;
        const policyFiles = policyOut === undefined ? [] : carryModel ? await writeCarrying(solution, policyOut) : await writeSolved(solution, policyOut);
        if (options.boundsPlot !== undefined) await writeAtomic(options.boundsPlot, await (await import('./bounds-plot.js')).boundsPlot([...history, { seconds, lower, upper }], name));
        const { Reader } = await import('../reading/reader.js');
        const reader = new Reader(solution, solution.model());
        const shown = await showPolicy(reader, options, name, (loss) => solution.alphaPolicy().graph(loss));
        const named = qValues.map((q, a) => `${model.actionName(a)} ${q.toFixed(6)}`);
        const explanation = options.explain && explain(horizon === undefined ? model : model.with(horizon), solution);
        const faster = options.solver === 'exact' ? await fasterSearch(model, solution, gap, signal) : undefined;
        // The first report comes when the first bounds stand.
        const init = history[0] === undefined ? seconds : Math.min(history[0].seconds, seconds);
        print(
          () => ({
            model: { name, sha256: model.sha256(), kind: model.kind, states: model.states, actions: model.actions, observations: model.observations, models: model.models, ...(model.ambiguity !== null && { ambiguity: model.ambiguity }), ...(model.observationAmbiguity !== null && { observationAmbiguity: model.observationAmbiguity }) },
            lower, upper, value, gap: upper - lower,
            ...(drawn
              ? { action: null, qValues: null, byState: drawn }
              : { action: { index: action, name: model.actionName(action), regretBound: regret }, qValues }),
            stopped, solver, seconds, phases: { load, init, solve: seconds - init }, iterations, backups, vectors: size, points, threads,
            ...(faster !== undefined && { faster: { solver: 'point', seconds: faster } }),
            ...(policyOut !== undefined && { policy: policyOut, policyFiles }),
            ...(options.boundsPlot !== undefined && { boundsPlot: options.boundsPlot }),
            ...(explanation && { explanation }), ...shown.json,
          }),
          columns([
            ['model', `${name} (${describeModel(model)})`],
            ['value', `${value.toFixed(6)}, certainly in [${lower.toFixed(6)}, ${upper.toFixed(6)}], gap ${digits(upper - lower)}`],
            ...(drawn
              ? [['first action', `depends on the state: ${inWords(drawn)}`] as const]
              : [['first action', `${model.actionName(action)} (loses at most ${digits(regret)})`], ['action values', named.join(', ')]] as const),
            ['stopped', `${stopped} after ${seconds.toFixed(3)} s and ${iterations} iterations of ${solver}`],
            ...(faster !== undefined ? [['faster', `--solver point closes the same gap in ${faster.toFixed(3)} s`] as const] : []),
            ...(policyFiles.length > 0 ? [['policy', policyFiles.length === 1 ? policyFiles[0]! : `${policyFiles[0]} … ${policyFiles.at(-1)}`] as const] : []),
            ...(options.boundsPlot !== undefined ? [['bounds plot', options.boundsPlot] as const] : []),
            ...shown.rows,
          ]) + [...(explanation ? [explanationInWords(explanation)] : []), ...shown.rest].map((text) => `\n\n${text}`).join(''),
        );
        if (signal.aborted) {
          process.stderr.write(`stopped early: the bounds are what was proven so far${policyOut === undefined ? '' : `, and ${policyOut} holds the best policy so far`}\n`);
          process.exitCode = exitCodeOf(signal.reason);
        } else if (options.walk) await walkThrough(await walkOf(reader, options), options.json === true, signal);
      }),
    );
}
