// Figures as files, for papers and slides: an SVG and a PNG each.
import { join } from 'node:path';
import { writeAtomic } from '../files.js';
import { resvg, fontFile } from '../lazy.js';
import { sheetSvg, type Sheet } from './sheet.js';

/** Pixels of a PNG for one of the drawing, so that it is sharp in print. */
const ZOOM = 2;

/** Writes `figures/<name>.svg` and `.png` into a folder, for every sheet that has a figure; returns their paths within it. */
export async function writeFigures(sheets: readonly Sheet[], folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const sheet of sheets.filter(({ rows }) => rows.some(({ figures }) => figures.length > 0))) {
    const svg = sheetSvg(sheet);
    for (const [ending, data] of [['svg', svg], ['png', png(svg)]] as const) {
      const path = `figures/${sheet.name}.${ending}`;
      await writeAtomic(join(folder, path), data);
      paths.push(path);
    }
  }
  return paths;
}

/** The same drawing on any machine: its text is in a font that comes with the package, not in one of the system's. */
export function png(svg: string): Uint8Array {
  const { Resvg } = resvg();
  const font = { loadSystemFonts: false, fontFiles: ['400Regular', '600SemiBold'].map(fontFile), defaultFontFamily: 'Inter' };
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: ZOOM } }).render().asPng();
}
