// A language model's policy over HTTP, beside one that was solved: the same operations, and a process that may die.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, drawTask, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer } from '../src/serve/http/server.js';
import type { AnyPolicy } from '../src/serve/servable.js';
import type { Variant } from '../src/serve/variants.js';
import { openStore } from '../src/serve/stores/index.js';
import type { SessionStore } from '../src/serve/stores/store.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { alive, fakeAdapter } from './fake-adapter.js';
import { cli, scratch, setEnv } from './support.js';

const OPTIONS = { maxBody: 1 << 16, maxSessions: 100, maxQueue: 3, lookahead: true, onImpossible: 'most-likely' } as const;

async function prepared() {
  setEnv('TIRESIAS_CACHE', scratch());
  const folder = scratch();
  const made = await fakeAdapter(folder);
  const file = join(folder, 'tiger.policy');
  await savePolicy(file, solveSync(classicModel('tiger'), { gap: 0.1 }));
  return { ...made, folder, file };
}

async function serving(policies: ReadonlyMap<string, AnyPolicy | readonly Variant[]>, store: SessionStore = new MemoryStore()) {
  const server = await makeServer(policies, store, OPTIONS, pino({ level: 'silent' }));
  onTestFinished(() => server.drain());
  const ask = async (method: 'GET' | 'POST' | 'PUT', url: string, body?: object, headers: Record<string, string> = {}) => {
    const answer = await server.app.inject({ method, url, headers, ...(body && { payload: body }) });
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: /json/.test(String(answer.headers['content-type'])) ? (answer.json() as Record<string, any>) : {} };
  };
  return { ...server, ask, store };
}

const SUPPORT = [[[null, 'harvest', 1.5], [3, 2, 0]]];

