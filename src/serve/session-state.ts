// What is left of a session when the process is gone: a small JSON document.
import { invalid, shown } from '../arguments.js';
import { TiresiasError } from '../errors.js';

/** The schema of a session's state. */
export const SESSION_SCHEMA = 'tiresias.session/1';

/**
 * What a session does about an observation that its belief rules out.
 *
 * - `most-likely` (default): in a cloud, where the model that `H^α` selects rules it out, the model under which it is likeliest updates the
 *   belief; where no model allows it, IMPOSSIBLE_OBSERVATION is thrown and nothing changes.
 * - `error`: IMPOSSIBLE_OBSERVATION is thrown as soon as the selected model rules it out, and nothing changes.
 * - `reset`: as `most-likely`, but where no model allows it the belief goes back to the model's start (where the state is seen, to that state); the stage goes on.
 */
export type OnImpossible = 'most-likely' | 'error' | 'reset';
/** All of them. */
export const ON_IMPOSSIBLE: readonly OnImpossible[] = ['most-likely', 'error', 'reset'];

/** Many states that are not possible are left out. */
export interface SparseBelief {
  /** The states that are possible, ascending. */
  states: number[];
  /** Their probabilities. */
  probabilities: number[];
}

/** A session as JSON: what `JSON.stringify(session)` writes and `policy.session` takes. Beliefs come back bit for bit. */
export interface SessionState {
  /** The version of this form. */
  schema: 'tiresias.session/1';
  /** SHA-256 of the model that the belief is over. */
  model: string;
  /** Decisions made so far. */
  stage: number;
  /** Probabilities of all states; of the possible ones where most are not. */
  belief: number[] | SparseBelief;
  /** The model of the cloud that made the last update; 0 before the first. */
  updatedBy: number;
  /** Observations so far that the belief had ruled out. */
  impossible: number;
  /** What is done about such. */
  onImpossible: OnImpossible;
  /** Pairs of an action and what was seen after it, where the session keeps them. */
  history?: [action: number, observation: number][];
}

function broken(what: string): never {
  throw new TiresiasError('INVALID_SESSION', `the session's state ${what}; pass what JSON.stringify(session) gave, unchanged`);
}

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A belief as it is written: without the impossible states where that is shorter. */
export function packed(belief: readonly number[]): number[] | SparseBelief {
  let possible = 0;
  for (const p of belief) if (p !== 0) possible++;
  if (3 * possible > belief.length) return belief.slice();
  const sparse: SparseBelief = { states: [], probabilities: [] };
  for (let s = 0; s < belief.length; s++) {
    if (belief[s] === 0) continue;
    sparse.states.push(s);
    sparse.probabilities.push(belief[s]!);
  }
  return sparse;
}

/** The belief of a state, over as many states as the model has. Its numbers are checked by {@link distribution}. */
function unpacked(belief: unknown, states: number): number[] {
  if (Array.isArray(belief)) return distribution(belief as number[], states);
  const sparse = (belief ?? {}) as SparseBelief;
  const fault = faultOfSparse(sparse, states);
  if (fault !== undefined) return broken(`has a belief that ${fault}`);
  return distribution(spread(sparse, states), states);
}

/** A list of zeros. */
function zeros(length: number): number[] {
  const list: number[] = [];
  for (let i = 0; i < length; i++) list.push(0);
  return list;
}

/** A belief with the states that it left out. */
export function spread({ states: some, probabilities }: SparseBelief, states: number): number[] {
  const belief = zeros(states);
  some.forEach((s, i) => (belief[s] = probabilities[i]!));
  return belief;
}

/** The belief that it is this state. */
export const pointMass = (states: number, state: number): number[] => zeros(states).fill(1, state, state + 1);

/** What is wrong with a belief that leaves states out, but for its sum. */
export function faultOfSparse({ states: some, probabilities }: Partial<SparseBelief>, states: number): string | undefined {
  if (!Array.isArray(some) || !Array.isArray(probabilities) || some.length !== probabilities.length) return 'is no list of states with as many probabilities';
  if (!some.every((s, i) => whole(s) && s < states && (i === 0 || s > some[i - 1]!))) return `names states that are not ascending numbers below ${states}`;
  if (!probabilities.every((p) => typeof p === 'number')) return 'has a probability that is not a number';
  return undefined;
}

/** How far a belief from outside may be from summing to 1; the core divides it by its sum. */
const SUM_TOLERANCE = 1e-6;

