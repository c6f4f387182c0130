// Work in parts: which part a unit is in, what the parts leave, and that kills, damage, another number of parts or another specification never give
// anything but what one process would have made.
import fc from 'fast-check';
import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { partOf } from '../src/cli/part.js';
import { assembleDataset, assembleStudy, evaluatePart, evaluateRegime, makeDataset, makeDatasetPart, parseExperiment, reproduce, reproducePart, verifyDataset, type Part } from '../src/index.js';
import { makePart } from '../src/dataset/part.js';
import { plan } from '../src/dataset/shards.js';
import { EXIT } from '../src/errors.js';
import { takeLock } from '../src/lock.js';
import { experimentTokenizer } from '../src/methods/language-model.js';
import { isIn, partWith } from '../src/parts.js';
import { seal } from '../src/seal.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { cli, contents, root, scratch, tiresias, writtenStudy } from './support.js';

const run = promisify(execFile);
const OF = 3;
const small = { schema: 'tiresias.experiment/1', name: 'small', horizon: 3, support: { trajectories: 1 }, regimes: ['mdp'], dataset: { examples: 14, shardExamples: 2, examplesPerTask: 2 } };
const experiment = (change: object = {}) => parseExperiment({ ...small, ...change });
const config = (change: object = {}) => datasetConfig(experiment(change), 'mdp');
const options = { tokenizer: experimentTokenizer(experiment()), threads: 1 };
const parts: Part[] = [0, 1, 2].map((index) => ({ index, of: OF }));
const make = (folder: string, part: Part, change: object = {}) => makeDatasetPart(config(change), folder, part, options);
const names = (folder: string) => readdirSync(folder).sort();

/** The folder of one process, and that of its parts, each made once. */
let whole = '';
let cut = '';
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tiresias-'));
  [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
  await makeDataset(config(), whole, options);
  for (const part of parts) await make(cut, part);
  return () => rmSync(folder, { recursive: true, force: true });
});

/** The parts' folder, to be changed. */
function copied(): string {
  const folder = join(scratch(), 'cut');
  cpSync(cut, folder, { recursive: true });
  return folder;
}

describe('parts', () => {
  it('share no unit and leave none out, whatever there is of either, and none has two units more than another', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 2000 }), (of, units) => {
      const all = Array.from({ length: units }, (_, unit) => unit);
      const by = Array.from({ length: of }, (_, index) => all.filter((unit) => isIn({ index, of }, unit)));
      expect(by.flat().sort((a, b) => a - b)).toEqual(all);
      expect(Math.max(...by.map(({ length }) => length)) - Math.min(...by.map(({ length }) => length))).toBeLessThanOrEqual(1);
      for (const unit of all) expect(by[partWith(unit, of).index]).toContain(unit);
    }), { numRuns: 50 });
  });

  it('of a dataset make its shards, which are the same tasks in the same files for any number of parts', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 20 }), (tasks, perTask, perShard) => {
      const planned = plan({ ...config(), examples: tasks * perTask, examplesPerTask: perTask, shardExamples: perShard * perTask }, 1);
      let next = 0;
      for (const { spec } of planned) {
        expect(spec.firstTask).toBe(next);
        next += spec.tasks;
      }
      expect(next).toBe(tasks);
      expect(new Set(planned.map(({ path }) => path)).size).toBe(planned.length);
    }));
  });
});

