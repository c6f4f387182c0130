// A theory study's page: what was asked and what came out, figures first, then the table, then what each cell took.
import { framed } from '../report/frame.js';
import { html, type Markup } from '../report/html.js';
import { figure, table } from '../report/parts.js';
import { bytes, clean, count, duration } from '../report/text.js';
import type { CellFile, FailedCell, StudyResults } from '../study/results.js';
import { holes } from '../study/tables.js';
import { PLOTS, theoryFigures, theoryLegend } from './figures.js';
import { theoryFinding, trainingLengthFinding } from './finding.js';
import { theoryDone } from './settings.js';
import { theoryTable } from './tables.js';

/** The page, which stands alone. */
export async function theoryPage(results: StudyResults, files: readonly (CellFile | FailedCell)[]): Promise<string> {
  const missing = holes(results);
  const { heads, rows } = theoryTable(results);
  const drawn = await Promise.all(PLOTS.map(async (plot) => ({ plot, figures: await theoryFigures(results, plot) })));
  const parts = html`<header>
<h1>Tiresias · study ${clean(results.name)} · budget ${clean(results.budget)}</h1>
<p class="question">${clean(results.question)}</p>
<p class="answer">${theoryFinding(results)}</p>
<p class="note">${footing(results)}${results.source !== '' && ` ${clean(results.source)}`}</p>
<ul>${trainingLengthFinding(results).map((line) => html`<li>${line}</li>`)}</ul>
</header>
${missing.length > 0 && html`<section><h2>What is missing</h2><ul>${missing.map((hole) => html`<li>${hole}</li>`)}</ul></section>`}
${drawn.map(({ plot, figures }) => html`<section><h2>${plot.title}</h2>
<p class="note">${plot.note} All panels share one scale; both axes are logarithmic.</p>
${theoryLegend(results, plot)}
<div class="grid">${figures.map(figure)}</div>
</section>`)}
<section><h2>Numbers</h2>
<p class="note">The closed form, at the shortest and longest prompts; gaps and bounds in units of what random actions lose, errors squared and in the units of Q. All numbers of pairs with intervals: <code>rows.csv</code>; for a paper: <code>table.tex</code>.</p>
${table('Numbers', heads, rows)}
</section>
<section><h2>Cells</h2>
${table('Cells', ['Cell', 'Made from', 'Wall time', 'Machine', 'Finished'], files.map(cost))}
</section>
<section><h2>How to reproduce</h2>
<pre><code>npx tiresias reproduce ${clean(results.name)} --budget ${clean(results.budget)}</code></pre>
</section>`;
  return framed(`Tiresias: ${clean(results.name)}`, parts, results.version);
}

function footing(results: StudyResults): string {
  const settings = theoryDone(results).map(({ theory }) => theory.setting);
  if (settings.length === 0) return 'Nothing was measured.';
  const range = (values: readonly number[]) => [...new Set([Math.min(...values), Math.max(...values)])].map(count).join(' to ');
  return `${count(settings.length)} settings, in each ${range(settings.map(({ tasks }) => tasks))} linear MDPs with ${range(settings.map(({ prompts }) => prompts))} prompts, and ${range(settings.map(({ layers }) => layers))} trained layers. Values of policies are computed, not sampled.`;
}

function cost(file: CellFile | FailedCell): readonly (string | Markup)[] {
  if (!('cell' in file)) return [file.name, '', 'failed', '', ''];
  const { cell, seconds, machine, date } = file;
  return [cell.name, html`<code>${cell.madeFrom.slice(0, 12)}</code>`, duration(seconds), `${clean(machine.cpu)}, ${machine.cores} cores, ${bytes(machine.memoryBytes)}`, date.slice(0, 10)];
}
