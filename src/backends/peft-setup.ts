// Makes the peft backend's virtual environment, whole or not at all: it cannot be moved once made, so it is made where it will lie, and a
// stamp written last says that it is whole.
import { rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { cacheFolder } from '../cache.js';
import { TiresiasError, messageOf } from '../errors.js';
import { io, makeFolder, readText, sha256, writeJson } from '../files.js';
import { takeLock } from '../lock.js';
import { environment, environmentFolder, environmentPython, requirementsPath, stampPath, type EnvironmentKind, type Stamp } from './peft.js';

/** How {@link setUpPeft} goes about it. */
export interface SetupOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((event: { done: number; total: number; detail: string }) => void) | undefined;
}

/** Makes the environment unless it is there; returns its python. */
export async function setUpPeft(kind: EnvironmentKind, { signal, onProgress }: SetupOptions = {}): Promise<string> {
  await io(`make ${cacheFolder()}`, () => makeFolder(cacheFolder()));
  const release = await takeLock(join(cacheFolder(), 'peft.lock'));
  try {
    const file = requirementsPath(kind);
    const requirements = await readText(file);
    const total = [...requirements.matchAll(/^[A-Za-z0-9]/gm)].length;
    if (environment()?.kind !== kind) {
      const folder = environmentFolder();
      // What an earlier call left unfinished, or made of other requirements.
      await io(`remove ${folder}`, () => rm(folder, { recursive: true, force: true }));
      onProgress?.({ done: 0, total, detail: 'making the virtual environment' });
      await said(process.env['TIRESIAS_PYTHON'] ?? 'python3', ['-m', 'venv', folder], signal);
      let done = 0;
      const pip = ['-m', 'pip', 'install', '--no-deps', '--require-hashes', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off', '-r', file];
      await said(environmentPython(), pip, signal, (line) => {
        // pip names each package when it begins with it.
        const name = /^Collecting ([^ ]+)/.exec(line)?.[1];
        if (name !== undefined) onProgress?.({ done: done++, total, detail: name });
        else if (line.startsWith('Installing')) onProgress?.({ done, total, detail: 'unpacking' });
      });
      const stamp: Stamp = { kind, requirements: sha256(requirements) };
      await writeJson(stampPath(), stamp);
    }
    onProgress?.({ done: total, total, detail: 'installed' });
    return environmentPython();
  } finally {
    await release();
  }
}

/** Runs a program to its end and hands over what it says, line by line. Throws SETUP_FAILED with its last words. */
async function said(program: string, args: readonly string[], signal: AbortSignal | undefined, onLine: (line: string) => void = () => {}): Promise<void> {
  signal?.throwIfAborted();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-4000)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    // `python -m venv` complains on standard output.
    complaint = `${complaint}${/^(Error|The virtual environment was not)/.test(line) ? `${line}\n` : ''}`;
    onLine(line);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    signal?.throwIfAborted();
    const why = complaint.trim().split('\n').slice(-3).join('\n');
    if (/No space left on device/.test(complaint)) throw new TiresiasError('DISK_FULL', 'the environment of the backend peft does not fit on the disk; free some gigabytes, or set TIRESIAS_CACHE to a folder elsewhere');
    if (code !== 0) throw new TiresiasError('SETUP_FAILED', `\`${program} ${args.slice(0, 3).join(' ')}\` failed; run the same command again to start again:\n${why}`, { details: { code } });
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new TiresiasError('PYTHON_MISSING', `${program} was not found; install Python 3.11 or later, or name one with TIRESIAS_PYTHON (${messageOf(error)})`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
