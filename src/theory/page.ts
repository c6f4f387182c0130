// A theory study's page: what was asked and what came out, figures first, then the table, then what each cell took.
import { framed } from '../report/frame.js';
import { html } from '../report/html.js';
import { sheetFigure, table } from '../report/parts.js';
import type { Sheet } from '../report/sheet.js';
import { clean, count } from '../report/text.js';
import { ending, type Download } from '../study/page.js';
import type { CellFile, FailedCell, StudyResults } from '../study/results.js';
import { holes } from '../study/settings.js';
import { theoryFinding, trainingLengthFinding } from './finding.js';
import { theoryDone } from './settings.js';
import { STEPS_NOTE, stepsTable, theoryTable } from './tables.js';

/** The page, which stands alone but for the files to download beside it. */
export function theoryPage(results: StudyResults, files: readonly (CellFile | FailedCell)[], sheets: readonly Sheet[], downloads: readonly Download[]): string {
  const missing = holes(results);
  const [numbers, steps] = [theoryTable(results), stepsTable(results)];
  const parts = html`<header>
<h1>Tiresias · study ${clean(results.name)} · budget ${clean(results.budget)}</h1>
<p class="question">${clean(results.question)}</p>
<p class="answer">${theoryFinding(results)}</p>
<p class="note">${theoryFooting(results)}${results.source !== '' && ` ${clean(results.source)}`}</p>
<ul>${trainingLengthFinding(results).map((line) => html`<li>${line}</li>`)}</ul>
</header>
${missing.length > 0 && html`<section><h2>What is missing</h2><ul>${missing.map((hole) => html`<li>${hole}</li>`)}</ul></section>`}
${sheets.map((sheet) => html`<section><h2>${sheet.title}</h2>
<p class="note">${sheet.note}</p>
${sheetFigure(sheet)}
</section>`)}
<section><h2>Where the bound is loose</h2>
<p class="note">${STEPS_NOTE}</p>
${table('Where the bound is loose', steps.heads, steps.rows)}
</section>
<section><h2>Numbers</h2>
<p class="note">The closed form, at the shortest and longest prompts; gaps and bounds in units of what random actions lose, errors squared and in the units of Q. All numbers of pairs with intervals: <code>rows.csv</code>.</p>
${table('Numbers', numbers.heads, numbers.rows)}
</section>
${ending(results, files, downloads)}`;
  return framed(`Tiresias: ${clean(results.name)}`, parts, results.version);
}

/** What its sentence rests on. */
export function theoryFooting(results: StudyResults): string {
  const settings = theoryDone(results).map(({ theory }) => theory.setting);
  if (settings.length === 0) return 'Nothing was measured.';
  const range = (values: readonly number[]) => [...new Set([Math.min(...values), Math.max(...values)])].map(count).join(' to ');
  return `${count(settings.length)} settings, in each ${range(settings.map(({ tasks }) => tasks))} linear MDPs with ${range(settings.map(({ prompts }) => prompts))} prompts, and ${range(settings.map(({ layers }) => layers))} trained layers. Values of policies are computed, not sampled.`;
}
