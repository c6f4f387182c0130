// The figure of a study: normalised gaps along the x axis, a column of panels for each setting of the other axes, a row for each family of methods.
import type { TopLevelSpec } from 'vega-lite';
import { comparedIn } from '../report/compared.js';
import { draw } from '../report/draw.js';
import { deploymentFigures, type Figure } from '../report/figures.js';
import { shortLabel } from '../report/groups.js';
import { kindsOf, type Method } from '../report/names.js';
import { methodKeys } from '../report/parts.js';
import type { Sheet } from '../report/sheet.js';
import { familyRows } from '../report/sheets.js';
import { decimal, list } from '../report/text.js';
import type { StudyResults } from './results.js';
import { asResults, axisLabel, methodsIn, panelsOf, placeOf, settingsOf, type Panel } from './settings.js';

const PANEL = { width: 350, height: 230 } as const;
/** One that has the page to itself. */
const ALONE = { width: 640, height: 300 } as const;
/** More lines than that in a panel are not told apart: each family then has panels of its own. */
const TOGETHER = 5;
/** How far apart methods stand at one place of the axis, in shares of the way to the next. */
const SPREAD = 0.5;

/** The figure, row by row. The method that is asked about is in every row, and so are the yardsticks. */
export async function gapSheet(results: StudyResults): Promise<Sheet> {
  const methods = methodsIn(results);
  const panels = panelsOf(results);
  const all = settingsOf(results).flatMap(({ result }) => Object.values(result.methods).flatMap((m) => [m.gapNorm, ...m.gapNormCi95]));
  const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)];
  const room = 0.04 * (high - low);
  const rows = await Promise.all(families(results, methods).map(async ({ heading, members }) => ({
    heading, keys: methodKeys(members),
    figures: await Promise.all(panels.filter((panel) => members.some((method) => !method.yardstick && isIn(panel, method))).map((panel) => panelFigure(results, panel, members, [low - room, high + room]))),
  })));
  return { name: 'gap', title: `Normalised gap by ${inSentence(axisLabel(results))}`, rows: rows.filter(({ figures }) => figures.length > 0) };
}

/** Regret by episode of the settings that are deployments; nothing where none is. */
export async function deploymentSheet(results: StudyResults): Promise<Sheet[]> {
  const rows = familyRows(await deploymentFigures(asResults(results)));
  return rows.length === 0 ? [] : [{
    name: 'deployment', title: 'Regret by episode of the deployment', rows,
    note: 'What an episode gives away, averaged over tasks: each method starts with nothing and is then shown what it played itself.',
  }];
}

/** A label within a sentence; one that is an abbreviation keeps its capital. */
const inSentence = (label: string): string => (/^[A-Z][a-z]/.test(label) ? `${label[0]!.toLowerCase()}${label.slice(1)}` : label);

const isIn = ({ settings }: Panel, { key }: Method): boolean => settings.some(({ result }) => Object.hasOwn(result.methods, key));

/** The rows of the figure: whose lines each shows, yardsticks last. Families stay whole, the one that is asked about first and references last; small ones share a row. */
function families(results: StudyResults, methods: readonly Method[]): { heading?: string; members: Method[] }[] {
  const yardsticks = methods.filter(({ yardstick }) => yardstick);
  const others = methods.filter(({ yardstick }) => !yardstick);
  if (kindsOf(others).length <= TOGETHER) return [{ members: [...others, ...yardsticks] }];
  const subject = comparedIn(asResults(results), methods)[0]?.subject;
  const asked = others.filter(({ kind }) => kind.key === subject?.kind.key);
  const rank = (key: string): number => (key === subject?.group.key ? -1 : key === 'reference' ? 1 : 0);
  const rows: { headings: string[]; members: Method[] }[] = [];
  for (const key of [...new Set(others.map(({ group }) => group.key))].sort((a, b) => rank(a) - rank(b))) {
    const family = others.filter((method) => method.group.key === key && !asked.includes(method));
    if (family.length === 0) continue;
    const heading = shortLabel(family[0]!.group);
    const last = rows.at(-1);
    if (last && kindsOf([...last.members, ...family]).length < TOGETHER) {
      last.headings.push(heading);
      last.members.push(...family);
    } else rows.push({ headings: [heading], members: family });
  }
  return rows.map(({ headings, members }) => ({ heading: list(headings.map((heading, i) => (i === 0 ? heading : inSentence(heading)))), members: [...asked, ...members, ...yardsticks] }));
}

async function panelFigure(results: StudyResults, panel: Panel, methods: readonly Method[], domain: [number, number]): Promise<Figure> {
  const said = methods.flatMap(({ key, label }) => {
    const ends = panel.settings.flatMap((setting) => (Object.hasOwn(setting.result.methods, key) ? [`${decimal(setting.result.methods[key]!.gapNorm)} at ${placeOf(results, setting)}`] : []));
    return ends.length > 0 ? [`${label}: ${ends.join(', ')}`] : [];
  });
  return { title: panel.title, svg: await draw(plot(results, panel, methods, domain), `Normalised gap by ${axisLabel(results)}, ${panel.title}. ${said.join('. ')}.`) };
}

