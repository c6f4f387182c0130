// From raw rows to the numbers of a table: gaps per task, pooled over tasks, with bootstrap intervals over tasks.
import type { Regime } from '../experiment.js';
import type { CloudResult, Interval95, MethodResult } from '../results.js';
import { bcaInterval, mean, ratioOfMeans, type Statistic } from './bootstrap.js';
import { byTask, type EpisodeRow } from './rows.js';

export interface MetricOptions {
  regime: Regime;
  seed: string;
  resamples: number;
}

/** What the bootstrap resamples: one task. The order of the columns is the order of {@link COLUMN}. */
type Unit = [gap: number, scale: number, randomGap: number, value: number, agreement: number];
const COLUMN = { gap: 0, scale: 1, randomGap: 2, value: 3, agreement: 4 } as const;

const averageOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const regretOf = (task: readonly EpisodeRow[]): number => averageOf(task.map((row) => row.regret ?? NaN));

/** V* - V^random of one task: exact where the random policy's value has a closed form, else from its episodes. */
function randomGapOf(task: readonly EpisodeRow[]): number {
  const { optimal, random_value: value } = task[0]!;
  return value === null ? regretOf(task) : optimal - value;
}

/** V* - V^π of each task, in the order of tasks: computed where it can be, else the mean sum of per-step regrets; and whether it was computed. */
export function gapsByTask(method: string, rows: readonly EpisodeRow[], regime: Regime): { gaps: number[]; exact: boolean } {
  const tasks = byTask(rows);
  // The oracle loses nothing by definition where nature has no say; chance has a value in closed form there.
  if (method === 'oracle' && regime !== 'apomdp') return { gaps: tasks.map(() => 0), exact: true };
  if (method === 'random' && tasks.every((task) => task[0]!.random_value !== null)) return { gaps: tasks.map(randomGapOf), exact: true };
  // A policy that is a table has a value that needs no sampling.
  if (rows.every((row) => row.value !== null)) return { gaps: tasks.map((task) => task[0]!.optimal - averageOf(task.map((row) => row.value!))), exact: true };
  return { gaps: tasks.map(regretOf), exact: false };
}

/** What chance loses on each task: the scale of normalised gaps. */
export const randomGaps = (rows: readonly EpisodeRow[]): number[] => byTask(rows).map(randomGapOf);

/**
 * One method's metrics in one regime. `rows` and `randomRows` are the method's and the random policy's episodes on the same
 * tasks. The gap of an episode is its sum of per-step regrets, which estimates V* - V^π without bias and with far less
 * variance than the difference of returns.
 */
export function methodResult(method: string, rows: readonly EpisodeRow[], randomRows: readonly EpisodeRow[], options: MetricOptions): Omit<MethodResult, 'method' | 'label' | 'group'> {
  const tasks = byTask(rows);
  const { gaps, exact } = gapsByTask(method, rows, options.regime);
  const scale = randomGaps(randomRows);
  const units: Unit[] = tasks.map((task, i) => {
    const { optimal } = task[0]!;
    return [gaps[i]!, Math.abs(optimal), scale[i]!, optimal - gaps[i]!, averageOf(task.map((row) => row.agreement))];
  });
  const measure = (statistic: Statistic): { estimate: number; interval: [number, number] } => ({
    estimate: statistic(units),
    interval: bcaInterval(units, statistic, { seed: options.seed, resamples: options.resamples }),
  });
  const absolute = measure(mean(COLUMN.gap));
  const relative = measure(ratioOfMeans(COLUMN.gap, COLUMN.scale));
  const normalised = measure(ratioOfMeans(COLUMN.gap, COLUMN.randomGap));
  const value = measure(mean(COLUMN.value));
  const agreement = measure(mean(COLUMN.agreement));
  return {
    gapAbs: absolute.estimate,
    gapAbsCi95: absolute.interval,
    gapRel: relative.estimate,
    gapRelCi95: relative.interval,
    gapNorm: normalised.estimate,
    gapNormCi95: normalised.interval,
    value: value.estimate,
    valueCi95: value.interval,
    agreement: agreement.estimate,
    agreementCi95: agreement.interval,
    regretByStep: rows[0]!.step_regrets.map((_, t) => (exact && method === 'oracle' ? 0 : averageOf(rows.map((row) => row.step_regrets[t] ?? NaN)))),
    ...(rows[0]!.deployed_regrets && { regretByEpisode: rows[0]!.deployed_regrets.map((_, i) => (exact && method === 'oracle' ? 0 : averageOf(rows.map((row) => row.deployed_regrets?.[i] ?? NaN)))) }),
    tasks: tasks.length,
    episodes: rows.reduce((sum, row) => sum + (row.episodes ?? 1), 0),
    exact,
  };
}

/** A method's values with nature fixed at each model: means over tasks, of each task's worst, and of its average, with intervals over tasks. */
export function cloudResult(rowsOfModel: readonly (readonly EpisodeRow[])[], { seed, resamples }: Pick<MetricOptions, 'seed' | 'resamples'>): CloudResult {
  // values[m][i]: mean return on task i when model m is the true one.
  const values = rowsOfModel.map((rows) => byTask(rows).map((task) => averageOf(task.map((row) => row.return))));
  const perTask = values[0]!.map((_, i) => values.map((model) => model[i]!));
  const interval = (numbers: readonly number[]): Interval95 => bcaInterval(numbers.map((value) => [value]), mean(), { seed, resamples });
  const [worst, average] = [perTask.map((models) => Math.min(...models)), perTask.map(averageOf)];
  const firsts = byTask(rowsOfModel[0]!).map(([first]) => first!);
  const ofStatic = firsts.every(({ static_lower: lower, static_upper: upper }) => lower !== undefined && upper !== undefined);
  const gaps = firsts.map(({ static_upper: upper }, i) => upper! - worst[i]!);
  return {
    ...(ofStatic && { static: { lower: averageOf(firsts.map((row) => row.static_lower!)), upper: averageOf(firsts.map((row) => row.static_upper!)), gap: averageOf(gaps), gapCi95: interval(gaps) } }),
    perModel: values.map(averageOf),
    perModelCi95: values.map(interval),
    worst: averageOf(worst),
    worstCi95: interval(worst),
    average: averageOf(average),
    averageCi95: interval(average),
  };
}
