// One decider process: what waits for it, the contexts that it has read, and its life. It is started again when it dies.
import { TiresiasError, messageOf } from '../../errors.js';
import type { DecideConfig } from '../../train/contract.js';
import { Decider } from '../../train/decider.js';

/** A text, in ids, that a model is asked about. */
export interface Context {
  /** Its tokens. */
  ids: Uint32Array;
  /** The hash of all of it, which is its name. */
  key: string;
  /** The hashes of its beginnings that may have been asked about before, the longest first. */
  beginnings: readonly string[];
  /** Ids whose log-probabilities are wanted after it. */
  candidates: Uint32Array;
}

/** Whom a worker tells what happened. */
export interface WorkerListener {
  /** A batch of so many decisions was sent to the process. */
  batched(size: number): void;
  /** The process died, and is started again. */
  died(error: unknown): void;
}

/** What a worker is made of. */
export interface WorkerOptions {
  config: DecideConfig;
  /** Decisions in one request to the process, at most. */
  batch: number;
  /** Contexts that it keeps read, at most; those that were not asked about for longest go. */
  kept: number;
  listener: WorkerListener;
}

interface Job {
  context: Context;
  resolve(logprobs: number[]): void;
  reject(error: unknown): void;
}

/** A context that the process has read. */
interface Read {
  session: number;
  length: number;
  logprobs: number[];
}

/** Pauses before a process that died again without having answered is started once more. */
const FIRST_PAUSE_MS = 250;
const MOST_PAUSE_MS = 30_000;
/** How long a process may take to end when it has nothing to do. */
const GRACE_MS = 5000;
/** Refusals of a request, after which the process goes on (docs/contracts.md). */
const REFUSALS = new Set(['BAD_REQUEST', 'UNKNOWN_SESSION', 'BAD_TOKEN', 'TOO_LONG']);

/** A decider process that is kept running, with its queue. */
export class Worker {
  readonly #options: WorkerOptions;
  #decider: Decider | undefined;
  #kill = new AbortController();
  /** Why the last start failed, until the next succeeds. */
  #failure: unknown;
  #failures = 0;
  #again: NodeJS.Timeout | undefined;
  #waiting: Job[] = [];
  #busy: Promise<void> | undefined;
  #closing = false;
  /** What the process has read, by key; what was asked about last is last. */
  readonly #read = new Map<string, Read>();

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Whether the process is there. */
  get up(): boolean {
    return this.#decider !== undefined;
  }

  /** Decisions that wait, those under way not counted. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Starts the process and waits until the model is loaded. */
  async start(): Promise<void> {
    const kill = new AbortController();
    this.#kill = kill;
    const { config, batch } = this.#options;
    const decider = await Decider.start(config, { batch, signal: kill.signal });
    if (this.#closing) return decider.end();
    this.#decider = decider;
    this.#failure = undefined;
    void decider.finished.then(() => this.#died());
    this.#serve();
  }

  #died(): void {
    this.#decider = undefined;
    this.#read.clear();
    if (this.#closing) return;
    this.#options.listener.died(new TiresiasError('DECIDER_DIED', 'a decider died and is started again'));
    this.#startAgain();
  }

  /** At once after a death, and after a pause that grows where starts fail or nothing was answered in between. */
  #startAgain(): void {
    const pause = this.#failures === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), MOST_PAUSE_MS);
    this.#failures += 1;
    this.#again = setTimeout(() => {
      this.start().catch((error: unknown) => {
        if (this.#closing) return;
        this.#failure = error;
        for (const { reject } of this.#waiting.splice(0)) reject(later(error));
        this.#startAgain();
      });
    }, pause);
  }

  /** The longest beginning of a context that the process has read, in ids; 0 for none. */
  knows(context: Context): number {
    return this.#read.get(this.#nearest(context) ?? '')?.length ?? 0;
  }

  #nearest({ key, beginnings }: Context): string | undefined {
    return this.#read.has(key) ? key : beginnings.find((one) => this.#read.has(one));
  }

