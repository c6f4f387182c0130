// One run at a time in a folder: a lock file that names its process, so that a dead one's lock can be taken over.
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { TiresiasError } from './errors.js';
import { io, sweep, temporaryName } from './files.js';
import { isAlive } from './subprocess.js';

interface Holder {
  pid: number;
  host: string;
  /** When the process began, by the kernel's clock: tells a live process from a later one with the same number. */
  began: string;
}

function beginning(pid: number): string {
  try {
    // Fields 3 and 22 of /proc/<pid>/stat; the second field may hold spaces, so count from its closing bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; only its parent has not yet asked how.
    return fields[0] === 'Z' ? 'ended' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

function holds(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  return isAlive(holder.pid) && beginning(holder.pid) === holder.began;
}

/** Takes the lock or throws RUN_LOCKED; the returned function gives it back. */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), began: beginning(process.pid) } satisfies Holder);
  const temporary = temporaryName(path);
  await sweep(path);
  await io(`lock ${path}`, () => writeFile(temporary, mine));
  try {
    // A hard link appears whole or not at all, and fails when the name is taken.
    while (!(await linked(temporary, path))) await removeStale(path);
  } finally {
    await rm(temporary, { force: true });
  }
  return () => rm(path, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    return io(`lock ${to}`, () => Promise.reject(error as Error));
  }
}

/** Removes a dead process's lock; throws RUN_LOCKED when its process lives. */
async function removeStale(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const holder = parseHolder(text);
  if (holder && holds(holder)) {
    throw new TiresiasError('RUN_LOCKED', `another run (process ${holder.pid} on ${holder.host}) is at work here; wait for it, or stop it, then run the same command again; if that process or machine is gone for good, delete ${path}`, {
      details: { lock: path, ...holder },
    });
  }
  // Move it aside and look again: between the reading and the moving another process may have taken the lock over.
  const aside = temporaryName(path);
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== text) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>;
    return typeof value.pid === 'number' && typeof value.host === 'string' ? { pid: value.pid, host: value.host, began: value.began ?? '' } : undefined;
  } catch {
    return undefined;
  }
}
