// What takes long to load is loaded when it is first needed: `import '@tiresias-rl/tiresias'` is for those who solve a model, too.
import { createRequire } from 'node:module';
import { TiresiasError } from './errors.js';

const require = createRequire(import.meta.url);

/** A package that is installed where it can be. Throws SOMETHING_MISSING. */
function optional<T>(name: string, version: string, what: string): T {
  try {
    return require(name) as T;
  } catch (cause) {
    throw missing(name, `${what} need the package ${name}, which is missing or was not built: npm install ${name}@${version}, and where npm does not run install scripts: npm rebuild ${name}`, cause);
  }
}

function missing(name: string, message: string, cause: unknown): TiresiasError {
  return new TiresiasError('SOMETHING_MISSING', message, { cause, details: { package: name } });
}

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
/** SQLite, for sessions in a file; a package that may be missing. */
export const betterSqlite3: () => typeof import('better-sqlite3') = lazy(() => optional('better-sqlite3', '12', 'sessions in a SQLite file'));
/** Redis' client, for sessions that machines share; a package that may be missing. */
export const ioredis: () => typeof import('ioredis') = lazy(() => optional('ioredis', '6', 'sessions in Redis'));
/** The client of object stores, for datasets that lie in one; a package that may be missing. */
export const awsS3: () => typeof import('@aws-sdk/client-s3') = lazy(() => optional('@aws-sdk/client-s3', '3', 'datasets in an object store'));
/** What is used of an HDF5 file: its own types are not needed where the package is missing. */
export interface H5File {
  keys(): string[];
  get(path: string): H5Dataset | null;
  close(): unknown;
}
/** A dataset, or a group, which has keys and neither shape nor value. */
export interface H5Dataset {
  keys?(): string[];
  readonly shape?: number[] | null;
  readonly value?: unknown;
}
/** HDF5, for datasets of Minari; a package that may be missing, and that can only be imported. */
export async function h5wasm(): Promise<{ File: new (path: string, mode: 'r') => H5File }> {
  const name = 'h5wasm/node';
  const module = await import(name).catch((cause: unknown) => {
    throw missing('h5wasm', 'datasets of Minari need the package h5wasm, which is missing: npm install h5wasm@0.10', cause);
  }) as { ready: Promise<{ activate_throwing_error_handler(): void }>; File: new (path: string, mode: 'r') => H5File };
  // Else it prints what is wrong, and goes on.
  (await module.ready).activate_throwing_error_handler();
  return module;
}
/** Draws SVG. */
export const resvg: () => typeof import('@resvg/resvg-js') = lazy(() => require('@resvg/resvg-js'));
/** The font of drawings, Inter (SIL Open Font License), in a weight such as `400Regular`. */
export const fontFile = (weight: string): string => require.resolve(`@expo-google-fonts/inter/${weight}/Inter_${weight}.ttf`);
