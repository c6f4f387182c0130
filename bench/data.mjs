// The data engine beside its peers, on this machine, in this run: `npm run bench:data [-- --json] [--only GROUP]…`.
//
// Every measurement is a program of its own that prints one JSON line: ours in bench/ours or an example of a crate, the peers'
// in bench/peers. They run one at a time, pinned to one core where a row has one thread; a row's two take turns for some
// rounds, and its rates are medians over them. Progress goes to stderr, the table or the object to stdout.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../dist/cache.js';
import * as tiresias from '../dist/index.js';
import { energy, median } from './ours/measure.mjs';
import { pythonWith } from './python.mjs';

const GROUPS = ['rollouts', 'beliefs', 'encoding', 'datasets'];
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: GROUPS },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1' },
  },
});
const unknown = options.only.find((group) => !GROUPS.includes(group));
if (unknown) {
  console.error(`--only ${unknown}: expected one of ${GROUPS.join(', ')}`);
  process.exit(2);
}

const { resolveBaseModel, solveSync, version } = tiresias;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
mkdirSync(cacheFolder(), { recursive: true });
const inputs = mkdtempSync(join(cacheFolder(), 'bench-'));
process.on('exit', () => rmSync(inputs, { recursive: true, force: true }));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));
const needsModel = options.only.some((group) => group === 'encoding' || group === 'datasets');
const gguf = process.env.TIRESIAS_SMOLLM2 ?? (needsModel ? (await resolveBaseModel({ name: 'smollm2-135m-instruct' })).path : '');

// ── Who is measured ───────────────────────────────────────────────────────────────────────────────────────────────────

const shared = ['--inputs', inputs, '--seconds', options.seconds];

/** A program in bench/ours. */
const ours = (name, script, ...args) => ({ name, argv: [process.execPath, `bench/ours/${script}.mjs`, ...shared, ...args] });

/** A script in bench/peers, and whose requirements it needs. */
const peer = (name, needs, script, ...args) => ({ name, needs, argv: [`bench/peers/${script}.py`, ...shared, ...args] });

/** An example of a crate; `read` makes a measurement of what it prints. */
const example = (name, crate, program, args, read) => ({
  name, read, argv: ['cargo', 'run', '--quiet', '--release', '--locked', '-p', crate, '--example', program, '--', ...args],
});

const rollouts = (behaviour, memory = 'kept') =>
  ours(`\`rolloutSync\`, ${behaviour}, ${memory} arrays`, 'rollouts', '--behaviour', behaviour, '--memory', memory, '--threads', '1');
/** 4,096 recorded episodes of the oracle in buffers that stay in the cache: the best SIMD level, and what else the example found. */
const rust = example('`rollout_into` (Rust), oracle, buffers kept', 'tiresias-sim', 'rollout_rate', ['--json'], (printed) => {
  const found = Object.entries(lastLine(printed)).filter(([name]) => name.startsWith('oracle/'));
  const rates = Object.fromEntries(found.map(([name, { rate, floor }]) => [name, { rate: 1e6 * rate, floor: 1e6 * floor }]));
  const best = found.map(([name]) => name).findLast((name) => name.startsWith('oracle/cache/1/'));
  return { ...rates[best], unit: 'steps/s', measured: best, all: rates };
});
const environments = ours('`Environments.step`', 'environments');
const beliefs = (precision) => ours(`\`BeliefBatch\`, ${precision}`, 'beliefs', '--precision', precision);
const locked = /name = "tokenizers"\nversion = "(.*)"/.exec(readFileSync(join(ROOT, 'Cargo.lock'), 'utf8'))?.[1];
const versions = { encode: `tiresias ${version}`, tokenizers: `tokenizers ${locked} (Rust)` };
const encode = (rate, name) =>
  example(name, 'tiresias-encode', 'encode_rate', ['--json', '--gguf', gguf, '--export', inputs, ...(rate === 'tokenizers' ? ['--tokenizers'] : [])], (printed) => {
    const found = lastLine(printed);
    return { rate: found[rate], floor: found.floor, unit: found.unit, version: versions[rate] };
  });
// Rows through the addon come from Node where the library has the call, else from the Rust example: both write the peers' texts.
const encodeBatch = ours('`encodeBatchInto`', 'encoding', '--gguf', gguf);
const makeShard = (examples, threads) =>
  ours(`\`makeShard\`, ${examples.toLocaleString('en')} examples`, 'dataset', '--gguf', gguf, '--examples', String(examples), '--threads', String(threads));
const dpt = (name, processes, ...args) => peer(name, 'numpy', 'dpt_style', '--transitions', '60000', '--processes', String(processes), ...args);

const gymnax = peer('gymnax, the same MDP as its `Environment`', 'gymnax', 'gymnax_rollouts', '--env', 'energy');
const frozenLake = peer('gymnasium, FrozenLake, `SyncVectorEnv`', 'gymnasium', 'gymnasium_vector', '--env', 'FrozenLake-v1');
const cartPole = peer('gymnasium, CartPole, its own vectorised form', 'gymnasium', 'gymnasium_vector', '--env', 'CartPole-v1');
// Not pinned: its one worker is a thread beside Python's.
const envpool = { ...peer('EnvPool, FrozenLake, one worker', 'envpool', 'envpool_vector'), pinned: false };

