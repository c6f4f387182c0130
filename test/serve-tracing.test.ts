// Spans: of requests, the store and decisions, one within the other, for whoever listens; and none for nobody.
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync } from '../src/index.js';
import { makeServer } from '../src/serve/http/server.js';
import { MemoryStore } from '../src/serve/stores/memory.js';
import { tracingOf } from '../src/serve/tracing.js';
import { scratch } from './support.js';

const exporter = new InMemorySpanExporter();

function listen(): void {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
}

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
  exporter.reset();
});

async function served() {
  const file = join(scratch(), 'tiger.policy');
  await savePolicy(file, solveSync(classicModel('tiger'), { gap: 0.1 }));
  const store = new MemoryStore();
  const options = { maxBody: 1 << 16, maxSessions: 100, maxQueue: 10, lookahead: true, onImpossible: 'most-likely' } as const;
  const { app } = await makeServer(new Map([['tiger', await loadPolicy(file)]]), store, options, pino({ level: 'silent' }));
  onTestFinished(() => app.close());
  return { app, store };
}

/** The spans of a request by name, all within the first. */
function tree(spans: ReadableSpan[]) {
  const request = spans.find(({ kind, name }) => kind === 1 && !name.startsWith('store'))!;
  for (const span of spans) if (span !== request) expect(span.parentSpanContext?.spanId, span.name).toBe(request.spanContext().spanId);
  return { request, inner: spans.filter((span) => span !== request) };
}

describe('with somebody who listens', () => {
  it('a request has a span, and in it those of the store and of the decision', async () => {
    listen();
    const { app } = await served();
    await app.inject({ method: 'POST', url: '/policies/tiger/sessions', payload: { id: 'a' } });
    exporter.reset();
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await app.inject({ method: 'POST', url: '/sessions/a/observe', payload: { action: 'listen', observation: 'hear-left', decide: true }, headers: { traceparent: parent } });
    await expect.poll(() => exporter.getFinishedSpans().length).toBe(4);
    const { request, inner } = tree(exporter.getFinishedSpans());
    expect(request).toMatchObject({ name: 'POST /sessions/:id/observe', attributes: { 'http.request.method': 'POST', 'http.route': '/sessions/:id/observe', 'url.path': '/sessions/a/observe', 'http.response.status_code': 200 }, parentSpanContext: { spanId: 'b7ad6b7169203331' } });
    expect(inner.map(({ name, attributes }) => [name, attributes])).toEqual([
      ['store read', { 'tiresias.store': 'memory', 'tiresias.session': 'a' }],
      ['decide', { 'tiresias.policy': 'tiger', 'tiresias.variant': 'tiger', 'tiresias.decisions': 1 }],
      ['store write', { 'tiresias.store': 'memory', 'tiresias.session': 'a' }],
    ]);
  });

  it('what fails says so, and where', async () => {
    listen();
    const { app, store } = await served();
    store.read = () => Promise.reject(new Error('gone'));
    await app.inject({ url: '/sessions/a' });
    await expect.poll(() => exporter.getFinishedSpans().length).toBe(2);
    const { request, inner } = tree(exporter.getFinishedSpans());
    expect(request).toMatchObject({ status: { code: 2 }, attributes: { 'http.response.status_code': 500, 'error.type': '500' } });
    expect(inner[0]).toMatchObject({ name: 'store read', status: { code: 2 }, events: [{ name: 'exception', attributes: { 'exception.message': 'gone' } }] });
  });

  it('a path that does not exist has a span without a route', async () => {
    listen();
    const { app } = await served();
    await app.inject({ url: '/nowhere' });
    await expect.poll(() => exporter.getFinishedSpans().length).toBe(1);
    expect(exporter.getFinishedSpans()[0]).toMatchObject({ name: 'GET', attributes: { 'http.response.status_code': 404 } });
  });
});

it('with nobody who listens there is no tracing at all', async () => {
  expect(await tracingOf()).toBeUndefined();
  const { app } = await served();
  expect((await app.inject({ url: '/policies' })).statusCode).toBe(200);
});