describe('the part of a process', () => {
  const slurm = (id: number, min: number, max: number, count = max - min + 1) => ({ SLURM_ARRAY_TASK_ID: `${id}`, SLURM_ARRAY_TASK_MIN: `${min}`, SLURM_ARRAY_TASK_MAX: `${max}`, SLURM_ARRAY_TASK_COUNT: `${count}` });

  it.each<[string, { shard?: number; of?: number }, Record<string, string>, string | undefined]>([
    ['nothing is the whole', {}, {}, undefined],
    ['options', { shard: 1, of: 3 }, {}, '1/3'],
    ['options before the environment', { shard: 1, of: 3 }, slurm(7, 0, 9), '1/3'],
    ['a Slurm array', {}, slurm(2, 0, 2), '2/3'],
    ['a Slurm array that counts from 5', {}, slurm(7, 5, 9), '2/5'],
    ['some tasks of an array sent again', {}, { ...slurm(7, 4, 7, 2), TIRESIAS_SHARDS: '10' }, '7/10'],
    ['an indexed job', {}, { JOB_COMPLETION_INDEX: '4', TIRESIAS_SHARDS: '5' }, '4/5'],
    ['an indexed job and an option', { of: 6 }, { JOB_COMPLETION_INDEX: '4', TIRESIAS_SHARDS: '5' }, '4/6'],
    ['one part is the whole', { shard: 0, of: 1 }, slurm(7, 0, 9), undefined],
    ['one part by the environment', {}, { ...slurm(7, 0, 9), TIRESIAS_SHARDS: '1' }, undefined],
  ])('%s', (_, flags, env, expected) => {
    const found = partOf(flags, env);
    expect(found && `${found.index}/${found.of}`).toBe(expected);
  });

  it.each<[string, { shard?: number; of?: number }, Record<string, string>, RegExp]>([
    ['no number of parts', { shard: 1 }, {}, /--shard goes with --of/],
    ['no part', { of: 3 }, {}, /nothing says which part: add --shard/],
    ['only TIRESIAS_SHARDS', {}, { TIRESIAS_SHARDS: '3' }, /TIRESIAS_SHARDS is 3, and nothing says which part/],
    ['a part that there is not', { shard: 3, of: 3 }, {}, /no part 3 of 3.*counted from 0/],
    ['a job that does not say how many', {}, { JOB_COMPLETION_INDEX: '4' }, /set TIRESIAS_SHARDS/],
    ['an array with gaps', {}, slurm(7, 4, 7, 2), /2 tasks between 4 and 7/],
    ['no number', {}, { JOB_COMPLETION_INDEX: 'x', TIRESIAS_SHARDS: '2' }, /JOB_COMPLETION_INDEX is "x", not a whole number/],
  ])('is refused with %s', (_, flags, env, message) => {
    expect(() => partOf(flags, env)).toThrow(message);
  });
});

