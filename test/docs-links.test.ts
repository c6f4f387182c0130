// Every link of every Markdown file leads somewhere: a relative one to a file, one with an anchor to a heading as GitHub names it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import Slugger from 'github-slugger';
import MarkdownIt from 'markdown-it';
import { describe, expect, it } from 'vitest';
import { root } from './support.js';

const markdown = new MarkdownIt({ html: true });
type Token = ReturnType<typeof markdown.parse>[number];

/** Of a text, the links and pictures, and the anchors of its headings. */
function read(text: string): { links: string[]; anchors: Set<string> } {
  const tokens = markdown.parse(text, {});
  const inline = tokens.flatMap(({ children }) => children ?? []);
  const slugger = new Slugger();
  const words = (heading: Token) => (heading.children ?? []).filter(({ type }) => type === 'text' || type === 'code_inline').map(({ content }) => content).join('');
  return {
    links: inline.flatMap((token) => token.attrGet('href') ?? token.attrGet('src') ?? []).map(String),
    anchors: new Set(tokens.flatMap(({ type }, i) => (type === 'heading_open' ? [slugger.slug(words(tokens[i + 1]!))] : []))),
  };
}

/** What is wrong with the links of a page, whose path and those of other pages are relative to a folder. */
function dead(page: string, load: (path: string) => string | undefined, there: (path: string) => boolean): string[] {
  return read(load(page)!).links.filter((link) => !/^[a-z]+:/i.test(link)).filter((link) => {
    const [path, anchor] = decodeURI(link).split('#') as [string, string?];
    const target = path === '' ? page : posix.join(posix.dirname(page), path);
    if (!there(target)) return true;
    return anchor !== undefined && target.endsWith('.md') && !read(load(target)!).anchors.has(anchor);
  });
}

const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8' }).split('\n').filter((path) => path !== '' && existsSync(join(root, path)));

describe('a link', () => {
  it('is dead where its file or its heading is missing', () => {
    const files: Record<string, string> = { 'a/one.md': '# One\n[two](../two.md#what-i-say) [gone](gone.md) [own](#one) ![picture](../p.png)\n[no](../two.md#no) `[code](x.md)` [web](https://example.org)', 'two.md': '# Two\n## What *I* say\n', 'p.png': '' };
    expect(dead('a/one.md', (path) => files[path], (path) => path in files)).toEqual(['gone.md', '../two.md#no']);
  });

  it.each(pages)('of %s leads to a file and a heading', (page) => {
    expect(dead(page, (path) => readFileSync(join(root, path), 'utf8'), (path) => existsSync(join(root, path)))).toEqual([]);
  });
});

it('looks at the documents', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'docs/methods.md', 'docs/findings/README.md', 'bench/README.md']));
});
