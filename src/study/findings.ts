// docs/findings: a page for each study that was run, from the finished cells that lie in bench/results, of the largest budget among them. Nothing is typed by hand.
import { join } from 'node:path';
import { clean, count, duration } from '../report/text.js';
import { sheetSvg } from '../report/sheet.js';
import { commandOf, COMMITTED, finishedCell } from './cells.js';
import { gapSheet } from './figures.js';
import { finding, shown } from './finding.js';
import { footing, shortCommit } from './page.js';
import { resultsOf, type CellFile, type FailedCell, type StudyResults } from './results.js';
import { holes } from './settings.js';
import { cellsAt, loadStudy, studyNames, type LoadedStudy } from './study.js';
import { inCell, markdownTables } from './tables.js';

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
    pages.set(`${name}.md`, page(results, best, runs));
    pages.set(`figures/${name}.svg`, sheetSvg(await gapSheet(results)));
    rows.push(row([`[${name}](${name}.md)`, question, runs.map(sizeOf).join('; '), said(results)]));
  }
  return pages.set('README.md', readme(rows));
}

/** The budgets of which some cell is finished, the largest first. */
async function runsOf(loaded: LoadedStudy, committed: string): Promise<Run[]> {
  const { study } = loaded;
  const runs = await Promise.all(Object.keys(study.budgets).reverse().map(async (budget): Promise<Run> => {
    const files = await Promise.all(cellsAt(loaded, budget).map(async (cell) =>
      (await finishedCell(join(committed, study.name, budget), cell, { anyVersion: true })) ?? { name: cell.name, places: cell.places, failed: 'not run' }));
    return { budget, files, done: files.filter((file) => 'cell' in file) };
  }));
  return runs.filter(({ done }) => done.length > 0);
}

/** The sentence that the comparisons allow. */
const said = (results: StudyResults): string => (shown(results) ? finding(results) : `Not shown. ${finding(results)}`);

const sizeOf = ({ budget, files, done }: Run): string => `${budget}: ${done.length === files.length ? `${count(done.length)}` : `${count(done.length)} of ${count(files.length)}`} cells`;

const versionsOf = ({ done }: Run): string[] => [...new Set(done.map(({ version }) => version))].sort();

function page(results: StudyResults, run: Run, runs: readonly Run[]): string {
  const { name, budget } = results;
  const missing = holes(results);
  const dates = run.done.map(({ date }) => date.slice(0, 10)).sort();
  return [
    `# ${clean(name)}`, '', clean(results.question), '', `**${said(results)}**`, '',
    `${footing(results)} ${clean(results.source)}`.trim(), '',
    `Budget ${budget}, ${dates[0] === dates.at(-1) ? dates[0]! : `${dates[0]!} to ${dates.at(-1)!}`}, tiresias ${clean(results.version)}.`
      + ` ${runs.length > 1 ? `There are results of other budgets too (${runs.filter((one) => one !== run).map(sizeOf).join('; ')}).` : ''}`.trimEnd(), '',
    `![Normalised gaps; the table below holds the same numbers](figures/${name}.svg)`, '',
    ...(missing.length > 0 ? ['## What is missing', '', ...missing.map((hole) => `- ${hole}`), ''] : []),
    '## Normalised gaps', '', '0 is optimal, 1 what random actions come to; 95% bootstrap intervals over tasks.', '',
    ...markdownTables(results),
    '## How it was made', '',
    'The finished cells lie in ' + `[bench/results/${name}/${budget}](../../bench/results/${name}/${budget})` + '; this draws the page from them, and makes those that are missing:', '',
    '```sh', commandOf(results, budget), '```', '',
    '| cell | wall time | machine | finished | version | commit | command |', '| --- | ---: | --- | --- | --- | --- | --- |',
    ...run.done.map(({ cell, seconds, machine, date, version, commit, command }) =>
      row([cell.name, duration(seconds), `${machine.cpu}, ${machine.cores} cores`, date.slice(0, 10), version, commit === undefined ? '' : shortCommit(commit), `\`${command}\``])), '',
    'Stages that cells share are counted in each. Written by `npm run findings`.', '',
  ].join('\n');
}

const readme = (rows: readonly string[]): string => [
  '# Findings', '',
  'What the studies of [studies.md](../studies.md) came to, from the largest budget that was run, with the sentence that its paired comparisons allow; "not shown" where the method',
  'that is asked about is ahead of no other than chance. Written by `npm run findings` from the finished cells in [bench/results](../../bench/results); a test holds these pages',
  'against them.', '',
  '| study | question | run | finding |', '| --- | --- | --- | --- |', ...rows, '',
].join('\n');

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => (/^[[`]/.test(cell) ? clean(cell) : inCell(cell))).join(' | ')} |`;
