// Runs one of the project's benchmarks: `node bench/run.mjs oracle|encode|rollout|train [arguments]`.
// Each is an example program of the crate it measures, built as the published binary is; training beside its peers is bench/train.mjs.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BENCHMARKS = {
  oracle: ['tiresias-solve', 'oracle_rate'],
  encode: ['tiresias-encode', 'encode_rate'],
  rollout: ['tiresias-sim', 'rollout_rate'],
  train: ['tiresias-train', 'throughput'],
};

const [name, ...rest] = process.argv.slice(2);
const benchmark = BENCHMARKS[name];
if (!benchmark) {
  console.error(`usage: node bench/run.mjs ${Object.keys(BENCHMARKS).join('|')} [arguments]`);
  process.exit(2);
}
if (name === 'train' && rest.includes('--peers')) {
  await import('./train.mjs');
  process.exit();
}
const env = { ...process.env };
if (name === 'train' && !env.TIRESIAS_SMOLLM2) {
  const { resolveBaseModel } = await import('../dist/base/index.js');
  env.TIRESIAS_SMOLLM2 = (await resolveBaseModel({ name: 'smollm2-135m-instruct' })).path;
}
const [crate, example] = benchmark;
const root = fileURLToPath(new URL('..', import.meta.url));
const run = spawnSync('cargo', ['run', '--release', '--locked', '-p', crate, '--example', example, '--', ...rest], { cwd: root, env, stdio: 'inherit' });
process.exitCode = run.status ?? 1;
