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

/** Words in lines of at most so many letters; a word that is longer is cut. */
export function wrapped(words: string, letters: number): string[] {
  const most = Math.max(1, Math.floor(letters));
  const parts = words.split(/\s+/).flatMap((word) => [...word].length <= most ? [word] : [...word].reduce<string[]>((cut, letter, i) => (i % most === 0 ? [...cut, letter] : [...cut.slice(0, -1), cut.at(-1)! + letter]), []));
  return parts.reduce<string[]>((lines, word) => {
    const longer = `${lines.at(-1)} ${word}`;
    return lines.length > 0 && [...longer].length <= most ? [...lines.slice(0, -1), longer] : [...lines, word];
  }, []);
}

/** One drawing on white, every colour as it stands in the light scheme: readers of SVG files know neither custom properties nor whether it is dark. */
export function sheetSvg({ title, note, rows }: Sheet): string {
  const sizes = rows.flatMap(({ figures }) => figures.map(sizeOf));
  const panel = Math.max(1, ...sizes.map(({ width }) => width));
  const columns = Math.min(COLUMNS, Math.max(1, ...rows.map(({ figures }) => figures.length)));
  const width = 2 * MARGIN + columns * panel + (columns - 1) * MARGIN;
  const parts: Markup[] = [];
  let y = MARGIN;
  /** Draws words in as many lines as the room takes, and says how much the lines after the first take. */
  const text = (x: number, words: string, size: number, weight: number, colour = 'var(--ink)', room = width - 2 * MARGIN): number => {
    const lines = wrapped(words, room / (size * LETTER));
    const step = Math.round(1.4 * size);
    parts.push(...lines.map((line, i) => html`<text x="${x}" y="${y + size + i * step}" font-size="${size}" font-weight="${weight}" fill="${colour}">${line}</text>`));
    return (lines.length - 1) * step;
  };
  y += 30 + text(MARGIN, title, 17, 600);
  if (note !== undefined) y += 24 + text(MARGIN, note, 12, 400, 'var(--muted)');
  for (const { heading, keys, figures } of rows) {
    if (heading !== undefined) y += 22 + text(MARGIN, heading, 13, 600, 'var(--muted)');
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
      const left = (i: number): number => MARGIN + i * (panel + MARGIN);
      y += Math.max(...line.map(({ title: caption }, i) => text(left(i), caption, 13, 600, 'var(--ink)', panel)));
      for (const [i, { svg }] of line.entries()) {
        parts.push(new Markup(svg.text.replace(/^<svg role="img" aria-label="[^"]*"/, () => `<svg x="${left(i)}" y="${y + 20}" overflow="visible"`)));
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
