// Parts of a dataset in an object store: a real server that speaks S3 (s3rver) on the loopback, in a process of its own, which faults stop and damage.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDataset, parseExperiment, verifyDataset } from '../src/index.js';
import { assembleStored, datasetFolder, makeStoredPart } from '../src/dataset/stored.js';
import { experimentTokenizer } from '../src/methods/language-model.js';
import { ObjectStore } from '../src/object-store.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { contents, tiresias } from './support.js';

const packages = ['s3rver', '@aws-sdk/client-s3'];
const missing = packages.filter((name) => {
  try {
    createRequire(import.meta.url).resolve(name);
    return false;
  } catch {
    return true;
  }
});
if (missing.length > 0) process.stderr.write(`SKIPPED: datasets in an object store, since ${missing.join(' and ')} cannot be loaded\n`);

const OF = 3;
const small = parseExperiment({ schema: 'tiresias.experiment/1', name: 'small', horizon: 3, support: { trajectories: 1 }, regimes: ['mdp'], dataset: { examples: 14, shardExamples: 2, examplesPerTask: 2 } });
const config = datasetConfig(small, 'mdp');
const options = { tokenizer: experimentTokenizer(small), threads: 1 };
const URL = 's3://bucket/data/mdp';
const part = (index: number, of = OF) => makeStoredPart(config, URL, { index, of }, options);
const all = async () => {
  for (let index = 0; index < OF; index++) await part(index);
};

