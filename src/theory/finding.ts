// What the numbers of a theory study allow one to say.
import { canonicalJson } from '../json.js';
import { count, decimal, percent } from '../report/text.js';
import type { StudyResults } from '../study/results.js';
import type { TheoryPoint, TheoryResult } from './results.js';
import type { TheorySetting } from './setting.js';
import { looseness, ratio, theoryDone } from './settings.js';

/** “3”, or “3 to 40”: the least and the greatest, to two digits. Of no numbers, “no number of”. */
export function range(values: readonly number[]): string {
  if (values.length === 0) return 'no number of';
  const short = (x: number) => (Math.abs(x) >= 100 ? count(Number(x.toPrecision(2))) : String(Number(x.toPrecision(2))));
  return [...new Set([short(Math.min(...values)), short(Math.max(...values))])].join(' to ');
}

/** One paragraph, made from the numbers alone. */
export function theoryFinding(results: StudyResults): string {
  const done = theoryDone(results);
  if (done.length === 0) return 'No setting was evaluated.';
  const points = done.flatMap(({ theory }) => theory.points);
  const [first, last] = [done.map(({ theory }) => theory.points[0]!), done.map(({ theory }) => theory.points.at(-1)!)];
  const excess = Math.max(...done.flatMap(({ theory }) => theory.layers.map((layer) => layer.excess)));
  const dearer = points.flatMap(({ closed, trained }) => ratio(trained.gapNorm.value, closed.gapNorm.value) ?? []);
  return [
    ...steps(points), ...bound(done.map(({ theory }) => theory)),
    `Trained layers err at most ${percent(excess)} more than the closed form on prompts as in training${dearer.length > 0 ? `, and acting on them costs ${range(dearer)} times as much` : ''}.`,
    `Where the greedy policy leads, the squared error of the action it takes is ${range(first.map(({ closed }) => closed.shift.value))} times that at the prompts' own distribution with the shortest prompts, ${range(last.map(({ closed }) => closed.shift.value))} times with the longest.`,
  ].join(' ');
}

/** The first two steps hold for every prompt, so no sample may break them. */
function steps(points: readonly TheoryPoint[]): string[] {
  const exceeds = (lower: number, upper: number) => lower > upper + 1e-9 * Math.abs(upper) + 1e-12;
  const wrong = points.filter(({ closed: { gapNorm, advantage, realised } }) => exceeds(gapNorm.value, advantage) || exceeds(advantage, realised)).length;
  return wrong === 0 ? [] : [`In ${count(wrong)} of ${count(points.length)} points acting on the closed form costs more than its own errors allow, which the theory rules out for every prompt: one of the two is wrong.`];
}

/** The bound is on the mean over all prompts; what was measured is a mean over a few. */
function bound(done: readonly TheoryResult[]): string[] {
  const points = done.flatMap((theory) => theory.points);
  const comparisons = done.reduce((sum, { setting, points: { length } }) => sum + setting.tasks * length, 0);
  const broken = points.reduce((sum, point) => sum + point.bound.broken, 0);
  const loose = (which: 'total' | 'sharp') => points.flatMap((point) => looseness(point, which) ?? []);
  const vacuous = done.reduce((sum, { lossOfWorst, points: of }) => sum + of.filter((point) => point.bound.total >= lossOfWorst).length, 0);
  const times = loose('total').length > 0 ? `${range(loose('total'))} times the cost (${range(loose('sharp'))} without scale and level), and ` : '';
  return [
    broken === 0
      ? `What acting on the closed form costs, a mean over the drawn prompts, lies within the bound in all ${count(comparisons)} pairs of a task and a prompt length.`
      : `What acting on the closed form costs, a mean over the drawn prompts, lies above the bound without scale and level in ${count(broken)} of ${count(comparisons)} pairs of a task and a prompt length, as with few prompts it may: the bound is on the mean over all.`,
    `The bound is ${times}in ${count(vacuous)} of ${count(points.length)} points above what the worst policy loses.`,
  ];
}

/** What an unequal spectrum makes the length of training prompts cost, and what an equal one does, at the longest prompts: settings that differ in nothing else. */
export function trainingLengthFinding(results: StudyResults): string[] {
  const groups = new Map<string, TheoryResult[]>();
  for (const { theory } of theoryDone(results)) {
    const key = canonicalJson({ ...theory.setting, trainingLength: 0 });
    groups.set(key, [...(groups.get(key) ?? []), theory]);
  }
  const alike = [...groups.values()].filter((of) => new Set(of.map(({ setting }) => setting.trainingLength)).size > 1);
  const others = differing(alike.map((of) => of[0]!.setting));
  return alike.map((of) => {
    const sorted = of.toSorted((a, b) => a.setting.trainingLength - b.setting.trainingLength);
    const [short, long] = [sorted[0]!, sorted.at(-1)!];
    const { dimension, decay } = short.setting;
    // Settings that are alike have the same numbers of pairs.
    const at = (theory: TheoryResult) => theory.points.at(-1)!;
    const gap = (theory: TheoryResult) => `${decimal(at(theory).closed.gapNorm.value)} at N = ${theory.setting.trainingLength}`;
    const where = [`d = ${dimension}`, decay === 0 ? 'equal eigenvalues' : `eigenvalues falling as k^-${decay}`, `M = ${at(short).pairs}`, ...others.map((field) => `${field} = ${canonicalJson(short.setting[field])}`)];
    return `${where.join(', ')}: the normalised gap is ${gap(short)} and ${gap(long)}; the bound's part from the training length is ${decimal(at(short).bound.bias)} and ${decimal(at(long).bound.bias)}.`;
  });
}

/** The fields that tell settings apart, but for those that are named anyway. */
function differing(settings: readonly TheorySetting[]): (keyof TheorySetting)[] {
  const named: readonly (keyof TheorySetting)[] = ['dimension', 'decay', 'trainingLength'];
  return (Object.keys(settings[0] ?? {}) as (keyof TheorySetting)[]).filter((field) => !named.includes(field) && new Set(settings.map((setting) => canonicalJson(setting[field]))).size > 1);
}
