// The package as it is published: packed, installed into an empty folder, compiled against, imported, required and run.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratch } from './support.js';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tiresias-package-'));
const NAME = '@tiresias-rl/tiresias';
const installed = join(folder, 'node_modules', NAME);
let tarball = '';

/** Without the settings that npm hands to what it runs. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_(local_prefix|global_prefix|prefix)|package|lifecycle|command)/.test(name)));

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root, env, maxBuffer: 2 ** 24 });
  tarball = join(folder, (JSON.parse(stdout) as { filename: string }[])[0]!.filename);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, license: 'MIT' }));
  await run('npm', ['install', '--prefer-offline', '--engine-strict', '--no-audit', '--no-fund', '--no-package-lock', tarball], { cwd: folder, env });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const node = (...args: string[]) => run(process.execPath, args, { cwd: folder, env });

describe('the tarball', () => {
  it('holds the licences, and all that README and docs link to', () => {
    expect(readdirSync(installed)).toEqual(expect.arrayContaining(['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'docs', 'examples', 'experiments']));
    const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...(readdirSync(join(installed, 'docs'), { recursive: true }) as string[]).filter((name) => name.endsWith('.md')).map((name) => `docs/${name.replaceAll('\\', '/')}`)];
    const links = pages.flatMap((page) => [...readFileSync(join(installed, page), 'utf8').matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)]*\)/g)].map((match) => [page, match[1]!] as const));
    expect(links.length).toBeGreaterThan(20);
    expect(links.filter(([page, link]) => !existsSync(resolve(installed, dirname(page), link)))).toEqual([]);
  });

  it('holds the sources that its source maps name', () => {
    const dist = join(installed, 'dist');
    const maps = (readdirSync(dist, { recursive: true }) as string[]).filter((name) => name.endsWith('.map'));
    expect(maps.length).toBeGreaterThan(20);
    const missing = maps.flatMap((map) => (JSON.parse(readFileSync(join(dist, map), 'utf8')) as { sources: string[] }).sources.map((source) => resolve(dist, dirname(map), source))).filter((path) => !existsSync(path));
    expect(missing).toEqual([]);
    expect(existsSync(join(dist, '.tsbuildinfo'))).toBe(false);
  });
});

describe('every dependency', () => {
  it('runs where the package says that it runs', () => {
    const { engines } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { engines: { node: string } };
    expect(engines.node).toContain('^20.19.0');
  });

  it('passes for Yarn 1, which takes the newest versions and refuses those that want another Node', async (context) => {
    const yarn = join(scratch(), 'yarn');
    mkdirSync(yarn);
    writeFileSync(join(yarn, 'package.json'), JSON.stringify({ name: 'consumer', version: '1.0.0', license: 'MIT', private: true, dependencies: { [NAME]: `file:${tarball}` } }));
    const failure = await run(process.execPath, [join(root, 'node_modules', 'yarn', 'bin', 'yarn.js'), 'install', '--no-lockfile', '--non-interactive', '--prefer-offline', '--ignore-scripts'], { cwd: yarn, env }).then(() => undefined, (error: { stderr: string }) => error.stderr);
    if (failure !== undefined && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|network/i.test(failure)) context.skip('no registry can be reached');
    expect(failure).toBeUndefined();
    const { stdout } = await run(process.execPath, ['-p', `require('${NAME}').version`], { cwd: yarn, env });
    expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  }, 120_000);
});

const CONSUMER = `
import {
  Model, TiresiasError, drawTask, loadPolicy, makeDataset, parseExperiment, rollout, rolloutSync, savePolicy, solve, solveBatch, solveSync, simulate, streamExamples, train,
  type Behaviour, type Decision, type SessionState, type Experiment, type ExperimentInput, type Manifest, type MethodResult, type Nature, type Results, type Solution, type TrainEvent,
} from '${NAME}';
import type { Paths } from '${NAME}/client';

export const following = (answer: Paths['/sessions']['get']['responses'][200]['content']['application/json']): string | null => answer.next;
const { model, warnings } = Model.parse('discount: 0.9', { name: 'x.pomdp', format: 'pomdp' });
export const places: [string, number, number][] = warnings.map(({ file, line, column }) => [file, line, column]);
export const kind: 'mdp' | 'robust-mdp' | 'pomdp' | 'apomdp' | 'robust-pomdp' = model.kind;
export const v: number = solveSync(model, { gap: 0.1, solver: 'point' }).lower;
export async function all(signal: AbortSignal): Promise<Solution> {
  const solution = await solve(model, { signal, timeSeconds: 1, onProgress: ({ lower, upper }) => console.log(upper - lower) });
  const [lower, upper]: [number, number] = solution.bounds(0, model.start());
  const stopped: 'converged' | 'time' | 'memory' | 'exhausted' | 'cancelled' = solution.stopped;
  const behaviour: Behaviour = 'epsilon:0.2';
  const nature: Nature = 'fixed:1';
  const { returns, beliefs } = rolloutSync(model, { behaviour, nature, episodes: 10, seed: 1, record: ['beliefs'] }, solution);
  await rollout(model, { policy: ({ observations }) => Array.from(observations, () => 0), episodes: 10, seed: 1 });
  const { mean } = await simulate(model, solution, { episodes: 10, nature: 'resampled' });
  const saved: Uint8Array = solution.savePolicy();
  for (const { solution: solved, error } of await solveBatch([model])) console.log(solved?.value, error?.code);
  console.log(lower, upper, stopped, returns.length, beliefs.length, mean);
  return loadPolicy(saved, model);
}
export async function served(saved: SessionState | undefined): Promise<Decision[]> {
  const policy = await loadPolicy('a.policy');
  const session = policy.session(saved ?? { state: 'left', onImpossible: 'reset' });
  const { likelihood, reset }: { likelihood: number; reset: boolean } = session.observe('listen', 1);
  const { name, regretBound } = session.decide({ lookahead: false });
  await savePolicy('b.policy', policy.solution, { model: 'beside' });
  console.log(likelihood, reset, name.length + regretBound, JSON.stringify(session));
  return policy.decide([session], { signal: AbortSignal.timeout(1000) });
}
// @ts-expect-error a misspelt word
solveSync(model, { solver: 'pint' });
// @ts-expect-error a misspelt nature
rolloutSync(model, { behaviour: 'random', episodes: 1, seed: 1, nature: 'fixed' });
// @ts-expect-error a misspelt family
drawTask('enrgy', { index: 0 });
const input: ExperimentInput = { schema: 'tiresias.experiment/1', name: 'x', training: { lora: { r: 4 } }, templates: { mdp: { rewardWidth: 3 } }, base: { hub: 'a/b', file: 'c.gguf' } };
export const experiment: Experiment = parseExperiment(input);
export const rank: number = experiment.training.lora.r;
export const bytes = (manifest: Manifest): number => manifest.totals.bytes + manifest.shards.reduce((sum, shard) => sum + shard.labelCounts.length, 0);
export const gaps = ({ regimes }: Results): (MethodResult | undefined)[] => Object.values(regimes).map(({ methods }) => methods['sft']);
export const told = (event: TrainEvent): number => (event.event === 'step' ? event.gradNorm : event.event === 'done' ? event.tokensPerSecond : 0);
export { makeDataset, streamExamples, train, TiresiasError };
`;

const REQUIRING = `
import tiresias = require('${NAME}');
export const names: string[] = tiresias.families().map(({ name }) => name);
`;

describe.each([['5', 'typescript5/lib/tsc.js'], ['7', 'typescript/bin/tsc']])('TypeScript %s', (_, compiler) => {
  it.each([
    ['on its own', []],
    ['with all that is strict', ['--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noPropertyAccessFromIndexSignature']],
  ])('compiles strict consumers that import and require it, %s', async (name, options) => {
    const files = ['consumer.mts', 'requiring.cts'].map((file) => join(folder, `${name.length}-${file}`));
    writeFileSync(files[0]!, CONSUMER);
    writeFileSync(files[1]!, REQUIRING);
    const args = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', ...options, ...files];
    const said = await node(join(root, 'node_modules', compiler), ...args).then(() => '', (error: { stdout: string }) => error.stdout);
    expect(said).toBe('');
  }, 120_000);
});

describe('the installed package', () => {
  it('is imported, required and run', async () => {
    const code = "const { Model, solveSync, drawTask } = t; const s = solveSync(drawTask('energy', { index: 0, horizon: 3 }).model); console.log(s.stopped, typeof t.version)";
    expect((await node('--input-type=module', '-e', `import * as t from '${NAME}'; ${code}`)).stdout).toBe('converged string\n');
    expect((await node('-e', `const t = require('${NAME}'); ${code}`)).stdout).toBe('converged string\n');
    expect((await node('-p', `require('${NAME}/package.json').name`)).stdout).toBe(`${NAME}\n`);
    const { stdout } = await run(join(folder, 'node_modules', '.bin', 'tiresias'), ['solve', join(installed, 'examples', 'tiger.json'), '--horizon', '3', '--json'], { cwd: folder, env });
    expect(JSON.parse(stdout)).toMatchObject({ stopped: 'converged' });
  });

  it('can still do what loads later', async () => {
    const code = `import * as t from '${NAME}'; console.log(t.parseExperiment({ schema: 'tiresias.experiment/1', name: 'x' }).family, t.bcaInterval([[1], [2], [4]], (rows) => rows[0][0], { seed: 1 }).length)`;
    expect((await node('--input-type=module', '-e', code)).stdout).toBe('energy 2\n');
  });

  it('loads nothing at the start that only some need', async () => {
    const coverage = join(scratch(), 'coverage');
    await run(process.execPath, ['--input-type=module', '-e', `await import('${NAME}')`], { cwd: folder, env: { ...env, NODE_V8_COVERAGE: coverage } });
    const loaded = readdirSync(coverage).flatMap((file) => (JSON.parse(readFileSync(join(coverage, file), 'utf8')) as { result: { url: string }[] }).result.map(({ url }) => url));
    expect(loaded.some((url) => url.endsWith(`${NAME}/dist/index.js`))).toBe(true);
    const others = new Set(loaded.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []));
    expect([...others]).toEqual([NAME]);
  });

  it('takes no more of the processor than three times what Node itself takes to start: some 50 ms where that takes 30', async () => {
    const spent = async (code: string) => Number((await node('--input-type=module', '-e', `${code}; const { user, system } = process.cpuUsage(); console.log(user + system)`)).stdout) / 1000;
    let [bare, whole] = [Infinity, Infinity];
    for (let i = 0; i < 10; i++) {
      bare = Math.min(bare, await spent(''));
      whole = Math.min(whole, await spent(`await import('${NAME}')`));
    }
    expect(whole - bare).toBeLessThan(3 * bare);
  });
});
