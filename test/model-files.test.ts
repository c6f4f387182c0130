// Model files and policy files, through the library and the command line.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AlphaPolicy, Model, TiresiasError, drawTask, loadPolicy, simulate, solve, solveSync } from '../src/index.js';
import { scratch, tiger, tiresias } from './support.js';

const TIGER = tiger();
const VALUE = 19.3714;

/** A ring in which nobody knows where he is: whoever comes to state 0 is paid and put somewhere. Its bounds take for ever to meet. */
function maze(): string {
  const size = 40;
  const lines = [`discount: 0.98\nstates: ${size}\nactions: back stay on\nobservations: wall way`];
  for (let s = 0; s < size; s++) {
    lines.push(`O: * : ${s}\n${s % 7 === 0 || s % 11 === 3 ? '0.85 0.15' : '0.2 0.8'}`);
    if (s > 0) for (const [a, step] of [-1, 0, 1].entries()) lines.push(`T: ${a} : ${s} : ${s} 0.2\nT: ${a} : ${s} : ${(s + step) % size} ${step === 0 ? 1 : 0.8}`);
  }
  return `${lines.join('\n')}\nT: * : 0 uniform\nR: * : 0 : * : * 1\n`;
}

function file(name: string, text: string): string {
  const path = join(scratch(), name);
  writeFileSync(path, text);
  return path;
}

