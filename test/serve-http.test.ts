// The service over HTTP, in this process and on the loopback.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Model, classicModel, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer, type ServerOptions } from '../src/serve/http/server.js';
import { DecisionQueue } from '../src/serve/queue.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import type { SessionStore } from '../src/serve/stores/store.js';
import { scratch } from './support.js';

const tiger = solveSync(classicModel('tiger'), { gap: 0.01 });

const OPTIONS: ServerOptions = { maxBody: 1 << 16, maxSessions: 100, maxQueue: 10, lookahead: true, onImpossible: 'most-likely' };

/** A server of tiger's policy, and a way to ask it. */
async function server(options: Partial<ServerOptions> = {}, store: SessionStore = new MemoryStore()) {
  const file = join(scratch(), 'tiger.policy');
  await savePolicy(file, tiger);
  const made = await makeServer(new Map([['tiger', await loadPolicy(file)]]), store, { ...OPTIONS, ...options }, pino({ level: 'silent' }));
  onTestFinished(() => made.app.close());
  const ask = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown, headers: Record<string, string> = {}) => {
    const answer = await made.app.inject({ method, url, headers, ...(body !== undefined && { payload: body as object }) });
    return { status: answer.statusCode, headers: answer.headers, body: answer.body === '' ? undefined : /json/.test(String(answer.headers['content-type'])) ? (answer.json() as Record<string, any>) : { text: answer.body } } as { status: number; headers: typeof answer.headers; body: Record<string, any> | undefined };
  };
  return { ...made, ask, file, store };
}

describe('the service', () => {
  it('starts a session, moves its belief and decides', async () => {
    const { ask } = await server();
    const made = await ask('POST', '/policies/tiger/sessions', { decide: true });
    expect(made).toMatchObject({ status: 201, body: { policy: 'tiger', version: 1, stage: 0, decision: { name: 'listen' } } });
    const { id } = made.body as { id: string };
    for (const _ of [0, 1]) await ask('POST', `/sessions/${id}/observe`, { action: 'listen', observation: 'hear-left' });
    expect(await ask('GET', `/sessions/${id}/decision`)).toMatchObject({ status: 200, body: { version: 3, decision: { name: 'open-right', stage: 2 } } });
  });
});

describe('a session that many change', () => {
  it('is changed by one after the other, and none is refused', async () => {
    const { ask } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    const answers = await Promise.all(Array.from({ length: 300 }, () => ask('POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left', decide: true })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.map(({ body }) => body!['version'] as number).sort((x, y) => x - y)).toEqual(Array.from({ length: 300 }, (_, i) => i + 2));
  });
});

describe('what may be left out', () => {
  it('is the whole body of a start and of a restart', async () => {
    const { ask } = await server();
    const { status, body } = await ask('POST', '/policies/tiger/sessions');
    expect(status).toBe(201);
    expect(await ask('POST', `/sessions/${body!['id'] as string}/restart`)).toMatchObject({ status: 200, body: { version: 2, stage: 0 } });
  });
});

describe('many decisions at once', () => {
  it('are not spoiled by a session whose horizon is over', async () => {
    const parts = JSON.parse(classicModel('tiger').toJson()) as object;
    const file = join(scratch(), 'short.policy');
    await savePolicy(file, solveSync(Model.fromJson(JSON.stringify({ ...parts, horizon: 1 })), { gap: 0.01 }));
    const { app } = await makeServer(new Map([['short', await loadPolicy(file)]]), new MemoryStore(), OPTIONS, pino({ level: 'silent' }));
    onTestFinished(() => app.close());
    const post = async (url: string, payload: object) => (await app.inject({ method: 'POST', url, payload })).json() as Record<string, any>;
    for (const id of ['over', 'open']) await post('/policies/short/sessions', { id });
    await post('/sessions/over/observe', { action: 'listen', observation: 'hear-left' });
    const { decisions } = await post('/policies/short/decisions', { sessions: ['over', 'open'] }) as { decisions: { id: string; decision: object | null }[] };
    expect(decisions.map(({ id, decision }) => [id, decision === null])).toEqual([['over', true], ['open', false]]);
  });
});

