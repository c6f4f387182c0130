// Point-based bounds and exact values beside a peer's: `npm run bench:solvers -- --folder DIR [--json] [--time 30] [--only TEXT]
// [--part point|exact]`. Exact values are exact.mjs's part.
// A peer is run when its binary is named in PEER_SARSOP (pomdpsol), PEER_ZMDP (zmdp) or PEER_POMDP_SOLVE (pomdp-solve); the others are
// shown by what was recorded in solver-figures.json. Programs run one at a time. Peers need bash and coreutils (`timeout`, `stdbuf`).
//
// Of the point-based table: seconds are a program's own, without reading the file where it says so; processor seconds are those of the
// whole process. The last column is when our gap was first as small as the best peer's last one.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { exactHead, exactLine, exactRows } from './exact.mjs';
import { timed } from './timed.mjs';

const options = {
  folder: { type: 'string' },
  json: { type: 'boolean', default: false },
  time: { type: 'string', default: '30' },
  only: { type: 'string', multiple: true, default: [] },
  part: { type: 'string' },
};
const { values } = parseArgs({ options });
const seconds = Number(values.time);
const parts = values.part ? [values.part] : ['point', 'exact'];
if (!values.folder || !(seconds > 0) || !parts.every((part) => part === 'point' || part === 'exact')) {
  console.error('usage: npm run bench:solvers -- --folder DIR [--json] [--time SECONDS] [--only TEXT] [--part point|exact]\nDIR holds the .pomdp and .pomdpx files of the problems.');
  process.exit(2);
}
const figures = JSON.parse(readFileSync(new URL('solver-figures.json', import.meta.url), 'utf8'));
const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tiresias-solvers-'));

