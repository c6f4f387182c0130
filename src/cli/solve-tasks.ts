// `tiresias solve --family … --tasks N`: many tasks of a family, threads shared out over them.
import { TiresiasError, exitCodeOf } from '../errors.js';
import type { Solved } from '../solve-batch.js';
import { isDrawn } from '../explain.js';
import { columns, digits, threadsOf, type Invocation } from './common.js';
import type { SolverName } from '../solvers.js';
import { familyNamed, type TaskOptions } from './task.js';

/** What this command reads of the options of `solve`. */
export interface SolveTasksOptions extends TaskOptions {
  tasks: number;
  gap: number;
  time?: number;
  memory?: number;
  solver: SolverName;
}

export async function solveTasks(options: SolveTasksOptions, { signal, progress, print }: Invocation): Promise<void> {
  const { drawTask } = await import('../library.js');
  const { solveEach } = await import('../solve-batch.js');
  const { split, index: first, models, alpha = 1, seed = 0, tasks: count, gap, time, memory, solver } = options;
  if (options.family === undefined) throw new TiresiasError('USAGE', '--tasks draws tasks of a --family; name one (see `tiresias families`)');
  const info = await familyNamed(options.family);
  const [family, regime, horizon] = [info.name, info.regimes.length === 1 ? info.regimes[0]! : options.regime, options.horizon ?? info.horizon];
  const draw = function* () {
    for (let index = first; index < first + count; index++) yield drawTask(family, { split, index, seed, regime, models, alpha, horizon }).model;
  };
  const threads = threadsOf(options);
  const begin = performance.now();
  const rows: Row[] = [];
  // Ctrl-C keeps what is solved.
  for await (const solved of solveEach(draw(), {
    stop: signal, gap, solver, threads, atOnce: 32 * threads,
    ...(time !== undefined && { timeSeconds: time }),
    ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
  })) {
    rows.push(rowOf(first + rows.length, solved));
    progress.show({ stage: 'solve', done: rows.length, total: count, detail: 'tasks solved' });
  }
  progress.close();
  const seconds = (performance.now() - begin) / 1000;
  const gaps = rows.map(({ lower, upper }) => upper - lower).toSorted((a, b) => a - b);
  const reached = rows.filter(({ stopped }) => stopped === 'converged').length;
  const mean = (pick: (row: Row) => number) => rows.reduce((sum, row) => sum + pick(row), 0) / rows.length;
  print(
    { family, split, seed, regime, horizon, gap, threads, seconds, tasksPerSecond: rows.length / seconds, tasks: rows },
    columns([
      ['tasks', `${rows.length} of ${count}: ${family} ${split} ${first} to ${first + count - 1}, seed ${seed}, ${regime}, horizon ${horizon}`],
      ...(rows.length === 0 ? [] : [
        ['mean value', `in [${mean((row) => row.lower).toFixed(4)}, ${mean((row) => row.upper).toFixed(4)}]`],
        ['gap', `${digits(gap)} reached by ${reached}; half below ${digits(gaps[gaps.length >> 1]!)}, largest ${digits(gaps.at(-1)!)}`],
      ] as const),
      ['speed', `${(rows.length / seconds).toFixed(1)} tasks a second on ${threads} ${threads === 1 ? 'thread' : 'threads'} (${seconds.toFixed(2)} s)`],
    ]),
  );
  if (signal.aborted) {
    process.stderr.write(`stopped early: ${rows.length} of ${count} tasks are told\n`);
    process.exitCode = exitCodeOf(signal.reason);
  }
}

interface Row {
  index: number;
  lower: number;
  upper: number;
  value: number;
  /** `null` where the first state is drawn and seen: the action depends on it. */
  action: number | null;
  regretBound: number | null;
  stopped: string;
  solver: string;
  seconds: number;
}

function rowOf(index: number, { model, solution, error }: Solved): Row {
  // One task that cannot be solved means that none of its family can.
  if (!solution) throw error;
  const start = model.start();
  const action = isDrawn(model) ? null : solution.action(0, start);
  const { lower, upper, value, stopped, solver, seconds } = solution;
  return { index, lower, upper, value, action, regretBound: action === null ? null : solution.regretBound(0, start, action), stopped, solver, seconds };
}
