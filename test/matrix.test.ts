// Every installer installs what is published, and every runtime imports, requires and runs it (scripts/matrix.mjs).
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { root } from './support.js';

interface Row {
  name: string;
  ok: boolean;
  reason?: string;
}

it('is installed by every installer and runs on every runtime', async () => {
  // A failure is a row with its reason, and exit code 1.
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'scripts', 'matrix.mjs'), '--json', '--rounds', '1'], { cwd: root, maxBuffer: 2 ** 26 }).catch((error: { stdout: string }) => error);
  const { installers, runtimes } = JSON.parse(stdout) as { installers: Row[]; runtimes: Row[] };
  expect([...installers, ...runtimes].filter(({ ok }) => !ok)).toEqual([]);
  expect(installers.map(({ name }) => name)).toEqual(['npm', 'pnpm', 'Yarn 1', 'Yarn 4', 'Bun', 'Deno']);
  expect(runtimes.map(({ name }) => name)).toEqual(['Node 20', 'Node 22', 'Node 24', 'Bun', 'Deno']);
}, 600_000);
