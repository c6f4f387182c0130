// Calls every export of the addon and of the library, and every method of their classes, with random arguments.
//
//     node test/fuzz/exports.mjs --seconds 3600        (--seed 7 to begin elsewhere)
//     node test/fuzz/exports.mjs --seed 7 --calls 200  (the first calls of a seed again)
//
// The calls are made in a child process. That it dies, throws what is no TiresiasError or an INTERNAL one, leaves a rejection
// unhandled, or does not return, fails and prints the seed and the call. What is written in TypeScript may also complain of a wrong
// argument as JavaScript does, by a TypeError or a RangeError. The library must have been built.
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, readdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Arguments, OwnError, random, readDeclarations, shown } from './arguments.mjs';

/** Calls of one seed: a child process makes them and is followed by another. */
const CALLS = 400;
/** A call that has not returned after this long hangs. Every right call takes milliseconds. */
const HANG_MS = 60_000;
/** After so long a call that takes a signal or a token is cancelled. */
const CANCEL_MS = 300;

const here = fileURLToPath(import.meta.url);
const built = (name) => new URL(`../../dist/${name}`, import.meta.url).href;

/**
 * Runs children until `seconds` are over; resolves to the number of calls made, of the seeds used, and of the processor's seconds that they took. Rejects with an account of the
 * first failure.
 */
export async function fuzz({ seconds, seed = 1, calls = CALLS }) {
  const end = performance.now() + seconds * 1000;
  let made = 0;
  let processor = 0;
  let last = seed;
  for (; made === 0 || performance.now() < end; last++) {
    const one = await child(last, calls, end);
    made += one.calls;
    processor += one.processor;
  }
  return { calls: made, seeds: last - seed, processor };
}

