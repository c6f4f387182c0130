// What a study will do, cell by cell, before it is run.
import { join, resolve } from 'node:path';
import { isIn, type Part } from '../parts.js';
import { COMMITTED, finishedCell, folderOf } from './cells.js';
import { about } from './estimate.js';
import { kindOf, type Job } from './kind.js';
import type { LoadedStudy } from './study.js';

/** A cell that is planned. */
export interface PlannedCell extends Job {
  /** Where its document lies, if it is finished. */
  finished?: 'here' | 'package';
  /** Seconds that it takes from nothing, about; left out where a rate was never measured. */
  aboutSeconds?: number;
}

/** A study that is planned. */
export interface Plan {
  study: string;
  question: string;
  /** What its budget is for. */
  about: string;
  cells: PlannedCell[];
  /** Seconds that the unfinished cells take, about, as many at once as were asked for; left out where that is unknown. */
  aboutSeconds?: number;
  /** What these rest on. */
  rates: string;
  threads: number;
}

/** Where finished cells are looked for, and what runs the others. */
export interface PlanOptions {
  folder?: string | undefined;
  seed?: number | undefined;
  committed?: string | false | undefined;
  threads: number;
  parallel: number;
  /** Only its cells. */
  part?: Part | undefined;
}

/** Plans a budget of a study. */
export async function planOf(loaded: LoadedStudy, budget: string, { folder, seed, committed = COMMITTED, threads, parallel, part = { index: 0, of: 1 } }: PlanOptions): Promise<Plan> {
  const { study } = loaded;
  const own = join(resolve(folder ?? folderOf(study, budget, seed)), 'cells');
  const cells: PlannedCell[] = [];
  for (const cell of kindOf(study).cells(loaded, budget, seed).filter((_, unit) => isIn(part, unit))) {
    const here = await finishedCell(own, cell);
    const there = !here && committed !== false && (await finishedCell(join(committed, study.name, budget), cell));
    const seconds = await cell.about(threads);
    cells.push({ ...cell, ...(here ? { finished: 'here' } : there ? { finished: 'package' } : {}), ...(seconds !== undefined && { aboutSeconds: seconds }) });
  }
  const left = cells.filter(({ finished }) => finished === undefined);
  const known = left.every(({ aboutSeconds }) => aboutSeconds !== undefined);
  const sum = left.reduce((total, { aboutSeconds = 0 }) => total + aboutSeconds, 0) / parallel;
  return { study: study.name, question: study.question, about: study.budgets[budget]!.about, cells, ...(known && { aboutSeconds: sum }), rates: kindOf(study).rates, threads };
}

/** A plan for people. */
export function planText({ study, question, about: what, cells, aboutSeconds, rates, threads }: Plan): string {
  const rows = cells.map(({ name, work, finished, aboutSeconds: seconds }) => [name, finished === 'here' ? 'finished' : finished === 'package' ? 'finished, in the package' : about(seconds), work]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const left = cells.filter(({ finished }) => finished === undefined).length;
  return [
    `${study}: ${question}`, what,
    ...rows.map(([name, time, doing]) => `${name!.padEnd(widths[0]!)}  ${time!.padEnd(widths[1]!)}  ${doing}`),
    left === 0 ? 'All cells are finished: it only draws the page.'
      : aboutSeconds === undefined ? `${left} of ${cells.length} cells are to be made. How long that takes is not known: no rate was measured for what trains or decides there.`
        : `${left} of ${cells.length} cells are to be made: ${about(aboutSeconds)} in all on ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${rates}. `
          + 'Once a cell is done, what it took corrects it.',
  ].join('\n');
}
