// The models of a bench: the files of a folder, single files, classic problems by name; and the same models under other discounts.
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { TiresiasError, messageOf } from '../errors.js';
import { io, writeAtomic } from '../files.js';

/** A model file. */
export interface BenchModel {
  /** For tables. */
  name: string;
  /** Absolute. */
  path: string;
  /** Of the file. */
  sha256: string;
  /** Whether its values are costs. */
  costs: boolean;
  /** The discount that was put in place of its own. */
  discount?: number | undefined;
}

/** A model that there is not, and why. */
export interface MissingModel {
  name: string;
  missing: string;
}

const suffixOf = (path: string): string => extname(path).toLowerCase();
const bytesHash = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** Whether a file of costs or rewards: `values: cost` in pomdp-solve's format, where a comment does not count. */
const hasCosts = (path: string, text: string): boolean => ['.pomdp', '.mdp'].includes(suffixOf(path)) && /^\s*values\s*:\s*cost/m.test(text.replace(/#.*$/gm, ''));

/** Reads the models that are named. `suffixes`: those that some solver reads; files of a folder with others are none. Made files lie in `folder`. */
export async function modelsOf(named: readonly string[], suffixes: readonly string[], folder: string, discounts: readonly number[]): Promise<(BenchModel | MissingModel)[]> {
  const files: { name: string; path: string }[] = [];
  for (const one of named) {
    const entry = await stat(one).catch(() => undefined);
    if (entry?.isDirectory()) files.push(...(await inFolder(one, suffixes)));
    else if (entry) files.push({ name: basename(one), path: resolve(one) });
    else files.push(await classic(one, folder));
  }
  if (files.length === 0) throw new TiresiasError('USAGE', `${named.join(', ')}: no model files; the solvers read ${suffixes.join(', ')}`);
  const models: (BenchModel | MissingModel)[] = [];
  const paths = new Set<string>();
  for (const { name, path } of files) {
    if (paths.has(path)) continue;
    paths.add(path);
    const bytes = await io(`read ${path}`, () => readFile(path));
    const text = bytes.toString('utf8');
    // Two folders may have files of one name.
    const unique = files.some((other) => other.name === name && other.path !== path) ? relative('.', path) : name;
    models.push({ name: unique, path, sha256: bytesHash(bytes), costs: hasCosts(path, text) });
    for (const discount of discounts) models.push(await discounted({ name: unique, path, text }, discount, folder));
  }
  return models;
}

/** All files of a folder, and of those in it, that are models by their suffix; of JSON, which may be anything, those that say so. */
async function inFolder(folder: string, suffixes: readonly string[]): Promise<{ name: string; path: string }[]> {
  const entries = await io(`read ${folder}`, () => readdir(folder, { recursive: true, withFileTypes: true }));
  const paths = entries.filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && suffixes.includes(suffixOf(entry.name))).map((entry) => join(entry.parentPath, entry.name)).sort();
  const models = [];
  for (const path of paths) {
    if (suffixOf(path) === '.json' && !/"schema"\s*:\s*"tiresias\.model\/1"/.test(await io(`read ${path}`, () => readFile(path, 'utf8')))) continue;
    models.push({ name: relative(folder, path).split(sep).join('/'), path: resolve(path) });
  }
  return models;
}

/** A classic problem, written in the format that most solvers read. */
async function classic(name: string, folder: string): Promise<{ name: string; path: string }> {
  const { classicModel } = await import('../library.js');
  try {
    const text = classicModel(name).toPomdp();
    const path = resolve(folder, `${name.replace(/[^\w.-]+/g, '-')}.pomdp`);
    await writeAtomic(path, text);
    return { name, path };
  } catch (error) {
    throw new TiresiasError('FILE_NOT_FOUND', `${name}: no such file or folder, and as a classic problem: ${messageOf(error)}`, { cause: error });
  }
}

/** The same model with another discount, in its own format, so that whoever reads the one reads the other. */
async function discounted({ name, path, text }: { name: string; path: string; text: string }, discount: number, folder: string): Promise<BenchModel | MissingModel> {
  const called = `${name} @ ${discount}`;
  const changed = withDiscount(suffixOf(path), text, discount);
  if (changed === undefined) return { name: called, missing: `no discount is found in ${path} that another could be put in place of` };
  const sha256 = bytesHash(changed);
  // A folder of its own, so that the file keeps its name, which files of two folders may share.
  const copy = resolve(folder, `${discount}-${sha256.slice(0, 8)}`, basename(path));
  await writeAtomic(copy, changed);
  return { name: called, path: copy, sha256, costs: hasCosts(copy, changed), discount };
}

/** The text of a model file with another discount; undefined where it is of no format in which that is known. */
export function withDiscount(suffix: string, text: string, discount: number): string | undefined {
  if (suffix === '.pomdp' || suffix === '.mdp') return replaced(text, /^(\s*discount\s*:\s*)[-+.\deE]+/m, discount);
  if (suffix === '.pomdpx') return replaced(text, /(<Discount>\s*)[-+.\deE]+(?=\s*<\/Discount>)/, discount);
  if (suffix !== '.json') return undefined;
  try {
    const document = JSON.parse(text) as unknown;
    return typeof document === 'object' && document !== null && 'discount' in document ? `${JSON.stringify({ ...document, discount })}\n` : undefined;
  } catch {
    return undefined;
  }
}

const replaced = (text: string, place: RegExp, discount: number): string | undefined => (place.test(text) ? text.replace(place, (_, before: string) => `${before}${discount}`) : undefined);

/** Whether a model is there. */
export const isModel = (model: BenchModel | MissingModel): model is BenchModel => !('missing' in model);

/** The suffix of a model's file, in small letters. */
export const suffixOfModel = ({ path }: BenchModel): string => suffixOf(path);
