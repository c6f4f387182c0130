// Writes what a theory study came to: the same files as every study's.
import { join } from 'node:path';
import { writeAtomic } from '../files.js';
import { writeSealed } from '../seal.js';
import type { CellFile, FailedCell, StudyResults } from '../study/results.js';
import { theoryPage } from './page.js';
import { theoryCsv, theoryLatex, theoryMarkdown } from './tables.js';

/** Writes the document, the tables and the page; returns the page's path. */
export async function writeTheory(results: StudyResults, files: readonly (CellFile | FailedCell)[], folder: string): Promise<string> {
  const page = join(folder, 'report.html');
  await writeSealed(join(folder, 'results.json'), results);
  await writeAtomic(join(folder, 'rows.csv'), theoryCsv(results));
  await writeAtomic(join(folder, 'table.tex'), theoryLatex(results));
  await writeAtomic(join(folder, 'report.md'), theoryMarkdown(results));
  await writeAtomic(page, await theoryPage(results, files));
  return page;
}
