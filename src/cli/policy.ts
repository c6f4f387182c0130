// Policies as files: our own, which remember their model and their bounds, and those of other tools.
import { extname } from 'node:path';
import { readFile } from 'node:fs/promises';
import { TiresiasError } from '../errors.js';
import { io } from '../files.js';
import type { AlphaPolicy, Model, Solution } from '../library.js';

/** The format of a policy file by its suffix; any suffix but theirs is our own format. */
export function policyFormat(file: string): 'alpha' | 'sarsop' | 'tiresias' {
  const suffix = extname(file).toLowerCase();
  if (suffix === '.pg') throw new TiresiasError('USAGE', `${file}: policy graphs are not written or read; use .alpha, .policy (APPL) or any other suffix (Tiresias)`);
  if (suffix === '.alpha') return 'alpha';
  return ['.policy', '.policyx', '.xml'].includes(suffix) ? 'sarsop' : 'tiresias';
}

/** The policy of a solution as the bytes of a file. */
export function policyBytes(solution: Solution, file: string): Uint8Array | string {
  const format = policyFormat(file);
  return format === 'tiresias' ? solution.savePolicy() : solution.alphaPolicy().write(format);
}

/** Reads a policy for `model`. */
export async function readPolicy(file: string, model: Model): Promise<Solution | AlphaPolicy> {
  const { AlphaPolicy, loadPolicy } = await import('../library.js');
  const bytes = await io(`read ${file}`, () => readFile(file));
  // Our own files begin with a header; their suffix is the user's choice.
  if (bytes.subarray(0, 40).includes('"tiresias.policy/')) return loadPolicy(bytes, model);
  const format = policyFormat(file);
  return AlphaPolicy.parse(bytes.toString('utf8'), model, { name: file, ...(format !== 'tiresias' && { format }) });
}
