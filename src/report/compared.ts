// The paired comparisons of the results, in the order of the page.
import type { ComparisonResult, RegimeResult, Results } from '../results.js';
import type { Group } from './groups.js';
import { methodsOf, rankedIn, regimeLabel, regimesOf, type Method } from './names.js';

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
    const subject = methods.find((method) => method.key === result.comparisons[0]?.method);
    if (!subject) return [];
    const with_ = new Map(result.comparisons.filter(({ method }) => method === subject.key).map((comparison) => [comparison.versus, comparison]));
    const groups = rankedIn(result, methods.filter((method) => with_.has(method.key)));
    const pairs = groups.flatMap(([, members]) => members.map((method) => ({ method, comparison: with_.get(method.key)! })));
    return pairs.length === 0 ? [] : [{ regime: regimeLabel(key), result, subject, pairs, groups }];
  });
}
