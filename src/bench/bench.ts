// Runs a bench: every solver on every model under every limit, one at a time, each pinned to its cores; what is done is never done again.
import { rm } from 'node:fs/promises';
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import { io, makeFolder, writeAtomic } from '../files.js';
import { takeLock } from '../lock.js';
import type { ProgressEvent } from '../progress.js';
import { writeSealed } from '../seal.js';
import { commitOf } from '../study/cells.js';
import { version } from '../version.js';
import { comparisonOf, contradictionsOf, countsOf, type BenchComparison } from './compare.js';
import { isModel, modelsOf, suffixOfModel, type BenchModel } from './models.js';
import { profilesOf } from './profile.js';
import type { BenchHole, BenchResults } from './results.js';
import { finishedRow, rowKey, writeRow, type BenchRow, type Task } from './row.js';
import { makeRow, wrappers } from './run.js';
import { isThere, solversOf, type MissingSolver, type Solver } from './solvers.js';
import { tableText } from './table.js';

/** How {@link bench} runs. */
export interface BenchOptions {
  /** Names of solvers, or paths of descriptions of others: ours (`auto`, `point`, `exact`, `faces`, `plans`, `estimate`), and `sarsop`, `zmdp` and others of docs/bench.md. The first is compared with each other. `auto` by default. */
  solvers?: readonly string[] | undefined;
  /** Limits of time in seconds; 5 by default. */
  times?: readonly number[] | undefined;
  /** The gap to stop at, in units of reward; 0.001 by default. */
  gap?: number | undefined;
  /** Numbers of threads; 1 by default. */
  threads?: readonly number[] | undefined;
  /** Every model also under these discounts, between 0 and 1. */
  discounts?: readonly number[] | undefined;
  /** Where rows and results go, and where rows that are there count as done; `runs/bench` by default. */
  folder?: string | undefined;
  /** Starts no run after so many seconds. */
  budgetSeconds?: number | undefined;
  /** Kills the run at hand and ends; finished rows stay. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: ((event: ProgressEvent) => void) | undefined;
  /** Told what will not be run, before anything is. */
  onHole?: ((hole: BenchHole) => void) | undefined;
}

/** What {@link bench} leaves. */
export interface Benched {
  /** As in `results.json`. */
  results: BenchResults;
  /** Where everything lies. */
  folder: string;
  /** The page. */
  page: string;
  /** How many rows were there before. */
  taken: number;
}

/** A model under one limit. */
interface Case {
  model: BenchModel;
  time: number;
  threads: number;
}

/** Runs solvers on model files, folders of them and classic problems by name. A solver that is not there, or a run that fails, is a hole or a row with its reason, not an error. */
export async function bench(models: readonly string[], options: BenchOptions = {}): Promise<Benched> {
  const { solvers: named = ['auto'], times = [5], gap = 1e-3, threads = [1], discounts = [], budgetSeconds = Infinity, signal, onProgress, onHole } = options;
  checkNumbers({ times, gap: [gap], threads, discounts, budgetSeconds: [budgetSeconds] });
  const begin = performance.now();
  const folder = resolve(options.folder ?? join('runs', 'bench'));
  const all = await solversOf(named);
  const solvers = all.filter(isThere);
  const suffixes = [...new Set(all.flatMap(({ description }) => description.reads))];
  await io(`make ${folder}`, () => makeFolder(folder));
  const release = await takeLock(join(folder, 'bench.lock'));
  try {
    // What a killed run left.
    await rm(join(folder, 'scratch'), { recursive: true, force: true });
    const found = await modelsOf(models, suffixes, join(folder, 'models'), discounts);
    const cases = found.filter(isModel).flatMap((model) => times.flatMap((time) => threads.map((n): Case => ({ model, time, threads: n }))));
    const holes: BenchHole[] = [
      ...all.flatMap((solver) => (isThere(solver) ? [] : [{ by: solver.description.name, reason: solver.missing }])),
      ...found.flatMap((model) => (isModel(model) ? [] : [{ model: model.name, reason: model.missing }])),
      ...found.filter(isModel).flatMap((model) => solvers.flatMap((solver) => unfit(model, solver))),
    ];
    for (const hole of holes) onHole?.(hole);

    const tasks = cases.flatMap((one) => solvers.filter((solver) => unfit(one.model, solver).length === 0).map((solver): Task => ({ ...one, solver, gap })));
    const rows = new Map<string, BenchRow>();
    for (const task of tasks) {
      const row = rows.get(rowKey(task)) ?? (await finishedRow(folder, task));
      if (row) rows.set(row.key, row);
    }
    const taken = rows.size;
    const waiting = tasks.filter((task) => !rows.has(rowKey(task)));
    const tools = await wrappers();
    for (const task of waiting) {
      // Two names may stand for the same bytes.
      if (rows.has(rowKey(task))) continue;
      if ((performance.now() - begin) / 1000 >= budgetSeconds) break;
      onProgress?.({ stage: 'bench', done: tasks.filter((one) => rows.has(rowKey(one))).length, total: tasks.length, detail: `${task.solver.description.name} on ${task.model.name}, ${task.time} s` });
      const row = await makeRow(task, folder, tools, signal);
      await writeRow(folder, row);
      rows.set(row.key, row);
    }
    onProgress?.({ stage: 'bench', done: tasks.filter((one) => rows.has(rowKey(one))).length, total: tasks.length, detail: 'rows' });
    const done = tasks.flatMap((task) => {
      const row = rows.get(rowKey(task));
      return row ? [{ ...row, model: task.model.name }] : [];
    });
    const description = new Map(solvers.map((solver) => [solver.description.name, solver.description]));
    const comparisons = compared(cases, solvers, tasks, done);
    const provers = solvers.filter((solver) => solver.description.bounds !== 'estimated').map((solver) => solver.description.name);
    const commit = await commitOf();
    const results: BenchResults = {
      schema: 'tiresias.bench/1', command: commandOf(models, { ...options, solvers: named, times, gap, threads, discounts }), version, ...(commit !== undefined && { commit }), date: new Date().toISOString(),
      machine: { cpu: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism(), memoryBytes: totalmem(), node: process.version, platform: `${platform()}-${arch()}` },
      load: loadavg(), pinned: tools.taskset !== undefined, gap, times: [...times], threads: [...threads],
      solvers: all.map(infoOf),
      models: found.filter(isModel).map(({ name, sha256, discount, costs }) => ({ name, sha256, ...(discount !== undefined && { discount }), costs })),
      rows: done, holes, left: tasks.length - done.length,
      comparisons, counts: countsOf(comparisons), contradictions: contradictionsOf(done, description),
      profiles: times.flatMap((time) => threads.flatMap((n) => profilesOf(done, provers, { time, threads: n, gap }))),
    };
    return { results, folder, page: await write(results, folder), taken };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    await rm(join(folder, 'scratch'), { recursive: true, force: true });
    await release();
  }
}

