// A study is data: a base experiment, axes along which it varies, and budgets. Its cells are the experiments that come of it.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z as Zod } from 'zod';
import { describedSchema } from '../described.js';
import { TiresiasError } from '../errors.js';
import { parseExperiment, placed, type Experiment } from '../experiment.js';
import { readText } from '../files.js';
import { parseJson } from '../json.js';
import { lazy, zod } from '../lazy.js';
import type { TheoryCell } from '../theory/cells.js';
import { parseTheorySetting } from '../theory/setting.js';
import { madeFrom, type Keyed } from './cells.js';

/** A place on an axis: its name, and the fields of the experiment that it sets. */
export interface Place {
  /** The name of the place. It stands in names of cells and of files. */
  name: string;
  /** The fields of the experiment that are set here. */
  set: Record<string, unknown>;
}

/** Something that varies. */
export interface Axis {
  /** The name of the axis. It stands in names of cells. */
  name: string;
  /** The name in plots and tables. Default: `name`. */
  label: string;
  /** Where an experiment may stand on it. */
  places: Place[];
}

/** An axis as a study's file has it. */
export interface AxisInput extends Pick<Axis, 'name'>, Partial<Pick<Axis, 'label'>> {
  /** The field of the experiment that the values set, for example `support.trajectories`. Not needed when every value is an object. */
  path?: string | undefined;
  /** The values of the field, or objects that name a place and say which fields it sets. */
  values: (string | number | boolean | Place)[];
}

/** How much a study may take: fields that it sets in every cell, and which places of the axes it has. */
export interface Budget {
  /** What the budget is for and what it costs, in words. */
  about: string;
  /** The fields that are set in every cell. */
  set: Record<string, unknown>;
  /** By axis: the names of the places that this budget runs. Default: all places. */
  places: Record<string, string[]>;
}

/** A study file. */
export interface Study {
  /** The format and version of the file. */
  schema: 'tiresias.study/1';
  /** The name of the study, and of the folder of its results. */
  name: string;
  /** What the study asks, in one sentence. */
  question: string;
  /** Where the question comes from. */
  source: string;
  /** What the cells of the study are: few-shot experiments, or settings of the theory (docs/theory.md). */
  kind: 'experiment' | 'theory';
  /** The fields that all cells share: those of an experiment (docs/experiment.md), or of a setting of the theory. */
  experiment: Record<string, unknown>;
  /** What varies. Each combination of one place from each axis is a cell. */
  axes: Axis[];
  /** The budgets by name, for example `small`, `medium` and `full`. */
  budgets: Record<string, Budget>;
  /** The axis that runs from left to right in plots; each place of the other axes has a panel. In a study of the theory the number of pairs runs from left to right, and this axis gives the lines. */
  x: string;
}

/** A study as its file has it. */
export type StudyInput = Omit<Study, 'axes'> & {
  /** Where the JSON Schema of this file is, for editors. Tiresias does not read it. */
  $schema?: string | undefined;
  /** What varies. Each combination of one place from each axis is a cell. */
  axes: AxisInput[];
};

/** One experiment of a study. */
export interface Cell {
  /** `K=2,behaviour=oracle`: places in the order of the axes. */
  name: string;
  /** Names of places by axis. */
  places: Record<string, string>;
  /** What it runs. */
  experiment: Experiment;
}

