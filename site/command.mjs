// Runs the project's own command line, whose answers and pages the site shows.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './pages.mjs';

/** What a command prints, run in the checkout or in another folder. */
export async function tiresias(args, cwd = root) {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], { cwd, maxBuffer: 2 ** 26 });
  return stdout;
}