const number = /[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?/gi;
/** The rows of a table: lines of exactly `columns` numbers and nothing else. */
const rowsOf = (text, columns) =>
  text
    .split('\n')
    .filter((line) => /^[-+.\de\s]+$/i.test(line))
    .map((line) => (line.match(number) ?? []).map(Number))
    .filter((row) => row.length === columns);

const peers = {
  sarsop: {
    variable: 'PEER_SARSOP',
    reads: () => true,
    // Its limit is in processor seconds, of which it may get fewer than pass.
    patience: 3 * seconds + 20,
    command: (file) => ['--timeout', `${seconds}`, '--precision', '1e-3', '--output', join(scratch, 'out.policy'), file],
    // Time (the processor's, with initialisation), trials, backups, lower, upper, precision, vectors, beliefs.
    parse: (text) => {
      const row = rowsOf(text, 8).at(-1);
      return row && { seconds: row[0], backups: row[2], lower: row[3], upper: row[4] };
    },
  },
  zmdp: {
    variable: 'PEER_ZMDP',
    reads: (name) => name.endsWith('.pomdp'),
    // It looks at its limit between trials.
    patience: seconds + 20,
    command: (file) => ['solve', file, '-t', `${seconds}`, '-p', '1e-3', '-o', join(scratch, 'out.policy')],
    // `SECONDS TRIALS calls to solver, bounds [LOWER .. UPPER], regret <= GAP`, in whole seconds: the processor's are finer. The regret
    // has more digits than the bounds.
    parse: (text) => {
      const bounds = [...text.matchAll(/calls to solver, bounds \[\s*(\S+)\s*\.\.\s*(\S+?)\s*\], regret <= (\S+)/g)].at(-1);
      return bounds && { lower: Number(bounds[1]), upper: Number(bounds[2]), gap: Number(bounds[3]) };
    },
  },
  pomdpSolve: {
    variable: 'PEER_POMDP_SOLVE',
    reads: (name) => name.endsWith('.pomdp'),
    // It may never look at its limit.
    patience: seconds + 1,
    command: (file) => ['-pomdp', file, '-time_limit', `${seconds}`, '-stop_criteria', 'bellman', '-stop_delta', '1e-6', '-o', join(scratch, 'out')],
    // It has no bounds; what counts is whether it finished, and when.
    parse: (text) => {
      const time = text.match(/Total execution time = .*\(= (\S+) secs\)/);
      return /Solution found/.test(text) ? { seconds: time ? Number(time[1]) : undefined } : undefined;
    },
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
  const run = timed(resolve(binary), peer.command(resolve(values.folder, problem)), peer.patience, scratch);
  if (run.error) return { failed: run.error.message };
  const found = peer.parse(run.text);
  if (!found) return { failed: `no answer within ${run.wall.toFixed(1)} s` };
  const gap = found.upper === undefined ? undefined : found.upper - found.lower;
  return { seconds: run.processorSeconds, gap, ...found, wallSeconds: run.wall, processorSeconds: run.processorSeconds };
}

/** When our gap was first at most the best of the peers' last ones (or the one asked for, where theirs are smaller). */
function reached(row) {
  const gaps = Object.values(row.peers).flatMap((peer) => (peer?.gap === undefined ? [] : [peer.gap]));
  const least = Math.max(1e-3, Math.min(...gaps));
  return [...row.trace, [row.seconds, row.lower, row.upper]].find(([, lower, upper]) => upper - lower <= least)?.[0];
}

const show = (peer) => {
  if (!peer) return '';
  if (peer.failed) return peer.failed;
  const gap = peer.gap === undefined ? 'solved' : `gap ${peer.gap.toPrecision(3)}`;
  const spent = peer.processorSeconds === undefined ? '' : `, ${peer.processorSeconds.toFixed(2)} processor s`;
  return `${gap} in ${peer.seconds?.toPrecision(3)} s${spent}${peer.recorded ? ` (recorded ${peer.recorded})` : ''}`;
};

/** Our bounds and the peers', problem by problem. */
function pointRows() {
  const only = values.only.flatMap((part) => ['--only', part]);
  const command = ['run', '--release', '--locked', '-q', '-p', 'tiresias-solve', '--example', 'solver_rate', '--'];
  const ours = spawnSync('cargo', [...command, resolve(values.folder), '--json', '--time', `${seconds}`, ...only], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (ours.status !== 0) throw new Error(`solver_rate ended with ${ours.status}`);
  const rows = ours.stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  if (!values.json) console.log(`| problem | lower | upper | gap | seconds | processor s | ${Object.keys(peers).join(' | ')} | best peer's gap after s |\n|${' --- |'.repeat(10)}`);
  for (const row of rows) {
    row.peers = Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, measurePeer(name, peer, row.problem)]));
    row.secondsToPeersGap = reached(row) ?? null;
    if (values.json) continue;
    const cells = [row.problem, row.lower.toFixed(5), row.upper.toFixed(5), row.gap.toPrecision(3), row.seconds.toFixed(3), row.processorSeconds.toFixed(2)];
    console.log(`| ${[...cells, ...Object.values(row.peers).map(show), row.secondsToPeersGap?.toPrecision(3) ?? 'not reached'].join(' | ')} |`);
  }
  if (!values.json) console.log(`\nRecorded figures: ${figures.source}, ${figures.date}.\n`);
  return rows;
}

try {
  const rows = parts.includes('point') ? pointRows() : [];
  let exact = [];
  if (parts.includes('exact')) {
    const say = values.json ? () => {} : console.log;
    say(exactHead);
    exact = exactRows(figures.exact, { folder: values.folder, seconds, only: values.only, root, scratch }, (row) => say(exactLine(row)));
    say(`\nRecorded figures: ${figures.exact.source}, ${figures.exact.date}.`);
  }
  const recorded = { date: figures.date, source: figures.source, exact: { date: figures.exact.date, source: figures.exact.source } };
  if (values.json) console.log(JSON.stringify({ seconds, date: new Date().toISOString(), recorded, rows, exact }, null, 2));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
