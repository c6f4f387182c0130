// A family that a JavaScript module draws: each task's model once, before anything else is done, into a folder of models in the cache. From then on
// it is a family like any other, whose name is a hash of its models.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { cacheFolder } from '../cache.js';
import { TiresiasError, messageOf } from '../errors.js';
import { io, sha256, sha256File } from '../files.js';
import { canonicalJson } from '../json.js';
import { Model, loadFamily } from '../library.js';
import { readSealedIfWhole } from '../seal.js';
import { version } from '../version.js';
import { Drawer } from './drawer.js';
import { madeOnce } from './made.js';
import { moduleFamilySchema, type ModuleFamily } from './module-schema.js';

/** What a module is given to draw a task by. */
export interface OwnTask {
  /** The split. */
  split: string;
  /** The task's number in it, from 0. */
  index: number;
  /** Uniform in [0, 1): a stream of the task's own, the only randomness that a module may use. */
  random: () => number;
  /** What the experiment tells the module. */
  options: Record<string, unknown>;
}

/** What the module of a family of one's own exports as its default. */
export interface OwnFamily {
  /** How many tasks each split has. */
  splits: Record<string, number>;
  /** A task's model, as a `tiresias.model/1` document or its text. */
  draw(task: OwnTask): unknown;
}

/** What is known of a family that was drawn. */
interface Drawn {
  key: string;
  /** The name of the family that the folder is. */
  family: string;
}

/** Draws the family, or finds it in the cache; gives the folder of its models. Paths are taken from `beside`. Throws INVALID_FAMILY. */
export async function makeModuleFamily(written: unknown, beside: string): Promise<string> {
  const parsed = moduleFamilySchema().safeParse(written);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `  $.family${issue.path.map((key) => `.${String(key)}`).join('')}: ${issue.message.replace(/^Invalid input: /, '')}`);
    throw new TiresiasError('INVALID_EXPERIMENT', `the family of a module is not valid:\n${problems.join('\n')}`);
  }
  const family = parsed.data as ModuleFamily;
  const path = resolve(beside, family.module);
  const module = await sha256File(path);
  // What the module says of its splits is wanted before anything can be looked up.
  const tasks = { ...(await withDrawer(path, (_, splits) => Promise.resolve(splits))), ...family.tasks };
  const key = sha256(canonicalJson({ module, tasks, seed: family.seed, options: family.options, version })).slice(0, 32);
  const folder = join(cacheFolder(), 'families', key);
  const models = join(folder, 'tasks');
  const whole = async (): Promise<Drawn | undefined> => {
    const found = (await readSealedIfWhole(join(folder, 'family.json'))) as Drawn | undefined;
    if (found?.key !== key) return undefined;
    try {
      return loadFamily(models).name === found.family ? found : undefined;
    } catch {
      return undefined;
    }
  };
  await madeOnce(folder, whole, async (scratch) => {
    const hashes = await withDrawer(path, (drawer) => draw(drawer, path, tasks, family, join(scratch, 'tasks')));
    // Once more, in another order and with the module's own state begun anew: what is a function of the task alone is the same.
    await withDrawer(path, (drawer) => drawAgain(drawer, path, tasks, family, hashes));
    return { key, family: loadFamily(join(scratch, 'tasks')).name };
  });
  return models;
}

/** What is done with a module that was begun anew; its thread ends with it. */
async function withDrawer<T>(path: string, use: (drawer: Drawer, splits: Record<string, number>) => Promise<T>): Promise<T> {
  const drawer = new Drawer(path);
  try {
    const { splits, problem } = await drawer.loaded();
    if (!splits) {
      throw new TiresiasError('INVALID_FAMILY', `${path} ${problem}; export default { splits: { train: 80, test: 20 }, draw({ split, index, random, options }) { return { schema: 'tiresias.model/1', … }; } }`, { details: { path } });
    }
    return await use(drawer, splits);
  } finally {
    await drawer.close();
  }
}

/** Every task of every split, in their order. */
function* tasksOf(tasks: Record<string, number>): Generator<{ split: string; index: number }> {
  for (const [split, count] of Object.entries(tasks)) for (let index = 0; index < count; index++) yield { split, index };
}

/** One task's model as a checked text. */
async function drawOne(drawer: Drawer, path: string, { split, index }: { split: string; index: number }, { seed, options }: ModuleFamily): Promise<string> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new TiresiasError('INVALID_FAMILY', `task ${index} of ${split}, drawn by ${basename(path)}: ${problem}`, { details: { path, split, index }, cause });
  };
  // The options are a copy each time: what a module does with them reaches no other task.
  const { text, problem } = await drawer.draw({ split, index, seed, options });
  if (text === undefined) return fail(problem ?? 'no answer');
  try {
    // The core's own writing, so that equal models are equal texts.
    return Model.fromJson(text).toJson();
  } catch (error) {
    return fail(`what draw gave is no model: ${messageOf(error)}`, error);
  }
}

async function draw(drawer: Drawer, path: string, tasks: Record<string, number>, family: ModuleFamily, folder: string): Promise<string[]> {
  const hashes: string[] = [];
  for (const split of Object.keys(tasks)) await io(`make ${folder}`, () => mkdir(join(folder, split), { recursive: true }));
  for (const task of tasksOf(tasks)) {
    const text = await drawOne(drawer, path, task, family);
    hashes.push(sha256(text));
    const file = join(folder, task.split, `${String(task.index).padStart(7, '0')}.json`);
    await io(`write ${file}`, () => writeFile(file, `${text}\n`));
  }
  return hashes;
}

async function drawAgain(drawer: Drawer, path: string, tasks: Record<string, number>, family: ModuleFamily, hashes: readonly string[]): Promise<void> {
  const all = [...tasksOf(tasks)];
  for (let i = all.length - 1; i >= 0; i--) {
    if (sha256(await drawOne(drawer, path, all[i]!, family)) === hashes[i]) continue;
    const { split, index } = all[i]!;
    throw new TiresiasError(
      'INVALID_FAMILY',
      `task ${index} of ${split}, drawn by ${basename(path)}: the second time another model came; a task may depend on split, index, random and options only, not on Math.random, the time or what was drawn before`,
      { details: { path, split, index } },
    );
  }
}
