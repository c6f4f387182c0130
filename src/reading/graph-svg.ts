// A policy graph as a drawing: layers by dagre (Gansner et al. 1993), the rest by hand.
import { createRequire } from 'node:module';
import { lazy } from '../lazy.js';
import { html, Markup } from '../report/html.js';
import { sheetSvg } from '../report/sheet.js';
import { actionColour } from './colours.js';
import type { GraphNode, NamedGraph } from './graph.js';
import { grouped } from './grouped.js';

const dagre: () => typeof import('@dagrejs/dagre') = lazy(() => createRequire(import.meta.url)('@dagrejs/dagre'));

const FONT = 13;
const SMALL = 11;
/** Mean width of a letter in shares of the font's size; generous, since what reads the file may have another font. */
const LETTER = 0.56;
const HEIGHT = 34;
/** Letters of a name in a drawing. */
const MOST_LETTERS = 40;

const cut = (text: string): string => ([...text].length > MOST_LETTERS ? `${[...text].slice(0, MOST_LETTERS - 1).join('')}…` : text);
const widthOf = (text: string, size: number): number => [...text].length * size * LETTER;
const round = (x: number): number => Math.round(10 * x) / 10;

interface Point {
  x: number;
  y: number;
}

/** A line through points, its corners rounded. */
function path(points: readonly Point[]): string {
  const at = ({ x, y }: Point) => `${round(x)} ${round(y)}`;
  const middle = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const bends = points.slice(1, -1).map((point, i) => `Q${at(point)} ${at(i === points.length - 3 ? points.at(-1)! : middle(point, points[i + 2]!))}`);
  return `M${at(points[0]!)}${points.length === 2 ? `L${at(points[1]!)}` : bends.join('')}`;
}

/** How far a node's arrow to itself goes out to its right. */
const LOOP = 30;

/** An arrow from a node to itself: out at its right side and in again below; and the place of its label. */
function loop({ x, y, width }: Point & { width: number }, label: string): { d: string; x: number; y: number } {
  const edge = x + width / 2;
  const out = edge + LOOP;
  return { d: `M${round(edge)} ${round(y - 8)}C${round(out)} ${round(y - 22)} ${round(out)} ${round(y + 22)} ${round(edge)} ${round(y + 8)}`, x: edge + 0.75 * LOOP + widthOf(label, SMALL) / 2 + 4, y };
}

/** The drawing, as an SVG file of its own. */
export function graphSvg(graph: NamedGraph): string {
  const { Graph, layout } = dagre();
  const g = new Graph({ multigraph: true });
  const staged = graph.horizon !== null;
  g.setGraph({ rankdir: staged ? 'LR' : 'TB', nodesep: 28, ranksep: staged ? 50 : 38, edgesep: 18, marginx: 12, marginy: 12 });
  for (const { id, name } of graph.nodes) g.setNode(id, { width: Math.max(48, widthOf(cut(name), FONT) + 24), height: HEIGHT });
  for (const { from, to, label } of graph.edges) g.setEdge(from, to, { width: widthOf(cut(label), SMALL) + 6, height: SMALL + 6, labelpos: 'c' });
  layout(g);
  const places = new Map(graph.nodes.map(({ id }) => [id, g.node(id) as Point & { width: number; height: number }]));
  // dagre leaves room for an arrow from a node to itself, and is not followed in where it draws it.
  const lines = graph.edges.map(({ from, to, label }) => {
    const text = cut(label);
    if (from === to) return { label: text, points: [], ...loop(places.get(from)!, text) };
    const edge = g.edge(from, to) as { points: Point[] } & Point;
    return { label: text, points: edge.points, d: path(edge.points), x: edge.x, y: edge.y };
  });
  // dagre leaves out what sticks out of its frame: labels of loops.
  const right = Math.max(...[...places.values()].map(({ x, width }) => x + width / 2), ...lines.flatMap(({ x, label, points }) => [x + widthOf(label, SMALL) / 2, ...points.map((p) => p.x)])) + 14;
  const bottom = Math.max(...[...places.values()].map(({ y, height }) => y + height / 2), ...lines.flatMap(({ y, points }) => [y + SMALL, ...points.map((p) => p.y)])) + 14;
  const top = staged ? 24 : 0;
  const headings = staged ? stagesOf(graph.nodes).map(([stage, ids]) => ({ text: ids.includes('rest') ? 'later' : `decision ${stage + 1}`, x: places.get(ids[0]!)!.x })) : [];
  const svg = html`<svg role="img" aria-label="${`Policy graph of ${graph.title}: ${graph.note}`}" width="${Math.ceil(right)}" height="${Math.ceil(bottom + top)}" viewBox="0 ${-top} ${Math.ceil(right)} ${Math.ceil(bottom + top)}">
<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10Z" fill="var(--muted)"/></marker></defs>
${headings.map(({ text, x }) => html`<text x="${round(x)}" y="-8" font-size="${SMALL}" fill="var(--muted)" text-anchor="middle">${text}</text>`)}
${lines.map(({ d }) => html`<path class="edge" d="${d}" fill="none" stroke="var(--muted)" stroke-width="1.3" marker-end="url(#arrow)"/>`)}
${graph.nodes.map((node) => drawn(node, places.get(node.id)!, node.id === graph.start))}
${lines.map(({ label, x, y }) => html`<rect x="${round(x - widthOf(label, SMALL) / 2)}" y="${round(y - SMALL / 2 - 2)}" width="${round(widthOf(label, SMALL))}" height="${SMALL + 4}" fill="var(--page)" fill-opacity="0.9"/><text class="seen" x="${round(x)}" y="${round(y + SMALL / 3)}" font-size="${SMALL}" text-anchor="middle" fill="var(--ink)">${label}</text>`)}
</svg>`;
  const caption = 'A box is what is done; an arrow, what is seen then. It starts at the thick border.';
  return sheetSvg({ name: 'policy-graph', title: graph.title, note: graph.note, rows: [{ figures: [{ title: caption, svg: new Markup(svg.text) }] }] });
}

function drawn({ action, name }: GraphNode, { x, y, width, height }: Point & { width: number; height: number }, start: boolean): Markup {
  const colour = action < 0 ? 'var(--muted)' : actionColour(action);
  return html`<g class="node"><rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${height}" rx="8" fill="var(--page)"/><rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${height}" rx="8" fill="${colour}" fill-opacity="0.14" stroke="${colour}" stroke-width="${start ? 3 : 1.3}"${action < 0 && new Markup(' stroke-dasharray="4 3"')}/>
<text x="${round(x)}" y="${round(y + FONT / 3)}" font-size="${FONT}" font-weight="600" text-anchor="middle" fill="var(--ink)">${cut(name)}</text></g>`;
}

const stagesOf = (nodes: readonly GraphNode[]): [number, string[]][] => [...grouped(nodes, ({ stage }) => stage)].map(([stage, of]) => [stage, of.map(({ id }) => id)]);
