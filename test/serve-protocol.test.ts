// HTTP by the book: methods, faults of every kind, and no request, however odd, that gets a 500 or an answer of another form.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer } from '../src/serve/http/server.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { scratch } from './support.js';

const tiger = solveSync(classicModel('tiger'), { gap: 0.01 });

async function server(token?: string) {
  const file = join(scratch(), 'tiger.policy');
  await savePolicy(file, tiger);
  const options = { maxBody: 1 << 16, maxSessions: 1000, maxQueue: 10, lookahead: true, onImpossible: 'most-likely', token } as const;
  const made = await makeServer(new Map([['tiger', await loadPolicy(file)]]), new MemoryStore(), options, pino({ level: 'silent' }));
  onTestFinished(() => made.app.close());
  await made.app.inject({ method: 'POST', url: '/policies/tiger/sessions', payload: { id: 'a' }, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  return { ...made, file };
}

type App = Awaited<ReturnType<typeof server>>['app'];

/** What is wrong with an answer that should be a problem. */
function expectProblem(answer: { statusCode: number; headers: object; body: string }, said: string): void {
  expect(answer.headers, said).toMatchObject({ 'content-type': expect.stringMatching(/^application\/problem\+json/) });
  expect(JSON.parse(answer.body), said).toMatchObject({ type: expect.stringMatching(/^urn:tiresias:error:[A-Z_]+$/), title: expect.stringMatching(/^(?!Error$)./), status: answer.statusCode, detail: expect.any(String), code: expect.any(String), details: expect.any(Object) });
}

describe('a method that a path does not take', () => {
  it.each([
    ['PUT', '/policies', 'GET, HEAD, OPTIONS'], ['DELETE', '/policies/tiger', 'GET, HEAD, OPTIONS'], ['GET', '/policies/tiger/sessions', 'OPTIONS, POST'], ['GET', '/sessions/a/observe', 'OPTIONS, POST'],
    ['POST', '/sessions/a', 'DELETE, GET, HEAD, OPTIONS'], ['PATCH', '/sessions/a', 'DELETE, GET, HEAD, OPTIONS'], ['PROPFIND', '/sessions/a/belief', 'OPTIONS, PUT'], ['TRACE', '/health', 'GET, HEAD, OPTIONS'], ['POST', '/', 'GET, HEAD, OPTIONS'], ['POST', '/openapi.json', 'GET, HEAD, OPTIONS'],
  ])('%s %s is 405, with those that it takes', async (method, url, allow) => {
    const { app } = await server();
    // What the body is does not matter.
    const answer = await app.inject({ method: method as 'GET', url, ...(method === 'POST' && { payload: '{', headers: { 'content-type': 'application/json' } }) });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, allow]);
    expectProblem(answer, url);
    expect(answer.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED', details: { method } });
  });

  it('is said by HEAD and OPTIONS, too, as far as they say anything', async () => {
    const { app } = await server();
    const ask = (method: 'HEAD' | 'OPTIONS' | 'GET', url: string) => app.inject({ method, url });
    expect(await ask('OPTIONS', '/sessions/a')).toMatchObject({ statusCode: 204, body: '', headers: { allow: 'DELETE, GET, HEAD, OPTIONS' } });
    expect((await ask('OPTIONS', '/nowhere')).statusCode).toBe(404);
    for (const url of ['/sessions/a', '/policies', '/openapi.json', '/']) {
      const [head, get] = [await ask('HEAD', url), await ask('GET', url)];
      expect(head).toMatchObject({ statusCode: 200, body: '' });
      expect(head.headers['content-length'], url).toBe(get.headers['content-length']);
      expect(head.headers.etag, url).toBe(get.headers.etag);
    }
    expect(await ask('HEAD', '/sessions/nobody')).toMatchObject({ statusCode: 404, body: '', headers: { 'content-type': expect.stringMatching(/^application\/problem\+json/) } });
    // Node leaves the body out on the wire.
    expect(await ask('HEAD', '/sessions/a/observe')).toMatchObject({ statusCode: 405, headers: { allow: 'OPTIONS, POST' } });
  });
});

describe('a policy file that cannot be read again', () => {
  const cases: [string, (file: string) => void, string][] = [
    ['a folder that is no adapter', (file) => (rmSync(file), mkdirSync(file)), 'INVALID_POLICY'],
    ['removed', (file) => rmSync(file), 'FILE_NOT_FOUND'],
    ['in a folder that is none', (file) => (renameSync(file, `${file}.away`), rmSync(join(file, '..'), { recursive: true }), writeFileSync(join(file, '..'), '')), 'IO'],
    ['empty', (file) => writeFileSync(file, ''), 'INVALID_POLICY'],
    ['a picture', (file) => writeFileSync(file, Buffer.from('89504e470d0a1a0a0000000d', 'hex')), 'INVALID_POLICY'],
    ['a model alone', (file) => writeFileSync(file, classicModel('tiger').toJson()), 'INVALID_POLICY'],
    ['without its model', (file) => writeFileSync(file, tiger.savePolicy()), 'INVALID_POLICY'],
    ['a pipe', (file) => (rmSync(file), execFileSync('mkfifo', [file])), 'IO'],
    ['too large to be read', (file) => truncateSync(file, 3e9), 'IO'],
    // Root may read everything.
    ...(process.getuid?.() === 0 ? [] : [['unreadable', (file: string) => chmodSync(file, 0), 'PERMISSION_DENIED'] as [string, (file: string) => void, string]]),
  ];
  it.each(cases)('because it is %s, is a 422, and the old policy stays', async (_, spoil, code) => {
    const { app, file } = await server();
    spoil(file);
    const answer = await app.inject({ method: 'POST', url: '/policies/tiger/reload' });
    expect([answer.statusCode, answer.json()]).toMatchObject([422, { code }]);
    expectProblem(answer, code);
    expect((await app.inject({ url: '/sessions/a/decision' })).statusCode).toBe(200);
  });
});

/** What a listening server answers to these bytes. */
async function raw(app: App, bytes: string): Promise<{ statusCode: number; headers: Record<string, string>; body: string }> {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as { port: number };
  const text = await new Promise<string>((resolve, reject) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.on('data', (data: Buffer) => (got += data.toString())).on('close', () => resolve(got)).on('error', reject);
  });
  const [head, ...body] = text.split('\r\n\r\n');
  const [status, ...lines] = head!.split('\r\n');
  return { statusCode: Number(status!.split(' ')[1]), headers: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)])), body: body.join('\r\n\r\n') };
}

