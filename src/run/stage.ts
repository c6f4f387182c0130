// A step of a run that is done once: its stamp holds the hash of all that went in, and what came out.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { io, readJsonIfWhole, sha256, writeJson } from '../files.js';
import { canonicalJson } from '../json.js';
import { measurePeakMemory } from '../memory.js';

export interface Stage<T> {
  name: string;
  /** Everything that decides the result. */
  inputs: unknown;
  /** The folder that the stage fills, relative to the run's; removed when the inputs changed. */
  folder?: string;
  /** Does the work, or what an earlier, interrupted run left of it. The result must be plain JSON. */
  work(): Promise<T>;
  /** Whether what a finished run left is still there. */
  isWhole(result: T): Promise<boolean>;
}

export interface StageOutcome<T> {
  result: T;
  /** Of the inputs; what comes later in the run takes it as an input of its own. */
  hash: string;
  /** Wall time, summed over interrupted runs. */
  seconds: number;
  peakBytes: number;
  /** True when nothing had to be done. */
  skipped: boolean;
}

const stampSchema = z.object({ hash: z.string(), done: z.boolean(), seconds: z.number(), peakBytes: z.number(), result: z.unknown() });
type Stamp = z.infer<typeof stampSchema>;

/** Runs a stage of the run in folder `run`, unless it is done already with the same inputs. */
export async function runStage<T>(run: string, stage: Stage<T>): Promise<StageOutcome<T>> {
  const path = join(run, 'stages', `${stage.name}.json`);
  const hash = sha256(canonicalJson({ stage: stage.name, inputs: stage.inputs }));
  const last = await readStamp(path);
  const before = last?.hash === hash ? last : { hash, done: false, seconds: 0, peakBytes: 0, result: null };
  if (before.done && (await stage.isWhole(before.result as T))) {
    return { result: before.result as T, hash, seconds: before.seconds, peakBytes: before.peakBytes, skipped: true };
  }
  // Made from other inputs: nothing of what lies there may be taken over.
  if (before !== last && stage.folder !== undefined) await io(`empty ${stage.folder}`, () => rm(join(run, stage.folder!), { recursive: true, force: true }));
  await writeJson(path, { ...before, done: false } satisfies Stamp);

  const began = performance.now();
  const peakMemory = measurePeakMemory();
  const spent = () => ({ hash, seconds: before.seconds + (performance.now() - began) / 1000, peakBytes: Math.max(before.peakBytes, peakMemory()) });
  try {
    const result = await stage.work();
    const stamp: Stamp = { ...spent(), done: true, result };
    await writeJson(path, stamp);
    return { result, hash, seconds: stamp.seconds, peakBytes: stamp.peakBytes, skipped: false };
  } catch (error) {
    // Keeps the time; that the disk may be full must not hide the error itself.
    await writeJson(path, { ...spent(), done: false, result: null } satisfies Stamp).catch(() => undefined);
    throw error;
  }
}

async function readStamp(path: string): Promise<Stamp | undefined> {
  const parsed = stampSchema.safeParse(await readJsonIfWhole(path));
  return parsed.success ? parsed.data : undefined;
}
