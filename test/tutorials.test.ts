// The tutorials, typed as they stand: every command prints what the page shows, and the picture at the end is the one that the commands draw.
import { copyFileSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { installedFolder, lasting, typed } from './pages.js';
import { root } from './support.js';

const docs = join(root, 'docs');
const read = (path: string) => readFileSync(path, 'utf8');

/** The file that each draws; the bench's shows times, which are others every time. */
const PICTURES: [tutorial: string, drawn: string, same: boolean][] = [
  ['researcher', 'runs/second/report/figures/gap.svg', true],
  ['solver-benchmarker', 'bench/figures/gaps.svg', false],
  ['service-engineer', 'machine.svg', true],
  ['health-analyst', 'hidden.svg', true],
];

it('are all that there are', () => {
  expect(readdirSync(join(docs, 'tutorials')).toSorted()).toEqual(PICTURES.map(([name]) => `${name}.md`).toSorted());
});

it.each(PICTURES)('%s', { timeout: 300_000 }, async (name, drawn, same) => {
  const folder = installedFolder();
  const page = join(docs, 'tutorials', `${name}.md`);
  const { shown, printed } = await typed(page, folder);
  expect(shown.length).toBeGreaterThan(2);
  expect(shown.map(lasting)).toEqual(printed.map(lasting));
  const picture = join(docs, 'images', `tutorial-${name}.svg`);
  if (process.env['TIRESIAS_WRITE_DOCS'] === '1') copyFileSync(join(folder, drawn), picture);
  expect(read(page)).toContain(`](../images/tutorial-${name}.svg)`);
  expect(statSync(picture).size).toBeLessThan(100_000);
  expect(read(join(folder, drawn))).toMatch(/^<svg/);
  if (same) expect(read(picture)).toBe(read(join(folder, drawn)));
});
