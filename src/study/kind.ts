// What sets kinds of studies apart once their cells are finished: how results are told and drawn.
import type { Sheet } from '../report/sheet.js';
import type { Keyed } from './cells.js';
import { gapSheet } from './figures.js';
import { finding, shown } from './finding.js';
import { footing } from './page.js';
import type { StudyResults } from './results.js';
import { cellsAt, type LoadedStudy } from './study.js';
import { gapTables } from './tables.js';

/** A kind of study. */
export interface Kind {
  /** The cells that a study's budget comes to, in order. */
  cells(loaded: LoadedStudy, budget: string): Keyed[];
  /** The sentence that the results allow. */
  finding(results: StudyResults): string;
  /** Whether that is more than that nothing was found. */
  shown(results: StudyResults): boolean;
  /** What the sentence rests on. */
  footing(results: StudyResults): string;
  /** The figures. */
  sheets(results: StudyResults): Promise<Sheet[]>;
  /** The tables as Markdown, under headings of their own. */
  tables(results: StudyResults): string[];
}

/** Studies of few-shot experiments. */
const experiments: Kind = { cells: cellsAt, finding, shown, footing, sheets: async (results) => [await gapSheet(results)], tables: gapTables };

/** The kind of a study, or of its results. */
export const kindOf = (_: Pick<StudyResults, 'name'>): Kind => experiments;