/** A copy of numbers as a belief over `states` states. Throws INVALID_ARGUMENT. */
export function distribution(numbers: ArrayLike<number>, states: number): number[] {
  if (typeof numbers !== 'object' || numbers === null || numbers.length !== states) invalid(`a belief has one probability a state, ${states} of them, not ${shown(numbers)}${numbers?.length === undefined ? '' : ` of ${numbers.length}`}`);
  const belief = Array.from(numbers);
  let sum = 0;
  for (let s = 0; s < states; s++) {
    const p = belief[s];
    if (typeof p !== 'number' || !(p >= 0 && p <= 1 + SUM_TOLERANCE)) invalid(`the belief's probability of state ${s} is ${shown(p)}, not a number from 0 to 1`);
    sum += p;
  }
  if (!(Math.abs(sum - 1) <= SUM_TOLERANCE)) invalid(`the belief sums to ${sum}, not to 1`);
  return belief;
}

/** What a state is held against. */
export interface SessionModel {
  modelHash: string;
  states: number;
  actions: number;
  /** What can be seen: states, where these are seen. */
  symbols: number;
  models: number;
  /** Null for no end. */
  horizon: number | null;
}

/** What a state has, and nothing else. */
const MEMBERS = Object.keys({ schema: true, model: true, stage: true, belief: true, updatedBy: true, impossible: true, onImpossible: true, history: true } satisfies Record<keyof SessionState, true>);

/** Stages that the core counts. */
const STAGES = 2 ** 31;

/** Checks a state that comes from outside. Throws INVALID_SESSION, and MODEL_CHANGED where it is of another model. */
export function checkState(given: unknown, { modelHash, states, actions, symbols, models, horizon }: SessionModel): { state: SessionState; belief: number[] } {
  if (typeof given !== 'object' || given === null) broken(`is ${shown(given)}`);
  const state = given as SessionState;
  if (state.schema !== SESSION_SCHEMA) broken(`is of schema ${shown(state.schema)}, and this version reads ${SESSION_SCHEMA}`);
  const unknown = Object.keys(state).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) broken(`has a member ${shown(unknown)}, and what is saved has ${MEMBERS.join(', ')}`);
  if (typeof state.model !== 'string') broken('names no model');
  if (state.model !== modelHash) throw otherModel(state.model, modelHash);
  if (!whole(state.stage) || state.stage >= STAGES || (horizon !== null && state.stage > horizon)) broken(`has the stage ${shown(state.stage)}${horizon === null ? '' : `, and the horizon is ${horizon}`}`);
  if (!whole(state.updatedBy) || !whole(state.impossible)) broken('has counts that are none');
  if (state.updatedBy >= models) broken(`was updated by model ${state.updatedBy}, and there are ${models}`);
  if (!ON_IMPOSSIBLE.includes(state.onImpossible)) broken(`says ${shown(state.onImpossible)} of impossible observations, which is none of ${ON_IMPOSSIBLE.join(', ')}`);
  if (state.history !== undefined && !(Array.isArray(state.history) && state.history.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(whole)))) broken('has a history that is no list of pairs of numbers');
  if (state.history?.some(([action, symbol]) => action >= actions || symbol >= symbols)) broken('has a history of actions or observations that the model does not have');
  try {
    return { state, belief: unpacked(state.belief, states) };
  } catch (error) {
    if (error instanceof TiresiasError && error.code === 'INVALID_ARGUMENT') broken(`is damaged: ${error.message}`);
    throw error;
  }
}

/** A saved session's text as what is in it. Throws INVALID_SESSION. */
export function parsedState(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TiresiasError('INVALID_SESSION', 'the saved session is not JSON; pass what JSON.stringify(session) gave, unchanged', { cause });
  }
}

/** Checks a reward that is told of. Throws INVALID_ARGUMENT. */
export function checkReward(reward: unknown): void {
  if (reward !== undefined && !Number.isFinite(reward)) invalid(`session.observe: takes an action, an observation and a reward, a number, not ${shown(reward)}`);
}

/** What it means that no decision is left. */
export const horizonOver = (stage: number, horizon: number): TiresiasError =>
  new TiresiasError('HORIZON_OVER', `the horizon is over: all ${horizon} decisions are made; start over with session.restart()`, { details: { stage, horizon } });

/** What it means that a belief is over another model. */
export function otherModel(own: string, policy: string): TiresiasError {
  return new TiresiasError(
    'MODEL_CHANGED',
    `the session's belief is over model ${own.slice(0, 12)}…, and the policy is of model ${policy.slice(0, 12)}…: start the session over, or use the policy that it began with`,
    { details: { session: own, policy } },
  );
}
