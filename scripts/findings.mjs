// Writes docs/findings from the finished cells in bench/results: `npm run findings`, after `npm run build:ts`.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BENCH_PAGES, findingsPages } from '../dist/study/findings.js';

const folder = fileURLToPath(new URL('../docs/findings/', import.meta.url));
const pages = await findingsPages();
mkdirSync(folder, { recursive: true });
// Pages that come from benches, not from studies.
const others = new Set(BENCH_PAGES.flatMap(({ name, figures }) => [`${name}.md`, ...figures.map((figure) => join(...figure.split('/')))]));
for (const path of readdirSync(folder, { recursive: true })) if (/\.(?:md|svg)$/.test(path) && !pages.has(path) && !others.has(path)) rmSync(join(folder, path));
for (const [path, text] of pages) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
  console.log(join('docs/findings', path));
}