/** A row each: us, the peer, threads. */
const ROWS = {
  'rollouts.numpy': [rollouts('oracle'), peer('NumPy, the same MDP', 'numpy', 'numpy_rollouts'), 1],
  'rollouts.jax': [rollouts('oracle'), peer('JAX, the same MDP by hand', 'jax', 'jax_rollouts'), 1],
  'rollouts.jax-fresh-arrays': [rollouts('oracle', 'fresh'), peer('JAX, the same MDP by hand', 'jax', 'jax_rollouts'), 1],
  'rollouts.gymnax': [rollouts('oracle'), gymnax, 1],
  'rollouts.rust': [rust, gymnax, 1],
  'rollouts.gymnax-frozen-lake': [rollouts('random'), peer('gymnax, FrozenLake', 'gymnax', 'gymnax_rollouts', '--env', 'FrozenLake-misc'), 1],
  'rollouts.dpt-style': [rollouts('random'), dpt('transitions in DPT\u2019s style', 1), 1],
  'rollouts.gymnasium-frozen-lake': [environments, frozenLake, 1],
  'rollouts.gymnasium-cart-pole': [environments, cartPole, 1],
  'rollouts.envpool': [environments, envpool, 1],
  'rollouts.pufferlib': [environments, { name: 'PufferLib', needs: 'pufferlib' }, 1],
  'beliefs.pomdp-py': [beliefs('f64'), peer('pomdp-py, one belief at a time', 'pomdp-py', 'pomdp_py_beliefs'), 1],
  'beliefs.numpy-f64': [beliefs('f64'), peer('NumPy `einsum`, f64', 'numpy', 'numpy_beliefs', '--dtype', 'float64'), 1],
  'beliefs.numpy-f32': [beliefs('f32'), peer('NumPy `einsum`, f32', 'numpy', 'numpy_beliefs', '--dtype', 'float32'), 1],
  'encoding.tokenizers-rust': [encode('encode', 'encoder (Rust)'), encode('tokenizers', 'Hugging Face `tokenizers`, Rust'), 1],
  'encoding.tokenizers-python': [encodeBatch, peer('Hugging Face `tokenizers`, Python', 'tokenizers', 'tokenizers_encoding', '--gguf', gguf), 1],
  'encoding.tiktoken': [encodeBatch, peer('tiktoken', 'tiktoken', 'tiktoken_encoding', '--gguf', gguf), 1],
  'datasets.same-number': [makeShard(1000, 1), dpt('DPT\u2019s style, the same number, pickled', 1, '--save', 'yes'), 1],
  'datasets.shard': [makeShard(20_000, 2), dpt('DPT\u2019s style, two processes', 2, '--save', 'yes'), 2],
  'datasets.command-line': [
    ours('`tiresias dataset make`, 20,000 examples', 'dataset-cli', '--gguf', gguf, '--examples', '20000', '--threads', '2'),
    dpt('DPT\u2019s style, two processes', 2, '--save', 'yes'),
    2,
  ],
};

// ── Measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One thread for every library that would start more. */
const ALONE = {
  OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1', RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false',
  JAX_PLATFORMS: 'cpu', XLA_FLAGS: '--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1',
};

/** What keeps a program on the last core that this process may use; nothing where there is no `taskset`. */
const pin = (() => {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return [];
  const core = /Cpus_allowed_list:.*?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return core === undefined ? [] : ['taskset', '--cpu-list', core];
})();

/** Runs a program once: its measurement, or the reason why there is none. */
function once({ argv, needs, read = lastLine, pinned = true }, threads) {
  const python = needs ? pythonWith(needs) : undefined;
  if (python?.reason) return python;
  if (!argv) return { reason: 'installs, but nothing here measures it yet' };
  const [command, ...args] = [...(threads === 1 && pinned ? pin : []), ...(python ? [python.path] : []), ...argv];
  const env = threads === 1 ? { ...process.env, ...ALONE } : process.env;
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: ROOT, env, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) return { reason: `fails: ${error?.message ?? (stderr.trim().split('\n').at(-1) || `exit ${status}`)}` };
  try {
    return read(stdout);
  } catch {
    return { reason: 'prints no measurement' };
  }
}

function lastLine(printed) {
  return JSON.parse(printed.trim().split('\n').at(-1));
}

