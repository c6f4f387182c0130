// `tiresias solve --objective`: a DRN file, which has no discount.
import { exitCodeOf } from '../errors.js';
import { checkReadable } from '../files.js';
import { columns, digits, type Invocation } from './common.js';

/** A bound in words: an infinite one has no digits. */
const bound = (value: number): string => (Number.isFinite(value) ? value.toFixed(6) : 'infinity');

/** JSON has no infinity. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

export async function solveForGoal(
  file: string, { objective, gap, time, memory }: { objective: string; gap: number; time?: number; memory?: number }, { signal, progress, print }: Invocation,
): Promise<void> {
  const { solveGoal } = await import('../library.js');
  await checkReadable(file);
  const solution = await solveGoal(file, objective, {
    // Ctrl-C keeps what there is.
    stop: signal, gap,
    ...(time !== undefined && { timeSeconds: time }),
    ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
    onProgress: (p) => {
      progress.show({ stage: 'solve', done: p.seconds, total: Math.max(time ?? 0, p.seconds + 1), detail: `value in [${bound(p.lower)}, ${bound(p.upper)}]` });
    },
  });
  progress.close();
  const { warnings, lower, upper, stopped, seconds, iterations, points, policyNodes, firstAction, states, choices, observations } = solution;
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  print(
    () => ({
      model: { name: file, states, choices, observations: observations ?? null },
      objective: solution.objective, lower, upper: finite(upper), gap: finite(upper - lower), stopped, seconds, iterations, points, policyNodes, firstAction: firstAction ?? null,
    }),
    columns([
      ['model', `${file} (${states} states, ${choices} choices, ${observations === undefined || observations === null ? 'states seen' : `${observations} observations`})`],
      ['objective', solution.objective],
      ['value', `certainly in [${bound(lower)}, ${bound(upper)}], gap ${Number.isFinite(upper) ? digits(upper - lower) : 'infinite'}`],
      ['first action', firstAction ?? 'drawn, or none'],
      ['policy', `a controller of ${policyNodes} nodes`],
      ['stopped', `${stopped} after ${seconds.toFixed(3)} s and ${iterations} rounds, ${points} beliefs explored`],
    ]),
  );
  if (signal.aborted) {
    process.stderr.write('stopped early: the bounds are what was proven so far\n');
    process.exitCode = exitCodeOf(signal.reason);
  }
}
