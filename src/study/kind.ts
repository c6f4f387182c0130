// What sets kinds of studies apart: what their cells are, and how results are told and drawn. All else is the same for every study.
import { runExperiment } from '../run/index.js';
import type { Sheet } from '../report/sheet.js';
import { theoryCells } from '../theory/cells.js';
import { theoryFinding } from '../theory/finding.js';
import { theoryFooting, theoryPage } from '../theory/page.js';
import { theoryDone } from '../theory/settings.js';
import { theoryCsv, theoryLatex, theoryMarkdown, theoryTables } from '../theory/tables.js';
import type { Keyed } from './cells.js';
import { estimate, RATES, work } from './estimate.js';
import { finding, shown } from './finding.js';
import { footing, studyPage, type Download } from './page.js';
import type { CellFile, DoneCell, FailedCell, StudyResults } from './results.js';
import { cellsAt, type LoadedStudy, type Study } from './study.js';
import { comparisonsCsv, csv, gapTables, latex, markdown } from './tables.js';

/** How a cell is run. */
export interface CellRun {
  /** The cell's own folder, for what it leaves besides its document. */
  folder: string;
  store: string;
  threads: number;
  signal: AbortSignal | undefined;
  /** Told what is going on. */
  report(detail: string): void;
}

/** A cell that can be run. */
export interface Job extends Keyed {
  /** All that it is made from, for its document. */
  configuration: Record<string, unknown>;
  /** What it will do, in words. */
  work: string;
  /** Seconds that it takes, about; undefined where a rate was never measured. */
  about(threads: number): Promise<number | undefined>;
  /** Makes it: what came of it, and what it took. */
  run(how: CellRun): Promise<Pick<DoneCell, 'regimes' | 'theory'> & Pick<CellFile, 'arithmetic' | 'seconds' | 'machine'>>;
}

/** A file beside the page: its name, what is in it, and its text. */
export type TextFile = readonly [path: string, what: string, text: string];

/** A kind of study. */
export interface Kind {
  /** The cells that a study's budget comes to, in order; under a seed of one's own instead of the study's. */
  cells(loaded: LoadedStudy, budget: string, seed?: number): Job[];
  /** What estimates of their time rest on. */
  rates: string;
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
  /** The page's words and numbers as Markdown. */
  markdown(results: StudyResults): string;
  /** Rows and tables for other programs. */
  files(results: StudyResults): TextFile[];
  page(results: StudyResults, files: readonly (CellFile | FailedCell)[], sheets: readonly Sheet[], downloads: readonly Download[]): string;
}

/** Studies of few-shot experiments. */
const experiments: Kind = {
  cells: (loaded, budget, seed) => cellsAt(loaded, budget, seed).map((cell) => ({
    ...cell,
    configuration: { ...cell.experiment },
    work: work(cell.experiment),
    about: (threads) => estimate(cell.experiment, threads),
    run: async ({ report, ...options }) => {
      const { results } = await runExperiment(cell.experiment, { ...options, onProgress: ({ stage, done, total, detail }) => report(`${stage} ${Math.floor((100 * done) / total)} %, ${detail}`) });
      // Traces of single episodes show how a policy acts, not how good it is.
      const regimes = Object.fromEntries(Object.entries(results.regimes).map(([regime, of]) => [regime, { ...of, traces: [] }]));
      const arithmetic = [...new Set(results.training.flatMap((one) => one.arithmetic ?? []))].sort();
      return { regimes, arithmetic, seconds: results.stages.reduce((sum, { seconds }) => sum + seconds, 0), machine: results.machine };
    },
  })),
  rates: `at rates measured on another day and perhaps another machine (bench/results: ${RATES.join(', ')}). An estimate: cells share stages, and tasks differ`,
  finding, shown, footing, markdown,
  // Vega takes a while to load.
  sheets: async (results) => {
    const { deploymentSheet, gapSheet } = await import('./figures.js');
    return [await gapSheet(results), ...await deploymentSheet(results)];
  },
  tables: gapTables,
  files: (results) => [
    ['rows.csv', 'every number with its interval, a row a method and setting', csv(results)],
    ['comparisons.csv', 'every paired difference with its p-values', comparisonsCsv(results)],
    ['table.tex', 'the tables above for LaTeX, with booktabs', latex(results)],
  ],
  page: studyPage,
};

/** Studies of the theory. */
const theory: Kind = {
  cells: theoryCells,
  rates: 'by the operations that docs/theory.md counts, at what each took on one machine. An estimate: the whole may take a few times as long',
  finding: theoryFinding,
  shown: (results) => theoryDone(results).length > 0,
  footing: theoryFooting,
  sheets: async (results) => (await import('../theory/figures.js')).theorySheets(results),
  tables: theoryTables,
  markdown: theoryMarkdown,
  files: (results) => [
    ['rows.csv', 'every number with its interval, a row a cell, number of pairs and estimate', theoryCsv(results)],
    ['table.tex', 'the table above for LaTeX, with booktabs', theoryLatex(results)],
  ],
  page: theoryPage,
};

/** The kind of a study, or of its results. */
export const kindOf = ({ kind }: { kind?: Study['kind'] | undefined }): Kind => (kind === 'theory' ? theory : experiments);
