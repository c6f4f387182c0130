// The page of a run in a real browser: on a phone, and on paper.
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { writeReport } from '../src/report/index.js';
import type { Results } from '../src/results.js';
import { browserThere, startBrowser, type Look } from './browser.js';
import { fixture, TWENTY } from './report-fixture.js';
import { scratch } from './support.js';

const program = browserThere();
if (program === undefined) console.warn('the page of a run is not looked at: no browser is installed (chromium on the path, or TIRESIAS_BROWSER)');

/** The page of some results. */
async function opened(results: Results, look: Look) {
  const { html } = await writeReport(results, scratch());
  const browser = await startBrowser(program!);
  onTestFinished(() => browser.end());
  const page = await browser.open(pathToFileURL(html).href, look);
  await expect.poll(() => page.evaluate(`document.readyState + document.querySelectorAll('footer p').length`), { timeout: 30_000 }).toBe('complete2');
  return page;
}

const PHONE = { width: 375, height: 800 };
const many = () => fixture({ methods: TWENTY, traced: ['sft', 'oracle'] });

describe.skipIf(program === undefined)('the page on a phone', { timeout: 120_000 }, () => {
  it('is not wider than the screen', async () => {
    const page = await opened(many(), PHONE);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
  });

  it('shows every point of the gaps, the differences and the cloud without scrolling', async () => {
    const page = await opened(many(), PHONE);
    const points = await page.evaluate<{ label: string; left: number; right: number }[]>(`[...document.querySelectorAll('svg[role=img]')]
      .filter((svg) => /^(Normalised gap|Difference|Value under)/.test(svg.getAttribute('aria-label')))
      .flatMap((svg) => [...svg.querySelectorAll('.mark-symbol path')].map((path) => ({ label: svg.getAttribute('aria-label').slice(0, 20), left: path.getBoundingClientRect().left, right: path.getBoundingClientRect().right })))`);
    expect(new Set(points.map(({ label }) => label.slice(0, 10)))).toEqual(new Set(['Normalised', 'Difference', 'Value unde']));
    expect(points.length).toBeGreaterThan(20 * 3 + 19 * 3 + 20 * 2 - 1);
    expect(points.filter(({ left, right }) => left < 0 || right > 375)).toEqual([]);
  });

  it('keeps the names of a table in sight while its numbers scroll', async () => {
    const page = await opened(many(), PHONE);
    const left = (scrolled: number) => page.evaluate<number[]>(`(() => {
      const box = document.querySelector('[aria-label="Results, MDP"]');
      box.scrollLeft = ${scrolled};
      return [...box.querySelectorAll('th[scope=row], td:nth-child(2)')].map((cell) => Math.round(cell.getBoundingClientRect().left)).slice(0, 2);
    })()`);
    const [name, number] = await left(0);
    const [nameLater, numberLater] = await left(200);
    expect(nameLater).toBe(name);
    expect(numberLater).toBe(number! - 200);
    expect(await page.evaluate(`[...document.querySelectorAll('th[scope=row]')].filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.innerText)`)).toEqual([]);
  });

  it('darkens the edge behind which a table goes on, and only that', async () => {
    const page = await opened(fixture(), PHONE);
    /** The shadows and their covers, which move with the content: what the edges show. */
    const layers = await page.evaluate<{ attachment: string; image: string }>(`(({ backgroundAttachment: attachment, backgroundImage: image }) => ({ attachment, image }))(getComputedStyle(document.querySelector('[aria-label="Results, MDP"]')))`);
    expect(layers.attachment).toBe('local, local, scroll, scroll');
    // The colour of one pixel at the right edge, half-way between two rows of text, before and after the table is scrolled to its end.
    const edge = async (scroll: string) => {
      const at = await page.evaluate<{ x: number; y: number }>(`(() => {
        const box = document.querySelector('[aria-label="Results, MDP"]');
        box.scrollIntoView({ block: 'center' });
        box.scrollLeft = ${scroll};
        const { right, top } = box.getBoundingClientRect();
        return { x: Math.round(right) - 2, y: Math.round(top) + 3 };
      })()`);
      const picture = (await page.picture()).toString('base64');
      return page.evaluate<number>(`(async () => {
        const bytes = Uint8Array.from(atob(${JSON.stringify(picture)}), (c) => c.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(${at.x}, ${at.y}, 1, 1).data[0];
      })()`);
    };
    const [before, after] = [await edge('0'), await edge('box.scrollWidth')];
    expect(after).toBeGreaterThan(248);
    expect(before).toBeLessThan(after - 15);
  });
});

describe.skipIf(program === undefined)('the page on paper', { timeout: 120_000 }, () => {
  // A4 without its margins, in CSS pixels.
  const PAPER = { width: 718, height: 1000, media: 'print' } as const;

  it.each([['twenty methods', () => many()], ['a cloud of eight models', () => wide(fixture({ methods: ['oracle', 'random', 'sft:seed-0', 'sft:seed-1', 'icl'] }), 8)]] as const)('shows every name whole: %s', async (_, results) => {
    const page = await opened(results(), PAPER);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(718);
    // A word that is broken or shortened has more than one box, or a cell that is smaller than what it holds.
    const broken = await page.evaluate<string[]>(`[...document.querySelectorAll('th[scope=row]')].flatMap((cell) => {
      const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
      const words = [];
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (const { index, 0: word } of node.data.matchAll(/\\S+/g)) {
          const range = document.createRange();
          range.setStart(node, index);
          range.setEnd(node, index + word.length);
          if (range.getClientRects().length !== 1 || cell.scrollWidth > cell.clientWidth) words.push(word);
        }
      }
      return words;
    })`);
    expect(broken).toEqual([]);
  });
});

/** The same results with so many models in the cloud. */
function wide(results: Results, models: number): Results {
  for (const { cloud } of Object.values(results.regimes['apomdp']!.methods)) if (cloud) cloud.perModel = Array.from({ length: models }, (_, m) => cloud.worst + m);
  return results;
}