function checkNumbers(lists: Record<string, readonly number[]>): void {
  const positive = (value: number) => value > 0;
  const valid: Record<string, (value: number) => boolean> = { threads: (value) => Number.isInteger(value) && value >= 1 && value <= 1024, discounts: (value) => value > 0 && value < 1 };
  for (const [name, list] of Object.entries(lists)) {
    const wrong = list.find((value) => !(valid[name] ?? positive)(value));
    if (wrong !== undefined || (list.length === 0 && name !== 'discounts')) throw new TiresiasError('INVALID_ARGUMENT', `bench: ${wrong === undefined ? `${name} is empty` : `${wrong} is no value for ${name}`}`);
  }
}

/** Why a solver is not run on a model; nothing where it is. */
function unfit(model: BenchModel, { description }: Solver): BenchHole[] {
  const hole = (reason: string) => [{ model: model.name, by: description.name, reason }];
  if (!description.reads.includes(suffixOfModel(model))) return hole(`does not read ${suffixOfModel(model)}`);
  return model.costs && description.costs === 'incomparable' ? hole('would take the costs of this file for something else') : [];
}

/** The first solver beside each other, where both were run or will not be. */
function compared(cases: readonly Case[], solvers: readonly Solver[], tasks: readonly Task[], rows: readonly BenchRow[]): BenchComparison[] {
  const [subject, ...others] = solvers;
  if (!subject) return [];
  const place = (model: string, time: number, threads: number, by: string) => JSON.stringify([model, time, threads, by]);
  const done = new Map(rows.map((row) => [place(row.model, row.time, row.threads, row.by), row]));
  const asked = new Set(tasks.map(({ model, time, threads, solver }) => place(model.name, time, threads, solver.description.name)));
  return cases.flatMap(({ model, time, threads }) => others.flatMap((other) => {
    const [first, second] = [subject, other].map(({ description }) => place(model.name, time, threads, description.name)) as [string, string];
    if ([first, second].some((one) => asked.has(one) && !done.has(one))) return [];
    const comparable = [subject, other].every(({ description }) => description.bounds !== 'estimated');
    return [comparisonOf({ model: model.name, time, threads, subject: subject.description.name, other: other.description.name }, done.get(first), done.get(second), comparable)];
  }));
}

function infoOf(solver: Solver | MissingSolver): BenchResults['solvers'][number] {
  const { name, label, about, source, bounds } = solver.description;
  const common = { name, label, about, source, bounds };
  return isThere(solver) ? { ...common, ours: solver.ours, program: solver.program, sha256: solver.sha256 } : { ...common, ours: false, missing: solver.missing };
}

/** What makes it again, as one would type it. */
function commandOf(models: readonly string[], { solvers = [], times = [], gap, threads = [], discounts = [], folder }: BenchOptions): string {
  const quoted = (word: string) => (/^[\w./:,@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  const words = [...models, '--solvers', solvers.join(','), '--time', times.join(','), '--gap', `${gap}`, '--threads', threads.join(','), ...(discounts.length > 0 ? ['--discount', discounts.join(',')] : []), ...(folder === undefined ? [] : ['--out', folder])];
  return `npx tiresias bench ${words.map(quoted).join(' ')}`;
}

/** Writes the document, the table, the figures and the page; returns the page's path. */
async function write(results: BenchResults, folder: string): Promise<string> {
  // Vega takes a while to load; it is needed only now.
  const [{ benchPage }, { benchSheets }, { writeFigures }] = await Promise.all([import('./page.js'), import('./figures.js'), import('../report/files.js')]);
  const page = join(folder, 'index.html');
  await writeSealed(join(folder, 'results.json'), results);
  await writeAtomic(join(folder, 'table.md'), `${tableText(results)}\n`);
  const sheets = await benchSheets(results);
  const figures = await writeFigures(sheets, folder);
  const downloads = [['results.json', 'all of it as one document'] as const, ['table.md', 'the table'] as const, ...figures.map((path) => [path, 'the figure'] as const)];
  await writeAtomic(page, benchPage(results, sheets, downloads));
  return page;
}
