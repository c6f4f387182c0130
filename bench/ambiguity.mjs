// What each kind of ambiguity costs to solve, and what it is worth to take one for another: `npm run bench:ambiguity [-- --tasks N]`.
//
// For the first tasks of two families' test splits: the dynamic form (nature chooses anew, `solve`) and the static form (one model is true
// to the end, `solveStatic`); then what the dynamic policy earns if the world is static after all, exactly where few beliefs can be
// met and by simulation else, beside what the static plans earn for certain. And robust POMDPs: classic problems with a ball of each radius
// around every row, against the same policies solved without it. Writes bench/results/ambiguity.json.
import { cpus, loadavg } from 'node:os';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Model, classicModel, drawTask, robustness, solve, solveRobust, solveStatic, version } from '../dist/index.js';

const { values: options } = parseArgs({ options: { tasks: { type: 'string', default: '20' } } });
const tasks = Number(options.tasks);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function family(name, horizon, gap) {
  const rows = [];
  for (let index = 0; index < tasks; index += 1) {
    const { model } = drawTask(name, { split: 'test', index, regime: 'apomdp', models: 3, alpha: 1, ...(horizon && { horizon }) });
    const step = await solve(model, { gap, timeSeconds: 30 });
    const episode = await solveStatic(model, { gap, timeSeconds: 30 });
    const played = await robustness(model, step, { episodes: 20_000, seed: 1 });
    rows.push({
      index, step: { lower: step.lower, upper: step.upper, seconds: step.seconds },
      episode: { lower: episode.lower, upper: episode.upper, seconds: episode.stats.seconds, plans: episode.mixture.length, pure: episode.pure.lower },
      // What the policy of the dynamic form earns under the worst of the models, kept to the end.
      stepInAStaticWorld: Math.min(...played.fixed.map(({ mean: value }) => value)),
    });
    process.stderr.write(`${name} ${index + 1}/${tasks}\r`);
  }
  return {
    family: name, split: 'test', tasks, horizon: horizon ?? null, gap,
    medianSeconds: { step: median(rows.map(({ step }) => step.seconds)), episode: median(rows.map(({ episode }) => episode.seconds)) },
    means: {
      step: mean(rows.map(({ step }) => step.lower)), episode: mean(rows.map(({ episode }) => episode.lower)),
      stepInAStaticWorld: mean(rows.map(({ stepInAStaticWorld }) => stepInAStaticWorld)),
    },
    drawn: rows.filter(({ episode }) => episode.plans > 1).length,
    rows,
  };
}

async function balls(name, radii, gap, seconds) {
  const plain = JSON.parse(classicModel(name).toJson());
  const nominal = await solve(classicModel(name), { gap, timeSeconds: seconds });
  const rows = [];
  for (const radius of radii) {
    const { lower, upper, stopped, stats } = await solveRobust(Model.fromJson(JSON.stringify({ ...plain, ambiguity: { kind: 'l1', radius } })), { gap, timeSeconds: seconds });
    rows.push({ radius, lower, upper, stopped, seconds: stats.seconds, games: stats.games });
    process.stderr.write(`${name} ${radius}\r`);
  }
  return { model: name, gap, timeSeconds: seconds, nominal: { lower: nominal.lower, upper: nominal.upper, seconds: nominal.seconds }, rows };
}

const result = {
  command: ['npm run bench:ambiguity', ...process.argv.slice(2)].join(' '), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0] },
  families: [await family('energy', 10, 0.01), await family('clinical', undefined, 0.01)],
  robust: [await balls('shuttle', [0, 0.1, 0.2, 0.4], 0.01, 20), await balls('rock-sample:4,3', [0, 0.1, 0.2, 0.4], 0.05, 20), await balls('maze:hallway', [0, 0.1, 0.2], 0.05, 20)],
};
writeFileSync(new URL('results/ambiguity.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
for (const { family: name, means, medianSeconds, drawn } of result.families) console.log(`${name}: anew ${means.step.toFixed(3)}, kept ${means.episode.toFixed(3)}, the policy for anew where it is kept ${means.stepInAStaticWorld.toFixed(3)}; ${medianSeconds.step.toFixed(3)} s and ${medianSeconds.episode.toFixed(3)} s; plans drawn in ${drawn}`);
for (const { model, nominal, rows } of result.robust) {
  console.log(`${model}: [${nominal.lower.toFixed(3)}, ${nominal.upper.toFixed(3)}]`);
  for (const { radius, lower, upper, seconds, stopped } of rows) console.log(`  radius ${radius}: [${lower.toFixed(3)}, ${upper.toFixed(3)}] ${stopped}, ${seconds.toFixed(2)} s`);
}
