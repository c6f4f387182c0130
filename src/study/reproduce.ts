// Runs a study: every cell that is not done yet, then the document and the page. Cells share what they have in common through the store.
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { TiresiasError, messageOf } from '../errors.js';
import { io, makeFolder, sha256, writeAtomic } from '../files.js';
import { canonicalJson } from '../json.js';
import { takeLock } from '../lock.js';
import { forgetParts, isIn, requireNobody, requirePart, takePart, type Part } from '../parts.js';
import type { ProgressEvent } from '../progress.js';
import { writeFigures } from '../report/files.js';
import { writeSealed } from '../seal.js';
import { Store } from '../store.js';
import { version } from '../version.js';
import { cellPath, commandOf, commitOf, COMMITTED, finishedCell, folderOf } from './cells.js';
import { resultsOf, type CellFile, type DoneCell, type FailedCell, type StudyResults } from './results.js';
import { about, Pace } from './estimate.js';
import { kindOf, type CellRun, type Job, type Kind } from './kind.js';
import { loadStudy, type LoadedStudy } from './study.js';

/** How {@link reproduce} runs. */
export interface ReproduceOptions {
  /** One of the study's; `small` by default. */
  budget?: string | undefined;
  /** Draws everything anew under this seed, other tasks and other trainings than the study's. */
  seed?: number | undefined;
  /** The study's folder; `runs/<study>-<budget>` by default, with `-seed-<n>` under a seed of one's own. Cells whose documents lie in its `cells` and were made from the same count as done. */
  folder?: string | undefined;
  /** Where finished cells lie besides, as `<study>/<budget>/<cell>.json`: the package's own `bench/results` by default; nowhere with `false`. */
  committed?: string | false | undefined;
  /** Where results lie by content; that of runs beside the study's folder by default. */
  store?: string | undefined;
  /** Threads of one cell; all cores divided by `parallel` by default. */
  threads?: number | undefined;
  /** Cells at once; each needs the memory of a run. */
  parallel?: number | undefined;
  /** Stops at the next safe place; everything finished stays. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What {@link reproduce} leaves. */
export interface Reproduced {
  /** As in `results.json`. */
  results: StudyResults;
  /** The study's folder. */
  folder: string;
  /** The page. */
  page: string;
  /** How many cells were taken as they lay in `committed`. */
  taken: number;
}

/** What {@link reproducePart} leaves. */
export interface StudyPart extends Part {
  /** The study's name. */
  name: string;
  /** The study's folder. */
  folder: string;
  /** The part's cells, in order. */
  cells: (DoneCell | FailedCell)[];
  /** How many cells the whole study has. */
  cellsInAll: number;
}

/** A study that is run: what it is, and where. */
export interface Opened {
  loaded: LoadedStudy;
  budget: string;
  /** All cells, in order: a part has those that are its by their numbers here, whatever is finished. */
  cells: Job[];
  folder: string;
  /** Where the cells' documents lie. */
  own: string;
  /** Where finished ones lie besides. */
  committed: string | undefined;
}

/** Reads a study and says where it is run. */
export async function openStudy(nameOrPath: string, { budget = 'small', seed, ...options }: ReproduceOptions): Promise<Opened> {
  const loaded = await loadStudy(nameOrPath);
  const { study } = loaded;
  const cells = kindOf(study).cells(loaded, budget, seed);
  const folder = resolve(options.folder ?? folderOf(study, budget, seed));
  const committed = options.committed === false ? undefined : join(options.committed ?? COMMITTED, study.name, budget);
  return { loaded, budget, cells, folder, own: join(folder, 'cells'), committed };
}

/** Runs a study of the package, by name, or a study file. A cell that fails is a hole with its reason; all others are made. */
export async function reproduce(nameOrPath: string, options: ReproduceOptions = {}): Promise<Reproduced> {
  const opened = await openStudy(nameOrPath, options);
  const { loaded: { study }, budget, cells, folder, own } = opened;
  await io(`make ${own}`, () => makeFolder(own));
  const release = await takeLock(join(folder, 'study.lock'));
  try {
    await requireNobody(folder);
    const { files, taken } = await makeCells(nameOrPath, opened, cells, options);
    const results = resultsOf(study, budget, files.map((file) => ('cell' in file ? file.cell : file)), version, options.seed);
    const page = await write(kindOf(study), results, files, folder);
    await forgetParts(folder);
    return { results, folder, page, taken };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await release();
  }
}

/**
 * Runs a part of a study: the cells that are its by their numbers. It leaves their documents and no page, which `reproduce`, or `assembleStudy`, draws when all
 * are there. Parts may share the study's folder, also over a network. Refuses (PARTS_DIFFER) a folder that holds parts of another study, or another number of them.
 */
export async function reproducePart(nameOrPath: string, part: Part, options: ReproduceOptions = {}): Promise<StudyPart> {
  requirePart(part);
  const opened = await openStudy(nameOrPath, options);
  const { loaded: { study: { name } }, budget, cells, folder, own } = opened;
  const release = await takePart(folder, part, { key: sha256(canonicalJson(cells.map((cell) => [cell.name, cell.key()]))), whole: { study: name, budget, seed: options.seed, version } });
  try {
    await io(`make ${own}`, () => makeFolder(own));
    const { files } = await makeCells(nameOrPath, opened, cells.filter((_, unit) => isIn(part, unit)), options);
    return { ...part, name, folder, cells: files.map((file) => ('cell' in file ? file.cell : file)), cellsInAll: cells.length };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    await release();
  }
}

/** Makes those of some cells whose documents are not there; returns all of theirs, in order, and how many were taken from the finished ones. */
async function makeCells(nameOrPath: string, { loaded: { study }, budget, folder, own, committed }: Opened, cells: readonly Job[], options: ReproduceOptions): Promise<{ files: (CellFile | FailedCell)[]; taken: number }> {
  const { seed, parallel = 1, signal, onProgress } = options;
  const store = options.store ?? Store.of(folder).folder;
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / parallel));
  const made = new Map<string, CellFile | FailedCell>();
  const report = (detail: string) => onProgress?.({ stage: study.name, done: made.size, total: cells.length, detail });
  const done = (cell: Job, file: CellFile | FailedCell) => {
    made.set(cell.name, file);
    report(cell.name);
  };

  let taken = 0;
  for (const cell of cells) {
    const here = await finishedCell(own, cell);
    const there = here ?? (committed === undefined ? undefined : await finishedCell(committed, cell));
    if (!here && there) taken += 1;
    if (there) done(cell, there);
  }

  const waiting = cells.filter(({ name }) => !made.has(name));
  const pace = await Pace.of(waiting, threads);
  const origin = { command: commandOf(study, budget, { seed, path: nameOrPath }), version, commit: await commitOf() };
  await Promise.all(Array.from({ length: parallel }, async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift()) {
      const { name } = cell;
      pace.begins(name);
      const told = (detail: string) => report(`${name}: ${detail}${pace.left === undefined ? '' : `; ${about(pace.left / parallel)} for all that is left`}`);
      const file = await runCell(cell, origin, { folder: join(folder, 'runs', name), path: cellPath(own, cell), store, threads, signal, report: told });
      pace.ends(name);
      done(cell, file);
    }
  }));
  return { files: cells.map(({ name }) => made.get(name)!), taken };
}

