// Files of records by their names, and where they belong: other readers would only find that they are no model.
import { extname } from 'node:path';
import { TiresiasError } from '../errors.js';

const ENDINGS = ['.csv', '.tsv', '.jsonl', '.ndjson', '.parquet'];

/** Whether a file's name ends as those of records do. */
export const looksLikeRecords = (file: string): boolean => ENDINGS.includes(extname(file).toLowerCase());

/** Refuses a file of records where something else is wanted, and says where such a file goes. Throws USAGE. */
export function refuseRecords(file: string, wanted: string): void {
  if (!looksLikeRecords(file)) return;
  throw new TiresiasError('USAGE', `${file} looks like records of decisions, and ${wanted} is wanted here: start with \`tiresias import ${file} --infer\` (docs/your-own-data.md)`, { details: { file } });
}
