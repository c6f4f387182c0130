// The table at the heart of the report, once, for HTML, Markdown and the terminal.
import type { MethodResult, Results } from '../results.js';
import { methodsOf, regimeLabel, regimesOf, type Method } from './names.js';
import { count, decimal, percent } from './text.js';

export interface Cell {
  value: string;
  /** “[low, high]”; absent where the interval is a point. */
  interval?: string;
}

export const COLUMNS = ['Normalised gap', 'Absolute gap', 'Relative gap', 'Value', 'Agreement', 'Tasks', 'Episodes', 'Gap is'] as const;

export interface Row {
  method: Method;
  /** One for each of COLUMNS. */
  cells: Cell[];
}

export interface Summary {
  regime: string;
  horizon: number;
  rows: Row[];
}

export function summaries(results: Results): Summary[] {
  const methods = methodsOf(results);
  return regimesOf(results).map(([key, regime]) => ({
    regime: regimeLabel(key),
    horizon: regime.horizon,
    rows: methods.filter(({ key: method }) => Object.hasOwn(regime.methods, method)).map((method) => ({ method, cells: cells(regime.methods[method.key]!) })),
  }));
}

const cells = (m: MethodResult): Cell[] => [
  estimate(m.gapNorm, m.gapNormCi95, decimal),
  estimate(m.gapAbs, m.gapAbsCi95, decimal),
  estimate(m.gapRel, m.gapRelCi95, percent),
  estimate(m.value, m.valueCi95, decimal),
  estimate(m.agreement, m.agreementCi95, percent),
  { value: count(m.tasks) },
  { value: count(m.episodes) },
  { value: m.exact ? 'exact' : 'sampled' },
];

/** A point interval is what the schema gives for a value without sampling error over tasks; it needs no brackets. */
const estimate = (value: number, [low, high]: readonly [number, number], format: (x: number) => string): Cell =>
  low === high && low === value ? { value: format(value) } : { value: format(value), interval: `[${format(low)}, ${format(high)}]` };
