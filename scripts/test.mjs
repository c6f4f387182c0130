// The whole test suite: cargo's, vitest's and pytest's, with one closing line for all. With `--peft` only the Python backend's: its own
// tests and the conformance suite of all backends. With `--promises` only the property tests of promises, at full length: some ten minutes
// instead of the seconds that each has in the whole suite.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendOf } from '../dist/backends/index.js';
import { resolveBaseModel } from '../dist/base/index.js';

const only = ['peft', 'promises'].find((part) => process.argv.includes(`--${part}`));
const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tiresias-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Runs a command, letting its output through; resolves to its exit code and standard output. */
function run(command, args, { env, cwd = root }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
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
  const { code, output } = await run('cargo', ['test', '--workspace', '--locked', '--no-fail-fast', ...(only === 'promises' ? ['--test', 'promises_*'] : [])], { env });
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
  const files = { peft: ['test/conformance.test.ts'], promises: ['test/promises-'] }[only] ?? [];
  const file = join(scratch, 'vitest.json');
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const { code } = await run(process.execPath, [vitest, 'run', ...files, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`], { env });
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'));
  return { passed: numPassedTests, failed: code !== 0 ? Math.max(numFailedTests, 1) : numFailedTests };
}

async function pytestTests(env) {
  const peft = backendOf('peft').command();
  const file = join(scratch, 'pytest.xml');
  const { code } = await run(peft.program, ['-m', 'pytest', '-p', 'no:cacheprovider', `--junitxml=${file}`], { cwd: join(root, 'python', 'tiresias_peft'), env: { ...env, ...peft.env, TIRESIAS_TRAIN: backendOf('candle').command().program } });
  const counts = Object.fromEntries([.../<testsuite [^>]*/.exec(readFileSync(file, 'utf8'))[0].matchAll(/ (\w+)="(\d+)"/g)].map(([, name, n]) => [name, Number(n)]));
  const failed = counts.failures + counts.errors;
  return { passed: counts.tests - counts.skipped - failed, failed: code !== 0 ? Math.max(failed, 1) : failed };
}

const model = await resolveBaseModel({ name: 'smollm2-135m-instruct' }, { onProgress: ({ detail }) => console.log(`base model: ${detail}`) });
const env = {
  ...process.env,
  TIRESIAS_SMOLLM2: model.path,
  ...(only === 'promises' ? { TIRESIAS_PROMISES: 'full' } : { TIRESIAS_TEST_PEFT: '1' }),
};
const SUITES = { peft: [vitestTests, pytestTests], promises: [cargoTests, vitestTests] };
const sum = { passed: 0, failed: 0 };
// The Python backend's environment, in Tiresias's cache. Where it cannot be made, its tests fail for want of it, and the others run.
if (only !== 'promises' && env.TIRESIAS_PEFT_PYTHON === undefined) await run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'setup', 'peft'], { env });
for (const suite of SUITES[only] ?? [cargoTests, vitestTests, pytestTests]) {
  const { passed, failed } = await suite(env).catch((error) => {
    console.error(error);
    return { passed: 0, failed: 1 };
  });
  // Each must have run something.
  sum.passed += passed;
  sum.failed += passed + failed === 0 ? 1 : failed;
}
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed > 0 ? 1 : 0;