const schemaOf = lazy(() => {
  const z = zod();
  const fields = z.record(z.string(), z.unknown());
  const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:+-]*$/, 'expected letters, digits and ".", "_", ":", "+", "-" only');
  const scalar = z.union([z.string(), z.number(), z.boolean()]);
  // Names of places stand in names of files.
  const placeName = /^[A-Za-z0-9._:+-]+$/;
  /** Says where one of some names stands twice. */
  const once = (names: readonly string[], add: (index: number, message: string) => void) => names.forEach((one, i) => {
    if (names.indexOf(one) < i) add(i, `${JSON.stringify(one)} appears twice`);
  });
  const axis = z
    .strictObject({
      name,
      label: z.string().optional(),
      path: z.string().min(1).optional(),
      values: z.array(z.union([scalar, z.strictObject({ name: z.string(), set: fields })])).min(1),
    })
    .refine((one) => one.path !== undefined || one.values.every((value) => typeof value === 'object'), { error: 'expected a path, or {"name": …, "set": {…}} for every value', abort: true })
    .transform(({ name: of, label, path, values }): Axis => ({
      name: of,
      label: label ?? of,
      places: values.map((value) => (typeof value === 'object' ? value : { name: String(value), set: at(path!, value) })),
    }))
    .superRefine(({ places }, context) => {
      const names = places.map((place) => place.name);
      const add = (i: number, message: string) => context.addIssue({ code: 'custom', path: ['values', i], message });
      once(names, add);
      names.forEach((one, i) => {
        if (!placeName.test(one)) add(i, `${JSON.stringify(one)} is to be in names of files: give it one of letters, digits and ".", "_", ":", "+", "-" as {"name": …, "set": {…}}`);
      });
    });
  return z
    .strictObject({
      $schema: z.string().optional(),
      schema: z.literal('tiresias.study/1'),
      name,
      question: z.string().min(1),
      source: z.string().default(''),
      kind: z.enum(['experiment', 'theory']).default('experiment'),
      experiment: fields,
      axes: z.array(axis).min(1),
      budgets: z.record(z.string(), z.strictObject({ about: z.string(), set: fields.default({}), places: z.record(z.string(), z.array(scalar).min(1).transform((names) => names.map(String))).default({}) })),
      x: z.string(),
    })
    .superRefine((study, context) => {
      const axes = new Map(study.axes.map((one) => [one.name, one]));
      once(study.axes.map((one) => one.name), (i, message) => context.addIssue({ code: 'custom', path: ['axes', i, 'name'], message }));
      if (!axes.has(study.x)) context.addIssue({ code: 'custom', path: ['x'], message: `expected the name of an axis: ${[...axes.keys()].join(', ')}` });
      for (const [key, { places }] of Object.entries(study.budgets)) {
        for (const [axisName, names] of Object.entries(places)) {
          const known = axes.get(axisName)?.places.map((place) => place.name);
          const wrong = names.find((one) => !known?.includes(one));
          if (wrong !== undefined) context.addIssue({ code: 'custom', path: ['budgets', key, 'places', axisName], message: known ? `${JSON.stringify(wrong)} is none of ${known.join(', ')}` : `expected the name of an axis: ${[...axes.keys()].join(', ')}` });
        }
      }
    })
    .transform((written) => {
      const { $schema: _, ...study } = written;
      return study;
    }) satisfies Zod.ZodType<Study>;
});

/** `{ support: { trajectories: 2 } }` of `support.trajectories` and 2. */
const at = (path: string, value: unknown): Record<string, unknown> => path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Fields of `over` in place of those of `under`, objects within objects likewise; lists are replaced whole. */
export function merged(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  return Object.entries(over).reduce<Record<string, unknown>>((all, [key, value]) => {
    const before = all[key];
    return { ...all, [key]: isObject(before) && isObject(value) ? merged(before, value) : value };
  }, under);
}

/** Where the studies of this package lie. */
const STUDIES = fileURLToPath(new URL('../../experiments/studies', import.meta.url));

/** Names of the studies that come with the package. */
export async function studyNames(): Promise<string[]> {
  return (await readdir(STUDIES).catch(() => [])).flatMap((file) => /^(.*)\.json$/.exec(file)?.[1] ?? []).sort();
}

/** A study that was read, and where. */
export interface LoadedStudy {
  /** The study. */
  study: Study;
  /** The folder of its file, from which relative paths are taken. */
  folder: string;
}

/** Reads a study: one of the package's by its name, or a file. Throws INVALID_STUDY naming every offending path. */
export async function loadStudy(nameOrPath: string): Promise<LoadedStudy> {
  const own = join(STUDIES, `${nameOrPath}.json`);
  const path = /^[\w.-]+$/.test(nameOrPath) && existsSync(own) ? own : nameOrPath;
  if (path === nameOrPath && !existsSync(path)) {
    throw new TiresiasError('UNKNOWN_NAME', `no study is called ${JSON.stringify(nameOrPath)}, and there is no such file; there are ${(await studyNames()).join(', ')}`);
  }
  return { study: parseStudy(parseJson(await readText(path), path), path), folder: dirname(path) };
}

