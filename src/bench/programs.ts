// Where programs are, and which cores this process may use.
import { constants, existsSync, readFileSync, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** A program in PATH, or undefined. */
export async function inPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter((part) => part !== '')) {
    const path = join(folder, name);
    if (await isProgram(path)) return resolve(path);
  }
  return undefined;
}

/** Whether there is a file that may be run. */
export async function isProgram(path: string): Promise<boolean> {
  return existsSync(path) && statSync(path).isFile() && access(path, constants.X_OK).then(() => true, () => false);
}

/** The cores that this process may use, where the system says so; otherwise as many as it counts. */
export function allowedCores(): number[] {
  try {
    const listed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (listed !== undefined) {
      return listed.split(',').flatMap((part) => {
        const [first, last = first] = part.split('-').map(Number);
        return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
      });
    }
  } catch {
    // Not Linux.
  }
  return Array.from({ length: availableParallelism() }, (_, i) => i);
}
