// What a call is refused with.
import { TiresiasError } from '../src/index.js';

/** The error that a call throws or rejects with, which must be one of ours. */
export async function refusal(call: () => unknown): Promise<TiresiasError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof TiresiasError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
