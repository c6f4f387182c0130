// Reaching goals without a discount, from Storm's DRN files. The core is held against trying and published values in crates/solve/tests/goal.rs.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { solveGoal, solveGoalSync } from '../src/index.js';
import { scratch, tiresias } from './support.js';

/** Two doors that look alike: the goal is behind one of them, and trying costs 1. After a wrong guess one is back before the doors, which are as they were. */
const DOORS = `@type: POMDP
@parameters

@reward_models
cost
@nr_states
4
@nr_choices
7
@model
state 0 {0} [0] init
  action look [0]
    1 : 1/4
    2 : 3/4
state 1 {1} [0]
  action left [1]
    3 : 1
  action right [1]
    1 : 1
state 2 {1} [0]
  action left [1]
    2 : 1
  action right [1]
    3 : 1
state 3 {2} [0] goal
  action left [0]
    3 : 1
  action right [0]
    3 : 1
`;

function doors(text = DOORS): string {
  const file = join(scratch(), 'doors.drn');
  writeFileSync(file, text);
  return file;
}

describe('reaching a goal', () => {
  it('costs what is to be reckoned by hand, and is sure', async () => {
    const file = doors();
    // Right first, which is right three times in four; else left: 3/4 · 1 + 1/4 · 2.
    const cost = await solveGoal(file, 'Rmin=? [F "goal"]', { gap: 1e-6 });
    expect(cost.lower).toBeCloseTo(1.25, 5);
    expect(cost.upper).toBeCloseTo(1.25, 5);
    expect(cost).toMatchObject({ stopped: 'converged', states: 4, choices: 7, observations: 3, firstAction: 'look' });
    expect(solveGoalSync(file, 'Pmax=? [F "goal"]', { gap: 1e-6 }).lower).toBeCloseTo(1, 5);
    // One who means to fail opens the wrong door for ever, but cannot know which: after a guess that failed, the same again fails for ever.
    const least = solveGoalSync(file, 'Pmin=? [F "goal"]', { gap: 1e-6 });
    expect([least.lower, least.upper].map((value) => Math.round(value * 1e5) / 1e5)).toEqual([0.25, 0.25]);
  });

  it('says what is wrong', async () => {
    const file = doors();
    expect(() => solveGoalSync(file, 'Pmax=? [F "end"]')).toThrow(expect.objectContaining({ code: 'UNKNOWN_NAME', message: expect.stringMatching(/"end".*goal/) as string }));
    expect(() => solveGoalSync(file, 'Pmax [F goal]')).toThrow(/Pmax=\? \[F "goal"\]/);
    expect(() => solveGoalSync(file, 'Rmax=? [F "goal"]')).toThrow(/for ever|infinite/);
    expect(() => solveGoalSync(doors(DOORS.replace('3/4', '2/4')), 'Pmax=? [F "goal"]')).toThrow(expect.objectContaining({ code: 'INVALID_MODEL_FILE', message: expect.stringMatching(/doors\.drn:\d+/) as string }));
    expect(() => solveGoalSync(join(scratch(), 'none.drn'), 'Pmax=? [F "goal"]')).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
    expect((await solveGoal(file, 'Rmin=? [F "goal"]', { stop: AbortSignal.abort(), gap: 0 })).stopped).toBe('cancelled');
    const told = await tiresias(['solve', file]);
    expect([told.code === 0, told.stderr]).toEqual([false, expect.stringContaining('it takes an objective')]);
    const both = await tiresias(['solve', file, '--objective', 'Pmax=? [F "goal"]', '--explain']);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('--objective')]);
  });

  it('is asked for by --objective', async () => {
    const { code, stdout } = await tiresias(['solve', doors(), '--objective', 'Rmin=? [F "goal"]', '--gap', '1e-6', '--json']);
    expect(code).toBe(0);
    const said = JSON.parse(stdout) as { lower: number; upper: number; objective: string };
    expect([Math.round(said.lower * 1e4), Math.round(said.upper * 1e4), said.objective]).toEqual([12500, 12500, 'Rmin=? [F "goal"]']);
    expect((await tiresias(['solve', doors(), '--objective', 'Pmax=? [F "goal"]'])).stdout).toMatch(/value\s+certainly in/);
  });
});
