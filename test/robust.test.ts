// Ambiguity sets around transitions, from the file to nature's answer.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Model, drawTask, solve, solveSync } from '../src/index.js';
import { tiresias } from './support.js';

const machine = fileURLToPath(new URL('../examples/robust-machine.json', import.meta.url));

/** One decision from an even chance of 10 and of nothing, each of which nature may make 0.2 likelier. */
const chance = (ambiguity: unknown, alpha = 1) =>
  Model.fromJson(JSON.stringify({
    schema: 'tiresias.model/1', states: ['win', 'lose'], actions: 1, horizon: 1, alpha, start: [1, 0], reward: { action: [0] }, final_reward: [10, 0],
    dynamics: [{ transition: [[[0.5, 0.5], [0, 1]]] }], ambiguity,
  }));
const ball = { kind: 'l1', radius: 0.4 };
const interval = { kind: 'interval', lower: [[[0.3, 0.2], [0, 1]]], upper: [[[0.7, 0.8], [0, 1]]] };

describe('robust MDPs', () => {
  it.each([['a ball', ball, 'l1', 3, 7], ['intervals', interval, 'interval', 3, 7]] as const)('%s is worth what nature leaves', async (_, set, name, least, most) => {
    for (const alpha of [1, 0.25, 0]) {
      const model = chance(set, alpha);
      expect([model.kind, model.ambiguity, model.models]).toEqual(['robust-mdp', name, 1]);
      const solution = await solve(model);
      expect(solution.value).toBeCloseTo(alpha * least + (1 - alpha) * most, 12);
      const { states, probabilities } = solution.natureRow(0, 0, 0);
      expect([...states]).toEqual([0, 1]);
      expect(probabilities[0]! * 10).toBeCloseTo(solution.value, 12);
    }
  });

  it("an MDP of nature's answers is worth as much", () => {
    const robust = solveSync(Model.fromJson(readFileSync(machine, 'utf8')), { gap: 1e-9 });
    const nature = robust.natureModel(0);
    expect([nature.kind, nature.ambiguity]).toEqual(['mdp', null]);
    expect(solveSync(nature, { gap: 1e-9 }).value).toBeCloseTo(robust.value, 6);
  });

  it('says what is wrong with a set', () => {
    const wrong = (set: unknown, message: RegExp) => expect(() => chance(set)).toThrow(expect.objectContaining({ code: 'INVALID_MODEL', message: expect.stringMatching(message) }));
    wrong({ kind: 'l1', radius: -1 }, /radius, action 0, state win: -1 is not/);
    wrong({ ...interval, upper: [[[0.3, 0.2], [0, 1]]] }, /state win: the upper bounds sum to 0\.5, less than 1/);
    wrong({ ...ball, radius: [[1]] }, /expected 2 entries, found 1/);
    wrong({ kind: 'l2', radius: 1 }, /l2/);
    const hidden = solveSync(drawTask('energy', { index: 0, regime: 'pomdp', horizon: 3 }).model, { gap: 1 });
    expect(() => hidden.natureRow(0, 0, 0)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => hidden.natureModel(0)).toThrow(/hidden/);
  });

  it('are solved from the command line', async () => {
    const { code, stdout } = await tiresias(['solve', machine, '--gap', '1e-6', '--json']);
    expect(code).toBe(0);
    const said = JSON.parse(stdout) as { lower: number; upper: number; model: { kind: string; ambiguity: string } };
    const value = solveSync(Model.fromJson(readFileSync(machine, 'utf8')), { gap: 1e-9 }).value;
    expect(said.lower).toBeLessThanOrEqual(value + 1e-9);
    expect(said.upper).toBeGreaterThanOrEqual(value - 1e-9);
    expect([said.model.kind, said.model.ambiguity]).toEqual(['robust-mdp', 'l1']);
    expect((await tiresias(['solve', machine])).stdout).toContain('l1 ambiguity, alpha 1');
  });
});
