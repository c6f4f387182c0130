// Datasets of Minari (the Farama Foundation's collection of offline reinforcement-learning data), in HDF5: groups episode_N, each with observations,
// actions, rewards, terminations and truncations.
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CALL_OPTIONS, checkOptions, invalid } from '../check.js';
import { shown } from '../arguments.js';
import { TiresiasError, messageOf } from '../errors.js';
import { readJsonIfWhole } from '../files.js';
import { h5wasm, type H5File } from '../lazy.js';
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
 * (or `observation_0`, `observation_1` and so on where observations are vectors), `action`, `reward` and `terminated`; without a schema, whole numbers are symbols, other numbers
 * ten intervals, and vectors fifty clusters (fewer where there are fewer than 500 rows). The last observation of an episode is what was seen after its last action. Needs the package h5wasm (`SOMETHING_MISSING`). Rejects with
 * `INVALID_LOGS` for actions that are no whole numbers and for observations that are dictionaries, and with `FILE_NOT_FOUND`. O(rows).
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
    const read = await readAll(file, path, options);
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
function hdf5<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new TiresiasError('INVALID_LOGS', `${path}: the file is damaged: ${messageOf(cause)}`, { cause, details: { file: path } });
  }
}

/** What was read, and the schema that goes with it. */
interface Read {
  columns: LogsColumns;
  schema(names: string[] | undefined): LogsSchema;
}

/** Reads episode by episode, so that the signal is heard. */
async function readAll(file: H5File, path: string, { signal, onProgress }: CallOptions<MinariProgress>): Promise<Read> {
  const numbers = hdf5(path, () => file.keys()).flatMap((key) => /^episode_(\d+)$/.exec(key)?.[1] ?? []).map(Number).toSorted((a, b) => a - b);
  if (numbers.length === 0) throw wrong(path, 'it has no group episode_0');
  const rows = { episode: [] as number[], action: [] as number[], reward: [] as number[], terminated: [] as number[] };
  let [seen, whole, width] = [[] as number[][], true, 0];
  for (const [done, number] of numbers.entries()) {
    signal?.throwIfAborted();
    const part = (name: string) => hdf5Part(file, path, `episode_${number}/${name}`);
    const [observations, actions, rewards, terminations] = ['observations', 'actions', 'rewards', 'terminations'].map(part) as [Part, Part, Part, Part];
    const steps = rewards.values.length;
    if (steps === 0) continue;
    if (actions.width !== 1 || !actions.values.every(Number.isInteger)) throw wrong(path, `the actions of episode_${number} are no whole numbers, and decisions are among symbols: divide them first, and use importArrays`);
    if (actions.values.length !== steps || terminations.values.length !== steps) throw wrong(path, `episode_${number} has ${actions.values.length} actions, ${steps} rewards and ${terminations.values.length} terminations`);
    if (observations.rows !== steps + 1 || (width !== 0 && width !== observations.width)) throw wrong(path, `episode_${number} has ${observations.rows} observations of ${observations.width} numbers for ${steps} actions; it should have ${steps + 1} of ${width || observations.width}`);
    width = observations.width;
    if (done === 0) seen = Array.from({ length: width }, () => []);
    whole &&= observations.whole;
    const ended = terminations.values[steps - 1]!;
    for (let step = 0; step <= steps; step++) {
      rows.episode.push(number);
      rows.action.push(step < steps ? actions.values[step]! : Number.NaN);
      rows.reward.push(step < steps ? rewards.values[step]! : Number.NaN);
      rows.terminated.push(step < steps ? 0 : ended);
      for (let i = 0; i < width; i++) seen[i]!.push(observations.values[step * width + i]!);
    }
    onProgress?.({ done: done + 1, total: numbers.length });
    // The event loop goes on between episodes.
    if (done % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  const names = seen.length === 1 ? ['observation'] : seen.map((_, i) => `observation_${i}`);
  return {
    columns: Object.fromEntries([...Object.entries(rows), ...seen.map((values, i) => [names[i]!, values] as const)].map(([name, values]) => [name, Float64Array.from(values)])),
    schema: (actions) => ({
      episode: 'episode', observations: whole ? names : names.length === 1 ? [{ column: names[0]!, quantiles: 10 }] : [{ columns: names, clusters: Math.max(2, Math.min(50, Math.floor(rows.episode.length / 10))) }],
      action: actions ? { column: 'action', names: actions } : 'action', reward: 'reward', terminated: 'terminated',
    }),
  };
}

/** A dataset of HDF5 as numbers, row by row. */
interface Part {
  values: ArrayLike<number> & { every(is: (value: number) => boolean): boolean };
  rows: number;
  width: number;
  /** Whether its type is one of whole numbers. */
  whole: boolean;
}

function hdf5Part(file: H5File, path: string, name: string): Part {
  const { shape, value } = hdf5(path, () => {
    const found = file.get(name);
    return { shape: found?.shape, value: found?.value };
  });
  if (!Array.isArray(shape) || !ArrayBuffer.isView(value)) throw wrong(path, `${name} holds no numbers (dictionaries and tuples of spaces are not read): choose columns, and use importArrays`);
  const values = Float64Array.from(value as unknown as ArrayLike<number | bigint>, Number);
  const rows = shape[0] ?? 0;
  return { values, rows, width: rows === 0 ? 1 : values.length / rows, whole: !(value instanceof Float32Array || value instanceof Float64Array) };
}

/** All actions of the space that the dataset names, whether taken or not. */
async function actionNames(path: string): Promise<string[] | undefined> {
  const metadata = (await readJsonIfWhole(join(dirname(path), 'metadata.json'))) as { action_space?: unknown } | undefined;
  if (typeof metadata?.action_space !== 'string') return undefined;
  const space = JSON.parse(metadata.action_space) as { type?: string; n?: number; start?: number };
  return space.type === 'Discrete' && Number.isSafeInteger(space.n) ? Array.from({ length: space.n! }, (_, action) => String((space.start ?? 0) + action)) : undefined;
}

const wrong = (path: string, what: string): TiresiasError => new TiresiasError('INVALID_LOGS', `${path}: ${what}`, { details: { file: path } });
