// Where a link of a page leads on the site: to another page, or, for a file that is no page, to where the source can be read.
import { existsSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { pageOf, root, staged } from './pages.mjs';

/** Where the source can be read. */
export const SOURCE = 'https://github.com/tiresias-rl/tiresias';

/** Where the site lies on its server. */
export const BASE = '/tiresias/';

/** Of a relative link of a page, what to write instead; an error where it leads nowhere. */
export function resolved(link, page) {
  const [, path, anchor] = /^([^#]*)(#.*)?$/.exec(link);
  const target = posix.join(posix.dirname(page), decodeURI(path)).replace(/\/$/, '');
  for (const candidate of [pageOf(target), posix.join(target, 'index.md')]) {
    if (candidate.endsWith('.md') && existsSync(join(staged, candidate))) return `/${candidate.replace(/(?:(?<=^|\/)index)?\.md$/, '')}${anchor ?? ''}`;
  }
  const file = join(root, target);
  if (!existsSync(file)) throw new Error(`${page} links to ${link}, which is not there: correct the link, or add ${join(dirname(page), path)}`);
  return `${SOURCE}/${statSync(file).isDirectory() ? 'tree' : 'blob'}/main/${target}${anchor ?? ''}`;
}

/** A plugin of markdown-it that does so for every link. */
export function links(md) {
  md.core.ruler.push('links', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === 'link_open' ? token.attrGet('href') : null;
      if (href !== null && !/^(?:[a-z]+:|#|\/)/i.test(href)) token.attrSet('href', resolved(href, env.relativePath));
    }
  });
}
