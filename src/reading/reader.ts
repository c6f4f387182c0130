// What a policy says at a belief, by name: a solution with its proven bounds, or α-vectors of another tool without.
import { TiresiasError } from '../errors.js';
import { AlphaPolicy, type Model, type Solution } from '../library.js';
import { Spaces } from '../serve/names.js';
import { beliefInWords, likeliest } from './belief-text.js';

/** One action at a belief. */
export interface SaidAction {
  name: string;
  value: number;
  lower: number;
  upper: number;
}

/** What a policy says at a belief. */
export interface Said {
  stage: number;
  /** The likeliest states. */
  belief: { name: string; probability: number }[];
  action: { index: number; name: string; regretBound: number | null };
  /** What the policy's vectors say that it is worth, or the solver's estimate. */
  value: number;
  /** Proven bounds on the best value; null where a policy has none. */
  lower: number | null;
  upper: number | null;
  /** Every action with its value; null where a policy has none. */
  actions: SaidAction[] | null;
}

/** A policy to be asked. */
export class Reader {
  readonly policy: Solution | AlphaPolicy;
  readonly model: Model;
  readonly spaces: Spaces;
  readonly horizon: number | null;

  constructor(policy: Solution | AlphaPolicy, model: Model) {
    this.policy = policy;
    this.model = model;
    this.spaces = new Spaces(model);
    this.horizon = model.horizon;
  }

  /** Whether the state itself is seen. */
  get observed(): boolean {
    return this.model.observations === 0;
  }

  /** What to do, and how sure that is. `action` asks about another action than the policy's own. */
  ask(stage: number, belief: Float64Array, action?: number): Said {
    const { policy, spaces } = this;
    const told = likeliest(belief, spaces.states);
    if (policy instanceof AlphaPolicy) {
      const chosen = action ?? policy.action(belief, stage);
      return { stage, belief: told, action: { index: chosen, name: spaces.actions.nameOf(chosen), regretBound: null }, value: policy.value(belief, stage), lower: null, upper: null, actions: null };
    }
    const { qValues, lower, upper } = policy.assess(stage, belief);
    const chosen = action ?? policy.action(stage, belief);
    const actions = Array.from(qValues, (value, a) => ({ name: spaces.actions.nameOf(a), value, lower: lower[a]!, upper: upper[a]! }));
    return {
      stage, belief: told,
      action: { index: chosen, name: spaces.actions.nameOf(chosen), regretBound: policy.regretBound(stage, belief, chosen) },
      value: Math.max(...qValues), lower: Math.max(...lower), upper: Math.max(...upper), actions,
    };
  }

  /** The belief after an action and what was seen then, and how likely that was. Throws IMPOSSIBLE_OBSERVATION. */
  update(stage: number, belief: Float64Array, action: number, observation: number): { belief: Float64Array; likelihood: number } {
    const { policy, model, spaces } = this;
    const what = `${spaces.observations.nameOf(observation)} cannot be seen after ${spaces.actions.nameOf(action)}, says the belief`;
    if (policy instanceof AlphaPolicy) {
      const found = model.successors(belief, action, 0, spaces.observations.size).find((successor) => successor.observation === observation);
      if (found === undefined) throw new TiresiasError('IMPOSSIBLE_OBSERVATION', what);
      return { belief: found.belief, likelihood: found.probability };
    }
    const next = new Float64Array(belief.length);
    try {
      const { likelihood } = policy.update(stage, belief, action, observation, next);
      return { belief: next, likelihood };
    } catch (error) {
      if (!(error instanceof TiresiasError) || error.code !== 'IMPOSSIBLE_OBSERVATION') throw error;
      throw new TiresiasError(error.code, what, { cause: error });
    }
  }

  /** What may be seen after an action, the likeliest first. */
  expected(stage: number, belief: Float64Array, action: number, most: number): { name: string; probability: number }[] {
    const nature = this.policy instanceof AlphaPolicy ? 0 : this.policy.worstModel(stage, belief, action);
    return this.model.successors(belief, action, nature, most).map(({ observation, probability }) => ({ name: this.spaces.observations.nameOf(observation), probability }));
  }
}

/** The rows of text about a belief. */
export function saidInRows(reader: Reader, belief: Float64Array, said: Said): [string, string][] {
  const { action, lower, upper, value, actions, stage } = said;
  const sure = action.regretBound === null ? '' : ` (loses at most ${bound(action.regretBound)})`;
  return [
    ['belief', beliefInWords(belief, reader.spaces.states) + (reader.horizon === null ? '' : `, at decision ${stage + 1} of ${reader.horizon}`)],
    ['action', `${action.name}${sure}`],
    ['value', lower === null || upper === null ? `${value.toFixed(6)}, say the policy's vectors, which prove no bounds` : `${value.toFixed(6)}, certainly in [${lower.toFixed(6)}, ${upper.toFixed(6)}]`],
    ...(actions === null ? [] : [['action values', actions.map((a) => `${a.name} ${a.value.toFixed(6)} in [${a.lower.toFixed(6)}, ${a.upper.toFixed(6)}]`).join(', ')] as [string, string]]),
    // A decision in a state is another thing than one before the state is seen.
    ...(reader.observed && belief.filter((p) => p > 0).length > 1 ? [['note', 'this is the decision of who must act before the state is seen'] as [string, string]] : []),
  ];
}

/** Three digits of a bound. */
export const bound = (x: number): string => (x === 0 ? '0' : x.toPrecision(3));
