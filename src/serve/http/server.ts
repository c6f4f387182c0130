// The service over HTTP.
import bearer from '@fastify/bearer-auth';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { jsonSchemaTransform, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { z, type ZodType } from 'zod';
import { TiresiasError } from '../../errors.js';
import { version } from '../../version.js';
import { DecisionService, type ChangeOptions, type Changed, type Policies, type ServiceOptions } from '../service.js';
import type { SessionStore } from '../stores/store.js';
import { tracedStore, tracingOf, type RequestSpan, type Tracing } from '../tracing.js';
import type { ServedVariant } from '../variants.js';
import { hostMissing, refuseConnection, refuseExpectations } from './malformed.js';
import { Metrics } from './metrics.js';
import { PAGE, PAGE_POLICY } from './page.js';
import { Paths, pathAsked } from './paths.js';
import { LATER, problemOf, type Problem } from './problem.js';
import * as schemas from './schemas.js';

/** Limits and choices of a server. */
export interface ServerOptions extends ServiceOptions {
  /** What every request must carry; none where everybody may ask. */
  token?: string | undefined;
  /** Bytes of a body. */
  maxBody: number;
  /** Requests a second of one address. */
  rate?: number | undefined;
}

/** A server that has not been told to listen yet. */
export interface Server {
  app: FastifyInstance;
  service: DecisionService;
  /** Answers what it has begun, refuses the rest, and lets go of the store and of the processes that decide. `wait`: so long readiness alone says no, for those who send requests to hear of it. */
  drain(wait?: number): Promise<void>;
}

/** A server over policies by name and a store. */
export async function makeServer(policies: Policies, store: SessionStore, options: ServerOptions, log: Logger): Promise<Server> {
  let draining = false;
  const storeUp = () => store.check().then(() => true, () => false);
  const metrics: Metrics = new Metrics({ queued: () => service.queued(), sessions: () => store.count(), storeUp, processes: () => service.processes() }, log);
  const tracing = await tracingOf();
  const service = new DecisionService(policies, tracing ? tracedStore(store, tracing) : store, options, metrics, tracing);

  const app = fastify({
    loggerInstance: log as FastifyBaseLogger, logController: new LogController({ disableRequestLogging: true }),
    // A logger for each request costs more than most of them; what is logged of one names it.
    childLoggerFactory: (logger) => logger, bodyLimit: options.maxBody, return503OnClosing: false, forceCloseConnections: 'idle', routerOptions: { maxParamLength: 200 },
    rewriteUrl: ({ url }) => pathAsked(url!), frameworkErrors: (error, request, reply) => void refuse(error, request, reply), clientErrorHandler: refuseConnection, http: { requireHostHeader: false },
  }).withTypeProvider<ZodTypeProvider>();
  refuseExpectations(app.server);
  // Bodies are JSON; fastify would hand on plain text as a string.
  app.removeContentTypeParser('text/plain');
  // What stands in a path needs no check: there is a session or policy of that name, or there is none.
  app.setValidatorCompiler((route) => (route.httpPart === 'params' ? (data: unknown) => ({ value: data }) : validatorCompiler(route as Parameters<typeof validatorCompiler>[0])));
  // Answers are made here and tested; checking each again would cost as much as a decision.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));

  app.setErrorHandler((error, request, reply) => refuse(error, request, reply));
  // First, so that what no route takes has a span, too.
  if (tracing) traced(app, tracing);
  const paths = new Paths();
  // Before the body is read: what is wrong with it does not matter where nothing takes it.
  app.addHook('onRequest', (request, reply, done) => {
    const problem = hostMissing(request.raw);
    if (problem) return void answer(problem, reply);
    return request.is404 ? void elsewhere(paths, request, reply) : done();
  });
  const debugs = log.isLevelEnabled('debug');
  const answered = (route: string) => (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    metrics.answered(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    if (debugs) request.log.debug({ request: request.id, method: request.method, url: request.url, status: reply.statusCode, milliseconds: reply.elapsedTime }, 'answered');
    done();
  };
  // Bound to the route here: asking a request for its route makes an object each time.
  app.addHook('onRoute', (route) => {
    paths.add(route.url, route.method);
    route.onResponse = answered(route.url);
  });
  const lost = answered('none');
  app.addHook('onResponse', (request, reply, done) => (request.is404 ? lost(request, reply, done) : done()));

  if (options.rate !== undefined) {
    await app.register(rateLimit, {
      max: options.rate, timeWindow: 1000, allowList: (request) => request.url === '/health' || request.url === '/ready',
      errorResponseBuilder: (_, { max }) => new TiresiasError('TOO_MANY_REQUESTS', `more than ${max} requests a second came from this address; wait a second`, { details: { most: max } }) as unknown as object,
    });
  }
  await app.register(swagger, {
    openapi: {
      // Its schemas are JSON Schema and nothing else, which generators of clients read.
      openapi: '3.1.0',
      info: { title: 'Tiresias', description: 'Decisions under uncertainty: with certificates where the policy was solved, with log-probabilities where it is a language model.', version },
      ...(options.token !== undefined && { components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }, security: [{ token: [] }] }),
    },
    transform: jsonSchemaTransform,
  });

  // Open to all: what those ask who start, stop and watch the server, and a page that has nothing in it before it is given the token.
  app.get('/health', { schema: { summary: 'Whether the process lives.', security: [], response: { 200: schemas.status } } }, async () => ({ status: 'ok' }));
  app.get('/ready', { schema: { summary: 'Whether requests are served now.', security: [], response: { 200: schemas.status, 503: refused('Not now.') } } }, async () => {
    if (draining) throw new TiresiasError('DRAINING', 'the server is about to stop; ask another one');
    await service.check();
    return { status: 'ready' };
  });
  app.get('/', { schema: { hide: true } }, async (_, reply) => reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY).send(PAGE));

  await app.register(async (scope) => {
    if (options.token !== undefined) {
      await scope.register(bearer, {
        keys: new Set([options.token]), addHook: 'onRequest', contentType: 'application/problem+json', verifyErrorLogLevel: 'debug',
        errorResponse: () => unauthorized(new TiresiasError('UNAUTHORIZED', 'the request needs the header `authorization: Bearer TOKEN` with the server\'s token')),
      });
    }
    routes(scope, service, metrics, app);
  });
  await app.ready();

  return {
    app,
    service,
    async drain(wait = 0) {
      draining = true;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await app.close();
      await service.close();
    },
  };
}