/** Runs a cell and writes its document. A failure of its own is what it comes to. */
async function runCell(job: Job, origin: Pick<CellFile, 'command' | 'version' | 'commit'>, { path, ...how }: CellRun & { path: string }): Promise<CellFile | FailedCell> {
  const { name, places } = job;
  try {
    const { arithmetic, seconds, machine, ...made } = await job.run(how);
    const file: CellFile = { schema: 'tiresias.study-cell/1', cell: { name, places, madeFrom: job.key(), ...made }, configuration: job.configuration, ...origin, arithmetic, seconds, machine, date: new Date().toISOString() };
    await writeSealed(path, file);
    return file;
  } catch (error) {
    how.signal?.throwIfAborted();
    // A fault of ours is no hole of the study's.
    if (!(error instanceof TiresiasError)) throw error;
    return { name, places, failed: `${error.code}: ${messageOf(error)}` };
  }
}

/** Writes the document, the tables, the figures and the page; returns the page's path. */
async function write(kind: Kind, results: StudyResults, files: readonly (CellFile | FailedCell)[], folder: string): Promise<string> {
  const page = join(folder, 'report.html');
  const sheets = await kind.sheets(results);
  const texts = kind.files(results);
  await writeSealed(join(folder, 'results.json'), results);
  for (const [path, , text] of texts) await writeAtomic(join(folder, path), text);
  await writeAtomic(join(folder, 'report.md'), kind.markdown(results));
  const figures = await writeFigures(sheets, folder);
  const downloads = [...texts.map(([path, what]) => [path, what] as const), ['results.json', 'all of it as one document'] as const, ...figures.map((path) => [path, 'the figure'] as const)];
  await writeAtomic(page, kind.page(results, files, sheets, downloads));
  return page;
}