/** A point of the plot. */
interface Point {
  at: number;
  gap: number;
  low: number;
  high: number;
}

function plot(results: StudyResults, panel: Panel, methods: readonly Method[], domain: [number, number]): TopLevelSpec {
  const places = results.axes.find(({ name }) => name === results.x)!.places;
  // Between names there is nothing that a line could run over.
  const joined = places.every((place) => /^[\d.]+$/.test(place));
  const kinds = kindsOf(methods.filter(({ yardstick }) => !yardstick));
  const gap = Math.min(joined ? 0.06 : 0.12, SPREAD / Math.max(1, kinds.length));
  const { width } = panelsOf(results).length > 1 ? PANEL : ALONE;
  const crowded = Math.max(...places.map((place) => place.length)) * 6.5 > (width - 60) / places.length;
  const x = {
    field: 'at', type: 'quantitative', scale: { domain: [-0.5, places.length - 0.5], nice: false, zero: false },
    axis: { title: axisLabel(results), grid: false, ...(crowded ? slanted(places) : { labelAngle: 0 }), values: places.map((_, i) => i), labelExpr: `${JSON.stringify(places)}[datum.value]`, labelOverlap: false },
  } as const;
  const y = { type: 'quantitative', scale: { domain, nice: false, zero: false }, axis: { title: 'Normalised gap' } } as const;
  const layers = kindsOf(methods).toSorted((a, b) => Number(b.yardstick) - Number(a.yardstick)).flatMap((kind) => {
    const { colour, dash, marker, yardstick } = kind;
    const seeds = methods.filter((method) => method.kind.key === kind.kind.key);
    const shift = yardstick ? 0 : (kinds.findIndex((one) => one.key === kind.key) - (kinds.length - 1) / 2) * gap;
    const trained = seeds.map(({ key }) => panel.settings.flatMap((setting): Point[] => {
      const m = Object.hasOwn(setting.result.methods, key) ? setting.result.methods[key]! : undefined;
      return m ? [{ at: places.indexOf(placeOf(results, setting)) + shift, gap: m.gapNorm, low: m.gapNormCi95[0], high: m.gapNormCi95[1] }] : [];
    }));
    const every = trained.flat();
    if (every.length === 0) return [];
    // The line of several trainings is their mean, and each stands beside it as a ring.
    const mean = [...new Set(every.map(({ at }) => at))].map((at) => {
      const here = every.filter((point) => point.at === at);
      return { at, gap: here.reduce((sum, point) => sum + point.gap, 0) / here.length };
    });
    if (yardstick) return [{ data: { values: across(mean, places.length) }, mark: { type: 'line', color: colour, strokeDash: [...dash], strokeWidth: 1.5 }, encoding: { x, y: { ...y, field: 'gap' } } }];
    return [
      { data: { values: every }, mark: { type: 'rule', color: colour, strokeWidth: seeds.length > 1 ? 1 : 1.5, opacity: 0.75 }, encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } } },
      ...(joined && mean.length > 1 ? [{ data: { values: mean }, mark: { type: 'line', color: colour, strokeDash: [...dash], strokeWidth: 2 }, encoding: { x, y: { ...y, field: 'gap' } } }] : []),
      ...(seeds.length > 1 ? [{ data: { values: every }, mark: { type: 'point', shape: marker, size: 22, filled: true, fill: 'var(--page)', stroke: colour, strokeWidth: 1, opacity: 1 }, encoding: { x, y: { ...y, field: 'gap' } } }] : []),
      { data: { values: mean }, mark: { type: 'point', shape: marker, size: 46, filled: true, fill: colour, stroke: 'var(--page)', strokeWidth: 0.75, opacity: 1 }, encoding: { x, y: { ...y, field: 'gap' } } },
    ];
  });
  const { height } = panelsOf(results).length > 1 ? PANEL : ALONE;
  return { width, height: crowded ? height + 40 : height, autosize: { type: 'fit', contains: 'padding' }, layer: layers as never };
}

/** Long names of places, and the room that they take: Vega without a canvas takes text for half as wide again as it is. */
function slanted(places: readonly string[]): { labelAngle: number; labelAlign: 'right'; minExtent: number; maxExtent: number } {
  const extent = Math.ceil(Math.max(...places.map((place) => place.length)) * 3.5) + 14;
  return { labelAngle: -35, labelAlign: 'right', minExtent: extent, maxExtent: extent };
}

/** A yardstick runs from edge to edge. */
const across = (points: readonly Pick<Point, 'at' | 'gap'>[], places: number): Pick<Point, 'at' | 'gap'>[] =>
  [{ ...points[0]!, at: points[0]!.at === 0 ? -0.5 : points[0]!.at }, ...points, { ...points.at(-1)!, at: points.at(-1)!.at === places - 1 ? places - 0.5 : points.at(-1)!.at }];
