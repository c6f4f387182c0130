// What runs made lies by content: what is shared, what is named, and what may go.
import fc from 'fast-check';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseExperiment, runExperiment, type ExperimentInput } from '../src/index.js';
import { KINDS, Store, keyOf, leadTo, type Entry } from '../src/store.js';
import { writeSealed } from '../src/seal.js';
import { contents, scratch, tiresias } from './support.js';

/** A thing in a store, of one file of so many bytes. */
async function put(store: Store, entry: Entry, bytes = 10): Promise<void> {
  await writeSealed(store.stampPath(entry), { done: true, seconds: 0, peakBytes: 0, files: {}, result: null });
  mkdirSync(store.place(entry), { recursive: true });
  writeFileSync(join(store.place(entry), 'file'), 'x'.repeat(bytes));
}

const entries = (count: number): Entry[] => Array.from({ length: count }, (_, i) => ({ kind: KINDS[i % KINDS.length]!, key: keyOf(i) }));

describe('the store', () => {
  it('prunes what no run names, and nothing else, whatever runs name and whichever of them are gone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.subarray(entries(8).map((_, i) => i)), fc.boolean()), { maxLength: 4 }), async (runs) => {
        const folder = scratch();
        const store = new Store(join(folder, 'store'));
        const all = entries(8);
        for (const entry of all) await put(store, entry);
        for (const [i, [named]] of runs.entries()) await store.name(join(folder, `run${i}`), named.map((n) => ({ name: `thing ${n}`, ...all[n]! })));
        for (const [i, [, gone]] of runs.entries()) if (gone) rmSync(join(folder, `run${i}`), { recursive: true });
        const kept = new Set(runs.flatMap(([named, gone]) => (gone ? [] : named)));
        const would = await store.prune({ dryRun: true });
        expect(all.every((entry) => existsSync(store.place(entry)))).toBe(true);
        expect(await store.prune()).toEqual(would);
        expect(all.map((entry) => existsSync(store.place(entry)))).toEqual(all.map((_, i) => kept.has(i)));
        expect(all.map((entry) => existsSync(store.stampPath(entry)))).toEqual(all.map((_, i) => kept.has(i)));
        expect((await store.list()).map(({ key }) => key).sort()).toEqual([...kept].map((i) => all[i]!.key).sort());
      }),
      { numRuns: 20 },
    );
  });

  it('leaves alone what somebody is at work on', async () => {
    const store = new Store(scratch());
    const [entry] = entries(1) as [Entry];
    await put(store, entry);
    const release = await store.hold(entry);
    expect(await store.prune()).toEqual([]);
    await release();
    expect(await store.prune()).toMatchObject([{ ...entry, done: true, runs: [] }]);
  });

  it('removes what a pruning that was killed left', async () => {
    const store = new Store(scratch());
    const [entry] = entries(1) as [Entry];
    await put(store, entry);
    rmSync(store.stampPath(entry));
    expect(await store.prune()).toMatchObject([{ ...entry, done: false }]);
    expect(existsSync(store.place(entry))).toBe(false);
  });

  it('is led to by links that a move of everything survives, and that take nobody\'s place', async () => {
    const folder = scratch();
    const [one, other] = entries(2) as [Entry, Entry];
    const store = new Store(join(folder, 'runs', 'store'));
    for (const entry of [one, other]) await put(store, entry, entry === one ? 1 : 2);
    const path = join(folder, 'runs', 'mine', 'train', 'joint');
    for (const entry of [one, other, one]) {
      await leadTo(path, store.place(entry));
      expect(readFileSync(join(path, 'file'), 'utf8')).toHaveLength(entry === one ? 1 : 2);
    }
    renameSync(join(folder, 'runs'), join(folder, 'elsewhere'));
    expect(readFileSync(join(folder, 'elsewhere', 'mine', 'train', 'joint', 'file'), 'utf8')).toBe('x');
    const old = join(folder, 'old');
    mkdirSync(old);
    await expect(leadTo(old, join(folder, 'elsewhere'))).rejects.toMatchObject({ code: 'RUN_FOLDER', exitCode: 2 });
  });
});

