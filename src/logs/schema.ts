// What the columns of a file of records mean (docs/your-own-data.md). The core checks it; these are its types.

/** Fields that stand for "missing" unless a schema says otherwise. */
const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None'];

/** How a file of records is written. */
export type LogsFormat = 'csv' | 'tsv' | 'jsonl' | 'parquet';

/** A column of what was seen, or several that become symbols together: at most one of `edges`, `quantiles` and `clusters`; with none of them values are symbols as they are. */
export interface ObservationColumn {
  /** The name of the column. */
  column?: string;
  /** The names of columns that become one symbol together. Needs `clusters`. */
  columns?: readonly string[];
  /** Numbers become intervals between these rising edges: below the first, from the first up to the second, and so on, from the last on. */
  edges?: readonly number[];
  /** Numbers become this many intervals that hold equally many rows. */
  quantiles?: number;
  /** Numbers become the nearest of this many centres (k-means, columns scaled to equal spread). */
  clusters?: number;
  /** The seed of k-means. Default 0. */
  seed?: number;
  /** What a missing field means. `error` (default): a fault in the file. `symbol`: a symbol of its own. `previous`: what was seen before. `nothing`: that nothing was seen. */
  whenMissing?: 'error' | 'symbol' | 'previous' | 'nothing';
}

/** The column of what was done. */
export interface ActionColumn {
  /** The name of the column. */
  column: string;
  /** All actions that there are, in their order, also those that nobody took. Default: the actions in the file, in order. */
  names?: readonly string[];
}

/** The column of what was earned. */
export interface RewardColumn {
  /** The name of the column. */
  column: string;
  /** The reward of a row where the field is missing. Without it, such a row is a fault in the file. */
  whenMissing?: number;
}

/** What the columns of a file mean: a row is one decision. A last row of an episode without an action holds what was seen after the last. */
export interface LogsSchema {
  /** Where the JSON Schema of this file is, for editors. Tiresias does not read it. */
  $schema?: string;
  /** The format and version of this file. */
  schema?: 'tiresias.logs/1';
  /** The format of the file of records. Default: what its name ends with. */
  format?: LogsFormat;
  /** The character between the fields of a CSV file. Default: a comma, and a tab for `tsv`. */
  delimiter?: string;
  /** The column that names the episode of a row, for example a patient or a run. */
  episode: string;
  /** The column that orders the rows of an episode. Default: the order of the file. */
  step?: string;
  /** Whether rows are put in order of episode and step. Without it, a file in another order is refused. */
  sort?: boolean;
  /** The column that names the task of an episode, for example a ward or a plant. */
  task?: string;
  /** The columns of what was seen before each action. Several columns are one observation together. */
  observations: readonly (string | ObservationColumn)[];
  /** The column of what was done. An object can also list all actions. */
  action: string | ActionColumn;
  /** The column of what was earned. An object can also say what a missing field means. */
  reward: string | RewardColumn;
  /** The column of the probability with which the action was chosen, above 0 and at most 1. */
  propensity?: string;
  /** The column that says, in the last row of an episode, whether the episode ended by itself: true or false, yes or no, 1 or 0. */
  terminated?: string;
  /** The texts that mean "missing". Default: the empty field, NA, N/A, NaN, nan, null, NULL and None. */
  missing?: readonly string[];
}

/** A schema as a person would write it: what the core says in full is left out where it goes without saying. */
export function shortSchema(schema: LogsSchema): LogsSchema {
  const { observations, action, reward, missing, ...rest } = schema;
  return {
    ...rest,
    observations: observations.map((one) => (typeof one === 'string' ? one : shortColumn(one))),
    action: typeof action === 'object' && Object.keys(action).length === 1 ? action.column : action,
    reward: typeof reward === 'object' && Object.keys(reward).length === 1 ? reward.column : reward,
    ...(missing !== undefined && missing.join() !== MISSING.join() && { missing }),
  };
}

function shortColumn({ columns = [], ...rest }: ObservationColumn): string | ObservationColumn {
  if (columns.length !== 1) return { columns, ...rest };
  return Object.keys(rest).length === 0 ? columns[0]! : { column: columns[0]!, ...rest };
}