describe('a dataset in parts', () => {
  it('assembled where its parts are is the folder that one process makes', async () => {
    const folder = copied();
    expect(existsSync(join(folder, 'manifest.json'))).toBe(false);
    expect((await assembleDataset([folder], folder)).totals.examples).toBe(14);
    expect(contents(folder)).toEqual(contents(whole));
    expect((await verifyDataset(folder)).shards).toHaveLength(7);
    // A part that comes too late finds all done, and makes neither shards nor notes of its own.
    expect((await make(folder, parts[1]!)).shards).toHaveLength(2);
    expect(contents(folder)).toEqual(contents(whole));
  });

  it('assembled from folders of their own is too, and stays when they go', async () => {
    const folder = scratch();
    const own = parts.map(({ index }) => join(folder, String(index)));
    for (const part of parts) await make(own[part.index]!, part);
    expect(own.map((one) => names(join(one, 'data')).length)).toEqual([3, 2, 2]);
    const out = join(folder, 'out');
    await assembleDataset(own, out);
    for (const one of own) rmSync(one, { recursive: true });
    expect(contents(out)).toEqual(contents(whole));
  });

  const elsewhere = '/dev/shm';
  it.runIf(existsSync(elsewhere) && statSync(elsewhere).dev !== statSync(tmpdir()).dev)('assembled on another disk is copied, and the same', async () => {
    const out = mkdtempSync(join(elsewhere, 'tiresias-'));
    onTestFinished(() => rmSync(out, { recursive: true, force: true }));
    // What an assembling that was killed half-way left.
    mkdirSync(join(out, 'data'));
    writeFileSync(join(out, 'data', '.shard-00000.parquet.1-000000.abc.tmp'), 'half');
    writeFileSync(join(out, 'data', 'shard-00001.parquet'), 'half');
    await assembleDataset([cut], out);
    expect(contents(out)).toEqual(contents(whole));
  });

  it('names every shard that is missing or damaged, and the part that makes it, which then makes only that', async () => {
    const folder = copied();
    truncateSync(join(folder, 'data', 'shard-00001.parquet'), 100);
    rmSync(join(folder, 'data', 'shard-00003.parquet'));
    truncateSync(join(folder, 'parts', '00002', 'shard-00005.json'), 100);
    rmSync(join(folder, 'parts', '00000', 'shard-00006.json'));
    await expect(assembleDataset([folder], join(folder, 'out'))).rejects.toMatchObject({
      code: 'PARTS_MISSING', exitCode: 75,
      details: { problems: [
        `data/shard-00001.parquet is damaged in ${folder}: part 1 of 3 makes it`,
        `data/shard-00003.parquet is missing in ${folder}: part 0 of 3 makes it`,
        `data/shard-00005.parquet has a damaged marker in ${folder}: part 2 of 3 makes it`,
        `data/shard-00006.parquet has no marker in ${folder}, so it is unknown whether it is whole: part 0 of 3 makes it`,
      ] },
    });
    expect(existsSync(join(folder, 'out', 'manifest.json'))).toBe(false);
    const made: number[] = [];
    const { makeShard } = await import('../src/library.js');
    for (const part of parts) {
      await makePart(config(), folder, part, options, (spec, ...rest) => {
        made.push(spec.firstTask);
        return makeShard(spec, ...rest);
      });
    }
    expect(made.sort()).toEqual([1, 3, 5, 6]);
    await assembleDataset([folder], folder);
    expect(contents(folder)).toEqual(contents(whole));
  });

  it('of which a part never ran names all of its shards', async () => {
    const folder = scratch();
    await make(folder, parts[1]!);
    await expect(assembleDataset([folder], folder)).rejects.toMatchObject({ details: { problems: [0, 2, 3, 5, 6].map((i) => `data/shard-0000${i}.parquet is missing: part ${i % 3} of 3 makes it`) } });
  });

  it('refuses another number of parts, another specification, and one process, in the same folder', async () => {
    const folder = copied();
    await expect(make(folder, { index: 0, of: 4 })).rejects.toMatchObject({ code: 'PARTS_DIFFER', exitCode: 2, message: expect.stringMatching(/is made in 3 parts, not in 4; say --of 3, or name another folder/) });
    await expect(make(folder, parts[0]!, { seed: 8 })).rejects.toMatchObject({ code: 'PARTS_DIFFER', message: expect.stringMatching(/parts of something else \(another configuration or version\); name another folder/) });
    await expect(makeDataset(config(), folder, options)).rejects.toMatchObject({ code: 'PARTS_DIFFER', message: expect.stringMatching(/made in 3 parts.*dataset assemble/) });
    await expect(make(whole, parts[0]!, { seed: 8 })).rejects.toMatchObject({ code: 'DATASET_DIFFERS' });
    expect(contents(folder)).toEqual(contents(cut));
  });

  it('refuses to assemble parts of different wholes, or what are none', async () => {
    const folder = scratch();
    await make(join(folder, 'n'), { index: 0, of: 4 });
    await make(join(folder, 'spec'), parts[0]!, { seed: 8 });
    for (const other of ['n', 'spec']) await expect(assembleDataset([cut, join(folder, other)], join(folder, 'out'))).rejects.toMatchObject({ code: 'PARTS_DIFFER' });
    await expect(assembleDataset([folder], join(folder, 'out'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', message: expect.stringContaining('holds no parts') });
    expect(existsSync(join(folder, 'out'))).toBe(false);
    // A marker of another number of parts, put among these by hand.
    const mixed = copied();
    const marker = join(mixed, 'parts', '00001', 'shard-00001.json');
    const { seal: _, ...said } = JSON.parse(readFileSync(marker, 'utf8')) as Record<string, unknown>;
    writeFileSync(marker, seal({ ...said, of: 4 }));
    await expect(assembleDataset([mixed], mixed)).rejects.toMatchObject({ code: 'PARTS_DIFFER', message: expect.stringContaining('shard-00001.json') });
  });

  it('whose note of what it is was damaged says which file to delete', async () => {
    const folder = copied();
    truncateSync(join(folder, 'parts', 'parts.json'), 50);
    await expect(make(folder, parts[0]!)).rejects.toMatchObject({ code: 'PARTS_DIFFER', message: expect.stringContaining('parts.json is damaged') });
    rmSync(join(folder, 'parts', 'parts.json'));
    await make(folder, parts[0]!);
    expect(contents(folder)).toEqual(contents(cut));
  });

  it('with more parts than shards leaves the last ones nothing to do', async () => {
    const folder = scratch();
    const many = Array.from({ length: 9 }, (_, index) => ({ index, of: 9 }));
    const made = [];
    for (const part of many) made.push((await make(folder, part)).shards.length);
    expect(made).toEqual([1, 1, 1, 1, 1, 1, 1, 0, 0]);
    await assembleDataset([folder], folder);
    expect(contents(folder)).toEqual(contents(whole));
  });

  it('lets one process of a part work at a time, and refuses to assemble meanwhile', async () => {
    const folder = copied();
    rmSync(join(folder, 'data', 'shard-00001.parquet'));
    const { makeShard } = await import('../src/library.js');
    let at: (value?: unknown) => void = () => {};
    let go: (value?: unknown) => void = () => {};
    const [reached, gone] = [new Promise((resolve) => { at = resolve; }), new Promise((resolve) => { go = resolve; })];
    const first = makePart(config(), folder, parts[1]!, options, async (...args) => {
      at();
      await gone;
      return makeShard(...args);
    });
    await reached;
    await expect(make(folder, parts[1]!)).rejects.toMatchObject({ code: 'RUN_LOCKED', exitCode: 75 });
    await expect(assembleDataset([folder], folder)).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    // Another part is not in its way.
    await make(folder, parts[2]!);
    // Nor is one that took its lock over, as after a sleep: both write files of their own.
    rmSync(join(folder, 'parts', '00001.lock'));
    await make(folder, parts[1]!);
    go();
    await first.catch(() => {});
    await make(folder, parts[1]!);
    await assembleDataset([folder], folder);
    expect(contents(folder)).toEqual(contents(whole));
  });
});

describe('the command line', () => {
  const args = (out: string) => ['dataset', 'make', '--regime', 'mdp', '--horizon', '3', '--examples', '120', '--examples-per-task', '2', '--shard-examples', '4', '--tokenizer', 'compact', '--format', 'jsonl', '--threads', '1', '--out', out];

  /** Starts a part, and kills it a moment after it has begun to work. */
  async function killed(out: string, { index, of }: Part, after: number): Promise<NodeJS.Signals | null> {
    const child = spawn(process.execPath, [cli, ...args(out), '--shard', `${index}`, '--of', `${of}`], { stdio: 'ignore' });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    const own = join(out, 'mdp', 'parts', `0000${index}`);
    const before = new Set(existsSync(own) ? readdirSync(own) : []);
    const poll = setInterval(() => {
      if (!existsSync(own) || readdirSync(own).every((name) => before.has(name))) return;
      clearInterval(poll);
      setTimeout(() => child.kill('SIGKILL'), after);
    }, 5);
    return ended.finally(() => clearInterval(poll));
  }

  it('of parts in one folder, each killed at random and started again, comes to what one process makes, byte for byte', async () => {
    const folder = scratch();
    const [one, shared] = [join(folder, 'one'), join(folder, 'shared')];
    expect((await tiresias(args(one))).code).toBe(0);
    const signals = await Promise.all(parts.map(async (part) => {
      const first = await killed(shared, part, Math.random() * 20);
      const second = await killed(shared, part, Math.random() * 60);
      return [first, second];
    }));
    expect(signals.flat()).toContain('SIGKILL');
    // What a kill left is whole or not there.
    for (const name of names(join(shared, 'mdp', 'data'))) expect(readFileSync(join(shared, 'mdp', 'data', name))).toEqual(readFileSync(join(one, 'mdp', 'data', name)));
    const last = await Promise.all(parts.map(({ index }) => tiresias([...args(shared)], { env: { JOB_COMPLETION_INDEX: `${index}`, TIRESIAS_SHARDS: '3' } })));
    for (const [index, { code, stdout, stderr }] of last.entries()) {
      expect(code).toBe(0);
      expect(stdout).toContain(`part ${index} of 3 is made, 10 of 30 shards, 40 examples`);
      expect(stderr).toContain(`note: part ${index} of 3, by JOB_COMPLETION_INDEX=${index}; --shard 0 --of 1 makes the whole`);
    }
    const { code, stdout } = await tiresias(['dataset', 'assemble', join(shared, 'mdp'), '--out', join(shared, 'mdp')]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('120 examples in 30 shards')]);
    expect(contents(shared)).toEqual(contents(one));
  });

  it('ends with the codes of what is wrong', async () => {
    const folder = scratch();
    const part = await tiresias([...args(folder), '--shard', '1', '--of', '3', '--json']);
    expect(JSON.parse(part.stdout)).toEqual([{ regime: 'mdp', folder: join(folder, 'mdp'), index: 1, of: 3, shards: 10, shardsInAll: 30, examples: 40 }]);
    const [other, missing, usage] = await Promise.all([
      tiresias([...args(folder), '--shard', '1', '--of', '4']),
      tiresias(['dataset', 'assemble', join(folder, 'mdp'), '--out', join(folder, 'mdp')]),
      tiresias([...args(folder), '--shard', '1']),
    ]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('is made in 3 parts, not in 4')]);
    expect([missing.code, missing.stderr]).toEqual([75, expect.stringContaining('data/shard-00000.jsonl is missing: part 0 of 3 makes it')]);
    expect([usage.code, usage.stderr]).toEqual([2, expect.stringContaining('--shard goes with --of')]);
  });
});

it.each([{ index: 3, of: 3 }, { index: -1, of: 3 }, { index: 0.5, of: 3 }, { index: 0, of: 0 }])('there is no part %o', async (part) => {
  const study = { schema: 'tiresias.study/1', name: 'tiny', question: '?', x: 'horizon', axes: [{ name: 'horizon', path: 'horizon', values: [2] }], budgets: { small: { about: '' } } };
  for (const call of [make(scratch(), part), evaluatePart(experiment(), 'mdp', part, { folder: scratch(), threads: 1 }), reproducePart(writtenStudy(study).path, part, { folder: scratch() })]) {
    await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`there is no part ${part.index} of ${part.of}`) });
  }
});

