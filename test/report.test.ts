import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { defaultTreeAdapter, parse, type DefaultTreeAdapterTypes, type ParserError } from 'parse5';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answer, question, relation } from '../src/report/findings.js';
import { comparisonTable, markdownTable, tables, writeReport } from '../src/report/index.js';
import { methodsOf } from '../src/report/names.js';
import { oklch } from '../src/report/palette.js';
import { STYLE } from '../src/report/style.js';
import { bytes, clean, count, decimal, duration, list, percent } from '../src/report/text.js';
import { parseResults, type Results } from '../src/results.js';
import { fixture, TWENTY } from './report-fixture.js';

type Element = DefaultTreeAdapterTypes.Element;

// A page takes a fraction of a second to draw, and several on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'tiresias-report-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The report as a browser would read it. */
async function render(results: Results): Promise<{ html: string; markdown: string; elements: Element[]; errors: ParserError[] }> {
  const paths = await writeReport(results, folder);
  const [html, markdown] = await Promise.all([readFile(paths.html, 'utf8'), readFile(paths.markdown, 'utf8')]);
  const errors: ParserError[] = [];
  const elements: Element[] = [];
  const walk = (node: DefaultTreeAdapterTypes.ParentNode): void => node.childNodes.forEach((child) => {
    if (defaultTreeAdapter.isElementNode(child)) {
      elements.push(child);
      walk(child);
    }
  });
  walk(parse(html, { onParseError: (error) => errors.push(error) }));
  return { html, markdown, elements, errors };
}

const attribute = (element: Element, name: string): string | undefined => element.attrs.find((a) => a.name === name)?.value;
const text = (node: DefaultTreeAdapterTypes.ChildNode): string =>
  defaultTreeAdapter.isTextNode(node) ? node.value : 'childNodes' in node ? node.childNodes.map(text).join('') : '';
const all = (elements: readonly Element[], tag: string): Element[] => elements.filter((element) => element.tagName === tag);
const drawings = (elements: readonly Element[]): Element[] => all(elements, 'svg').filter((svg) => attribute(svg, 'role') === 'img');

