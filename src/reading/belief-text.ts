// Beliefs as people type and read them: `healthy=0.7,sick=0.3`.
import { shown } from '../arguments.js';
import { TiresiasError } from '../errors.js';
import type { Names } from '../serve/names.js';

/** How far what is typed may be from summing to 1. */
const TOLERANCE = 1e-6;
/** States of a belief that are told, the likeliest. */
const MOST_STATES = 6;

/** A state and its probability. The name may hold commas, as in `(0,1)=0.5`. */
const ENTRY = /\s*(.+?)\s*=\s*([^=,]*?)\s*(?:,|$)/y;

/**
 * The belief that a text says, one probability a state; states are named or numbered from 0, and those that are left out have
 * probability 0. Throws UNKNOWN_NAME and INVALID_ARGUMENT.
 */
export function parseBelief(text: string, states: Names): Float64Array {
  const belief = new Float64Array(states.size);
  const named = new Set<number>();
  ENTRY.lastIndex = 0;
  while (ENTRY.lastIndex < text.length) {
    const from = ENTRY.lastIndex;
    const [, name, probability] = ENTRY.exec(text) ?? invalid(`the belief ${shown(text)}: cannot read ${shown(text.slice(from))}; write STATE=PROBABILITY for each state, as in ${example(states)}`);
    const state = states.typed(name!);
    if (named.has(state)) invalid(`the belief names state ${states.nameOf(state)} twice`);
    named.add(state);
    const p = Number(probability);
    if (probability === '' || !(p >= 0 && p <= 1 + TOLERANCE)) invalid(`the belief's probability of state ${states.nameOf(state)} is ${shown(probability)}, not a number from 0 to 1`);
    belief[state] = p;
  }
  if (named.size === 0) invalid(`the belief is empty: write each state with its probability, as in ${example(states)}`);
  const sum = belief.reduce((a, b) => a + b, 0);
  if (!(Math.abs(sum - 1) <= TOLERANCE)) invalid(`the belief sums to ${Number(sum.toPrecision(7))}, not to 1`);
  return belief.map((p) => p / sum);
}

function example(states: Names): string {
  return states.size === 1 ? `${states.nameOf(0)}=1` : `${states.nameOf(0)}=0.7,${states.nameOf(1)}=0.3`;
}

function invalid(message: string): never {
  throw new TiresiasError('INVALID_ARGUMENT', message);
}

/** The likeliest states of a belief, those with probability 0 left out. */
export function likeliest(belief: Float64Array, states: Names, most = MOST_STATES): { name: string; probability: number }[] {
  const possible = [...belief.keys()].filter((state) => belief[state]! > 0);
  return possible.toSorted((a, b) => belief[b]! - belief[a]! || a - b).slice(0, most).map((state) => ({ name: states.nameOf(state), probability: belief[state]! }));
}

/** A belief in one line, the likeliest states first. */
export function beliefInWords(belief: Float64Array, states: Names): string {
  const told = likeliest(belief, states);
  const others = belief.filter((p) => p > 0).length - told.length;
  const rest = 1 - told.reduce((sum, { probability }) => sum + probability, 0);
  return told.map(({ name, probability }) => `${name} ${share(probability)}`).join(', ') + (others > 0 ? ` and ${others} more with ${share(Math.max(0, rest))} together` : '');
}

/** A probability to four digits after the point; what is not 0 never looks so. */
export const share = (p: number): string => (p > 0 && p < 5e-5 ? p.toExponential(1) : p.toFixed(4));