/** An error as RFC 9457 has it, with our code inside. */
const problem = (status: number, code: string) => ({
  status, headers: expect.objectContaining({ 'content-type': expect.stringMatching(/^application\/problem\+json/) }), body: expect.objectContaining({ type: `urn:tiresias:error:${code}`, status, code, title: expect.any(String), detail: expect.any(String) }),
});

describe('what is wrong', () => {
  const cases: [string, number, string, 'GET' | 'POST' | 'PUT' | 'DELETE', string, unknown?, Record<string, string>?][] = [
    ['a path that does not exist', 404, 'NOT_FOUND', 'GET', '/polices'],
    ['a policy that does not exist', 404, 'UNKNOWN_POLICY', 'GET', '/policies/tigre'],
    ['a session of no policy', 404, 'UNKNOWN_POLICY', 'POST', '/policies/lion/sessions', {}],
    ['an unknown session', 404, 'UNKNOWN_SESSION', 'POST', '/sessions/nobody/observe', { action: 0, observation: 0 }],
    ['an unknown session to remove', 404, 'UNKNOWN_SESSION', 'DELETE', '/sessions/nobody'],
    ['an action that does not exist', 422, 'UNKNOWN_NAME', 'POST', '/sessions/a/observe', { action: 'listn', observation: 'hear-left' }],
    ['an observation that does not exist', 422, 'UNKNOWN_NAME', 'POST', '/sessions/a/observe', { action: 'listen', observation: 2 }],
    ['a misspelt member', 400, 'INVALID_ARGUMENT', 'POST', '/sessions/a/observe', { action: 'listen', observaton: 'hear-left' }],
    ['a number below 0', 400, 'INVALID_ARGUMENT', 'POST', '/sessions/a/observe', { action: -1, observation: 0 }],
    ['a belief that does not sum to 1', 400, 'INVALID_ARGUMENT', 'PUT', '/sessions/a/belief', { belief: [0.5, 0.4] }],
    ['a belief over other states', 400, 'INVALID_ARGUMENT', 'PUT', '/sessions/a/belief', { belief: [0.5, 0.25, 0.25] }],
    ['a sparse belief over other states', 400, 'INVALID_ARGUMENT', 'PUT', '/sessions/a/belief', { belief: { states: [7], probabilities: [1] } }],
    ['a stale version', 412, 'STALE_VERSION', 'POST', '/sessions/a/observe', { action: 0, observation: 0 }, { 'if-match': '"7"' }],
    ['a version that is none', 400, 'INVALID_ARGUMENT', 'POST', '/sessions/a/observe', { action: 0, observation: 0 }, { 'if-match': 'seven' }],
    ['an id that is taken', 409, 'SESSION_EXISTS', 'POST', '/policies/tiger/sessions', { id: 'a' }],
    ['an id that is none', 400, 'INVALID_ARGUMENT', 'POST', '/policies/tiger/sessions', { id: 'a/b' }],
    ['an id that no path can hold', 400, 'INVALID_ARGUMENT', 'POST', '/policies/tiger/sessions', { id: '..' }],
    ['a sparse belief that names a state twice', 400, 'INVALID_ARGUMENT', 'PUT', '/sessions/a/belief', { belief: { states: [0, 0], probabilities: [0.5, 1] } }],
    ['a stale version to remove', 412, 'STALE_VERSION', 'DELETE', '/sessions/a', undefined, { 'if-match': '"7"' }],
    ['a saved session of another model', 409, 'MODEL_CHANGED', 'POST', '/policies/tiger/sessions', { saved: { schema: 'tiresias.session/1', model: '0'.repeat(64), stage: 1, belief: [1, 0], updatedBy: 0, impossible: 0, onImpossible: 'error' } }],
    ['a saved session of another version', 400, 'INVALID_SESSION', 'POST', '/policies/tiger/sessions', { saved: { schema: 'tiresias.session/9', model: '0', stage: 1, belief: [1, 0], updatedBy: 0, impossible: 0, onImpossible: 'error' } }],
    ['a body that is too large', 413, 'TOO_LARGE', 'PUT', '/sessions/a/belief', { belief: Array.from({ length: 20_000 }, () => 0.5) }],
    ['a list without an end', 400, 'INVALID_ARGUMENT', 'GET', '/sessions?limit=100000'],
    ['a batch with a session that does not exist', 404, 'UNKNOWN_SESSION', 'POST', '/policies/tiger/decisions', { sessions: ['a', 'nobody'] }],
  ];
  it.each(cases)('%s is %i %s, and moves nothing', async (_, status, code, method, url, body, headers) => {
    const { ask } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    expect(await ask(method, url, body, headers)).toMatchObject(problem(status, code));
    expect((await ask('GET', '/sessions/a')).body).toMatchObject({ version: 1, state: { stage: 0, belief: [0.5, 0.5] } });
  });

  it('is said of text that is no JSON, and of another kind of body', async () => {
    const { app } = await server();
    const send = async (payload: string, type: string) => {
      const { statusCode, headers, body } = await app.inject({ method: 'POST', url: '/sessions/a/observe', payload, headers: { 'content-type': type } });
      return { status: statusCode, headers, body: JSON.parse(body) as object };
    };
    expect(await send('{"action":', 'application/json')).toMatchObject(problem(400, 'INVALID_JSON'));
    expect(await send('action=0', 'application/x-www-form-urlencoded')).toMatchObject(problem(415, 'UNSUPPORTED_MEDIA_TYPE'));
    expect(await send('{"action":0,"observation":0}', 'text/plain')).toMatchObject(problem(415, 'UNSUPPORTED_MEDIA_TYPE'));
  });

  it('is said of a key that came with another request', async () => {
    const { ask } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    const observe = (observation: string) => ask('POST', '/sessions/a/observe', { action: 'listen', observation }, { 'idempotency-key': 'k' });
    const first = await observe('hear-left');
    expect(await observe('hear-left')).toMatchObject({ status: 200, body: first.body });
    expect(await observe('hear-right')).toMatchObject(problem(422, 'KEY_REUSED'));
    expect((await ask('GET', '/sessions/a')).body).toMatchObject({ version: 2 });
  });

  it('is said of one session too many', async () => {
    const { ask } = await server({ maxSessions: 2 });
    for (const id of ['a', 'b']) expect((await ask('POST', '/policies/tiger/sessions', { id })).status).toBe(201);
    const full = await ask('POST', '/policies/tiger/sessions', { id: 'c' });
    expect(full).toMatchObject(problem(503, 'TOO_MANY_SESSIONS'));
    expect(full.headers['retry-after']).toBe('1');
    await ask('DELETE', '/sessions/a');
    expect((await ask('POST', '/policies/tiger/sessions', { id: 'c' })).status).toBe(201);
  });

  it('is said of one request too many, and never to who asks whether the server lives', async () => {
    const { ask } = await server({ rate: 3 });
    const statuses = [];
    for (let i = 0; i < 6; i++) statuses.push((await ask('GET', '/policies')).status);
    expect(statuses.slice(0, 3)).toEqual([200, 200, 200]);
    const last = await ask('GET', '/policies');
    expect(last).toMatchObject(problem(429, 'TOO_MANY_REQUESTS'));
    expect(last.headers['retry-after']).toBe('1');
    expect((await ask('GET', '/health')).status).toBe(200);
  });

  it('inside says nothing of the inside', async () => {
    const store = new MemoryStore();
    store.read = () => Promise.reject(new TypeError('secret of the inside'));
    const { ask } = await server({}, store);
    const answer = await ask('GET', '/sessions/a');
    expect(answer).toMatchObject(problem(500, 'INTERNAL'));
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });
});

