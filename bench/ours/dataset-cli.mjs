// `tiresias dataset make` from start to end: Node's start, the vocabulary, one shard, hashes, manifest and card.
// The floor writes and syncs as many bytes.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { argumentsOf, rates, report, writeSynced } from './measure.mjs';

const TRANSITIONS = 60; // (K + 1) H of an example

const { inputs, gguf, examples, threads, seconds } = argumentsOf('gguf', 'examples', 'threads');
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const config = join(inputs, 'experiment.json');
const out = join(inputs, 'dataset');
writeFileSync(config, JSON.stringify({
  schema: 'tiresias.experiment/1', name: 'bench', seed: 1, family: 'energy', regimes: ['mdp'], horizon: 10,
  support: { trajectories: 5, behaviour: 'oracle' }, query: { behaviour: 'epsilon:0.2' },
  dataset: { examples: Number(examples), examplesPerTask: 8, shardExamples: 20_000 }, base: { path: gguf },
}));

let bytes = Buffer.alloc(0);
function work() {
  rmSync(out, { recursive: true, force: true });
  execFileSync(process.execPath, [cli, 'dataset', 'make', '--config', config, '--out', out, '--threads', threads], { stdio: ['ignore', 'ignore', 'pipe'] });
  const { totals } = JSON.parse(readFileSync(join(out, 'mdp', 'manifest.json'), 'utf8'));
  if (bytes.length !== totals.bytes) bytes = Buffer.alloc(totals.bytes, 7);
}

const measured = await rates(TRANSITIONS * examples, seconds, work, () => writeSynced(join(inputs, 'floor.bin'), bytes));
report({ ...measured, unit: 'transitions/s', examplesPerSecond: measured.rate / TRANSITIONS });
