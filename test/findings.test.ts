// What is said of a study: its one sentence, its figure as files, and the pages of docs/findings. Numbers are made up; nothing is run.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'parse5';
import { describe, expect, it } from 'vitest';
import { png, writeFigures } from '../src/report/files.js';
import { methodsOf } from '../src/report/names.js';
import { sheetSvg } from '../src/report/sheet.js';
import type { RegimeResult } from '../src/results.js';
import { seal } from '../src/seal.js';
import { cellPath, madeFrom } from '../src/study/cells.js';
import { gapSheet } from '../src/study/figures.js';
import { finding, shown } from '../src/study/finding.js';
import { BENCH_PAGES, findingsPages } from '../src/study/findings.js';
import { studyPage } from '../src/study/page.js';
import type { CellFile, StudyResults } from '../src/study/results.js';
import { cellsAt, loadStudy, studyNames } from '../src/study/study.js';
import { csv, latex, markdown } from '../src/study/tables.js';
import { version } from '../src/version.js';
import { fixture } from './report-fixture.js';
import { root, scratch } from './support.js';

/** A study over horizons; `regime` gives what came of each. */
function study(horizons: readonly number[], regime: (horizon: number) => RegimeResult, name = 'made-up'): StudyResults {
  return {
    schema: 'tiresias.study-results/1', name, budget: 'small', version, question: 'Who is ahead?', source: '', x: 'horizon',
    axes: [{ name: 'horizon', label: 'Horizon', places: horizons.map(String) }],
    cells: horizons.map((horizon) => ({ name: `horizon=${horizon}`, places: { horizon: String(horizon) }, madeFrom: 'a'.repeat(64), regimes: { mdp: regime(horizon) } })),
  };
}

/** The differences of `sft` to others, each with its corrected p-value. */
function compared(found: Readonly<Record<string, readonly [difference: number, pHolm: number]>>): RegimeResult {
  const regime = fixture({ methods: ['oracle', 'sft', ...Object.keys(found)], regimes: ['mdp'] }).regimes.mdp!;
  regime.comparisons = Object.entries(found).map(([versus, [difference, pHolm]]) => ({
    method: 'sft', versus, gapNorm: difference, gapNormCi95: [difference - 0.1, difference + 0.1], gapAbs: difference, gapAbsCi95: [difference, difference], p: pHolm / 2, pHolm,
  }));
  return regime;
}

const [AHEAD, BEHIND, EVEN] = [[-0.5, 0.001], [0.5, 0.001], [0.1, 0.5]] as const;

describe('the sentence of a study', () => {
  it('counts settings by what they show where they show different things', () => {
    const results = study([5, 10, 20], (horizon) => compared({
      random: AHEAD, icl: AHEAD, cql: horizon === 5 ? AHEAD : BEHIND, fqi: horizon === 20 ? BEHIND : EVEN, empirical: horizon === 10 ? EVEN : AHEAD,
    }));
    expect(finding(results)).toBe('Over 3 settings the normalised gap of the fine-tuned model lies below that of random actions and the language model in context only in all, '
      + 'lies above that of CQL in 2 and FQI in 1 and is not told apart from that of Empirical model in 1.');
  });

  it('names settings where that is short', () => {
    const results = study([5, 10], (horizon) => compared({ random: horizon === 10 ? EVEN : AHEAD }));
    expect(finding(results)).toBe('In the horizon = 5 setting the normalised gap of the fine-tuned model lies below that of random actions; '
      + 'in the horizon = 10 setting the normalised gap of the fine-tuned model is not told apart from that of random actions.');
    const same = study([5, 10, 20, 50], () => compared({ random: AHEAD, icl: EVEN }));
    expect(finding(same)).toMatch(/^In all 4 settings the normalised gap of the fine-tuned model lies below that of random actions and is not told apart from/);
  });

  it('stays one that a person reads, however many settings and methods there are', () => {
    const rivals = ['random', 'icl', 'dpt', 'scratch', 'ad', 'bc-prompt', 'nearest', 'fqi', 'cql', 'pessimistic', 'empirical', 'posterior-sampling'];
    const results = study(Array.from({ length: 40 }, (_, i) => i + 1), (horizon) => compared(Object.fromEntries(rivals.map((rival, i) => [rival, [AHEAD, BEHIND, EVEN][(horizon * (i + 1)) % (2 + (i % 2))]!]))));
    expect(finding(results).length).toBeLessThan(450);
    expect(finding(results)).toMatch(/^Over 40 settings the normalised gap of the fine-tuned model [^.]*\.$/);
    expect(finding(results)).toMatch(/lies above that of \d+ of the 12 others that know no more in some, most often of /);
  });

  it('is shown only where the method that is asked about is ahead of more than chance', () => {
    expect(shown(study([5, 10], () => compared({ random: AHEAD, icl: EVEN })))).toBe(false);
    expect(shown(study([5, 10], (horizon) => compared({ random: AHEAD, icl: horizon === 5 ? AHEAD : EVEN })))).toBe(true);
  });
});

