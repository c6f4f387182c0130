// What a decision service does, whatever it is spoken to by: policies, stored sessions, and requests that may be repeated.
import { randomUUID } from 'node:crypto';
import { canonicalJson } from '../json.js';
import { sha256 } from '../files.js';
import { TiresiasError } from '../errors.js';
import { closest } from '../suggest.js';
import type { Name } from './names.js';
import { LanguageModelPolicy } from './language-model/policy.js';
import { ServedLanguageModel } from './language-model/served.js';
import type { AnyDecision, AnyPolicy, AnySession, AnyStart, AnyState, Servable } from './servable.js';
import type { Observed } from './session.js';
import type { SparseBelief } from './session-state.js';
import { ServedSolution, type SolvedOptions } from './solved.js';
import type { ListedSession, SessionStore, StoredSession } from './stores/store.js';
import type { Tracing } from './tracing.js';
import { ServedPolicy, type ReloadedPolicy, type ServedVariant, type Variant } from './variants.js';

/** Limits and choices of a service. */
export interface ServiceOptions extends SolvedOptions {
  /** Sessions that the store may hold. */
  maxSessions: number;
}

/** What is served: a policy, or variants of one that share the new sessions. */
export type Policies = ReadonlyMap<string, AnyPolicy | readonly Variant[]>;

/** Where something happened. */
export interface Place {
  policy: string;
  variant: string;
}

/** Whom a service tells what happened. */
export interface Watcher {
  started(place: Place): void;
  decided(place: Place, decisions: number, seconds: number): void;
  observed(place: Place): void;
  impossible(place: Place, outcome: 'refused' | 'reset'): void;
  /** So many decisions of a language model went to its process together. */
  batched(place: Place, size: number): void;
  /** A language model's process died, and is started again. */
  died(place: Place, error: unknown): void;
}

/** What a change may come with. */
export interface ChangeOptions {
  /** The same key again is the same request: it gets the first one's answer, and moves nothing. */
  key?: string | undefined;
  /** The version that the session must have. */
  expected?: number | undefined;
}

/** What every change answers. */
export interface Changed {
  id: string;
  policy: string;
  variant: string;
  version: number;
  stage: number;
  /** What to do next; null once the horizon is over, absent where it was not asked for. */
  decision?: AnyDecision | null;
}

/** What observing answers. */
export interface ObservedChange extends Changed {
  /** What it did to the belief; absent where the policy has none. */
  observed?: Observed;
}

/** A session as it is shown. */
export interface ShownSession {
  id: string;
  policy: string;
  variant: string;
  version: number;
  changed: number;
  state: AnyState;
}

/** Requests with keys that a session remembers. */
export const KEPT_ANSWERS = 32;
/** Attempts to write a session that others write, too, before the request is refused. */
export const ATTEMPTS = 100;
/** The longest pause before another attempt; the first are shorter. */
const MOST_PAUSE_MS = 25;
/** So many sessions are restored before others have their turn. */
const SLICE = 256;
/** So many are decided for together: another thread does that, and a call of it costs more than many decisions. */
const TOGETHER = 16 * SLICE;
/** For so long a count of sessions is believed. */
const COUNT_MS = 1000;
/** `.` and `..` would never arrive: clients take them out of paths. */
export const ID = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/;

/** Policies by name, sessions in a store. */
export class DecisionService {
  readonly #policies = new Map<string, ServedPolicy>();
  readonly #store: SessionStore;
  readonly #options: ServiceOptions;
  readonly #watcher: Watcher;
  readonly #tracing: Tracing | undefined;
  readonly #turns = new Map<string, Promise<void>>();
  #count = { sessions: 0, until: 0 };

