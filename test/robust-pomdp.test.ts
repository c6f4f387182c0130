// Robust POMDPs: sets around the rows of hidden states. The core is held against programs of the whole game in crates/solve/tests/robust_pomdp.rs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Model, classicModel, loadRobust, playRobust, solve, solveRobust, solveStatic, solveSync, type RobustSolution } from '../src/index.js';
import { scratch, tiresias } from './support.js';

const file = fileURLToPath(new URL('../examples/robust-turn.json', import.meta.url));
const turn = Model.fromJson(readFileSync(file, 'utf8'));

/** A classic problem with a ball around every row. */
const balls = (name: string, radius: number): Model => Model.fromJson(JSON.stringify({ ...(JSON.parse(classicModel(name).toJson()) as object), ambiguity: { kind: 'l1', radius } }));

describe('robust POMDPs', () => {
  it('the toy is worth what was published', async () => {
    expect([turn.kind, turn.ambiguity, turn.models]).toEqual(['robust-pomdp', 'interval', 1]);
    const { lower, upper, stopped } = await solveRobust(turn, { gap: 1e-6 });
    expect([lower, upper].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([70, 70]);
    expect(stopped).toBe('converged');
  });

  it('may be ambiguous in what is seen: checked, solved, and compared on the command line', { timeout: 60_000 }, async () => {
    const path = fileURLToPath(new URL('../examples/unsure-tiger.json', import.meta.url));
    const unsure = Model.fromJson(readFileSync(path, 'utf8'));
    expect([unsure.kind, unsure.ambiguity, unsure.observationAmbiguity]).toEqual(['robust-pomdp', null, 'interval']);
    const cwd = scratch();
    const { stdout } = await tiresias(['check', path], { cwd });
    expect(stdout).toMatch(/2 observations, interval ambiguity of observations, alpha 1, horizon 10/);
    writeFileSync(join(cwd, 'half.json'), JSON.stringify({ ...(JSON.parse(unsure.toJson()) as object), alpha: 0.5 }));
    const half = await tiresias(['check', '--strict', 'half.json'], { cwd });
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining('solved for alpha 1 only, and this model has alpha 0.5')]);
    // Of ears that are right with 0.75 to 0.9 nature picks the worst (crates/solve/tests/robust_pomdp.rs).
    const bench = await tiresias(['bench', path, '--solvers', 'auto', '--time', '10', '--out', 'bench'], { cwd });
    expect(bench.stdout).toMatch(/auto closed the gap of 0\.001 in 1 of 1 runs/);
  });

  it('with sets of one distribution it is the POMDP, and wider sets are worth no more', async () => {
    const known = solveSync(classicModel('shuttle'), { gap: 1e-3 });
    const values: RobustSolution[] = [];
    for (const radius of [0, 0.1, 0.3]) values.push(await solveRobust(balls('shuttle', radius), { gap: 1e-2 }));
    expect(values[0]!.lower).toBeLessThanOrEqual(known.upper + 1e-9);
    expect(values[0]!.upper).toBeGreaterThanOrEqual(known.lower - 1e-9);
    for (const i of [1, 2]) expect(values[i]!.lower).toBeLessThanOrEqual(values[i - 1]!.upper + 1e-9);
    expect(values[2]!.upper).toBeLessThan(values[0]!.lower);
  });

  it('players draw their successors, and documents that boast are found out', async () => {
    const model = balls('tiger', 0.5);
    const solution = await solveRobust(model, { gap: 1, horizon: 3 });
    const player = playRobust(solution);
    expect(solution.controller.stages).toHaveLength(3);
    for (const draw of [0, 0.5, 0.999]) {
      expect(player.action).toBeLessThan(model.actions);
      player.observe(1, draw);
    }
    expect(() => player.action).toThrow(/horizon/);
    expect(() => playRobust(solution).observe(7, 0)).toThrow(/no observation 7/);
    expect(() => playRobust(solution).observe(0, 1)).toThrow(/draw 1/);
    const short = model.with(3);
    expect(loadRobust(JSON.stringify({ ...solution, lower: 1e9 }), short).lower).toBeCloseTo(solution.lower, 9);
    const boast = structuredClone(solution);
    boast.controller.stages[0]![0]!.worth[0]! += 1;
    expect(() => loadRobust(JSON.stringify(boast), short)).toThrow(expect.objectContaining({ code: 'INVALID_POLICY', message: expect.stringMatching(/says that it earns/) as string }));
    expect(() => loadRobust(JSON.stringify(solution), model)).toThrow(/sha256/);
  });

  it('no solver takes them for something else', async () => {
    await expect(solve(turn)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/solveRobust/) as string });
    await expect(solveStatic(turn)).rejects.toThrow(/cloud/);
    await expect(solveRobust(turn, { alpha: 0.5 })).rejects.toThrow(/alpha/);
    await expect(solveRobust(classicModel('tiger'))).rejects.toThrow(/sets around/);
    expect((await solveRobust(balls('tiger', 0.5), { stop: AbortSignal.abort(), gap: 0 })).stopped).toBe('cancelled');
  });

  it('are solved from the command line', async () => {
    const out = join(scratch(), 'controller.json');
    const { code, stdout } = await tiresias(['solve', file, '--policy-out', out, '--json']);
    expect(code).toBe(0);
    const said = JSON.parse(stdout) as { model: { kind: string; ambiguity: string }; lower: number; solver: string };
    expect([said.model.kind, said.model.ambiguity, Math.round(said.lower), said.solver]).toEqual(['robust-pomdp', 'interval', 70, 'robust']);
    expect(loadRobust(readFileSync(out, 'utf8'), turn).lower).toBeCloseTo(70, 6);
    expect((await tiresias(['solve', file])).stdout).toMatch(/nature\s+a row of every set, chosen anew at every decision/);
    const refused = await tiresias(['solve', file, '--solver', 'point']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--solver')]);
    const pomdp = await tiresias(['convert', file, `${out}.pomdp`]);
    expect([pomdp.code, pomdp.stderr]).toEqual([2, expect.stringContaining('robust-pomdp')]);
  });
});
