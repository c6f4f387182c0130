// Deciders that share the decisions of one policy, and batch them.
import { TiresiasError } from '../../errors.js';
import { Worker, type Context, type WorkerListener, type WorkerOptions } from './worker.js';

/** What a pool is made of. */
export interface PoolOptions extends Omit<WorkerOptions, 'listener'> {
  /** Processes; each holds the model. */
  deciders: number;
}

/** Nobody listens. */
const SILENT: WorkerListener = { batched: () => {}, died: () => {} };

/** Processes that decide. A context goes to one that has read its beginning, or to the one for which the fewest wait. */
export class DeciderPool {
  readonly #workers: readonly Worker[];
  readonly #asked = new Map<string, Promise<number[]>>();
  #closed: Promise<void> | undefined;

  /** Whom it tells of batches and deaths. */
  listener: WorkerListener = SILENT;

  constructor({ deciders, ...options }: PoolOptions) {
    const listener: WorkerListener = { batched: (size) => this.listener.batched(size), died: (error) => this.listener.died(error) };
    this.#workers = Array.from({ length: deciders }, () => new Worker({ ...options, listener }));
  }

  /** Starts all processes; where one cannot be started, ends the others and throws what is wrong. */
  async start(): Promise<void> {
    try {
      await Promise.all(this.#workers.map((worker) => worker.start()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Processes that are there now. */
  get up(): number {
    return this.#workers.filter((worker) => worker.up).length;
  }

  /** Processes that should be. */
  get wanted(): number {
    return this.#workers.length;
  }

  /** Decisions that wait. */
  get waiting(): number {
    return this.#workers.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** The log-probabilities of a context's candidates; whoever asks the same meanwhile gets the same. Throws DISPOSED and what the process says. */
  ask(context: Context): Promise<number[]> {
    if (this.#closed) throw new TiresiasError('DISPOSED', 'the policy was disposed of, and its processes have ended');
    let asked = this.#asked.get(context.key);
    if (asked) return asked;
    const best = this.#workers.map((worker) => ({ worker, known: worker.knows(context) }))
      .reduce((one, other) => (other.known > one.known || (other.known === one.known && other.worker.waiting < one.worker.waiting) ? other : one));
    asked = best.worker.ask(context).finally(() => this.#asked.delete(context.key));
    this.#asked.set(context.key, asked);
    return asked;
  }

  /** Answers what was asked, and ends the processes. */
  close(): Promise<void> {
    return (this.#closed ??= Promise.all(this.#workers.map((worker) => worker.close())).then(() => {}));
  }
}