/** What needs the token. */
function routes(plain: FastifyInstance, service: DecisionService, metrics: Metrics, root: FastifyInstance): void {
  const app = plain.withTypeProvider<ZodTypeProvider>();
  const problems = {
    400: refused('Malformed.'), 401: refused('Without the token.'), 404: refused('An unknown session or policy.'), 409: refused('Forbidden by the session’s state.'), 412: refused('A stale version.'),
    413: refused('Too large a body.'), 415: refused('A body that is not JSON.'), 422: refused('A name that does not exist, or a key of another request.'), 429: refused('Too many requests.'), 503: refused('Not now.'),
  };
  const told = (summary: string, answer: ZodType) => ({ summary, response: { 200: answer, ...problems } });

  app.get('/openapi.json', { schema: { hide: true } }, async () => root.swagger());
  app.get('/metrics', { schema: { hide: true } }, async (_, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()));

  app.get('/policies', { schema: told('The policies that are served.', schemas.policySummary.array()) }, async () => service.policies().flatMap(({ name, variants }) => variants.map((variant) => summary(name, variant))));
  app.get('/policies/:policy', { schema: { ...told('A policy, with the names of its actions, observations and states.', schemas.policyNames), params: schemas.policyParameters, querystring: schemas.policyQuery } }, async ({ params, query }) => {
    const variant = service.policy(params.policy).variant(query.variant);
    return { ...summary(params.policy, variant), names: variant.policy.names() };
  });
  app.post('/policies/:policy/reload', { schema: { ...told('Reads the files of a policy again.', schemas.reloaded), params: schemas.policyParameters } }, async ({ params, log }) => {
    const reloaded = await service.reload(params.policy);
    log.info({ policy: params.policy, ...reloaded }, 'policy read again');
    return reloaded;
  });
  app.post('/policies/:policy/sessions', {
    schema: { summary: 'Starts a session.', response: { 200: schemas.changed.describe('The session that the same request started before.'), 201: schemas.changed, ...problems }, params: schemas.policyParameters, body: schemas.createBody, headers: schemas.changeHeaders },
  }, async ({ params, body, headers }, reply) => {
    const { id, decide, saved, ...start } = body ?? {};
    if (saved !== undefined && Object.values(start).some((value) => value !== undefined)) throw new TiresiasError('INVALID_ARGUMENT', 'a saved session has all that it begins with: leave out the others');
    const { made, answer } = await service.create(params.policy, { id, decide, from: (saved ?? start) as never }, { key: headers['idempotency-key'] });
    void reply.code(made ? 201 : 200).header('location', `/sessions/${answer.id}`).header('etag', etag(answer));
    return answer;
  });
  app.post('/policies/:policy/decisions', {
    schema: { ...told('What to do now in many sessions at once.', schemas.batch), params: schemas.policyParameters, body: schemas.batchBody },
  }, async ({ params, body }, reply) => {
    // Written slice by slice, too: as one text it would hold up everybody.
    const slices: string[] = [];
    for await (const slice of service.decisions(params.policy, body.sessions)) slices.push(JSON.stringify(slice).slice(1, -1));
    void reply.type('application/json; charset=utf-8');
    return `{"decisions":[${slices.join(',')}]}` as never;
  });

  app.get('/sessions', { schema: { ...told('Sessions in the order of their ids.', schemas.listed), querystring: schemas.listQuery } }, async ({ query }) => service.list(query));
  app.get('/sessions/:id', { schema: { ...told('A session as it is.', schemas.shownSession), params: schemas.sessionParameters } }, async ({ params }, reply) => {
    const shown = await service.show(params.id);
    void reply.header('etag', etag(shown));
    return shown;
  });
  app.delete('/sessions/:id', { schema: { summary: 'Removes a session.', response: { 204: z.null().describe('It is gone.'), ...problems }, params: schemas.sessionParameters, headers: schemas.changeHeaders } }, async ({ params, headers }, reply) => {
    await service.remove(params.id, change(headers));
    return reply.code(204).send(null);
  });
  app.get('/sessions/:id/decision', { schema: { ...told('What to do now.', schemas.changed), params: schemas.sessionParameters } }, async ({ params }, reply) => answered(reply, await service.decision(params.id)));
  app.post('/sessions/:id/observe', {
    schema: { ...told('Tells of an action and what was seen after it: conditions the belief, or goes on with the prompt.', schemas.observedChange), params: schemas.sessionParameters, body: schemas.observeBody, headers: schemas.changeHeaders },
  }, async ({ params, body, headers }, reply) => answered(reply, await service.observe(params.id, body, body.decide === true, change(headers))));
  app.put('/sessions/:id/belief', {
    schema: { ...told('Replaces the belief by one from outside; a language model has none.', schemas.changed), params: schemas.sessionParameters, body: schemas.believeBody, headers: schemas.changeHeaders },
  }, async ({ params, body, headers }, reply) => answered(reply, await service.believe(params.id, body.belief, body.decide === true, change(headers))));
  app.post('/sessions/:id/restart', {
    schema: { ...told('Takes the session back to the start.', schemas.changed), params: schemas.sessionParameters, body: schemas.restartBody, headers: schemas.changeHeaders },
  }, async ({ params, body, headers }, reply) => answered(reply, await service.restart(params.id, body?.decide === true, change(headers))));
}

