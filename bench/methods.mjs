// The methods without a network at work: `npm run bench:methods [-- --tasks N] [--episodes N] [--regime NAME]… [--only METHOD]… [--json]`.
//
// Every method plays the same tasks of the energy family (K = 5, H = 10, nature as the oracle's), in one native call a batch of tasks,
// on all cores. Times are of the play alone; drawing and solving the tasks, and the belief and the regret bound that the world keeps for
// every decision whoever acts, are in the rows `world` (solve) and `oracle` (play). The gap stands beside the time, so that nothing is
// fast because it does nothing. With --json one object, as bench/results/methods.json has it.
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { createAgents, createEpisodes, methods, played, version } from '../dist/index.js';

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: '1000' },
    episodes: { type: 'string', default: '100' },
    regime: { type: 'string', multiple: true, default: ['mdp', 'pomdp', 'apomdp'] },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const [tasks, episodesPerTask] = [options.tasks, options.episodes].map(Number);
const BATCH = 50;
const playable = methods().filter(({ group, name }) => name === 'oracle' || !['language', 'network'].includes(group)).filter(({ name }) => options.only?.includes(name) ?? true);

const spec = (regime, firstTask, count) => ({
  family: 'energy', split: 'test', seed: 1, regime, horizon: 10, models: 3, alpha: 1, nature: 'fixed', support: { trajectories: 5, behaviour: 'epsilon:0.5' },
  solver: { gap: 0.05, timeSeconds: null }, template: null, firstTask, tasks: count, episodesPerTask, epsilon: 0.001, threads: 0,
});

/** Seconds by the wall and of the processor. */
async function timed(row, work) {
  const [wall, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  row.seconds += (performance.now() - wall) / 1000;
  row.processorSeconds += (user + system) / 1e6;
  return result;
}

const rows = [];
for (const regime of options.regime) {
  const here = playable.filter((method) => method.regimes.includes(regime));
  const row = (method) => ({ regime, method, seconds: 0, processorSeconds: 0, regret: 0, worth: 0 });
  const world = row('world');
  const each = new Map(here.map(({ name }) => [name, row(name)]));
  const made = new Map();
  for (const { name } of here) if (!['oracle', 'random'].includes(name)) made.set(name, await timed(each.get(name), () => createAgents(spec(regime, 0, 1), name)));
  for (let first = 0; first < tasks; first += BATCH) {
    const episodes = await timed(world, () => createEpisodes(spec(regime, first, Math.min(BATCH, tasks - first))));
    for (const { name } of here) {
      const mine = each.get(name);
      const ended = await timed(mine, async () => {
        if (made.has(name)) return played(episodes, made.get(name));
        episodes.reset();
        while (!episodes.done) episodes.step(name === 'oracle' ? episodes.oracleActions() : episodes.randomActions());
        return episodes;
      });
      const { regrets, optimal } = ended.outcome();
      mine.regret += regrets.reduce((sum, regret) => sum + regret, 0);
      mine.worth += optimal.reduce((sum, value) => sum + value, 0) * episodesPerTask;
      if (ended !== episodes) ended.dispose();
    }
    episodes.dispose();
  }
  rows.push(world, ...each.values());
  for (const agents of made.values()) agents.dispose();
}

const random = Object.fromEntries(rows.filter(({ method }) => method === 'random').map((row) => [row.regime, row.regret]));
const table = rows.map(({ regime, method, seconds, processorSeconds, regret }) => ({
  regime, method, seconds, processorSeconds,
  microsecondsAnEpisode: (1e6 * processorSeconds) / (tasks * episodesPerTask),
  ...(method !== 'world' && { gapNorm: regret / random[regime] }),
}));
const total = (name) => rows.reduce((sum, row) => sum + row[name], 0);
const result = {
  command: `npm run bench:methods -- ${process.argv.slice(2).join(' ')}`.trim(), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), load: loadavg()[0] },
  tasks, episodesPerTask, seconds: total('seconds'), processorSeconds: total('processorSeconds'), peakRssBytes: process.resourceUsage().maxRSS * 1024, rows: table,
};
if (options.json) console.log(JSON.stringify(result, null, 2));
else {
  for (const { regime, method, seconds, processorSeconds, microsecondsAnEpisode, gapNorm } of table) {
    console.log(`${regime.padEnd(7)} ${method.padEnd(20)} ${seconds.toFixed(2).padStart(8)} s ${processorSeconds.toFixed(2).padStart(8)} processor s ${microsecondsAnEpisode.toFixed(1).padStart(8)} µs an episode  ${gapNorm === undefined ? '' : `gap ${gapNorm.toFixed(3)}`}`);
  }
  console.log(`${tasks} tasks × ${episodesPerTask} episodes: ${result.seconds.toFixed(1)} s, ${result.processorSeconds.toFixed(1)} processor s; peak memory ${(result.peakRssBytes / 2 ** 20).toFixed(0)} MiB`);
}
