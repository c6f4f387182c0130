// What recorded decisions are like, in words for a terminal.
import { clean, count, decimal, list, percent } from '../report/text.js';
import type { InferredLogs, LogsReport, ObservationSymbols } from './report.js';

/** Names told one by one. */
const MOST = 8;

/** The first of them, and how many more there are. */
function some(all: readonly string[], total = all.length, between = '; '): string {
  // Names may hold commas: those of several columns together do.
  const told = all.slice(0, MOST).join(between);
  return total > MOST ? `${told} … and ${count(total - MOST)} more` : told;
}

const range = ([least, mean, most]: readonly [number, number, number]): string => `${decimal(least)} to ${decimal(most)}, mean ${decimal(mean)}`;

/** What an observation column became; nothing where its values are symbols as they are and none is missing. */
export function becameInWords({ edges, centres, missing }: ObservationSymbols): string | undefined {
  const parts = [
    ...(edges ? [`${edges.length + 1} intervals, divided at ${some(edges.map(String), edges.length, ', ')}`] : []),
    ...(centres ? [`${centres.length} clusters around ${some(centres.map((centre) => `(${centre.map(decimal).join(', ')})`))}`] : []),
    ...(missing > 0 ? [`missing in ${count(missing)} ${missing === 1 ? 'row' : 'rows'}`] : []),
  ];
  return parts.length > 0 ? parts.join('; ') : undefined;
}

/** Rows of two columns. */
export function reportRows(report: LogsReport): (readonly [string, string])[] {
  const { episodes, steps, tasks, lengths, terminated, nothingSeen, propensities, rewards, returns, observations, observationCount, actions, coverage } = report;
  const least = actions.toSorted((a, b) => a.count - b.count).slice(0, 3);
  const never = coverage.possible - coverage.seen;
  return [
    ['episodes', `${count(episodes)}, of ${lengths.least === lengths.most ? count(lengths.most) : `${count(lengths.least)} to ${count(lengths.most)}`} decisions (median ${count(lengths.median)}, mean ${lengths.mean.toFixed(1)})`],
    ['decisions', count(steps)],
    ...(tasks > 1 ? [['tasks', count(tasks)] as const] : []),
    ['ended by itself', `${percent(terminated)} of the episodes; the others only stop`],
    ...(nothingSeen > 0 ? [['nothing seen', `before ${percent(nothingSeen)} of the decisions`] as const] : []),
    ['propensities', propensities ? 'recorded' : 'not recorded: estimates of other policies will count them'],
    ['rewards', range(rewards)],
    ['returns', `${range(returns)} an episode`],
    ['observations', `${count(observationCount)}: ${some(observations.map(({ name, count: times }) => `${clean(name)} (${count(times)})`), observationCount)}`],
    ['actions', `${count(actions.length)}: ${some(actions.map(({ name, share }) => `${clean(name)} (${percent(share)})`))}`],
    ['least used', some(least.map(({ name, count: times }) => `${clean(name)} ${times === 1 ? 'once' : `${count(times)} times`}`))],
    ['coverage', `${count(coverage.seen)} of ${count(coverage.possible)} pairs of observation and action occur`],
    ...(never > 0 ? [['never taken', some(coverage.absent.map(([observation, action]) => `${clean(action)} after ${clean(observation)}`), never)] as const] : []),
    ...report.columns.flatMap((column) => {
      const became = becameInWords(column);
      return became === undefined ? [] : [[`column ${clean(column.column)}`, became] as const];
    }),
  ];
}

/** What each column was taken for, what is doubtful, and the schema. */
export function inferredInWords({ columns, notes, schema, draft }: InferredLogs): string {
  const rows = [
    ['column', 'taken for', 'values', 'missing', 'first'],
    ...columns.map(({ column, role, distinct, numbers, missing, example }) => [clean(column), role, `${count(distinct)} ${numbers ? 'numbers' : 'words'}`, count(missing), clean(example)]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const table = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd()).join('\n');
  return [
    table, ...(notes.length > 0 ? [notes.map((note) => `note: ${note}`).join('\n')] : []),
    ...(schema ? [] : [`no schema is proposed: ${list(lacking(columns))} ${lacking(columns).length === 1 ? 'is' : 'are'} missing. A draft, in which you fill in what FILL IN marks:`]),
    JSON.stringify(schema ?? draft, null, 2),
  ].join('\n\n');
}

/** The roles that every schema needs and no column has. */
function lacking(columns: InferredLogs['columns']): string[] {
  return (['episode', 'action', 'reward', 'observation'] as const).filter((role) => !columns.some((column) => column.role === role));
}
