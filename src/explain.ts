// What a policy does first and next, what nature answers, and what each model of the cloud would give: data, and words.
import { checkOptions, invalid } from './check.js';
import type { Model, Solution, Successor } from './library.js';

/** One action at the start. */
export interface ExplainedAction {
  /** Its number. */
  action: number;
  /** Its name. */
  name: string;
  /** Estimate of its value. */
  value: number;
  /** Proven lower bound on it. */
  lower: number;
  /** Proven upper bound on it. */
  upper: number;
  /** What choosing it can lose at most to the best of `actions`. */
  regretBound: number;
  /** The model of the cloud that gives least after it. */
  worstModel: number;
  /** The model that gives most. */
  bestModel: number;
  /** Its value under each model for this step, when nature picks the models of later ones. */
  byModel: number[];
}

/** What the policy does when it sees something. */
export interface ExplainedStep {
  /** What is seen: an observation, or the state. */
  observation: number;
  /** Its name. */
  name: string;
  /** How likely it is to be seen. */
  probability: number;
  /** What is done then. */
  action: number;
  /** The name of that. */
  actionName: string;
  /** Nature's answer to that. */
  answer: number;
  /** What the rest is worth then. */
  value: number;
}

/** What a solution does, from the start. */
export interface Explanation {
  /** Proven lower bound on the value at the start. */
  lower: number;
  /** Proven upper bound on it. */
  upper: number;
  /** Ambiguity attitude: 1 is max-min, 0 max-max. */
  alpha: number;
  /** Size of the cloud. */
  models: number;
  /** Whether the state itself is seen. */
  observed: boolean;
  /**
   * Whether the state at the start is seen and drawn: what is done first then depends on it (`next`). `first`, `answer` and `actions`
   * then speak of somebody who has to act before the state is seen, to whom the whole is worth less than `lower` and `upper` say.
   */
  drawn: boolean;
  /** The action taken first. */
  first: number;
  /** The model that nature answers it with (and that updates the belief): the worst for α of at least ½, else the best. */
  answer: number;
  /** Every action at the start. */
  actions: ExplainedAction[];
  /**
   * What is likeliest to be seen after the first action when nature answers so, and what is done then; where the start is `drawn`,
   * its likeliest states and what is done first in them. Empty when there is only one decision.
   */
  next: ExplainedStep[];
  /** The probability of what `next` leaves out. */
  left: number;
}

/** How much {@link explain} tells. */
export interface ExplainOptions {
  /** Observations that are told at most (default 12). */
  most?: number | undefined;
}

/** Explains the start of a policy. O(A·M) backups of the start belief. */
export function explain(model: Model, solution: Solution, options: ExplainOptions = {}): Explanation {
  checkOptions('explain', options, { most: 'number' });
  const { most = 12 } = options;
  if (!Number.isSafeInteger(most) || most < 1) invalid(`explain: most: ${most} is not a whole number of at least 1`);
  const start = model.start();
  const { qValues, lower, upper, minimisers, maximisers, modelValues } = solution.assess(0, start);
  const actions = Array.from(qValues, (value, action): ExplainedAction => ({
    action, value, name: model.actionName(action), lower: lower[action]!, upper: upper[action]!,
    regretBound: solution.regretBound(0, start, action),
    worstModel: minimisers[action]!, bestModel: maximisers[action]!, byModel: [...modelValues[action]!],
  }));
  const first = solution.action(0, start);
  const answer = solution.worstModel(0, start, first);
  const observed = model.observations === 0;
  const drawn = isDrawn(model);
  const step = (stage: number, { observation, probability, belief }: Successor): ExplainedStep => {
    const action = solution.action(stage, belief);
    return {
      observation, probability, action, actionName: model.actionName(action), answer: solution.worstModel(stage, belief, action),
      name: observed ? model.stateName(observation) : model.observationName(observation),
      value: solution.qValues(stage, belief)[action]!,
    };
  };
  const successors = () => (model.horizon === 1 ? [] : model.successors(start, first, answer, most));
  const next = drawn ? likeliestStates(start, most).map((state) => step(0, state)) : successors().map((successor) => step(1, successor));
  const told = next.reduce((sum, { probability }) => sum + probability, 0);
  return {
    lower: solution.lower, upper: solution.upper, alpha: model.alpha, models: model.models, observed, drawn, first, answer, actions, next,
    left: next.length === 0 ? 0 : Math.max(0, 1 - told),
  };
}

