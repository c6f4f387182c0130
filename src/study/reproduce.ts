// Runs a study: every cell that is not done yet, then the document and the page. Cells share what they have in common through the store.
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { TiresiasError, messageOf } from '../errors.js';
import { placed, type Experiment } from '../experiment.js';
import { io, sha256, writeAtomic } from '../files.js';
import { canonicalJson } from '../json.js';
import { takeLock } from '../lock.js';
import type { ProgressEvent } from '../progress.js';
import { runExperiment } from '../run/index.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import { Store } from '../store.js';
import { theoryCells } from '../theory/reproduce.js';
import { version } from '../version.js';
import { parseCellFile, type CellFile, type DoneCell, type FailedCell, type StudyResults } from './results.js';
import { cellsOf, loadStudy, theoryCellsOf, type Cell, type Study } from './study.js';
import { csv, latex, markdownTables } from './tables.js';

/** How {@link reproduce} runs. */
export interface ReproduceOptions {
  /** One of the study's; `small` by default. */
  budget?: string | undefined;
  /** The study's folder; `runs/<study>-<budget>` by default. Cells whose documents lie in its `cells` and were made from the same count as done. */
  folder?: string | undefined;
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
}

/** What decides a cell's results; its name in the study, and threads, do not. */
export function madeFrom(whole: Experiment): string {
  const { name: _, threads: __, ...experiment } = whole;
  return sha256(canonicalJson({ version, experiment }));
}

/** Runs a study of the package, by name, or a study file. A cell that fails is a hole with its reason; all others are made. */
export async function reproduce(nameOrPath: string, options: ReproduceOptions = {}): Promise<Reproduced> {
  const { budget = 'small', parallel = 1, signal, onProgress } = options;
  const { study, folder: from } = await loadStudy(nameOrPath);
  const theory = study.kind === 'theory' ? theoryCellsOf(study, budget) : [];
  const cells = study.kind === 'theory' ? [] : cellsOf(study, budget).map((cell) => ({ ...cell, experiment: placed(cell.experiment, from) }));
  const folder = resolve(options.folder ?? join('runs', `${study.name}-${budget}`));
  await io(`make ${folder}`, () => mkdir(join(folder, 'cells'), { recursive: true }));
  const release = await takeLock(join(folder, 'study.lock'));
  try {
    const store = options.store ?? Store.of(folder).folder;
    const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / parallel));
    const made = new Map<string, CellFile | FailedCell>();
    const work = async (cell: Cell) => {
      const path = join(folder, 'cells', `${cell.name}.json`);
      const key = madeFrom(cell.experiment);
      const report = (detail: string) => onProgress?.({ stage: study.name, done: made.size, total: cells.length, detail });
      const there = parseCellFile(await readSealedIfWhole(path));
      if (there?.cell.madeFrom === key) made.set(cell.name, { ...there, cell: { ...there.cell, name: cell.name, places: cell.places } });
      else made.set(cell.name, await runCell(cell, key, { folder: join(folder, 'runs', cell.name), path, store, threads, signal, report }));
      report(cell.name);
    };
    const waiting = [...cells];
    await Promise.all(Array.from({ length: parallel }, async () => {
      for (let cell = waiting.shift(); cell; cell = waiting.shift()) await work(cell);
    }));
    const told = (done: number, detail: string) => onProgress?.({ stage: study.name, done, total: theory.length, detail });
    const files = [...cells.map(({ name }) => made.get(name)!), ...await theoryCells(theory, join(folder, 'cells'), { threads, signal, report: told })];
    const results = resultsOf(study, budget, files.map((file) => ('cell' in file ? file.cell : file)));
    const page = await write(results, files, folder);
    return { results, folder, page };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    await release();
  }
}

interface CellOptions {
  folder: string;
  path: string;
  store: string;
  threads: number;
  signal: AbortSignal | undefined;
  report(detail: string): void;
}

async function runCell({ name, places, experiment }: Cell, key: string, { folder, path, store, threads, signal, report }: CellOptions): Promise<CellFile | FailedCell> {
  try {
    const onProgress = ({ stage, done, total, detail }: ProgressEvent) => report(`${name}: ${stage} ${Math.floor((100 * done) / total)} %, ${detail}`);
    const { results } = await runExperiment(experiment, { folder, store, threads, signal, onProgress });
    // Traces of single episodes show how a policy acts, not how good it is.
    const regimes = Object.fromEntries(Object.entries(results.regimes).map(([regime, of]) => [regime, { ...of, traces: [] }]));
    const file: CellFile = {
      schema: 'tiresias.study-cell/1',
      cell: { name, places, madeFrom: key, regimes },
      seconds: results.stages.reduce((sum, { seconds }) => sum + seconds, 0),
      machine: results.machine,
      date: new Date().toISOString(),
    };
    await writeSealed(path, file);
    return file;
  } catch (error) {
    signal?.throwIfAborted();
    // A fault of ours is no hole of the study's.
    if (!(error instanceof TiresiasError)) throw error;
    return { name, places, failed: `${error.code}: ${messageOf(error)}` };
  }
}

function resultsOf(study: Study, budget: string, cells: (DoneCell | FailedCell)[]): StudyResults {
  const axes = study.axes.map(({ name, label, places }) => {
    const used = new Set(cells.map((cell) => cell.places[name]));
    return { name, label, places: places.map((place) => place.name).filter((place) => used.has(place)) };
  });
  return { schema: 'tiresias.study-results/1', ...(study.kind === 'theory' && { kind: study.kind }), name: study.name, budget, version, question: study.question, source: study.source, x: study.x, axes, cells };
}

/** Writes the document, the tables and the page; returns the page's path. */
async function write(results: StudyResults, files: readonly (CellFile | FailedCell)[], folder: string): Promise<string> {
  if (results.kind === 'theory') return (await import('../theory/write.js')).writeTheory(results, files, folder);
  const { studyPage } = await import('./page.js');
  const page = join(folder, 'report.html');
  await writeSealed(join(folder, 'results.json'), results);
  await writeAtomic(join(folder, 'rows.csv'), csv(results));
  await writeAtomic(join(folder, 'table.tex'), latex(results));
  await writeAtomic(join(folder, 'report.md'), markdownTables(results));
  await writeAtomic(page, await studyPage(results, files));
  return page;
}
