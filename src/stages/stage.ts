// A step of an experiment, which has two ways to be made. A run has it made in the store, once, whoever asks: what it makes lies there under
// the hash of all that went in, and a stamp holds what came out and the hash of every file. A command has its work done in a folder that
// the user names. That has no key: it is the user's to name, to fill and to move, so that nothing about it can be believed by its place.
// Every work finds out itself what it can go on with there: a dataset by its manifest, a training by its checkpoints, rows by their stamps.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DetailedProgress } from '../base/index.js';
import { hashTree, io, makeFolder, sha256File } from '../files.js';
import { lazy, zod } from '../lazy.js';
import type { z as Zod } from 'zod';
import { measurePeakMemory } from '../memory.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import { TiresiasError } from '../errors.js';
import { keyOf, type Entry, type Kind, type Store } from '../store.js';

export interface Stage<T> {
  kind: Kind;
  /** Everything that decides the result. Only the store asks: it may take the hashes of large files. */
  inputs(): unknown;
  /** Files and folders that it leaves, within its folder. A finished stage is believed while every byte of them is as it was. */
  outputs?: readonly string[];
  /** The work itself checks what it finds, and makes anew what is damaged; otherwise damage empties the folder. */
  mends?: boolean;
  /** Does the work in a folder, or what an earlier, interrupted one left of it there. The result must be plain JSON. */
  work(folder: string): Promise<T>;
  /** Whether what a finished run left outside the store is still there. */
  isWhole?(result: T): Promise<boolean>;
}

/** What changes nothing in what a stage makes. */
export interface How {
  threads: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((event: DetailedProgress) => void) | undefined;
}

export interface StageOutcome<T> {
  result: T;
  /** Under which it lies in the store. */
  key: string;
  /** Where it lies. */
  folder: string;
  /** Wall time, summed over interrupted runs. */
  seconds: number;
  peakBytes: number;
  /** True when nothing had to be done. */
  skipped: boolean;
}

interface Stamp {
  done: boolean;
  seconds: number;
  peakBytes: number;
  /** SHA-256 of each file of `outputs`, by its path within the folder. */
  files: Record<string, string>;
  /** For whoever looks into the store. */
  inputs?: unknown;
  result?: unknown;
}

const stampSchema = lazy(() => {
  const z = zod();
  return z.object({
    done: z.boolean(), seconds: z.number(), peakBytes: z.number(), files: z.record(z.string(), z.string()), inputs: z.unknown(), result: z.unknown(),
  }) satisfies Zod.ZodType<Stamp>;
});

/** How {@link runStage} goes about it. */
export interface StageOptions {
  signal?: AbortSignal | undefined;
  /** Told where it lies, before anything is done. */
  onEntry?: ((entry: Entry) => Promise<void>) | undefined;
  /** Told when another process is at the same work, which is then waited for. */
  onWait?: (() => void) | undefined;
}

/** Where in the store lies what a stage of a kind makes of some inputs. */
export const entryOf = (kind: Kind, inputs: unknown): Entry => ({ kind, key: keyOf({ stage: kind, inputs }) });

/** Makes what a stage makes, unless the store has it already, unchanged. */
export async function runStage<T>(store: Store, stage: Stage<T>, { signal, onEntry, onWait }: StageOptions = {}): Promise<StageOutcome<T>> {
  const inputs = await stage.inputs();
  const entry = entryOf(stage.kind, inputs);
  const { key } = entry;
  await onEntry?.(entry);
  const folder = store.place(entry);
  const release = await store.hold(entry, signal, onWait);
  try {
    const path = store.stampPath(entry);
    const last = await readStamp(path);
    let before = last ?? { done: false, seconds: 0, peakBytes: 0, files: {} };
    if (before.done && (await areAsTheyWere(folder, before.files, signal)) && ((await stage.isWhole?.(before.result as T)) ?? true)) {
      return { result: before.result as T, key, folder, seconds: before.seconds, peakBytes: before.peakBytes, skipped: true };
    }
    const interrupted = last?.done === false;
    if (!interrupted && stage.mends !== true) {
      // Damaged, files or stamp: nothing of what lies there may be taken over by work that would believe it.
      before = { ...before, seconds: 0, peakBytes: 0 };
      await io(`empty ${folder}`, () => rm(folder, { recursive: true, force: true }));
    }
    await writeSealed(path, { ...before, done: false, files: {}, inputs, result: null } satisfies Stamp);
    await io(`make ${folder}`, () => makeFolder(folder));

    const began = performance.now();
    const peakMemory = measurePeakMemory();
    const spent = () => ({ seconds: before.seconds + (performance.now() - began) / 1000, peakBytes: Math.max(before.peakBytes, peakMemory()) });
    try {
      const result = await stage.work(folder);
      const files: Record<string, string> = {};
      for (const output of stage.outputs ?? []) Object.assign(files, await hashTree(folder, output, signal));
      const stamp: Stamp = { ...spent(), done: true, files, inputs, result };
      await writeSealed(path, stamp);
      return { result, key, folder, seconds: stamp.seconds, peakBytes: stamp.peakBytes, skipped: false };
    } catch (error) {
      // Keeps the time; that the disk may be full must not hide the error itself.
      await writeSealed(path, { ...spent(), done: false, files: {}, inputs, result: null } satisfies Stamp).catch(() => undefined);
      throw error;
    }
  } finally {
    await release();
  }
}

async function areAsTheyWere(folder: string, files: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    for (const [path, expected] of Object.entries(files)) {
      if ((await sha256File(join(folder, path), signal)) !== expected) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof TiresiasError && error.code === 'FILE_NOT_FOUND') return false;
    throw error;
  }
}

async function readStamp(path: string): Promise<Stamp | undefined> {
  const parsed = stampSchema().safeParse(await readSealedIfWhole(path));
  return parsed.success ? parsed.data : undefined;
}
