// The page at `/` in a real browser: policies, live sessions, and one session's belief, which changes with what is observed.
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer } from '../src/serve/http/server.js';
import type { AnyPolicy } from '../src/serve/servable.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { browserThere, startBrowser, type Look } from './browser.js';
import { fakeAdapter } from './fake-adapter.js';
import { scratch, setEnv } from './support.js';

const program = browserThere();
if (program === undefined) console.warn('the page is not looked at: no browser is installed (chromium on the path, or TIRESIAS_BROWSER)');

/** A server that a browser can ask, and the page. */
async function opened(look?: Look, token?: string) {
  setEnv('TIRESIAS_CACHE', scratch());
  const folder = scratch();
  const file = join(folder, 'tiger.policy');
  await savePolicy(file, solveSync(classicModel('tiger'), { gap: 0.1 }));
  const adapter = await (await fakeAdapter(folder)).load();
  const policies = new Map<string, AnyPolicy>([['tiger', await loadPolicy(file)], ['adapter', adapter]]);
  const server = await makeServer(policies, new MemoryStore(), { maxBody: 1 << 16, maxSessions: 100, maxQueue: 10, lookahead: true, onImpossible: 'most-likely', token }, pino({ level: 'silent' }));
  onTestFinished(() => server.drain());
  const origin = await server.app.listen({ host: '127.0.0.1', port: 0 });
  const browser = await startBrowser(program!);
  onTestFinished(() => browser.end());
  const post = async (path: string, body: object) => {
    const { status } = await fetch(origin + path, { method: 'POST', headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }, body: JSON.stringify(body) });
    expect(status).toBeLessThan(300);
  };
  const page = await browser.open(origin, look);
  /** Text of what a selector finds, as a reader sees it. */
  const text = (selector: string) => page.evaluate<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText.replace(/\\s+/g, ' ').trim() ?? ''`);
  return { page, post, text };
}

const SOON = { timeout: 30_000 };

describe.skipIf(program === undefined)('the page in a browser', { timeout: 120_000 }, () => {
  it('shows policies, sessions as they come, and a belief that changes after an observation', async () => {
    const { page, post, text } = await opened();
    await expect.poll(() => text('#policies'), SOON).toMatch(/^tiger tiger 100\.0 % pomdp, 2 states, 3 actions 1\d\.\d+ [12]\d\.\d+ adapter adapter 100\.0 % language model over bytes\.gguf: energy pomdp$/);
    await expect.poll(() => text('#which'), SOON).toBe('No session.');
    await post('/policies/tiger/sessions', { id: 'door-7' });
    await expect.poll(() => text('#sessions'), SOON).toMatch(/^door-7 tiger 1 /);
    await page.evaluate(`document.querySelector('#sessions button').click()`);
    await expect.poll(() => text('#say'), SOON).toMatch(/^Variant tiger\. Stage 0, version 1\. Next: listen, worth between 1\d\.\d+ and [12]\d\.\d+; loses at most /);
    await expect.poll(() => text('#belief'), SOON).toBe('tiger-left 0.5000 tiger-right 0.5000');
    await post('/sessions/door-7/observe', { action: 'listen', observation: 'hear-left' });
    await expect.poll(() => text('#belief'), SOON).toBe('tiger-left 0.8500 tiger-right 0.1500');
    await expect.poll(() => text('#say'), SOON).toMatch(/Stage 1, version 2/);
    expect(await page.evaluate(`[...document.querySelectorAll('meter')].map((bar) => bar.value)`)).toEqual([expect.closeTo(0.85, 9), expect.closeTo(0.15, 9)]);
    // Nothing of it has an id twice, by which a script would find the wrong one.
    expect(await page.evaluate(`[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, i, all) => all.indexOf(id) < i)`)).toEqual([]);
  });

  it('shows what a language model thinks of each action, and no bounds', async () => {
    const { page, post, text } = await opened();
    await post('/policies/adapter/sessions', { id: 'lm' });
    await expect.poll(() => text('#sessions'), SOON).toMatch(/^lm adapter 1 /);
    await page.evaluate(`document.querySelector('#sessions button').click()`);
    await expect.poll(() => text('#say'), SOON).toMatch(/Next: (harvest|conserve|perform), the likeliest action of a language model; nothing is proven about it\./);
    await expect.poll(() => text('#what'), SOON).toBe('Action');
    await expect.poll(() => text('#belief'), SOON).toMatch(/^harvest 0\.\d{4} conserve 0\.\d{4} perform 0\.\d{4}$/);
  });

  it('asks for the token where there is one', async () => {
    const { page, text } = await opened({}, 'secret');
    await expect.poll(() => page.evaluate(`document.querySelector('#entry').hidden`), SOON).toBe(false);
    await expect.poll(() => text('#policies'), SOON).toBe('');
    await page.evaluate(`document.querySelector('#token').value = 'secret'; document.querySelector('#entry button').click()`);
    await expect.poll(() => text('#policies'), SOON).toMatch(/^tiger/);
  });

  it('fits a phone, in the dark, too', async () => {
    const { page, post, text } = await opened({ width: 390, height: 800, scheme: 'dark' });
    await post('/policies/tiger/sessions', { id: 'a-session-with-a-name-that-is-as-long-as-clients-may-well-make-them-0123456789' });
    await expect.poll(() => text('#sessions'), SOON).toMatch(/^a-session/);
    await page.evaluate(`document.querySelector('#sessions button').click()`);
    await expect.poll(() => text('#belief'), SOON).toMatch(/^tiger-left/);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    const shades = await page.evaluate<string[]>(`['color', 'backgroundColor'].map((name) => getComputedStyle(document.documentElement)[name])`);
    expect(shades[0]).toBe('rgb(255, 255, 255)');
  });
});
