// What takes long to load is loaded when it is first needed: `import 'tiresias'` is for those who solve a model, too.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** A value that is made when it is first asked for, and kept. */
export function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** zod, which only readers of experiments, manifests, results and the trainer's lines need. */
export const zod: () => typeof import('zod').z = lazy(() => (require('zod') as typeof import('zod')).z);
/** The normal distribution. */
export const vegaStatistics: () => typeof import('vega-statistics') = lazy(() => require('vega-statistics'));
/** Seeded random numbers for the bootstrap. */
export const seedrandom: () => typeof import('seedrandom') = lazy(() => require('seedrandom'));
/** Draws SVG. */
export const resvg: () => typeof import('@resvg/resvg-js') = lazy(() => require('@resvg/resvg-js'));
/** The font of drawings, Inter (SIL Open Font License), in a weight such as `400Regular`. */
export const fontFile = (weight: string): string => require.resolve(`@expo-google-fonts/inter/${weight}/Inter_${weight}.ttf`);
