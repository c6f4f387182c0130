// A server under load that is no fault: long batches, a session that two servers fight over, long lists.
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync, type LoadedPolicy, type SessionState } from '../src/index.js';
import { makeServer } from '../src/serve/http/server.js';
import { ATTEMPTS } from '../src/serve/service.js';
import { openStore } from '../src/serve/stores/index.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import type { SessionStore } from '../src/serve/stores/store.js';
import { scratch } from './support.js';

const tiger = solveSync(classicModel('tiger'), { gap: 0.01 });
const OPTIONS = { maxBody: 1 << 20, maxSessions: 100_000, maxQueue: 10, lookahead: true, onImpossible: 'most-likely' } as const;

async function served(store: SessionStore = new MemoryStore()) {
  const file = join(scratch(), 'tiger.policy');
  await savePolicy(file, tiger);
  const policy: LoadedPolicy = await loadPolicy(file);
  const { app } = await makeServer(new Map([['tiger', policy]]), store, OPTIONS, pino({ level: 'silent' }));
  onTestFinished(() => app.close());
  const ask = async (method: 'GET' | 'POST', url: string, payload?: object, headers: Record<string, string> = {}) => {
    const answer = await app.inject({ method, url, headers, ...(payload && { payload }) });
    return { status: answer.statusCode, headers: answer.headers, body: answer.json() as Record<string, any> };
  };
  return { app, ask, policy };
}

describe('decisions for very many sessions', () => {
  it('leave others their turn: requests are answered all the while', { timeout: 120_000 }, async () => {
    const store = new MemoryStore();
    const { ask } = await served(store);
    const ids = Array.from({ length: 10 }, (_, i) => `s${i}`);
    for (const id of ids) await ask('POST', '/policies/tiger/sessions', { id });
    let read = 0;
    const { read: before } = MemoryStore.prototype;
    store.read = (id) => {
      read += 1;
      return before.call(store, id);
    };
    const many = Array.from({ length: 50_000 }, (_, i) => ids[i % 10]!);
    let over = false;
    const all = ask('POST', '/policies/tiger/decisions', { sessions: many }).finally(() => (over = true));
    // The most sessions that were read between two answers to somebody else.
    let [last, most] = [0, 0];
    while (!over) {
      await new Promise(setImmediate);
      expect((await ask('GET', '/health')).status).toBe(200);
      most = Math.max(most, read - last);
      last = read;
    }
    const { status, body } = await all;
    expect(status).toBe(200);
    expect(body['decisions'].map(({ id }: { id: string }) => id)).toEqual(many);
    expect(read).toBe(50_000);
    expect(most).toBeLessThan(5_000);
  });

  it('fail as one where a session late in the list does not exist', async () => {
    const { ask } = await served();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    expect(await ask('POST', '/policies/tiger/decisions', { sessions: [...Array.from({ length: 2000 }, () => 'a'), 'nobody'] })).toMatchObject({ status: 404, body: { code: 'UNKNOWN_SESSION' } });
  });
});

