// The plots of the report but for the trace of an episode, which has a file of its own.
import type { TopLevelSpec } from 'vega-lite';
import type { MethodResult, RegimeResult, Results, TrainingResult } from '../results.js';
import { comparedIn, toldApart } from './compared.js';
import { draw } from './draw.js';
import { spoken } from './findings.js';
import type { Group } from './groups.js';
import type { Markup } from './html.js';
import { methodsOf, rankedIn, regimeLabel, regimesOf, type Method } from './names.js';
import { AT, COLOUR, places, rowsPlot } from './rows.js';
import { count, decimal, percent, probability } from './text.js';

export interface Figure {
  title: string;
  svg: Markup;
}

/** Wide enough for a third of the page and for a phone at full size. */
const WIDTH = 350;
const FIT = { type: 'fit', contains: 'padding' } as const;

/** The same margins around the data in every panel of a row, so that panels compare by eye. */
function extent(values: readonly number[], margin: number): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 1) * margin;
  return [low - room, high + room];
}

/** A number with its interval, in the row of a method. */
interface Estimate {
  method: Method;
  value: number;
  interval: readonly [number, number];
  /** Drawn as a full dot rather than a ring. */
  full: boolean;
}

/** Points with intervals, one row a method, numbers on the right, with lines where `marks` are. */
function estimatesPlot(groups: readonly (readonly [Group, readonly Method[]])[], estimates: readonly Estimate[], domain: [number, number], title: string, marks: readonly number[]): TopLevelSpec {
  const at = places(groups);
  const rows = estimates.map(({ method, value, interval: [low, high], full }) => ({
    at: at.get(method.key)!, colour: method.colour, fill: full ? method.colour : 'var(--page)', value, low, high,
  }));
  const data = { values: rows };
  const x = { field: 'value', type: 'quantitative', scale: { domain, nice: false, zero: false }, axis: { title } } as const;
  return rowsPlot({
    groups, width: WIDTH, right: 52, shown: new Map(estimates.map(({ method, value }) => [method.key, decimal(value)])),
    layers: [
      { data: { values: marks.map((mark) => ({ mark })) }, mark: { type: 'rule', color: 'var(--muted)', strokeDash: [3, 3] }, encoding: { y: { value: 0 }, y2: { value: 'height' }, x: { ...x, field: 'mark' } } },
      { data, mark: { type: 'rule', strokeWidth: 3, strokeCap: 'round' }, encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y: AT, color: COLOUR } },
      {
        data, mark: { type: 'point', filled: true, size: 42, opacity: 1, strokeWidth: 2 },
        encoding: { x, y: AT, fill: { ...COLOUR, field: 'fill' }, stroke: COLOUR },
      },
    ],
  });
}

/** Normalised gap: a point and its interval for each method, one panel a regime, on one scale with optimal and random marked. */
export async function gapFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const all = Object.values(results.regimes).flatMap((regime) => Object.values(regime.methods));
  const domain = extent([0, 1, ...all.flatMap((m) => [m.gapNorm, ...m.gapNormCi95])], 0.07);
  return Promise.all(regimesOf(results).filter(([, regime]) => Object.keys(regime.methods).length > 0).map(async ([key, regime]) => {
    const groups = rankedIn(regime, methods);
    const present = groups.flatMap(([, members]) => members);
    const estimates = present.map((method) => {
      const { gapNorm: value, gapNormCi95: interval } = regime.methods[method.key]!;
      return { method, value, interval, full: true };
    });
    const spec = estimatesPlot(groups, estimates, domain, 'Normalised gap: 0 optimal, 1 random', [0, 1]);
    const title = regimeLabel(key);
    return { title, svg: await draw(spec, `Normalised gap, ${title}. ${present.map((m) => `${m.label}: ${spoken(regime.methods[m.key]!)}`).join('. ')}.`) };
  }));
}