const small = (change: Partial<ExperimentInput> = {}): ExperimentInput => ({
  schema: 'tiresias.experiment/1', name: 'small', horizon: 3, regimes: ['mdp'], support: { trajectories: 1 },
  evaluation: { tasks: 3, resamples: 100, methods: ['oracle', 'random', 'bc-prompt'] },
  ...change,
});

describe('runs', () => {
  it('share what is the same, though their names and other stages differ', async () => {
    const folder = scratch();
    const run = async (name: string, methods: string[]) => {
      const experiment = parseExperiment(small({ name, evaluation: { tasks: 3, resamples: 100, methods } }));
      const said: string[] = [];
      const { results } = await runExperiment(experiment, { folder: join(folder, name), threads: 1, onProgress: ({ detail }) => said.push(detail) });
      return { results, played: said.some((detail) => /task/.test(detail)) };
    };
    const first = await run('one', ['oracle', 'random', 'bc-prompt']);
    expect(first.played).toBe(true);
    // The same methods: one thing. One method fewer: another thing, of the rows that are there.
    const second = await run('two', ['oracle', 'random', 'bc-prompt']);
    const third = await run('three', ['oracle', 'random']);
    expect([second.played, third.played]).toEqual([false, false]);
    const key = ({ results }: typeof first) => results.stages.find(({ name }) => name === 'evaluate-mdp')!.key;
    expect(key(second)).toBe(key(first));
    expect(key(third)).not.toBe(key(first));
    expect(second.results.regimes).toEqual(first.results.regimes);
    const rows = (name: string) => readFileSync(join(folder, name, 'evaluation', 'mdp', 'mdp-random.jsonl'), 'utf8');
    expect(rows('three')).toBe(rows('one'));
    expect(readdirSync(join(folder, 'store', 'evaluate')).filter((name) => name.endsWith('.json'))).toHaveLength(2);
  });

  it('whose rows in the store were damaged play again', async () => {
    const folder = scratch();
    const run = (name: string) => runExperiment(parseExperiment(small({ name })), { folder: join(folder, name), threads: 1 });
    const { results } = await run('one');
    for (const file of readdirSync(join(folder, 'store', 'rows'))) writeFileSync(join(folder, 'store', 'rows', file), 'damaged');
    const again = await run('two');
    expect(again.results.regimes).toEqual(results.regimes);
    await run('one');
    expect(Object.keys(contents(join(folder, 'store', 'rows'))).length).toBeGreaterThan(0);
  });

  it('are listed with what they name, and a run that is removed frees what it alone named', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'e.json'), JSON.stringify(small()));
    const command = async (...args: string[]) => {
      const { code, stdout, stderr } = await tiresias([...args, '--json'], { cwd: folder });
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout) as { entries: { kind: string; runs: string[]; bytes: number }[] };
    };
    await command('run', '-c', 'e.json');
    expect(lstatSync(join(folder, 'runs', 'small', 'evaluation', 'mdp')).isSymbolicLink()).toBe(true);
    const { entries: listed } = await command('store', 'list');
    expect(listed.map(({ kind }) => kind)).toEqual(['evaluate']);
    expect(listed[0]!.runs).toHaveLength(1);
    expect((await command('store', 'prune')).entries).toEqual([]);
    rmSync(join(folder, 'runs', 'small'), { recursive: true });
    expect((await command('store', 'prune', '--dry-run')).entries).toHaveLength(1);
    expect((await command('store', 'prune')).entries).toHaveLength(1);
    expect(readdirSync(join(folder, 'runs', 'store', 'rows'))).toEqual([]);
    expect((await tiresias(['store', 'list'], { cwd: folder })).stdout).toMatch(/0\.0 kB in 0 things/);
  });
});
