// The model that a command works on: a file, a classic problem by name, or a task drawn from a family.
import { Option, type Command } from 'commander';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TiresiasError } from '../errors.js';
import { checkReadable } from '../files.js';
import type { FamilyInfo, Model, ModelWarning } from '../library.js';
import { refuseRecords } from '../logs/records.js';
import type { FamilyName, Regime, SplitName } from '../spec.js';
import { integer, number, type CommonOptions } from './common.js';

export interface TaskOptions extends CommonOptions {
  family?: FamilyName;
  split: SplitName;
  index: number;
  regime: Regime;
  models: number;
  alpha?: number;
  horizon?: number;
  format?: ModelFormat;
}

/** The formats of model files. */
export type ModelFormat = 'pomdp' | 'pomdpx' | 'json';

/** The format of the model files that a command reads. */
export function formatOption(): Option {
  return new Option('--format <name>', 'the format of the model files; by how each text begins when it is left out').choices(['pomdp', 'pomdpx', 'json']);
}

/** Adds `[models...]` and the options that draw a task instead. */
export function withTaskOptions(command: Command): Command {
  return command
    .argument('[models...]', 'a model file (.pomdp, .mdp, .pomdpx or .json) or a classic problem (tiger, rock-sample:7,8, …); several are the cloud of an ambiguous model; or draw a task with --family')
    .addOption(formatOption())
    .option('--family <name>', 'draw a task of this family, or of a folder, a document or a module of your own')
    .option('--split <name>', 'split of the family', 'train')
    .option('--index <n>', 'index of the task in its split', integer(0), 0)
    .addOption(new Option('--regime <name>', 'what is known: the state, what is observed, or that several models are possible').choices(['mdp', 'pomdp', 'apomdp']).default('mdp'))
    .option('--models <n>', "size of an APOMDP's cloud", integer(1), 3)
    .option('--alpha <x>', "ambiguity attitude of an APOMDP: 1 is max-min, 0 max-max; the file's, or 1 for several files and for a drawn task", number(0, 1))
    .option('--horizon <n>', "number of decisions; the family's own for a drawn task", integer(1));
}

/** The family of this name; or that of the models in the folder, of the document or of the module of this name, with where it lies. */
export async function familyNamed(name: string): Promise<FamilyInfo & { path?: string }> {
  const { families, familyInfo, loadFamily } = await import('../library.js');
  const entry = await stat(name).catch(() => undefined);
  if (families().some((family) => family.name === name) || !entry) {
    if (/[./\\]/.test(name) && !entry) throw new TiresiasError('FILE_NOT_FOUND', `${name}: there is no such folder, document or module of a family`, { details: { path: name } });
    return familyInfo(name as FamilyName);
  }
  if (entry.isFile() && /\.[cm]?js$/.test(name)) {
    const { makeModuleFamily } = await import('../family/module.js');
    const path = await makeModuleFamily({ module: resolve(name) }, '.');
    return { ...loadFamily(path), path };
  }
  if (entry.isFile()) refuseRecords(name, 'a family');
  return { ...loadFamily(name), path: resolve(name) };
}

/** Options that shape a drawn task and have no meaning for a model file. */
const DRAWN_ONLY = ['split', 'index', 'regime', 'models'];

/** The model and a name for it. `command` knows which options were given. */
export async function chosenModel(files: readonly string[], options: TaskOptions, command: Command): Promise<{ model: Model; name: string }> {
  const { drawTask } = await import('../library.js');
  if (files.length > 0 && options.family !== undefined) throw new TiresiasError('USAGE', 'name model files or a --family, not both');
  if (files.length > 0) {
    const needless = DRAWN_ONLY.filter((name) => command.getOptionValueSource(name) === 'cli').map((name) => `--${name}`);
    if (needless.length > 0) throw new TiresiasError('USAGE', `${needless.join(', ')}: only for a task drawn with --family, not for a model file`);
    const { model } = await readCloud(files, options.horizon, options.alpha, options.format);
    return { model, name: files.join(' + ') };
  }
  if (options.format !== undefined) throw new TiresiasError('USAGE', '--format: only for model files, not for a task drawn with --family');
  if (options.family === undefined) throw new TiresiasError('USAGE', 'name a model file, or a --family to draw a task from (see `tiresias families`)');
  const { split, index, models, alpha = 1, seed = 0, horizon } = options;
  const { name: family, regimes } = await familyNamed(options.family);
  // A family of one regime needs no word for it.
  const regime = command.getOptionValueSource('regime') !== 'cli' && regimes.length === 1 ? regimes[0]! : options.regime;
  return { model: drawTask(family, { split, index, seed, regime, models, alpha, ...(horizon !== undefined && { horizon }) }).model, name: `${options.family} ${split} ${index}, seed ${seed}` };
}

