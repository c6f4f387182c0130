// The frame of a plot with a row for each method: names in the margin, families under headings, lines between them.
import type { TopLevelSpec } from 'vega-lite';
import { shortLabel, type Group } from './groups.js';
import type { Method } from './names.js';
import { shorten } from './text.js';

const LINE = 24;
const FONT = 12;

type Layer = Extract<TopLevelSpec, { layer: unknown }>['layer'][number];

/** What {@link rowsPlot} needs. */
export interface RowsPlot {
  groups: readonly (readonly [Group, readonly Method[]])[];
  /** Of the whole drawing. */
  width: number;
  /** Of a column of numbers on its right. */
  right?: number;
  /** The numbers, by method. */
  shown?: ReadonlyMap<string, string>;
  /** What is drawn over the frame. */
  layers: readonly Layer[];
}

/** The encoding of a row's place. */
export const AT = { field: 'at', type: 'quantitative' } as const;

/** The encoding of a colour that the data hold. */
export const COLOUR = { field: 'colour', type: 'nominal', scale: null, legend: null } as const;

/** Where each method's row is, from the top; one family alone has no heading. */
export function places(groups: RowsPlot['groups']): Map<string, number> {
  return new Map(linesOf(groups).flatMap((line, i) => ('short' in line ? [[line.key, i + 0.5]] : [])));
}

const linesOf = (groups: RowsPlot['groups']): (Group | Method)[] => groups.flatMap(([group, methods]) => [...(groups.length > 1 ? [group] : []), ...methods]);

/** A plot with a row for each method. */
export function rowsPlot({ groups, width, right = 0, shown, layers }: RowsPlot): TopLevelSpec {
  const lines = linesOf(groups);
  const names = lines.flatMap((line, i) => ('short' in line ? [{ at: i + 0.5, name: line.short, shown: shown?.get(line.key) ?? '' }] : []));
  const headings = lines.flatMap((line, i) => ('short' in line ? [] : [{ at: i + 0.6, top: i + 0.1, name: shorten(shortLabel(line), 22) }]));
  // Reckoned here and not by Vega, which without a canvas takes text for half as wide again as it is.
  const room = Math.ceil(Math.max(1, ...[...names, ...headings].map(({ name }) => name.length)) * FONT * 0.54) + 12;
  const inner = width - room - right - 6;
  const text = { type: 'text', baseline: 'middle', fontSize: FONT } as const;
  return {
    autosize: 'none', width: inner, height: LINE * lines.length, padding: { left: room, right: right + 6, top: 4, bottom: 44 },
    encoding: { y: { ...AT, axis: null, scale: { domain: [lines.length, 0], nice: false, zero: false } } },
    layer: [
      { data: { values: headings.slice(1) }, mark: { type: 'rule', color: 'var(--line)' }, encoding: { y: { ...AT, field: 'top' }, x: { value: -room }, x2: { value: inner + right } } },
      { data: { values: headings }, mark: { ...text, align: 'left', fontSize: 11, fontWeight: 600, color: 'var(--muted)' }, encoding: { x: { value: -room }, text: { field: 'name' } } },
      { data: { values: names }, mark: { ...text, align: 'right' }, encoding: { x: { value: -9 }, text: { field: 'name' } } },
      { data: { values: names }, mark: { ...text, align: 'right', fontSize: 11 }, encoding: { x: { value: inner + right }, text: { field: 'shown' } } },
      ...layers,
    ],
  };
}
