// The static form of ambiguity: one model of the cloud is true to the end, and nobody tells which (docs/ambiguity.md).
import { CALL_OPTIONS, SOLVE_OPTIONS, checkModel, checkOptions, invalid } from './check.js';
import type { Model, StopOption } from './library.js';
import { cancellable, native, stoppable, type CallOptions } from './native.js';
import type * as Addon from '../native/index.cjs';

/** A node of a controller: what it does, and the node that follows each observation (`null` for one that is not expected). */
export interface ControllerNode {
  /** The action's index. */
  action: number;
  /** By observation. */
  next: (number | null)[];
}

/** A finite-state controller: one graph for all decisions, or one a stage, whose successors are nodes of the next. Begins in node 0. */
export interface Controller {
  /** By stage, or one for all. */
  stages: ControllerNode[][];
}

/** A plan that draws nothing. */
export interface StaticPlan {
  /** What it earns under each model of the cloud. */
  worth: number[];
  /** One controller where the state is hidden; where it is seen one for each first state, and observations are the states moved to. */
  controllers: StaticFirst[];
}

/** What to follow from a first state on. */
export interface StaticFirst {
  /** The first state's index where it is seen, else `null`. */
  state: number | null;
  /** The controller. */
  controller: Controller;
}

/** A plan of a mixture. */
export interface WeightedPlan {
  /** How likely it is drawn, above 0. */
  probability: number;
  /** The plan. */
  plan: StaticPlan;
}

/** The best that can be done without drawing at random. */
export interface PurePlan {
  /** What the plan earns for certain. */
  lower: number;
  /** What no policy that draws nothing earns more than. */
  upper: number;
  /** The best plan found. */
  plan: StaticPlan;
}

/** What a static solve cost. */
export interface StaticStats {
  /** Wall time. */
  seconds: number;
  /** Priors that were answered. */
  priors: number;
  /** Plans at hand at the end. */
  plans: number;
}

/** Bounds on `max over policies of H^α over models of what the policy earns`, and what to play. */
export interface StaticSolution {
  /** Says what the document is. */
  schema: string;
  /** SHA-256 of the model's canonical JSON. */
  model: string;
  /** The ambiguity attitude that it was solved for. */
  alpha: number;
  /** What the mixture earns for certain. */
  lower: number;
  /** What no policy earns more than; in a document that is read, believed. */
  upper: number;
  /** The distribution over the models that is worst for the decision-maker, as far as was found. */
  prior: number[];
  /** What the mixture earns under each model. */
  worth: number[];
  /** Plans, and the probabilities with which one is drawn before the first decision and then kept to; likeliest first. */
  mixture: WeightedPlan[];
  /** The same question for policies that draw nothing: bounds, and the best such plan found. */
  pure: PurePlan;
  /** Why it stopped. */
  stopped: 'converged' | 'time' | 'memory' | 'exhausted' | 'cancelled';
  /** What it cost. */
  stats: StaticStats;
}

/** Settings of {@link solveStatic}: those of `solve`, but that there is one solver. */
export type StaticOptions = Omit<Addon.SolveOptions, 'solver'> & CallOptions<Addon.SolveProgress> & StopOption;

/**
 * Solves the static form of a cloud (a multi-environment problem): which model is true is drawn once, by nature, unseen. Aborting `stop`
 * resolves with the best bounds so far, aborting `signal` rejects. Throws `INVALID_ARGUMENT` for sets around rows.
 */
export async function solveStatic(model: Model, options: StaticOptions = {}): Promise<StaticSolution> {
  checkModel('solveStatic', model);
  const { solver: _, ...known } = SOLVE_OPTIONS;
  checkOptions('solveStatic', options, { ...known, ...CALL_OPTIONS, stop: 'signal' });
  const { signal, onProgress = () => {}, stop, ...rest } = options;
  const text = await cancellable({ signal, onProgress }, (token, report) => stoppable(stop, token, () => native.solveStatic(model, rest, token, report)));
  return JSON.parse(text) as StaticSolution;
}

/**
 * Reads a static solution of `model` from its JSON text. Plans are evaluated again, so that worth and lower bounds are found, not
 * believed. Throws `INVALID_POLICY`.
 */
export function loadStatic(text: string, model: Model): StaticSolution {
  checkModel('loadStatic', model);
  return JSON.parse(native.loadStatic(text, model)) as StaticSolution;
}

/** A decision-maker who follows a static solution. */
export interface StaticPlayer {
  /** What to do now. */
  readonly action: number;
  /** Goes on after what was seen: the index of the observation, or of the state where states are seen. */
  observe(observation: number): void;
}

/** Draws a plan with `draw`, a number in [0, 1), and begins it; in `state` where the first state is seen. */
export function playStatic(solution: Pick<StaticSolution, 'mixture'>, draw: number, state?: number): StaticPlayer {
  if (!(draw >= 0 && draw < 1)) throw invalid(`playStatic: draw ${draw} is not a number in [0, 1)`);
  let left = draw;
  const chosen = solution.mixture.find(({ probability }) => (left -= probability) < 0) ?? solution.mixture.at(-1)!;
  const first = chosen.plan.controllers.find((one) => one.state === null || one.state === state);
  if (first === undefined) throw invalid(`playStatic: state ${state} is none that the first may be`);
  const { stages } = first.controller;
  let [stage, number] = [0, 0];
  const node = (): ControllerNode => {
    const nodes = stages.length === 1 ? stages[0]! : stages[stage];
    if (nodes === undefined) throw invalid(`playStatic: the horizon of ${stages.length} decisions is over`);
    return nodes[number]!;
  };
  return {
    get action() {
      return node().action;
    },
    observe(observation) {
      const { next } = node();
      if (!(observation in next)) throw invalid(`playStatic: there is no observation ${observation}, but ${next.length}, from 0`);
      // What was not expected leaves a controller where it is, at a horizon's stages in node 0.
      number = next[observation] ?? (stages.length === 1 ? number : 0);
      stage += 1;
    },
  };
}
