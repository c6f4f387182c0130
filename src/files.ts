// Files that are whole or absent: written under a temporary name beside the target, synced, then renamed.
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { link, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, basename, relative, sep } from 'node:path';
import { TiresiasError, messageOf } from './errors.js';
import { canonicalJson, parseJson, unmarked } from './json.js';
import { isAlive } from './subprocess.js';

const CODE_OF_ERRNO: Readonly<Record<string, string>> = {
  ENOENT: 'FILE_NOT_FOUND',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EFBIG: 'DISK_FULL',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
};

const SAID: Readonly<Record<string, string>> = {
  FILE_NOT_FOUND: 'no such file or folder',
  DISK_FULL: 'the disk is full (or a quota or file-size limit is reached); free some space and run the same command again',
  PERMISSION_DENIED: 'permission denied',
};

/** A file system's error as a TiresiasError; `doing` completes "could not …". Anything else passes unchanged. */
export function ioError(error: unknown, doing: string): unknown {
  const errno = (error as NodeJS.ErrnoException | undefined)?.code;
  if (!(error instanceof Error) || error instanceof TiresiasError || typeof errno !== 'string' || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const code = CODE_OF_ERRNO[errno] ?? 'IO';
  return new TiresiasError(code, `could not ${doing}: ${SAID[code] ?? (errno === 'EISDIR' ? 'it is a folder' : messageOf(error))}`, { details: { errno, doing }, cause: error });
}

/** Runs file-system work, its errors made TiresiasErrors. */
export async function io<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw ioError(error, doing);
  }
}

/** Makes a folder and those above it that are missing. Node's own way never ends where a system has no such folders to make, as under `/proc`. */
export async function makeFolder(path: string): Promise<void> {
  const unlessThere = async (error: unknown) => {
    if (!(await stat(path).then((found) => found.isDirectory(), () => false))) throw error;
  };
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) return unlessThere(error);
    await makeFolder(dirname(path));
    await mkdir(path).catch(unlessThere);
  }
}

/** Tells machines apart that share a folder: a process's number means something on its own only. */
const HOST = sha256(hostname()).slice(0, 6);

/** A name beside `path` that no other process uses and that says whose it is. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${HOST}.${Math.random().toString(36).slice(2, 8)}.tmp`);
}

/** Removes what processes of this machine that died left beside `path` while they wrote it. */
export async function sweep(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = name.startsWith(prefix) && /^(\d+)(?:-([0-9a-f]+))?\.[a-z0-9]*\.tmp$/.exec(name.slice(prefix.length));
    if (owner && (owner[2] ?? HOST) === HOST && !isAlive(Number(owner[1]))) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Writes a whole file or leaves what was there; durable when it returns. Makes the folder. */
export async function writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await io(`write ${path}`, async () => {
    await makeFolder(dirname(path));
    await sweep(path);
    await written(path, data, (temporary) => rename(temporary, path));
  });
}

/** As {@link writeAtomic}, unless something lies there already: of many who write it at once one does. Returns whether this one did. */
export async function writeNew(path: string, data: string | Uint8Array): Promise<boolean> {
  return io(`write ${path}`, async () => {
    await makeFolder(dirname(path));
    // A hard link appears whole or not at all, and fails when the name is taken.
    return written(path, data, (temporary) => link(temporary, path).then(() => true, (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }));
  });
}

/** Writes a file beside `path`, whole, and has it named; under its temporary name nothing stays. */
async function written<T>(path: string, data: string | Uint8Array, name: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    return await name(temporary);
  } finally {
    await rm(temporary, { force: true });
    await syncFolder(dirname(path));
  }
}

/** Makes a rename in `folder` durable. Some file systems cannot sync a folder; the rename is atomic all the same. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Nothing more to be done, and nothing is lost but durability over a power cut.
  }
}

/** {@link writeAtomic} of JSON, indented, with a final newline. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Throws as {@link writeAtomic} would, before the work whose result is to be written. A folder that is not there is a slip, and not made. */
export async function checkWritable(path: string): Promise<void> {
  const temporary = temporaryName(path);
  await io(`write ${path}`, async () => {
    if ((await stat(path).catch(() => undefined))?.isDirectory()) throw new TiresiasError('IO', `could not write ${path}: it is a folder`);
    if ((await stat(dirname(path)).catch(() => undefined)) === undefined) throw new TiresiasError('FILE_NOT_FOUND', `could not write ${path}: there is no folder ${dirname(path)}; make it first`, { details: { path } });
    await (await open(temporary, 'wx')).close();
    await rm(temporary, { force: true });
  });
}

/** A text in UTF-8, without its byte-order mark. */
export async function readText(path: string): Promise<string> {
  return unmarked(await io(`read ${path}`, () => readFile(path, 'utf8')));
}

/** Throws as {@link readText} would, for files that the addon reads. */
export async function checkReadable(path: string): Promise<void> {
  await io(`read ${path}`, async () => (await open(path, 'r')).close());
}

export async function readJson(path: string): Promise<unknown> {
  return parseJson(await readText(path), path);
}

/** The parsed file, or undefined when there is none or it is no JSON, as after damage. */
export async function readJsonIfWhole(path: string): Promise<unknown> {
  try {
    return await readJson(path);
  } catch (error) {
    if (error instanceof TiresiasError && (error.code === 'FILE_NOT_FOUND' || error.code === 'INVALID_JSON')) return undefined;
    throw error;
  }
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 of a file, read as a stream. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  return io(`read ${path}`, async () => {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Uint8Array);
    return hash.digest('hex');
  });
}

/** {@link sha256File} on the calling thread, for calls that are synchronous. */
export function sha256FileSync(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafe(1 << 20);
      for (let n; (n = readSync(file, buffer)) > 0; ) hash.update(buffer.subarray(0, n));
      return hash.digest('hex');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw ioError(error, `read ${path}`);
  }
}

/** SHA-256 of a file, or of every file in a folder and those below it, by its path relative to `from`, in the order of the paths. */
export async function hashTree(from: string, path: string, signal?: AbortSignal): Promise<Record<string, string>> {
  const whole = join(from, path);
  const paths = await io(`read ${whole}`, async () => {
    if ((await stat(whole)).isFile()) return [whole];
    const entries = await readdir(whole, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
  });
  const hashes: Record<string, string> = {};
  for (const file of paths) hashes[relative(from, file).split(sep).join('/')] = await sha256File(file, signal);
  return hashes;
}

/** One hash over the names and the bytes of all files in a folder. */
export async function folderHash(folder: string, signal?: AbortSignal): Promise<string> {
  return sha256(canonicalJson(await hashTree(folder, '.', signal)));
}
