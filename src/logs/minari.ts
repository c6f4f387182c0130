// Datasets of Minari (the Farama Foundation's collection of offline reinforcement-learning data), in HDF5: groups episode_N, each with observations,
// actions, rewards, terminations and truncations.
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CALL_OPTIONS, checkOptions, invalid } from '../check.js';
import { shown } from '../arguments.js';
import { TiresiasError, messageOf } from '../errors.js';
import { readJsonIfWhole } from '../files.js';
import { h5wasm, type H5Dataset, type H5File } from '../lazy.js';
import { native, type CallOptions } from '../native.js';
import { columnsWithSource, type LogsColumns, type Trajectories } from './import.js';
import type { LogsSchema } from './schema.js';

const FILE = 'main_data.hdf5';

/** How far the reading of a Minari dataset has come, in episodes. */
export interface MinariProgress {
  /** Episodes read. */
  done: number;
  /** Episodes in all. */
  total: number;
}

/**
 * Reads a dataset of Minari: one by its name (`wards/first-v0`, below MINARI_DATASETS_PATH or `~/.minari/datasets`), or the path of its HDF5 file. Its columns are `episode`, `observation`
 * (`observation_0`, `observation_1` and so on where observations are vectors or tuples, `observation_NAME` where they are dictionaries), `action`, `reward`, `terminated`, and `info_NAME` for every number that
 * a step gave beside the reward. Without a schema, whole numbers are symbols (several columns are one symbol together), other numbers ten intervals, vectors fifty clusters (fewer where there are fewer than 500 rows),
 * and an info called `propensity` is the probability of the action. The last observation of an episode is what was seen after its last action. Needs the package h5wasm (`SOMETHING_MISSING`). Rejects with
 * `INVALID_LOGS` for actions that are no whole numbers and, without a schema, for observations that are no numbers, and with `FILE_NOT_FOUND`. O(rows).
 */
export async function importMinari(dataset: string, schema?: LogsSchema, options: CallOptions<MinariProgress> = {}): Promise<Trajectories> {
  if (typeof dataset !== 'string' || dataset === '') throw invalid(`importMinari: the dataset is a name or a path, not ${shown(dataset)}`);
  if (schema !== undefined && (typeof schema !== 'object' || schema === null)) throw invalid(`importMinari: the schema is an object, not ${shown(schema)}`);
  checkOptions('importMinari', options, CALL_OPTIONS);
  const path = fileOf(dataset);
  const { File } = await h5wasm();
  options.signal?.throwIfAborted();
  const sha256 = await native.fileSha256(path);
  checkSignature(path);
  const file = hdf5(path, () => new File(path, 'r'));
  try {
    const read = await readAll(file, path, schema === undefined, options);
    const used = schema ?? read.schema(await actionNames(path));
    return columnsWithSource(read.columns, used, { file: dataset, sha256, schema: used });
  } finally {
    file.close();
  }
}

/** Where the data of a name, a folder or a file are. Throws FILE_NOT_FOUND. */
function fileOf(dataset: string): string {
  const folders = [dataset, join(process.env['MINARI_DATASETS_PATH'] ?? join(homedir(), '.minari', 'datasets'), dataset)];
  const places = folders.flatMap((folder) => [folder, join(folder, FILE), join(folder, 'data', FILE)]);
  const found = places.find((place) => existsSync(place) && statSync(place).isFile());
  if (found === undefined) {
    throw new TiresiasError('FILE_NOT_FOUND', `could not read ${dataset}: there is no ${places.at(-1)}; \`minari download ${dataset}\` fetches a dataset, which must be in HDF5, not in Arrow`, { details: { dataset, places } });
  }
  return found;
}

/** How every file of HDF5 begins that has nothing before it. */
const SIGNATURE = Buffer.from('894844460d0a1a0a', 'hex');

/** The library opens anything, and complains when it is asked for more. */
function checkSignature(path: string): void {
  const begin = Buffer.alloc(SIGNATURE.length);
  const file = openSync(path, 'r');
  readSync(file, begin);
  closeSync(file);
  if (!begin.equals(SIGNATURE)) throw wrong(path, 'this is no HDF5 file');
}