describe('the look of a method', () => {
  const looks = (methods: readonly string[]) => new Map(methodsOf(fixture({ methods })).map(({ key, colour, dash, marker }) => [key, { colour, dash, marker }]));

  it('has the same colour in whatever company', () => {
    const all = looks(['oracle', 'random', 'bayes', 'sft', 'icl', 'dpt', 'ad', 'scratch', 'bc-prompt', 'fqi', 'cql', 'pessimistic', 'empirical', 'posterior-sampling']);
    for (const few of [['cql', 'random'], ['scratch', 'oracle', 'random'], ['posterior-sampling', 'icl']]) for (const [key, { colour }] of looks(few)) expect(colour).toBe(all.get(key)!.colour);
  });

  it('is another for each method, and for each set of options of one', () => {
    const results = fixture({ methods: ['bayes', 'qmdp', 'robust', 'bc-prompt', 'sft', 'icl', 'random-base', 'dpt', 'ad', 'scratch', 'fqi', 'cql', 'pessimistic', 'empirical', 'posterior-sampling'] });
    for (const { methods } of Object.values(results.regimes)) for (const name of ['robust:half', 'robust:twice']) methods[name] = { ...methods['robust']! };
    const drawn = methodsOf(results);
    expect(new Set(drawn.map(({ colour, marker }) => `${colour} ${marker}`)).size).toBe(drawn.length);
    expect(new Set(drawn.map(({ colour, dash }) => `${colour} ${dash.join(' ')}`)).size).toBe(drawn.length);
  });

  it('differs in grey among few methods, whatever their families', () => {
    for (const few of [['bayes', 'dpt', 'empirical', 'posterior-sampling', 'ucb', 'oracle', 'random'], ['dpt', 'ad', 'scratch', 'bc-prompt', 'sft'], ['nominal', 'mixture', 'robust', 'bc-prompt', 'dpt']]) {
      const drawn = methodsOf(fixture({ methods: few })).filter(({ yardstick }) => !yardstick);
      expect(new Set(drawn.map(({ marker }) => marker)).size).toBe(drawn.length);
      expect(new Set(drawn.map(({ dash }) => dash.join(' '))).size).toBe(drawn.length);
    }
  });

  it('is shared by its seeds', () => {
    const seeds = methodsOf(fixture({ methods: ['sft:seed-0', 'sft:seed-1', 'icl'] })).filter(({ kind }) => kind.key === 'sft');
    expect(seeds).toHaveLength(2);
    expect(seeds[0]).toMatchObject({ colour: seeds[1]!.colour, dash: seeds[1]!.dash, marker: seeds[1]!.marker, kind: { label: 'Fine-tuned' } });
  });
});

