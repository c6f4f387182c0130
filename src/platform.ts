// The package of this platform: an optional dependency that holds the addon and the trainer (RELEASING.md). A checkout has none and builds both.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageName, version } from './version.js';

/** What there are packages for, in napi-rs's names: system, processor and, where there are several, C library. */
export const PLATFORMS = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl', 'darwin-x64', 'darwin-arm64', 'win32-x64-msvc'];

/** The C library of a system that has several. */
function library(): string {
  if (process.platform === 'win32') return '-msvc';
  if (process.platform !== 'linux') return '';
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? '-musl' : '-gnu';
}

/** What this process runs on, named as in {@link PLATFORMS}. */
export const platform = (): string => `${process.platform}-${process.arch}${library()}`;

/** A file of this platform's package, where that package is installed and has it. */
export function platformFile(name: string): string | undefined {
  try {
    const file = join(dirname(createRequire(import.meta.url).resolve(`${packageName}-${platform()}/package.json`)), name);
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** What to do for this platform's files. `command` builds them in a checkout. */
export function platformHint(command: string): string {
  const [here, built] = [platform(), `build it in a checkout, which takes Rust: ${command}`];
  if (!PLATFORMS.includes(here)) return `there is no package for ${here} (there are for ${PLATFORMS.join(', ')}); ${built}`;
  return `install the optional package of this platform: npm install ${packageName}-${here}@${version} (npm leaves it out with --omit=optional, and where a lock file was written on another platform); or ${built}`;
}
