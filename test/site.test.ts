// The site, built and looked at: no link of it is dead, every document is in its sidebar, and a browser shows it on a desk and a phone, in both schemes.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, posix } from 'node:path';
import { promisify } from 'node:util';
import { parse, type DefaultTreeAdapterMap } from 'parse5';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserThere, startBrowser, type Browser, type Look } from './browser.js';
import { root } from './support.js';

const BASE = '/tiresias/';
const program = browserThere();
if (program === undefined) console.warn('the site is not looked at: no browser is installed (chromium on the path, or TIRESIAS_BROWSER)');

const folder = mkdtempSync(join(tmpdir(), 'tiresias-site-'));
let files: Set<string>;

/** The file of an address below the base, as GitHub Pages finds it. */
const fileOf = (path: string): string | undefined => [path, `${path}.html`, posix.join(path, 'index.html')].find((name) => files.has(name));

beforeAll(async () => {
  await promisify(execFile)(process.execPath, [join(root, 'site', 'build.mjs'), '--no-api', '--out', folder], { cwd: root, maxBuffer: 2 ** 26 });
  files = new Set((readdirSync(folder, { recursive: true }) as string[]).map((path) => path.replaceAll('\\', '/')).filter((path) => extname(path) !== ''));
}, 400_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Element = DefaultTreeAdapterMap['element'];
const elements = (node: DefaultTreeAdapterMap['parentNode']): Element[] => node.childNodes.flatMap((child) => ('tagName' in child ? [child, ...elements(child)] : []));
const attribute = ({ attrs }: Element, name: string) => attrs.find((one) => one.name === name)?.value;

/** Every page that VitePress made: its elements, by its address. */
const pages = () => new Map([...files].filter((name) => name.endsWith('.html') && !name.startsWith('gallery/') || name === 'gallery/index.html').map((name) => [name, elements(parse(readFileSync(join(folder, name), 'utf8')))]));

describe('the site', () => {
  it('has no dead link, within a page, to another or to a file', () => {
    const all = pages();
    const ids = new Map([...all].map(([name, found]) => [name, new Set(found.flatMap((element) => attribute(element, 'id') ?? []))]));
    const dead = [...all].flatMap(([name, found]) => found.flatMap((element) => attribute(element, 'href') ?? attribute(element, 'src') ?? []).filter((link) => {
      const { origin, pathname, hash } = new URL(link, `http://site${BASE}${name.replace(/(?:index)?\.html$/, '')}`);
      if (origin !== 'http://site') return false;
      const file = pathname.startsWith(BASE) ? fileOf(decodeURI(pathname.slice(BASE.length))) : undefined;
      return file === undefined || (hash !== '' && ids.has(file) && !ids.get(file)!.has(decodeURIComponent(hash.slice(1))));
    }).map((link) => `${name}: ${link}`));
    expect([...new Set(dead)]).toEqual([]);
    expect(all.size).toBeGreaterThan(70);
  });

  it('has every document in the sidebar, a page for every solver and every method among them', () => {
    const all = pages();
    const listed = new Set(all.get('README.html')!.flatMap((element) => attribute(element, 'href') ?? []));
    const missing = [...all.keys()].filter((name) => !['index.html', '404.html'].includes(name)).map((name) => BASE + name.replace(/(?:index)?\.html$/, '')).filter((address) => !listed.has(address));
    expect(missing).toEqual([]);
    for (const name of ['docs/solvers/exact', 'docs/methods/dpt', 'docs/methods/ucb', 'gallery/']) expect(listed).toContain(BASE + name);
  });

  it('calls a page by its title where a document calls it by its file', () => {
    const text = (element: Element): string => element.childNodes.map((child) => ('value' in child ? child.value : 'tagName' in child ? text(child) : '')).join('');
    const links = new Map(pages().get('docs/index.html')!.filter(({ tagName }) => tagName === 'a').map((link) => [attribute(link, 'href'), text(link).trim()]));
    expect(links.get(`${BASE}docs/bench`)).toBe('Solvers beside one another');
    expect([...links.values()].filter((words) => /^[\w-]+\.md$/.test(words))).toEqual([]);
  });
});

describe.skipIf(program === undefined)('the site in a browser', { timeout: 120_000 }, () => {
  const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.json': 'application/json' };
  let server: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    server = createServer(({ url }, response) => {
      const file = fileOf(decodeURI(new URL(url!, 'http://site').pathname.slice(BASE.length)));
      if (url === '/favicon.ico') return void response.writeHead(204).end();
      if (file === undefined) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(join(folder, file)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await startBrowser(program!);
  });

  afterAll(async () => {
    await browser.end();
    server.close();
  });

  /** A page that is shown and alive: what it is made of has come, and Vue has taken it over. */
  async function opened(path: string, look?: Look) {
    const page = await browser.open(origin + BASE + path, look);
    await expect.poll(() => page.evaluate<boolean>(`document.readyState === 'complete' && document.querySelector('#app')?.__vue_app__ !== undefined && [...document.images].every((image) => image.complete || image.loading === 'lazy')`), { timeout: 30_000 }).toBe(true);
    return page;
  }

  it.each(['', 'README', 'docs/methods', 'docs/methods/dpt', 'docs/solvers', 'docs/point-based', 'docs/findings/main', 'docs/benchmarks/', 'gallery/', 'CHANGELOG'])('shows /%s on a phone without errors and without scrolling sideways', async (path) => {
    const page = await opened(path, { width: 375, height: 800, scheme: 'dark' });
    expect(await page.evaluate('innerWidth')).toBe(375);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375);
    expect(page.errors()).toEqual([]);
  });

  it('follows the scheme of the system', async () => {
    const shade = async (scheme: 'light' | 'dark') => {
      const page = await opened('README', { scheme });
      expect(page.errors()).toEqual([]);
      return page.evaluate<number>(`getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)`);
    };
    expect(await shade('light')).toBeGreaterThan(700);
    expect(await shade('dark')).toBeLessThan(150);
  });

  it('finds a word without asking anybody else', async () => {
    const page = await opened('');
    await page.evaluate(`document.querySelector('.DocSearch-Button, .VPNavBarSearch button').click()`);
    await expect.poll(() => page.evaluate<boolean>(`document.querySelector('.VPLocalSearchBox input') !== null`), { timeout: 30_000 }).toBe(true);
    await page.evaluate(`(() => { const input = document.querySelector('.VPLocalSearchBox input'); input.value = 'tiger'; input.dispatchEvent(new Event('input', { bubbles: true })); })()`);
    await expect.poll(() => page.evaluate<number>(`document.querySelectorAll('.VPLocalSearchBox .result').length`), { timeout: 30_000 }).toBeGreaterThan(3);
    const first = await page.evaluate<string>(`document.querySelector('.VPLocalSearchBox a.result').getAttribute('href')`);
    expect(readFileSync(join(folder, fileOf(first.split('#')[0]!.slice(BASE.length))!), 'utf8')).toMatch(/tiger/i);
    expect(await page.evaluate(`performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin).filter((one) => one !== location.origin)`)).toEqual([]);
    expect(page.errors()).toEqual([]);
  });
});
