// A study's page: what was asked and what came out, figure first, then the table, then what each cell took.
import type { TopLevelSpec } from 'vega-lite';
import { draw } from '../report/draw.js';
import type { Figure } from '../report/figures.js';
import { framed } from '../report/frame.js';
import { html, type Markup } from '../report/html.js';
import { regimeLabel, type Method } from '../report/names.js';
import { dot, figure, lineLegend, sectionedTable, table } from '../report/parts.js';
import { bytes, clean, count, decimal, duration } from '../report/text.js';
import type { CellFile, FailedCell, StudyResults } from './results.js';
import { finding, holes, methodsIn, settingLabel, settingsOf, type Setting } from './tables.js';

const WIDTH = 350;

/** The page, which stands alone. */
export async function studyPage(results: StudyResults, files: readonly (CellFile | FailedCell)[]): Promise<string> {
  const methods = methodsIn(results);
  const missing = holes(results);
  const parts = html`<header>
<h1>Tiresias · study ${clean(results.name)} · budget ${clean(results.budget)}</h1>
<p class="question">${clean(results.question)}</p>
<p class="answer">${finding(results)}</p>
<p class="note">${footing(results)}${results.source !== '' && ` ${clean(results.source)}`}</p>
</header>
${missing.length > 0 && html`<section><h2>What is missing</h2><ul>${missing.map((hole) => html`<li>${hole}</li>`)}</ul></section>`}
<section><h2>Normalised gap by ${axisLabel(results)}</h2>
<p class="note">0 is optimal, 1 what random actions come to; bars are 95% bootstrap intervals over tasks. All panels share one scale.</p>
${lineLegend(methods)}
<div class="grid">${(await panels(results, methods)).map(figure)}</div>
</section>
<section><h2>Numbers</h2>
<p class="note">The same with every interval; as rows for other programs in <code>rows.csv</code>, for a paper in <code>table.tex</code>.</p>
${numbers(results, methods)}
</section>
<section><h2>Cells</h2>
<p class="note">Stages that cells share are counted in each.</p>
${table('Cells', ['Cell', 'Made from', 'Wall time', 'Machine', 'Finished'], files.map(cost))}
</section>
<section><h2>How to reproduce</h2>
<pre><code>npx tiresias reproduce ${clean(results.name)} --budget ${clean(results.budget)}</code></pre>
</section>`;
  return framed(`Tiresias: ${clean(results.name)}`, parts, results.version);
}

const axisLabel = ({ x, axes }: StudyResults): string => clean(axes.find(({ name }) => name === x)!.label);

function footing(results: StudyResults): string {
  const measured = settingsOf(results).flatMap(({ result }) => Object.values(result.methods));
  if (measured.length === 0) return 'Nothing was measured.';
  const range = (values: readonly number[]) => [...new Set([Math.min(...values), Math.max(...values)])].map(count).join(' to ');
  return `${count(settingsOf(results).length)} settings, ${range(measured.map(({ tasks }) => tasks))} tasks and ${range(measured.map(({ episodes }) => episodes))} episodes a method in each. `
    + 'Methods are compared on the same tasks in pairs, and told apart where the p-value, by Holm’s correction over a setting, is below 0.05.';
}

/** One panel for all settings that differ along the x axis only. */
function panels(results: StudyResults, methods: readonly Method[]): Promise<Figure[]> {
  const settings = settingsOf(results);
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const rest = JSON.stringify([setting.regime, ...results.axes.filter(({ name }) => name !== results.x).map(({ name }) => setting.cell.places[name])]);
    groups.set(rest, [...(groups.get(rest) ?? []), setting]);
  }
  const all = settings.flatMap(({ result }) => Object.values(result.methods).flatMap((m) => [m.gapNorm, ...m.gapNormCi95]));
  const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)];
  const room = 0.04 * (high - low);
  return Promise.all([...groups.values()].map(async (members) => {
    const title = settingLabel(results, members[0]!, results.x) || regimeLabel(members[0]!.regime);
    const said = methods.flatMap(({ key, label }) => {
      const ends = members.filter(({ result }) => Object.hasOwn(result.methods, key)).map(({ cell, result }) => `${decimal(result.methods[key]!.gapNorm)} at ${cell.places[results.x]}`);
      return ends.length > 0 ? [`${label}: ${ends.join(', ')}`] : [];
    });
    return { title, svg: await draw(panel(results, members, methods, [low - room, high + room]), `Normalised gap by ${axisLabel(results)}, ${title}. ${said.join('. ')}.`) };
  }));
}

function panel(results: StudyResults, settings: readonly Setting[], methods: readonly Method[], domain: [number, number]): TopLevelSpec {
  const places = results.axes.find(({ name }) => name === results.x)!.places;
  const x = { field: 'place', type: 'ordinal', sort: places, scale: { domain: places, padding: 0.5, type: 'point' }, axis: { title: axisLabel(results), labelAngle: 0, grid: false } } as const;
  const y = { type: 'quantitative', scale: { domain, nice: false, zero: false }, axis: { title: 'Normalised gap' } } as const;
  return {
    width: WIDTH, height: 260, autosize: { type: 'fit', contains: 'padding' },
    // Yardsticks lie beneath.
    layer: methods.toSorted((a, b) => Number(b.yardstick) - Number(a.yardstick)).flatMap(({ key, colour, dash, yardstick }) => {
      const values = settings.filter(({ result }) => Object.hasOwn(result.methods, key)).map(({ cell, result }) => {
        const { gapNorm, gapNormCi95: [low, high] } = result.methods[key]!;
        return { place: cell.places[results.x], gap: gapNorm, low, high };
      });
      if (values.length === 0) return [];
      const data = { values };
      return [
        { data, mark: { type: 'rule', color: colour, strokeWidth: 1, opacity: 0.7 }, encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } } },
        { data, mark: { type: 'line', color: colour, strokeDash: [...dash], strokeWidth: yardstick ? 1.5 : 2, point: { size: 26, opacity: 1, color: colour } }, encoding: { x, y: { ...y, field: 'gap' } } },
      ] as const;
    }) as never,
  };
}

function numbers(results: StudyResults, methods: readonly Method[]): Markup {
  const settings = settingsOf(results);
  const groups = [...new Set(methods.map(({ group }) => group.key))].map((key) => methods.filter(({ group }) => group.key === key));
  return sectionedTable('Normalised gap', ['Method', ...settings.map((setting) => settingLabel(results, setting))], groups.map((members) => ({
    heading: members[0]!.group.label,
    rows: members.map((method) => [dot(method), ...settings.map(({ result }) => {
      const m = Object.hasOwn(result.methods, method.key) ? result.methods[method.key]! : undefined;
      return m && html`${decimal(m.gapNorm)}<small>[${decimal(m.gapNormCi95[0])}, ${decimal(m.gapNormCi95[1])}]</small>`;
    })]),
  })));
}

function cost(file: CellFile | FailedCell): readonly (string | Markup)[] {
  if (!('cell' in file)) return [file.name, '', 'failed', '', ''];
  const { cell, seconds, machine, date } = file;
  return [cell.name, html`<code>${cell.madeFrom.slice(0, 12)}</code>`, duration(seconds), `${clean(machine.cpu)}, ${machine.cores} cores, ${bytes(machine.memoryBytes)}`, date.slice(0, 10)];
}
