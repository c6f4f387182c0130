// What a policy earns and how fast that is known, beside a peer: `npm run bench:simulate -- --folder DIR [--json] [--time 8]
// [--decisions 1000000] [--peer-seconds 10] [--only TEXT]`.
//
// Every problem of the folder that is in PROBLEMS is solved for `--time` seconds. Its α-vectors act, and the solution by itself, which
// looks one step ahead. APPL's `pomdpsim`, where PEER_POMDPSIM names it, reads the same vectors and plays them both ways; else there is
// the rate that was recorded in solver-figures.json. The two simulators must agree: their means differ by `z` standard errors, and a
// |z| above 4 (1 in 16,000 by chance) ends the run with exit code 1. One thread, one program at a time; rates are by processor seconds
// without loading: the peer's are those of a run less those of a run of one episode.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Model, simulate, solve } from '../dist/index.js';

// Where the start is known as far as the state is seen: pomdpsim shows that before the first action, the contract does not.
const PROBLEMS = [
  'tiger.95.pomdp', 'network.pomdp', 'tiger-grid.pomdp', 'hallway.pomdp', 'hallway2.pomdp', 'aloha.10.pomdp', 'tag-avoid.pomdp',
  'RockSample_5_5.pomdp', 'RockSample_7_8.pomdpx', 'underwaterNav.pomdp',
];
const WAYS = { vectors: 'no', 'look-ahead': 'yes' };
const MOST_Z = 4;

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    json: { type: 'boolean', default: false },
    time: { type: 'string', default: '8' },
    decisions: { type: 'string', default: '1000000' },
    'peer-seconds': { type: 'string', default: '10' },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const [time, decisions, patience] = [values.time, values.decisions, values['peer-seconds']].map(Number);
if (!values.folder || !(time > 0 && decisions >= 1 && patience > 0)) {
  console.error('usage: npm run bench:simulate -- --folder DIR [--json] [--time SECONDS] [--decisions N] [--peer-seconds SECONDS] [--only TEXT]\nDIR holds the .pomdp and .pomdpx files of the problems.');
  process.exit(2);
}
const figures = JSON.parse(readFileSync(new URL('solver-figures.json', import.meta.url), 'utf8'));
const scratch = mkdtempSync(join(tmpdir(), 'tiresias-simulate-'));

/** Ours: episodes for about `share` of the decisions, after a few to warm up. */
async function ours(model, policy, share, steps) {
  const episodes = Math.max(10, Math.ceil((decisions * share) / steps));
  await simulate(model, policy, { episodes: 10, steps, threads: 1 });
  const before = process.cpuUsage();
  const found = await simulate(model, policy, { episodes, steps, threads: 1 });
  const { user, system } = process.cpuUsage(before);
  const processorSeconds = (user + system) / 1e6;
  return {
    episodes, decisions: found.decisions, mean: found.mean, error: found.deviation / Math.sqrt(episodes),
    processorSeconds, rate: found.decisions / processorSeconds,
  };
}