describe('the token', () => {
  it('is wanted of all but those who ask whether the server lives and is ready, and the page', async () => {
    const { ask, app } = await server({ token: 'right' });
    const open = ['/health', '/ready', '/'];
    // Every route that there is, from what the server itself knows.
    const routes = Object.entries((app.swagger() as { paths: Record<string, object> }).paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x')] as const));
    expect(routes.length).toBeGreaterThan(12);
    for (const [method, path] of [...routes, ['GET', '/metrics'], ['GET', '/openapi.json']] as const) {
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'right' }]) {
        const answer = await ask(method as 'GET', path, undefined, headers as Record<string, string>);
        if (open.includes(path)) expect(answer.status, path).toBe(200);
        else expect(answer, path).toMatchObject(problem(401, 'UNAUTHORIZED'));
      }
    }
    expect((await ask('GET', '/policies', undefined, { authorization: 'Bearer right' })).status).toBe(200);
  });
});

describe('what is told', () => {
  it('is an OpenAPI document of every route', async () => {
    const { ask } = await server();
    const { body } = await ask('GET', '/openapi.json');
    expect(body).toMatchObject({ openapi: expect.stringMatching(/^3\./), info: { title: 'Tiresias' } });
    expect(Object.keys(body!.paths as object)).toEqual(expect.arrayContaining(['/policies/{policy}/sessions', '/sessions/{id}/observe', '/sessions/{id}/decision', '/ready']));
    expect(body!.paths['/sessions/{id}/observe'].post.requestBody.content['application/json'].schema.required).toEqual(['action', 'observation']);
  });

  it('is counted for Prometheus: decisions, observations, the impossible, requests, the queue and memory', async () => {
    const { ask } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    for (let i = 0; i < 3; i++) await ask('POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left', decide: true });
    await ask('POST', '/policies/tiger/decisions', { sessions: ['a', 'a', 'a', 'a'] });
    const text = String((await ask('GET', '/metrics')).body!.text);
    const value = (name: string) => Number(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(value('tiresias_decisions_total{policy="tiger",variant="tiger"}')).toBe(7);
    expect(value('tiresias_observations_total{policy="tiger",variant="tiger"}')).toBe(3);
    expect(value('tiresias_request_seconds_count{method="POST",route="/sessions/:id/observe",status="200"}')).toBe(3);
    expect(value('tiresias_queue_length')).toBe(0);
    expect(value('tiresias_store_up')).toBe(1);
    expect(value('tiresias_sessions')).toBe(1);
    expect(value('tiresias_native_bytes')).toBeGreaterThan(10_000);
  });

  it('is a page that loads nothing from elsewhere', async () => {
    const { ask } = await server({ token: 't' });
    const { headers, body } = await ask('GET', '/');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'/);
    expect(body!.text).not.toMatch(/(src|href)=/);
    const script = /<script type="module">([\s\S]*)<\/script>/.exec(body!.text as string)![1]!;
    // It parses, and never makes markup of what models and clients call things.
    expect(() => new Function(script)).not.toThrow();
    expect(script).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write/);
  });

  it('of a policy are its model, bounds and names', async () => {
    const { ask } = await server();
    expect((await ask('GET', '/policies/tiger')).body).toMatchObject({
      name: 'tiger', model: { kind: 'pomdp', states: 2, hash: classicModel('tiger').sha256() }, lower: tiger.lower, upper: tiger.upper, names: { actions: ['listen', 'open-left', 'open-right'], observations: ['hear-left', 'hear-right'] },
    });
  });
});