/** Whether the state at the start is seen and one of several, so that the first action depends on it. */
export function isDrawn(model: Model): boolean {
  return model.observations === 0 && model.start().filter((p) => p > 0).length > 1;
}

/** What is done first in a state of a start that is drawn and seen. */
export interface FirstAction {
  state: number;
  name: string;
  probability: number;
  action: number;
  actionName: string;
  /** What the action can lose at most, in that state. */
  regretBound: number;
}

/** What is done first in the likeliest states (`most` of them) of a start that is drawn and seen. */
export function firstActions(model: Model, solution: Solution, most: number): FirstAction[] {
  return likeliestStates(model.start(), most).map(({ observation: state, probability, belief }) => {
    const action = solution.action(0, belief);
    return { state, name: model.stateName(state), probability, action, actionName: model.actionName(action), regretBound: solution.regretBound(0, belief, action) };
  });
}

/** The states of a distribution as if they had been observed, likeliest first. */
function likeliestStates(start: Float64Array, most: number): Successor[] {
  const states = [...start.keys()].filter((state) => start[state]! > 0).toSorted((a, b) => start[b]! - start[a]!);
  return states.slice(0, most).map((state) => {
    const belief = new Float64Array(start.length);
    belief[state] = 1;
    return { observation: state, probability: start[state]!, belief };
  });
}

const number = (value: number): string => value.toFixed(4);

/** The same in sentences and two small tables. */
export function explanationInWords(explanation: Explanation): string {
  const { lower, upper, alpha, models, observed, drawn, first, answer, actions, next, left } = explanation;
  const chosen = actions[first]!;
  const ambiguous = models > 1;
  const whole = `The whole is worth between ${number(lower)} and ${number(upper)}`;
  const steps = (seen: string) =>
    table([seen, 'probability', 'it does', 'worth', ...(ambiguous ? ['nature picks'] : [])],
      next.map((step) => [step.name, number(step.probability), step.actionName, number(step.value), ...(ambiguous ? [`${step.answer}`] : [])]));
  const others = left > 1e-6 ? ['', `Other ${observed ? 'states' : 'observations'} have probability ${number(left)} together.`] : [];
  if (drawn) return [`What it does first depends on the state, which is seen. ${whole}.`, '', steps('the state is'), ...others].join('\n');
  const gain = chosen.regretBound === 0 ? 'is better' : `gains more than ${chosen.regretBound.toPrecision(2)}`;
  const lines = [`It begins with ${chosen.name}. ${whole}; no other first action ${gain}.`];
  if (ambiguous) lines.push(natureInWords(alpha, chosen));
  const header = ['first action', 'value', 'certainly in', ...(ambiguous ? ['nature picks', ...Array.from({ length: models }, (_, m) => `model ${m}`)] : [])];
  const picks = ({ worstModel, bestModel }: ExplainedAction) => (alpha === 1 ? `${worstModel}` : alpha === 0 ? `${bestModel}` : `${worstModel} or ${bestModel}`);
  const rows = actions.map((a) => [a.name, number(a.value), `[${number(a.lower)}, ${number(a.upper)}]`, ...(ambiguous ? [picks(a), ...a.byModel.map(number)] : [])]);
  lines.push('', table(header, rows));
  if (ambiguous) lines.push('', 'A column "model m" is what the action gives if this step follows model m and nature picks the models of later ones.');
  if (next.length > 0) lines.push('', `Then${ambiguous ? `, when the step follows model ${answer}` : ''}:`, '', steps(observed ? 'the state is' : 'it sees'), ...others);
  return lines.join('\n');
}

function natureInWords(alpha: number, { worstModel, bestModel, byModel }: ExplainedAction): string {
  const worth = (m: number) => `model ${m} (${number(byModel[m]!)})`;
  if (worstModel === bestModel) return 'All models give the same after it.';
  if (alpha === 1) return `Nature answers with ${worth(worstModel)}, the worst; the best would be ${worth(bestModel)}.`;
  if (alpha === 0) return `Nature is taken to answer with ${worth(bestModel)}, the best; the worst would be ${worth(worstModel)}.`;
  return `With weight ${alpha} nature answers with ${worth(worstModel)}, the worst, else with ${worth(bestModel)}, the best.`;
}

/** Columns padded to their widest cell; numbers of later columns to the right. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c]!.length)));
  const line = (cells: readonly string[]) => cells.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  ').trimEnd();
  return [line(header), line(widths.map((w) => '-'.repeat(w))), ...rows.map(line)].join('\n');
}
