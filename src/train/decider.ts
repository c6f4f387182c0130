// The decide client: few-shot contexts are opened once as sessions, then grown step by step while the model acts.
import { join } from 'node:path';
import { checkAble, type BackendName } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import { withScratch, cacheFolder } from '../cache.js';
import { writeJson } from '../files.js';
import { diedError, startBackend, type Running } from './binary.js';
import { configDocument, firstLine, parseDecideLine, type DecideConfig, type DecideLine } from './contract.js';

type Reply = Extract<DecideLine, { id: number }>;

/** Token sequences, one a row. */
export type TokenRows = readonly ArrayLike<number>[];

/** How a {@link Decider} runs. */
export interface DeciderOptions {
  /** Aborting ends the process; pending and later requests reject with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Rows of one request, at most; longer ones are sent in parts. */
  batch?: number | undefined;
}

/** Contexts that a {@link Decider} has read. */
export interface OpenedSessions {
  /** A number for each, which later requests name. */
  sessions: number[];
  /** Log-probabilities of the candidates after each. */
  logprobs: number[][];
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/**
 * A model that gives the log-probabilities of candidate actions. Requests are answered in order; a process that dies
 * rejects them all. Call {@link Decider.end} when done.
 */
export class Decider {
  readonly #backend: BackendName;
  readonly #process: Running;
  readonly #batch: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #finished: Promise<void>;
  #nextId = 1;
  #failure: unknown;
  #context = 0;

  private constructor(name: BackendName, backend: Running, batch: number, ready: () => void, failed: (error: unknown) => void, signal?: AbortSignal) {
    this.#backend = name;
    this.#process = backend;
    this.#batch = batch;
    // A decider has nothing to save.
    const stop = () => backend.kill('SIGKILL');
    signal?.addEventListener('abort', stop, { once: true });
    this.#finished = this.#read(ready)
      .catch((error: unknown) => {
        this.#failure = signal?.aborted ? signal.reason : error;
        failed(this.#failure);
        for (const request of this.#waiting.values()) request.reject(this.#failure);
        this.#waiting.clear();
      })
      .finally(() => signal?.removeEventListener('abort', stop));
  }

  /** Starts the process and waits until the model is loaded. */
  static async start(config: DecideConfig, options: DeciderOptions = {}): Promise<Decider> {
    options.signal?.throwIfAborted();
    checkAble(config);
    return withScratch(join(cacheFolder(), 'decide'), async (folder) => {
      const file = join(folder, 'config.json');
      await writeJson(file, configDocument(config));
      const backend = startBackend(config.backend, 'decide', file);
      return new Promise<Decider>((resolve, reject) => {
        const decider: Decider = new Decider(config.backend, backend, options.batch ?? 64, () => resolve(decider), reject, options.signal);
      });
    });
  }

  /** The most tokens that the model can read. */
  get context(): number {
    return this.#context;
  }

  /** Settles when the process is gone, whether it was ended or died. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  /**
   * Reads each context once. `logprobs[i][c]` is the log-probability, over the whole vocabulary, of candidate `c` at the
   * position after context `i`.
   */
  async open(contexts: TokenRows, candidates: ArrayLike<number>): Promise<OpenedSessions> {
    const sessions: number[] = [];
    const rows: number[][] = [];
    for (const part of parts(contexts, this.#batch)) {
      const reply = await this.#request({ op: 'open', contexts: part.map(plain), candidates: plain(candidates) });
      if (!('sessions' in reply) || !('logprobs' in reply)) throw this.#breach('open', reply);
      check(reply.sessions as number[], part.length);
      check(reply.logprobs as number[][], part.length);
      sessions.push(...(reply.sessions as number[]));
      rows.push(...(reply.logprobs as number[][]));
    }
    return { sessions, logprobs: rows };
  }

  /** Appends `tokens[i]` to `sessions[i]`; the log-probabilities are those of the positions after them. */
  async extend(sessions: readonly number[], tokens: TokenRows): Promise<number[][]> {
    const rows: number[][] = [];
    for (let from = 0; from < sessions.length; from += this.#batch) {
      const part = sessions.slice(from, from + this.#batch);
      const reply = await this.#request({ op: 'extend', sessions: part, tokens: tokens.slice(from, from + this.#batch).map(plain) });
      if (!('logprobs' in reply)) throw this.#breach('extend', reply);
      check(reply.logprobs as number[][], part.length);
      rows.push(...(reply.logprobs as number[][]));
    }
    return rows;
  }

  /** Frees the memory of sessions. */
  async close(sessions: readonly number[]): Promise<void> {
    if (sessions.length === 0) return;
    const reply = await this.#request({ op: 'close', sessions: [...sessions] });
    if (!('closed' in reply)) throw this.#breach('close', reply);
  }

  /** Ends the process and waits for it. */
  async end(): Promise<void> {
    this.#process.stdin.end();
    await this.#finished;
  }

  async #read(ready: () => void): Promise<void> {
    const check = firstLine(this.#backend);
    let lastWord: Extract<DecideLine, { event: 'error' }> | undefined;
    try {
      for await (const text of this.#process.lines) {
        const line = parseDecideLine(text);
        check(line);
        if ('event' in line) {
          if (line.event === 'ready') {
            this.#context = (line as Extract<DecideLine, { event: 'ready' }>).context;
            ready();
          }
          if (line.event === 'error') lastWord = line as typeof lastWord;
        } else this.#settle(line as Reply);
      }
    } catch (error) {
      this.#process.kill('SIGKILL');
      throw error;
    }
    const ending = await this.#process.exit;
    if (lastWord) throw new TiresiasError(lastWord.code, lastWord.message, { exitCode: lastWord.exit });
    if (ending.code !== 0 || this.#waiting.size > 0 || !this.#process.stdin.writableEnded) throw diedError('decider', ending);
  }

  #settle(reply: Reply): void {
    const request = this.#waiting.get(reply.id);
    if (!request) throw new TiresiasError('PROTOCOL', `the decider answered request ${reply.id}, which was not asked`);
    this.#waiting.delete(reply.id);
    if ('error' in reply) {
      const { code, message } = reply.error as { code: string; message: string };
      request.reject(new TiresiasError(code, message));
    } else request.resolve(reply);
  }

  async #request(body: Record<string, unknown>): Promise<Reply> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#process.stdin.writableEnded) throw new TiresiasError('USAGE', 'the decider has been ended');
    const id = this.#nextId++;
    return new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ id, ...body })}\n`);
    });
  }

  #breach(op: string, reply: Reply): TiresiasError {
    return new TiresiasError('PROTOCOL', `the decider answered ${op} with ${JSON.stringify(reply).slice(0, 200)}`);
  }
}

function plain(ids: ArrayLike<number>): number[] {
  return Array.from(ids);
}

function* parts<T>(rows: readonly T[], size: number): Generator<T[]> {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size);
}

function check(rows: readonly unknown[], expected: number): void {
  if (rows.length !== expected) throw new TiresiasError('PROTOCOL', `the decider answered ${rows.length} rows instead of ${expected}`);
}
