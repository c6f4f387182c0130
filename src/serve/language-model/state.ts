// What is left of a language model's session when the process is gone: its history, from which the prompt is written again.
import { shown } from '../../arguments.js';
import { TiresiasError } from '../../errors.js';
import type { Regime } from '../../spec.js';
import type { PromptForm } from '../../train/prompts.js';
import { otherModel } from '../session-state.js';
import type { HistoryStep, Prompt, SupportStep } from './prompt.js';

/** The schema of such a state. */
export const LANGUAGE_MODEL_SESSION_SCHEMA = 'tiresias.language-model-session/1';

/** A language model's session as JSON: what `JSON.stringify(session)` writes and `policy.session` takes. */
export interface LanguageModelSessionState {
  /** The version of this form. */
  schema: 'tiresias.language-model-session/1';
  /** SHA-256 of the form of its prompts. */
  model: string;
  /** The tasks' family. */
  family: PromptForm['family'];
  /** Whether states are seen, and whether there is a cloud. */
  regime: Regime;
  /** Trajectories that the model is shown before the session. */
  support: [observation: number | null, action: number, reward: number][][];
  /** What was seen before the first action; null for nothing. */
  first: number | null;
  /** What was done, what was seen after it, and what was earned where the prompts show it. */
  history: [action: number, observation: number, reward: number | null][];
}

function broken(what: string): never {
  throw new TiresiasError('INVALID_SESSION', `the session's state ${what}; pass what JSON.stringify(session) gave, unchanged`);
}

const MEMBERS = Object.keys({ schema: true, model: true, family: true, regime: true, support: true, first: true, history: true } satisfies Record<keyof LanguageModelSessionState, true>);

/** Checks a state that comes from outside, and finds the form of its prompts. Throws INVALID_SESSION, and MODEL_CHANGED where it is of a form that the policy does not know. */
export function checkLanguageModelState(given: unknown, prompts: readonly Prompt[]): { state: LanguageModelSessionState; prompt: Prompt } {
  if (typeof given !== 'object' || given === null) broken(`is ${shown(given)}`);
  const state = given as LanguageModelSessionState;
  if (state.schema !== LANGUAGE_MODEL_SESSION_SCHEMA) broken(`is of schema ${shown(state.schema)}, and this policy, a language model's, reads ${LANGUAGE_MODEL_SESSION_SCHEMA}`);
  const unknown = Object.keys(state).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) broken(`has a member ${shown(unknown)}, and what is saved has ${MEMBERS.join(', ')}`);
  if (typeof state.model !== 'string') broken('names no form of prompts');
  const prompt = prompts.find(({ hash }) => hash === state.model);
  if (!prompt) throw otherModel(state.model, prompts.map(({ hash }) => hash)[0]!);
  const below = (value: unknown, size: number): boolean => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < size;
  const seen = (value: unknown) => below(value, prompt.observations.size);
  const done = (value: unknown) => below(value, prompt.actions.size);
  const step = ([observation, action, reward]: SupportStep) => (observation === null || seen(observation)) && done(action) && Number.isFinite(reward);
  const moved = ([action, observation, reward]: HistoryStep) => done(action) && seen(observation) && (prompt.showsRewards ? Number.isFinite(reward) : reward === null);
  const triples = (steps: unknown, fine: (step: never) => boolean) => Array.isArray(steps) && steps.every((one) => Array.isArray(one) && one.length === 3 && fine(one as never));
  if (!Array.isArray(state.support) || !state.support.every((steps) => triples(steps, step) && steps.length > 0)) broken('has a support that is no list of trajectories');
  if (!triples(state.history, moved) || state.history.length > prompt.form.horizon) broken('has a history that is no list of steps');
  if (prompt.form.regime === 'mdp' ? !seen(state.first) : state.first !== null && !seen(state.first)) broken('does not say what was seen first');
  return { state, prompt };
}
