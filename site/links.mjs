// Where a link of a page leads on the site: to another page, or, for a file that is no page, to where the source can be read.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { pageOf, root, staged, title } from './pages.mjs';

/** Where the source can be read. */
export const SOURCE = 'https://github.com/tiresias-rl/tiresias';

/** Where the site lies on its server. */
export const BASE = '/tiresias/';

/** The path of a relative link of a page, from the root of the checkout, and its anchor. */
function target(link, page) {
  const [, path, anchor = ''] = /^([^#]*)(#.*)?$/.exec(link);
  return [posix.join(posix.dirname(page), decodeURI(path)).replace(/\/$/, ''), anchor];
}

/** The page that a file or a folder of the checkout is on the site, if it is one. */
const pageAt = (path) => [pageOf(path), posix.join(path, 'index.md')].find((candidate) => candidate.endsWith('.md') && existsSync(join(staged, candidate)));

/** Of a relative link of a page, what to write instead; an error where it leads nowhere. */
export function resolved(link, page) {
  const [path, anchor] = target(link, page);
  const leads = pageAt(path);
  if (leads !== undefined) return `/${leads.replace(/(?:(?<=^|\/)index)?\.md$/, '')}${anchor}`;
  const file = join(root, path);
  if (!existsSync(file)) throw new Error(`${page} links to ${link}, which is not there: correct the link, or add ${join(dirname(page), link.replace(/#.*/, ''))}`);
  return `${SOURCE}/${statSync(file).isDirectory() ? 'tree' : 'blob'}/main/${path}${anchor}`;
}

/** What a link to a page says on the site: whoever reads files knows their names, whoever reads the site knows titles. */
function spoken(text, link, page) {
  const [path, anchor] = target(link, page);
  const leads = pageAt(path);
  if (leads === undefined || anchor !== '' || posix.basename(text) !== posix.basename(path)) return text;
  return title(readFileSync(join(staged, leads), 'utf8')) || text;
}

/** A plugin of markdown-it that does so for every link. */
export function links(md) {
  md.core.ruler.push('links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const [i, token] of (children ?? []).entries()) {
        const href = token.type === 'link_open' ? token.attrGet('href') : null;
        if (href === null || /^(?:[a-z]+:|#|\/)/i.test(href)) continue;
        token.attrSet('href', resolved(href, env.relativePath));
        const words = children[i + 1];
        if (words.type === 'text' && children[i + 2].type === 'link_close') words.content = spoken(words.content, href, env.relativePath);
      }
    }
  });
}
