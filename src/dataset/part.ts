// Makes a part of a dataset: those of its shards that are the part's by their numbers, in a folder that other parts may share. Beside each
// finished shard's file lies a small sealed document, its marker; started again, a part makes what has none.
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z as Zod } from 'zod';
import { TiresiasError } from '../errors.js';
import { io, makeFolder, syncFolder } from '../files.js';
import { lazy, zod } from '../lazy.js';
import { makeShard } from '../library.js';
import { isIn, partFolder, requireCut, requirePart, takePart, type Part } from '../parts.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import { finishedManifest, identityOf, JOURNAL } from './make.js';
import { configHash, shardSchema, type DatasetConfig, type Shard } from './manifest.js';
import { Dataset } from './open.js';
import { makeMissing, plan, type MakeOptions, type PlannedShard, type ShardMaker } from './shards.js';

/** What {@link makeDatasetPart} leaves. */
export interface DatasetPart extends Part {
  /** The part's shards, in order. */
  shards: Shard[];
  /** How many shards the whole dataset has. */
  shardsInAll: number;
}

/** The document beside a finished shard's file. */
export interface Marker extends Part {
  schema: 'tiresias.dataset-part/1';
  /** Hash of the dataset's identity. */
  key: string;
  /** SHA-256 of the template. */
  templateSha: string;
  shard: Shard;
}

const markerSchema = lazy(() => {
  const z = zod();
  return z.object({ schema: z.literal('tiresias.dataset-part/1'), key: z.string(), index: z.int().min(0), of: z.int().min(1), templateSha: z.string(), shard: shardSchema() }) satisfies Zod.ZodType<Marker>;
});

/** Where the marker of a shard lies. */
export const markerPath = (folder: string, part: Part, path: string): string => join(partFolder(folder, part), basename(path).replace(/\.\w+$/, '.json'));

/** A shard's marker; undefined where it is missing or damaged. Throws PARTS_DIFFER for one of another dataset or number of parts. */
export async function markerOf(folder: string, part: Part, path: string, key: string): Promise<Marker | undefined> {
  const place = markerPath(folder, part, path);
  return markerIn(await readSealedIfWhole(place), place, part, path, key);
}

/** The marker of a shard in a document that lies at `place`, under the same conditions. */
export function markerIn(document: unknown, place: string, part: Part, path: string, key: string): Marker | undefined {
  const parsed = markerSchema().safeParse(document);
  if (!parsed.success || parsed.data.shard.path !== path) return undefined;
  requireCut(place, { key, of: part.of }, parsed.data);
  return parsed.data;
}

/**
 * Makes, or finishes, a part of the dataset in `folder`: a whole is there when all parts are, and `assembleDataset` has written its manifest. Parts may
 * share the folder, also over a network. Refuses (PARTS_DIFFER, DATASET_DIFFERS) a folder that holds something else or is made in another number of parts.
 */
export const makeDatasetPart = (config: DatasetConfig, folder: string, part: Part, options: MakeOptions): Promise<DatasetPart> => makePart(config, folder, part, options, makeShard);

/** {@link makeDatasetPart} by any maker of shards. */
export async function makePart(config: DatasetConfig, folder: string, part: Part, options: MakeOptions, maker: ShardMaker): Promise<DatasetPart> {
  const { index, of } = part;
  requirePart(part);
  const whole = identityOf(config, options.tokenizer);
  const key = configHash(whole);
  const all = plan(config, options.threads);
  const planned = all.filter((_, unit) => isIn(part, unit));
  const finished = await finishedManifest(folder, key);
  if (finished) {
    // Assembled before: there is nothing to make, and what is damaged the whole's own command mends.
    const dataset = Dataset.from(folder, finished);
    const mine = finished.shards.filter((_, unit) => isIn(part, unit));
    for (const shard of mine) await dataset.shard(shard, options.signal);
    return { index, of, shards: mine, shardsInAll: all.length };
  }
  if (await readSealedIfWhole(join(folder, JOURNAL))) throw new TiresiasError('PARTS_DIFFER', `${folder} is made by one process: finish it without --shard, or name another folder`, { details: { folder } });

  const release = await takePart(folder, part, { key, whole });
  try {
    await io(`make ${folder}`, () => makeFolder(join(folder, 'data')));
    return { index, of, shards: await makeMarked(planned, folder, part, key, options, maker), shardsInAll: all.length };
  } finally {
    await release();
  }
}

async function makeMarked(planned: readonly PlannedShard[], folder: string, part: Part, key: string, options: MakeOptions, maker: ShardMaker): Promise<Shard[]> {
  const own = partFolder(folder, part);
  const markers = new Map<string, Marker>();
  for (const { path } of planned) {
    const marker = await markerOf(folder, part, path, key);
    if (marker) markers.set(path, marker);
  }
  // What a killed process was at.
  for (const name of await readdir(own)) if (name.startsWith(WORK)) await rm(join(own, name), { recursive: true, force: true });
  // A folder of this process's own: two that take themselves for the same part (a machine that slept) do not write to one file.
  const work = await io(`make ${own}`, () => mkdtemp(join(own, WORK)));
  const shards: Shard[] = [];
  try {
    await makeMissing(planned, {
      ...options, folder,
      known: ({ path }) => markers.get(path)?.shard,
      make: async ({ path, spec }, how) => {
        const [unnamed, named] = [join(work, basename(path)), join(folder, path)];
        const made = await maker(spec, options.tokenizer, unnamed, how);
        await io(`write ${named}`, () => rename(unnamed, named));
        await syncFolder(dirname(named));
        return made;
      },
    }, async (i, { shard, templateSha }) => {
      shards[i] = shard;
      // The file first: a marker never speaks of a shard that was not there.
      if (templateSha !== undefined) await writeSealed(markerPath(folder, part, shard.path), { schema: 'tiresias.dataset-part/1', key, index: part.index, of: part.of, templateSha, shard } satisfies Marker);
    });
    return shards;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const WORK = 'work-';
