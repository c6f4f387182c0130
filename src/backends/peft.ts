// The peft backend: the Python package `tiresias_peft`, run from this package's sources by a virtual environment in the cache.
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../cache.js';
import { TiresiasError, messageOf } from '../errors.js';
import { io, sha256, sha256File } from '../files.js';
import { runCommand } from '../subprocess.js';
import type { Backend, Launch } from './backend.js';

/** What an environment is made for; each has pinned requirements of its own. */
export type EnvironmentKind = 'cpu' | 'cuda';
export const ENVIRONMENT_KINDS: readonly EnvironmentKind[] = ['cpu', 'cuda'];

const PACKAGE = fileURLToPath(new URL('../../python/tiresias_peft', import.meta.url));
const SOURCES = join(PACKAGE, 'src');

/** The pinned requirements of an environment. */
export const requirementsPath = (kind: EnvironmentKind): string => join(PACKAGE, `requirements-${kind}.txt`);

/** Where `tiresias setup peft` makes the environment. */
export const environmentFolder = (): string => join(cacheFolder(), 'peft');

/** The file that is written last into an environment that is whole: JSON, see {@link Stamp}. */
export const stampPath = (): string => join(environmentFolder(), 'tiresias-environment.json');

/** What an environment was made of. */
export interface Stamp {
  kind: EnvironmentKind;
  /** SHA-256 of the requirements. */
  requirements: string;
}

/** The python inside the environment. */
export const environmentPython = (): string => (process.platform === 'win32' ? join(environmentFolder(), 'Scripts', 'python.exe') : join(environmentFolder(), 'bin', 'python'));

/** The environment's stamp, if it is whole and of the requirements that this package has now. */
export function environment(): Stamp | undefined {
  try {
    const stamp = JSON.parse(readFileSync(stampPath(), 'utf8')) as Stamp;
    const wanted = sha256(readFileSync(requirementsPath(stamp.kind)));
    return stamp.requirements === wanted && existsSync(environmentPython()) ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/** TIRESIAS_PEFT_PYTHON, or the environment's. */
function python(): string {
  const missing = (why: string): TiresiasError => new TiresiasError('TRAINER_MISSING', `the backend peft is not installed: ${why}`, { details: { backend: 'peft' } });
  const own = process.env['TIRESIAS_PEFT_PYTHON'];
  if (own !== undefined) {
    if (!existsSync(own)) throw missing(`TIRESIAS_PEFT_PYTHON names no file (${own})`);
    return own;
  }
  if (!environment()) throw missing(`run \`${peft.remedy}\`, which makes its environment in ${environmentFolder()}`);
  return environmentPython();
}

/** Hashes of the package's sources and of the requirements that are pinned for the environment; for a python of one's own, of all. */
async function identity(signal?: AbortSignal): Promise<string> {
  const own = process.env['TIRESIAS_PEFT_PYTHON'] === undefined ? environment() : undefined;
  const names = await io(`read ${SOURCES}`, () => readdir(SOURCES, { recursive: true }));
  const files = names.filter((name) => name.endsWith('.py')).sort().map((name) => join(SOURCES, name));
  files.push(...ENVIRONMENT_KINDS.filter((kind) => own === undefined || kind === own.kind).map(requirementsPath));
  const hashes: string[] = [];
  for (const file of files) hashes.push(`${await sha256File(file, signal)}  ${file.slice(PACKAGE.length)}`);
  return sha256(hashes.join('\n'));
}

async function health(): Promise<{ ok: boolean; found: string }> {
  try {
    const program = python();
    const { code, stdout, stderr } = await runCommand(program, ['-c', 'from importlib.metadata import version; print(*(f"{name} {version(name)}" for name in ("torch", "peft")), sep=", ")']);
    return code === 0 ? { ok: true, found: `${stdout.trim()} in ${program}` } : { ok: false, found: `${program}: ${stderr.trim().split('\n').at(-1) ?? ''}` };
  } catch (error) {
    return { ok: false, found: messageOf(error) };
  }
}

/** The arguments of python that start several processes on this machine; the program's own follow. */
function launching({ launcher, processes }: Launch): string[] {
  if (launcher === 'torchrun') return ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', `${processes}`];
  // `--multi_gpu` is also what starts several processes on CPUs; with 0 it takes a port that is free; the rest would be asked for by
  // warnings. How to compute is the configuration's to say, not accelerate's.
  const settings = ['--multi_gpu', '--num_machines', '1', '--num_processes', `${processes}`, '--main_process_port', '0', '--mixed_precision', 'no', '--dynamo_backend', 'no'];
  return ['-m', 'accelerate.commands.accelerate_cli', 'launch', ...settings];
}

export const peft: Backend = {
  name: 'peft', summary: 'Python, transformers and peft, on a CUDA card or the CPU',
  can: ['train', 'decide'], bases: ['safetensors', 'gguf'], devices: ['cpu', 'cuda'], arithmetic: ['f32', 'bf16', 'nf4'], launchers: ['accelerate', 'torchrun'], estimates: true, streams: false,
  command: (launch) => ({
    program: python(), args: [...(launch ? launching(launch) : []), '-m', 'tiresias_peft'],
    // The package's folder may be another's, and what is beside the sources must not change.
    env: { PYTHONPATH: SOURCES, PYTHONDONTWRITEBYTECODE: '1' },
  }),
  identity,
  health,
  remedy: 'tiresias setup peft',
};
