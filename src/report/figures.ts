// The plots of the report but for the trace of an episode, which has a file of its own.
import type { TopLevelSpec } from 'vega-lite';
import type { RegimeResult, Results, TrainingResult } from '../results.js';
import { draw, nameAxis, namedRows } from './draw.js';
import { spoken } from './findings.js';
import type { Markup } from './html.js';
import { methodsOf, regimeLabel, regimesOf, type Method } from './names.js';
import { count, decimal, percent } from './text.js';

export interface Figure {
  title: string;
  svg: Markup;
}

/** Wide enough for a third of the page and for a phone at full size. */
const WIDTH = 350;
const FIT = { type: 'fit', contains: 'padding' } as const;

/** Dashes besides colours, so that lines can be told apart in grey. Undashed first. */
export const DASHES: readonly (readonly number[])[] = [[1, 0], [1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 1]];

export const dashOf = (index: number): readonly number[] => DASHES[index % DASHES.length]!;

const within = (methods: readonly Method[], regime: RegimeResult): Method[] => methods.filter(({ key }) => Object.hasOwn(regime.methods, key));

const scale = (methods: readonly Method[]): { domain: string[]; range: string[] } => ({
  domain: methods.map(({ short }) => short), range: methods.map(({ colour }) => colour),
});

/** The same margins around the data in every panel of a row, so that panels compare by eye. */
function extent(values: readonly number[], margin: number): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 1) * margin;
  return [low - room, high + room];
}

/** Normalised gap: a point and its interval for each method, one panel a regime, on one scale with optimal and random marked. */
export async function gapFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const all = Object.values(results.regimes).flatMap((regime) => Object.values(regime.methods));
  const domain = extent([0, 1, ...all.flatMap((m) => [m.gapNorm, ...m.gapNormCi95])], 0.07);
  return Promise.all(regimesOf(results).filter(([, regime]) => Object.keys(regime.methods).length > 0).map(async ([key, regime]) => {
    const present = within(methods, regime);
    const rows = present.map(({ key: method, short }) => {
      const m = regime.methods[method]!;
      return { name: short, gap: m.gapNorm, low: m.gapNormCi95[0], high: m.gapNormCi95[1], shown: decimal(m.gapNorm) };
    });
    const names = nameAxis(rows.map(({ name }) => name));
    const y = { field: 'name', type: 'nominal', sort: null, axis: names } as const;
    const text = { type: 'text', dy: -11 } as const;
    const x = { field: 'gap', type: 'quantitative', scale: { domain, nice: false, zero: false }, axis: { title: 'Normalised gap: 0 optimal, 1 random' } } as const;
    const color = { field: 'name', type: 'nominal', scale: scale(present), legend: null } as const;
    const spec: TopLevelSpec = {
      ...namedRows(names, WIDTH, 34 * rows.length), data: { values: rows },
      layer: [
        { data: { values: [{ at: 0 }, { at: 1 }] }, mark: { type: 'rule', color: 'var(--muted)', strokeDash: [3, 3] }, encoding: { x: { field: 'at', type: 'quantitative' } } },
        { mark: { type: 'rule', strokeWidth: 3, strokeCap: 'round' }, encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y, color } },
        { mark: { type: 'point', filled: true, size: 70, opacity: 1, stroke: 'var(--page)', strokeWidth: 1.5 }, encoding: { x, y, color } },
        // The number stands on a halo, or the lines behind would run through it.
        { mark: { ...text, stroke: 'var(--page)', strokeWidth: 4 }, encoding: { x, y, text: { field: 'shown' } } },
        { mark: text, encoding: { x, y, text: { field: 'shown' } } },
      ],
    };
    const title = regimeLabel(key);
    return { title, svg: await draw(spec, `Normalised gap, ${title}. ${present.map((m) => `${m.label}: ${spoken(regime.methods[m.key]!)}`).join('. ')}.`) };
  }));
}

