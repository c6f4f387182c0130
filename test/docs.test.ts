// The pages as a whole: every link leads somewhere, every page is in the index, and the first pages are right as they are typed.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blocksOf, installedFolder, lasting, typed } from './pages.js';
import { root } from './support.js';

const docs = join(root, 'docs');
const read = (path: string) => readFileSync(path, 'utf8');
const markdown = (folder: string): string[] => readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() && !entry.name.startsWith('.') ? markdown(join(folder, entry.name)) : entry.name.endsWith('.md') ? [join(folder, entry.name)] : []);
const pages = [...markdown(docs), ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'examples/README.md'].map((name) => join(root, name))];

/** Anchors of a page, as GitHub makes them of its headings. */
const anchors = (page: string): string[] => [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
  heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').trim().replaceAll(' ', '-'));

describe('the pages', () => {
  it.each(pages.map((page) => [relative(root, page), page]))('%s links to what is there', (_, page) => {
    const text = read(page).replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!).filter((link) => !/^[a-z]+:/.test(link));
    const dead = links.filter((link) => {
      const [file, anchor] = link.split('#');
      const target = file === '' ? page : join(dirname(page), file!);
      return !existsSync(target) || (anchor !== undefined && target.endsWith('.md') && !anchors(target).includes(anchor));
    });
    expect(dead).toEqual([]);
  });

  it('are all in the index', () => {
    const index = read(join(docs, 'README.md'));
    const own = markdown(docs).map((page) => relative(docs, page)).filter((page) => page !== 'README.md' && !page.startsWith('findings/') && !/^benchmarks\/(?!README)/.test(page));
    expect(own.filter((page) => !index.includes(`(${page})`))).toEqual([]);
  });

  it('show pictures of less than 100 kB, or of 200 kB where they are of a whole page', () => {
    for (const file of readdirSync(join(docs, 'images'))) expect(statSync(join(docs, 'images', file)).size, file).toBeLessThan(file.endsWith('-page.png') ? 200_000 : 100_000);
  });
});

describe('the first pages', () => {
  it('docs/python.md prints what it shows', { timeout: 120_000 }, async () => {
    const { shown, printed } = await typed(join(docs, 'python.md'), installedFolder());
    expect(shown).toHaveLength(2);
    expect(shown.map(lasting)).toEqual(printed.map(lasting));
  });

  it('docs/installing.md has code that runs', () => {
    const folder = installedFolder();
    const code = blocksOf(read(join(docs, 'installing.md'))).find(({ language }) => language === 'js')!;
    writeFileSync(join(folder, 'first.mjs'), code.text);
    expect(execFileSync(process.execPath, ['first.mjs'], { cwd: folder, encoding: 'utf8' })).toBe('true\n');
  });
});