/** One run of pomdpsim: its mean, and its processor seconds by bash's stopwatch. */
function play(file, policy, lookahead, steps, episodes) {
  const args = [file, '--policy-file', policy, '--simLen', `${steps}`, '--simNum', `${episodes}`, '--srand', '7', '--lookahead', lookahead];
  const quoted = [resolve(process.env.PEER_POMDPSIM), ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const run = spawnSync('bash', ['-c', `TIMEFORMAT='processor seconds: %U %S'; time timeout 600 ${quoted} 2>&1`], { cwd: scratch, encoding: 'utf8', maxBuffer: 1 << 26 });
  const [, user, system] = (run.stderr ?? '').match(/processor seconds: (\S+) (\S+)/) ?? [];
  // The last row: episodes, mean, (low, high) of the 95 % interval.
  const [, mean, low, high] = (run.stdout ?? '').match(/^\s*\d+\s+(\S+)\s+\((\S+), (\S+)\)\s*$/m) ?? [];
  if (mean === undefined) throw new Error((run.stdout ?? '').trim().split('\n').at(-1) || run.error?.message || 'no answer');
  return { mean: Number(mean), error: (Number(high) - Number(low)) / 2 / 1.96, seconds: Number(user) + Number(system) };
}

/** The peer's: twice as many episodes as before, until they take half of `--peer-seconds` or more. */
function peers(file, policy, way, steps, decisionsAnEpisode) {
  if (!process.env.PEER_POMDPSIM) return null;
  try {
    const idle = play(file, policy, WAYS[way], steps, 1).seconds;
    for (let episodes = 100; ; episodes *= 2) {
      const { mean, error, seconds } = play(file, policy, WAYS[way], steps, episodes);
      const spent = seconds - idle;
      if (spent < patience / 2 && episodes < 1 << 20) continue;
      // It does not say how many decisions it made; episodes end as ours do.
      return { episodes, mean, error, processorSeconds: spent, rate: ((episodes - 1) * decisionsAnEpisode) / spent };
    }
  } catch (error) {
    return { failed: error.message };
  }
}

async function measure(problem) {
  const file = resolve(values.folder, problem);
  const { model } = Model.fromFile(file);
  process.stderr.write(`${problem}\n`);
  const solution = await solve(model, { solver: 'point', gap: 1e-3, timeSeconds: time });
  const vectors = solution.alphaPolicy();
  const policy = join(scratch, `${problem}.policy`);
  writeFileSync(policy, vectors.write('sarsop'));
  // Decisions after which 1e-3 of the discount is left: as long as a peer with thousands of decisions a second has time for.
  const steps = Math.ceil(Math.log(1e-3) / Math.log(model.discount));
  const rows = [];
  for (const [way, actor, share] of [['vectors', vectors, 1], ['look-ahead', solution, 0.1]]) {
    const our = await ours(model, actor, share, steps);
    const peer = peers(file, policy, way, steps, our.decisions / our.episodes);
    const recorded = peer ? undefined : figures.simulation.decisionsPerSecond[problem]?.[way];
    const z = peer?.mean === undefined ? undefined : (our.mean - peer.mean) / Math.hypot(our.error, peer.error);
    rows.push({
      problem, way, vectors: vectors.size, bounds: [solution.lower, solution.upper], steps, ours: our, peer,
      ...(recorded !== undefined && { recorded: { rate: recorded, date: figures.simulation.date } }), ratio: our.rate / (peer?.rate ?? recorded), z,
    });
  }
  return rows;
}

const rate = (value) => (value === undefined ? '' : value >= 1e5 ? `${(value / 1e6).toPrecision(3)} M` : `${Math.round(value).toLocaleString('en')}`);
const mean = ({ mean: value, error }) => `${value.toFixed(4)} ± ${(1.96 * error).toFixed(4)}`;

try {
  const known = PROBLEMS.filter((name) => values.only.length === 0 || values.only.some((part) => name.includes(part)));
  const problems = known.filter((name) => existsSync(join(values.folder, name)));
  if (problems.length === 0) {
    console.error(`${values.folder} has none of ${known.join(', ') || PROBLEMS.join(', ')}`);
    process.exit(2);
  }
  if (!values.json) console.log(`| problem | who acts | vectors | decisions/s | pomdpsim | ratio | mean return | pomdpsim | z |\n|${' --- |'.repeat(9)}`);
  const rows = [];
  for (const problem of problems) {
    for (const row of await measure(problem)) {
      rows.push(row);
      if (values.json) continue;
      const { ours: our, peer, recorded } = row;
      const theirs = peer?.failed ?? (peer ? rate(peer.rate) : recorded ? `${rate(recorded.rate)} (recorded ${recorded.date})` : '');
      const cells = [problem, row.way, row.vectors, rate(our.rate), theirs, row.ratio ? `${row.ratio.toPrecision(3)}×` : '', mean(our), peer?.mean === undefined ? '' : mean(peer), row.z?.toFixed(1) ?? ''];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
  const about = { date: new Date().toISOString(), machine: `${cpus().length} × ${cpus()[0]?.model.trim()}`, load: loadavg(), time, recorded: { date: figures.simulation.date, source: figures.simulation.source } };
  if (values.json) console.log(JSON.stringify({ about, rows }, null, 2));
  const apart = rows.filter(({ z }) => Math.abs(z ?? 0) > MOST_Z);
  for (const { problem, way, z } of apart) console.error(`${problem} (${way}): the simulators' means are ${z.toFixed(1)} standard errors apart`);
  if (apart.length > 0) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
