// What a bench comes to, as one document.
import type { MachineInfo } from '../results.js';
import type { BenchComparison, Contradiction, Verdict } from './compare.js';
import type { BenchProfile } from './profile.js';
import type { BenchRow } from './row.js';

/** A solver of a bench. */
export interface BenchSolver {
  /** What `--solvers` calls it. */
  name: string;
  /** For tables and plots. */
  label: string;
  /** Whether it is one of this package. */
  ours: boolean;
  /** What one has to know before one believes its rows. */
  about: string;
  /** Where it comes from. */
  source: string;
  /** Whether its bounds are proven. */
  bounds: 'proven' | 'estimated' | 'none';
  /** The program that was run, where there is one. */
  program?: string | undefined;
  /** SHA-256 of the program; of the addon, where it is ours. */
  sha256?: string | undefined;
  /** Why it was not run at all. */
  missing?: string | undefined;
}

/** A model of a bench. */
export interface BenchModelInfo {
  /** For tables. */
  name: string;
  /** SHA-256 of its file. */
  sha256: string;
  /** The discount that was put in place of its own. */
  discount?: number | undefined;
  /** Whether its values are costs. */
  costs: boolean;
}

/** Something that was not run, and why. */
export interface BenchHole {
  /** The model; all of them where it is left out. */
  model?: string | undefined;
  /** The solver; all of them where it is left out. */
  by?: string | undefined;
  /** In words. */
  reason: string;
}

/** `results.json` of a bench. */
export interface BenchResults {
  /** Format and version of the file. */
  schema: 'tiresias.bench/1';
  /** What makes it again. */
  command: string;
  /** The package's. */
  version: string;
  /** Of the package's working tree, where it is one. */
  commit?: string | undefined;
  /** When it was written. */
  date: string;
  /** Where it ran. */
  machine: MachineInfo;
  /** Load averages over 1, 5 and 15 minutes when the document was written; each row has its own. */
  load: number[];
  /** Whether runs were pinned to cores: where not, there is no `taskset`. */
  pinned: boolean;
  /** The gap that was asked for, in units of reward. */
  gap: number;
  /** Limits of time, in seconds. */
  times: number[];
  /** Numbers of threads. */
  threads: number[];
  /** In the order in which they were named; the first is compared with each other. */
  solvers: BenchSolver[];
  /** All that were found, and their copies under other discounts. */
  models: BenchModelInfo[];
  /** One a run, in the order of models, limits, threads and solvers. */
  rows: BenchRow[];
  /** What was not run, and why. */
  holes: BenchHole[];
  /** Runs that are still to be made, where a budget ended the bench. */
  left: number;
  /** The first solver beside each other, model by model. */
  comparisons: BenchComparison[];
  /** How often each verdict came, by the other solver. */
  counts: Record<string, Record<Verdict, number>>;
  /** Proofs that cannot both be right. */
  contradictions: Contradiction[];
  /** Shares of models against the ratio to the best. */
  profiles: BenchProfile[];
}
