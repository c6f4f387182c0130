// What the columns of a file of records mean (docs/your-own-data.md). The core checks it; these are its types.

/** Fields that stand for "missing" unless a schema says otherwise. */
const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None'];

/** How a file of records is written. */
export type LogsFormat = 'csv' | 'tsv' | 'jsonl' | 'parquet';

/** A column of what was seen, or several that become symbols together: at most one of `edges`, `quantiles` and `clusters`; with none of them values are symbols as they are. */
export interface ObservationColumn {
  /** The column. */
  column?: string;
  /** Columns that become symbols together, by `clusters`. */
  columns?: readonly string[];
  /** Numbers become intervals between these, rising. */
  edges?: readonly number[];
  /** Numbers become this many intervals that hold equally many rows. */
  quantiles?: number;
  /** Numbers become the nearest of this many centres (k-means, columns scaled to equal spread). */
  clusters?: number;
  /** Seed of k-means. */
  seed?: number;
  /** What a missing field means: a fault, a symbol of its own, what was seen before, or that nothing was seen. Default `error`. */
  whenMissing?: 'error' | 'symbol' | 'previous' | 'nothing';
}

/** The column of what was done. */
export interface ActionColumn {
  /** The column. */
  column: string;
  /** All actions there are, in their order, whether taken or not; left out, those of the file, in order. */
  names?: readonly string[];
}

/** The column of what was earned. */
export interface RewardColumn {
  /** The column. */
  column: string;
  /** The reward of a row where the field is missing; left out, such a row is a fault. */
  whenMissing?: number;
}

/** What the columns of a file mean: a row is one decision. A last row of an episode without an action holds what was seen after the last. */
export interface LogsSchema {
  /** For editors: where the JSON Schema is. */
  $schema?: string;
  /** The schema's version. */
  schema?: 'tiresias.logs/1';
  /** How the file is written; left out, what its name ends with. */
  format?: LogsFormat;
  /** What stands between the fields of a CSV file; default a comma, and a tab for `tsv`. */
  delimiter?: string;
  /** The column that names the episode of a row. */
  episode: string;
  /** The column that orders an episode's rows; left out, the order is the file's. */
  step?: string;
  /** Put rows in order of episode and step, instead of refusing a file that is in another order. */
  sort?: boolean;
  /** The column that names the task of an episode. */
  task?: string;
  /** What was seen before each action; several columns are one observation together. */
  observations: readonly (string | ObservationColumn)[];
  /** What was done: the column, and all actions there are where some may never have been taken. */
  action: string | ActionColumn;
  /** What that earned: the column, and what a missing field means where that is a number. */
  reward: string | RewardColumn;
  /** The column that says how likely whoever acted was to do that, in (0, 1]. */
  propensity?: string;
  /** The column that says, in an episode's last row, whether it ended by itself. */
  terminated?: string;
  /** Fields that stand for "missing"; default the empty field, NA, N/A, NaN, nan, null, NULL and None. */
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
