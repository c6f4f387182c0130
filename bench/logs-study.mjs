// What a model fitted to records is worth, where the truth is known: `npm run bench:logs-study [-- --json FILE]`.
//
// The clinical family plays the hospital. In each repetition a clinician, who does what the task's oracle would but with probability epsilon draws an
// action at random, treats N patients; their records become a CSV file, and the model is put away. From the file alone: models of half of the patients, nominal
// and robust policies of these, and off-policy estimates of each policy from the other half. Only then is the model taken out again, to find what
// each policy earns in truth. Repetition r is task r of the split. Every repetition is a line of the file of rows, so a run that was stopped goes on, and
// several processes may share one (`--first N` begins at a later repetition).
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../dist/cache.js';
import { bcaInterval, drawTask, fitLogs, followPolicy, importLogs, offPolicy, rollout, solve, solveStatic, version } from '../dist/index.js';

const { values: options } = parseArgs({
  options: {
    patients: { type: 'string', default: '200,2000,20000' },
    repetitions: { type: 'string', default: '20' },
    first: { type: 'string', default: '0' },
    regimes: { type: 'string', default: 'pomdp,mdp' },
    epsilons: { type: 'string', default: '0.3,1' },
    split: { type: 'string', default: 'test' },
    rewards: { type: 'string', default: 'unseen' },
    rows: { type: 'string', default: join(cacheFolder(), 'logs-study.jsonl') },
    json: { type: 'string' },
  },
});
/** Episodes in which a policy's true value is found. */
const EPISODES = 20_000;
/** Models of a cloud. */
const MODELS = 8;
/** Patients by whose half the number of hidden states is chosen, at most. */
const CHOOSING = 1000;
/** Expectation–maximisation. Whether rewards tell of hidden states was chosen on the split `validation`. */
const EM = { starts: 3, iterations: 200, tolerance: 1e-5, rewardsSeen: options.rewards === 'seen' };
const SETTINGS = { split: options.split, episodes: EPISODES, models: MODELS, choosing: CHOOSING, ...EM };

// ── Policies ──────────────────────────────────────────────────────────────────────────────────────────────────────────
// What acts is a graph: `first(symbol)` is a node (-1: nothing was seen), `action(stage, node)` what it does, `next(stage, node, symbol)` where it goes.

/** A policy that goes by the last symbol alone; `nothing` is the state that stands for nothing seen. */
async function bySymbol(model, nothing) {
  const solution = await solve(model);
  const tables = Array.from({ length: model.horizon }, (_, stage) => solution.stateTable(stage).actions);
  return { solution, promises: solution.lower, first: (symbol) => (symbol < 0 ? nothing : symbol), action: (stage, state) => tables[stage][state], next: (_stage, _state, symbol) => symbol };
}

/** A plan for hidden states that draws nothing: the best that was found for one model, or for the worst of a cloud, one of which is true to the end. */
async function plan(model) {
  const { pure } = await solveStatic(model, { gap: 0.01, timeSeconds: 1 });
  const { stages } = pure.plan.controllers[0].controller;
  const graph = (stage) => (stages.length === 1 ? stages[0] : stages[stage]);
  return {
    promises: pure.lower, first: () => 0, action: (stage, node) => graph(stage)[node].action,
    // What the plan does not expect leads to a stage's first node.
    next: (stage, node, symbol) => graph(stage)[node].next[symbol] ?? 0,
  };
}

/** Does after each symbol what was done most often then, and after one that was not there what was done most often. */
function imitation(trajectories) {
  const { observations, actions } = trajectories.columns();
  const counts = trajectories.observations.map(() => new Float64Array(trajectories.actions.length));
  const all = new Float64Array(trajectories.actions.length);
  for (let step = 0; step < actions.length; step += 1) {
    counts[observations[step]][actions[step]] += 1;
    all[actions[step]] += 1;
  }
  const most = (row) => row.indexOf(Math.max(...row));
  const nothing = trajectories.observations.indexOf('missing');
  const choice = counts.map((row) => most(row.some(Boolean) ? row : all));
  return { first: (symbol) => (symbol < 0 ? nothing : symbol), action: (_stage, symbol) => choice[symbol], next: (_stage, _symbol, symbol) => symbol };
}

/** What a policy does at every logged step, steps × actions. A plan's node follows what was seen, whatever was done. */
function follow(trajectories, actor) {
  const { offsets, observations } = trajectories.columns();
  const width = trajectories.actions.length;
  const rows = new Float32Array(trajectories.steps * width);
  for (let episode = 0; episode < trajectories.episodes; episode += 1) {
    const [from, to] = [Number(offsets[episode]), Number(offsets[episode + 1])];
    let node = actor.first(observations[from]);
    for (let step = from; step < to; step += 1) {
      rows[step * width + actor.action(step - from, node)] = 1;
      if (step + 1 < to) node = actor.next(step - from, node, observations[step + 1]);
    }
  }
  return rows;
}

