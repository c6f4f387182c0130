// A step of a run that is done once: its stamp holds the hash of all that went in, what came out, and the hash of every file it left.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hashTree, io, sha256, sha256File } from '../files.js';
import { canonicalJson } from '../json.js';
import { lazy, zod } from '../lazy.js';
import type { z as Zod } from 'zod';
import { measurePeakMemory } from '../memory.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import { TiresiasError } from '../errors.js';

export interface Stage<T> {
  name: string;
  /** Everything that decides the result. */
  inputs: unknown;
  /** The folder that the stage fills, relative to the run's; removed when the inputs changed. */
  folder?: string;
  /** Files and folders that it leaves, relative to the run's. A finished stage is believed while every byte of them is as it was. */
  outputs?: readonly string[];
  /** The work itself checks what it finds, and makes anew what is damaged; otherwise damage empties `folder`. */
  mends?: boolean;
  /** Does the work, or what an earlier, interrupted run left of it. The result must be plain JSON. */
  work(): Promise<T>;
  /** Whether what a finished run left outside the run's folder is still there. */
  isWhole?(result: T): Promise<boolean>;
}

export interface StageOutcome<T> {
  result: T;
  /** SHA-256 of each file of `outputs`, by its path relative to the run's folder; what comes later takes these as inputs. */
  files: Record<string, string>;
  /** Wall time, summed over interrupted runs. */
  seconds: number;
  peakBytes: number;
  /** True when nothing had to be done. */
  skipped: boolean;
}

interface Stamp {
  hash: string;
  done: boolean;
  seconds: number;
  peakBytes: number;
  files: Record<string, string>;
  result?: unknown;
}

const stampSchema = lazy(() => {
  const z = zod();
  return z.object({
    hash: z.string(), done: z.boolean(), seconds: z.number(), peakBytes: z.number(), files: z.record(z.string(), z.string()), result: z.unknown(),
  }) satisfies Zod.ZodType<Stamp>;
});

/** Runs a stage of the run in folder `run`, unless it is done already with the same inputs and what it left is unchanged. */
export async function runStage<T>(run: string, stage: Stage<T>, signal?: AbortSignal): Promise<StageOutcome<T>> {
  const path = join(run, 'stages', `${stage.name}.json`);
  const hash = sha256(canonicalJson({ stage: stage.name, inputs: stage.inputs }));
  const last = await readStamp(path);
  const nothing: Stamp = { hash, done: false, seconds: 0, peakBytes: 0, files: {}, result: null };
  let before = last?.hash === hash ? last : nothing;
  if (before.done && (await areAsTheyWere(run, before.files, signal)) && ((await stage.isWhole?.(before.result as T)) ?? true)) {
    return { result: before.result as T, files: before.files, seconds: before.seconds, peakBytes: before.peakBytes, skipped: true };
  }
  // Made from other inputs, or damaged: nothing of what lies there may be taken over by work that would believe it.
  if (before.done && stage.mends !== true) before = nothing;
  if (before !== last && stage.folder !== undefined) await io(`empty ${stage.folder}`, () => rm(join(run, stage.folder!), { recursive: true, force: true }));
  await writeSealed(path, { ...before, done: false, files: {}, result: null } satisfies Stamp);

  const began = performance.now();
  const peakMemory = measurePeakMemory();
  const spent = () => ({ hash, seconds: before.seconds + (performance.now() - began) / 1000, peakBytes: Math.max(before.peakBytes, peakMemory()) });
  try {
    const result = await stage.work();
    const files: Record<string, string> = {};
    for (const output of stage.outputs ?? []) Object.assign(files, await hashTree(run, output, signal));
    const stamp: Stamp = { ...spent(), done: true, files, result };
    await writeSealed(path, stamp);
    return { result, files, seconds: stamp.seconds, peakBytes: stamp.peakBytes, skipped: false };
  } catch (error) {
    // Keeps the time; that the disk may be full must not hide the error itself.
    await writeSealed(path, { ...spent(), done: false, files: {}, result: null } satisfies Stamp).catch(() => undefined);
    throw error;
  }
}

async function areAsTheyWere(run: string, files: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    for (const [path, expected] of Object.entries(files)) {
      if ((await sha256File(join(run, path), signal)) !== expected) return false;
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
