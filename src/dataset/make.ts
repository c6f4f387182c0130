// Makes a dataset folder shard by shard. Whatever is whole stays, so a killed run goes on where it was, to the same bytes.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TiresiasError } from '../errors.js';
import { io, makeFolder, readText, writeAtomic } from '../files.js';
import { makeShard, type ShardReport, type StageProgress } from '../library.js';
import { takeLock } from '../lock.js';
import type { CallOptions } from '../native.js';
import { cutOf } from '../parts.js';
import { readSealedIfWhole, writeSealed } from '../seal.js';
import { version } from '../version.js';
import { datasetCard } from './card.js';
import { MANIFEST, configHash, readManifestIfWhole, totals, type DatasetConfig, type Identity, type Manifest, type Shard } from './manifest.js';
import { makeMissing, plan, type MakeOptions, type PlannedShard, type Span } from './shards.js';

/** Journal of a dataset in the making; gone when the manifest stands. */
export const JOURNAL = 'manifest.partial.json';

interface Journal {
  hash: string;
  templateSha: string;
  shards: Shard[];
}

/** Makes, or finishes, the dataset in `folder`. Refuses (DATASET_DIFFERS) a folder that holds another one. */
export function makeDataset(config: DatasetConfig, folder: string, options: MakeOptions): Promise<Manifest> {
  return makeShards(config, folder, options, plan(config, options.threads), ({ spec }, path, how) => makeShard(spec, options.tokenizer, path, how));
}

/** Writes one of a dataset's shards to a path. */
type Maker<S extends Span> = (planned: PlannedShard<S>, path: string, how: CallOptions<StageProgress>) => Promise<ShardReport>;

/** Makes, or finishes, a dataset of any kind, whose shards `make` writes. Refuses (DATASET_DIFFERS) a folder that holds another one. */
export async function makeShards<S extends Span>(config: Identity['config'], folder: string, options: MakeOptions, planned: readonly PlannedShard<S>[], make: Maker<S>): Promise<Manifest> {
  await io(`make ${folder}`, () => makeFolder(join(folder, 'data')));
  const release = await takeLock(join(folder, 'make.lock'));
  try {
    return await allShards(config, folder, options, planned, make);
  } finally {
    await release();
  }
}

async function allShards<S extends Span>(config: Identity['config'], folder: string, options: MakeOptions, planned: readonly PlannedShard<S>[], maker: Maker<S>): Promise<Manifest> {
  const { tokenizer } = options;
  const identity = identityOf(config, tokenizer);
  const hash = configHash(identity);
  // Both are sealed: what they say of a shard is what was found when it was made, or nothing.
  const finished = await finishedManifest(folder, hash);
  const journal = (await readSealedIfWhole(join(folder, JOURNAL))) as Journal | undefined;
  if (journal) requireSame(folder, hash, journal.hash);
  const cut = finished ? undefined : await cutOf(folder);
  if (cut) throw new TiresiasError('PARTS_DIFFER', `${folder} is made in ${cut.of} parts: make what is missing with --shard and --of ${cut.of}, then \`tiresias dataset assemble ${folder} --out ${folder}\`; or name another folder`, { details: { folder, of: cut.of } });

  await removeLeftovers(join(folder, 'data'));
  const known = new Map((finished?.shards ?? journal?.shards ?? []).map((shard) => [shard.path, shard]));
  let templateSha = finished?.templateSha ?? journal?.templateSha ?? '';
  const shards: (Shard | undefined)[] = planned.map(() => undefined);
  const writeJournal = async () => {
    if (!finished) await writeSealed(join(folder, JOURNAL), { hash, templateSha, shards: shards.filter((shard) => shard !== undefined) } satisfies Journal);
  };
  // Even before its first shard a folder says whose it is.
  if (!journal) await writeJournal();
  await makeMissing(planned, {
    ...options, folder,
    known: ({ path }) => known.get(path),
    make: async (one, how) => {
      const { path } = one;
      const made = await maker(one, join(folder, path), how);
      if (finished && made.sha256 !== known.get(path)?.sha256) throw new TiresiasError('DATASET_CORRUPT', `${path} was damaged, and made again it differs from the manifest in ${folder}; delete the folder and make it again`);
      return made;
    },
  }, async (i, { shard, templateSha: sha }) => {
    templateSha = sha ?? templateSha;
    shards[i] = shard;
    await writeJournal();
  });
  if (finished) await writeCard(folder, finished);
  const manifest = finished ?? (await writeManifest(folder, identity, templateSha, shards.filter((shard) => shard !== undefined)));
  // A process that was killed between the two left it beside a manifest that stands.
  await rm(join(folder, JOURNAL), { force: true });
  return manifest;
}

/** What decides a dataset's bytes, and its ids. */
export const identityOf = (config: Identity['config'], { name, sha256 }: MakeOptions['tokenizer']): Identity => ({ version, config, tokenizer: { name, sha256 } });

/** The manifest in a folder, if a dataset is finished there. Refuses another one than that of a hash. */
export async function finishedManifest(folder: string, hash: string): Promise<Manifest | undefined> {
  const finished = await readManifestIfWhole(folder);
  if (finished) requireSame(folder, hash, configHash(finished));
  return finished;
}

/** What makes a dataset of shards. */
export const manifestOf = (identity: Identity, templateSha: string, shards: Shard[]): Manifest => ({ schema: 'tiresias.dataset/2', ...identity, templateSha, totals: totals(shards), shards });

/** Writes what makes a dataset of shards: the card, then the manifest. */
export async function writeManifest(folder: string, identity: Identity, templateSha: string, shards: Shard[]): Promise<Manifest> {
  const manifest = manifestOf(identity, templateSha, shards);
  await writeCard(folder, manifest);
  await writeSealed(join(folder, MANIFEST), manifest);
  return manifest;
}

/** Refuses a dataset of another hash. */
export function requireSame(folder: string, wanted: string, found: string): void {
  if (wanted !== found) throw new TiresiasError('DATASET_DIFFERS', `${folder} holds a dataset of another configuration or version; name another folder, or delete that one`, { details: { folder, wanted, found } });
}

/** The card is the manifest in words; one that is missing or says something else is written anew. */
async function writeCard(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, 'README.md');
  const card = datasetCard(manifest);
  if ((await readText(path).catch(() => undefined)) !== card) await writeAtomic(path, card);
}

/** Removes the shards that a killed process left half-written. */
async function removeLeftovers(folder: string): Promise<void> {
  await io(`clean ${folder}`, async () => {
    for (const name of await readdir(folder)) {
      if (/^shard-\d+\..*\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
    }
  });
}
