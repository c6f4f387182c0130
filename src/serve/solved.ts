// A solved policy as it is served.
import { TiresiasError } from '../errors.js';
import { LANGUAGE_MODEL_SESSION_SCHEMA } from './language-model/state.js';
import { loadPolicy, type LoadedPolicy } from './policy.js';
import { DecisionQueue } from './queue.js';
import type { AllNames, AnyStart, AnyState, Prepared, Servable, SolvedSummary } from './servable.js';
import type { Decision, Session } from './session.js';
import { SESSION_SCHEMA, faultOfSparse, otherModel, spread, type OnImpossible, type SessionState, type SparseBelief } from './session-state.js';

/** How a solved policy is served. */
export interface SolvedOptions {
  /** Decisions that may wait for it. */
  maxQueue: number;
  /** Whether decisions are made by a backup. */
  lookahead: boolean;
  /** What new sessions do about impossible observations. */
  onImpossible: OnImpossible;
}

const namesOf = (policy: LoadedPolicy): AllNames => ({ actions: policy.actionNames(), observations: policy.observationNames(), states: policy.stateNames() });

/** A policy file with the decisions that wait for it. */
export class ServedSolution implements Servable {
  readonly #policy: LoadedPolicy;
  readonly #options: SolvedOptions;
  readonly #queue: DecisionQueue;
  readonly processes = undefined;

  constructor(policy: LoadedPolicy, options: SolvedOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#queue = new DecisionQueue(policy, options.maxQueue, options.lookahead);
  }

  names(): AllNames {
    return namesOf(this.#policy);
  }

  summary(): SolvedSummary {
    const { model, solution, modelHash, policyHash } = this.#policy;
    const { name, kind, states, actions, observations, models, horizon, discount } = model;
    const { solver, stopped, lower, upper } = solution;
    return { model: { name, hash: modelHash, kind, states, actions, observations, models, horizon, discount }, policyHash, solver, stopped, lower, upper };
  }

  knows(model: string): boolean {
    return this.#policy.modelHash === model;
  }

  restored(state: AnyState): Session {
    if (state.schema === LANGUAGE_MODEL_SESSION_SCHEMA) throw otherModel(state.model, this.#policy.modelHash);
    return this.#policy.session(state);
  }

  begun({ support, family, regime, ...start }: AnyStart): Session {
    if (support !== undefined || family !== undefined || regime !== undefined) throw new TiresiasError('INVALID_ARGUMENT', 'support, family and regime are for the sessions of a language model: this policy was solved');
    return this.#policy.session({ onImpossible: this.#options.onImpossible, ...start });
  }

  afresh(state: AnyState): Session {
    // Its belief may be over a model that the policy no longer knows, and is not needed.
    const { onImpossible = this.#options.onImpossible, history } = state as Partial<SessionState>;
    return this.#policy.session({ onImpossible, history: history !== undefined && state.schema === SESSION_SCHEMA });
  }

  believe(session: Session, belief: number[] | SparseBelief): void {
    session.believe(Array.isArray(belief) ? belief : dense(belief, session.belief().length));
  }

  decide(session: Session): Decision | Promise<Decision> {
    return this.#queue.decide(session);
  }

  decideAll(sessions: readonly Session[]): Promise<Decision[]> {
    return this.#policy.decide(sessions, { lookahead: this.#options.lookahead });
  }

  get waiting(): number {
    return this.#queue.length;
  }

  async prepare(): Promise<Prepared> {
    // Kept until it is taken: what is in memory is not made again.
    const next = await loadPolicy(this.#policy.file);
    void next.solution;
    return { names: namesOf(next), take: () => this.#policy.reload(), drop: async () => void next };
  }

  async close(): Promise<void> {
    // Its memory is shared by whoever loaded the same.
  }
}

/** A sparse belief from outside, whole. Throws INVALID_ARGUMENT. */
function dense(belief: SparseBelief, states: number): number[] {
  const fault = faultOfSparse(belief, states);
  if (fault !== undefined) throw new TiresiasError('INVALID_ARGUMENT', `the belief ${fault}`);
  return spread(belief, states);
}
