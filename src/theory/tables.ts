// A theory study's numbers as rows for other programs and as a table for papers.
import { holes } from '../study/settings.js';
import type { StudyResults } from '../study/results.js';
import { inCell, lines, tex } from '../study/tables.js';
import { clean, decimal, percent } from '../report/text.js';
import { theoryFinding, trainingLengthFinding } from './finding.js';
import type { TheorySetting } from './setting.js';
import { looseness, ratio, theoryDone, type TheoryDone } from './settings.js';

const ESTIMATES = ['gapNorm', 'errorTraining', 'shift', 'shiftStates', 'optimism'] as const;

/** The columns that say what a cell was made from. */
const SETTING: Readonly<Record<string, (setting: TheorySetting) => number>> = {
  dimension: (setting) => setting.dimension, decay: (setting) => setting.decay, training_length: (setting) => setting.trainingLength, tasks: (setting) => setting.tasks, prompts: (setting) => setting.prompts,
};

/** Every number, one row a cell, number of pairs and estimate. An axis that says what a column of the setting says is that column. */
export function theoryCsv(results: StudyResults): string {
  const done = theoryDone(results);
  const same = (axis: string) => Object.hasOwn(SETTING, axis) && done.every(({ places, theory }) => places[axis] === String(SETTING[axis]!(theory.setting)));
  const axes = results.axes.map(({ name }) => name).filter((name) => !same(name));
  const own = [
    ...Object.keys(SETTING), 'pairs', 'estimate', ...ESTIMATES.flatMap((name) => [name, `${name}_low`, `${name}_high`]), 'advantage', 'realised',
    'error_estimation', 'error_bias', 'bound', 'bound_estimation', 'bound_bias', 'bound_sharp', 'bound_broken', 'loss_of_random', 'loss_of_worst', 'leverage',
    'gaussian_estimation', 'gaussian_bias', 'gaussian_measured', 'gaussian_standard_error',
  ];
  const head = [...axes.map((name) => (own.includes(name) ? `axis_${name}` : name)), ...own];
  const rows = done.flatMap(({ places, theory }) => theory.points.flatMap((point) => (['closed', 'trained'] as const).map((who) => {
    const by = point[who];
    return [
      ...axes.map((axis) => places[axis]!), ...Object.values(SETTING).map((of) => of(theory.setting)), point.pairs, who,
      ...ESTIMATES.flatMap((name) => [by[name].value, ...by[name].ci95]), by.advantage, by.realised,
      point.error.estimation, point.error.bias, point.bound.total, point.bound.estimation, point.bound.bias, point.bound.sharp, point.bound.broken, theory.lossOfRandom, theory.lossOfWorst, theory.leverage,
      point.gaussian.estimation, point.gaussian.bias, point.gaussian[who], point.gaussian[`${who}Error`],
    ];
  })));
  return lines([head, ...rows]);
}

/** What the table says of a cell, at one number of pairs. */
const COLUMNS: readonly (readonly [string, (done: TheoryDone, at: number) => string])[] = [
  ['M', ({ theory }, at) => String(theory.points.at(at)!.pairs)],
  ['error: estimation', ({ theory }, at) => decimal(theory.points.at(at)!.error.estimation)],
  ['error: bias', ({ theory }, at) => decimal(theory.points.at(at)!.error.bias)],
  ['error measured', ({ theory }, at) => decimal(theory.points.at(at)!.closed.errorTraining.value)],
  ['gap', ({ theory }, at) => decimal(theory.points.at(at)!.closed.gapNorm.value)],
  ['gap, trained', ({ theory }, at) => decimal(theory.points.at(at)!.trained.gapNorm.value)],
  ['bound: estimation', ({ theory }, at) => decimal(theory.points.at(at)!.bound.estimation)],
  ['bound: bias', ({ theory }, at) => decimal(theory.points.at(at)!.bound.bias)],
  ['bound', ({ theory }, at) => decimal(theory.points.at(at)!.bound.total)],
  ['bound, sharp', ({ theory }, at) => decimal(theory.points.at(at)!.bound.sharp)],
  ['bound / gap', ({ theory }, at) => times(looseness(theory.points.at(at)!))],
  ['shift', ({ theory }, at) => decimal(theory.points.at(at)!.closed.shift.value)],
  ['excess of training', ({ theory }) => percent(Math.max(...theory.layers.map(({ excess }) => excess)))],
];

const times = (x: number | undefined): string => (x === undefined ? '' : String(Number(x.toPrecision(2))));