async function child(seed, calls, end) {
  const folder = mkdtempSync(join(tmpdir(), 'tiresias-fuzz-'));
  const file = join(folder, 'log');
  const log = openSync(file, 'w');
  // Nothing of the machine is in reach: an empty folder, no cache, no backend.
  const env = { PATH: process.env.PATH, HOME: folder, TIRESIAS_CACHE: folder, TIRESIAS_TRAIN: '/dev/null/none', RUST_BACKTRACE: '1' };
  const process_ = spawn(process.execPath, ['--expose-gc', here, '--child', '--seed', String(seed), '--calls', String(calls)], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe', log] });
  let said = '';
  let errors = '';
  process_.stdout.on('data', (text) => (said += text));
  process_.stderr.on('data', (text) => (errors = (errors + text).slice(-4000)));
  let hangs = false;
  let ended = false;
  let size = 0;
  let since = performance.now();
  const watch = setInterval(() => {
    const now = fstatSync(log).size;
    if (now !== size) [size, since] = [now, performance.now()];
    hangs = performance.now() - since > HANG_MS;
    ended = performance.now() > end + HANG_MS;
    if (hangs || ended) process_.kill('SIGKILL');
  }, 500);
  const [code, signal] = await new Promise((resolve, reject) => {
    process_.once('error', reject);
    process_.once('close', (...how) => resolve(how));
  });
  clearInterval(watch);
  closeSync(log);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  rmSync(folder, { recursive: true, force: true });
  if (code === 0) {
    const [, calls, processor] = /^(\d+) calls, (\S+) processor seconds$/m.exec(said);
    return { calls: Number(calls), processor: Number(processor) };
  }
  if (ended && !hangs) return { calls: lines.length, processor: 0 };
  const how = hangs ? 'hangs' : code === 1 ? 'fails' : `dies (${signal ?? code})`;
  const again = `node test/fuzz/exports.mjs --seed ${seed} --calls ${lines.length}`;
  throw new Error(`the process ${how} at call ${lines.length} of seed ${seed}; again: ${again}\nlast calls:\n${lines.slice(-6).join('\n')}\n${said}${errors}`);
}

// The child.

async function calls(seed, most) {
  const [library, { native }, { TiresiasError }] = await Promise.all(['index.js', 'native.js', 'errors.js'].map((name) => import(built(name))));
  const declarations = readDeclarations(new URL('../../native/index.d.cts', import.meta.url));
  let bundles = await objects(library, native);
  const next = random(seed);
  const args = new Arguments(next, bundles, declarations);
  const natives = new Set(Object.values(native));
  const own = Object.fromEntries(Object.entries(library).filter(([, value]) => !natives.has(value)));
  const hidden = privatelyMade();
  const targets = [...targetsOf('addon', native, declarations), ...targetsOf('library', own, declarations)].filter(({ name }) => !hidden.has(name));
  let now = '';
  const fail = (what) => {
    console.log(`${what}\n  in ${now}`);
    process.exit(1);
  };
  const check = (error, target) => {
    const plain = target.name.includes('library.') && args.wrong && (error instanceof TypeError || error instanceof RangeError);
    // The caller's own errors, and a signal's reason, come back as they are.
    if (error instanceof OwnError || ['AbortError', 'TimeoutError'].includes(error?.name) || plain) return;
    if (!(error instanceof TiresiasError)) fail(`no TiresiasError: ${error?.stack ?? String(error)}`);
    if (error.code === 'INTERNAL') fail(`INTERNAL: ${error.message}`);
  };
  process.on('unhandledRejection', (error) => fail(`unhandled rejection: ${error?.stack ?? String(error)}`));
  // What a callback throws that the bare addon calls is nobody's; the library catches it.
  process.on('uncaughtException', (error) => error instanceof OwnError || now.startsWith('addon.') || fail(`uncaught: ${error?.stack ?? String(error)}`));
  const classes = new Set(targets.map(({ of }) => of).filter(Boolean));
  // What calls give is called too.
  const adopt = (result, { all }) => {
    const kind = [...classes].find((one) => result instanceof one);
    if (kind && all.filter((object) => object instanceof kind).length < 4) all.push(result);
  };
  const call = async (target, bundle, receiver) => {
    args.wrong = target.of !== undefined && !(receiver instanceof target.of);
    const list = args.list(target.parameters, bundle);
    now = `${target.name}(${list.map(shown).join(', ')})${target.of ? ` of ${shown(receiver)}` : ''}`;
    writeSync(3, `${now.replaceAll('\n', '\\n')}\n`);
    try {
      const result = target.call(receiver, list);
      if (typeof result?.[Symbol.asyncIterator] === 'function') await take(result);
      else adopt(result instanceof Promise ? await settled(result, bundle) : result, bundle);
    } catch (error) {
      check(error, target);
    }
  };
  let disposed = 0;
  for (let made = 0; made < most; ) {
    const target = args.pick(targets);
    const bundle = args.pick(bundles);
    const receivers = target.of ? bundle.all.filter((object) => object instanceof target.of) : [];
    const receiver = receivers.length > 0 && args.chance(0.95) ? args.pick(receivers) : args.receiver(bundle);
    // Objects have a state: some are led to the end of theirs and beyond.
    const times = args.chance(0.1) ? 12 : 1;
    for (let time = 0; time < times && made < most; time++, made++) await call(target, bundle, receiver);
    // What was disposed of is called for a while, then made anew.
    if (/dispose/.test(target.name)) disposed ||= made;
    if (disposed && made > disposed + 20) {
      bundles.forEach((old) => old.cancelAll());
      [bundles, disposed] = [await objects(library, native), 0];
      args.bundles = bundles;
    }
    if (args.chance(0.02)) globalThis.gc();
    if (args.chance(0.1)) await new Promise(setImmediate);
  }
  bundles.forEach((bundle) => bundle.cancelAll());
  const { user, system } = process.cpuUsage();
  console.log(`${most} calls, ${((user + system) / 1e6).toFixed(1)} processor seconds`);
  process.exit(0);
}

/** Waits for a call; cancels it when it takes long. */
async function settled(result, bundle) {
  const timer = setTimeout(() => bundle.cancelAll(), CANCEL_MS);
  try {
    return await result;
  } finally {
    clearTimeout(timer);
  }
}

/** The first of what a generator gives. */
async function take(generator) {
  for await (const _ of generator) break;
}

/** What calls are made on: a few small models of every kind, with what belongs to them. */
async function objects(library, native) {
  const tokens = [];
  const token = () => {
    const made = new native.CancelToken();
    tokens.push(made);
    return made;
  };
  const cancelAll = () => tokens.splice(0).forEach((made) => made.cancel());
  const task = (family, regime) => library.drawTask(family, { index: 1, regime, horizon: 4 }).model;
  const models = [library.classicModel('tiger'), library.classicModel('4x3'), task('energy', 'apomdp'), task('energy', 'pomdp'), task('darkroom', 'mdp'), task('clinical', 'apomdp')];
  return Promise.all(models.map(async (model, m) => {
    const { states, actions, observations, horizon, models: cloud } = model;
    // Known for good: the model itself may be disposed of.
    const shape = { states, actions, observations, horizon, models: cloud, start: model.start() };
    const solution = library.solveSync(model, { timeSeconds: 0.1, gap: 0.5, threads: 1 });
    const vectors = alphaVectors(library.classicModel('tiger'), library);
    const templates = ['mdp', 'pomdp', 'apomdp'].map((regime) => library.defaultTemplate('energy', regime));
    const template = templates[m % 3];
    const tokenizer = library.compactTokenizer(templates);
    const count = 3;
    const environments = new library.Environments(model, { count, seed: 1, horizon: 4, beliefs: true }, solution);
    const batch = new library.BeliefBatch(model, { count });
    const nativeBatch = new native.BeliefBatch(model, { count });
    const nativeEnvironments = new native.Environments(model, { count, seed: 1, horizon: 4 }, solution);
    const tracker = new library.BeliefTracker(model, solution);
    const encoder = library.compileEncoder(template, tokenizer, 4, 2);
    const regime = ['mdp', 'pomdp', 'apomdp'][m % 3];
    const study = { family: 'energy', split: 'test', seed: 1, regime, horizon: 3, models: 2, support: { trajectories: 1 }, tasks: 2, episodesPerTask: 2, threads: 1 };
    const episodes = await library.createEpisodes(study);
    const agents = await library.createAgents(study, 'bc-prompt');
    const prompts = new library.Prompts(episodes, tokenizer);
    const all = [episodes, agents, prompts, model, solution, vectors, tracker, batch, environments, nativeBatch, nativeEnvironments, tokenizer, encoder, new native.CancelToken()];
    return { model, shape, solution, vectors, tokenizer, template, count, batch, step: environments.newStep(), json: model.toJson(), saved: solution.savePolicy(), all, token, cancelAll };
  }));
}

function alphaVectors(tiger, library) {
  return library.solveSync(tiger, { solver: 'point', gap: 0.5, timeSeconds: 0.5, threads: 1 }).alphaPolicy();
}

/** Every function, constructor, method and accessor of a module. */
function* targetsOf(module, exports, { parameters }) {
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== 'function') continue;
    const own = Object.getOwnPropertyNames(value.prototype ?? {}).filter((key) => key !== 'constructor');
    const isClass = own.length > 0 || /^class\b/.test(Function.prototype.toString.call(value));
    const named = (key, f) => parameters.get(key) ?? parametersOf(f);
    if (!isClass) {
      yield { name: `${module}.${name}`, parameters: named(name, value), call: (_, list) => value(...list) };
      continue;
    }
    yield { name: `new ${module}.${name}`, parameters: named(`${name}#constructor`, value), call: (_, list) => new value(...list) };
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      if (typeof property.value === 'function' && key !== 'prototype') {
        yield { name: `${module}.${name}.${key}`, parameters: named(`${name}.${key}`, property.value), call: (_, list) => property.value.apply(value, list) };
      }
    }
    for (const key of Reflect.ownKeys(value.prototype)) {
      if (key === 'constructor') continue;
      const { get, value: method } = Object.getOwnPropertyDescriptor(value.prototype, key);
      const label = `${module}.${name}#${String(key)}`;
      if (get) yield { name: label, of: value, parameters: [], call: (receiver) => get.call(receiver) };
      else if (typeof method === 'function') yield { name: label, of: value, parameters: named(`${name}#${String(key)}`, method), call: (receiver, list) => method.apply(receiver, list) };
    }
  }
}

