// Spans for OpenTelemetry, where its API is installed and somebody listens to it.
import type { Attributes, Span } from '@opentelemetry/api';
import { version } from '../version.js';
import type { SessionStore } from './stores/store.js';

/** Makes spans. */
export interface Tracing {
  /** Runs work in a span within the current one. It ends with the work, or with the promise that the work returned. */
  inSpan<T>(name: string, attributes: Attributes, work: () => T): T;
  /** Begins the span of a request, within the caller's where its headers say one. */
  begin(name: string, attributes: Attributes, headers: object): RequestSpan;
}

/** The span of a request. */
export interface RequestSpan {
  /** Runs work in it. */
  run(work: () => void): void;
  /** Ends it with what was answered. */
  end(status: number): void;
}

/** Spans for whoever listens when this is called; undefined when nobody does, so that nothing is paid for them. */
export async function tracingOf(): Promise<Tracing | undefined> {
  let api: typeof import('@opentelemetry/api');
  try {
    api = await import('@opentelemetry/api');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, isSpanContextValid, propagation, trace } = api;
  const tracer = trace.getTracer('tiresias', version);
  // Without an SDK the API makes spans that are nobody's.
  if (!isSpanContextValid(tracer.startSpan('tiresias.probe', { root: true }).spanContext())) return undefined;

  const failed = (span: Span, error: unknown) => {
    span.recordException(error as Error);
    span.setStatus({ code: SpanStatusCode.ERROR });
  };
  return {
    inSpan: (name, attributes, work) => tracer.startActiveSpan(name, { attributes }, (span) => {
      let result;
      try {
        result = work();
      } catch (error) {
        failed(span, error);
        span.end();
        throw error;
      }
      if (!(result instanceof Promise)) {
        span.end();
        return result;
      }
      // Handed on only when the span has ended: whoever waits may begin the next.
      return result.then((value: unknown) => {
        span.end();
        return value;
      }, (error: unknown) => {
        failed(span, error);
        span.end();
        throw error;
      }) as typeof result;
    }),
    begin(name, attributes, headers) {
      const parent = propagation.extract(ROOT_CONTEXT, headers);
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
      const within = trace.setSpan(parent, span);
      return {
        run: (work) => context.with(within, work),
        end(status) {
          span.setAttribute('http.response.status_code', status);
          if (status >= 500) span.setAttribute('error.type', String(status)).setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
  };
}

/** A store with a span around each call. */
export function tracedStore(store: SessionStore, { inSpan }: Tracing): SessionStore {
  const span = <T>(what: string, id: string | undefined, work: () => T) => inSpan(`store ${what}`, { 'tiresias.store': store.name, ...(id !== undefined && { 'tiresias.session': id }) }, work);
  return {
    name: store.name,
    read: (id) => span('read', id, () => store.read(id)),
    write: (id, session, expected) => span('write', id, () => store.write(id, session, expected)),
    remove: (id) => span('remove', id, () => store.remove(id)),
    list: (options) => span('list', undefined, () => store.list(options)),
    count: () => span('count', undefined, () => store.count()),
    check: () => store.check(),
    close: () => store.close(),
  };
}
