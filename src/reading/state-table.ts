// What a policy does in every state, where states are seen: a table, by stage where there is a horizon.
import { TiresiasError } from '../errors.js';
import { AlphaPolicy, type Solution } from '../library.js';
import { Spaces } from '../serve/names.js';

/** A row of the table. */
export interface StateRow {
  /** Number of the decision; null where all are alike. */
  stage: number | null;
  state: string;
  action: string;
  value: number;
  /** What the action can lose at most. */
  regretBound: number;
}

/** Rows are kept as one text; more are not for people. */
const MOST_ROWS = 2_000_000;

/** The table, stage by stage. Throws USAGE where states are hidden. */
export function stateTable(solution: Solution | AlphaPolicy): StateRow[] {
  if (solution instanceof AlphaPolicy) throw hidden();
  const model = solution.model();
  if (model.observations > 0) throw hidden();
  const stages = model.horizon ?? 1;
  if (stages * model.states > MOST_ROWS) throw new TiresiasError('USAGE', `--table: ${stages * model.states} rows are more than ${MOST_ROWS}; ask for single states with --belief`);
  const { states, actions } = new Spaces(model);
  return Array.from({ length: stages }, (_, stage) => {
    const table = solution.stateTable(stage);
    return Array.from(table.actions, (action, state): StateRow => ({
      stage: model.horizon === null ? null : stage, state: states.nameOf(state), action: actions.nameOf(action), value: table.values[state]!, regretBound: table.regretBounds[state]!,
    }));
  }).flat();
}

/** Why there is no table of a policy that acts on beliefs. */
export const hidden = (): TiresiasError => new TiresiasError('USAGE', '--table: the policy acts on beliefs, since states are hidden; see it with --graph, --belief-plot or --belief');

/** A cell of CSV (RFC 4180). */
const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The table as CSV. */
export function stateTableCsv(rows: readonly StateRow[]): string {
  const staged = rows.some(({ stage }) => stage !== null);
  const line = ({ stage, state, action, value, regretBound }: StateRow) => [...(staged ? [`${stage}`] : []), cell(state), cell(action), value.toFixed(6), regretBound === 0 ? '0' : regretBound.toPrecision(3)].join(',');
  return [[...(staged ? ['stage'] : []), 'state', 'action', 'value', 'regretBound'].join(','), ...rows.map(line)].join('\n');
}