/** The model of one file, or the cloud of several; warnings go to standard error. */
export async function readCloud(files: readonly string[], horizon?: number, alpha?: number, format?: ModelFormat): Promise<{ model: Model; formats: string[]; warnings: ModelWarning[] }> {
  const { Model } = await import('../library.js');
  const members = [];
  for (const file of files) members.push(await readModel(file, horizon, format));
  const warnings = members.flatMap((member) => member.warnings);
  for (const warning of warnings) process.stderr.write(`${warning.text}\n`);
  const formats = members.map(({ format }) => format);
  if (members.length > 1) return { model: cloud(Model, files, members, alpha), formats, warnings };
  const { model } = members[0]!;
  return { model: alpha === undefined ? model : model.with(undefined, alpha), formats, warnings };
}

function cloud(models: typeof Model, files: readonly string[], members: readonly { model: Model }[], alpha?: number): Model {
  try {
    return models.cloud(members.map(({ model }) => model), alpha);
  } catch (error) {
    if (!(error instanceof TiresiasError)) throw error;
    // The core counts members; here they have names.
    const message = error.message.replace(/^model (\d+) of the cloud( \([^)]*\))?: /, (whole, index: string) => `${files[Number(index)] ?? whole}: `).replaceAll('model 0', files[0]!);
    throw new TiresiasError(error.code, `${message}\nmodels of one cloud differ in transitions and observations only`, { details: error.details, cause: error });
  }
}

/**
 * A model file of any format, with the horizon given in place of its own; or a classic problem of that name. A file wins over a
 * name. What has a suffix or a separator of folders, and no classic's name before its colon, is a file, there or not.
 */
export async function readModel(file: string, horizon?: number, format?: ModelFormat): Promise<{ model: Model; format: string; warnings: ModelWarning[] }> {
  try {
    return await readFileOrClassic(file, horizon, format);
  } catch (error) {
    // The reader speaks of files; on the command line there is an option.
    if (!(error instanceof TiresiasError && horizon === undefined && /discount[^\n]* horizon/.test(error.message))) throw error;
    throw new TiresiasError(error.code, `${error.message}\npass the number of decisions with --horizon`, { details: error.details, cause: error });
  }
}

async function readFileOrClassic(name: string, horizon?: number, format?: ModelFormat): Promise<{ model: Model; format: string; warnings: ModelWarning[] }> {
  const { classicModel, classics } = await import('../library.js');
  const entry = await stat(name).catch(() => undefined);
  const known = classics().some((classic) => classic.name === name.split(':', 1)[0]);
  const looksLikeFile = entry !== undefined || /[./\\]/.test(name);
  if (known ? entry?.isFile() : looksLikeFile) return readAnyModel(name, horizon, format);
  try {
    const model = classicModel(name);
    return { model: horizon === undefined ? model : model.with(horizon), format: 'classic', warnings: [] };
  } catch (error) {
    if (known || !(error instanceof TiresiasError)) throw error;
    throw new TiresiasError(error.code, `${name}: no such file, and as a classic problem: ${error.message}`, { cause: error });
  }
}

async function readAnyModel(file: string, horizon?: number, given?: ModelFormat): Promise<{ model: Model; format: string; warnings: ModelWarning[] }> {
  const { Model } = await import('../library.js');
  await checkReadable(file);
  if (given === undefined) refuseRecords(file, 'a model file');
  const { model, format, warnings } = Model.fromFile(file, { ...(horizon !== undefined && { horizon }), ...(given !== undefined && { format: given }) });
  return { model, format, warnings };
}

/** One line that says what kind of model it is. */
export function describeModel(model: Model): string {
  const seen = model.observations === 0 ? 'states seen' : `${model.observations} observations`;
  const cloud = model.models > 1 ? `, ${model.models} models, alpha ${model.alpha}` : '';
  const around = [...(model.ambiguity === null ? [] : [`${model.ambiguity} ambiguity`]), ...(model.observationAmbiguity === null ? [] : [`${model.observationAmbiguity} ambiguity of observations`])];
  const sets = around.length === 0 ? '' : `, ${around.join(', ')}, alpha ${model.alpha}`;
  return `${model.kind}: ${model.states} states, ${model.actions} actions, ${seen}${cloud}${sets}, ${model.horizon === null ? '' : `horizon ${model.horizon}, `}discount ${model.discount}`;
}
