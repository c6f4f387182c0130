// What a policy says at many beliefs, for pictures.
import { AlphaPolicy } from '../library.js';
import type { Sheet } from '../report/sheet.js';
import type { Reader } from './reader.js';

/** An entry a belief; the bounds are the value itself where a policy has none. */
export interface Decisions {
  actions: ArrayLike<number>;
  lower: ArrayLike<number>;
  upper: ArrayLike<number>;
}

/** Asks a policy at beliefs that lie one after the other. */
export function decisionsAt({ policy, spaces }: Reader, stage: number, beliefs: Float64Array): Decisions {
  const states = spaces.states.size;
  const count = beliefs.length / states;
  if (!(policy instanceof AlphaPolicy)) return policy.decideBatchSync(new Uint32Array(count).fill(stage), beliefs);
  const each = Array.from({ length: count }, (_, i) => beliefs.subarray(i * states, (i + 1) * states));
  const values = each.map((belief) => policy.value(belief, stage));
  return { actions: each.map((belief) => policy.action(belief, stage)), lower: values, upper: values };
}

/** How far the bounds are apart, in words. */
export function gapInWords({ policy }: Reader, { lower, upper }: Decisions): string {
  if (policy instanceof AlphaPolicy) return "the value is what the policy's vectors say, which prove no bounds";
  const gap = Array.from(lower, (low, i) => upper[i]! - low).reduce((most, x) => Math.max(most, x), 0);
  return `the bounds are at most ${gap === 0 ? '0' : gap.toPrecision(3)} apart`;
}

/** What a picture of beliefs puts on its sheet. */
export type BeliefSheet = Pick<Sheet, 'note' | 'rows'>;
