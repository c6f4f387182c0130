// A session: one decision-maker's belief under a policy, which can be saved and restored.
import { invalid, shown } from '../arguments.js';
import { checkNoMore, checkOptions, type Kind } from '../check.js';
import { TiresiasError } from '../errors.js';
import type { Name } from './names.js';
import { SESSION_SCHEMA, checkReward, distribution, horizonOver, otherModel, packed, pointMass, type OnImpossible, type SessionState } from './session-state.js';
import type { Solved } from './policy.js';

/** A decision, and how sure it is. */
export interface Decision {
  /** The action to take. */
  action: number;
  /** Its name. */
  name: string;
  /** Proven lower bound on the value of the decision. */
  lower: number;
  /** Proven upper bound on it. */
  upper: number;
  /** What the action can lose at most to the best that can be done knowing the belief. */
  regretBound: number;
  /** Number of the decision, from 0. */
  stage: number;
}

/** What an observation did. */
export interface Observed {
  /** Its likelihood under the model that made the update; 0 where the belief had ruled it out. */
  likelihood: number;
  /** The model of the cloud that made the update; 0 where there is one. */
  model: number;
  /** Whether the belief went back to the model's start, because it had ruled the observation out. */
  reset: boolean;
}

/** How to decide. */
export interface DecideOptions {
  /**
   * By one backup of what is stored (default), or, `false`, by α-vectors and stored bounds alone where the policy is made of these: sooner,
   * by wider bounds, and the action can be another one.
   */
  lookahead?: boolean | undefined;
}

const DECIDE = { lookahead: 'boolean' } as const satisfies Record<keyof DecideOptions, Kind>;

/** What a session is made of; see `LoadedPolicy.session`. */
export interface SessionParts {
  /**
   * One probability a state; replaced, never changed. A list, since a native array costs more to be made, shown to native code and freed than a decision of a
   * small policy takes: what native code reads is written to places that the policy has for it.
   */
  belief: readonly number[];
  /** Decisions made so far. */
  stage: number;
  /** The model of the cloud that made the last update. */
  updatedBy: number;
  /** Observations that the belief had ruled out. */
  impossible: number;
  /** What is done about such. */
  onImpossible: OnImpossible;
  /** Actions and observations so far, where they are kept. */
  history: [number, number][] | undefined;
}

/** Where a decision is written before it is read: a session decides in one go, so that one place serves all. */
const DECIDED = new Float64Array(4);

/** Makes a session of a policy, which may get another solution while the session lives. */
export let makeSession: (policy: () => Solved, solved: Solved, parts: SessionParts) => Session;
/** The stage and the belief of a session of the policy `solved`, for batches. */
export let at: (session: Session, solved: Solved) => { stage: number; belief: readonly number[] };

/** One decision-maker's belief under a policy. Made by `policy.session`. `JSON.stringify` saves it. */
export class Session {
  readonly #policy: () => Solved;
  #solved: Solved;
  #parts: SessionParts;

  private constructor(policy: () => Solved, solved: Solved, parts: SessionParts) {
    this.#policy = policy;
    this.#solved = solved;
    this.#parts = parts;
  }

  static {
    makeSession = (policy, solved, parts) => new Session(policy, solved, parts);
    at = (session, solved) => {
      if (!(session instanceof Session)) invalid(`a session is what policy.session gives, not ${shown(session)}`);
      if (session.#current() !== solved) invalid('a session of another policy: each policy decides for its own');
      return session.#parts;
    };
  }

  /** What solves the session's model: after a reload the new policy, where that is of the same model. */
  #current(): Solved {
    const now = this.#policy();
    if (now !== this.#solved) {
      if (now.modelHash !== this.#solved.modelHash) throw otherModel(this.#solved.modelHash, now.modelHash);
      this.#solved = now;
    }
    return now;
  }

  #checkGoesOn(horizon: number | null): void {
    const { stage } = this.#parts;
    if (horizon !== null && stage >= horizon) throw horizonOver(stage, horizon);
  }

  /** Whether every decision of the horizon is made. */
  get over(): boolean {
    const { horizon } = this.#current();
    return horizon !== null && this.#parts.stage >= horizon;
  }

  /** Number of decisions made so far. */
  get stage(): number {
    return this.#parts.stage;
  }

  /** Observations so far that the belief had ruled out. */
  get impossible(): number {
    return this.#parts.impossible;
  }

