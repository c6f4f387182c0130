// Another's solver is data: how it is called, what it reads, and how the bounds are read off what it prints. docs/bench.md says more.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z as Zod } from 'zod';
import { TiresiasError } from '../errors.js';
import { readText } from '../files.js';
import { parseJson } from '../json.js';
import { describedSchema } from '../described.js';
import { lazy, zod } from '../lazy.js';

/** How a program that solves models is called and what it prints. */
export interface SolverDescription {
  /** The format and version of the file. */
  schema: 'tiresias.solver/1';
  /** The name that `--solvers` takes. */
  name: string;
  /** The name in tables and plots. */
  label: string;
  /** What a reader of its results should know. */
  about: string;
  /** Where the solver comes from: a paper, a web address. */
  source: string;
  /** The program that is run. */
  program: {
    /** The name of the program, which is looked for in PATH. With a slash it is a path that starts at the folder of this file. */
    name: string;
    /** The name of an environment variable. When it is set, the program at its path is run instead. */
    variable?: string | undefined;
  };
  /** The suffixes of the files that the solver reads, for example `.pomdp`. */
  reads: string[];
  /** The words of the command. These are replaced: `{program}`, `{model}`, `{stem}` (the path of the model without its suffix), `{time}` (seconds), `{gap}`, `{threads}`, `{scratch}` (an empty folder) and `{here}` (the folder of this file). */
  command: string[];
  /** When the program is interrupted: after `times` times the time limit and `seconds` more. */
  patience: {
    /** The time limit is multiplied by this number. */
    times: number;
    /** So many seconds are added. */
    seconds: number;
  };
  /** Regular expressions for single lines of the output; the first that matches counts. The groups `seconds`, `lower`, `upper` and `gap` are numbers, the group `note` is kept as text. */
  parser: string[];
  /** For a solver without bounds: a regular expression for the line which says that the model is solved. */
  solved?: string | undefined;
  /** Whether the printed bounds are proven. Proven bounds of two solvers must overlap. */
  bounds: 'proven' | 'estimated' | 'none';
  /** What the solver makes of a file with `values: cost`. `negated`: it prints the negative of the costs, as Tiresias does. `kept`: it prints the costs. `incomparable`: something else, so that it is not run on such a file. */
  costs: 'negated' | 'kept' | 'incomparable';
  /** The precision of the printed numbers. */
  printed: {
    /** The number of significant digits. */
    digits?: number | undefined;
    /** The number of decimals. */
    decimals?: number | undefined;
  };
}

/** A description as its file has it. */
export type SolverInput = SolverDescription & {
  /** Where the JSON Schema of this file is, for editors. Tiresias does not read it. */
  $schema?: string | undefined;
};

/** A description, and the folder that it lies in. */
export interface LoadedDescription {
  /** What the file says. */
  description: SolverDescription;
  /** Absolute. */
  folder: string;
}

/** What may stand in braces in a command. */
const PLACES = ['program', 'model', 'stem', 'time', 'gap', 'threads', 'scratch', 'here'] as const;
/** What is filled into a command. */
export type Places = Record<(typeof PLACES)[number], string>;
/** The groups that a parser may name. */
const GROUPS = ['seconds', 'lower', 'upper', 'gap', 'note'];

