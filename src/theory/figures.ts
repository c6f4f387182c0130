// The plots of a theory study: everything over the pairs of the prompt, a colour a training length, a panel for all else.
import type { TopLevelSpec } from 'vega-lite';
import { draw } from '../report/draw.js';
import type { Figure } from '../report/figures.js';
import { html } from '../report/html.js';
import { SHADES } from '../report/groups.js';
import type { LegendKey } from '../report/parts.js';
import type { Sheet } from '../report/sheet.js';
import { decimal } from '../report/text.js';
import type { StudyResults } from '../study/results.js';
import type { TheoryPoint } from './results.js';
import { beyondRounding, theoryGroups, type TheoryGroup } from './settings.js';

/** What is drawn in one way. */
interface Curve {
  /** For the legend. */
  label: string;
  dash: readonly number[];
  /** Whether points are marked. */
  points?: boolean;
  value(point: TheoryPoint): number;
  ci95?(point: TheoryPoint): readonly [number, number];
}

/** A row of panels. */
export interface TheoryPlot {
  /** Of a file. */
  name: string;
  title: string;
  note: string;
  /** Of the y axis. */
  axis: string;
  curves: readonly Curve[];
  /** A level that means something. */
  mark?: number;
}

const DASHES = { solid: [], dashed: [6, 4], dotted: [2, 3] } as const;

export const PLOTS: readonly TheoryPlot[] = [
  {
    name: 'error', title: 'Squared error at the prompts’ own distribution', axis: 'Mean squared error of Q',
    note: 'Closed form in linear MDPs. The whole falls as 1/M until only the bias is left, which training on prompts of N pairs leaves for good.',
    curves: [
      { label: 'measured', dash: DASHES.solid, points: true, value: ({ closed }) => closed.errorTraining.value, ci95: ({ closed }) => closed.errorTraining.ci95 },
      { label: 'in-context estimation, exact', dash: DASHES.dashed, value: ({ error }) => error.estimation },
      { label: 'training-length bias, exact', dash: DASHES.dotted, value: ({ error }) => error.bias },
    ],
  },
  {
    name: 'gap', title: 'What acting on it costs, and the bound', axis: 'Normalised gap',
    note: 'Share of what random actions lose; bars are 95% bootstrap intervals over tasks. A bound above 1 promises less than acting at random does.',
    curves: [
      { label: 'measured', dash: DASHES.solid, points: true, value: ({ closed }) => closed.gapNorm.value, ci95: ({ closed }) => closed.gapNorm.ci95 },
      { label: 'bound without scale and level', dash: DASHES.dashed, value: ({ bound }) => bound.sharp },
      { label: 'bound', dash: DASHES.dotted, value: ({ bound }) => bound.total },
    ],
    mark: 1,
  },
  {
    name: 'parts', title: 'The bound in its two parts', axis: 'Normalised gap',
    note: 'The one falls with the pairs of the prompt, the other with the length of training prompts.',
    curves: [
      { label: 'in-context estimation', dash: DASHES.dashed, points: true, value: ({ bound }) => bound.estimation },
      { label: 'training-length bias', dash: DASHES.dotted, value: ({ bound }) => bound.bias },
    ],
    mark: 1,
  },
  {
    name: 'trained', title: 'The closed form and the layers that gradient descent trained', axis: 'Normalised gap',
    note: 'Where the two lines part, descent has not reached the minimiser, or the layer reads what the closed form does not.',
    curves: [
      { label: 'closed form', dash: DASHES.solid, points: true, value: ({ closed }) => closed.gapNorm.value },
      { label: 'trained layers', dash: DASHES.dotted, points: true, value: ({ trained }) => trained.gapNorm.value },
    ],
  },
  {
    name: 'shift', title: 'Covariate shift', axis: 'Ratio of squared errors',
    note: 'Squared error where the policy leads, over that at the prompts’ own distribution; calibration takes 1 for granted.',
    curves: [
      { label: 'its states, the action that it takes', dash: DASHES.solid, points: true, value: ({ closed }) => closed.shift.value, ci95: ({ closed }) => closed.shift.ci95 },
      { label: 'its states, all actions alike', dash: DASHES.dashed, value: ({ closed }) => closed.shiftStates.value },
    ],
    mark: 1,
  },
];

/** A hue a line; with more lines than hues, paler ones. */
const colour = (line: number): string => `var(--h${1 + (line % 7)}-${Math.min(SHADES - 1, Math.floor(line / 7))})`;

