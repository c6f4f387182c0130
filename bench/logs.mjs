// Records to trajectories, models and estimates, beside their peers in this run: `npm run bench:logs [-- --json] [--rounds N] [--steps N] [--only PART]…`.
//
// Ten million steps of CSV beside Polars, an iteration of expectation–maximisation beside hmmlearn, and off-policy estimates of a million episodes, which
// have no peer here. Every measurement is a process of its own; both sides take turns, and figures are medians over the rounds.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { version } from '../dist/index.js';
import { median } from './ours/measure.mjs';
import { pythonWith } from './python.mjs';

const PARTS = ['import', 'em', 'off-policy'];
const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '3' }, steps: { type: 'string', default: '10000000' }, only: { type: 'string', multiple: true, default: PARTS } },
});
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const rounds = Number(options.rounds);
const folder = mkdtempSync(join(tmpdir(), 'bench-logs-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));

/** Whole numbers below n: the minimal standard generator. */
function generator(seed) {
  let state = seed;
  return (n) => Math.floor(((state = (state * 48271) % 2147483647) / 2147483647) * n);
}

/** Records of patients with ten visits each. */
function csv(path, steps) {
  const draw = generator(1);
  const file = openSync(path, 'w');
  let text = 'patient,visit,pressure,grade,treatment,reward,propensity\n';
  for (let step = 0; step < steps; step += 1) {
    text += `P${Math.floor(step / 10)},${step % 10},${90 + draw(900) / 10},${'ABCD'[draw(4)]},${['none', 'low', 'high'][draw(3)]},${draw(100) / 100},${['0.25', '0.5', '0.125'][draw(3)]}\n`;
    if (text.length > 1 << 20 || step + 1 === steps) {
      writeSync(file, text);
      text = '';
    }
  }
  closeSync(file);
  return statSync(path).size;
}

/** Runs a program: its measurement, or the reason why there is none. */
function once(command, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: ROOT, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) return { reason: error?.message ?? stderr.trim().split('\n').at(-1) ?? `exit ${status}` };
  return { ...JSON.parse(stdout.trim().split('\n').at(-1)), load: Number(loadavg()[0].toFixed(1)) };
}
const ours = (...args) => () => once(process.execPath, ['bench/ours/logs.mjs', ...args.map(String)]);
const peer = (needs, script, env, ...args) => () => {
  const python = pythonWith(needs);
  return python.reason ? python : once(python.path, [`bench/peers/${script}.py`, ...args.map(String)], env);
};

/** Both sides take turns; of the figures medians, of ratios the median of those within a round. */
function measure(sides) {
  const found = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 ? Object.keys(sides).toReversed() : Object.keys(sides)) {
      const run = sides[name]();
      found[name].push(run);
      process.stderr.write(`${name}: ${run.reason ?? `${run.seconds.toFixed(2)} s, ${run.processor.toFixed(2)} s of processors`}\n`);
    }
  }
  const usable = (runs) => runs.every(({ reason }) => !reason);
  const middle = (runs, field) => (runs[0][field] === undefined ? undefined : median(runs.map((run) => run[field])));
  const row = (runs) => (usable(runs) ? { seconds: middle(runs, 'seconds'), processor: middle(runs, 'processor'), peakBytes: middle(runs, 'peakBytes'), version: runs[0].version, rounds: runs } : { reason: runs.find(({ reason }) => reason).reason });
  const { peer: theirs, ...mine } = found;
  const ratio = (runs, field) => (theirs && usable(theirs) && usable(runs) && theirs[0][field] !== undefined ? median(runs.map((run, i) => theirs[i][field] / run[field])) : undefined);
  return {
    ...(theirs && { peer: row(theirs) }),
    ...Object.fromEntries(Object.entries(mine).map(([name, runs]) => [name, { ...row(runs), timesFaster: ratio(runs, 'seconds'), timesLessProcessor: ratio(runs, 'processor') }])),
  };
}

const MEASURE = {
  import() {
    const path = join(folder, 'records.csv');
    const bytes = csv(path, Number(options.steps));
    return { steps: Number(options.steps), bytes, threads: 2, ...measure({ ours: ours('import', path), peer: peer('polars', 'polars_csv', { POLARS_MAX_THREADS: '2' }, path) }) };
  },
  em() {
    const [states, symbols, episodes, steps, few, many] = [10, 10, 100_000, 10, 2, 22];
    const path = join(folder, 'symbols.bin');
    const draw = generator(7);
    // Symbols that depend on the one before, so that there is something to find.
    const seen = new Uint8Array(episodes * steps);
    for (let i = 0; i < seen.length; i += 1) seen[i] = i % steps === 0 || draw(3) === 0 ? draw(symbols) : (seen[i - 1] + draw(2)) % symbols;
    writeFileSync(path, seen);
    const shape = [states, symbols, steps];
    return {
      states, symbols, episodes, steps,
      ...measure({
        oneThread: ours('em', path, ...shape, few, many, 1), twoThreads: ours('em', path, ...shape, few, many, 2),
        // hmmlearn has one thread here, and takes long enough for two numbers of iterations that are close.
        peer: peer('hmmlearn', 'hmmlearn_em', { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' }, path, ...shape, 1, 2),
      }),
    };
  },
  'off-policy'() {
    const [episodes, steps] = [1_000_000, 10];
    return { episodes, steps, ...measure({ oneThread: ours('off-policy', episodes, steps, 1), twoThreads: ours('off-policy', episodes, steps, 2) }) };
  },
};

/** Where, when and how a part was measured. */
const about = () => ({
  command: ['npm run bench:logs', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '), date: new Date().toISOString(), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`, load: loadavg().map((load) => Number(load.toFixed(1))), node: process.versions.node },
});
const path = new URL('results/logs.json', import.meta.url);
// Parts that are not asked for keep the figures that they have.
const result = options.json && existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
for (const part of PARTS.filter((name) => options.only.includes(name))) {
  process.stderr.write(`${part}\n`);
  result[part] = { ...about(), ...MEASURE[part]() };
  if (options.json) writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
}

for (const part of options.only) {
  for (const [side, { seconds, processor, peakBytes, timesFaster, timesLessProcessor, reason }] of Object.entries(result[part]).filter(([, value]) => value?.seconds !== undefined || value?.reason)) {
    const words = reason ?? [`${seconds.toFixed(3)} s`, `${processor.toFixed(3)} s of processors`, peakBytes && `${(peakBytes / 2 ** 20).toFixed(0)} MiB`, timesFaster && `${timesFaster.toFixed(2)} times as fast as the peer`, timesLessProcessor && `${timesLessProcessor.toFixed(2)} times less processor`].filter(Boolean).join(', ');
    console.log(`${part}, ${side}: ${words}`);
  }
}
