// Episodes that a model is fitted to, and others that a policy is judged by.
import { checkOptions, checkWhole, invalid } from '../check.js';
import { seedrandom } from '../lazy.js';
import { checkTrajectories, type Trajectories } from './import.js';

/** How episodes are divided. */
export interface SplitOptions {
  /** Share of the episodes that are set aside, between 0 and 1. Default 0.5. */
  share?: number;
  /** Which these are is drawn from it. Default 0. */
  seed?: number;
}

/** Trajectories in two parts, each in the order of the whole. */
export interface SplitLogs {
  /** What a model is fitted to. */
  train: Trajectories;
  /** What was set aside. */
  test: Trajectories;
}

/**
 * Sets some episodes aside, drawn without regard to what is in them. A policy that is judged by the episodes which its model was fitted to looks better than it
 * is; by episodes set aside it does not. Throws `INVALID_ARGUMENT` where a part would be empty. O(steps).
 */
export function splitLogs(trajectories: Trajectories, options: SplitOptions = {}): SplitLogs {
  checkTrajectories('splitLogs', trajectories);
  checkOptions('splitLogs', options, { share: 'number', seed: 'number' });
  checkWhole('splitLogs', options, ['seed']);
  const { share = 0.5, seed = 0 } = options;
  const { episodes } = trajectories;
  const aside = Math.round(share * episodes);
  if (!(aside > 0 && aside < episodes)) throw invalid(`splitLogs: a share of ${share} of ${episodes} episodes leaves one part empty`);
  const random = seedrandom()(`logs ${seed}`);
  const order = Uint32Array.from({ length: episodes }, (_, episode) => episode);
  // Fisher and Yates, as far as it is needed.
  for (let i = 0; i < aside; i++) {
    const j = i + Math.floor(random() * (episodes - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return { train: trajectories.select(order.subarray(aside).toSorted()), test: trajectories.select(order.slice(0, aside).toSorted()) };
}
