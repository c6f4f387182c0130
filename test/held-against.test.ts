// The methods held against what theory says of them, in the world that evaluations play in.
import { describe, expect, it } from 'vitest';
import { createAgents, createEpisodes, methods, played, type EpisodesSpec, type Regime } from '../src/index.js';

const spec = (regime: Regime, change: Partial<EpisodesSpec> = {}): EpisodesSpec => ({
  family: 'energy', split: 'test', seed: 11, regime, horizon: 5, models: 2, alpha: 1, nature: 'fixed', support: { trajectories: 3, behaviour: 'epsilon:0.5' },
  solver: { gap: 0.05, timeSeconds: null }, template: null, firstTask: 0, tasks: 30, episodesPerTask: 2, epsilon: 0.001, threads: 2, ...change,
});

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
/** Standard error of the mean. */
const errorOf = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + (value - meanOf(values)) ** 2, 0) / (values.length - 1) / values.length);

/** Mean regret of a method on each task. */
async function regrets(world: EpisodesSpec, method: string, options: Record<string, unknown> = {}): Promise<number[]> {
  const episodes = await createEpisodes(world);
  const ended = await played(episodes, await createAgents(world, method, options));
  const { regrets: each } = ended.outcome();
  return Array.from({ length: world.tasks }, (_, task) => meanOf(Array.from(each.subarray(task * world.episodesPerTask, (task + 1) * world.episodesPerTask))));
}

describe.each(['mdp', 'pomdp', 'apomdp'] as const)('in the regime %s', (regime) => {
  it('nobody who knows less beats bayes beyond chance', async () => {
    const world = spec(regime);
    const bayes = await regrets(world, 'bayes');
    const lesser = methods().filter(({ group, knows, regimes }) => ['imitation', 'model', 'value'].includes(group) && knows === 'nothing' && regimes.includes(regime));
    expect(lesser.length).toBeGreaterThan(3);
    for (const { name } of lesser) {
      const theirs = await regrets(world, name);
      const ahead = bayes.map((regret, task) => regret - theirs[task]!);
      // Three standard errors, for each of half a dozen methods.
      expect(meanOf(ahead), name).toBeLessThan(3 * errorOf(ahead) + 1e-9);
    }
  }, 240_000);

  it('the oracle loses no more than its certificate', async () => {
    const world = spec(regime);
    const episodes = await createEpisodes(world);
    while (!episodes.done) episodes.step(episodes.oracleActions());
    const { regrets: each } = episodes.outcome();
    expect(each).toHaveLength(world.tasks * world.episodesPerTask);
    // A step may lose what the bounds leave open there, and an episode not much more than one of the whole.
    for (const regret of each) expect(Math.abs(regret)).toBeLessThan(regime === 'mdp' ? 1e-9 : world.solver.gap + 1e-9);
  });
});

it('posterior sampling loses less the more it has seen', async () => {
  const at = async (trajectories: number) => meanOf(await regrets(spec('mdp', { support: { trajectories, behaviour: 'epsilon:0.8' }, tasks: 60 }), 'posterior-sampling'));
  const [few, some, many] = [await at(1), await at(8), await at(80)];
  expect(some).toBeLessThan(few);
  expect(many).toBeLessThan(0.5 * few);
});