const thrown = (call: () => unknown): TiresiasError => {
  try {
    call();
  } catch (error) {
    if (error instanceof TiresiasError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('a model file', () => {
  it('is read by its path or as a text, with its warnings', () => {
    const { model, format, warnings } = Model.fromFile(file('tiger.pomdp', TIGER));
    expect([model.name, model.kind, model.states, model.actions, model.observations, format, warnings]).toEqual(['tiger', 'pomdp', 2, 3, 2, 'pomdp', []]);
    const rough = Model.parse(TIGER.replace('0.85 0.15', '0.85 0.150004'), { name: 'rough.pomdp', horizon: 3 });
    expect(rough.model.horizon).toBe(3);
    expect(rough.warnings).toMatchObject([{ file: 'rough.pomdp', text: expect.stringContaining('warning') }]);
    const back = Model.parse(model.toPomdp(), { format: 'pomdp', name: 'tiger' });
    expect(back.model.sha256()).toBe(model.sha256());
    expect(model.observedParts()).toBe(1);
  });

  it('that is wrong says where, as fields too', () => {
    const path = file('broken.pomdp', TIGER.replace('T: open-left uniform', 'T: open-lft uniform'));
    const error = thrown(() => Model.fromFile(path));
    expect(error).toMatchObject({ code: 'INVALID_MODEL_FILE', exitCode: 2, details: { file: path, line: 6, column: 4 } });
    expect(error.message).toContain('open-lft');
    expect(thrown(() => Model.fromFile('/nonexistent/m.pomdp')).code).toBe('FILE_NOT_FOUND');
    expect(thrown(() => Model.parse(TIGER, { format: 'xml' as 'json' })).code).toBe('INVALID_ARGUMENT');
  });
});

describe('a policy', () => {
  it('of α-vectors is written, read and simulated: the interval holds the value', async () => {
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
    const solution = solveSync(model, { gap: 1e-3, solver: 'point' });
    expect(Math.abs(solution.value - VALUE)).toBeLessThan(2e-3);
    for (const format of ['alpha', 'sarsop'] as const) {
      const policy = AlphaPolicy.parse(solution.alphaPolicy().write(format), model);
      expect(policy.value(model.start())).toBeGreaterThanOrEqual(solution.lower - 1e-9);
      expect([[0.5, 0.5], [0.99, 0.01], [0.01, 0.99]].map((belief) => policy.action(Float64Array.from(belief)))).toEqual([0, 2, 1]);
      const result = await simulate(model, policy, { episodes: 20_000, seed: 1 });
      expect(result.low + result.truncationLow).toBeLessThan(VALUE);
      expect(result.high + result.truncationHigh).toBeGreaterThan(VALUE);
      expect(await simulate(model, policy, { episodes: 20_000, seed: 1, threads: 1 })).toMatchObject({ mean: result.mean });
    }
    const own = await simulate(model, solution, { episodes: 20_000, seed: 2 });
    expect(own.low + own.truncationLow).toBeLessThan(VALUE);
    expect(own.high + own.truncationHigh).toBeGreaterThan(VALUE);
    // Random actions: a third listens, the doors are worth -45 each on average.
    const random = await simulate(model, 'random', { episodes: 20_000, seed: 3, steps: 100 });
    const expected = ((-1 - 45 - 45) / 3) * ((1 - 0.95 ** 100) / 0.05);
    expect(random.low).toBeLessThan(expected);
    expect(random.high).toBeGreaterThan(expected);
  });

  it('of another model or a broken one is an error', async () => {
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
    expect(thrown(() => AlphaPolicy.parse('0\n1 2 3\n', model))).toMatchObject({ code: 'INVALID_POLICY', message: expect.stringContaining('3 entries, the model has 2 states') });
    expect(thrown(() => AlphaPolicy.parse('0\n1 x\n', model, { name: 'p.alpha' }))).toMatchObject({ code: 'INVALID_POLICY', details: { file: 'p.alpha', line: 2, column: 3 } });
    expect(thrown(() => solveSync(model, { solver: 'faces' }).alphaPolicy()).code).toBe('INVALID_ARGUMENT');
    await expect(simulate(model, {} as 'random', { episodes: 1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const { model: one } = Model.parse('discount: 0.5\nstates: 1\nactions: 1\nobservations: 1\nT: * identity\nO: * uniform\n', { format: 'pomdp' });
    await expect(simulate(one, AlphaPolicy.parse('0\n1 2\n', model), { episodes: 1 })).rejects.toMatchObject({ code: 'INVALID_POLICY' });
  });

  it('of a horizon has vectors for each stage', async () => {
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp', horizon: 3 });
    const solution = solveSync(model, { solver: 'exact' });
    const policy = solution.alphaPolicy();
    expect([policy.horizon, solveSync(Model.parse(TIGER).model, { solver: 'point' }).alphaPolicy().horizon]).toEqual([3, null]);
    for (const format of ['alpha', 'pg'] as const) {
      expect(thrown(() => policy.write(format))).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('writeStages') });
      const texts = policy.writeStages(format);
      const read = AlphaPolicy.parse(texts, model, { name: `p.${format}` });
      expect(read.value(model.start())).toBeCloseTo(solution.lower, 9);
      // With one decision to go, who has heard the tiger twice on one side opens the other door.
      expect([read.action(Float64Array.from([0.97, 0.03]), 2), read.action(model.start(), 0)]).toEqual([2, 0]);
      expect(thrown(() => read.action(model.start(), 3)).code).toBe('INVALID_ARGUMENT');
      const { low, high } = await simulate(model, read, { episodes: 20_000, seed: 4 });
      expect([low < solution.upper + 0.2, high > solution.lower - 0.2]).toEqual([true, true]);
      expect(thrown(() => AlphaPolicy.parse(texts.slice(1), model, { format }))).toMatchObject({ code: 'INVALID_POLICY', message: expect.stringContaining('2 stages, the model has a horizon of 3') });
    }
    expect(thrown(() => policy.writeStages('sarsop')).code).toBe('INVALID_ARGUMENT');
  });

  it('is saved with the reason for which the solver stopped', async () => {
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
    for (const [options, stopped] of [[{ gap: 1 }, 'converged'], [{ gap: 0, timeSeconds: 0 }, 'time'], [{ gap: 0, memoryBytes: 1 }, 'memory']] as const) {
      const solution = solveSync(model, { solver: 'point', ...options });
      const { lower, upper, seconds, iterations, size, solver } = solution;
      expect(loadPolicy(solution.savePolicy(), model)).toMatchObject({ stopped, lower, upper, seconds, iterations, size, solver });
    }
  });

  it('that a stop leaves is the best so far', async () => {
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
    const solution = await solve(model, { gap: 0, solver: 'point', stop: AbortSignal.abort() });
    expect(solution.stopped).toBe('cancelled');
    expect(solution.lower).toBeLessThan(VALUE);
    expect(solution.upper).toBeGreaterThan(VALUE);
  });
});

describe('check', () => {
  it('sums up what is in a file', async () => {
    const path = file('tiger.pomdp', TIGER);
    const { code, stdout, stderr } = await tiresias(['check', path]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/pomdp: 2 states, 3 actions, 2 observations, discount 0\.95\nobserved part +none\nwarnings +none/);
    expect(JSON.parse((await tiresias(['check', path, '--json'])).stdout)).toMatchObject([{ file: path, ok: true, kind: 'pomdp', observedParts: 1, warnings: [] }]);
  });

  it('shows every fault on standard error and ends with its code', async () => {
    const good = file('good.pomdp', TIGER);
    const bad = file('bad.pomdp', TIGER.replace('R: listen', 'R: lissen'));
    const { code, stdout, stderr } = await tiresias(['check', bad, good]);
    expect([code, stdout]).toEqual([2, expect.stringContaining('good.pomdp')]);
    expect(stderr).toMatch(/^error: [^\n]*lissen[^]*bad\.pomdp:13:4/);
    expect((await tiresias(['check', '/nonexistent.pomdp'])).code).toBe(4);
  });

  it('lets warnings pass, but not with --strict', async () => {
    const path = file('rough.pomdp', TIGER.replace('0.85 0.15', '0.85 0.150004'));
    const lenient = await tiresias(['check', path]);
    expect([lenient.code, lenient.stderr]).toEqual([0, expect.stringContaining('warning')]);
    expect((await tiresias(['check', path, '--strict'])).code).toBe(2);
  });

  it('asks for a horizon where the discount is 1', async () => {
    const path = file('sum.pomdp', TIGER.replace('0.95', '1'));
    const { code, stderr } = await tiresias(['solve', path]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--horizon')]);
    expect((await tiresias(['check', path, '--horizon', '3'])).code).toBe(0);
  });
});

describe('convert', () => {
  it('goes from .pomdp to JSON and back', async () => {
    const folder = scratch();
    const path = file('tiger.pomdp', TIGER);
    const [json, back] = [join(folder, 'tiger.json'), join(folder, 'back')];
    expect((await tiresias(['convert', path, json])).code).toBe(0);
    const { sha256 } = JSON.parse((await tiresias(['convert', json, back, '--to', 'pomdp', '--json'])).stdout) as { sha256: string };
    expect(sha256).toBe(Model.fromFile(path).model.sha256());
    expect(Model.parse(readFileSync(back, 'utf8'), { name: 'tiger' }).model.sha256()).toBe(sha256);
    expect((await tiresias(['convert', path, join(folder, 'tiger.xyz')])).code).toBe(2);
  });
});

describe('solve and simulate', () => {
  it('hand on a policy in every format', async () => {
    const folder = scratch();
    const path = file('tiger.pomdp', TIGER);
    for (const name of ['p.alpha', 'p.pg', 'p.policy', 'p.tiresias']) {
      const out = join(folder, name);
      const plot = join(folder, 'bounds.svg');
      const solved = await tiresias(['solve', path, '--gap', '0.001', '--policy-out', out, '--bounds-plot', plot, '--json']);
      expect(solved.code, solved.stderr).toBe(0);
      const json = JSON.parse(solved.stdout) as { lower: number; upper: number; phases: Record<string, number>; seconds: number };
      expect(json).toMatchObject({ stopped: 'converged', policy: out, policyFiles: [out], boundsPlot: plot });
      expect(json.lower).toBeLessThanOrEqual(VALUE + 1e-4);
      expect(json.upper).toBeGreaterThanOrEqual(VALUE - 1e-4);
      expect(json.phases['init']! + json.phases['solve']!).toBeCloseTo(json.seconds, 9);
      expect(readFileSync(plot, 'utf8')).toMatch(/^<svg[^]*econds since the solve began[^]*<\/svg>\n$/);
      const simulated = await tiresias(['simulate', path, '--policy', out, '--episodes', '5000', '--json']);
      expect(simulated.code, simulated.stderr).toBe(0);
      const { meanReturnCi95: [low, high], truncation } = JSON.parse(simulated.stdout) as { meanReturnCi95: [number, number]; truncation: [number, number] };
      expect(low + truncation[0]).toBeLessThan(VALUE);
      expect(high + truncation[1]).toBeGreaterThan(VALUE);
    }
    expect((await tiresias(['simulate', path, '--policy', 'random', '--episodes', '100', '--steps', '5'])).stdout).toMatch(/mean return .*95 % interval/);
    const missing = await tiresias(['simulate', path, '--policy', join(folder, 'none.alpha')]);
    expect(missing.code).toBe(4);
  });

  it('stop a simulation at Ctrl-C, of which nothing stays', async () => {
    let killed = false;
    const { code, stdout, stderr } = await tiresias(['simulate', file('tiger.pomdp', TIGER), '--policy', 'random', '--episodes', '100000000'], {
      onStderr: (text, kill) => {
        if (killed || !text.includes('episodes')) return;
        killed = true;
        kill('SIGINT');
      },
    });
    expect([code, stdout, stderr]).toEqual([130, '', expect.stringContaining('stopped by SIGINT')]);
    expect(stderr).not.toContain('what is finished stays');
  });

  it('refuse a policy file that is too large to be read', async () => {
    const path = join(scratch(), 'p.alpha');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 31);
    const { code, stderr } = await tiresias(['simulate', file('tiger.pomdp', TIGER), '--policy', path]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('2147483648 bytes are more than')]);
  });

  it('hand on the policies of a horizon, a file a stage', async () => {
    const folder = scratch();
    const path = file('tiger.pomdp', TIGER);
    for (const [name, solver] of [['p.alpha', 'exact'], ['p.pg', 'point']] as const) {
      const out = join(folder, name);
      const solved = await tiresias(['solve', path, '--horizon', '3', '--solver', solver, '--policy-out', out, '--json']);
      expect(solved.code, solved.stderr).toBe(0);
      expect(JSON.parse(solved.stdout)).toMatchObject({ policyFiles: [1, 2, 3].map((stage) => `${out}${stage}`) });
      const simulated = await tiresias(['simulate', path, '--horizon', '3', '--policy', out, '--episodes', '5000', '--json']);
      expect(simulated.code, simulated.stderr).toBe(0);
      const { meanReturnCi95: [low, high] } = JSON.parse(simulated.stdout) as { meanReturnCi95: [number, number] };
      const { lower, upper } = JSON.parse(solved.stdout) as { lower: number; upper: number };
      expect([low < upper + 0.3, high > lower - 0.3]).toEqual([true, true]);
    }
    // Listening twice and then opening is worth -1 - 0.95 plus what opening brings; a graph says the same as the vectors.
    const values = [];
    for (const [from, to] of [['p.alpha', 'q.pg'], ['q.pg', 'q.alpha']] as const) {
      const { code, stdout, stderr } = await tiresias(['convert', join(folder, from), join(folder, to), '--model', path, '--horizon', '3', '--json']);
      expect(code, stderr).toBe(0);
      values.push((JSON.parse(stdout) as { valueAtStart: number }).valueAtStart);
    }
    const [solution] = [solveSync(Model.fromFile(path, { horizon: 3 }).model, { solver: 'exact' })];
    for (const value of values) expect(value).toBeCloseTo(solution.lower, 9);
    const appl = await tiresias(['solve', path, '--horizon', '3', '--policy-out', join(folder, 'p.policy')]);
    expect([appl.code, appl.stderr]).toEqual([2, expect.stringContaining('one policy for all stages')]);
    const mdp = await tiresias(['solve', '--family', 'energy', '--policy-out', join(folder, 'p.alpha')]);
    expect([mdp.code, mdp.stderr]).toEqual([2, expect.stringContaining('a policy of a POMDP')]);
  });

  it('keep what was solved where a format cannot hold it', async () => {
    const out = join(scratch(), 'p.alpha');
    const { code, stderr } = await tiresias(['solve', file('tiger.pomdp', TIGER), '--solver', 'faces', '--policy-out', out]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`${out}.tiresias holds the policy`)]);
    expect(loadPolicy(readFileSync(`${out}.tiresias`), Model.parse(TIGER, { name: 'tiger.pomdp' }).model).solver).toBe('faces');
  });

  it('keep the best vectors at Ctrl-C, and say so', async () => {
    const folder = scratch();
    // Nothing stops this one but a signal.
    const path = file('maze.pomdp', maze());
    for (const name of ['p.alpha', 'p.tiresias']) {
      const out = join(folder, name);
      let killed = false;
      const { code, stdout, stderr } = await tiresias(['solve', path, '--solver', 'point', '--gap', '0', '--policy-out', out], {
        onStderr: (text, kill) => {
          if (killed || !text.includes('value in')) return;
          killed = true;
          kill('SIGINT');
        },
      });
      expect([code, stdout, stderr]).toEqual([130, expect.stringMatching(/stopped +cancelled/), expect.stringContaining('best policy so far')]);
      const { model } = Model.fromFile(path);
      if (name === 'p.alpha') {
        expect(AlphaPolicy.parse(readFileSync(out, 'utf8'), model, { name: out }).size).toBeGreaterThan(0);
      } else {
        const { stopped, lower, upper, seconds } = loadPolicy(readFileSync(out), model);
        expect(stopped).toBe('cancelled');
        expect(seconds).toBeGreaterThan(0);
        expect(lower).toBeLessThan(upper);
      }
    }
  });

  it('keep the best policy at Ctrl-C', async () => {
    const out = join(scratch(), 'policy');
    const args = ['solve', '--family', 'energy', '--regime', 'apomdp', '--horizon', '40', '--gap', '0', '--time', '60', '--policy-out', out];
    let killed = false;
    const { code, stdout, stderr } = await tiresias(args, {
      onStderr: (text, kill) => {
        if (killed || !text.includes('value in')) return;
        killed = true;
        kill('SIGINT');
      },
    });
    expect([code, stdout, stderr]).toEqual([130, expect.stringMatching(/stopped +cancelled/), expect.stringContaining('best policy so far')]);
    const { model } = drawTask('energy', { index: 0, regime: 'apomdp', horizon: 40 });
    expect(loadPolicy(readFileSync(out), model).lower).toBeLessThanOrEqual(loadPolicy(readFileSync(out), model).upper);
  });
});
