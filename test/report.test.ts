import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { defaultTreeAdapter, parse, type DefaultTreeAdapterTypes, type ParserError } from 'parse5';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answer, relation } from '../src/report/findings.js';
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
      'Optimality gap', 'Regret by decision', 'Under every model of the cloud', 'One episode, step by step', 'Training',
      'Oracle certificate', 'Training data', 'Time and machine', 'How to reproduce', 'Definitions',
    ]);
    // Three panels of the gap and of the regret, one cloud, six traces, loss and accuracy.
    expect(drawings(report.elements)).toHaveLength(3 + 3 + 1 + 6 + 2);
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
    ['a regime without methods', { regimes: { mdp: { horizon: 1, optimal: 0, lower: 0, upper: 0, methods: {}, traces: [] } } }],
  ])('stands with %s', async (_name, change) => sound(await render({ ...fixture({ adapters: ['a', 'b'] }), ...change })));

  it('stands with an empty curve, an empty trace and a single point', async () => {
    const results = fixture({ regimes: ['apomdp'], horizon: 1, steps: 1 });
    sound(await render(results));
    results.training[0]!.curve = [];
    results.regimes.apomdp!.traces[0]!.steps = [];
    const { elements } = await render(results);
    expect(drawings(elements)).toHaveLength(3);
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
    results.version = results.baseModel.name = results.baseModel.sha256 = results.machine.cpu = results.stages[0]!.name = evil;
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
        const panels = methods.length > 0 ? 2 * regimes.length : 0;
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
  const placed = (ours: [number, number], icl?: [number, number], random?: [number, number]): Results => {
    const results = fixture({ methods: ['oracle', 'sft', ...(icl ? ['icl'] : []), ...(random ? ['random'] : [])], regimes: ['mdp'] });
    const { methods } = results.regimes.mdp!;
    methods.sft!.gapNormCi95 = ours;
    if (icl) methods.icl!.gapNormCi95 = icl;
    if (random) methods.random!.gapNormCi95 = random;
    return results;
  };

  it('claims no more than the intervals show', () => {
    expect(answer(placed([0.1, 0.2], [0.7, 0.8], [0.9, 1.1]))).toBe(
      'In the MDP regime the fine-tuned model’s normalised gap lies below both in-context only and random (95% intervals apart).');
    expect(answer(placed([0.1, 0.75], [0.7, 0.8], [0.9, 1.1]))).toBe(
      'In the MDP regime the fine-tuned model’s normalised gap lies below random (95% intervals apart) and is not told apart from in-context only (the 95% intervals overlap).');
    expect(answer(placed([1.2, 1.3], [0.7, 0.8], [0.9, 1.1]))).toContain('lies above both in-context only and random');
    expect(answer(placed([0.1, 0.2]))).toContain('stands alone');
    expect(answer(fixture({ methods: ['oracle', 'random'] }))).toBe('In the MDP, POMDP and APOMDP regimes no fine-tuned model was evaluated.');
    expect(answer({ ...fixture(), regimes: {} })).toBe('No regime was evaluated.');
  });

  it('takes touching intervals for overlapping', () => {
    const { sft, icl } = placed([0.1, 0.7], [0.7, 0.8]).regimes.mdp!.methods;
    expect(relation(sft!, icl!)).toBe('overlapping');
    expect(relation(icl!, sft!)).toBe('overlapping');
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
