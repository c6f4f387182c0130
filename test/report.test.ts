import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { defaultTreeAdapter, parse, type DefaultTreeAdapterTypes, type ParserError } from 'parse5';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answer, question, relation } from '../src/report/findings.js';
import { inRegretFigures } from '../src/report/figures.js';
import { markdownTable, writeReport } from '../src/report/index.js';
import { methodsOf } from '../src/report/names.js';
import { bytes, clean, count, decimal, duration, list, percent } from '../src/report/text.js';
import type { Results } from '../src/results.js';
import { fixture } from './report-fixture.js';

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
  for (const th of all(elements, 'th')) expect(attribute(th, 'scope')).toMatch(/^(col|row)$/);
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
    // Three panels of the gap, of differences and of the regret, one cloud, six traces, loss and accuracy.
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
    for (const method of methods.slice(4)) expect(report.html).toContain(`>${method}<`);
  });
});

describe('hostile names', () => {
  const evil = '"><script>alert(1)</script><img src=x onerror=alert(2)> | `x` ]]> &amp; ${1} \u001B[31m \u202E \u0000 \uD800';

  it('are shown, not run', async () => {
    const results = fixture({ methods: ['oracle', 'sft', evil], traced: [evil], regimes: ['mdp', evil], adapters: [evil], name: evil });
    results.actions = [evil, evil, 'perform'];
    results.version = results.baseModel!.name = results.baseModel!.sha256 = results.machine.cpu = results.stages[0]!.name = evil;
    results.experiment = { [evil]: evil, deep: [{ '</code></pre><script>': '</style>' }] };
    const report = await render(results);
    sound(report);
    expect(report.elements.map(text).join('')).toContain('<script>alert(1)</script>');
    expect(report.markdown.split('```')[0]).not.toContain('<script');
    for (const line of markdownTable(results).split('\n')) expect(line.replaceAll('\\|', '').match(/\|/g)).toHaveLength(11);
    for (const character of ['\u001B', '\u202E', '\u0000']) expect(markdownTable(results)).not.toContain(character);
  });

  it('that look alike stay apart', () => {
    const methods = methodsOf(fixture({ methods: ['Oracle', 'oracle', ' ', '\t', '__proto', 'constructor'], regimes: ['mdp'] }));
    expect(new Set(methods.map(({ label }) => label)).size).toBe(6);
    expect(new Set(methods.map(({ short }) => short)).size).toBe(6);
    expect(methods[0]).toMatchObject({ key: 'oracle', label: 'Oracle' });
  });
});

describe('any subset of methods and regimes', () => {
  const name = fc.oneof(fc.constantFrom('oracle', 'sft', 'icl', 'random', 'dpt', 'bc'), fc.string({ unit: 'grapheme', maxLength: 30 }))
    .filter((key) => key !== '__proto__');

  it('makes a sound page and one row each', async () => {
    await fc.assert(fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 6 }), fc.uniqueArray(fc.oneof(fc.constantFrom('mdp', 'pomdp', 'apomdp'), name), { maxLength: 3 }),
      fc.integer({ min: 1, max: 12 }), fc.integer({ min: 4, max: 12 }), fc.integer({ min: 0, max: 5 }), fc.string(),
      async (methods, regimes, horizon, states, steps, seed) => {
        const results = fixture({ methods, regimes, horizon, states, steps, seed, traced: methods.slice(0, 2) });
        const report = await render(results);
        sound(report);
        expect(markdownTable(results).split('\n')).toHaveLength(2 + methods.length * regimes.length);
        const traced = Math.min(2, methods.length) * regimes.length;
        const clouds = methods.length > 0 && regimes.includes('apomdp') ? 1 : 0;
        const panels = methods.length > 0 ? (methods.length > 2 ? 3 : 2) * regimes.length : 0;
        expect(drawings(report.elements)).toHaveLength(panels + clouds + traced + (steps > 0 ? 2 : 0));
      },
    ), { numRuns: 15 });
  });
});

