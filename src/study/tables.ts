// A study's numbers as rows for other programs and as tables for papers.
import { spreadOf } from '../evaluate/spread.js';
import type { Group } from '../report/groups.js';
import { kindsOf, type Method } from '../report/names.js';
import { clean, count, decimal } from '../report/text.js';
import type { MethodResult } from '../results.js';
import { finding } from './finding.js';
import type { StudyResults } from './results.js';
import { axisLabel, holes, methodsIn, panelsOf, placeOf, settingsOf, type Panel, type Setting } from './settings.js';

const COLUMNS = ['gapNorm', 'gapAbs', 'gapRel', 'value', 'agreement'] as const;

/** Every number with its interval, one row a method and setting. */
export function csv(results: StudyResults): string {
  const axes = results.axes.map(({ name }) => name);
  const head = withAxes(axes, [
    'regime', 'horizon', 'method', 'name', 'label', 'group', 'seedOf', 'tasks', 'episodes', 'exact', 'optimal', 'optimal_low', 'optimal_high', ...COLUMNS.flatMap((column) => [column, `${column}_low`, `${column}_high`]),
  ]);
  return lines([head, ...settingsOf(results).flatMap(({ cell, regime, result }) => Object.entries(result.methods).map(([name, m]) => [
    ...axes.map((axis) => cell.places[axis]!), regime, result.horizon, m.method, name, m.label, m.group, m.seedOf ?? '', m.tasks, m.episodes, m.exact, result.optimal, result.lower, result.upper,
    ...COLUMNS.flatMap((column) => [m[column], ...m[`${column}Ci95`]]),
  ]))]);
}

/** Every paired difference with its interval and p-values: the first method less the second, one row a pair and setting. */
export function comparisonsCsv(results: StudyResults): string {
  const axes = results.axes.map(({ name }) => name);
  const head = withAxes(axes, ['regime', 'horizon', 'method', 'versus', 'gapNorm', 'gapNorm_low', 'gapNorm_high', 'gapAbs', 'gapAbs_low', 'gapAbs_high', 'p', 'p_holm']);
  return lines([head, ...settingsOf(results).flatMap(({ cell, regime, result }) => result.comparisons.map((c) => [
    ...axes.map((axis) => cell.places[axis]!), regime, result.horizon, c.method, c.versus, c.gapNorm, ...c.gapNormCi95, c.gapAbs, ...c.gapAbsCi95, c.p, c.pHolm,
  ]))]);
}

/** Column names, those of the axes first; one that is a column's as well is told apart from it. */
const withAxes = (axes: readonly string[], columns: readonly string[]): string[] => [...axes.map((axis) => (columns.includes(axis) ? `axis_${axis}` : axis)), ...columns];

/** RFC 4180, but for the line ends, which are a line feed alone. */
export const lines = (rows: readonly (readonly (string | number | boolean)[])[]): string => rows.map((row) => `${row.map((cell) => quoted(String(cell))).join(',')}\n`).join('');

const quoted = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** A row of a table of normalised gaps. */
export interface Row {
  label: string;
  /** Absent in a row of several methods: the seeds of one. */
  method?: Method;
  group: Group;
  /** One for each setting; undefined where the method was not there. */
  cells: (readonly [value: string, interval: string] | undefined)[];
}

/** Normalised gaps of a panel: a row a method, family by family, and one for each method that was trained with several seeds. */
export function gapRows(panel: Panel, methods: readonly Method[]): Row[] {
  const at = ({ result }: Setting, key: string): MethodResult | undefined => (Object.hasOwn(result.methods, key) ? result.methods[key] : undefined);
  const found = methods.filter(({ key }) => panel.settings.some((setting) => at(setting, key)));
  // The seeds of a method stand together, where the first of them does.
  const present = kindsOf(found).flatMap(({ kind }) => found.filter((method) => method.kind.key === kind.key).sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true })));
  return present.flatMap((method, i): Row[] => {
    const row: Row = { label: method.label, method, group: method.group, cells: panel.settings.map((setting) => estimate(at(setting, method.key))) };
    const seeds = present.filter(({ kind }) => kind.key === method.kind.key);
    if (seeds.length < 2 || present.slice(i + 1).some(({ kind }) => kind.key === method.kind.key)) return [row];
    const cells = panel.settings.map((setting) => spread(seeds.flatMap(({ key }) => at(setting, key) ?? [])));
    return [row, { label: `${method.kind.label}: mean of ${count(seeds.length)} seeds, least to greatest`, group: method.group, cells }];
  });
}

