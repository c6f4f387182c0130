// What does not fit into memory is refused before anything is asked for: no count ends the process.
import { describe, expect, it } from 'vitest';
import {
  BeliefBatch, Environments, Model, classicModel, compactTokenizer, createEpisodes, drawTask, makeShard, rolloutSync, solve, solveSync, streamExamples,
  type EpisodesSpec, type ShardSpec,
} from '../src/index.js';
import { native } from '../src/native.js';
import { join } from 'node:path';
import { scratch } from './support.js';

const tiger = classicModel('tiger').with(5);
const hallway = classicModel('maze:hallway');
const tokenizer = compactTokenizer([JSON.parse(native.defaultTemplate('energy', 'mdp'))]);
const spec = { family: 'energy', split: 'train', seed: 1, regime: 'mdp', horizon: 3, tasks: 2, support: { trajectories: 1 } };
const shard = (change: object) => makeShard({ ...spec, ...change } as unknown as ShardSpec, tokenizer, join(scratch(), 'x.parquet'));
const episodes = (change: object) => createEpisodes({ ...spec, ...change } as unknown as EpisodesSpec);
const first = (change: object) => streamExamples({ ...spec, ...change } as never, tokenizer)[Symbol.asyncIterator]().next();

const [words, doubles] = [2 ** 32 - 1, 2 ** 53 - 1];

describe('more than there is', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['a cloud of 2^32 - 1 models', () => drawTask('energy', { index: 0, regime: 'apomdp', models: words }), /a cloud of 4294967295 models .*ask for fewer models/],
    ['a cloud of 2^53 - 1 models', () => drawTask('clinical', { index: 0, regime: 'apomdp', models: doubles }), /ask for fewer models/],
    ['beliefs', () => new BeliefBatch(hallway, { count: words }), /4294967295 beliefs .*keep fewer beliefs/],
    ['environments', () => new Environments(hallway, { count: words, seed: 0, beliefs: true }), /4294967295 environments .*step fewer together/],
    ['episodes', () => rolloutSync(tiger, { behaviour: 'random', episodes: words, horizon: words, seed: 0 }), /4294967295 episodes of 4294967295 decisions.*roll out fewer at a time or record less/],
    ['episodes of a policy', () => rolloutSync(tiger, { policy: () => [0], episodes: words, horizon: words, seed: 0 }), /roll out fewer at a time or record less/],
    ['examples of a task', () => shard({ examplesPerTask: doubles }), /9007199254740991 examples of a task.*lower examplesPerTask, support.trajectories or horizon/],
    ['support trajectories', () => shard({ support: { trajectories: doubles } }), /lower examplesPerTask, support.trajectories or horizon/],
    ['examples of a stream', () => first({ examplesPerTask: doubles }), /lower examplesPerTask/],
    ['episodes of an evaluation', () => episodes({ episodesPerTask: doubles }), /9007199254740991 episodes.*lower tasks, episodesPerTask/],
    ['tasks of an evaluation', () => episodes({ tasks: doubles - 1 }), /lower tasks, episodesPerTask/],
    ['states of a text', () => Model.parse('discount: 0.9\nvalues: reward\nstates: 4000000000000\nactions: 2\nobservations: 2\n'), /./],
    ['bytes', () => native.checkMemory(1e18, 'a wish', 'wish for less'), /^a wish would take at least 888\.2 PiB, and there are .* of memory; wish for less$/],
    ['bytes beyond counting', () => native.checkMemory(Infinity, 'a wish', 'wish for less'), /^a wish would take at least more than 2\^63 bytes/],
  ])('%s', async (_, call, message) => {
    const run = async () => call();
    const error = await run().then(() => undefined, (thrown: unknown) => thrown as Error & { code: string; exitCode: number });
    expect(error, 'it is refused').toBeDefined();
    expect(error!.message.replaceAll('\n', ' ')).toMatch(message);
    expect(error).toMatchObject({ name: 'TiresiasError', exitCode: 2 });
  });

  it.each<[string, () => unknown]>([
    ['tables of all stages', () => solveSync(tiger, { horizon: words })],
    ['tables of all stages, in the background', () => solve(tiger, { horizon: words })],
    ['a horizon that no task has', () => drawTask('energy', { index: 0, horizon: doubles })],
    ['tables within a limit', () => solveSync(tiger, { horizon: 1_000_000, memoryBytes: 1000 })],
  ])('%s', async (_, call) => {
    await expect((async () => call())()).rejects.toMatchObject({ name: 'TiresiasError', exitCode: 2, message: expect.stringContaining('horizon') });
  });

  it('is not what is large but fits', () => {
    expect(drawTask('energy', { index: 0, regime: 'apomdp', models: 5000 }).model.models).toBe(5000);
    expect(new Environments(tiger, { count: 100_000, seed: 0 }).count).toBe(100_000);
    expect(solveSync(classicModel('4x3').with(300), { gap: 1 }).lower).toBeLessThan(300);
  });
});

describe('an unsupported solver or a bad limit is an error of whoever asked', () => {
  it.each<[string, () => unknown]>([
    ['exact for a cloud', () => solveSync(drawTask('energy', { index: 0, regime: 'apomdp' }).model, { solver: 'exact' })],
    ['plans for an MDP', () => solveSync(drawTask('energy', { index: 0 }).model, { solver: 'plans' })],
    ['a negative gap', () => solveSync(tiger, { gap: -1 })],
    ['no time', () => solveSync(tiger, { timeSeconds: NaN })],
    ['no memory', () => solveSync(tiger, { memoryBytes: 0 })],
  ])('%s', (_, call) => {
    expect(call).toThrow(expect.objectContaining({ name: 'TiresiasError', code: 'INVALID_ARGUMENT', exitCode: 2 }));
  });
});
