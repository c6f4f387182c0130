// Decisions of one policy, made soon: at once where they are cheap, else together and off the event loop.
import { TiresiasError } from '../errors.js';
import type { LoadedPolicy } from './policy.js';
import type { Decision, Session } from './session.js';

/** Up to this long a decision holds up the event loop less than handing it to another thread does. */
const CHEAP_MS = 0.2;

interface Waiting {
  session: Session;
  resolve: (decision: Decision) => void;
  reject: (error: unknown) => void;
}

/** The decisions that wait for one policy. */
export class DecisionQueue {
  #waiting: Waiting[] = [];
  #running = false;
  /** Running mean of what a decision takes. */
  #milliseconds = 0;

  constructor(readonly policy: LoadedPolicy, readonly most: number, readonly lookahead: boolean) {}

  /** Decisions that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Decides for a session as it is now. Throws OVERLOADED when too many wait. */
  decide(session: Session): Decision | Promise<Decision> {
    if (this.#milliseconds <= CHEAP_MS && !this.#running) {
      const begin = performance.now();
      const decision = session.decide({ lookahead: this.lookahead });
      this.#learn(performance.now() - begin);
      return decision;
    }
    if (this.#waiting.length >= this.most) {
      throw new TiresiasError('OVERLOADED', `${this.#waiting.length} decisions wait for this policy, and no more may; try again soon`, { details: { waiting: this.#waiting.length } });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ session, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  /** Takes it that a decision takes so long, until decisions say otherwise. */
  expensive(milliseconds: number): void {
    this.#milliseconds = milliseconds;
  }

  #learn(milliseconds: number): void {
    this.#milliseconds += 0.1 * (milliseconds - this.#milliseconds);
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those that arrive in the same turn of the loop go together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const begin = performance.now();
      try {
        const decisions = await this.policy.decide(batch.map(({ session }) => session), { lookahead: this.lookahead });
        batch.forEach(({ resolve }, i) => resolve(decisions[i]!));
        this.#learn((performance.now() - begin) / batch.length);
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