  /** Throws USAGE and INVALID_POLICY where the variants of a policy do not go together. */
  constructor(policies: Policies, store: SessionStore, options: ServiceOptions, watcher: Watcher, tracing?: Tracing) {
    const servable = (policy: AnyPolicy, place: Place): Servable => (policy instanceof LanguageModelPolicy
      ? new ServedLanguageModel(policy, options.maxQueue, { batched: (size) => watcher.batched(place, size), died: (error) => watcher.died(place, error) })
      : new ServedSolution(policy, options));
    for (const [name, one] of policies) {
      const variants = Array.isArray(one) ? (one as readonly Variant[]) : [{ name, share: 1, policy: one as AnyPolicy }];
      this.#policies.set(name, new ServedPolicy(name, variants, (policy, variant) => servable(policy, { policy: name, variant })));
    }
    this.#tracing = tracing;
    this.#store = store;
    this.#options = options;
    this.#watcher = watcher;
  }

  /** The policies. */
  policies(): ServedPolicy[] {
    return [...this.#policies.values()];
  }

  /** Decisions that wait. */
  queued(): number {
    return this.#variants().reduce((sum, { policy }) => sum + policy.waiting, 0);
  }

  #variants(): ServedVariant[] {
    return this.policies().flatMap(({ variants }) => variants);
  }

  /** Throws when requests cannot be served now. */
  async check(): Promise<void> {
    for (const { name, variants } of this.policies()) {
      const down = variants.find(({ policy: { processes } }) => processes?.up === 0);
      if (down) throw new TiresiasError('DECIDER_DIED', `no process decides for the variant ${down.name} of policy ${name} now: one is being started again`, { details: { policy: name, variant: down.name } });
    }
    await this.#store.check();
  }

  /** Processes of language models that are there now, by place. */
  processes(): (Place & { up: number })[] {
    return this.policies().flatMap(({ name, variants }) => variants.flatMap(({ name: variant, policy: { processes } }) => (processes ? [{ policy: name, variant, up: processes.up }] : [])));
  }