  /** A copy of the belief, one probability a state. */
  belief(): Float64Array {
    return Float64Array.from(this.#parts.belief);
  }

  /**
   * Conditions the belief on an action and on what was seen after it, by names or numbers; where the state is seen, that is the next state. A belief does not go by the
   * reward, which is for policies that do.
   * Throws UNKNOWN_NAME, IMPOSSIBLE_OBSERVATION (see {@link OnImpossible}), HORIZON_OVER, and MODEL_CHANGED; the
   * session is then as it was.
   */
  observe(action: Name, observation: Name, reward?: number): Observed {
    checkNoMore('session.observe', arguments, 3, 'an action, an observation and a reward');
    checkReward(reward);
    const solved = this.#current();
    const { spaces, solution } = solved;
    this.#checkGoesOn(solved.horizon);
    const [a, o] = [spaces.actions.number(action), spaces.observations.number(observation)];
    const { belief, stage, onImpossible, history } = this.#parts;
    let seen: Observed;
    let next: number[];
    try {
      const { before, after } = solved.places(belief);
      const updated = solution.update(stage, before, a, o, after);
      if (onImpossible === 'error' && updated.model !== updated.selected) {
        throw impossible(`the model that the policy reckons with (${updated.selected}) rules it out, though model ${updated.model} of the cloud does not`);
      }
      seen = { likelihood: updated.likelihood, model: updated.model, reset: false };
      next = Array.from(after);
    } catch (error) {
      if (!(error instanceof TiresiasError) || error.code !== 'IMPOSSIBLE_OBSERVATION') throw error;
      if (onImpossible !== 'reset') throw named(error, spaces.actions.nameOf(a), spaces.observations.nameOf(o), stage);
      // A state that is seen is known, whatever led there.
      next = solved.model.observations === 0 ? pointMass(solved.states, o) : Array.from(solved.model.start());
      seen = { likelihood: 0, model: 0, reset: true };
      this.#parts.impossible += 1;
    }
    this.#parts.belief = next;
    this.#parts.stage = stage + 1;
    this.#parts.updatedBy = seen.model;
    history?.push([a, o]);
    return seen;
  }

  /** What to do now, and how sure that is. Throws HORIZON_OVER and MODEL_CHANGED. */
  decide(options: DecideOptions = {}): Decision {
    checkOptions('session.decide', options, DECIDE);
    const solved = this.#current();
    const { solution, spaces, horizon } = solved;
    this.#checkGoesOn(horizon);
    const { stage, belief } = this.#parts;
    solution.decideInto(stage, solved.places(belief).before, DECIDED, options.lookahead);
    const [action, lower, upper, regretBound] = DECIDED as unknown as [number, number, number, number];
    return { action, name: spaces.actions.nameOf(action), lower, upper, regretBound, stage };
  }

  /** Replaces the belief by one from outside, one probability a state; the stage stays. Throws INVALID_ARGUMENT. */
  believe(belief: ArrayLike<number>): void {
    checkNoMore('session.believe', arguments, 1, 'a belief');
    this.#parts.belief = distribution(belief, this.#current().states);
    // What was seen no longer leads to what is believed.
    if (this.#parts.history) this.#parts.history = undefined;
  }

  /** Back to the start of the policy's model, whichever that is by now. */
  restart(): void {
    checkNoMore('session.restart', arguments, 0, 'no argument');
    this.#solved = this.#policy();
    this.#parts = { ...this.#parts, belief: Array.from(this.#solved.model.start()), stage: 0, updatedBy: 0, impossible: 0, history: this.#parts.history && [] };
  }

  /** The session as data, for JSON.stringify; `policy.session` takes it back. */
  toJSON(): SessionState {
    const { belief, stage, updatedBy, impossible: times, onImpossible, history } = this.#parts;
    return {
      schema: SESSION_SCHEMA, model: this.#solved.modelHash, stage, belief: packed(belief), updatedBy, impossible: times, onImpossible,
      ...(history && { history: history.map(([a, o]): [number, number] => [a, o]) }),
    };
  }
}

/** One entry of a batch. */
export function decisionAt(batch: { actions: Uint32Array; lower: Float64Array; upper: Float64Array; regretBounds: Float64Array }, i: number, stage: number, nameOf: (action: number) => string): Decision {
  const action = batch.actions[i]!;
  return { action, name: nameOf(action), lower: batch.lower[i]!, upper: batch.upper[i]!, regretBound: batch.regretBounds[i]!, stage };
}

const impossible = (why: string): TiresiasError => new TiresiasError('IMPOSSIBLE_OBSERVATION', why);

function named(error: TiresiasError, action: string, observation: string, stage: number): TiresiasError {
  return new TiresiasError(
    'IMPOSSIBLE_OBSERVATION',
    `${observation} cannot be seen after ${action} at stage ${stage}, says the belief: ${error.message}. The belief is as it was; onImpossible: 'reset' starts it over instead`,
    { details: { action, observation, stage }, cause: error },
  );
}
