// Starting a backend's program, and what its death means.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { backendOf, type BackendName, type Launch } from '../backends/index.js';
import { TiresiasError } from '../errors.js';
import { watchMemory } from '../memory.js';

/** A running trainer or decider. */
export interface Running {
  /** Its standard input. */
  readonly stdin: Writable;
  /** Lines of standard output, in order; ends when the output does. */
  readonly lines: AsyncIterable<string>;
  /** Settles when the process is gone and its output has been read. */
  readonly exit: Promise<Ending>;
  /** Sends it a signal. */
  kill(signal: NodeJS.Signals): void;
}

/** How a process ended. */
export interface Ending {
  /** Its exit code; null when a signal ended it. */
  code: number | null;
  /** The signal that ended it. */
  signal: NodeJS.Signals | null;
  /** The last lines of standard error. */
  said: string;
}

const KEPT_STDERR = 4000;

/** What {@link startBackend} may be told beside the mode. */
export interface Start {
  /** Several processes instead of one. */
  launch?: Launch | undefined;
  /** Further options of the mode. */
  more?: readonly string[] | undefined;
  /** Further environment variables. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** Starts a backend's program with `MODE --config FILE`. Throws TRAINER_MISSING where it is not installed. */
export function startBackend(name: BackendName, mode: 'train' | 'decide', config: string, { launch, more = [], env: further }: Start = {}): Running {
  const backend = backendOf(name);
  const { program, args, env } = backend.command(launch);
  const all = [...args, mode, ...more, '--config', config];
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(program, all, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env, ...further } });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-KEPT_STDERR)));
  // A write after the process died fails here; the exit tells the story.
  child.stdin.on('error', () => undefined);
  const exit = new Promise<Ending>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new TiresiasError('TRAINER_MISSING', `the backend ${name} could not be started as ${program}: ${cause.message}; run \`${backend.remedy}\``, { cause, details: { path: program, backend: name } })),
    );
    child.once('close', (code, signal) => resolve({ code, signal, said: said.trim() }));
  });
  // Whoever awaits the exit sees the rejection; until then it must not count as unhandled.
  exit.catch(() => undefined);
  if (child.pid !== undefined) watchMemory(child.pid, exit);
  return { stdin: child.stdin, lines: createInterface({ input: child.stdout, crlfDelay: Infinity }), exit, kill: (signal) => child.kill(signal) };
}

/** The error of a process that ended without a last word of its own. */
export function diedError(what: 'trainer' | 'decider', ending: Ending): TiresiasError {
  const how = ending.signal ? `was killed by ${ending.signal}` : `ended with exit code ${ending.code}`;
  const hint = ending.signal === 'SIGKILL' ? ' (out of memory?)' : '';
  const tail = ending.said ? `\n${ending.said}` : '';
  return new TiresiasError(what === 'trainer' ? 'TRAINER_DIED' : 'DECIDER_DIED', `the ${what} ${how}${hint}; run the same command again to go on from the last checkpoint${tail}`, {
    details: { ...ending },
  });
}
