// The cache folder: scratch places that die with their process, so that a killed download leaves nothing behind for long.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { io, makeFolder } from './files.js';
import { isAlive } from './subprocess.js';

/** TIRESIAS_CACHE, or `tiresias` in the operating system's cache folder. */
export function cacheFolder(): string {
  if (process.env['TIRESIAS_CACHE']) return process.env['TIRESIAS_CACHE'];
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'tiresias');
  if (process.platform === 'win32') return join(process.env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'tiresias');
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tiresias');
}

/** Runs `work` with an own folder under `parent`, removed afterwards; folders of processes that died are removed first. */
export async function withScratch<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await io(`make a folder under ${parent}`, async () => {
    await makeFolder(parent);
    for (const name of await readdir(parent)) {
      const owner = /^scratch-(\d+)-/.exec(name);
      if (owner && !isAlive(Number(owner[1]))) await rm(join(parent, name), { recursive: true, force: true });
    }
    return mkdtemp(join(parent, `scratch-${process.pid}-`));
  });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