/** What the library throws, as ours. */
function hdf5<T>(path: string, call: () => T, place?: string): T {
  try {
    return call();
  } catch (cause) {
    throw new TiresiasError('INVALID_LOGS', `${path}: ${place === undefined ? 'the file' : `its part ${place}`} is damaged and cannot be read (the library says: ${messageOf(cause)})`, { cause, details: { file: path, ...(place !== undefined && { place }) } });
  }
}

/** What was read, and the schema that goes with it. */
interface Read {
  columns: LogsColumns;
  schema(names: string[] | undefined): LogsSchema;
}

/** Reads episode by episode, so that the signal is heard. */
async function readAll(file: H5File, path: string, allNumbers: boolean, { signal, onProgress }: CallOptions<MinariProgress>): Promise<Read> {
  const numbers = hdf5(path, () => file.keys()).flatMap((key) => /^episode_(\d+)$/.exec(key)?.[1] ?? []).map(Number).toSorted((a, b) => a - b);
  if (numbers.length === 0) throw wrong(path, 'it has no group episode_0');
  const rows = { episode: [] as number[], action: [] as number[], reward: [] as number[], terminated: [] as number[] };
  const seen = new Map<string, number[]>();
  const infos = new Map<string, number[]>();
  let [whole, noted] = [true, true];
  for (const [done, number] of numbers.entries()) {
    signal?.throwIfAborted();
    const group = `episode_${number}`;
    const [actions, rewards, terminations] = ['actions', 'rewards', 'terminations'].map((name) => hdf5Part(file, path, `${group}/${name}`)) as [Part, Part, Part];
    const steps = rewards.values.length;
    if (steps === 0) continue;
    if (actions.width !== 1 || !actions.values.every(Number.isInteger)) throw wrong(path, `the actions of ${group} are no whole numbers, and decisions are among symbols: divide them first, and use importArrays`);
    if (actions.values.length !== steps || terminations.values.length !== steps) throw wrong(path, `${group} has ${actions.values.length} actions, ${steps} rewards and ${terminations.values.length} terminations`);
    const observations = columnsOf(file, path, `${group}/observations`, 'observation', allNumbers);
    const odd = observations.find(({ values }) => values.length !== steps + 1);
    if (odd !== undefined) throw wrong(path, `${group} has ${odd.values.length} rows of ${odd.name} for ${steps} actions; it should have ${steps + 1}`);
    if (new Set(observations.map(({ name }) => name)).size < observations.length) throw wrong(path, `two parts of the observations of ${group} come to the same column: ${observations.map(({ name }) => name).join(', ')}`);
    if (seen.size === 0) for (const { name } of observations) seen.set(name, []);
    const unlike = observations.find(({ name }) => !seen.has(name))?.name ?? (observations.length < seen.size ? 'fewer columns' : undefined);
    if (unlike !== undefined) throw wrong(path, `the observations of ${group} are not like those before: ${[...seen.keys()].join(', ')} there, ${unlike} here`);
    whole &&= observations.every((column) => column.whole);
    for (const { name, values } of observations) append(seen.get(name)!, values);
    // The first info came with the first observation; what a step gave is one row below it.
    const given = columnsOf(file, path, `${group}/infos`, 'info', false).filter(({ values }) => values.length === steps + 1);
    if (rows.episode.length === 0) for (const { name } of given) infos.set(name, []);
    const known = new Map(given.map(({ name, values }) => [name, values]));
    for (const [name, column] of infos) {
      const values = known.get(name);
      for (let step = 0; step <= steps; step++) column.push(step < steps ? (values?.[step + 1] ?? Number.NaN) : Number.NaN);
      if (values === undefined && name === PROPENSITY) noted = false;
    }
    const ended = terminations.values[steps - 1]!;
    for (let step = 0; step <= steps; step++) {
      rows.episode.push(number);
      rows.action.push(step < steps ? actions.values[step]! : Number.NaN);
      rows.reward.push(step < steps ? rewards.values[step]! : Number.NaN);
      rows.terminated.push(step < steps ? 0 : ended);
    }
    onProgress?.({ done: done + 1, total: numbers.length });
    // The event loop goes on between episodes.
    if (done % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  const names = [...seen.keys()];
  return {
    columns: Object.fromEntries([...Object.entries(rows), ...seen, ...infos].map(([name, values]) => [name, Float64Array.from(values)])),
    schema: (actions) => ({
      episode: 'episode', observations: whole ? names : names.length === 1 ? [{ column: names[0]!, quantiles: 10 }] : [{ columns: names, clusters: Math.max(2, Math.min(50, Math.floor(rows.episode.length / 10))) }],
      action: actions ? { column: 'action', names: actions } : 'action', reward: 'reward', ...(noted && infos.has(PROPENSITY) && { propensity: PROPENSITY }), terminated: 'terminated',
    }),
  };
}

/** The column of an info by which who recorded says how likely an action was. */
const PROPENSITY = 'info_propensity';

function append(column: number[], values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) column.push(values[i]!);
}

/** A dataset of HDF5 as numbers, row by row. */
interface Part {
  values: ArrayLike<number> & { every(is: (value: number) => boolean): boolean };
  width: number;
  /** Whether its type is one of whole numbers. */
  whole: boolean;
}

/** One number a row. */
interface Column {
  name: string;
  values: ArrayLike<number>;
  whole: boolean;
}

/**
 * The columns of a dataset of numbers or vectors, or of a group of these, which is how Minari keeps a dictionary (by name) or a tuple (`_index_0` and so on). What is no number makes no column,
 * or is refused.
 */
function columnsOf(file: H5File, path: string, place: string, name: string, refused: boolean): Column[] {
  const found = hdf5(path, () => file.get(place), place);
  if (typeof found?.keys === 'function') {
    const keys = hdf5(path, () => found.keys!(), place);
    return keys.flatMap((key) => columnsOf(file, path, `${place}/${key}`, `${name}_${key.replace(/^_index_/, '')}`, refused));
  }
  const part = numbersOf(found, path, place);
  if (part === undefined) {
    if (refused) throw noNumbers(path, place);
    return [];
  }
  const { values, width, whole } = part;
  if (width === 1) return [{ name, values, whole }];
  return Array.from({ length: width }, (_, i) => ({ name: `${name}_${i}`, values: Float64Array.from({ length: values.length / width }, (__, row) => values[row * width + i]!), whole }));
}

function hdf5Part(file: H5File, path: string, place: string): Part {
  const part = numbersOf(hdf5(path, () => file.get(place), place), path, place);
  if (part === undefined) throw noNumbers(path, place);
  return part;
}

function numbersOf(found: H5Dataset | null, path: string, place: string): Part | undefined {
  const { shape, value } = hdf5(path, () => ({ shape: found?.shape, value: found?.value }), place);
  if (!Array.isArray(shape) || shape.length === 0 || !ArrayBuffer.isView(value)) return undefined;
  const values = Float64Array.from(value as unknown as ArrayLike<number | bigint>, Number);
  const rows = shape[0] as number;
  return { values, width: rows === 0 ? 1 : values.length / rows, whole: !(value instanceof Float32Array || value instanceof Float64Array) };
}

const noNumbers = (path: string, place: string): TiresiasError => wrong(path, `${place} holds no numbers: choose other columns by a schema, or use importArrays`);

/** All actions of the space that the dataset names, whether taken or not. */
async function actionNames(path: string): Promise<string[] | undefined> {
  const described = join(dirname(path), 'metadata.json');
  const metadata = (await readJsonIfWhole(described)) as { action_space?: unknown } | undefined;
  if (typeof metadata?.action_space !== 'string') return undefined;
  const space = parsed(described, metadata.action_space) as { type?: string; n?: number; start?: number } | null;
  if (space === null) return undefined;
  return space.type === 'Discrete' && Number.isSafeInteger(space.n) ? Array.from({ length: space.n! }, (_, action) => String((space.start ?? 0) + action)) : undefined;
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TiresiasError('INVALID_LOGS', `${path}: the field action_space is no JSON text`, { cause, details: { file: path } });
  }
}

const wrong = (path: string, what: string): TiresiasError => new TiresiasError('INVALID_LOGS', `${path}: ${what}`, { details: { file: path } });
