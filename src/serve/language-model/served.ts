// A language model's policy as it is served.
import { basename } from 'node:path';
import { TiresiasError } from '../../errors.js';
import type { AllNames, AnyStart, AnyState, LanguageModelSummary, Prepared, Servable } from '../servable.js';
import { SESSION_SCHEMA, otherModel } from '../session-state.js';
import { insideOf, type LanguageModelPolicy } from './policy.js';
import type { Prompt } from './prompt.js';
import type { LanguageModelDecision, LanguageModelSession } from './session.js';
import type { WorkerListener } from './worker.js';

/** Names of the first form; those of the others are in the summary. */
function namesOf([first]: readonly Prompt[]): AllNames {
  const { form } = first!;
  return { actions: form.actions, observations: form.observations, states: form.regime === 'mdp' ? form.observations : [] };
}

/** An adapter with the processes that decide for it. */
export class ServedLanguageModel implements Servable {
  readonly #policy: LanguageModelPolicy;
  readonly #maxQueue: number;

  constructor(policy: LanguageModelPolicy, maxQueue: number, listener: WorkerListener) {
    this.#policy = policy;
    this.#maxQueue = maxQueue;
    insideOf(policy).listen(listener);
  }

  names(): AllNames {
    return namesOf(insideOf(this.#policy).prompts);
  }

  summary(): LanguageModelSummary {
    const { prompts, base } = insideOf(this.#policy);
    const { modelHash: hash, policyHash } = this.#policy;
    const forms = prompts.map(({ form: { family, regime, horizon, actions, observations }, showsRewards }) => ({ family, regime, horizon, rewards: showsRewards ? 'shown' as const : 'hidden' as const, actions, observations }));
    return { languageModel: { hash, base: basename(base), forms }, policyHash };
  }

  knows(model: string): boolean {
    return insideOf(this.#policy).prompts.some(({ hash }) => hash === model);
  }

  restored(state: AnyState): LanguageModelSession {
    if (state.schema === SESSION_SCHEMA) throw otherModel(state.model, this.#policy.modelHash);
    return this.#policy.session(state);
  }

  begun({ belief, onImpossible, history, ...start }: AnyStart): LanguageModelSession {
    if (belief !== undefined || onImpossible !== undefined || history !== undefined) throw new TiresiasError('INVALID_ARGUMENT', 'a language model has no belief, and always keeps its history: leave out belief, onImpossible and history, and say support, state and regime');
    return this.#policy.session(start);
  }

  afresh(state: AnyState): LanguageModelSession {
    const session = this.restored(state);
    session.restart();
    return session;
  }

  believe(): never {
    throw new TiresiasError('INVALID_ARGUMENT', 'a language model has no belief that could be replaced; it uses what it was shown and what was observed');
  }

  decide(session: LanguageModelSession): Promise<LanguageModelDecision> {
    const { waiting } = this;
    if (waiting >= this.#maxQueue) throw new TiresiasError('OVERLOADED', `${waiting} decisions wait for this policy, and no more may; try again soon`, { details: { waiting } });
    return session.decide();
  }

  decideAll(sessions: readonly LanguageModelSession[]): Promise<LanguageModelDecision[]> {
    return this.#policy.decide(sessions);
  }

  get waiting(): number {
    return insideOf(this.#policy).pool.waiting;
  }

  get processes(): { up: number; wanted: number } {
    const { up, wanted } = insideOf(this.#policy).pool;
    return { up, wanted };
  }

  async prepare(): Promise<Prepared> {
    const { prompts, take, drop } = await insideOf(this.#policy).prepare();
    return { names: namesOf(prompts), take, drop };
  }

  close(): Promise<void> {
    return this.#policy.dispose();
  }
}
