// One solve on several threads: how many had a part in it, and that they change nothing.
import { describe, expect, it } from 'vitest';
import { Model, classicModel, solve, solveSync } from '../src/index.js';
import { tiresias } from './support.js';

/** An MDP of 120 states and 10 actions, each of which leads anywhere: 144,000 transitions, enough for threads. */
function spread(): Model {
  const states = 120;
  const row = (seed: number) => Array.from({ length: states }, (_, to) => 1 + ((seed * 7919 + to * 104_729) % 97));
  const shares = (seed: number) => {
    const weights = row(seed);
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  };
  const transition = Array.from({ length: 10 }, (_, action) => Array.from({ length: states }, (_row, from) => shares(action * states + from)));
  const reward = { state_action: transition.map((rows, action) => rows.map((_row, from) => (action * 31 + from * 17) % 13)) };
  return Model.fromJson(JSON.stringify({ schema: 'tiresias.model/1', states, actions: 10, discount: 0.95, reward, dynamics: [{ transition }] }));
}

describe('threads of one solve', () => {
  it('share the sweeps of a large MDP, in the background and not', async () => {
    const model = spread();
    const alone = solveSync(model, { gap: 1e-6, threads: 1 });
    expect(alone.threads).toBe(1);
    for (const shared of [solveSync(model, { gap: 1e-6, threads: 2 }), await solve(model, { gap: 1e-6, threads: 2 })]) {
      expect(shared.threads).toBe(2);
      expect([shared.lower, shared.upper, shared.iterations]).toEqual([alone.lower, alone.upper, alone.iterations]);
    }
  });

  it('share the comparisons of a search, which stops where it would', () => {
    const model = classicModel('maze:hallway');
    const [alone, shared] = [1, 2].map((threads) => solveSync(model, { gap: 0.3, threads, solver: 'point' }));
    expect([alone!.threads, shared!.threads]).toEqual([1, 2]);
    expect([shared!.lower, shared!.upper, shared!.backups, shared!.points]).toEqual([alone!.lower, alone!.upper, alone!.backups, alone!.points]);
  });

  it('are told by the command line', async () => {
    const { stdout } = await tiresias(['solve', 'tiger', '--threads', '1', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ threads: 1, stopped: 'converged' });
  });
});