describe('a language model that is served', () => {
  it('has the operations of any policy, with log-probabilities in the place of bounds', async () => {
    const { load, file } = await prepared();
    const { ask } = await serving(new Map<string, AnyPolicy>([['tiger', await loadPolicy(file)], ['adapter', await load()]]));
    expect((await ask('GET', '/policies')).body).toMatchObject([
      { name: 'tiger', lower: expect.any(Number), model: { kind: 'pomdp' } },
      { name: 'adapter', policyHash: expect.any(String), languageModel: { base: 'bytes.gguf', forms: [{ family: 'energy', regime: 'pomdp', horizon: 5, rewards: 'hidden' }] } },
    ]);
    expect((await ask('GET', '/policies/adapter')).body).toMatchObject({ names: { actions: ['harvest', 'conserve', 'perform'], states: [] } });

    const begun = await ask('POST', '/policies/adapter/sessions', { id: 'a', support: SUPPORT, decide: true });
    expect(begun).toMatchObject({ status: 201, body: { policy: 'adapter', version: 1, stage: 0 } });
    expect(Object.keys(begun.body['decision'] as object).toSorted()).toEqual(['action', 'logprobs', 'name', 'stage']);
    const observed = await ask('POST', '/sessions/a/observe', { action: 'conserve', observation: 4, decide: true }, { 'idempotency-key': 'one' });
    expect(observed).toMatchObject({ status: 200, body: { version: 2, stage: 1, decision: { stage: 1 } } });
    expect(observed.body).not.toHaveProperty('observed');
    expect(await ask('POST', '/sessions/a/observe', { action: 'conserve', observation: 4, decide: true }, { 'idempotency-key': 'one' })).toMatchObject({ body: observed.body });
    expect((await ask('GET', '/sessions/a')).body).toMatchObject({ version: 2, state: { schema: 'tiresias.language-model-session/1', regime: 'pomdp', support: [[[null, 0, 1.5], [3, 2, 0]]], history: [[1, 4, null]] } });
    expect((await ask('GET', '/sessions/a/decision')).body['decision']).toEqual(observed.body['decision']);
    expect((await ask('POST', '/policies/adapter/decisions', { sessions: ['a'] })).body).toEqual({ decisions: [{ id: 'a', version: 2, decision: observed.body['decision'] }] });

    // Saved and sent again it is the same session.
    const { state } = (await ask('GET', '/sessions/a')).body;
    expect((await ask('POST', '/policies/adapter/sessions', { id: 'b', saved: state, decide: true })).body).toMatchObject({ stage: 1, decision: observed.body['decision'] });
    expect(await ask('POST', '/sessions/a/restart', { decide: true })).toMatchObject({ status: 200, body: { stage: 0, decision: begun.body['decision'] } });
    expect((await ask('GET', '/metrics')).text).toMatch(/tiresias_decisions_total\{policy="adapter",variant="adapter"\} [1-9][^]*tiresias_decider_batch_size_count\{policy="adapter",variant="adapter"\} [1-9][^]*tiresias_queue_length 0[^]*tiresias_deciders\{policy="adapter",variant="adapter"\} 1/);
  });

  it('says what it cannot', async () => {
    const { load, file } = await prepared();
    const { ask } = await serving(new Map<string, AnyPolicy>([['tiger', await loadPolicy(file)], ['adapter', await load()]]));
    await ask('POST', '/policies/adapter/sessions', { id: 'a' });
    await ask('POST', '/policies/tiger/sessions', { id: 't' });
    const { state } = (await ask('GET', '/sessions/t')).body;
    for (const [method, url, body, status, code] of [
      ['PUT', '/sessions/a/belief', { belief: [1] }, 400, 'INVALID_ARGUMENT'], ['POST', '/policies/adapter/sessions', { belief: [1] }, 400, 'INVALID_ARGUMENT'], ['POST', '/policies/tiger/sessions', { support: SUPPORT }, 400, 'INVALID_ARGUMENT'],
      ['POST', '/policies/adapter/sessions', { regime: 'mdp' }, 400, 'INVALID_ARGUMENT'], ['POST', '/sessions/a/observe', { action: 'harvst', observation: 1 }, 422, 'UNKNOWN_NAME'],
      ['POST', '/policies/adapter/sessions', { saved: state }, 409, 'MODEL_CHANGED'], ['POST', '/policies/adapter/sessions', { support: [Array.from({ length: 60 }, () => [1, 1, 0])], decide: true }, 409, 'TOO_LONG'],
    ] as const) expect(await ask(method, url, body), `${url} ${JSON.stringify(body)}`).toMatchObject({ status, body: { code, status } });
    // A reward is for those that go by it.
    expect(await ask('POST', '/sessions/t/observe', { action: 'listen', observation: 'hear-left', reward: -1 })).toMatchObject({ status: 200, body: { observed: { reset: false } } });
  });

  it('whose process dies answers 503, has lost nothing, and goes on', async () => {
    const { load, crashNext, refuseStarts, asked } = await prepared();
    const { ask } = await serving(new Map([['adapter', await load()]]));
    await ask('POST', '/policies/adapter/sessions', { id: 'a', support: SUPPORT });
    expect((await ask('GET', '/ready')).status).toBe(200);
    refuseStarts();
    crashNext();
    const observe = () => ask('POST', '/sessions/a/observe', { action: 0, observation: 4, decide: true }, { 'idempotency-key': 'k' });
    expect(await observe()).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, body: { code: 'DECIDER_DIED' } });
    expect((await ask('GET', '/sessions/a')).body).toMatchObject({ version: 1, state: { history: [] } });
    expect(await ask('GET', '/ready')).toMatchObject({ status: 503, body: { code: 'DECIDER_DIED' } });
    expect((await ask('GET', '/health')).status).toBe(200);
    refuseStarts(false);
    await expect.poll(async () => (await observe()).status, { timeout: 30_000 }).toBe(200);
    expect((await ask('GET', '/sessions/a')).body).toMatchObject({ version: 2, state: { history: [[0, 4, null]] } });
    expect((await ask('GET', '/ready')).status).toBe(200);
    expect((await ask('GET', '/metrics')).text).toMatch(/tiresias_decider_restarts_total\{policy="adapter",variant="adapter"\} 1/);
    expect(new Set(asked().map(({ pid }) => pid)).size).toBe(2);
  });

  it('takes no more decisions than may wait, and batches those that it takes', async () => {
    const { load, slow, asked } = await prepared();
    const { ask } = await serving(new Map([['adapter', await load({ batch: 2 })]]));
    slow(200);
    // Two are under way once the first batch is sent; three may wait.
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => ask('POST', '/policies/adapter/sessions', { support: [[[i, 0, 0]]], decide: true })));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 201, 201, 503, 503, 503, 503, 503]);
    expect(answers.find(({ status }) => status === 503)!.body).toMatchObject({ code: 'OVERLOADED' });
    expect(asked().flatMap(({ op, rows }) => (op === 'open' ? [rows] : []))).toEqual([2, 1]);
  });

  it('drains: what was asked is answered, the processes end, and another server goes on', async () => {
    const { load, slow, asked, folder } = await prepared();
    const store = () => openStore(`sqlite:${join(folder, 's.db')}`);
    const server = await serving(new Map([['adapter', await load()]]), await store());
    await server.ask('POST', '/policies/adapter/sessions', { id: 'a', support: SUPPORT });
    const { body: told } = await server.ask('POST', '/sessions/a/observe', { action: 0, observation: 4, decide: true });
    slow(150);
    const asking = server.ask('POST', '/sessions/a/observe', { action: 1, observation: 5, decide: true });
    await expect.poll(() => asked().filter(({ op }) => op === 'extend').length, { timeout: 20_000 }).toBe(1);
    await server.drain();
    expect(await asking).toMatchObject({ status: 200, body: { version: 3 } });
    expect(asked().filter(({ pid }) => alive(pid))).toEqual([]);
    slow(0);
    const other = await serving(new Map([['adapter', await load()]]), await store());
    expect((await other.ask('GET', '/sessions/a/decision')).body).toMatchObject({ version: 3, decision: (await asking).body['decision'] });
    expect(told['decision']).not.toEqual((await asking).body['decision']);
  });

  it('may be a variant of one that was solved, and read again together with it', async () => {
    const { load, folder, change } = await prepared();
    const solved = join(folder, 'solved.policy');
    await savePolicy(solved, solveSync(drawTask('energy', { index: 0, regime: 'pomdp', horizon: 5 }).model, { gap: 0.1 }));
    const { ask } = await serving(new Map([['energy', [{ name: 'solved', share: 0.5, policy: await loadPolicy(solved) }, { name: 'adapter', share: 0.5, policy: await load() }]]]));
    const made: string[] = [];
    for (let i = 0; i < 12; i++) made.push((await ask('POST', '/policies/energy/sessions', { id: `s${i}` })).body['variant'] as string);
    expect(new Set(made)).toEqual(new Set(['solved', 'adapter']));
    for (const i of [made.indexOf('solved'), made.indexOf('adapter')]) {
      expect(await ask('POST', `/sessions/s${i}/observe`, { action: 'harvest', observation: 2, reward: 1, decide: true })).toMatchObject({ status: 200, body: { decision: { name: expect.any(String) } } });
    }
    const { decisions } = (await ask('POST', '/policies/energy/decisions', { sessions: made.map((_, i) => `s${i}`) })).body as { decisions: { decision: object }[] };
    expect(decisions.map(({ decision }, i) => 'logprobs' in decision === (made[i] === 'adapter'))).not.toContain(false);
    change();
    expect((await ask('POST', '/policies/energy/reload')).body).toMatchObject({ changed: true, sameModel: true, variants: [{ variant: 'solved', changed: false }, { variant: 'adapter', changed: true }] });
  });
});

