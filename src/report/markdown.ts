// The report as Markdown: the same numbers and words without the plots. The table also goes to the terminal.
import type { Results } from '../results.js';
import { answer, footing, question } from './findings.js';
import { FOOTNOTE, GLOSSARY, PAPER } from './glossary.js';
import { COMMAND, certificateTable, comparisonTable, comparisonTitle, datasetTable, stageTable, type TextTable } from './records.js';
import { COLUMNS, summaries } from './summary.js';
import { regimeLabel, regimesOf } from './names.js';
import { bytes, clean, count, duration, list, percent, printable } from './text.js';

/** One row for each method and regime, columns padded so that the source reads as a table too. */
export function markdownTable(results: Results): string {
  const rows = summaries(results).flatMap(({ regime, rows: methods }) => methods.map(({ method, cells }) => [
    regime, method.label, ...cells.map(({ value, interval }) => (interval === undefined ? value : `${value} ${interval}`)),
  ]));
  return grid([['Regime', 'Method', ...COLUMNS], rows], 2);
}

export function markdown(results: Results): string {
  const { machine, baseModel: base } = results;
  const sections = [
    `# Tiresias: ${inline(results.name) || 'report'}`,
    inline(question(results)),
    `**${inline(answer(results))}**`,
    inline(footing(results)),
    '## Optimality gap\n\nEstimates with 95% bootstrap intervals over tasks; a lower gap is better.',
    markdownTable(results),
    ...regimesOf(results).filter(([, { comparisons }]) => comparisons.length > 1)
      .flatMap(([key, regime]) => section(`${inline(comparisonTitle(regime))} less the others, ${inline(regimeLabel(key))}`, comparisonTable(regime))),
    ...results.training.flatMap((run) => [
      `## Training: ${inline(run.name)}`,
      [
        run.regimes.length > 0 && `- Regimes: ${inline(list(run.regimes.map(regimeLabel)))}`,
        `- ${count(run.parameters)} parameters, ${count(run.trainable)} trained; ${count(run.examples)} examples, ${count(run.steps)} steps`,
        `- ${count(run.tokens)} tokens in ${duration(run.seconds)}: ${count(run.tokensPerSecond)} tokens/s, ${percent(run.matmulShare)} of the measured ${count(run.matmulPeakGflops)} GFLOP/s`,
        `- peak memory ${bytes(run.peakRssBytes)}`,
      ].filter(Boolean).join('\n'),
    ]),
    ...section('Oracle certificate', certificateTable(results)),
    ...section('Training data', datasetTable(results)),
    ...section('Time', stageTable(results)),
    `Machine: ${inline(machine.cpu)}, ${count(machine.cores)} cores, ${bytes(machine.memoryBytes)}, ${inline(machine.platform)}, Node ${inline(machine.node)}.`,
    '## How to reproduce\n\nSave the experiment below as `experiment.json` and run:',
    fence(COMMAND, 'sh'),
    `Tiresias ${inline(results.version)}${base ? `; base model ${inline(base.name)}, SHA-256 ${inline(base.sha256)}` : ''}.`,
    fence(printable(JSON.stringify(results.experiment, null, 2)), 'json'),
    '## Definitions',
    GLOSSARY.map(({ term, meaning, source }) => `- **${term}.** ${inline(meaning)}${source === undefined ? '' : ` Source: ${inline(source)}.`}`).join('\n'),
    `Source of the ideas: ${PAPER.title}, [${PAPER.label}](${PAPER.url}). ${FOOTNOTE}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

const section = (title: string, table: TextTable): string[] => (table[1].length === 0 ? [] : [`## ${title}`, grid(table, 1)]);

/** `left` columns of words, then columns of numbers. */
function grid([headings, rows]: TextTable, left: number): string {
  const cells = [headings, ...rows].map((row) => row.map(inline));
  const widths = headings.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i < left ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(cells[0]!), rule, ...cells.slice(1).map(line)].join('\n');
}

/** Text that Markdown shows as it stands: no markup, no HTML, no cell border. Brackets are harmless unless a link follows. */
const inline = (text: string): string => clean(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/[\\`*|~]|(?<!\w)_|_(?!\w)|\](?=[([:])|^[#>+-](?= )/g, (mark) => `\\${mark}`);

/** A fence longer than any run of back-ticks inside. */
function fence(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}${language}\n${text}\n${ticks}`;
}
