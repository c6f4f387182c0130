// Exact values beside pomdp-solve's, problem by problem and horizon by horizon: `npm run bench:exact -- --folder DIR [--json] [--time 30]
// [--only TEXT]`. Point-based solvers are compared by `tiresias bench` (docs/bench.md).
//
// pomdp-solve is run, by itself, where PEER_POMDP_SOLVE names its binary, and shown as recorded elsewhere. Its value is that of its last
// vectors at the file's start distribution. Its seconds are the processor's, and so is its limit, `--time`, as it ignores interrupts;
// ours are wall and processor seconds without reading the file.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { timed } from './timed.mjs';

const { values } = parseArgs({ options: { folder: { type: 'string' }, json: { type: 'boolean', default: false }, time: { type: 'string', default: '30' }, only: { type: 'string', multiple: true, default: [] } } });
const seconds = Number(values.time);
if (!values.folder || !(seconds > 0)) {
  console.error('usage: npm run bench:exact -- --folder DIR [--json] [--time SECONDS] [--only TEXT]\nDIR holds the .pomdp and .pomdpx files of the problems.');
  process.exit(2);
}
const figures = JSON.parse(readFileSync(new URL('solver-figures.json', import.meta.url), 'utf8')).exact;
const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tiresias-exact-'));

/** The value at `start` (uniform unless given) of a file of α-vectors: lines of an action, and of numbers. */
function valueOf(file, start) {
  const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line.trim());
  const vectors = lines.filter((_, i) => i % 2 === 1).map((line) => line.trim().split(/\s+/).map(Number));
  const values = vectors.map((vector) => vector.reduce((sum, v, s) => sum + v * (start ? start[s] : 1 / vector.length), 0));
  return { value: Math.max(...values), vectors: vectors.length };
}

function peer({ problem, horizon, recorded }, start) {
  const binary = process.env.PEER_POMDP_SOLVE;
  if (!binary) return recorded ? { recorded: figures.date, ...recorded } : null;
  const out = join(scratch, 'exact');
  rmSync(`${out}.alpha`, { force: true });
  const until = horizon === null ? ['-stop_criteria', 'bellman', '-stop_delta', '1e-6'] : ['-horizon', `${horizon}`];
  const run = timed(resolve(binary), ['-pomdp', resolve(values.folder, problem), ...until, '-o', out], 20 * seconds, scratch, seconds);
  if (run.error) return { failed: run.error.message };
  const unstable = run.text.match(/lp_solve reported (\d+) LPs/);
  if (!/Solution found/.test(run.text) || !existsSync(`${out}.alpha`)) return { failed: `not within ${run.processorSeconds?.toFixed(1)} s`, processorSeconds: run.processorSeconds };
  return { ...valueOf(`${out}.alpha`, start), processorSeconds: run.processorSeconds, unstablePrograms: Number(unstable?.[1] ?? 0) };
}

/** The table's rows, each with `one` and `two` (ours by threads) and `peer`; `each` is called as they come. */
function exactRows(each) {
  const rows = [];
  for (const entry of figures.rows) {
    const { problem, horizon } = entry;
    if (!existsSync(resolve(values.folder, problem)) || !(values.only.length === 0 || values.only.some((part) => problem.includes(part)))) continue;
    const ours = (threads) => {
      const command = ['run', '--release', '--locked', '-q', '-p', 'tiresias-solve', '--example', 'exact_rate', '--', '--json'];
      const task = `${resolve(values.folder, problem)}:${horizon ?? 'inf:2e-5'}`;
      const run = spawnSync('cargo', [...command, '--threads', `${threads}`, '--time', `${seconds}`, task], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
      if (run.status !== 0) throw new Error(`exact_rate ended with ${run.status}`);
      return JSON.parse(run.stdout);
    };
    const { start, ...one } = ours(1);
    const { start: _, ...two } = ours(2);
    const row = { problem, horizon, one, two, peer: peer(entry, start) };
    rows.push(row);
    each(row);
  }
  return rows;
}

const head = `| problem | H | value | proven gap | seconds, 1 thread | 2 threads | processor s | pomdp-solve | its value less ours | times |\n|${' --- |'.repeat(10)}`;

function line({ problem, horizon, one, two, peer }) {
  const found = peer && !peer.failed;
  const theirs = peer?.processorSeconds;
  const time = theirs === undefined ? 'value only' : `${theirs.toFixed(2)} s`;
  const shown = found ? `${time}${peer.recorded ? ` (recorded ${peer.recorded})` : ''}` : (peer?.failed ?? '');
  const less = found && peer.value !== undefined ? (peer.value - one.value).toExponential(1) : '';
  const done = one.stopped === 'converged';
  const times = theirs === undefined || !done ? '' : `${peer.failed ? 'over ' : ''}${(theirs / one.processorSeconds).toPrecision(3)}`;
  const cells = [problem, horizon ?? '∞', one.value.toFixed(12), one.gap.toExponential(1), one.seconds.toFixed(4), two.seconds.toFixed(4), one.processorSeconds.toFixed(4)];
  return `| ${[...cells, shown, less, times].join(' | ')} |`;
}

try {
  const say = values.json ? () => {} : console.log;
  say(head);
  const rows = exactRows((row) => say(line(row)));
  say(`\nRecorded figures: ${figures.source}, ${figures.date}.`);
  if (values.json) console.log(JSON.stringify({ seconds, date: new Date().toISOString(), recorded: { date: figures.date, source: figures.source }, rows }, null, 2));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
