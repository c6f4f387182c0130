// Figures that belong together on one sheet: on the page row by row under legends, and as one SVG file that stands alone, title and legends drawn in,
// for papers and slides.
import { html, Markup } from './html.js';
import type { Figure } from './figures.js';
import type { LegendKey } from './parts.js';
import { STYLE } from './style.js';

/** Figures under a heading and a legend. */
export interface SheetRow {
  heading?: string | undefined;
  /** The legend's. */
  keys?: readonly LegendKey[] | undefined;
  figures: readonly Figure[];
}

/** Figures that make one file. */
export interface Sheet {
  /** Of the file, without its ending. */
  name: string;
  title: string;
  /** How to read it, in a few words. */
  note?: string | undefined;
  rows: readonly SheetRow[];
}

const FONT = 'Inter, Helvetica, Arial, sans-serif';
const MARGIN = 20;
const COLUMNS = 3;
/** Mean width of a letter in shares of the font's size; generous, since what reads the file may have another font. */
const LETTER = 0.58;

/** One drawing on white, every colour as it stands in the light scheme: readers of SVG files know neither custom properties nor whether it is dark. */
export function sheetSvg({ title, note, rows }: Sheet): string {
  const sizes = rows.flatMap(({ figures }) => figures.map(sizeOf));
  const panel = Math.max(1, ...sizes.map(({ width }) => width));
  const columns = Math.min(COLUMNS, Math.max(1, ...rows.map(({ figures }) => figures.length)));
  const width = 2 * MARGIN + columns * panel + (columns - 1) * MARGIN;
  const parts: Markup[] = [];
  let y = MARGIN;
  const text = (x: number, words: string, size: number, weight: number, colour = 'var(--ink)'): Markup => html`<text x="${x}" y="${y + size}" font-size="${size}" font-weight="${weight}" fill="${colour}">${words}</text>`;
  parts.push(text(MARGIN, title, 17, 600));
  y += 30;
  if (note !== undefined) {
    parts.push(text(MARGIN, note, 12, 400, 'var(--muted)'));
    y += 24;
  }
  for (const { heading, keys, figures } of rows) {
    if (heading !== undefined) {
      parts.push(text(MARGIN, heading, 13, 600, 'var(--muted)'));
      y += 22;
    }
    if (keys) {
      let x = MARGIN;
      for (const { drawing, label } of keys) {
        const step = 28 + 8 + label.length * 12 * LETTER + 18;
        if (x > MARGIN && x + step > width - MARGIN) [x, y] = [MARGIN, y + 20];
        parts.push(html`<g transform="translate(${x} ${y})">${drawing}<text x="36" y="11" font-size="12" fill="var(--muted)">${label}</text></g>`);
        x += step;
      }
      y += 26;
    }
    for (let first = 0; first < figures.length; first += columns) {
      const line = figures.slice(first, first + columns);
      for (const [i, { title: caption, svg }] of line.entries()) {
        const x = MARGIN + i * (panel + MARGIN);
        parts.push(text(x, caption, 13, 600), new Markup(svg.text.replace(/^<svg role="img" aria-label="[^"]*"/, () => `<svg x="${x}" y="${y + 20}" overflow="visible"`)));
      }
      y += 20 + Math.max(...line.map((figure) => sizeOf(figure).height)) + MARGIN;
    }
  }
  const drawn = html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="${FONT}">
<title>${title}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
${parts}
</svg>
`.text;
  // Vega leaves the font to whoever shows the drawing.
  return drawn.replaceAll(' font-family="inherit"', '').replaceAll('font-family: inherit;', '').replace(/var\((--[\w-]+)\)/g, (_, name: string) => LIGHT.get(name) ?? '#000000');
}

const LIGHT = new Map([...STYLE.split('}')[0]!.matchAll(/(--[\w-]+): (#[0-9a-f]{6})/g)].map(([, name, colour]) => [name!, name === '--page' ? '#ffffff' : colour!]));

function sizeOf({ svg }: Figure): { width: number; height: number } {
  const [, width, height] = /^<svg[^>]*? width="([\d.]+)" height="([\d.]+)"/.exec(svg.text) ?? [];
  return { width: Number(width ?? 0), height: Number(height ?? 0) };
}
