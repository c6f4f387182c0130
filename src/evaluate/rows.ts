// The raw rows of an evaluation: one JSON line an episode, from which every number of the results is computed again. Beside them lies
// a sealed stamp of all that made them; rows without it, made by something else, or changed since, are not believed.
import type { z as Zod } from 'zod';
import { TiresiasError } from '../errors.js';
import { readText, sha256, writeAtomic } from '../files.js';
import { canonicalJson } from '../json.js';
import { lazy, zod } from '../lazy.js';
import type { Outcome } from '../library.js';
import { linkFile, type Store } from '../store.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';

const rowSchema = lazy(() => {
  const z = zod();
  const numbers = z.array(z.number());

  return z.object({
    /** Index within the split. */
    task: z.int().min(0),
    /** Index within the task; of a deployment, which deployment. */
    episode: z.int().min(0),
    return: z.number(),
    /** Σ_t V_t - Q_t(a_t); null where nature is not the oracle's. */
    regret: z.number().nullable(),
    step_regrets: z.array(z.number().nullable()),
    /** Value of the policy that acted, where it could be computed; null where it is estimated by the regret. */
    value: z.number().nullable(),
    agreement: z.number(),
    /** The task's optimal value, its certified bounds, and the random policy's exact value where there is one. */
    optimal: z.number(),
    lower: z.number(),
    upper: z.number(),
    random_value: z.number().nullable(),
    /** Certified bounds on the value of the static form of the task's cloud, where the labels are its. */
    static_lower: z.number().optional(),
    static_upper: z.number().optional(),
    states: numbers,
    observations: numbers,
    actions: numbers,
    oracle_actions: numbers,
    rewards: numbers,
    /** The oracle's belief before each decision; kept for the first episode only. */
    beliefs: z.array(numbers).optional(),
    /** Which episode of its deployment it is, from 0; left out where there is none. */
    deployed: z.int().min(0).optional(),
    /** Mean regret of each episode of the deployments. Of means only: it is not written. */
    deployed_regrets: z.array(z.number().nullable()).optional(),
    /** How many episodes the row is the mean of; one when left out. Such rows are not written. */
    episodes: z.int().min(1).optional(),
  });
});
/** One episode. Its names are those of the file: columns, for other tools to read. */
export type EpisodeRow = Zod.infer<ReturnType<typeof rowSchema>>;

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** An outcome's rows; `firstTask` is the batch's first task, `deployed` the number of the episode in its deployment. */
export function rowsFromOutcome(outcome: Outcome, firstTask: number, deployed?: number): EpisodeRow[] {
  const { episodes, horizon } = outcome;
  const steps = (values: ArrayLike<number>, row: number) => Array.from({ length: horizon }, (_, t) => values[row * horizon + t]!);
  return Array.from({ length: outcome.tasks * episodes }, (_, row) => {
    const task = Math.floor(row / episodes);
    return {
      task: firstTask + task,
      episode: row % episodes,
      ...(deployed !== undefined && { deployed }),
      return: outcome.returns[row]!,
      regret: orNull(outcome.regrets[row]!),
      step_regrets: steps(outcome.stepRegrets, row).map(orNull),
      value: orNull(outcome.values[row]!),
      agreement: outcome.agreement[row]!,
      optimal: outcome.optimal[task]!,
      lower: outcome.lower[task]!,
      upper: outcome.upper[task]!,
      random_value: orNull(outcome.randomValue[task]!),
      ...(outcome.staticLower && outcome.staticUpper && { static_lower: outcome.staticLower[task]!, static_upper: outcome.staticUpper[task]! }),
      states: steps(outcome.states, row),
      observations: steps(outcome.observations, row),
      actions: steps(outcome.actions, row),
      oracle_actions: steps(outcome.oracleActions, row),
      rewards: steps(outcome.rewards, row),
    };
  });
}