  /** The log-probabilities of a context's candidates. Throws DECIDER_DIED where the process died over it or cannot be started. */
  ask(context: Context): Promise<number[]> {
    const known = this.#read.get(context.key);
    if (known) {
      this.#read.delete(context.key);
      this.#read.set(context.key, known);
      return Promise.resolve(known.logprobs);
    }
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(later(this.#failure));
      // Refused here, so that it does not come between others time and again.
      if (this.#decider && context.ids.length > this.#decider.context) {
        return reject(new TiresiasError('TOO_LONG', `the session's prompt has ${context.ids.length} tokens, and the model reads ${this.#decider.context}: start a new one, with less support`, { details: { tokens: context.ids.length, most: this.#decider.context } }));
      }
      this.#waiting.push({ context, resolve, reject });
      this.#serve();
    });
  }

  /** Sends what waits, batch after batch, while there is a process. */
  #serve(): void {
    this.#busy ??= this.#loop();
  }

  async #loop(): Promise<void> {
    // Those that arrive in the same turn of the loop go together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0 && this.#decider) {
      const jobs = this.#waiting.splice(0, this.#options.batch);
      this.#options.listener.batched(jobs.length);
      await this.#batch(this.#decider, jobs);
    }
    // In the same turn as the last look at what waits: who comes later begins anew.
    this.#busy = undefined;
  }

  /** One batch: contexts that go on from what was read are extended, the others opened. */
  async #batch(decider: Decider, jobs: readonly Job[]): Promise<void> {
    const going: { job: Job; from: Read }[] = [];
    const fresh = new Map<string, Job[]>();
    for (const job of jobs) {
      const { context } = job;
      const nearest = this.#nearest(context);
      const from = nearest === undefined ? undefined : this.#read.get(nearest)!;
      if (from && nearest !== context.key) {
        this.#read.delete(nearest!);
        going.push({ job, from });
      } else if (from) job.resolve(from.logprobs);
      else {
        const candidates = context.candidates.join();
        fresh.set(candidates, [...(fresh.get(candidates) ?? []), job]);
      }
    }
    const opened = [...fresh.values()].reduce((sum, { length }) => sum + length, 0);
    await Promise.all([
      this.#forget(decider, this.#read.size + going.length + opened - this.#options.kept),
      ...[...fresh.values()].map((some) => this.#open(decider, some)),
      this.#extend(decider, going),
    ]);
  }

  async #open(decider: Decider, jobs: readonly Job[]): Promise<void> {
    try {
      const { sessions, logprobs } = await decider.open(jobs.map(({ context }) => context.ids), jobs[0]!.context.candidates);
      jobs.forEach((job, i) => this.#answer(job, sessions[i]!, logprobs[i]!));
    } catch (error) {
      await this.#failed(decider, jobs, error);
    }
  }

  async #extend(decider: Decider, going: readonly { job: Job; from: Read }[]): Promise<void> {
    if (going.length === 0) return;
    const sessions = going.map(({ from }) => from.session);
    try {
      const logprobs = await decider.extend(sessions, going.map(({ job, from }) => job.context.ids.subarray(from.length)));
      going.forEach(({ job, from }, i) => this.#answer(job, from.session, logprobs[i]!));
    } catch (error) {
      await Promise.all([this.#failed(decider, going.map(({ job }) => job), error), decider.close(sessions).catch(() => {})]);
    }
  }

  #answer({ context, resolve }: Job, session: number, logprobs: number[]): void {
    this.#failures = 0;
    this.#read.set(context.key, { session, length: context.ids.length, logprobs });
    resolve(logprobs);
  }

  /** What becomes of decisions that were not made: refused ones are asked for one by one, so that one spoils no other, and those of a dead process are for their callers to ask for again. */
  async #failed(decider: Decider, jobs: readonly Job[], error: unknown): Promise<void> {
    if (error instanceof TiresiasError && REFUSALS.has(error.code)) {
      if (jobs.length === 1) return jobs[0]!.reject(error);
      await Promise.all(jobs.map((job) => this.#open(decider, [job])));
      return;
    }
    // One that breaks the contract is not to be trusted with the next request.
    if (this.#decider === decider) this.#kill.abort(error);
    await decider.finished;
    for (const { reject } of jobs) reject(later(error));
  }

  /** Closes so many of the contexts that were not asked about for longest. */
  async #forget(decider: Decider, many: number): Promise<void> {
    const oldest = [...this.#read].slice(0, Math.max(0, many));
    for (const [key] of oldest) this.#read.delete(key);
    await decider.close(oldest.map(([, { session }]) => session)).catch(() => {});
  }

  /** Answers what waits, and ends the process. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#again);
    await this.#busy;
    // There is nothing to answer them with.
    for (const { reject } of this.#waiting.splice(0)) reject(later(new TiresiasError('DISPOSED', 'the policy was disposed of')));
    if (!this.#decider) return this.#kill.abort();
    const kill = setTimeout(() => this.#kill.abort(), GRACE_MS);
    await this.#decider.end();
    clearTimeout(kill);
  }
}

const later = (cause: unknown): TiresiasError =>
  new TiresiasError('DECIDER_DIED', `the model's process is not there now, and is started again: ask once more (${messageOf(cause).split('\n', 1)[0]})`, { cause });
