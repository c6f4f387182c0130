// Beliefs about three states: a triangle whose corners are certainty, coloured by what is done, and another by what that is worth.
import { oklch } from '../report/palette.js';
import { html, Markup } from '../report/html.js';
import { decisionsAt, gapInWords, type BeliefSheet } from './decisions.js';
import { actionColour } from './colours.js';
import type { Reader } from './reader.js';

/** Rows of small triangles, each asked in its middle. */
const ROWS = 96;
const SIDE = 400;
const HEIGHT = (SIDE * Math.sqrt(3)) / 2;
const MARGIN = 34;
/** Steps in which the value is told. */
const STEPS = 7;

type Belief = readonly [number, number, number];

/** A small triangle, by its corners. */
interface Cell {
  row: number;
  corners: readonly [Belief, Belief, Belief];
}

/** The drawing for its sheet. */
export function beliefTriangle(reader: Reader, stage: number): BeliefSheet {
  const cells = cellsOf();
  const decisions = decisionsAt(reader, stage, Float64Array.from(cells.flatMap((cell) => middle(cell))));
  const { actions } = reader.spaces;
  const taken = [...new Set(Array.from(decisions.actions))].toSorted((a, b) => a - b);
  const [least, most] = [Math.min(...Array.from(decisions.lower)), Math.max(...Array.from(decisions.lower))];
  const step = (i: number) => Math.min(STEPS - 1, Math.floor((STEPS * (decisions.lower[i]! - least)) / (most - least || 1)));
  const shade = (k: number) => oklch(0.95 - (0.5 * k) / (STEPS - 1), 0.09, 245);
  const edge = (k: number) => (least + ((most - least) * k) / STEPS).toPrecision(4);
  const square = (fill: string, opacity = 1) => html`<rect x="1" y="1" width="26" height="12" fill="${fill}" fill-opacity="${opacity}" stroke="var(--line)"/>`;
  const share = taken.map((action) => `${actions.nameOf(action)} in ${((100 * cells.filter((_, i) => decisions.actions[i] === action).length) / cells.length).toFixed(1)}%`).join(', ');
  const names = [0, 1, 2].map((state) => reader.spaces.states.nameOf(state));
  const region = (action: number) => label(actions.nameOf(action), cells.filter((_, i) => decisions.actions[i] === action));
  return {
    note: `By area: ${share}; ${gapInWords(reader, decisions)}.`,
    rows: [
      {
        keys: taken.map((action) => ({ label: actions.nameOf(action), drawing: square(actionColour(action), 0.5) })),
        figures: [{ title: 'What is done', svg: triangle(`Actions over beliefs about ${names.join(', ')}: ${share}.`, names, runs(cells, (i) => decisions.actions[i]!, (action) => [actionColour(action), 0.5]), taken.map(region)) }],
      },
      {
        keys: Array.from({ length: STEPS }, (_, k) => ({ label: `${edge(k)} to ${edge(k + 1)}`, drawing: square(shade(k)) })),
        figures: [{ title: 'What it is worth at least', svg: triangle(`Value over beliefs about ${names.join(', ')}: from ${edge(0)} to ${edge(STEPS)}.`, names, runs(cells, step, (k) => [shade(k), 1]), []) }],
      },
    ],
  };
}

/** The small triangles, row by row from the third corner down, those that point up and those between them in turn. */
function cellsOf(): Cell[] {
  const at = (row: number, i: number): Belief => [(row - i) / ROWS, i / ROWS, 1 - row / ROWS];
  return Array.from({ length: ROWS }, (_, row) => Array.from({ length: 2 * row + 1 }, (_, k): Cell => {
    const i = k >> 1;
    return { row, corners: k % 2 === 0 ? [at(row, i), at(row + 1, i), at(row + 1, i + 1)] : [at(row, i), at(row + 1, i + 1), at(row, i + 1)] };
  })).flat();
}

const middle = ({ corners: [a, b, c] }: Cell): number[] => [0, 1, 2].map((s) => (a[s]! + b[s]! + c[s]!) / 3);

/** The first state's corner is on the left, the second's on the right, the third's on top. */
const place = ([first, , third]: Belief): string => `${(MARGIN + SIDE * (1 - first - third / 2)).toFixed(1)} ${(MARGIN + HEIGHT * (1 - third)).toFixed(1)}`;

/** One shape for neighbours of a row that look alike. */
function runs(cells: readonly Cell[], keyOf: (i: number) => number, looks: (key: number) => readonly [fill: string, opacity: number]): Markup[] {
  const shapes = new Map<number, string>();
  for (let i = 0; i < cells.length;) {
    const key = keyOf(i);
    const first = cells[i]!;
    let end = i + 1;
    while (end < cells.length && cells[end]!.row === first.row && keyOf(end) === key) end++;
    const last = cells[end - 1]!.corners;
    // A shape between two lines: its left side down, then its right side up.
    const up = (cell: Cell) => cell.corners[1]![2] === cell.corners[2]![2];
    const left = [first.corners[0], first.corners[1]];
    const right = up(cells[end - 1]!) ? [last[2], last[0]] : [last[1], last[2]];
    shapes.set(key, `${shapes.get(key) ?? ''}M${[...left, ...right].map(place).join('L')}Z`);
    i = end;
  }
  // A thin line of the same colour closes the seams that rounding leaves.
  return [...shapes].map(([key, d]) => {
    const [fill, opacity] = looks(key);
    return html`<g opacity="${opacity}"><path class="region" d="${d}" fill="${fill}" stroke="${fill}" stroke-width="0.6"/></g>`;
  });
}

/** The name of a region, at the cell that is nearest to its middle. */
function label(name: string, cells: readonly Cell[]): Markup {
  const middles = cells.map(middle);
  const mean = [0, 1, 2].map((s) => middles.reduce((sum, belief) => sum + belief[s]!, 0) / middles.length);
  const distance = (belief: number[]) => belief.reduce((sum, p, s) => sum + (p - mean[s]!) ** 2, 0);
  const nearest = middles.reduce((best, belief) => (distance(belief) < distance(best) ? belief : best));
  const [x, y] = place(nearest as unknown as Belief).split(' ');
  return html`<text x="${x!}" y="${y!}" dy="4" font-size="12" font-weight="600" text-anchor="middle" fill="var(--ink)" stroke="var(--page)" stroke-width="3" stroke-linejoin="round" paint-order="stroke">${name}</text>`;
}

function triangle(alternative: string, names: readonly string[], regions: readonly Markup[], labels: readonly Markup[]): Markup {
  const [width, height] = [SIDE + 2 * MARGIN, HEIGHT + 2 * MARGIN];
  const corner = (x: number, y: number, anchor: string, name: string) => html`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="12" text-anchor="${anchor}" fill="var(--ink)">${name}</text>`;
  const outline = ([[1, 0, 0], [0, 1, 0], [0, 0, 1]] as const).map(place).join('L');
  return html`<svg role="img" aria-label="${alternative}" width="${width}" height="${height.toFixed(0)}" viewBox="0 0 ${width} ${height.toFixed(0)}">${regions}<path d="M${outline}Z" fill="none" stroke="var(--ink)" stroke-width="1"/>${labels}
${corner(MARGIN - 10, height - 12, 'start', `certainly ${names[0]}`)}${corner(width - MARGIN + 10, height - 12, 'end', `certainly ${names[1]}`)}${corner(width / 2, MARGIN - 10, 'middle', `certainly ${names[2]}`)}</svg>`;
}