/** The mean over the episodes of each task, as one row a task: all that metrics need, whatever the number of episodes. */
export function taskMeans(rows: readonly EpisodeRow[]): EpisodeRow[] {
  return byTask(rows).map((episodes) => {
    const mean = (pick: (row: EpisodeRow) => number | null): number | null => {
      const values = episodes.map(pick);
      return values.includes(null) ? null : (values as number[]).reduce((sum, value) => sum + value, 0) / values.length;
    };
    const first = episodes[0]!;
    return {
      ...first,
      return: mean((row) => row.return)!,
      regret: mean((row) => row.regret),
      value: mean((row) => row.value),
      agreement: mean((row) => row.agreement)!,
      step_regrets: first.step_regrets.map((_, t) => mean((row) => row.step_regrets[t] ?? null)),
      ...(first.deployed !== undefined && { deployed_regrets: regretsByEpisode(episodes) }),
      episodes: episodes.length,
    };
  });
}

/** Mean regret of the first episodes of all deployments, of the second ones, and so on. */
function regretsByEpisode(rows: readonly EpisodeRow[]): (number | null)[] {
  const regrets: (number | null)[][] = [];
  for (const { deployed = 0, regret } of rows) (regrets[deployed] ??= []).push(regret);
  return regrets.map((values) => (values.includes(null) ? null : (values as number[]).reduce((sum, value) => sum + value, 0) / values.length));
}

/** Rows of one task together, in the order of tasks. */
export function byTask(rows: readonly EpisodeRow[]): EpisodeRow[][] {
  const tasks = new Map<number, EpisodeRow[]>();
  for (const row of rows) {
    const task = tasks.get(row.task);
    if (task) task.push(row);
    else tasks.set(row.task, [row]);
  }
  return [...tasks.keys()].sort((a, b) => a - b).map((task) => tasks.get(task)!);
}

interface Stamp {
  schema: 'tiresias.rows/1';
  madeFrom?: unknown;
  rowsSha256: string;
}

const stampSchema = lazy(() => {
  const z = zod();
  return z.object({ schema: z.literal('tiresias.rows/1'), madeFrom: z.unknown(), rowsSha256: z.string() }) satisfies Zod.ZodType<Stamp>;
});

/** Where the stamp of the rows at `path` lies. */
export const stampPath = (path: string): string => path.replace(/\.jsonl$/, '.stamp.json');

/** Writes rows and the stamp that says what made them; returns the rows as whoever reads them will find them (JSON has no -0). */
export async function writeRows(path: string, rows: readonly EpisodeRow[], madeFrom: unknown): Promise<EpisodeRow[]> {
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  // The rows first: a stamp never speaks of rows that are not there.
  await writeAtomic(path, text);
  await writeSealed(stampPath(path), { schema: 'tiresias.rows/1', madeFrom, rowsSha256: sha256(text) } satisfies Stamp);
  return parseRows(text, path);
}

/** The rows at `path` if they are just what `madeFrom` made, else undefined: then they have to be played. */
export async function readRows(path: string, madeFrom: unknown): Promise<EpisodeRow[] | undefined> {
  const stamp = stampSchema().safeParse(await readSealedIfWhole(stampPath(path)));
  if (!stamp.success || canonicalJson(stamp.data.madeFrom) !== canonicalJson(madeFrom)) return undefined;
  const text = await readText(path).catch((error: unknown) => {
    if (error instanceof TiresiasError && error.code === 'FILE_NOT_FOUND') return '';
    throw error;
  });
  return sha256(text) === stamp.data.rowsSha256 ? parseRows(text, path) : undefined;
}

/** The rows at `path`, or those of the same make that the store has, or else what `play` gives; afterwards both places have them. */
export async function rowsAt(path: string, madeFrom: unknown, store: Store | undefined, play: () => Promise<EpisodeRow[]>): Promise<EpisodeRow[]> {
  const shared = store?.rowsPath(madeFrom);
  const share = async (from: string, to: string) => {
    await linkFile(from, to);
    await linkFile(stampPath(from), stampPath(to));
  };
  const mine = await readRows(path, madeFrom);
  if (mine) return mine;
  const others = shared && (await readRows(shared, madeFrom));
  if (others) {
    await share(shared, path);
    return others;
  }
  const rows = await writeRows(path, await play(), madeFrom);
  if (shared) await share(path, shared);
  return rows;
}

function parseRows(text: string, path: string): EpisodeRow[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, i) => {
    try {
      return rowSchema().parse(JSON.parse(line));
    } catch (cause) {
      throw new TiresiasError('INVALID_RESULTS', `${path}:${i + 1} is not an episode's row; delete the file and evaluate again`, { cause });
    }
  });
}
