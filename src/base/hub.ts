// Base models of the Hugging Face hub: a GGUF file of a repository or, without `file`, its safetensors with configuration and tokenizer.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TiresiasError } from '../errors.js';
import type { HubBase } from '../experiment.js';
import { readJsonIfWhole, readText, writeJson } from '../files.js';
import { checkFolder, checkGguf, corrupt, formatAt, hashIfWhole, hashOf, indexedFiles } from './check.js';
import { accepted, download, downloadedHash, request, unavailable } from './download.js';
import type { BaseModel, BaseSource, FetchOptions, Listed } from './source.js';

const INDEX = 'model.safetensors.index.json';
/** What a folder needs beside its weights, where the repository has it. */
const TEXTS = ['config.json', 'generation_config.json', INDEX, 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'tokenizer.model'];

/** What `revision.json` in a cached folder says: the version that `revision` named when the download began, and its files. */
interface Revision {
  commit: string;
  files: HubFile[];
}

interface HubFile {
  name: string;
  bytes: number;
  /** The hub says it of large files. */
  sha256?: string | undefined;
}

export const hub: BaseSource<HubBase> = {
  key: 'hub',
  example: '{"hub": "organisation/name"} (its safetensors), {"hub": "organisation/name", "file": "model.gguf"}',
  schema: (z) =>
    z.strictObject({
      hub: z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'expected "organisation/name"'),
      file: z.string().endsWith('.gguf', 'expected the name of a .gguf file, or no file for the safetensors').optional(),
      revision: z.string().default('main'),
      sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits').optional(),
    }),
  format: ({ file }) => (file === undefined ? 'safetensors' : 'gguf'),
  resolve: (spec, options) => (spec.file === undefined ? folder(spec, options) : file(spec, spec.file, options)),
  list,
};

const place = ({ hub: id, revision }: HubBase, cache: string): string => join(cache, 'hub', id.replace('/', '--'), revision.replaceAll('/', '--'));

async function file(spec: HubBase, inside: string, { cache, signal, onProgress }: FetchOptions): Promise<BaseModel> {
  const path = join(place(spec, cache), basename(inside));
  const sha256 = await download({
    url: urlOf(spec, spec.revision, inside), path, sha256: spec.sha256, signal, check: checkGguf,
    onBytes: (done, total) => onProgress?.({ done, total, detail: `downloading ${spec.hub}` }),
  });
  return { name: `${spec.hub}/${inside}`, format: 'gguf', path, sha256 };
}

async function folder(spec: HubBase, { cache, signal, onProgress }: FetchOptions): Promise<BaseModel> {
  // Under the repository's name, which is then the tokenizer's too.
  const path = join(place(spec, cache), basename(spec.hub));
  const revision = await pinned(spec, path, signal);
  const hashes: Record<string, string> = {};
  let before = 0;
  const fetchAll = async (files: readonly HubFile[], total: number) => {
    for (const one of files) {
      const url = urlOf(spec, revision.commit, one.name);
      const onBytes = (done: number) => onProgress?.({ done: before + done, total, detail: `downloading ${one.name} of ${spec.hub}` });
      hashes[one.name] = await download({ url, path: join(path, one.name), sha256: one.sha256, signal, onBytes });
      before += one.bytes;
    }
  };
  const small = revision.files.filter(({ name }) => !name.endsWith('.safetensors'));
  const weights = revision.files.filter(({ name }) => name.endsWith('.safetensors'));
  await fetchAll(small, sum(revision.files));
  // Some repositories hold the weights twice, whole and in parts, for several programs: the index says which are the model's.
  const indexed = small.some(({ name }) => name === INDEX) ? indexedFiles(await readText(join(path, INDEX)), INDEX) : undefined;
  const single = weights.filter(({ name }) => name === 'model.safetensors');
  const wanted = indexed ? weights.filter(({ name }) => indexed.includes(name)) : single.length > 0 ? single : weights;
  await fetchAll(wanted, sum(small) + sum(wanted));
  await checkFolder(path);
  const sha256 = hashOf(hashes);
  if (spec.sha256 !== undefined && sha256 !== spec.sha256) throw corrupt(`the folder of ${spec.hub}`, spec.sha256, sha256);
  return { name: spec.hub, format: 'safetensors', path, sha256 };
}

