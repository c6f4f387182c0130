// The bounds of a solve over time, as an SVG of its own.
import type { TopLevelSpec } from 'vega-lite';
import { draw } from '../report/draw.js';
import { html } from '../report/html.js';
import { sheetSvg } from '../report/sheet.js';

/** Bounds on the value at the start after so many seconds. */
export interface BoundsAt {
  seconds: number;
  lower: number;
  upper: number;
}

/** Room after the end of the solve, as a share of it, in which the last bounds can be seen. */
const AFTER = 0.12;

/** Bounds that were better earlier stay so: what is drawn is the best known at each time, and what stood at the end goes on for a while. */
export async function boundsPlot(history: readonly BoundsAt[], title: string): Promise<string> {
  let [lower, upper] = [-Infinity, Infinity];
  const best = history.map((at) => {
    [lower, upper] = [Math.max(lower, at.lower), Math.min(upper, at.upper)];
    return { seconds: at.seconds, lower, upper };
  });
  const end = Math.max(best.at(-1)!.seconds, 1e-6);
  // Thousandths of a second are told as such.
  const [unit, factor] = end < 1 ? ['Milliseconds', 1000] : ['Seconds', 1];
  const values = [...best, { seconds: end * (1 + AFTER), lower, upper }].map((at) => ({ ...at, time: at.seconds * factor }));
  const domain: [number, number] = [0, end * (1 + AFTER) * factor];
  const x = { field: 'time', type: 'quantitative', scale: { domain, nice: false }, axis: { title: `${unit} since the solve began`, grid: false, domain: true } } as const;
  const y = (field: string) => ({ field, type: 'quantitative', scale: { zero: false }, axis: { title: 'Value at the start', domain: true, ticks: true } }) as const;
  const line = (field: 'lower' | 'upper') => ({ mark: { type: 'line', interpolate: 'step-after', color: 'var(--accent)', strokeWidth: 1.8 } as const, encoding: { x, y: y(field) } });
  const spec: TopLevelSpec = {
    width: 660, height: 360, autosize: { type: 'fit', contains: 'padding' }, data: { values },
    layer: [
      { mark: { type: 'area', interpolate: 'step-after', opacity: 0.16, color: 'var(--accent)' }, encoding: { x, y: y('lower'), y2: { field: 'upper' } } },
      line('lower'), line('upper'),
      // Where the bounds were reported: of a short solve hardly anywhere.
      ...(['lower', 'upper'] as const).map((field) => ({ data: { values: values.slice(0, -1) }, mark: { type: 'point', filled: true, size: 22, opacity: 1, color: 'var(--accent)' } as const, encoding: { x, y: y(field) } })),
      { data: { values: [{ time: end * factor }] }, mark: { type: 'rule', color: 'var(--muted)', strokeDash: [3, 3] }, encoding: { x } },
    ],
  };
  const note = `After ${(end * factor).toPrecision(3)} ${unit.toLowerCase()} in [${lower.toFixed(4)}, ${upper.toFixed(4)}]; ${best.length} report${best.length === 1 ? '' : 's'}, the last at the dashed line.`;
  const keys = [{ label: 'proven lower and upper bound', drawing: html`<path d="M1 3H27M1 11H27" stroke="var(--accent)" stroke-width="1.8" fill="none"/>` }];
  return sheetSvg({ name: 'bounds', title, note, rows: [{ keys, figures: [{ title: 'Bounds on the value at the start', svg: await draw(spec, note) }] }] });
}