describe('sessions of a service', () => {
  it('begin from a belief, a state or a saved session, and go back to the start', async () => {
    const { ask } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a', belief: [0.9, 0.1] });
    await ask('POST', '/policies/tiger/sessions', { id: 'b', state: classicModel('tiger').stateName(1) });
    expect((await ask('GET', '/sessions/b')).body!.state.belief).toEqual([0, 1]);
    const { state } = (await ask('GET', '/sessions/a')).body!;
    await ask('POST', '/policies/tiger/sessions', { id: 'c', saved: state });
    expect((await ask('GET', '/sessions/c')).body!.state).toEqual(state);
    await ask('PUT', '/sessions/c/belief', { belief: { states: [1], probabilities: [1] } });
    expect(await ask('POST', '/sessions/c/restart', { decide: true })).toMatchObject({ status: 200, body: { version: 3, decision: { name: 'listen' } } });
    expect((await ask('GET', '/sessions/c')).body!.state).toMatchObject({ stage: 0, belief: [0.5, 0.5] });
  });

  it('carry their version as an etag, and if-match is held against it', async () => {
    const { ask } = await server();
    const made = await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    expect(made.headers).toMatchObject({ etag: '"1"', location: '/sessions/a' });
    const moved = await ask('POST', '/sessions/a/observe', { action: 0, observation: 0 }, { 'if-match': String(made.headers.etag) });
    expect(moved.headers.etag).toBe('"2"');
    expect(await ask('POST', '/sessions/a/observe', { action: 0, observation: 0 }, { 'if-match': String(made.headers.etag) })).toMatchObject(problem(412, 'STALE_VERSION'));
  });

  it('are decided for many at once as for each alone', async () => {
    const { ask } = await server();
    const ids = Array.from({ length: 40 }, (_, i) => `s${i}`);
    for (const [i, id] of ids.entries()) await ask('POST', '/policies/tiger/sessions', { id, belief: [i / 40, 1 - i / 40] });
    const { decisions } = (await ask('POST', '/policies/tiger/decisions', { sessions: ids })).body!;
    for (const [i, id] of ids.entries()) expect(decisions[i]).toMatchObject({ id, decision: (await ask('GET', `/sessions/${id}/decision`)).body!.decision });
  });

  it('whose horizon is over have no next decision, and observe no more', async () => {
    const file = join(scratch(), 'short.policy');
    await savePolicy(file, solveSync(classicModel('tiger').with(2)));
    const { app } = await makeServer(new Map([['short', await loadPolicy(file)]]), new MemoryStore(), OPTIONS, pino({ level: 'silent' }));
    const post = async (url: string, payload: object) => (await app.inject({ method: 'POST', url, payload })).json() as Record<string, unknown>;
    await post('/policies/short/sessions', { id: 'a' });
    const seen = { action: 'listen', observation: 'hear-left', decide: true };
    expect(await post('/sessions/a/observe', seen)).toMatchObject({ stage: 1, decision: { stage: 1 } });
    expect(await post('/sessions/a/observe', seen)).toMatchObject({ stage: 2, decision: null });
    expect(await post('/sessions/a/observe', seen)).toMatchObject({ status: 409, code: 'HORIZON_OVER' });
    await app.close();
  });

  it('of a policy whose model is another after a reload are refused until they start over, and lose nothing when it comes back', async () => {
    const { ask, file } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    await ask('POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' });
    const before = (await ask('GET', '/sessions/a')).body;
    await savePolicy(file, solveSync(classicModel('tiger').with(4)));
    expect((await ask('POST', '/policies/tiger/reload')).body).toMatchObject({ changed: true, sameModel: false });
    expect(await ask('POST', '/sessions/a/observe', { action: 'listen', observation: 'hear-left' })).toMatchObject(problem(409, 'MODEL_CHANGED'));
    expect(await ask('GET', '/sessions/a/decision')).toMatchObject(problem(409, 'MODEL_CHANGED'));
    expect((await ask('GET', '/sessions/a')).body).toEqual(before);
    await savePolicy(file, tiger);
    expect((await ask('POST', '/policies/tiger/reload')).body).toMatchObject({ changed: true });
    expect((await ask('GET', '/sessions/a/decision')).status).toBe(200);
    await savePolicy(file, solveSync(classicModel('tiger').with(4)));
    await ask('POST', '/policies/tiger/reload');
    expect(await ask('POST', '/sessions/a/restart', {})).toMatchObject({ status: 200, body: { version: 3, stage: 0 } });
    expect((await ask('GET', '/sessions/a/decision')).status).toBe(200);
  });

  it('survive a policy file that is damaged while it is served', async () => {
    const { ask, file } = await server();
    await ask('POST', '/policies/tiger/sessions', { id: 'a' });
    writeFileSync(file, 'rubbish');
    expect(await ask('POST', '/policies/tiger/reload')).toMatchObject(problem(422, 'INVALID_POLICY'));
    expect((await ask('GET', '/sessions/a/decision')).status).toBe(200);
  });
});

describe('the queue of decisions', () => {
  it('gives every session its own decision, takes no more than it may, and goes on', async () => {
    const file = join(scratch(), 'tiger.policy');
    await savePolicy(file, tiger);
    const policy = await loadPolicy(file);
    const queue = new (class extends DecisionQueue {
      // As where a decision takes long.
      override time() {
        return 1000;
      }
    })(policy, 20, true);
    const beliefs = Array.from({ length: 21 }, (_, i) => [i / 20, 1 - i / 20]);
    const sessions = beliefs.map((belief) => policy.session({ belief }));
    const asked = sessions.slice(0, 20).map((session) => queue.decide(session));
    expect(queue.length).toBe(20);
    expect(() => queue.decide(sessions[20]!)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    expect(await Promise.all(asked)).toEqual(sessions.slice(0, 20).map((session) => session.decide()));
    expect(queue.length).toBe(0);
    expect(await queue.decide(sessions[20]!)).toEqual(sessions[20]!.decide());
  });
});