/** The panels of a plot. */
export async function theoryFigures(results: StudyResults, plot: TheoryPlot): Promise<Figure[]> {
  const groups = theoryGroups(results);
  const all = groups.flatMap((group) => values(results, group, plot).flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]));
  if (all.length === 0) return [];
  const domain: [number, number] = [Math.min(...all) / 1.2, Math.max(...all) * 1.2];
  return Promise.all(groups.map(async (group) => {
    const rows = values(results, group, plot);
    const said = plot.curves.map(({ label }) => `${label}: ${rows.filter(({ curve }) => curve === label).map(({ line, pairs, value }) => `${results.x} = ${line}, M = ${pairs}: ${decimal(value)}`).join('; ')}`);
    return { title: group.label, svg: await draw(panel(rows, plot, domain), `${plot.title}, ${group.label}. ${said.join('. ')}.`) };
  }));
}

interface Row {
  curve: string;
  line: string;
  colour: string;
  pairs: number;
  value: number;
  low?: number;
  high?: number;
}

/** What lies on the logarithmic scale: values above 0 and above what rounding leaves of it, and the ends of intervals where both are. */
function values(results: StudyResults, { members }: TheoryGroup, { curves }: TheoryPlot): Row[] {
  const lines = results.axes.find(({ name }) => name === results.x)!.places;
  return members.flatMap(({ places, theory }) => theory.points.flatMap((point) => curves.flatMap((curve): Row[] => {
    const value = beyondRounding(curve.value(point));
    const [low, high] = curve.ci95?.(point).map(beyondRounding) ?? [];
    const line = places[results.x]!;
    const row = { curve: curve.label, line, colour: colour(lines.indexOf(line)), pairs: point.pairs, value };
    return value > 0 ? [low !== undefined && high !== undefined && low > 0 ? { ...row, low, high } : row] : [];
  })));
}

function panel(rows: readonly Row[], { axis, curves, mark }: TheoryPlot, domain: [number, number]): TopLevelSpec {
  const x = { field: 'pairs', type: 'quantitative', scale: { type: 'log', nice: false }, axis: { title: 'Pairs in the prompt, M', grid: false, tickCount: 4, format: '~s' } } as const;
  const y = { field: 'value', type: 'quantitative', scale: { type: 'log', domain, nice: false }, axis: { title: axis, tickCount: 4, format: '~g' } } as const;
  const colours = { field: 'colour', type: 'nominal', scale: null, legend: null } as const;
  const layers = curves.flatMap(({ label, dash, points }) => {
    const data = { values: rows.filter(({ curve }) => curve === label) };
    const bars = { values: data.values.filter(({ low }) => low !== undefined) };
    return [
      { data: bars, mark: { type: 'rule', strokeWidth: 1, opacity: 0.7 }, encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colours } },
      { data, mark: { type: 'line', strokeWidth: 1.8, strokeDash: [...dash] }, encoding: { x, y, color: colours, detail: { field: 'line' } } },
      ...(points ? [{ data, mark: { type: 'point', filled: true, size: 26, opacity: 1 }, encoding: { x, y, color: colours } }] : []),
    ];
  });
  const level = mark !== undefined && mark > domain[0] && mark < domain[1]
    ? [{ data: { values: [{ value: mark }] }, mark: { type: 'rule', color: 'var(--muted)', strokeDash: [3, 3] }, encoding: { y } }]
    : [];
  return { width: 350, height: 260, autosize: { type: 'fit', contains: 'padding' }, layer: [...level, ...layers] as never };
}

/** Which colour is which training length, and which dash which curve. */
function theoryKeys(results: StudyResults, { curves }: TheoryPlot): LegendKey[] {
  const { places } = results.axes.find(({ name }) => name === results.x)!;
  const line = (stroke: string, dash: readonly number[]) => html`<path d="M1 7H27" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dash.join(' ')}"/>`;
  return [
    ...curves.map(({ label, dash }) => ({ label, drawing: line('var(--muted)', dash) })),
    ...places.map((place, i) => ({ label: `${results.x} = ${place}`, drawing: line(colour(i), []) })),
  ];
}

/** All plots, each a sheet. */
export const theorySheets = (results: StudyResults): Promise<Sheet[]> => Promise.all(PLOTS.map(async (plot) => ({
  name: plot.name, title: plot.title, note: `${plot.note} All panels share one scale; both axes are logarithmic.`,
  rows: [{ keys: theoryKeys(results, plot), figures: await theoryFigures(results, plot) }],
})));
