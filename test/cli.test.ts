// The command line, end to end, as people use it.
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Model, classicModel, drawTask, loadPolicy, solveSync } from '../src/index.js';
import { digits } from '../src/cli/common.js';
import { baseModel, root, scratch, tiresias } from './support.js';

const COMMANDS = ['families', 'check', 'convert', 'solve', 'simulate', 'import', 'fit', 'off-policy', 'rollout', 'dataset make', 'dataset verify', 'dataset stats', 'dataset show', 'train', 'evaluate', 'report', 'run', 'doctor', 'setup peft'];

describe('help', () => {
  it.each(COMMANDS)('of %s shows an example, and the common options that mean something to it', async (command) => {
    const { code, stdout } = await tiresias([...command.split(' '), '--help']);
    expect(code).toBe(0);
    for (const part of ['Example', `$ tiresias ${command}`, '--json']) expect(stdout).toContain(part);
    const draws = ['solve', 'simulate', 'import', 'fit', 'off-policy', 'rollout', 'dataset make', 'train', 'evaluate', 'run'].includes(command);
    expect([stdout.includes('--seed'), stdout.includes('--threads')]).toEqual([draws, draws || command === 'dataset stats']);
  });

  it('lists the commands, and the version is the package’s', async () => {
    const { stdout } = await tiresias(['--help']);
    for (const command of COMMANDS) expect(stdout).toContain(command.split(' ')[0]);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect((await tiresias(['--version'])).stdout.trim()).toBe(version);
  });
});