/** Everything that must hold for any results whatever. */
function sound({ html, elements, errors }: { html: string; elements: Element[]; errors: ParserError[] }): void {
  expect(errors).toEqual([]);
  expect(html).not.toMatch(/NaN|undefined|\[object |Infinity/);
  for (const element of elements) {
    expect(['script', 'img', 'iframe', 'object', 'embed', 'base', 'form', 'foreignObject']).not.toContain(element.tagName);
    for (const { name, value } of element.attrs) {
      expect(name).not.toMatch(/^on/i);
      if (/^(href|src|srcset|action|data|xlink:href)$/.test(name)) expect(value).toMatch(/^(#source|data:,|https:\/\/arxiv\.org\/abs\/2605\.09009)$/);
    }
  }
  expect(text(all(elements, 'style')[0]!)).not.toMatch(/url\(|@import/);
  const ids = elements.map((element) => attribute(element, 'id')).filter((id) => id !== undefined);
  expect(new Set(ids).size).toBe(ids.length);
  for (const svg of all(elements, 'svg')) expect(attribute(svg, 'aria-label') || attribute(svg, 'aria-hidden')).toBeTruthy();
  for (const th of all(elements, 'th')) expect(attribute(th, 'scope')).toMatch(/^(col|row|rowgroup)$/);
  expect(attribute(all(elements, 'html')[0]!, 'lang')).toBe('en');
  expect(text(all(elements, 'title')[0]!)).not.toBe('');
}

describe('the page', () => {
  it('holds every section, table and drawing', async () => {
    const results = fixture({ traced: ['sft', 'oracle'] });
    const report = await render(results);
    sound(report);
    expect(all(report.elements, 'h2').map(text)).toEqual([
      'Optimality gap', 'Differences', 'Regret by decision', 'Under every model of the cloud', 'One episode, step by step', 'Training',
      'Oracle certificate', 'Training data', 'Time and machine', 'How to reproduce', 'Definitions',
    ]);
    // Three panels of the gap, the differences and the regret, one cloud, six traces, loss and accuracy.
    expect(drawings(report.elements)).toHaveLength(3 + 3 + 3 + 1 + 6 + 2);
    expect(report.html).toContain('npx tiresias run --config experiment.json');
    expect(report.html).toContain('20260509');
    expect(report.html).toContain('ab'.repeat(32));
    expect(report.html).toContain('arXiv 2605.09009');
  });

  it('shows each method with its interval in words and in the drawing', async () => {
    const { elements } = await render(fixture({ regimes: ['mdp'] }));
    const row = all(elements, 'tr').map(text).find((line) => line.startsWith('Fine-tuned'));
    expect(row).toMatch(/^Fine-tuned0\.220\[0\.\d{3}, 0\.\d{3}\]/);
    const labels = drawings(elements).map((svg) => attribute(svg, 'aria-label'));
    expect(labels[0]).toMatch(/Fine-tuned: 0\.220, 95% interval 0\.\d{3} to 0\.\d{3}/);
    expect(text(drawings(elements)[0]!)).toContain('In-context only');
  });

  it('is the same for the same results', async () => {
    const results = fixture();
    const first = await render(results);
    const second = await render(results);
    expect(second.html).toBe(first.html);
    expect(second.markdown).toBe(first.markdown);
  });

  it.each<[string, Partial<Results>]>([
    ['no regimes', { regimes: {} }],
    ['no training', { training: [] }],
    ['no datasets and stages', { datasets: [], stages: [] }],
    ['no action names', { actions: [] }],
    ['no base model', { baseModel: undefined }],
    ['a regime without methods', { regimes: { mdp: { horizon: 1, optimal: 0, lower: 0, upper: 0, methods: {}, comparisons: [], traces: [] } } }],
  ])('stands with %s', async (_name, change) => sound(await render({ ...fixture({ adapters: ['a', 'b'] }), ...change })));

  it('stands with an empty curve, an empty trace and a single point', async () => {
    const results = fixture({ regimes: ['apomdp'], horizon: 1, steps: 1 });
    sound(await render(results));
    results.training[0]!.curve = [];
    results.regimes.apomdp!.traces[0]!.steps = [];
    const { elements } = await render(results);
    expect(drawings(elements)).toHaveLength(4);
  });

  it('stands with a long horizon, many states and many methods', async () => {
    const methods = ['oracle', 'sft', 'icl', 'random', 'dpt', 'bc', 'fqi', 'cql', 'vi', 'bayes', 'qmdp', 'em'];
    const report = await render(fixture({ methods, horizon: 60, states: 40, adapters: ['one', 'two', 'three'] }));
    sound(report);
    for (const { label } of methodsOf(fixture({ methods }))) expect(report.html).toContain(`>${label}<`);
  });
});

describe('hostile names', () => {
  const evil = '"><script>alert(1)</script><img src=x onerror=alert(2)> | `x` ]]> &amp; ${1} \u001B[31m \u202E \u0000 \uD800';

  it('are shown, not run', async () => {
    const results = fixture({ methods: ['oracle', 'sft', evil], traced: [evil], regimes: ['mdp', evil], adapters: [evil], name: evil });
    results.actions = [evil, evil, 'perform'];
    results.baseModel = { name: evil, sha256: evil };
    for (const method of Object.values(results.regimes.mdp!.methods)) method.label = method.group = method.seedOf = evil;
    results.version = results.machine.cpu = results.stages[0]!.name = evil;
    results.experiment = { [evil]: evil, deep: [{ '</code></pre><script>': '</style>' }] };
    const report = await render(results);
    sound(report);
    expect(report.elements.map(text).join('')).toContain('<script>alert(1)</script>');
    expect(report.markdown.split('```')[0]).not.toContain('<script');
    for (const line of markdownTable(results).split('\n')) expect(line.replaceAll('\\|', '').match(/\|/g)).toHaveLength(12);
    for (const line of comparisonTable(results).split('\n')) expect(line.replaceAll('\\|', '').match(/\|/g)).toHaveLength(10);
    for (const character of ['\u001B', '\u202E', '\u0000']) expect(tables(results)).not.toContain(character);
  });

  it('that look alike stay apart', () => {
    const methods = methodsOf(fixture({ methods: ['Oracle', 'oracle', ' ', '\t', '__proto', 'constructor'], regimes: ['mdp'] }));
    expect(new Set(methods.map(({ label }) => label)).size).toBe(6);
    expect(new Set(methods.map(({ short }) => short)).size).toBe(6);
    expect(methods[0]).toMatchObject({ key: 'oracle', label: 'Oracle', yardstick: true });
  });
});

describe('any subset of methods and regimes', () => {
  const name = fc.oneof(fc.constantFrom(...TWENTY, 'sft:seed-0', 'sft:seed-1'), fc.string({ unit: 'grapheme', maxLength: 30 }))
    .filter((key) => key !== '__proto__');

  it('makes a sound page and one row each', async () => {
    await fc.assert(fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 6 }), fc.uniqueArray(fc.oneof(fc.constantFrom('mdp', 'pomdp', 'apomdp'), name), { maxLength: 3 }),
      fc.integer({ min: 1, max: 12 }), fc.integer({ min: 4, max: 12 }), fc.integer({ min: 0, max: 5 }), fc.string(),
      async (methods, regimes, horizon, states, steps, seed) => {
        const results = fixture({ methods, regimes, horizon, states, steps, seed, traced: methods.slice(0, 2) });
        const report = await render(results);
        sound(report);
        const seeds = methods.filter((key) => /^sft:seed-[01]$/.test(key)).length === 2 ? 1 : 0;
        expect(markdownTable(results).split('\n')).toHaveLength(2 + (methods.length + seeds) * regimes.length);
        const traced = Math.min(2, methods.length) * regimes.length;
        const clouds = methods.length > 0 && regimes.includes('apomdp') ? 1 : 0;
        const { comparisons, methods: found } = Object.values(results.regimes)[0] ?? { comparisons: [], methods: {} };
        const families = new Set(Object.entries(found).filter(([key]) => !['oracle', 'random'].includes(key)).map(([, { group }]) => group)).size;
        const panels = methods.length > 0 ? 1 + Math.min(1, comparisons.length) + Math.max(1, families) : 0;
        expect(drawings(report.elements)).toHaveLength(panels * regimes.length + clouds + traced + (steps > 0 ? 2 : 0));
      },
    ), { numRuns: 15 });
  });
});

describe('Markdown', () => {
  it('has one row for each method and regime, family by family and the best first, rounded', () => {
    const lines = markdownTable(fixture()).split('\n');
    expect(lines).toHaveLength(2 + 4 * 3);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    const cells = (line: string): string[] => line.split(' | ').map((cell) => cell.replace(/^\| |\|$/g, '').trim());
    expect(lines.slice(2).map((line) => cells(line).slice(0, 3).join(', '))).toEqual(
      ['MDP', 'POMDP', 'APOMDP'].flatMap((regime) => ['References, Oracle', 'References, Random', 'Language models, Fine-tuned', 'Language models, In-context only'].map((method) => `${regime}, ${method}`)),
    );
    expect(cells(lines[2]!)).toEqual(['MDP', 'References', 'Oracle', '0.000', '0.000', '0.0%', expect.stringMatching(/^11\.200 \[/), '100.0%', '60', '60', 'exact']);
    expect(cells(lines[4]!)[3]).toMatch(/^0\.220 \[0\.\d{3}, 0\.\d{3}\]$/);
  });

  it('says the same as the page', async () => {
    const results = fixture();
    const { html, markdown } = await render(results);
    expect(markdown).toContain(`**${answer(results)}**`);
    expect(html).toContain(answer(results));
    expect(markdown).toContain(markdownTable(results));
    expect(markdown).toContain(comparisonTable(results));
    expect(tables(results)).toBe(`${markdownTable(results)}\n\n${comparisonTable(results)}`);
    expect(markdown).toContain('"seed": 20260509');
    expect(markdown).toContain('| APOMDP |');
  });
});

describe('the answer', () => {
  /** One regime in which the fine-tuned model differs so from each other method: the difference and its corrected p-value. */
  const placed = (found: Readonly<Record<string, readonly [difference: number, pHolm: number]>>): Results => {
    const results = fixture({ methods: ['sft', ...Object.keys(found)], regimes: ['mdp'] });
    results.regimes.mdp!.comparisons = Object.entries(found).map(([versus, [difference, pHolm]]) => ({
      method: 'sft', versus, gapNorm: difference, gapNormCi95: [difference - 0.1, difference + 0.1], gapAbs: difference, gapAbsCi95: [difference, difference], p: pHolm / 2, pHolm,
    }));
    return results;
  };

  it('claims no more than the corrected comparisons show', () => {
    expect(answer(placed({ icl: [-0.5, 0.01], random: [-0.8, 0.01] }))).toBe(
      'In the MDP regime the normalised gap of the fine-tuned model lies below that of random actions and the language model in context only.');
    expect(answer(placed({ icl: [-0.5, 0.06], random: [-0.8, 0.01], dpt: [0.1, 0.02] }))).toBe(
      'In the MDP regime the normalised gap of the fine-tuned model lies below that of random actions, lies above that of DPT and is not told apart from that of the language model in context only.');
    expect(answer(placed({}))).toBe('In the MDP regime no methods were compared.');
    expect(answer({ ...fixture(), regimes: {} })).toBe('No regime was evaluated.');
  });

  it('counts names where there are many, and leaves out who knows more and other seeds of its own', () => {
    const many = { 'bc-prompt': [-0.5, 0.01], empirical: [-0.4, 0.01], fqi: [-0.4, 0.01], cql: [-0.3, 0.01], dpt: [0.2, 0.5] } as const;
    expect(answer(placed(many))).toBe(
      'In the MDP regime the normalised gap of the fine-tuned model lies below that of 4 of the 5 others that know no more and is not told apart from that of DPT.');
    expect(answer(placed({ oracle: [0.2, 0.001], bayes: [0.2, 0.001], 'sft:seed-1': [0.1, 0.01] }))).toContain('stands alone');
  });

  it('takes 0.05 itself for no difference', () => {
    const results = placed({ icl: [-0.5, 0.05] });
    expect(relation({ method: methodsOf(results)[0]!, comparison: results.regimes.mdp!.comparisons[0]! })).toBe('unclear');
    expect(answer(results)).toContain('not told apart');
  });

  it('needs no language model', () => {
    const results = { ...fixture({ methods: ['oracle', 'random', 'empirical', 'fqi'], regimes: ['mdp'] }), baseModel: undefined };
    expect(question(results)).toMatch(/^How far from optimal do methods act that learn a task from a few demonstrations/);
    expect(answer(results)).toMatch(/^In the MDP regime the normalised gap of Empirical model /);
    expect(answer(fixture({ methods: ['oracle', 'random'] }))).toBe('In the MDP, POMDP and APOMDP regimes no methods were compared.');
  });
});

describe('twenty methods', () => {
  const results = fixture({ methods: TWENTY, traced: ['sft', 'oracle'] });

  it('stand family by family, the best of each first, in table and drawing', async () => {
    const report = await render(results);
    sound(report);
    const { elements } = report;
    const body = (label: string): string[] => {
      const rows: string[] = [];
      const walk = (node: DefaultTreeAdapterTypes.ParentNode): void => node.childNodes.forEach((child) => {
        if (!defaultTreeAdapter.isElementNode(child)) return;
        if (child.tagName === 'th' && attribute(child, 'scope') !== 'col') rows.push(text(child));
        else walk(child);
      });
      walk(elements.find((element) => attribute(element, 'aria-label') === label)!);
      return rows;
    };
    const headings = ['References', 'Language models', 'Networks trained on the same examples', 'Imitation of the support', 'A model learnt from the support', 'Values learnt from the support', 'Methods of one’s own'];
    const rows = body('Results, POMDP');
    expect(rows.filter((row) => headings.includes(row))).toEqual(headings);
    expect(rows).toHaveLength(headings.length + 20);
    const { methods } = results.regimes.pomdp!;
    const gapOf = new Map(Object.values(methods).map(({ label, gapNorm }) => [label, gapNorm]));
    for (const [i, row] of rows.entries()) {
      const [ours, next] = [gapOf.get(row), gapOf.get(rows[i + 1] ?? '')];
      if (ours !== undefined && next !== undefined) expect(next).toBeGreaterThanOrEqual(ours);
    }
    const drawing = drawings(elements).find((svg) => attribute(svg, 'aria-label')!.startsWith('Normalised gap, POMDP'))!;
    for (const { label } of Object.values(methods)) expect(text(drawing)).toContain(label.slice(0, 12));
    expect(body('Differences, POMDP')).toHaveLength(headings.length + 19);
  });

  it('have one hue a family, and no two of one family the same shade and dash', () => {
    const methods = methodsOf(results).filter(({ yardstick }) => !yardstick);
    const hues = new Map<string, Set<string>>();
    for (const { group, colour } of methods) hues.set(group.key, (hues.get(group.key) ?? new Set()).add(/--h(\d)/.exec(colour)![1]!));
    for (const of of hues.values()) expect(of.size).toBe(1);
    expect(new Set([...hues.values()].flatMap((of) => [...of])).size).toBe(hues.size);
    expect(new Set(methods.map(({ colour, dash }) => `${colour} ${dash.join(' ')}`)).size).toBe(methods.length);
  });

  it('show their regret in one row of panels a family, with the oracle and chance in each', async () => {
    const { elements } = await render(results);
    const panels = drawings(elements).map((svg) => attribute(svg, 'aria-label')!).filter((label) => label.startsWith('Mean regret by decision'));
    expect(panels).toHaveLength(7 * 3);
    for (const label of panels) expect(label).toMatch(/Oracle: .*Random: /);
    expect(panels.filter((label) => label.includes('CQL:'))).toHaveLength(3);
  });
});

describe('several seeds of one method', () => {
  it('have a row of their spread in every table', async () => {
    const results = fixture({ methods: ['oracle', 'random', 'sft:seed-0', 'sft:seed-1', 'sft:seed-2'], regimes: ['mdp'] });
    for (const [i, gap] of [0.2, 0.3, 0.4].entries()) results.regimes.mdp!.methods[`sft:seed-${i}`]!.gapNorm = gap;
    const line = markdownTable(results).split('\n').at(-1)!;
    expect(line).toContain('| Fine-tuned: spread of 3 seeds |');
    // The standard deviation of 0.2, 0.3 and 0.4 is 0.1.
    expect(line).toContain('0.300 0.200 to 0.400, sd 0.100');
    const { html } = await render(results);
    expect(html).toContain('Fine-tuned: spread of 3 seeds');
    expect(methodsOf(results).map(({ label }) => label)).toEqual(['Oracle', 'Random', 'Fine-tuned · seed-0', 'Fine-tuned · seed-1', 'Fine-tuned · seed-2']);
  });
});

describe('colours', () => {
  it('stand out from the page by 3 : 1 in both schemes', () => {
    // WCAG 2.2, relative luminance and contrast ratio.
    const luminance = (hex: string): number => {
      const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)) as [number, number, number];
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a: string, b: string): number => {
      const [dark, light] = [luminance(a), luminance(b)].toSorted((x, y) => x - y) as [number, number];
      return (light + 0.05) / (dark + 0.05);
    };
    for (const scheme of STYLE.split('@media screen and (prefers-color-scheme: dark)')) {
      const page = /--page: (#\w{6})/.exec(scheme)![1]!;
      const colours = [...scheme.split('body {')[0]!.matchAll(/--(?:h\d-\d|y\d|oracle|accent|seen|belief): (#\w{6})/g)].map((match) => match[1]!);
      // Eight hues of four shades, two greys and the oracle at the least.
      expect(colours.length).toBeGreaterThanOrEqual(8 * 4 + 3);
      for (const colour of colours) expect(contrast(colour, page)).toBeGreaterThanOrEqual(3);
    }
  });

  it('are OKLCH’s', () => {
    // Ottosson's matrices take white to lightness 1 and pure red to (0.628, 0.258, 29.2°).
    expect(oklch(1, 0, 0)).toBe('#ffffff');
    expect(oklch(0, 0, 0)).toBe('#000000');
    expect(oklch(0.62796, 0.2576, 29.234)).toMatch(/^#f[ef]0[0-9]0[0-9]$/);
  });
});

describe('results', () => {
  it('of an older version are refused with what to do', () => {
    for (const schema of ['tiresias.results/1', 'tiresias.results/2']) {
      expect(() => parseResults({ ...fixture(), schema }, 'old.json')).toThrow(/^old\.json was written by an older Tiresias \(tiresias\.results\/\d\).*run the experiment again/);
    }
    expect(() => parseResults({ schema: 'something' })).toThrow(/is not what an experiment leaves/);
    expect(() => parseResults(null)).toThrow(/is not what an experiment leaves/);
  });

  it('need neither a base model nor a training, and without a measured matrix product say nothing of it', async () => {
    const { baseModel: _, ...rest } = fixture();
    expect(parseResults({ ...rest, training: [] }).baseModel).toBeUndefined();
    const [{ matmulShare: _share, matmulPeakGflops: _peak, ...run }] = rest.training as [Results['training'][number]];
    const report = await render(parseResults({ ...rest, training: [run] }));
    sound(report);
    expect(report.html).not.toContain('GFLOP/s');
    expect(report.markdown).not.toContain('GFLOP/s');
  });
});

describe('peak memory', () => {
  const memories = (text: string): string[] => [...text.matchAll(/peak memory/gi)].map(([found]) => found);

  it('is one number: of all processes, by stage, and the largest for the run', async () => {
    const results = fixture({ regimes: ['mdp'] });
    results.stages = [['dataset', 2e8], ['train', 1.4e9], ['evaluate', 9e8]].map(([name, peakRssBytes]) => ({ name: String(name), seconds: 1, peakRssBytes: Number(peakRssBytes) }));
    const { elements, markdown } = await render(results);
    const rows = all(elements, 'tr').map(text);
    expect(rows.find((row) => row.startsWith('All stages'))).toBe('All stages3.00 s1.4 GB');
    expect(memories(markdown)).toHaveLength(1);
    expect(memories(elements.filter(({ tagName }) => tagName === 'body').map(text).join(''))).toHaveLength(1);
  });

  it('is the trainer’s own where no stage was measured', async () => {
    const results = fixture({ regimes: ['mdp'] });
    results.stages = [{ name: 'train', seconds: 1 }];
    results.training[0]!.peakRssBytes = 1.23e9;
    const { html, markdown } = await render(results);
    expect(markdown).toContain('- peak memory 1.2 GB');
    expect(html).toContain('<dt>Peak memory</dt><dd>1.2 GB</dd>');
  });
});

describe('writing', () => {
  it('replaces a whole report by a whole report and leaves nothing else behind', async () => {
    const directory = join(folder, 'new', 'deep');
    await writeReport(fixture({ name: 'first' }), directory);
    const paths = await writeReport(fixture({ name: 'second' }), directory);
    const names = ['gap', 'differences', 'regret', 'cloud', 'training'];
    expect((await readdir(directory)).toSorted()).toEqual(['figures', 'report.html', 'report.md']);
    expect((await readdir(join(directory, 'figures'))).toSorted()).toEqual(names.flatMap((name) => [`${name}.png`, `${name}.svg`]).toSorted());
    expect(paths.figures).toEqual(names.flatMap((name) => [join(directory, 'figures', `${name}.svg`), join(directory, 'figures', `${name}.png`)]));
    // A report without a cloud or a training makes no such file.
    const bare = await writeReport({ ...fixture({ regimes: ['mdp'] }), training: [] }, join(folder, 'bare'));
    expect(bare.figures.map((path) => path.slice(join(folder, 'bare').length))).toEqual(['gap', 'differences', 'regret'].flatMap((name) => [`/figures/${name}.svg`, `/figures/${name}.png`]));
    expect(await readFile(paths.html, 'utf8')).toMatch(/^<!DOCTYPE html>[\s\S]*second[\s\S]*<\/html>\n$/);
  });

  it('leaves what was there when it fails', async () => {
    const directory = join(folder, 'blocked');
    await mkdir(join(directory, 'report.html'), { recursive: true });
    await writeFile(join(directory, 'report.md'), 'old');
    await expect(writeReport(fixture(), directory)).rejects.toThrow();
    expect((await readdir(directory)).toSorted()).toEqual(['report.html', 'report.md']);
    expect(await readFile(join(directory, 'report.md'), 'utf8')).toBe('old');
  });
});

describe('numbers and words', () => {
  it('are rounded for people', () => {
    expect([0, 1e-17, -1e-12, 2e-5, 0.1234, -0.5, 12.3456, 123.456, 12_345.67, 3e9].map(decimal)).toEqual(
      ['0.000', '0.000', '0.000', '2.0e-5', '0.123', '−0.500', '12.346', '123.46', '12345.7', '3.0e+9']);
    expect([0, 0.1234, -0.5, 1].map(percent)).toEqual(['0.0%', '12.3%', '−50.0%', '100.0%']);
    expect([0, 999, 1234, 4.2e9].map(bytes)).toEqual(['0 B', '999 B', '1.2 kB', '4.2 GB']);
    expect([0.5, 59.96, 61, 3725].map(duration)).toEqual(['0.50 s', '60.0 s', '1 min 1 s', '1 h 2 min']);
    expect(count(1234567)).toBe('1,234,567');
    expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(list)).toEqual(['', 'a', 'a and b', 'a, b and c']);
    expect(clean(' a\n b\u0007 ')).toBe('a b\u{FFFD}');
  });
});
