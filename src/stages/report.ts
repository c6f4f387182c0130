// Stage report: the pages of a run from its results.json, which is all that it reads. It has no key, as the store would keep nothing that is not
// made again in a moment, and that belongs beside the results.
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readText } from '../files.js';
import { writeReport, type ReportPaths } from '../report/index.js';
import { parseResults, type Results } from '../results.js';
import { unseal } from '../seal.js';

/** Writes the report of a results.json, or of the one in a run's folder; `report` beside it unless `folder` says where. */
export async function reportStage(path: string, folder?: string): Promise<{ results: Results; report: ReportPaths }> {
  const file = (await stat(path).catch(() => undefined))?.isDirectory() ? join(path, 'results.json') : path;
  const results = parseResults(unseal(await readText(file), file, 'INVALID_RESULTS', 'run `tiresias run` again: it redoes only what is damaged'), file);
  return { results, report: await writeReport(results, folder ?? join(dirname(file), 'report')) };
}