describe('figures as files', () => {
  const results = study([5, 10], () => fixture({ regimes: ['mdp'], methods: ['oracle', 'random', 'sft', 'icl', 'bc-prompt', 'fqi', 'cql', 'empirical'] }).regimes.mdp!);

  it('stand alone: every colour is one, with titles and legends in them', async () => {
    const svg = sheetSvg(await gapSheet(results));
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).not.toMatch(/var\(|inherit|undefined|NaN|href|<script/);
    for (const label of ['Fine-tuned', 'In-context only', 'CQL', 'Normalised gap by horizon', 'Language models, imitation and model-based', 'Value-based']) expect(svg.includes(`>${label}<`), label).toBe(true);
    const errors: unknown[] = [];
    parse(`<!DOCTYPE html><title>x</title>${svg}`, { onParseError: (error) => errors.push(error) });
    expect(errors).toEqual([]);
  });

  it('are PNGs whose text needs no font of the system', async () => {
    const folder = scratch();
    expect(await writeFigures([await gapSheet(results), { name: 'none', title: 'None', rows: [] }], folder)).toEqual(['figures/gap.svg', 'figures/gap.png']);
    const image = readFileSync(join(folder, 'figures/gap.png'));
    expect([...image.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const [, width, height] = /width="(\d+)" height="([\d.]+)"/.exec(readFileSync(join(folder, 'figures/gap.svg'), 'utf8'))!;
    expect(image.readUInt32BE(16)).toBe(2 * Number(width));
    expect(image.readUInt32BE(20)).toBe(Math.round(2 * Number(height)));
    const drawn = (text: string) => Buffer.from(png(`<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20"><text x="2" y="15" font-family="Inter, sans-serif" font-size="12">${text}</text></svg>`));
    // A renderer without a font draws nothing at all.
    expect(drawn('gap').equals(drawn(''))).toBe(false);
    expect(drawn('gap').equals(drawn('regret'))).toBe(false);
    // What tables and axes have beyond ASCII: a missing glyph looks the same for any letter.
    expect(new Set(['−', '’', '·', '≤', 'α', 'ε', 'ü', '…'].map((letter) => drawn(letter).toString('base64'))).size).toBe(8);
  });
});

describe('many trainings of one method', () => {
  it('are one line through their mean on the page, with every seed and their spread in the tables', async () => {
    const regime = fixture({ regimes: ['mdp'], methods: ['oracle', 'random', 'sft:seed-0', 'sft:seed-1', 'sft:seed-2'] }).regimes.mdp!;
    for (const [i, gap] of [0.2, 0.3, 0.4].entries()) regime.methods[`sft:seed-${i}`] = { ...regime.methods[`sft:seed-${i}`]!, gapNorm: gap };
    const results = study([5, 10], () => regime);
    const page = studyPage(results, [], [await gapSheet(results)], []);
    expect(page.match(/<li><svg[^]*?<\/li>/g)!.map((item) => item.replace(/<[^>]*>/g, ''))).toEqual(['Fine-tuned', 'Oracle', 'Random']);
    expect(page).toContain('0.300<small>0.200 to 0.400</small>');
    for (const text of [markdown(results), latex(results)]) expect(text).toMatch(/Fine-tuned: mean of 3 seeds, least to greatest (?:\||&) 0\.300 0\.200 to 0\.400/);
    expect(csv(results).trim().split('\n')).toHaveLength(1 + 2 * 5);
  });
});

/** Documents of a study's cells as another machine would have left them, with made-up numbers. */
async function commit(folder: string, name: string, budget: string, change: (file: CellFile, i: number) => CellFile | undefined = (file) => file): Promise<void> {
  for (const [i, cell] of cellsAt(await loadStudy(name), budget).entries()) {
    const regimes = fixture({ regimes: cell.experiment.regimes, seed: `${cell.name}` }).regimes;
    for (const regime of Object.values(regimes)) regime.traces = [];
    const file = change({
      schema: 'tiresias.study-cell/1', cell: { name: cell.name, places: cell.places, madeFrom: madeFrom(cell.experiment), regimes }, configuration: { ...cell.experiment }, command: `npx tiresias reproduce ${name} --budget ${budget}`,
      version, commit: '0123456789abcdef0123456789abcdef01234567', arithmetic: ['bf16 (amx)', 'f32'], seconds: 90, machine: { cpu: 'Example CPU', cores: 2, memoryBytes: 4e9, node: 'v20', platform: 'linux-x64' }, date: '2026-11-29T20:00:00.000Z',
    }, i);
    if (!file) continue;
    const path = cellPath(join(folder, name, budget), cell);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, seal(file));
  }
}

describe('docs/findings', () => {
  it('are what the finished cells of this repository come to', async () => {
    const folder = join(root, 'docs', 'findings');
    const others: string[] = BENCH_PAGES.flatMap(({ name, figures }) => [`${name}.md`, ...figures.map((figure) => join(...figure.split('/')))]);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.\w+$/.test(path) && !others.includes(path)).sort();
    const pages = await findingsPages();
    expect(files, 'run `npm run findings`').toEqual([...pages.keys()].sort());
    for (const [path, text] of pages) expect(readFileSync(join(folder, path), 'utf8'), `${path}: run \`npm run findings\``).toBe(text);
  });

  it.each(BENCH_PAGES.map((page) => [page.name, page] as const))('%s is what its bench measured', async (name, { writer, figures }) => {
    const folder = scratch();
    const results = join('bench', 'results');
    for (const path of ['dist', 'node_modules', 'package.json']) symlinkSync(join(root, path), join(folder, path));
    for (const path of [writer, ...readdirSync(join(root, results)).filter((file) => file.endsWith('.json')).map((file) => join(results, file))]) cpSync(join(root, path), join(folder, path));
    mkdirSync(join(folder, 'docs', 'findings', 'figures'), { recursive: true });
    await promisify(execFile)(process.execPath, [join(folder, writer)]);
    for (const path of [`${name}.md`, ...figures]) expect(readFileSync(join(folder, 'docs', 'findings', path), 'utf8'), `run node ${writer}`).toBe(readFileSync(join(root, 'docs', 'findings', path), 'utf8'));
    expect(readFileSync(join(root, 'docs', 'findings', 'README.md'), 'utf8')).toContain(`[${name}](${name}.md)`);
  });

  it('list every study, and say which were run and at which budget', async () => {
    const folder = scratch();
    await commit(folder, 'bandit', 'medium');
    await commit(folder, 'main', 'small');
    const pages = await findingsPages(folder);
    expect([...pages.keys()].sort()).toEqual(['README.md', 'bandit.md', 'figures/bandit.svg', 'figures/main.svg', 'main.md']);
    const list = pages.get('README.md')!.split('\n').filter((line) => /^\| (?!study|---)/.test(line));
    expect(list).toHaveLength((await studyNames()).length);
    expect(list.filter((line) => line.includes('| not run |'))).toHaveLength(list.length - 2);
    expect(list.find((line) => line.startsWith('| [bandit]'))).toMatch(/\| medium: 4 cells \|/);
    const page = pages.get('bandit.md')!;
    expect(page).toContain('npx tiresias reproduce bandit --budget medium');
    expect(page).toMatch(/Budget medium, 2026-11-29, tiresias/);
    for (const place of ['10', '30', '100']) expect(page).toMatch(new RegExp(`horizon=${place} \\| 1 min 30 s \\| Example CPU, 2 cores \\| bf16 \\(amx\\), f32 \\| 2026-11-29 \\| ${version.replaceAll('.', '\\.')} \\| 0123456 \\|`));
    expect(page).toContain('![Normalised gap by pulls; the tables below hold the numbers](figures/bandit.svg)');
  });

  it('take the largest budget that is whole, and else name what is missing', async () => {
    const folder = scratch();
    await commit(folder, 'bandit', 'small');
    await commit(folder, 'bandit', 'medium', (file, i) => (i === 0 ? undefined : file));
    expect((await findingsPages(folder)).get('bandit.md')).toMatch(/Budget small.*There are results of other budgets too \(medium: 3 of 4 cells\)/);
    const partly = scratch();
    await commit(partly, 'bandit', 'medium', (file, i) => (i === 0 ? undefined : file));
    expect((await findingsPages(partly)).get('bandit.md')).toMatch(/## What is missing\n\n- horizon=10: not run/);
  });

  it('believe no document that was changed, or that another experiment made', async () => {
    const folder = scratch();
    await commit(folder, 'bandit', 'medium', (file, i) => (i === 1 ? { ...file, cell: { ...file.cell, madeFrom: 'b'.repeat(64) } } : file));
    const changed = join(folder, 'bandit', 'medium', 'horizon=10.json');
    writeFileSync(changed, readFileSync(changed, 'utf8').replace(/"gapNorm": [\d.]+/, '"gapNorm": 0.01'));
    const page = (await findingsPages(folder)).get('bandit.md')!;
    expect(page).toMatch(/- horizon=10: not run\n- horizon=30: not run\n\n/);
    expect(page).toContain('horizon=100');
  });

  it('say that nothing is shown where nothing is', async () => {
    const folder = scratch();
    await commit(folder, 'bandit', 'medium', (file) => {
      for (const regime of Object.values(file.cell.regimes)) regime.comparisons = regime.comparisons.map((one) => ({ ...one, p: 0.4, pHolm: 0.4 }));
      return file;
    });
    expect((await findingsPages(folder)).get('bandit.md')).toMatch(/\*\*Not shown\. .*not told apart/);
  });

  it('may rest on cells that another version of the package made, and say so', async () => {
    const folder = scratch();
    const cells = cellsAt(await loadStudy('bandit'), 'medium');
    await commit(folder, 'bandit', 'medium', (file, i) => ({ ...file, version: '0.0.9', cell: { ...file.cell, madeFrom: madeFrom(cells[i]!.experiment, '0.0.9') } }));
    expect((await findingsPages(folder)).get('bandit.md')).toContain('tiresias 0.0.9.');
  });
});

