// Policies loaded from files, shared by sessions.
import { stat } from 'node:fs/promises';
import { checkModel, checkNoMore, checkOptions, invalid, type Kind } from '../check.js';
import { shown } from '../arguments.js';
import { lazy } from '../lazy.js';
import { cancellable, native } from '../native.js';
import { loadLanguageModel, type LanguageModelOptions, type LanguageModelPolicy } from './language-model/policy.js';
import { Spaces, type Name } from './names.js';
import { policyPart, readPolicyFile, type PolicyFile } from './policy-file.js';
import { replayed, type Step } from './replay.js';
import { ON_IMPOSSIBLE, checkState, distribution, parsedState, pointMass, type OnImpossible, type SessionState } from './session-state.js';
import { Session, at, decisionAt, makeSession, type DecideOptions, type Decision } from './session.js';
import type { Model, Solution } from '../../native/index.cjs';

/** How a session begins; at the model's start when nothing is said. */
export interface SessionStart {
  /** A belief from outside, one probability a state. */
  belief?: ArrayLike<number> | undefined;
  /** The state, by name or number, where it is known. */
  state?: Name | undefined;
  /** What to do about impossible observations (default `most-likely`). */
  onImpossible?: OnImpossible | undefined;
  /** Keep what was done and seen, so that the session can be replayed; its state then grows with every observation. */
  history?: boolean | undefined;
}

const START = { belief: 'object', state: 'name', onImpossible: ON_IMPOSSIBLE, history: 'boolean' } as const satisfies Record<keyof SessionStart, Kind>;

/** How to decide for many. */
export interface DecideManyOptions extends DecideOptions {
  /** Worker threads (default: one a core; the calling thread for a few sessions). */
  threads?: number | undefined;
}

/** How to decide for many, off the event loop. */
export interface DecideManyCallOptions extends DecideManyOptions {
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** What `postMessage` carries of a policy: a word for what lies in this process's memory, of use to no other. */
export interface PolicyHandle {
  /** The shared solution's word. */
  solution: string;
  /** Where the policy is read again. */
  file: string;
  /** SHA-256 of the model's canonical JSON. */
  modelHash: string;
  /** SHA-256 of the policy. */
  policyHash: string;
}

const HANDLE = ['solution', 'file', 'modelHash', 'policyHash'] as const satisfies readonly (keyof PolicyHandle)[];

/** A policy that other threads can take. Whoever took it has it, whatever becomes of this. */
export interface SharedPolicy {
  /** To be posted; of use until this is disposed of or collected. */
  handle: PolicyHandle;
  /** Ends it; again is nothing. */
  dispose(): void;
}

/** What a reload found. */
export interface Reloaded {
  /** Whether the file holds another policy than before. */
  changed: boolean;
  /** Whether that is of the same model: then every session keeps its belief. Otherwise the sessions of the old model throw MODEL_CHANGED until they are restarted. */
  sameModel: boolean;
  /** SHA-256 of the model that is served now. */
  modelHash: string;
  /** SHA-256 of the policy that is served now. */
  policyHash: string;
}

/** Places for beliefs that one call of native code reads and writes: kept, since making and freeing them costs more than many a call. */
export interface Places {
  /** What is read. */
  before: Float64Array;
  /** What is written. */
  after: Float64Array;
}

/** A policy and its model in native memory, once for all who use the same file. */
export class Solved {
  /** SHA-256 of the model's canonical JSON. */
  readonly modelHash: string;
  /** SHA-256 of the policy. */
  readonly policyHash: string;
  readonly #both: () => { solution: Solution; model: Model; spaces: Spaces; states: number; models: number; horizon: number | null; places: Places };

