// Variants of one policy, served at once: who gets which, for how long, and what is told of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Model, classicModel, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer } from '../src/serve/http/server.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { drawn, type Variant } from '../src/serve/variants.js';
import { scratch, tiresias } from './support.js';

const OPTIONS = { maxBody: 1 << 20, maxSessions: 100_000, maxQueue: 10, lookahead: true, onImpossible: 'most-likely' } as const;
const [rough, fine] = [solveSync(classicModel('tiger'), { gap: 5 }), solveSync(classicModel('tiger'), { gap: 0.01 })];
/** Of another model, in which the same can be done and seen. */
const short = solveSync(classicModel('tiger').with(4), { gap: 0.01 });

/** A server of variants, `[name, solution, share]`. */
async function served(variants: [string, typeof rough, number][], store = new MemoryStore()) {
  const folder = scratch();
  const fileOf = (name: string) => join(folder, `${name}.policy`);
  const loaded: Variant[] = [];
  for (const [name, solution, share] of variants) {
    await savePolicy(fileOf(name), solution);
    loaded.push({ name, share, policy: await loadPolicy(fileOf(name)) });
  }
  const { app } = await makeServer(new Map([['tiger', loaded]]), store, OPTIONS, pino({ level: 'silent' }));
  onTestFinished(() => app.close());
  const ask = async (method: 'GET' | 'POST', url: string, payload?: object) => {
    const { statusCode, body } = await app.inject({ method, url, ...(payload && { payload }) });
    return { status: statusCode, body: (url === '/metrics' ? { text: body } : JSON.parse(body)) as Record<string, any> };
  };
  return { ask, store, fileOf };
}

describe('the variant of a new session', () => {
  const shares = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }).map((weights) => weights.map((w, i) => ({ name: `v${i}`, share: w / weights.reduce((a, b) => a + b) })));

  it('is one by its share: counts are within what chance allows', () => {
    fc.assert(fc.property(shares, fc.string({ maxLength: 20 }), (variants, salt) => {
      const n = 2000;
      const counts = new Map<string, number>();
      for (let i = 0; i < n; i++) {
        const { name } = drawn('p', `${salt}${i}`, variants);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      // Six standard deviations of a binomial number, and one for its tail's skewness at small shares.
      for (const { name, share } of variants) expect(Math.abs((counts.get(name) ?? 0) - n * share), name).toBeLessThanOrEqual(6 * Math.sqrt(n * share * (1 - share)) + 6);
    }), { numRuns: 30 });
  });

  it('is the same for the same id, whatever order they are named in, and changes only to one whose share grew', () => {
    fc.assert(fc.property(shares, fc.array(fc.string({ minLength: 1 }), { minLength: 50, maxLength: 50 }), (variants, ids) => {
      const more = [...variants.map(({ name, share }) => ({ name, share: share * 0.7 })), { name: 'new', share: 0.3 }];
      for (const id of ids) {
        const { name } = drawn('p', id, variants);
        expect(drawn('p', id, variants.toReversed()).name).toBe(name);
        expect([name, 'new']).toContain(drawn('p', id, more).name);
      }
    }));
  });

  it('is none that has no share', () => {
    for (let i = 0; i < 500; i++) expect(drawn('p', String(i), [{ name: 'old', share: 0 }, { name: 'new', share: 1 }]).name).toBe('new');
  });
});

describe('a session', () => {
  it('never leaves its variant: whatever is asked, whichever server, whatever the shares become', { timeout: 120_000 }, async () => {
    const store = new MemoryStore();
    const splits = [[0.5, 0.5], [0.01, 0.99], [0, 1], [1, 0]] as const;
    const servers = await Promise.all(splits.map(([a, b]) => served([['rough', rough, a], ['fine', fine, b]], store)));
    const ids = Array.from({ length: 60 }, (_, i) => `s${i}`);
    const variantOf = new Map<string, string>();
    for (const id of ids) variantOf.set(id, (await servers[0]!.ask('POST', '/policies/tiger/sessions', { id })).body['variant'] as string);
    expect(new Set(variantOf.values())).toEqual(new Set(['rough', 'fine']));
    const step = fc.record({ id: fc.constantFrom(...ids), server: fc.nat(servers.length - 1), what: fc.constantFrom('observe', 'restart', 'decision', 'show', 'reload') });
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const { id, server, what } of steps) {
        const { ask } = servers[server]!;
        if (what === 'reload') {
          expect((await ask('POST', '/policies/tiger/reload')).status).toBe(200);
          continue;
        }
        const { status, body } = await (what === 'observe' ? ask('POST', `/sessions/${id}/observe`, { action: 'listen', observation: 'hear-left', decide: true }) : what === 'restart' ? ask('POST', `/sessions/${id}/restart`, {}) : ask('GET', `/sessions/${id}${what === 'show' ? '' : '/decision'}`));
        expect([status, body['variant']], `${what} ${id}`).toEqual([200, variantOf.get(id)]);
      }
    }), { numRuns: 40 });
  });

  it('is decided for by its own variant, alone and among many', async () => {
    const { ask } = await served([['rough', rough, 0.5], ['fine', fine, 0.5]]);
    const ids = Array.from({ length: 40 }, (_, i) => `s${i}`);
    for (const id of ids) await ask('POST', '/policies/tiger/sessions', { id });
    const { decisions } = (await ask('POST', '/policies/tiger/decisions', { sessions: ids })).body;
    const [roughly, finely] = [rough, fine].map((solution) => solution.decide(0, solution.model().start()).upper);
    expect(roughly).not.toBe(finely);
    for (const [i, id] of ids.entries()) {
      const { variant, decision } = (await ask('GET', `/sessions/${id}/decision`)).body;
      expect(decision.upper).toBe(variant === 'rough' ? roughly : finely);
      expect(decisions[i]).toMatchObject({ id, decision });
    }
  });

  it('that is saved goes to a variant of its own model', async () => {
    const { ask, fileOf } = await served([['long', fine, 0.5], ['short', short, 0.5]]);
    const saved = (await loadPolicy(fileOf('short'))).session().toJSON();
    for (let i = 0; i < 20; i++) expect((await ask('POST', '/policies/tiger/sessions', { id: `s${i}`, saved })).body).toMatchObject({ variant: 'short' });
  });

  it('whose variant is gone, or that is older than variants, goes on with one of the same model, for good', async () => {
    const before = await served([['old', rough, 1]]);
    await before.ask('POST', '/policies/tiger/sessions', { id: 'a' });
    await before.ask('POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' });
    const { variant: _, ...bare } = (await before.store.read('a'))!;
    await before.store.write('b', { ...bare, version: 1 }, 0);
    const after = await served([['fine', fine, 0.3], ['rough', rough, 0.3], ['short', short, 0.4]], before.store);
    for (const id of ['a', 'b']) {
      const { status, body } = await after.ask('POST', `/sessions/${id}/observe`, { action: 'listen', observation: 'hear-left' });
      expect([status, body]).toMatchObject([200, { variant: expect.stringMatching(/^(fine|rough)$/), stage: 2 }]);
      expect((await before.store.read(id))?.variant).toBe(body['variant']);
      const last = await served([['fine', fine, 0.99], ['rough', rough, 0.01]], before.store);
      expect((await last.ask('GET', `/sessions/${id}`)).body).toMatchObject({ variant: body['variant'] });
    }
  });
});

