// What is kept of a bench (`tiresias bench`): its bounds by model, limit and solver, without the course of every run.
//   node bench/digest.mjs runs/bench/results.json --note "which files, whose program" > bench/results/suite.json
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({ options: { note: { type: 'string' } }, allowPositionals: true });
if (positionals.length !== 1) {
  console.error('usage: node bench/digest.mjs RESULTS.json [--note TEXT]');
  process.exit(2);
}
const { command, date, commit, version, machine, gap, times, counts, comparisons, contradictions, rows } = JSON.parse(readFileSync(positionals[0], 'utf8'));
/** Verdicts of one limit, counted by the other solver. */
const verdicts = (time) => comparisons.filter((one) => one.time === time).reduce((of, { other, verdict }) => ({ ...of, [other]: { ...of[other], [verdict]: (of[other]?.[verdict] ?? 0) + 1 } }), {});
const models = {};
for (const { model, time, by, lower, upper, gap: left, seconds, processorSeconds, outcome, reason, load } of rows) {
  ((models[model] ??= {})[time] ??= {})[by] = { lower, upper, gap: left, seconds, processorSeconds, outcome, reason, load: Math.round(10 * load) / 10 };
}
// Folders are the machine's own: what is not a name of a solver or an option is said in the note.
const told = command.replaceAll(/(?<=\s)\/\S+/g, 'FOLDER').replaceAll(/ --out \S+/g, '');
console.log(JSON.stringify({ command: told, date: date.slice(0, 10), commit, version, machine, note: values.note, gap, times, counts, byTime: Object.fromEntries(times.map((time) => [time, verdicts(time)])), contradictions: contradictions.length, models }, null, 1));
