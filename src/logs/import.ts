// Files of records become trajectories.
import { basename } from 'node:path';
import { CALL_OPTIONS, checkOptions, invalid } from '../check.js';
import { doubles, shown } from '../arguments.js';
import { cancellable, native, type CallOptions } from '../native.js';
import type * as Addon from '../../native/index.cjs';
import type { InferredLogs, LogsReport } from './report.js';
import { shortSchema, type LogsFormat, type LogsSchema } from './schema.js';

/** Recorded decisions in columns: episodes of what was seen, done and earned. Immutable; see {@link importLogs}. */
export const Trajectories = native.Trajectories;
export type Trajectories = Addon.Trajectories;

/** Settings of {@link importLogs}. */
export interface ImportOptions extends CallOptions<Addon.ReadingProgress> {
  /** Threads; default one a core. What comes out does not depend on it. */
  threads?: number;
}

/** Where trajectories come from. */
export interface LogsSource {
  /** The file's name, without its folder. */
  file: string;
  /** SHA-256 of the file. */
  sha256: string;
  /** By what it was read. */
  schema: LogsSchema;
}

/**
 * Reads a file of records (CSV, TSV, JSON lines, Parquet) by a schema. Either all rows are taken or none: rejects with `INVALID_LOGS`, listing
 * what is wrong with its lines, with `INVALID_ARGUMENT` for a schema that makes no sense or does not fit the file, and with `IO`. O(rows).
 */
export async function importLogs(path: string, schema: LogsSchema, options: ImportOptions = {}): Promise<Trajectories> {
  checkOptions('importLogs', options, { ...CALL_OPTIONS, threads: 'number' });
  const text = schemaText('importLogs', schema);
  const { threads, ...call } = options;
  const source: LogsSource = { file: basename(path), sha256: await native.fileSha256(path), schema };
  return cancellable(call, (token, report) => native.importLogs(path, text, JSON.stringify(source), threads, token, report));
}

/** Columns by name, all of one length: numbers (NaN is missing), or words, truth values and numbers as they come (null is missing). */
export type LogsColumns = Readonly<Record<string, Float64Array | Float32Array | Int32Array | readonly (string | number | boolean | null)[]>>;

/** The same from columns in memory, as Gymnasium's and Minari's are. */
export function importArrays(columns: LogsColumns, schema: LogsSchema): Trajectories {
  if (typeof columns !== 'object' || columns === null) throw invalid(`importArrays: the columns are an object of arrays, not ${shown(columns)}`);
  const text = schemaText('importArrays', schema);
  return arrays(columns, text);
}

/** The same of columns that came from a file of another kind. */
export function columnsWithSource(columns: LogsColumns, schema: LogsSchema, source: LogsSource): Trajectories {
  return arrays(columns, schemaText('importArrays', schema), JSON.stringify(source));
}

function arrays(columns: LogsColumns, schema: string, note?: string): Trajectories {
  return native.importArrays(Object.entries(columns).map(([name, values]) => column(name, values)), schema, note);
}

function column(name: string, values: LogsColumns[string]): Addon.LogsColumn {
  if (values instanceof Int32Array) return { name, numbers: Float64Array.from(values) };
  if (!Array.isArray(values) || values.every((value) => typeof value === 'number')) {
    return { name, numbers: doubles(values as Float64Array) ?? invalid(`importArrays: column ${JSON.stringify(name)} is an array, not ${shown(values)}`) };
  }
  const given = values as readonly (string | number | boolean | null)[];
  const gaps = Uint32Array.from(given.flatMap((value, row) => (value === null ? [row] : [])));
  return { name, words: given.map(String), gaps };
}

/** Settings of {@link inferLogs}. */
export interface InferOptions {
  /** How the file is written; left out, what its name ends with. */
  format?: LogsFormat;
}

/** Proposes a schema from the first 10,000 rows of a file; look at it before you use it. Throws `IO` and `INVALID_LOGS`. */
export function inferLogs(path: string, options: InferOptions = {}): InferredLogs {
  checkOptions('inferLogs', options, { format: ['csv', 'tsv', 'jsonl', 'parquet'] });
  const inferred = JSON.parse(native.inferLogs(path, options.format)) as InferredLogs;
  return { ...inferred, schema: inferred.schema && shortSchema(inferred.schema), draft: inferred.draft && shortSchema(inferred.draft) };
}

/** What trajectories are like. O(steps). */
export function logsReport(trajectories: Trajectories): LogsReport {
  return JSON.parse(checkTrajectories('logsReport', trajectories).report()) as LogsReport;
}

/** Where trajectories come from; `null` for those that no file was read for. */
export function logsSource(trajectories: Trajectories): LogsSource | null {
  return JSON.parse(checkTrajectories('logsSource', trajectories).note) as LogsSource | null;
}

/** Checks that they are trajectories. */
export function checkTrajectories(call: string, trajectories: unknown): Trajectories {
  if (!(trajectories instanceof native.Trajectories)) throw invalid(`${call}: the trajectories are Trajectories (importLogs, Trajectories.load), not ${shown(trajectories)}`);
  return trajectories;
}

function schemaText(call: string, schema: unknown): string {
  if (typeof schema !== 'object' || schema === null) throw invalid(`${call}: the schema is an object, not ${shown(schema)}`);
  // For editors, as in every document of ours.
  return JSON.stringify({ ...schema, $schema: undefined });
}
