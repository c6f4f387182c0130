// The whole page, section by section, in the order a reader asks: what came out, how, from what, and how to do it again.
import type { RegimeResult, Results, TrainingResult } from '../results.js';
import type { FamilyFigures, Figure } from './figures.js';
import { answer, footing, question } from './findings.js';
import { framed } from './frame.js';
import { GLOSSARY } from './glossary.js';
import { html, type Markup } from './html.js';
import { methodsOf, regimeLabel, regimesOf } from './names.js';
import { bar, CLOUD_LEGEND, DIFFERENCE_LEGEND, dot, facts, figure, legend, methodKeys, sectionedTable, table, TRACE_LEGEND, wideFigure } from './parts.js';
import { offPolicyNote, offPolicyTable } from './off-policy.js';
import { certificateTable, COMMAND, datasetTable, peak, stageTable, trainerMemory } from './records.js';
import type { Drawn } from './sheets.js';
import { clouds, differences, summaries, type Summary } from './summary.js';
import { bytes, clean, count, duration, list, printable } from './text.js';
import { traceFigure } from './trace.js';

export async function page(results: Results, drawn: Drawn): Promise<string> {
  const title = `Tiresias: ${clean(results.name) || 'report'}`;
  const body = [
    headline(results), offPolicy(results), gaps(results, drawn.gaps), compared(results, drawn.differences), deployment(drawn.deployment), regret(drawn.regret), cloud(results, drawn.clouds), await traces(results),
    training(results, drawn.training), certificates(results), data(results), cost(results), reproduction(results), definitions(),
  ];
  return framed(title, body, results.version);
}

const headline = (results: Results): Markup => html`
<header>
<h1>Tiresias · ${clean(results.name) || 'report'}</h1>
<p class="question">${question(results)}</p>
<p class="answer">${answer(results)}</p>
<p class="note">${footing(results)} Parameters are this project’s own; see the <a href="#source">note on the source</a>.</p>
</header>`;

const offPolicy = (results: Results): Markup | undefined => results.offPolicy && html`
<section><h2>Held against the logs</h2>
<p class="note">${offPolicyNote(results.offPolicy)}</p>
${table('Off-policy estimates', ...offPolicyTable(results))}
</section>`;

function gaps(results: Results, figures: readonly Figure[]): Markup {
  return html`
<section><h2>Optimality gap</h2>
<p class="note">Points with 95% bootstrap intervals over tasks; left is better. Methods stand family by family, the best of each first. All panels share one scale.</p>
<div class="grid">${figures.map(figure)}</div>
${summaries(results).map((summary) => html`
<h3>${summary.regime}, horizon ${summary.horizon}</h3>
${summary.groups.length === 0 ? html`<p>No method was evaluated in this regime.</p>` : summaryTable(`Results, ${summary.regime}`, 'Method', summary, 'summary')}`)}
</section>`;
}

/** A table whose rows are methods, family by family. */
const summaryTable = (label: string, first: string, { columns, groups }: Summary, kind = ''): Markup => sectionedTable(label, [first, ...columns], groups.map(({ group, rows }) => ({
  heading: group.label,
  rows: rows.map(({ label: name, method, cells }) => [
    method ? dot(method) : html`<em>${name}</em>`, ...cells.map(({ value, interval }) => (interval === undefined ? value : html`${value}<small>${interval}</small>`)),
  ]),
})), kind);

function compared(results: Results, figures: readonly Figure[]): Markup | undefined {
  return figures.length === 0 ? undefined : html`
<section><h2>Differences</h2>
<p class="note">The normalised gap of one method less that of each other, on the same tasks in pairs, with 95% intervals: left of 0 the one is better. What is easy or hard for both cancels, so that methods may be told apart whose own intervals overlap.</p>
${DIFFERENCE_LEGEND}
<div class="grid">${figures.map(figure)}</div>
${differences(results).map((summary) => html`
<h3>${summary.regime}: ${summary.subject} less each other method</h3>
${summaryTable(`Differences, ${summary.regime}`, `${summary.subject} less`, summary)}`)}
</section>`;
}

const deployment = (families: readonly FamilyFigures[]): Markup | undefined => regretBy(
  'Regret by episode of the deployment', families,
  'What an episode gives away, averaged over tasks: each method starts with nothing and is then shown what it played itself.',
);

const regret = (families: readonly FamilyFigures[]): Markup | undefined => regretBy(
  'Regret by decision', families, 'What the action taken at each decision gives away, averaged over tasks and episodes.',
);

function regretBy(heading: string, families: readonly FamilyFigures[], meaning: string): Markup | undefined {
  if (families.every(({ figures }) => figures.length === 0)) return undefined;
  return html`
<section><h2>${heading}</h2>
<p class="note">${meaning} One row of panels a family, on one scale; the grey lines are the same in all.</p>
${families.map(({ group, methods, figures }) => html`
<h3>${group.label}</h3>
${legend(methodKeys(methods))}
<div class="grid">${figures.map(figure)}</div>`)}
</section>`;
}

function cloud(results: Results, figures: readonly Figure[]): Markup | undefined {
  return figures.length === 0 ? undefined : html`
<section><h2>Under every model of the cloud</h2>
<p class="note">The agent does not know which model of the world is true. Here nature is fixed at each model in turn; right is better.</p>
${CLOUD_LEGEND}
<div class="grid">${figures.map(figure)}</div>
${clouds(results).map((summary) => html`
<h3>${summary.regime}: mean return with 95% intervals</h3>
${summaryTable(`Under every model of the cloud, ${summary.regime}`, 'Method', summary)}`)}
</section>`;
}

