// A module that draws, asked from outside its thread: one question at a time, each within its patience.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../errors.js';

/** What a task is drawn from. */
export interface Asked {
  split: string;
  index: number;
  seed: number;
  options: Record<string, unknown>;
}

/** What the thread answers: the module's splits once, then the text of each model; or what is wrong. */
export interface Told {
  splits?: Record<string, number>;
  text?: string;
  problem?: string;
}

/** Milliseconds that a module has for one answer. */
const PATIENCE = 60_000;
/** The thread's program; a thread of Node's reads JavaScript only, wherever this is read from. */
const PROGRAM = fileURLToPath(new URL('../../dist/family/drawing.js', import.meta.url));

/** A module in a thread of its own. What it prints goes to standard error. */
export class Drawer {
  readonly #worker: Worker;
  readonly #patience: number;
  /** What came while nobody waited. */
  readonly #told: Told[] = [];
  #waiting: ((told: Told) => void) | undefined;

  constructor(path: string, patience = PATIENCE) {
    this.#patience = patience;
    this.#worker = new Worker(PROGRAM, { workerData: { path }, stdout: true, stderr: true });
    this.#worker.on('message', (told: Told) => this.#take(told));
    this.#worker.on('error', (error) => this.#take({ problem: messageOf(error) }));
    this.#worker.on('exit', (code) => this.#take({ problem: `its thread ended (exit code ${code}) without an answer; a module must not end the process` }));
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) stream.on('data', (text: Buffer) => void process.stderr.write(text));
  }

  /** The first answer: the module's splits. */
  loaded(): Promise<Told> {
    return this.#answer();
  }

  /** A task's model as the module gave it. */
  draw(asked: Asked): Promise<Told> {
    this.#worker.postMessage(asked);
    return this.#answer();
  }

  /** Ends the thread, whatever it does. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #take(told: Told): void {
    if (this.#waiting) this.#waiting(told);
    else this.#told.push(told);
  }

  #answer(): Promise<Told> {
    const before = this.#told.shift();
    if (before) return Promise.resolve(before);
    return new Promise((resolve) => {
      const answer = (told: Told): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve(told);
      };
      const timer = setTimeout(() => answer({ problem: `no answer within ${this.#patience / 1000} s: a loop without end, or a promise that is never kept` }), this.#patience);
      this.#waiting = answer;
    });
  }
}
