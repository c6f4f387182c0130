// The headline: what was asked, and what the intervals allow one to answer.
import type { MethodResult, Results } from '../results.js';
import { regimeLabel, regimesOf } from './names.js';
import { clean, count, decimal, list } from './text.js';

/** Where the fine-tuned model's 95% interval of the normalised gap lies beside another method's. */
export type Relation = 'below' | 'above' | 'overlapping';

export function relation(ours: MethodResult, theirs: MethodResult): Relation {
  if (ours.gapNormCi95[1] < theirs.gapNormCi95[0]) return 'below';
  if (ours.gapNormCi95[0] > theirs.gapNormCi95[1]) return 'above';
  return 'overlapping';
}

const RIVALS: readonly (readonly [key: string, name: string])[] = [['icl', 'in-context only'], ['random', 'random']];

export const question = (results: Results): string =>
  `How far from optimal does ${clean(results.baseModel.name) || 'the model'} act from a few demonstrations, `
  + 'and does fine-tuning on oracle-labelled trajectories bring it closer than the same prompt alone?';

/** One sentence; regimes about which the same can be said are named together. */
export function answer(results: Results): string {
  const said = new Map<string, string[]>();
  for (const [key, regime] of regimesOf(results)) {
    const verdict = judge(regime.methods);
    said.set(verdict, [...(said.get(verdict) ?? []), regimeLabel(key)]);
  }
  if (said.size === 0) return 'No regime was evaluated.';
  const sentence = [...said].map(([verdict, regimes]) => `in the ${list(regimes)} ${regimes.length > 1 ? 'regimes' : 'regime'} ${verdict}`).join('; ');
  return `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.`;
}

function judge(methods: Readonly<Record<string, MethodResult>>): string {
  const ours = methods.sft;
  if (!ours) return 'no fine-tuned model was evaluated';
  const by: Record<Relation, string[]> = { below: [], above: [], overlapping: [] };
  for (const [key, name] of RIVALS) {
    const theirs = methods[key];
    if (theirs) by[relation(ours, theirs)].push(name);
  }
  const parts = [
    by.below.length > 0 && `lies below ${both(by.below)} (95% intervals apart)`,
    by.above.length > 0 && `lies above ${both(by.above)} (95% intervals apart)`,
    by.overlapping.length > 0 && `is not told apart from ${by.overlapping.join(' or ')} (the 95% intervals overlap)`,
  ].filter((part) => part !== false);
  return `the fine-tuned model’s normalised gap ${list(parts) || 'stands alone, with nothing to compare it with'}`;
}

const both = (names: readonly string[]): string => (names.length === 2 ? `both ${list(names)}` : list(names));

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
    + 'The intervals cover the draw of tasks from this family with one seed and one training run; overlapping intervals do not show that two methods are equal.';
}

/** “0.21 [0.15, 0.27]” of each method in a regime, for a plot’s text alternative. */
export const spoken = (m: MethodResult): string =>
  `${decimal(m.gapNorm)}, 95% interval ${decimal(m.gapNormCi95[0])} to ${decimal(m.gapNormCi95[1])}`;