async function traces(results: Results): Promise<Markup | undefined> {
  const methods = methodsOf(results);
  const drawn = await Promise.all(regimesOf(results).map(async ([key, regime]) => {
    const figures = await Promise.all(oneEach(regime).map((trace) => {
      const label = methods.find((method) => method.key === trace.method)?.label ?? clean(trace.method);
      return traceFigure(trace, results, `${regimeLabel(key)} · ${label} · task ${trace.task}`);
    }));
    return figures.filter((drawing) => drawing !== undefined);
  }));
  const first = drawn.flatMap((figures) => figures.slice(0, 1));
  const others = drawn.flatMap((figures) => figures.slice(1));
  return first.length === 0 ? undefined : html`
<section><h2>One episode, step by step</h2>
<p class="note">A single episode shows how a policy acts, not how good it is. A dot inside a ring is the oracle’s own choice at that step.</p>
${TRACE_LEGEND}
<div class="flow">${first.map(wideFigure)}</div>
${others.length > 0 && html`<details><summary>Episodes of other methods</summary><div class="flow">${others.map(wideFigure)}</div></details>`}
</section>`;
}

/** The first trace of each method, the fine-tuned model's first and the oracle's last. */
function oneEach({ traces: all }: RegimeResult): RegimeResult['traces'] {
  const rank = (method: string): number => (method === 'sft' ? 0 : method === 'oracle' ? 2 : 1);
  return all.filter((trace, i) => all.findIndex(({ method }) => method === trace.method) === i).sort((a, b) => rank(a.method) - rank(b.method));
}

function training(results: Results, figures: readonly (readonly Figure[])[]): Markup | undefined {
  if (results.training.length === 0) return undefined;
  const runs = results.training.map((run, i) => html`
<h3>Training ${clean(run.name)}${run.regimes.length > 0 && ` (${list(run.regimes.map(regimeLabel))})`}</h3>
<div class="grid">${figures[i]!.map(figure)}</div>
${trainingFacts(run, results)}`);
  return html`
<section><h2>Training</h2>
<p class="note">Thin line: every step; thick line: moving mean. Both are measured on the batch of the step.</p>
${runs}
</section>`;
}

const trainingFacts = (run: TrainingResult, results: Results): Markup => facts([
  ['Parameters', `${count(run.parameters)}, of which ${count(run.trainable)} trained`],
  ...(run.arithmetic === undefined ? [] : [['Arithmetic', clean(run.arithmetic)] as const]),
  ['Examples and steps', `${count(run.examples)} examples, ${count(run.steps)} steps`],
  ['Tokens', `${count(run.tokens)} in ${duration(run.seconds)}`],
  ['Throughput', `${count(run.tokensPerSecond)} tokens/s`],
  ...peak(run).map((share) => ['Share of matrix-product peak', share] as const),
  ...trainerMemory(run, results).map((peakMemory) => ['Peak memory', peakMemory] as const),
]);

const certificates = (results: Results): Markup | undefined => Object.keys(results.regimes).length === 0 ? undefined : html`
<section><h2>Oracle certificate</h2>
<p class="note">Means over the test tasks: lower bound ≤ V* ≤ upper bound, as the solver proves them.</p>
${table('Oracle certificate', ...certificateTable(results))}
</section>`;

const data = (results: Results): Markup | undefined => results.datasets.length === 0 ? undefined : html`
<section><h2>Training data</h2>
${table('Datasets', ...datasetTable(results))}
</section>`;

function cost(results: Results): Markup {
  const longest = Math.max(...results.stages.map(({ seconds }) => seconds), Number.MIN_VALUE);
  const [headings, rows] = stageTable(results);
  const { cpu, cores, memoryBytes: memory, node, platform } = results.machine;
  return html`
<section><h2>Time and machine</h2>
${rows.length > 0 && table('Wall time of each stage', [...headings, ''], rows.map((row, i) => [...row, i < results.stages.length && bar(results.stages[i]!.seconds / longest)]))}
${facts([['Processor', clean(cpu)], ['Cores', count(cores)], ['Memory', bytes(memory)], ['Platform', clean(platform)], ['Node', clean(node)]])}
</section>`;
}

const reproduction = ({ baseModel: base, ...results }: Results): Markup => html`
<section><h2>How to reproduce</h2>
<p>Save the experiment below as <code>experiment.json</code> and run:</p>
<pre><code>${COMMAND}</code></pre>
<p>Tiresias ${clean(results.version)}${base && html`; base model ${clean(base.name)} with SHA-256 <code>${clean(base.sha256)}</code>`}.</p>
<details><summary>The experiment, defaults filled in</summary>
<pre><code>${printable(JSON.stringify(results.experiment, null, 2))}</code></pre>
</details>
</section>`;

const definitions = (): Markup => html`
<section><h2>Definitions</h2>
<dl class="terms">${GLOSSARY.map(({ term, meaning, source }) => html`
<dt>${term}</dt><dd>${meaning}${source !== undefined && html`<small>Source: ${source}.</small>`}</dd>`)}
</dl>
</section>`;