describe('what is hardly a request', () => {
  it.each([
    ['no HTTP at all', 400, 'hello\r\n\r\n'],
    ['two lengths', 400, 'POST /sessions/a/observe HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['headers without an end', 431, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['no host', 400, 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['an expectation', 417, 'POST /sessions/a/observe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n'],
    ['a path with broken escapes', 400, 'GET /policies/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['a name without an end', 414, `GET /policies/${'x'.repeat(3000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`],
    ['a method of nobody’s', 400, 'OBSERVE /sessions/a HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('%s is a problem, %i', async (said, status, bytes) => {
    const { app } = await server();
    const answer = await raw(app, bytes);
    expect(answer.statusCode, answer.body).toBe(status);
    expectProblem({ ...answer, body: answer.headers['transfer-encoding'] === 'chunked' ? answer.body.split('\r\n')[1]! : answer.body }, said);
  });

  it('but is one, is served: a whole address, the server itself, an old HTTP', async () => {
    const { app } = await server();
    expect((await raw(app, 'GET http://x/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).statusCode).toBe(200);
    expect(await raw(app, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatchObject({ statusCode: 204, headers: { allow: 'GET, HEAD, OPTIONS' } });
    expect((await raw(app, 'GET /health HTTP/1.0\r\n\r\n')).statusCode).toBe(200);
  });
});

describe('whatever is sent', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH'] as const;
  const word = fc.oneof(fc.constantFrom('tiger', 'a', 'observe', 'sessions', 'policies', 'decisions', 'decision', 'belief', 'restart', 'reload', 'metrics', '..', '.', '', '__proto__', '%', '%00', '%ff', 'x'.repeat(300)), fc.string({ maxLength: 8, unit: 'grapheme' }).map((text) => encodeURIComponent(text)), fc.string({ maxLength: 8 }).map((text) => text.replaceAll(/[\s#]/g, '')));
  const known = fc.constantFrom('/policies', '/policies/tiger', '/policies/tiger/reload', '/policies/tiger/sessions', '/policies/tiger/decisions', '/sessions', '/sessions/a', '/sessions/a/decision', '/sessions/a/observe', '/sessions/a/belief', '/sessions/a/restart', '/health', '/ready', '/openapi.json', '/metrics', '/');
  const query = fc.oneof(fc.constant(''), fc.constantFrom('?limit=0', '?limit=x', '?limit=1&limit=2', '?after=%00', '?after=a&after=b', '?variant=none', '?__proto__=1', '?%', '?a[b]=c'), fc.string({ maxLength: 12 }).map((text) => `?${text.replaceAll(/[\s#]/g, '')}`));
  const path = fc.tuple(fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: fc.array(word, { maxLength: 4 }).map((words) => `/${words.join('/')}`) }), query).map(([path, query]) => path + query);
  const name = fc.oneof(fc.constantFrom('listen', 'hear-left', 'open-right', 0, 1, -1, 2 ** 53, 1e300, '', '__proto__', 'constructor'), fc.jsonValue({ maxDepth: 1 }));
  const belief = fc.oneof(fc.array(fc.oneof(fc.double(), fc.constantFrom(0, 1, 0.5)), { maxLength: 3 }), fc.record({ states: fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 3 }), probabilities: fc.array(fc.double(), { maxLength: 3 }) }), fc.jsonValue({ maxDepth: 1 }));
  // A saved session that is whole but for whatever was made of one of its members.
  const saved = fc.tuple(fc.constantFrom('schema', 'model', 'stage', 'belief', 'updatedBy', 'impossible', 'onImpossible', 'history', 'more', 'nothing'), fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 53, -0, 0.5, [[0, 0]], [[9, 9]], 'error'))).map(([member, value]) => ({
    schema: 'tiresias.session/1', model: tiger.model().sha256(), stage: 1, belief: [0.5, 0.5], updatedBy: 0, impossible: 0, onImpossible: 'reset', ...(member !== 'nothing' && { [member]: value }),
  }));
  const members = fc.record({ id: fc.oneof(fc.constantFrom('a', '..', 'b'), fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 1 })), action: name, observation: name, state: name, belief, saved, decide: fc.oneof(fc.boolean(), fc.jsonValue({ maxDepth: 1 })), onImpossible: fc.constantFrom('error', 'reset', 'never'), history: fc.boolean(), sessions: fc.array(fc.constantFrom('a', 'b', 'nobody'), { maxLength: 3 }) }, { requiredKeys: [] });
  // What each path takes, often enough whole.
  const body = fc.oneof({ weight: 4, arbitrary: fc.oneof(members, fc.record({ action: name, observation: name }), fc.record({ belief }), fc.record({ saved })).map((value) => JSON.stringify(value)) }, { weight: 1, arbitrary: fc.oneof(fc.json({ maxDepth: 2 }), fc.string(), fc.constantFrom('{', '', 'null', '[]', '{"__proto__":{}}', '{"constructor":{"prototype":{}}}', '\u{feff}{}', '['.repeat(5000), '"\\ud800"', '1e999')) });
  const headers = fc.record({
    'content-type': fc.constantFrom('application/json', 'application/json; charset=utf-8', 'text/plain', 'application/json; charset=latin9', 'multipart/form-data', ';', 'application/octet-stream'),
    'if-match': fc.constantFrom('"1"', '*', 'W/"1"', '1', '"-1"', '"99999999999999999999"', ''), 'idempotency-key': fc.constantFrom('k', '', 'x'.repeat(256), 'é'), accept: fc.constantFrom('text/html', ';;;'), range: fc.constant('bytes=0-1'),
    expect: fc.constantFrom('x'), authorization: fc.constantFrom('Basic x', 'Bearer ', 'Bearer t'), 'accept-version': fc.constant('9'), 'transfer-encoding': fc.constant('chunked'), 'content-encoding': fc.constant('gzip'),
  }, { requiredKeys: [] });

  it.each([['no token', undefined], ['a token', 't']])('to a server with %s, it is no 500, and every fault is a problem', { timeout: 300_000 }, async (_, token) => {
    const { app } = await server(token);
    await fc.assert(fc.asyncProperty(fc.constantFrom(...METHODS), path, body, headers, async (method, url, payload, given) => {
      // What stands between reads addresses, too.
      fc.pre(URL.canParse(url, 'http://localhost'));
      const sent = { ...(payload !== '' && { 'content-type': 'application/json' }), ...given };
      const answer = await app.inject({ method: method as 'GET', url, headers: sent, ...(!['GET', 'HEAD'].includes(method) && payload !== '' && { payload }) });
      const said = `${method} ${url} ${JSON.stringify(sent)} ${payload.slice(0, 300)}: ${answer.statusCode} ${answer.body.slice(0, 300)}`;
      expect(answer.statusCode, said).not.toBe(500);
      expect(answer.statusCode, said).toBeLessThanOrEqual(503);
      if (answer.statusCode >= 400 && method !== 'HEAD') expectProblem(answer, said);
    }), { numRuns: 1500 });
  });
});
