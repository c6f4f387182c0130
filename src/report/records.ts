// The plain records of a run as rows of text, for HTML and Markdown alike.
import type { DatasetResult, Results, TrainingResult } from '../results.js';
import { regimeLabel, regimesOf } from './names.js';
import { bytes, clean, count, decimal, duration, percent } from './text.js';

export type TextTable = [headings: string[], rows: string[][]];

export const COMMAND = 'npx tiresias run --config experiment.json';

/** What share of the machine's matrix product a training reached, where both were measured. */
export const peak = ({ matmulShare: share, matmulPeakGflops: gflops }: TrainingResult): string[] =>
  share === undefined || gflops === undefined ? [] : [`${percent(share)} of ${count(gflops)} GFLOP/s measured`];

export const certificateTable = (results: Results): TextTable => [
  ['Regime', 'Horizon', 'Lower bound', 'V*', 'Upper bound', 'Width'],
  regimesOf(results).map(([key, { horizon, lower, optimal, upper }]) => [
    regimeLabel(key), count(horizon), decimal(lower), decimal(optimal), decimal(upper), decimal(upper - lower),
  ]),
];

export const datasetTable = (results: Results): TextTable => [
  ['Regime', 'Examples', 'Tasks', 'Tokens', 'Labels', 'Size', 'Mean regret bound', 'Largest regret bound', 'Time'],
  results.datasets.map((d) => [
    nameOf(d), count(d.examples), count(d.tasks), count(d.tokens), count(d.labels), bytes(d.bytes),
    decimal(d.meanRegretBound), decimal(d.maxRegretBound), duration(d.seconds),
  ]),
];

/** The trainer's own peak memory, where no stage of the run was measured: elsewhere the stages say it, with all processes, and one number is enough. */
export const trainerMemory = ({ peakRssBytes }: TrainingResult, { stages }: Results): string[] => (stages.some((stage) => stage.peakRssBytes !== undefined) ? [] : [bytes(peakRssBytes)]);

/** The regime, and what sets the dataset apart from one of simulated episodes with the oracle's labels in the base model's ids. */
function nameOf({ regime, vocabulary, labelledBy, from }: DatasetResult): string {
  const apart = [...(vocabulary === undefined || vocabulary === 'base' ? [] : [clean(vocabulary)]), ...(from ? [clean(from)] : []), ...(labelledBy ? [`${clean(labelledBy)} labels`] : [])];
  return apart.length === 0 ? regimeLabel(regime) : `${regimeLabel(regime)} (${apart.join(', ')})`;
}

/** The last row is the whole run, where there is more than one stage: the sum of the times, and the largest memory. */
export function stageTable({ stages }: Results): TextTable {
  const rows = stages.map(({ name, seconds, peakRssBytes: peak }) => [clean(name), duration(seconds), peak === undefined ? '' : bytes(peak)]);
  const peaks = stages.flatMap(({ peakRssBytes: peak }) => (peak === undefined ? [] : [peak]));
  if (stages.length > 1) rows.push(['All stages', duration(stages.reduce((sum, { seconds }) => sum + seconds, 0)), peaks.length === 0 ? '' : bytes(Math.max(...peaks))]);
  return [['Stage', 'Wall time', 'Peak memory'], rows];
}
