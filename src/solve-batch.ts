// Many models: threads across them, results in their order, memory bounded.
import { CALL_OPTIONS, SOLVE_OPTIONS, checkModel, checkOptions, invalid } from './check.js';
import { TiresiasError } from './errors.js';
import type { Model, Solution, StopOption } from './library.js';
import { cancellable, native, stoppable, type CallOptions } from './native.js';
import type * as Addon from '../native/index.cjs';

/** What came of one model of a batch: its solution, or the error that it ended with. */
export type Solved = SolvedModel | UnsolvedModel;

/** A model of a batch that was solved. */
export interface SolvedModel {
  /** The model. */
  model: Model;
  /** Its solution. */
  solution: Solution;
  /** Left out. */
  error?: undefined;
}

/** A model of a batch that could not be solved. */
export interface UnsolvedModel {
  /** The model. */
  model: Model;
  /** Left out. */
  solution?: undefined;
  /** Why not. */
  error: TiresiasError;
}

/** What only {@link solveEach} takes. */
export interface AtOnceOption {
  /** Models that are solved, and whose policies are held, at a time (default 64). */
  atOnce?: number | undefined;
}

/** Settings of a batch. Limits (gap, time, memory) hold for every model; `threads` is shared out over the models. */
export type BatchOptions = Addon.SolveOptions & CallOptions<Addon.StageProgress> & StopOption;

/**
 * Solves many models in the background, each on one thread, and resolves to their solutions in order. A model that cannot be solved
 * has its error in its place and spoils nothing else. Aborting `stop` gives every model what it had so far (`stopped: 'cancelled'`),
 * aborting `signal` rejects. The policies of all models are held at once: for very many, see {@link solveEach}.
 */
export async function solveBatch(models: Iterable<Model>, options: BatchOptions = {}): Promise<Solved[]> {
  checkOptions('solveBatch', options, { ...SOLVE_OPTIONS, ...CALL_OPTIONS, stop: 'signal' });
  const { signal, onProgress, stop, ...rest } = options;
  const list = [...models];
  list.forEach((model) => checkModel('solveBatch', model));
  return cancellable({ signal, onProgress: onProgress ?? (() => {}) }, async (token, report) => {
    const batch = await stoppable(stop, token, () => native.solveBatch(list, rest, token, report));
    return list.map((model, i) => settled(model, () => batch.solution(i)));
  });
}

/**
 * Solves models as they come and yields them in order, as many at a time as `atOnce` (default 64): memory holds no more policies than
 * that, however many models there are. Ends early, without an error, when `stop` is aborted.
 *
 * ```ts
 * const tasks = function* () { for (let index = 0; index < 100_000; index++) yield drawTask('energy', { index }).model; };
 * for await (const { solution } of solveEach(tasks(), { gap: 0.1 })) console.log(solution?.value);
 * ```
 */
export async function* solveEach(
  models: Iterable<Model> | AsyncIterable<Model>,
  options: Omit<BatchOptions, 'onProgress'> & AtOnceOption = {},
): AsyncGenerator<Solved, void, undefined> {
  checkOptions('solveEach', options, { ...SOLVE_OPTIONS, signal: 'signal', stop: 'signal', atOnce: 'number' });
  const { atOnce = 64, ...rest } = options;
  if (!Number.isSafeInteger(atOnce) || atOnce < 1) invalid(`solveEach: atOnce: ${atOnce} is not a whole number of at least 1`);
  let waiting: Model[] = [];
  for await (const model of models) {
    if (options.stop?.aborted) return;
    waiting.push(model);
    if (waiting.length < atOnce) continue;
    yield* await solveBatch(waiting, rest);
    waiting = [];
  }
  if (waiting.length > 0 && !options.stop?.aborted) yield* await solveBatch(waiting, rest);
}

function settled(model: Model, solution: () => Solution): Solved {
  try {
    return { model, solution: solution() };
  } catch (error) {
    if (error instanceof TiresiasError) return { model, error };
    throw error;
  }
}
