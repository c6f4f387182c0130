// Measurements of records, one a process: `logs.mjs import FILE`, `logs.mjs em FILE STATES SYMBOLS STEPS FEW MANY THREADS`, `logs.mjs off-policy EPISODES STEPS THREADS`.
// Prints seconds, processor seconds and peak memory as one JSON line.
import { readFileSync } from 'node:fs';
import { Trajectories, fitLogs, importLogs, offPolicy, version } from '../../dist/index.js';

/** Seconds of the clock and of processors that some work takes. */
async function timed(work) {
  const [start, used] = [performance.now(), process.cpuUsage()];
  const found = await work();
  const { user, system } = process.cpuUsage(used);
  return { found, seconds: (performance.now() - start) / 1000, processor: (user + system) / 1e6 };
}

const steady = (n) => Uint32Array.from({ length: n.episodes + 1 }, (_, i) => i * n.steps);
const names = (what, n) => Array.from({ length: n }, (_, i) => `${what}${i}`);

const PARTS = {
  async import(file) {
    const schema = {
      episode: 'patient', step: 'visit', observations: [{ column: 'pressure', quantiles: 8 }, { column: 'grade' }], action: 'treatment', reward: 'reward', propensity: 'propensity',
    };
    const { found, ...times } = await timed(() => importLogs(file, schema, { threads: 2 }));
    return { ...times, rows: found.steps };
  },
  async em(file, ...numbers) {
    const [states, symbols, steps, few, many, threads] = numbers.map(Number);
    const seen = readFileSync(file);
    const trajectories = Trajectories.fromColumns(names('o', symbols), ['wait'], {
      offsets: steady({ episodes: seen.length / steps, steps }), observations: Int32Array.from(seen), actions: new Uint8Array(seen.length), rewards: new Float64Array(seen.length),
    });
    const fit = (iterations) => timed(() => fitLogs(trajectories, { kind: 'pomdp', states, starts: 1, iterations, tolerance: 0, threads }));
    const long = await fit(many);
    const short = await fit(few);
    const each = (field) => (long[field] - short[field]) / (long.found.report.iterations - short.found.report.iterations);
    return { seconds: each('seconds'), processor: each('processor'), iterations: [short.found.report.iterations, long.found.report.iterations] };
  },
  async 'off-policy'(...numbers) {
    const [episodes, steps, threads] = numbers.map(Number);
    const [symbols, actions, count] = [20, 4, episodes * steps];
    let state = 1;
    const draw = (n) => Math.floor((state = (state * 48271) % 2147483647) / 2147483647 * n);
    const columns = {
      offsets: steady({ episodes, steps }), observations: Int32Array.from({ length: count }, () => draw(symbols)), actions: Uint8Array.from({ length: count }, () => draw(actions)),
      rewards: Float64Array.from({ length: count }, () => draw(10)), propensities: new Float64Array(count).fill(1 / actions),
    };
    const trajectories = Trajectories.fromColumns(names('o', symbols), names('a', actions), columns);
    const target = Float32Array.from({ length: count * actions }, (_, i) => [0.25, 0.375, 0.125, 0.25][i % actions]);
    const { found, ...times } = await timed(() => offPolicy(trajectories, target, { threads }));
    return { ...times, given: found.estimates.filter(({ refused }) => !refused).length, resamples: 1000 };
  },
};

const [part, ...rest] = process.argv.slice(2);
const measured = await PARTS[part](...rest);
console.log(JSON.stringify({ ...measured, peakBytes: process.resourceUsage().maxRSS * 1024, version: `tiresias ${version}` }));
