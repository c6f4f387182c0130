// Whether the search would have closed in a moment what the exact solver took long for: tried, not guessed.
import type { Model, Solution } from '../library.js';

/** A solve that took less is not worth a word. */
const LONG = 1;
/** What the trial may take: a share of what the solve took, and no more than these seconds. */
const SHARE = 0.05;
const MOST = 0.25;

/** Seconds in which the search reaches the same gap, where that is a moment beside what was waited for. */
export async function fasterSearch(model: Model, took: Pick<Solution, 'solver' | 'seconds'>, gap: number, signal: AbortSignal): Promise<number | undefined> {
  if (took.solver !== 'exact' || took.seconds < LONG || signal.aborted) return undefined;
  const { solve } = await import('../library.js');
  const tried = await solve(model, { solver: 'point', gap, timeSeconds: Math.min(MOST, SHARE * took.seconds), stop: signal });
  return tried.stopped === 'converged' && tried.upper - tried.lower <= gap ? tried.seconds : undefined;
}
