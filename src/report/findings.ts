// The headline: what was asked, and what the intervals allow one to answer.
import type { ComparisonResult, MethodResult, RegimeResult, Results } from '../results.js';
import { regimeLabel, regimesOf } from './names.js';
import { clean, count, decimal, list } from './text.js';

/** Where the reference method's normalised gap lies beside another's, by their paired difference over tasks. */
export type Relation = 'below' | 'above' | 'not told apart';

/** Told apart where the Holm-corrected p-value is below 5 %. */
export function relation({ gapNorm, pHolm }: ComparisonResult): Relation {
  if (pHolm >= 0.05) return 'not told apart';
  return gapNorm < 0 ? 'below' : 'above';
}

/** Whether a fine-tuned language model is what the others are compared with. */
const isAboutModel = (results: Results): boolean =>
  Object.values(results.regimes).some(({ methods, comparisons }) => comparisons.some(({ method }) => methods[method]?.method === 'sft'));

export function question(results: Results): string {
  if (results.baseModel === undefined) return 'How far from optimal does each method act from a few demonstrations?';
  const model = clean(results.baseModel.name) || 'the model';
  const many = Object.values(results.regimes).some(({ methods }) => Object.values(methods).some(({ group }) => !['reference', 'language'].includes(group)));
  return `How far from optimal does ${model} act from a few demonstrations, and does fine-tuning on oracle-labelled trajectories bring it closer than `
    + `${many && isAboutModel(results) ? 'the same prompt alone, and than simpler methods get from the same examples' : 'the same prompt alone'}?`;
}

/** One sentence; regimes about which the same can be said are named together. */
export function answer(results: Results): string {
  const said = new Map<string, string[]>();
  for (const [key, regime] of regimesOf(results)) {
    const verdict = judge(regime);
    said.set(verdict, [...(said.get(verdict) ?? []), regimeLabel(key)]);
  }
  if (said.size === 0) return 'No regime was evaluated.';
  const sentence = [...said].map(([verdict, regimes]) => `in the ${list(regimes)} ${regimes.length > 1 ? 'regimes' : 'regime'} ${verdict}`).join('; ');
  return `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.`;
}

function judge({ methods, comparisons }: RegimeResult): string {
  const reference = comparisons[0]?.method ?? Object.keys(methods).find((key) => methods[key]!.method === 'sft');
  const ours = reference === undefined ? undefined : methods[reference];
  if (!ours || ['oracle', 'random'].includes(ours.method)) return 'no method was evaluated besides oracle and chance';
  const by: Record<Relation, string[]> = { below: [], above: [], 'not told apart': [] };
  // The oracle is the yardstick of every gap, not a rival.
  for (const comparison of comparisons) {
    const theirs = methods[comparison.versus];
    if (theirs && theirs.method !== 'oracle') by[relation(comparison)].push(small(clean(theirs.label)));
  }
  const total = Object.values(by).flat().length;
  const parts = [
    by.below.length > 0 && `lies below ${named(by.below, total)}`,
    by.above.length > 0 && `lies above ${named(by.above, total)}`,
    by['not told apart'].length > 0 && `is not told apart from ${named(by['not told apart'], total, 'or')}`,
  ].filter((part) => part !== false);
  const who = ours.method === 'sft' ? 'the fine-tuned model’s normalised gap' : `the normalised gap of ${small(clean(ours.label))}`;
  if (parts.length === 0) return `${who} stands alone, with nothing to compare it with`;
  return `${who} ${list(parts)} (paired over tasks, Holm-corrected at 5%)`;
}

/** A label within a sentence: a capital only where it is a name's. */
const small = (label: string): string => (/^[A-Z][a-z]/.test(label) ? `${label[0]!.toLowerCase()}${label.slice(1)}` : label);

/** The names while they are few, else how many they are. */
function named(names: readonly string[], total: number, word: 'and' | 'or' = 'and'): string {
  if (names.length > 5) return names.length === total ? `all ${count(total)} other methods` : `${count(names.length)} of ${count(total)} other methods`;
  if (word === 'or') return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  return names.length === 2 ? `both ${list(names)}` : list(names);
}

/** How much the answer rests on, in the numbers of the results. */
export function footing(results: Results): string {
  const methods = Object.values(results.regimes).flatMap((regime) => Object.values(regime.methods));
  const range = (values: readonly number[]): string => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low === high ? count(low) : `${count(low)} to ${count(high)}`;
  };
  const horizons = Object.values(results.regimes).map((regime) => regime.horizon);
  if (methods.length === 0) return 'Nothing was measured.';
  return `Measured over ${range(methods.map((m) => m.tasks))} tasks a method and regime, at a horizon of ${range(horizons)} decisions. `
    + 'The intervals cover the draw of tasks from this family with one seed and one training run; that two methods are not told apart does not show that they are equal.';
}

/** “0.21 [0.15, 0.27]” of each method in a regime, for a plot’s text alternative. */
export const spoken = (m: MethodResult): string =>
  `${decimal(m.gapNorm)}, 95% interval ${decimal(m.gapNormCi95[0])} to ${decimal(m.gapNormCi95[1])}`;
