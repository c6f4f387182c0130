// The page of recorded decisions: what they are, figures, and how often each action was taken after each observation.
import { framed } from '../report/frame.js';
import { html, type Markup } from '../report/html.js';
import { facts, sheetFigure, table } from '../report/parts.js';
import { clean, count, percent } from '../report/text.js';
import { version } from '../version.js';
import { countLogs, type LogsCounts } from './counts.js';
import { logsSheet } from './figures.js';
import { logsReport, logsSource, type Trajectories } from './import.js';
import type { LogsReport } from './report.js';
import { becameInWords, reportRows } from './words.js';

/** A table larger than this cannot be read. */
const MOST_ROWS = 40;
const MOST_COLUMNS = 16;

/** The page, which stands alone. O(steps). */
export async function logsPage(name: string, trajectories: Trajectories): Promise<string> {
  const [report, counts, source] = [logsReport(trajectories), countLogs(trajectories), logsSource(trajectories)];
  const sheet = await logsSheet(report, counts);
  const { episodes, steps, coverage } = report;
  const parts = html`<header>
<h1>Tiresias · records</h1>
<p class="question">What do the records show, and what do they not?</p>
<p class="answer">${count(episodes)} episodes with ${count(steps)} decisions, in which ${count(coverage.seen)} of ${count(coverage.possible)} pairs of observation and action occur.</p>
<p class="note">${clean(name)}${source !== null && html`, SHA-256 <code>${source.sha256}</code>`}</p>
</header>
<section><h2>Numbers</h2>
${facts(reportRows(report))}
</section>
<section><h2>${sheet.title}</h2>
<p class="note">${sheet.note}</p>
${sheetFigure(sheet)}
</section>
<section><h2>Coverage</h2>
<p class="note">How often each action was taken after each observation. Where there is a 0, nothing is known of what that action does there: a fitted model answers with its prior, and estimates of a policy that would take it are refused.</p>
${coverageTable(report, trajectories, counts)}
</section>
${columnsSection(report)}`;
  return framed(`Tiresias: ${clean(name)}`, parts, version);
}

/** The most frequent observations by the most frequent actions. */
function coverageTable({ observations, observationCount, actions, nothingSeen }: LogsReport, trajectories: Trajectories, { pairs }: LogsCounts): Markup {
  const names = new Map(trajectories.observations.map((name, symbol) => [name, symbol]));
  const shown = actions.map((action, index) => ({ ...action, index })).toSorted((a, b) => b.count - a.count).slice(0, MOST_COLUMNS);
  const rows = observations.filter(({ count: times }) => times > 0).slice(0, MOST_ROWS).map(({ name }) => [clean(name), names.get(name)!] as const);
  const nothing = nothingSeen > 0 ? [['nothing seen', names.size] as const] : [];
  const left = [
    ...(observationCount > rows.length ? [`the ${count(rows.length)} most frequent observations of ${count(observationCount)}`] : []),
    ...(actions.length > shown.length ? [`the ${count(shown.length)} most frequent actions of ${count(actions.length)}`] : []),
  ];
  return html`${left.length > 0 && html`<p class="note">Shown are ${left.join(' and ')}.</p>`}
${table('Coverage', ['After', ...shown.map(({ name, share }) => html`${clean(name)}<small>${percent(share)}</small>`)], [...rows, ...nothing].map(([name, symbol]) => [name, ...shown.map(({ index }) => count(pairs[symbol * actions.length + index]!))]))}`;
}

/** What columns of numbers became. */
function columnsSection({ columns }: LogsReport): Markup | false {
  const rows = columns.flatMap((column) => {
    const became = becameInWords(column);
    return became === undefined ? [] : [[clean(column.column), became]];
  });
  return rows.length > 0 && html`<section><h2>Columns</h2>
${table('Columns', ['Column', 'Became'], rows)}
</section>`;
}
