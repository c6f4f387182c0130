// Studies: which cells a file comes to, what a reproduced one leaves, and that stopping and failing lose nothing.
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseExperiment } from '../src/index.js';
import { seal } from '../src/seal.js';
import { isFailed, type CellFile } from '../src/study/results.js';
import { madeFrom } from '../src/study/cells.js';
import { about, estimate, Pace } from '../src/study/estimate.js';
import { kindOf } from '../src/study/kind.js';
import { reproduce, type Reproduced } from '../src/study/reproduce.js';
import { cellsOf, loadStudy, merged, parseStudy, studyNames, theoryCellsOf, type Cell } from '../src/study/study.js';
import { comparisonsCsv, csv, latex, markdown } from '../src/study/tables.js';
import { version } from '../src/version.js';
import { contents, root, tiresias, writtenStudy } from './support.js';

/** Two horizons by two supports, without a network. */
const small = (change: object = {}) => ({
  schema: 'tiresias.study/1', name: 'tiny', question: 'Does it run?', x: 'horizon',
  experiment: { regimes: ['mdp'], evaluation: { tasks: 3, resamples: 100, methods: ['oracle', 'bc-prompt', 'random'] } },
  axes: [
    { name: 'K', label: 'Support trajectories', path: 'support.trajectories', values: [1, 3] },
    { name: 'horizon', label: 'Horizon', path: 'horizon', values: [2, 3] },
  ],
  budgets: { small: { about: 'Seconds.' }, one: { about: 'One cell.', places: { K: [1], horizon: [2] } } },
  ...change,
});

describe('a study file', () => {
  it('comes to the product of its axes, the last running fastest, within its budget', () => {
    const study = parseStudy(small());
    expect(cellsOf(study, 'small').map(({ name, experiment: { support, horizon } }) => [name, support.trajectories, horizon])).toEqual([
      ['K=1,horizon=2', 1, 2], ['K=1,horizon=3', 1, 3], ['K=3,horizon=2', 3, 2], ['K=3,horizon=3', 3, 3],
    ]);
    expect(cellsOf(study, 'one').map(({ places }) => places)).toEqual([{ K: '1', horizon: '2' }]);
    expect(() => cellsOf(study, 'large')).toThrow(/no budget "large"; it has small, one/);
    for (const name of ['constructor', '__proto__']) expect(() => cellsOf(study, name)).toThrow(/no budget/);
  });

  it.each<[string, object, RegExp]>([
    ['an x that is no axis', { x: 'height' }, /name of an axis: K, horizon/],
    ['a place that its axis lacks', { budgets: { small: { about: '', places: { K: [7] } } } }, /"7" is none of 1, 3/],
    ['an axis that there is not', { budgets: { small: { about: '', places: { L: [7] } } } }, /name of an axis/],
    ['values without a field', { axes: [{ name: 'K', values: [1] }], x: 'K' }, /expected a path/],
    ['a field that is not known', { axe: [] }, /axe/],
    ['two axes of one name', { axes: [...small().axes, { name: 'K', path: 'seed', values: [1] }] }, /"K" appears twice/],
    ['two places of one name', { axes: [{ name: 'horizon', path: 'horizon', values: [2, 2] }] }, /"2" appears twice/],
    ['a value that leads out of its folder', { axes: [{ name: 'horizon', path: 'horizon', values: [2] }, { name: 'base', path: 'base.path', values: ['../../evil'] }] }, /"..\/..\/evil" is to be in names of files/],
  ])('with %s is refused by name', (_, change, message) => {
    expect(() => parseStudy(small(change))).toThrow(message);
  });

  it('whose cell is no experiment is refused with the cell\'s name, before anything is computed', async () => {
    const { path, folder } = writtenStudy(small({ axes: [{ name: 'K', path: 'support.trajectories', values: [1, -1] }], x: 'K', budgets: { small: { about: '' } } }));
    await expect(reproduce(path, { folder: join(folder, 'out') })).rejects.toMatchObject({ code: 'INVALID_STUDY', exitCode: 2, message: expect.stringMatching(/cell K=-1[^]*support\.trajectories/) });
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  it('sets fields within fields and leaves the others', () => {
    const tree = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
      tree: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof({ maxDepth: 3 }, fc.integer(), fc.array(fc.integer()), tie('tree')), { minKeys: 1 }),
    })).tree;
    /** Paths to what is no object, and what stands there. */
    const leaves = (value: unknown, path: string[] = []): [string[], unknown][] =>
      (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key])) : [[path, value]]);
    const at = (value: unknown, path: string[]): unknown => path.reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
    fc.assert(fc.property(tree, tree, (under, over) => {
      const both = merged(under, over);
      for (const [path, value] of leaves(over)) expect(at(both, path)).toEqual(value);
      const touched = (path: string[]) => leaves(over).some(([other]) => other.every((key, i) => i >= path.length || path[i] === key));
      for (const [path, value] of leaves(under)) if (!touched(path)) expect(at(both, path)).toEqual(value);
      expect(merged(both, over)).toEqual(both);
    }));
  });

  it('of this package is valid in every budget, and its question ends as one', async () => {
    const names = await studyNames();
    expect(names).toEqual(expect.arrayContaining(['main', 'support', 'data', 'ood', 'pretraining', 'darkroom', 'bandit', 'scale', 'ambiguity']));
    for (const name of names) {
      const { study } = await loadStudy(name);
      expect(study.name).toBe(name);
      expect(study.question).toMatch(/\?$/);
      expect(Object.keys(study.budgets)).toEqual(['small', 'medium', 'full']);
      for (const budget of Object.keys(study.budgets)) expect((study.kind === 'theory' ? theoryCellsOf : cellsOf)(study, budget).length).toBeGreaterThan(1);
    }
  });
});