describe('the commands of parts', () => {
  it('evaluate plays rows in parts, and measures without', async () => {
    const folder = scratch();
    const file = join(folder, 'e.json');
    writeFileSync(file, JSON.stringify({ ...small, evaluation: { tasks: 2, resamples: 100, methods: ['oracle', 'random'] } }));
    const evaluate = (...more: string[]) => tiresias(['evaluate', '-c', file, '--out', join(folder, 'out'), ...more]);
    const [first, second] = await Promise.all([evaluate('--shard', '0', '--of', '2'), evaluate('--shard', '1', '--of', '2')]);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(first.stdout).toMatch(/part 0 of 2 is played, 1 of 2 files of rows; the same command without --shard measures/);
    expect(existsSync(join(folder, 'out', 'metrics.json'))).toBe(false);
    const rows = contents(join(folder, 'out', 'mdp'));
    expect((await evaluate()).code).toBe(0);
    expect(contents(join(folder, 'out', 'mdp'))).toEqual(rows);
    expect(existsSync(join(folder, 'out', 'metrics.json'))).toBe(true);
  });

  it('reproduce runs cells in parts, and with --assemble draws the page and runs none', async () => {
    const { path, folder } = writtenStudy({
      schema: 'tiresias.study/1', name: 'tiny', question: 'Does it run?', x: 'horizon',
      experiment: { regimes: ['mdp'], evaluation: { tasks: 2, resamples: 100, methods: ['oracle', 'bc-prompt', 'random'] } },
      axes: [{ name: 'horizon', label: 'Horizon', path: 'horizon', values: [2, 3] }], budgets: { small: { about: 'Seconds.' } },
    });
    const study = (out: string, ...more: string[]) => tiresias(['reproduce', path, '--out', join(folder, out), '--store', join(folder, 'store'), ...more], { env: { JOB_COMPLETION_INDEX: '0', TIRESIAS_SHARDS: '2' } });
    const first = await study('a');
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining('tiny: part 0 of 2 is made, 1 of 2 cells')]);
    const early = await study('a', '--assemble');
    expect([early.code, early.stderr]).toEqual([75, expect.stringContaining('horizon=3 is missing: part 1 of 2 makes it')]);
    expect((await study('b', '--shard', '1', '--of', '2')).code).toBe(0);
    expect((await study('a', '--assemble', join(folder, 'b'))).code).toBe(0);
    expect(existsSync(join(folder, 'a', 'report.html'))).toBe(true);
  });
});