/** Checks a value against the schema of studies. Throws INVALID_STUDY. */
export function parseStudy(value: unknown, file = 'study'): Study {
  const parsed = schemaOf().safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TiresiasError('INVALID_STUDY', `${file} is not a valid study:\n${zod().prettifyError(parsed.error)}`, { details: { file }, cause: parsed.error });
}

/** The JSON Schema of study files. */
export const studySchema = (): object => describedSchema(schemaOf(), 'study');

/** A cell before its fields are checked. */
interface GridCell {
  name: string;
  places: Record<string, string>;
  fields: Record<string, unknown>;
}

/** All cells of a budget, the last axis running fastest. */
function gridOf(study: Study, budgetName: string): GridCell[] {
  const budget = Object.hasOwn(study.budgets, budgetName) ? study.budgets[budgetName] : undefined;
  if (!budget) throw new TiresiasError('UNKNOWN_NAME', `study ${study.name} has no budget ${JSON.stringify(budgetName)}; it has ${Object.keys(study.budgets).join(', ')}`);
  const axes = study.axes.map((axis) => {
    const chosen = Object.hasOwn(budget.places, axis.name) ? budget.places[axis.name] : undefined;
    return { ...axis, places: chosen ? axis.places.filter(({ name }) => chosen.includes(name)) : axis.places };
  });
  const grid = axes.reduce<[string, Place][][]>((rows, axis) => rows.flatMap((row) => axis.places.map((place) => [...row, [axis.name, place] as [string, Place]])), [[]]);
  return grid.map((row) => ({
    name: row.map(([axis, place]) => `${axis}=${place.name}`).join(','),
    places: Object.fromEntries(row.map(([axis, place]) => [axis, place.name])),
    fields: row.reduce((all, [, place]) => merged(all, place.set), merged(study.experiment, budget.set)),
  }));
}

/** All cells of a budget, the last axis running fastest; families of one's own are read beside `folder`. Throws INVALID_STUDY where one is no valid experiment, and for a study of theory, whose cells are {@link theoryCellsOf}. */
export function cellsOf(study: Study, budgetName: string, folder = '.'): Cell[] {
  if (study.kind !== 'experiment') throw new TiresiasError('INVALID_STUDY', `study ${study.name} is of ${study.kind}: its cells are no experiments`);
  return gridOf(study, budgetName).map(({ name, places, fields }) => {
    try {
      return { name, places, experiment: parseExperiment({ schema: 'tiresias.experiment/1', name: study.name, ...fields }, `cell ${name} of study ${study.name}`, folder) };
    } catch (error) {
      if (!(error instanceof TiresiasError)) throw error;
      throw new TiresiasError('INVALID_STUDY', error.message, { details: error.details, cause: error });
    }
  });
}

/** All cells of a budget of a theory study. Throws INVALID_STUDY where one is no valid setting, and for a study of experiments. */
export function theoryCellsOf(study: Study, budgetName: string): TheoryCell[] {
  if (study.kind !== 'theory') throw new TiresiasError('INVALID_STUDY', `study ${study.name} is of ${study.kind}s: its cells are no settings of the theory`);
  return gridOf(study, budgetName).map(({ name, places, fields }) => ({ name, places, setting: parseTheorySetting(fields, `cell ${name} of study ${study.name}`) }));
}

/** The same, relative paths of the study's file taken from its folder; with a seed, of that instead of the study's. */
export const cellsAt = ({ study, folder }: LoadedStudy, budget: string, seed?: number): (Cell & Keyed)[] => cellsOf(study, budget, folder).map((cell) => {
  const experiment = placed({ ...cell.experiment, ...(seed !== undefined && { seed }) }, folder);
  return { ...cell, experiment, key: (by) => madeFrom(experiment, by) };
});
