// A family of tasks from logs: models that the logs leave possible, fitted to a part of the episodes; the rest is kept for off-policy estimates.
// It is a function of the file, the schema and the settings, and lies in the cache under their hash, so that a run finds it again.
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { cacheFolder } from '../cache.js';
import { invalid } from '../check.js';
import { TiresiasError } from '../errors.js';
import { madeOnce } from '../family/made.js';
import { io, readJson, sha256, sha256File, writeAtomic } from '../files.js';
import { canonicalJson } from '../json.js';
import { Model, loadFamily } from '../library.js';
import { readSealedIfWhole } from '../seal.js';
import { version } from '../version.js';
import { logsFamilySchema, type LogsFamily } from './family-schema.js';
import { fitLogs, type FittedLogs } from './fit.js';
import { importLogs, logsReport } from './import.js';
import { gridOf, printing, type RewardFields } from './printing.js';
import type { LogsSchema } from './schema.js';
import { splitLogs } from './split.js';

/** What is known of a family from logs once it is made. */
export interface MadeLogsFamily {
  /** Hash of all that it was made from. */
  key: string;
  /** Where it lies: `tasks`, `model.json`, `robust.json`, `fitted.parquet` and `held-out.parquet`. */
  folder: string;
  /** SHA-256 of the file of records. */
  sha256: string;
  /** Episodes that models were fitted to, and those kept. */
  episodes: { fitted: number; heldOut: number };
  /** Rewards of the models are rounded to multiples of it, so that text can print them exactly. */
  rewardGrid: number;
  /** How prompts print rewards, those of the logs among them. */
  template: RewardFields;
  /** Whether states are seen. */
  regime: 'mdp' | 'pomdp';
  /** What the fit found. */
  report: FittedLogs['report'];
}

/** Makes the family, or finds it in the cache. Paths are taken from `beside`. */
export async function makeLogsFamily(written: unknown, file: string, beside: string): Promise<MadeLogsFamily> {
  const parsed = logsFamilySchema().safeParse(written);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `  $.family${issue.path.map((key) => `.${String(key)}`).join('')}: ${issue.message.replace(/^Invalid input: /, '')}`);
    throw new TiresiasError('INVALID_EXPERIMENT', `${file} is not a valid experiment:\n${problems.join('\n')}`);
  }
  const family = parsed.data as unknown as LogsFamily;
  const path = resolve(beside, family.logs);
  const schema = (typeof family.schema === 'string' ? await readJson(resolve(beside, family.schema)) : family.schema) as LogsSchema;
  const hash = await sha256File(path);
  const made = { file: hash, schema, fit: family.fit, tasks: family.tasks, cloud: family.cloud, heldOut: family.heldOut, version };
  const key = sha256(canonicalJson(made)).slice(0, 32);
  const folder = join(cacheFolder(), 'logs', key);
  return { ...(await madeOnce(folder, () => wholeFamily(folder, key, family), async (scratch) => ({ ...(await fill(scratch, path, schema, family)), key, sha256: hash }))), folder };
}

/** What lies in the cache, if all of it does. */
async function wholeFamily(folder: string, key: string, { tasks }: LogsFamily): Promise<Omit<MadeLogsFamily, 'folder'> | undefined> {
  const found = (await readSealedIfWhole(join(folder, 'family.json'))) as Omit<MadeLogsFamily, 'folder'> | undefined;
  if (found?.key !== key) return undefined;
  const files = ['model.json', 'robust.json', join('tasks', 'robust.json'), 'fitted.parquet', 'held-out.parquet'].map((name) => join(folder, name));
  const counts = await Promise.all((['train', 'test'] as const).map(async (split) => (await readdir(join(folder, 'tasks', split)).catch(() => [])).length === tasks[split]));
  return files.every((file) => existsSync(file)) && counts.every(Boolean) ? found : undefined;
}

async function fill(folder: string, path: string, schema: LogsSchema, family: LogsFamily): Promise<Omit<MadeLogsFamily, 'key' | 'folder' | 'sha256'>> {
  const { fit, tasks, cloud, heldOut } = family;
  const all = await importLogs(path, schema);
  const { train: fitted, test: kept } = splitLogs(all, { share: heldOut, seed: fit.seed ?? 0 });
  if (Math.min(fitted.episodes, kept.episodes) < 2) throw invalid(`logs of ${all.episodes} episodes: ${kept.episodes} would be kept for estimates, and at least two must be kept and two fitted to; change heldOut`);
  // What would be refused after training is refused now.
  if (fit.horizon !== undefined && fit.horizon < all.longest) throw invalid(`the fit's horizon is ${fit.horizon} decisions, and an episode of the logs has ${all.longest}; make it as long, or leave it out`);
  const { rewards, nothingSeen } = logsReport(all);
  if (fit.kind === 'mdp' && nothingSeen > 0) throw invalid('logs in which nothing was seen at some steps cannot be an MDP\'s, whose policies go by the state: fit a POMDP, or give `whenMissing` another meaning');
  const ambiguity = fit.ambiguity ?? 'posterior';
  const found = await fitLogs(fitted, { ...fit, ambiguity, models: tasks.train + tasks.test + cloud, alpha: 1 });
  const rewardGrid = gridOf(rewards);
  const rounded = (model: Model): string => onGrid(model, rewardGrid);
  const members = found.members.map(rounded);
  const robust = await clouded(found, members.slice(tasks.train + tasks.test), rewardGrid);
  await io(`make ${folder}`, async () => {
    for (const split of ['train', 'test']) await mkdir(join(folder, 'tasks', split), { recursive: true });
  });
  const write = (name: string, text: string) => writeAtomic(join(folder, name), `${text}\n`);
  for (const [i, text] of members.slice(0, tasks.train + tasks.test).entries()) {
    const [split, number] = i < tasks.train ? ['train', i] : ['test', i - tasks.train];
    await write(join('tasks', split, `${String(number).padStart(5, '0')}.json`), text);
  }
  await write('model.json', rounded(found.model));
  await write('robust.json', robust);
  // Beside its tasks a family says what to be robust over.
  await write(join('tasks', 'robust.json'), robust);
  fitted.save(join(folder, 'fitted.parquet'));
  kept.save(join(folder, 'held-out.parquet'));
  // What cannot be a family is said now, and not when a run has begun.
  loadFamily(join(folder, 'tasks'));
  return { episodes: { fitted: fitted.episodes, heldOut: kept.episodes }, rewardGrid, template: printing(rewards, rewardGrid), regime: fit.kind, report: found.report };
}

interface Document {
  reward: Record<string, unknown>;
  dynamics: unknown[];
}

const round = (value: unknown, grid: number): unknown => {
  if (typeof value === 'number') return Number((Math.round(value / grid) * grid).toPrecision(12));
  return Array.isArray(value) ? value.map((one) => round(one, grid)) : value;
};

/** A model with its rewards on a grid. */
function onGrid(model: Model, grid: number): string {
  const document = JSON.parse(model.toJson()) as Document;
  const reward = Object.fromEntries(Object.entries(document.reward).map(([form, values]) => [form, round(values, grid)]));
  return JSON.stringify({ ...document, reward });
}

/** The fitted model with the dynamics of all members, for whom nature chooses. */
async function clouded(found: FittedLogs, members: readonly string[], grid: number): Promise<string> {
  const nominal = JSON.parse(onGrid(found.model, grid)) as Document;
  const dynamics = members.flatMap((text) => (JSON.parse(text) as Document).dynamics);
  return Model.fromJson(JSON.stringify({ ...nominal, alpha: 1, dynamics })).toJson();
}
