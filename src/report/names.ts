// What methods and regimes are called, in which order they come, and which colour and dash each keeps throughout the page.
import type { MethodResult, Results } from '../results.js';
import { byGroup, groupOf, shade, type Group } from './groups.js';
import { clean, shorten } from './text.js';

const REGIMES: Readonly<Record<string, string>> = { mdp: 'MDP', pomdp: 'POMDP', apomdp: 'APOMDP' };

/** The methods against which all others are drawn: what can be had at best, and by chance. They are grey. */
const YARDSTICKS = ['oracle', 'random'];

export interface Method {
  key: string;
  label: string;
  /** The label as long as an axis has room for. */
  short: string;
  group: Group;
  /** A CSS colour: a custom property, so that it follows the light or dark scheme. */
  colour: string;
  /** Lengths of dashes and spaces, so that lines can be told apart in grey. */
  dash: readonly number[];
  /** Whether it is one of the grey lines that every plot shows. */
  yardstick: boolean;
}

const DASHES: readonly (readonly number[])[] = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3]];
const YARDSTICK_DASHES: readonly (readonly number[])[] = [[1, 0], [3, 3]];

/** Every method of the results, each once: family by family, and within one by the mean of its gaps. */
export function methodsOf(results: Results): Method[] {
  const found = new Map<string, MethodResult[]>();
  for (const { methods, traces } of Object.values(results.regimes)) {
    for (const { method } of traces) found.set(method, found.get(method) ?? []);
    for (const [key, result] of Object.entries(methods)) found.set(key, [...(found.get(key) ?? []), result]);
  }
  const labels = new Set<string>();
  const shorts = new Set<string>();
  const members = new Map<string, number>();
  const given = (key: string): string => clean(found.get(key)![0]?.label ?? '') || clean(key);
  return [...found]
    .map(([key, of]) => ({ key, group: groupOf(of[0]?.group ?? ''), gap: of.reduce((sum, { gapNorm }) => sum + gapNorm, 0) / of.length }))
    .sort((a, b) => byGroup(a.group, b.group) || a.gap - b.gap || (a.key < b.key ? -1 : 1))
    .map(({ key, group }) => {
      // Several of one kind go by what follows the colon in their names: sft:size-360m.
      const alone = [...found.keys()].every((other) => other === key || given(other) !== given(key));
      const own = clean(key.slice(key.indexOf(':') + 1));
      const label = unique(alone || !key.includes(':') || own === '' ? given(key) : `${given(key)} · ${own}`, labels);
      const named = { key, label, short: unique(shorten(label, 22), shorts), group };
      const yardstick = YARDSTICKS.indexOf(found.get(key)![0]?.method ?? '');
      if (yardstick >= 0) return { ...named, colour: `var(--y${yardstick})`, dash: YARDSTICK_DASHES[yardstick]!, yardstick: true };
      const index = members.get(group.key) ?? 0;
      members.set(group.key, index + 1);
      return { ...named, colour: shade(group, index), dash: DASHES[index % DASHES.length]!, yardstick: false };
    });
}

/** Methods of one regime, family by family, each family's by their gaps there. */
export function rankedIn(regime: Results['regimes'][string], methods: readonly Method[]): [group: Group, methods: Method[]][] {
  const groups = new Map<string, [Group, Method[]]>();
  for (const method of methods) {
    if (!Object.hasOwn(regime.methods, method.key)) continue;
    const [, members] = groups.get(method.group.key) ?? groups.set(method.group.key, [method.group, []]).get(method.group.key)!;
    members.push(method);
  }
  const gap = ({ key }: Method): number => regime.methods[key]!.gapNorm;
  for (const [, members] of groups.values()) members.sort((a, b) => gap(a) - gap(b));
  return [...groups.values()];
}

export const regimeLabel = (key: string): string => (Object.hasOwn(REGIMES, key) ? REGIMES[key]! : clean(key) || 'unnamed');

/** The regimes in the order of growing uncertainty, then any others as they come. */
export function regimesOf(results: Results): [key: string, regime: Results['regimes'][string]][] {
  const known = Object.keys(REGIMES);
  const rank = (key: string): number => (known.includes(key) ? known.indexOf(key) : known.length);
  return Object.entries(results.regimes).sort(([a], [b]) => rank(a) - rank(b));
}

/** Two names may look alike once cleaned; a plot must not merge them. */
export function unique(label: string, taken: Set<string>): string {
  const base = label || 'unnamed';
  let candidate = base;
  for (let n = 2; taken.has(candidate); n++) candidate = `${base} (${n})`;
  taken.add(candidate);
  return candidate;
}
