// What methods and regimes are called, in which order they come, and which colour, dash and marker each keeps on every page.
import { methods as registry } from '../methods/index.js';
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
  /** An SVG path from −1 to 1 both ways, so that points can. */
  marker: string;
  /** Whether it is one of the grey lines that every plot shows. */
  yardstick: boolean;
  /** What several trainings of one method share: their name, and what they are called together. */
  kind: { key: string; label: string };
}

/** Lengths of dashes and spaces of as many lines as can be told apart. */
export const DASHES: readonly (readonly number[])[] = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3], [4, 2, 1, 2], [1, 3], [10, 2, 2, 2, 2, 2]];
const YARDSTICK_DASHES: readonly (readonly number[])[] = [[1, 0], [3, 3]];
/** Circle, square, triangle, diamond, plus, triangle on its tip, bow tie, cross: as many as there are dashes. */
export const MARKERS = [
  'M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z', 'M-0.9,-0.9H0.9V0.9H-0.9Z', 'M0,-1L1,0.9H-1Z', 'M0,-1.15L1.15,0L0,1.15L-1.15,0Z', 'M-0.38,-1H0.38V-0.38H1V0.38H0.38V1H-0.38V0.38H-1V-0.38H-0.38Z',
  'M0,1L1,-0.9H-1Z', 'M-1,-0.95L1,0.95V-0.95L-1,0.95Z', 'M-1,-0.5L-0.5,-1L0,-0.5L0.5,-1L1,-0.5L0.5,0L1,0.5L0.5,1L0,0.5L-0.5,1L-1,0.5L-0.5,0Z',
];
/** With which marker and dash each family begins, so that few methods of several families differ in grey, too. */
const FIRST: Readonly<Record<string, number>> = { language: 0, network: 3, reference: 5, imitation: 6, model: 7, value: 4, own: 2 };

/** Every method of the results, each once: family by family, and within one by the mean of its gaps. */
export function methodsOf(results: Results): Method[] {
  const found = new Map<string, MethodResult[]>();
  for (const { methods, traces } of Object.values(results.regimes)) {
    for (const { method } of traces) found.set(method, found.get(method) ?? []);
    for (const [key, result] of Object.entries(methods)) found.set(key, [...(found.get(key) ?? []), result]);
  }
  const labels = new Set<string>();
  const shorts = new Set<string>();
  const given = (key: string): string => clean(found.get(key)![0]?.label ?? '') || clean(key);
  const looks = looksOf([...found].map(([key, of]) => ({ key, method: of[0]?.method ?? key, kind: of[0]?.seedOf ?? key, group: groupOf(of[0]?.group ?? '') })));
  return [...found]
    .map(([key, of]) => ({ key, group: groupOf(of[0]?.group ?? ''), gap: of.reduce((sum, { gapNorm }) => sum + gapNorm, 0) / of.length }))
    .sort((a, b) => byGroup(a.group, b.group) || a.gap - b.gap || (a.key < b.key ? -1 : 1))
    .map(({ key, group }) => {
      // Several of one kind go by what follows the colon in their names: sft:size-360m.
      const alone = (kin: (other: string) => boolean): boolean => [...found.keys()].every((other) => other === key || kin(other) || given(other) !== given(key));
      const own = clean(key.slice(key.indexOf(':') + 1));
      const label = unique(alone(() => false) || !key.includes(':') || own === '' ? given(key) : `${given(key)} · ${own}`, labels);
      const seedOf = found.get(key)![0]?.seedOf;
      // What all seeds share; two methods that only look alike do not.
      const together = alone((other) => found.get(other)![0]?.seedOf === seedOf) ? given(key) : `${given(key)} · ${clean(seedOf ?? '')}`;
      const kind = seedOf === undefined ? { key, label } : { key: seedOf, label: together };
      return { key, label, short: unique(shorten(label, 22), shorts), group, kind, ...looks.get(kind.key)! };
    });
}

type Look = Pick<Method, 'colour' | 'dash' | 'marker' | 'yardstick'>;

/**
 * How each kind is drawn. The colour is the method's place among all methods of its family that there are, so that it is the same on every page. Marker and dash
 * are its own as well; where another has them, the next that are free.
 */
function looksOf(found: readonly { key: string; method: string; kind: string; group: Group }[]): Map<string, Look> {
  const families = new Map<string, string[]>();
  const familyOf = (key: string): string[] => families.get(key) ?? families.set(key, []).get(key)!;
  for (const { name, group } of registry()) if (!YARDSTICKS.includes(name)) familyOf(group).push(name);
  const placed = found.map((one) => {
    const family = familyOf(one.group.key);
    if (!family.includes(one.method)) family.push(one.method);
    return { ...one, place: family.indexOf(one.method) };
  });
  const looks = new Map<string, Look>();
  const taken: { family: string; colour: string; form: number }[] = [];
  // In an order that neither gaps nor files decide; a method under its own name goes before its variants.
  for (const { method, kind, group, place } of placed.sort((a, b) => byGroup(a.group, b.group) || a.place - b.place || Number(a.kind !== a.method) - Number(b.kind !== b.method) || (a.kind < b.kind ? -1 : 1))) {
    if (looks.has(kind)) continue;
    const yardstick = YARDSTICKS.indexOf(method);
    if (yardstick >= 0) {
      looks.set(kind, { colour: `var(--y${yardstick})`, dash: YARDSTICK_DASHES[yardstick]!, marker: MARKERS[0]!, yardstick: true });
      continue;
    }
    const colour = shade(group, place);
    const forms = MARKERS.map((_, i) => ((FIRST[group.key] ?? 0) + place + i) % MARKERS.length);
    // Free on the whole page, or in the family, or at least in its colour.
    const free = (among: (other: (typeof taken)[number]) => boolean): number | undefined => forms.find((one) => !taken.some((other) => other.form === one && among(other)));
    const form = free(() => true) ?? free((other) => other.family === group.key) ?? free((other) => other.colour === colour) ?? forms[0]!;
    taken.push({ family: group.key, colour, form });
    looks.set(kind, { colour, dash: DASHES[form]!, marker: MARKERS[form]!, yardstick: false });
  }
  return looks;
}

/** Each kind once, under the name that its seeds share. */
export function kindsOf(methods: readonly Method[]): Method[] {
  const kinds = new Map<string, Method>();
  for (const method of methods) if (!kinds.has(method.kind.key)) kinds.set(method.kind.key, { ...method, label: method.kind.label });
  return [...kinds.values()];
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
