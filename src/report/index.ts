// The report of an experiment: results.json in, one self-contained page and its Markdown twin out.
import { join } from 'node:path';
import { writeAtomic } from '../files.js';
import type { Results } from '../results.js';
import { markdown } from './markdown.js';

export { comparisonTable, markdownTable, tables } from './markdown.js';

/** Where a report is. */
export interface ReportPaths {
  /** The page, which stands alone. */
  html: string;
  /** Its Markdown twin. */
  markdown: string;
  /** Its figures, each as SVG and as PNG. */
  figures: string[];
}

/** Writes `report.html`, `report.md` and the folder `figures` into `directory`; each file is whole or not there. Returns their paths. */
export async function writeReport(results: Results, directory: string): Promise<ReportPaths> {
  // Vega takes a while to load; those who only want the table do not wait for it.
  const [{ page }, { drawn, sheets }, { writeFigures }] = await Promise.all([import('./page.js'), import('./sheets.js'), import('./files.js')]);
  const paths = { html: join(directory, 'report.html'), markdown: join(directory, 'report.md') };
  const drawings = await drawn(results);
  const [pageText, markdownText] = [await page(results, drawings), markdown(results)];
  await writeAtomic(paths.html, pageText);
  await writeAtomic(paths.markdown, markdownText);
  const figures = await writeFigures(sheets(results, drawings), directory);
  return { ...paths, figures: figures.map((path) => join(directory, path)) };
}
