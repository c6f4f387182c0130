// The tables at the heart of the report, once, for HTML, Markdown and the terminal.
import type { CloudResult, MethodResult, RegimeResult, Results } from '../results.js';
import { spreadOf } from '../evaluate/spread.js';
import { comparedIn, toldApart, type Pair } from './compared.js';
import type { Group } from './groups.js';
import { methodsOf, rankedIn, regimeLabel, regimesOf, type Method } from './names.js';
import { clean, count, decimal, percent, probability } from './text.js';

export interface Cell {
  value: string;
  /** “[low, high]”; absent where the interval is a point. */
  interval?: string;
}

export interface Row {
  label: string;
  /** Absent where the row is of several methods: the seeds of one. */
  method?: Method;
  /** One for each column. */
  cells: Cell[];
}

/** A table of one regime, family by family. */
export interface Summary {
  regime: string;
  horizon: number;
  /** Of the cells. */
  columns: readonly string[];
  groups: { group: Group; rows: Row[] }[];
}

export const COLUMNS = ['Normalised gap', 'Absolute gap', 'Relative gap', 'Value', 'Agreement', 'Tasks', 'Episodes', 'Gap is'] as const;

/** Every method in every regime; below a family, the spread of methods that were trained with several seeds. */
export function summaries(results: Results): Summary[] {
  const methods = methodsOf(results);
  return regimesOf(results).map(([key, regime]) => ({
    regime: regimeLabel(key), horizon: regime.horizon, columns: COLUMNS,
    groups: rankedIn(regime, methods).map(([group, members]) => ({
      group,
      rows: [...members.map((method) => ({ label: method.label, method, cells: cells(regime.methods[method.key]!) })), ...spreads(regime, members)],
    })),
  }));
}

const MEASURES = [
  ['gapNorm', decimal], ['gapAbs', decimal], ['gapRel', percent], ['value', decimal], ['agreement', percent],
] as const;

const cells = (m: MethodResult): Cell[] => [
  ...MEASURES.map(([measure, format]) => estimate(m[measure], m[`${measure}Ci95`], format)),
  { value: count(m.tasks) },
  { value: count(m.episodes) },
  { value: m.exact ? 'exact' : 'sampled' },
];

/** One row for each method that several trainings are of: mean, least and greatest, and the deviation between seeds. */
function spreads(regime: RegimeResult, members: readonly Method[]): Row[] {
  const seeds = new Map<string, MethodResult[]>();
  for (const { key } of members) {
    const m = regime.methods[key]!;
    if (m.seedOf !== undefined) seeds.set(m.seedOf, [...(seeds.get(m.seedOf) ?? []), m]);
  }
  return [...seeds].filter(([, of]) => of.length > 1).map(([seedOf, of]) => ({
    label: `${clean(of[0]!.label) || clean(seedOf)}: spread of ${count(of.length)} seeds`,
    cells: [
      ...MEASURES.map(([measure, format]): Cell => {
        const { min, mean, max, deviation } = spreadOf(of.map((m) => m[measure]));
        return { value: format(mean), interval: `${format(min)} to ${format(max)}, sd ${format(deviation!)}` };
      }),
      { value: '' }, { value: '' }, { value: '' },
    ],
  }));
}

export const DIFFERENCE_COLUMNS = ['Normalised gap', 'Absolute gap', 'p', 'p (Holm)', 'Told apart'] as const;

/** How the method that is asked about differs from each other one; `subject` is its label. */
export function differences(results: Results): (Summary & { subject: string })[] {
  return comparedIn(results).map(({ regime, result, subject, pairs, groups }) => ({
    regime, horizon: result.horizon, columns: DIFFERENCE_COLUMNS, subject: subject.label,
    groups: groups.map(([group, members]) => ({
      group, rows: pairs.filter(({ method }) => members.includes(method)).map((pair) => ({ label: pair.method.label, method: pair.method, cells: differenceCells(pair) })),
    })),
  }));
}

const differenceCells = ({ comparison: c }: Pair): Cell[] => [
  estimate(c.gapNorm, c.gapNormCi95, decimal), estimate(c.gapAbs, c.gapAbsCi95, decimal), { value: probability(c.p) }, { value: probability(c.pHolm) },
  { value: !toldApart(c) ? 'no' : c.gapNorm < 0 ? 'better' : 'worse' },
];

/** Values of the regimes with a cloud, nature held at each model: the worst, the average, and each. */
export function clouds(results: Results): Summary[] {
  const methods = methodsOf(results);
  return regimesOf(results).flatMap(([key, regime]): Summary[] => {
    const present = methods.filter((method) => Object.hasOwn(regime.methods, method.key) && regime.methods[method.key]!.cloud);
    const models = Math.max(0, ...present.map((method) => regime.methods[method.key]!.cloud!.perModel.length));
    const ofStatic = present.some((method) => regime.methods[method.key]!.cloud!.static);
    return present.length === 0 ? [] : [{
      regime: regimeLabel(key), horizon: regime.horizon,
      columns: ['Worst', ...(ofStatic ? ['Gap to static'] : []), 'Average', ...Array.from({ length: models }, (_, m) => `Model ${m + 1}`)],
      groups: rankedIn(regime, present).map(([group, members]) => ({
        group, rows: members.map((method) => ({ label: method.label, method, cells: cloudCells(regime.methods[method.key]!.cloud!, models, ofStatic) })),
      })),
    }];
  });
}

const cloudCells = (cloud: CloudResult, models: number, ofStatic: boolean): Cell[] => [
  estimate(cloud.worst, cloud.worstCi95, decimal),
  ...(ofStatic ? [cloud.static ? estimate(cloud.static.gap, cloud.static.gapCi95, decimal) : { value: '' }] : []),
  estimate(cloud.average, cloud.averageCi95, decimal),
  ...Array.from({ length: models }, (_, m): Cell => {
    const [value, interval] = [cloud.perModel[m], cloud.perModelCi95[m]];
    return value === undefined ? { value: '' } : estimate(value, interval ?? [value, value], decimal);
  }),
];

/** A point interval is what the schema gives for a value without sampling error over tasks; it needs no brackets. */
const estimate = (value: number, [low, high]: readonly [number, number], format: (x: number) => string): Cell =>
  low === high && low === value ? { value: format(value) } : { value: format(value), interval: `[${format(low)}, ${format(high)}]` };
