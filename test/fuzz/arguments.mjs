// Random arguments, right and wrong, from a seed. What is right goes by the name of the parameter or option.
import { readFileSync } from 'node:fs';

/** Numbers in [0, 1) from a seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Errors that a callback of the caller throws: they come back as they are. */
export class OwnError extends Error {}

/** Parameters by call, and options by interface, from the declarations of the addon. */
export function readDeclarations(path) {
  const text = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const interfaces = new Map();
  for (const [, name, body] of text.matchAll(/export interface (\w+) \{([\s\S]*?)\n\}/g)) {
    interfaces.set(name, [...body.matchAll(/^ {2}'?(\w+)'?\??:/gm)].map(([, key]) => key));
  }
  const parameters = new Map();
  const add = (call, list) => parameters.set(call, [...list.matchAll(/(\w+)\??: ((?:\([^)]*\) => \w+|[^,()])+)/g)].map(([, name, type]) => ({ name, type })));
  for (const [, name, list] of text.matchAll(/export declare function (\w+)\((.*)\): .*$/gm)) add(name, list);
  for (const [, name, body] of text.matchAll(/export declare class (\w+) \{([\s\S]*?)\n\}/g)) {
    for (const [, kind, member, list] of body.matchAll(/^ {2}(static )?(\w+)\((.*)\)(?:: .*)?$/gm)) add(`${name}${kind ? '.' : '#'}${member}`, list);
  }
  return { interfaces, parameters };
}

const OPTION_TYPE = /\b(\w+Options)\b/;

/** Makes arguments for calls on the objects of `bundles`, each of one model. */
export class Arguments {
  constructor(next, bundles, declarations) {
    Object.assign(this, { next, bundles, declarations });
    /** Whether something wrong may have been made since somebody said no. */
    this.wrong = false;
    this.allOptions = [...new Set([...declarations.interfaces].filter(([name]) => name.endsWith('Options')).flatMap(([, keys]) => keys))];
    this.allOptions.push('signal', 'onProgress', 'stop', 'policy', 'into', 'atOnce', 'adversary', 'models', 'logLikelihoods', 'nature');
  }

  below(n) {
    return Math.floor(this.next() * n);
  }

  chance(p) {
    return this.next() < p;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** Arguments for parameters of these names; `bundle` is what the call is about. */
  list(parameters, bundle) {
    const mode = this.next();
    const wrong = mode < 0.45 ? -1 : this.below(parameters.length);
    if (parameters.length > 0 && mode >= 0.45) this.wrong = true;
    const values = parameters.map((parameter, i) => (mode > 0.85 || i === wrong ? this.junk(0) : this.right(parameter.name, bundle, parameter.type)));
    if (this.chance(0.05)) values.push(this.junk(0));
    if (this.chance(0.95)) return values;
    this.wrong = true;
    return values.slice(0, this.below(values.length + 1));
  }

  /** Something that is not what a method is for. */
  receiver(bundle) {
    return this.chance(0.5) ? this.pick(bundle.all) : this.junk(0);
  }

  wrongly(depth) {
    this.wrong = true;
    return this.junk(depth);
  }

  /** A wrong value, most likely. */
  junk(depth) {
    const kinds = [
      () => undefined, () => null, () => this.chance(0.5), () => this.number(), () => this.number(), () => this.number(), () => this.text(), () => this.text(),
      () => 10n, () => Symbol.iterator, () => this.typed(), () => this.typed(), () => this.typed().buffer, () => () => {}, () => async () => {},
      () => class {}, () => new Map(), () => new Date(0), () => Promise.resolve(1), () => Object.create(null), () => new Proxy({}, {}),
      () => ({ get gap() { throw new OwnError('getter'); } }), () => AbortSignal.abort(), () => this.pick(this.pick(this.bundles).all), () => Object.create(this.pick(this.pick(this.bundles).all)),
      () => [], () => Array.from({ length: this.below(4) }, () => (depth < 3 ? this.junk(depth + 1) : 0)), () => Array(5), () => (depth < 3 ? this.options(this.pick(this.bundles), undefined, 0.5) : {}),
    ];
    return this.pick(kinds)();
  }

  number() {
    return this.pick([0, -0, 1, 2, 3, -1, 0.5, 1.5, 255, 256, 257, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 31), 1e-300, 1e300, Number.MAX_VALUE, NaN, Infinity, -Infinity]);
  }

