// Every example runs, and says what theory says. The Rust one has its test in itself (cargo test).
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root, scratch } from './support.js';

const run = promisify(execFile);
const examples = join(root, 'examples');
const example = async (name: string, ...args: string[]): Promise<string> => (await run(process.execPath, [join(examples, name), ...args], { cwd: scratch() })).stdout;

/** All numbers of a text. */
const numbers = (text: string): number[] => [...text.matchAll(/-?\d+(?:\.\d+)?/g)].map(([one]) => Number(one));

/** The TypeScript example compiled in a folder where the package is installed: Node before 22.18 does not take it as it is. */
async function compiled(): Promise<string> {
  const folder = scratch();
  const installed = join(folder, 'node_modules', '@tiresias-rl', 'tiresias');
  mkdirSync(dirname(installed), { recursive: true });
  symlinkSync(root, installed);
  copyFileSync(join(examples, 'dataset.ts'), join(folder, 'dataset.mts'));
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')];
  await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...options, 'dataset.mts'], { cwd: folder });
  return join(folder, 'dataset.mjs');
}

describe('examples', () => {
  it('are ten programs or more, each in the list', () => {
    const programs = readdirSync(examples).filter((name) => /\.(mjs|ts|py|rs)$/.test(name));
    const listed = [...readFileSync(join(examples, 'README.md'), 'utf8').matchAll(/^\| \[(\S+)\]\(\1\)/gm)].map((match) => match[1]);
    expect(listed.toSorted()).toEqual(programs.toSorted());
    expect(programs.length).toBeGreaterThanOrEqual(10);
  });

  it('solve.mjs listens first, and opening a door costs at least what a tiger costs', async () => {
    const said = await example('solve.mjs');
    expect(said).toMatch(/first: listen\n {2}listen loses at most 0\.000/);
    // Half a tiger: (10 − 100) / 2 = −45, and what listening gains.
    expect(numbers(said.split('open-left')[1]!)[0]).toBeGreaterThan(45);
  });

  it('act.mjs believes what Bayes says', async () => {
    const beliefs = [...(await example('act.mjs')).matchAll(/^belief (\S+), (\S+): (\S+)/gm)].map(([, left, right]) => [left, right]);
    expect(beliefs).toEqual([['0.500', '0.500'], ['0.850', '0.150'], ['0.500', '0.500'], ['0.850', '0.150']]);
  });

  it('ambiguous.mjs says what nature answers, and what each model would give', async () => {
    const said = await example('ambiguous.mjs');
    expect(said).toContain('It begins with listen');
    const [first, second] = [...said.matchAll(/^if model \d is true it earns about (\S+)$/gm)].map(([, mean]) => Number(mean));
    // The better microphone earns more.
    expect(first).toBeGreaterThan(second!);
  });

  it('environments.mjs finds a rule between chance and the oracle', async () => {
    const [chance, rule, , oracle] = numbers(await example('environments.mjs'));
    expect(rule).toBeGreaterThan(chance!);
    expect(rule).toBeLessThanOrEqual(oracle! + 0.5);
  });

  it('session.mjs goes on where the saved session was', async () => {
    expect(await example('session.mjs', scratch())).toMatch(/^stage 0: listen .*\nstage 1: listen .*\n$/);
  });

  it('own-method.mjs is played once, between those that it is compared with', async () => {
    const rows = (await example('own-method.mjs', scratch())).trim().split('\n').map((line) => line.split(/ +/));
    expect(rows.map(([name]) => name)).toEqual(['oracle', 'random', 'own-method']);
    expect(rows.slice(0, 2).map(([, gap]) => gap)).toEqual(['0.00', '1.00']);
    expect(Number(rows[2]![1])).toBeGreaterThan(0);
  });

  it.each(['machines.json', 'machines.mjs', 'energy.json', 'clinical.json', 'chain.json'])('families/%s is a family whose tasks are solved', async (file) => {
    const { stdout } = await run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'solve', '--family', join(examples, 'families', file), '--split', 'test', '--index', '3', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ stopped: 'converged' });
  });

  it('dataset.ts writes Parquet, which read_dataset.py reads', { timeout: 60_000 }, async ({ skip }) => {
    const folder = join(scratch(), 'data');
    const { stdout } = await run(process.execPath, [await compiled(), folder]);
    expect(stdout).toBe('40 examples of 10 tasks with 200 labels: data/shard-00000.parquet\n');
    // The environment that test/hugging-face.test.ts makes.
    const python = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tiresias', 'test-python', 'bin', 'python');
    skip(!existsSync(python), 'no Python with pyarrow');
    const read = (await run(python, [join(examples, 'read_dataset.py'), folder])).stdout;
    expect(read).toContain('40 examples, regime mdp, horizon 5\n');
    const counts = [...read.matchAll(/oracle's (\d+) times/g)].map((match) => Number(match[1]));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(200);
    expect(read).toContain('a label loses at most 0.000');
  });
});
