// Datasets in an object store: parts are made in a folder of their own and uploaded shard by shard, each followed by its marker; what is there decides what is
// still to be made. Objects are named as files are in a folder. There are no locks: who makes a part twice uploads the same bytes twice.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, withScratch } from '../cache.js';
import { TiresiasError } from '../errors.js';
import { io, makeFolder, sha256, writeAtomic } from '../files.js';
import { makeShard } from '../library.js';
import { ObjectStore } from '../object-store.js';
import { cutIn, cutPath, isIn, partFolder, partName, partWith, requireCut, requirePart, type Cut, type Part } from '../parts.js';
import { seal } from '../seal.js';
import { identityIn, partsMissing, type AssembleOptions } from './assemble.js';
import { datasetCard } from './card.js';
import { identityOf, manifestOf, requireSame } from './make.js';
import { MANIFEST, configHash, parseManifest, type DatasetConfig, type Manifest, type Shard } from './manifest.js';
import { isWhole } from './open.js';
import { markerIn, markerPath, type DatasetPart, type Marker } from './part.js';
import { makeMissing, plan, spans, type MakeOptions } from './shards.js';

/** Objects that are read at once. */
const AT_ONCE = 8;

/** Makes, or finishes, a part of the dataset below `url`. Refuses what holds something else or is made in another number of parts (PARTS_DIFFER, DATASET_DIFFERS). */
export async function makeStoredPart(config: DatasetConfig, url: string, part: Part, options: MakeOptions): Promise<DatasetPart> {
  requirePart(part);
  const store = new ObjectStore(url);
  const whole = identityOf(config, options.tokenizer);
  const key = configHash(whole);
  const all = plan(config, options.threads);
  const planned = all.filter((_, unit) => isIn(part, unit));
  const finished = await manifestIn(store);
  if (finished) {
    requireSame(url, key, configHash(finished));
    return { ...part, shards: finished.shards.filter((_, unit) => isIn(part, unit)), shardsInAll: all.length };
  }
  await agree(store, { schema: 'tiresias.parts/1', key, of: part.of, whole });

  const shards = await marked(store, part, planned.map(({ path }) => path), key);
  const missing = planned.filter(({ path }) => !shards.has(path));
  await withScratch(join(cacheFolder(), 'parts'), async (folder) => {
    await makeFolder(join(folder, 'data'));
    await makeMissing(missing, {
      ...options, folder,
      known: () => undefined,
      make: ({ path, spec }, how) => makeShard(spec, options.tokenizer, join(folder, path), how),
    }, async (_, { shard, templateSha }) => {
      const file = join(folder, shard.path);
      await store.write(shard.path, await io(`read ${file}`, () => readFile(file)));
      // The shard first: a marker never speaks of one that was not there.
      await store.write(markerPath('', part, shard.path), seal({ schema: 'tiresias.dataset-part/1', key, index: part.index, of: part.of, templateSha: templateSha!, shard } satisfies Marker));
      await rm(file);
      shards.set(shard.path, shard);
    });
  });
  return { index: part.index, of: part.of, shards: planned.map(({ path }) => shards.get(path)!), shardsInAll: all.length };
}

/** Says what is made in parts, once. Of two who say it at once the later is believed, and the other is refused by the markers, which say it, too. */
async function agree(store: ObjectStore, mine: Cut): Promise<void> {
  const place = cutPath('');
  let cut = cutIn(await store.readSealedIfWhole(place));
  if (!cut) {
    await store.write(place, seal(mine));
    cut = cutIn(await store.readSealedIfWhole(place));
  }
  if (!cut) throw new TiresiasError('IO', `${store.address(place)} is not what was written there; run the same command again`, { details: { url: store.address(place) } });
  requireCut(store.url, mine, cut);
}

/** The part's shards that are there as their markers say, by their size: `assembleStored` reads them. */
async function marked(store: ObjectStore, part: Part, paths: readonly string[], key: string): Promise<Map<string, Shard>> {
  const [sizes, markers] = [await store.list('data/'), await store.list(`${partFolder('', part)}/`)];
  const shards = new Map<string, Shard>();
  await eightAtOnce(paths.filter((path) => markers.has(markerPath('', part, path))), async (path) => {
    const marker = await markerAt(store, part, path, key);
    if (marker && sizes.get(path) === marker.shard.bytes) shards.set(path, marker.shard);
  });
  return shards;
}

