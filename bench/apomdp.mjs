// Certified bounds on ambiguous POMDPs: `npm run bench:apomdp [-- --json] [--tasks N] [--time SECONDS] [--only GROUP]…`.
//
// Each row is the time to a proven gap, as a share of the task's span (the best less the worst value that a policy can have); medians
// and the largest over the tasks. Beside them a fixed grid in NumPy, in the benchmarks' own Python environment. Everything runs on
// one core, one program at a time.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
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
  row.gapOfSpan = { median: median(of('gapOfSpan')), most: worst('gapOfSpan') };
  row.reached = of('stopped').filter((reason) => reason === 'converged').length;
  row.labels = { 'oracle95': worst('label95'), 'perturbed95': worst('perturbed95') };
  return { ...row, tasks };
}

/** The same accuracy by a fixed grid: ours is the time to a proven gap of twice that, whose middle is as accurate. */
function beside() {
  mkdirSync(cacheFolder(), { recursive: true });
  const inputs = mkdtempSync(join(cacheFolder(), 'bench-'));
  try {
    example('--write', inputs);
    const accuracy = 0.005;
    const ours = Object.fromEntries(['faces', 'plans'].map((method) => [method, median(Array.from({ length: 5 }, () => example(`energy:10:3:10:1:${2 * accuracy}`, '--method', method, '--tasks', '1')[0].seconds))]));
    const python = pythonWith('numpy');
    if (python.reason) return { accuracy, ours, peers: [{ peer: 'NumPy', reason: python.reason }] };
    const script = fileURLToPath(new URL('peers/numpy_grid.py', import.meta.url));
    const peers = ['faces', 'simplex'].flatMap((grid) => lines([...one, python.path, script, '--inputs', inputs, '--grid', grid, '--accuracy', `${accuracy}`]));
    const best = Math.min(...Object.values(ours));
    return { accuracy, ours, peers: peers.map((peer) => ({ ...peer, ratio: peer.seconds / best })) };
  } finally {
    rmSync(inputs, { recursive: true, force: true });
  }
}

const rows = Object.entries(GROUPS)
  .filter(([group]) => options.only.includes(group))
  .flatMap(([group, problems]) => problems.flatMap((problem) => (METHODS[group] ?? ['auto']).map((method) => measure(group, problem, method))));
const peer = options.only.includes('peer') ? beside() : undefined;
const about = { date: new Date().toISOString(), processor: cpus()[0].model, cores: cpus().length, load: loadavg() };
if (options.json) {
  console.log(JSON.stringify({ about, rows, peer }, null, 2));
} else {
  const percent = (share) => `${(100 * share).toPrecision(2)} %`;
  const seconds = (value) => value.toPrecision(3);
  console.log('| group | family | S | M | H | α | gap asked | method | seconds, median | largest | gap, largest | reached | labels 95 % | perturbed |');
  console.log(`|${' --- |'.repeat(14)}`);
  for (const r of rows) {
    const cells = [r.group, r.family, r.states, r.models, r.horizon, r.alpha, percent(r.gapAsked), `${r.method} (${r.solvers.join(', ')})`];
    cells.push(seconds(r.seconds.median), seconds(r.seconds.most), percent(r.gapOfSpan.most), `${r.reached}/${r.tasks.length}`);
    console.log(`| ${[...cells, percent(r.labels.oracle95), percent(r.labels.perturbed95)].join(' | ')} |`);
  }
  if (peer) console.log(`\nThe energy task within ${percent(peer.accuracy)} of its span:`, JSON.stringify({ ours: peer.ours, peers: peer.peers.map(({ rows: _, ...p }) => p) }, null, 2));
  console.log(`\n${about.date}, ${about.cores} × ${about.processor}, load ${about.load.map((l) => l.toFixed(2)).join(' ')}`);
}
