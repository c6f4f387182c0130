// Sessions from what was done and seen.
import { TiresiasError } from '../errors.js';
import type { Name } from './names.js';

/** An action and what was seen after it, by names or numbers, and what was earned, for policies that go by it. */
export type Step = readonly [action: Name, observation: Name, reward?: number];

/** A session after these steps. Throws what `observe` throws, with the step in the details. */
export function replayed<S extends { observe(...step: Step): unknown }>(session: S, steps: Iterable<Step>): S {
  let number = 0;
  for (const step of steps) {
    try {
      session.observe(...step);
    } catch (error) {
      if (!(error instanceof TiresiasError)) throw error;
      throw new TiresiasError(error.code, `step ${number}: ${error.message}`, { cause: error, details: { ...error.details, step: number } });
    }
    number += 1;
  }
  return session;
}
