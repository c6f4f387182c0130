// How prompts print the rewards of logs: whole numbers on a grid.
import { invalid } from '../check.js';
import type { Regime, WholeTemplate } from '../spec.js';

/** The part of a template that says how rewards are printed. */
export type RewardFields = Pick<WholeTemplate, 'rewardScale' | 'rewardOffset' | 'rewardWidth'>;

/** Least, mean and most of some rewards. */
export type RewardRange = readonly [least: number, mean: number, most: number];

/** The power of ten whose thousand multiples cover the rewards: what rounding changes lies below a thousandth of their range. */
export function gridOf([least, , most]: RewardRange): number {
  const range = Math.max(most - least, 1e-3);
  // Multiples of a thousandth at least are what prompts print.
  if (most > least && most - least < 0.05) throw invalid(`rewards of the logs lie between ${least} and ${most}; prompts print thousandths, so that these would be nearly all the same: scale them`);
  return Math.min(1, Math.max(1e-3, Number((10 ** Math.ceil(Math.log10(range / 1000))).toPrecision(1))));
}

/** Symbols from 0 for the least reward; 0 itself is among them, which states of no reward earn. */
export function printing([least, , most]: RewardRange, grid: number): RewardFields {
  const [low, high] = [Math.floor(Math.min(least, 0) / grid + 1e-6), Math.ceil(Math.max(most, 0) / grid - 1e-6)];
  const rewardWidth = String(high - low).length;
  if (rewardWidth > 5) throw invalid(`rewards from ${least} to ${most} have more than 99999 multiples of ${grid}, and prompts print five digits; scale them in the logs`);
  return { rewardScale: Math.round(1 / grid), rewardOffset: -low, rewardWidth };
}

/** The template of logs in which so many symbols can be seen: as the families' own, with the rewards of the logs. */
export function logsTemplate(regime: Exclude<Regime, 'apomdp'>, symbols: number, rewards: RewardRange): WholeTemplate {
  return {
    header: `${regime}\n`, supportMarker: '#\n', queryMarker: '?\n', observationWidth: String(Math.max(0, symbols - 1)).length, actionWidth: 1, ...printing(rewards, gridOf(rewards)), missing: 'x',
    queryReward: regime === 'mdp' ? 'shown' : 'hidden',
  };
}
