// A bench's page: what came out, what contradicts, the figures, the table, and on what it was measured.
import { framed } from '../report/frame.js';
import { html } from '../report/html.js';
import { facts, sheetFigure, table } from '../report/parts.js';
import type { Sheet } from '../report/sheet.js';
import { bytes, clean, count } from '../report/text.js';
import { shortCommit, type Download } from '../study/page.js';
import type { BenchResults } from './results.js';
import { benchFinding, benchTable, contradictionText, countsTable, holeText } from './table.js';

/** The page, which stands alone but for the files to download beside it. */
export function benchPage(results: BenchResults, sheets: readonly Sheet[], downloads: readonly Download[]): string {
  const { machine, contradictions, holes, left } = results;
  const [[heads, rows], [countHeads, counts]] = [benchTable(results), countsTable(results)];
  const parts = html`<header>
<h1>Tiresias · bench</h1>
<p class="question">How close do solvers come, and how fast?</p>
<p class="answer">${benchFinding(results)}</p>
<p class="note">${footing(results)}${left > 0 && ` ${count(left)} runs are left.`}</p>
</header>
${contradictions.length > 0 && html`<section><h2>Contradictions</h2>
<p class="note">A proven lower bound above a proven upper bound on the same model, beyond rounding: one of the two is wrong, or the two programs solved different problems.</p>
<ul>${contradictions.map((one) => html`<li>${contradictionText(one)}</li>`)}</ul></section>`}
${sheets.map((sheet) => html`<section><h2>${sheet.title}</h2>
<p class="note">${sheet.note}</p>
${sheetFigure(sheet)}
</section>`)}
<section><h2>Numbers</h2>
<p class="note">The last bounds, their gap, and the seconds until the gap asked for was reached, or else until these bounds stood, by each program’s own clock. Ratios are the first solver’s over the other’s: below 1 the first is better.</p>
${counts.length > 0 && table('Verdicts', countHeads, counts)}
${table('Numbers', heads, rows, 'gaps')}
</section>
${holes.length > 0 && html`<section><h2>What was not run</h2><ul>${holes.map((hole) => html`<li>${holeText(hole)}</li>`)}</ul></section>`}
<section><h2>Solvers</h2>
${table('Solvers', ['Solver', 'Source', 'Bounds', 'SHA-256 of the program', 'About'], results.solvers.map(({ name, label, source, bounds, sha256, about, missing }) => [
    html`${clean(label)}<small>${clean(name)}</small>`, clean(source), bounds, missing === undefined ? html`<code>${sha256!.slice(0, 12)}</code>` : clean(missing), clean(about),
  ]), 'gaps')}
</section>
<section><h2>Machine</h2>
${facts([
    ['Processor', `${clean(machine.cpu)}, ${count(machine.cores)} cores`], ['Memory', bytes(machine.memoryBytes)], ['Platform', `${clean(machine.platform)}, Node ${clean(machine.node)}`],
    ['Load, 1, 5 and 15 minutes', results.load.map((load) => load.toFixed(2)).join(', ')], ['Pinned to cores', results.pinned ? 'yes' : 'no: there is no taskset'], ['Date', results.date.slice(0, 10)],
    ['Version', html`${clean(results.version)}${results.commit !== undefined && html` <code>${shortCommit(results.commit)}</code>`}`],
  ])}
</section>
<section><h2>To download</h2>
<ul class="downloads">${downloads.map(([path, what]) => html`<li><a href="${path}" download>${path}</a> ${what}</li>`)}</ul>
</section>
<section><h2>How to reproduce</h2>
<pre><code>${clean(results.command)}</code></pre>
</section>`;
  return framed('Tiresias: bench', parts, results.version);
}

/** What the sentence rests on. */
function footing({ models, rows, gap, times, threads }: BenchResults): string {
  const loads = rows.map(({ load }) => load);
  const range = loads.length === 0 ? '' : ` The machine’s load average before runs was ${Math.min(...loads).toFixed(2)} to ${Math.max(...loads).toFixed(2)}.`;
  return `${count(models.length)} models, ${count(rows.length)} runs, one at a time; gap asked for ${gap}, limits of ${times.join(', ')} s, ${threads.join(', ')} ${threads.length === 1 && threads[0] === 1 ? 'thread' : 'threads'}.${range}`;
}