/** Normalised gap of the reference method less each other: a point and its interval, one panel a regime, on one scale with 0 marked. */
export async function differenceFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const regimes = regimesOf(results).filter(([, { comparisons }]) => comparisons.length > 1);
  const domain = extent([0, ...regimes.flatMap(([, { comparisons }]) => comparisons.flatMap(({ gapNormCi95 }) => gapNormCi95))], 0.07);
  return Promise.all(regimes.map(async ([key, regime]) => {
    const rows = methods.flatMap(({ key: method, short, label, colour }) => regime.comparisons.filter(({ versus }) => versus === method)
      .map(({ gapNorm, gapNormCi95: [low, high] }) => ({ name: short, label, colour, gap: gapNorm, low, high, shown: decimal(gapNorm) })));
    const names = nameAxis(rows.map(({ name }) => name));
    const y = { field: 'name', type: 'nominal', sort: null, axis: names } as const;
    const text = { type: 'text', dy: -11 } as const;
    const x = { field: 'gap', type: 'quantitative', scale: { domain, nice: false, zero: false }, axis: { title: 'Difference of normalised gaps' } } as const;
    const color = { field: 'name', type: 'nominal', scale: { domain: rows.map(({ name }) => name), range: rows.map(({ colour }) => colour) }, legend: null } as const;
    const spec: TopLevelSpec = {
      ...namedRows(names, WIDTH, 34 * rows.length), data: { values: rows },
      layer: [
        { data: { values: [{ at: 0 }] }, mark: { type: 'rule', color: 'var(--muted)', strokeDash: [3, 3] }, encoding: { x: { field: 'at', type: 'quantitative' } } },
        { mark: { type: 'rule', strokeWidth: 3, strokeCap: 'round' }, encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y, color } },
        { mark: { type: 'point', filled: true, size: 70, opacity: 1, stroke: 'var(--page)', strokeWidth: 1.5 }, encoding: { x, y, color } },
        { mark: { ...text, stroke: 'var(--page)', strokeWidth: 4 }, encoding: { x, y, text: { field: 'shown' } } },
        { mark: text, encoding: { x, y, text: { field: 'shown' } } },
      ],
    };
    const title = regimeLabel(key);
    const first = methods.find((method) => method.key === regime.comparisons[0]!.method)?.label ?? '';
    const said = rows.map(({ label, gap, low, high }) => `${label}: ${decimal(gap)}, 95% interval ${decimal(low)} to ${decimal(high)}`);
    return { title: `${title}: ${first} less …`, svg: await draw(spec, `Difference of normalised gaps, ${title}, ${first} less each other. ${said.join('. ')}.`) };
  }));
}

/** Loss and action accuracy of one training run: every step faintly, and a moving mean. */
export async function trainingFigures(run: TrainingResult): Promise<Figure[]> {
  const { curve } = run;
  if (curve.length === 0) return [];
  const reach = Math.max(1, Math.round(curve.length / 25));
  const panel = async (field: 'loss' | 'accuracy', title: string, format: (x: number) => string): Promise<Figure> => {
    const x = { field: 'step', type: 'quantitative', axis: { title: 'Optimiser step', grid: false }, scale: { zero: false, nice: false } } as const;
    const y = { type: 'quantitative', axis: { title: null, ...(field === 'accuracy' && { format: '.0%' }) }, scale: field === 'accuracy' ? { domain: [0, 1] } : { domainMin: 0 } } as const;
    const spec: TopLevelSpec = {
      width: WIDTH, height: 200, autosize: FIT, data: { values: curve.map((point) => ({ step: point.step, value: point[field] })) },
      transform: [{ sort: [{ field: 'step' }], window: [{ op: 'mean', field: 'value', as: 'smooth' }], frame: [-reach, reach] }],
      layer: [
        { mark: { type: 'line', strokeWidth: 1, opacity: 0.4, color: 'var(--m1)' }, encoding: { x, y: { ...y, field: 'value' } } },
        { mark: { type: 'line', strokeWidth: 2.5, color: 'var(--m1)' }, encoding: { x, y: { ...y, field: 'smooth' } } },
      ],
    };
    const [first, last] = [curve[0]!, curve.at(-1)!];
    return { title, svg: await draw(spec, `${title}, from ${format(first[field])} at step ${first.step} to ${format(last[field])} at step ${last.step}.`) };
  };
  return [await panel('loss', 'Loss (cross-entropy per action)', decimal), await panel('accuracy', 'Action accuracy', percent)];
}

/** More lines than these cannot be followed. */
const MOST_LINES = 8;

/** The methods whose regrets are drawn: all while they are few, else the closest to optimal of each family, with the oracle and chance. */
export function inRegretFigures(methods: readonly Method[], regime: RegimeResult): Method[] {
  const present = within(methods, regime).filter(({ key }) => regime.methods[key]!.regretByStep.length > 0);
  if (present.length <= MOST_LINES) return present;
  const gap = ({ key }: Method): number => regime.methods[key]!.gapNorm;
  const yardstick = ({ key }: Method): boolean => ['oracle', 'random'].includes(regime.methods[key]!.method);
  return present.filter((one) => yardstick(one) || present.every((other) => yardstick(other) || other.group !== one.group || gap(one) <= gap(other)));
}