  /** `make` makes the solution, when it is first needed. */
  constructor({ modelHash, policyHash }: Pick<PolicyFile, 'modelHash' | 'policyHash'>, make: () => Solution) {
    this.modelHash = modelHash;
    this.policyHash = policyHash;
    let once: (() => Solution) | undefined = make;
    this.#both = lazy(() => {
      const solution = once!();
      const model = solution.model();
      // What it was made of is not needed again.
      once = undefined;
      // Numbers are kept beside it: each question to native code costs a microsecond, and every request has several.
      const { states, models, horizon } = model;
      return { solution, model, spaces: new Spaces(model), states, models, horizon, places: { before: new Float64Array(states), after: new Float64Array(states) } };
    });
  }

  /** The policy. */
  get solution(): Solution {
    return this.#both().solution;
  }

  /** Its model. */
  get model(): Model {
    return this.#both().model;
  }

  /** Number of states. */
  get states(): number {
    return this.#both().states;
  }

  /** Number of models of its cloud. */
  get models(): number {
    return this.#both().models;
  }

  /** A belief where native code reads it, and a place for the one after it; good until the next call. */
  places(belief: readonly number[]): Places {
    const { places } = this.#both();
    places.before.set(belief);
    return places;
  }

  /** Number of decisions; null for no end. */
  get horizon(): number | null {
    return this.#both().horizon;
  }

  /** What the model's elements are called. */
  get spaces(): Spaces {
    return this.#both().spaces;
  }
}

/** What is in memory, by hash: a file that is loaded twice takes the memory of one. */
const inMemory = new Map<string, WeakRef<Solved>>();

/** What is in memory of these hashes, or else is made. */
function solvedOf(hashes: Pick<PolicyFile, 'modelHash' | 'policyHash'>, make: () => Solution): Solved {
  for (const [key, reference] of inMemory) if (reference.deref() === undefined) inMemory.delete(key);
  const key = `${hashes.modelHash}/${hashes.policyHash}`;
  const known = inMemory.get(key)?.deref();
  if (known) return known;
  const solved = new Solved(hashes, make);
  inMemory.set(key, new WeakRef(solved));
  return solved;
}

async function solvedIn(file: string): Promise<Solved> {
  const read = await readPolicyFile(file);
  return solvedOf(read, () => native.loadPolicy(read.policy, native.Model.fromJson(read.modelText)));
}

/** Makes policies: nobody else does. */
let loaded: (file: string, solved: Solved) => LoadedPolicy;

/** A policy file, ready to decide. Made by `loadPolicy`. */
export class LoadedPolicy {
  #solved: Solved;

  /** Where the policy is read again. */
  readonly file: string;

  private constructor(file: string, solved: Solved) {
    this.file = file;
    this.#solved = solved;
  }