  text() {
    const nested = (open, inner, close) => open.repeat(50_000) + inner + close.repeat(50_000);
    return this.pick([
      '', ' ', 'tiger', 'energy', 'nonsense', '\u0000', '\ud800', '💥', '{}', '[]', 'null', '{"states": 1}', 'oracle', 'random', 'epsilon:0.5', 'epsilon:NaN', 'mixture:oracle=-1,random=2', 'fixed:0', 'fixed:99999999999999999999',
      'train', 'mdp', 'apomdp', 'rock-sample:7,8', 'rock-sample:999999999,999999999', 'tiger:', '/dev/null/none', '/', '.', 'x'.repeat(10_000), nested('[', '', ']'), nested('{"a":', '1', '}'), nested('<a>', '', '</a>'), nested('(', '', ')'),
      'discount: 0.9\nstates: 99999999999\nactions: 2\nobservations: 2\n', this.pick(this.bundles).json,
    ]);
  }

  typed() {
    const type = this.pick([Uint8Array, Uint32Array, Int32Array, Float32Array, Float64Array, Uint8ClampedArray, BigInt64Array]);
    const array = new type(this.pick([0, 1, 2, 3, 8, 1000]));
    if (this.chance(0.5) && type !== BigInt64Array) array.fill(this.number());
    if (this.chance(0.1)) structuredClone(array, { transfer: [array.buffer] });
    return array;
  }

  /** A small whole number, mostly one that exists. */
  index(end) {
    return this.chance(0.9) ? this.below(Math.max(1, end)) : end;
  }

  options(bundle, keys = this.allOptions, share = 0.25) {
    const options = {};
    for (const key of keys) if (this.chance(share)) options[key] = this.chance(0.9) ? this.right(key, bundle) : this.wrongly(2);
    // Nothing is solved or rolled out without an end.
    if (keys.includes('timeSeconds') && !('timeSeconds' in options)) options.timeSeconds = 0.03;
    for (const key of ['episodes', 'seed', 'count', 'behaviour']) if (keys !== this.allOptions && keys.includes(key) && this.chance(0.95)) options[key] ??= this.right(key, bundle);
    return options;
  }

  /** A right value, most likely, for a parameter or an option of this name. */
  right(name, bundle, type = '') {
    const { model, shape, count } = bundle;
    const options = OPTION_TYPE.exec(type);
    if (options) return this.options(bundle, this.declarations.interfaces.get(options[1]) ?? this.allOptions, 0.4);
    const of = (kind, length, end) => kind.from({ length }, () => this.index(end));
    const symbols = shape.observations ?? shape.states;
    const makers = {
      model: () => model,
      models: () => (type === 'number | Uint32Array' ? this.pick([0, of(Uint32Array, count, shape.models)]) : [model, this.pick(this.bundles).model]),
      solution: () => bundle.solution, adversary: () => bundle.solution, vectors: () => bundle.vectors, policy: () => this.policy(bundle),
      tokenizer: () => bundle.tokenizer, options: () => this.options(bundle), request: () => this.spec('task'), spec: () => (type === 'string' ? this.spec('shard') : this.specOf()),
      belief: () => this.belief(bundle), actions: () => of(Uint8Array, count, shape.actions), observations: () => of(Int32Array, count, symbols),
      logLikelihoods: () => new Float64Array(count), rewards: () => new Float64Array(count), terminated: () => new Uint8Array(count), truncated: () => new Uint8Array(count),
      finalObservations: () => new Int32Array(count), states: () => new Uint32Array(count), out: () => this.pick([new Uint32Array(count), new Float64Array(count * shape.states)]),
      returns: () => new Float64Array(4), mask: () => of(Uint8Array, count, 2), step: () => bundle.step, batch: () => bundle.batch,
      stage: () => this.index(shape.horizon ?? 5), action: () => this.index(shape.actions), state: () => this.index(shape.states), observation: () => this.index(symbols), lane: () => this.index(count), row: () => this.index(4), i: () => this.index(2),
      count: () => this.pick([1, 3, 70]), episodes: () => this.pick([1, 4, 70, 2000]), horizon: () => this.pick([1, 3, 10]), steps: () => this.pick([1, 3, 10]), threads: () => this.pick([1, 2, 3, 5]), workers: () => this.pick([1, 2, 4, 9]),
      seed: () => this.below(5), firstEpisode: () => this.pick([0, 7, 2 ** 53 - 1]), gap: () => this.pick([0, 0.1, 1]), timeSeconds: () => this.pick([0, 0.01, 0.05]), memoryBytes: () => this.pick([1, 1e6, 1e8]), alpha: () => this.next(), epsilon: () => this.next(), exactUpdates: () => this.pick([0, 100]),
      tasks: () => this.pick([1, 3]), firstTask: () => this.below(3), atOnce: () => this.pick([1, 2]), index: () => this.below(5),
      solver: () => this.pick(['auto', 'exact', 'point', 'faces', 'plans', 'estimate']), behaviour: () => this.pick(['oracle', 'random', 'epsilon:0.3', 'mixture:oracle=0.5,random=0.5']), nature: () => this.pick(['fixed:0', 'resampled', 'adversarial', 'oracle']), rule: () => this.pick(['fixed:0', 'resampled', 'adversarial']),
      record: () => this.pick([[], ['states'], ['rewards', 'beliefs'], ['actions', 'observations']]), beliefs: () => this.chance(0.5), autoReset: () => this.chance(0.5), precision: () => this.pick(['f32', 'f64']), level: () => this.pick(['baseline', 'avx2', 'avx512']),
      family: () => this.pick(['energy', 'clinical', 'darkroom', 'garnet']), regime: () => this.pick(['mdp', 'pomdp', 'apomdp']), split: () => this.pick(['train', 'test']), format: () => this.pick(['pomdp', 'pomdpx', 'json', 'alpha', 'pg', 'sarsop']), to: () => this.pick(['alpha', 'pg', 'sarsop']),
      text: () => bundle.json, json: () => bundle.json, bytes: () => bundle.saved, name: () => this.pick(['tiger', 'maze:hallway', 'bandit']), template: () => bundle.template, templates: () => [bundle.template], ids: () => of(Uint32Array, 5, 10), paths: () => [this.pick(['/dev/null/none', 'made'])], path: () => this.pick(['/dev/null/file', 'made']),
      signal: () => this.pick([new AbortController().signal, AbortSignal.timeout(5), AbortSignal.abort()]), stop: () => AbortSignal.timeout(5), cancel: () => bundle.token(), token: () => bundle.token(),
      onProgress: () => this.pick([() => {}, () => {}, () => { throw new OwnError('progress'); }]), into: () => undefined,
    };
    if (Object.hasOwn(makers, name)) return makers[name]();
    if (/string/.test(type)) return this.text();
    if (/number/.test(type)) return this.below(4);
    // Nothing is known of it.
    this.wrong = true;
    return this.junk(1);
  }

