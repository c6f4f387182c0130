// What recorded decisions are like, and what a file looks like before it is read.
import type { LogsSchema } from './schema.js';

/** What an observation column became. */
export interface ObservationSymbols {
  /** The column, or columns. */
  column: string;
  /** Where one interval ends and the next begins. */
  edges?: number[];
  /** Centres, in the columns' own units. */
  centres?: number[][];
  /** Rows in which it is missing. */
  missing: number;
}

/** What recorded decisions are like: sizes, coverage, imbalance. */
export interface LogsReport {
  /** Number of episodes. */
  episodes: number;
  /** Number of decisions. */
  steps: number;
  /** Number of tasks; 1 where no column names them. */
  tasks: number;
  /** Decisions an episode. */
  lengths: {
    /** The shortest. */
    least: number;
    /** The middle one. */
    median: number;
    /** Their mean. */
    mean: number;
    /** The longest. */
    most: number;
  };
  /** Share of episodes that ended by themselves. */
  terminated: number;
  /** Share of steps before which nothing was seen. */
  nothingSeen: number;
  /** Whether it is known how likely each action was. */
  propensities: boolean;
  /** Least, mean and largest reward. */
  rewards: [least: number, mean: number, most: number];
  /** Least, mean and largest undiscounted sum of an episode's rewards. */
  returns: [least: number, mean: number, most: number];
  /** What the observation columns became. */
  columns: ObservationSymbols[];
  /** Symbols by how often they were seen before a decision; the 200 most frequent. */
  observations: {
    /** Its name. */
    name: string;
    /** How often it was seen. */
    count: number;
  }[];
  /** How many symbols there are. */
  observationCount: number;
  /** The actions, in their order. */
  actions: {
    /** Its name. */
    name: string;
    /** How often it was taken. */
    count: number;
    /** Its share of all decisions. */
    share: number;
  }[];
  /** Pairs of symbol and action. */
  coverage: {
    /** Those that occur. */
    seen: number;
    /** Those of symbols that occur, with any action. */
    possible: number;
    /** The first ones that do not occur, by how often their symbol does. */
    absent: [observation: string, action: string][];
  };
}

/** What a column of a file was taken for. */
export interface GuessedColumn {
  /** Its name. */
  column: string;
  /** What it was taken for. */
  role: 'episode' | 'step' | 'task' | 'observation' | 'action' | 'reward' | 'propensity' | 'terminated' | 'unused';
  /** Different values among the rows that were looked at. */
  distinct: number;
  /** Whether all of them are numbers. */
  numbers: boolean;
  /** Rows without a value. */
  missing: number;
  /** The first value. */
  example: string;
}

/** What a file looks like, and a schema for it, which a person should look at before it is used. */
export interface InferredLogs {
  /** A proposal; `null` where a column that every schema needs was not recognised. */
  schema: LogsSchema | null;
  /** In its place a schema to be completed by hand: where a column was not recognised, its name begins with `FILL IN:` and says what is asked for. `null` where there is a proposal. */
  draft: LogsSchema | null;
  /** What each column was taken for. */
  columns: GuessedColumn[];
  /** What is missing or doubtful. */
  notes: string[];
}
