// Faults, injected: killed servers, two servers on one store, requests that come twice, a store that goes away. Nothing acknowledged is lost.
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync, type LoadedPolicy, type SessionState } from '../src/index.js';
import { redisThere, startRedis } from './redis.js';
import { cli, scratch } from './support.js';

const tiger = solveSync(classicModel('tiger'), { gap: 0.01 });
const withRedis = redisThere();

interface Running {
  origin: string;
  child: ChildProcess;
  end(signal?: NodeJS.Signals): Promise<{ code: number | null; stderr: string }>;
}

/** A server in a process of its own, listening. */
async function serve(folder: string, store: string, more: string[] = []): Promise<Running> {
  const child = spawn(process.execPath, [cli, 'serve', join(folder, 'tiger.policy'), '--port', '0', '--store', store, '--json', ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(text.toString()));
    void closed.then(() => reject(new Error(`the server ended: ${stderr}`)));
  });
  return {
    origin: (JSON.parse(line) as { address: string }).address, child,
    async end(signal = 'SIGTERM') {
      child.kill(signal);
      return { code: await closed, stderr };
    },
  };
}

async function ask<T = Record<string, any>>(origin: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<{ status: number; body: T }> {
  const answer = await fetch(origin + path, { method, headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await answer.text();
  return { status: answer.status, body: (text === '' ? undefined : JSON.parse(text)) as T };
}

const HEARD = ['hear-left', 'hear-right'] as const;
/** A sequence that everybody can make again. */
const heard = (i: number) => HEARD[(i * i + (i >> 2)) % 2]!;

let folder: string;
let policy: LoadedPolicy;
async function prepared(): Promise<void> {
  folder = scratch();
  await savePolicy(join(folder, 'tiger.policy'), tiger);
  policy = await loadPolicy(join(folder, 'tiger.policy'));
}

/** The state that the first `n` observations lead to, by the library and without any server. */
const after = (n: number): SessionState => policy.replay(Array.from({ length: n }, (_, i) => ['listen', heard(i)] as const)).toJSON();

/** Observes one after the other until the server is gone; how many were acknowledged. */
async function observeUntilKilled(origin: string, id: string, from: number): Promise<number> {
  for (let i = from; ; i++) {
    const answer = await ask(origin, 'POST', `/sessions/${id}/observe`, { action: 'listen', observation: heard(i) }, { 'idempotency-key': `o${i}` }).catch(() => undefined);
    if (answer === undefined) return i;
    expect(answer).toMatchObject({ status: 200, body: { stage: i + 1 } });
  }
}

describe('a server that is killed', () => {
  it('at any moment loses no acknowledged observation, and one that was asked for again moves the belief once', { timeout: 120_000 }, async () => {
    await prepared();
    const store = `sqlite:${join(folder, 's.db')}`;
    let done = 0;
    for (let round = 0; round < 6; round++) {
      const { origin, child } = await serve(folder, store);
      if (round === 0) expect((await ask(origin, 'POST', '/policies/tiger/sessions', { id: 'a' })).status).toBe(201);
      const { body } = await ask<{ state: SessionState }>(origin, 'GET', '/sessions/a');
      // All that was acknowledged, and at most the one that was under way: the answer may have died with the server.
      expect([done, done + 1]).toContain(body.state.stage);
      expect(body.state).toEqual(after(body.state.stage));
      setTimeout(() => child.kill('SIGKILL'), 40 + 67 * round);
      // Whoever got no answer asks again, with the same key.
      done = await observeUntilKilled(origin, 'a', done);
    }
    expect(done).toBeGreaterThan(10);
    const last = await serve(folder, store);
    expect((await ask(last.origin, 'POST', '/sessions/a/observe', { action: 'listen', observation: heard(done) }, { 'idempotency-key': `o${done}` })).body).toMatchObject({ stage: done + 1 });
    expect((await ask<{ state: SessionState }>(last.origin, 'GET', '/sessions/a')).body.state).toEqual(after(done + 1));
    await last.end();
  });
});

describe.each([['sqlite', true], ['redis', withRedis]] as const)('two servers on one %s store', (kind, there) => {
  it.skipIf(!there)('do not corrupt a session: every acknowledged observation counts once, in the order of versions', { timeout: 120_000 }, async () => {
    await prepared();
    const redis = kind === 'redis' ? await startRedis() : undefined;
    const store = redis?.url ?? `sqlite:${join(folder, 's.db')}`;
    const servers = await Promise.all([serve(folder, store), serve(folder, store)]);
    await ask(servers[0].origin, 'POST', '/policies/tiger/sessions', { id: 'a', history: true });
    // Eight clients, each to whichever server; each observation has a number, by which two of the three kinds go.
    const answers = (await Promise.all(Array.from({ length: 8 }, async (_, client) => {
      const mine = [];
      for (let i = 0; i < 12; i++) {
        const observation = HEARD[(client + i) % 2]!;
        const { status, body } = await ask(servers[(client + i) % 2]!.origin, 'POST', '/sessions/a/observe', { action: 'listen', observation }, { 'idempotency-key': `${client}/${i}` });
        expect(status).toBe(200);
        mine.push({ version: body.version as number, observation });
      }
      return mine;
    }))).flat().toSorted((a, b) => a.version - b.version);
    expect(answers.map(({ version }) => version)).toEqual(Array.from({ length: 96 }, (_, i) => i + 2));
    const { body } = await ask<{ version: number; state: SessionState }>(servers[1].origin, 'GET', '/sessions/a');
    expect(body.version).toBe(97);
    // The belief is that of these observations in the order of their versions, from the library alone.
    expect(body.state).toEqual(policy.replay(answers.map(({ observation }) => ['listen', observation] as const), { history: true }).toJSON());
    for (const server of servers) await server.end();
    await redis?.end();
  });
});

describe('a request that is repeated', () => {
  it('at once and many times over, to two servers, moves the belief once and is answered the same', { timeout: 60_000 }, async () => {
    await prepared();
    const servers = await Promise.all([serve(folder, `sqlite:${join(folder, 's.db')}`), serve(folder, `sqlite:${join(folder, 's.db')}`)]);
    const create = await Promise.all([0, 1, 0, 1].map((i) => ask(servers[i]!.origin, 'POST', '/policies/tiger/sessions', {}, { 'idempotency-key': 'new' })));
    expect(new Set(create.map(({ body }) => body.id)).size).toBe(1);
    expect(create.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 201]);
    const { id } = create[0]!.body as { id: string };
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => ask(servers[i % 2]!.origin, 'POST', `/sessions/${id}/observe`, { action: 'listen', observation: 'hear-left', decide: true }, { 'idempotency-key': 'k' })));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    const { body } = await ask<{ version: number; state: SessionState }>(servers[0].origin, 'GET', `/sessions/${id}`);
    expect(body).toMatchObject({ version: 2, state: { stage: 1 } });
    for (const server of servers) await server.end();
  });
});