const schemaOf = lazy(() => {
  const z = zod();
  const regular = z.string().refine((text) => isRegular(text), { error: 'is not a regular expression' });
  const word = z.string().superRefine((text, context) => {
    const wrong = [...text.matchAll(/\{(\w+)\}/g)].find(([, place]) => !(PLACES as readonly string[]).includes(place!));
    if (wrong) context.addIssue({ code: 'custom', message: `${wrong[0]} is none of ${PLACES.map((place) => `{${place}}`).join(', ')}` });
  });
  return z
    .strictObject({
      $schema: z.string().optional(),
      schema: z.literal('tiresias.solver/1'),
      name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits and ".", "_", "-" only'),
      label: z.string().min(1),
      about: z.string().default(''),
      source: z.string().default(''),
      program: z.strictObject({
        name: z.string().min(1),
        variable: z.string().regex(/^[A-Z_][A-Z0-9_]*$/, 'expected the name of an environment variable').optional(),
      }),
      reads: z.array(z.string().regex(/^\.\w+$/, 'expected a suffix, ".pomdp"')).min(1),
      command: z.array(word).min(1),
      patience: z.strictObject({ times: z.number().min(1).default(1), seconds: z.number().min(0).default(20) }).default({ times: 1, seconds: 20 }),
      parser: z.array(regular.refine((text) => !isRegular(text) || groupsOf(text).some((group) => GROUPS.includes(group)), { error: `names none of the groups ${GROUPS.join(', ')}` })).default([]),
      solved: regular.optional(),
      bounds: z.enum(['proven', 'estimated', 'none']).default('proven'),
      costs: z.enum(['negated', 'kept', 'incomparable']).default('incomparable'),
      printed: z.strictObject({ digits: z.int().min(1).optional(), decimals: z.int().min(0).optional() }).default({ digits: 6 }),
    })
    .superRefine(({ parser, solved, bounds }, context) => {
      if (parser.length === 0 && solved === undefined) context.addIssue({ code: 'custom', path: ['parser'], message: 'nothing would be read of its output: give a parser, or solved' });
      const named = parser.flatMap(groupsOf);
      if (bounds !== 'none' && !(named.includes('lower') && named.includes('upper'))) context.addIssue({ code: 'custom', path: ['parser'], message: 'names no groups lower and upper; of a solver without bounds say "bounds": "none"' });
    })
    .transform((written) => {
      const { $schema: _, ...description } = written;
      return description;
    }) satisfies Zod.ZodType<SolverDescription>;
});

function isRegular(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

/** Names of the groups of a regular expression. */
const groupsOf = (text: string): string[] => (isRegular(text) ? Object.keys(new RegExp(`${text}|`, 'u').exec('')?.groups ?? {}) : []);

/** The JSON Schema of descriptions. */
export const solverSchema = (): object => describedSchema(schemaOf(), 'solver');

/** Checks a value against the schema of descriptions. Throws INVALID_SOLVER naming every offending path. */
export function parseDescription(value: unknown, file = 'solver'): SolverDescription {
  const parsed = schemaOf().safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TiresiasError('INVALID_SOLVER', `${file} is not a valid description of a solver:\n${zod().prettifyError(parsed.error)}`, { details: { file }, cause: parsed.error });
}

/** Where the descriptions of this package lie. */
const SHIPPED = fileURLToPath(new URL('../../experiments/solvers', import.meta.url));

/** Names of the descriptions that come with the package. */
export async function descriptionNames(): Promise<string[]> {
  return (await readdir(SHIPPED).catch(() => [])).flatMap((file) => /^(.*)\.json$/.exec(file)?.[1] ?? []).sort();
}

/** Reads a description: one of the package's by its name, or a file. Throws UNKNOWN_NAME, with `others` among the known names, where there is neither. */
export async function loadDescription(nameOrPath: string, others: readonly string[] = []): Promise<LoadedDescription> {
  const own = join(SHIPPED, `${nameOrPath}.json`);
  const path = /^[\w.-]+$/.test(nameOrPath) && existsSync(own) ? own : nameOrPath;
  if (path === nameOrPath && !existsSync(path)) {
    throw new TiresiasError('UNKNOWN_NAME', `no solver is called ${JSON.stringify(nameOrPath)}, and there is no such file; there are ${[...others, ...(await descriptionNames())].join(', ')}, and any description of your own by its path (docs/bench.md)`);
  }
  return { description: parseDescription(parseJson(await readText(path), path), path), folder: dirname(resolve(path)) };
}

/** A command with everything filled in. */
export const filled = (command: readonly string[], places: Places): string[] => command.map((word) => word.replace(/\{(\w+)\}/g, (_, place: keyof Places) => places[place]));
