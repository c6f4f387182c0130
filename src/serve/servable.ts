// What a service asks of a policy, of whichever kind: one that was solved, or a language model.
import type { LanguageModelDecision, LanguageModelSession } from './language-model/session.js';
import type { LanguageModelSessionState } from './language-model/state.js';
import type { LanguageModelPolicy, LanguageModelStart } from './language-model/policy.js';
import type { LoadedPolicy, Reloaded, SessionStart } from './policy.js';
import type { Decision, Session } from './session.js';
import type { SessionState, SparseBelief } from './session-state.js';

/** A policy of either kind. */
export type AnyPolicy = LoadedPolicy | LanguageModelPolicy;
/** A session of either. */
export type AnySession = Session | LanguageModelSession;
/** What is left of it between requests. */
export type AnyState = SessionState | LanguageModelSessionState;
/** How it begins. */
export type AnyStart = SessionStart & LanguageModelStart;
/** What it decides. */
export type AnyDecision = Decision | LanguageModelDecision;

/** Names, by number. */
export interface AllNames {
  actions: string[];
  observations: string[];
  states: string[];
}

/** What is told of a policy that was solved. */
export interface SolvedSummary {
  model: { name: string; hash: string; kind: string; states: number; actions: number; observations: number; models: number; horizon: number | null; discount: number };
  policyHash: string;
  solver: string;
  stopped: string;
  lower: number;
  upper: number;
}

/** What is told of a language model: nothing about it is proven. */
export interface LanguageModelSummary {
  languageModel: {
    hash: string;
    base: string;
    forms: { family: string; regime: string; horizon: number; rewards: 'shown' | 'hidden'; actions: string[]; observations: string[] }[];
  };
  policyHash: string;
}

/** What is told of either. */
export type Summary = SolvedSummary | LanguageModelSummary;

/** What was read again, and has not taken the place of what is served. */
export interface Prepared {
  names: AllNames;
  /** Lets it. */
  take(): Promise<Reloaded>;
  /** Lets it not. */
  drop(): Promise<void>;
}

/** A policy as it is served. Sessions are those that it gave. */
export interface Servable {
  names(): AllNames;
  /** What is told of it. */
  summary(): Summary;
  /** Whether sessions of the model of this hash are its own. */
  knows(model: string): boolean;
  /** A stored session. */
  restored(state: AnyState): AnySession;
  /** A new one. */
  begun(start: AnyStart): AnySession;
  /** One that starts over where a stored one, perhaps of another model, is. */
  afresh(state: AnyState): AnySession;
  /** Replaces a session's belief. Throws INVALID_ARGUMENT where there is none. */
  believe(session: AnySession, belief: number[] | SparseBelief): void;
  /** What to do now. Throws OVERLOADED when too many wait. */
  decide(session: AnySession): AnyDecision | Promise<AnyDecision>;
  /** What to do now in many. */
  decideAll(sessions: readonly AnySession[]): Promise<AnyDecision[]>;
  /** Decisions that wait. */
  readonly waiting: number;
  /** Processes that decide, those that are there now and those that should be; none where the service itself does. */
  readonly processes: { up: number; wanted: number } | undefined;
  /** Reads its files again. */
  prepare(): Promise<Prepared>;
  /** Answers what it was asked, and lets go of what it holds. */
  close(): Promise<void>;
}