  belief({ shape }) {
    const belief = new Float64Array(shape.states);
    if (this.chance(0.5)) return shape.start.slice();
    belief[this.below(shape.states)] = 1;
    return belief;
  }

  policy(bundle) {
    const act = ({ episodes }) => Uint8Array.from({ length: episodes }, () => 0);
    return this.pick([act, act, async (batch) => act(batch), () => { throw new OwnError('policy'); }, () => this.junk(2), bundle.solution, 'random']);
  }

  /** What the library calls a specification is an object, of another kind from call to call. */
  specOf() {
    this.wrong = true;
    return JSON.parse(this.spec('shard'));
  }

  spec(kind) {
    const [family, regime] = [this.right('family', this.bundles[0]), this.pick(['mdp', 'pomdp', 'apomdp'])];
    const task = { split: 'train', index: this.below(4), seed: 1, regime, horizon: 4, models: 3, alpha: 1 };
    if (this.chance(0.2)) task[this.pick(Object.keys(task))] = this.number();
    if (kind === 'task') return JSON.stringify(task);
    const { index: _, ...common } = task;
    const shard = {
      ...common, family: this.chance(0.8) ? 'energy' : family, nature: 'fixed', support: { trajectories: 2, behaviour: 'oracle' }, query: { behaviour: 'epsilon:0.2' }, solver: { gap: 0.5, timeSeconds: 0.05 }, template: null,
      examplesPerTask: 2, firstTask: 0, tasks: 2, format: 'jsonl', threads: 2, episodesPerTask: 2, epsilon: 0.1,
    };
    return JSON.stringify(shard);
  }
}

/** A value as a line of a report. */
export function shown(value) {
  try {
    if (typeof value === 'string') return value.length > 60 ? `${JSON.stringify(value.slice(0, 40))}… (${value.length})` : JSON.stringify(value);
    if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.length})`;
    if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
    if (typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
      return `{ ${Object.entries(Object.getOwnPropertyDescriptors(value)).map(([key, { value: of }]) => `${key}: ${shown(of)}`).join(', ')} }`;
    }
    return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value === 'function' ? 'function' : `${String(value)}${typeof value === 'bigint' ? 'n' : ''}`;
  } catch {
    return '(unshowable)';
  }
}