describe('an evaluation in parts', () => {
  it('is measured from rows that the parts left, with the same numbers, and plays none again', async () => {
    const folder = scratch();
    const setting = experiment({ evaluation: { tasks: 3, episodes: 2, resamples: 100, methods: ['oracle', 'bc-prompt', 'empirical', 'random'] } });
    const at = (name: string) => ({ folder: join(folder, name), threads: 1 });
    const results = await evaluateRegime(setting, 'mdp', at('one'));
    const played = [];
    for (const part of parts) played.push(await evaluatePart(setting, 'mdp', part, at('shared')));
    expect(played.map(({ files, filesInAll }) => [files.length, filesInAll])).toEqual([[2, 4], [1, 4], [1, 4]]);
    expect(played.flatMap(({ files }) => files).sort()).toEqual(names(join(folder, 'one')).filter((name) => name.endsWith('.jsonl')));
    const before = contents(join(folder, 'shared'));
    expect(before).toEqual(contents(join(folder, 'one')));
    const said: string[] = [];
    expect(await evaluateRegime(setting, 'mdp', { ...at('shared'), onProgress: ({ detail }) => said.push(detail) })).toEqual(results);
    // Tasks are drawn, which it says, only to be played.
    expect(said.filter((detail) => detail.includes('task'))).toEqual([]);
  });
});

