// A study's numbers as rows for other programs and as tables for papers.
import { methodsOf, regimeLabel, type Method } from '../report/names.js';
import { clean, decimal } from '../report/text.js';
import type { MethodResult, RegimeResult, Results } from '../results.js';
import { isFailed, type DoneCell, type StudyResults } from './results.js';
import { answer } from '../report/findings.js';

/** A regime of a finished cell. */
export interface Setting {
  cell: DoneCell;
  regime: string;
  result: RegimeResult;
}

/** All settings, cell by cell. */
export const settingsOf = ({ cells }: StudyResults): Setting[] =>
  cells.flatMap((cell) => (isFailed(cell) ? [] : Object.entries(cell.regimes).map(([regime, result]) => ({ cell, regime, result }))));

/** Places of the axes that have several, and the regime where there are several: what tells a setting from the others. */
export function settingLabel(results: StudyResults, { cell, regime }: Pick<Setting, 'cell' | 'regime'>, without?: string): string {
  const several = results.axes.filter(({ places, name }) => places.length > 1 && name !== without).map(({ name }) => {
    const place = cell.places[name]!;
    return /^[\d.]+$/.test(place) ? `${name} = ${place}` : place;
  });
  const regimes = new Set(settingsOf(results).map((setting) => setting.regime));
  return [...(regimes.size > 1 || several.length === 0 ? [regimeLabel(regime)] : []), ...several].join(' · ');
}

/** As a document of one experiment whose regimes are the settings: names, colours and the sentence of a report hold for a study as well. */
export function asResults(results: StudyResults): Results {
  const settings = settingsOf(results);
  return { baseModel: undefined, regimes: Object.fromEntries(settings.map((setting) => [settingLabel(results, setting), setting.result])) } as Results;
}

export const methodsIn = (results: StudyResults): Method[] => methodsOf(asResults(results));

/** One sentence that the paired comparisons allow. */
export const finding = (results: StudyResults): string => answer(asResults(results), 'setting');

const COLUMNS = ['gapNorm', 'gapAbs', 'gapRel', 'value', 'agreement'] as const;

/** Every number with its interval, one row a method and setting. */
export function csv(results: StudyResults): string {
  const axes = results.axes.map(({ name }) => name);
  const head = [...axes, 'regime', 'horizon', 'method', 'name', 'tasks', 'episodes', 'exact', 'optimal', ...COLUMNS.flatMap((column) => [column, `${column}_low`, `${column}_high`])];
  const rows = settingsOf(results).flatMap(({ cell, regime, result }) => Object.entries(result.methods).map(([name, m]) => [
    ...axes.map((axis) => cell.places[axis]!), regime, result.horizon, m.method, name, m.tasks, m.episodes, m.exact, result.optimal,
    ...COLUMNS.flatMap((column) => [m[column], ...m[`${column}Ci95`]]),
  ]));
  return [head, ...rows].map((row) => `${row.map((cell) => quoted(String(cell))).join(',')}\n`).join('');
}

/** RFC 4180. */
const quoted = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Normalised gaps: a row a method, a column a setting. */
function gaps(results: StudyResults): { columns: string[]; rows: [Method, (MethodResult | undefined)[]][] } {
  const settings = settingsOf(results);
  return {
    columns: settings.map((setting) => settingLabel(results, setting)),
    rows: methodsIn(results).map((method) => [method, settings.map(({ result }) => (Object.hasOwn(result.methods, method.key) ? result.methods[method.key] : undefined))]),
  };
}

const interval = ({ gapNorm, gapNormCi95: [low, high] }: MethodResult): [string, string] => [decimal(gapNorm), `[${decimal(low)}, ${decimal(high)}]`];

/** Holes of a study with their reasons. */
export const holes = ({ cells }: StudyResults): string[] => cells.flatMap((cell) => (isFailed(cell) ? [`${cell.name}: ${clean(cell.failed)}`] : []));

export function markdownTables(results: StudyResults): string {
  const { columns, rows } = gaps(results);
  const cell = (m: MethodResult | undefined) => (m ? interval(m).join(' ') : '');
  const table = [
    `| method | ${columns.map(clean).join(' | ')} |`,
    `| --- |${' --- |'.repeat(columns.length)}`,
    ...rows.map(([{ label }, cells]) => `| ${clean(label)} | ${cells.map(cell).join(' | ')} |`),
  ];
  const missing = holes(results);
  return [
    `# ${clean(results.name)}, budget ${clean(results.budget)}`, '', clean(results.question), '', `**${finding(results)}**`, '',
    'Normalised gap (0 optimal, 1 chance) with 95 % intervals over tasks.', '', ...table, '',
    ...(missing.length > 0 ? ['Cells that failed:', '', ...missing.map((hole) => `- ${hole}`), ''] : []),
  ].join('\n');
}

/** For `booktabs`. */
export function latex(results: StudyResults): string {
  const { columns, rows } = gaps(results);
  const cell = (m: MethodResult | undefined) => (m ? interval(m).map(tex).join(' ') : '');
  return [
    `\\begin{tabular}{l${'r'.repeat(columns.length)}}`, '\\toprule',
    `Method & ${columns.map(tex).join(' & ')} \\\\`, '\\midrule',
    ...rows.map(([{ label }, cells]) => `${tex(label)} & ${cells.map(cell).join(' & ')} \\\\`),
    '\\bottomrule', '\\end{tabular}', '',
  ].join('\n');
}

const tex = (text: string): string => clean(text).replace(/[\\&%$#_{}~^\u2212]/g, (c) => ({ '\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}', '\u2212': '$-$' })[c] ?? `\\${c}`);
