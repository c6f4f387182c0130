// The table of a bench and what stands around it in words, for the terminal and the page.
import { grid } from '../report/markdown.js';
import type { TextTable } from '../report/records.js';
import { clean, list } from '../report/text.js';
import type { Contradiction, Verdict } from './compare.js';
import type { BenchHole, BenchResults } from './results.js';
import type { BenchRow } from './row.js';

/** What a verdict is called, of the first solver and another. */
const WORDS: Record<Verdict, (subject: string, other: string) => string> = {
  closedByBoth: () => 'closed by both',
  subjectCloser: (subject) => `${subject} closer`,
  otherCloser: (_, other) => `${other} closer`,
  alike: () => 'alike',
  onlySubject: (_, other) => `no result of ${other}`,
  onlyOther: (subject) => `no result of ${subject}`,
  neither: () => 'no result of either',
  notComparable: () => 'not comparable',
};

/** The solvers that were run, by name. */
export const solversIn = (results: BenchResults) => results.solvers.filter(({ missing }) => missing === undefined);

/** Three digits, or a zero. */
const digits = (x: number): string => (x === 0 ? '0' : String(Number(x.toPrecision(3))));
/** Six digits of a bound, as many as most programs print. */
const bound = (x: number): string => String(Number(x.toPrecision(6)));
const time = (seconds: number): string => (seconds < 0.01 ? '<0.01 s' : `${digits(seconds)} s`);

/** What a row says, in one cell. */
function rowCell({ outcome, lower, upper, gap, seconds, wallSeconds, reason }: BenchRow): string {
  const said = reason === undefined ? '' : `; ${clean(reason)}`;
  if (outcome === 'none') return reason === undefined ? 'nothing' : clean(reason);
  if (outcome === 'solved') return `solved in ${time(seconds ?? wallSeconds)}${said}`;
  return `[${bound(lower!)}, ${bound(upper!)}] gap ${digits(gap!)} in ${time(seconds!)}${said}`;
}

/** Where a model under one limit stands: what else varies than the model is said. */
function caseName({ times, threads }: BenchResults, { model, time: limit, threads: n }: Pick<BenchRow, 'model' | 'time' | 'threads'>): string {
  return [clean(model), ...(times.length > 1 ? [`${limit} s`] : []), ...(threads.length > 1 ? [`${n} ${n === 1 ? 'thread' : 'threads'}`] : [])].join(', ');
}

/** One row a model and limit: each solver's bounds, gap and seconds, and how the first stands beside each other. */
export function benchTable(results: BenchResults): TextTable {
  const solvers = solversIn(results);
  const [subject, ...others] = solvers;
  const place = (model: string, limit: number, threads: number, by: string) => JSON.stringify([model, limit, threads, by]);
  const rows = new Map(results.rows.map((row) => [place(row.model, row.time, row.threads, row.by), row]));
  const pairs = new Map(results.comparisons.map((pair) => [place(pair.model, pair.time, pair.threads, pair.other), pair]));
  const holes = new Map(results.holes.map(({ model, by, reason }) => [JSON.stringify([model, by]), reason]));
  const lines = results.models.flatMap(({ name }) => results.times.flatMap((limit) => results.threads.map((threads) => [
    caseName(results, { model: name, time: limit, threads }),
    ...solvers.map(({ name: by }) => {
      const row = rows.get(place(name, limit, threads, by));
      return row ? rowCell(row) : (holes.get(JSON.stringify([name, by])) ?? 'not run yet');
    }),
    ...others.map(({ name: by }) => {
      const pair = pairs.get(place(name, limit, threads, by));
      const ratios = [...(pair?.gapRatio === undefined ? [] : [`gap × ${digits(pair.gapRatio)}`]), ...(pair?.secondsRatio === undefined ? [] : [`time × ${digits(pair.secondsRatio)}`])];
      return pair ? [WORDS[pair.verdict](subject!.name, by), ...ratios].join(', ') : '';
    }),
  ])));
  return [['Model', ...solvers.map(({ label }) => clean(label)), ...others.map(({ name }) => `${subject!.name} beside ${name}`)], lines];
}

/** How often each verdict came. */
export function countsTable(results: BenchResults): TextTable {
  const subject = solversIn(results)[0]?.name ?? '';
  return [['Beside', ...Object.values(WORDS).map((words) => words(subject, 'the other'))], Object.entries(results.counts).map(([other, counts]) => [other, ...Object.keys(WORDS).map((word) => String(counts[word as Verdict]))])];
}

/** A contradiction in a sentence. */
export function contradictionText({ model, lower, upper, excess, notes }: Contradiction): string {
  const who = lower.by === upper.by ? `${lower.by} contradicts itself` : `${lower.by} and ${upper.by} contradict one another`;
  const heard = notes.length === 0 ? '' : ` They remarked: ${notes.map(clean).join(' ')}`;
  return `${clean(model)}: ${who}: a value of at least ${lower.value} (${lower.by}, ${lower.time} s, row ${lower.key.slice(0, 12)}) and of at most ${upper.value} (${upper.by}, ${upper.time} s, row ${upper.key.slice(0, 12)}) cannot both be, by ${digits(excess)}.${heard}`;
}

/** A hole in a sentence. */
export const holeText = ({ model, by, reason }: BenchHole): string => `${[model, by].flatMap((one) => (one === undefined ? [] : [clean(one)])).join(', ')}: ${clean(reason)}`;

/** What came out, in a sentence or two. */
export function benchFinding(results: BenchResults): string {
  const solvers = solversIn(results);
  const subject = solvers[0];
  if (!subject) return 'No solver could be run.';
  const own = results.rows.filter(({ by }) => by === subject.name);
  const closed = own.filter(({ outcome }) => outcome === 'closed' || outcome === 'solved').length;
  const others = Object.entries(results.counts).map(([other, counts]) => {
    const said = (Object.keys(WORDS) as Verdict[]).flatMap((word) => (counts[word] === 0 ? [] : [`${WORDS[word](subject.name, other)}: ${counts[word]}`]));
    return `Beside ${other}: ${list(said)}.`;
  });
  const wrong = results.contradictions.length;
  return [
    `${subject.name} closed the gap of ${results.gap} in ${closed} of ${own.length} runs.`, ...others,
    wrong === 0 ? '' : `${wrong} ${wrong === 1 ? 'contradiction' : 'contradictions'} of proven bounds.`,
  ].filter((part) => part !== '').join(' ');
}

/** All that a terminal is told. */
export function tableText(results: BenchResults): string {
  const counts = countsTable(results);
  return [
    grid(benchTable(results), 1 + 2 * solversIn(results).length),
    ...(counts[1].length === 0 ? [] : [grid(counts, 1)]),
    ...(results.contradictions.length === 0 ? [] : [`CONTRADICTIONS\n${results.contradictions.map((one) => `- ${contradictionText(one)}`).join('\n')}`]),
    benchFinding(results),
    ...(results.left === 0 ? [] : [`${results.left} runs are left; the same command makes them.`]),
  ].join('\n\n');
}
