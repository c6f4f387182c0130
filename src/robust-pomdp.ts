// Sets around the rows of hidden states: nature chooses a row anew at every decision (docs/ambiguity.md).
import { CALL_OPTIONS, SOLVE_OPTIONS, checkModel, checkOptions, invalid } from './check.js';
import type { Model } from './library.js';
import { cancellable, native, stoppable } from './native.js';
import type { StaticOptions } from './static-form.js';

/** A node of a controller that draws its successors. */
export interface DrawnNode {
  /** The action's index. */
  action: number;
  /** By observation: nodes that may follow, and their probabilities; empty after the last decision. */
  next: [node: number, probability: number][][];
  /** By state: what it earns from there at least, whatever nature answers. */
  worth: number[];
}

/** A finite-state controller that draws its successors: against nature that is worth more than a choice for certain. */
export interface StochasticController {
  /** By stage, or one for all; successors are nodes of the next stage. Begins in node 0 of the first. */
  stages: DrawnNode[][];
}

/** What a robust solve cost. */
export interface RobustStats {
  /** Wall time. */
  seconds: number;
  /** Trials from the start. */
  trials: number;
  /** Games played out, one for a belief and an action. */
  games: number;
  /** Vectors found, over all stages. */
  vectors: number;
  /** What carries upper bounds, over all stages. */
  points: number;
}

/** Bounds on what can be earned against nature's worst rows, and what to play. */
export interface RobustSolution {
  /** Says what the document is. */
  schema: string;
  /** SHA-256 of the model's canonical JSON. */
  model: string;
  /** What the controller earns at least. */
  lower: number;
  /** What nothing earns more than, against nature's best; in a document that is read, believed. */
  upper: number;
  /** What to play. */
  controller: StochasticController;
  /** Why it stopped. */
  stopped: 'converged' | 'time' | 'memory' | 'exhausted' | 'cancelled';
  /** What it cost. */
  stats: RobustStats;
}

/** Settings of {@link solveRobust}. */
export type RobustOptions = StaticOptions;

/**
 * Solves a robust POMDP (kind `robust-pomdp`: hidden states, and sets around the rows of transitions, observations or both) for alpha 1. Aborting `stop`
 * resolves with the best bounds so far, aborting `signal` rejects. Throws `INVALID_ARGUMENT` for another kind of model.
 */
export async function solveRobust(model: Model, options: RobustOptions = {}): Promise<RobustSolution> {
  checkModel('solveRobust', model);
  const { solver: _, ...known } = SOLVE_OPTIONS;
  checkOptions('solveRobust', options, { ...known, ...CALL_OPTIONS, stop: 'signal' });
  const { signal, onProgress = () => {}, stop, ...rest } = options;
  const text = await cancellable({ signal, onProgress }, (token, report) => stoppable(stop, token, () => native.solveRobust(model, rest, token, report)));
  return JSON.parse(text) as RobustSolution;
}

/**
 * Reads a robust solution of `model` from its JSON text. What its nodes say that they earn is held against one step of the game, so that
 * the lower bound is proven, not believed. Throws `INVALID_POLICY`.
 */
export function loadRobust(text: string, model: Model): RobustSolution {
  checkModel('loadRobust', model);
  return JSON.parse(native.loadRobust(text, model)) as RobustSolution;
}

/** A decision-maker who follows a robust solution. */
export interface RobustPlayer {
  /** What to do now. */
  readonly action: number;
  /** Goes on after an observation, with a number in [0, 1) that draws the successor. */
  observe(observation: number, draw: number): void;
}

/** Begins a robust solution's controller. */
export function playRobust({ controller }: Pick<RobustSolution, 'controller'>): RobustPlayer {
  const { stages } = controller;
  let [stage, number] = [0, 0];
  const node = (): DrawnNode => {
    const nodes = stages.length === 1 ? stages[0]! : stages[stage];
    if (nodes === undefined) throw invalid(`playRobust: the horizon of ${stages.length} decisions is over`);
    return nodes[number]!;
  };
  return {
    get action() {
      return node().action;
    },
    observe(observation, draw) {
      if (!(draw >= 0 && draw < 1)) throw invalid(`playRobust: draw ${draw} is not a number in [0, 1)`);
      const { next } = node();
      const after = next[observation];
      if (after === undefined && next.length > 0) throw invalid(`playRobust: there is no observation ${observation}, but ${next.length}, from 0`);
      let left = draw;
      number = (after?.find(([, probability]) => (left -= probability) < 0) ?? after?.at(-1))?.[0] ?? 0;
      stage += 1;
    },
  };
}
