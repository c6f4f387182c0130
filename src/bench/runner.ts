// One of our solvers as a program like any other: reads a model file, solves it, and prints its bounds as they come, a JSON line each, then the last.
//   node runner.js MODEL SOLVER SECONDS GAP THREADS
// Seconds count from here, reading the file and loading the addon included, as in `tiresias solve`.
import { TiresiasError, exitCodeOf, interrupted, messageOf } from '../errors.js';

const begin = performance.now();
const seconds = (): number => (performance.now() - begin) / 1000;

/** Bounds are printed again when this share of the time so far has passed: some hundred lines, however long it takes. */
const PAUSE = 0.02;

const [model = '', solver = 'auto', time = '', gap = '', threads = ''] = process.argv.slice(2);
const controller = new AbortController();
process.on('SIGINT', () => controller.abort(interrupted('SIGINT'))).on('SIGTERM', () => controller.abort(interrupted('SIGTERM')));
// A command serves nobody (src/cli/main.ts).
process.env['TIRESIAS_NICE'] ??= '0';

let printed = { at: 0, lower: NaN, upper: NaN };
/** Says bounds that are numbers; before there are any there is nothing to say. */
function say(lower: number, upper: number, more: object = {}): void {
  if (!Number.isFinite(lower) || !Number.isFinite(upper)) return;
  printed = { at: seconds(), lower, upper };
  process.stdout.write(`${JSON.stringify({ seconds: printed.at, lower, upper, ...more })}\n`);
}

try {
  const { Model, solve } = await import('../library.js');
  const { model: read, warnings } = Model.fromFile(model);
  for (const { message } of warnings) process.stdout.write(`${JSON.stringify({ note: message })}\n`);
  const settings = {
    gap: Number(gap), threads: Number(threads), timeSeconds: Math.max(0, Number(time) - seconds()), stop: controller.signal,
    onProgress: ({ lower, upper }: { lower: number; upper: number }) => {
      if ((lower !== printed.lower || upper !== printed.upper) && seconds() >= printed.at * (1 + PAUSE)) say(lower, upper);
    },
  };
  if (read.kind === 'robust-pomdp' && solver === 'auto') {
    // Sets with hidden states have a solver of their own, as in `tiresias solve`.
    const { solveRobust } = await import('../robust-pomdp.js');
    const { lower, upper, stopped, stats } = await solveRobust(read, settings);
    say(lower, upper, { stopped, by: 'robust', iterations: stats.trials, threads: 1 });
  } else {
    const solution = await solve(read, { ...settings, solver: solver as 'auto' });
    const { lower, upper, stopped, iterations, threads: had } = solution;
    say(lower, upper, { stopped, by: solution.solver, iterations, threads: had });
  }
} catch (error) {
  process.stderr.write(`${error instanceof TiresiasError ? error.code : 'UNEXPECTED'}: ${messageOf(error)}\n`);
  process.exitCode = exitCodeOf(error);
}
