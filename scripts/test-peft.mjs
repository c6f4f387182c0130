// The tests of the peft backend, from nothing: its environment, the Python package's own tests, and the conformance suite of all backends.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveBaseModel } from '../dist/base/index.js';
import { backendOf } from '../dist/backends/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command in a folder, letting its output through; ends the whole when it fails. */
async function run(command, args, { cwd = root, env = process.env } = {}) {
  const code = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', (error) => resolve(String(error)));
    child.on('close', resolve);
  });
  if (code === 0) return;
  console.error(`${[command, ...args].join(' ')}: ${code}`);
  process.exit(1);
}

// With a python of one's own there is nothing to set up.
if (process.env.TIRESIAS_PEFT_PYTHON === undefined) await run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'setup', 'peft']);
const peft = backendOf('peft').command();
const model = await resolveBaseModel({ name: 'smollm2-135m-instruct' }, { onProgress: ({ detail }) => console.log(`base model: ${detail}`) });
const env = { ...process.env, TIRESIAS_SMOLLM2: model.path, TIRESIAS_TRAIN: backendOf('candle').command().program };
await run(peft.program, ['-m', 'pytest', '-p', 'no:cacheprovider'], { cwd: join(root, 'python', 'tiresias_peft'), env: { ...env, ...peft.env } });
await run(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/conformance.test.ts'], { env: { ...env, TIRESIAS_PEFT_PYTHON: peft.program } });
