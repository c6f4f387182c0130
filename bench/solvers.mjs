// Point-based bounds beside a peer's: `npm run bench:solvers -- --folder DIR [--json] [--time 30] [--only TEXT]`.
// A peer is run when its binary is named in PEER_SARSOP (pomdpsol), PEER_ZMDP (zmdp) or PEER_POMDP_SOLVE (pomdp-solve); the others are
// shown by what was recorded in solver-figures.json. Programs run one at a time.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const options = {
  folder: { type: 'string' },
  json: { type: 'boolean', default: false },
  time: { type: 'string', default: '30' },
  only: { type: 'string', multiple: true, default: [] },
};
const { values } = parseArgs({ options });
const seconds = Number(values.time);
if (!values.folder || !(seconds > 0)) {
  console.error('usage: npm run bench:solvers -- --folder DIR [--json] [--time SECONDS] [--only TEXT]\nDIR holds the .pomdp and .pomdpx files of the problems.');
  process.exit(2);
}
const figures = JSON.parse(readFileSync(new URL('solver-figures.json', import.meta.url), 'utf8'));
const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tiresias-solvers-'));

/** A row of numbers that ends a table: SARSOP's and ZMDP's last line of progress. */
const lastRow = (text, least) =>
  text
    .split('\n')
    .map((line) => (line.match(/[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?/gi) ?? []).map(Number))
    .filter((row) => row.length >= least)
    .at(-1);

const peers = {
  sarsop: {
    variable: 'PEER_SARSOP',
    reads: () => true,
    command: (file) => ['--timeout', `${seconds}`, '--precision', '1e-3', '--output', join(scratch, 'out.policy'), file],
    // Time, trials, backups, lower, upper, precision, vectors, beliefs.
    parse: (text) => {
      const row = lastRow(text, 8);
      return row && { seconds: row[0], lower: row[3], upper: row[4] };
    },
  },
  zmdp: {
    variable: 'PEER_ZMDP',
    reads: (name) => name.endsWith('.pomdp'),
    command: (file) => ['solve', file, '-t', `${seconds}`, '-p', '1e-3', '-o', join(scratch, 'out.policy')],
    // ZMDP prints its bounds in brackets: `[lower .. upper]`.
    parse: (text) => {
      const bounds = [...text.matchAll(/\[\s*([-+\d.e]+)\s*\.\.\s*([-+\d.e]+)\s*\]/gi)].at(-1);
      return bounds && { lower: Number(bounds[1]), upper: Number(bounds[2]) };
    },
  },
  pomdpSolve: {
    variable: 'PEER_POMDP_SOLVE',
    reads: (name) => name.endsWith('.pomdp'),
    command: (file) => ['-pomdp', file, '-time_limit', `${seconds}`, '-stop_criteria', 'bellman', '-stop_delta', '1e-6', '-o', join(scratch, 'out')],
    // It has no bounds; what counts is whether it finished, and when.
    parse: (text) => (/Solution found/.test(text) ? {} : undefined),
  },
};

function measurePeer(name, peer, problem) {
  const binary = process.env[peer.variable];
  if (!binary) {
    const kind = problem in figures['gapOf1e-3'] ? 'gapOf1e-3' : 'gapAfter30s';
    const figure = figures[kind][problem]?.[name];
    if (figure === undefined) return null;
    return kind === 'gapOf1e-3' ? { recorded: figures.date, seconds: figure, gap: 1e-3 } : { recorded: figures.date, seconds: 30, gap: figure };
  }
  if (!peer.reads(problem)) return { failed: 'does not read this format' };
  const start = performance.now();
  const run = spawnSync(resolve(binary), peer.command(resolve(values.folder, problem)), { encoding: 'utf8', timeout: (seconds + 30) * 1000, maxBuffer: 1 << 28 });
  const wall = (performance.now() - start) / 1000;
  if (run.error && run.error.code !== 'ETIMEDOUT') return { failed: run.error.message };
  const found = peer.parse(`${run.stdout}\n${run.stderr}`);
  if (!found) return { failed: `no answer within ${wall.toFixed(1)} s` };
  const gap = found.upper === undefined ? undefined : found.upper - found.lower;
  return { seconds: wall, ...found, gap };
}

const show = (peer) => {
  if (!peer) return '';
  if (peer.failed) return peer.failed;
  const gap = peer.gap === undefined ? 'solved' : `gap ${peer.gap.toPrecision(3)}`;
  return `${gap} in ${peer.seconds.toPrecision(3)} s${peer.recorded ? ` (recorded ${peer.recorded})` : ''}`;
};

try {
  const only = values.only.flatMap((part) => ['--only', part]);
  const command = ['run', '--release', '--locked', '-q', '-p', 'tiresias-solve', '--example', 'solver_rate', '--'];
  const ours = spawnSync('cargo', [...command, resolve(values.folder), '--json', '--time', `${seconds}`, ...only], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (ours.status !== 0) process.exit(ours.status ?? 1);
  const rows = ours.stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  if (!values.json) console.log(`| problem | lower | upper | gap | seconds | processor s | ${Object.keys(peers).join(' | ')} |\n|${' --- |'.repeat(9)}`);
  for (const row of rows) {
    row.peers = Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, measurePeer(name, peer, row.problem)]));
    if (values.json) continue;
    const number = (value, digits) => value.toFixed(digits);
    const cells = [row.problem, number(row.lower, 5), number(row.upper, 5), row.gap.toPrecision(3), number(row.seconds, 3), number(row.processorSeconds, 2)];
    console.log(`| ${[...cells, ...Object.values(row.peers).map(show)].join(' | ')} |`);
  }
  if (values.json) console.log(JSON.stringify({ seconds, date: new Date().toISOString(), recorded: { date: figures.date, source: figures.source }, rows }, null, 2));
  else console.log(`\nRecorded figures: ${figures.source}, ${figures.date}.`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
