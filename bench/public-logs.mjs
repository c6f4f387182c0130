// What records of worlds that are not ours are worth: `npm run bench:public-logs [-- --json FILE]`.
//
// Environments of Gymnasium that publish their tables (FrozenLake, CliffWalking, and ICU-Sepsis, which was estimated from the records of MIMIC-III and comes with the clinicians' policy) are played by
// Python; Minari records the episodes in its own files, with how likely each action was. From such a file alone, read by `importMinari`: models of half of the episodes, nominal and robust policies of these, and
// off-policy estimates of each policy from the other half. Then Python says what each policy earns, exactly from the environment's table, and plays some of them in the environment itself. Smaller
// numbers of episodes are the first ones of the same file. Every repetition is a line of the file of rows, so a run that was stopped goes on.
//
// Apart from that, the Open Bandit Dataset (Saito et al. 2020), of which the package obp ships 10,000 records of each of six logs of a fashion shop: does what one log says of another policy hold in that policy's own log?
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../dist/cache.js';
import { bcaInterval, fitLogs, followPolicy, importLogs, importMinari, Model, offPolicy, solve, splitLogs, version } from '../dist/index.js';
import { pythonWith } from './python.mjs';

const { values: options } = parseArgs({
  options: {
    repetitions: { type: 'string', default: '20' },
    only: { type: 'string' },
    rows: { type: 'string', default: join(cacheFolder(), 'public-logs.jsonl') },
    json: { type: 'string' },
  },
});
const repetitions = Number(options.repetitions);

/** Models of a cloud. */
const MODELS = 8;
/** Episodes that a policy is played for in the environment itself. */
const PLAYED = 1000;
/** How far the policy that is near to who acted goes towards the best one. */
const SHARE = 0.2;
const SETTINGS = { models: MODELS, played: PLAYED, share: SHARE };

/** What is recorded: a world, who acts in it, and how many episodes are taken, the most last. */
const CELLS = [
  { world: 'frozen-lake', behaviour: { epsilon: 0.3 }, sizes: [100, 1000] },
  { world: 'frozen-lake', behaviour: { epsilon: 1 }, sizes: [100, 1000] },
  { world: 'cliff-walking', behaviour: { epsilon: 0.3 }, sizes: [30, 300] },
  // Its dense prior makes models of hundreds of megabytes, which were not fitted here: estimates only.
  { world: 'icu-sepsis', behaviour: { expert: true }, sizes: [1000], around: [] },
];
const nameOf = ({ world, behaviour }) => `${world}/${behaviour.expert ? 'expert' : behaviour.epsilon}`;

// ── The worlds, in Python ─────────────────────────────────────────────────────────────────────────────────────────────