/** A server over a folder, at a port that stays. */
const PROGRAM = `
  import { createRequire } from 'node:module';
  const S3rver = createRequire(process.argv[3])('s3rver');
  const server = new S3rver({ port: Number(process.argv[4]), address: '127.0.0.1', silent: true, directory: process.argv[2], configureBuckets: [{ name: 'bucket' }] });
  process.send((await server.run()).port);
`;
let folder = '';
let child: ChildProcess | undefined;
async function serve(port: number): Promise<number> {
  const program = join(folder, 'server.mjs');
  writeFileSync(program, PROGRAM);
  mkdirSync(join(folder, 'objects'), { recursive: true });
  child = fork(program, [join(folder, 'objects'), import.meta.url, String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return new Promise((resolve, reject) => {
    child!.once('message', (at) => resolve(Number(at)));
    child!.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
}
async function stop(): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child!.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

describe.skipIf(missing.length > 0)('a dataset in an object store', () => {
  let whole = '';
  let port = 0;
  beforeAll(async () => {
    whole = mkdtempSync(join(tmpdir(), 'tiresias-'));
    await makeDataset(config, whole, options);
    return () => rmSync(whole, { recursive: true, force: true });
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tiresias-'));
    port = await serve(0);
    const environment = { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`, AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', AWS_MAX_ATTEMPTS: '5', TIRESIAS_CACHE: join(folder, 'cache') };
    const before = { ...process.env };
    Object.assign(process.env, environment);
    return () => {
      for (const name of Object.keys(environment)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    };
  });
  afterEach(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is, object for object, the folder that one process makes, and is read as one', async () => {
    await all();
    expect((await assembleStored(URL)).totals.examples).toBe(14);
    expect([...(await new ObjectStore(URL).list('')).keys()].toSorted()).toEqual(Object.keys(contents(whole)).toSorted());
    const here = await datasetFolder(URL);
    expect(contents(here)).toEqual(contents(whole));
    expect((await verifyDataset(here)).shards).toHaveLength(7);
    // Again is nothing new, nor is a part that comes too late.
    await assembleStored(URL);
    expect((await part(1)).shards).toHaveLength(2);
    expect([...(await new ObjectStore(URL).list('parts/')).keys()]).toEqual([]);
    // Nothing is left of the folders in which shards were made.
    expect(readdirSync(join(folder, 'cache', 'parts'))).toEqual([]);
  });

  it('makes only what is missing, and holds every shard against its marker', async () => {
    await all();
    const store = new ObjectStore(URL);
    const before = await store.read('data/shard-00001.parquet');
    // Half an object, as no store leaves it; one that is as long as it was and other; one that never arrived; a marker that was cut short.
    await store.write('data/shard-00000.parquet', (await store.read('data/shard-00000.parquet'))!.slice(0, 100));
    await store.write('data/shard-00001.parquet', before!.map((byte, i) => (i === 50 ? byte ^ 1 : byte)));
    await store.remove('data/shard-00002.parquet');
    await store.write('parts/00000/shard-00003.json', (await store.readText('parts/00000/shard-00003.json'))!.slice(0, 40));
    const refused = await assembleStored(URL).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'PARTS_MISSING', exitCode: 75, details: { problems: [
      'data/shard-00000.parquet is damaged: part 0 of 3 makes it', 'data/shard-00001.parquet is damaged: part 1 of 3 makes it',
      'data/shard-00002.parquet is missing: part 2 of 3 makes it', 'data/shard-00003.parquet has no marker, or a damaged one: part 0 of 3 makes it',
    ] } });
    expect((await store.list('')).has('manifest.json')).toBe(false);
    const made: string[] = [];
    for (let index = 0; index < OF; index++) await makeStoredPart(config, URL, { index, of: OF }, { ...options, onProgress: ({ detail }) => made.push(detail) });
    expect(new Set(made.filter((detail) => detail.startsWith('data/')))).toEqual(new Set([0, 1, 2, 3].map((i) => `data/shard-0000${i}.parquet`)));
    await assembleStored(URL);
    expect(contents(await datasetFolder(URL))).toEqual(contents(whole));
  });

  it('goes on when a server that went down is back, and says that it is down', async () => {
    await part(0);
    // Gone once the first shard of the part is there.
    const gone = makeStoredPart(config, URL, { index: 1, of: OF }, { ...options, onProgress: ({ detail }) => {
      if (detail.startsWith('data/')) child!.kill('SIGKILL');
    } });
    await expect(gone).rejects.toMatchObject({ code: 'STORE_DOWN', exitCode: 75 });
    await stop();
    await expect(part(2)).rejects.toMatchObject({ code: 'STORE_DOWN', exitCode: 75 });
    expect(await serve(port)).toBe(port);
    const made: string[] = [];
    await makeStoredPart(config, URL, { index: 1, of: OF }, { ...options, onProgress: ({ detail }) => made.push(detail) });
    expect(new Set(made.filter((detail) => detail.startsWith('data/')))).toEqual(new Set(['data/shard-00004.parquet']));
    await part(2);
    await assembleStored(URL);
    expect(contents(await datasetFolder(URL))).toEqual(contents(whole));
  });

  it('refuses parts of something else, and other numbers of them', async () => {
    await part(0);
    await expect(part(0, 2)).rejects.toMatchObject({ code: 'PARTS_DIFFER', exitCode: 2, message: expect.stringContaining('is made in 3 parts, not in 2') });
    const other = datasetConfig(parseExperiment({ ...small, seed: 8 }), 'mdp');
    await expect(makeStoredPart(other, URL, { index: 0, of: OF }, options)).rejects.toMatchObject({ code: 'PARTS_DIFFER' });
    await part(1);
    await part(2);
    await assembleStored(URL);
    await expect(makeStoredPart(other, URL, { index: 0, of: OF }, options)).rejects.toMatchObject({ code: 'DATASET_DIFFERS', exitCode: 2 });
  });

  it('says what is wrong with a bucket, keys and places', async () => {
    await expect(makeStoredPart(config, 's3://nobody/data', { index: 0, of: OF }, options)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', exitCode: 4, message: expect.stringContaining('there is no bucket nobody') });
    await expect(assembleStored(URL)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', message: expect.stringContaining('holds no parts') });
    await expect(datasetFolder(URL)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', message: expect.stringContaining('holds no dataset') });
    expect(() => new ObjectStore('s3:///x')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    process.env['AWS_ACCESS_KEY_ID'] = 'somebody';
    await expect(part(0)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', exitCode: 4, message: expect.stringContaining('AWS_ACCESS_KEY_ID') });
  });

  it('is damaged where an object is not what its manifest says, and is then not read', async () => {
    await all();
    await assembleStored(URL);
    const store = new ObjectStore(URL);
    await store.write('data/shard-00003.parquet', 'x');
    await expect(datasetFolder(URL)).rejects.toMatchObject({ code: 'DATASET_CORRUPT', message: expect.stringContaining('s3://bucket/data/mdp/data/shard-00003.parquet is damaged') });
    await store.remove('data/shard-00003.parquet');
    await expect(datasetFolder(URL)).rejects.toMatchObject({ code: 'DATASET_CORRUPT', message: expect.stringContaining('is missing') });
  });

  it('is made, assembled and read by the command line', async () => {
    const make = (...more: string[]) => tiresias(['dataset', 'make', '--regime', 'mdp', '--examples', '4', '--examples-per-task', '2', '--shard-examples', '2', '--horizon', '3', '--support', '1', '--tokenizer', 'compact', '--out', 's3://bucket/cli', ...more]);
    for (const index of ['0', '1']) expect(await make('--shard', index, '--of', '2')).toMatchObject({ code: 0, stdout: expect.stringContaining(`s3://bucket/cli/mdp: part ${index} of 2 is made, 1 of 2 shards, 2 examples`) });
    expect(await tiresias(['dataset', 'assemble', 's3://bucket/cli/mdp', '--out', 'elsewhere'])).toMatchObject({ code: 2, stderr: expect.stringContaining('assembled where its parts are') });
    expect(await tiresias(['dataset', 'assemble', 's3://bucket/cli/mdp'])).toMatchObject({ code: 0, stdout: expect.stringContaining('4 examples in 2 shards') });
    // Without a part it is the whole that is looked for.
    expect(await make()).toMatchObject({ code: 0, stdout: expect.stringContaining('part 0 of 1 is made, 2 of 2 shards, 4 examples') });
    expect(await tiresias(['dataset', 'verify', 's3://bucket/cli/mdp'])).toMatchObject({ code: 0, stdout: expect.stringContaining('is whole: 2 shards, 4 examples') });
  }, 120_000);
});