const sum = (files: readonly HubFile[]): number => files.reduce((total, { bytes }) => total + bytes, 0);

const endpoint = (): string => (process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/+$/, '');

const urlOf = ({ hub: id }: HubBase, revision: string, name: string): string =>
  `${endpoint()}/${id}/resolve/${encodeURIComponent(revision)}/${name.split('/').map(encodeURIComponent).join('/')}`;

/** The version whose files are in a folder, or are to be: a branch may move on while they are downloaded. */
async function pinned(spec: HubBase, path: string, signal: AbortSignal | undefined): Promise<Revision> {
  const file = join(path, 'revision.json');
  const known = (await readJsonIfWhole(file)) as Revision | undefined;
  if (known) return known;
  const revision = await revisionOf(spec, signal);
  await writeJson(file, revision);
  return revision;
}

/** Asks the hub which version a revision names now, and which of its files make a folder. */
async function revisionOf({ hub: id, revision }: HubBase, signal: AbortSignal | undefined): Promise<Revision> {
  const url = `${endpoint()}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  let answer: { sha?: unknown; siblings?: { rfilename: string; size?: number; lfs?: { sha256?: string; oid?: string } }[] };
  try {
    answer = (await accepted(url, await request(url, signal)).json()) as typeof answer;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof TiresiasError) throw error;
    throw unavailable(url, ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message, error);
  }
  if (typeof answer.sha !== 'string' || !Array.isArray(answer.siblings)) throw unavailable(url, 'the answer names no version or no files');
  const files = answer.siblings
    .filter(({ rfilename: name }) => TEXTS.includes(name) || (name.endsWith('.safetensors') && !name.includes('/')))
    .map(({ rfilename: name, size, lfs }) => ({ name, bytes: size ?? 0, sha256: lfs?.sha256 ?? lfs?.oid }));
  const has = (wanted: string) => files.some(({ name }) => name === wanted);
  if (!has('config.json') || !files.some(({ name }) => name.endsWith('.safetensors'))) {
    const ggufs = answer.siblings.map(({ rfilename }) => rfilename).filter((name) => name.endsWith('.gguf'));
    throw new TiresiasError('BASE_MODEL_MISSING', `${id} at ${revision} has no config.json with *.safetensors; ${ggufs.length > 0 ? `name one of its files as "file": ${ggufs.join(', ')}` : 'name another repository'}`, {
      details: { hub: id, revision, ggufs },
    });
  }
  if (!has('tokenizer.json')) throw new TiresiasError('BASE_MODEL_MISSING', `${id} at ${revision} has no tokenizer.json; name another repository, or a folder of one's own into which transformers saved the tokenizer`, { details: { hub: id, revision } });
  return { commit: answer.sha, files };
}

/** What was downloaded before. */
async function list(cache: string): Promise<Listed[]> {
  const found: Listed[] = [];
  const names = (path: string) => readdir(path).catch((): string[] => []);
  for (const id of await names(join(cache, 'hub'))) {
    for (const revision of await names(join(cache, 'hub', id))) {
      const at = join(cache, 'hub', id, revision);
      const repository = id.replace('--', '/');
      for (const name of (await names(at)).filter((one) => one.endsWith('.gguf') || one === basename(repository))) {
        const path = join(at, name);
        const format = formatAt(path);
        const whole = format === 'gguf' ? await downloadedHash(path) : await hashIfWhole(path);
        found.push({ name: format === 'gguf' ? `${repository}/${name}` : repository, format, path, state: whole === undefined ? 'damaged' : 'whole', remedy: 'a run that names it fetches what is missing' });
      }
    }
  }
  return found;
}
