// Theory studies: which cells a file comes to, that what a reproduced one leaves agrees with itself and with the theory, and that stopping and failing lose nothing.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Markup } from '../src/report/html.js';
import { sheetSvg, wrapped } from '../src/report/sheet.js';
import { seal } from '../src/seal.js';
import { planOf, planText } from '../src/study/plan.js';
import { reproduce } from '../src/study/reproduce.js';
import { cellsOf, loadStudy, parseStudy, theoryCellsOf } from '../src/study/study.js';
import { theoryCell } from '../src/theory/cell.js';
import { theoryCells } from '../src/theory/cells.js';
import { theoryFinding } from '../src/theory/finding.js';
import { parseTheorySetting } from '../src/theory/setting.js';
import { theoryDone } from '../src/theory/settings.js';
import { theoryCsv, theoryLatex, theoryMarkdown } from '../src/theory/tables.js';
import { contents, scratch, tiresias } from './support.js';

const SETTING = { states: 6, actions: 3, horizon: 3, dimension: 3, pairs: [5, 50], tasks: 8, prompts: 4, gaussianPrompts: 200, training: { steps: 40, batchSize: 32, learningRate: 0.05 }, resamples: 200 };

/** Two spectra by two lengths. */
const small = (change: object = {}) => ({
  schema: 'tiresias.study/1', name: 'tiny', kind: 'theory', question: 'Does it hold?', x: 'N', experiment: SETTING,
  axes: [{ name: 'decay', path: 'decay', values: [0, 1] }, { name: 'N', path: 'trainingLength', values: [4, 40] }],
  budgets: { small: { about: 'Seconds.' } },
  ...change,
});

function written(study: object): { path: string; folder: string } {
  const folder = scratch();
  const path = join(folder, 'study.json');
  writeFileSync(path, JSON.stringify(study));
  return { path, folder };
}

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
    ['more features than pairs', { ...SETTING, states: 1, actions: 2 }, /singular[^]*dimension/],
  ])('with %s is refused by name', async (_, experiment, message) => {
    const { path, folder } = written(small({ experiment }));
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
    const { path, folder } = written(small());
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

    const [head, ...rows] = theoryCsv(results).trim().split('\n').map((line) => line.split(','));
    expect(rows).toHaveLength(4 * 2 * 2);
    for (const row of rows) {
      const at = (column: string) => row[head!.indexOf(column)]!;
      expect(row).toHaveLength(head!.length);
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

  it('believes no document that was changed or made from something else', async () => {
    const { path, folder } = written(small());
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
    const { path, folder } = written(small({ axes: [{ name: 'N', path: 'trainingLength', values: [4, { name: 'huge', set: { tasks: 1_000_000, pairs } }] }] }));
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
