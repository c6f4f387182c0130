// What our own measurements share: arguments, timing in turn with the floor, and the one JSON line that each prints.
import { open, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { drawTask, version } from '../../dist/index.js';

/** Options of the command line, all with values; `--seconds` is how long the timed part lasts. */
export function argumentsOf(...own) {
  const options = Object.fromEntries(['inputs', 'seconds', ...own].map((name) => [name, { type: 'string' }]));
  const { values } = parseArgs({ options });
  return { ...values, seconds: Number(values.seconds ?? 1) };
}

/** The model that every row about the energy family measures; the peers read the same one from the inputs' folder. */
export function energy(regime) {
  return drawTask('energy', { split: 'train', index: 4, seed: 3, regime, horizon: 10 }).model;
}

/**
 * Median rates of the work and of its floor (only writing the same bytes), timed in turn so that whatever else the
 * machine does falls on both. Both are run once before, to warm up.
 */
export async function rates(count, seconds, work, floor) {
  const [ours, floors] = [[], []];
  const timed = async (call, times) => {
    const start = performance.now();
    await call();
    times.push((performance.now() - start) / 1000);
  };
  await work();
  await floor();
  const stop = performance.now() + 1000 * seconds;
  while (ours.length < 3 || performance.now() < stop) {
    await timed(work, ours);
    await timed(floor, floors);
  }
  return { rate: count / median(ours), floor: count / median(floors), repetitions: ours.length };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** The floor of a file: as many bytes, written and synced. */
export async function writeSynced(path, bytes) {
  await rm(path, { force: true });
  const file = await open(path, 'w');
  await file.writeFile(bytes);
  await file.sync();
  await file.close();
}

export function report(measured) {
  console.log(JSON.stringify({ ...measured, version: `tiresias ${version}` }));
}