const estimate = (m: MethodResult | undefined): Row['cells'][number] => m && [decimal(m.gapNorm), `[${decimal(m.gapNormCi95[0])}, ${decimal(m.gapNormCi95[1])}]`];

function spread(seeds: readonly MethodResult[]): Row['cells'][number] {
  if (seeds.length === 0) return undefined;
  const { min, mean, max } = spreadOf(seeds.map(({ gapNorm }) => gapNorm));
  return [decimal(mean), `${decimal(min)} to ${decimal(max)}`];
}

/** “100 tasks, 100 episodes”: of each method in a setting, a range where they differ. */
export function sizeOf({ result }: Setting): string {
  const all = Object.values(result.methods);
  const range = (values: readonly number[]): string => [...new Set([Math.min(...values), Math.max(...values)])].map(count).join(' to ');
  return all.length === 0 ? 'nothing' : `${range(all.map(({ tasks }) => tasks))} tasks, ${range(all.map(({ episodes }) => episodes))} episodes`;
}

/** One table a panel, under its title. */
export function gapTables(results: StudyResults): string[] {
  const methods = methodsIn(results);
  return ['## Normalised gaps', '', '0 is optimal, 1 what random actions come to; 95% bootstrap intervals over tasks.', '', ...panelsOf(results).flatMap((panel) => {
    const row = (head: string, cells: readonly string[]): string => `| ${[head, ...cells].map(inCell).join(' | ')} |`;
    return [
      `### ${clean(panel.title)}`, '',
      row(axisLabel(results), panel.settings.map((setting) => placeOf(results, setting))),
      `| --- |${' ---: |'.repeat(panel.settings.length)}`,
      ...gapRows(panel, methods).map(({ label, cells }) => row(label, cells.map((cell) => cell?.join(' ') ?? ''))),
      row('Measured over', panel.settings.map(sizeOf)), '',
    ];
  })];
}

/** No cell border, no HTML and no emphasis of a name's making. */
export const inCell = (text: string): string => clean(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/[\\`*|~]/g, (mark) => `\\${mark}`);

/** The study as Markdown: the page's words and numbers. */
export function markdown(results: StudyResults): string {
  const missing = holes(results);
  return [
    `# ${clean(results.name)}, budget ${clean(results.budget)}`, '', clean(results.question), '', `**${finding(results)}**`, '',
    ...gapTables(results),
    ...(missing.length > 0 ? ['Cells that are missing:', '', ...missing.map((hole) => `- ${hole}`), ''] : []),
  ].join('\n');
}

/** For `booktabs`: one table, a part for each panel. Panels that stand at other places of the x axis have a heading row of their own. */
export function latex(results: StudyResults): string {
  const methods = methodsIn(results);
  const panels = panelsOf(results);
  const width = Math.max(0, ...panels.map(({ settings }) => settings.length));
  const row = (head: string, cells: readonly string[]): string => `${[head, ...cells, ...Array.from({ length: width - cells.length }, () => '')].map(tex).join(' & ')} \\\\`;
  return [
    '% Normalised gaps (0 optimal, 1 chance) with 95 % bootstrap intervals over tasks. \\usepackage{booktabs}',
    `\\begin{tabular}{l${'r'.repeat(width)}}`, '\\toprule',
    ...panels.flatMap((panel, i) => [
      ...(i > 0 ? ['\\midrule'] : []),
      `\\multicolumn{${width + 1}}{l}{\\textit{${tex(panel.title)}}} \\\\`,
      row(axisLabel(results), panel.settings.map((setting) => placeOf(results, setting))), '\\midrule',
      ...gapRows(panel, methods).map(({ label, cells }) => row(label, cells.map((cell) => cell?.join(' ') ?? ''))),
      row('Measured over', panel.settings.map(sizeOf)),
    ]),
    '\\bottomrule', '\\end{tabular}', '',
  ].join('\n');
}

/** Text as LaTeX shows it. */
export const tex = (text: string): string => clean(text).replace(/[\\&%$#_{}~^\u2212]/g, (c) => ({ '\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}', '\u2212': '$-$' })[c] ?? `\\${c}`);
