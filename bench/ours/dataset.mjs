// One shard through the library: tasks drawn and solved, episodes rolled out, encoded with the model's own vocabulary, written to
// Parquet, synced and hashed. The floor writes and syncs as many bytes.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer, makeShard } from '../../dist/index.js';
import { argumentsOf, rates, report, writeSynced } from './measure.mjs';

const TRANSITIONS = 60; // (K + 1) H of an example

const { inputs, gguf, examples, threads, seconds } = argumentsOf('gguf', 'examples', 'threads');
const tokenizer = Tokenizer.fromGguf(gguf);
const spec = {
  family: 'energy', split: 'train', seed: 1, regime: 'mdp', horizon: 10, models: 1, alpha: 1, nature: 'fixed',
  support: { trajectories: 5, behaviour: 'oracle' }, query: { behaviour: 'epsilon:0.2' },
  solver: { gap: 0.05, timeSeconds: null }, template: null,
  firstTask: 0, tasks: Number(examples) / 8, examplesPerTask: 8, format: 'parquet', threads: Number(threads),
};
const path = join(inputs, 'shard.parquet');

let bytes = Buffer.alloc(0);
async function work() {
  await rm(path, { force: true });
  const shard = await makeShard(spec, tokenizer, path);
  if (bytes.length !== shard.bytes) bytes = Buffer.alloc(shard.bytes, 7);
}

const measured = await rates(TRANSITIONS * examples, seconds, work, () => writeSynced(join(inputs, 'floor.bin'), bytes));
const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1024);
report({ ...measured, unit: 'transitions/s', examplesPerSecond: measured.rate / TRANSITIONS, bytesPerExample: bytes.length / examples, peakMegabytes });
