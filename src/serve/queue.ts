// Decisions of one policy, made soon: at once where they are cheap, else together and off the event loop.
import { TiresiasError } from '../errors.js';
import type { LoadedPolicy } from './policy.js';
import type { Solution } from '../../native/index.cjs';
import type { Decision, Session } from './session.js';

/** Up to this long a decision holds up the event loop less than handing it to another thread does. */
const CHEAP_MS = 0.25;
/** Decisions that are timed, of which the fastest counts: the others waited for other processes. */
const TIMED = 20;

interface Waiting {
  session: Session;
  resolve: (decision: Decision) => void;
  reject: (error: unknown) => void;
}

/** The decisions that wait for one policy. */
export class DecisionQueue {
  #waiting: Waiting[] = [];
  #running = false;
  /** What was timed, and whether its decisions are cheap. */
  #timed: { solution: Solution; cheap: boolean } | undefined;

  constructor(readonly policy: LoadedPolicy, readonly most: number, readonly lookahead: boolean) {}

  /** Decisions that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Decides for a session as it is now. Throws OVERLOADED when too many wait. */
  decide(session: Session): Decision | Promise<Decision> {
    if (this.#cheap() && !this.#running) return session.decide({ lookahead: this.lookahead });
    if (this.#waiting.length >= this.most) {
      throw new TiresiasError('OVERLOADED', `${this.#waiting.length} decisions wait for this policy, and no more may; try again soon`, { details: { waiting: this.#waiting.length } });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ session, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  /** Whether the policy that is served now decides so fast that no other thread is worth it. */
  #cheap(): boolean {
    const { solution } = this.policy;
    if (this.#timed?.solution !== solution) this.#timed = { solution, cheap: this.time() <= CHEAP_MS };
    return this.#timed.cheap;
  }

  /** Milliseconds of a decision at the start. */
  time(): number {
    const session = this.policy.session();
    let least = Infinity;
    for (let i = 0; i < TIMED; i++) {
      const begin = performance.now();
      session.decide({ lookahead: this.lookahead });
      least = Math.min(least, performance.now() - begin);
    }
    return least;
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those that arrive in the same turn of the loop go together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const decisions = await this.policy.decide(batch.map(({ session }) => session), { lookahead: this.lookahead });
        batch.forEach(({ resolve }, i) => resolve(decisions[i]!));
      } catch {
        // One that cannot be decided must not spoil the others.
        for (const { session, resolve, reject } of batch) {
          try {
            resolve(session.decide({ lookahead: this.lookahead }));
          } catch (error) {
            reject(error);
          }
        }
      }
    }
    this.#running = false;
  }
}
