// The solvers of a bench: ours, each a process of its own that prints its bounds, and others' by their descriptions. All are run and read the same way.
import { statSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TiresiasError } from '../errors.js';
import { sha256File } from '../files.js';
import { SOLVER_ALIASES, SOLVER_NAMES } from '../solvers.js';
import { version } from '../version.js';
import { descriptionNames, filled, loadDescription, type LoadedDescription, type SolverDescription } from './description.js';
import { inPath, isProgram } from './programs.js';

/** Our solvers, as `tiresias solve --solver` calls them. */
export const OURS = [...SOLVER_NAMES, ...SOLVER_ALIASES] as const;

/** A solver that can be run. */
export interface Solver extends LoadedDescription {
  /** Absolute. */
  program: string;
  /** Whether it is one of this package. */
  ours: boolean;
  /** SHA-256 of the program; of the addon, where it is ours. */
  sha256: string;
  /** All of it that decides what comes out; the key of its rows is made from this. */
  identity: unknown;
}

/** A solver that cannot be run, and why. */
export interface MissingSolver extends LoadedDescription {
  /** In words. */
  missing: string;
}

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const NUMBER = String.raw`[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`;

/** One of ours, described as others are. */
const describedOurs = (name: (typeof OURS)[number]): SolverDescription => ({
  schema: 'tiresias.solver/1', name, label: `Tiresias ${name}`, about: '', source: `Tiresias ${version}`,
  program: { name: 'node' },
  reads: ['.pomdp', '.mdp', '.pomdpx', '.json'],
  command: ['{program}', join(PACKAGE, 'dist', 'bench', 'runner.js'), '{model}', name, '{time}', '{gap}', '{threads}'],
  patience: { times: 1, seconds: 20 },
  parser: [
    String.raw`^\{"seconds":(?<seconds>${NUMBER}),"lower":(?<lower>${NUMBER}),"upper":(?<upper>${NUMBER})`,
    String.raw`^\{"note":"(?<note>.*)"\}$`,
  ],
  // What estimates are worth is not proven, whatever is printed with them.
  bounds: name === 'estimate' ? 'estimated' : 'proven',
  costs: 'negated',
  printed: { digits: 15 },
});

/** The file of the addon that a process of ours loads. */
function addonPath(): string {
  const { platform, arch, env } = process;
  return env['NAPI_RS_NATIVE_LIBRARY_PATH'] ?? join(PACKAGE, 'native', `tiresias.${platform}-${arch}${platform === 'linux' ? '-gnu' : ''}.node`);
}

async function oursOf(name: (typeof OURS)[number]): Promise<Solver> {
  const sha256 = await sha256File(addonPath());
  return { description: describedOurs(name), folder: PACKAGE, program: process.execPath, ours: true, sha256, identity: { ours: name, version, addon: sha256 } };
}

async function othersOf(loaded: LoadedDescription): Promise<Solver | MissingSolver> {
  const { description, folder } = loaded;
  const { name, variable } = description.program;
  const named = variable === undefined ? undefined : process.env[variable] || undefined;
  const path = named !== undefined ? resolve(named) : /[/\\]/.test(name) ? resolve(folder, name) : await inPath(name);
  const hint = variable === undefined ? '' : `; set ${variable} to its path`;
  if (path === undefined) return { ...loaded, missing: `${name} is not in PATH${hint}` };
  if (!(await isProgram(path))) return { ...loaded, missing: `${named !== undefined ? `${variable} names ${path}, which` : path} is no program that may be run` };
  const sha256 = await sha256File(path);
  const { label: _, about: __, source: ___, ...decisive } = description;
  // A script of the description's own is part of the program.
  const here = { program: path, model: '', stem: '', time: '', gap: '', threads: '', scratch: '', here: folder };
  const scripts = filled(description.command.filter((word) => word.includes('{here}')), here).filter((word) => isAbsolute(word) && statSync(word, { throwIfNoEntry: false })?.isFile());
  const files = await Promise.all(scripts.map(async (file) => [basename(file), await sha256File(file)] as const));
  return { ...loaded, program: path, ours: false, sha256, identity: { description: decisive, program: sha256, files } };
}

/** The solvers of these names or paths. Throws UNKNOWN_NAME, INVALID_SOLVER, or USAGE where two have one name; a program that is not there is no error. */
export async function solversOf(names: readonly string[]): Promise<(Solver | MissingSolver)[]> {
  const isOurs = (name: string): name is (typeof OURS)[number] => (OURS as readonly string[]).includes(name);
  const found: (Solver | MissingSolver)[] = [];
  for (const name of names) {
    const solver = isOurs(name) ? await oursOf(name) : await othersOf(await loadDescription(name, OURS));
    const taken = solver.description.name;
    if (found.some(({ description }) => description.name === taken)) throw new TiresiasError('USAGE', `two solvers are called ${taken}; name each once, and give a description of your own another name`);
    if (!isOurs(name) && isOurs(taken)) throw new TiresiasError('USAGE', `${name}: ${taken} is the name of one of ours; give the description another`);
    found.push(solver);
  }
  return found;
}

/** All names that `--solvers` knows. */
export const solverNames = async (): Promise<string[]> => [...OURS, ...(await descriptionNames())];

/** Whether a solver can be run. */
export const isThere = (solver: Solver | MissingSolver): solver is Solver => !('missing' in solver);
