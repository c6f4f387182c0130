// Does a process that solves still serve? `npm run bench:responsive [-- --rounds N] [--seconds N] [--json]`.
//
// A small file is read again and again with a millisecond between, first beside nothing, then beside as many solves as twice the cores
// (four at least), each on one thread. A read takes the event loop, a thread of libuv's pool and the event loop again; its time is what a
// request to a service would feel. Medians of the rounds; the ratio is the median of the rounds' ratios.
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { classicModel, solve, version } from '../dist/index.js';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '4' }, json: { type: 'boolean', default: false } } });
const [rounds, seconds] = [options.rounds, options.seconds].map(Number);
const solves = Math.max(4, 2 * availableParallelism());
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
const median = (values) => at([...values].sort((a, b) => a - b), 0.5);

/** Milliseconds a read: median and 99th percentile. */
async function reads() {
  const times = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(1)) {
    const start = performance.now();
    await readFile(new URL(import.meta.url));
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return { median: at(times, 0.5), p99: at(times, 0.99), reads: times.length };
}

const model = classicModel('rock-sample:7,8');
await reads();
const measured = [];
for (let round = 0; round < rounds; round += 1) {
  const idle = await reads();
  const running = Array.from({ length: solves }, () => solve(model, { timeSeconds: seconds + 1, gap: 0, threads: 1 }));
  await sleep(500);
  const busy = await reads();
  const ended = (await Promise.all(running)).length;
  measured.push({ idle, busy, ratio: busy.p99 / idle.p99, solves: ended });
}
const figure = {
  command: `npm run bench:responsive -- ${process.argv.slice(2).join(' ')}`.trim(), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0].model, cores: cpus().length, memoryBytes: totalmem(), load: loadavg()[0] },
  nice: process.env.TIRESIAS_NICE ?? null, solves, rounds: measured,
  p99Idle: median(measured.map(({ idle }) => idle.p99)), p99Busy: median(measured.map(({ busy }) => busy.p99)), ratio: median(measured.map(({ ratio }) => ratio)),
};
if (options.json) console.log(JSON.stringify(figure, null, 2));
else {
  for (const { idle, busy, ratio } of measured) console.log(`idle ${idle.median.toFixed(3)} / ${idle.p99.toFixed(3)} ms, beside ${solves} solves ${busy.median.toFixed(3)} / ${busy.p99.toFixed(3)} ms (median / p99): ${ratio.toFixed(2)} times`);
  console.log(`p99, median of ${rounds} rounds: ${figure.p99Idle.toFixed(3)} ms idle, ${figure.p99Busy.toFixed(3)} ms busy, ${figure.ratio.toFixed(2)} times`);
}