  /** Answers what it was asked, and lets go of its policies and its store. */
  async close(): Promise<void> {
    await Promise.all(this.#variants().map(({ policy }) => policy.close()));
    await this.#store.close();
  }

  /** The policy of a name. Throws UNKNOWN_POLICY. */
  policy(name: string): ServedPolicy {
    const served = this.#policies.get(name);
    if (served) return served;
    const known = [...this.#policies.keys()];
    const nearest = closest(name, known);
    throw new TiresiasError('UNKNOWN_POLICY', `there is no policy ${JSON.stringify(name)}; ${nearest === undefined ? `there are ${known.join(', ')}` : `did you mean ${nearest}?`}`, { details: { policy: name, known } });
  }

  /** Starts a session. With a key, or an id of the caller's, the same request again finds what it made. */
  async create(policyName: string, start: { id?: string | undefined; from?: AnyState | AnyStart | undefined; decide?: boolean | undefined }, { key }: ChangeOptions = {}): Promise<{ made: boolean; answer: Changed }> {
    const served = this.policy(policyName);
    if (start.id !== undefined && !ID.test(start.id)) throw new TiresiasError('INVALID_ARGUMENT', `a session's id is 1 to 128 letters, digits or . _ ~ - (and neither . nor ..), not ${JSON.stringify(start.id.slice(0, 140))}`);
    // A key is as good as an id: whoever repeats the request finds the session that the first one made.
    const id = start.id ?? (key === undefined ? randomUUID() : sha256(`${policyName}/${key}`).slice(0, 32));
    const request = fingerprint(key, 'create', { policyName, ...start });
    const before = await this.#store.read(id);
    if (before) return { made: false, answer: repeated(id, before, key, request) };
    await this.#room();
    const from = start.from ?? {};
    const saved = 'schema' in from;
    const variant = served.forNew(id, saved ? from.model : undefined);
    const session = saved ? variant.policy.restored(from) : variant.policy.begun(from);
    const answer = await this.#answer(id, policyName, variant, 1, session, start.decide === true);
    const stored: StoredSession = { policy: policyName, variant: variant.name, version: 1, changed: Date.now(), state: session.toJSON(), answers: key === undefined ? [] : [{ key, request, answer }] };
    if (!(await this.#store.write(id, stored, 0))) {
      const other = await this.#store.read(id);
      if (other) return { made: false, answer: repeated(id, other, key, request) };
      throw conflict(id);
    }
    this.#count.sessions += 1;
    this.#watcher.started({ policy: policyName, variant: variant.name });
    return { made: true, answer };
  }

  async #room(): Promise<void> {
    if (Date.now() > this.#count.until) this.#count = { sessions: await this.#store.count(), until: Date.now() + COUNT_MS };
    if (this.#count.sessions >= this.#options.maxSessions) {
      throw new TiresiasError('TOO_MANY_SESSIONS', `there are ${this.#count.sessions} sessions, and no more than ${this.#options.maxSessions} may be: remove some, or raise --max-sessions`, { details: { sessions: this.#count.sessions, most: this.#options.maxSessions } });
    }
  }

  /** Tells a session what was done, what was seen after it and, for policies that go by it, what was earned. */
  async observe(id: string, { action, observation, reward }: { action: Name; observation: Name; reward?: number | undefined }, decide: boolean, options: ChangeOptions = {}): Promise<ObservedChange> {
    return this.#change(id, fingerprint(options.key, 'observe', { action, observation, decide, ...(reward !== undefined && { reward }) }), decide, options, (session, { place }) => {
      try {
        const observed = session.observe(action, observation, reward);
        if (observed?.reset) this.#watcher.impossible(place, 'reset');
        this.#watcher.observed(place);
        return observed ? { observed } : {};
      } catch (error) {
        if (error instanceof TiresiasError && error.code === 'IMPOSSIBLE_OBSERVATION') this.#watcher.impossible(place, 'refused');
        throw error;
      }
    });
  }

  /** Replaces a session's belief. */
  async believe(id: string, belief: number[] | SparseBelief, decide: boolean, options: ChangeOptions = {}): Promise<Changed> {
    return this.#change(id, fingerprint(options.key, 'believe', { belief, decide }), decide, options, (session, { policy }) => {
      policy.believe(session, belief);
      return {};
    });
  }

  /** Takes a session back to its start, over the model that its policy has now. */
  async restart(id: string, decide: boolean, options: ChangeOptions = {}): Promise<Changed> {
    return this.#change(id, fingerprint(options.key, 'restart', { decide }), decide, options, (session) => {
      session.restart();
      return {};
    }, true);
  }

