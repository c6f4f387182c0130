// The first line of a study's page: what the paired comparisons of all its settings allow one to say, in one sentence, however many they are.
import { comparedIn, type Compared } from '../report/compared.js';
import { answer, named, NAMED, relation, rivalsOf, type Relation } from '../report/findings.js';
import type { Method } from '../report/names.js';
import { count, list } from '../report/text.js';
import type { StudyResults } from './results.js';
import { asResults } from './settings.js';

/** How often a method lies where beside the one that is asked about. */
interface Tally extends Record<Relation, number> {
  method: Method;
  of: number;
}

/** More letters than that are no first line. */
const LONG = 240;

/** One sentence: about each setting by name where that is short, else counted. */
export function finding(results: StudyResults): string {
  const named = answer(asResults(results), 'setting');
  const compared = comparedIn(asResults(results));
  if (named.length <= LONG || compared.length < 2) return named;
  const subjects = new Map<string, Compared[]>();
  for (const one of compared) subjects.set(one.subject.kind.key, [...(subjects.get(one.subject.kind.key) ?? []), one]);
  return `${capital([...subjects.values()].map(counted).join('; '))}.`;
}

/** Whether the method that is asked about is ahead of any that knows no more, chance aside, in any setting. */
export const shown = (results: StudyResults): boolean =>
  comparedIn(asResults(results)).some((one) => rivalsOf(one).some((pair) => pair.method.key !== 'random' && relation(pair) === 'below'));

/** Of settings that ask about the same method. */
function counted(settings: readonly Compared[]): string {
  const tallies = new Map<string, Tally>();
  for (const setting of settings) {
    for (const pair of rivalsOf(setting)) {
      const tally = tallies.get(pair.method.kind.key) ?? { method: together(pair.method), of: 0, below: 0, above: 0, unclear: 0 };
      tallies.set(pair.method.kind.key, { ...tally, of: tally.of + 1, [relation(pair)]: tally[relation(pair)] + 1 });
    }
  }
  const rivals = [...tallies.values()];
  const ahead = rivals.filter(({ below, of }) => below === of);
  const behind = rivals.filter(({ above }) => above > 0);
  const even = rivals.filter(({ above, unclear }) => above === 0 && unclear > 0);
  const { subject } = settings[0]!;
  const parts = [
    ahead.length > 0 && `lies below that of ${ahead.length <= NAMED ? list(ahead.map(({ method }) => named(method))) : several(ahead, rivals)} in all`,
    behind.length > 0 && `lies above that of ${often(behind, 'above', rivals)}`,
    even.length > 0 && `is not told apart from that of ${often(even, 'unclear', rivals)}`,
  ].filter((part) => part !== false);
  return `over ${count(settings.length)} settings the normalised gap of ${named(together(subject))} ${list(parts)}`;
}

/** “CQL in 6 and FQI in 2”, or “7 of the 11 others in some, most often of CQL (in 8)”. */
function often(some: readonly Tally[], as: Relation, rivals: readonly Tally[]): string {
  const ranked = some.toSorted((a, b) => b[as] - a[as]);
  const times = (tally: Tally): string => (tally[as] === tally.of ? 'all' : count(tally[as]));
  if (ranked.length <= NAMED) return list(ranked.map((tally) => `${named(tally.method)} in ${times(tally)}`));
  return `${several(ranked, rivals)} in some, most often of ${named(ranked[0]!.method)} (in ${times(ranked[0]!)})`;
}

const several = (some: readonly Tally[], rivals: readonly Tally[]): string => (some.length === rivals.length ? `all ${count(rivals.length)} others that know no more` : `${count(some.length)} of the ${count(rivals.length)} others that know no more`);

/** All trainings of a method as one. */
const together = (method: Method): Method => ({ ...method, key: method.kind.key, label: method.kind.label });

const capital = (sentence: string): string => `${sentence[0]!.toUpperCase()}${sentence.slice(1)}`;