// ── The truth ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A task, and what any episodes in it are worth: the value of who sees every state, and all that is lost to it along the way. That has the mean of the
 * returns (the performance-difference identity) and a fraction of their variance.
 */
async function hospital(regime, index) {
  const draw = (kind) => drawTask('clinical', { split: options.split, index, regime: kind }).model;
  const [model, seen] = [draw(regime), draw('mdp')];
  const oracle = await solve(model, { gap: 0.001 });
  const all = await solve(seen);
  const losses = Array.from({ length: model.horizon }, (_, stage) => Array.from({ length: model.states }, (__, state) => {
    const q = all.qValues(stage, Float64Array.from({ length: model.states }, (___, i) => Number(i === state)));
    return q.map((value) => Math.max(...q) - value);
  }));
  const value = ({ states, actions }) => {
    const totals = new Float64Array(EPISODES);
    for (let i = 0; i < states.length; i += 1) totals[Math.floor(i / model.horizon)] -= losses[i % model.horizon][states[i]][actions[i]];
    const mean = totals.reduce((sum, x) => sum + x, 0) / EPISODES;
    const variance = totals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (EPISODES - 1);
    return { value: all.lower + mean, error: Math.sqrt(variance / EPISODES) };
  };
  const played = { episodes: EPISODES, seed: 1_000_003 + index, record: ['states', 'actions'] };
  return {
    model, oracle,
    earns: async (behaviour) => value(await rollout(model, { ...played, behaviour }, oracle)),
    /** A policy of a fitted model sees names; a name that is in no record is one that it does not know. */
    earnsBy: async (actor, names) => {
      const symbols = Int32Array.from({ length: model.observations || model.states }, (_, i) => names.indexOf(model.observations ? model.observationName(i) : model.stateName(i)));
      const nodes = new Int32Array(EPISODES);
      const policy = ({ stage, observations }) => Uint8Array.from(nodes, (node, episode) => {
        const symbol = observations[episode] < 0 ? -1 : symbols[observations[episode]];
        if (stage === 0) nodes[episode] = actor.first(symbol);
        else if (symbol >= 0) nodes[episode] = actor.next(stage - 1, node, symbol);
        return actor.action(stage, nodes[episode]);
      });
      return value(await rollout(model, { ...played, policy }));
    },
  };
}

