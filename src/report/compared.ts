// The paired comparisons of the results, in the order of the page.
import type { ComparisonResult, RegimeResult, Results } from '../results.js';
import type { Group } from './groups.js';
import { methodsOf, rankedIn, regimeLabel, regimesOf, type Method } from './names.js';
import { clean, count } from './text.js';

/** A method and how the one that is asked about differs from it. */
export interface Pair {
  method: Method;
  comparison: ComparisonResult;
}

/** The comparisons of one regime, all with one method. */
export interface Compared {
  /** What the regime is called. */
  regime: string;
  result: RegimeResult;
  /** The method that is asked about. */
  subject: Method;
  pairs: Pair[];
  /** The methods of the pairs, by family. */
  groups: [group: Group, methods: Method[]][];
}

/** Whether the difference is more than chance, with all others of its regime taken into account. */
export const toldApart = ({ pHolm }: ComparisonResult): boolean => pHolm < 0.05;

/** The regimes that have comparisons of methods that they hold, family by family. */
export function comparedIn(results: Results, methods: readonly Method[] = methodsOf(results)): Compared[] {
  return regimesOf(results).flatMap(([key, result]): Compared[] => {
    // Trainings of one method with several seeds are compared as one, under the name they share; the first stands for them.
    const called = (name: string): Method | undefined => {
      const one = methods.find(({ key: of }) => of === name);
      if (one) return one;
      const seeds = methods.filter(({ key: of }) => Object.hasOwn(result.methods, of) && result.methods[of]!.seedOf === name);
      return seeds[0] && { ...seeds[0], label: `${clean(result.methods[seeds[0].key]!.label) || clean(name)}, mean of ${count(seeds.length)} seeds` };
    };
    const name = result.comparisons[0]?.method;
    const subject = name === undefined ? undefined : called(name);
    if (!subject) return [];
    const with_ = new Map<string, Pair>();
    for (const comparison of result.comparisons) {
      const method = comparison.method === name ? called(comparison.versus) : undefined;
      if (method) with_.set(method.key, { method, comparison });
    }
    const groups = rankedIn(result, methods.flatMap(({ key: of }) => with_.get(of)?.method ?? []));
    const pairs = groups.flatMap(([, members]) => members.map((method) => with_.get(method.key)!));
    return pairs.length === 0 ? [] : [{ regime: regimeLabel(key), result, subject, pairs, groups }];
  });
}
