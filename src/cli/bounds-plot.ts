// The bounds of a solve over time, as an SVG of its own.
import type { TopLevelSpec } from 'vega-lite';

/** Bounds on the value at the start after so many seconds. */
export interface BoundsAt {
  seconds: number;
  lower: number;
  upper: number;
}

/** Bounds that were better earlier stay so: what is drawn is the best known at each time. */
export async function boundsPlot(history: readonly BoundsAt[], title: string): Promise<string> {
  const { compile } = await import('vega-lite');
  const { Error: ErrorLevel, View, parse } = await import('vega');
  let [lower, upper] = [-Infinity, Infinity];
  const values = history.map((at) => {
    [lower, upper] = [Math.max(lower, at.lower), Math.min(upper, at.upper)];
    return { seconds: at.seconds, lower, upper };
  });
  const y = (field: string) => ({ field, type: 'quantitative', scale: { zero: false }, title: 'Value at the start' }) as const;
  const x = { field: 'seconds', type: 'quantitative', title: 'Seconds' } as const;
  const spec: TopLevelSpec = {
    title, width: 640, height: 360, background: 'white', data: { values },
    layer: [
      { mark: { type: 'area', interpolate: 'step-after', opacity: 0.2 }, encoding: { x, y: y('lower'), y2: { field: 'upper' } } },
      { mark: { type: 'line', interpolate: 'step-after' }, encoding: { x, y: y('lower') } },
      { mark: { type: 'line', interpolate: 'step-after' }, encoding: { x, y: y('upper') } },
    ],
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none', logLevel: ErrorLevel });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}