/** Paired differences of the normalised gap to the method that is asked about, one panel a regime. */
export async function differenceFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const compared = comparedIn(results, methods);
  const domain = extent([0, ...compared.flatMap(({ pairs }) => pairs.flatMap(({ comparison }) => [comparison.gapNorm, ...comparison.gapNormCi95]))], 0.07);
  return Promise.all(compared.map(async ({ regime, subject, pairs, groups }) => {
    const estimates = pairs.map(({ method, comparison }) => ({ method, value: comparison.gapNorm, interval: comparison.gapNormCi95, full: toldApart(comparison) }));
    const spec = estimatesPlot(groups, estimates, domain, 'Difference: below 0 better than the other', [0]);
    const said = pairs.map(({ method, comparison: { gapNorm, gapNormCi95: [low, high], pHolm } }) =>
      `${method.label}: ${decimal(gapNorm)}, 95% interval ${decimal(low)} to ${decimal(high)}, corrected p ${probability(pHolm)}`);
    return { title: `${regime}: ${subject.label} less …`, svg: await draw(spec, `Difference of the normalised gap, ${subject.label} less each other method, ${regime}. ${said.join('. ')}.`) };
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
        { mark: { type: 'line', strokeWidth: 1, opacity: 0.4, color: 'var(--accent)' }, encoding: { x, y: { ...y, field: 'value' } } },
        { mark: { type: 'line', strokeWidth: 2.5, color: 'var(--accent)' }, encoding: { x, y: { ...y, field: 'smooth' } } },
      ],
    };
    const [first, last] = [curve[0]!, curve.at(-1)!];
    return { title, svg: await draw(spec, `${title}, from ${format(first[field])} at step ${first.step} to ${format(last[field])} at step ${last.step}.`) };
  };
  return [await panel('loss', 'Loss (cross-entropy per action)', decimal), await panel('accuracy', 'Action accuracy', percent)];
}

/** The plots of one family of methods. */
export interface FamilyFigures {
  group: Group;
  /** Whose lines there are, the grey ones last. */
  methods: Method[];
  figures: Figure[];
}

/** What regret is shown by: the decisions of an episode, or the episodes of a deployment. */
interface Along {
  name: string;
  /** As a title of the axis. */
  title: string;
  of(method: MethodResult): readonly number[] | undefined;
}
const DECISIONS: Along = { name: 'decision', title: 'Decision', of: ({ regretByStep }) => regretByStep };
const EPISODES: Along = { name: 'episode', title: 'Episode', of: ({ regretByEpisode }) => regretByEpisode };

/** Mean regret of each method at each decision of an episode. */
export const regretFigures = (results: Results): Promise<FamilyFigures[]> => familyFigures(results, DECISIONS);

/** Mean regret of each method in each episode of a deployment. */
export const deploymentFigures = (results: Results): Promise<FamilyFigures[]> => familyFigures(results, EPISODES);

/** A row of panels for each family, in each the yardsticks in grey. */
async function familyFigures(results: Results, along: Along): Promise<FamilyFigures[]> {
  const steps = (regime: RegimeResult, { key }: Method): readonly number[] => (Object.hasOwn(regime.methods, key) ? along.of(regime.methods[key]!) ?? [] : []);
  const regimes = regimesOf(results);
  const methods = methodsOf(results).filter((method) => regimes.some(([, regime]) => steps(regime, method).length > 0));
  const yardsticks = methods.filter(({ yardstick }) => yardstick);
  const families = new Map<string, Method[]>();
  for (const method of methods) if (!method.yardstick) families.set(method.group.key, [...(families.get(method.group.key) ?? []), method]);
  if (families.size === 0 && yardsticks.length > 0) families.set(yardsticks[0]!.group.key, []);
  const all = regimes.flatMap(([, regime]) => methods.flatMap((method) => steps(regime, method)));
  const domain: [number, number] = [Math.min(0, ...all), Math.max(0, ...all) || 1];
  return Promise.all([...families.values()].map(async (members) => {
    const shown = [...members, ...yardsticks];
    const figures = regimes.map(async ([key, regime]): Promise<Figure | undefined> => {
      const present = shown.filter((method) => steps(regime, method).length > 0);
      if (present.length === 0 || (members.length > 0 && !members.some((method) => present.includes(method)))) return undefined;
      const title = regimeLabel(key);
      const ends = present.map((method) => {
        const regret = steps(regime, method);
        return `${method.label}: ${decimal(regret[0]!)} at the first ${along.name}, ${decimal(regret.at(-1)!)} at the last`;
      });
      const lines = present.map((method) => ({ method, regret: steps(regime, method) }));
      return { title, svg: await draw(regretPlot(lines, domain, along.title), `Mean regret by ${along.name}, ${title}. ${ends.join('. ')}.`) };
    });
    return { group: shown[0]!.group, methods: shown, figures: (await Promise.all(figures)).filter((figure) => figure !== undefined) };
  }));
}

