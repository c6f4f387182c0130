// Where sessions live between requests.
import type { AnyState } from '../servable.js';

/** An answer that is kept, so that a request that is repeated gets it again and moves nothing. */
export interface KeptAnswer {
  /** The request's idempotency key. */
  key: string;
  /** Hash of what was asked: the same key for something else is a mistake. */
  request: string;
  /** What was answered. */
  answer: unknown;
}

/** A session as a store keeps it. What is read must not be changed. */
export interface StoredSession {
  /** The policy's name. */
  policy: string;
  /** The variant of it that decides for the session; absent in what was stored before there were any. */
  variant?: string | undefined;
  /** Grows by one with every change; 1 at first. */
  version: number;
  /** When it was last changed, in milliseconds since 1970. */
  changed: number;
  /** The session. */
  state: AnyState;
  /** Answers to the last requests that had keys, the oldest first. */
  answers: readonly KeptAnswer[];
}

/** A session in a list. */
export interface ListedSession {
  /** Its id. */
  id: string;
  /** The policy's name. */
  policy: string;
  /** Its version. */
  version: number;
  /** When it was last changed, in milliseconds since 1970. */
  changed: number;
}

/**
 * A place for sessions, which processes may share. Whatever is wrong with it throws STORE_DOWN. A write that has resolved is as durable as
 * the store promises, and one that throws may or may not have happened.
 */
export interface SessionStore {
  /** What it is, for logs. */
  readonly name: string;
  /** The session of an id. */
  read(id: string): Promise<StoredSession | undefined>;
  /**
   * Compare and set: writes the session if the stored one has the version `expected`, 0 for none. Whether it was written. Of any number of
   * writers that expect the same version one succeeds.
   */
  write(id: string, session: StoredSession, expected: number): Promise<boolean>;
  /** Removes a session; whether there was one. */
  remove(id: string): Promise<boolean>;
  /** The first `limit` sessions whose ids come after `after`, in the order of their ids. */
  list(options: { after?: string | undefined; limit: number }): Promise<ListedSession[]>;
  /** Number of sessions. */
  count(): Promise<number>;
  /** Throws STORE_DOWN when the store cannot be used now. */
  check(): Promise<void>;
  /** Gives back what it holds. */
  close(): Promise<void>;
}
