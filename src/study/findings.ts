// docs/findings: a page for each study that was run, from the finished cells that lie in bench/results, of the largest budget among them. Nothing is typed by hand.
import { join } from 'node:path';
import { clean, count, duration } from '../report/text.js';
import { sheetSvg, type Sheet } from '../report/sheet.js';
import { commandOf, COMMITTED, finishedCell } from './cells.js';
import { kindOf } from './kind.js';
import { shortCommit } from './page.js';
import { resultsOf, type CellFile, type FailedCell, type StudyResults } from './results.js';
import { holes } from './settings.js';
import { loadStudy, studyNames, type LoadedStudy } from './study.js';
import { inCell } from './tables.js';

/** Pages that benches write, not studies: their names, their questions, and their figures. */
export const BENCH_PAGES = [
  { name: 'logs', question: 'From a hospital\'s records alone, with the truth put away: what does a fitted model\'s policy earn, when does it pay to be robust, and do off-policy intervals hold the truth?', writer: 'bench/logs-page.mjs', figures: ['figures/logs-regret.svg'] },
  { name: 'public-logs', question: 'The same where neither the world nor the records are ours: environments of Gymnasium recorded by Minari, among them one estimated from the records of intensive care units, and the logs of a fashion shop.', writer: 'bench/public-logs-page.mjs', figures: [] },
] as const;

/** What is there of a budget of a study. */
interface Run {
  budget: string;
  /** One for each cell, in order. */
  files: (CellFile | FailedCell)[];
  done: CellFile[];
}

/** Every page and figure of docs/findings, by its path in there. */
export async function findingsPages(committed = COMMITTED): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  const rows: string[] = [];
  for (const name of await studyNames()) {
    const loaded = await loadStudy(name);
    const runs = await runsOf(loaded, committed);
    const best = runs.find(({ files, done }) => done.length === files.length) ?? runs[0];
    const { question } = loaded.study;
    if (!best) {
      rows.push(row([name, question, 'not run', '']));
      continue;
    }
    const results = resultsOf(loaded.study, best.budget, best.files.map((file) => ('cell' in file ? file.cell : file)), versionsOf(best).join(', '));
    const sheets = await kindOf(results).sheets(results);
    // The only figure goes by the study's name.
    const figures = sheets.map((sheet) => [`figures/${sheets.length === 1 ? name : `${name}-${sheet.name}`}.svg`, sheet] as const);
    for (const [path, sheet] of figures) pages.set(path, sheetSvg(sheet));
    pages.set(`${name}.md`, page(results, best, runs, figures));
    rows.push(row([`[${name}](${name}.md)`, question, runs.map(sizeOf).join('; '), said(results)]));
  }
  return pages.set('README.md', readme(rows));
}

/** The budgets of which some cell is finished, the largest first. */
async function runsOf(loaded: LoadedStudy, committed: string): Promise<Run[]> {
  const { study } = loaded;
  const runs = await Promise.all(Object.keys(study.budgets).reverse().map(async (budget): Promise<Run> => {
    const files = await Promise.all(kindOf(study).cells(loaded, budget).map(async (cell) =>
      (await finishedCell(join(committed, study.name, budget), cell, { anyVersion: true })) ?? { name: cell.name, places: cell.places, failed: 'not run' }));
    return { budget, files, done: files.filter((file) => 'cell' in file) };
  }));
  return runs.filter(({ done }) => done.length > 0);
}

/** The sentence that the results allow. */
function said(results: StudyResults): string {
  const { finding, shown } = kindOf(results);
  return shown(results) ? finding(results) : `Not shown. ${finding(results)}`;
}

const sizeOf = ({ budget, files, done }: Run): string => `${budget}: ${done.length === files.length ? count(done.length) : `${count(done.length)} of ${count(files.length)}`} cells`;

const versionsOf = ({ done }: Run): string[] => [...new Set(done.map(({ version }) => version))].sort();

function page(results: StudyResults, run: Run, runs: readonly Run[], figures: readonly (readonly [path: string, Sheet])[]): string {
  const { name, budget } = results;
  const { footing, tables } = kindOf(results);
  const missing = holes(results);
  const [first, last] = [run.done.map(({ date }) => date.slice(0, 10)).sort()].flatMap((dates) => [dates[0]!, dates.at(-1)!]) as [string, string];
  const others = runs.filter((one) => one !== run).map(sizeOf);
  return [
    `# ${clean(name)}`, '', clean(results.question), '', `**${said(results)}**`, '',
    `${footing(results)} ${clean(results.source)}`.trim(), '',
    `Budget ${budget}, ${first === last ? first : `${first} to ${last}`}, tiresias ${clean(results.version)}.${others.length > 0 ? ` There are results of other budgets too (${others.join('; ')}).` : ''}`, '',
    ...figures.flatMap(([path, { title, note }]) => [`![${clean(title)}; the tables below hold the numbers](${path})`, '', ...(note === undefined ? [] : [clean(note), ''])]),
    ...(missing.length > 0 ? ['## What is missing', '', ...missing.map((hole) => `- ${hole}`), ''] : []),
    ...tables(results),
    '## How it was made', '',
    `The finished cells lie in [bench/results/${name}/${budget}](../../bench/results/${name}/${budget}); this draws the page from them, and makes those that are missing:`, '',
    '```sh', commandOf(results, budget), '```', '',
    '| cell | wall time | machine | arithmetic | finished | version | commit | command |', '| --- | ---: | --- | --- | --- | --- | --- | --- |',
    ...run.done.map(({ cell, seconds, machine, arithmetic, date, version, commit, command }) =>
      row([cell.name, duration(seconds), `${machine.cpu}, ${machine.cores} cores`, arithmetic.join(', '), date.slice(0, 10), version, commit === undefined ? '' : shortCommit(commit), `\`${command}\``])), '',
    'Stages that cells share are counted in each. Written by `npm run findings`.', '',
  ].join('\n');
}

const readme = (rows: readonly string[]): string => [
  '# Findings', '',
  'What the studies of [studies.md](../studies.md) came to, from the largest budget that was run, with the sentence that its paired comparisons allow; "not shown" where the method',
  'that is asked about is ahead of no other than chance. Written by `npm run findings` from the finished cells in [bench/results](../../bench/results); a test holds these pages',
  'against them.', '',
  '| study | question | run | finding |', '| --- | --- | --- | --- |', ...rows, '',
  'Not studies, but measured all the same, each page by its own bench:', '',
  ...BENCH_PAGES.map(({ name, question }) => `- [${name}](${name}.md): ${question}`), '',
].join('\n');

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => (/^[[`]/.test(cell) ? clean(cell) : inCell(cell))).join(' | ')} |`;
