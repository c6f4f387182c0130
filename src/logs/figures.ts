// Recorded decisions as figures: actions as bars, episodes as histograms.
import type { TopLevelSpec } from 'vega-lite';
import { draw, nameAxis } from '../report/draw.js';
import type { Figure } from '../report/figures.js';
import type { Sheet } from '../report/sheet.js';
import { clean, count, decimal, percent, shorten } from '../report/text.js';
import type { LogsCounts } from './counts.js';
import type { LogsReport } from './report.js';

const WIDTH = 350;
/** Bars that can still be told apart. */
const MOST_BARS = 24;
const MOST_BINS = 20;
const FIT = { type: 'fit', contains: 'padding' } as const;

/** The figures of a report. */
export async function logsSheet(report: LogsReport, { lengths, returns }: LogsCounts): Promise<Sheet> {
  const figures = await Promise.all([actionBars(report), histogram('Decisions of an episode', lengths, 1), histogram('Return of an episode', returns)]);
  return { name: 'logs', title: 'Actions and episodes', note: 'Actions by their share of all decisions; episodes by how long they are and by the sum of their rewards.', rows: [{ figures }] };
}

async function actionBars({ actions }: LogsReport): Promise<Figure> {
  const shown = actions.toSorted((a, b) => b.count - a.count).slice(0, MOST_BARS).map(({ name, share }, i) => ({ at: i, name: shorten(clean(name), 18), share }));
  const title = actions.length > MOST_BARS ? `The ${MOST_BARS} most frequent actions of ${count(actions.length)}` : 'Actions';
  const spec: TopLevelSpec = {
    width: WIDTH, height: 60 + 20 * shown.length, autosize: FIT, data: { values: shown },
    mark: { type: 'bar', color: 'var(--accent)' },
    encoding: {
      // By place, as two shortened names may be one.
      y: { field: 'at', type: 'nominal', sort: null, axis: { ...nameAxis(shown.map(({ name }) => name)), labelExpr: `${JSON.stringify(shown.map(({ name }) => name))}[datum.value]` } },
      x: { field: 'share', type: 'quantitative', axis: { title: 'Share of decisions', format: '.0%' } },
    },
  };
  return { title, svg: await draw(spec, `${title}. ${shown.map(({ name, share }) => `${name}: ${percent(share)}`).join('. ')}.`) };
}

/** Bins of one width between the extremes; with a `step`, around whole multiples of it. */
async function histogram(title: string, values: readonly number[], step = 0): Promise<Figure> {
  const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const span = high - low || 1;
  const width = step > 0 ? step * Math.ceil((span + step) / step / MOST_BINS) : span / MOST_BINS;
  const bins = Array.from({ length: step > 0 ? Math.floor((high - low) / width) + 1 : MOST_BINS }, () => 0);
  for (const value of values) bins[Math.min(bins.length - 1, Math.floor((value - low) / width))]! += 1;
  const spec: TopLevelSpec = {
    width: WIDTH, height: 200, autosize: FIT, data: { values: bins.map((episodes, i) => ({ from: low - step / 2 + i * width, to: low - step / 2 + (i + 1) * width, episodes })) },
    mark: { type: 'bar', color: 'var(--accent)', stroke: 'var(--page)', strokeWidth: 1 },
    encoding: {
      x: { field: 'from', type: 'quantitative', scale: { zero: false, nice: false }, axis: { title, grid: false } }, x2: { field: 'to' },
      y: { field: 'episodes', type: 'quantitative', axis: { title: 'Episodes', tickMinStep: 1 }, scale: { domainMin: 0 } }, y2: { datum: 0 },
    },
  };
  return { title, svg: await draw(spec, `${title}, of ${count(values.length)} episodes, from ${decimal(low)} to ${decimal(high)}.`) };
}