  /** What to do now in a session. Changes nothing. */
  async decision(id: string): Promise<Changed> {
    const stored = found(id, await this.#store.read(id));
    const variant = this.policy(stored.policy).of(id, stored);
    return this.#answer(id, stored.policy, variant, stored.version, variant.policy.restored(stored.state), true);
  }

  /** What to do now in many sessions of one policy, in their order, some thousands at a time. Others are served all the while. */
  async *decisions(policyName: string, ids: readonly string[]): AsyncGenerator<{ id: string; version: number; decision: AnyDecision | null }[]> {
    const served = this.policy(policyName);
    for (let from = 0; from < ids.length; from += TOGETHER) yield await this.#decided(served, ids.slice(from, from + TOGETHER));
  }

  async #decided(served: ServedPolicy, ids: readonly string[]): Promise<{ id: string; version: number; decision: AnyDecision | null }[]> {
    const sessions: { id: string; version: number; variant: ServedVariant; session: AnySession }[] = [];
    while (sessions.length < ids.length) {
      const slice = ids.slice(sessions.length, sessions.length + SLICE);
      const stored = await Promise.all(slice.map(async (id) => found(id, await this.#store.read(id))));
      for (const [i, one] of stored.entries()) {
        const id = slice[i]!;
        if (one.policy !== served.name) throw new TiresiasError('INVALID_ARGUMENT', `session ${id} is of policy ${one.policy}, not of ${served.name}`);
        const variant = served.of(id, one);
        sessions.push({ id, version: one.version, variant, session: variant.policy.restored(one.state) });
      }
      await new Promise(setImmediate);
    }
    const decisions = new Map<AnySession, AnyDecision>();
    for (const variant of served.variants) {
      // One whose horizon is over has nothing to decide, and spoils nothing for the others.
      const open = sessions.filter((one) => one.variant === variant && !one.session.over).map(({ session }) => session);
      if (open.length === 0) continue;
      const place = { policy: served.name, variant: variant.name };
      const begin = performance.now();
      const made = await this.#inSpan(place, open.length, () => variant.policy.decideAll(open));
      this.#watcher.decided(place, made.length, (performance.now() - begin) / 1000);
      open.forEach((session, i) => decisions.set(session, made[i]!));
    }
    return sessions.map(({ id, version, session }) => ({ id, version, decision: decisions.get(session) ?? null }));
  }

  #inSpan<T>({ policy, variant }: Place, decisions: number, decide: () => T): T {
    return this.#tracing ? this.#tracing.inSpan('decide', { 'tiresias.policy': policy, 'tiresias.variant': variant, 'tiresias.decisions': decisions }, decide) : decide();
  }

  /** A session as it is. */
  async show(id: string): Promise<ShownSession> {
    const stored = found(id, await this.#store.read(id));
    const { policy, version, changed, state } = stored;
    // A store may hold sessions of policies that this server does not have.
    const variant = this.#policies.get(policy)?.of(id, stored).name ?? stored.variant ?? policy;
    return { id, policy, variant, version, changed, state };
  }

  /** Removes a session. Throws UNKNOWN_SESSION, and STALE_VERSION where it has another version than the expected one. */
  async remove(id: string, { expected }: Pick<ChangeOptions, 'expected'> = {}): Promise<void> {
    await this.#inTurn(id, async () => {
      if (expected !== undefined) {
        const { version } = found(id, await this.#store.read(id));
        if (version !== expected) throw stale(id, expected, version);
      }
      if (!(await this.#store.remove(id))) throw unknown(id);
    });
    this.#count.sessions = Math.max(0, this.#count.sessions - 1);
  }

  /** What changes one session here, one after the other: only other processes are met in the store. */
  #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#turns.get(id) ?? Promise.resolve()).then(work);
    const ended = mine.then(() => {}, () => {});
    this.#turns.set(id, ended);
    void ended.then(() => {
      if (this.#turns.get(id) === ended) this.#turns.delete(id);
    });
    return mine;
  }

  /** The sessions whose ids come after `after`, and the id after which the list goes on; null at its end. */
  async list({ after, limit }: { after?: string | undefined; limit: number }): Promise<{ sessions: ListedSession[]; next: string | null }> {
    const found = await this.#store.list({ after, limit: limit + 1 });
    const sessions = found.slice(0, limit);
    return { sessions, next: found.length > limit ? sessions.at(-1)!.id : null };
  }

  /** Number of sessions. */
  async sessions(): Promise<number> {
    return this.#store.count();
  }

  /** Reads a policy's files again. */
  async reload(name: string): Promise<ReloadedPolicy> {
    return this.policy(name).reload();
  }

  /** Changes a session and writes it. */
  #change<T extends object>(id: string, request: string, decide: boolean, options: ChangeOptions, change: (session: AnySession, where: { place: Place; policy: Servable }) => T, afresh = false): Promise<Changed & T> {
    return this.#inTurn(id, () => this.#write(id, request, decide, options, change, afresh));
  }

  /** Again from the beginning when another process wrote it meanwhile, after a pause of a length that the two do not share. */
  async #write<T extends object>(
    id: string, request: string, decide: boolean, { key, expected }: ChangeOptions, change: (session: AnySession, where: { place: Place; policy: Servable }) => T, afresh: boolean,
  ): Promise<Changed & T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(2 ** attempt, MOST_PAUSE_MS)));
      const stored = found(id, await this.#store.read(id));
      const kept = key === undefined ? undefined : stored.answers.find((answer) => answer.key === key);
      if (kept) {
        if (kept.request !== request) throw reused(key!);
        return kept.answer as Changed & T;
      }
      if (expected !== undefined && expected !== stored.version) throw stale(id, expected, stored.version);
      const variant = this.policy(stored.policy).of(id, stored);
      const { policy } = variant;
      const session = afresh ? policy.afresh(stored.state) : policy.restored(stored.state);
      const more = change(session, { place: { policy: stored.policy, variant: variant.name }, policy });
      const version = stored.version + 1;
      const answer = Object.assign(await this.#answer(id, stored.policy, variant, version, session, decide), more);
      const answers = key === undefined ? stored.answers : [...stored.answers, { key, request, answer }].slice(-KEPT_ANSWERS);
      if (await this.#store.write(id, { policy: stored.policy, variant: variant.name, version, changed: Date.now(), state: session.toJSON(), answers }, stored.version)) return answer;
    }
    throw conflict(id);
  }

  /** An answer, which is a promise only where the decision is: each costs a turn of the microtasks. */
  #answer(id: string, policy: string, { name, policy: servable }: ServedVariant, version: number, session: AnySession, decide: boolean): Changed | Promise<Changed> {
    const answer: Changed = { id, policy, variant: name, version, stage: session.stage };
    if (!decide) return answer;
    const place = { policy, variant: name };
    if (session.over) return { ...answer, decision: null };
    const begin = performance.now();
    const decided = (made: AnyDecision): Changed => {
      this.#watcher.decided(place, 1, (performance.now() - begin) / 1000);
      answer.decision = made;
      return answer;
    };
    const decision = this.#tracing ? this.#inSpan(place, 1, () => servable.decide(session)) : servable.decide(session);
    return decision instanceof Promise ? decision.then(decided) : decided(decision);
  }
}

