// The service over HTTP, in this process and on the loopback.
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer, type ServerOptions } from '../src/serve/http/server.js';
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
    return { status: answer.statusCode, headers: answer.headers, body: answer.body === '' ? undefined : /json/.test(String(answer.headers['content-type'])) ? (answer.json() as Record<string, any>) : answer.body };
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
