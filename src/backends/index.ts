// The registry: every backend there is. Experiments, trainings, deciders and `doctor` go by it; a new backend is a file and a line here.
import { formatAt } from '../base/check.js';
import type { BaseFormat } from '../base/source.js';
import { TiresiasError } from '../errors.js';
import { meant } from '../suggest.js';
import type { Ability, Arithmetic, Backend, BackendName, ChosenArithmetic, Launch } from './backend.js';
import { candle } from './candle.js';
import { peft } from './peft.js';

export type { Ability, Arithmetic, Backend, BackendName, ChosenArithmetic, Launch, Launcher } from './backend.js';

/** All backends; where a backend cannot do something, the first that can does it. */
export const BACKENDS: readonly Backend[] = [candle, peft];

/** Their names. */
export const BACKEND_NAMES = BACKENDS.map(({ name }) => name);

/** Every arithmetic that some backend has. */
export const ARITHMETICS: readonly Arithmetic[] = [...new Set(BACKENDS.flatMap(({ arithmetic }) => arithmetic))];

/** What may be asked for. */
export const CHOSEN_ARITHMETICS: readonly ChosenArithmetic[] = [...ARITHMETICS, 'auto'];

/** The backend of a name. Throws UNKNOWN_NAME. */
export function backendOf(name: string): Backend {
  const backend = BACKENDS.find((one) => one.name === name);
  if (backend) return backend;
  throw new TiresiasError('UNKNOWN_NAME', `backend ${JSON.stringify(name)} does not exist; expected one of ${BACKEND_NAMES.join(', ')}${meant(name, BACKEND_NAMES)}`);
}

/** A backend and how it computes. */
export interface Choice {
  backend: BackendName;
  arithmetic?: ChosenArithmetic | undefined;
}

/** The backend that was chosen or, where that cannot do what is needed, the first that can, in its own arithmetic. Whoever trains every weight has one alone. */
export function able({ backend, arithmetic }: Choice, need: Ability): Choice {
  const can = (one: Backend) => one.can.includes(need);
  if (can(backendOf(backend))) return { backend, ...(arithmetic && need !== 'full-parameter' && { arithmetic }) };
  return { backend: BACKENDS.find(can)!.name };
}

/** What is asked of a backend; a trainer's or decider's configuration is one. */
export interface Asked extends Choice {
  base?: { path: string; format?: BaseFormat | undefined; randomWeights?: number | undefined } | undefined;
  architecture?: unknown;
  model?: unknown;
  stream?: unknown;
  shardBase?: boolean | undefined;
}

/** How a training is to be run, beside its configuration. */
export interface Manner {
  launch?: Launch | undefined;
  /** Only to say what it would take. */
  estimate?: boolean | undefined;
}

/** Throws BACKEND_UNABLE, which names backend and remedy, where a backend cannot do what is asked of it. */
export function checkAble(asked: Asked, { launch, estimate }: Manner = {}): void {
  const backend = backendOf(asked.backend);
  const { name } = backend;
  const fail = (problem: string, others: (one: Backend) => boolean, instead?: string): never => {
    const able = BACKENDS.filter(others).map((one) => one.name);
    const remedies = [...(instead ? [instead] : []), ...(able.length > 0 ? [`choose the backend ${able.join(' or ')}`] : [])];
    throw new TiresiasError('BACKEND_UNABLE', `the backend ${name} ${problem}; ${remedies.join(', or ')}`, { details: { backend: name, able } });
  };
  const { arithmetic, stream, base } = asked;
  if (estimate && !backend.estimates) fail('does not say beforehand what a training takes', (one) => one.estimates);
  if ((launch || asked.shardBase) && backend.launchers.length === 0) fail('trains in one process', (one) => one.launchers.length > 0, 'name no launcher and no processes');
  if (launch && backend.launchers.length > 0 && !backend.launchers.includes(launch.launcher)) fail(`is started by ${backend.launchers.join(' or ')}, not by ${launch.launcher}`, (one) => one.launchers.includes(launch.launcher));
  const whole = [['architecture', asked.architecture], ['model', asked.model], ['base.random_weights', base?.randomWeights]].find(([, value]) => value !== undefined);
  if (whole && !backend.can.includes('full-parameter')) fail(`computes only with adapters over a pretrained base, not with \`${whole[0] as string}\``, (one) => one.can.includes('full-parameter'));
  if (stream !== undefined && !backend.streams) fail('learns from a dataset, not from a stream of examples', (one) => one.streams, 'set training.data to "dataset"');
  if (arithmetic !== undefined && arithmetic !== 'auto' && !backend.arithmetic.includes(arithmetic)) {
    fail(`computes in ${backend.arithmetic.join(', ')}, not in ${arithmetic}`, (one) => one.arithmetic.includes(arithmetic), 'leave training.arithmetic out');
  }
  // A base that is not there is the program's to refuse.
  const format = base && (base.format ?? formatAt(base.path));
  if (format && !backend.bases.includes(format)) {
    const [what, instead] = format === 'gguf' ? ['the GGUF file', 'name a folder of safetensors'] : ['the folder', 'name a GGUF file'];
    fail(`reads ${backend.bases.join(' and ')}, not ${what} ${base.path}`, (one) => one.bases.includes(format), instead);
  }
}
