// How a row is made: the solver's command, pinned to cores, in an empty folder; what it prints is read, and how it ended is told.
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { io, makeFolder } from '../files.js';
import { allowedCores, inPath } from './programs.js';
import { runChild, type Ended } from './child.js';
import { filled } from './description.js';
import { OutputReader, type Reading } from './output.js';
import { rowKey, type BenchRow, type Outcome, type Task } from './row.js';

/** What programs are run under, where the system has it. */
export interface Wrappers {
  /** `taskset`, which keeps a process on its cores. */
  taskset?: string | undefined;
  /** `stdbuf`, without which many programs keep their lines until they end. */
  stdbuf?: string | undefined;
}

/** Looks for the wrappers. */
export const wrappers = async (): Promise<Wrappers> => ({ taskset: await inPath('taskset'), stdbuf: await inPath('stdbuf') });

/** Makes the row of a task. Rejects only where `signal` came, or for a fault of ours. */
export async function makeRow(task: Task, folder: string, { taskset, stdbuf }: Wrappers, signal?: AbortSignal): Promise<BenchRow> {
  const { model, solver, time, threads, gap } = task;
  const { description } = solver;
  const scratches = join(folder, 'scratch');
  await io(`make ${scratches}`, () => makeFolder(scratches));
  const scratch = await io(`make a folder in ${scratches}`, () => mkdtemp(join(scratches, 'run-')));
  try {
    const stem = model.path.replace(/\.[^./\\]*$/, '');
    const words = filled(description.command, { program: solver.program, model: model.path, stem, time: `${time}`, gap: `${gap}`, threads: `${threads}`, scratch, here: solver.folder });
    const cores = allowedCores().slice(0, threads).join(',');
    const command = [...(taskset === undefined ? [] : [taskset, '-c', cores]), ...(stdbuf === undefined || solver.ours ? [] : [stdbuf, '-oL']), ...words];
    const reader = new OutputReader(description, gap, model.costs);
    const [load] = loadavg();
    const date = new Date().toISOString();
    const ended = await runChild({ command, cwd: scratch, patience: description.patience.times * time + description.patience.seconds, signal, onLine: (line, seconds) => reader.line(line, seconds) });
    const { reading } = reader;
    const { last, best } = reading;
    const outcome = outcomeOf(reading);
    const reason = reasonOf(ended, outcome);
    const seconds = reading.closedAt ?? reading.solvedAt ?? last?.seconds;
    const { wallSeconds, processorSeconds, peakBytes } = ended;
    return {
      key: rowKey(task), model: model.name, by: description.name, time, threads, outcome, ...(reason !== undefined && { reason }),
      ...(last && { lower: last.lower, upper: last.upper, gap: last.gap }), ...(seconds !== undefined && { seconds }), ...(best && { best: [best.lower, best.upper] }),
      trace: reading.trace, notes: reading.notes, wallSeconds, ...(processorSeconds !== undefined && { processorSeconds }), ...(peakBytes !== undefined && { peakBytes }),
      pinnedTo: taskset === undefined ? null : cores, load: load!, date,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Bounds at the end say more than a word: a solver that says it is done without the gap asked for has not closed it. */
function outcomeOf({ last, closedAt, solvedAt }: Reading): Outcome {
  if (closedAt !== undefined) return 'closed';
  if (last) return 'open';
  return solvedAt === undefined ? 'none' : 'solved';
}

/** Why there is nothing, or what is wrong with what there is; nothing where all is well. */
function reasonOf({ code, signal, overran, unstarted, wallSeconds, tail }: Ended, outcome: Outcome): string | undefined {
  const saying = tail.length === 0 ? 'and printed nothing' : `and last said: ${tail.at(-1)!.trim().slice(0, 200)}`;
  if (unstarted !== undefined) return `could not be started: ${unstarted}`;
  if (overran) return outcome === 'closed' || outcome === 'solved' ? undefined : `overran: interrupted after ${wallSeconds.toFixed(1)} s, ${saying}`;
  if (signal === 'SIGKILL') return `was killed (SIGKILL), as the system does where memory runs out, ${saying}`;
  if (signal !== null) return `crashed (${signal}) ${saying}`;
  // A shell, or `taskset`, tells of a signal by a code.
  if (code! > 128 && code! < 160) return `crashed (signal ${code! - 128}) ${saying}`;
  if (code !== 0 && outcome !== 'closed' && outcome !== 'solved') return `ended with ${code} ${saying}`;
  return outcome === 'none' ? `ended with ${code}, ${tail.length === 0 ? 'and printed nothing' : 'and what it printed has no bounds'}` : undefined;
}
