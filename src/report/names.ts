// What methods and regimes are called, in which order they come, and which colour each keeps throughout the page.
import type { Results } from '../results.js';
import { clean, shorten } from './text.js';

const METHODS: Readonly<Record<string, string>> = { oracle: 'Oracle', sft: 'Fine-tuned', icl: 'In-context only', random: 'Random' };
const REGIMES: Readonly<Record<string, string>> = { mdp: 'MDP', pomdp: 'POMDP', apomdp: 'APOMDP' };

/** The methods with colours of their own; all others share the remaining slots of the palette in turn. */
const SLOTS = ['oracle', 'sft', 'icl', 'random'];
const PALETTE = 10;

export interface Method {
  key: string;
  label: string;
  /** The label as long as an axis has room for. */
  short: string;
  /** A CSS colour: a custom property, so that it follows the light or dark scheme. */
  colour: string;
}

/** Every method of the results, each once: the oracle first, the language model next, random last. */
export function methodsOf(results: Results): Method[] {
  const keys = new Set(Object.values(results.regimes).flatMap((regime) => [
    ...Object.keys(regime.methods), ...regime.traces.map((trace) => trace.method),
  ]));
  const rank = (key: string): number => ['oracle', 'sft', 'icl'].indexOf(key) + (key === 'random' ? 5 : 0);
  const ordered = [...keys].sort((a, b) => {
    const [first, second] = [rank(a), rank(b)].map((r) => (r === -1 ? 3 : r)) as [number, number];
    return first - second || (a < b ? -1 : 1);
  });
  const labels = new Set<string>();
  const shorts = new Set<string>();
  let others = SLOTS.length;
  return ordered.map((key) => {
    const slot = SLOTS.indexOf(key);
    const colour = `var(--m${slot >= 0 ? slot : SLOTS.length + ((others++ - SLOTS.length) % (PALETTE - SLOTS.length))})`;
    const label = unique(own(METHODS, key) ?? clean(key), labels);
    return { key, label, short: unique(shorten(label, 18), shorts), colour };
  });
}

export const regimeLabel = (key: string): string => own(REGIMES, key) ?? (clean(key) || 'unnamed');

/** The regimes in the order of growing uncertainty, then any others as they come. */
export function regimesOf(results: Results): [key: string, regime: Results['regimes'][string]][] {
  const known = Object.keys(REGIMES);
  const rank = (key: string): number => (known.includes(key) ? known.indexOf(key) : known.length);
  return Object.entries(results.regimes).sort(([a], [b]) => rank(a) - rank(b));
}

const own = (names: Readonly<Record<string, string>>, key: string): string | undefined => (Object.hasOwn(names, key) ? names[key] : undefined);

/** Two names may look alike once cleaned; a plot must not merge them. */
export function unique(label: string, taken: Set<string>): string {
  const base = label || 'unnamed';
  let candidate = base;
  for (let n = 2; taken.has(candidate); n++) candidate = `${base} (${n})`;
  taken.add(candidate);
  return candidate;
}
