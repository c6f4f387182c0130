// Every store keeps the one promise: of writers that expect a version one succeeds, and what was written is read.
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { openStore } from '../src/serve/stores/index.js';
import type { SessionState } from '../src/index.js';
import type { SessionStore, StoredSession } from '../src/serve/stores/store.js';
import { redisThere, startRedis, type TestRedis } from './redis.js';
import { scratch } from './support.js';

const session = (version: number, belief: number[] = [0.5, 0.5], policy = 'tiger'): StoredSession => ({
  policy, version, changed: 1_800_000_000_000 + version, answers: [{ key: `k${version}`, request: 'r', answer: { version } }],
  state: { schema: 'tiresias.session/1', model: 'm', stage: version, belief, updatedBy: 0, impossible: 0, onImpossible: 'most-likely' },
});

const withRedis = redisThere();
let redis: TestRedis;
beforeAll(async () => {
  if (withRedis) redis = await startRedis();
});
afterAll(async () => redis?.end());

/** A place of its own for each test, and how to open it again from elsewhere. */
const KINDS: [string, boolean, () => Promise<{ store: SessionStore; again?: () => Promise<SessionStore> }>][] = [
  ['memory', true, async () => ({ store: new MemoryStore() })],
  ['sqlite', true, async () => {
    const where = `sqlite:${join(scratch(), 'new folder', 'sessions.db')}`;
    return { store: await openStore(where), again: () => openStore(where) };
  }],
  ['redis', withRedis, async () => {
    const where = `${redis.url}/${database++}`;
    return { store: await openStore(where), again: () => openStore(where) };
  }],
];
let database = 0;

describe.each(KINDS)('the %s store', (_, there, open) => {
  it.skipIf(!there)('reads what was written, bit for bit, and knows what is not there', async () => {
    const { store } = await open();
    expect(await store.read('a')).toBeUndefined();
    const odd = session(1, [0.1 + 0.2, 5e-324, 1 / 3, Number.EPSILON]);
    expect(await store.write('a', odd, 0)).toBe(true);
    expect(await store.read('a')).toEqual(odd);
    expect(await store.remove('a')).toBe(true);
    expect(await store.remove('a')).toBe(false);
    expect(await store.read('a')).toBeUndefined();
    await store.close();
  });

  it.skipIf(!there)('writes only over the version that is expected', async () => {
    const { store } = await open();
    expect(await store.write('a', session(2), 1)).toBe(false);
    expect(await store.write('a', session(1), 0)).toBe(true);
    expect(await store.write('a', session(1), 0)).toBe(false);
    expect(await store.write('a', session(2), 1)).toBe(true);
    expect(await store.write('a', session(2), 1)).toBe(false);
    expect((await store.read('a'))?.version).toBe(2);
    await store.close();
  });

  it.skipIf(!there)('lets one of many writers through, from two connections', async () => {
    const { store, again } = await open();
    const other = again ? await again() : store;
    await store.write('a', session(1), 0);
    for (let version = 1; version < 20; version++) {
      const written = await Promise.all(Array.from({ length: 8 }, (_, i) => (i % 2 ? store : other).write('a', session(version + 1, [i, 1]), version)));
      expect(written.filter(Boolean)).toHaveLength(1);
      const winner = written.indexOf(true);
      for (const reader of [store, other]) expect(((await reader.read('a'))?.state as SessionState | undefined)?.belief).toEqual([winner, 1]);
    }
    await store.close();
    if (other !== store) await other.close();
  });

  it.skipIf(!there)('lists by id, a part at a time, and counts', async () => {
    const { store } = await open();
    const ids = Array.from({ length: 25 }, (_, i) => `s${String(i).padStart(2, '0')}`);
    for (const id of ids.toReversed()) await store.write(id, session(1), 0);
    const listed: string[] = [];
    for (let part; (part = await store.list({ after: listed.at(-1), limit: 10 })).length > 0; ) listed.push(...part.map(({ id }) => id));
    expect(listed).toEqual(ids);
    expect(await store.count()).toBe(25);
    await store.remove('s07');
    expect((await store.list({ limit: 8 })).map(({ id }) => id)).toEqual(ids.filter((id) => id !== 's07').slice(0, 8));
    expect(await store.count()).toBe(24);
    await store.close();
  });

  it.skipIf(!there)('does what a table with versions would do, whatever is asked', async () => {
    const ids = fc.constantFrom('a', 'b', 'c');
    const step = fc.oneof(fc.record({ op: fc.constant('write' as const), id: ids, expected: fc.nat({ max: 4 }) }), fc.record({ op: fc.constant('remove' as const), id: ids, expected: fc.constant(0) }));
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { store } = await open();
      const model = new Map<string, number>();
      for (const { op, id, expected } of steps) {
        if (op === 'write') {
          const right = (model.get(id) ?? 0) === expected;
          expect(await store.write(id, session(expected + 1), expected)).toBe(right);
          if (right) model.set(id, expected + 1);
        } else expect(await store.remove(id)).toBe(model.delete(id));
        expect((await store.read(id))?.version).toBe(model.get(id));
        expect(await store.count()).toBe(model.size);
      }
      await store.close();
    }), { numRuns: 15 });
  });

  it.skipIf(!there || _ === 'memory')('has it still when it is opened again', async () => {
    const { store, again } = await open();
    await store.write('a', session(1), 0);
    await store.close();
    const other = await again!();
    expect(await other.read('a')).toEqual(session(1));
    await other.close();
  });
});