/** The constructors that the library's declarations call private. */
function privatelyMade() {
  const folder = fileURLToPath(new URL('../../dist', import.meta.url));
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.d.ts'));
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  return new Set([...texts.matchAll(/^export declare class (\w+)[^]*?^\}/gm)].filter(([text]) => /^ +private constructor/m.test(text)).map(([, name]) => `new library.${name}`));
}

/** Names of a function's parameters, as it is written; as many as it has where it does not say. */
function parametersOf(f) {
  const text = Function.prototype.toString.call(f);
  const list = (/constructor\(([^)]*)\)/.exec(text) ?? /^[^(]*\(([^)]*)\)/.exec(text))?.[1] ?? '';
  const names = [...list.matchAll(/(?:^|,)\s*(?:\.\.\.)?([a-z]\w*)/gi)].map(([, name]) => ({ name }));
  return names.length > 0 ? names : Array.from({ length: Math.max(f.length, 2) }, () => ({ name: 'unknown' }));
}

if (process.argv[1] === here) {
  const { values } = parseArgs({ options: { child: { type: 'boolean' }, seed: { type: 'string', default: '1' }, calls: { type: 'string', default: String(CALLS) }, seconds: { type: 'string', default: '0' } } });
  const [seed, most, seconds] = [values.seed, values.calls, values.seconds].map(Number);
  if (values.child) await calls(seed, most);
  else {
    const { calls: made, seeds, processor } = await fuzz({ seed, calls: most, seconds });
    console.log(`${made} calls of ${seeds} seeds in ${Math.round(processor)} processor seconds, clean`);
  }
}