describe('a study in parts', () => {
  const study = (change: object = {}) => writtenStudy({
    schema: 'tiresias.study/1', name: 'tiny', question: 'Does it run?', x: 'horizon',
    experiment: { regimes: ['mdp'], evaluation: { tasks: 2, resamples: 100, methods: ['oracle', 'bc-prompt', 'random'] } },
    axes: [{ name: 'horizon', label: 'Horizon', path: 'horizon', values: [2, 3, 4] }],
    budgets: { small: { about: 'Seconds.' } }, ...change,
  });

  it('comes to the documents that one process makes; what is missing is named, and another number of parts refused', async () => {
    const { path, folder } = study();
    const at = (name: string) => ({ folder: join(folder, name), store: join(folder, `${name}-store`), threads: 1 });
    const one = await reproduce(path, at('one'));
    const [first, second] = [await reproducePart(path, { index: 0, of: 2 }, at('a')), await reproducePart(path, { index: 1, of: 2 }, at('b'))];
    expect([first, second].map(({ cells, cellsInAll }) => [cells.map(({ name }) => name), cellsInAll])).toEqual([[['horizon=2', 'horizon=4'], 3], [['horizon=3'], 3]]);
    expect(existsSync(join(folder, 'a', 'results.json'))).toBe(false);
    await expect(reproducePart(path, { index: 0, of: 3 }, at('a'))).rejects.toMatchObject({ code: 'PARTS_DIFFER', message: expect.stringContaining('is made in 2 parts, not in 3') });
    await expect(reproducePart(study({ question: 'And this?', axes: [{ name: 'horizon', path: 'horizon', values: [2, 5] }] }).path, { index: 0, of: 2 }, at('a'))).rejects.toMatchObject({ code: 'PARTS_DIFFER' });

    await expect(assembleStudy(path, [], at('a'))).rejects.toMatchObject({ code: 'PARTS_MISSING', exitCode: 75, details: { problems: ['horizon=3 is missing: part 1 of 2 makes it'] } });
    const document = join(folder, 'b', 'cells', 'horizon=3.json');
    const text = readFileSync(document, 'utf8');
    writeFileSync(document, text.replace('"horizon=3"', '"horizon=4"'));
    await expect(assembleStudy(path, [join(folder, 'b')], at('a'))).rejects.toMatchObject({ details: { problems: [`horizon=3 has a document that is damaged, or was made from something else: ${document}: part 1 of 2 makes it`] } });
    writeFileSync(document, text);
    const { results } = await assembleStudy(path, [join(folder, 'a'), join(folder, 'b')], at('whole'));
    expect(results).toEqual(one.results);
    for (const file of ['results.json', 'rows.csv', 'comparisons.csv', 'table.tex', 'report.md']) expect(readFileSync(join(folder, 'whole', file), 'utf8')).toBe(readFileSync(join(folder, 'one', file), 'utf8'));
  });

  it('in one folder is finished by the command without parts, which is refused while a part is at work', async () => {
    const { path, folder } = study();
    const at = { folder: join(folder, 'shared'), store: join(folder, 'store'), threads: 1 };
    await reproducePart(path, { index: 1, of: 2 }, at);
    let refused: unknown;
    await reproducePart(path, { index: 0, of: 2 }, { ...at, onProgress: () => { refused ??= reproduce(path, at).catch((error: unknown) => error); } });
    expect(await refused).toMatchObject({ code: 'RUN_LOCKED' });
    const ran: string[] = [];
    await reproduce(path, { ...at, onProgress: ({ detail }) => ran.push(detail) });
    expect(ran.filter((detail) => detail.includes(':'))).toEqual([]);
    expect(existsSync(join(folder, 'shared', 'parts'))).toBe(false);
  });
});