describe('a wrong command line', () => {
  it.each([
    ['an unknown command', ['slove'], /unknown command 'slove'[^]*solve/],
    ['an unknown subcommand', ['dataset', 'mkae'], /unknown command 'mkae'/],
    ['an unknown option', ['solve', '--gpa', '1'], /unknown option '--gpa'/],
    ['no number', ['solve', '--gap', 'small'], /expected a number/],
    ['a negative count', ['rollout', '--episodes', '-1'], /whole number|argument missing/],
    ['no threads', ['solve', '--threads', '0'], /at least 1/],
    ['no model', ['solve'], /--family/],
    ['two models', ['solve', 'model.json', '--family', 'energy'], /not both/],
    ['a missing option', ['dataset', 'make'], /--out/],
    ['a missing argument', ['report'], /results/],
    ['an unknown family', ['solve', '--family', 'enrgy'], /energy/],
    ['an unknown split', ['solve', '--family', 'energy', '--split', 'tset'], /tset/],
    ['an unknown regime', ['solve', '--family', 'energy', '--regime', 'fomdp'], /mdp/],
    ['an unknown behaviour', ['rollout', '--family', 'energy', '--behaviour', 'greedy'], /greedy/],
    ['an unknown regime of a dataset', ['dataset', 'make', '--regime', 'fomdp', '--out', '/nonexistent'], /\$\.regimes\[0\]/],
  ])('with %s ends with 2 and a message', async (_, args, message) => {
    const { code, stdout, stderr } = await tiresias(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it('with --json is a document too', async () => {
    for (const [args, message] of [[['solve', '--gpa', '1', '--json'], "unknown option '--gpa'"], [['report', '--json'], "missing required argument 'results'"]] as const) {
      const { code, stdout, stderr } = await tiresias([...args]);
      expect(code).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE', message: expect.stringContaining(message), details: {}, exit: 2 } });
      expect(stderr).toContain(message);
    }
    expect((await tiresias(['solve', '--help', '--json'])).stdout).not.toContain('"error"');
  });

  it.each([['--split', 'test'], ['--index', '0'], ['--regime', 'mdp'], ['--models', '3']])('with %s for a model file ends with 2', async (option, value) => {
    for (const command of ['solve', 'rollout']) {
      const { code, stdout, stderr } = await tiresias([command, 'model.json', option, value]);
      expect([code, stdout, stderr]).toEqual([2, '', `error: ${option}: only for a task drawn with --family, not for a model file\n`]);
    }
  });

  it('without a command ends with 2 and the help', async () => {
    const { code, stderr } = await tiresias([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: tiresias');
  });
});

describe('bad input', () => {
  async function withModel(change: (text: string) => string, args: string[] = []): ReturnType<typeof tiresias> {
    const file = join(scratch(), 'model.json');
    writeFileSync(file, change(drawTask('energy', { index: 0, regime: 'pomdp' }).model.toJson()));
    return tiresias(['solve', file, ...args]);
  }

  it('of bad JSON shows line and column', async () => {
    const { code, stderr } = await withModel(() => '{\n  "schema": oops\n}');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: not a model in JSON: expected value\n +--> [^\n]*model\.json:2:13\n[^]*2 \| {3}"schema": oops\n/);
  });

  it('of a row that does not sum to 1 names the row', async () => {
    const { code, stderr } = await withModel((text) => {
      const model = JSON.parse(text) as { dynamics: [{ transition: Record<string, number>[][] }] };
      const row = model.dynamics[0].transition[0]![3]!;
      row[Object.keys(row)[0]!]! += 0.25;
      return JSON.stringify(model);
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/harvest[^\n]*3[^\n]*sums to 1\.25/);
  });

  it('with --json is a document too', async () => {
    const { code, stdout } = await withModel(() => '[', ['--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INVALID_MODEL_FILE', exit: 2, details: { line: 1, column: 2 } } });
  });

  it('of a model that is nested without end, or marked by its editor, is refused or read', async () => {
    const deep = await withModel(() => '['.repeat(1_000_000));
    expect(deep.code).toBe(2);
    expect(deep.stderr).toMatch(/^error: not a model in JSON/);
    const marked = await withModel((text) => `\uFEFF${text}`);
    expect([marked.code, marked.stdout]).toEqual([0, expect.stringContaining('value')]);
  });

  it('of a missing file names it', async () => {
    const { code, stderr } = await tiresias(['solve', '/nonexistent/model.json']);
    expect(code).toBe(4);
    expect(stderr).toBe('error: could not read /nonexistent/model.json: no such file or folder\n');
  });

  it('of an experiment names every path', async () => {
    const file = join(scratch(), 'e.json');
    writeFileSync(file, JSON.stringify({ schema: 'tiresias.experiment/1', name: 'x', horizon: -1, training: { stpes: 1 } }));
    const { code, stderr } = await tiresias(['run', '-c', file]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/\$\.horizon: .*\n.*\$\.training\.stpes: is not a known field/);
  });

  const withBase = async (base: string) => {
    const folder = scratch();
    const file = join(folder, 'e.json');
    writeFileSync(file, JSON.stringify({ schema: 'tiresias.experiment/1', name: 'x', base: { path: base } }));
    const result = await tiresias(['run', '-c', file, '-o', join(folder, 'run')]);
    expect(existsSync(join(folder, 'run', 'results.json'))).toBe(false);
    return result;
  };

  it('of a missing or corrupt base model ends with 3', async () => {
    const folder = scratch();
    const missing = await withBase(join(folder, 'none.gguf'));
    expect([missing.code, missing.stderr]).toEqual([3, expect.stringContaining('no base model at')]);
    writeFileSync(join(folder, 'text.gguf'), 'not a model');
    const text = await withBase(join(folder, 'text.gguf'));
    expect([text.code, text.stderr]).toEqual([3, expect.stringContaining('not a GGUF file')]);
    copyFileSync(baseModel(), join(folder, 'short.gguf'));
    truncateSync(join(folder, 'short.gguf'), 5000);
    const short = await withBase(join(folder, 'short.gguf'));
    expect(short.code, short.stderr).toBe(3);
    expect(short.stderr).toContain('short.gguf');
  });

  it('of results that are none ends with 2', async () => {
    const file = join(scratch(), 'results.json');
    writeFileSync(file, '{"schema":"tiresias.results/1"}');
    const { code, stderr } = await tiresias(['report', file]);
    expect(code).toBe(2);
    expect(stderr).toContain('its first member is not the seal');
  });
});

describe('an output', () => {
  it('that takes nothing more is told in words', async () => {
    const { code, stderr } = await tiresias(['families'], { shell: 'exec 1>/dev/full' });
    expect([code, stderr]).toEqual([4, expect.stringMatching(/^error: could not write to standard output: the disk is full[^\n]*\n$/)]);
  });

  it('whose reader has gone ends the command without a word', async () => {
    expect(await tiresias(['families'], { shell: 'exec 4> >(:); wait $!; exec 1>&4' })).toMatchObject({ code: 141, stderr: '' });
  });

  it('that cannot be written is known before anything is solved', async () => {
    const folder = scratch();
    for (const [out, problem] of [[folder, 'it is a folder'], ['/proc/p.alpha', 'could not write /proc/p.alpha']] as const) {
      const { code, stdout, stderr } = await tiresias(['solve', 'tiger', '--policy-out', out]);
      expect([code, stdout, stderr]).toEqual([4, '', expect.stringContaining(problem)]);
      expect(stderr).not.toContain('value in');
    }
  });
});

describe('families', () => {
  it('lists them for people and for programs', async () => {
    expect((await tiresias(['families'])).stdout).toMatch(/^energy: [^]*train[^]*test[^]*ood-horizon/);
    const all = JSON.parse((await tiresias(['families', '--json'])).stdout) as { families: { name: string }[]; classics: { name: string }[] };
    expect(all.families[0]).toMatchObject({ name: 'energy', splits: expect.arrayContaining([expect.objectContaining({ name: 'ood-horizon' })]) });
    expect(all.classics).toContainEqual(expect.objectContaining({ name: 'tiger', parameters: '' }));
  });
});

describe('solve', () => {
  it('gives bounds, the first action, the values of all actions, and why it stopped', async () => {
    const args = ['solve', '--family', 'energy', '--split', 'test', '--index', '3', '--regime', 'pomdp', '--horizon', '5'];
    const { stdout } = await tiresias(args);
    expect(stdout).toMatch(/model +energy test 3, seed 0 \(pomdp: 10 states, 3 actions, 10 observations, horizon 5, discount [\d.]+\)/);
    expect(stdout).toMatch(/first action +(harvest|conserve|perform)/);
    expect(stdout).toMatch(/stopped +converged/);
    const json = JSON.parse((await tiresias([...args, '--json'])).stdout) as Record<string, number & { index: number }>;
    expect(json['lower']).toBeLessThanOrEqual(json['upper']!);
    expect(json['qValues']).toHaveLength(3);
    expect(json).toMatchObject({ stopped: 'converged', model: { kind: 'pomdp' } });
  });

  it('of a file is solving the task it came from, and writes a policy that can be loaded', async () => {
    const folder = scratch();
    const { model } = drawTask('energy', { split: 'test', index: 3, seed: 4, regime: 'mdp', horizon: 6 });
    writeFileSync(join(folder, 'm.json'), model.toJson());
    const policy = join(folder, 'policy');
    const file = JSON.parse((await tiresias(['solve', join(folder, 'm.json'), '--json', '--policy-out', policy])).stdout) as { value: number; byState: { state: number; action: number }[] };
    const drawn = JSON.parse((await tiresias(['solve', '--family', 'energy', '--split', 'test', '--index', '3', '--seed', '4', '--horizon', '6', '--json'])).stdout) as { value: number };
    expect(file.value).toBe(drawn.value);
    const loaded = loadPolicy(readFileSync(policy), Model.fromJson(model.toJson()));
    const at = (state: number) => Float64Array.from({ length: model.states }, (_, s) => Number(s === state));
    expect(file.byState).toHaveLength(10);
    for (const { state, action } of file.byState) expect(loaded.action(0, at(state))).toBe(action);
    const longer = JSON.parse((await tiresias(['solve', join(folder, 'm.json'), '--json', '--horizon', '9'])).stdout) as { value: number };
    expect(longer.value).not.toBe(file.value);
  });

  it('names no one first action where the first state is drawn and seen, and no regret of 0 that is false', async () => {
    const folder = scratch();
    const file = join(folder, 'two-rooms.mdp');
    // In each room one action pays 1 and the other costs 1, for ever: 10 to who sees the room, 9 to who has to guess once.
    const text = (start: string) => `discount: 0.9\nvalues: reward\nstates: left right\nactions: go-left go-right\nstart: ${start}\nT: *\nidentity\n`
      + 'R: go-left : left : * 1\nR: go-left : right : * -1\nR: go-right : left : * -1\nR: go-right : right : * 1\n';
    writeFileSync(file, text('0.25 0.75'));
    const { stdout } = await tiresias(['solve', file]);
    expect(stdout).toMatch(/first action +depends on the state: right go-right, left go-left \(loses at most 0\)/);
    expect(stdout).not.toContain('action values');
    expect((await tiresias(['solve', file, '--explain'])).stdout).toContain('What it does first depends on the state');
    const json = JSON.parse((await tiresias(['solve', file, '--explain', '--json'])).stdout) as Record<string, unknown> & { lower: number; upper: number; explanation: { drawn: boolean; actions: { upper: number; regretBound: number }[] } };
    expect(json).toMatchObject({ action: null, qValues: null, byState: [{ name: 'right', probability: 0.75, actionName: 'go-right', regretBound: 0 }, { name: 'left', actionName: 'go-left' }] });
    expect([json.lower, json.upper]).toEqual([expect.closeTo(10, 6), expect.closeTo(10, 6)]);
    const { model } = Model.fromFile(file);
    const solution = solveSync(model);
    const start = model.start();
    // Right three times of four: 9.5 by the first guess that is mostly right, 8.5 by the other.
    const near = (numbers: ArrayLike<number>) => Array.from(numbers, (value) => expect.closeTo(value, 2) as unknown);
    expect([...solution.qValues(0, start)]).toEqual(near([8.5, 9.5]));
    expect([...solution.bounds(0, start)]).toEqual(near([9.5, 9.5]));
    expect([...solution.informedBounds(0, start)]).toEqual(near([10, 10]));
    expect([0, 1].map((action) => solution.regretBound(0, start, action))).toEqual(near([1, 0]));
    expect(json.explanation.actions.map(({ regretBound }) => regretBound)).toEqual(near([1, 0]));
    expect(json.explanation.drawn).toBe(true);
    writeFileSync(file, text('left'));
    expect((await tiresias(['solve', file])).stdout).toMatch(/first action +go-left \(loses at most 0\)/);
    const hidden = classicModel('tiger');
    expect(() => solveSync(hidden, { horizon: 2 }).informedBounds(0, hidden.start())).toThrow(/seen before the decision/);
  });

  it('takes the ambiguity attitude of a file, or another one', async () => {
    const file = join(scratch(), 'm.json');
    const drawn = (alpha: number) => drawTask('energy', { index: 1, regime: 'apomdp', horizon: 3, alpha }).model;
    writeFileSync(file, drawn(0.25).toJson());
    for (const command of ['solve', 'rollout']) {
      const hash = async (...args: string[]) => (JSON.parse((await tiresias([command, file, '--json', ...args])).stdout) as { model: { sha256: string } }).model.sha256;
      expect(await hash()).toBe(drawn(0.25).sha256());
      expect(await hash('--alpha', '0.75')).toBe(drawn(0.75).sha256());
    }
    const shown = await tiresias(['solve', file, '--alpha', '0.75']);
    expect(shown.stdout).toContain('alpha 0.75, horizon 3');
  });

  it('shows a zero as one, and no small bound as a zero', async () => {
    const args = ['solve', '--family', 'energy', '--regime', 'mdp', '--horizon', '3'];
    const { gap, byState: states } = JSON.parse((await tiresias([...args, '--json'])).stdout) as { gap: number; byState: { regretBound: number }[] };
    const { stdout } = await tiresias(args);
    const shown = [/gap (\S+)/, /loses at most (\S+)\)/].map((pattern) => pattern.exec(stdout)![1]!);
    expect(shown).toEqual([gap, Math.max(...states.map(({ regretBound }) => regretBound))].map(digits));
    expect(shown).toContain('0');
    expect([1e-12, 0.00123456, 0].map(digits)).toEqual(['1.00e-12', '0.00123', '0']);
  });

  it('stops at its time', async () => {
    const { code, stdout } = await tiresias(['solve', '--family', 'energy', '--regime', 'apomdp', '--horizon', '40', '--gap', '0', '--time', '0.5', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ stopped: 'time' });
  });
});

describe('rollout', () => {
  it('sums up returns with an interval, and writes the episodes', async () => {
    const out = join(scratch(), 'episodes.jsonl');
    const args = ['rollout', '--family', 'energy', '--index', '2', '--regime', 'pomdp', '--horizon', '4', '--episodes', '50', '--seed', '3'];
    const { stdout, code, stderr } = await tiresias([...args, '--behaviour', 'epsilon:0.2', '--out', out, '--json']);
    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout) as { meanReturn: number; meanReturnCi95: [number, number] };
    const rows = readFileSync(out, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { return: number; actions: number[]; rewards: number[] });
    expect(rows).toHaveLength(50);
    for (const row of rows) {
      expect(row.actions).toHaveLength(4);
      expect(row.return).toBeCloseTo(row.rewards.reduce((a, b) => a + b), 9);
    }
    expect(summary.meanReturn).toBeCloseTo(rows.reduce((sum, row) => sum + row.return, 0) / 50, 9);
    expect(summary.meanReturnCi95[0]).toBeLessThan(summary.meanReturn);
    expect((await tiresias([...args, '--behaviour', 'random'])).stdout).toMatch(/mean return .*95 % interval/);
    expect((await tiresias([...args, '--behaviour', 'epsilon:0.2', '--json', '--threads', '1'])).stdout).toContain(String(summary.meanReturn));
  });

  it('knows the natures of an APOMDP', async () => {
    const args = ['rollout', '--family', 'energy', '--regime', 'apomdp', '--horizon', '3', '--episodes', '20', '--json'];
    for (const nature of ['fixed:2', 'resampled', 'adversarial']) expect((await tiresias([...args, '--nature', nature])).code).toBe(0);
    expect((await tiresias([...args, '--nature', 'fixed:3'])).code).toBe(2);
  });
});

describe('dataset', () => {
  it('makes, verifies, sums up and shows', async () => {
    const folder = scratch();
    const file = join(folder, 'e.json');
    writeFileSync(file, JSON.stringify({ schema: 'tiresias.experiment/1', name: 'x', base: { path: baseModel() } }));
    const make = ['dataset', 'make', '-c', file, '--regime', 'mdp', 'pomdp', '--examples', '6', '--horizon', '3', '--out', join(folder, 'data')];
    expect(JSON.parse((await tiresias([...make, '--json'])).stdout)).toMatchObject([{ regime: 'mdp', examples: 6 }, { regime: 'pomdp', examples: 6 }]);
    const mdp = join(folder, 'data', 'mdp');
    expect((await tiresias(['dataset', 'verify', mdp])).stdout).toMatch(/is whole: 1 shards, 6 examples/);
    expect((await tiresias(['dataset', 'stats', mdp])).stdout).toMatch(/examples +6 of 6 tasks/);
    expect((await tiresias(['dataset', 'show', mdp, '--row', '5'])).stdout).toMatch(/^Task 5 of energy, split train, seed 0, as MDP: p_h .*[^]*Query:\n    1\. in state \d+, did /);
    expect((await tiresias(['dataset', 'show', mdp, '--row', '5', '--text'])).stdout).toMatch(/energy train 5.*mdp, horizon 3[^]*mdp\n#\n/);
    const show = JSON.parse((await tiresias(['dataset', 'show', mdp, '--json'])).stdout) as { inputIds: number[]; labels: number[] };
    expect(show.inputIds).toHaveLength(show.labels.length);
    truncateSync(join(mdp, 'data', 'shard-00000.parquet'), 10);
    const damaged = await tiresias(['dataset', 'verify', mdp]);
    expect([damaged.code, damaged.stderr]).toEqual([4, expect.stringMatching(/shard-00000\.parquet is missing or damaged/)]);
    const other = await tiresias([...make, '--seed', '99']);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('another configuration')]);
  });
});

describe('doctor', () => {
  it('finds this machine well', async () => {
    const { code, stdout, stderr } = await tiresias(['doctor']);
    expect(code, stdout + stderr).toBe(0);
    for (const what of ['Node', 'native addon', 'backend candle', 'backend peft', 'Python 3', 'base smollm2-135m-instruct', 'base gemma-3-270m', 'disk space', 'memory']) expect(stdout).toContain(what);
  });

  it('says what is missing and how to get it', async () => {
    const cache = join(scratch(), 'cache');
    mkdirSync(cache);
    const env = { TIRESIAS_CACHE: cache, TIRESIAS_TRAIN: '/nonexistent/tiresias-train', TIRESIAS_PEFT_PYTHON: '/nonexistent/python', TIRESIAS_PYTHON: '/nonexistent/python3' };
    const { code, stdout, stderr } = await tiresias(['doctor'], { env });
    expect(code).toBe(6);
    expect(stderr).toBe('error: missing: backend candle, Python 3 with pip\n');
    expect(stdout).toMatch(/MISSING +backend candle[^]*npm run build:train[^]*note +backend peft[^]*tiresias setup peft[^]*MISSING +Python 3[^]*note +base smollm2-135m-instruct +not in the cache[^]*note +base gemma-3-270m +not in the cache[^]*Gemma Terms/);
    const json = await tiresias(['doctor', '--json'], { env });
    expect(json.code).toBe(6);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false });
  });

  it('sees a damaged model in the cache', async () => {
    const cache = scratch();
    const folder = join(cache, 'models', 'smollm2-135m-instruct');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'SmolLM2-135M-Instruct.Q4_1.gguf'), 'GGUF');
    const { stdout } = await tiresias(['doctor'], { env: { TIRESIAS_CACHE: cache } });
    expect(stdout).toMatch(/note +base smollm2-135m-instruct .*is damaged/);
  });
});
