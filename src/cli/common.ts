// What all commands share: options, signals, and how results and errors leave the process.
import { Command, InvalidArgumentError } from 'commander';
import { availableParallelism } from 'node:os';
import { TiresiasError, exitCodeOf, interrupted, messageOf } from '../errors.js';
import { isStored } from '../object-store.js';
import { progressFor, silentProgress, type ProgressView } from '../progress.js';
import { suggested } from '../suggest.js';
import type { How } from '../stages/stage.js';
import { commandLine, fitted } from './screen.js';

/** Options that many commands take. */
export interface CommonOptions {
  json?: boolean;
  seed?: number;
  threads?: number;
}

/** What an action gets besides its options. */
export interface Invocation {
  signal: AbortSignal;
  progress: ProgressView;
  /** How a stage is made: by the options' threads, until a signal comes, with its progress shown by this name. */
  how(stage: string): How;
  /** Prints `value`, or what it returns, with --json, else `text`. */
  print(value: unknown, text: string): void;
}

/** What a command may take besides `--json`: a seed where it draws something, threads where it computes. */
export type Taken = 'seed' | 'threads';

/** A command with the common options that mean something to it, and an example in its help. */
export function newCommand(name: string, description: string, examples: string[], takes: readonly Taken[] = ['seed', 'threads']): Command {
  const command = new Command(name).description(description).option('--json', 'print one JSON document on standard output and nothing else');
  if (takes.includes('seed')) command.option('--seed <n>', 'seed of everything that is drawn', integer(0));
  if (takes.includes('threads')) command.option('--threads <n>', 'worker threads, at most 1024; all cores when absent', integer(1, 1024));
  return command.addHelpText('after', ({ error }) => {
    const { columns } = error ? process.stderr : process.stdout;
    return `\nExample${examples.length > 1 ? 's' : ''}:\n${examples.map((line) => commandLine(line, columns)).join('\n')}`;
  });
}

/** Parses a whole number between `min` and `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`expected a whole number of at least ${min}${max < Number.MAX_SAFE_INTEGER ? ` and at most ${max}` : ''}`);
    }
    return value;
  };
}

/** Parses a number between `min` and `max`. */
export function number(min: number, max = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) throw new InvalidArgumentError(`expected a number of at least ${min}${max < Infinity ? ` and at most ${max}` : ''}`);
    return value;
  };
}

export function threadsOf(options: CommonOptions): number {
  return options.threads ?? availableParallelism();
}

/**
 * Runs an action under Ctrl-C and SIGTERM, shows progress, and turns what it throws into a message and an exit code. `resumes`, unless
 * it is false: whether a second run goes on from what an interrupted one left. `stopping` says that a signal came where standard error has a form of its
 * own; whether it did.
 */
export async function invoke(
  { resumes = true, stopping, ...options }: CommonOptions & { resumes?: boolean; stopping?: (signal: NodeJS.Signals) => boolean }, action: (invocation: Invocation) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const stop = (signal: 'SIGINT' | 'SIGTERM') => {
    // The second time there is no waiting for a checkpoint; `process.exit` would wait for the thread that works.
    if (controller.signal.aborted) {
      // A bar hides the cursor.
      progress.close();
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
      return;
    }
    if (stopping?.(signal) !== true) progress.note(`${signal}: stopping at the next safe place (once more to stop at once)`);
    controller.abort(interrupted(signal));
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const progress = options.json ? silentProgress() : progressFor();
  try {
    await action({
      signal: controller.signal,
      progress,
      how: (stage) => ({ threads: threadsOf(options), signal: controller.signal, onProgress: (event) => progress.show({ stage, ...event }) }),
      print: (value, text) => {
        const shown = options.json ? JSON.stringify(typeof value === 'function' ? (value as () => unknown)() : value) : text;
        process.stdout.write(`${options.json ? shown : fitted(shown, process.stdout.columns)}\n`);
      },
    });
    progress.close();
  } catch (error) {
    progress.close();
    fail(controller.signal.aborted ? controller.signal.reason : error, options.json === true, resumes);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Says what went wrong, on standard error, and with --json as a document on standard output too. */
export function fail(error: unknown, json: boolean, resumes = true): void {
  const code = error instanceof TiresiasError ? error.code : 'UNEXPECTED';
  process.exitCode = exitCodeOf(error);
  sayError(error);
  if (code === 'INTERRUPTED' && resumes) process.stderr.write('what is finished stays: run the same command again to go on from there\n');
  if (code === 'UNEXPECTED' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  if (json) printErrorDocument(error);
}

/** A failure in words, with the prefix that all have. */
export function said(error: unknown): string {
  const message = inWords(error);
  return message.startsWith('error: ') ? message : `error: ${message}`;
}

/** Says what went wrong on standard error, as wide as that is; a text under its place keeps its columns. */
export function sayError(error: unknown): void {
  const [message, ...places] = said(error).split('\n --> ');
  process.stderr.write(`${[fitted(message!, process.stderr.columns), ...places].join('\n --> ')}\n`);
}

/** Names of calls of the library, and options as they are called there, at the beginning of a message. */
const CALL = /^(?:new )?(?:[a-z]+[A-Z]\w*|[A-Z]\w*\.\w+): /;
const OPTION = /^(?:new )?\w+(?:\.\w+)?: option (\w+) /;

/** A message as the command line says it: without names of the library's calls, and with the word that was probably meant. */
export function inWords(error: unknown): string {
  const message = messageOf(error);
  const option = OPTION.exec(message)?.[1];
  const plain = option === undefined ? message.replace(CALL, '') : message.replace(OPTION, `--${option.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} `);
  return suggested(plain);
}

/** What --json promises of a failure. */
export function printErrorDocument(error: unknown): void {
  const { code, details } = error instanceof TiresiasError ? error : { code: 'UNEXPECTED', details: {} };
  process.stdout.write(`${JSON.stringify({ error: { code, message: inWords(error), details, exit: exitCodeOf(error) } })}\n`);
}

/** Three digits of a bound; a zero is one exactly, so it shows none that look rounded. */
export function digits(bound: number): string {
  return bound === 0 ? '0' : bound.toPrecision(3);
}

/** Lines of two columns. */
export function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`).join('\n');
}

/** The folder of a dataset, downloaded where it lies in an object store. */
export async function local(place: string, signal?: AbortSignal): Promise<string> {
  return isStored(place) ? (await import('../dataset/stored.js')).datasetFolder(place, signal) : place;
}
