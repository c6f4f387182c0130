// Performance profiles: the share of models that a solver does at no more than τ times what the best of all took.
// E. D. Dolan and J. J. Moré, "Benchmarking optimization software with performance profiles", Mathematical Programming 91 (2002).
import type { BenchRow } from './row.js';

/** A solver's line of a profile: where its share steps up. */
export interface ProfileLine {
  /** The solver. */
  by: string;
  /** From each ratio on, the share of models. */
  points: [ratio: number, share: number][];
}

/** A profile, of all solvers under one limit. */
export interface BenchProfile {
  /** Seconds to the gap that was asked for, or the gap that was left. */
  measure: 'seconds' | 'gap';
  /** The limit of time. */
  time: number;
  /** Threads of each. */
  threads: number;
  /** Models that all of these solvers were run on; the shares are of these. */
  problems: number;
  /** One a solver. */
  lines: ProfileLine[];
}

/** Each solver's line of its costs, one a problem, undefined where it did not do it. A line never falls, begins at ratio 1 and ends below or at 1. */
export function profileLines(costs: ReadonlyMap<string, readonly (number | undefined)[]>): ProfileLine[] {
  const problems = Math.max(0, ...[...costs.values()].map((of) => of.length));
  const best = Array.from({ length: problems }, (_, p) => Math.min(...[...costs.values()].map((of) => of[p] ?? Infinity)));
  return [...costs].map(([by, of]) => {
    const ratios = of.flatMap((cost, p) => (cost === undefined ? [] : [cost === best[p] ? 1 : cost / best[p]!])).sort((a, b) => a - b);
    const points: [number, number][] = [[1, 0]];
    ratios.forEach((ratio, i) => {
      const share = (i + 1) / problems;
      if (points.at(-1)![0] === ratio) points.at(-1)![1] = share;
      else points.push([ratio, share]);
    });
    return { by, points };
  });
}

/** Shorter times are counted as this one, in seconds: ratios of what clocks and starts of programs make of less say nothing. */
const SHORTEST = 0.01;

/** The profiles of rows under one limit. `solvers`: whose lines there are; one whose bounds are not proven closes nothing and has no place here. */
export function profilesOf(rows: readonly BenchRow[], solvers: readonly string[], { time, threads, gap: asked }: { time: number; threads: number; gap: number }): BenchProfile[] {
  const here = rows.filter((row) => row.time === time && row.threads === threads);
  const byModel = new Map<string, Map<string, BenchRow>>();
  for (const row of here) byModel.set(row.model, (byModel.get(row.model) ?? new Map<string, BenchRow>()).set(row.by, row));
  const whole = [...byModel.values()].filter((of) => solvers.every((by) => of.has(by)));
  if (whole.length === 0 || solvers.length < 2) return [];
  const seconds = ({ outcome, seconds: of }: BenchRow) => ((outcome === 'closed' || outcome === 'solved') && of !== undefined ? Math.max(of, SHORTEST) : undefined);
  // A gap below the one asked for is no better than that one.
  const gap = ({ outcome, gap: of }: BenchRow) => (outcome === 'solved' ? asked : of === undefined ? undefined : Math.max(of, asked));
  return ([['seconds', seconds], ['gap', gap]] as const).map(([measure, cost]) => ({
    measure, time, threads, problems: whole.length,
    lines: profileLines(new Map(solvers.map((by) => [by, whole.map((of) => cost(of.get(by)!))]))),
  }));
}
