// The headline: what was asked, and what the paired comparisons allow one to answer.
import type { MethodResult, Results } from '../results.js';
import { comparedIn, toldApart, type Compared, type Pair } from './compared.js';
import { methodsOf, regimeLabel, regimesOf, type Method } from './names.js';
import { clean, count, decimal, list } from './text.js';

/** Where the normalised gap of the method that is asked about lies beside another's. */
export type Relation = 'below' | 'above' | 'unclear';

/** What a comparison shows; nothing, where its p-value corrected for all comparisons of the regime is 0.05 or more. */
export const relation = ({ comparison }: Pair): Relation => (!toldApart(comparison) ? 'unclear' : comparison.gapNorm < 0 ? 'below' : 'above');

/** More names than that are counted, and stand in the table. */
export const NAMED = 3;

export function question(results: Results): string {
  const model = clean(results.baseModel?.name ?? '');
  const others = 'what simpler methods get from the same examples';
  return model === ''
    ? `How far from optimal do methods act that learn a task from a few demonstrations, and what does one of them add to ${others}?`
    : `How far from optimal does ${model} act from a few demonstrations, and what does fine-tuning it on oracle-labelled trajectories add to ${others}?`;
}

/** One sentence; regimes, or whatever else the results are of, about which the same can be said are named together. */
export function answer(results: Results, noun = 'regime'): string {
  const methods = methodsOf(results);
  const compared = new Map(comparedIn(results, methods).map((of) => [of.result, of]));
  const said = new Map<string, string[]>();
  for (const [key, regime] of regimesOf(results)) {
    const of = compared.get(regime);
    const verdict = of ? judge(of) : 'no methods were compared';
    said.set(verdict, [...(said.get(verdict) ?? []), regimeLabel(key)]);
  }
  if (said.size === 0) return `No ${noun} was evaluated.`;
  const total = Object.keys(results.regimes).length;
  const where = (names: readonly string[]): string =>
    (names.length > NAMED ? `in ${names.length === total ? 'all' : `${count(names.length)} of the`} ${count(total)} ${noun}s` : `in the ${list(names)} ${names.length > 1 ? `${noun}s` : noun}`);
  const sentence = [...said].map(([verdict, regimes]) => `${where(regimes)} ${verdict}`).join('; ');
  return `${sentence[0]!.toUpperCase()}${sentence.slice(1)}.`;
}

/** The methods that know no more than the subject: references other than chance answer another question. */
export const rivalsOf = ({ subject, pairs }: Compared): Pair[] =>
  pairs.filter(({ method }) => (method.group.key !== 'reference' || method.key === 'random') && method.kind.key !== subject.kind.key);

function judge(compared: Compared): string {
  const { subject } = compared;
  const rivals = rivalsOf(compared);
  const by: Record<Relation, Method[]> = { below: [], above: [], unclear: [] };
  for (const pair of rivals) by[relation(pair)].push(pair.method);
  const those = (methods: readonly Method[], joined: (names: readonly string[]) => string, every = 'all'): string =>
    methods.length <= NAMED ? joined(methods.map(named)) : `${methods.length === rivals.length ? every : count(methods.length)} of the ${count(rivals.length)} others that know no more`;
  const parts = [
    by.below.length > 0 && `lies below that of ${those(by.below, list)}`,
    by.above.length > 0 && `lies above that of ${those(by.above, list)}`,
    by.unclear.length > 0 && `is not told apart from that of ${those(by.unclear, (names) => names.join(' or '), 'any')}`,
  ].filter((part) => part !== false);
  return `the normalised gap of ${named(subject)} ${list(parts) || 'stands alone, with nothing to compare it with'}`;
}

const NAMES = new Map([['sft', 'the fine-tuned model'], ['icl', 'the language model in context only'], ['random', 'random actions']]);

/** A method within a sentence. */
export const named = ({ key, label }: Method): string => NAMES.get(key) ?? label;

/** How much the answer rests on, in the numbers of the results. */
export function footing(results: Results): string {
  const methods = Object.values(results.regimes).flatMap((regime) => Object.values(regime.methods));
  if (methods.length === 0) return 'Nothing was measured.';
  const horizons = Object.values(results.regimes).map(({ horizon }) => horizon);
  const range = (values: readonly number[]): string => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low === high ? count(low) : `${count(low)} to ${count(high)}`;
  };
  const compared = comparedIn(results).length > 0
    ? 'Methods are compared on the same tasks in pairs, and told apart where the p-value, by Holm’s correction over all comparisons of a regime, is below 0.05; that two are not told apart does not show them equal. '
    : '';
  return `Measured over ${range(methods.map((m) => m.tasks))} tasks a method and regime, at a horizon of ${range(horizons)} decisions. ${compared}`
    + 'The intervals cover the draw of tasks from this family; another seed or training run may come to something else.';
}

/** “0.21 [0.15, 0.27]” of each method in a regime, for a plot’s text alternative. */
export const spoken = (m: MethodResult): string =>
  `${decimal(m.gapNorm)}, 95% interval ${decimal(m.gapNormCi95[0])} to ${decimal(m.gapNormCi95[1])}`;
