// Theory studies: which cells a file comes to, that what a reproduced one leaves agrees with itself and with the theory, and that stopping and failing lose nothing.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seal } from '../src/seal.js';
import { reproduce } from '../src/study/reproduce.js';
import { cellsOf, loadStudy, parseStudy, theoryCellsOf } from '../src/study/study.js';
import { theoryCell } from '../src/theory/cell.js';
import { planOf, planText } from '../src/study/plan.js';
import type { StudyResults } from '../src/study/results.js';
import { Markup } from '../src/report/html.js';
import { sheetSvg, wrapped } from '../src/report/sheet.js';
import { PLOTS, theoryFigures } from '../src/theory/figures.js';
import { range, theoryFinding, trainingLengthFinding } from '../src/theory/finding.js';
import { theoryCells } from '../src/theory/cells.js';
import type { TheoryActed, TheoryPoint } from '../src/theory/results.js';
import { parseTheorySetting, type TheorySetting } from '../src/theory/setting.js';
import { looseness, theoryDone } from '../src/theory/settings.js';
import { stepsTable, theoryCsv, theoryLatex, theoryMarkdown } from '../src/theory/tables.js';
import { contents, scratch, tiresias, writtenStudy } from './support.js';

const SETTING = { states: 6, actions: 3, horizon: 3, dimension: 3, pairs: [5, 50], tasks: 8, prompts: 4, gaussianPrompts: 200, training: { steps: 40, batchSize: 32, learningRate: 0.05 }, resamples: 200 };

/** Two spectra by two lengths. */
const small = (change: object = {}) => ({
  schema: 'tiresias.study/1', name: 'tiny', kind: 'theory', question: 'Does it hold?', x: 'N', experiment: SETTING,
  axes: [{ name: 'decay', path: 'decay', values: [0, 1] }, { name: 'N', path: 'trainingLength', values: [4, 40] }],
  budgets: { small: { about: 'Seconds.' } },
  ...change,
});

