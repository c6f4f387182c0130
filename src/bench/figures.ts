// The figures of a bench: performance profiles, the gaps of the first solver against the others', and bounds over time, model by model.
import type { TopLevelSpec } from 'vega-lite';
import { draw } from '../report/draw.js';
import type { Figure } from '../report/figures.js';
import { groupOf, HUES, SHADES } from '../report/groups.js';
import { DASHES, MARKERS, type Method } from '../report/names.js';
import { methodKeys } from '../report/parts.js';
import type { Sheet } from '../report/sheet.js';
import { clean, count, decimal, percent } from '../report/text.js';
import type { BenchProfile } from './profile.js';
import type { BenchResults } from './results.js';
import type { BenchRow } from './row.js';
import { solversIn } from './table.js';

const PANEL = { width: 350, height: 240, autosize: { type: 'fit', contains: 'padding' } } as const;
/** Panels of one sheet; more would make a file that no reader opens. */
const MOST_PANELS = 24;
/** Points of one line of a drawing. */
const MOST_POINTS = 120;

/** All figures. */
export async function benchSheets(results: BenchResults): Promise<Sheet[]> {
  const looks = looksOf(results);
  return [...(await profileSheets(results, looks)), ...(await scatterSheets(results, looks)), ...(await boundsSheets(results, looks))];
}

/** How each solver is drawn, in every figure. */
function looksOf(results: BenchResults): Map<string, Method> {
  return new Map(solversIn(results).map(({ name, label }, i) => {
    const colour = `var(--h${(i + 1) % HUES.length}-${Math.floor(i / HUES.length) % SHADES})`;
    return [name, { key: name, label: clean(label), short: clean(label), group: groupOf('own'), colour, dash: DASHES[i % DASHES.length]!, marker: MARKERS[i % MARKERS.length]!, yardstick: false, kind: { key: name, label: clean(label) } }];
  }));
}

/** Of panels under one limit, what tells it from the others. */
const limitName = ({ times, threads }: BenchResults, { time, threads: n }: Pick<BenchRow, 'time' | 'threads'>): string =>
  [...(times.length > 1 ? [`limit ${time} s`] : []), ...(threads.length > 1 ? [`${n} ${n === 1 ? 'thread' : 'threads'}`] : [])].join(', ');
const titled = (title: string, more: string): string => (more === '' ? title : `${title}, ${more}`);

/** Where a profile of one measure ends on the right: a little beyond its last step. */
const reach = (profiles: readonly BenchProfile[]): number => 1.2 * Math.max(10, ...profiles.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([ratio]) => ratio))));

async function profileSheets(results: BenchResults, looks: ReadonlyMap<string, Method>): Promise<Sheet[]> {
  const figures = await Promise.all(results.profiles.map(async (profile): Promise<Figure> => {
    const { measure, lines, problems } = profile;
    const title = titled(measure === 'seconds' ? 'Time to the gap asked for' : 'Gap left', limitName(results, profile));
    const said = lines.map(({ by, points }) => `${by}: ${percent(points[0]![1])} at the ratio 1, ${percent(points.at(-1)![1])} in the end`);
    return { title, svg: await draw(profilePlot(profile, looks, reach(results.profiles.filter((one) => one.measure === measure))), `Performance profile, ${title}, ${problems} models. ${said.join('. ')}.`) };
  }));
  return figures.length === 0 ? [] : [{
    name: 'profile', title: 'Performance profiles',
    note: `The share of models on which a solver needs at most so many times the best one's seconds to the gap asked for, or leaves at most so many times the best one's gap (Dolan and Moré, 2002); higher is better. Of models on which all were run. Times below 0.01 s count as 0.01 s, gaps below ${results.gap} as ${results.gap}.`,
    rows: [{ keys: methodKeys([...looks.values()].filter(({ key }) => results.profiles.some(({ lines }) => lines.some(({ by }) => by === key)))), figures }],
  }];
}

