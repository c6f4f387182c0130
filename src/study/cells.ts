// Finished cells: the document that each leaves, where such documents lie, and which of them is believed.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { z as Zod } from 'zod';
import type { Experiment } from '../experiment.js';
import { sha256 } from '../files.js';
import { canonicalJson } from '../json.js';
import { lazy, zod } from '../lazy.js';
import { regimesIn } from '../results.js';
import { readSealedIfWhole } from '../seal.js';
import { theoryResultIn } from '../theory/results.js';
import { version } from '../version.js';
import type { CellFile, DoneCell } from './results.js';
import type { Cell, Study } from './study.js';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/** Where the package's own finished cells lie: `<study>/<budget>/<cell>.json`. */
export const COMMITTED = join(PACKAGE, 'bench', 'results');

/** What decides a cell's results; its name in the study, and threads, do not. */
export function madeFrom(whole: Experiment, by = version): string {
  // A family of one's own is named by its hash, wherever it lies.
  const { name: _, threads: __, familyPath: ___, ...experiment } = whole;
  return sha256(canonicalJson({ version: by, experiment }));
}

const cellFileSchema = lazy(() => {
  const z = zod();
  const places = z.record(z.string(), z.string());
  return z.object({
    schema: z.literal('tiresias.study-cell/1'),
    cell: z.object({ name: z.string(), places, madeFrom: z.string(), regimes: z.record(z.string(), z.unknown()), theory: z.unknown().optional() }),
    configuration: z.record(z.string(), z.unknown()),
    command: z.string(),
    version: z.string(),
    commit: z.string().optional(),
    arithmetic: z.array(z.string()),
    seconds: z.number(),
    machine: z.object({ cpu: z.string(), cores: z.number(), memoryBytes: z.number(), node: z.string(), platform: z.string() }),
    date: z.string(),
  }) satisfies Zod.ZodType<Omit<CellFile, 'cell'> & { cell: Omit<DoneCell, 'regimes' | 'theory'> & { regimes: Record<string, unknown>; theory?: unknown } }>;
});

/** The document of a cell if it is one, else undefined. */
function parseCellFile(value: unknown): CellFile | undefined {
  const parsed = cellFileSchema().safeParse(value);
  if (!parsed.success) return undefined;
  const { theory: written, ...cell } = parsed.data.cell;
  const regimes = regimesIn(cell.regimes);
  const theory = written === undefined ? undefined : theoryResultIn(written);
  if (!regimes || (written !== undefined && !theory)) return undefined;
  return { ...parsed.data, cell: { ...cell, regimes, ...(theory && { theory }) } };
}

/** A cell, and what names all that decides its results. */
export interface Keyed extends Pick<Cell, 'name' | 'places'> {
  /** As a version of the package would have it. */
  key(by?: string): string;
}

/** Where a cell's document lies within a folder of them. */
export const cellPath = (folder: string, { name }: Pick<Cell, 'name'>): string => join(folder, `${name}.json`);

/**
 * The document of a cell in a folder, if it is there, is as it was written and was made from that cell's experiment: by this version of the package, or by
 * the one that the document names where `anyVersion`.
 */
export async function finishedCell(folder: string, cell: Keyed, { anyVersion = false } = {}): Promise<CellFile | undefined> {
  const file = parseCellFile(await readSealedIfWhole(cellPath(folder, cell)));
  if (!file || !(anyVersion || file.version === version) || file.cell.madeFrom !== cell.key(file.version)) return undefined;
  // What it is called is the study's to say.
  return { ...file, cell: { ...file.cell, name: cell.name, places: cell.places } };
}

/** Where a study's results go unless one says otherwise. */
export const folderOf = ({ name }: Pick<Study, 'name'>, budget: string, seed?: number): string => join('runs', `${name}-${budget}${seed === undefined ? '' : `-seed-${seed}`}`);

/** What makes a study again, as one would type it. */
export const commandOf = ({ name }: Pick<Study, 'name'>, budget: string, { seed, path = name }: { seed?: number | undefined; path?: string | undefined } = {}): string =>
  `npx tiresias reproduce ${basename(path)} --budget ${budget}${seed === undefined ? '' : ` --seed ${seed}`}`;

/** The commit of this package's working tree, `-dirty` where files of it were changed since; undefined where it is none. */
export async function commitOf(): Promise<string | undefined> {
  // Another repository around an installed package is not it.
  if (!existsSync(join(PACKAGE, '.git'))) return undefined;
  const { stdout } = await promisify(execFile)('git', ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'], { cwd: PACKAGE }).catch(() => ({ stdout: '' }));
  return stdout.trim() || undefined;
}
