// How often each action was taken after each observation, and the sums that figures are drawn from.
import type { Trajectories } from './import.js';

/** What figures and the table of coverage show. */
export interface LogsCounts {
  /** Decisions of each episode. */
  lengths: number[];
  /** Undiscounted sum of each episode's rewards. */
  returns: number[];
  /** Times by observation and action; the last row is of decisions before which nothing was seen. */
  pairs: Uint32Array;
}

/** Counts all at once. O(steps). */
export function countLogs(trajectories: Trajectories): LogsCounts {
  const { offsets, observations, actions, rewards } = trajectories.columns();
  const [symbols, choices] = [trajectories.observations.length, trajectories.actions.length];
  const pairs = new Uint32Array((symbols + 1) * choices);
  for (let step = 0; step < actions.length; step++) {
    const seen = observations[step]!;
    pairs[(seen < 0 ? symbols : seen) * choices + actions[step]!]! += 1;
  }
  const episodes = Array.from({ length: trajectories.episodes }, (_, episode) => [offsets[episode]!, offsets[episode + 1]!] as const);
  return { pairs, lengths: episodes.map(([from, to]) => to - from), returns: episodes.map(([from, to]) => rewards.subarray(from, to).reduce((sum, reward) => sum + reward, 0)) };
}