/** Heads and rows: every cell at its shortest and longest prompts. */
export function theoryTable(results: StudyResults): { heads: string[]; rows: string[][] } {
  return tableOf(results, COLUMNS);
}

function tableOf(results: StudyResults, columns: typeof COLUMNS): { heads: string[]; rows: string[][] } {
  const axes = results.axes.map(({ name }) => name);
  return {
    heads: [...axes, ...columns.map(([name]) => name)],
    rows: theoryDone(results).flatMap((done) => [...new Set([0, done.theory.points.length - 1])].map((at) => [...axes.map((axis) => done.places[axis]!), ...columns.map(([, of]) => of(done, at))])),
  };
}

/** The steps from what acting cost to the bound, each as the factor that it adds. */
const STEPS: readonly (readonly [string, (done: TheoryDone, at: number) => string])[] = [
  COLUMNS[0]!,
  ['gap', ({ theory }, at) => decimal(theory.points.at(at)!.closed.gapNorm.value)],
  ['greedy for optimal', ({ theory }, at) => factor(theory.points.at(at)!.closed.advantage, theory.points.at(at)!.closed.gapNorm.value)],
  ['leverage', ({ theory }, at) => factor(theory.points.at(at)!.closed.realised, theory.points.at(at)!.closed.advantage)],
  ['mean over prompts', ({ theory }, at) => factor(theory.points.at(at)!.bound.total, theory.points.at(at)!.closed.realised)],
  ['in two parts', ({ theory }, at) => factor(theory.points.at(at)!.bound.estimation + theory.points.at(at)!.bound.bias, theory.points.at(at)!.bound.total)],
  ['bound / gap', ({ theory }, at) => times(looseness(theory.points.at(at)!))],
  ['without scale and level', ({ theory }, at) => times(looseness(theory.points.at(at)!, 'sharp'))],
];

const factor = (above: number, below: number): string => times(ratio(above, below));

/** Heads and rows: where the bound is loose, cell by cell at the shortest and longest prompts. */
export function stepsTable(results: StudyResults): { heads: string[]; rows: string[][] } {
  return tableOf(results, STEPS);
}

const markdownRows = ({ heads, rows }: { heads: string[]; rows: string[][] }): string[] =>
  [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.map(inCell).join(' | ')} |`).concat('');

/** What is said of the steps. */
export const STEPS_NOTE = 'What acting on the closed form cost, and the factor that each step of the bound adds: bounding the cost by the errors of the action taken and of the optimal one; these by the leverage times the error at the prompts’ own distribution; that by its mean over prompts; and that by the sum of its parts. The last column has the bound without what no decision hangs on.';

/** The tables as Markdown, and what the training length costs. */
export function theoryTables(results: StudyResults): string[] {
  return [
    '## Where the bound is loose', '', STEPS_NOTE, '', ...markdownRows(stepsTable(results)),
    '## Numbers', '', ...trainingLengthFinding(results).map((line) => `- ${line}`), '',
    'The closed form, at the shortest and longest prompts; gaps and bounds in units of what random actions lose, errors squared and in the units of Q.', '',
    ...markdownRows(theoryTable(results)),
    '## Beside a fine-tuned language model', '', BESIDE, '',
  ];
}

/** What this study leaves to another. */
const BESIDE = 'Whether the gap of a fine-tuned model falls with its number of support trajectories as the gap here falls with M is what the study `support` measures; the list of findings says whether that was run. Nothing on this page speaks of language models. What the numbers mean, and what they come to: `docs/theory.md`.';

export function theoryMarkdown(results: StudyResults): string {
  const missing = holes(results);
  return [
    `# ${clean(results.name)}, budget ${clean(results.budget)}`, '', clean(results.question), '', `**${theoryFinding(results)}**`, '', ...theoryTables(results),
    ...(missing.length > 0 ? ['Cells that are missing:', '', ...missing.map((hole) => `- ${hole}`), ''] : []),
  ].join('\n');
}

/** For `booktabs`. */
export function theoryLatex(results: StudyResults): string {
  const { heads, rows } = theoryTable(results);
  const line = (row: readonly string[]) => `${row.map(tex).join(' & ')} \\\\`;
  return [`\\begin{tabular}{${'r'.repeat(heads.length)}}`, '\\toprule', line(heads), '\\midrule', ...rows.map(line), '\\bottomrule', '\\end{tabular}', ''].join('\n');
}