function regretPlot(lines: readonly { method: Method; regret: readonly number[] }[], domain: [number, number], title: string): TopLevelSpec {
  // The last line drawn is on top: the yardsticks lie beneath, and the best of a family above the others.
  const order = lines.toReversed().toSorted((a, b) => Number(b.method.yardstick) - Number(a.method.yardstick));
  const encoding = {
    x: { field: 'step', type: 'quantitative', axis: { title, grid: false, tickMinStep: 1, format: 'd' }, scale: { zero: false, nice: false } },
    y: { field: 'regret', type: 'quantitative', axis: { title: 'Mean regret' }, scale: { domain } },
  } as const;
  return {
    width: WIDTH, height: 200, autosize: FIT, encoding,
    layer: order.map(({ method: { colour, dash, marker, yardstick }, regret }) => ({
      data: { values: regret.map((value, t) => ({ step: t + 1, regret: value })) },
      mark: { type: 'line', color: colour, strokeDash: [...dash], strokeWidth: yardstick ? 1.5 : 2, point: regret.length <= 25 && !yardstick && { shape: marker, size: 26, opacity: 1, filled: true, fill: colour, stroke: null } },
    })),
  };
}

/** Value of each method with nature held at each model of the cloud, the worst for each task, and the average. */
export async function cloudFigures(results: Results): Promise<Figure[]> {
  const methods = methodsOf(results);
  const figures = regimesOf(results).map(async ([key, regime]): Promise<Figure | undefined> => {
    const groups = rankedIn(regime, methods.filter(({ key: method }) => Object.hasOwn(regime.methods, method) && regime.methods[method]!.cloud));
    const clouds = groups.flatMap(([, members]) => members.map((method) => ({ ...method, cloud: regime.methods[method.key]!.cloud! })));
    if (clouds.length === 0) return undefined;
    const at = places(groups);
    const rows = clouds.flatMap(({ key: method, colour, cloud: { perModel, worst, worstCi95: [low, high], average } }) => {
      const row = { at: at.get(method)!, colour, low, high };
      return [...perModel.map((value) => ({ ...row, value, kind: 'model' })), { ...row, value: worst, kind: 'worst' }, { ...row, value: average, kind: 'average' }];
    });
    const domain = extent(rows.flatMap(({ value, low, high }) => [value, low, high]), 0.06);
    const x = { field: 'value', type: 'quantitative', axis: { title: 'Mean return of an episode' }, scale: { domain, nice: false, zero: false } } as const;
    const of = (...kinds: string[]) => ({ values: rows.filter(({ kind }) => kinds.includes(kind)) });
    const spec = rowsPlot({
      groups, width: WIDTH,
      layers: [
        { data: of('model'), mark: { type: 'tick', thickness: 2, size: 16, opacity: 0.75 }, encoding: { x, y: AT, color: COLOUR } },
        { data: of('worst'), mark: { type: 'rule', strokeWidth: 2, strokeCap: 'round' }, encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y: AT, color: COLOUR } },
        {
          data: of('worst', 'average'), mark: { type: 'point', filled: true, size: 80, opacity: 1, stroke: 'var(--page)', strokeWidth: 1.5 },
          encoding: { x, y: AT, color: COLOUR, shape: { field: 'kind', type: 'nominal', legend: null, scale: { domain: ['worst', 'average'], range: ['triangle-down', 'circle'] } } },
        },
      ],
    });
    const title = regimeLabel(key);
    const said = clouds.map(({ label, cloud }) => `${label}: worst ${decimal(cloud.worst)}, average ${decimal(cloud.average)} over ${count(cloud.perModel.length)} models`);
    return { title, svg: await draw(spec, `Value under fixed models, ${title}. ${said.join('. ')}.`) };
  });
  return (await Promise.all(figures)).filter((figure) => figure !== undefined);
}
