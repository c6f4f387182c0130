// Makes a dataset of its parts: every shard is held against its marker, and what all parts left becomes the folder that one process would have made.
import { copyFile, link, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DetailedProgress } from '../base/index.js';
import { TiresiasError } from '../errors.js';
import { io, makeFolder, sha256File, syncFolder, temporaryName } from '../files.js';
import { takeLock } from '../lock.js';
import { cutOf, forgetParts, partName, partWith, requireCut, requireNobody, type Cut } from '../parts.js';
import { finishedManifest, writeManifest } from './make.js';
import { configHash, identitySchema, type Identity, type Manifest, type Shard } from './manifest.js';
import { isWhole } from './open.js';
import { markerOf, markerPath, type Marker } from './part.js';
import { spans } from './shards.js';

/** How {@link assembleDataset} goes about it. */
export interface AssembleOptions {
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Shards done so far. */
  onProgress?: ((event: DetailedProgress) => void) | undefined;
}

/** A shard that was found whole, and in which folder. */
interface Found extends Marker {
  folder: string;
}

/**
 * Makes in `out` the dataset whose parts lie in `folders`, each of which holds some; `out` may be one of them. Files get a second name in `out` where the
 * file system can do that, and are copied where not. Throws PARTS_MISSING with every shard that is missing or damaged and the part that makes it,
 * PARTS_DIFFER where folders hold parts of different datasets, or cut into different numbers of parts.
 */
export async function assembleDataset(folders: readonly string[], out: string, { signal, onProgress }: AssembleOptions = {}): Promise<Manifest> {
  const { identity, key, of } = await oneCut(folders);
  await io(`make ${out}`, () => makeFolder(join(out, 'data')));
  const release = await takeLock(join(out, 'make.lock'));
  try {
    for (const folder of folders) await requireNobody(folder);
    await finishedManifest(out, key);
    const planned = spans(identity.config);
    const report = (done: number, detail: string) => onProgress?.({ done, total: planned.length, detail });
    const found: Found[] = [];
    const problems: string[] = [];
    for (const [unit, { path }] of planned.entries()) {
      signal?.throwIfAborted();
      const one = await findShard(folders, { unit, path, key, of }, signal);
      if (typeof one === 'string') problems.push(one);
      else found.push(one);
      report(unit + 1, `${path} checked`);
    }
    if (problems.length > 0) {
      throw partsMissing(problems, planned.length);
    }
    await removeHalfCopied(join(out, 'data'));
    for (const [i, { folder, shard }] of found.entries()) {
      signal?.throwIfAborted();
      await place(folder, out, shard, signal);
      report(i + 1, shard.path);
    }
    await syncFolder(join(out, 'data'));
    const manifest = await writeManifest(out, identity, found[0]!.templateSha, found.map(({ shard }) => shard));
    await forgetParts(out);
    return manifest;
  } finally {
    await release();
  }
}

/** What all folders hold parts of. */
async function oneCut(folders: readonly string[]): Promise<{ identity: Identity; key: string; of: number }> {
  let first: Cut | undefined;
  for (const folder of folders) {
    const cut = await cutOf(folder);
    if (!cut) throw new TiresiasError('FILE_NOT_FOUND', `${folder} holds no parts of a dataset, or its parts/parts.json is damaged: name the folders that \`tiresias dataset make --shard\` left, such as part-0/mdp`, { details: { folder } });
    requireCut(folder, first ?? cut, cut);
    first ??= cut;
  }
  if (!first) throw new TiresiasError('INVALID_ARGUMENT', 'no folder to assemble a dataset from');
  return { identity: identityIn(first, folders[0]!), key: first.key, of: first.of };
}

/** The dataset whose parts are in a folder. Throws PARTS_DIFFER where they are of something else. */
export function identityIn({ key, whole }: Cut, folder: string): Identity {
  const identity = identitySchema().safeParse(whole);
  if (!identity.success || configHash(identity.data) !== key) throw new TiresiasError('PARTS_DIFFER', `${folder} holds parts of something else than a dataset`, { details: { folder } });
  return identity.data;
}

/** What it means that some of so many shards are not whole. */
export const partsMissing = (problems: readonly string[], shards: number): TiresiasError =>
  new TiresiasError('PARTS_MISSING', `${problems.length} of ${shards} shards are missing or damaged:\n${problems.map((problem) => `  ${problem}`).join('\n')}\nrun these parts again: each makes only what is not whole`, { details: { problems } });

/** A shard as some folder has it whole, or what is wrong with it. */
async function findShard(folders: readonly string[], { unit, path, key, of }: { unit: number; path: string; key: string; of: number }, signal: AbortSignal | undefined): Promise<Found | string> {
  const part = partWith(unit, of);
  let wrong = 'is missing';
  let found: Found | undefined;
  for (const folder of folders) {
    const marker = await markerOf(folder, part, path, key);
    if (!marker) {
      if (await isThere(markerPath(folder, part, path))) wrong = `has a damaged marker in ${folder}`;
      else if (await isThere(join(folder, path))) wrong = `has no marker in ${folder}, so it is unknown whether it is whole`;
    } else if (!(await isWhole(folder, marker.shard, signal))) wrong = `is ${(await isThere(join(folder, path))) ? 'damaged' : 'missing'} in ${folder}`;
    else if (found && found.shard.sha256 !== marker.shard.sha256) return `${path} is not the same in ${found.folder} and ${folder}: delete it in one of them (a time limit of the oracle makes labels depend on the machine)`;
    else found ??= { ...marker, folder };
  }
  return found ?? `${path} ${wrong}: ${partName(part)} makes it`;
}

/** Has a shard lie in `out`: by a second name of its file, or by a copy, which is held against its hash. */
async function place(folder: string, out: string, shard: Shard, signal: AbortSignal | undefined): Promise<void> {
  if (resolve(folder) === resolve(out) || (await isWhole(out, shard, signal))) return;
  const [from, to] = [join(folder, shard.path), join(out, shard.path)];
  const temporary = temporaryName(to);
  await io(`write ${to}`, async () => {
    try {
      await link(from, temporary).catch(async () => {
        await copyFile(from, temporary);
        if ((await sha256File(temporary, signal)) !== shard.sha256) throw new TiresiasError('IO', `${to} was not copied whole; run the same command again`);
      });
      await rename(temporary, to);
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

/** Removes what an assembling that was killed left. */
async function removeHalfCopied(data: string): Promise<void> {
  await io(`clean ${data}`, async () => {
    for (const name of await readdir(data)) if (/^\.shard-.*\.tmp$/.test(name)) await rm(join(data, name), { force: true });
  });
}

const isThere = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);