/** Medians over rounds in which both sides take turns, each going first every other time. A side that fails is not tried again. */
function measure([us, them, threads]) {
  const sides = [{ who: us, found: [] }, { who: them, found: [] }];
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const side of round % 2 ? sides.toReversed() : sides) {
      if (side.reason) continue;
      const found = once(side.who, threads);
      if (found.reason) side.reason = found.reason;
      else side.found.push(found);
    }
  }
  const [mine, theirs] = sides;
  const of = (side, field) => (side.reason ? null : median(side.found.map((found) => found[field])));
  // Of ratios in the same round, which whatever else the machine did has touched alike.
  const ofRatios = (over) => (mine.reason || over.some((x) => !x) ? null : median(mine.found.map((found, round) => found.rate / over[round])));
  const rate = of(mine, 'rate');
  const floors = mine.found.map((found) => found.floor);
  const { rate: _, floor: __, repetitions: ___, unit = null, version: ____, ...more } = mine.found.at(-1) ?? {};
  return {
    ours: rate,
    peer: of(theirs, 'rate'),
    ratio: theirs.reason ? null : ofRatios(theirs.found.map((found) => found.rate)),
    floor: floors.some((x) => !x) ? null : of(mine, 'floor'),
    floorShare: ofRatios(floors),
    unit: unit ?? theirs.found[0]?.unit ?? null,
    threads,
    what: us.name,
    peerName: them.name,
    peerVersion: theirs.found[0]?.version ?? null,
    rounds: { ours: mine.found.map((found) => found.rate), peer: theirs.found.map((found) => found.rate) },
    ...(mine.reason && { oursReason: mine.reason }),
    ...(theirs.reason && { reason: theirs.reason }),
    ...more,
  };
}

/** The same models for peers that are not ours: dense T[a][s][s'], R[a][s], Q[a][s'][o], start[s], policy[t][s]. */
function writeInputs() {
  for (const regime of ['mdp', 'pomdp']) {
    const model = energy(regime);
    const { dynamics, reward, start } = JSON.parse(model.toJson());
    const states = [...Array(model.states).keys()];
    const dense = (rows) => rows.map((row) => row.map((entries) => states.map((s) => entries[s] ?? 0)));
    const certain = (s) => Float64Array.from(states, (other) => Number(other === s));
    const solution = solveSync(model);
    const tables = { T: dense(dynamics[0].transition), R: reward.state_action, start };
    if (regime === 'pomdp') tables.Q = dense(dynamics[0].observation);
    else tables.policy = Array.from({ length: model.horizon }, (_, t) => states.map((s) => solution.action(t, certain(s))));
    writeFileSync(join(inputs, `energy-${regime}.json`), JSON.stringify(tables));
  }
}

/** Builds what the rows run, outside any timing. A build that fails, fails again in its row, with its reason. */
function build(rows) {
  const programs = rows.flatMap(([us, them]) => [us, them]).filter(({ argv }) => argv?.[0] === 'cargo');
  for (const command of new Set(programs.map(({ argv }) => argv.slice(0, argv.indexOf('--')).join(' ').replace('cargo run', 'cargo build')))) {
    const [cargo, ...args] = command.split(' ');
    spawnSync(cargo, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  }
}

const about = {
  command: ['npm run bench:data', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  date: new Date().toISOString(),
  machine: `${cpus().length} \u00d7 ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(1)} GiB, ${process.platform} ${process.arch}`,
  load: loadavg().map((load) => Number(load.toFixed(2))),
  versions: { tiresias: version, node: process.versions.node },
  pinned: pin.length > 0,
};
const chosen = Object.entries(ROWS).filter(([id]) => options.only.includes(id.split('.')[0]));
writeInputs();
build(chosen.map(([, row]) => row));
const results = {};
for (const [i, [id, row]] of chosen.entries()) {
  process.stderr.write(`[${i + 1}/${chosen.length}] ${id}: `);
  results[id] = measure(row);
  const { ours: rate, peer: peerRate, ratio, reason, oursReason } = results[id];
  process.stderr.write(`${words(rate)} against ${words(peerRate)}, ${ratio?.toPrecision(3) ?? reason ?? oursReason}\n`);
}
console.log(options.json ? JSON.stringify({ about, ...results }, null, 2) : table());

// ── Printing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Three digits and a unit of thousands. */
function words(rate) {
  if (rate === null) return '\u2013';
  const power = Math.min(3, Math.max(0, Math.floor(Math.log10(rate) / 3)));
  return `${Number((rate / 1000 ** power).toPrecision(3))}${['', ' k', ' M', ' G'][power]}`;
}

function table() {
  const cell = ({ ours: rate, peer: peerRate, ratio, floorShare, unit, threads, what, peerName, peerVersion, reason, oursReason }) => [
    oursReason ? `${what}: ${oursReason}` : what,
    threads,
    words(rate),
    reason ? `${peerName}: ${reason}` : `${peerName} (${peerVersion})`,
    words(peerRate),
    ratio === null ? '\u2013' : `${words(ratio)}\u00d7`,
    floorShare === null ? '\u2013' : `${(100 * floorShare).toPrecision(2)} %`,
    unit ?? '\u2013',
  ];
  const lines = [['ours', 'threads', 'rate', 'peer', 'its rate', 'ratio', 'of the floor', 'unit'], Array(8).fill('---'), ...Object.values(results).map(cell)];
  const { command, date, machine, load } = about;
  return `${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}\n\n\`${command}\`, ${date.slice(0, 10)}, ${machine}, load ${load.join(' ')}, tiresias ${version}.`;
}