describe('variants', () => {
  it('are told apart by metrics and listed with their shares', async () => {
    const { ask } = await served([['rough', rough, 0.5], ['fine', fine, 0.5]]);
    const counts: Record<string, number> = { rough: 0, fine: 0 };
    for (let i = 0; i < 20; i++) {
      const { variant } = (await ask('POST', '/policies/tiger/sessions', { id: `s${i}`, decide: true })).body as { variant: string };
      counts[variant]! += 1;
      await ask('POST', `/sessions/s${i}/observe`, { action: 'listen', observation: 'hear-left' });
    }
    const { text } = (await ask('GET', '/metrics')).body as { text: string };
    for (const [variant, count] of Object.entries(counts)) {
      for (const metric of ['sessions_started', 'decisions', 'observations']) expect(text).toContain(`tiresias_${metric}_total{policy="tiger",variant="${variant}"} ${count}\n`);
    }
    expect((await ask('GET', '/policies')).body).toMatchObject([{ name: 'tiger', variant: 'rough', share: 0.5, upper: rough.upper }, { name: 'tiger', variant: 'fine', share: 0.5, upper: fine.upper }]);
    expect((await ask('GET', '/policies/tiger')).body).toMatchObject({ variant: 'rough' });
    expect((await ask('GET', '/policies/tiger?variant=fine')).body).toMatchObject({ variant: 'fine', upper: fine.upper, names: { actions: ['listen', 'open-left', 'open-right'] } });
    expect(await ask('GET', '/policies/tiger?variant=find')).toMatchObject({ status: 422, body: { code: 'UNKNOWN_NAME', detail: expect.stringContaining('did you mean fine?') } });
  });

  it('are read again together: all, or none where one cannot be', async () => {
    const { ask, fileOf } = await served([['a', rough, 0.5], ['b', rough, 0.5]]);
    const hashes = async () => (await ask('GET', '/policies')).body.map(({ policyHash }: { policyHash: string }) => policyHash) as string[];
    const before = await hashes();
    await savePolicy(fileOf('a'), fine);
    writeFileSync(fileOf('b'), 'rubbish');
    expect(await ask('POST', '/policies/tiger/reload')).toMatchObject({ status: 422, body: { code: 'INVALID_POLICY' } });
    expect(await hashes()).toEqual(before);
    await savePolicy(fileOf('b'), short);
    expect((await ask('POST', '/policies/tiger/reload')).body).toMatchObject({ changed: true, sameModel: false, variants: [{ variant: 'a', changed: true, sameModel: true }, { variant: 'b', changed: true, sameModel: false }] });
    expect((await hashes())[0]).not.toBe(before[0]);
  });

  it('in which other things can be done or seen are not served under one name', async () => {
    const other = solveSync(Model.fromJson(classicModel('tiger').toJson().replaceAll('hear-left', 'hear-nothing')), { gap: 5 });
    await expect(served([['a', rough, 0.5], ['b', other, 0.5]])).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringContaining('a and b have other actions or observations') });
    const { ask, fileOf } = await served([['a', rough, 0.5], ['b', rough, 0.5]]);
    await savePolicy(fileOf('b'), other);
    expect(await ask('POST', '/policies/tiger/reload')).toMatchObject({ status: 422, body: { code: 'INVALID_POLICY' } });
  });

  it.each([
    ['shares that do not sum to 1', ['t=A@0.9', 't=B@0.2'], /sum to 1, not a 0\.9 \+ b 0\.2 = 1\.1/],
    ['a share beyond 1', ['t=A@2'], /from 0 to 1/],
    ['one that has no share', ['t=A@0.9', 't=B'], /two policies are called t/],
    ['two of one name', ['t/x=A@0.5', 't/x=B@0.5'], /two variants x/],
  ])('with %s are refused', async (_, args, said) => {
    const folder = scratch();
    for (const name of ['a', 'b']) await savePolicy(join(folder, `${name}.policy`), rough);
    const { code, stderr } = await tiresias(['serve', ...args.map((text) => text.replace(/[AB]/, (name) => join(folder, `${name.toLowerCase()}.policy`)))]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(said)]);
  });
});
