// A language model's session: one decision-maker's support and history, of which the model is asked what to do.
import { invalid } from '../../arguments.js';
import { checkNoMore } from '../../check.js';
import { largest } from '../../methods/language-model.js';
import type { Name } from '../names.js';
import { checkReward, horizonOver, otherModel } from '../session-state.js';
import { LANGUAGE_MODEL_SESSION_SCHEMA, type LanguageModelSessionState } from './state.js';
import type { Prompt, Told } from './prompt.js';
import type { Context } from './worker.js';

/** A language model's decision. Nothing about it is proven: a certified policy's `lower`, `upper` and `regretBound` are absent. */
export interface LanguageModelDecision {
  /** The action to take: the likeliest, the lowest on ties. */
  action: number;
  /** Its name. */
  name: string;
  /** The log-probability of each action's token, over the whole vocabulary. */
  logprobs: number[];
  /** Number of the decision, from 0. */
  stage: number;
}

/** What a session needs of its policy, which may be read again while the session lives. */
export interface Asked {
  /** The form of prompts of this hash, where the policy still knows it. */
  prompt(hash: string): Prompt | undefined;
  /** SHA-256 of what the policy is now. */
  modelHash(): string;
  /** The log-probabilities of the actions. */
  ask(context: Context): Promise<number[]>;
}

/** Makes a session of a policy. */
export let makeLanguageModelSession: (policy: Asked, prompt: Prompt, told: Told) => LanguageModelSession;

/** One decision-maker under a language model's policy. Made by `policy.session`. `JSON.stringify` saves it. */
export class LanguageModelSession {
  readonly #policy: Asked;
  readonly #prompt: Prompt;
  #told: Told;

  private constructor(policy: Asked, prompt: Prompt, told: Told) {
    this.#policy = policy;
    this.#prompt = prompt;
    this.#told = told;
  }

  static {
    makeLanguageModelSession = (policy, prompt, told) => new LanguageModelSession(policy, prompt, told);
  }

  /** Decisions made so far. */
  get stage(): number {
    return this.#told.history.length;
  }

  /** Whether no decision is left: the episodes that the model learned from were so long. */
  get over(): boolean {
    return this.stage >= this.#prompt.form.horizon;
  }

  /** The form of its prompts, while the policy knows it. Throws MODEL_CHANGED. */
  #current(): Prompt {
    const { hash } = this.#prompt;
    const known = this.#policy.prompt(hash);
    if (!known) throw otherModel(hash, this.#policy.modelHash());
    return known;
  }

  #checkGoesOn(): void {
    const { horizon } = this.#prompt.form;
    if (this.over) throw horizonOver(this.stage, horizon);
  }

  /**
   * Adds an action, what was seen after it and, where the prompts show it, the reward, by names or numbers; where the state is seen, that is the next state.
   * Throws UNKNOWN_NAME, INVALID_ARGUMENT, HORIZON_OVER and MODEL_CHANGED; the session is then as it was.
   */
  observe(action: Name, observation: Name, reward?: number): void {
    checkNoMore('session.observe', arguments, 3, 'an action, an observation and a reward');
    checkReward(reward);
    const prompt = this.#current();
    this.#checkGoesOn();
    const [a, o] = [prompt.actions.number(action), prompt.observations.number(observation)];
    if (prompt.showsRewards && reward === undefined) invalid('session.observe: the rewards of a session stand in this model\'s prompts: say what was earned, session.observe(action, observation, reward)');
    const told = { ...this.#told, history: [...this.#told.history, [a, o, prompt.showsRewards ? reward! : null] as const] } as Told;
    // What cannot be printed is refused now and not when a decision is wanted.
    prompt.context(told);
    this.#told = told;
  }

  /** What the model would do now. Throws HORIZON_OVER, MODEL_CHANGED, DISPOSED, TOO_LONG, and DECIDER_DIED where its process is not there: then ask again. */
  async decide(): Promise<LanguageModelDecision> {
    checkNoMore('session.decide', arguments, 0, 'no argument');
    const { actions } = this.#current();
    this.#checkGoesOn();
    const { stage } = this;
    const logprobs = await this.#policy.ask(this.#prompt.context(this.#told));
    const action = largest(logprobs);
    return { action, name: actions.nameOf(action), logprobs: [...logprobs], stage };
  }

  /** Back to the first decision, with the same support, from what was seen first. */
  restart(): void {
    checkNoMore('session.restart', arguments, 0, 'no argument');
    this.#told = { ...this.#told, history: [] };
  }

  /** The session as data, for JSON.stringify; `policy.session` takes it back. */
  toJSON(): LanguageModelSessionState {
    const { family, regime } = this.#prompt.form;
    const { support, first, history } = this.#told;
    return { schema: LANGUAGE_MODEL_SESSION_SCHEMA, model: this.#prompt.hash, family, regime, support: support.map((steps) => steps.map((step) => [...step] as typeof step)), first, history: history.map((step) => [...step] as typeof step) };
  }
}