/** The records of so many patients as a CSV file, and what the clinician would have done without the slips. */
async function records({ model, oracle }, epsilon, patients, seed, path) {
  const { horizon, states: width, actions: choices } = model;
  const { states, observations, actions, rewards, beliefs } = await rollout(model, { behaviour: `epsilon:${epsilon}`, episodes: patients, seed, record: ['states', 'observations', 'actions', 'rewards', 'beliefs'] }, oracle);
  const lines = ['patient,month,reading,treatment,quality,propensity'];
  const guideline = new Uint8Array(actions.length);
  for (let i = 0; i < actions.length; i += 1) {
    guideline[i] = oracle.action(i % horizon, beliefs.subarray(i * width, (i + 1) * width));
    const reading = model.observations === 0 ? model.stateName(states[i]) : observations[i] < 0 ? '' : model.observationName(observations[i]);
    lines.push(`${Math.floor(i / horizon)},${i % horizon},${reading},${model.actionName(actions[i])},${rewards[i]},${epsilon / choices + (actions[i] === guideline[i] ? 1 - epsilon : 0)}`);
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  return guideline;
}

// ── A repetition ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Policies of what half of the patients showed, by name, each with the records that it reads. */
async function policies(regime, path, treatments, horizon) {
  const read = (whenMissing) => importLogs(path, {
    episode: 'patient', step: 'month', observations: [{ column: 'reading', whenMissing }], action: { column: 'treatment', names: treatments }, reward: 'quality', propensity: 'propensity',
  });
  const half = (all, odd) => all.select(Uint32Array.from({ length: all.episodes / 2 }, (_, i) => 2 * i + odd));
  const found = {};
  // Where the state is what was seen, nothing seen is a state, too.
  const symbols = await read('symbol');
  const nothing = symbols.observations.indexOf('missing');
  found.imitation = { actor: imitation(half(symbols, 0)), test: half(symbols, 1) };
  const counted = { kind: 'mdp', horizon, models: MODELS };
  for (const ambiguity of ['posterior', 'bootstrap', 'l1', 'interval']) {
    const { model, ambiguous } = await fitLogs(half(symbols, 0), { ...counted, ambiguity });
    found['nominal-mdp'] ??= { actor: await bySymbol(model, nothing), test: found.imitation.test };
    found[`robust-mdp-${ambiguity}`] = { actor: await bySymbol(ambiguous, nothing), test: found.imitation.test };
  }
  if (regime === 'mdp') return { found, states: null };
  const hidden = await read('nothing');
  const [train, test] = [half(hidden, 0), half(hidden, 1)];
  const few = train.select(Uint32Array.from({ length: Math.min(CHOOSING, train.episodes) }, (_, i) => i));
  const { report } = await fitLogs(few, { kind: 'pomdp', horizon, states: [2, 4], heldOut: 0.2, ...EM });
  const { model, ambiguous } = await fitLogs(train, { kind: 'pomdp', horizon, states: report.states, ambiguity: 'posterior', models: MODELS, ...EM });
  found['nominal-pomdp'] = { actor: await plan(model), test };
  found['robust-pomdp-posterior'] = { actor: await plan(ambiguous), test };
  return { found, states: report.states };
}

/** Estimates as `[value, low, high]`, or the kind of the refusal. */
const short = ({ estimates }) => Object.fromEntries(estimates.map(({ estimator, refused, value, interval }) => [estimator, refused ? refused.kind : [value, ...interval].map(rounded)]));
const rounded = (x) => Number(x.toPrecision(7));

async function repetition({ regime, epsilon, patients, index }, folder) {
  const start = performance.now();
  const world = await hospital(regime, index);
  const path = join(folder, `${regime}-${epsilon}-${patients}-${index}.csv`);
  const guideline = await records(world, epsilon, patients, index, path);
  const { found, states } = await policies(regime, path, Array.from({ length: world.model.actions }, (_, a) => world.model.actionName(a)), world.model.horizon);
  rmSync(path);
  const row = { behaviour: await world.earns(`epsilon:${epsilon}`), oracle: await world.earns('oracle') };
  const { test } = Object.values(found).at(-1);
  const width = world.model.actions;
  // The guideline itself as a target, which the hospital could write down: the kindest case, since it is what was mostly done.
  const written = new Float32Array(test.steps * width);
  for (let step = 0; step < test.steps; step += 1) {
    const episode = 2 * Math.floor(step / world.model.horizon) + 1;
    written[step * width + guideline[episode * world.model.horizon + (step % world.model.horizon)]] = 1;
  }
  row.oracle.estimates = short(await offPolicy(test, written));
  for (const [name, { actor, test: others }] of Object.entries(found)) {
    const truth = await world.earnsBy(actor, others.observations);
    // A plan is no solution, and is followed here.
    const target = actor.solution ? followPolicy(others, actor.solution) : follow(others, actor);
    row[name] = { ...truth, ...(actor.promises !== undefined && { promises: rounded(actor.promises) }), estimates: short(await offPolicy(others, target)) };
  }
  for (const entry of Object.values(row)) Object.assign(entry, { value: rounded(entry.value), error: rounded(entry.error) });
  return { regime, epsilon, patients, repetition: index, states, seconds: rounded((performance.now() - start) / 1000), policies: row };
}

// ── All of them ───────────────────────────────────────────────────────────────────────────────────────────────────────

const sizes = options.patients.split(',').map(Number);
const repetitions = Number(options.repetitions);
const regimes = options.regimes.split(',');
const epsilons = options.epsilons.split(',').map(Number);
mkdirSync(dirname(options.rows), { recursive: true });
const settings = JSON.stringify(SETTINGS);
const known = existsSync(options.rows) ? readFileSync(options.rows, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
const rows = known.filter((row) => JSON.stringify(row.settings) === settings);
const folder = mkdtempSync(join(tmpdir(), 'logs-study-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));
const asked = Array.from({ length: repetitions }, (_, index) => index).slice(Number(options.first)).map((index) => regimes.flatMap((regime) => epsilons.flatMap((epsilon) => sizes.map((patients) => ({ regime, epsilon, patients, index }))))).flat();
const isOf = (row, { regime, epsilon, patients }) => row.regime === regime && row.epsilon === epsilon && row.patients === patients && row.repetition < repetitions;
for (const cell of asked) {
  if (rows.some((row) => isOf(row, cell) && row.repetition === cell.index)) continue;
  const row = { settings: SETTINGS, ...await repetition(cell, folder) };
  appendFileSync(options.rows, `${JSON.stringify(row)}\n`);
  rows.push(row);
  process.stderr.write(`${cell.regime}, epsilon ${cell.epsilon}, ${cell.patients} patients, repetition ${cell.index}: ${row.seconds.toFixed(1)} s\n`);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** A mean over repetitions and its 95 % interval. */
const summed = (values) => [mean(values), ...bcaInterval(values, mean, { seed: 0 })].map(rounded);
/** What a robust policy is held against: the policy of the likeliest model of the same kind. */
const NOMINAL = (name) => (name.startsWith('robust') ? name.replace(/^robust-(\w+)-.*/, 'nominal-$1') : undefined);

function settingOf({ regime, epsilon, patients }) {
  const chosen = rows.filter((row) => isOf(row, { regime, epsilon, patients }));
  const of = (name, field = 'value') => chosen.map(({ policies: { [name]: policy } }) => policy[field]);
  const lost = (name) => of(name).map((value, i) => of('oracle')[i] - value);
  const policyRow = (name) => {
    const promises = of(name, 'promises');
    const gains = NOMINAL(name) && of(name).map((value, i) => value - of(NOMINAL(name))[i]);
    return {
      value: summed(of(name)), regret: summed(lost(name)), worstRegret: Math.max(...lost(name)), largestError: Math.max(...of(name, 'error')),
      aboveBehaviour: of(name).filter((value, i) => value > of('behaviour')[i]).length,
      ...(promises[0] !== undefined && { promises: summed(promises), promisesAboveTruth: summed(promises.map((promise, i) => promise - of(name)[i])) }),
      ...(gains && { overNominal: summed(gains), better: gains.filter((gain) => gain > 0).length, worse: gains.filter((gain) => gain < 0).length }),
    };
  };
  const names = Object.keys(chosen[0].policies);
  // The mean over policies that were found, and by itself the guideline's.
  const estimated = (group) => {
    const found = chosen.flatMap(({ policies }) => group.map((name) => ({ truth: policies[name].value, estimates: policies[name].estimates })));
    return Object.fromEntries(Object.keys(found[0].estimates).map((estimator) => {
      const given = found.filter(({ estimates }) => typeof estimates[estimator] !== 'string').map(({ truth, estimates }) => ({ truth, estimate: estimates[estimator] }));
      const refused = {};
      for (const { estimates } of found) if (typeof estimates[estimator] === 'string') refused[estimates[estimator]] = (refused[estimates[estimator]] ?? 0) + 1;
      return [estimator, {
        asked: found.length, given: given.length, refused,
        covered: given.filter(({ truth, estimate: [, low, high] }) => low <= truth && truth <= high).length,
        ...(given.length > 0 && { error: rounded(mean(given.map(({ truth, estimate: [value] }) => value - truth))), width: rounded(mean(given.map(({ estimate: [, low, high] }) => high - low))) }),
      }];
    }));
  };
  const learned = names.filter((name) => /^(?:nominal|robust|imitation)/.test(name));
  return {
    regime, epsilon, patients, repetitions: chosen.length, ...(regime === 'pomdp' && { states: Object.fromEntries([2, 3, 4].map((n) => [n, chosen.filter(({ states }) => states === n).length])) }),
    policies: Object.fromEntries(names.map((name) => [name, policyRow(name)])), estimators: { learned: estimated(learned), oracle: estimated(['oracle']) },
  };
}

const cells = regimes.flatMap((regime) => epsilons.flatMap((epsilon) => sizes.map((patients) => ({ regime, epsilon, patients })))).filter((cell) => rows.some((row) => isOf(row, cell)));
const result = {
  command: ['npm run bench:logs-study --', ...process.argv.slice(2).filter((word, i, words) => word !== '--rows' && words[i - 1] !== '--rows')].join(' '), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0] },
  settings: { family: 'clinical', ...SETTINGS },
  results: cells.map(settingOf),
};
if (options.json) {
  const lines = rows.filter((row) => cells.some((cell) => isOf(row, cell)))
    .toSorted((a, b) => b.regime.localeCompare(a.regime) || a.epsilon - b.epsilon || a.patients - b.patients || a.repetition - b.repetition).map((row) => `    ${JSON.stringify({ ...row, settings: undefined })}`);
  writeFileSync(options.json, `${JSON.stringify(result, null, 2).slice(0, -2)},\n  "rows": [\n${lines.join(',\n')}\n  ]\n}\n`);
}
for (const { regime, epsilon, patients, policies: named } of result.results) {
  console.log(`${regime}, epsilon ${epsilon}, ${patients} patients`);
  for (const [name, { value, regret, worstRegret, promisesAboveTruth }] of Object.entries(named)) {
    console.log(`  ${name.padEnd(24)} earns ${value[0].toFixed(3)}, regret ${regret.map((x) => x.toFixed(3)).join(' ')}, worst ${worstRegret.toFixed(3)}${promisesAboveTruth ? `, promised ${promisesAboveTruth[0].toFixed(3)} more` : ''}`);
  }
}
