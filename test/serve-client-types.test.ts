// The types of clients are those of the document that a server serves.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, expectTypeOf, it, onTestFinished } from 'vitest';
import type { Paths, Problem } from '../src/serve/http/client-types.js';
import { makeServer } from '../src/serve/http/server.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { root } from './support.js';

it('are what the generator makes of it', async () => {
  const { app } = await makeServer(new Map(), new MemoryStore(), { maxBody: 1, maxSessions: 1, maxQueue: 1, lookahead: true, onImpossible: 'error' }, pino({ level: 'silent' }));
  onTestFinished(() => app.close());
  const { clientTypes } = (await import(join(root, 'scripts', 'client-types.mjs'))) as { clientTypes(document: object): Promise<string> };
  const document = (await app.inject({ url: '/openapi.json' })).json() as object;
  expect(await clientTypes(document)).toBe(readFileSync(join(root, 'src', 'serve', 'http', 'client-types.ts'), 'utf8'));
});

it('say what requests take and get', () => {
  type Observe = Paths['/sessions/{id}/observe']['post'];
  expectTypeOf<Observe['requestBody']['content']['application/json']>().toEqualTypeOf<{ action: string | number; observation: string | number; reward?: number; decide?: boolean }>();
  expectTypeOf<Observe['parameters']['path']>().toEqualTypeOf<{ id: string }>();
  expectTypeOf<Observe['responses'][200]['content']['application/json']['observed']>().toEqualTypeOf<{ likelihood: number; model: number; reset: boolean } | undefined>();
  expectTypeOf<Observe['responses'][409]['content']['application/problem+json']>().toEqualTypeOf<Problem>();
  expectTypeOf<Problem['code']>().toEqualTypeOf<string>();
  expectTypeOf<Paths['/sessions']['get']['responses'][200]['content']['application/json']['next']>().toEqualTypeOf<string | null>();
  // @ts-expect-error there is no such path
  expectTypeOf<Paths['/session']>().toEqualTypeOf<never>();
});
