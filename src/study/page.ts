// A study's page: what was asked and what came out, figure first, then the tables, the rows to download, and what each cell took.
import { framed } from '../report/frame.js';
import { html, type Markup } from '../report/html.js';
import { dot, sectionedTable, sheetFigure, table } from '../report/parts.js';
import type { Sheet } from '../report/sheet.js';
import { bytes, clean, count, duration, printable } from '../report/text.js';
import { commandOf } from './cells.js';
import { finding } from './finding.js';
import type { CellFile, FailedCell, StudyResults } from './results.js';
import { axisLabel, holes, methodsIn, panelsOf, placeOf, settingsOf } from './settings.js';
import { gapRows, sizeOf } from './tables.js';

/** How to read the figure of gaps. */
const GAPS = '0 is optimal, 1 what random actions come to; bars are 95% bootstrap intervals over tasks. Where a method was trained with several seeds its line is their mean, and each seed a ring. All panels share one scale.';

/** A file beside the page, and what is in it. */
export type Download = readonly [path: string, what: string];

/** The page, which stands alone but for the files to download beside it. */
export function studyPage(results: StudyResults, files: readonly (CellFile | FailedCell)[], sheets: readonly Sheet[], downloads: readonly Download[]): string {
  const missing = holes(results);
  const parts = html`<header>
<h1>Tiresias · study ${clean(results.name)} · budget ${clean(results.budget)}${results.seed !== undefined && ` · seed ${results.seed}`}</h1>
<p class="question">${clean(results.question)}</p>
<p class="answer">${finding(results)}</p>
<p class="note">${footing(results)}${results.source !== '' && ` ${clean(results.source)}`}</p>
</header>
${missing.length > 0 && html`<section><h2>What is missing</h2><ul>${missing.map((hole) => html`<li>${hole}</li>`)}</ul></section>`}
${sheets.map((sheet) => html`<section><h2>${sheet.title}</h2>
<p class="note">${sheet.note ?? GAPS}</p>
${sheetFigure(sheet)}
</section>`)}
<section><h2>Numbers</h2>
<p class="note">Normalised gaps with their intervals.</p>
${numbers(results)}
</section>
${ending(results, files, downloads)}`;
  return framed(`Tiresias: ${clean(results.name)}`, parts, results.version);
}

/** What every study's page ends with: what there is to download, what each cell took, and how to do it again. */
export const ending = (results: StudyResults, files: readonly (CellFile | FailedCell)[], downloads: readonly Download[]): Markup => html`<section><h2>To download</h2>
<ul class="downloads">${downloads.map(([path, what]) => html`<li><a href="${path}" download>${path}</a> ${what}</li>`)}</ul>
</section>
<section><h2>Cells</h2>
<p class="note">Stages that cells share are counted in each.</p>
${table('Cells', ['Cell', 'Made from', 'Wall time', 'Machine', 'Arithmetic', 'Finished', 'Version'], files.map(cost))}
${files.map((file) => 'cell' in file && html`<details><summary>${file.cell.name}: the whole configuration</summary>
<pre><code>${printable(JSON.stringify(file.configuration, null, 2))}</code></pre>
<p class="note">Made by <code>${clean(file.command)}</code>.</p></details>`)}
</section>
<section><h2>How to reproduce</h2>
<pre><code>${clean(commandOf(results, results.budget, results))}</code></pre>
</section>`;

/** How much the sentence rests on, and what it means. */
export function footing(results: StudyResults): string {
  const settings = settingsOf(results);
  const sizes = [...new Set(settings.map(sizeOf))];
  if (sizes.length === 0) return 'Nothing was measured.';
  return `${count(settings.length)} ${settings.length === 1 ? 'setting' : 'settings'}; a method in each: ${sizes.length <= 3 ? sizes.join(' or ') : `from ${sizes[0]!} to ${sizes.at(-1)!}`}. `
    + 'Methods are compared on the same tasks in pairs, and told apart where the p-value, by Holm’s correction over a setting, is below 0.05; that two are not told apart does not show them equal.';
}

/** A table for each panel of the figure. */
function numbers(results: StudyResults): Markup[] {
  const methods = methodsIn(results);
  return panelsOf(results).map((panel) => {
    const rows = gapRows(panel, methods);
    const groups = [...new Set(rows.map(({ group }) => group.key))].map((key) => rows.filter(({ group }) => group.key === key));
    const heads = panel.settings.map((setting) => html`${clean(placeOf(results, setting))}<small>${sizeOf(setting)}</small>`);
    return html`
<h3>${panel.title}</h3>
${sectionedTable(`Normalised gap, ${panel.title}`, [axisLabel(results), ...heads], groups.map((members) => ({
    heading: members[0]!.group.label,
    rows: members.map(({ label, method, cells }) => [method ? dot(method) : html`<em>${label}</em>`, ...cells.map((cell) => cell && html`${cell[0]}<small>${cell[1]}</small>`)]),
  })), 'gaps')}`;
  });
}

function cost(file: CellFile | FailedCell): readonly (string | Markup)[] {
  if (!('cell' in file)) return [file.name, '', 'failed', '', '', '', ''];
  const { cell, seconds, machine, arithmetic, date, version, commit } = file;
  return [
    cell.name, html`<code>${cell.madeFrom.slice(0, 12)}</code>`, duration(seconds), `${clean(machine.cpu)}, ${machine.cores} cores, ${bytes(machine.memoryBytes)}`, clean(arithmetic.join(', ')), date.slice(0, 10),
    html`${clean(version)}${commit !== undefined && html`<small><code>${shortCommit(commit)}</code></small>`}`,
  ];
}

/** Seven digits, and whether files were changed. */
export const shortCommit = (commit: string): string => clean(commit).replace(/^([0-9a-f]{7})[0-9a-f]*/, '$1');
