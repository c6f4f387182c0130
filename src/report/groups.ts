// The families of methods: what they are called, in which order they come, and which hue each has throughout the page.
import { clean } from './text.js';

/** A family of methods. */
export interface Group {
  key: string;
  /** Heads its part of a table or plot. */
  label: string;
  /** Index into {@link HUES}. */
  hue: number;
}

const LABELS: Readonly<Record<string, string>> = {
  reference: 'References',
  language: 'Language models',
  network: 'Networks trained on the same examples',
  imitation: 'Imitation of the support',
  model: 'A model learnt from the support',
  value: 'Values learnt from the support',
  own: 'Methods of one’s own',
};

/** Short enough to stand in the margin of a plot. */
const SHORT: Readonly<Record<string, string>> = {
  reference: 'References', language: 'Language models', network: 'Networks', imitation: 'Imitation', model: 'Model-based', value: 'Value-based', own: 'One’s own',
};

/** A hue in degrees of OKLCH and its chroma; one for each family in order, the last for those that this version does not know. */
export const HUES: readonly (readonly [hue: number, chroma: number])[] = [[165, 0.1], [245, 0.13], [45, 0.14], [345, 0.13], [295, 0.14], [85, 0.1], [20, 0.15], [130, 0.11]];
/** Shades of each hue, from the strongest on. */
export const SHADES = 4;

const known = Object.keys(LABELS);
const own = (names: Readonly<Record<string, string>>, key: string): string | undefined => (Object.hasOwn(names, key) ? names[key] : undefined);

/** The family of that key; one that this version does not know has its key for a name and comes last. */
export function groupOf(key: string): Group {
  const rank = known.indexOf(key);
  return { key, label: own(LABELS, key) ?? (clean(key) || 'Others'), hue: rank === -1 ? known.length : rank };
}

/** Its name in the margin of a plot. */
export const shortLabel = ({ key, label }: Group): string => own(SHORT, key) ?? label;

/** Families in the order of reports. */
export const byGroup = (a: Group, b: Group): number => a.hue - b.hue || (a.key < b.key ? -1 : Number(a.key > b.key));

/** The custom property that holds a shade of a family's hue. */
export const shade = ({ hue }: Group, index: number): string => `var(--h${hue}-${index % SHADES})`;
