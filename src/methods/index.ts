// The registry: every method there is. Experiments, the command line, results and pages go by it; a new method is a file and a line here.
import { TiresiasError } from '../errors.js';
import { closest } from '../suggest.js';
import { able, backendOf, checkAble } from '../backends/index.js';
import { described } from '../base/index.js';
import { isModule, type Experiment, type MethodSetting, type SeededSetting } from '../experiment.js';
import { zod } from '../lazy.js';
import type { Regime } from '../spec.js';
import { ad } from './ad.js';
import { agents } from './agents.js';
import { dpt } from './dpt.js';
import { icl } from './icl.js';
import type { Method, MethodUse, Training } from './method.js';
import { oracle } from './oracle.js';
import { ownMethod } from './own.js';
import { randomBase } from './random-base.js';
import { random } from './random.js';
import { scratch } from './scratch.js';
import { sft } from './sft.js';
import { teacher } from './teacher.js';

export type { Method, MethodGroup, MethodNeeds, MethodUse, Player, PlayOptions, Training } from './method.js';
export type { OwnAgent, OwnContext, OwnMethod } from './own.js';

let known: readonly Method[] | undefined;

/** All methods that Tiresias brings, in the order of reports. */
export function methods(): readonly Method[] {
  known ??= [oracle, sft, icl, randomBase, dpt, ad, scratch, ...agents(), random, teacher];
  return known;
}

/** The method that an experiment names. Throws UNKNOWN_NAME, and INVALID_METHOD for a module that is none. */
export async function methodOf(setting: MethodSetting): Promise<Method> {
  if (isModule(setting.method)) return ownMethod(setting.method, setting.name);
  const method = methods().find(({ name }) => name === setting.method);
  if (method) return method;
  const names = methods().map(({ name }) => name);
  const meant = closest(setting.method, names);
  const hint = meant === undefined ? `expected one of ${names.join(', ')}, or a module such as "./always.mjs"` : `did you mean ${meant}?`;
  throw new TiresiasError('UNKNOWN_NAME', `method ${JSON.stringify(setting.method)} does not exist; ${hint}`);
}

/** The methods that an experiment compares in a regime. */
export const methodsIn = (experiment: Experiment, regime: Regime): MethodSetting[] =>
  experiment.evaluation.methods.filter(({ regimes }) => regimes?.includes(regime) ?? true);

/**
 * The experiment with every training a method of its own: of one that is trained three times, `sft:seed-0`, `sft:seed-1` and `sft:seed-2`.
 * Throws INVALID_EXPERIMENT where such a name is taken.
 */
export async function withSeeds(experiment: Experiment): Promise<Experiment> {
  const methods: (MethodSetting | SeededSetting)[] = [];
  for (const setting of experiment.evaluation.methods) {
    const seeds = (await methodOf(setting)).needs(setting).training ? (setting.seeds ?? experiment.training.seeds) : 1;
    if (seeds === 1) methods.push(setting);
    else for (let k = 0; k < seeds; k++) methods.push({ ...setting, name: `${setting.name}:seed-${k}`, seed: experiment.seed + k, seedOf: setting.name });
  }
  const names = methods.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new TiresiasError('INVALID_EXPERIMENT', `method ${twice}: the name is taken by a training of another; give it a "name" of its own`);
  return { ...experiment, evaluation: { ...experiment.evaluation, methods } };
}

/** The seed of what is trained for a method. */
export const trainingSeed = (setting: MethodSetting | SeededSetting, experiment: Experiment): number => ('seed' in setting ? setting.seed : experiment.seed);

/** The name that a method goes by in comparisons: the one that all its trainings share. */
export const kindOf = (setting: MethodSetting | SeededSetting): string => ('seedOf' in setting ? setting.seedOf : setting.name);

/**
 * Checks every method of an experiment in every regime, before anything is computed. Throws a TiresiasError that names the method
 * and what to do.
 */
export async function checkMethods(experiment: Experiment, regimes: readonly Regime[] = experiment.regimes): Promise<void> {
  for (const regime of regimes) {
    for (const setting of methodsIn(experiment, regime)) await checkMethod(await methodOf(setting), { setting, experiment, regime, threads: 1 });
  }
}

async function checkMethod(method: Method, use: MethodUse): Promise<void> {
  const { setting, experiment, regime } = use;
  const fail = (problem: string): never => {
    throw new TiresiasError('INVALID_EXPERIMENT', `method ${setting.name}: ${problem}`, { details: { method: setting.name, regime } });
  };
  if (!method.regimes.includes(regime)) {
    fail(`it cannot act in the regime ${regime}; write {"method": "${setting.method}", "regimes": ${JSON.stringify(method.regimes)}}, or leave it out`);
  }
  if (method.needsSupport && experiment.support.trajectories === 0) fail('it cannot act without support; raise support.trajectories, or leave it out');
  // What is trained needs a support to learn from, and can begin without.
  if (method.needsSupport && experiment.evaluation.deployment && !method.needs(setting).training) fail('it cannot act without support, and the first episode of a deployment has none; leave it out');
  const parsed = zod().fromJSONSchema(method.options as Parameters<ReturnType<typeof zod>['fromJSONSchema']>[0]).safeParse(setting.options);
  if (!parsed.success) {
    const takes = Object.keys((method.options as { properties?: object }).properties ?? {});
    fail(`options: ${zod().prettifyError(parsed.error).replaceAll('\n', ' ')}; it takes ${takes.length > 0 ? takes.join(', ') : 'no options'}`);
  }
  checkBackend(method, use);
  await method.check?.(use);
}

/** Whether the backend that a method would go to is there and does what the experiment asks of it. */
function checkBackend(method: Method, { setting, experiment }: MethodUse): void {
  const { base, training } = method.needs(setting);
  if (!base && !training) return;
  const choice = able(experiment.training, training?.ability ?? 'decide');
  const stream = training && experiment.training.data === 'stream' ? true : undefined;
  checkAble({ ...choice, stream, ...(base && { base: described(experiment.base) }) });
  backendOf(choice.backend).command();
}

/** Whether any of these methods needs the pretrained model. */
export async function needBase(settings: readonly MethodSetting[]): Promise<boolean> {
  for (const setting of settings) {
    if ((await methodOf(setting)).needs(setting).base) return true;
  }
  return false;
}

/** What has to be trained for some methods, in their order. */
export async function trainingsOf(settings: readonly MethodSetting[]): Promise<[setting: MethodSetting, training: Training][]> {
  const trainings: [MethodSetting, Training][] = [];
  for (const setting of settings) {
    const { training } = (await methodOf(setting)).needs(setting);
    if (training) trainings.push([setting, training]);
  }
  return trainings;
}
