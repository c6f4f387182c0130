// A large MDP, solved by Tiresias and by its peers: `node bench/mdp.mjs [states]`, one JSON line each, one after the other.
// The peers run in the benchmarks' own Python environment; one that does not install or run is a line with the reason.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pythonWith } from './python.mjs';

const PEERS = ['quantecon', 'mdpsolver', 'pymdptoolbox'];
const MINUTES = 10;
const states = process.argv[2] ?? '100000';
const root = fileURLToPath(new URL('..', import.meta.url));

const example = ['run', '--release', '--locked', '-p', 'tiresias-solve', '--example', 'mdp_rate', '--', states, '--json'];
const ours = spawnSync('cargo', example, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
if (ours.status !== 0) process.exit(ours.status ?? 1);
process.stdout.write(ours.stdout);

for (const peer of PEERS) {
  const script = fileURLToPath(new URL(`peers/mdp_${peer}.py`, import.meta.url));
  console.log(measure(peer, script));
}

function measure(peer, script) {
  const python = pythonWith(peer);
  if (python.reason) return JSON.stringify({ peer, reason: python.reason });
  const run = spawnSync(python.path, ['-W', 'ignore', script, '--states', states], { encoding: 'utf8', timeout: MINUTES * 60_000 });
  if (run.status === 0) return run.stdout.trim();
  if (run.error?.code === 'ETIMEDOUT') return JSON.stringify({ peer, reason: `not within ${MINUTES} minutes` });
  return JSON.stringify({ peer, reason: run.error?.message ?? run.stderr.trim().split('\n').at(-1) });
}
