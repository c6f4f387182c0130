// The finished cells of a theory study, as its tables and figures go through them.
import { isFailed, type StudyResults } from '../study/results.js';
import type { TheoryPoint, TheoryResult } from './results.js';

/** A finished cell. */
export interface TheoryDone {
  places: Record<string, string>;
  theory: TheoryResult;
}

/** All finished cells in order. */
export const theoryDone = ({ cells }: StudyResults): TheoryDone[] =>
  cells.flatMap((cell) => (isFailed(cell) || !cell.theory ? [] : [{ places: cell.places, theory: cell.theory }]));

/** Cells that differ along the x axis only: the lines of a panel. */
export interface TheoryGroup {
  /** `d = 4, decay = 1`. */
  label: string;
  members: TheoryDone[];
}

/** Panels, in the order of the cells. */
export function theoryGroups(results: StudyResults): TheoryGroup[] {
  const groups = new Map<string, TheoryDone[]>();
  for (const done of theoryDone(results)) {
    const label = results.axes.filter(({ name }) => name !== results.x).map(({ name }) => `${name} = ${done.places[name]}`).join(', ');
    groups.set(label, [...(groups.get(label) ?? []), done]);
  }
  return [...groups].map(([label, members]) => ({ label, members }));
}

/** A number, and 0 for what rounding leaves of a difference that is 0: values of policies are of the order of 1. */
export const beyondRounding = (x: number): number => (Math.abs(x) < 1e-12 ? 0 : x);

/** How many times the one is the other; nothing where that is 0. */
export const ratio = (above: number, below: number): number | undefined => (beyondRounding(below) > 0 ? beyondRounding(above) / below : undefined);

/** How many times what acting on the closed form cost a bound is; nothing where it cost nothing. */
export const looseness = ({ bound, closed }: TheoryPoint, which: 'total' | 'sharp' = 'total'): number | undefined => ratio(bound[which], closed.gapNorm.value);
