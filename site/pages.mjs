// The pages of the site: every Markdown file of the checkout, at its own path, so that a link between two of them is the same on the site, on GitHub
// and in the package. A folder's README.md is its index.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** Where the pages are gathered before the site is built from them. */
export const staged = fileURLToPath(new URL('staged', import.meta.url));

/** The files that git knows or would know, with one of these endings, and that are there. */
function files(...endings) {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...endings.map((ending) => `*.${ending}`)], { cwd: root, encoding: 'utf8' });
  return listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
}

/** The Markdown files that are pages. */
export function sources() {
  return files('md').filter((path) => !/^(?:\.github|test|site)\//.test(path));
}

/** Where a Markdown file lies among the pages; the root's README gives way to the site's first page. */
export function pageOf(path) {
  return basename(path) === 'README.md' && dirname(path) !== '.' ? join(dirname(path), 'index.md') : path;
}

/** The first heading of a Markdown file, without its marks. */
export function title(text) {
  return /^# (.*)$/m.exec(text)?.[1].replaceAll('`', '') ?? '';
}

/** Writes a page that is made for the site. */
export function write(page, text) {
  const path = join(staged, page);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Copies one file of the checkout to its place. */
export function gather(path) {
  const to = join(staged, pageOf(path));
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(join(root, path), to);
}

/** Gathers all pages and the pictures that they show, in an empty folder. */
export function gatherAll() {
  rmSync(staged, { recursive: true, force: true });
  for (const path of [...sources(), ...files('png', 'svg', 'webp').filter((file) => file.startsWith('docs/'))]) gather(path);
  // Of "one page or another" the first that is there.
  write('index.md', readFileSync(join(root, 'site', 'index.md'), 'utf8').replace(/(\S+) or (\/\S+)/g, (_, wanted, other) => (existsSync(join(staged, `${wanted}.md`)) ? wanted : other)));
}
