// A policy file and the model that it is of.
import { TiresiasError } from '../errors.js';
import { checkReadable } from '../files.js';
import type { AlphaPolicy, Model, Solution } from '../library.js';
import { refuseRecords } from '../logs/records.js';
import { policyFormat, readPolicy, type PolicyFormat } from './policy.js';
import { readCloud, type ModelFormat } from './task.js';

/** Which model, where the file does not carry it. */
export interface PolicyModelOptions {
  model?: string;
  format?: ModelFormat;
  policyFormat?: PolicyFormat;
  horizon?: number;
  alpha?: number;
}

/** The policy and its model: the one that it carries, or the one that is named. */
export async function policyOf(file: string, { model: named, horizon, alpha, format, policyFormat: given }: PolicyModelOptions): Promise<{ policy: Solution | AlphaPolicy; model: Model; name: string }> {
  if (given === undefined) refuseRecords(file, 'a policy file');
  if (named !== undefined) {
    const { model } = await readCloud([named], horizon, alpha, format);
    return { policy: await readPolicy(file, model, given), model, name: named };
  }
  const needless = Object.entries({ horizon, alpha, format }).filter(([, value]) => value !== undefined).map(([name]) => `--${name}`);
  if (needless.length > 0) throw new TiresiasError('USAGE', `${needless.join(', ')}: only with --model; a policy that carries its model is of that one`);
  await checkReadable(file);
  if ((given ?? policyFormat(file)) !== 'tiresias') {
    const { carriesModelFile } = await import('./policy.js');
    if (!(await carriesModelFile(file))) throw new TiresiasError('USAGE', `${file} does not say its model: name it with --model`);
  }
  const { loadPolicy } = await import('../serve/policy.js');
  const loaded = await loadPolicy(file);
  return { policy: loaded.solution, model: loaded.model, name: loaded.model.name };
}
