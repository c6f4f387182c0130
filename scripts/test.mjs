// The whole test suite: cargo's and vitest's, with one closing line for both. With `--promises` only the property tests of promises, at
// full length: some ten minutes instead of the seconds that each has in the whole suite.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveBaseModel } from '../dist/base/index.js';

const promises = process.argv.includes('--promises');
const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command, letting its output through; resolves to its exit code and standard output. */
function run(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

async function cargoTests(env) {
  const { code, output } = await run('cargo', ['test', '--workspace', '--locked', '--no-fail-fast', ...(promises ? ['--test', 'promises_*'] : [])], env);
  let passed = 0;
  let failed = 0;
  for (const [, ok, bad] of output.matchAll(/^test result: \S+ (\d+) passed; (\d+) failed/gm)) {
    passed += Number(ok);
    failed += Number(bad);
  }
  // A crate that does not build, or a test binary that dies, counts as one failure.
  return { passed, failed: code !== 0 ? Math.max(failed, 1) : failed };
}

async function vitestTests(env) {
  const folder = mkdtempSync(join(tmpdir(), 'tiresias-test-'));
  try {
    const file = join(folder, 'vitest.json');
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const { code } = await run(process.execPath, [vitest, 'run', ...(promises ? ['test/promises-'] : []), '--reporter=default', '--reporter=json', `--outputFile.json=${file}`], env);
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'));
    return { passed: numPassedTests, failed: code !== 0 ? Math.max(numFailedTests, 1) : numFailedTests };
  } catch (error) {
    console.error(error);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const model = await resolveBaseModel({ name: 'smollm2-135m-instruct' }, { onProgress: ({ detail }) => console.log(`base model: ${detail}`) });
const env = { ...process.env, TIRESIAS_SMOLLM2: model.path, ...(promises && { TIRESIAS_PROMISES: 'full' }) };
const rust = await cargoTests(env);
const node = await vitestTests(env);
const passed = rust.passed + node.passed;
const failed = rust.failed + node.failed;
// Each half must have run something.
const empty = rust.passed + rust.failed === 0 || node.passed + node.failed === 0;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || empty ? 1 : 0;