describe('a recipe', () => {
  it('for Slurm is a shell script, and by the variables of an array makes the dataset', async () => {
    const script = join(root, 'examples', 'cluster', 'slurm.sh');
    const folder = scratch();
    await run('bash', ['-n', script]);
    // Stands in for Slurm: runs the command as it is given, and notes what is sent again.
    writeFileSync(join(folder, 'srun'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    writeFileSync(join(folder, 'scontrol'), `#!/bin/sh\necho "$@" >> ${folder}/again\n`, { mode: 0o755 });
    const out = join(folder, 'data');
    const task = (id: number) => run('bash', [script], { env: {
      ...process.env, PATH: `${folder}:${process.env['PATH']}`, TIRESIAS: `${process.execPath} ${cli}`, OUT: out, EXAMPLES: '24', SHARD_EXAMPLES: '4', PATIENCE: '0',
      SLURM_ARRAY_TASK_ID: `${id}`, SLURM_ARRAY_TASK_MIN: '0', SLURM_ARRAY_TASK_MAX: '2', SLURM_ARRAY_TASK_COUNT: '3', SLURM_ARRAY_JOB_ID: '77', SLURM_CPUS_PER_TASK: '1',
    } });
    await Promise.all([0, 1, 2].map(task));
    // A task whose part somebody is at work on comes again.
    const release = await takeLock(join(out, 'mdp', 'parts', '00001.lock'));
    await expect(task(1)).rejects.toMatchObject({ code: 75 });
    await release();
    expect(readFileSync(join(folder, 'again'), 'utf8')).toBe('requeue 77_1\n');
    await assembleDataset([join(out, 'mdp')], join(out, 'mdp'));
    const same = await tiresias(['dataset', 'make', '--regime', 'mdp', '--examples', '24', '--shard-examples', '4', '--tokenizer', 'compact', '--out', join(folder, 'one')]);
    expect(same.code).toBe(0);
    expect(contents(out)).toEqual(contents(join(folder, 'one')));
  });

  it('for Kubernetes is an indexed job whose completions are the parts', () => {
    const [make, assemble] = parseAllDocuments(readFileSync(join(root, 'examples', 'cluster', 'kubernetes.yaml'), 'utf8')).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS() as Job;
    });
    for (const job of [make!, assemble!]) {
      expect([job.apiVersion, job.kind, job.spec.template.spec.restartPolicy]).toEqual(['batch/v1', 'Job', 'Never']);
      const { containers: [container], volumes } = job.spec.template.spec;
      expect(container!.volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
      expect(container!.command[0]).toBe('tiresias');
    }
    expect(make!.spec).toMatchObject({ completionMode: 'Indexed', completions: 3 });
    expect(partOf({}, { ...Object.fromEntries(make!.spec.template.spec.containers[0]!.env!.map(({ name, value }) => [name, value])), JOB_COMPLETION_INDEX: '2' })).toMatchObject({ index: 2, of: make!.spec.completions });
    // Codes as they are: what is tried again without end, and what never is.
    expect(make!.spec.podFailurePolicy.rules.flatMap(({ action, onExitCodes }) => (onExitCodes ? [[action, onExitCodes.values]] : []))).toEqual([['Ignore', [EXIT.again]], ['FailJob', [EXIT.usage]]]);
  });

  it('for Ray is Python', async () => {
    await run('python3', ['-c', 'import ast, sys; ast.parse(open(sys.argv[1]).read())', join(root, 'examples', 'cluster', 'ray_parts.py')]);
  });

  const python = process.env['TIRESIAS_RAY_PYTHON'];
  if (python === undefined) process.stderr.write('SKIPPED: the recipe for Ray is not run; TIRESIAS_RAY_PYTHON names a python with ray[data]\n');
  it.skipIf(python === undefined)('for Ray makes the dataset and reads it', async () => {
    const folder = scratch();
    const { stdout } = await run(python!, [join(root, 'examples', 'cluster', 'ray_parts.py'), '--out', join(folder, 'data'), '--examples', '600', '--shard-examples', '100', '--of', '3'], {
      env: { ...process.env, TIRESIAS: `${process.execPath} ${cli}`, RAY_USAGE_STATS_ENABLED: '0' },
    });
    expect(stdout).toContain('600 rows; input_ids, labels');
    expect((await verifyDataset(join(folder, 'data', 'mdp'))).shards).toHaveLength(6);
  }, 600_000);
});

/** What is asked of the recipe's jobs. */
interface Job {
  apiVersion: string;
  kind: string;
  spec: {
    completions: number;
    podFailurePolicy: { rules: { action: string; onExitCodes?: { values: number[] } }[] };
    template: { spec: { restartPolicy: string; containers: { command: string[]; env?: { name: string; value: string }[]; volumeMounts: { name: string }[] }[]; volumes: { name: string }[] } };
  };
}