/** An answer that is a problem, as OpenAPI has it. */
const refused = (description: string) => ({ description, content: { 'application/problem+json': { schema: schemas.problem } } });

const unauthorized = (error: TiresiasError) => problemOf(error) as unknown as { error: string };

const etag = ({ version: number }: { version: number }): string => `"${number}"`;

/** An answer with its version in the header. Handlers return the answer itself: fastify waits for a returned reply until it is sent, which takes long. */
function answered<T extends Changed>(reply: FastifyReply, answer: T): T {
  void reply.header('etag', etag(answer));
  return answer;
}

/** What a change comes with, from its headers. */
function change(headers: { 'idempotency-key'?: string | undefined; 'if-match'?: string | undefined }): ChangeOptions {
  const match = headers['if-match'];
  if (match === undefined || match === '*') return { key: headers['idempotency-key'] };
  const expected = /^"(\d+)"$/.exec(match)?.[1];
  if (expected === undefined) throw new TiresiasError('INVALID_ARGUMENT', `if-match: expected a version in quotes, as the etag of an answer has it, not ${match.slice(0, 60)}`);
  return { key: headers['idempotency-key'], expected: Number(expected) };
}

const summary = (name: string, { name: variant, share, policy }: ServedVariant) => ({ name, variant, share, ...policy.summary() });

/** A span for each request, in which it is handled. */
function traced(app: FastifyInstance, tracing: Tracing): void {
  const spans = new WeakMap<FastifyRequest, RequestSpan>();
  app.addHook('onRequest', (request, _, done) => {
    const route = request.is404 ? undefined : request.routeOptions.url;
    spans.set(request, tracing.begin(`${request.method}${route === undefined ? '' : ` ${route}`}`, { 'http.request.method': request.method, 'url.path': request.url.split('?', 1)[0]!, ...(route !== undefined && { 'http.route': route }) }, request.headers));
    done();
  });
  // Not before the body is read: that goes on where the connection is.
  app.addHook('preHandler', (request, _, done) => spans.get(request)!.run(done));
  app.addHook('onResponse', (request, reply, done) => {
    spans.get(request)?.end(reply.statusCode);
    done();
  });
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error);
  if (problem.status >= 500) request.log.error({ err: error, request: request.id, method: request.method, url: request.url, code: problem.code }, 'refused');
  return answer(problem, reply);
}

function answer(problem: Problem, reply: FastifyReply): FastifyReply {
  if (LATER.has(problem.status)) reply.header('retry-after', '1');
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

/** A request that no route takes: its path is unknown, or known for other methods. */
function elsewhere(paths: Paths, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { method } = request;
  const path = request.url.split('?', 1)[0]!;
  const allowed = paths.methodsAt(path);
  if (allowed.length === 0) return refuse(new TiresiasError('NOT_FOUND', `there is nothing at ${method} ${request.url.slice(0, 200)}; /openapi.json says what there is`), request, reply);
  reply.header('allow', allowed.join(', '));
  if (method === 'OPTIONS') return reply.code(204).send();
  return refuse(new TiresiasError('METHOD_NOT_ALLOWED', `${path.slice(0, 200)} does not take ${method}; it takes ${allowed.join(', ')}`, { details: { method, allowed } }), request, reply);
}
