// A row: one solver on one model under one limit. It lies, whole or not at all, under the hash of what made it, and is never made twice.
import { join } from 'node:path';
import { sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import type { BenchModel } from './models.js';
import type { BoundsPoint } from './output.js';
import type { Solver } from './solvers.js';

/** What a run came to: its bounds reached the gap that was asked for, did not, there were none but the solver said that it is done, or there is nothing. */
export type Outcome = 'closed' | 'open' | 'solved' | 'none';

/** One run of one solver. */
export interface BenchRow {
  /** The model's name in the bench. */
  model: string;
  /** The solver's name. */
  by: string;
  /** The limit of time that it was given, in seconds. */
  time: number;
  /** Threads that it was told to use, where it can be told, and cores that it had. */
  threads: number;
  /** What it came to. */
  outcome: Outcome;
  /** What went wrong, in words; a run may have bounds all the same. */
  reason?: string | undefined;
  /** The last lower bound on the value. */
  lower?: number | undefined;
  /** The last upper bound. */
  upper?: number | undefined;
  /** The last gap, as the program says it where it does, else the difference of the bounds. */
  gap?: number | undefined;
  /** When the gap asked for was first reached, else when the last bounds stood: by the program's own clock where it prints one, else since it was started. */
  seconds?: number | undefined;
  /** The highest lower and the lowest upper bound that it ever printed. */
  best?: [lower: number, upper: number] | undefined;
  /** Bounds over time. */
  trace: BoundsPoint[];
  /** What it remarked. */
  notes: string[];
  /** Seconds of the whole process, its start included. */
  wallSeconds: number;
  /** Seconds of processors that it took, as last seen while it ran. */
  processorSeconds?: number | undefined;
  /** The most memory that it had, as last seen. */
  peakBytes?: number | undefined;
  /** The cores that it was pinned to; null where it was not. */
  pinnedTo: string | null;
  /** The machine's load average over a minute, just before it was started. */
  load: number;
  /** When it was started. */
  date: string;
  /** The hash of what made it. */
  key: string;
}

/** What one row is to be of. */
export interface Task {
  model: BenchModel;
  solver: Solver;
  time: number;
  threads: number;
  gap: number;
}

/** The version of what rows hold: rows of another are made again. */
const ROWS = 1;

/** Of all that decides a row; what the model is called does not. */
export const rowKey = ({ model, solver, time, threads, gap }: Task): string =>
  sha256(canonicalJson({ rows: ROWS, model: model.sha256, suffix: model.path.slice(model.path.lastIndexOf('.')), solver: solver.identity, time, threads, gap })).slice(0, 32);

/** Where a row lies within the folder of a bench. */
export const rowPath = (folder: string, key: string): string => join(folder, 'rows', `${key}.json`);

/** A row's file. */
interface RowFile {
  schema: 'tiresias.bench-row/1';
  row: BenchRow;
}

/** Writes a row, whole or not at all. */
export const writeRow = (folder: string, row: BenchRow): Promise<void> => writeSealed(rowPath(folder, row.key), { schema: 'tiresias.bench-row/1', row } satisfies RowFile);

/** The row of a task if it is there and as it was written. What its model is called is the task's to say. */
export async function finishedRow(folder: string, task: Task): Promise<BenchRow | undefined> {
  const key = rowKey(task);
  const file = (await readSealedIfWhole(rowPath(folder, key))) as RowFile | undefined;
  if (file?.schema !== 'tiresias.bench-row/1' || file.row.key !== key) return undefined;
  return { ...file.row, model: task.model.name };
}
