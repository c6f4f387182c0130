// What requests and answers look like: checked on the way in, and told to OpenAPI.
import { z } from 'zod';
import { ID } from '../service.js';
import { ON_IMPOSSIBLE } from '../session-state.js';

const name = z.union([z.string().max(1000), z.number().int().nonnegative()]).describe('A name, or a number from 0.');
const sparse = z.strictObject({ states: z.array(z.number().int().nonnegative()), probabilities: z.array(z.number()) });
const belief = z.union([z.array(z.number()), sparse]).describe('One probability a state, or those of the states that are possible.');
const decide = z.boolean().optional().describe('Whether to say what to do next, too.');
const id = z.string().regex(ID).describe('1 to 128 letters, digits or . _ ~ -, and neither . nor ..');

const regime = z.enum(['mdp', 'pomdp', 'apomdp']);
const number = z.number().int().nonnegative();

const solvedState = z.strictObject({
  // Other versions are told from each other where a session is restored.
  schema: z.string(), model: z.string(), stage: z.number().int().nonnegative(), belief, updatedBy: z.number().int().nonnegative(), impossible: z.number().int().nonnegative(),
  onImpossible: z.enum(ON_IMPOSSIBLE), history: z.array(z.tuple([z.number(), z.number()])).optional(),
}).describe('A solved policy’s session as JSON.stringify(session) saved it.');
const languageModelState = z.strictObject({
  schema: z.literal('tiresias.language-model-session/1'), model: z.string(), family: z.string(), regime, support: z.array(z.array(z.tuple([number.nullable(), number, z.number()]))), first: number.nullable(),
  history: z.array(z.tuple([number, number, z.number().nullable()])),
}).describe('A language model’s session as JSON.stringify(session) saved it: its history, from which its prompt is written.');
export const sessionState = z.union([solvedState, languageModelState]).describe('A session as JSON.stringify(session) saved it.');
const support = z.array(z.array(z.tuple([name.nullable(), name, z.number()])).min(1)).describe('For a language model: trajectories of the same task that it is shown first, each a list of steps: what was seen before the action (null for nothing), the action, the reward after it.');

export const createBody = z.strictObject({
  id: id.optional(), saved: sessionState.optional(), belief: z.array(z.number()).optional(), state: name.optional(), onImpossible: z.enum(ON_IMPOSSIBLE).optional(), history: z.boolean().optional(),
  support: support.optional(), observation: name.optional().describe('For a language model where states are hidden: what was seen before the first action, if something was.'), family: z.string().optional(), regime: regime.optional(), decide,
}).nullish();
export const observeBody = z.strictObject({ action: name, observation: name, reward: z.number().optional().describe('What was earned; for language models whose prompts show it, and ignored by others.'), decide });
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

const certified = z.object({ action: z.number(), name: z.string(), lower: z.number(), upper: z.number(), regretBound: z.number(), stage: z.number() }).describe('A solved policy’s decision, with what is proven about it.');
const likeliest = z.object({ action: z.number(), name: z.string(), logprobs: z.array(z.number()).describe('The log-probability of each action’s token.'), stage: z.number() }).describe('A language model’s decision. Nothing about it is proven: lower, upper and regretBound are absent.');
export const decision = z.union([certified, likeliest]);
export const changed = z.object({ id: z.string(), policy: z.string(), variant: z.string().describe('The variant of the policy that decides for the session.'), version: z.number(), stage: z.number(), decision: decision.nullable().optional().describe('What to do next; null once the horizon is over.') });
export const observedChange = changed.extend({ observed: z.object({ likelihood: z.number(), model: z.number(), reset: z.boolean() }).optional().describe('What it did to the belief; absent where the policy is a language model, which has none.') });
export const shownSession = z.object({ id: z.string(), policy: z.string(), variant: z.string(), version: z.number(), changed: z.number(), state: sessionState });
export const listed = z.object({ sessions: z.array(z.object({ id: z.string(), policy: z.string(), version: z.number(), changed: z.number() })), next: z.string().nullable().describe('The id after which the list goes on; null at its end.') });
export const batch = z.object({ decisions: z.array(z.object({ id: z.string(), version: z.number(), decision: decision.nullable().describe('Null once the horizon is over.') })) });
export const reloaded = z.object({ changed: z.boolean(), sameModel: z.boolean(), variants: z.array(z.object({ variant: z.string(), changed: z.boolean(), sameModel: z.boolean(), modelHash: z.string(), policyHash: z.string() })) });
const served = { name: z.string(), variant: z.string(), share: z.number().describe('Its share of the new sessions.'), policyHash: z.string() };
const solvedSummary = z.object({
  ...served, model: z.object({ name: z.string(), hash: z.string(), kind: z.string(), states: z.number(), actions: z.number(), observations: z.number(), models: z.number(), horizon: z.number().nullable(), discount: z.number() }),
  solver: z.string(), stopped: z.string(), lower: z.number(), upper: z.number(),
});
const form = z.object({ family: z.string(), regime: z.string(), horizon: z.number(), rewards: z.enum(['shown', 'hidden']).describe('Whether observing needs the reward.'), actions: z.array(z.string()), observations: z.array(z.string()) });
const languageModelSummary = z.object({ ...served, languageModel: z.object({ hash: z.string(), base: z.string(), forms: z.array(form).describe('The kinds of tasks that it learned from.') }) });
const names = z.object({ actions: z.array(z.string()), observations: z.array(z.string()), states: z.array(z.string()) });
export const policySummary = z.union([solvedSummary, languageModelSummary]);
export const policyNames = z.union([solvedSummary.extend({ names }), languageModelSummary.extend({ names: names.describe('Of the first form.') })]);
export const problem = z.object({ type: z.string(), title: z.string(), status: z.number(), detail: z.string(), code: z.string(), details: z.record(z.string(), z.unknown()) }).describe('What is wrong (RFC 9457), with a stable code.');
export const status = z.object({ status: z.string() });
