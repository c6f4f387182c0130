// What the numbers of a theory study allow one to say.
import { count, decimal, percent } from '../report/text.js';
import type { StudyResults } from '../study/results.js';
import { looseness, theoryDone } from './settings.js';

/** “3”, or “3 to 40”: the least and the greatest, to two digits. */
export function range(values: readonly number[]): string {
  const short = (x: number) => (Math.abs(x) >= 100 ? count(Number(x.toPrecision(2))) : String(Number(x.toPrecision(2))));
  return [...new Set([short(Math.min(...values)), short(Math.max(...values))])].join(' to ');
}

/** One paragraph, made from the numbers alone. */
export function theoryFinding(results: StudyResults): string {
  const done = theoryDone(results);
  if (done.length === 0) return 'No setting was evaluated.';
  const points = done.flatMap(({ theory }) => theory.points);
  const comparisons = done.reduce((sum, { theory }) => sum + theory.setting.tasks * theory.points.length, 0);
  const broken = points.reduce((sum, { bound }) => sum + bound.broken, 0);
  const loose = (which: 'total' | 'sharp') => points.flatMap((point) => looseness(point, which) ?? []);
  const vacuous = done.reduce((sum, { theory }) => sum + theory.points.filter(({ bound }) => bound.total >= theory.lossOfWorst).length, 0);
  const holds = broken === 0
    ? `In all ${count(done.length)} settings acting on the closed form costs less than the bound, which is loose: ${range(loose('total'))} times the cost (${range(loose('sharp'))} without scale and level), and in ${count(vacuous)} of ${count(points.length)} points above what the worst policy loses.`
    : `Acting on the closed form costs more than the bound in ${count(broken)} of ${count(comparisons)} tasks, which the theory rules out: one of the two is wrong.`;
  const excess = Math.max(...done.flatMap(({ theory }) => theory.layers.map((layer) => layer.excess)));
  const [first, last] = [done.map(({ theory }) => theory.points[0]!), done.map(({ theory }) => theory.points.at(-1)!)];
  const dearer = points.flatMap(({ closed, trained }) => (closed.gapNorm.value > 0 ? [trained.gapNorm.value / closed.gapNorm.value] : []));
  return `${holds} Trained layers err at most ${percent(excess)} more than the closed form on prompts as in training, and acting on them costs ${range(dearer)} times as much. `
    + `Where the greedy policy leads, the squared error of the action it takes is ${range(first.map(({ closed }) => closed.shift.value))} times that at the prompts' own distribution with the shortest prompts, ${range(last.map(({ closed }) => closed.shift.value))} times with the longest.`;
}

/** What an unequal spectrum makes the length of training prompts cost, and what an equal one does, at the longest prompts. */
export function trainingLengthFinding(results: StudyResults): string[] {
  const done = theoryDone(results);
  const keys = [...new Set(done.map(({ theory: { setting } }) => `${setting.dimension} ${setting.decay}`))];
  return keys.flatMap((key) => {
    const of = done.map(({ theory }) => theory).filter(({ setting }) => `${setting.dimension} ${setting.decay}` === key).toSorted((a, b) => a.setting.trainingLength - b.setting.trainingLength);
    const [short, long] = [of[0]!, of.at(-1)!];
    if (short === long) return [];
    const { dimension, decay } = short.setting;
    const at = (theory: typeof short) => theory.points.at(-1)!;
    const gap = (theory: typeof short) => `${decimal(at(theory).closed.gapNorm.value)} at N = ${theory.setting.trainingLength}`;
    return [`d = ${dimension}, ${decay === 0 ? 'equal eigenvalues' : `eigenvalues falling as k^-${decay}`}, M = ${at(short).pairs}: the normalised gap is ${gap(short)} and ${gap(long)}; the bound's part from the training length is ${decimal(at(short).bound.bias)} and ${decimal(at(long).bound.bias)}.`];
  });
}
