// One run at a time in a folder: a lock file that names its process, so that a dead one's lock can be taken over. Whether a process of this
// machine lives its number tells; one of another machine, in a folder that machines share, shows it by writing to its lock now and then.
import { link, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
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

/** How often a holder says that it lives, in seconds, and after how long a silence another machine's lock counts for nothing. */
const BEAT = 20;
const SILENCE = 180;

/** `silence`: seconds since the lock was last written to. */
function holds(holder: Holder, silence: number): boolean {
  if (holder.host !== hostname()) return silence < SILENCE;
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
    while (!(await linked(temporary, path))) await removeStale(path, temporary);
  } finally {
    await rm(temporary, { force: true });
  }
  const quiet = await beat(path, mine.length);
  return async () => {
    await quiet();
    // Whoever was silent for too long has lost it.
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.trimEnd() === mine) await rm(path, { force: true });
  };
}

/** Writes to a lock now and then: white space behind its text, through the file itself, so that a lock which was taken over is left alone. */
async function beat(path: string, end: number): Promise<() => Promise<void>> {
  const file = await open(path, 'r+').catch(() => undefined);
  const timer = setInterval(() => void file?.write(' ', end).catch(() => {}), BEAT * 1000).unref();
  return async () => {
    clearInterval(timer);
    await file?.close().catch(() => {});
  };
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

/** Removes a dead process's lock; throws RUN_LOCKED when its process lives. `now`, a file just written there, tells the time by the file system's own clock. */
async function removeStale(path: string, now: string): Promise<void> {
  const found = await look(path);
  if (!found) return;
  const { text, time } = found;
  const holder = parseHolder(text);
  if (holder && holds(holder, ((await stat(now)).mtimeMs - time) / 1000)) {
    throw new TiresiasError('RUN_LOCKED', `another run (process ${holder.pid} on ${holder.host}) is at work here; wait for it, or stop it, then run the same command again; another machine's counts for nothing ${SILENCE / 60} minutes after it fell silent; if that process or machine is gone for good, delete ${path}`, {
      details: { lock: path, ...holder },
    });
  }
  // Move it aside and look again: between the reading and the moving another process may have taken the lock over, or its own have shown that it lives.
  const aside = temporaryName(path);
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await look(aside);
  if (moved && (moved.text !== text || moved.time !== time)) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** What a lock says, and when it was last written to. */
async function look(path: string): Promise<{ text: string; time: number } | undefined> {
  try {
    return { text: await readFile(path, 'utf8'), time: (await stat(path)).mtimeMs };
  } catch {
    return undefined;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>;
    return typeof value.pid === 'number' && typeof value.host === 'string' ? { pid: value.pid, host: value.host, began: value.began ?? '' } : undefined;
  } catch {
    return undefined;
  }
}