  /** For `loadPolicy`. */
  static #make(file: string, solved: Solved): LoadedPolicy {
    return new LoadedPolicy(file, solved);
  }

  static {
    loaded = LoadedPolicy.#make;
  }

  /** SHA-256 of the model's canonical JSON. */
  get modelHash(): string {
    return this.#solved.modelHash;
  }

  /** SHA-256 of the policy. */
  get policyHash(): string {
    return this.#solved.policyHash;
  }

  /** The policy as a solution, for everything else that can be asked of it. */
  get solution(): Solution {
    return this.#solved.solution;
  }

  /** The model. */
  get model(): Model {
    return this.#solved.model;
  }

  /** Names of the actions, by number. */
  actionNames(): string[] {
    return this.#solved.spaces.actions.all();
  }

  /** Names of what can be seen, by number: of the states, where the state is seen. */
  observationNames(): string[] {
    return this.#solved.spaces.observations.all();
  }

  /** Names of the states, by number. */
  stateNames(): string[] {
    return this.#solved.spaces.states.all();
  }

  /**
   * A session: from the start, from a belief or state from outside, as `JSON.stringify(session)` saved it (the text, or the object in it), or a copy of
   * another session.
   * Throws INVALID_SESSION for a state that is none, MODEL_CHANGED for that of another model, INVALID_ARGUMENT and UNKNOWN_NAME.
   */
  session(from: string | SessionState | SessionStart | Session = {}): Session {
    checkNoMore('policy.session', arguments, 1, 'a saved session or how one starts');
    const solved = this.#solved;
    const given = typeof from === 'string' ? parsedState(from) : from instanceof Session ? from.toJSON() : from;
    if (typeof from !== 'string' && (typeof given !== 'object' || given === null || Array.isArray(given))) invalid(`policy.session: takes a saved session or how one starts, not ${shown(given)}`);
    if (typeof from === 'string' || 'schema' in (given as object)) {
      const { modelHash, states, horizon, spaces, models } = solved;
      const { state, belief } = checkState(given, { modelHash, states, horizon, actions: spaces.actions.size, symbols: spaces.observations.size, models });
      const { stage, updatedBy, impossible, onImpossible, history } = state;
      return makeSession(() => this.#solved, solved, { belief, stage, updatedBy, impossible, onImpossible, history: history?.map(([a, o]) => [a, o]) });
    }
    checkOptions('policy.session', given, START);
    const { state, belief, onImpossible = 'most-likely', history } = given as SessionStart;
    if (belief !== undefined && state !== undefined) invalid('policy.session: a belief or a state, not both');
    return makeSession(() => this.#solved, solved, {
      belief: state !== undefined ? pointMass(solved.states, solved.spaces.states.number(state)) : belief !== undefined ? distribution(belief, solved.states) : Array.from(solved.model.start()),
      stage: 0, updatedBy: 0, impossible: 0, onImpossible, history: history === true ? [] : undefined,
    });
  }

  /** The session that these steps lead to, one after the other. Throws what `observe` throws, with the step in the details. */
  replay(steps: Iterable<Step>, from: string | SessionState | SessionStart = {}): Session {
    checkNoMore('policy.replay', arguments, 2, 'steps and where they begin');
    return replayed(this.session(from), steps);
  }

  /** Decides for many sessions of this policy at once, on the calling thread's time. Throws INVALID_ARGUMENT naming the first that cannot. */
  decideSync(sessions: readonly Session[], options: DecideManyOptions = {}): Decision[] {
    const { stages, beliefs, solved } = this.#batch('policy.decideSync', sessions, options, MANY);
    return named(solved, stages, solved.solution.decideBatchSync(stages, beliefs, options.lookahead, options.threads));
  }

  /** As {@link decideSync}, off the event loop. Decides what the sessions believe now, whatever they observe meanwhile. */
  async decide(sessions: readonly Session[], options: DecideManyCallOptions = {}): Promise<Decision[]> {
    const { stages, beliefs, solved } = this.#batch('policy.decide', sessions, options, { ...MANY, signal: 'signal' });
    const { signal, lookahead, threads } = options;
    return named(solved, stages, await cancellable({ signal }, (token) => solved.solution.decideBatch(stages, beliefs, lookahead, threads, token)));
  }

  #batch(call: string, sessions: readonly Session[], options: object, known: Readonly<Record<string, Kind>>): { stages: Uint32Array; beliefs: Float64Array; solved: Solved } {
    if (!Array.isArray(sessions)) invalid(`${call}: takes a list of sessions, not ${shown(sessions)}`);
    checkOptions(call, options, known);
    const solved = this.#solved;
    const { states } = solved;
    const stages = new Uint32Array(sessions.length);
    const beliefs = new Float64Array(sessions.length * states);
    for (const [i, session] of sessions.entries()) {
      const { stage, belief } = at(session, solved);
      stages[i] = stage;
      beliefs.set(belief, i * states);
    }
    return { stages, beliefs, solved };
  }

  /**
   * Lets other threads of this process have the policy without reading or copying it: post them the `handle` of what this returns, for {@link policyFromHandle}.
   * Keep that until all have taken theirs, then `dispose()` of it. The memory is freed when it, this policy and all that were taken are gone.
   */
  share(): SharedPolicy {
    checkNoMore('policy.share', arguments, 0, 'no argument');
    const shared = this.solution.share();
    return { handle: { solution: shared.handle, file: this.file, modelHash: this.modelHash, policyHash: this.policyHash }, dispose: () => shared.dispose() };
  }

  /**
   * Reads the file again. Sessions go on with the new policy from their next call; those whose model it is not throw MODEL_CHANGED until they
   * are restarted or the old file is back. When the file cannot be read or is damaged this throws, and the old policy stays.
   */
  async reload(): Promise<Reloaded> {
    checkNoMore('policy.reload', arguments, 0, 'no argument');
    const before = this.#solved;
    const now = await solvedIn(this.file);
    // What cannot be made into a policy must not replace one.
    void now.solution;
    this.#solved = now;
    return { changed: now.policyHash !== before.policyHash || now.modelHash !== before.modelHash, sameModel: now.modelHash === before.modelHash, modelHash: now.modelHash, policyHash: now.policyHash };
  }
}

