// docs/simulation.md is a program that runs.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { root, scratch } from './support.js';

it('the examples of docs/simulation.md run, and their assertions hold', () => {
  const blocks = readFileSync(join(root, 'docs', 'simulation.md'), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm);
  const library = pathToFileURL(join(root, 'dist', 'index.js')).href;
  const program = [...blocks].map(([, code]) => code!).join('\n').replace("from '@tiresias-rl/tiresias'", `from '${library}'`).replaceAll('console.assert(', 'assert(');
  const file = join(scratch(), 'simulation.mjs');
  writeFileSync(file, `import assert from 'node:assert';\n${program}`);
  const output = execFileSync(process.execPath, [file], { encoding: 'utf8' });
  expect(output).toMatch(/^INVALID_ARGUMENT rolloutSync: unknown option "behavior"; did you mean behaviour\?$/m);
  expect(output).not.toMatch(/NaN/);
});
