// The records that a command works on: trajectories that `tiresias import` wrote, or a file of records with its schema.
import type { Command } from 'commander';
import { basename, extname } from 'node:path';
import { TiresiasError } from '../errors.js';
import { checkReadable, readJson, sha256File } from '../files.js';
import type { LogsSource, Trajectories } from '../logs/import.js';
import { looksLikeRecords } from '../logs/records.js';
import type { LogsSchema } from '../logs/schema.js';
import { threadsOf, type CommonOptions, type Invocation } from './common.js';

export interface LogsOptions extends CommonOptions {
  schema?: string;
}

/** Adds `<logs>` and `--schema`. */
export function withLogs(command: Command): Command {
  return command
    .argument('<logs>', 'trajectories that `tiresias import` wrote, or a file of records (.csv, .tsv, .jsonl, .parquet) with --schema')
    .option('--schema <file>', 'what the columns of a file of records mean (docs/your-own-data.md)');
}

/** Records, and which they are. */
export interface Logs {
  trajectories: Trajectories;
  /** The file that was read, without its folder, and its hash. */
  file: string;
  sha256: string;
  /** The file of records that it was made from; `null` where that is not known. */
  source: LogsSource | null;
}

export async function readLogs(file: string, options: LogsOptions, invocation: Invocation): Promise<Logs> {
  const { logsSource } = await import('../logs/import.js');
  await checkReadable(file);
  const trajectories = options.schema === undefined ? await load(file) : await importShown(file, await readSchema(options.schema), options, invocation);
  return { trajectories, file: basename(file), sha256: await sha256File(file, invocation.signal), source: logsSource(trajectories) };
}

/** A schema from its file; the core says what is wrong with it. What an editor goes by is no part of it. */
export async function readSchema(file: string): Promise<LogsSchema> {
  const value = await readJson(file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TiresiasError('INVALID_ARGUMENT', `${file}: a schema is a JSON object`, { details: { file } });
  const { $schema: _, ...schema } = value as LogsSchema & { $schema?: string };
  return schema;
}

/** Reads records under a bar. */
export async function importShown(file: string, schema: LogsSchema, options: CommonOptions, { signal, progress }: Invocation): Promise<Trajectories> {
  const { importLogs } = await import('../logs/import.js');
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return importLogs(file, schema, {
    signal, threads: threadsOf(options),
    onProgress: ({ done, total }) => progress.show({ stage: 'import', done, total, detail: `${megabytes(done)} of ${megabytes(total)} MB` }),
  });
}

async function load(file: string): Promise<Trajectories> {
  const { Trajectories } = await import('../logs/import.js');
  const hint = `a file of records needs its --schema; \`tiresias import ${file} --infer\` proposes one (docs/your-own-data.md)`;
  if (looksLikeRecords(file) && extname(file).toLowerCase() !== '.parquet') throw new TiresiasError('USAGE', `${file}: ${hint}`);
  try {
    return Trajectories.load(file);
  } catch (error) {
    if (!(error instanceof TiresiasError && error.code === 'INVALID_LOGS')) throw error;
    throw new TiresiasError(error.code, `${error.message}\n${hint}`, { details: error.details, cause: error });
  }
}
