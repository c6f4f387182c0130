// Runs a theory study: every cell that is not done yet, then the documents and the page. Cells obey the rules of every study's: docs/studies.md.
import { mkdir } from 'node:fs/promises';
import { availableParallelism, arch, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { TiresiasError, messageOf } from '../errors.js';
import { io, sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import { parseCellFile, type CellFile, type FailedCell } from '../study/results.js';
import { version } from '../version.js';
import { theoryCell } from './cell.js';
import { theoryResultIn } from './results.js';
import type { TheorySetting } from './setting.js';

/** A cell of a theory study. */
export interface TheoryCell {
  /** `d=4,N=10`: places in the order of the axes. */
  name: string;
  /** Names of places by axis. */
  places: Record<string, string>;
  /** What it runs. */
  setting: TheorySetting;
}

/** What decides a cell's numbers. */
export const theoryMadeFrom = (setting: TheorySetting): string => sha256(canonicalJson({ version, theory: setting }));

interface Options {
  threads: number;
  signal: AbortSignal | undefined;
  /** Told how many cells are done, and what is going on. */
  report(done: number, detail: string): void;
}

/** Runs cells one after the other, each on all threads; those whose documents lie in `folder` and were made from the same count as done. */
export async function theoryCells(cells: readonly TheoryCell[], folder: string, { threads, signal, report }: Options): Promise<(CellFile | FailedCell)[]> {
  await io(`make ${folder}`, () => mkdir(folder, { recursive: true }));
  const files: (CellFile | FailedCell)[] = [];
  for (const cell of cells) {
    const done = files.length;
    files.push(await theoryFileIn(folder, cell) ?? await run(cell, join(folder, `${cell.name}.json`), { threads, signal, report: (_, detail) => report(done, detail) }));
    report(files.length, cell.name);
  }
  return files;
}

/** The document of a cell in a folder, if it is whole and was made from what would make it now. */
async function theoryFileIn(folder: string, { name, places, setting }: TheoryCell): Promise<CellFile | undefined> {
  const value = await readSealedIfWhole(join(folder, `${name}.json`));
  const file = parseCellFile(value);
  const theory = file && theoryResultIn((value as CellFile).cell.theory);
  if (!file || !theory || file.cell.madeFrom !== theoryMadeFrom(setting)) return undefined;
  return { ...file, cell: { ...file.cell, name, places, theory } };
}

async function run({ name, places, setting }: TheoryCell, path: string, { threads, signal, report }: Options): Promise<CellFile | FailedCell> {
  const began = performance.now();
  try {
    const onProgress = ({ phase, done, total }: { phase: string; done: number; total: number }) => report(0, `${name}: ${phase} ${Math.floor((100 * done) / total)} %`);
    const theory = await theoryCell(setting, { threads, signal, onProgress });
    const file: CellFile = {
      schema: 'tiresias.study-cell/1',
      cell: { name, places, madeFrom: theoryMadeFrom(setting), regimes: {}, theory },
      seconds: (performance.now() - began) / 1000,
      machine: { cpu: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism(), memoryBytes: totalmem(), node: process.version, platform: `${platform()}-${arch()}` },
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