const folder = mkdtempSync(join(tmpdir(), 'public-logs-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));
process.env.MINARI_DATASETS_PATH = folder;

/** Asks the peer, one request at a time. */
function peer() {
  const { path, reason } = pythonWith('worlds');
  if (path === undefined) throw new Error(`Python with Gymnasium and Minari: ${reason}`);
  const python = spawn(path, [fileURLToPath(new URL('peers/gymnasium_worlds.py', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  return {
    async ask(request) {
      python.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the peer ended at ${JSON.stringify(request).slice(0, 200)}`);
      return JSON.parse(value);
    },
    end: () => python.stdin.end(),
  };
}

/** The environment's table as a model of ours, with a state in which episodes end. */
function published({ states, actions, horizon, start, transition, ends, reward }) {
  const rows = transition.map((ofAction, a) => [...ofAction.map((row, s) => Object.fromEntries([...row, ...(ends[a][s] > 1e-12 ? [[states, ends[a][s]]] : [])])), { [states]: 1 }]);
  return Model.fromJson({
    schema: 'tiresias.model/1', name: 'published', states: states + 1, actions, horizon, discount: 1, start: [...start, 0], terminal: [String(states)],
    reward: { state_action: reward.map((row) => [...row, 0]) }, dynamics: [{ transition: rows }],
  });
}

// ── A repetition ──────────────────────────────────────────────────────────────────────────────────────────────────────

const rounded = (x) => Number(x.toPrecision(7));

/** The action that was done most often after each symbol, and over all. */
function mostOften(trajectories) {
  const { observations, actions } = trajectories.columns();
  const width = trajectories.actions.length;
  const counts = trajectories.observations.map(() => new Float64Array(width));
  const all = new Float64Array(width);
  for (let step = 0; step < actions.length; step += 1) {
    counts[observations[step]][actions[step]] += 1;
    all[actions[step]] += 1;
  }
  const most = (row) => row.indexOf(Math.max(...row));
  return { bySymbol: counts.map((row) => most(row.some(Boolean) ? row : all)), ofAll: most(all) };
}

/** Actions by stage and symbol as actions by stage and state of the world. A state that is in no record gets what was done most often. */
function tableOf(byStage, names, { states, horizon }, otherwise) {
  const symbols = Array.from({ length: states }, (_, state) => names.indexOf(String(state)));
  return Array.from({ length: horizon }, (_, stage) => symbols.map((symbol) => (symbol < 0 ? otherwise : Number(byStage(stage)[symbol]))));
}

/** Probabilities of every action at every logged step, of a table of actions by stage and state. */
const targetOf = (trajectories, table) => probabilitiesOf(trajectories, (stage, state, action) => Number(table[stage][state] === action));

function probabilitiesOf(trajectories, probability) {
  const { offsets, observations } = trajectories.columns();
  const width = trajectories.actions.length;
  const states = trajectories.observations.map(Number);
  const rows = new Float32Array(trajectories.steps * width);
  for (let episode = 0; episode < trajectories.episodes; episode += 1) {
    const from = Number(offsets[episode]);
    for (let step = from; step < Number(offsets[episode + 1]); step += 1) {
      for (let action = 0; action < width; action += 1) rows[step * width + action] = probability(step - from, states[observations[step]], action);
    }
  }
  return rows;
}

/** Policies that are judged from the other half of the episodes, and those of them that are also judged without the recorded propensities. */
const JUDGED = ['towards', 'best', 'imitation', 'nominal', 'posterior'];
const COUNTED = ['towards'];

/** Estimates as `[value, low, high]`, or the kind of the refusal; with propensities as recorded, and of some policies counted from the records. */
async function estimates(name, test, target) {
  const short = async (behaviour) => {
    const found = await offPolicy(test, target, { behaviour, fit: 'staged' });
    return Object.fromEntries(found.estimates.map(({ estimator, refused, value, interval }) => [estimator, refused ? refused.kind : [value, ...interval].map(rounded)]));
  };
  return { logged: await short('logged'), ...(COUNTED.includes(name) && { counted: await short('estimated') }) };
}

/** What comes of the first episodes of a file. */
async function part(all, episodes, { world, behaviour, around = ['posterior', 'bootstrap', 'l1', 'interval'] }, table, ask) {
  const { train, test } = splitLogs(all.select(Uint32Array.from({ length: episodes }, (_, i) => i)));
  const habit = mostOften(train);
  const names = train.observations;
  const policies = { imitation: { table: tableOf(() => habit.bySymbol, names, table, habit.ofAll) }, best: { table: table.policy } };
  const add = async (name, model) => {
    const solution = await solve(model);
    const stages = Array.from({ length: table.horizon }, (_, stage) => solution.stateTable(stage).actions);
    policies[name] = { promises: rounded(solution.lower), solution, table: tableOf((stage) => stages[stage], names, table, habit.ofAll) };
  };
  const asked = { kind: 'mdp', horizon: table.horizon, unseenReward: 'least' };
  if (around.length > 0) await add('nominal-mean', (await fitLogs(train, { ...asked, unseenReward: 'mean' })).model);
  for (const ambiguity of around) {
    const { model, ambiguous } = await fitLogs(train, { ...asked, ambiguity, ...(['posterior', 'bootstrap'].includes(ambiguity) && { models: MODELS }) });
    if (policies.nominal === undefined) await add('nominal', model);
    await add(ambiguity, ambiguous);
  }
  // A policy near to who acted, as is the rule where estimates are compared.
  const { rows: near, value: nearValue } = await ask({ do: 'towards', world, behaviour, share: SHARE });
  const found = { towards: { value: rounded(nearValue), estimates: await estimates('towards', test, probabilitiesOf(test, (_, state, action) => near[state][action])) } };
  for (const [name, { table: policy, solution, promises }] of Object.entries(policies)) {
    const { value } = await ask({ do: 'value', world, policy });
    found[name] = { value: rounded(value), ...(promises !== undefined && { promises }), ...(JUDGED.includes(name) && { estimates: await estimates(name, test, solution ? followPolicy(test, solution) : targetOf(test, policy)) }) };
  }
  return { found, policies, unseen: table.states - names.length };
}

async function repetition(cell, index, table, ask) {
  const { world, behaviour, sizes } = cell;
  const dataset = `public-logs/${nameOf(cell).replaceAll(/[/.]/g, '-')}-v0`;
  const most = sizes.at(-1);
  const recorded = await ask({ do: 'record', world, behaviour, episodes: most, seed: index + 1, dataset });
  const all = await importMinari(dataset);
  rmSync(join(folder, dataset), { recursive: true });
  const rows = [];
  for (const episodes of sizes) {
    const start = performance.now();
    const { found, policies, unseen } = await part(all, episodes, cell, table, ask);
    found.behaviour = { value: rounded(recorded.value) };
    if (episodes === most) {
      for (const name of ['nominal', 'posterior'].filter((one) => found[one])) found[name].played = await ask({ do: 'play', world, policy: policies[name].table, episodes: PLAYED, seed: 1000 + index });
    }
    rows.push({ cell: nameOf(cell), world, behaviour, episodes, repetition: index, statesNotRecorded: unseen, seconds: rounded((performance.now() - start) / 1000), policies: found });
  }
  return rows;
}

// ── All of them ───────────────────────────────────────────────────────────────────────────────────────────────────────

mkdirSync(dirname(options.rows), { recursive: true });
const settings = JSON.stringify(SETTINGS);
const known = existsSync(options.rows) ? readFileSync(options.rows, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
const rows = known.filter((row) => JSON.stringify(row.settings) === settings);
const { ask, end } = peer();
const versions = await ask({ do: 'versions' });
const worlds = {};
const cells = CELLS.filter((cell) => options.only === undefined || options.only.split(',').some((one) => nameOf(cell).startsWith(one)));
for (const { world } of cells) {
  if (worlds[world] !== undefined) continue;
  const table = await ask({ do: 'world', world });
  const ours = (await solve(published(table))).lower;
  worlds[world] = { table, about: { environment: table.environment, states: table.states, actions: table.actions, horizon: table.horizon, best: table.best, oursMinusTheirs: ours - table.best } };
  process.stderr.write(`${world}: the best policy earns ${table.best.toFixed(6)} by their table and numpy; our solver differs by ${(ours - table.best).toExponential(1)}\n`);
}
const times = (cell) => Math.min(repetitions, cell.repetitions ?? repetitions);
// All worlds' first repetitions before the second ones, so that a run which is stopped early has as many of each.
for (const [index, cell] of Array.from({ length: repetitions }, (_, i) => cells.filter((one) => i < times(one)).map((one) => [i, one])).flat()) {
  const there = rows.filter((row) => row.cell === nameOf(cell) && row.repetition === index).map(({ episodes }) => episodes);
  if (cell.sizes.every((size) => there.includes(size))) continue;
  const start = performance.now();
  const made = (await repetition(cell, index, worlds[cell.world].table, ask)).filter(({ episodes }) => !there.includes(episodes)).map((row) => ({ settings: SETTINGS, ...row }));
  appendFileSync(options.rows, made.map((row) => `${JSON.stringify(row)}\n`).join(''));
  rows.push(...made);
  process.stderr.write(`${nameOf(cell)}, repetition ${index}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}
end();

// ── The Open Bandit Dataset ───────────────────────────────────────────────────────────────────────────────────────────

const OBP = 'obp==0.5.7';

/** The folder of the logs in the package's source, which its wheel's limit on Python's version does not concern. */
function openBandit() {
  const { path } = pythonWith('worlds');
  for (const [command, args] of [[path, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--ignore-requires-python', '--no-binary', ':all:', '--dest', folder, OBP]], [path, ['-m', 'tarfile', '-e', join(folder, `${OBP.replace('==', '-')}.tar.gz`), folder]]]) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${OBP}: ${stderr}`);
  }
  return join(folder, OBP.replace('==', '-'), 'obp', 'dataset', 'obd');
}

async function bandit() {
  const logs = openBandit();
  const read = (who, campaign, names) => importLogs(join(logs, who, campaign, `${campaign}.csv`), {
    episode: '', observations: ['position'], action: names === undefined ? 'item_id' : { column: 'item_id', names }, reward: 'click', propensity: 'propensity_score',
  });
  const found = [];
  for (const campaign of ['men', 'women', 'all']) {
    // All items are in the log of who showed them at random.
    const { actions: names } = await read('random', campaign);
    const [random, thompson] = await Promise.all(['random', 'bts'].map((who) => read(who, campaign, names)));
    const own = async (log) => (await offPolicy(log, new Float32Array(log.steps * names.length).fill(1 / names.length))).estimates.find(({ estimator }) => estimator === 'on-policy');
    // Thompson sampling as the log states it: its probability of an item at a position, where the log has the pair.
    const { observations, actions, propensities } = thompson.columns();
    const stated = new Map();
    for (let step = 0; step < actions.length; step += 1) stated.set(`${thompson.observations[observations[step]]} ${actions[step]}`, propensities[step]);
    const sums = random.observations.map((position) => names.reduce((sum, _, action) => sum + (stated.get(`${position} ${action}`) ?? 0), 0));
    const target = new Float32Array(random.steps * names.length);
    for (const [step, position] of random.columns().observations.entries()) {
      for (const action of names.keys()) target[step * names.length + action] = (stated.get(`${random.observations[position]} ${action}`) ?? 0) / sums[position];
    }
    const uniform = new Float32Array(thompson.steps * names.length).fill(1 / names.length);
    const short = (result) => Object.fromEntries(result.estimates.map(({ estimator, refused, value, interval }) => [estimator, refused ? refused.kind : [value, ...interval].map(rounded)]));
    const policies = {};
    const { train, test } = splitLogs(thompson);
    const add = async (name, model) => {
      const solution = await solve(model);
      const at = (log) => offPolicy(log, followPolicy(log, solution));
      policies[name] = { promises: rounded(solution.lower), items: Object.fromEntries(test.observations.map((position, i) => [position, names[Number(solution.stateTable(0).actions[i])]])), ownLog: short(await at(test)), otherLog: short(await at(random)) };
    };
    const asked = { kind: 'mdp', horizon: 1, unseenReward: 'least' };
    const { model } = await fitLogs(train, asked);
    await add('nominal', model);
    found.push({
      campaign, items: names.length, records: { random: random.episodes, thompson: thompson.episodes }, clicks: { random: random.columns().rewards.reduce((a, b) => a + b, 0), thompson: thompson.columns().rewards.reduce((a, b) => a + b, 0) },
      pairsWithoutPropensity: random.observations.length * names.length - stated.size, statedSums: sums.map(rounded),
      thompsonFromRandom: { own: [(await own(thompson)).value, ...(await own(thompson)).interval].map(rounded), estimates: short(await offPolicy(random, target)) },
      randomFromThompson: { own: [(await own(random)).value, ...(await own(random)).interval].map(rounded), estimates: short(await offPolicy(thompson, uniform)) },
      policies,
    });
  }
  return found;
}

// ── What it comes to ──────────────────────────────────────────────────────────────────────────────────────────────────

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** A mean over repetitions and its 95 % interval. */
const summed = (values) => [mean(values), ...(values.every((value) => value === values[0]) ? [values[0], values[0]] : bcaInterval(values, mean, { seed: 0 }))].map(rounded);

function settingOf(cell, episodes) {
  const chosen = rows.filter((row) => row.cell === nameOf(cell) && row.episodes === episodes && row.repetition < repetitions);
  const of = (name, field = 'value') => chosen.map(({ policies: { [name]: policy } }) => policy[field]);
  const { best } = worlds[cell.world].about;
  const policyRow = (name) => {
    const promises = of(name, 'promises');
    const gains = ['nominal-mean', 'posterior', 'bootstrap', 'l1', 'interval'].includes(name) ? of(name).map((value, i) => value - of('nominal')[i]) : undefined;
    return {
      value: summed(of(name)), regret: summed(of(name).map((value) => best - value)), worst: Math.min(...of(name)), aboveBehaviour: of(name).filter((value, i) => value > of('behaviour')[i]).length,
      ...(promises[0] !== undefined && { promises: summed(promises), promisesAboveTruth: summed(promises.map((promise, i) => promise - of(name)[i])), kept: promises.filter((promise, i) => promise <= of(name)[i]).length }),
      ...(gains && { overNominal: summed(gains), better: gains.filter((gain) => gain > 1e-9).length, worse: gains.filter((gain) => gain < -1e-9).length }),
    };
  };
  const names = Object.keys(chosen[0].policies);
  const estimated = (group, behaviour) => {
    const found = chosen.flatMap(({ policies }) => group.map((name) => ({ truth: policies[name].value, estimates: policies[name].estimates[behaviour] })));
    return Object.fromEntries(Object.keys(found[0].estimates).filter((name) => name !== 'on-policy').map((estimator) => {
      const given = found.filter(({ estimates: all }) => typeof all[estimator] !== 'string').map(({ truth, estimates: all }) => ({ truth, estimate: all[estimator] }));
      const refused = {};
      for (const { estimates: all } of found) if (typeof all[estimator] === 'string') refused[all[estimator]] = (refused[all[estimator]] ?? 0) + 1;
      return [estimator, {
        asked: found.length, given: given.length, refused, covered: given.filter(({ truth, estimate: [, low, high] }) => low <= truth && truth <= high).length,
        ...(given.length > 0 && { error: rounded(mean(given.map(({ truth, estimate: [value] }) => value - truth))), width: rounded(mean(given.map(({ estimate: [, low, high] }) => high - low))) }),
      }];
    }));
  };
  const learned = names.filter((name) => !['best', 'towards'].includes(name) && JUDGED.includes(name));
  const both = (group) => ({ logged: estimated(group, 'logged'), ...(group.some((name) => COUNTED.includes(name)) && { counted: estimated(group.filter((name) => COUNTED.includes(name)), 'counted') }) });
  const played = chosen.flatMap(({ policies }) => Object.values(policies).filter((policy) => policy.played).map(({ value, played: { mean: found, error } }) => (found - value) / error)).filter(Number.isFinite);
  return {
    world: cell.world, behaviour: cell.behaviour, episodes, repetitions: chosen.length,
    policies: Object.fromEntries(names.map((name) => [name, policyRow(name)])), estimators: { learned: both(learned), best: both(['best']), towards: both(['towards']) },
    ...(played.length > 0 && { played: { policies: played.length, within: played.filter((z) => Math.abs(z) <= 1.96).length, largest: rounded(Math.max(...played.map(Math.abs))), mean: rounded(mean(played)) } }),
  };
}

const settingsFound = cells.flatMap((cell) => cell.sizes.filter((size) => rows.some((row) => row.cell === nameOf(cell) && row.episodes === size)).map((size) => settingOf(cell, size)));
const result = {
  command: ['npm run bench:public-logs --', ...process.argv.slice(2).filter((word, i, words) => word !== '--rows' && words[i - 1] !== '--rows')].join(' '), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0] },
  settings: { ...SETTINGS, versions: { ...versions, icuSepsis: '2.0.1', obp: OBP.replace(/.*==/, '') } },
  worlds: Object.fromEntries(Object.entries(worlds).map(([name, { about }]) => [name, about])),
  results: settingsFound,
  bandit: await bandit(),
};
if (options.json) {
  const lines = rows.filter((row) => cells.some((cell) => row.cell === nameOf(cell) && cell.sizes.includes(row.episodes)) && row.repetition < repetitions)
    .toSorted((a, b) => a.cell.localeCompare(b.cell) || a.episodes - b.episodes || a.repetition - b.repetition).map((row) => `    ${JSON.stringify({ ...row, settings: undefined })}`);
  writeFileSync(options.json, `${JSON.stringify(result, null, 2).slice(0, -2)},\n  "rows": [\n${lines.join(',\n')}\n  ]\n}\n`);
}
for (const { world, behaviour, episodes, policies: named, played } of settingsFound) {
  console.log(`${world}, ${JSON.stringify(behaviour)}, ${episodes} episodes${played ? `; played: ${played.within} of ${played.policies} within 1.96 errors` : ''}`);
  for (const [name, { value, worst, overNominal, promisesAboveTruth }] of Object.entries(named)) {
    console.log(`  ${name.padEnd(14)} earns ${value.map((x) => x.toFixed(3)).join(' ')}, worst ${worst.toFixed(3)}${overNominal ? `, over nominal ${overNominal.map((x) => x.toFixed(3)).join(' ')}` : ''}${promisesAboveTruth ? `, promised ${promisesAboveTruth[0].toFixed(3)} more` : ''}`);
  }
}
for (const { campaign, thompsonFromRandom: a, randomFromThompson: b } of result.bandit) console.log(`open bandit, ${campaign}: ${JSON.stringify(a)} ${JSON.stringify(b)}`);
