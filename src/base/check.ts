// What lies at a base's path: its format, whether it is whole, and the hash that stands for it.
import { statSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TiresiasError } from '../errors.js';
import { io, readText, sha256, sha256File } from '../files.js';
import { parseJson } from '../json.js';
import type { BaseFormat } from './source.js';

const CONFIG = 'config.json';
const INDEX = 'model.safetensors.index.json';

/** A folder is of safetensors; anything else, and what is not there, is taken for a GGUF file, and refused when it is opened. */
export const formatAt = (path: string): BaseFormat => (statSync(path, { throwIfNoEntry: false })?.isDirectory() ? 'safetensors' : 'gguf');

/** The hash of the base at `path`, which is checked first, by its shape. Throws BASE_MODEL_MISSING, BASE_MODEL_CORRUPT. */
export async function checkedHash(path: string, signal?: AbortSignal): Promise<string> {
  const there = await stat(path).catch(() => undefined);
  if (!there) throw missing(path, 'no model file or folder is there');
  if (there.isDirectory()) {
    await checkFolder(path);
    return folderHash(path, signal);
  }
  await checkGguf(path);
  return sha256File(path, signal);
}

/** As {@link checkedHash}, but undefined where there is no whole base. */
export async function hashIfWhole(path: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    return await checkedHash(path, signal);
  } catch (error) {
    if (error instanceof TiresiasError && error.code.startsWith('BASE_MODEL_')) return undefined;
    throw error;
  }
}

/** SHA-256 of what `sha256sum` prints for `config.json` and every `*.safetensors`, in the byte order of their names. */
async function folderHash(folder: string, signal?: AbortSignal): Promise<string> {
  const names = (await io(`read ${folder}`, () => readdir(folder))).filter((name) => name === CONFIG || name.endsWith('.safetensors'));
  const hashes: Record<string, string> = {};
  for (const name of names) hashes[name] = await sha256File(join(folder, name), signal);
  return hashOf(hashes);
}

/** The hash of a folder by those of its files. */
export function hashOf(hashes: Readonly<Record<string, string>>): string {
  const counts = (name: string) => name === CONFIG || name.endsWith('.safetensors');
  const names = Object.keys(hashes).filter(counts).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return sha256(names.map((name) => `${hashes[name]}  ${name}\n`).join(''));
}

/** The files of weights that an index names. */
export function indexedFiles(index: string, path: string): string[] {
  const { weight_map: map } = parseJson(index, path) as { weight_map?: Record<string, unknown> };
  return [...new Set(Object.values(map ?? {}).filter((name): name is string => typeof name === 'string'))].sort();
}

/** Throws BASE_MODEL_MISSING where a folder lacks what a base needs. */
export async function checkFolder(folder: string): Promise<void> {
  const names = new Set(await io(`read ${folder}`, () => readdir(folder)));
  const need = (name: string, why: string) => {
    if (!names.has(name)) throw missing(folder, `the folder lacks ${name}, ${why}`);
  };
  need(CONFIG, 'which says what the model is; a base is a GGUF file or a folder as `transformers` writes it');
  if (names.has(INDEX)) {
    for (const name of indexedFiles(await readText(join(folder, INDEX)), join(folder, INDEX))) need(name, `which ${INDEX} names; fetch it again`);
  }
  if (![...names].some((name) => name.endsWith('.safetensors'))) {
    const pickled = [...names].find((name) => /^pytorch_model.*\.bin$/.test(name));
    throw missing(folder, pickled ? `the weights are in ${pickled}; save them as safetensors (\`model.save_pretrained(folder)\`)` : 'the folder holds no *.safetensors');
  }
  // Other programs build a fast tokenizer from these; here it is the file, whose hash names the ids.
  need('tokenizer.json', 'the tokenizer; write it with `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` of transformers');
}

/** Throws BASE_MODEL_CORRUPT unless the file begins as GGUF does. */
export async function checkGguf(path: string): Promise<void> {
  const file = await io(`read ${path}`, () => open(path, 'r'));
  const head = Buffer.alloc(4);
  await file.read(head, 0, 4, 0).finally(() => file.close());
  if (head.toString('latin1') !== 'GGUF') {
    throw new TiresiasError('BASE_MODEL_CORRUPT', `${path} is not a GGUF file: it begins with ${JSON.stringify(head.toString('latin1'))}`, { details: { path } });
  }
}

const missing = (path: string, why: string): TiresiasError => new TiresiasError('BASE_MODEL_MISSING', `no base model at ${path}: ${why}`, { details: { path } });

/** What is said of bytes that are not those that were asked for. */
export function corrupt(what: string, expected: string, found: string): TiresiasError {
  return new TiresiasError('BASE_MODEL_CORRUPT', `${what} is damaged or another file: its SHA-256 is ${found}, expected ${expected}`, { details: { what, expected, found } });
}
