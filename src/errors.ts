// One class for everything that can go wrong, and the exit code that each kind ends a command with (docs/exit-codes.md).
import { constants } from 'node:os';
import { suggested } from './suggest.js';

/** What a command ends with. A trainer's own codes (docs/contracts.md) are the same numbers. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  model: 3,
  io: 4,
  numerical: 5,
  missing: 6,
  internal: 70,
  again: 75,
  interrupted: 130,
  pipe: 141,
  terminated: 143,
} as const;

const EXIT_OF_CODE: Readonly<Record<string, number>> = {
  USAGE: EXIT.usage,
  INVALID_ARGUMENT: EXIT.usage,
  INVALID_JSON: EXIT.usage,
  INVALID_EXPERIMENT: EXIT.usage,
  INVALID_RESULTS: EXIT.usage,
  INVALID_MODEL: EXIT.usage,
  INVALID_MODEL_FILE: EXIT.usage,
  INVALID_FAMILY: EXIT.usage,
  INVALID_LOGS: EXIT.usage,
  INVALID_POLICY: EXIT.usage,
  UNKNOWN_NAME: EXIT.usage,
  INVALID_METHOD: EXIT.usage,
  METHOD_FAILED: EXIT.usage,
  ENCODE_FAILED: EXIT.usage,
  EXAMPLE_TOO_LONG: EXIT.usage,
  DATASET_DIFFERS: EXIT.usage,
  IMPOSSIBLE_OBSERVATION: EXIT.usage,
  NOT_RESET: EXIT.usage,
  INVALID_SESSION: EXIT.usage,
  MODEL_CHANGED: EXIT.usage,
  HORIZON_OVER: EXIT.usage,
  TOO_LONG: EXIT.usage,
  UNKNOWN_POLICY: EXIT.usage,
  UNKNOWN_SESSION: EXIT.usage,
  SESSION_EXISTS: EXIT.usage,
  KEY_REUSED: EXIT.usage,
  NOT_FOUND: EXIT.usage,
  METHOD_NOT_ALLOWED: EXIT.usage,
  UNAUTHORIZED: EXIT.usage,
  TOO_LARGE: EXIT.usage,
  UNSUPPORTED_MEDIA_TYPE: EXIT.usage,
  DISPOSED: EXIT.usage,
  STALE_HANDLE: EXIT.usage,
  BASE_MODEL_MISSING: EXIT.model,
  BASE_MODEL_CORRUPT: EXIT.model,
  BASE_MODEL_UNAVAILABLE: EXIT.model,
  INVALID_TOKENIZER: EXIT.model,
  FILE_NOT_FOUND: EXIT.io,
  PERMISSION_DENIED: EXIT.io,
  DISK_FULL: EXIT.io,
  IO: EXIT.io,
  DATASET_CORRUPT: EXIT.io,
  SOLVE_FAILED: EXIT.numerical,
  STATISTIC_UNDEFINED: EXIT.numerical,
  BACKEND_UNABLE: EXIT.usage,
  RUN_FOLDER: EXIT.usage,
  INVALID_STUDY: EXIT.usage,
  INVALID_SOLVER: EXIT.usage,
  PARTS_DIFFER: EXIT.usage,
  SETUP_FAILED: EXIT.missing,
  NATIVE_MISSING: EXIT.missing,
  NATIVE_CORRUPT: EXIT.missing,
  TRAINER_MISSING: EXIT.missing,
  PYTHON_MISSING: EXIT.missing,
  SOMETHING_MISSING: EXIT.missing,
  OUT_OF_THREADS: EXIT.again,
  INTERNAL: EXIT.internal,
  PROTOCOL: EXIT.internal,
  TRAINER_DIED: EXIT.again,
  DECIDER_DIED: EXIT.again,
  STOPPED: EXIT.again,
  RUN_LOCKED: EXIT.again,
  CELLS_FAILED: EXIT.again,
  PARTS_MISSING: EXIT.again,
  STORE_DOWN: EXIT.again,
  STALE_VERSION: EXIT.again,
  OVERLOADED: EXIT.again,
  DRAINING: EXIT.again,
  TOO_MANY_REQUESTS: EXIT.again,
  TOO_MANY_SESSIONS: EXIT.again,
};

/** Options of a {@link TiresiasError}. */
export interface ErrorOptions {
  /** Whatever helps a program react: the path, the field, the expected and the found value. */
  details?: Record<string, unknown>;
  /** What was caught. */
  cause?: unknown;
  /** Overrides the exit code that `code` implies; used for errors that a subprocess reports with its own. */
  exitCode?: number;
}