function profilePlot({ measure, lines }: BenchProfile, looks: ReadonlyMap<string, Method>, end: number): TopLevelSpec {
  const [ratios, shares]: [number, number][] = [[1, end], [0, 1.02]];
  const x = { field: 'ratio', type: 'quantitative', scale: { type: 'log', domain: ratios!, nice: false }, axis: { title: measure === 'seconds' ? 'Ratio to the shortest time' : 'Ratio to the smallest gap', grid: false, tickCount: 4, format: '~s' } } as const;
  const y = { field: 'share', type: 'quantitative', scale: { domain: shares!, nice: false }, axis: { title: 'Share of models', format: '.0%' } } as const;
  return {
    ...PANEL, encoding: { x, y },
    layer: lines.map(({ by, points }) => {
      const { colour, dash } = looks.get(by)!;
      return { data: { values: [...points, [end, points.at(-1)![1]]].map(([ratio, share]) => ({ ratio, share })) }, mark: { type: 'line', interpolate: 'step-after', color: colour, strokeDash: [...dash], strokeWidth: 2 } };
    }),
  };
}

async function scatterSheets(results: BenchResults, looks: ReadonlyMap<string, Method>): Promise<Sheet[]> {
  const [subject, ...others] = solversIn(results).filter(({ bounds }) => bounds === 'proven');
  if (!subject || subject.name !== solversIn(results)[0]!.name || others.length === 0) return [];
  const shown = (row: BenchRow): number | undefined => (row.gap === undefined ? undefined : Math.max(row.gap, results.gap));
  const pointsOf = (time: number, threads: number) => {
    const here = results.rows.filter((row) => row.time === time && row.threads === threads);
    return others.flatMap(({ name }) => here.filter(({ by }) => by === name).flatMap((theirs) => {
      const ours = here.find(({ by, model }) => by === subject.name && model === theirs.model);
      const [x, y] = [theirs, ours].map((row) => row && shown(row));
      return x === undefined || y === undefined ? [] : [{ by: name, model: theirs.model, x, y }];
    }));
  };
  const limits = results.times.flatMap((time) => results.threads.map((threads) => ({ time, threads, points: pointsOf(time, threads) }))).filter(({ points }) => points.length > 0);
  const all = limits.flatMap(({ points }) => points.flatMap(({ x, y }) => [x, y]));
  const domain: [number, number] = [Math.min(...all) / 1.5, Math.max(...all) * 1.5];
  const figures = await Promise.all(limits.map(async ({ points, ...limit }): Promise<Figure> => {
    const title = titled(`Gap of ${clean(subject.label)} against the others’`, limitName(results, limit));
    const said = others.map(({ name }) => {
      const with_ = points.filter(({ by }) => by === name);
      return `Beside ${name}: smaller on ${with_.filter(({ x, y }) => y < x).length}, larger on ${with_.filter(({ x, y }) => y > x).length} of ${with_.length} models`;
    });
    return { title, svg: await draw(scatterPlot(points, looks, domain, subject.label), `${title}. ${said.join('. ')}.`) };
  }));
  return figures.length === 0 ? [] : [{
    name: 'gaps', title: 'Gap against gap', note: `One point a model on which both have bounds; below the line the first solver's gap is the smaller. Both axes are logarithmic; gaps below ${results.gap} are drawn there.`,
    rows: [{ keys: methodKeys(others.flatMap(({ name }) => looks.get(name) ?? [])), figures }],
  }];
}

function scatterPlot(points: readonly { by: string; x: number; y: number }[], looks: ReadonlyMap<string, Method>, domain: [number, number], label: string): TopLevelSpec {
  const scale = { type: 'log', domain, nice: false } as const;
  const x = { field: 'x', type: 'quantitative', scale, axis: { title: 'Gap of the other', grid: false, tickCount: 4, format: '~g' } } as const;
  const y = { field: 'y', type: 'quantitative', scale, axis: { title: `Gap of ${clean(label)}`, tickCount: 4, format: '~g' } } as const;
  return {
    ...PANEL, height: 350, encoding: { x, y },
    layer: [
      { data: { values: domain.map((end) => ({ x: end, y: end })) }, mark: { type: 'line', color: 'var(--muted)', strokeDash: [3, 3] } },
      ...[...new Set(points.map(({ by }) => by))].map((by) => {
        const { colour, marker } = looks.get(by)!;
        return { data: { values: points.filter((point) => point.by === by) }, mark: { type: 'point' as const, shape: marker, size: 40, filled: true, fill: colour, opacity: 0.8 } };
      }),
    ],
  };
}