describe('a session that two servers fight over', () => {
  it('in SQLite counts every acknowledged observation exactly once', { timeout: 240_000 }, async () => {
    const where = `sqlite:${join(scratch(), 's.db')}`;
    const servers = [await served(await openStore(where)), await served(await openStore(where))] as const;
    await servers[0].ask('POST', '/policies/tiger/sessions', { id: 'hot', history: true });
    const HEARD = ['hear-left', 'hear-right'] as const;
    // Both have as many waiting as fit, and who is told to come again does, with the same key.
    const seen = (await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const observation = HEARD[i % 3 === 0 ? 0 : 1];
      for (;;) {
        const { status, headers, body } = await servers[i % 2]!.ask('POST', '/sessions/hot/observe', { action: 'listen', observation, decide: true }, { 'idempotency-key': `k${i}` });
        if (status === 200) return { version: body['version'] as number, observation };
        expect([status, headers['retry-after'], body['code']]).toEqual([503, '1', 'OVERLOADED']);
        await sleep(50);
      }
    }))).toSorted((a, b) => a.version - b.version);
    expect(seen.map(({ version }) => version)).toEqual(Array.from({ length: 200 }, (_, i) => i + 2));
    const { state } = (await servers[1].ask('GET', '/sessions/hot')).body as { state: SessionState };
    expect(state).toEqual(servers[0].policy.replay(seen.map(({ observation }) => ['listen', observation] as const), { history: true }).toJSON());
  });

  it('is given up after a number of attempts, with when to come again, and nothing is written', async () => {
    const store = new MemoryStore();
    let attempts = 0;
    const { ask } = await served(store);
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    // Somebody else is always sooner.
    store.write = async () => {
      attempts += 1;
      return false;
    };
    const { status, headers, body } = await ask('POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' });
    expect([status, headers['retry-after'], body['code'], attempts]).toEqual([503, '1', 'OVERLOADED', ATTEMPTS]);
    expect((await ask('GET', '/sessions/a')).body).toMatchObject({ version: 1, state: { stage: 0 } });
  });
});

describe('a long list of sessions', () => {
  it('says where it goes on, and the page shows all of it, part by part, and says so', async () => {
    const { app, ask } = await served();
    const ids = Array.from({ length: 230 }, (_, i) => `s${String(i).padStart(3, '0')}`);
    for (const id of ids) await ask('POST', '/policies/tiger/sessions', { id });
    const listed: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const { body } = await ask('GET', `/sessions?limit=100&after=${after}`);
      listed.push(...body['sessions'].map(({ id }: { id: string }) => id));
      after = body['next'] as string | null;
    }
    expect(listed).toEqual(ids);

    const page = await pageOf(app);
    await expect.poll(() => page.text('which')).toBe('100 sessions, in the order of their ids; there are more.');
    expect([page.at('first').hidden, page.at('next').hidden]).toEqual([true, false]);
    page.at('next').onclick();
    await expect.poll(() => page.text('which')).toBe('100 sessions, in the order of their ids, after s099; there are more.');
    page.at('next').onclick();
    await expect.poll(() => page.text('which')).toBe('30 sessions, in the order of their ids, after s199.');
    expect(page.rows('sessions').map(([id]) => id)).toEqual(ids.slice(200));
    expect([page.at('first').hidden, page.at('next').hidden]).toEqual([false, true]);
    page.at('first').onclick();
    await expect.poll(() => page.rows('sessions').map(([id]) => id)).toEqual(ids.slice(0, 100));
  });
});

/** The little of a document that the page's script touches. */
class Element {
  hidden = true;
  textContent = '';
  children: (Element | string)[] = [];
  onclick = () => {};
  append(...more: (Element | string)[]) {
    this.children.push(...more);
  }
  replaceChildren(...all: (Element | string)[]) {
    this.children = all;
  }
  get said(): string {
    return this.textContent + this.children.map((child) => (typeof child === 'string' ? child : child.said)).join('');
  }
}

/** The page of a server, its script running. */
async function pageOf(app: Awaited<ReturnType<typeof served>>['app']) {
  const script = /<script type="module">([\s\S]*)<\/script>/.exec((await app.inject({ url: '/' })).body)![1]!;
  const elements = new Map<string, Element>();
  const at = (id: string) => elements.get(id) ?? elements.set(id, new Element()).get(id)!;
  const get = async (url: string) => {
    const answer = await app.inject({ url });
    return { ok: answer.statusCode === 200, status: answer.statusCode, json: async () => answer.json() as unknown };
  };
  new Function('document', 'fetch', 'setInterval', script)({ getElementById: at, createElement: () => new Element() }, get, () => {});
  return { at, text: (id: string) => at(id).textContent, rows: (id: string) => at(id).children.map((row) => (row as Element).children.map((cell) => (cell as Element).said)) };
}
