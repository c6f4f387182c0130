// Vega-Lite in, inline SVG out: no script, no font file and no network on the page that shows it.
import { compile, type Config, type TopLevelSpec } from 'vega-lite';
import { Error as ErrorLevel, parse, View } from 'vega';
import { escape, Markup } from './html.js';

/** Colours are the page's custom properties, so that one drawing serves the light and the dark scheme. */
const INK = 'var(--ink)';
const MUTED = 'var(--muted)';
const LINE = 'var(--line)';

const CONFIG: Config = {
  background: 'transparent',
  font: 'inherit',
  aria: false,
  padding: 2,
  view: { stroke: null },
  axis: {
    labelColor: MUTED, titleColor: MUTED, gridColor: LINE, domainColor: LINE, tickColor: LINE,
    labelFontSize: 11, titleFontSize: 11, titleFontWeight: 'normal', titlePadding: 8, labelPadding: 6, tickSize: 4,
  },
  axisY: { domain: false, ticks: false },
  axisQuantitative: { tickCount: 5 },
  text: { color: INK, fontSize: 11 },
};

/**
 * An axis of names. Without a canvas Vega takes text for half as wide again as it is, so room and cuts are decided here:
 * names come shortened.
 */
export function nameAxis(names: readonly string[], fontSize = 12): { title: null; labelColor: string; labelFontSize: number; labelLimit: number; minExtent: number; maxExtent: number } {
  const room = Math.ceil(Math.max(...names.map((name) => name.length), 1) * fontSize * 0.6) + 8;
  return { title: null, labelColor: INK, labelFontSize: fontSize, labelLimit: 0, minExtent: room, maxExtent: room };
}

/** A drawing with its text alternative. Titles belong to the page, not to the drawing. */
export async function draw(spec: TopLevelSpec, alternative: string): Promise<Markup> {
  const view = new View(parse(compile({ ...spec, config: CONFIG }).spec), { renderer: 'none', logLevel: ErrorLevel });
  const svg = await view.toSVG();
  view.finalize();
  // The name spaces go without saying inside HTML; the label comes first because nothing within is read out.
  return new Markup(svg.replace(/^<svg[^>]*?(?= width=)/, () => `<svg role="img" aria-label="${escape(alternative)}"`));
}
