// The plain records of a run as rows of text, for HTML and Markdown alike.
import type { RegimeResult, Results } from '../results.js';
import { regimeLabel, regimesOf } from './names.js';
import { bytes, clean, count, decimal, duration } from './text.js';

export type TextTable = [headings: string[], rows: string[][]];

export const COMMAND = 'npx tiresias run --config experiment.json';

export const certificateTable = (results: Results): TextTable => [
  ['Regime', 'Horizon', 'Lower bound', 'V*', 'Upper bound', 'Width'],
  regimesOf(results).map(([key, { horizon, lower, optimal, upper }]) => [
    regimeLabel(key), count(horizon), decimal(lower), decimal(optimal), decimal(upper), decimal(upper - lower),
  ]),
];

export const datasetTable = (results: Results): TextTable => [
  ['Regime', 'Examples', 'Tasks', 'Tokens', 'Labels', 'Size', 'Mean regret bound', 'Largest regret bound', 'Time'],
  results.datasets.map((d) => [
    d.vocabulary === undefined || d.vocabulary === 'base' ? regimeLabel(d.regime) : `${regimeLabel(d.regime)} (${clean(d.vocabulary)})`, count(d.examples), count(d.tasks), count(d.tokens), count(d.labels), bytes(d.bytes),
    decimal(d.meanRegretBound), decimal(d.maxRegretBound), duration(d.seconds),
  ]),
];

/** The last row is the sum, where there is more than one stage. */
export function stageTable({ stages }: Results): TextTable {
  const rows = stages.map(({ name, seconds, peakRssBytes: peak }) => [clean(name), duration(seconds), peak === undefined ? '' : bytes(peak)]);
  if (stages.length > 1) rows.push(['All stages', duration(stages.reduce((sum, { seconds }) => sum + seconds, 0)), '']);
  return [['Stage', 'Wall time', 'Peak memory'], rows];
}

/** The reference method less every other, regime by regime. */
export const comparisonTable = ({ methods, comparisons }: RegimeResult): TextTable => [
  ['Versus', 'Normalised gap', 'Gap in reward', 'p', 'p (Holm)'],
  comparisons.map(({ versus, gapNorm, gapNormCi95, gapAbs, gapAbsCi95, p, pHolm }) => [
    clean(methods[versus]?.label ?? versus), signed(gapNorm, gapNormCi95), signed(gapAbs, gapAbsCi95), probability(p), probability(pHolm),
  ]),
];

/** What a comparison table is of. */
export const comparisonTitle = ({ methods, comparisons }: RegimeResult): string => clean(methods[comparisons[0]!.method]?.label ?? comparisons[0]!.method);

const signed = (value: number, [low, high]: readonly [number, number]): string => `${decimal(value)} [${decimal(low)}, ${decimal(high)}]`;

const probability = (p: number): string => (p < 0.001 ? '< 0.001' : p.toFixed(3));
