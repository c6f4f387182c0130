// What requests and answers look like: checked on the way in, and told to OpenAPI.
import { z } from 'zod';
import { ID } from '../service.js';
import { ON_IMPOSSIBLE } from '../session-state.js';

const name = z.union([z.string().max(1000), z.number().int().nonnegative()]).describe('A name, or a number from 0.');
const sparse = z.strictObject({ states: z.array(z.number().int().nonnegative()), probabilities: z.array(z.number()) });
const belief = z.union([z.array(z.number()), sparse]).describe('One probability a state, or those of the states that are possible.');
const decide = z.boolean().optional().describe('Whether to say what to do next, too.');
const id = z.string().regex(ID).describe('1 to 128 letters, digits or . _ ~ -, and neither . nor ..');

export const sessionState = z.strictObject({
  schema: z.string(), model: z.string(), stage: z.number().int().nonnegative(), belief, updatedBy: z.number().int().nonnegative(), impossible: z.number().int().nonnegative(),
  onImpossible: z.enum(ON_IMPOSSIBLE), history: z.array(z.tuple([z.number(), z.number()])).optional(),
}).describe('A session as JSON.stringify(session) saved it.');

export const createBody = z.strictObject({
  id: id.optional(), saved: sessionState.optional(), belief: z.array(z.number()).optional(), state: name.optional(), onImpossible: z.enum(ON_IMPOSSIBLE).optional(), history: z.boolean().optional(), decide,
}).nullish();
export const observeBody = z.strictObject({ action: name, observation: name, decide });
export const believeBody = z.strictObject({ belief, decide });
export const restartBody = z.strictObject({ decide }).nullish();
export const batchBody = z.strictObject({ sessions: z.array(id).min(1).max(100_000) });

export const policyQuery = z.object({ variant: z.string().max(1000).optional().describe('One of several variants; the first when nothing is said.') });
export const policyParameters = z.object({ policy: z.string() });
export const sessionParameters = z.object({ id });
export const listQuery = z.object({ after: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) });
export const changeHeaders = z.object({
  'idempotency-key': z.string().min(1).max(255).optional().describe('The same key again is the same request: it is answered as the first one was, and moves nothing.'),
  'if-match': z.string().optional().describe('The version that the session must have, in quotes.'),
});

export const decision = z.object({ action: z.number(), name: z.string(), lower: z.number(), upper: z.number(), regretBound: z.number(), stage: z.number() });
export const changed = z.object({ id: z.string(), policy: z.string(), variant: z.string().describe('The variant of the policy that decides for the session.'), version: z.number(), stage: z.number(), decision: decision.nullable().optional().describe('What to do next; null once the horizon is over.') });
export const observedChange = changed.extend({ observed: z.object({ likelihood: z.number(), model: z.number(), reset: z.boolean() }) });
export const shownSession = z.object({ id: z.string(), policy: z.string(), variant: z.string(), version: z.number(), changed: z.number(), state: sessionState });
export const listed = z.object({ sessions: z.array(z.object({ id: z.string(), policy: z.string(), version: z.number(), changed: z.number() })), next: z.string().nullable().describe('The id after which the list goes on; null at its end.') });
export const batch = z.object({ decisions: z.array(z.object({ id: z.string(), version: z.number(), decision: decision.nullable().describe('Null once the horizon is over.') })) });
export const reloaded = z.object({ changed: z.boolean(), sameModel: z.boolean(), variants: z.array(z.object({ variant: z.string(), changed: z.boolean(), sameModel: z.boolean(), modelHash: z.string(), policyHash: z.string() })) });
export const policySummary = z.object({
  name: z.string(), variant: z.string(), share: z.number().describe('Its share of the new sessions.'), model: z.object({ name: z.string(), hash: z.string(), kind: z.string(), states: z.number(), actions: z.number(), observations: z.number(), models: z.number(), horizon: z.number().nullable(), discount: z.number() }),
  policyHash: z.string(), solver: z.string(), stopped: z.string(), lower: z.number(), upper: z.number(),
});
export const policyNames = policySummary.extend({ names: z.object({ actions: z.array(z.string()), observations: z.array(z.string()), states: z.array(z.string()) }) });
export const problem = z.object({ type: z.string(), title: z.string(), status: z.number(), detail: z.string(), code: z.string(), details: z.record(z.string(), z.unknown()) }).describe('What is wrong (RFC 9457), with a stable code.');
export const status = z.object({ status: z.string() });
