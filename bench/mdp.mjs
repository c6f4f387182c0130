// A large MDP, solved by Tiresias and by its peers, one after the other: `node bench/mdp.mjs [states] [minutes a peer] [--json]`.
// The peers run in the benchmarks' own Python environment, with a limit on memory; one that does not install, run or end is a row with
// the reason. `l1_numpy` is robust value iteration over L1 balls, written out, as `craam` and `rmdp` are not on PyPI.
import { spawnSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { pythonWith } from './python.mjs';

const PEERS = ['quantecon', 'mdpsolver', 'pymdptoolbox', 'l1_numpy'];
const PACKAGES = { l1_numpy: 'numpy' };
const given = process.argv.slice(2);
const json = given.includes('--json');
const [states = '100000', minutes = '10'] = given.filter((argument) => argument !== '--json');
const root = fileURLToPath(new URL('..', import.meta.url));
const load = () => loadavg().map((load) => Number(load.toFixed(1)));
const about = {
  command: ['node bench/mdp.mjs', ...given].join(' '),
  date: new Date().toISOString(),
  machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(1)} GiB, ${process.platform} ${process.arch}`,
};

const example = ['run', '--release', '--locked', '-p', 'tiresias-solve', '--example', 'mdp_rate', '--', states, '--json'];
const started = spawnSync('cargo', example, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
if (started.status !== 0) process.exit(started.status ?? 1);
const ours = JSON.parse(started.stdout);
const rows = [];
add(ours);
// The value of state 0, which peers are measured against: the middle of proven bounds, of whichever solve has the narrowest.
const { lower, upper } = ours.models[0].solves.reduce((best, solve) => (solve.upper - solve.lower < best.upper - best.lower ? solve : best));
for (const peer of PEERS) add(measure(peer, fileURLToPath(new URL(`peers/mdp_${peer}.py`, import.meta.url))));
if (json) console.log(JSON.stringify({ about, states: Number(states), rows }, null, 2));
else console.log(`${about.command}, ${about.date.slice(0, 10)}, ${about.machine}`);

function add(row) {
  rows.push({ ...row, load: load() });
  if (!json) lines(rows.at(-1)).forEach((line) => console.log(line));
}

function measure(peer, script) {
  const python = pythonWith(PACKAGES[peer] ?? peer);
  if (python.reason) return { peer, reason: python.reason };
  const command = ['-W', 'ignore', script, '--states', states, '--value', String((lower + upper) / 2)];
  const run = spawnSync(python.path, command, { encoding: 'utf8', timeout: Number(minutes) * 60_000 });
  if (run.status === 0) return JSON.parse(run.stdout.trim().split('\n').at(-1));
  if (run.error?.code === 'ETIMEDOUT') return { peer, reason: `not within ${minutes} minutes` };
  if (run.signal) return { peer, reason: `ended by ${run.signal}` };
  return { peer, reason: run.error?.message ?? run.stderr.trim().split('\n').at(-1) };
}

/** A row for people: processor seconds, and the value or bounds of state 0. */
function lines({ peer, version = '', reason, load, buildSeconds, sweepProcessorSeconds, streamSeconds, gatherSeconds, models, solves = [] }) {
  const ms = (seconds) => `${(seconds * 1e3).toFixed(1)} ms`;
  if (reason) return [`${peer}: ${reason}`];
  const head = [`${peer} ${version} (load ${load.join(' ')}): built in ${buildSeconds.toFixed(1)} s`];
  if (streamSeconds) head.push(`  floor: stream ${ms(streamSeconds)}, gathers ${ms(gatherSeconds)}`);
  if (sweepProcessorSeconds) head.push(`  a sweep: ${ms(sweepProcessorSeconds)}`);
  const told = ({ solver, threads = '', tolerance = '', processorSeconds, iterations = '', value, lower, upper, accurate }) =>
    `    ${solver} ${threads && `${threads} threads`} ${tolerance && `tolerance ${tolerance.toExponential(0)}`}: ${processorSeconds.toFixed(2)} s, ` +
    `${iterations && `${iterations} sweeps, `}${value ?? `${lower} to ${upper}`}${accurate === undefined ? '' : accurate ? ', as accurate' : ', not as accurate'}`;
  const ofModel = ({ model, sweepProcessorSeconds, sweepRows, ofFloor, sweepSecondsTwoThreads, solves }) => [
    `  ${model}: a sweep of ${(sweepRows * 100).toFixed(0)} % of the rows ${ms(sweepProcessorSeconds)}, ${ofFloor.toFixed(2)} of the floor; ` +
      `on two threads ${ms(sweepSecondsTwoThreads)} by the clock`,
    ...solves.map(told),
  ];
  return [...head, ...(models ?? []).flatMap(ofModel), ...solves.map(told)];
}
