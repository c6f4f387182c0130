// `npm run new`: what it writes compiles, is found by its name, and has a test that fails until it is written.
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { root, scratch } from './support.js';

const run = promisify(execFile);

/** A checkout of so much as is changed or run, with the rest linked to. */
function checkout(copied: string[], linked: string[] = []): string {
  const folder = scratch();
  for (const path of [...copied, ...linked]) mkdirSync(dirname(join(folder, path)), { recursive: true });
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true });
  for (const path of linked) symlinkSync(join(root, path), join(folder, path));
  return folder;
}

const make = (folder: string, ...args: string[]) => spawnSync(process.execPath, [join(root, 'scripts', 'new.mjs'), ...args, '--root', folder], { encoding: 'utf8' });

it('method: compiles, plays under its name, and its test fails', { timeout: 60_000 }, async () => {
  const folder = checkout(['src', 'test/support.ts', 'tsconfig.json', 'package.json', 'vitest.config.ts'], ['native', 'node_modules', 'docs']);
  expect(make(folder, 'method', 'first-guess')).toMatchObject({ status: 0, stdout: expect.stringContaining('src/methods/first-guess.ts\nsrc/methods/index.ts\ntest/first-guess.test.ts\n') as string });
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', 'tsconfig.json', '--noEmit'], { cwd: folder });
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/first-guess.test.ts'], { cwd: folder, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' } });
  expect(status).toBe(1);
  expect(stderr).toMatch(/first-guess earns more than chance\nAssertionError.*to be greater than/);
});

it.each([
  ['solver', ['crates/solve/src/first_guess.rs', 'crates/solve/src/lib.rs', 'crates/solve/src/registry.rs'], { 'crates/solve/src/lib.rs': 'pub use first_guess::FirstGuess;', 'crates/solve/src/registry.rs': 'build: || Box::new(FirstGuess),' }],
  ['family', ['crates/model/src/family/first_guess.rs', 'crates/model/src/family/mod.rs', 'native/src/family.rs'], { 'crates/model/src/family/mod.rs': 'Box::new(FirstGuess)]', 'native/src/family.rs': "'energy' | 'first-guess' | " }],
])('%s: a file, and lines where it is listed', (kind, files, lines) => {
  const folder = checkout(files.slice(1));
  mkdirSync(join(folder, dirname(files[0]!)), { recursive: true });
  expect(make(folder, kind, 'first-guess')).toMatchObject({ status: 0, stdout: expect.stringContaining(`${files.join('\n')}\n`) as string });
  for (const [path, line] of Object.entries(lines)) expect(readFileSync(join(folder, path), 'utf8')).toContain(line);
  // A second time nothing is written over.
  const before = files.map((path) => readFileSync(join(folder, path), 'utf8'));
  expect(make(folder, kind, 'first-guess')).toMatchObject({ status: 2, stderr: expect.stringContaining('is there already') as string });
  expect(files.map((path) => readFileSync(join(folder, path), 'utf8'))).toEqual(before);
});

it.each([['sover', 'x'], ['method'], ['method', 'Two Words'], ['method', 'a', 'b']])('%s %s is refused', (...args) => {
  expect(make(scratch(), ...args)).toMatchObject({ status: 2, stderr: expect.stringContaining('npm run new -- method|solver|family NAME') as string });
});
