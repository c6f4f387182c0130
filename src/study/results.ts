// What a study came to: one document, in which times and machines have no part, so that the same study gives the same bytes.
import type { MachineInfo, Results } from '../results.js';
import type { TheoryResult } from '../theory/results.js';
import type { Study } from './study.js';

/** A finished cell. */
export interface DoneCell {
  /** `K=2,behaviour=oracle`. */
  name: string;
  /** Names of places by axis. */
  places: Record<string, string>;
  /** SHA-256 of the cell's experiment and the package's version: what made it. */
  madeFrom: string;
  /** What came of each regime, without the traces of single episodes; none in a theory study. */
  regimes: Results['regimes'];
  /** What came of a theory study's cell; left out in the others. */
  theory?: TheoryResult | undefined;
}

/** A cell that failed: a hole with its reason. */
export interface FailedCell {
  /** `K=2,behaviour=oracle`. */
  name: string;
  /** Names of places by axis. */
  places: Record<string, string>;
  /** What went wrong. */
  failed: string;
}

/** The document `results.json` of a study. */
export interface StudyResults {
  /** Format and version of the file. */
  schema: 'tiresias.study-results/1';
  /** Whether its cells are of theory; left out where they are experiments. */
  kind?: 'theory' | undefined;
  /** The study's name. */
  name: string;
  /** Which of its budgets was run. */
  budget: string;
  /** The seed that it was run under, where that is not the study's own. */
  seed?: number;
  /** Of tiresias. */
  version: string;
  /** What it asks. */
  question: string;
  /** Where the question comes from. */
  source: string;
  /** The axis from left to right. */
  x: string;
  /** Axes in order, with the names of their places. */
  axes: {
    /** Its name. */
    name: string;
    /** For plots and tables. */
    label: string;
    /** Names of the places that some cell has. */
    places: string[];
  }[];
  /** In the order of the axes, the last running fastest. */
  cells: (DoneCell | FailedCell)[];
}

/** The document of a cell in a study's folder: what came of it, and what it took and where. */
export interface CellFile {
  /** Format and version of the file. */
  schema: 'tiresias.study-cell/1';
  /** What came of it. */
  cell: DoneCell;
  /** The whole experiment, or setting of the theory, that made it, defaults filled in. */
  configuration: Record<string, unknown>;
  /** What was typed to make it. */
  command: string;
  /** Of tiresias. */
  version: string;
  /** Of the working tree that made it, where that is known; ends in `-dirty` where files were changed since. */
  commit?: string | undefined;
  /** What its trainings computed in, each once; empty where nothing was trained. */
  arithmetic: string[];
  /** Wall time of the cell's stages, those that other cells share included. */
  seconds: number;
  /** The machine that ran it. */
  machine: MachineInfo;
  /** When it was finished, in ISO 8601. */
  date: string;
}

/** Whether a cell failed. */
export const isFailed = (cell: DoneCell | FailedCell): cell is FailedCell => 'failed' in cell;

/** The document of a study, from its cells in order; `version` is that of what made them. */
export function resultsOf(study: Study, budget: string, cells: (DoneCell | FailedCell)[], version: string, seed?: number): StudyResults {
  const axes = study.axes.map(({ name, label, places }) => {
    const used = new Set(cells.map((cell) => cell.places[name]));
    return { name, label, places: places.map((place) => place.name).filter((place) => used.has(place)) };
  });
  return { schema: 'tiresias.study-results/1', ...(study.kind === 'theory' && { kind: study.kind }), name: study.name, budget, ...(seed !== undefined && { seed }), version, question: study.question, source: study.source, x: study.x, axes, cells };
}