describe('a store that is down', () => {
  it.skipIf(!withRedis)('makes the server not ready and its requests refused, and nothing is lost when it is back', { timeout: 60_000 }, async () => {
    await prepared();
    const redis = await startRedis();
    const server = await serve(folder, redis.url);
    await ask(server.origin, 'POST', '/policies/tiger/sessions', { id: 'a' });
    await ask(server.origin, 'POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' });
    expect((await ask(server.origin, 'GET', '/ready')).status).toBe(200);
    await redis.stop();
    expect(await ask(server.origin, 'GET', '/ready')).toMatchObject({ status: 503, body: { code: 'STORE_DOWN' } });
    expect((await ask(server.origin, 'GET', '/health')).status).toBe(200);
    for (const [method, path, body] of [['GET', '/sessions/a'], ['GET', '/sessions/a/decision'], ['POST', '/sessions/a/observe', { action: 0, observation: 0 }], ['POST', '/policies/tiger/sessions', {}], ['GET', '/sessions']] as const) {
      expect(await ask(server.origin, method, path, body), path).toMatchObject({ status: 503, body: { code: 'STORE_DOWN', status: 503 } });
    }
    await redis.start();
    await expect.poll(async () => (await ask(server.origin, 'GET', '/ready')).status, { timeout: 20_000 }).toBe(200);
    expect((await ask(server.origin, 'GET', '/sessions/a')).body).toMatchObject({ version: 2, state: { stage: 1 } });
    await server.end();
    await redis.end();
  });
});

describe('a server that is told to stop', () => {
  it('says so to /ready first, answers what it has begun, and ends with 0', { timeout: 60_000 }, async () => {
    await prepared();
    const server = await serve(folder, `sqlite:${join(folder, 's.db')}`, ['--drain-wait', '1500']);
    await ask(server.origin, 'POST', '/policies/tiger/sessions', { id: 'a' });
    const ended = server.end('SIGTERM');
    await expect.poll(async () => (await ask(server.origin, 'GET', '/ready')).body, { timeout: 5_000 }).toMatchObject({ code: 'DRAINING' });
    // Those who have not heard of it yet are served.
    const late = await Promise.all(Array.from({ length: 20 }, () => ask(server.origin, 'POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' })));
    expect(late.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(0);
    // What is told is told in one form, the signal included.
    const lines = stderr.trim().split('\n').map((line) => JSON.parse(line) as { msg: string; signal?: string });
    expect(lines).toEqual(expect.arrayContaining([expect.objectContaining({ signal: 'SIGTERM', msg: expect.stringContaining('told to stop') })]));
    const again = await serve(folder, `sqlite:${join(folder, 's.db')}`);
    expect((await ask(again.origin, 'GET', '/sessions/a')).body).toMatchObject({ version: 21 });
    await again.end();
  });

  it('reads its policies again on SIGHUP, and keeps the beliefs of the same model', { timeout: 60_000 }, async () => {
    await prepared();
    const server = await serve(folder, 'memory');
    await ask(server.origin, 'POST', '/policies/tiger/sessions', { id: 'a' });
    await ask(server.origin, 'POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' });
    const before = (await ask(server.origin, 'GET', '/policies/tiger')).body as { policyHash: string };
    await savePolicy(join(folder, 'tiger.policy'), solveSync(classicModel('tiger'), { gap: 5 }));
    server.child.kill('SIGHUP');
    await expect.poll(async () => (await ask(server.origin, 'GET', '/policies/tiger')).body.policyHash, { timeout: 10_000 }).not.toBe(before.policyHash);
    expect((await ask(server.origin, 'GET', '/sessions/a')).body).toMatchObject({ version: 2, state: { stage: 1 } });
    expect((await ask(server.origin, 'GET', '/sessions/a/decision')).status).toBe(200);
    await server.end();
  });
});