async function markerAt(store: ObjectStore, part: Part, path: string, key: string): Promise<Marker | undefined> {
  const place = markerPath('', part, path);
  return markerIn(await store.readSealedIfWhole(place), store.address(place), part, path, key);
}

async function manifestIn(store: ObjectStore): Promise<Manifest | undefined> {
  const text = await store.readText(MANIFEST);
  return text === undefined ? undefined : parseManifest(text, store.address(MANIFEST));
}

/**
 * Makes the dataset whose parts lie below `url`, in place: reads every shard, holds it against its marker, and writes the manifest. Throws PARTS_MISSING with
 * every shard that is missing or damaged and the part that makes it; such a shard's marker is removed, so that the part makes it.
 */
export async function assembleStored(url: string, { signal, onProgress }: AssembleOptions = {}): Promise<Manifest> {
  const store = new ObjectStore(url);
  const cut = cutIn(await store.readSealedIfWhole(cutPath('')));
  if (!cut) {
    const finished = await manifestIn(store);
    if (!finished) throw new TiresiasError('FILE_NOT_FOUND', `${url} holds no parts of a dataset: name a place where \`tiresias dataset make --shard\` left some, such as s3://bucket/data/mdp`, { details: { url } });
    return finished;
  }
  const identity = identityIn(cut, url);
  const planned = spans(identity.config);
  const found = new Map<string, Marker>();
  const problems = new Map<string, string>();
  await eightAtOnce([...planned.entries()], async ([unit, { path }]) => {
    signal?.throwIfAborted();
    const part = partWith(unit, cut.of);
    const marker = await markerAt(store, part, path, cut.key);
    const sha = marker && (await store.sha256(path, signal));
    if (marker && sha === marker.shard.sha256) found.set(path, marker);
    else problems.set(path, `${path} ${!marker ? 'has no marker, or a damaged one' : sha === undefined ? 'is missing' : 'is damaged'}: ${partName(part)} makes it`);
    if (marker && sha !== marker.shard.sha256) await store.remove(markerPath('', part, path));
    onProgress?.({ done: found.size + problems.size, total: planned.length, detail: `${path} checked` });
  });
  const inOrder = <T>(of: ReadonlyMap<string, T>) => planned.flatMap(({ path }) => of.get(path) ?? []);
  if (problems.size > 0) throw partsMissing(inOrder(problems), planned.length);
  const markers = inOrder(found);
  const manifest = manifestOf(identity, markers[0]!.templateSha, markers.map(({ shard }) => shard));
  await store.write('README.md', datasetCard(manifest));
  await store.write(MANIFEST, seal(manifest));
  // What the parts go by goes last: while it is there, the same command does the same again.
  const notes = [...(await store.list('parts/')).keys()].filter((name) => name !== cutPath(''));
  await eightAtOnce(notes, (name) => store.remove(name));
  await store.remove(cutPath(''));
  return manifest;
}

/** The folder in the cache to which a dataset is downloaded; what is whole there stays. Throws DATASET_CORRUPT for what is not what its manifest says. */
export async function datasetFolder(place: string, signal?: AbortSignal): Promise<string> {
  const store = new ObjectStore(place);
  const text = await store.readText(MANIFEST);
  if (text === undefined) throw new TiresiasError('FILE_NOT_FOUND', `${place} holds no dataset: there is no ${MANIFEST}; \`tiresias dataset assemble ${place}\` writes it when all parts are there`, { details: { url: place } });
  const manifest = parseManifest(text, store.address(MANIFEST));
  const folder = join(cacheFolder(), 'datasets', sha256(text).slice(0, 16));
  await eightAtOnce(manifest.shards, async (shard) => {
    signal?.throwIfAborted();
    if (await isWhole(folder, shard, signal)) return;
    const bytes = await store.read(shard.path);
    if (!bytes || sha256(bytes) !== shard.sha256) throw new TiresiasError('DATASET_CORRUPT', `${store.address(shard.path)} is ${bytes ? 'damaged' : 'missing'}: upload it again, or make the dataset again elsewhere`, { details: { url: store.address(shard.path) } });
    await writeAtomic(join(folder, shard.path), bytes);
  });
  await writeAtomic(join(folder, 'README.md'), datasetCard(manifest));
  await writeAtomic(join(folder, MANIFEST), text);
  return folder;
}

/** Works on all of a list, some at a time. */
async function eightAtOnce<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < list.length; from += AT_ONCE) await Promise.all(list.slice(from, from + AT_ONCE).map(work));
}
