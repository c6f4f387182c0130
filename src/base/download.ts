// Downloads that go on where they stopped: what has come of a file waits beside its place, under a name that says of which version it is
// a part and which process is at it.
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { TiresiasError, messageOf } from '../errors.js';
import { io, ioError, makeFolder, readText, sha256, sha256File, writeAtomic } from '../files.js';
import { isAlive } from '../subprocess.js';
import { corrupt } from './check.js';
import { saveStream, settle } from './save.js';

/** What to download, and where to. */
export interface Download {
  url: string;
  path: string;
  /** SHA-256 that the file must have, where that is known before. */
  sha256?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Told how many bytes there are of how many. */
  onBytes?: ((done: number, total: number) => void) | undefined;
  /** Throws where the file is not of its kind, before it is taken for whole. */
  check?: ((path: string) => Promise<void>) | undefined;
}

/** The hash of a file that was downloaded before and has not changed since; undefined where there is none. */
export async function downloadedHash(path: string, expected?: string, signal?: AbortSignal): Promise<string | undefined> {
  const known = expected ?? (await readText(beside(path)).catch(() => undefined))?.trim();
  const there = known !== undefined && (await stat(path).then((s) => s.isFile(), () => false));
  return there && (await sha256File(path, signal)) === known ? known : undefined;
}

/** Downloads a file, unless it is there; returns its SHA-256, which then stands beside it, so that later damage is noticed. */
export async function download(wanted: Download): Promise<string> {
  const { path, signal, check } = wanted;
  const there = await downloadedHash(path, wanted.sha256, signal);
  if (there !== undefined) return there;
  await io(`make ${dirname(path)}`, () => makeFolder(dirname(path)));
  const part = await receive(wanted);
  try {
    const found = await sha256File(part, signal);
    if (wanted.sha256 !== undefined && found !== wanted.sha256) throw corrupt(wanted.url, wanted.sha256, found);
    await check?.(part);
    await settle(part, path);
    await writeAtomic(beside(path), `${found}\n`);
    return found;
  } finally {
    await rm(part, { force: true });
  }
}

const beside = (path: string): string => `${path}.sha256`;

/** Receives the whole of a file; returns where its bytes are. */
async function receive({ url, path, signal, onBytes }: Download): Promise<string> {
  const part = await claim(path);
  try {
    const from = part.version === undefined ? 0 : part.bytes;
    let response = await ask(url, from, signal);
    const version = versionOf(response);
    if (response.status === 206 && version !== part.version) {
      // Another version than the part that is here.
      await response.body?.cancel();
      response = await ask(url, 0, signal);
    }
    const resumed = response.status === 206 ? from : 0;
    if (resumed === 0) {
      await rm(part.path, { force: true });
      Object.assign(part, { path: own(path, version), version });
    }
    const length = Number(response.headers.get('content-length') ?? 0);
    const total = length > 0 && !response.headers.has('content-encoding') ? resumed + length : undefined;
    const body = Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
    const received = resumed + (await saveStream(body, part.path, { signal, onBytes: (bytes) => onBytes?.(resumed + bytes, total ?? resumed + bytes) }));
    if (total !== undefined && received !== total) throw unavailable(url, `the connection ended after ${received} of ${total} bytes`);
    return part.path;
  } catch (error) {
    await giveBack(part, path);
    signal?.throwIfAborted();
    const known = ioError(error, `save ${basename(path)}`);
    if (known instanceof TiresiasError && known.code !== 'IO') throw known;
    throw unavailable(url, messageOf((error as Error).cause ?? error), error);
  }
}

async function ask(url: string, from: number, signal: AbortSignal | undefined): Promise<Response> {
  const response = await request(url, signal, from > 0 ? { range: `bytes=${from}-` } : {});
  // Nothing is left to send, or the part is longer than the file: begin anew.
  if (response.status !== 416) return accepted(url, response);
  await response.body?.cancel();
  return accepted(url, await request(url, signal));
}

/** A request as the hub wants it, with the token of the environment. */
export async function request(url: string, signal: AbortSignal | undefined, headers: Record<string, string> = {}): Promise<Response> {
  const token = process.env['HF_TOKEN'];
  return fetch(url, { ...(signal && { signal }), headers: { 'accept-encoding': 'identity', ...headers, ...(token && { authorization: `Bearer ${token}` }) } });
}

/** The response, unless it tells of a failure. Throws BASE_MODEL_UNAVAILABLE. */
export function accepted(url: string, response: Response): Response {
  if (response.ok && response.body) return response;
  const hint = response.status === 401 || response.status === 403 ? ' (a gated model needs HF_TOKEN, and its licence accepted)' : '';
  throw unavailable(url, `the server answered ${response.status} ${response.statusText}${hint}`);
}

/** What could not be fetched, from where and why. */
export function unavailable(url: string, why: string, cause?: unknown): TiresiasError {
  return new TiresiasError('BASE_MODEL_UNAVAILABLE', `could not download ${url}: ${why}`, { details: { url }, cause });
}

/** What tells the versions of a file apart, short enough for a name; undefined where the server does not say. */
const versionOf = (response: Response): string | undefined => {
  const tag = response.headers.get('etag');
  return tag === null ? undefined : sha256(tag).slice(0, 16);
};

/** What has come of a file. */
interface Part {
  path: string;
  bytes: number;
  version: string | undefined;
}

const partName = (path: string, version: string | undefined, owner: string): string => join(dirname(path), `.${basename(path)}.${version ?? 'none'}.${owner}.part`);
const own = (path: string, version: string | undefined): string => partName(path, version, `${process.pid}-${Math.random().toString(36).slice(2, 8)}`);
const PART = /^\.(?<file>.+)\.(?<version>[0-9a-f]{16})\.(?<owner>free|\d+)(?:-[a-z0-9]*)?\.part$/;

/** Takes over the longest part that no living process is at, or begins one. Two that download at once have a part each. */
async function claim(path: string): Promise<Part> {
  const folder = dirname(path);
  const left: Part[] = [];
  for (const name of await readdir(folder)) {
    const { file, version, owner } = PART.exec(name)?.groups ?? {};
    if (file !== basename(path) || (owner !== 'free' && isAlive(Number(owner)))) continue;
    const at = join(folder, name);
    left.push({ path: at, version, bytes: (await stat(at).catch(() => ({ size: 0 }))).size });
  }
  left.sort((a, b) => b.bytes - a.bytes);
  for (const part of left) {
    const mine = own(path, part.version);
    // A rename succeeds for one of several that try.
    if (await rename(part.path, mine).then(() => true, () => false)) return { ...part, path: mine };
  }
  return { path: own(path, undefined), bytes: 0, version: undefined };
}

/** Leaves a part for whoever tries next; one of an unknown version is of no use. */
async function giveBack(part: Part, path: string): Promise<void> {
  if (part.version === undefined) return rm(part.path, { force: true });
  await rename(part.path, partName(path, part.version, 'free')).catch(() => {});
}
