// Errors as HTTP says them: a status by the book, and a body of type application/problem+json (RFC 9457) with our code inside.
import { TiresiasError, messageOf } from '../../errors.js';

/** The body of an answer that is an error. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  details: Record<string, unknown>;
}

/** What each status is called. */
const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request', 401: 'Unauthorized', 404: 'Not Found', 405: 'Method Not Allowed', 408: 'Request Timeout', 409: 'Conflict', 412: 'Precondition Failed', 413: 'Content Too Large', 414: 'URI Too Long',
  415: 'Unsupported Media Type', 417: 'Expectation Failed', 422: 'Unprocessable Content', 429: 'Too Many Requests', 431: 'Request Header Fields Too Large', 500: 'Internal Server Error', 503: 'Service Unavailable',
};

const STATUS: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  INVALID_JSON: 400,
  INVALID_SESSION: 400,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  UNKNOWN_POLICY: 404,
  UNKNOWN_SESSION: 404,
  METHOD_NOT_ALLOWED: 405,
  // The session is not in a state in which this can be done.
  IMPOSSIBLE_OBSERVATION: 409,
  HORIZON_OVER: 409,
  TOO_LONG: 409,
  MODEL_CHANGED: 409,
  SESSION_EXISTS: 409,
  STALE_VERSION: 412,
  TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  // Well-formed, and names what is not there.
  UNKNOWN_NAME: 422,
  KEY_REUSED: 422,
  // The request to read a policy again is well-formed, and the file is not: nothing is wrong with the server, which goes on with what it has.
  INVALID_POLICY: 422,
  INVALID_MODEL: 422,
  FILE_NOT_FOUND: 422,
  PERMISSION_DENIED: 422,
  BASE_MODEL_MISSING: 422,
  BASE_MODEL_CORRUPT: 422,
  IO: 422,
  TOO_MANY_REQUESTS: 429,
  // Not now; later perhaps.
  STORE_DOWN: 503,
  DECIDER_DIED: 503,
  DISPOSED: 503,
  DRAINING: 503,
  OVERLOADED: 503,
  TOO_MANY_SESSIONS: 503,
};

/** What fastify and its plugins call the client's mistakes, as our codes. */
const THEIRS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_ARGUMENT',
  FST_ERR_VALIDATION: 'INVALID_ARGUMENT',
  FST_ERR_BAD_URL: 'INVALID_ARGUMENT',
  FST_ERR_MAX_PARAM_LENGTH: 'TOO_LARGE',
};

/** Statuses that say "again, a little later". */
export const LATER = new Set([429, 503]);

/** What an error is as an answer. What is no error of ours or of the client's says nothing of the inside. */
export function problemOf(error: unknown): Problem {
  const theirs = (error as { code?: unknown; statusCode?: unknown } | undefined) ?? {};
  if (!(error instanceof TiresiasError)) {
    const status = typeof theirs.statusCode === 'number' && theirs.statusCode < 500 ? theirs.statusCode : undefined;
    const code = THEIRS[String(theirs.code)] ?? (status === undefined ? undefined : 'INVALID_ARGUMENT');
    if (code !== undefined) return problem(code, error instanceof SyntaxError ? `the body is not JSON: ${messageOf(error)}` : messageOf(error), {}, status ?? STATUS[code]!);
    return problem('INTERNAL', 'something went wrong that should not have; the log says what', {}, 500);
  }
  const status = STATUS[error.code];
  return status === undefined ? problem('INTERNAL', 'something went wrong that should not have; the log says what', {}, 500) : problem(error.code, error.message, error.details, status);
}

/** A problem that is no error of ours. */
export const problemWith = (status: number, code: string, detail: string): Problem => problem(code, detail, {}, status);

function problem(code: string, detail: string, details: Record<string, unknown>, status: number): Problem {
  return { type: `urn:tiresias:error:${code}`, title: TITLES[status] ?? 'Error', status, detail, code, details };
}