/** Mean regret of each method at each decision of an episode. */
export async function regretFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const all = Object.values(results.regimes).flatMap((regime) => Object.values(regime.methods).flatMap((m) => m.regretByStep));
  const domain = [Math.min(0, ...all), Math.max(0, ...all) || 1];
  const figures = regimesOf(results).map(async ([key, regime]): Promise<Figure | undefined> => {
    const present = inRegretFigures(methods, regime);
    if (present.length === 0) return undefined;
    const rows = present.flatMap(({ key: method, short }) => regime.methods[method]!.regretByStep.map((regret, t) => ({ name: short, step: t + 1, regret })));
    const spec: TopLevelSpec = {
      width: WIDTH, height: 220, autosize: FIT, data: { values: rows },
      mark: { type: 'line', strokeWidth: 2, point: regime.horizon <= 25 && { size: 26, opacity: 1 } },
      encoding: {
        x: { field: 'step', type: 'quantitative', axis: { title: 'Decision', grid: false, tickMinStep: 1, format: 'd' }, scale: { zero: false, nice: false } },
        y: { field: 'regret', type: 'quantitative', axis: { title: 'Mean regret' }, scale: { domain } },
        color: { field: 'name', type: 'nominal', scale: scale(present), legend: null },
        strokeDash: { field: 'name', type: 'nominal', legend: null, scale: { domain: present.map(({ short }) => short), range: present.map((m) => [...dashOf(methods.indexOf(m))]) } },
      },
    };
    const title = regimeLabel(key);
    const ends = present.map(({ key: method, label }) => {
      const regret = regime.methods[method]!.regretByStep;
      return `${label}: ${decimal(regret[0]!)} at the first decision, ${decimal(regret.at(-1)!)} at the last`;
    });
    return { title, svg: await draw(spec, `Mean regret by decision, ${title}. ${ends.join('. ')}.`) };
  });
  return (await Promise.all(figures)).filter((figure) => figure !== undefined);
}

/** Value of each method with nature held at each model of the cloud, the worst for each task, and the average. */
export async function cloudFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const figures = regimesOf(results).map(async ([key, regime]): Promise<Figure | undefined> => {
    const present = within(methods, regime).filter(({ key: method }) => regime.methods[method]!.cloud);
    if (present.length === 0) return undefined;
    const clouds = present.map(({ key: method, label, short }) => ({ label, short, cloud: regime.methods[method]!.cloud! }));
    const rows = clouds.flatMap(({ short: name, cloud }) => [
      ...cloud.perModel.map((value) => ({ name, value, kind: 'model' })),
      { name, value: cloud.worst, kind: 'worst' }, { name, value: cloud.average, kind: 'average' },
    ]);
    const names = nameAxis(clouds.map(({ short }) => short));
    const shape = { field: 'kind', type: 'nominal', legend: null, scale: { domain: ['model', 'worst', 'average'], range: ['stroke', 'triangle-down', 'circle'] } } as const;
    const spec: TopLevelSpec = {
      ...namedRows(names, 520, 40 * present.length), data: { values: rows },
      encoding: {
        x: { field: 'value', type: 'quantitative', axis: { title: 'Mean return of an episode' }, scale: { domain: extent(rows.map(({ value }) => value), 0.06), nice: false, zero: false } },
        y: { field: 'name', type: 'nominal', sort: null, axis: { ...names, grid: true } },
        color: { field: 'name', type: 'nominal', scale: scale(present), legend: null },
      },
      layer: [
        { transform: [{ filter: 'datum.kind === "model"' }], mark: { type: 'tick', thickness: 2, size: 20, opacity: 0.75 } },
        { transform: [{ filter: 'datum.kind !== "model"' }], mark: { type: 'point', filled: true, size: 90, opacity: 1, stroke: 'var(--page)', strokeWidth: 1.5 }, encoding: { shape } },
      ],
    };
    const title = regimeLabel(key);
    const said = clouds.map(({ label, cloud }) => `${label}: worst ${decimal(cloud.worst)}, average ${decimal(cloud.average)} over ${count(cloud.perModel.length)} models`);
    return { title, svg: await draw(spec, `Value under fixed models, ${title}. ${said.join('. ')}.`) };
  });
  return (await Promise.all(figures)).filter((figure) => figure !== undefined);
}
