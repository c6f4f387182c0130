// What everything that reads a file promises: the beginning of a text decides its format, a byte-order mark is passed over, rows may be
// off by 1e-5.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AlphaPolicy, Model, Tokenizer, loadPolicy, solve } from '../src/index.js';
import { loadExperiment } from '../src/experiment.js';
import { readJson, readText } from '../src/files.js';
import { firstFault, parseJson, unmarked } from '../src/json.js';
import { root, scratch, tiresias } from './support.js';

const MARK = '\ufeff';
const TIGER = `discount: 0.95
states: left right
actions: listen open-left open-right
observations: hear-left hear-right
T: listen identity
T: open-left uniform
T: open-right uniform
O: listen 0.85 0.15 0.15 0.85
O: open-left uniform
O: open-right uniform
R: listen : * : * : * -1
R: open-left : left : * : * -100
R: open-left : right : * : * 10
R: open-right : left : * : * 10
R: open-right : right : * : * -100
`;

describe('a byte-order mark is passed over', () => {
  it('in texts and JSON, once', async () => {
    const folder = scratch();
    const file = join(folder, 'a.json');
    writeFileSync(file, `${MARK}{"a":1}`);
    expect([unmarked(`${MARK}a`), unmarked('a'), unmarked(`${MARK}${MARK}a`)]).toEqual(['a', 'a', `${MARK}a`]);
    expect(await readText(file)).toBe('{"a":1}');
    expect(await readJson(file)).toEqual({ a: 1 });
    expect(parseJson(`${MARK}[1]`, 'a')).toEqual([1]);
    // The column is that of the text without its mark.
    expect(() => parseJson(`${MARK}[1,]`, 'a')).toThrow(/a:1:4/);
    expect(firstFault('[1,]').offset).toBe(3);
  });

  it('in experiments', async () => {
    const file = join(scratch(), 'experiment.json');
    const plain = join(root, 'experiments', 'quickstart.json');
    writeFileSync(file, `${MARK}${readFileSync(plain, 'utf8')}`);
    expect(await loadExperiment(file)).toEqual(await loadExperiment(plain));
  });

  it('in models of every format and in policies of every format', async () => {
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
    for (const text of [TIGER, model.toJson()]) expect(Model.parse(`${MARK}${text}`, { name: 'x' }).model.start()).toEqual(model.start());
    const solution = await solve(model, { gap: 1 });
    for (const format of ['alpha', 'pg', 'sarsop'] as const) {
      const text = solution.alphaPolicy().write(format);
      const [plain, marked] = [text, `${MARK}${text}`].map((text) => AlphaPolicy.parse(text, model, { name: 'p' }));
      expect(marked!.value(model.start()), format).toBe(plain!.value(model.start()));
    }
    const marked = Buffer.concat([Buffer.from(MARK), solution.savePolicy()]);
    expect(loadPolicy(marked, model).lower).toBe(solution.lower);
  });

  it('in a tokenizer', () => {
    const folder = join(scratch(), 'tokenizer');
    mkdirSync(folder);
    const file = join(folder, 'tokenizer.json');
    const model = { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
    writeFileSync(file, `${MARK}${JSON.stringify({ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model })}`);
    expect([...Tokenizer.fromJson(file).encode('aba')]).toEqual([2, 0]);
  });
});

describe('the beginning of a text decides its format', () => {
  it('for models, whatever they are called; --format settles it', async () => {
    const folder = scratch();
    const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
    for (const [text, format] of [[TIGER, 'pomdp'], [model.toJson(), 'json']] as const) {
      const files = ['a.pomdp', 'a.json', 'a.pomdpx', 'a.txt'].map((name) => join(folder, `${format}-${name}`));
      files.forEach((file) => writeFileSync(file, text));
      const { code, stdout } = await tiresias(['check', ...files, '--json']);
      expect(code).toBe(0);
      expect((JSON.parse(stdout) as { format: string }[]).map((report) => report.format)).toEqual(files.map(() => format));
    }
    const open = join(folder, 'open.txt');
    writeFileSync(open, TIGER);
    const wrong = await tiresias(['check', open, '--format', 'json']);
    expect(wrong.code).not.toBe(0);
    expect(wrong.stderr).toContain('not a model in JSON');
    for (const command of [['solve', open, '--gap', '5'], ['rollout', open, '--behaviour', 'random', '--horizon', '2'], ['convert', open, join(folder, 'out.json')], ['simulate', open, '--policy', 'random', '--episodes', '10']]) {
      expect((await tiresias([...command, '--format', 'pomdp'])).code, command[0]).toBe(0);
      expect((await tiresias([...command, '--format', 'pomdpx'])).stderr, command[0]).toContain('XML');
    }
    expect((await tiresias(['solve', '--family', 'energy', '--format', 'json'])).stderr).toContain('only for model files');
  });

  it('for policies; --policy-format settles it', async () => {
    const folder = scratch();
    const file = join(folder, 'tiger.pomdp');
    writeFileSync(file, TIGER);
    const { model } = Model.fromFile(file);
    const solution = await solve(model, { gap: 1 });
    const texts = { alpha: solution.alphaPolicy().write('alpha'), sarsop: solution.alphaPolicy().write('sarsop'), tiresias: solution.savePolicy() };
    for (const [format, text] of Object.entries(texts)) {
      for (const suffix of ['alpha', 'pg', 'xml', 'json']) {
        const policy = join(folder, `${format}.${suffix}`);
        writeFileSync(policy, text);
        const simulate = ['simulate', file, '--policy', policy, '--episodes', '10'];
        expect((await tiresias(simulate)).code, `${format} as .${suffix}`).toBe(0);
        if (suffix === 'json') expect((await tiresias([...simulate, '--policy-format', format])).code).toBe(0);
      }
    }
    const policy = join(folder, 'alpha.alpha');
    expect((await tiresias(['simulate', file, '--policy', policy, '--policy-format', 'tiresias', '--episodes', '10'])).code).not.toBe(0);
    expect((await tiresias(['convert', file, join(folder, 'x.json'), '--policy-format', 'pg'])).stderr).toContain('--model');
  });
});

it('a belief off by rounding is divided by its sum, as a row of a file is', async () => {
  const { model } = Model.parse(TIGER, { name: 'tiger.pomdp' });
  const policy = await solve(model, { gap: 1 });
  const third = Float64Array.of(0.33334, 0.66667);
  const exact = third.map((p) => p / (0.33334 + 0.66667));
  expect([...policy.bounds(0, third)]).toEqual([...policy.bounds(0, exact)]);
  expect(() => policy.bounds(0, Float64Array.of(0.33335, 0.66667))).toThrow(/sums to 1.00002, not 1/);
  expect(() => policy.bounds(0, Float64Array.of(-0.5, 1.5))).toThrow(/not a probability/);
});
