// The classic problems by name, through the library and wherever the command line takes a model file.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Model, TiresiasError, classicModel, classics, drawTask, families, solveSync } from '../src/index.js';
import { scratch, tiresias } from './support.js';

describe('a classic problem', () => {
  it('is built by its name and parameters', () => {
    const sizes = (name: string) => {
      const { states, actions, observations } = classicModel(name);
      return [states, actions, observations];
    };
    expect(sizes('tiger')).toEqual([2, 3, 2]);
    expect(sizes('rock-sample:4,4')).toEqual([257, 9, 2]);
    expect(sizes('maze:hallway')).toEqual([60, 5, 21]);
    // The exact value with ten decisions left, of pomdp-solve and AI-Toolbox.
    expect(solveSync(classicModel('tiger').with(10), { solver: 'exact', gap: 0 }).value).toBeCloseTo(6.693368431751, 9);
  });

  it('is listed with the parameters that it takes', () => {
    expect(classics().map(({ name }) => name)).toEqual(expect.arrayContaining(['tiger', 'tag', 'rock-sample', 'maze']));
    expect(classics().find(({ name }) => name === 'rock-sample')).toMatchObject({ parameters: 'N,K[,SEED]', description: expect.stringContaining('rover') });
  });

  it.each([['tigr', /did you mean tiger\?/], ['rock-sample:7', /rock-sample:7,8/], ['nothing', /is not one of 4x3, cheese/]])('of the name %s does not exist', (name, message) => {
    const call = () => classicModel(name);
    expect(call).toThrow(TiresiasError);
    expect(call).toThrow(expect.objectContaining({ code: 'UNKNOWN_NAME', message: expect.stringMatching(message) }));
  });
});

describe('the command line', () => {
  it('takes a name for a model file', async () => {
    const solved = JSON.parse((await tiresias(['solve', 'tiger', '--horizon', '10', '--solver', 'exact', '--json'])).stdout) as { value: number; model: { name: string } };
    expect(solved.value).toBeCloseTo(6.693368431751, 9);
    expect(solved.model.name).toBe('tiger');
    const out = join(scratch(), 'rocks.pomdp');
    const { code, stdout } = await tiresias(['convert', 'rock-sample:3,2', out]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('37 states')]);
    expect(Model.fromFile(out).model.states).toBe(37);
    expect((await tiresias(['check', 'tiger', 'tag'])).stdout).toMatch(/pomdp: 2 states[^]*pomdp: 870 states/);
    const simulated = JSON.parse((await tiresias(['simulate', 'cheese', '--policy', 'random', '--episodes', '100', '--steps', '5', '--json'])).stdout) as { meanReturn: number };
    expect(simulated.meanReturn).toBeGreaterThanOrEqual(0);
  });

  it('prefers a file of that name, and no folder', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'tiger'), drawTask('energy', { index: 0, regime: 'pomdp' }).model.toJson());
    mkdirSync(join(folder, 'tag'));
    expect((await tiresias(['check', 'tiger', 'tag'], { cwd: folder })).stdout).toMatch(/pomdp: 10 states[^]*pomdp: 870 states/);
  });

  it('says what a name could have been, and leaves paths to the file system', async () => {
    const unknown = await tiresias(['solve', 'tigr']);
    expect([unknown.code, unknown.stdout]).toEqual([2, '']);
    expect(unknown.stderr).toMatch(/tigr: no such file, and as a classic problem: .*did you mean tiger\?/);
    const path = await tiresias(['solve', './tigr']);
    expect(path.stderr).toMatch(/could not read .*tigr: no such file or folder/);
    expect(existsSync('tigr')).toBe(false);
    const parameters = await tiresias(['solve', 'maze:*/x']);
    expect(parameters.stderr).toMatch(/no map has a 'x'/);
  });
});

describe('families', () => {
  it('say their regimes and usual horizons', () => {
    const of = (name: string) => families().find((family) => family.name === name);
    expect(of('energy')).toMatchObject({ horizon: 10, regimes: ['mdp', 'pomdp', 'apomdp'] });
    expect(of('clinical')).toMatchObject({ horizon: 12, regimes: ['mdp', 'pomdp', 'apomdp'] });
    expect(of('darkroom')).toMatchObject({ horizon: 100, regimes: ['mdp'] });
    expect(drawTask('clinical', { index: 0 }).model.horizon).toBe(12);
    expect(drawTask('clinical', { index: 0, horizon: 3 }).model.horizon).toBe(3);
    expect(() => drawTask('darkroom', { index: 0, regime: 'pomdp' })).toThrow(/regime of family darkroom.*not one of mdp/);
  });

  it('make datasets, told in words', async () => {
    const out = scratch();
    const args = ['dataset', 'make', '--family', 'clinical', '--regime', 'apomdp', '--horizon', '3', '--examples', '4', '--tokenizer', 'compact', '--out', out];
    expect(await tiresias(args)).toMatchObject({ code: 0, stdout: expect.stringContaining('4 examples of 4 tasks') });
    const shown = await tiresias(['dataset', 'show', join(out, 'apomdp'), '--row', '1']);
    expect(shown.stdout).toMatch(/^Task 1 of clinical, split train[^]*saw (low|medium|high)-(healthy|pre-diabetic|diabetic), did (low|high)-dose/);
    expect(shown.stdout).toMatch(/reward 0\.\d{1,2}$/m);
    // The dark room comes in one regime, with its own horizon.
    await tiresias(['dataset', 'make', '--family', 'darkroom', '--examples', '1', '--support', '0', '--tokenizer', 'compact', '--out', out]);
    const config = JSON.parse(readFileSync(join(out, 'mdp', 'manifest.json'), 'utf8')) as { config: { family: string; horizon: number } };
    expect(config.config).toMatchObject({ family: 'darkroom', horizon: 100 });
    expect(existsSync(join(out, 'pomdp'))).toBe(false);
  });
});
