// What a study came to: one document, in which times and machines have no part, so that the same study gives the same bytes.
import type { z as Zod } from 'zod';
import { lazy, zod } from '../lazy.js';
import type { TheoryResult } from '../theory/results.js';
import { regimesIn, type MachineInfo, type Results } from '../results.js';

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
  /** Wall time of the cell's stages, those that other cells share included. */
  seconds: number;
  /** The machine that ran it. */
  machine: MachineInfo;
  /** When it was finished, in ISO 8601. */
  date: string;
}

const cellFileSchema = lazy(() => {
  const z = zod();
  const places = z.record(z.string(), z.string());
  return z.object({
    schema: z.literal('tiresias.study-cell/1'),
    cell: z.object({ name: z.string(), places, madeFrom: z.string(), regimes: z.record(z.string(), z.unknown()) }),
    seconds: z.number(),
    machine: z.object({ cpu: z.string(), cores: z.number(), memoryBytes: z.number(), node: z.string(), platform: z.string() }),
    date: z.string(),
  }) satisfies Zod.ZodType<Omit<CellFile, 'cell'> & { cell: Omit<DoneCell, 'regimes'> & { regimes: Record<string, unknown> } }>;
});

/** Whether a cell failed. */
export const isFailed = (cell: DoneCell | FailedCell): cell is FailedCell => 'failed' in cell;

/** The document of a cell if it is one, else undefined. */
export function parseCellFile(value: unknown): CellFile | undefined {
  const parsed = cellFileSchema().safeParse(value);
  const regimes = parsed.success ? regimesIn(parsed.data.cell.regimes) : undefined;
  return parsed.success && regimes ? { ...parsed.data, cell: { ...parsed.data.cell, regimes } } : undefined;
}
