import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { evaluateRegime, parseExperiment, type Deployment, type Experiment } from '../src/index.js';
import { checkMethods } from '../src/methods/index.js';
import { deploymentFigures } from '../src/report/figures.js';
import type { Results } from '../src/results.js';
import { scratch } from './support.js';

const TASKS = 30;

/** Five-armed bandits of three pulls an episode. */
const bandit = (methods: NonNullable<Experiment['evaluation']>['methods'] | string[], deployment: Deployment | undefined): Experiment => parseExperiment({
  schema: 'tiresias.experiment/1', name: 'alone', family: 'bandit', regimes: ['mdp'], horizon: 3, support: { trajectories: 2, behaviour: 'random' },
  evaluation: { tasks: TASKS, episodes: 2, resamples: 100, methods: ['oracle', 'random', ...methods], ...(deployment && { deployment }) },
});

/** Pulls arm `n` in the `n`-th episode, as far as its support shows how many there were; from the fifth on the best of those it remembers. */
const LEARNER = `export default { begin({ support: { count, horizon, actions, rewards } }) {
  globalThis.shown.push({ count, actions: [...actions], rewards: [...rewards] });
  if (count < 5) return { act: () => count };
  const means = Array.from({ length: 5 }, (_, arm) => rewards.filter((_, i) => actions[i] === arm)).map((own) => own.reduce((sum, reward) => sum + reward, 0) / (own.length || NaN));
  return { act: () => means.indexOf(Math.max(...means.filter((mean) => !Number.isNaN(mean)))) };
} };`;

const shown: { count: number; actions: number[]; rewards: number[] }[] = [];
Object.assign(globalThis, { shown });

it('shows a method what it played itself, and tells its regret episode by episode', async () => {
  const folder = scratch();
  writeFileSync(join(folder, 'learner.mjs'), LEARNER);
  const play = async (deployment: Deployment | undefined) => {
    shown.length = 0;
    return evaluateRegime(bandit([join(folder, 'learner.mjs')], deployment), 'mdp', { folder: join(folder, 'rows'), threads: 1 });
  };
  const { methods } = await play({ episodes: 8 });
  const rows = TASKS * 2;
  expect(shown).toHaveLength(8 * rows);
  expect(shown.slice(0, rows).map(({ count }) => count)).toEqual(Array(rows).fill(0));
  const last = shown.slice(-rows);
  expect(last.map(({ count }) => count)).toEqual(Array(rows).fill(7));
  for (const { actions } of last) expect(actions.slice(0, 15)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);

  const { learner, random, oracle } = methods;
  expect(learner!.episodes).toBe(8 * rows);
  const regret = learner!.regretByEpisode!;
  expect(regret).toHaveLength(8);
  // The mean over episodes is the gap: nothing is left out, nothing counted twice.
  expect(regret.reduce((sum, one) => sum + one, 0) / 8).toBeCloseTo(learner!.gapAbs, 10);
  // An arm that is named beforehand is as good as chance; the best of five seen thrice is far better.
  expect(Math.max(...regret.slice(5))).toBeLessThan(0.5 * Math.min(...regret.slice(0, 5)));
  expect(oracle!.regretByEpisode).toEqual(Array(8).fill(0));
  expect(random!.regretByEpisode).toHaveLength(8);

  const written = readFileSync(join(folder, 'rows', 'mdp-learner.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { task: number; episode: number; deployed: number; rewards: number[] });
  expect(written.map(({ task, episode, deployed }) => `${task}/${episode}/${deployed}`).sort()).toEqual(
    Array.from({ length: TASKS }, (_, task) => [0, 1].flatMap((episode) => Array.from({ length: 8 }, (_, deployed) => `${task}/${episode}/${deployed}`))).flat().sort(),
  );
  // Every episode is a draw of its own, of three rewards in hundredths.
  expect(new Set(written.map(({ rewards }) => rewards.join())).size).toBeGreaterThan(0.95 * 8 * rows);

  // Another memory is another evaluation, which is not taken for this one; without a deployment the support is the experiment's.
  await play({ episodes: 8 });
  expect(shown).toHaveLength(0);
  await play({ episodes: 8, remember: 3 });
  expect(Math.max(...shown.map(({ count }) => count))).toBe(3);
  const { methods: single } = await play(undefined);
  expect(shown.map(({ count }) => count)).toEqual(Array(rows).fill(2));
  expect(single['learner']).not.toHaveProperty('regretByEpisode');
});

it('draws regret by episode for the page, where there is a deployment', async () => {
  const results = async (deployment: Deployment | undefined): Promise<Results> => {
    const regimes = { mdp: await evaluateRegime(bandit(['ucb'], deployment), 'mdp', { folder: scratch(), threads: 1 }) };
    return { regimes } as unknown as Results;
  };
  expect((await deploymentFigures(await results(undefined))).flatMap(({ figures }) => figures)).toEqual([]);
  const [figure] = (await deploymentFigures(await results({ episodes: 3 }))).flatMap(({ figures }) => figures);
  expect(figure!.svg.text).toMatch(/Mean regret by episode.*at the first episode, .* at the last/);
});

it('refuses methods that cannot begin without support', async () => {
  await expect(checkMethods(bandit(['bc-prompt'], { episodes: 2 }))).rejects.toThrow(/method bc-prompt: it cannot act without support, and the first episode of a deployment has none; leave it out/);
  await expect(checkMethods(bandit(['bc-prompt'], undefined))).resolves.toBeUndefined();
  expect(() => bandit([], { episodes: 0 })).toThrow(/deployment\.episodes/);
});
