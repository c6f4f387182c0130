// The one way to a dataset's examples: no shard is read whose bytes are not those that its manifest names.
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import { ioError, sha256File, sha256FileSync } from '../files.js';
import { canonicalJson } from '../json.js';
import { refuseRecords } from '../logs/records.js';
import { MANIFEST, parseManifest, readManifest, totals, type Manifest, type Shard } from './manifest.js';

const MEND = 'run `tiresias dataset make` with the same configuration to mend it';

/** A dataset whose manifest is whole and agrees with itself. */
export class Dataset {
  private constructor(readonly folder: string, readonly manifest: Manifest) {}

  /** Reads the manifest and checks its sums; shards are checked when they are asked for. Throws FILE_NOT_FOUND or DATASET_CORRUPT, and USAGE for a file of records. */
  static async open(folder: string): Promise<Dataset> {
    refuseRecords(folder, 'the folder of a dataset');
    return Dataset.from(folder, await readManifest(folder));
  }

  /** As {@link open}, of a manifest that has been read. */
  static from(folder: string, manifest: Manifest): Dataset {
    const dataset = new Dataset(folder, manifest);
    dataset.#refuse(dataset.#wrongSums());
    return dataset;
  }

  /** Paths of the shards in order, every one checked. Throws DATASET_CORRUPT with all that is wrong. */
  async shards(signal?: AbortSignal): Promise<string[]> {
    const problems: string[] = [];
    for (const shard of this.manifest.shards) problems.push(...(await this.#wrongWith(shard, signal)));
    this.#refuse(problems);
    return this.manifest.shards.map((shard) => join(this.folder, shard.path));
  }

  /** The path of one shard, checked. Throws DATASET_CORRUPT. */
  async shard(shard: Shard, signal?: AbortSignal): Promise<string> {
    this.#refuse(await this.#wrongWith(shard, signal));
    return join(this.folder, shard.path);
  }

  /** Checks every shard, and that no other lies among them: readers of other programs load `data/*`. */
  async verify(signal?: AbortSignal): Promise<void> {
    const problems: string[] = [];
    for (const shard of this.manifest.shards) problems.push(...(await this.#wrongWith(shard, signal)));
    const known = new Set(this.manifest.shards.map(({ path }) => path));
    for (const name of (await readdir(join(this.folder, 'data')).catch(() => [])).sort()) {
      const path = `data/${name}`;
      if (/\.(parquet|jsonl|safetensors)$/.test(name) && !known.has(path)) problems.push(`${path} is not in the manifest: delete it`);
    }
    this.#refuse(problems);
  }

  /** Refuses a tokenizer that the ids do not belong to: another model would read other texts in them. */
  requireTokenizer(tokenizer: { name: string; sha256: string }): void {
    const { name, sha256: expected } = this.manifest.tokenizer;
    if (tokenizer.sha256 === expected) return;
    throw new TiresiasError('DATASET_DIFFERS', `${this.folder} was encoded by the tokenizer ${name} (${expected}), the model's is ${tokenizer.name} (${tokenizer.sha256}): make the dataset with the base model's own`, {
      details: { folder: this.folder, wanted: tokenizer.sha256, found: expected },
    });
  }

  async #wrongWith(shard: Shard, signal: AbortSignal | undefined): Promise<string[]> {
    return (await isWhole(this.folder, shard, signal)) ? [] : [`${shard.path} is missing or damaged`];
  }

  #wrongSums(): string[] {
    const summed = totals(this.manifest.shards);
    return (Object.keys(summed) as (keyof typeof summed)[]).flatMap((key) => {
      const [claimed, found] = [this.manifest.totals[key], summed[key]].map((value) => canonicalJson(value));
      return claimed === found ? [] : [`manifest: totals.${key} is ${claimed}, the shards sum to ${found}`];
    });
  }

  #refuse(problems: readonly string[]): void {
    if (problems.length === 0) return;
    throw new TiresiasError('DATASET_CORRUPT', `${this.folder} is not whole:\n${problems.map((p) => `  ${p}`).join('\n')}\n${MEND}`, { details: { folder: this.folder, problems } });
  }
}

/** Whether a shard's file is the one that was made. */
export async function isWhole(folder: string, shard: Shard, signal?: AbortSignal): Promise<boolean> {
  try {
    return (await sha256File(join(folder, shard.path), signal)) === shard.sha256;
  } catch (error) {
    if (error instanceof TiresiasError && error.code === 'FILE_NOT_FOUND') return false;
    throw error;
  }
}

/** The folder of the dataset in whose `data` a file lies. */
function folderOf(path: string): string | undefined {
  const data = dirname(resolve(path));
  return basename(data) === 'data' ? dirname(data) : undefined;
}

/** The text of the manifest in `folder`; undefined where there is none of ours. */
function manifestText(folder: string): string | undefined {
  const file = join(folder, MANIFEST);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw ioError(error, `read ${file}`);
  }
  // Other programs have manifests too. Two words, so that damage to one of them still leaves it ours.
  return /"seal"|"tiresias\.dataset/.test(text) ? text : undefined;
}

/** What a manifest says of a shard, and whose it is. */
export interface ShardRecord {
  dataset: Dataset;
  shard: Shard;
}

/**
 * What the manifests beside files say of them, in order; undefined for a file that lies by itself, which nothing can be held against.
 * Throws DATASET_CORRUPT where a manifest is damaged, or does not know a file in its folder.
 */
export function recordsOf(paths: readonly string[]): (ShardRecord | undefined)[] {
  const known = new Map<string, { dataset: Dataset; shards: Map<string, Shard> }>();
  return paths.map((path) => {
    const folder = folderOf(path);
    if (folder === undefined) return undefined;
    let entry = known.get(folder);
    if (!entry) {
      const text = manifestText(folder);
      if (text === undefined) return undefined;
      const dataset = Dataset.from(folder, parseManifest(text, join(folder, MANIFEST)));
      entry = { dataset, shards: new Map(dataset.manifest.shards.map((shard) => [shard.path, shard])) };
      known.set(folder, entry);
    }
    const shard = entry.shards.get(`data/${basename(path)}`);
    if (shard) return { dataset: entry.dataset, shard };
    throw new TiresiasError('DATASET_CORRUPT', `${path} is not in the manifest of ${folder}: delete it, or read it from another folder`, { details: { path } });
  });
}

/** Checks shards named by their paths against the manifests beside them. Throws DATASET_CORRUPT. */
export async function checkShards(paths: readonly string[], signal?: AbortSignal): Promise<void> {
  for (const record of recordsOf(paths)) {
    if (record) await record.dataset.shard(record.shard, signal);
  }
}

/** {@link checkShards} of one shard, on the calling thread. */
export function checkShardSync(path: string): void {
  const [record] = recordsOf([path]);
  if (!record || sha256FileSync(path) === record.shard.sha256) return;
  throw new TiresiasError('DATASET_CORRUPT', `${path} is damaged: its SHA-256 is not the manifest's; ${MEND}`, { details: { path } });
}
