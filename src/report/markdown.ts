// The report as Markdown: the same numbers and words without the plots. The table also goes to the terminal.
import type { Results } from '../results.js';
import { answer, footing, question } from './findings.js';
import { FOOTNOTE, GLOSSARY, PAPER } from './glossary.js';
import { offPolicyNote, offPolicyTable } from './off-policy.js';
import { COMMAND, certificateTable, datasetTable, peak, stageTable, trainerMemory, type TextTable } from './records.js';
import { clouds, COLUMNS, DIFFERENCE_COLUMNS, differences, summaries, type Cell, type Summary } from './summary.js';
import { shortLabel } from './groups.js';
import { regimeLabel } from './names.js';
import { bytes, clean, count, duration, list, printable } from './text.js';

/** One row for each method and regime, columns padded so that the source reads as a table too. */
export const markdownTable = (results: Results): string => grid([['Regime', 'Family', 'Method', ...COLUMNS], rowsOf(summaries(results))], 3);

/** One row for each method that another is compared with, in each regime; empty where none is. */
export function comparisonTable(results: Results): string {
  const found = differences(results);
  if (found.length === 0) return '';
  const rows = found.flatMap((summary) => rowsOf([summary]).map(([regime, family, ...rest]) => [regime!, summary.subject, family!, ...rest]));
  return grid([['Regime', 'Method', 'Family', 'less', ...DIFFERENCE_COLUMNS], rows], 4);
}

/** All tables, as for a terminal. */
export const tables = (results: Results): string => [results.offPolicy ? grid(offPolicyTable(results), 1) : '', markdownTable(results), comparisonTable(results)].filter((table) => table !== '').join('\n\n');

const rowsOf = (found: readonly Summary[]): string[][] => found.flatMap(({ regime, groups }) =>
  groups.flatMap(({ group, rows }) => rows.map(({ label, cells }) => [regime, shortLabel(group), label, ...cells.map(written)])));

const written = ({ value, interval }: Cell): string => (interval === undefined ? value : `${value} ${interval}`);

export function markdown(results: Results): string {
  const { machine, baseModel: base } = results;
  const comparisons = comparisonTable(results);
  const sections = [
    `# Tiresias: ${inline(results.name) || 'report'}`,
    inline(question(results)),
    `**${inline(answer(results))}**`,
    inline(footing(results)),
    ...(results.offPolicy ? [`## Held against the logs\n\n${inline(offPolicyNote(results.offPolicy))}`, grid(offPolicyTable(results), 1)] : []),
    '## Optimality gap\n\nEstimates with 95% bootstrap intervals over tasks; a lower gap is better.',
    markdownTable(results),
    ...(comparisons === '' ? [] : ['## Differences\n\nOf the first method less the other, on the same tasks in pairs, with 95% intervals; a difference of gaps below 0 favours the first.', comparisons]),
    ...clouds(results).flatMap((summary) => [`## Under every model of the cloud, ${inline(summary.regime)}\n\nMean return with nature held at each model; higher is better.`, grid([['Regime', 'Family', 'Method', ...summary.columns], rowsOf([summary])], 3)]),
    ...results.training.flatMap((run) => [
      `## Training: ${inline(run.name)}`,
      [
        run.regimes.length > 0 && `- Regimes: ${inline(list(run.regimes.map(regimeLabel)))}`,
        `- ${count(run.parameters)} parameters, ${count(run.trainable)} trained; ${count(run.examples)} examples, ${count(run.steps)} steps`,
        `- ${count(run.tokens)} tokens in ${duration(run.seconds)}: ${list([`${count(run.tokensPerSecond)} tokens/s`, ...peak(run)])}`,
        ...trainerMemory(run, results).map((peakMemory) => `- peak memory ${peakMemory}`),
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

/** A table in Markdown: `left` columns of words, then columns of numbers. */
export function grid([headings, rows]: TextTable, left: number): string {
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
