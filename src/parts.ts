// A whole that is made in parts, by processes that know nothing of each other: which units are a part's is decided by their numbers alone. In
// the whole's folder, which the parts may share or each have for itself, lies what they go by until it is whole:
//   parts/parts.json     what is made, and in how many parts: both are said once, and whoever says otherwise is refused
//   parts/00001/         what a part says of its units
//   parts/00001.lock     whoever is at work on it
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z as Zod } from 'zod';
import { TiresiasError } from './errors.js';
import { io, makeFolder } from './files.js';
import { lazy, zod } from './lazy.js';
import { takeLock } from './lock.js';
import { readSealedIfWhole, writeSealedOnce } from './seal.js';

/** One of several parts of a whole. */
export interface Part {
  /** Which one, from 0. */
  index: number;
  /** How many there are. */
  of: number;
}

/** Whether a unit (a shard, a cell, a file of rows) is a part's, by its number: every `of`-th one, so that parts are as large as each other. */
export const isIn = ({ index, of }: Part, unit: number): boolean => unit % of === index;

/** The part that a unit is in. */
export const partWith = (unit: number, of: number): Part => ({ index: unit % of, of });

/** “part 1 of 3”. */
export const partName = ({ index, of }: Part): string => `part ${index} of ${of}`;

/** Refuses a part that there is not. */
export function requirePart(part: Part): void {
  const { index, of } = part;
  if (Number.isInteger(of) && Number.isInteger(index) && index >= 0 && index < of) return;
  throw new TiresiasError('INVALID_ARGUMENT', `there is no ${partName(part)}: parts are counted from 0`, { details: { part } });
}

/** What is made in parts. */
export interface Cut<T = unknown> {
  schema: 'tiresias.parts/1';
  /** Hash of all that decides the whole. */
  key: string;
  /** How many parts there are. */
  of: number;
  /** What the hash is of, or what tells it apart for people. */
  whole: T;
}

const cutSchema = lazy(() => {
  const z = zod();
  return z.object({ schema: z.literal('tiresias.parts/1'), key: z.string(), of: z.int().min(1), whole: z.unknown() }) satisfies Zod.ZodType<Cut>;
});

const PARTS = 'parts';
/** Where a folder says what is made in parts in it. */
export const cutPath = (folder: string): string => join(folder, PARTS, 'parts.json');

/** Where a part keeps what it says of its units. */
export const partFolder = (folder: string, { index }: Pick<Part, 'index'>): string => join(folder, PARTS, String(index).padStart(5, '0'));

/** What is made in parts in a folder; undefined where nothing is, or where what says it is damaged. */
export async function cutOf(folder: string): Promise<Cut | undefined> {
  return cutIn(await readSealedIfWhole(cutPath(folder)));
}

/** What a document says is made in parts; undefined where it says nothing of the kind. */
export function cutIn(document: unknown): Cut | undefined {
  const parsed = cutSchema().safeParse(document);
  return parsed.success ? parsed.data : undefined;
}

/** Takes a part for oneself. Throws PARTS_DIFFER where the folder holds parts of something else, or another number of them, and RUN_LOCKED. */
export async function takePart(folder: string, part: Part, { key, whole }: Pick<Cut, 'key' | 'whole'>): Promise<() => Promise<void>> {
  const path = cutPath(folder);
  const mine: Cut = { schema: 'tiresias.parts/1', key, of: part.of, whole };
  await io(`make ${path}`, () => makeFolder(partFolder(folder, part)));
  let cut = await cutOf(folder);
  if (!cut) {
    await writeSealedOnce(path, mine);
    cut = await cutOf(folder);
  }
  if (!cut) throw new TiresiasError('PARTS_DIFFER', `${path} is damaged, so it is unknown what the parts in ${folder} belong to: if they are parts of this command with ${part.of} parts, delete that file, else delete the folder ${join(folder, PARTS)}; then run the command again`, { details: { path } });
  requireCut(folder, mine, cut);
  return takeLock(`${partFolder(folder, part)}.lock`);
}

/** Refuses parts of another whole, or another number of parts: mixed, they would be neither. */
export function requireCut(folder: string, wanted: Pick<Cut, 'key' | 'of'>, found: Pick<Cut, 'key' | 'of'>): void {
  const refuse = (what: string, todo: string): never => {
    throw new TiresiasError('PARTS_DIFFER', `${folder} ${what}; ${todo}`, { details: { folder, wanted: { key: wanted.key, of: wanted.of }, found: { key: found.key, of: found.of } } });
  };
  if (found.key !== wanted.key) refuse('holds parts of something else (another configuration or version)', 'name another folder, or delete that one');
  if (found.of !== wanted.of) refuse(`is made in ${found.of} parts, not in ${wanted.of}`, `say --of ${found.of}, or name another folder`);
}

/** Throws RUN_LOCKED while somebody is at work on a part in a folder. */
export async function requireNobody(folder: string): Promise<void> {
  for (const name of await readdir(join(folder, PARTS)).catch(() => [])) {
    if (/^\d+\.lock$/.test(name)) await (await takeLock(join(folder, PARTS, name)))();
  }
}

/** Removes what parts go by, once the whole is there. */
export async function forgetParts(folder: string): Promise<void> {
  const path = join(folder, PARTS);
  await io(`remove ${path}`, () => rm(path, { recursive: true, force: true }));
}