/** Every error that Tiresias raises on purpose. Branch on `code`, which is stable; `message` is for people. */
export class TiresiasError extends Error {
  /** `TiresiasError`. */
  override readonly name = 'TiresiasError';
  /** Stable, UPPER_SNAKE. */
  readonly code: string;
  /** Whatever helps a program react: the path, the field, the expected and the found value. Keys are camelCase. */
  readonly details: Record<string, unknown>;
  /** What a command that fails with this error exits with. */
  readonly exitCode: number;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.exitCode = options.exitCode ?? EXIT_OF_CODE[code] ?? EXIT.unexpected;
  }
}

/** The error of a run that a signal stopped; what was finished stays and the same command goes on from there. */
export function interrupted(signal: 'SIGINT' | 'SIGTERM'): TiresiasError {
  return new TiresiasError('INTERRUPTED', `stopped by ${signal}`, {
    details: { signal },
    exitCode: signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated,
  });
}

/** The exit code for anything that was thrown. */
export function exitCodeOf(error: unknown): number {
  return error instanceof TiresiasError ? error.exitCode : EXIT.unexpected;
}

/** A one-line account of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const NATIVE_MESSAGE = /^([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*): ([\s\S]*)$/;

/** What lies behind an error of the operating system, by its number in the message. */
function ioCode(message: string): string {
  const errno = Number(/\(os error (\d+)\)/.exec(message)?.[1]);
  if (errno === constants.errno.ENOENT) return 'FILE_NOT_FOUND';
  if ([constants.errno.ENOSPC, constants.errno.EDQUOT, constants.errno.EFBIG].includes(errno)) return 'DISK_FULL';
  if ([constants.errno.EACCES, constants.errno.EPERM, constants.errno.EROFS].includes(errno)) return 'PERMISSION_DENIED';
  return 'IO';
}

/** File, line and column of a message that shows a place of a text. */
function placeIn(message: string): Record<string, unknown> {
  const place = /^ *--> (.*):(\d+):(\d+)$/m.exec(message);
  return place ? { file: place[1], line: Number(place[2]), column: Number(place[3]) } : {};
}

/** Turns an error of the addon, whose message reads `CODE: text`, into a {@link TiresiasError}; leaves all others alone. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TiresiasError) return error;
  const match = NATIVE_MESSAGE.exec(error.message);
  if (match) return new TiresiasError(match[1] === 'IO' ? ioCode(match[2]!) : match[1]!, suggested(match[2]!), { cause: error, details: placeIn(match[2]!) });
  // napi's own complaint about an argument of the wrong type.
  const status = (error as { code?: unknown }).code;
  if (typeof status === 'string' && /^(InvalidArg|.*Expected)$/.test(status)) {
    return new TiresiasError('INVALID_ARGUMENT', error.message, { cause: error });
  }
  // The engine's: `this` is of another class.
  if (error instanceof TypeError && error.message === 'Illegal invocation') {
    return new TiresiasError('INVALID_ARGUMENT', 'a method was called on something that is no instance of its class', { cause: error });
  }
  if (error.message.startsWith('Class contains no')) return new TiresiasError('INVALID_ARGUMENT', 'this class has no public constructor', { cause: error });
  // A panic, caught where it would have left Rust.
  if (status === 'GenericFailure') return new TiresiasError('INTERNAL', `${error.message}; this is a bug, please report it`, { cause: error });
  return error;
}