describe('a store that is down', () => {
  const down = expect.objectContaining({ code: 'STORE_DOWN', exitCode: 75 });

  it.skipIf(!withRedis)('says so while Redis is away, and works again when it is back, with what was written', async () => {
    const own = await startRedis();
    const store = await openStore(own.url);
    await store.write('a', session(1), 0);
    await store.check();
    await own.stop();
    await expect(store.check()).rejects.toEqual(down);
    await expect(store.write('a', session(2), 1)).rejects.toEqual(down);
    await expect(store.read('a')).rejects.toEqual(down);
    await own.start();
    await expect.poll(() => store.check().then(() => true, () => false), { timeout: 20_000 }).toBe(true);
    expect(await store.read('a')).toEqual(session(1));
    await store.close();
    await own.end();
  });

  it('says so when the file of SQLite was taken away or replaced: nothing is written where nobody reads', async () => {
    const file = join(scratch(), 'sessions.db');
    const store = await openStore(`sqlite:${file}`);
    await store.write('a', session(1), 0);
    renameSync(file, `${file}.away`);
    await expect(store.write('a', session(2), 1)).rejects.toEqual(down);
    await expect(store.check()).rejects.toEqual(down);
    renameSync(`${file}.away`, file);
    await store.check();
    expect(await store.write('a', session(2), 1)).toBe(true);
    await store.close();
    expect(existsSync(file)).toBe(true);
  });

  it('says so when SQLite is locked by another, and acknowledges nothing', { timeout: 30_000 }, async () => {
    const file = join(scratch(), 'sessions.db');
    const store = await openStore(`sqlite:${file}`);
    await store.write('a', session(1), 0);
    const { default: Database } = await import('better-sqlite3');
    const other = new Database(file);
    other.exec('BEGIN IMMEDIATE');
    await expect(store.write('a', session(2), 1)).rejects.toEqual(down);
    other.exec('ROLLBACK');
    other.close();
    expect((await store.read('a'))?.version).toBe(1);
    expect(await store.write('a', session(2), 1)).toBe(true);
    await store.close();
  });

  it.each([['sqlite:/proc/none/sessions.db'], ['redis://127.0.0.1:1']])('cannot be opened: %s', async (where) => {
    await expect(openStore(where)).rejects.toEqual(down);
  });

  it('is none of that name', async () => {
    await expect(openStore('mongodb://x')).rejects.toMatchObject({ code: 'USAGE' });
  });
});