describe('a theory study file', () => {
  it('comes to settings with the fields of its places, and to no experiments', () => {
    const study = parseStudy(small());
    expect(theoryCellsOf(study, 'small').map(({ name, setting }) => [name, setting.decay, setting.trainingLength, setting.pairs])).toEqual([
      ['decay=0,N=4', 0, 4, [5, 50]], ['decay=0,N=40', 0, 40, [5, 50]], ['decay=1,N=4', 1, 4, [5, 50]], ['decay=1,N=40', 1, 40, [5, 50]],
    ]);
    expect(() => cellsOf(study, 'small')).toThrow(/is of theory/);
    expect(() => theoryCellsOf(parseStudy(small({ kind: 'experiment', experiment: {} })), 'small')).toThrow(/is of experiments/);
  });

  it.each<[string, object, RegExp]>([
    ['a field that is not known', { ...SETTING, dimensions: 3 }, /cell decay=0,N=4 of study tiny[^]*dimensions/],
    ['pairs that do not rise', { ...SETTING, pairs: [5, 5] }, /rising[^]*pairs/],
    ['one feature', { ...SETTING, dimension: 1 }, />=2[^]*dimension/],
    ['one action', { ...SETTING, actions: 1 }, />=2[^]*actions/],
    ['steps that lead nowhere', { ...SETTING, training: { learningRate: 11 } }, /at most 10[^]*training.learningRate/],
    ['more features than pairs', { ...SETTING, states: 1, actions: 2 }, /singular[^]*dimension/],
  ])('with %s is refused by name', async (_, experiment, message) => {
    const { path, folder } = writtenStudy(small({ experiment }));
    await expect(reproduce(path, { folder: join(folder, 'out') })).rejects.toMatchObject({ code: 'INVALID_STUDY', message: expect.stringMatching(message) });
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  it('of this package is valid in every budget', async () => {
    const { study } = await loadStudy('theory');
    for (const budget of ['small', 'medium', 'full']) expect(theoryCellsOf(study, budget).length).toBeGreaterThan(1);
  });
});

describe('a reproduced theory study', () => {
  it('agrees with the theory, and its files with each other, for any number of threads', { timeout: 240_000 }, async () => {
    const { path, folder } = writtenStudy(small());
    const { results, page } = await reproduce(path, { folder: join(folder, 'out'), threads: 1 });
    const done = theoryDone(results);
    expect(done.map(({ places }) => places)).toEqual([{ decay: '0', N: '4' }, { decay: '0', N: '40' }, { decay: '1', N: '4' }, { decay: '1', N: '40' }]);
    for (const { theory } of done) {
      for (const { gaussian, bound, closed } of theory.points) {
        expect(bound.broken).toBe(0);
        expect(Math.abs(gaussian.closed - gaussian.estimation - gaussian.bias)).toBeLessThan(5 * gaussian.closedError);
        expect(closed.gapNorm.value).toBeLessThanOrEqual(closed.advantage);
        expect(closed.advantage).toBeLessThanOrEqual(closed.realised);
        expect(bound.sharp).toBeLessThanOrEqual(bound.total);
      }
      const [few, many] = theory.points as [typeof theory.points[0], typeof theory.points[0]];
      expect(few.error.estimation / many.error.estimation).toBeCloseTo(10, 9);
      expect(few.error.bias).toBe(many.error.bias);
    }
    // With equal eigenvalues no decision hangs on the length of training prompts.
    const gaps = (decay: string) => done.filter(({ places }) => places['decay'] === decay).map(({ theory }) => theory.points.map(({ closed }) => closed.gapNorm.value));
    expect(gaps('0')[0]).toEqual(gaps('0')[1]!.map((gap) => expect.closeTo(gap, 9)));
    expect(gaps('1')[0]).not.toEqual(gaps('1')[1]!.map((gap) => expect.closeTo(gap, 9)));

    // The first two steps hold for any prompt.
    expect(theoryFinding(results)).not.toMatch(/rules out|Infinity|NaN/);
    const [head, ...rows] = theoryCsv(results).trim().split('\n').map((line) => line.split(','));
    expect(rows).toHaveLength(4 * 2 * 2);
    for (const row of rows) {
      const at = (column: string) => row[head!.indexOf(column)]!;
      expect(row).toHaveLength(head!.length);
      expect(new Set(head).size).toBe(head!.length);
      const { theory } = done.find(({ places }) => places['decay'] === at('decay') && places['N'] === at('training_length'))!;
      const point = theory.points.find(({ pairs }) => pairs === Number(at('pairs')))!;
      const by = point[at('estimate') as 'closed' | 'trained'];
      expect([at('gapNorm'), at('gapNorm_low'), at('gapNorm_high'), at('shift')].map(Number)).toEqual([by.gapNorm.value, ...by.gapNorm.ci95, by.shift.value]);
      expect([at('bound'), at('bound_estimation'), at('bound_bias')].map(Number)).toEqual([point.bound.total, point.bound.estimation, point.bound.bias]);
    }
    expect(theoryMarkdown(results).match(/^\| /gm)).toHaveLength(2 * (2 + 4 * 2));
    expect(theoryLatex(results).match(/\\\\$/gm)).toHaveLength(1 + 4 * 2);
    const text = readFileSync(page, 'utf8');
    expect(text).toContain(theoryFinding(results).replaceAll("'", '&#39;'));
    expect(text.match(/<figure>/g)).toHaveLength(5 * 2);

    await reproduce(path, { folder: join(folder, 'other'), threads: 2 });
    for (const file of ['results.json', 'rows.csv', 'table.tex', 'report.md']) expect(readFileSync(join(folder, 'other', file), 'utf8')).toBe(readFileSync(join(folder, 'out', file), 'utf8'));
    const before = contents(join(folder, 'out'));
    await reproduce(path, { folder: join(folder, 'out'), threads: 2 });
    expect(contents(join(folder, 'out'))).toEqual(before);
  });

  it('may lie above the bound with one prompt a task, and is no fault then', async () => {
    const setting = parseTheorySetting({ ...SETTING, states: 1, actions: 4, horizon: 1, pairs: [5], tasks: 400, prompts: 1, training: { steps: 1, batchSize: 1 } }, 'test');
    const theory = await theoryCell(setting, { threads: 1 });
    expect(theory.points[0]!.bound.broken).toBeGreaterThan(0);
    const results = study([{}]);
    expect(theoryFinding({ ...results, cells: [{ ...results.cells[0]!, theory }] } as StudyResults)).not.toMatch(/wrong|within the bound/);
  });

  it('believes no document that was changed or made from something else', async () => {
    const { path, folder } = writtenStudy(small());
    const { results } = await reproduce(path, { folder: join(folder, 'out') });
    const cells = join(folder, 'out', 'cells');
    const changed = join(cells, 'decay=0,N=4.json');
    writeFileSync(changed, readFileSync(changed, 'utf8').replace(/"leverage": /, '"leverage": 1'));
    const other = join(cells, 'decay=1,N=4.json');
    const { seal: _, ...document } = JSON.parse(readFileSync(other, 'utf8')) as { seal: string; cell: object };
    writeFileSync(other, seal({ ...document, cell: { ...document.cell, madeFrom: 'f'.repeat(64) } }));
    const ran = new Set<string>();
    const again = await reproduce(path, { folder: join(folder, 'out'), onProgress: ({ detail }) => { if (detail.includes(':')) ran.add(detail.split(':')[0]!); } });
    expect([...ran].sort()).toEqual(['decay=0,N=4', 'decay=1,N=4']);
    expect(again.results).toEqual(results);
  });

  it('keeps a cell that fails as a hole with its reason, and makes all others', async () => {
    const pairs = Array.from({ length: 10_000 }, (_, i) => i + 1);
    const { path, folder } = writtenStudy(small({ axes: [{ name: 'N', path: 'trainingLength', values: [4, { name: 'huge', set: { tasks: 1_000_000, pairs } }] }] }));
    const command = await tiresias(['reproduce', path, '-o', join(folder, 'out')]);
    expect(command.stderr).toMatch(/1 cells? failed[^]*N=huge[^]*give fewer tasks/);
    expect(command.code).toBe(75);
    expect(readFileSync(join(folder, 'out', 'report.html'), 'utf8')).toMatch(/What is missing[^]*N=huge/);
    expect(readdirSync(join(folder, 'out', 'cells'))).toEqual(['N=4.json']);
  });

  it('stops when it is aborted, with the reason, and tells how far it is', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const phases = new Set<string>();
    const setting = parseTheorySetting({ ...SETTING, trainingLength: 1000, training: { steps: 1_000_000, batchSize: 1000 } }, 'test');
    const running = theoryCell(setting, { signal: controller.signal, onProgress: ({ phase, done, total }) => {
      phases.add(phase);
      expect(done).toBeLessThanOrEqual(total);
      controller.abort(reason);
    } });
    await expect(running).rejects.toBe(reason);
    expect([...phases]).toEqual(['train']);
  });
});

/** What a study of made-up cells came to: a gap, an advantage, tasks above the bound, and what of the setting is another. */
interface Made { gap?: number; trained?: number; advantage?: number; realised?: number; broken?: number; change?: Partial<TheorySetting>; places?: Record<string, string> }

function study(cells: readonly Made[], axes = ['N']): StudyResults {
  const estimate = (value: number) => ({ value, ci95: [value, value] as [number, number] });
  return {
    name: 'made', kind: 'theory', question: 'Does it hold?', source: '', budget: 'small', version: '0', x: axes.at(-1)!,
    axes: axes.map((name) => ({ name, label: name, places: [...new Set(cells.map(({ places }) => places?.[name] ?? '4'))] })),
    cells: cells.map(({ gap = 0.5, trained = gap, advantage = 1, realised = 2, broken = 0, change = {}, places = { N: '4' } }, i) => {
      const setting = { ...parseTheorySetting(SETTING, 'test'), ...change };
      const acted = (value: number): TheoryActed => ({ gapNorm: estimate(value), advantage, realised, errorTraining: estimate(0.3), shift: estimate(1.5), shiftStates: estimate(1), optimism: estimate(0) });
      const point = (pairs: number): TheoryPoint => ({
        pairs, gaussian: { estimation: 1, bias: 1, closed: 2, closedError: 0.1, trained: 2, trainedError: 0.1 }, error: { estimation: 0.2, bias: 0.1 },
        bound: { estimation: 2, bias: 2, total: 3, sharp: 2, broken }, closed: acted(gap), trained: acted(trained),
      });
      return {
        name: String(i), places, regimes: {},
        theory: { setting, layers: [{ distance: 0, excess: 0.01, strayValue: 0, strayKeyQuery: 0 }], lossOfRandom: 1, lossOfWorst: 2, leverage: 1, points: setting.pairs.map(point) },
      };
    }),
  } as unknown as StudyResults;
}

describe('what is said of a theory study', () => {
  it('takes a sample above a bound on a mean for what it is, and nothing else for a fault', () => {
    expect(theoryFinding(study([{}, {}]))).toMatch(/within the bound in all 32 pairs of a task and a prompt length\. The bound is 6 times the cost \(4 without scale and level\), and in 4 of 4 points above/);
    const above = theoryFinding(study([{ broken: 3 }, {}]));
    expect(above).toMatch(/above the bound without scale and level in 6 of 32 pairs of a task and a prompt length, as with few prompts it may/);
    expect(above).not.toMatch(/wrong/);
    expect(theoryFinding(study([{ gap: 1 + 1e-12, realised: 1 }]))).not.toMatch(/wrong/);
    for (const fault of [{ gap: 1.001 }, { realised: 0.999 }]) expect(theoryFinding(study([fault, {}]))).toMatch(/In 2 of 4 points .* rules out for every prompt: one of the two is wrong/);
  });

  it('takes what rounding leaves for nothing', async () => {
    const none = study([{ gap: 3e-17, trained: 0.1 }, { gap: -2e-16 }]);
    expect(theoryFinding(none)).not.toMatch(/Infinity|NaN|times the cost|times as much/);
    expect(theoryDone(none).map(({ theory }) => looseness(theory.points[0]!))).toEqual([undefined, undefined]);
    expect(theoryFinding(study([{ gap: 3e-17, trained: 0.1 }, { trained: 1 }]))).toMatch(/The bound is 6 times the cost.* costs 2 times as much/);
    expect(stepsTable(none).rows.map((row) => row[3])).toEqual(['', '', '', '']);
    expect(range([])).not.toMatch(/\d|Infinity/);
    const gap = PLOTS.find(({ name }) => name === 'gap')!;
    const [figure] = await theoryFigures(study([{ gap: 3e-17 }]), gap);
    expect(figure!.svg.text).toContain('bound: N = 4, M = 5: 3.000');
    expect(figure!.svg.text).toMatch(/measured: \. /);
  });

  it('compares training lengths where nothing else differs', () => {
    const at = (trainingLength: number, gap: number, change: Partial<TheorySetting> = {}) => ({ gap, change: { trainingLength, ...change }, places: { N: String(trainingLength) } });
    expect(trainingLengthFinding(study([at(40, 0.2), at(4, 0.4), at(10, 0.3)]))).toEqual([expect.stringMatching(/^d = 3, equal eigenvalues, M = 50: the normalised gap is 0\.400 at N = 4 and 0\.200 at N = 40; /)]);
    expect(trainingLengthFinding(study([at(4, 0.4), at(40, 0.2, { pairs: [5, 500] }), at(40, 0.1, { horizon: 9 })]))).toEqual([]);
    expect(trainingLengthFinding(study([at(4, 0.4), at(40, 0.2), at(4, 0.6, { horizon: 9 }), at(40, 0.5, { horizon: 9 })]))).toEqual([
      expect.stringMatching(/, M = 50, horizon = 3: .* 0\.400 at N = 4 and 0\.200/), expect.stringMatching(/, M = 50, horizon = 9: .* 0\.600 at N = 4 and 0\.500/),
    ]);
  });

  it('stands in rows and tables whatever axes and places are called', () => {
    const odd = 'a, "b" & #1 ${2} | c';
    const results = study([{ places: { decay: '0', bound: odd } }], ['decay', 'bound']);
    const [head, row] = theoryCsv(results).split('\n');
    expect(head).toMatch(/^axis_bound,dimension,decay,/);
    expect(row).toMatch(/^"a, ""b"" & #1 \$\{2\} \| c",3,0,/);
    const other = study([{ places: { decay: 'none', N: '4' } }], ['decay', 'N']);
    expect(theoryCsv(other)).toMatch(/^axis_decay,N,dimension,decay,[^\n]*\nnone,4,3,0,/);
    expect(theoryLatex(results)).toContain('a, "b" \\& \\#1 \\$\\{2\\} | c');
    expect(theoryMarkdown(results)).toContain('| a, "b" &amp; #1 ${2} \\| c |');
    const hole = { ...results, cells: [...results.cells, { name: 'other', places: {}, failed: 'not run' }] } as StudyResults;
    expect(theoryMarkdown(hole)).toMatch(/Cells that are missing:\n\n- other: not run/);
  });
});

describe('the text of a sheet', () => {
  it('goes on in another line where it would leave the sheet, and pushes down what follows', () => {
    expect(wrapped('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrapped('abcdefgh ij', 3)).toEqual(['abc', 'def', 'gh', 'ij']);
    const figure = (title: string) => ({ title, svg: new Markup('<svg role="img" aria-label="x" width="200" height="100"></svg>') });
    const sheet = (words: string) => sheetSvg({ name: 'x', title: words, note: words, rows: [{ heading: words, figures: [figure(words), figure('short')] }] });
    const number = (svg: string, pattern: RegExp) => Number(pattern.exec(svg)![1]);
    const [short, long] = [sheet('word'), sheet('word '.repeat(40).trim())];
    const width = number(long, /width="(\d+)"/);
    for (const [, x, size, words] of long.matchAll(/<text x="(\d+)" y="\d+" font-size="(\d+)"[^>]*>([^<]*)</g)) expect(Number(x) + words!.length * Number(size) * 0.58).toBeLessThanOrEqual(width);
    expect(long.match(/word/g)!.length).toBe(5 * 40);
    const last = Math.max(...[...long.matchAll(/<text x="\d+" y="(\d+)"/g)].map(([, y]) => Number(y)));
    expect(number(long, /<svg x="20" y="(\d+)"/)).toBeGreaterThan(last);
    expect(number(long, /height="(\d+)"/) - number(short, /height="(\d+)"/)).toBe(number(long, /<svg x="20" y="(\d+)"/) - number(short, /<svg x="20" y="(\d+)"/));
  });
});

describe('a plan', () => {
  it('says what the cells of a theory study will do', async () => {
    const { stdout, code } = await tiresias(['reproduce', 'theory', '--plan']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/d=4,decay=0,N=10 .* 1 layer of 300 steps .*prompts of 10 pairs/);
  });

  it('says about how long they take, by the operations of docs/theory.md', async () => {
    const loaded = await loadStudy('theory');
    const cell = theoryCells(loaded, 'medium').find(({ name }) => name === 'd=8,decay=0,N=300')!;
    // 3.1e8 + 2.4e7 normals at 33 ns; 1.7e9 + 1.4e8 + 3e9 + 0.7e8 multiply-adds at 1 ns.
    expect(await cell.about(1)).toBeCloseTo(11.0 + 4.9, 0);
    expect(await cell.about(2)).toBe((await cell.about(1))! / 2);
    const plan = await planOf(loaded, 'full', { folder: scratch(), committed: false, threads: 2, parallel: 1 });
    expect(planText(plan)).toMatch(/about [\d.]+ h in all on 2 threads, by the operations that docs\/theory\.md counts/);
    expect(planText(plan)).not.toMatch(/unknown|not known|methods\.json/);
  });
});