describe('a reproduced study', () => {
  it('leaves results, rows, tables and a page that agree, and the next time does nothing', async () => {
    const { path, folder } = writtenStudy(small());
    const { results, page } = await reproduce(path, { folder: join(folder, 'out'), threads: 1 });
    expect(results.cells.map(({ name }) => name)).toEqual(['K=1,horizon=2', 'K=1,horizon=3', 'K=3,horizon=2', 'K=3,horizon=3']);
    const text = readFileSync(page, 'utf8');
    expect(text).toContain('Does it run?');
    expect(text.match(/<figure>/g)).toHaveLength(2);
    // Four settings, three methods, every one of them found by other programs.
    const [head, ...rows] = csv(results).trim().split('\n').map((line) => line.split(','));
    expect(new Set(head).size).toBe(head!.length);
    expect(rows).toHaveLength(12);
    const at = (row: string[], column: string) => row[head!.indexOf(column)];
    for (const row of rows) {
      const cell = results.cells.find((one) => one.places['K'] === at(row, 'K') && one.places['horizon'] === at(row, 'horizon'))!;
      if (isFailed(cell)) throw new Error(cell.failed);
      const method = cell.regimes['mdp']!.methods[at(row, 'name')!]!;
      expect([Number(at(row, 'gapNorm')), Number(at(row, 'gapNorm_low')), Number(at(row, 'gapNorm_high'))]).toEqual([method.gapNorm, ...method.gapNormCi95]);
      expect(Number(at(row, 'horizon'))).toBe(cell.regimes['mdp']!.horizon);
    }
    // A table for each K: a heading, a rule, a row a method, and how much each number rests on.
    expect(markdown(results).match(/^\| /gm)).toHaveLength(2 * (2 + 3 + 1));
    expect(markdown(results).match(/3 tasks, 3 episodes/g)).toHaveLength(4);
    expect(latex(results).match(/\\\\$/gm)).toHaveLength(2 * (2 + 3 + 1));
    expect(latex(results).match(/3 tasks, 3 episodes/g)).toHaveLength(4);
    // bc-prompt beside oracle and random in each setting; numbers in the rows are those of the document.
    const [pairHead, ...pairs] = comparisonsCsv(results).trim().split('\n').map((line) => line.split(','));
    expect(pairs).toHaveLength(4 * 2);
    for (const pair of pairs) {
      const [K, horizon, , , method, versus, gap, low, high] = pair;
      const cell = results.cells.find(({ places }) => places['K'] === K && places['horizon'] === horizon)!;
      if (isFailed(cell)) throw new Error(cell.failed);
      expect(cell.regimes['mdp']!.comparisons).toContainEqual(expect.objectContaining({ method, versus, gapNorm: Number(gap), gapNormCi95: [Number(low), Number(high)], pHolm: Number(pair[pairHead!.indexOf('p_holm')]) }));
    }
    // Everything that the page offers lies beside it.
    const offered = [...text.matchAll(/<a href="([^"#:]+)" download>/g)].map(([, file]) => file!);
    expect(offered).toEqual(['rows.csv', 'comparisons.csv', 'table.tex', 'results.json', 'figures/gap.svg', 'figures/gap.png']);
    for (const file of offered) expect(existsSync(join(folder, 'out', file))).toBe(true);
    const before = contents(join(folder, 'out'));
    const said: string[] = [];
    await reproduce(path, { folder: join(folder, 'out'), threads: 2, onProgress: ({ detail }) => said.push(detail) });
    expect(said).toHaveLength(4);
    expect(contents(join(folder, 'out'))).toEqual(before);
  });

  it('takes cells that were made elsewhere, and only those that the same experiment made', async () => {
    const { path, folder } = writtenStudy(small());
    await reproduce(path, { folder: join(folder, 'one'), threads: 1 });
    const cells = join(folder, 'one', 'cells');
    rmSync(join(folder, 'one', 'runs'), { recursive: true });
    rmSync(join(folder, 'store'), { recursive: true });
    // As another machine would find them; one was changed by hand, one sealed anew with other numbers under an old name.
    const changed = join(cells, 'K=1,horizon=2.json');
    writeFileSync(changed, readFileSync(changed, 'utf8').replace(/"gapNorm": 1,/, '"gapNorm": 0.5,'));
    const other = join(cells, 'K=3,horizon=3.json');
    const { seal: _, ...document } = JSON.parse(readFileSync(other, 'utf8')) as { seal: string; cell: object };
    writeFileSync(other, seal({ ...document, cell: { ...document.cell, madeFrom: 'f'.repeat(64) } }));
    const ran = new Set<string>();
    const { results } = await reproduce(path, { folder: join(folder, 'one'), threads: 1, onProgress: ({ detail }) => { if (detail.includes(':')) ran.add(detail.split(':')[0]!); } });
    expect([...ran].sort()).toEqual(['K=1,horizon=2', 'K=3,horizon=3']);
    for (const cell of results.cells) if (!isFailed(cell)) expect(cell.regimes['mdp']!.methods['random']!.gapNorm).toBeCloseTo(1, 9);
  });

  it('takes finished cells from where they are committed, says how many, and with false takes none', async () => {
    const { path, folder } = writtenStudy(small());
    const { folder: first } = await reproduce(path, { folder: join(folder, 'one'), threads: 1 });
    const committed = join(folder, 'committed');
    mkdirSync(join(committed, 'tiny'), { recursive: true });
    cpSync(join(first, 'cells'), join(committed, 'tiny', 'small'), { recursive: true });
    const again = async (name: string, options: object) => {
      const ran = new Set<string>();
      const store = join(folder, `${name}-store`);
      const { taken } = await reproduce(path, { folder: join(folder, name), store, threads: 1, onProgress: ({ detail }) => { if (detail.includes(':')) ran.add(detail.split(':')[0]!); }, ...options });
      return { taken, ran: [...ran].sort() };
    };
    expect(await again('two', { committed })).toEqual({ taken: 4, ran: [] });
    for (const file of ['results.json', 'rows.csv', 'table.tex', 'report.md']) expect(readFileSync(join(folder, 'two', file), 'utf8')).toBe(readFileSync(join(first, file), 'utf8'));
    // What came from elsewhere is not passed off as made here.
    expect(readdirSync(join(folder, 'two', 'cells'))).toEqual([]);
    expect(await again('three', { committed: false })).toEqual({ taken: 0, ran: ['K=1,horizon=2', 'K=1,horizon=3', 'K=3,horizon=2', 'K=3,horizon=3'] });
    // One that was changed is made again, and so is one that another version of the package made.
    const changed = join(committed, 'tiny', 'small', 'K=1,horizon=2.json');
    writeFileSync(changed, readFileSync(changed, 'utf8').replace(/"gapNorm": 1,/, '"gapNorm": 0.5,'));
    const older = join(committed, 'tiny', 'small', 'K=3,horizon=3.json');
    const { seal: _, ...document } = JSON.parse(readFileSync(older, 'utf8')) as { seal: string; cell: object };
    const cell = cellsOf(parseStudy(small()), 'small').find(({ name }) => name === 'K=3,horizon=3')!;
    writeFileSync(older, seal({ ...document, version: '0.0.9', cell: { ...document.cell, madeFrom: madeFrom(cell.experiment, '0.0.9') } }));
    expect(await again('four', { committed })).toEqual({ taken: 2, ran: ['K=1,horizon=2', 'K=3,horizon=3'] });
  });

  it('draws other tasks under another seed, which the study then says', async () => {
    const { path, folder } = writtenStudy(small());
    const run = (seed?: number) => reproduce(path, { folder: join(folder, `seed-${seed}`), budget: 'one', threads: 1, seed });
    const [own, other] = [await run(), await run(7)];
    const optimal = ({ results: { cells: [cell] } }: Reproduced) => (isFailed(cell!) ? Number.NaN : cell!.regimes['mdp']!.optimal);
    expect(optimal(other)).not.toBe(optimal(own));
    expect(other.results.seed).toBe(7);
    expect(own.results).not.toHaveProperty('seed');
    expect(readFileSync(other.page, 'utf8')).toContain('npx tiresias reproduce tiny --budget one --seed 7');
  });

  it('says in the document of each cell what made it, where and when', async () => {
    const { path, folder } = writtenStudy(small());
    await reproduce(path, { folder: join(folder, 'out'), budget: 'one', threads: 1 });
    const file = JSON.parse(readFileSync(join(folder, 'out', 'cells', 'K=1,horizon=2.json'), 'utf8')) as CellFile;
    expect(file).toMatchObject({ command: 'npx tiresias reproduce study.json --budget one', version, machine: { cpu: expect.any(String), cores: expect.any(Number) } });
    // The document alone makes the cell again.
    expect(madeFrom(parseExperiment({ ...file.configuration }))).toBe(file.cell.madeFrom);
    expect(file.configuration).toMatchObject({ horizon: 2, support: { trajectories: 1 } });
    expect(Math.abs(Date.parse(file.date) - Date.now())).toBeLessThan(3_600_000);
    if (!existsSync(join(root, '.git'))) return;
    const head = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
    expect(file.commit).toMatch(new RegExp(`^${head}(-dirty)?$`));
  });

  it('keeps a cell that fails as a hole with its reason, and makes all others', async () => {
    const { path, folder } = writtenStudy(small({ axes: [{ name: 'method', path: 'evaluation.methods', values: [{ name: 'whole', set: {} }, { name: 'broken', set: { evaluation: { methods: ['random', './broken.mjs'] } } }] }], x: 'method', budgets: { small: { about: '' } } }));
    writeFileSync(join(folder, 'broken.mjs'), "export default { label: 'Broken', begin: () => ({ act: () => { throw new Error('out of order'); } }) };\n");
    const { results, page } = await reproduce(path, { folder: join(folder, 'out'), threads: 1 });
    expect(results.cells.map(isFailed)).toEqual([false, true]);
    expect(readFileSync(page, 'utf8')).toMatch(/What is missing[^]*method=broken[^]*out of order/);
    const command = await tiresias(['reproduce', path, '-o', join(folder, 'out')]);
    expect(command.code).toBe(75);
    expect(command.stderr).toMatch(/1 cells? failed[^]*out of order/);
  });

  it('killed again and again gives the bytes of one that was not', async () => {
    const { path, folder } = writtenStudy(small());
    let kills = 0;
    let after = 500;
    for (;;) {
      const { code, signal, stderr } = await tiresias(['reproduce', path, '-o', 'out'], { cwd: folder, kill: { after, signal: 'SIGKILL' } });
      if (signal !== 'SIGKILL') {
        expect(code, stderr).toBe(0);
        break;
      }
      kills++;
      after *= 1.2 + 0.6 * Math.random();
    }
    expect(kills).toBeGreaterThan(0);
    await reproduce(path, { folder: join(folder, 'straight'), store: join(folder, 'other'), parallel: 2 });
    for (const file of ['results.json', 'rows.csv', 'table.tex', 'report.md']) expect(readFileSync(join(folder, 'out', file), 'utf8')).toBe(readFileSync(join(folder, 'straight', file), 'utf8'));
    expect(readdirSync(join(folder, 'out')).filter((name) => /tmp|lock/.test(name))).toEqual([]);
  }, 240_000);

  it('says beforehand what its cells will do', async () => {
    const { stdout, code } = await tiresias(['reproduce', 'main', '--plan']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/horizon=5 .*steps of 8 a training.*20 episodes/);
    expect(stdout).toMatch(/2 of 2 cells are to be made: (?:less than a minute|about \d+ min) in all on .*methods\.json.*An estimate/);
    expect((await tiresias(['reproduce', 'mane', '--plan'])).stderr).toMatch(/no study is called "mane".*there are ambiguity, /);
  });

  it('reckons with what cells do, and then with what the first took', async () => {
    const { study } = await loadStudy('main');
    const [{ experiment }] = cellsOf(study, 'medium') as [Cell];
    const { training, evaluation } = experiment;
    const whole = (await estimate(experiment, 1))!;
    // Twice the steps of the language model cost once more what its training costs; nothing else depends on them, as the networks have their own.
    const more = await estimate({ ...experiment, training: { ...training, steps: 2 * training.steps } }, 1);
    const none = await estimate({ ...experiment, evaluation: { ...evaluation, methods: evaluation.methods.filter(({ method }) => method !== 'sft') } }, 1);
    expect(more!).toBeGreaterThan(whole);
    expect(more! - whole).toBeLessThan(whole - none!);
    expect(await estimate(experiment, 2)).toBeCloseTo(whole / 2, 9);
    // No rate was measured of what no machine of ours has done.
    expect(await estimate(cellsOf(study, 'full')[0]!.experiment, 1)).toBeUndefined();

    let now = 0;
    const tiny = parseStudy(small());
    const cells = kindOf(tiny).cells({ study: tiny, folder: '.' }, 'small');
    const pace = await Pace.of(cells, 1, () => now);
    const each = await Promise.all(cells.map((cell) => cell.about(1) as Promise<number>));
    expect(pace.left).toBeCloseTo(each.reduce((sum, one) => sum + one, 0), 9);
    pace.begins(cells[0]!.name);
    now += 7 * each[0]!;
    pace.ends(cells[0]!.name);
    // It took seven times as long, so the others will.
    expect(pace.left).toBeCloseTo(7 * each.slice(1).reduce((sum, one) => sum + one, 0), 9);
    expect([undefined, 20, 100, 4000, 7200, 90_000].map(about)).toEqual(['time unknown', 'less than a minute', 'about 2 min', 'about 67 min', 'about 2.0 h', 'about 25 h']);
  });

  it('knows a cell by what makes it, not by its name, its study or the threads', () => {
    const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'a', horizon: 3 });
    expect(madeFrom({ ...experiment, name: 'b', threads: 7 })).toBe(madeFrom(experiment));
    expect(madeFrom({ ...experiment, horizon: 4 })).not.toBe(madeFrom(experiment));
  });
});
