import { Option, type Command } from 'commander';
import { resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import { checkReadable, checkWritable, writeAtomic, writeJson } from '../files.js';
import type { Trajectories } from '../logs/import.js';
import type { LogsFormat, LogsSchema } from '../logs/schema.js';
import { columns, invoke, newCommand, number, type CommonOptions, type Invocation } from './common.js';
import { importShown, readSchema } from './logs.js';

interface ImportCommandOptions extends CommonOptions {
  schema?: string;
  out?: string;
  test?: string;
  testShare?: number;
  report?: string;
  infer?: true;
  schemaOut?: string;
  format?: LogsFormat;
}

export function importCommand(): Command {
  return newCommand('import', 'read recorded decisions (CSV, TSV, JSON lines, Parquet), and say what they show and what they do not', [
    'tiresias import patients.csv --infer --schema-out schema.json',
    'tiresias import patients.csv --schema schema.json --out patients.parquet --report patients.html',
    'tiresias import patients.csv --schema schema.json --out fit.parquet --test test.parquet --test-share 0.5',
    'tiresias import minari:wards/first-v0 --out wards.parquet',
  ])
    .argument('<file>', 'a file of records, of which a row is one decision; or minari:NAME, a dataset of Minari')
    .option('--schema <file>', 'what the columns mean (docs/your-own-data.md)')
    .option('-o, --out <file>', 'write the trajectories, for `tiresias fit` and `tiresias off-policy`')
    .option('--test <file>', 'with --out: set some episodes aside, into this file, for judging policies')
    .option('--test-share <x>', 'with --test: the share that is set aside, drawn by --seed; 0.5 when absent', number(0, 1))
    .option('--report <file>', 'write a page with figures (HTML)')
    .option('--infer', 'read nothing: look at the first 10,000 rows and propose a schema')
    .option('--schema-out <file>', 'with --infer: write the schema, or a draft of it')
    .addOption(new Option('--format <name>', 'with --infer: how the file is written; by its ending when absent').choices(['csv', 'tsv', 'jsonl', 'parquet']))
    .action((file: string, options: ImportCommandOptions) =>
      invoke({ ...options, resumes: false }, (invocation) => {
        checkTogether(file, options);
        return options.infer ? infer(file, options, invocation) : importFile(file, options, invocation);
      }),
    );
}

/** Refuses options that would be ignored. */
function checkTogether(file: string, { infer, schema, schemaOut, format, out, test, testShare, report }: ImportCommandOptions): void {
  const usage = (message: string) => new TiresiasError('USAGE', message);
  if (infer && [schema, out, test, testShare, report].some((option) => option !== undefined)) throw usage('--infer reads no more than the first rows: it goes with --schema-out and --format only');
  if (!infer && (schemaOut !== undefined || format !== undefined)) throw usage('--schema-out and --format go with --infer');
  if (infer && minariName(file) !== undefined) throw usage(`${file}: a dataset of Minari needs no schema; import it without --infer`);
  if (!infer && schema === undefined && minariName(file) === undefined) throw usage('name the --schema, which says what the columns mean, or let --infer propose one');
  if (testShare !== undefined && test === undefined) throw usage('--test-share goes with --test FILE');
  const written = [file, out, test, report, schemaOut].flatMap((path) => (path === undefined ? [] : [resolve(path)]));
  if (new Set(written).size < written.length) throw usage('two of the files are the same one: give each a name of its own');
  if (test !== undefined && out === undefined) throw usage('--test goes with --out FILE, which gets the other episodes');
}

async function infer(file: string, { format, schemaOut }: ImportCommandOptions, { print }: Invocation): Promise<void> {
  const { inferLogs } = await import('../logs/import.js');
  const { inferredInWords } = await import('../logs/words.js');
  await checkReadable(file);
  const inferred = inferLogs(file, format === undefined ? {} : { format });
  if (schemaOut !== undefined) await writeJson(schemaOut, inferred.schema ?? inferred.draft);
  const then = inferred.schema === null ? 'it is a draft: fill in what FILL IN marks (docs/your-own-data.md)' : 'look at it before you use it';
  print({ ...inferred, ...(schemaOut !== undefined && { schemaOut }) }, `${inferredInWords(inferred)}${schemaOut === undefined ? '' : `\n\nwritten to ${schemaOut}: ${then}`}`);
}

/** The name of a dataset of Minari. */
const minariName = (file: string): string | undefined => /^minari:(.+)$/.exec(file)?.[1];

async function read(file: string, schema: LogsSchema | undefined, options: CommonOptions, invocation: Invocation): Promise<Trajectories> {
  const name = minariName(file);
  if (name === undefined) return importShown(file, schema!, options, invocation);
  const { importMinari } = await import('../logs/minari.js');
  const { signal, progress } = invocation;
  return importMinari(name, schema, { signal, onProgress: ({ done, total }) => progress.show({ stage: 'import', done, total, detail: `${done} of ${total} episodes` }) });
}

async function importFile(file: string, options: ImportCommandOptions, invocation: Invocation): Promise<void> {
  const { out, test, testShare, report: page, seed } = options;
  const { logsReport, logsSource } = await import('../logs/import.js');
  const { reportRows } = await import('../logs/words.js');
  if (minariName(file) === undefined) await checkReadable(file);
  const schema = options.schema === undefined ? undefined : await readSchema(options.schema);
  for (const path of [out, test, page]) if (path !== undefined) await checkWritable(path);
  const trajectories = await read(file, schema, options, invocation);
  const report = logsReport(trajectories);
  const parts = test === undefined ? { train: trajectories, test: undefined } : (await import('../logs/split.js')).splitLogs(trajectories, { ...(testShare !== undefined && { share: testShare }), ...(seed !== undefined && { seed }) });
  // The page is made before anything is written, so that what goes wrong with it leaves nothing.
  const html = page === undefined ? undefined : await (await import('../logs/page.js')).logsPage(file, trajectories);
  invocation.signal.throwIfAborted();
  if (out !== undefined) parts.train.save(out);
  if (test !== undefined) parts.test!.save(test);
  if (page !== undefined) await writeAtomic(page, html!);
  invocation.progress.close();
  invocation.print(
    { file, source: logsSource(trajectories), report, ...(out !== undefined && { out, episodes: parts.train.episodes }), ...(test !== undefined && { test, testEpisodes: parts.test!.episodes }), ...(page !== undefined && { page }) },
    columns([
      ['file', file], ...reportRows(report),
      ...(out === undefined ? [] : [['written', test === undefined ? out : `${out} (${parts.train.episodes} episodes), ${test} (${parts.test!.episodes} episodes)`] as const]),
      ...(page === undefined ? [] : [['page', page] as const]),
    ]),
  );
}
