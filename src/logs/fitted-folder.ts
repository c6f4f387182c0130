// What a fit leaves: models as files, and a document that says what was fitted to which records.
//
//   model.json        the likeliest model
//   ambiguous.json    the cloud or the sets around it, where some were asked for
//   members/00.json   the cloud's members
//   fit.json          records, settings, version, what was found
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TiresiasError } from '../errors.js';
import { hashTree, io, makeFolder, readJson, readJsonIfWhole, syncFolder, temporaryName, writeAtomic, writeJson } from '../files.js';
import { canonicalJson } from '../json.js';
import { version } from '../version.js';
import type { FitSettings, FittedLogs } from './fit.js';
import type { LogsSource } from './import.js';

/** The schema of `fit.json`. */
export const FIT_SCHEMA = 'tiresias.fit/1';
const DOCUMENT = 'fit.json';

/** What was asked for: it decides all that a fit leaves. */
export interface FitRequest {
  schema: typeof FIT_SCHEMA;
  version: string;
  /** The file that was read, and the file of records that it was made from. */
  logs: { file: string; sha256: string; source: LogsSource | null; episodes: number; steps: number };
  settings: FitSettings;
}

/** `fit.json`. */
export interface FitDocument extends FitRequest {
  report: FittedLogs['report'];
  /** SHA-256 of the models, as policies name them. */
  models: { model: string; ambiguous?: string; members: string[] };
}

export const fitRequest = (logs: FitRequest['logs'], settings: FitSettings): FitRequest => ({ schema: FIT_SCHEMA, version, logs, settings });

/** Refuses a folder that holds something else, before anything is fitted. */
export async function checkFolder(folder: string, request: FitRequest): Promise<void> {
  const names = await io(`read ${folder}`, () => readdir(folder).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? [] : Promise.reject(error))));
  if (names.length === 0) return;
  const found = (await readJsonIfWhole(join(folder, DOCUMENT))) as FitDocument | undefined;
  if (found === undefined) throw otherContent(folder, 'no fit');
  const { report: _, models: __, ...asked } = found;
  if (canonicalJson(asked) !== canonicalJson(request)) throw otherContent(folder, 'a fit to other records, or with other settings');
}

/** Writes the folder whole, or leaves what was there. A folder that holds just the same stays as it is. */
export async function writeFitted(folder: string, request: FitRequest, fitted: FittedLogs): Promise<void> {
  const { model, ambiguous, members, report } = fitted;
  const document: FitDocument = { ...request, report, models: { model: model.sha256(), ...(ambiguous && { ambiguous: ambiguous.sha256() }), members: members.map((member) => member.sha256()) } };
  await makeFolder(dirname(folder));
  const temporary = temporaryName(folder);
  try {
    await io(`write ${folder}`, () => mkdir(temporary));
    await writeAtomic(join(temporary, 'model.json'), `${model.toJson()}\n`);
    if (ambiguous) await writeAtomic(join(temporary, 'ambiguous.json'), `${ambiguous.toJson()}\n`);
    const width = Math.max(2, String(members.length - 1).length);
    for (const [i, member] of members.entries()) await writeAtomic(join(temporary, 'members', `${String(i).padStart(width, '0')}.json`), `${member.toJson()}\n`);
    await writeJson(join(temporary, DOCUMENT), document);
    await put(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Gives a whole folder its name, which only an empty folder may have. */
async function put(temporary: string, folder: string): Promise<void> {
  try {
    await rename(temporary, folder);
    await syncFolder(dirname(folder));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') return io(`write ${folder}`, () => Promise.reject(error));
    const [made, found] = [await hashTree(temporary, '.'), await hashTree(folder, '.')];
    if (canonicalJson(made) !== canonicalJson(found)) throw otherContent(folder, 'other files than this fit leaves');
  }
}

/** The document of a folder that {@link writeFitted} left. */
export async function readFitted(folder: string): Promise<FitDocument> {
  const path = join(folder, DOCUMENT);
  const document = (await readJson(path)) as FitDocument | null;
  if (document?.schema !== FIT_SCHEMA) throw new TiresiasError('INVALID_ARGUMENT', `${path}: no document of \`tiresias fit\` of schema ${FIT_SCHEMA}`, { details: { file: path } });
  return document;
}

function otherContent(folder: string, what: string): TiresiasError {
  return new TiresiasError('RUN_FOLDER', `${folder} holds ${what}: name another folder, or remove this one`, { details: { folder } });
}