describe('Markdown', () => {
  it('has one row for each method and regime, oracle first and random last, rounded', () => {
    const lines = markdownTable(fixture()).split('\n');
    expect(lines).toHaveLength(2 + 4 * 3);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    const cells = (line: string): string[] => line.split(' | ').map((cell) => cell.replace(/^\| |\|$/g, '').trim());
    expect(lines.slice(2).map((line) => cells(line).slice(0, 2).join(' '))).toEqual(
      ['MDP', 'POMDP', 'APOMDP'].flatMap((regime) => ['Oracle', 'Fine-tuned', 'In-context only', 'Random'].map((method) => `${regime} ${method}`)),
    );
    expect(cells(lines[2]!)).toEqual(['MDP', 'Oracle', '0.000', '0.000', '0.0%', expect.stringMatching(/^11\.200 \[/), '100.0%', '60', '60', 'exact']);
    expect(cells(lines[3]!)[2]).toMatch(/^0\.220 \[0\.\d{3}, 0\.\d{3}\]$/);
  });

  it('says the same as the page', async () => {
    const results = fixture();
    const { html, markdown } = await render(results);
    expect(markdown).toContain(`**${answer(results)}**`);
    expect(html).toContain(answer(results));
    expect(markdown).toContain(markdownTable(results));
    expect(markdown).toContain('"seed": 20260509');
    expect(markdown).toContain('| APOMDP |');
  });
});

describe('the answer', () => {
  /** Differences of the fine-tuned model from others, and how sure they are. */
  const placed = (differences: Record<string, [gapNorm: number, pHolm: number]>): Results => {
    const results = fixture({ methods: ['oracle', 'sft', ...Object.keys(differences)], regimes: ['mdp'] });
    for (const comparison of results.regimes.mdp!.comparisons) {
      const [gapNorm, pHolm] = differences[comparison.versus] ?? [0.2, 0.001];
      Object.assign(comparison, { gapNorm, pHolm });
    }
    return results;
  };

  it('claims no more than the corrected comparisons show', () => {
    expect(answer(placed({ icl: [-0.5, 0.001], random: [-0.9, 0.049] }))).toBe(
      'In the MDP regime the fine-tuned model’s normalised gap lies below both in-context only and random (paired over tasks, Holm-corrected at 5%).');
    expect(answer(placed({ icl: [-0.5, 0.05], random: [-0.9, 0.001] }))).toBe(
      'In the MDP regime the fine-tuned model’s normalised gap lies below random and is not told apart from in-context only (paired over tasks, Holm-corrected at 5%).');
    expect(answer(placed({ icl: [0.4, 0.001], random: [0.1, 0.001] }))).toContain('lies above both in-context only and random');
    expect(answer(placed({}))).toContain('stands alone');
    expect(answer(fixture({ methods: ['oracle', 'random'] }))).toBe('In the MDP, POMDP and APOMDP regimes no method was evaluated besides oracle and chance.');
    expect(answer({ ...fixture(), regimes: {} })).toBe('No regime was evaluated.');
  });

  it('counts many methods, and speaks of another reference where there is no language model', () => {
    const many = placed(Object.fromEntries(['icl', 'random', 'dpt', 'bc', 'fqi', 'cql', 'vi'].map((name, i) => [name, i < 6 ? [-0.3, 0.001] : [0.1, 0.6]])));
    expect(answer(many)).toBe('In the MDP regime the fine-tuned model’s normalised gap lies below 6 of 7 other methods and is not told apart from vi (paired over tasks, Holm-corrected at 5%).');
    const { baseModel: _, ...plain } = fixture({ methods: ['oracle', 'bc', 'fqi', 'random'], regimes: ['mdp'] });
    expect(question(plain)).toBe('How far from optimal does each method act from a few demonstrations?');
    expect(answer(plain)).toMatch(/^In the MDP regime the normalised gap of bc .*\(paired over tasks/);
  });

  it('tells apart only below five percent', () => {
    const comparison = fixture({ regimes: ['mdp'] }).regimes.mdp!.comparisons[0]!;
    expect([[-1, 0.049], [1, 0.049], [-1, 0.05], [1, 1]].map(([gapNorm, pHolm]) => relation({ ...comparison, gapNorm: gapNorm!, pHolm: pHolm! }))).toEqual(
      ['below', 'above', 'not told apart', 'not told apart']);
  });
});

describe('twenty methods', () => {
  const methods = ['oracle', 'bayes', 'qmdp', 'sft', 'icl', 'dpt', 'scratch', 'bc', 'em', 'ps', 'fqi', 'cql', 'vi', 'mine', 'random'];

  it('stand family by family, the closest to optimal first in each, with hues of their family', async () => {
    const results = fixture({ methods });
    const ordered = methodsOf(results);
    expect([ordered[0]!.key, ordered.at(-1)!.key]).toEqual(['oracle', 'random']);
    const families = ordered.map(({ group }) => group);
    expect(new Set(families.filter((family, i) => family !== families[i - 1])).size).toBe(new Set(families).size);
    const gap = (key: string) => Object.values(results.regimes).reduce((sum, regime) => sum + regime.methods[key]!.gapNorm, 0);
    for (const [i, method] of ordered.slice(1, -1).entries()) {
      const before = ordered[i]!;
      if (i > 0 && before.group === method.group) expect(gap(before.key)).toBeLessThanOrEqual(gap(method.key));
    }
    expect(new Set(ordered.map(({ colour }) => colour)).size).toBe(ordered.length);
    const report = await render(results);
    sound(report);
    const headings = all(report.elements, 'tr').filter((row) => attribute(row, 'class') === 'family').map(text);
    expect(headings.slice(0, headings.length / 3)).toContain('Value functions of the support');
  });

  it('have the regrets drawn of a few: the oracle, chance, and the best of each family', () => {
    const results = fixture({ methods, regimes: ['mdp'] });
    const drawn = inRegretFigures(methodsOf(results), results.regimes.mdp!);
    expect(drawn.map(({ key }) => key)).toEqual(expect.arrayContaining(['oracle', 'random', 'mine']));
    expect(drawn.filter(({ group }) => group === 'Value functions of the support')).toHaveLength(1);
    expect(inRegretFigures(methodsOf(fixture()), fixture().regimes.mdp!)).toHaveLength(4);
  });
});

describe('writing', () => {
  it('replaces a whole report by a whole report and leaves nothing else behind', async () => {
    const directory = join(folder, 'new', 'deep');
    await writeReport(fixture({ name: 'first' }), directory);
    const paths = await writeReport(fixture({ name: 'second' }), directory);
    expect((await readdir(directory)).toSorted()).toEqual(['report.html', 'report.md']);
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
