// Policies as files: our own, which remember their model and their bounds, and those of other tools.
import { constants } from 'node:buffer';
import { extname } from 'node:path';
import { readFile, stat } from 'node:fs/promises';
import { TiresiasError, messageOf } from '../errors.js';
import { io, readText, writeAtomic } from '../files.js';
import type { AlphaPolicy, Model, PolicyGraph, Solution } from '../library.js';
import { carriesModel } from '../serve/policy-file.js';

export type PolicyFormat = 'alpha' | 'pg' | 'sarsop' | 'tiresias';

/** The suffixes of other tools' policies; `.alpha3` is one stage of several. */
const FORMATS: readonly (readonly [RegExp, PolicyFormat])[] = [
  [/^\.alpha\d*$/, 'alpha'],
  [/^\.pg\d*$/, 'pg'],
  [/^\.(policy|policyx|xml)$/, 'sarsop'],
];

/** The format of a policy file by its suffix; any suffix but theirs is our own format. */
export function policyFormat(file: string): PolicyFormat {
  const suffix = extname(file).toLowerCase();
  return FORMATS.find(([pattern]) => pattern.test(suffix))?.[1] ?? 'tiresias';
}

/** Refuses a file of vectors for a model whose policies are none, before anything is solved. */
export function checkHolds(file: string, model: Model, description: string): void {
  const format = policyFormat(file);
  if (format === 'tiresias') return;
  if (model.kind !== 'pomdp') throw new TiresiasError('USAGE', `${file}: a file of α-vectors holds a policy of a POMDP, and this is ${description}; give the file another suffix for Tiresias' own format`);
  if (format === 'sarsop' && model.horizon !== null) throw new TiresiasError('USAGE', `${file}: APPL's format holds one policy for all stages, and this is ${description}; use .alpha, .pg or another suffix for Tiresias' own format`);
}

/** Writes a policy and returns the files: one, or in other tools' formats one a stage, `FILE1` being that of the last decision. */
export async function writePolicy(policy: Solution | AlphaPolicy, file: string): Promise<string[]> {
  const { Solution } = await import('../library.js');
  const format = policyFormat(file);
  if (format === 'tiresias') {
    if (!(policy instanceof Solution)) throw new TiresiasError('USAGE', `${file}: α-vectors of another tool carry no bounds for Tiresias' own format; give the file a suffix of .alpha, .pg or .policy`);
    await writeAtomic(file, policy.savePolicy());
    return [file];
  }
  const texts = (policy instanceof Solution ? policy.alphaPolicy() : policy).writeStages(format);
  const files = texts.length === 1 ? [file] : texts.map((_, i) => `${file}${i + 1}`);
  for (const [i, text] of texts.entries()) await writeAtomic(files[i]!, text);
  return files;
}

/** Writes the policy of a solution; where the format cannot hold it, what was solved is kept in our own. */
export async function writeSolved(solution: Solution, file: string): Promise<string[]> {
  try {
    return await writePolicy(solution, file);
  } catch (error) {
    if (!(error instanceof TiresiasError) || error.code !== 'INVALID_ARGUMENT') throw error;
    const kept = `${file}.tiresias`;
    await writeAtomic(kept, solution.savePolicy());
    throw new TiresiasError(error.code, `${file}: ${messageOf(error)}; ${kept} holds the policy in Tiresias' own format`, { details: error.details, cause: error });
  }
}

/** Writes a policy with its model, for `tiresias serve` and `loadPolicy`. */
export async function writeCarrying(solution: Solution, file: string): Promise<string[]> {
  const { savePolicy } = await import('../serve/policy-file.js');
  await savePolicy(file, solution);
  return [file];
}

/** What `--policy-format` names. */
export const POLICY_FORMATS: readonly PolicyFormat[] = ['alpha', 'pg', 'sarsop', 'tiresias'];

/**
 * Reads a policy for `model`: a file, or where there is none of that name, the files of its stages. Without a format, the beginning of
 * the text tells it.
 */
export async function readPolicy(file: string, model: Model, format?: PolicyFormat): Promise<Solution | AlphaPolicy> {
  const [{ AlphaPolicy }, { loadPolicy }] = await Promise.all([import('../library.js'), import('../serve/policy.js')]);
  const likely = format ?? policyFormat(file);
  const stages = likely === 'alpha' || likely === 'pg' ? await readStages(file, model.horizon ?? Infinity) : [];
  const options = { name: file, ...(format !== undefined && format !== 'tiresias' && { format }) };
  if (stages.length > 0) return AlphaPolicy.parse(stages, model, options);
  const { size } = await io(`read ${file}`, () => stat(file));
  if (size > MOST_BYTES) throw tooLong(file, size, MOST_BYTES);
  const bytes = await io(`read ${file}`, () => readFile(file));
  const schema = /^\uFEFF?\{"schema":"([^"]*)"/.exec(bytes.subarray(0, 80).toString('utf8'))?.[1];
  (await import('../serve/policy-file.js')).checkNoController(schema, file);
  // Our own files begin with a header; their suffix is the user's choice.
  if (format === 'tiresias' || (format === undefined && (carriesModel(bytes) || bytes.subarray(0, 40).includes('"tiresias.policy/')))) return loadPolicy(bytes, model);
  if (size > constants.MAX_STRING_LENGTH) throw tooLong(file, size, constants.MAX_STRING_LENGTH);
  return AlphaPolicy.parse(bytes.toString('utf8'), model, options);
}

/** Whether a file begins as a policy that carries its model. */
export async function carriesModelFile(file: string): Promise<boolean> {
  return carriesModel(await io(`read ${file}`, () => readFile(file)));
}

/**
 * The graph of a policy that was read from `file`, with nodes merged while the start loses no more than `loss`: its own nodes where the file is
 * a graph, else those of a controller that does what its vectors do.
 */
export async function readGraph(file: string, policy: Solution | AlphaPolicy, model: Model, loss: number, format?: PolicyFormat): Promise<PolicyGraph> {
  if ((format ?? policyFormat(file)) === 'pg' && !('lower' in policy)) {
    const { readPolicyGraph } = await import('../library.js');
    const stages = await readStages(file, model.horizon ?? Infinity);
    return readPolicyGraph(stages.length > 0 ? stages : await readText(file), model, file, loss);
  }
  return ('lower' in policy ? policy.alphaPolicy() : policy).graph(loss);
}

/** The largest file that Node reads at once. */
const MOST_BYTES = 2 ** 31 - 1;

function tooLong(file: string, size: number, most: number): TiresiasError {
  return new TiresiasError('INVALID_POLICY', `${file}: ${size} bytes are more than a policy file of this kind may have (${most})`, { details: { file, size, most } });
}

/** The texts of `FILE1`, `FILE2` and so on, as far as they go or are asked for; none when there is a file of the name itself. */
async function readStages(file: string, most: number): Promise<string[]> {
  if (await stat(file).catch(() => undefined) !== undefined) return [];
  const texts: string[] = [];
  while (texts.length < most) {
    const text = await readText(`${file}${texts.length + 1}`).catch(() => undefined);
    if (text === undefined) break;
    texts.push(text);
  }
  return texts;
}