/** What tells a request that has a key from another with the same. Without a key nobody asks, and a hash takes as long as a decision. */
const fingerprint = (key: string | undefined, what: string, body: unknown): string => (key === undefined ? '' : sha256(`${what} ${canonicalJson(body)}`).slice(0, 32));

/** What a store has of an id. Throws UNKNOWN_SESSION where that is nothing. */
function found(id: string, stored: StoredSession | undefined): StoredSession {
  if (!stored) throw unknown(id);
  return stored;
}

const unknown = (id: string): TiresiasError => new TiresiasError('UNKNOWN_SESSION', `there is no session ${JSON.stringify(id.slice(0, 140))}; start one (POST /policies/NAME/sessions)`, { details: { session: id.slice(0, 140) } });

const conflict = (id: string): TiresiasError => new TiresiasError('OVERLOADED', `session ${id} was changed by others again and again meanwhile; try again soon`, { details: { session: id } });

const stale = (id: string, expected: number, version: number): TiresiasError => new TiresiasError('STALE_VERSION', `session ${id} is at version ${version}, not ${expected}: somebody changed it meanwhile; read it and decide again`, { details: { session: id, expected, version } });

const reused = (key: string): TiresiasError => new TiresiasError('KEY_REUSED', `the idempotency key ${JSON.stringify(key)} came with another request before: give each request a key of its own`, { details: { key } });

/** The first answer to a creation that comes again. Throws SESSION_EXISTS for what is no repetition. */
function repeated(id: string, stored: StoredSession, key: string | undefined, request: string): Changed {
  const kept = key === undefined ? undefined : stored.answers.find((answer) => answer.key === key);
  if (!kept) throw new TiresiasError('SESSION_EXISTS', `there is a session ${id} already; take another id, or remove it`, { details: { session: id, version: stored.version } });
  if (kept.request !== request) throw reused(key!);
  return kept.answer as Changed;
}
