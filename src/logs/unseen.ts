// What a fitted MDP earns where nothing was recorded.
import { TiresiasError } from '../errors.js';
import { countLogs } from './counts.js';
import type { Trajectories } from './import.js';

/**
 * Gives every pair of state and action that no step is of the least reward of all records: no set around the transitions says anything of rewards, so that
 * a policy would else take such an action for the mean of all rewards. Returns what does so to a model's JSON text. (Kidambi et al. 2020, "MOReL", are as wary of what
 * was not seen.)
 */
export function leastWhereUnseen(trajectories: Trajectories): (json: string) => string {
  const { pairs } = countLogs(trajectories);
  const choices = trajectories.actions.length;
  const least = trajectories.columns().rewards.reduce((low, reward) => Math.min(low, reward), Infinity);
  return (json) => {
    const model = JSON.parse(json) as { reward: { state_action?: number[][] } };
    const rewards = model.reward.state_action;
    if (rewards === undefined) throw new TiresiasError('INTERNAL', 'a fitted MDP has no reward by state and action; this is a bug, please report it');
    for (const [action, row] of rewards.entries()) {
      // Behind the recorded symbols there may be the state in which episodes end, which earns nothing.
      for (let state = 0; state < trajectories.observations.length; state++) if (pairs[state * choices + action] === 0) row[state] = least;
    }
    return JSON.stringify(model);
  };
}
