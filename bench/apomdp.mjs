// Certified bounds on ambiguous POMDPs: `npm run bench:apomdp [-- --json] [--tasks N] [--time SECONDS] [--only GROUP]…`.
//
// Each row is the time to a proven gap, as a share of the task's span (the best less the worst value that a policy can have); medians
// and the largest over the tasks. Beside them a fixed grid in NumPy, in the benchmarks' own Python environment. Everything runs on
// one core, one program at a time.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../dist/cache.js';
import { pythonWith } from './python.mjs';

// FAMILY:STATES:MODELS:HORIZON:ALPHA:SHARE and the methods of each group.
const GROUPS = {
  energy: [5, 10, 20].flatMap((h) => [0.05, 0.01].map((share) => `energy:10:3:${h}:1:${share}`)),
  attitude: [0, 0.5, 1].map((alpha) => `energy:10:3:10:${alpha}:0.01`),
  clinical: [6, 12].flatMap((h) => [0.02, 0.005].map((share) => `clinical:11:3:${h}:1:${share}`)),
  models: [2, 4, 8, 16].flatMap((m) => [`clinical:11:${m}:12:1:0.02`, `gauge:10:${m}:12:1:0.02`, `wide:10:${m}:12:1:0.02`]),
  states: [5, 10, 20, 50].flatMap((s) => [`gauge:${s}:3:12:1:0.02`, `wide:${s}:3:12:1:0.02`]),
};
const METHODS = { energy: ['auto', 'faces', 'plans'] };

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    tasks: { type: 'string', default: '5' },
    time: { type: 'string', default: '10' },
    only: { type: 'string', multiple: true, default: [...Object.keys(GROUPS), 'peer'] },
  },
});
const unknown = options.only.find((group) => group !== 'peer' && !(group in GROUPS));
if (unknown) {
  console.error(`--only ${unknown}: expected one of ${[...Object.keys(GROUPS), 'peer'].join(', ')}`);
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const one = process.platform === 'linux' ? ['taskset', '-c', `${cpus().length - 1}`] : [];
const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };

/** A program's output lines as JSON; it ends the benchmark when it fails. */
function lines(argv) {
  const [command, ...rest] = argv;
  const run = spawnSync(command, rest, { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
  if (run.status !== 0) process.exit(run.status ?? 1);
  return run.stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
}
const example = (...args) => lines([...one, 'cargo', 'run', '--quiet', '--release', '--locked', '-p', 'tiresias-solve', '--example', 'apomdp_rate', '--', ...args]);
const sorted = (values) => values.toSorted((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];

function measure(group, problem, method) {
  process.stderr.write(`${group} ${problem} ${method}\n`);
  const tasks = example(problem, '--method', method, '--tasks', options.tasks, '--time', options.time);
  const of = (name) => tasks.map((task) => task[name]);
  const [{ problem: family, states, models, horizon, alpha, share }] = tasks;
  const worst = (name) => Math.max(...of(name));
  const row = { group, family, states, models, horizon, alpha, gapAsked: share, method, solvers: [...new Set(of('solver'))] };
  row.seconds = { median: median(of('seconds')), most: worst('seconds') };
  row.processorSeconds = { median: median(of('processorSeconds')), most: worst('processorSeconds') };
  row.gapOfSpan = { median: median(of('gapOfSpan')), most: worst('gapOfSpan') };
  row.reached = of('stopped').filter((reason) => reason === 'converged').length;
  row.labels = { 'oracle95': worst('label95'), 'perturbed95': worst('perturbed95') };
  return { ...row, tasks };
}

/**
 * The same accuracy by a fixed grid, in processor seconds: a proven gap, whose middle is off by half of it at most, and the estimate,
 * which is as far off as the reference says.
 */
function beside() {
  mkdirSync(cacheFolder(), { recursive: true });
  const inputs = mkdtempSync(join(cacheFolder(), 'bench-'));
  const script = fileURLToPath(new URL('peers/numpy_grid.py', import.meta.url));
  try {
    example('--write', inputs);
    const { reference, span } = JSON.parse(readFileSync(join(inputs, 'energy-apomdp.json'), 'utf8'));
    const python = pythonWith('numpy');
    const against = (method, accuracy) => {
      const runs = Array.from({ length: 3 }, () => example(`energy:10:3:10:1:${2 * accuracy}`, '--method', method, '--tasks', '1')[0]);
      const ours = { method, seconds: median(runs.map((run) => run.processorSeconds)), errorOfSpan: Math.abs(runs[0].value - reference) / span, gapOfSpan: runs[0].gapOfSpan };
      if (python.reason) return { accuracy, ours, peers: [{ peer: 'NumPy', reason: python.reason }] };
      const peers = ['faces', 'simplex'].flatMap((grid) => lines([...one, python.path, script, '--inputs', inputs, '--grid', grid, '--accuracy', `${accuracy}`]));
      return { accuracy, ours, peers: peers.map((peer) => ({ ...peer, ratio: peer.seconds / ours.seconds })) };
    };
    return [against('plans', 0.005), against('faces', 0.005), against('estimate', 0.0005)];
  } finally {
    rmSync(inputs, { recursive: true, force: true });
  }
}

const rows = Object.entries(GROUPS)
  .filter(([group]) => options.only.includes(group))
  .flatMap(([group, problems]) => problems.flatMap((problem) => (METHODS[group] ?? ['auto']).map((method) => measure(group, problem, method))));
const peer = options.only.includes('peer') ? beside() : [];
const about = { date: new Date().toISOString(), processor: cpus()[0].model, cores: cpus().length, load: loadavg() };
if (options.json) {
  console.log(JSON.stringify({ about, rows, peer }, null, 2));
} else {
  const percent = (share) => `${(100 * share).toPrecision(2)} %`;
  const seconds = (value) => value.toPrecision(3);
  if (rows.length) console.log('| group | family | S | M | H | α | gap asked | method | processor seconds, median | largest | gap, largest | reached | labels 95 % | perturbed |');
  if (rows.length) console.log(`|${' --- |'.repeat(14)}`);
  for (const r of rows) {
    const cells = [r.group, r.family, r.states, r.models, r.horizon, r.alpha, percent(r.gapAsked), `${r.method} (${r.solvers.join(', ')})`];
    cells.push(seconds(r.processorSeconds.median), seconds(r.processorSeconds.most), percent(r.gapOfSpan.most), `${r.reached}/${r.tasks.length}`);
    console.log(`| ${[...cells, percent(r.labels.oracle95), percent(r.labels.perturbed95)].join(' | ')} |`);
  }
  for (const { accuracy, ours, peers } of peer) {
    console.log(`\nThe energy task of 10 stages within ${percent(accuracy)} of its span: ${ours.method} ${seconds(ours.seconds)} s (off by ${percent(ours.errorOfSpan)})`);
    for (const p of peers) {
      const outcome = p.reason ?? `${p.divisions} divisions, off by ${percent(p.errorOfSpan)}${p.reached ? '' : ', given up'}: ${seconds(p.seconds)} s, ${p.ratio.toFixed(1)}×`;
      console.log(`- ${p.peer}${p.version ? ` (NumPy ${p.version})` : ''}: ${outcome}`);
    }
  }
  console.log(`\n${about.date}, ${about.cores} × ${about.processor}, load ${about.load.map((l) => l.toFixed(2)).join(' ')}`);
}
