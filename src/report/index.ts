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
}

/** Writes `report.html` and `report.md` into `directory`; each is whole or not there. Returns their paths. */
export async function writeReport(results: Results, directory: string): Promise<ReportPaths> {
  // Vega takes a while to load; those who only want the table do not wait for it.
  const { page } = await import('./page.js');
  const paths = { html: join(directory, 'report.html'), markdown: join(directory, 'report.md') };
  const [pageText, markdownText] = [await page(results), markdown(results)];
  await writeAtomic(paths.html, pageText);
  await writeAtomic(paths.markdown, markdownText);
  return paths;
}
