// What methods and regimes are called, in which order they come, and which colour each keeps throughout the page.
import type { Results } from '../results.js';
import { clean, shorten } from './text.js';

const REGIMES: Readonly<Record<string, string>> = { mdp: 'MDP', pomdp: 'POMDP', apomdp: 'APOMDP' };

/** Families of methods, in the order of the page, each with the hue that its methods share. */
const GROUPS: readonly { key: string; label: string; hue: number }[] = [
  { key: 'reference', label: 'References', hue: 0 },
  { key: 'language', label: 'Language models', hue: 1 },
  { key: 'network', label: 'Networks from scratch', hue: 7 },
  { key: 'imitation', label: 'Imitation of the support', hue: 5 },
  { key: 'model', label: 'Planning in an estimated model', hue: 8 },
  { key: 'value', label: 'Value functions of the support', hue: 4 },
  { key: 'own', label: 'Own methods', hue: 9 },
];

/** Those that have been on every page keep their own colours. */
const OWN_HUES: Readonly<Record<string, number>> = { oracle: 0, sft: 1, icl: 2, random: 3 };

/** How much of its hue each method of a group keeps, in turn; the rest is the page's ink. */
const SHADES = [100, 68, 45, 84, 56];

export interface Method {
  key: string;
  label: string;
  /** The label as long as an axis has room for. */
  short: string;
  /** A CSS colour: a custom property, or a mixture of one with the ink, so that it follows the light or dark scheme. */
  colour: string;
  /** Label of its family. */
  group: string;
}

/**
 * Every method of the results, each once: the oracle first, then family by family, the closest to optimal first within each, chance
 * last.
 */
export function methodsOf(results: Results): Method[] {
  const found = new Map<string, { method: string; label: string; group: number; gaps: number[] }>();
  for (const { methods, traces } of Object.values(results.regimes)) {
    for (const [key, { method, label, group, gapNorm }] of Object.entries(methods)) {
      const place = GROUPS.findIndex((one) => one.key === group);
      const entry = found.get(key) ?? { method, label, group: place === -1 ? GROUPS.length - 1 : place, gaps: [] };
      entry.gaps.push(gapNorm);
      found.set(key, entry);
    }
    for (const { method: key } of traces) if (!found.has(key)) found.set(key, { method: key, label: key, group: GROUPS.length - 1, gaps: [Infinity] });
  }
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rank = ({ method, group }: { method: string; group: number }): number => (method === 'oracle' ? -1 : method === 'random' ? GROUPS.length : group);
  const ordered = [...found].sort(([a, first], [b, second]) => rank(first) - rank(second) || mean(first.gaps) - mean(second.gaps) || (a < b ? -1 : 1));
  const labels = new Set<string>();
  const shorts = new Set<string>();
  const used = new Map<number, number>();
  return ordered.map(([key, { method, label: given, group }]) => {
    const { hue: usual, label: family } = GROUPS[group]!;
    const hue = Object.hasOwn(OWN_HUES, method) ? OWN_HUES[method]! : usual;
    const shade = SHADES[(used.get(hue) ?? 0) % SHADES.length]!;
    used.set(hue, (used.get(hue) ?? 0) + 1);
    const label = unique(clean(given) || clean(key), labels);
    return {
      key, label, group: family,
      short: unique(shorten(label, 18), shorts),
      colour: shade === 100 ? `var(--m${hue})` : `color-mix(in srgb, var(--m${hue}) ${shade}%, var(--ink))`,
    };
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
