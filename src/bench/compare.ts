// What rows say about one another: who closed more of the gap, and where two proofs cannot both be right.
import type { SolverDescription } from './description.js';
import type { BenchRow } from './row.js';

/** Words for how the first solver and another stand on one model. */
export const VERDICTS = ['closedByBoth', 'subjectCloser', 'otherCloser', 'alike', 'onlySubject', 'onlyOther', 'neither', 'notComparable'] as const;
/** How two solvers stand: both closed the gap; one came closer; both are as close; only one came to anything, or neither; or there is no comparing them. */
export type Verdict = (typeof VERDICTS)[number];

/** The first solver beside another on one model, under one limit. */
export interface BenchComparison {
  /** The model. */
  model: string;
  /** The limit of time. */
  time: number;
  /** Threads of both. */
  threads: number;
  /** The first of the bench's solvers. */
  subject: string;
  /** The one it is compared with. */
  other: string;
  /** How they stand. */
  verdict: Verdict;
  /** The first one's gap over the other's, where both have bounds and not both closed it; below 1 the first is closer. */
  gapRatio?: number | undefined;
  /** The first one's seconds to the gap over the other's, where both closed it. */
  secondsRatio?: number | undefined;
}

/** Gaps whose ratio is within this of 1 are alike. */
const ALIKE = 1e-3;

const isDone = ({ outcome }: BenchRow): boolean => outcome === 'closed' || outcome === 'solved';

/** How two rows of one model stand. `comparable`: whether the gaps of both are proven, or they have none. */
export function verdictOf(subject: BenchRow | undefined, other: BenchRow | undefined, comparable = true): Verdict {
  if (!subject || !other || !comparable) return 'notComparable';
  const [has, otherHas] = [subject, other].map(({ outcome }) => outcome !== 'none');
  if (!has || !otherHas) return has ? 'onlySubject' : otherHas ? 'onlyOther' : 'neither';
  if (isDone(subject) || isDone(other)) return isDone(subject) && isDone(other) ? 'closedByBoth' : isDone(subject) ? 'subjectCloser' : 'otherCloser';
  const ratio = subject.gap! / other.gap!;
  return Math.abs(ratio - 1) <= ALIKE ? 'alike' : ratio < 1 ? 'subjectCloser' : 'otherCloser';
}

/** The comparison of two rows, or of what there is of them. */
export function comparisonOf(place: Pick<BenchComparison, 'model' | 'time' | 'threads' | 'subject' | 'other'>, subject: BenchRow | undefined, other: BenchRow | undefined, comparable = true): BenchComparison {
  const verdict = verdictOf(subject, other, comparable);
  const both = verdict !== 'notComparable' && subject && other;
  const gaps = both && verdict !== 'closedByBoth' && subject.gap !== undefined && other.gap !== undefined && other.gap > 0;
  const times = both && isDone(subject) && isDone(other) && subject.seconds !== undefined && other.seconds !== undefined && other.seconds > 0;
  return { ...place, verdict, ...(gaps && { gapRatio: subject.gap! / other.gap! }), ...(times && { secondsRatio: subject.seconds! / other.seconds! }) };
}

/** How often each verdict came, solver by solver. */
export function countsOf(comparisons: readonly BenchComparison[]): Record<string, Record<Verdict, number>> {
  const counts: Record<string, Record<Verdict, number>> = {};
  for (const { other, verdict } of comparisons) {
    const of = (counts[other] ??= Object.fromEntries(VERDICTS.map((word) => [word, 0])) as Record<Verdict, number>);
    of[verdict] += 1;
  }
  return counts;
}

/** A bound, and whose it is. */
export interface BenchBound {
  /** The solver. */
  by: string;
  /** The bound. */
  value: number;
  /** Its limit of time. */
  time: number;
  /** Its threads. */
  threads: number;
  /** The key of its row. */
  key: string;
}

/** A lower bound above an upper bound on the same value: one of the two proofs is wrong, or the two solved different problems. */
export interface Contradiction {
  /** The model. */
  model: string;
  /** The bound that is too high, or seems so. */
  lower: BenchBound;
  /** The bound that is too low, or seems so. */
  upper: BenchBound;
  /** By how much the one is above the other. */
  excess: number;
  /** By how much rounding could explain. */
  rounding: number;
  /** What either remarked when it read the model: it may have read another problem. */
  notes: string[];
}

/** What is put down to rounding inside a solver, in shares of the largest bound. */
const INSIDE = 1e-6;

/** One unit of the last place that is printed of a number. */
export function lastPlace(value: number, { digits, decimals }: SolverDescription['printed']): number {
  const significant = digits === undefined || value === 0 ? 0 : 10 ** (Math.floor(Math.log10(Math.abs(value))) + 1 - digits);
  return Math.max(significant, decimals === undefined ? 0 : 10 ** -decimals);
}

/** Where a proven lower bound lies above a proven upper one on the same model, beyond rounding: the worst of each pair of solvers, worst first. A solver may contradict itself. */
export function contradictionsOf(rows: readonly BenchRow[], solvers: ReadonlyMap<string, Pick<SolverDescription, 'bounds' | 'printed'>>): Contradiction[] {
  const proven = rows.filter(({ by, best }) => best !== undefined && solvers.get(by)?.bounds === 'proven');
  const worst = new Map<string, Contradiction>();
  for (const a of proven) {
    for (const b of proven.filter(({ model }) => model === a.model)) {
      const [lower, upper] = [a.best![0], b.best![1]];
      const size = Math.max(...[...a.best!, ...b.best!].map(Math.abs));
      const rounding = INSIDE * size + lastPlace(lower, solvers.get(a.by)!.printed) + lastPlace(upper, solvers.get(b.by)!.printed);
      const excess = lower - upper;
      if (!(excess > rounding)) continue;
      const bound = ({ by, time, threads, key }: BenchRow, value: number): BenchBound => ({ by, value, time, threads, key });
      const pair = JSON.stringify([a.model, a.by, b.by]);
      if (excess > (worst.get(pair)?.excess ?? 0)) worst.set(pair, { model: a.model, lower: bound(a, lower), upper: bound(b, upper), excess, rounding, notes: [...new Set([...a.notes, ...b.notes])] });
    }
  }
  return [...worst.values()].sort((a, b) => b.excess / b.rounding - a.excess / a.rounding);
}
