// A large MDP, solved by Tiresias and by its peers: `node bench/mdp.mjs [states] [minutes a peer]`, one JSON line each, one after the other.
// The peers run in the benchmarks' own Python environment, with a limit on memory; one that does not install, run or end is a line with
// the reason. `l1_numpy` is robust value iteration over L1 balls, written out, as `craam` and `rmdp` are not on PyPI.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { pythonWith } from './python.mjs';

const PEERS = ['quantecon', 'mdpsolver', 'pymdptoolbox', 'l1_numpy'];
const PACKAGES = { l1_numpy: 'numpy' };
const [states = '100000', minutes = '10'] = process.argv.slice(2);
const root = fileURLToPath(new URL('..', import.meta.url));

const example = ['run', '--release', '--locked', '-p', 'tiresias-solve', '--example', 'mdp_rate', '--', states, '--json'];
const ours = spawnSync('cargo', example, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
if (ours.status !== 0) process.exit(ours.status ?? 1);
print(JSON.parse(ours.stdout));
for (const peer of PEERS) print(measure(peer, fileURLToPath(new URL(`peers/mdp_${peer}.py`, import.meta.url))));

function print(row) {
  console.log(JSON.stringify({ ...row, states: Number(states), load: loadavg().map((load) => Number(load.toFixed(1))) }));
}

function measure(peer, script) {
  const python = pythonWith(PACKAGES[peer] ?? peer);
  if (python.reason) return { peer, reason: python.reason };
  const run = spawnSync(python.path, ['-W', 'ignore', script, '--states', states], { encoding: 'utf8', timeout: Number(minutes) * 60_000 });
  if (run.status === 0) return JSON.parse(run.stdout.trim().split('\n').at(-1));
  if (run.error?.code === 'ETIMEDOUT') return { peer, reason: `not within ${minutes} minutes` };
  if (run.signal) return { peer, reason: `ended by ${run.signal}` };
  return { peer, reason: run.error?.message ?? run.stderr.trim().split('\n').at(-1) };
}