/** Bounds over time under the longest limit: a panel a model and number of threads. */
async function boundsSheets(results: BenchResults, looks: ReadonlyMap<string, Method>): Promise<Sheet[]> {
  const time = Math.max(...results.times);
  const panels = results.models.flatMap(({ name: model }) => results.threads.map((threads) => ({ model, threads, rows: results.rows.filter((row) => row.model === model && row.threads === threads && row.time === time && row.trace.length > 0) })))
    .filter(({ rows }) => rows.length > 0);
  const figures = await Promise.all(panels.map(async ({ model, threads, rows }): Promise<Figure> => {
    const title = titled(clean(model), limitName({ ...results, times: [time] }, { time, threads }));
    const said = rows.map(({ by, lower, upper, seconds }) => `${by}: ${decimal(lower!)} to ${decimal(upper!)} after ${decimal(seconds!)} s`);
    return { title, svg: await draw(boundsPlot(rows, looks), `Bounds over time, ${title}. ${said.join('. ')}.`) };
  }));
  const keys = methodKeys([...looks.values()].filter(({ key }) => panels.some(({ rows }) => rows.some(({ by }) => by === key))));
  const sheets = Array.from({ length: Math.ceil(figures.length / MOST_PANELS) }, (_, i) => figures.slice(i * MOST_PANELS, (i + 1) * MOST_PANELS));
  return sheets.map((some, i) => ({
    name: sheets.length === 1 ? 'bounds' : `bounds-${i + 1}`, title: sheets.length === 1 ? 'Bounds over time' : `Bounds over time, ${count(i + 1)} of ${count(sheets.length)}`,
    note: `Lower and upper bound of each solver under the limit of ${time} s, by its own clock; the value lies between them. Time is logarithmic; what lies far off the last bounds is cut.`,
    rows: [{ keys, figures: some }],
  }));
}

function boundsPlot(rows: readonly BenchRow[], looks: ReadonlyMap<string, Method>): TopLevelSpec {
  const ends = rows.flatMap(({ lower, upper }) => [lower!, upper!]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  // Closed gaps leave nothing to see but how they closed: some share of the value around them, then.
  const room = Math.max(1.5 * (high - low), 0.05 * Math.max(Math.abs(low), Math.abs(high)), 1e-9);
  const domain: [number, number] = [low - room, high + room];
  const last = Math.max(...rows.flatMap(({ trace }) => trace.map(([seconds]) => seconds)));
  const first = Math.max(1e-3, Math.min(last / 2, ...rows.flatMap(({ trace }) => trace.slice(0, 1).map(([seconds]) => seconds))));
  const span: [number, number] = [first, Math.max(2 * first, last)];
  const x = { field: 'seconds', type: 'quantitative', scale: { type: 'log', domain: span, nice: false }, axis: { title: 'Seconds', grid: false, tickCount: 4, format: '~g' } } as const;
  const y = (field: string) => ({ field, type: 'quantitative', scale: { domain, nice: false, zero: false, clamp: true }, axis: { title: 'Value' } }) as const;
  return {
    ...PANEL,
    layer: rows.flatMap(({ by, trace }) => {
      const { colour, dash } = looks.get(by)!;
      const every = Math.ceil(trace.length / MOST_POINTS);
      const thin = trace.filter((_, i) => i % every === 0 || i === trace.length - 1);
      const values = [...thin, [last, thin.at(-1)![1], thin.at(-1)![2]] as const].map(([seconds, lower, upper]) => ({ seconds: Math.max(first, seconds), lower, upper }));
      return ['lower', 'upper'].map((field) => ({ data: { values }, mark: { type: 'line' as const, interpolate: 'step-after' as const, clip: true, color: colour, strokeDash: [...dash], strokeWidth: 1.8 }, encoding: { x, y: y(field) } }));
    }),
  };
}