describe('tiresias serve', () => {
  it('serves an adapter beside a policy file, and leaves no process behind', async () => {
    const { output, file, asked } = await prepared();
    const child = spawn(process.execPath, [cli, 'serve', file, `adapter=${output}`, '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    const line = await Promise.race([new Promise<string>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(text.toString()))), closed.then(() => stderr)]);
    const { address, policies } = JSON.parse(line) as { address: string; policies: string[] };
    expect(policies).toEqual(['tiger', 'adapter']);
    const post = async (path: string, body: object) => (await fetch(address + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json() as Promise<Record<string, any>>;
    expect(await post('/policies/adapter/sessions', { id: 'a', support: SUPPORT, decide: true })).toMatchObject({ decision: { logprobs: expect.any(Array) } });
    expect(await post('/policies/tiger/sessions', { decide: true })).toMatchObject({ decision: { name: 'listen', lower: expect.any(Number) } });
    expect(asked().filter(({ pid }) => alive(pid))).not.toEqual([]);
    child.kill('SIGTERM');
    expect(await closed, stderr).toBe(0);
    expect(asked().filter(({ pid }) => alive(pid))).toEqual([]);
  });

  it('that cannot listen to what it is told leaves none behind either', async () => {
    const { output, asked } = await prepared();
    const child = spawn(process.execPath, [cli, 'serve', `adapter=${output}`, '--store', 'mongodb:x'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
    expect(asked().filter(({ pid }) => alive(pid))).toEqual([]);
  });
});