const MANY = { lookahead: 'boolean', threads: 'number' } as const satisfies Record<keyof DecideManyOptions, Kind>;

function named({ spaces }: Solved, stages: Uint32Array, batch: Parameters<typeof decisionAt>[0]): Decision[] {
  return Array.from(stages, (stage, i) => decisionAt(batch, i, stage, spaces.actions.nameOf));
}

/**
 * The policy that another thread of this process shares, in the same memory (see `policy.share`). Throws STALE_HANDLE where it no longer does, or another process did, and
 * INVALID_ARGUMENT for what is no handle.
 */
export function policyFromHandle(handle: PolicyHandle): LoadedPolicy {
  checkNoMore('policyFromHandle', arguments, 1, 'a handle');
  if (typeof handle !== 'object' || handle === null || HANDLE.some((member) => typeof handle[member] !== 'string')) invalid(`policyFromHandle: takes the handle of what policy.share() gives, not ${shown(handle)}`);
  const { solution, file, modelHash, policyHash } = handle;
  // Taken even where the same is in this thread's memory already: a stale handle is one whatever else there is.
  const taken = native.takeSolution(solution);
  return loaded(file, solvedOf({ modelHash, policyHash }, () => taken));
}

async function loadedFrom(file: string, args: ArrayLike<unknown>): Promise<LoadedPolicy | LanguageModelPolicy> {
  const folder = await stat(file).then((found) => found.isDirectory(), () => false);
  if (folder) {
    checkNoMore('loadPolicy', args, 2, 'the folder of an adapter and options');
    return loadLanguageModel(file, (args[1] ?? {}) as LanguageModelOptions);
  }
  checkNoMore('loadPolicy', args, 1, 'the name of a file, which has its model,');
  return loaded(file, await solvedIn(file));
}

/**
 * Loads a policy file that carries its model, or names it by hash beside it (see `savePolicy`, `tiresias solve --carry-model`). Its checksums are
 * held at once; policy and model are made in native memory when they are first needed, and shared by everything in the process that loads the same.
 * Throws FILE_NOT_FOUND and INVALID_POLICY.
 */
export function loadPolicy(file: string): Promise<LoadedPolicy>;
/**
 * Loads the folder of an adapter, as `tiresias train` leaves it, and starts the processes that decide with it; `dispose()` ends them. (Without options a folder is
 * loaded all the same; with them the compiler knows what comes.) Throws INVALID_POLICY, BASE_MODEL_MISSING, INVALID_ARGUMENT, and what a decider refuses.
 */
export function loadPolicy(folder: string, options: LanguageModelOptions): Promise<LanguageModelPolicy>;
/** Reads a policy that `Solution.savePolicy` gave, for the model it was made for. Throws INVALID_POLICY. */
export function loadPolicy(bytes: Uint8Array, model: Model): Solution;
export function loadPolicy(from: string | Uint8Array, model?: Model | LanguageModelOptions): Promise<LoadedPolicy | LanguageModelPolicy> | Solution {
  if (typeof from === 'string') return loadedFrom(from, arguments);
  checkNoMore('loadPolicy', arguments, 2, "a policy's bytes and its model");
  if (!(from instanceof Uint8Array)) invalid(`loadPolicy: takes the name of a policy file, or a policy's bytes and its model, not ${shown(from)}`);
  checkModel('loadPolicy', model);
  return native.loadPolicy(policyPart(from).policy, model as Model);
}
